"""Near-duplicate texts by MinHash and locality-sensitive hashing, on arrays.

Broder (1997): of a random permutation, two sets have the same minimum with a chance of their Jaccard similarity. A
signature is the minima of 128 permutations, x → a·x + b modulo 2³² with odd a, which are not fully min-wise independent
but as good here, since pairs are only proposed: whoever needs the similarity computes it. Leskovec, Rajaraman & Ullman
(2014, §3.4): signatures that agree in all rows of one band are proposed. With 32 bands of 4 rows, a pair of similarity
s is found with a chance of 1 − (1 − s⁴)³²: .87 at .5, .988 at .6, .9998 at .7.
"""

from __future__ import annotations

import numpy as np

from hf_mbdc.transforms.mixer import mix

PERMUTATIONS = 128
BANDS = 32
_MERGE = 1 << 20  # pairs that are gathered before those found in several bands become one


def signatures(
    shingles: np.ndarray, starts: np.ndarray, *, seed: int = 0, permutations: int = PERMUTATIONS
) -> np.ndarray:
    """(texts, permutations) uint32: the minimum of every permutation over the shingles of each text.

    Args:
        shingles: (n,) uint64 hashes, see `hf_mbdc.transforms.ngrams`.
        starts: (texts + 1,) where those of each text begin, and the end of the last. No text is empty.

    Example:
        >>> shingles = mix(np.array([5, 6, 6, 5, 7], np.uint64))
        >>> one, two, three = signatures(shingles, np.array([0, 2, 4, 5]))
        >>> bool((one == two).all()), bool((one == three).any())
        (True, False)
    """
    draw = np.random.default_rng(seed)
    factors = draw.integers(0, 1 << 31, permutations, np.uint32) * np.uint32(2) + np.uint32(1)
    offsets = draw.integers(0, 1 << 32, permutations, np.uint32)
    words = (shingles >> np.uint64(32)).astype(np.uint32)
    found = np.empty((permutations, len(starts) - 1), np.uint32)
    for row, (factor, offset) in enumerate(zip(factors, offsets, strict=True)):
        found[row] = np.minimum.reduceat(words * factor + offset, starts[:-1])
    return np.ascontiguousarray(found.T)


def band_keys(found: np.ndarray, bands: int = BANDS) -> np.ndarray:
    """(bands, texts) uint64: a hash of the rows of every band of the signatures."""
    rows = found.shape[1] // bands
    words = found.reshape(len(found), bands, rows).astype(np.uint64)
    keys = np.zeros((len(found), bands), np.uint64)
    for row in range(rows):
        keys = mix(keys ^ words[:, :, row])
    return np.ascontiguousarray(keys.T)


def matches(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of positions with equal values, in the order of `left`.

    Args:
        left: (l,).
        right: (r,) sorted.

    Example:
        >>> [pairs.tolist() for pairs in matches(np.array([7, 5, 9]), np.array([5, 5, 7]))]
        [[0, 1, 1], [2, 0, 1]]
    """
    low = np.searchsorted(right, left, "left")
    hit = np.flatnonzero(np.append(right, 0)[low] == left) if len(right) else np.zeros(0, np.int64)
    counts = np.zeros(len(left), np.int64)  # most have no match, and are looked for once only
    counts[hit] = np.searchsorted(right, left[hit], "right") - low[hit]
    first = np.repeat(low - np.cumsum(counts) + counts, counts)
    return np.repeat(np.arange(len(left)), counts), first + np.arange(counts.sum())


class LshIndex:
    """The bands of some texts, to be asked which of them may be like others.

    Args:
        keys: (bands, texts) of `band_keys`.

    Example:
        >>> keys = band_keys(signatures(mix(np.array([5, 6, 7], np.uint64)), np.array([0, 2, 3])))
        >>> [pairs.tolist() for pairs in LshIndex(keys).candidates(keys[:, 1:])]
        [[0], [1]]
    """

    def __init__(self, keys: np.ndarray) -> None:
        self.order = np.argsort(keys, axis=1, kind="stable")
        self.keys = np.take_along_axis(keys, self.order, axis=1)

    def candidates(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pairs (position in `keys`, position in the index) that agree in a band, each once, sorted."""
        size = max(1, self.keys.shape[1])
        pairs, waiting = [np.empty(0, np.int64)], 0
        for band, wanted in enumerate(keys):
            turn = np.argsort(wanted)  # neighbours find their places in the same part of the cache
            asked, place = matches(wanted[turn], self.keys[band])
            pairs.append(turn[asked] * size + self.order[band, place])
            waiting += len(asked)
            if waiting > _MERGE:  # very similar texts agree in all bands: hold their pairs once
                pairs, waiting = [_distinct(np.concatenate(pairs))], 0
        return np.divmod(_distinct(np.concatenate(pairs)), size)


def _distinct(values: np.ndarray) -> np.ndarray:
    """As `np.unique`, which hashes first, but several times as fast."""
    values = np.sort(values)
    first = np.ones(len(values), bool)
    first[1:] = values[1:] != values[:-1]
    return values[first]
