"""Near-duplicate texts: ROUGE-L of .7 or more, as Self-Instruct drops them, without comparing every pair.

ROUGE-L F (Lin 2004) of two texts is twice their longest common subsequence of words over their words in all.
Self-Instruct (Wang et al. 2022, https://arxiv.org/abs/2212.10560) takes a made instruction only where it is below .7
with every earlier one. Comparing all pairs is quadratic, so MinHash proposes pairs here and ROUGE-L decides.

The sets that MinHash compares are the words with their number (a second "the" is another word than the first). A common
subsequence is at most as long as what the two sets share, so a pair with ROUGE-L t or more has a Jaccard
similarity of t / (2 − t) or more, .54 at .7, wherever the edits stand; n-grams of words promise nothing like it: one
word in three that changes leaves no 3-gram. Bands of signatures are chosen so that a pair of exactly that similarity is
proposed with a chance of .99; real pairs share more words than their subsequence has, and are missed more rarely.

A text of fewer than 8 words is only compared exactly (case and white space aside): "What is 17 + 25?" and "What is
17 + 26?" have a ROUGE-L of .75.
"""

from __future__ import annotations

import functools
import math
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np

from hf_mbdc.errors import RecipeError
from hf_mbdc.transforms.minhash import LshIndex, band_keys, signatures
from hf_mbdc.transforms.mixer import mix
from hf_mbdc.transforms.ngrams import Tokens, tokenize

SHORT = 8  # words below which only equal texts are duplicates
RECALL = 0.99  # chance that a pair at the threshold is proposed
_PERMUTATIONS = 512  # at most
_BLOCK, _FEW = 8192, 128  # texts that are compared with others at a time, and all with all
_SKETCHED = 1024  # texts at a time whose permutations a core's cache holds
_PAIRS = 1 << 20  # whose ROUGE-L is computed at a time
_SURROGATES = 0xD800, 0x800  # code points that no text may have: where they begin, and how many
_CODES = 0x110000 - _SURROGATES[1]


def near_duplicates(texts: Sequence[str], threshold: float = 0.7) -> np.ndarray:
    """Which text each one repeats; of texts that are alike the first is kept.

    A text is compared with those that are kept: what is only like a dropped one stays.

    Args:
        texts: in the order of precedence.
        threshold: ROUGE-L F, above 0 and at most 1, from which two texts are near-duplicates.

    Returns:
        (texts,) int64: the position of the first kept text that it repeats, −1 for a text that is kept.

    Raises:
        RecipeError: the threshold is out of its range.

    Example:
        >>> near_duplicates(["Yes.", "Name five animals that live in the deep sea.", "yes.",
        ...                  "Name three animals that live in the deep sea!"]).tolist()
        [-1, -1, 0, 1]
    """
    first = _first_equal(texts)
    like = np.where(first < np.arange(len(texts)), first, -1)
    compare = _Comparison(texts, threshold)
    compare.keep(like, compare.index(np.flatnonzero((like < 0) & compare.long)))
    # The first of equal texts may be dropped: then both are like the one that is kept.
    return np.where((like >= 0) & (like[like] >= 0), like[like], like)


def near_known(texts: Sequence[str], known: Sequence[str], threshold: float = 0.7, *, least: int = 0) -> np.ndarray:
    """Which of some known texts each text repeats; otherwise as `near_duplicates`.

    Args:
        least: words below which a text repeats none, even an equal one.

    Returns:
        (texts,) int64: the position of the first known text that it repeats, −1 for none.

    Example:
        >>> near_known(["Name five animals that live in the deep sea.", "Yes."], ["No.", "yes."]).tolist()
        [-1, 1]
    """
    before, every = len(known), [*known, *texts]
    first = _first_equal(every)
    like = np.where(first < before, first, -1)
    compare = _Comparison(every, threshold)
    old = compare.index(np.flatnonzero(compare.long[:before]))
    new = compare.index(before + np.flatnonzero((like[before:] < 0) & compare.long[before:]))
    for start, stop in _growing(len(old.texts)):
        part = old.take(slice(start, stop))
        for place in range(0, len(new.texts), _BLOCK):
            compare.mark(like, new.take(slice(place, place + _BLOCK)), part)
        new = new.take(like[new.texts] < 0)
    return np.where(compare.tokens.lengths >= least, like, -1)[before:]


