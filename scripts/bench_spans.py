"""Does the locator find answers on noisy pages, how fast, and beside what others do?

    python scripts/bench_spans.py --data ../shared/data

Pages of 500 to 2,000 words are paragraphs of SQuAD or XQuAD, put together; the answers are one to ten of their words,
at least four characters. Then the page gets its noise: of its characters 5, 10 or 15 % are misread (three of five
replaced, half of these by what OCR takes them for; one of five dropped, one followed by another), one word in fifty is
split, one gap in fifty closed. Three of ten questions have no answer: it is from another page, and this one does not
contain it. An answer stands once on its page before the noise, so that there is one right place: its words. Counted is
how often the best occurrence covers exactly them, and how often an unanswerable question finds something.

Beside it run, on the same pages, round by round:

- `guide`: what the Hugging Face guide for document question answering does: the lower-cased words of the answer as a
  sub-list of the lower-cased words of the page, first match;
- `partial ratio`: `rapidfuzz.fuzz.partial_ratio_alignment` alone, accepted from 70;
- `windows`: every window of about as many words (at most five more or fewer, at most twice as many and two), joined
  with and without spaces, nearest by Levenshtein distance up to a quarter; as allanj/LayoutLMv3-DocVQA and redthing1
  do it, but with rapidfuzz's distance in C++ and without their quadratic loop. On a part of the pages: it is slow.

Speed is answers per CPU second of one process, the preparation of each page included; medians over the rounds. Ours
looks at 1,000 rows in one go, as `annotate` does; the others know nothing but one answer at a time.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
import tracemalloc
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein

from hf_mbdc.transforms.boxes import word_offsets, word_range
from hf_mbdc.transforms.characters import is_word_boundary
from hf_mbdc.transforms.locate import Occurrence, SearchText, locate, locate_all
from hf_mbdc.transforms.text import fold

NOISES = (0.05, 0.10, 0.15)
QUESTIONS = 10  # a page; of these
UNANSWERABLE = 3
BATCH = 100  # pages, 1,000 rows: what `annotate` looks at in one go
ALIKE = dict(zip("o0l1i5sbgqzu", "0oli1s5hqgzv", strict=True)) | {"e": "c", "c": "e", "n": "h", "h": "b", "a": "o"}
ALIKE |= {"m": "n", "t": "f", "f": "t", "r": "n", "d": "cl", "w": "vv", "O": "0", "I": "l", "S": "5", "B": "8"}
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
EDGES = " .,;:!?\"'()[]"  # no part of an answer at its ends
Span = tuple[int, int]


@dataclass(frozen=True)
class Page:
    """A noisy page and its questions: the answer and its first and last word, None where it is not there."""

    words: list[str]
    context: str
    offsets: list[Span]
    questions: list[tuple[str, Span | None]]


def read_paragraphs(path: Path) -> list[str]:
    """The contexts of a file in SQuAD's format."""
    return [p["context"] for a in json.loads(path.read_text("utf-8"))["data"] for p in a["paragraphs"]]


def read_korean(path: Path) -> list[str]:
    """The sentences of KLUE's named-entity set, without its marks."""
    lines = path.read_text("utf-8").split("\n")
    sentences: list[str] = []
    letters: list[str] = []
    for line in lines:
        if line.startswith("##") or not line.strip("\n"):
            sentences += ["".join(letters)] if letters else []
            letters = []
        else:
            letters.append(line.split("\t")[0])
    return sentences


def noisy_character(character: str, rate: float, draw: random.Random, letters: str) -> str:
    """What is read for a character: itself, another one (three of five misreadings), one more, or nothing."""
    kind = draw.random() / rate
    if kind >= 1:
        return character
    if kind < 0.6:
        return (ALIKE.get(character) if draw.random() < 0.5 else None) or draw.choice(letters)
    return character + draw.choice(letters) if kind < 0.8 else ""


