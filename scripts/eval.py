"""Scores a trained target model on a split: exact match, F1 and ANLS, per key and over all rows.

    python scripts/eval.py --model OUT --dataset DATA --split test
    torchrun --nproc_per_node 2 scripts/eval.py --model OUT --dataset DATA --split test --output scores.json

OUT is a folder that `train_extractive_qa.py` wrote, or any checkpoint with a question-answering head; DATA is what
`train_extractive_qa.py` takes. Prints a table; `--output` also gets the scores as JSON, `--predictions` every row's
answer as Parquet. Unanswerable rows count: the right answer to them is "".
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from hf_mbdc.errors import DataError, MbdcError

OVERALL = "all rows"


def parse_flags(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder or Hub id of the model")
    parser.add_argument("--dataset", required=True, help="folder or Hub id of the data")
    parser.add_argument("--split", default="test", help="split to score (default: test)")
    parser.add_argument("--slice-by", help="column whose values get a row each (default: key, if any)")
    parser.add_argument("--output", type=Path, help="JSON file for the scores")
    parser.add_argument("--predictions", type=Path, help="Parquet file for the predictions")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    flags = parse_flags(arguments)
    if not sys.stderr.isatty():  # before the imports that read it
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

    # Imported here, so that --help and a wrong flag answer at once.
    import pyarrow.parquet as pq

    from hf_mbdc.approaches.extractive_qa import ExtractiveQA
    from hf_mbdc.targets import load_target
    from hf_mbdc.training.data import read_dataset, read_rows, split_of
    from hf_mbdc.training.loop import make_accelerator
    from hf_mbdc.training.predict import predict_rows
    from hf_mbdc.transforms.checks import check_columns

    # 1. Data
    accelerator = make_accelerator()
    split = split_of(read_dataset(flags.dataset), flags.split)
    rows = read_rows(split, flags.split, labels=False)
    check_columns(split.features, ExtractiveQA().reads, split=flags.split)
    if flags.slice_by not in (None, *split.column_names):
        mend = f"It has: {', '.join(split.column_names)}."
        raise DataError("The split has no such column", split=flags.split, column=flags.slice_by, mend=mend)
    column = flags.slice_by or "key"
    slices = split[column][:] if column in split.column_names else [None] * len(rows)

    # 2. Predictions
    table = predict_rows(load_target(flags.model), rows, accelerator)

    # 3. Scores
    if accelerator.is_main_process:
        scores = score(table["prediction"].to_pylist(), split["answers"][:], slices)
        print(format_table(scores))
        if flags.output:
            flags.output.write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
        if flags.predictions:
            pq.write_table(table, flags.predictions)
    accelerator.end_training()


def score(predictions: list[str], answers: list[list[str]], slices: list[Any]) -> dict[str, dict[str, float]]:
    """Slice → number of rows and mean of each metric; `OVERALL` last."""
    import numpy as np

    from hf_mbdc.metrics import anls_scores, exact_match_scores, f1_scores, mean_score

    metrics = {
        "exact_match": exact_match_scores(predictions, answers),
        "f1": f1_scores(predictions, answers),
        "anls": anls_scores(predictions, answers),
    }
    names = np.array(["" if name is None else str(name) for name in slices])
    parts = {name: names == name for name in sorted(set(names.tolist())) if name}
    parts[OVERALL] = np.ones(len(names), dtype=bool)
    return {
        name: {"rows": int(part.sum()), **{metric: mean_score(values[part]) for metric, values in metrics.items()}}
        for name, part in parts.items()
    }


def format_table(scores: dict[str, dict[str, float]]) -> str:
    """The scores as aligned text."""
    columns = list(scores[OVERALL])
    width = max(map(len, scores))
    lines = [f"{'':{width}}  " + "  ".join(f"{column:>11}" for column in columns)]
    for name, values in scores.items():
        cells = (f"{value:>11}" if isinstance(value, int) else f"{value:>11.3f}" for value in values.values())
        lines.append(f"{name:{width}}  " + "  ".join(cells))
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        main()
    except MbdcError as error:
        sys.exit(f"error: {error}")