def banding(threshold: float) -> tuple[int, int]:
    """The bands, and the rows of each: the most rows with which .99 of the pairs at the threshold are proposed.

    Example:
        >>> bands, rows = banding(0.7)
        >>> bands, rows, round(1 - (1 - (0.7 / 1.3) ** rows) ** bands, 3)
        (100, 5, 0.99)
    """
    if not 0 < threshold <= 1:
        mend = "Give a ROUGE-L above 0 and at most 1, such as 0.7."
        raise RecipeError("The threshold is no share", key="near_duplicates", value=threshold, mend=mend)
    least = min(threshold / (2 - threshold), 0.999)
    for rows in range(8, 1, -1):
        bands = math.ceil(math.log(1 - RECALL) / math.log1p(-(least**rows)))
        if bands * rows <= _PERMUTATIONS:
            return bands, rows
    return min(_PERMUTATIONS, math.ceil(math.log(1 - RECALL) / math.log1p(-least))), 1


def rouge_l(left: Sequence[str], right: Sequence[str]) -> np.ndarray:
    """(pairs,) ROUGE-L F of texts side by side; words as of `hf_mbdc.transforms.ngrams`, 0 where both have none.

    Example:
        >>> rouge_l(["police killed the gunman"], ["The police kill the gunman."]).round(3).tolist()
        [0.667]
    """
    words = _as_words(tokenize([*left, *right]))
    return _scores(words[: len(left)], words[len(left) :], 0.0)


class _Index:
    """Some of the texts, in order, with the keys of their bands."""

    def __init__(self, texts: np.ndarray, keys: np.ndarray) -> None:
        self.texts, self.keys = texts, keys

    def take(self, wanted: np.ndarray | slice) -> _Index:
        """Some of them."""
        return _Index(self.texts[wanted], self.keys[:, wanted])

    @functools.cached_property
    def lsh(self) -> LshIndex:
        """To find texts that share a band with others."""
        return LshIndex(self.keys)