def noisy_words(
    words: Sequence[str], rate: float, draw: random.Random, letters: str
) -> tuple[list[str], list[list[int]]]:
    """The words of the noisy page, and for every character of the clean one (joined by spaces) those that it is in."""
    out = [""]
    places: list[list[int]] = []
    for word in words:
        cut = draw.randrange(1, len(word)) if len(word) > 3 and draw.random() < 0.02 else 0
        for position, character in enumerate(word):
            if position and position == cut and out[-1]:
                out.append("")
            noisy = noisy_character(character, rate, draw, letters)
            out[-1] += noisy
            places.append([len(out) - 1] if noisy else [])
        places.append([])  # the space
        if out[-1] and draw.random() >= 0.02:
            out.append("")
    return [word for word in out if word], places


def make_pages(paragraphs: Sequence[str], rate: float, count: int, seed: int) -> list[Page]:
    """Pages with their questions; the same for the same arguments."""
    draw = random.Random(f"{seed}:{rate}")
    letters = (
        LETTERS
        if sum(p.isascii() for p in paragraphs)
        else "".join(sorted(set("".join(paragraphs).lower()) - {" ", "\n"}))
    )
    clean = []
    for _ in range(count):
        size = draw.randint(500, 2000)
        words: list[str] = []
        while len(words) < size:
            words += draw.choice(paragraphs).split()
        clean.append(words[:size])
    pages = []
    for number, words in enumerate(clean):
        noisy, places = noisy_words(words, rate, draw, letters)
        context = " ".join(noisy)
        page = Page(noisy, context, word_offsets(noisy, context), [])
        folded = f" {fold(' '.join(words)).text} "
        while len(page.questions) < QUESTIONS:
            answerable = len(page.questions) >= UNANSWERABLE
            source = words if answerable else clean[number - draw.randrange(1, count)]
            size = draw.randint(1, 10)
            first = draw.randrange(len(source) - size)
            text = " ".join(source[first : first + size])
            answer = text.strip(EDGES)
            if len(answer) < 4 or folded.count(fold(answer).text) != answerable:
                continue
            low = len(" ".join(source[:first])) + bool(first) + len(text) - len(text.lstrip(EDGES))
            held = [place for character in places[low : low + len(answer)] for place in character] if answerable else []
            if held or not answerable:
                page.questions.append((answer, (min(held), max(held)) if held else None))
        pages.append(page)
    return pages


def ours(pages: Sequence[Page]) -> list[list[Span | None]]:
    """What this project finds: the words of the best occurrence; `BATCH` pages in one go, as `annotate` does."""
    found: list[list[Span | None]] = []
    for begin in range(0, len(pages), BATCH):
        batch = pages[begin : begin + BATCH]
        texts = [(page, SearchText(page.context)) for page in batch]
        occurrences = iter(locate_all([(text, [answer]) for page, text in texts for answer, _ in page.questions]))
        found += [[best_words(page, next(occurrences)) for _ in page.questions] for page in batch]
    return found


def best_words(page: Page, occurrences: Sequence[Occurrence]) -> Span | None:
    """First and last word of the occurrence with the best score, the first of equals."""
    best = max(occurrences, key=lambda o: o.score, default=None)
    return word_range(page.offsets, best.start, best.end) if best else None


def guide(page: Page) -> list[Span | None]:
    """The guide's search, see the module's docstring."""
    words = [word.lower() for word in page.words]
    found: list[Span | None] = []
    for answer, _ in page.questions:
        wanted = answer.lower().split()
        starts = (i for i in range(len(words)) if words[i] == wanted[0] and words[i : i + len(wanted)] == wanted)
        start = next(starts, None)
        found.append(None if start is None else (start, start + len(wanted) - 1))
    return found


def partial_ratio(page: Page) -> list[Span | None]:
    """`rapidfuzz` alone."""
    text = page.context.lower()
    found: list[Span | None] = []
    for answer, _ in page.questions:
        near = fuzz.partial_ratio_alignment(answer.lower(), text, score_cutoff=70)
        found.append(word_range(page.offsets, near.dest_start, near.dest_end) if near else None)
    return found


