"""Texts that repeat themselves: the rules of Gopher, and loops that a limit of tokens cut off.

Rae et al. (2021, https://arxiv.org/abs/2112.11446, table A1) drop a document when duplicate lines or paragraphs, its
most frequent n-gram (n = 2, 3, 4), or all n-grams that stand in it twice (n = 5 … 10) make up too large a share. The
thresholds are theirs, made for web pages.

N-grams are not judged in a text of fewer than 100 words: there one phrase of ten words that stands twice, as in many a
worked solution, is over the threshold already. A loop is found in a text of any length.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

LEAST_WORDS = 100
LINES, LINE_CHARACTERS = 0.30, 0.20  # shares that may be duplicate; paragraphs as lines
TOP_NGRAMS = {2: 0.20, 3: 0.18, 4: 0.16}  # n → share of characters that the most frequent n-gram may have
DUPLICATE_NGRAMS = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}  # … that n-grams standing twice may have
LOOP_TIMES, LOOP_CHARACTERS, LONGEST_UNIT = 4, 64, 200  # a unit this often, this much in all, at most so long

DUPLICATE_LINES = "duplicate lines"
DUPLICATE_PARAGRAPHS = "duplicate paragraphs"
TOP = "an n-gram that is too frequent"
DUPLICATES = "too many n-grams that stand twice"
LOOP = "a loop at the end"


def find_repetition(texts: Sequence[str]) -> list[str]:
    """What each text repeats, "" for nothing.

    Example:
        >>> find_repetition(["She sells 9 eggs.\\nShe earns $18.", "Yes.\\nYes.\\nYes.", "So it is 5, " * 9 + "So i"])
        ['', 'duplicate lines', 'a loop at the end']
    """
    return [_repetition(text) for text in texts]


def is_loop(text: str) -> bool:
    """Whether a text ends in one unit of at most 200 characters, four times or more and over 64 characters or more.

    Where the text was cut off inside the unit does not matter: the end is periodic anyway.

    Example:
        >>> is_loop("The answer: " + "and then 2 more " * 5 + "and the"), is_loop("no, no, no, no")
        (True, False)
    """
    text = text.rstrip()
    for period in range(1, min(LONGEST_UNIT, len(text) // LOOP_TIMES) + 1):
        same = max(LOOP_CHARACTERS, LOOP_TIMES * period) - period  # characters that equal those a period before
        if same + period <= len(text) and text[-same:] == text[-same - period : -period]:
            return True
    return False


def _repetition(text: str) -> str:
    if is_loop(text):
        return LOOP
    for reason, pieces in ((DUPLICATE_PARAGRAPHS, re.split(r"\n\s*\n", text)), (DUPLICATE_LINES, text.splitlines())):
        if _repeats_pieces([piece.strip() for piece in pieces if piece.strip()]):
            return reason
    words = text.split()
    if len(words) < LEAST_WORDS:
        return ""
    letters = sum(map(len, words))
    if any(_top_share(words, n) > most * letters for n, most in TOP_NGRAMS.items()):
        return TOP
    if any(_duplicate_share(words, n) > most * letters for n, most in DUPLICATE_NGRAMS.items()):
        return DUPLICATES
    return ""


def _repeats_pieces(pieces: Sequence[str]) -> bool:
    """Whether too many lines, or characters of lines, stand further up already."""
    seen: set[str] = set()
    duplicate = [piece for piece in pieces if piece in seen or seen.add(piece)]  # type: ignore[func-returns-value]
    share, of_characters = len(duplicate), sum(map(len, duplicate))
    return share > LINES * len(pieces) or of_characters > LINE_CHARACTERS * sum(map(len, pieces))


def _top_share(words: Sequence[str], n: int) -> int:
    """The characters that the most frequent n-gram takes up, the first of several; 0 where none stands twice."""
    counts = Counter(zip(*(words[start:] for start in range(n)), strict=False))
    [(gram, most)] = counts.most_common(1) or [((), 0)]
    return most * sum(map(len, gram)) if most > 1 else 0


def _duplicate_share(words: Sequence[str], n: int) -> int:
    """The characters of n-grams that stand further up already; where they overlap, each character once."""
    seen: set[tuple[str, ...]] = set()
    total, end = 0, 0  # `end`: words before it are counted
    for start, gram in enumerate(zip(*(words[start:] for start in range(n)), strict=False)):
        if gram in seen:
            total += sum(map(len, words[max(start, end) : start + n]))
            end = start + n
        seen.add(gram)
    return total
