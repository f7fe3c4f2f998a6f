"""Which n-grams stand in which evaluation texts, and how much of each text others repeat.

An n-gram of many documents (a form's header, a licence, the name of a shop) is no evidence that one document was
copied: it is left out, as GPT-3's decontamination does with those of more than ten documents (Brown et al. 2020,
appendix C).
"""

from __future__ import annotations

import numpy as np

from hf_mbdc.transforms.minhash import LshIndex, band_keys, matches, signatures
from hf_mbdc.transforms.ngrams import Tokens

FEWEST = 10  # rare n-grams of a text below which their overlap says nothing
_FILTER_BITS = 22  # most n-grams of other texts are ruled out by this many bits, which a core's cache holds


class NgramIndex:
    """The n-grams of some texts, without the frequent ones once `drop_frequent` was called.

    Args:
        tokens: of the texts.
        n: tokens of an n-gram.
    """

    def __init__(self, tokens: Tokens, n: int) -> None:
        self.n, self.texts = n, len(tokens.lengths)
        ngrams, text = tokens.ngrams(n)
        self.vocabulary, place = np.unique(ngrams, return_inverse=True)
        self.text, self.place = np.divmod(np.unique(text * self._width + place), self._width)  # by text
        self.frequency = np.bincount(self.place, minlength=self._width)  # documents that an n-gram stands in
        self.rare = np.ones(len(self.frequency), bool)
        self._maybe = np.zeros(1 << _FILTER_BITS, bool)
        self._maybe[self._short(self.vocabulary)] = True

    @property
    def _width(self) -> int:
        return max(1, len(self.vocabulary))

    @staticmethod
    def _short(ngrams: np.ndarray) -> np.ndarray:
        return (ngrams >> np.uint64(64 - _FILTER_BITS)).astype(np.int64)

    def find(self, tokens: Tokens) -> tuple[np.ndarray, np.ndarray]:
        """The n-grams of other texts that are indexed, each once a text: (text, place), sorted."""
        ngrams, text = tokens.ngrams(self.n)
        maybe = np.flatnonzero(self._maybe[self._short(ngrams)])
        ngrams, text = ngrams[maybe], text[maybe]
        place = np.minimum(np.searchsorted(self.vocabulary, ngrams), self._width - 1)
        known = self.vocabulary[place] == ngrams if len(self.vocabulary) else np.zeros(0, bool)
        return np.divmod(np.unique(text[known] * self._width + place[known]), self._width)

    def count(self, tokens: Tokens) -> None:
        """Counts in how many of these documents each n-gram stands, too."""
        _, place = self.find(tokens)
        self.frequency += np.bincount(place, minlength=self._width)

    def drop_frequent(self, most: int) -> None:
        """Leaves out the n-grams of more than `most` documents."""
        self.rare = self.frequency <= most
        kept = self.rare[self.place]
        self.text, self.place = self.text[kept], self.place[kept]
        self.sizes = np.bincount(self.text, minlength=self.texts)  # rare n-grams of each text
        self._by_place = np.argsort(self.place, kind="stable")
        self._places = self.place[self._by_place]
        self.repeated = np.zeros(self._width, bool)

    def shared(self, tokens: Tokens) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How many rare n-grams other texts share with each indexed one: (text, indexed text, number), sorted.

        What is shared with any of them is remembered for `coverage`.
        """
        text, place = self.find(tokens)
        kept = self.rare[place]
        text, place = text[kept], place[kept]
        self.repeated[place] = True
        here, there = matches(place, self._places)
        pairs, number = np.unique(text[here] * self.texts + self.text[self._by_place[there]], return_counts=True)
        return *np.divmod(pairs, max(1, self.texts)), number

    def coverage(self) -> np.ndarray:
        """(texts,) the share of the rare n-grams of each text that the texts given to `shared` repeat together.

        0 for a text with fewer than `FEWEST` of them.
        """
        repeated = np.bincount(self.text, weights=self.repeated[self.place], minlength=self.texts)
        return np.where(self.sizes >= FEWEST, repeated / np.maximum(self.sizes, 1), 0.0)


class NearIndex:
    """Some texts by the MinHash of their rare shingles.

    Args:
        tokens: of the texts.
        index: of the same texts; `drop_frequent` has been called. Its n-grams are the shingles.
    """

    def __init__(self, tokens: Tokens, index: NgramIndex) -> None:
        self.index = index
        self.frequent = index.vocabulary[~index.rare]
        self.texts, keys = self._sketch(tokens)
        self.lsh = LshIndex(keys)

    def pairs(self, tokens: Tokens, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Near-duplicates among other texts: (text, indexed text, Jaccard similarity of their rare shingles).

        MinHash proposes them; the similarity is that of the sets.
        """
        texts, keys = self._sketch(tokens)
        left, right = self.lsh.candidates(keys)
        proposed, place = np.unique(texts[left], return_inverse=True)
        of_proposed = tokens.take(proposed)
        here, there, number = self.index.shared(of_proposed)
        width = max(1, self.index.texts)
        wanted = place * width + self.texts[right]
        found = np.searchsorted(here * width + there, wanted)
        known = np.append(here * width + there, -1)[found] == wanted
        both = np.where(known, np.append(number, 0)[found], 0)
        sizes = self._sizes(of_proposed)[place] + self.index.sizes[self.texts[right]]
        similarity = both / np.maximum(sizes - both, 1)
        near = similarity >= threshold
        return texts[left][near], self.texts[right][near], similarity[near]

    def _sketch(self, tokens: Tokens) -> tuple[np.ndarray, np.ndarray]:
        """The texts with enough rare shingles, and the bands of their signatures."""
        shingles, text = self._rare(tokens)
        sizes = np.bincount(text, minlength=len(tokens.lengths))
        kept = sizes >= FEWEST
        starts = np.concatenate([[0], np.cumsum(sizes[kept])])
        return np.flatnonzero(kept), band_keys(signatures(shingles[kept[text]], starts))

    def _sizes(self, tokens: Tokens) -> np.ndarray:
        """(texts,) how many different rare shingles each text has."""
        shingles, text = self._rare(tokens)
        order = np.lexsort((shingles, text))
        shingles, text = shingles[order], text[order]
        first = np.ones(len(text), bool)
        first[1:] = (shingles[1:] != shingles[:-1]) | (text[1:] != text[:-1])
        return np.bincount(text[first], minlength=len(tokens.lengths))

    def _rare(self, tokens: Tokens) -> tuple[np.ndarray, np.ndarray]:
        """Shingles and their texts, in order; what no indexed text has counts as rare."""
        shingles, text = tokens.ngrams(self.index.n)
        if not len(self.frequent):
            return shingles, text
        place = np.minimum(np.searchsorted(self.frequent, shingles), len(self.frequent) - 1)
        rare = self.frequent[place] != shingles
        return shingles[rare], text[rare]