def windows(page: Page) -> list[Span | None]:
    """The enumeration of windows."""
    words = [word.lower() for word in page.words]
    found: list[Span | None] = []
    for answer, _ in page.questions:
        wanted, best, place = answer.lower(), 0.25, None
        size = len(wanted.split())
        for start in range(len(words)):
            for end in range(start + max(1, size - 5), min(start + min(size + 5, 2 * size + 2), len(words)) + 1):
                for joint in (" ", ""):
                    piece = joint.join(words[start:end])
                    difference = Levenshtein.distance(piece, wanted) / ((len(piece) + len(wanted)) / 2)
                    if difference < best or difference == best == 0.25:
                        best, place = difference, (start, end - 1)
        found.append(place)
    return found


def rates(pages: Sequence[Page], found: Sequence[Sequence[Span | None]]) -> tuple[float, float]:
    """Share of the answers whose words were found exactly, and of the unanswerable questions that found something."""
    pairs = [
        (gold, span)
        for page, spans in zip(pages, found, strict=True)
        for (_, gold), span in zip(page.questions, spans, strict=True)
    ]
    exact = [span == gold for gold, span in pairs if gold]
    false = [span is not None for gold, span in pairs if not gold]
    return sum(exact) / len(exact), sum(false) / len(false)


def page_by_page(method: Callable[[Page], list[Span | None]]) -> Callable[[Sequence[Page]], list[list[Span | None]]]:
    """A method that knows one page, for many."""
    return lambda pages: [method(page) for page in pages]


