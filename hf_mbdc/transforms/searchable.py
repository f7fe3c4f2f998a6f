"""A context made ready for search: all that its questions share, each part worked out when first asked for."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property

import numpy as np

from hf_mbdc.transforms.characters import code_points, cuts, kinds_of
from hf_mbdc.transforms.dates import WrittenDate, find_dates
from hf_mbdc.transforms.numbers import SIGN_REACH, SIGNS, find_numbers, find_signs
from hf_mbdc.transforms.search import SearchIndex
from hf_mbdc.transforms.text import FoldedText, fold, jamo, jamo_counts, skeleton, squeeze


class SearchText:
    """A context made ready for search; worked out once and asked once per question.

    Args:
        context: the transcription that offsets point into.
    """

    def __init__(self, context: str) -> None:
        self.context = context

    @cached_property
    def folded(self) -> FoldedText:
        """Case, width, Unicode form and whitespace taken away, with the way back to the context."""
        return fold(self.context)

    @cached_property
    def skeleton(self) -> bytes:
        """What every text that stands here, written in whatever way, has its own skeleton in."""
        return skeleton(self.folded.text)

    @cached_property
    def squeezed(self) -> FoldedText:
        """The folded text without spaces and punctuation."""
        return squeeze(self.folded)

    def follows_sign(self, start: int) -> bool:
        """Whether a minus sign stands before a place, so that what begins there is but a part of its number."""
        return not SIGNS.isdisjoint(self.context[max(0, start - SIGN_REACH) : start]) and start in self.signs

    @cached_property
    def signs(self) -> dict[int, int]:
        """Every place between a minus sign and its number, and the place of the sign."""
        return find_signs(self.context)

    @cached_property
    def numbers(self) -> dict[Decimal, list[tuple[int, int]]]:
        """The amounts of the text, however they are written, and where each stands."""
        return find_numbers(self.folded, self.signs)

    @cached_property
    def dates(self) -> list[WrittenDate]:
        """The dates of the text, however they are written."""
        return find_dates(self.folded.text)

    @cached_property
    def index(self) -> SearchIndex:
        """For the nearest text, step 3 of `locate`."""
        return SearchIndex(self.folded.text)

    @cached_property
    def jamo(self) -> FoldedText:
        """The folded text with Hangul syllables as their letters, which is how they are misread."""
        return jamo(self.folded)

    @cached_property
    def jamo_index(self) -> SearchIndex:
        """Cut between syllables only."""
        codes = code_points(self.folded.text)
        free = np.zeros(len(self.jamo.text) + 1, dtype=bool)
        free[np.concatenate(([0], np.cumsum(jamo_counts(codes))))] = cuts(kinds_of(self.folded.text))
        return SearchIndex(self.jamo.text, free)
