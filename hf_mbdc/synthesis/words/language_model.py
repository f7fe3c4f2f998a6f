"""A small character language model: which words look like words?

An n-gram model with interpolated absolute discounting (Ney, Essen and Kneser 1994): what is taken from the counts that
were seen goes to the shorter context, and at last to all characters alike, so that no word is impossible. It counts
every word of the corpus once: a word that is frequent is not thereby the pattern of many.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hf_mbdc.synthesis.words.corpus import Words

ORDER = 3
DISCOUNT = 0.75  # as is usual; between 0.5 and 0.9 it hardly matters


@dataclass(frozen=True)
class Level:
    """What was counted of one length of context.

    Args:
        grams, counts: (g,) the sequences that occur, as sorted keys, and how often.
        contexts, totals, kinds: (c,) their contexts, as sorted keys, how often each occurs, and before how many
            different characters.
    """

    grams: np.ndarray
    counts: np.ndarray
    contexts: np.ndarray
    totals: np.ndarray
    kinds: np.ndarray


@dataclass(frozen=True)
class CharacterModel:
    """Probabilities of words of numbers below `size`; made by `fit_characters`.

    Args:
        levels: from no context to ORDER − 1 characters of context.
        size: number of characters; `size` itself stands for a word's end, `size` + 1 for what is before its beginning.
    """

    levels: tuple[Level, ...]
    size: int

    def scores(self, words: Words) -> np.ndarray:
        """(words,) log-probability of each word by character, its end counted as one."""
        symbols, before = _with_ends(words, self.size)
        logs = np.log(self._probabilities(symbols))
        begins = words.offsets[:-1] + np.arange(len(words)) * ORDER
        own = np.add.reduceat(np.where(before, 0.0, logs), begins) if len(words) else np.empty(0)
        return own / (words.sizes + 1)

    def after(self, before: np.ndarray, following: np.ndarray) -> np.ndarray:
        """(m,) log-probability of each next character; what `read_with_beams` of a recogniser asks.

        Args:
            before: (m, ORDER − 1) numbers of the characters before it; −1 where a word has not begun.
            following: (m,) numbers; −1 for a word's end.
        """
        begun = np.where(before < 0, self.size + 1, before)
        asked = np.where(following < 0, self.size, following)
        symbols = np.column_stack([begun, asked]).astype(np.int64)
        return np.log(self._probabilities(symbols.reshape(-1))[ORDER - 1 :: ORDER])

    @property
    def model_id(self) -> str:
        """A name with a hash of what was counted."""
        digest = hashlib.sha256()
        for level in self.levels:
            digest.update(level.grams.tobytes() + level.counts.tobytes())
        return f"character {ORDER}-gram@{digest.hexdigest()[:12]}"

    def _probabilities(self, symbols: np.ndarray) -> np.ndarray:
        """(symbols,) of each one after those before it."""
        found = np.full(len(symbols), 1.0 / (self.size + 1))
        for length, level in enumerate(self.levels):
            grams = _keys(symbols, length + 1, self.size)
            place = _find(level.contexts, grams // (self.size + 2))
            known = place >= 0
            totals = np.where(known, level.totals[place], 1)
            spared = np.where(known, DISCOUNT * level.kinds[place] / totals, 1.0)
            at = _find(level.grams, grams)
            seen = np.where(at >= 0, level.counts[at] - DISCOUNT, 0.0) / totals
            found = seen + spared * found
        return found


def fit_characters(words: Words, size: int) -> CharacterModel:
    """Counts the sequences of up to ORDER characters in words whose numbers are below `size` (at most 2 million)."""
    symbols, before = _with_ends(words, size)
    levels = []
    for length in range(ORDER):
        keys = _keys(symbols, length + 1, size)[~before]
        grams, counts = np.unique(keys, return_counts=True)
        contexts, first = np.unique(grams // (size + 2), return_index=True)
        levels.append(Level(grams, counts, contexts, np.add.reduceat(counts, first), np.diff(np.r_[first, len(grams)])))
    return CharacterModel(tuple(levels), size)


def different(words: Words, texts: Sequence[str]) -> Words:
    """Each word once."""
    _, first = np.unique(np.array(texts, object), return_index=True)
    return words.take(np.sort(first))


def _with_ends(words: Words, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Words with ORDER − 1 symbols before and one behind each, and which of all symbols are those before."""
    place = np.arange(len(words.numbers)) + words.word_of * ORDER + ORDER - 1
    symbols = np.full(len(words.numbers) + len(words) * ORDER, size + 1, np.int64)
    symbols[place] = words.numbers
    symbols[words.offsets[1:] + np.arange(1, len(words) + 1) * ORDER - 1] = size
    return symbols, symbols == size + 1


def _keys(symbols: np.ndarray, length: int, size: int) -> np.ndarray:
    """(symbols,) one number for each symbol and the length − 1 before it."""
    keys = symbols.copy()
    for back in range(1, length):
        keys[back:] += symbols[:-back] * (size + 2) ** back
    return keys


def _find(table: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """The place of each key in a sorted table, −1 where it is not in it."""
    place = np.minimum(np.searchsorted(table, keys), len(table) - 1)
    return np.where(table[place] == keys, place, -1)
