"""Random numbers that belong to a row: a function of its key and of the draw's number, whatever is drawn beside it.

The generator is SplitMix64 (Steele, Lea and Flood 2014) used as a hash of key and counter, for a whole batch at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


def row_keys(ids: Sequence[str], seed: int) -> np.ndarray:
    """One key for each row, uint64 (rows,), from its id and the seed."""
    salt = f"{seed}\n".encode()
    digests = [hashlib.blake2b(salt + row.encode("utf-8", "surrogatepass"), digest_size=8).digest() for row in ids]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def bits(keys: np.ndarray, draw: int) -> np.ndarray:
    """64 random bits for each row, uint64 (rows,).

    Args:
        keys: (rows,) from `row_keys`.
        draw: number of the draw; each thing that is drawn has its own.
    """
    with np.errstate(over="ignore"):
        mixed = keys + _GOLDEN * np.uint64(draw + 1)
        for multiplier, shift in zip(_MIX, _SHIFTS, strict=False):
            mixed = (mixed ^ (mixed >> shift)) * multiplier
    return mixed ^ (mixed >> _SHIFTS[2])


def uniform(keys: np.ndarray, draw: int, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """A number from [low, high) for each row, float64 (rows,); the same on every machine.

    Example:
        >>> keys = row_keys(["a", "b"], seed=0)
        >>> bool((uniform(keys, 3)[::-1] == uniform(keys[::-1], 3)).all())
        True
    """
    unit = (bits(keys, draw) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return low + (high - low) * unit


def below(keys: np.ndarray, draw: int, count: np.ndarray | int) -> np.ndarray:
    """A whole number from 0 to `count` − 1 for each row, int64 (rows,)."""
    return (uniform(keys, draw) * count).astype(np.int64)
