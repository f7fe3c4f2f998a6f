"""Approximate search: where in a text is the part nearest to a needle, and exactly where does it begin and end?

`rapidfuzz` finds the neighbourhood; its window is exactly as long as the needle, so inserted characters cut the end
off. The ends come from Myers' bit-parallel algorithm (J. ACM 46, 1999) as Hyyrö writes it (2003), on Python's integers,
which have no limit of 64 or 256 characters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rapidfuzz import fuzz

from hf_mbdc.transforms.characters import continues_cluster, is_unspaced


@dataclass(frozen=True)
class Near:
    """A part of the text, `start:end`, and its Levenshtein distance to the needle."""

    start: int
    end: int
    distance: int


def end_distances(needle: str, text: str, *, anchored: bool = False) -> list[int]:
    """For every end 0…len(text): the distance of the needle to the nearest part of the text that ends there.

    With `anchored` that part begins at 0, so the values are plain Levenshtein distances to the prefixes.

    Example:
        >>> end_distances("abc", "xabxc")
        [3, 3, 2, 1, 1, 1]
    """
    size = len(needle)
    mask, high = (1 << size) - 1, 1 << (size - 1)
    places: dict[str, int] = {}
    for position, character in enumerate(needle):
        places[character] = places.get(character, 0) | 1 << position
    up, down, distance = mask, 0, size
    distances = [distance]
    for character in text:
        equal = places.get(character, 0)
        diagonal = equal | down
        across = (((equal & up) + up) ^ up) | equal
        plus, minus = down | ~(across | up) & mask, up & across
        distance += bool(plus & high) - bool(minus & high)
        distances.append(distance)
        plus, minus = plus << 1 & mask | anchored, minus << 1 & mask
        up, down = minus | ~(diagonal | plus) & mask, plus & diagonal
    return distances


def nearest(needle: str, text: str, limit: int, is_boundary: Callable[[int], bool]) -> Near | None:
    """The part of `text` nearest to `needle`, or None when its distance is above `limit`.

    Args:
        needle: at least one character.
        is_boundary: whether a position of `text` is a good place to cut. Among equally near parts those with good ends
            win, then a longer one, but not by a whole word. An end inside a word moves to a good place at most three
            characters away when that costs at most two.
    """
    # A distance of d lowers the ratio of the best window by at most d / len(needle).
    cutoff = 100 * (1 - limit / len(needle)) - 1e-6
    found = fuzz.partial_ratio_alignment(needle, text, score_cutoff=cutoff)
    if found is None:
        return None
    low, high = max(0, found.dest_start - limit - 2), min(len(text), found.dest_end + limit + 2)
    window = text[low:high]
    ends = end_distances(needle, window)
    end = _best(ends, lambda position: is_boundary(low + position), limit)
    if end is None:
        return None
    starts = end_distances(needle[::-1], window[:end][::-1], anchored=True)
    back = _best(starts, lambda position: is_boundary(low + end - position), limit)
    if back is None or back == 0:
        return None
    return Near(low + end - back, low + end, starts[back])


def _best(distances: list[int], is_boundary: Callable[[int], bool], limit: int) -> int | None:
    """The position to cut at: least distance first, then a boundary; of several the last that is no word further."""
    least = min(distances)
    if least > limit:
        return None
    ties = [p for p, distance in enumerate(distances) if distance == least]
    good = [p for p in ties if is_boundary(p)]
    if good:
        # Nothing of what lies between two ties need be the needle's: a misread last character, no more.
        return max(p for p in good if p <= good[0] + 1)
    best = ties[-1]
    reach = min(limit, least + 2)
    near = [p for p in range(best - 3, best + 4) if 0 < p < len(distances) and distances[p] <= reach and is_boundary(p)]
    return min(near, key=lambda p: (distances[p], -p), default=best)


def is_word_boundary(text: str, position: int) -> bool:
    """Whether a cut at `position` leaves words, numbers and clusters whole.

    Scripts that do not mark every word with spaces (Han, Kana, Hangul with its particles, Thai, Lao, Khmer, Burmese,
    Tibetan) have a boundary between any two characters; all others only where a letter does not meet a letter. A
    letter and a digit may be cut apart ("RM9.00"), two digits never.

    Example:
        >>> [p for p in range(7) if is_word_boundary("RM9 ok", p)]
        [0, 2, 3, 4, 6]
    """
    if position <= 0 or position >= len(text):
        return True
    left, right = text[position - 1], text[position]
    if continues_cluster(right):
        return False
    if left.isdigit() or right.isdigit():
        return not (left.isdigit() and right.isdigit())
    if not (right.isalpha() and (left.isalpha() or continues_cluster(left))):
        return True
    return is_unspaced(left) or is_unspaced(right)
