"""Texts that repeat evaluation texts: equal ones, and those with an n-gram in common.

As GPT-3's authors cleaned their training data (Brown et al. 2020, https://arxiv.org/abs/2005.14165, appendix C): one
13-gram of words that an evaluation text has, too, is enough, and an n-gram of more than ten evaluation texts is left
out, for it is the form of the data and not its content. An evaluation text of fewer words than an n-gram is compared as
a whole, from 8 words on, their least n; what is shorter ("Yes.", "72") says nothing by itself, and only counts together
with the row's other texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hf_mbdc.errors import RecipeError
from hf_mbdc.transforms.minhash import matches
from hf_mbdc.transforms.ngrams import Tokens, tokenize

NGRAM = 13
LEAST_WORDS = 8  # of a text that is evidence by itself
FREQUENT = 10  # evaluation texts that an n-gram may stand in and still be evidence
_BLOCK = 20_000  # texts at a time


def find_equal(texts: Sequence[str], evaluation: Sequence[str], *, least: int = LEAST_WORDS) -> np.ndarray:
    """Which evaluation text has the same words in the same order, case and punctuation aside.

    Args:
        texts: to be looked at.
        evaluation: texts of the evaluation rows.
        least: words below which texts are not compared. A text without any word equals none.

    Returns:
        (texts,) int64: the position of the first such evaluation text, −1 for none.

    Example:
        >>> find_equal(["Yes!", "no"], ["maybe", "yes"], least=1).tolist(), find_equal(["Yes!"], ["yes"]).tolist()
        ([1, -1], [-1])
    """
    tokens = tokenize([*texts, *evaluation])
    hashes, here = tokens.text_hashes(), len(texts)
    enough = tokens.lengths >= max(least, 1)
    known, first = np.unique(hashes[here:][enough[here:]], return_index=True)
    place = np.flatnonzero(enough[here:])[first]
    found = np.minimum(np.searchsorted(known, hashes[:here]), max(len(known) - 1, 0))
    same = known[found] == hashes[:here] if len(known) else np.zeros(here, bool)
    return np.where(same, place[found] if len(place) else -1, -1)


class NgramIndex:
    """The n-grams of evaluation texts, without those of more than ten different texts.

    Args:
        evaluation: texts of the evaluation rows.
        n: words of an n-gram.

    Raises:
        RecipeError: n is below 1.

    Example:
        >>> index = NgramIndex(["Natalia sold clips to 48 of her friends in April"], n=5)
        >>> index.find(["Anna sold clips to 48 friends", "Anna sold clips to 48 of them"]).tolist()
        [-1, 0]
    """

    def __init__(self, evaluation: Sequence[str], n: int = NGRAM) -> None:
        if n < 1:
            mend = "13 is what GPT-3 took; fewer words find more, and more that is no copy."
            raise RecipeError("An n-gram has at least one word", key="contamination", value=n, mend=mend)
        self.n, self.texts = n, len(evaluation)
        tokens = tokenize(evaluation)
        _, different = np.unique(tokens.text_hashes(), return_index=True)  # a passage of many questions is one text
        ngrams, text = tokens.take(different).ngrams(n)
        order = np.lexsort((text, ngrams))
        ngrams, text = ngrams[order], text[order]
        new = np.ones(len(ngrams), bool)
        new[1:] = (ngrams[1:] != ngrams[:-1]) | (text[1:] != text[:-1])
        ngrams, text = ngrams[new], different[text[new]]
        _, place, counts = np.unique(ngrams, return_inverse=True, return_counts=True)
        rare = counts[place] <= FREQUENT
        self.ngrams, self.text = ngrams[rare], text[rare]

    def find(self, texts: Sequence[str]) -> np.ndarray:
        """(texts,) int64: the position of the evaluation text with which each has most n-grams in common, −1 for none.

        Of several such evaluation texts it is the first.
        """
        tokens = tokenize(texts)
        like = np.full(len(texts), -1)
        for start in range(0, len(texts), _BLOCK):
            block = np.arange(start, min(start + _BLOCK, len(texts)))
            like[block] = self._find(tokens.take(block))
        return like

    def _find(self, tokens: Tokens) -> np.ndarray:
        ngrams, text = tokens.ngrams(self.n)
        here, there = matches(ngrams, self.ngrams)
        pairs, counts = np.unique(text[here] * max(self.texts, 1) + self.text[there], return_counts=True)
        text, other = np.divmod(pairs, max(self.texts, 1))
        order = np.lexsort((other, -counts, text))  # the best of each text comes first
        found, best = np.unique(text[order], return_index=True)
        like = np.full(len(tokens.lengths), -1)
        like[found] = other[order][best]
        return like
