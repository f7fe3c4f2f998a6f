"""What else could have made a candidate better? Rows of a control that has as much data, but nothing new in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance.draws import check_ids, drawn_order, take_rounds
from hf_mbdc.guidance.row_texts import text_columns
from hf_mbdc.transforms.ngrams import tokenize
from hf_mbdc.transforms.text_columns import read_texts

if TYPE_CHECKING:
    from datasets import Dataset

RESAMPLED = "resampled"  # `mbdc_source` of a copy


def token_matched_control(
    parent: Dataset,
    candidate: Dataset,
    *,
    columns: Sequence[str] | None = None,
    seed: int = 0,
) -> Dataset:
    """The parent's rows with as many tokens as the candidate has: more data without new data.

    Where the candidate has more tokens, parent rows are repeated, each once before one is repeated again; where it has
    fewer, parent rows are left out. A row is added or left out as long as that brings the number of tokens nearer, so
    that at most half a row is amiss. A candidate that only beats the parent, and not this, may owe it to the amount.

    Args:
        parent, candidate: train rows with ids.
        columns: whose tokens count (`hf_mbdc.transforms.ngrams.tokenize`; characters in scripts without spaces).
            Default: the text columns of the parent.
        seed: of the draws, together with each row's id.

    Returns:
        Rows of the parent in their order, then the copies, which have ids of their own (`a~2`), `mbdc_source`
        "resampled" and `mbdc_parent_id`.

    Raises:
        DataError: no rows, no ids, the same id twice, or no text column.

    Example:
        >>> from datasets import Dataset
        >>> parent = Dataset.from_dict({"id": ["a", "b"], "text": ["one two three", "four five six"]})
        >>> candidate = Dataset.from_dict({"id": ["a", "b", "c"], "text": ["one two three", "four five six", "7 8 9"]})
        >>> token_matched_control(parent, candidate)["id"][:]
        ['a', 'b', 'b~2']
    """
    ids = check_ids(parent, "parent")
    if not len(parent) or not len(candidate):
        raise DataError("There are no rows to match", mend="Give a parent and a candidate with rows.")
    names = list(columns) if columns is not None else text_columns(parent)
    if not names:
        raise DataError("No column holds texts whose tokens could be counted", mend="Name some with columns=….")
    sizes, wanted = count_tokens(parent, names), int(count_tokens(candidate, names).sum())
    if not sizes.sum():
        raise DataError("The parent's texts have no tokens", columns=names, mend="Name other columns.")
    rounds = -(-wanted // int(sizes.sum()))
    order = np.concatenate([drawn_order(ids, seed, number) for number in range(max(rounds, 1))])
    if rounds > 1:
        order[: len(ids)] = np.arange(len(ids))  # the parent itself comes first
    kept = _nearest(np.cumsum(sizes[order]), wanted)
    return take_rounds(parent, np.sort(order[:kept]) if rounds <= 1 else order[:kept], RESAMPLED)


def count_tokens(rows: Dataset, columns: Sequence[str]) -> np.ndarray:
    """(rows,) tokens in some columns together."""
    return sum((tokenize(read_texts(rows, name)).lengths for name in columns), np.zeros(len(rows), np.int64))


def other_seeds(seeds: Sequence[int]) -> list[int]:
    """As many seeds that are not among the given ones: those of an A/A run, whose verdict should be `inconclusive`.

    Example:
        >>> other_seeds([0, 1, 2]), other_seeds([5])
        ([3, 4, 5], [6])
    """
    if not seeds:
        raise RecipeError("There are no seeds", key="seeds", mend="Give at least one.")
    return [max(seeds) + 1 + number for number in range(len(seeds))]


def _nearest(totals: np.ndarray, wanted: int) -> int:
    """How many rows come nearest to the wanted number of tokens; at least one."""
    more = min(int(np.searchsorted(totals, wanted)), len(totals) - 1)
    fewer = more - 1
    if fewer >= 0 and wanted - totals[fewer] < totals[more] - wanted:
        return fewer + 1
    return more + 1