class _Comparison:
    """Texts as words, ready to be compared by MinHash and ROUGE-L."""

    def __init__(self, texts: Sequence[str], threshold: float) -> None:
        self.threshold = threshold
        self.bands, self.rows = banding(threshold)
        self.tokens = tokenize(texts)
        self.words = np.array([*_as_words(self.tokens), None], object)[:-1]  # the None: objects, not a string array
        self.long = self.tokens.lengths >= SHORT

    def index(self, texts: np.ndarray) -> _Index:
        """Some of the texts with their keys, 8 bytes for each band."""
        parts = [np.empty((self.bands, 0), np.uint64)]
        for start in range(0, len(texts), _SKETCHED):
            tokens = self.tokens.take(texts[start : start + _SKETCHED])
            found = signatures(_numbered(tokens), tokens.starts, permutations=self.bands * self.rows)
            parts.append(band_keys(found, self.bands))
        return _Index(texts, np.concatenate(parts, axis=1))

    def keep(self, like: np.ndarray, texts: _Index) -> _Index:
        """Marks all texts but those that are kept, and gives these.

        One half is settled before the other is compared with what is left of it: thousands of copies cost no square.
        """
        half = len(texts.texts) // 2
        if half < _FEW:
            return self.mark(like, texts, texts)
        left = self.keep(like, texts.take(slice(0, half)))
        right = self.keep(like, self.mark(like, texts.take(slice(half, None)), left))
        return _Index(np.append(left.texts, right.texts), np.append(left.keys, right.keys, axis=1))

    def mark(self, like: np.ndarray, new: _Index, known: _Index) -> _Index:
        """Says in `like` which known text each new one repeats first; gives the new ones that repeat none.

        Where both are the same texts, each is compared with those before it that are kept.
        """
        left, right = known.lsh.candidates(new.keys)
        left, right = new.texts[left], known.texts[right]
        if new is known:
            left, right = left[left > right], right[left > right]
        for start in range(0, len(left), _PAIRS):
            one, other = left[start : start + _PAIRS], right[start : start + _PAIRS]
            near = self._near(one, other)
            for text, earlier in zip(one[near].tolist(), other[near].tolist(), strict=True):  # sorted: earlier is done
                if like[text] < 0 and (new is not known or like[earlier] < 0):
                    like[text] = earlier
        return new.take(like[new.texts] < 0)

    def _near(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """(pairs,) whether their ROUGE-L reaches the threshold."""
        one, other = self.tokens.lengths[left], self.tokens.lengths[right]
        near = 2 * np.minimum(one, other) >= self.threshold * (one + other)  # else they are too different in length
        least = self.threshold - 1e-9  # rounding may put 7 words of 10 below .7
        near[near] = _scores(self.words[left[near]].tolist(), self.words[right[near]].tolist(), least) >= least
        return near


def _first_equal(texts: Sequence[str]) -> np.ndarray:
    """(texts,) the position of the first text that is equal, case, Unicode form and white space aside."""
    number: dict[str, int] = {}
    plain = (" ".join(unicodedata.normalize("NFKC", text).casefold().split()) for text in texts)
    return np.fromiter((number.setdefault(text, place) for place, text in enumerate(plain)), np.int64, len(texts))


def _growing(count: int) -> Iterator[tuple[int, int]]:
    """Parts of growing size: what is like very many others is like one of the first few, and asked no further."""
    start, size = 0, _FEW
    while start < count:
        yield start, min(start + size, count)
        start, size = start + size, min(2 * size, _BLOCK)


def _numbered(tokens: Tokens) -> np.ndarray:
    """(tokens,) a hash of each token and of how often it stands before in its text, in another order."""
    text = np.repeat(np.arange(len(tokens.lengths)), tokens.lengths)
    order = np.lexsort((tokens.hashes, text))
    hashes, text = tokens.hashes[order], text[order]
    first = np.ones(len(hashes), bool)
    first[1:] = (hashes[1:] != hashes[:-1]) | (text[1:] != text[:-1])
    place = np.arange(len(hashes))
    number = place - np.maximum.accumulate(np.where(first, place, 0))
    return mix(hashes ^ mix(number.astype(np.uint64)))


def _as_words(tokens: Tokens) -> list[str]:
    """Each text as a string with one code point a word, which rapidfuzz compares fastest."""
    _, number = np.unique(tokens.hashes, return_inverse=True)
    codes = (number % _CODES).astype(np.uint32)  # over a million different words: some share a code
    codes += np.where(codes >= _SURROGATES[0], _SURROGATES[1], 0).astype(np.uint32)
    whole = codes.astype("<u4").tobytes().decode("utf-32-le")
    return [whole[start:stop] for start, stop in zip(tokens.starts[:-1], tokens.starts[1:], strict=True)]


def _scores(left: Sequence[str], right: Sequence[str], least: float) -> np.ndarray:
    """(pairs,) ROUGE-L F, 0 where it is far below `least`: 1 − indel distance / lengths is 2 · LCS / lengths."""
    from rapidfuzz.distance import Indel
    from rapidfuzz.process import cpdist

    if not left:
        return np.zeros(0)
    cutoff = max(least - 1e-3, 0.0)  # rapidfuzz gives 0 for a score that is exactly at it
    return cpdist(left, right, scorer=Indel.normalized_similarity, score_cutoff=cutoff, dtype=np.float64)
