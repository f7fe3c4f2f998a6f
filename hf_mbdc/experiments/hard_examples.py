"""What a diagnosis found of each training row, as columns of the dataset: how hard it was, and when to learn it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from datasets import DatasetDict

    from hf_mbdc.experiments.learned import Learned

STAGES = 4  # of the curriculum


def with_dynamics(dataset: DatasetDict, learned: Learned) -> DatasetDict:
    """The dataset with the columns of cartography and `curriculum_stage`, null in rows that were not trained on.

    All splits get the columns, as the splits of one dataset must be alike; only `train` gets values.

    Args:
        dataset: with `train`, whose rows `learned` is about, in their order.
        learned: means over the trainings of a diagnosis.
    """
    from datasets import DatasetDict

    from hf_mbdc.guidance.cartography import PREFIX, append_columns
    from hf_mbdc.guidance.curriculum import COLUMN, curriculum_order, curriculum_stages, visible_rows

    columns = dict(learned.columns)
    order = curriculum_order(columns[f"{PREFIX}loss"], dataset["train"]["id"][:])
    columns[COLUMN] = curriculum_stages(order, visible_rows(len(order), STAGES))
    others = {
        name: append_columns(rows, _of_length(columns, len(rows)), np.zeros(len(rows), bool))
        for name, rows in dataset.items()
        if name != "train"
    }
    marked = append_columns(dataset["train"], columns, learned.known)
    return DatasetDict({name: marked if name == "train" else others[name] for name in dataset})


def _of_length(columns: dict[str, np.ndarray], rows: int) -> dict[str, np.ndarray]:
    """Columns of the same types for other rows, whatever is in them."""
    return {name: np.resize(values[:0], rows) for name, values in columns.items()}
