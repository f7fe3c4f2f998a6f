"""A document and a question as the choice among occurrences sees them: words in sentences, and which of them are alike.

A question seldom repeats the document letter for letter: words are inflected (Russian, German), carry particles
(Korean), or are written without spaces (Chinese, Thai). So words are compared by their letters, and scripts without
spaces are read character by character, where pairs of neighbours carry the meaning.
"""

from __future__ import annotations

import math
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np

from hf_mbdc.transforms.boxes import Box

# Characters of scripts without spaces: Thai, Lao, Myanmar, Khmer, kana, Han.
_UNSPACED = (
    "\u0e01-\u0e2e\u0e40-\u0e45\u0e81-\u0eae\u0ec0-\u0ec6\u1000-\u102a\u1780-\u17b3"
    "\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff"
)
_STOPS = ".!?。！？।؟"
_PAUSES = {",": 1.0, "、": 1.0, "，": 1.0, ";": 3.0, ":": 2.0, "(": 2.0, ")": 2.0, "–": 1.0, "—": 2.0}  # in words
_SENTENCE_GAP = 6.0  # words that a sentence's end is worth
_ALIKE = 0.45  # similarity from which two words may be forms of one
_TOO_OFTEN = 200  # a word that stands in a document more often says nothing about a place in it


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    """Numbers, words, single characters of unspaced scripts, and punctuation; marks stay with their letters."""
    marks = re.escape("".join(c for c in map(chr, range(0x300, 0x20000)) if unicodedata.category(c)[0] == "M"))
    return re.compile(
        rf"\d+(?:[.,]\d+)*|[{_UNSPACED}][{marks}]*|(?:(?![{_UNSPACED}])[^\W\d_][{marks}]*)+(?:['’][^\W\d_]+)?|[^\w\s]|_"
    )


