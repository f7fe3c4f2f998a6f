"""Log-probabilities of each column → texts, as numbers of characters: greedy, and by prefix beam search.

Numpy over the rows of a batch at once; a loop goes over columns only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hf_mbdc.errors import TrainingError

CONTEXT = 2  # characters before the next one that a language model is told
# (m, CONTEXT) characters before, (m,) the next one → (m,) its log-probability. Characters are numbers from 0; −1 stands
# for what is before a text's beginning, and as the next one for its end.
Language = Callable[[np.ndarray, np.ndarray], np.ndarray]

_MIX = np.uint64(0x9E3779B97F4A7C15)


def read_greedily(log_probabilities: np.ndarray, columns: np.ndarray) -> list[np.ndarray]:
    """The best output of each column, repetitions taken once, blanks left out.

    Args:
        log_probabilities: (rows, n, size + 1); output 0 is the blank, output c + 1 the character c.
        columns: (rows,) columns of each row, at most n.

    Returns:
        The numbers of the characters of each row.

    Example:
        >>> outputs = np.array([[1, 1, 0, 1, 2, 2], [2, 0, 1, 1, 1, 1]])
        >>> [text.tolist() for text in read_greedily(np.log(np.eye(3)[outputs] + 1e-9), np.array([6, 2]))]
        [[0, 0, 1], [1]]
    """
    path = log_probabilities.argmax(-1)
    path[np.arange(path.shape[1]) >= columns[:, None]] = 0
    kept = path > 0
    kept[:, 1:] &= path[:, 1:] != path[:, :-1]
    return np.split(path[kept] - 1, np.cumsum(kept.sum(1))[:-1])


@dataclass
class _Beams:
    """The most probable beginnings of the text of each row, after some columns; those that do not exist have −inf.

    Args:
        blank, character: (rows, width) log-probability of all ways to write the beginning that end with a blank, or
            with its last character.
        language: (rows, width) what the language model adds.
        key, parent: (rows, width) uint64, of the beginning and of it without its last character: two beginnings with
            the same key are the same (but for one chance in 2^64).
        texts: (rows, width, n) numbers of the characters, −1 behind the last one.
        length: (rows, width) characters.
    """

    blank: np.ndarray
    character: np.ndarray
    language: np.ndarray
    key: np.ndarray
    parent: np.ndarray
    texts: np.ndarray
    length: np.ndarray

    @property
    def total(self) -> np.ndarray:
        return np.logaddexp(self.blank, self.character)

    @property
    def last(self) -> np.ndarray:
        """(rows, width) number of the last character; −1 where there is none."""
        place = np.maximum(self.length - 1, 0)[..., None]
        return np.where(self.length > 0, np.take_along_axis(self.texts, place, 2)[..., 0], -1)

    def take(self, rows: np.ndarray, beams: np.ndarray) -> _Beams:
        return _Beams(*(values[rows, beams] for values in vars(self).values()))


def read_with_beams(
    log_probabilities: np.ndarray,
    columns: np.ndarray,
    width: int,
    *,
    language: Language | None = None,
    language_weight: float = 0.0,
) -> list[np.ndarray]:
    """CTC prefix beam search (Hannun et al. 2014, https://arxiv.org/abs/1408.2873): the text whose ways to be written
    are most probable together, not the best single way.

    With a language model, the text with the highest log P(text | image) + `language_weight` · log P(text, its end
    included) is looked for. Of each column, the characters that may follow are the 2 · width + 1 most probable ones;
    without a language model no other one could be kept, so nothing is lost by that.

    Args:
        log_probabilities: (rows, n, size + 1); output 0 is the blank.
        columns: (rows,) columns of each row, at most n.
        width: beginnings that are kept after each column.
        language: see `Language`.
        language_weight: of its log-probabilities.

    Raises:
        TrainingError: `width` is below 1.

    Example:
        >>> columns = np.log([[[0.4, 0.35, 0.25], [0.4, 0.35, 0.25]]])
        >>> read_greedily(columns, np.array([2]))[0].tolist(), read_with_beams(columns, np.array([2]), 4)[0].tolist()
        ([], [0])
    """
    if width < 1:
        raise TrainingError(f"The beam is {width} wide", mend="It must be at least 1.")
    if not len(log_probabilities):
        return []
    rows, length, outputs = log_probabilities.shape
    beams, size = _first_beams(rows, length, width), outputs - 1
    for column in range(length):
        going = np.flatnonzero(columns > column)
        if not len(going):
            break
        part = _Beams(*(values[going] for values in vars(beams).values()))
        grown = _grow(part, log_probabilities[going, column].astype(np.float64), width, size, language, language_weight)
        for name, values in vars(beams).items():
            values[going] = getattr(grown, name)
    score = beams.total + beams.language
    if language is not None:
        score = score + language_weight * _language(language, beams, np.full(beams.length.shape, -1))
    best = score.argmax(1)
    found = zip(beams.texts[np.arange(rows), best], beams.length[np.arange(rows), best], strict=True)
    return [text[:characters] for text, characters in found]


def _first_beams(rows: int, columns: int, width: int) -> _Beams:
    """One beginning a row: nothing."""
    never = np.full((rows, width), -np.inf)
    blank = never.copy()
    blank[:, 0] = 0.0
    key = np.repeat(_first_keys(width)[None], rows, axis=0)
    texts, zeros = np.full((rows, width, columns), -1), np.zeros((rows, width))
    return _Beams(blank, never, zeros, key, np.zeros_like(key), texts, zeros.astype(np.int64))


def _first_keys(width: int) -> np.ndarray:
    return np.arange(1, width + 1, dtype=np.uint64) * _MIX


def _grow(beams: _Beams, column: np.ndarray, width: int, size: int, language: Language | None, weight: float) -> _Beams:
    """The beginnings after one more column (rows, size + 1)."""
    rows = len(column)
    row = np.arange(rows)[:, None]
    last, total = beams.last, beams.total
    # A beginning stays as it is by a blank, by its last character once more, ...
    stay_blank = total + column[:, :1]
    own = np.where(last >= 0, column[row, last + 1], -np.inf)
    stay_character = beams.character + own
    # ... or because another one grows into it: (rows, width, width), of the grown one and of the one that grows.
    grows_into = (beams.parent[:, :, None] == beams.key[:, None]) & (beams.length[:, :, None] > 0)
    repeats = last[:, :, None] == last[:, None]
    by_growing = np.where(repeats, beams.blank[:, None], total[:, None]) + own[:, :, None]
    by_growing = np.where(grows_into, by_growing, -np.inf)
    stay_character = np.logaddexp(stay_character, np.logaddexp.reduce(by_growing, axis=2))

    # New beginnings: (rows, width, few) with each of the few characters.
    few = min(size, 2 * width + 1)
    characters = np.argpartition(-column[:, 1:], few - 1, axis=1)[:, :few]
    new = column[row, characters + 1][:, None] + np.where(
        characters[:, None] == last[:, :, None], beams.blank[:, :, None], total[:, :, None]
    )
    key = _key(beams.key[:, :, None], characters[:, None])
    new = np.where((key[..., None] == beams.key[:, None, None]).any(-1), -np.inf, new)  # counted above
    told = np.zeros_like(new)
    if language is not None:
        told = weight * _language(language, beams, np.broadcast_to(characters[:, None], new.shape))
    told = told + beams.language[:, :, None]

    kept = np.logaddexp(stay_blank, stay_character) + beams.language
    scores = np.concatenate([kept, (new + told).reshape(rows, -1)], axis=1)
    best = np.argpartition(-scores, width - 1, axis=1)[:, :width]
    is_new = best >= width
    parent, which = np.divmod(np.where(is_new, best - width, best * few), few)
    grown = beams.take(row, parent)
    grown.blank = np.where(is_new, -np.inf, stay_blank[row, parent])
    grown.character = np.where(is_new, new[row, parent, which], stay_character[row, parent])
    grown.language = np.where(is_new, told[row, parent, which], grown.language)
    grown.parent = np.where(is_new, grown.key, grown.parent)
    grown.key = np.where(is_new, key[row, parent, which], grown.key)
    place = np.minimum(grown.length, grown.texts.shape[2] - 1)[..., None]
    character = np.where(is_new, characters[row, which], np.take_along_axis(grown.texts, place, 2)[..., 0])
    np.put_along_axis(grown.texts, place, character[..., None], 2)
    grown.length = grown.length + is_new
    # What has no way to be written may be a copy of what has: it must never be grown into.
    nothing = np.isneginf(grown.total)
    grown.length = np.where(nothing, 0, grown.length)
    grown.key = np.where(nothing, ~_first_keys(width), grown.key)
    return grown


def _key(before: np.ndarray, character: np.ndarray) -> np.ndarray:
    """A number for a beginning and one more character; the mixing is that of SplitMix64."""
    mixed = (before ^ (character.astype(np.uint64) + np.uint64(1))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> np.uint64(31))) + _MIX


def _language(language: Language, beams: _Beams, following: np.ndarray) -> np.ndarray:
    """Log-probability of what follows each beginning: (rows, width) or (rows, width, few), as `following`."""
    behind = beams.length[..., None] - np.arange(CONTEXT, 0, -1)
    context = np.take_along_axis(beams.texts, np.maximum(behind, 0), 2)
    context = np.where(behind >= 0, context, -1)
    if following.ndim == 3:
        context = np.broadcast_to(context[:, :, None], (*following.shape, CONTEXT))
    return language(context.reshape(-1, CONTEXT), following.reshape(-1)).reshape(following.shape)
