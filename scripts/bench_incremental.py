"""What does an iteration cost after few rows changed: model calls, time, and labels beside those of new trainings?

    python scripts/bench_incremental.py --documents 300 --epochs 6 --folds 4

On receipts that the package makes itself: relabelled once; then 1 % of the documents, evenly spread, become other
receipts, and the rows are relabelled again, with the models of the first time and with new ones. `other labels`
counts rows whose offsets are not those that models trained anew choose, beside what another training seed alone does.
Also: what it takes to annotate all rows once more, which a memo of annotations could spare.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.approaches import annotate
from hf_mbdc.approaches.extractive_qa import ExtractiveQA
from hf_mbdc.loaders import load_dataset
from hf_mbdc.synthesis.relabel_occurrences import RelabelOptions, relabel_occurrences
from hf_mbdc.synthesis.reuse import Earlier
from hf_mbdc.synthesis.step import StepResult
from hf_mbdc.training.config import TrainingConfig
from hf_mbdc.transforms.rows import replace_rows

if TYPE_CHECKING:
    from datasets import Dataset


def parse_flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--changed", type=float, default=0.01, help="share of the documents that change")
    parser.add_argument("--max-parallel", type=int, help="trainings side by side (default: the cores)")
    return parser.parse_args()


def make_rows(documents: int) -> tuple[Dataset, Dataset]:
    """Raw rows of as many receipts, all in one split, and of as many others."""
    from datasets import concatenate_datasets, disable_progress_bars

    disable_progress_bars()
    made = load_dataset("made_receipts", documents=2 * documents, seed=0)
    rows = concatenate_datasets(list(made.values())).remove_columns("image").sort("id")
    half = len(rows) // 2
    return rows.select(range(half)), rows.select(range(half, 2 * half))


def change(rows: Dataset, others: Dataset, share: float) -> tuple[Dataset, int]:
    """Every so manieth document is another receipt; gives the rows and how many of them are new."""
    names = np.array(rows["document_id"][:])
    chosen = np.unique(names)[:: round(1 / share)]
    where = np.flatnonzero(np.isin(names, chosen))
    columns = [name for name in rows.column_names if name not in ("id", "document_id")]
    taken = others.select_columns(columns).select(where)[:]
    return replace_rows(rows, where, taken), len(where)


def main() -> None:
    flags = parse_flags()

    # 1. Rows, and the same with some documents changed
    approach = ExtractiveQA()
    raw, others = make_rows(flags.documents)
    started = time.perf_counter()
    rows = annotate(raw, approach)
    annotated = time.perf_counter() - started
    edited, count = change(rows, annotate(others, approach), flags.changed)
    config = TrainingConfig(epochs=flags.epochs)

    with tempfile.TemporaryDirectory() as scratch:

        def relabel(name: str, data: Dataset, earlier: Dataset | None = None, seed: int = 0) -> StepResult:
            """The step, and a line of the table."""
            began = time.perf_counter()
            step = relabel_occurrences(
                data,
                approach,
                config=config,
                options=RelabelOptions(folds=flags.folds, seed=seed),
                work_dir=Path(scratch),
                earlier=None if earlier is None else Earlier(earlier),
                max_parallel=flags.max_parallel,
            )
            record = step.record
            share = record.cost.model_calls / len(data)
            print(
                f"  {name:<26}{record.cost.model_calls:>8,}{share:>8.2%}{record.reused:>8,}{record.cost.tokens:>12,}"
                f"{record.cost.cpu_seconds:>8.1f}{time.perf_counter() - began:>8.1f}",
                flush=True,
            )
            return step

        # 2. Relabelled: at first, after the change with the models of the first time, and with new ones
        print(f"{len(rows):,} rows, {count:,} changed ({count / len(rows):.2%}); load {os.getloadavg()[0]:.1f}")
        print(f"  {'':<26}{'calls':>8}{'of rows':>8}{'reused':>8}{'tokens':>12}{'CPU s':>8}{'wall s':>8}")
        relabel("first iteration", rows)
        kept = relabel("models kept", edited, rows)
        anew = relabel("models trained anew", edited)
        seed = relabel("anew, another seed", edited, seed=1)

    # 3. How the labels differ
    for name, step in (("models kept", kept), ("another seed", seed)):
        unequal = np.array(step.rows["answer_start"][:]) != np.array(anew.rows["answer_start"][:])
        print(f"  other labels than anew, {name}: {int(unequal.sum()):,} of {len(rows):,} rows ({unequal.mean():.2%})")
    print(f"  annotating all rows: {annotated:.2f} s, {1e6 * annotated / len(rows):.0f} µs a row")


if __name__ == "__main__":
    main()
