"""The step `render`: draws word images for the rows that have none, in fonts that have all of their characters.

See `hf_mbdc.synthesis.rendering`, which draws them. Rows that have an image keep it, and their place.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.errors import DataError
from hf_mbdc.records import StepRecord
from hf_mbdc.synthesis.rendering import RenderOptions, columns, render_with_rejected
from hf_mbdc.synthesis.step import Step, StepContext, StepResult
from hf_mbdc.transforms.rows import append_rows

if TYPE_CHECKING:
    from datasets import Dataset

NAME = "render"
SIDE_BY_SIDE = 20_000  # rows from which processes pay for their start


def run(rows: Dataset, options: RenderOptions, context: StepContext) -> StepResult:
    """Draws what is missing; rows whose text cannot be shown rightly are left out, with the reason.

    Raises:
        DataError: no row can be drawn, or the column `image` holds none.
    """
    from datasets import Image

    from hf_mbdc.approaches import reason_kind
    from hf_mbdc.training.running import cores

    missing = _missing(rows)
    if not len(missing):
        return StepResult(rows, _record(len(rows), 0, []))
    blank = rows.select(missing).remove_columns([name for name in columns(options) if name in rows.column_names])
    num_proc = (context.max_parallel or cores()) if len(missing) >= SIDE_BY_SIDE else None
    drawn, rejected = render_with_rejected(blank, options, num_proc=num_proc)
    if not len(drawn):
        first = rejected[0]
        what = f"No row can be drawn; the first one: {first['reason']}"
        raise DataError(what, split=context.split, id=first["id"], mend="Mend the texts, or give other fonts.")
    if "image" in rows.column_names and isinstance(rows.features["image"], Image):
        drawn = drawn.cast_column("image", rows.features["image"])  # real images, and those of another augmentation
    if len(missing) < len(rows):
        drawn = _in_place(rows.select(np.setdiff1d(np.arange(len(rows)), missing)), drawn, rows)
    reasons = [reason_kind(reason) for reason in rejected["reason"][:]]
    rejected = rejected.remove_columns("split").add_column("split", [context.split] * len(rejected))
    return StepResult(drawn, _record(len(rows) - len(missing), len(missing) - len(reasons), reasons), rejected)


STEP = Step(RenderOptions, run, splits="all", approaches=("text_recognition",))


def _missing(rows: Dataset) -> np.ndarray:
    """(n,) the rows without an image; none is decoded."""
    if "image" not in rows.column_names:
        return np.arange(len(rows))
    return np.flatnonzero(rows.select_columns(["image"]).with_format("arrow")[:]["image"].is_null().to_numpy())


def _in_place(kept: Dataset, drawn: Dataset, rows: Dataset) -> Dataset:
    """Rows that had an image and rows that got one, in the order in which they stood."""
    together = append_rows(kept, drawn)
    place = {key: number for number, key in enumerate(rows["id"][:])}
    return together.select(np.argsort([place[key] for key in together["id"][:]], kind="stable"))


def _record(kept: int, drawn: int, reasons: list[str]) -> StepRecord:
    told = {"drawn": drawn} if drawn else {}
    return StepRecord(
        name=NAME,
        pillar="model-guided synthesis",
        why="",
        kept=kept,
        changed=drawn,
        rejected=len(reasons),
        reasons={**told, **dict(sorted(Counter(reasons).items()))},
    )
