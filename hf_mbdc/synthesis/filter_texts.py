"""The step `filter_texts`: refuses what a model made in this iteration and what is not fit to train on.

It looks at the train rows that a step before it made or changed (`mbdc_source` is set, `mbdc_iteration` is not yet).
The other train rows are the pool that they may not repeat, and all other splits are evaluation rows that they may not
have words in common with; see `hf_mbdc.synthesis.filters`. Older rows stay as they are.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.synthesis.filters.made_rows import FilterResult, filter_rows
from hf_mbdc.synthesis.filters.options import FilterOptions
from hf_mbdc.synthesis.step import Step, StepContext, StepResult
from hf_mbdc.transforms.rows import add_provenance_columns, replace_rows

if TYPE_CHECKING:
    from datasets import Dataset


def run(rows: Dataset, options: FilterOptions, context: StepContext) -> StepResult:
    """The step as a recipe calls it.

    Raises:
        DataError: a column is missing in the train rows, or an evaluation split has none of them.
    """
    rows = add_provenance_columns(rows)
    source, iteration = (rows[name][:] for name in ("mbdc_source", "mbdc_iteration"))
    made = np.array([s is not None and i is None for s, i in zip(source, iteration, strict=True)], bool)
    new = np.flatnonzero(made)
    found = filter_rows(rows.select(new), options, pool=rows.select(np.flatnonzero(~made)), evaluation=context.others)
    refused = set(found.rejected["id"][:])
    keep = [row for row, key in enumerate(rows["id"][:]) if not made[row] or key not in refused]
    record = dataclasses.replace(found.record, kept=found.record.kept + len(rows) - len(new))
    return StepResult(_with_masked(rows, options, found).select(keep), record, _rejected(found, context.split))


STEP = Step(FilterOptions, run)


def _with_masked(rows: Dataset, options: FilterOptions, found: FilterResult) -> Dataset:
    """The rows with the texts that were masked."""
    if not found.masked:
        return rows
    place = {key: row for row, key in enumerate(rows["id"][:])}
    masked = set(found.masked)
    of_kept = [row for row, key in enumerate(found.rows["id"][:]) if key in masked]
    texts = found.rows.select_columns(["id", *options.columns])[of_kept]
    keys = texts.pop("id")
    return replace_rows(rows, np.array([place[key] for key in keys], np.int64), texts)


def _rejected(found: FilterResult, split: str) -> Dataset | None:
    if not len(found.rejected):
        return None
    return found.rejected.add_column("split", [split] * len(found.rejected))