def compare(pages: Sequence[Page], slow: int, rounds: int) -> dict[str, tuple[float, float, float]]:
    """Exact share, false share and answers a second of each method over interleaved rounds."""
    methods: dict[str, tuple[Callable[[Sequence[Page]], list[list[Span | None]]], Sequence[Page]]] = {
        "ours": (ours, pages),
        "guide": (page_by_page(guide), pages),
        "partial ratio": (page_by_page(partial_ratio), pages),
        "windows": (page_by_page(windows), pages[:slow]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    results = {}
    for _ in range(rounds):
        for name, (method, part) in methods.items():
            began = time.process_time()
            results[name] = method(part)
            seconds[name].append((time.process_time() - began) / (len(part) * QUESTIONS))
    return {
        name: (*rates(part, results[name]), 1 / statistics.median(seconds[name])) for name, (_, part) in methods.items()
    }


def korean_rates(sentences: Sequence[str], count: int, seed: int) -> tuple[float, float]:
    """Share of answers found with exactly their characters: under 15 % syllable noise, and in NFD without noise."""
    draw = random.Random(seed)
    exact = decomposed = 0
    for _ in range(count):
        text = " ".join(draw.choices(sentences, k=40))
        size = draw.randint(3, 15)
        while True:
            start = draw.randrange(len(text) - size)
            answer = text[start : start + size]
            cut = is_word_boundary(text, start) and is_word_boundary(text, start + size)  # no number, no cluster in two
            if (
                cut
                and answer == answer.strip()
                and text.count(answer) == 1
                and sum("가" <= c <= "힣" for c in answer) > 2
            ):
                break
        noisy = "".join(noisy_syllable(c, draw) for c in text)
        best = max(locate(SearchText(noisy), [answer]), key=lambda o: o.score, default=None)
        exact += best is not None and (best.start, best.end) == (start, start + size)
        nfd = unicodedata.normalize("NFD", text)
        left, middle = (len(unicodedata.normalize("NFD", part)) for part in (text[:start], answer))
        decomposed += [(o.start, o.end) for o in locate(SearchText(nfd), [answer])] == [(left, left + middle)]
    return exact / count, decomposed / count


def noisy_syllable(character: str, draw: random.Random) -> str:
    """With 15 % another syllable that differs in one of its jamo."""
    if not "가" <= character <= "힣" or draw.random() >= 0.15:
        return character
    code = ord(character) - 0xAC00
    parts, sizes = [code // 588, code % 588 // 28, code % 28], (19, 21, 28)
    which = draw.randrange(3)
    parts[which] = (parts[which] + draw.randrange(1, sizes[which])) % sizes[which]
    return chr(0xAC00 + parts[0] * 588 + parts[1] * 28 + parts[2])


def measure_long_page(paragraphs: Sequence[str], words: int, seed: int) -> tuple[float, float, float, float]:
    """A page of that many words at 10 %: seconds to prepare it, ms per answer, MiB at the peak, exact share."""
    draw = random.Random(seed)
    clean: list[str] = []
    while len(clean) < words:
        clean += draw.choice(paragraphs).split()
    noisy, places = noisy_words(clean, 0.1, draw, LETTERS)
    context = " ".join(noisy)
    offsets, folded = word_offsets(noisy, context), fold(" ".join(clean)).text
    questions: list[tuple[str, Span]] = []
    while len(questions) < 50:
        first = draw.randrange(len(clean) - 8)
        text = " ".join(clean[first : first + 8])
        answer = text.strip(EDGES)
        low = len(" ".join(clean[:first])) + bool(first) + len(text) - len(text.lstrip(EDGES))
        held = [place for character in places[low : low + len(answer)] for place in character]
        if folded.count(fold(answer).text) == 1:
            questions.append((answer, (min(held), max(held))))
    tracemalloc.start()
    began = time.process_time()
    page = SearchText(context)
    locate(page, ["nothing like this stands anywhere on the page"])
    prepared = time.process_time() - began
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    began = time.process_time()
    right = 0
    for answer, gold in questions:
        best = max(locate(page, [answer]), key=lambda o: o.score, default=None)
        right += best is not None and word_range(offsets, best.start, best.end) == gold
    return prepared, (time.process_time() - began) / 50 * 1000, peak, right / 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with squad, xquad and klue")
    parser.add_argument("--pages", type=int, default=150, help="pages per noise")
    parser.add_argument("--slow-pages", type=int, default=8, help="of these for the enumeration of windows")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--language", nargs="*", default=["de", "ru", "vi"], help="XQuAD languages, `ours` only")
    arguments = parser.parse_args()

    # 1. English, beside the others.
    english = read_paragraphs(next((arguments.data / "squad").glob("*.json")))
    head = f"{'':16}{'noise':>6}{'exact span':>12}{'unanswerable matched':>22}{'answers/s':>12}"
    print(f"SQuAD: {arguments.pages} pages × {QUESTIONS} questions per noise\n{head}")
    for rate in NOISES:
        table = compare(
            make_pages(english, rate, arguments.pages, arguments.seed), arguments.slow_pages, arguments.rounds
        )
        for name, (exact, false, speed) in table.items():
            print(f"{name:16}{rate:>6.2f}{exact:>12.4f}{false:>22.4f}{speed:>12,.0f}")
        print(f"{'ours ÷ windows':16}{rate:>6.2f}{'':>34}{table['ours'][2] / table['windows'][2]:>12,.0f}")

    # 2. Other languages.
    for language in arguments.language:
        paragraphs = read_paragraphs(arguments.data / f"xquad/xquad.{language}.json")
        for rate in NOISES:
            pages = make_pages(paragraphs, rate, arguments.pages // 2, arguments.seed)
            began = time.process_time()
            exact, false = rates(pages, ours(pages))
            speed = len(pages) * QUESTIONS / (time.process_time() - began)
            print(f"{'xquad.' + language:16}{rate:>6.2f}{exact:>12.4f}{false:>22.4f}{speed:>12,.0f}")

    # 3. Hangul, and a page of 50,000 words.
    noisy, decomposed = korean_rates(read_korean(next((arguments.data / "klue").glob("*ner*"))), 500, arguments.seed)
    print(
        f"Hangul, 15 % of the syllables misread: exact characters {noisy:.4f}; NFC answers in NFD text {decomposed:.4f}"
    )
    prepared, each, peak, exact = measure_long_page(english, 50_000, arguments.seed)
    print(
        f"50,000 words: prepared in {prepared:.2f} s, {each:.2f} ms an answer, peak {peak:.0f} MiB, exact {exact:.2f}"
    )


if __name__ == "__main__":
    main()
