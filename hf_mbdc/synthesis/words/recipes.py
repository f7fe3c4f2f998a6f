"""The recipes that write characters into words: which word, which place. Which characters, `targets` has decided."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hf_mbdc.errors import DataError
from hf_mbdc.synthesis.words.corpus import Corpus, Words, draw, uniforms
from hf_mbdc.synthesis.words.targets import part_from

_SLOTS = 2000  # whose proposals are scored together
Scores = Callable[[Words], np.ndarray]


def natural(corpus: Corpus, rows: int, *key: object) -> np.ndarray:
    """(rows,) words drawn as often as they occur."""
    return draw(corpus.weights, uniforms(rows, 1, *key)[:, 0])


def reweighted(corpus: Corpus, rows: int, *key: object) -> np.ndarray:
    """(rows,) words drawn so that each character is as often the rarest one of its word as any other.

    Words are classes by their rarest character; a class is drawn first, each with the same chance, and a word of it as
    often as it occurs (class-balanced sampling, as in Kang et al. 2020, https://arxiv.org/abs/1910.09217).
    """
    words = corpus.words
    counts = np.bincount(words.numbers, np.repeat(corpus.weights, words.sizes), len(corpus.characters))
    ranks = np.empty(len(counts), np.int64)
    ranks[np.argsort(counts, kind="stable")] = np.arange(len(counts))  # equally rare ones are told apart
    rarest = np.minimum.reduceat(ranks[words.numbers], words.offsets[:-1])
    mass = np.bincount(rarest, corpus.weights, len(counts))
    return draw(
        np.divide(corpus.weights, mass[rarest], where=corpus.weights > 0, out=np.zeros(len(rarest))),
        uniforms(rows, 1, *key)[:, 0],
    )


def with_charset(corpus: Corpus) -> np.ndarray:
    """(words,) the weights, 0 for words without any character of the charset, which have no place for one.

    Raises:
        DataError: there is no other word.
    """
    inside = np.bincount(corpus.words.word_of, corpus.words.numbers < corpus.charset, len(corpus.words)) > 0
    weights = np.where(inside, corpus.weights, 0)
    if not weights.any():
        what = "No word of the corpus has a character of the charset"
        raise DataError(what, column="text", mend="Give another corpus, another charset, or natural words only.")
    return weights


def least_needed(words: Words, surplus: np.ndarray) -> np.ndarray:
    """(words,) the place, counted through all words, of each word's character with the largest surplus.

    Args:
        words: each with a character of the charset, which are the first numbers.
        surplus: (charset,) occurrences beyond the target.
    """
    inside = words.numbers < len(surplus)
    value = np.where(inside, surplus[np.where(inside, words.numbers, 0)], np.iinfo(np.int64).min)
    most = np.maximum.reduceat(value, words.offsets[:-1])
    at = np.flatnonzero((value == np.repeat(most, words.sizes)) & inside)
    _, first = np.unique(words.word_of[at], return_index=True)
    return at[first]


def inject(words: Words, at: np.ndarray, characters: np.ndarray) -> Words:
    """Words with one character each replaced; a character that would replace itself changes places with another one."""
    return words.replace(at, part_from(characters, words.numbers[at]))


def write_free(sizes: np.ndarray, characters: np.ndarray, *key: object) -> Words:
    """Words of these sizes, of characters in a drawn order."""
    order = np.argsort(uniforms(len(characters), 1, *key)[:, 0], kind="stable")
    return Words(characters[order], np.r_[0, np.cumsum(sizes)])


def inject_likely(
    corpus: Corpus, weights: np.ndarray, characters: np.ndarray, candidates: int, scores: Scores, *key: object
) -> tuple[np.ndarray, Words]:
    """For each character the most likely of all words that it can be put into, of some that are drawn.

    Args:
        weights: of the words, as of `with_charset`.
        characters: (rows,) those that are put in, one a row.
        candidates: words drawn for each; every place in them that holds a character of the charset is tried.
        scores: how likely each of some words is; the higher, the likelier.

    Returns:
        The position of the word that each row was made from, and the rows' words.
    """
    drawn = draw(weights, uniforms(len(characters), candidates, *key))
    positions, parts = [], []
    for begin in range(0, len(characters), _SLOTS):
        slots = slice(begin, begin + _SLOTS)
        chosen, words = _most_likely(corpus, drawn[slots], characters[slots], scores)
        positions.append(chosen)
        parts.append(words)
    if not parts:
        return np.empty(0, np.int64), Words(np.empty(0, np.int64), np.zeros(1, np.int64))
    sizes = np.concatenate([part.sizes for part in parts])
    return np.concatenate(positions), Words(np.concatenate([p.numbers for p in parts]), np.r_[0, np.cumsum(sizes)])


def _most_likely(corpus: Corpus, drawn: np.ndarray, characters: np.ndarray, scores: Scores) -> tuple[np.ndarray, Words]:
    """The best proposal of each row; `drawn` are (rows, candidates) positions of words."""
    pool = corpus.words.take(drawn.ravel())
    row = np.repeat(np.arange(len(drawn)), drawn.shape[1])[pool.word_of]
    # A proposal is a place in a drawn word that holds another character of the charset.
    at = np.flatnonzero((pool.numbers < corpus.charset) & (pool.numbers != characters[row]))
    word = pool.word_of[at]
    alone = np.setdiff1d(np.arange(len(drawn)), row[at])
    if len(alone):  # every candidate is the character and nothing else
        first = pool.offsets[:-1][alone * drawn.shape[1]]
        at = np.sort(np.r_[at, first])
        word = pool.word_of[at]
    proposals = pool.take(word)
    inside = at - pool.offsets[:-1][word]
    proposals = proposals.replace(proposals.offsets[:-1] + inside, characters[row[at]])
    value = scores(proposals)
    order = np.lexsort((np.arange(len(at)), -value, row[at]))
    best = order[np.r_[True, np.diff(row[at][order]) > 0]]
    return drawn.ravel()[word[best]], proposals.take(best)