@lru_cache(maxsize=65536)
def _fold(word: str) -> str:
    """A word made comparable; Hangul as its letters, so that a stem is a prefix of the stem with a particle."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    return unicodedata.normalize("NFKD", folded) if any("가" <= c <= "힣" for c in folded) else folded


@lru_cache(maxsize=65536)
def _trigrams(word: str) -> frozenset[str]:
    edged = f"^{word}$"
    return frozenset(edged[i : i + 3] for i in range(len(edged) - 2))


def _similarity(one: str, other: str, shared: int) -> float:
    """Of two words with `shared` common trigrams: the share of common trigrams, or of a common beginning."""
    dice = 2 * shared / (len(_trigrams(one)) + len(_trigrams(other)))
    same = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return max(dice, same / max(len(one), len(other)) if same >= 3 else 0.0)


def question_words(question: str) -> list[str]:
    """The folded words of a question, in order.

    Example:
        >>> question_words("Who won in 2014?")
        ['who', 'won', 'in', '2014']
    """
    return [_fold(word) for word in _pattern().findall(question) if word[0].isalnum()]


@dataclass(frozen=True)
class Matches:
    """Where the words of a question, and its pairs of neighbouring words, stand in a document.

    Args:
        unit: (m,) which word or pair of the question each match is of; sorted.
        first, last: (m,) the tokens of the document that it covers.
        similarity: (m,) from 0 to 1 (the same word).
        rarity: (units,) how rare each word or pair is among the sentences of the document.
        general: (units,) how rare it is in the language, by `rarities`; 1 for all without.
        is_pair: (units,) bool.
        head: (units,) bool: it is in the first third of the question, where the asked thing is named.
    """

    unit: np.ndarray
    first: np.ndarray
    last: np.ndarray
    similarity: np.ndarray
    rarity: np.ndarray
    general: np.ndarray
    is_pair: np.ndarray
    head: np.ndarray


class ChoiceText:
    """A document made ready for the choice; worked out once and asked once per question.

    Args:
        context: the transcription.
        boxes: of the words, [] without a page.
        offsets: the characters of the words, as `word_offsets` gives them.
        pages: the page of every word; all on one without.
    """

    def __init__(
        self,
        context: str,
        boxes: Sequence[Box] = (),
        offsets: Sequence[tuple[int, int]] = (),
        pages: Sequence[int] | None = None,
    ) -> None:
        self.context, self._boxes, self._offsets, self._pages = context, boxes, offsets, pages
        found = list(_pattern().finditer(context))
        self.raw = [match.group() for match in found]
        self.folded = [_fold(word) for word in self.raw]
        self.starts = np.array([match.start() for match in found], dtype=np.int64)
        self.ends = np.array([match.end() for match in found], dtype=np.int64)
        self.is_word = np.array([word[0].isalnum() for word in self.raw], dtype=bool)
        self.sentence = np.searchsorted(self._sentence_ends(), self.starts, side="right")
        self.n_sentences = len(np.unique(self.sentence))
        self._alike: dict[str, dict[int, float]] = {}  # of the words that questions asked for

    def _sentence_ends(self) -> np.ndarray:
        """Where a line ends, or a stop stands that no initial, abbreviation or number explains."""
        ends = [match.end() for match in re.finditer(r"\n", self.context)]
        for token, end in zip(self.raw, self.ends.tolist(), strict=True):
            if token not in _STOPS:
                continue
            rest = self.context[end : end + 3]
            if token == ".":
                before = self.context[max(0, end - 3) : end - 1]
                is_initial = before[-1:].isupper() and not before[:1].isalnum()
                begins = rest.lstrip(" \"')]”’»")[:1]
                if is_initial or (rest and not rest[0].isspace() and rest[0] not in "\"')]”’»") or begins.islower():
                    continue
            ends.append(end)
        return np.array(sorted({*ends, len(self.context) + 1}), dtype=np.int64)

    @cached_property
    def place(self) -> np.ndarray:
        """(tokens,) where each token stands, in words; a comma counts as one more word, a sentence's end as six."""
        step = np.array([_PAUSES.get(word, 0.0) for word in self.raw]) + self.is_word
        step[[_is_unspaced(word) for word in self.raw]] = 0.5  # about two characters a word
        step[1:] += _SENTENCE_GAP * (self.sentence[1:] != self.sentence[:-1])
        return np.cumsum(step)

    @cached_property
    def kinds(self) -> np.ndarray:
        """(tokens,) what kind of word each is: 0 with digits, 1 with a capital, 2 long, 3 short, 4 none."""
        kinds = [
            4 if not word[0].isalnum() else 0 if word[0].isdigit() else 1 if word[0].isupper() else 2 + (len(word) < 4)
            for word in self.raw
        ]
        return np.array(kinds, dtype=np.int64)

    @cached_property
    def begins_sentence(self) -> np.ndarray:
        """(tokens,) whether each is the first of its sentence: a capital there makes no name."""
        return np.diff(self.sentence, prepend=-1) > 0

    @cached_property
    def token_boxes(self) -> np.ndarray | None:
        """(tokens, 4) the box of the word that each token is in, pages one below the other; None without boxes."""
        if len(self._boxes) == 0:
            return None
        words = np.searchsorted(np.array([end for _, end in self._offsets]), self.starts, side="right")
        words = np.minimum(words, len(self._boxes) - 1)
        boxes = np.array(self._boxes, dtype=np.float64).reshape(-1, 4)[words]
        if self._pages is not None:
            boxes[:, [1, 3]] += 10_000.0 * np.array(self._pages, dtype=np.float64)[words, None]
        return boxes

    @cached_property
    def _where(self) -> dict[str, list[int]]:
        where: dict[str, list[int]] = {}
        for token, (word, is_word) in enumerate(zip(self.folded, self.is_word.tolist(), strict=True)):
            if is_word:
                where.setdefault(word, []).append(token)
        return where

    @cached_property
    def _words_with(self) -> dict[str, list[str]]:
        """Every trigram, and the different words of the document that have it."""
        having: dict[str, list[str]] = {}
        for word in self._where:
            if len(word) > 2 and not word[0].isdigit():
                for trigram in _trigrams(word):
                    having.setdefault(trigram, []).append(word)
        return having

    @cached_property
    def _next_word(self) -> dict[int, int]:
        words = np.flatnonzero(self.is_word).tolist()
        return dict(pairwise(words))

    def alike(self, word: str) -> dict[int, float]:
        """The tokens that are this folded word or may be another form of it, with their similarity."""
        if word not in self._alike:
            found = dict.fromkeys(self._where.get(word, ()), 1.0)
            if len(word) > 2 and not word[0].isdigit():
                counts = Counter(other for gram in _trigrams(word) for other in self._words_with.get(gram, ()))
                for other, shared in counts.items():
                    if shared > 1 and other != word and (value := _similarity(word, other, shared)) >= _ALIKE:
                        found.update(dict.fromkeys(self._where[other], value))
            self._alike[word] = found if len(found) <= _TOO_OFTEN else {}
        return self._alike[word]

    def matches(self, question: str, rarities: Mapping[str, float] | None = None) -> Matches:
        """Where the words and pairs of a question stand; `rarities` as `choose_learned` counts them."""
        words = question_words(question)
        found = [self.alike(word) for word in words]
        pairs = [self._pairs(one, other) for one, other in pairwise(found)]
        general = [_general(word, rarities) for word in words]
        general += [(a + b) / 2 for a, b in pairwise(general)]
        rows = [
            (unit, token, last, value)
            for unit, spans in enumerate([*({(t, t): v for t, v in f.items()} for f in found), *pairs])
            for (token, last), value in spans.items()
        ]
        table = np.array(rows, dtype=np.float64).reshape(-1, 4)
        unit, first = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
        in_sentences = np.unique(np.stack([unit, self.sentence[first]]), axis=1)[0]
        counts = np.bincount(in_sentences, minlength=len(general))
        rarity = np.maximum(np.log((self.n_sentences + 1) / (counts + 0.5)), 0.05)
        order = np.arange(len(general))
        is_pair = order >= len(words)
        head = (order - len(words) * is_pair) < max(3, len(words) // 3)
        return Matches(unit, first, table[:, 2].astype(np.int64), table[:, 3], rarity, np.array(general), is_pair, head)

    def _pairs(self, one: Mapping[int, float], other: Mapping[int, float]) -> dict[tuple[int, int], float]:
        """Neighbours of one sentence that are alike the one word and the other."""
        found = {}
        for token, value in one.items():
            last = self._next_word.get(token, -1)
            if last in other and self.sentence[last] == self.sentence[token]:
                found[token, last] = value * other[last]
        return found


def _general(word: str, rarities: Mapping[str, float] | None) -> float:
    return 1.0 if not rarities else rarities.get(word, rarities[""])


@lru_cache(maxsize=65536)
def _is_unspaced(word: str) -> bool:
    return re.match(f"[{_UNSPACED}]", word) is not None


def count_rarities(texts: Sequence[Sequence[str]], keep: int) -> dict[str, float]:
    """How rare words are: −log of the share of texts with each, 1.0 for a word of one text; the key "" is for others.

    Only the `keep` commonest words have an entry of their own: they are what tells "the" from a name.
    """
    counts = Counter(word for text in texts for word in set(text))
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:keep]
    rarest = math.log(len(texts) + 1)
    other = min((n for _, n in common), default=1) if len(counts) > keep else 0.5
    table = {sys.intern(word): math.log((len(texts) + 1) / (n + 0.5)) / rarest for word, n in common}
    return {**table, "": math.log((len(texts) + 1) / (other * 0.5 + 0.5)) / rarest}
