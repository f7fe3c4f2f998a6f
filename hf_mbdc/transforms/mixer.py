"""A mixer of 64-bit words for hashes that are the same in every process and on every machine."""

from __future__ import annotations

import numpy as np

ODD = np.uint64(0xD6E8FEB86659FD93)  # of Pelle Evensen's xorshift-multiply mixer


def mix(words: np.ndarray) -> np.ndarray:
    """A bijection of uint64 that spreads every bit (two rounds of xorshift and multiply).

    Example:
        >>> hex(int(mix(np.array([1], np.uint64))[0]))
        '0x4179b061e0c0e0d0'
    """
    words = words ^ (words >> np.uint64(32))
    words *= ODD
    words ^= words >> np.uint64(32)
    words *= ODD
    words ^= words >> np.uint64(32)
    return words
