"""Does relabelling by the target beat other ways to label receipts? K-fold over documents, all baselines in one table.

    python scripts/eval_receipts.py --data-dir ../shared/data/sroie
    python scripts/eval_receipts.py --data-dir ../shared/data/sroie --split-by vendor --seeds 0 1 2

Each document is predicted by targets that saw neither it, nor its text, nor (with `--split-by vendor`) its vendor:

    first, last, random   the target trained on that occurrence of each answer
    marginal              trained over all occurrences (marginal likelihood, Min et al. 2019)
    marginal × budget     the same with the whole budget of `relabelled`, its out-of-fold trainings included
    hard-EM               marginal for half of the steps, then the occurrence that it finds most likely
    relabelled            what `hf-mbdc run receipts` does: labels moved out of fold inside the train part, then trained
                          (labels are made once, with seed 0: intervals over seeds leave the noise of that step out).
                          The folds inside are those of the documents, so that one training serves two train parts
    rule on TOTAL lines   no training: the largest amount of the lines that say TOTAL (for `total` only; written with
                          these receipts in view)

Exact match is strict (Unicode form, case and whitespace aside) and as SQuAD normalises (punctuation and articles aside,
which also makes 9.00 and 900 equal). Trainings are kept in `--work-dir`: a killed run goes on, a second one costs
nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from datasets import Dataset

    from hf_mbdc.training.config import TrainingConfig
    from hf_mbdc.training.launch import TrainingJob

RULE, RELABELLED, WHOLE_BUDGET = "rule on TOTAL lines", "relabelled", "marginal × budget"
METHODS = ("first", "last", "random", "marginal", WHOLE_BUDGET, "hard-EM", RELABELLED)
KEYS = ("company", "date", "address", "total")
AMOUNT = re.compile(r"(?:\$|RM)?(\d[\d,]*\.\d\d)(?!\d)")
TOTAL = re.compile(r"TOTAL|ROUNDED|NETT")
NOT_TOTAL = re.compile(r"SUB|QTY|ITEM|DISC|TAX|SAVING|EXC|QUANT|POINT|CHANGE|GST SUM")


def parse_flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True, help="folder with box/, key/ and img/ of SROIE")
    parser.add_argument("--split-by", choices=("document", "vendor"), default="document")
    parser.add_argument("--folds", type=int, default=5, help="parts of the documents, each predicted once")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, help="rows of the table")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=24, help="passes over the rows, as in the recipe")
    parser.add_argument("--max-parallel", type=int, help="trainings side by side (default: the cores)")
    parser.add_argument("--work-dir", type=Path, default=Path("work/eval_receipts"))
    return parser.parse_args()


def total_by_rule(row: dict[str, Any]) -> str:
    """The hand-written baseline: on lines that say TOTAL, the last amount within 5 sen of the largest one.

    The rounded total follows the exact one. A line is what shares its height on the page, whatever the reading order.
    """
    lines: list[tuple[str, float, float]] = []  # text, middle, height
    amounts: list[tuple[float, float, str]] = []  # value, middle, text
    word = 0
    for text in row["context"].split("\n"):
        boxes = row["boxes"][word : (word := word + len(text.split()))]
        top, bottom = min(box[1] for box in boxes), max(box[3] for box in boxes)
        lines.append((text.upper(), (top + bottom) / 2, bottom - top))
        amounts += [(float(m[1].replace(",", "")), (top + bottom) / 2, m[0]) for m in AMOUNT.finditer(text)]
    said = [(y, h) for text, y, h in lines if TOTAL.search(text) and ("INC" in text or not NOT_TOTAL.search(text))]
    beside = [a for a in amounts if any(abs(a[1] - y) < 0.6 * h for y, h in said)] or amounts
    largest = max((value for value, _, _ in beside), default=0.0)
    return next((text for value, _, text in reversed(beside) if value > largest - 0.05), "")


def make_jobs(rows: Dataset, fold: np.ndarray, flags: argparse.Namespace) -> dict[tuple[str, int, int], TrainingJob]:
    """(method, fold, seed) → training; those of `relabelled` need the relabelled rows, which are made here first."""
    from hf_mbdc.training.config import TrainingConfig
    from hf_mbdc.training.launch import TrainingJob

    config = TrainingConfig(epochs=flags.epochs)
    moved = relabel(rows, fold, config, flags) if RELABELLED in flags.methods else {}
    jobs: dict[tuple[str, int, int], TrainingJob] = {}
    for method in flags.methods:
        whole, settings = training_of(method, rows, flags)
        for k, seed in itertools.product(range(flags.folds), flags.seeds):
            train = moved[k] if method == RELABELLED else whole.select(np.flatnonzero(fold != k))
            test = {"test": rows.select(np.flatnonzero(fold == k))}
            jobs[method, k, seed] = TrainingJob(train, test, dataclasses.replace(config, seed=seed, **settings))
    return jobs


def training_of(method: str, rows: Dataset, flags: argparse.Namespace) -> tuple[Dataset, dict[str, Any]]:
    """The rows as a method labels them (as they are for `relabelled`), and its settings of the training."""
    from hf_mbdc.approaches import annotate
    from hf_mbdc.approaches.extractive_qa import ExtractiveQA

    approaches = {"last": ExtractiveQA("last"), "random": ExtractiveQA("random")}
    if method in approaches:
        return annotate(rows, approaches[method]), {}
    settings: dict[str, dict[str, Any]] = {
        "marginal": {"objective": "marginal"},
        "hard-EM": {"objective": "hard_em"},
        WHOLE_BUDGET: {"objective": "marginal", "epochs": flags.epochs * (flags.folds - 1)},
    }
    return rows, settings.get(method, {})


def relabel(rows: Dataset, fold: np.ndarray, config: TrainingConfig, flags: argparse.Namespace) -> dict[int, Dataset]:
    """Fold → the rows of the other folds, relabelled by `relabel_occurrences`, whose folds they are.

    A model that saw neither the documents of fold j nor those of fold k labels j where k is tested, and k where j is.
    """
    from hf_mbdc.approaches.extractive_qa import ExtractiveQA
    from hf_mbdc.synthesis.out_of_fold import HELD_OUT
    from hf_mbdc.synthesis.relabel_occurrences import RelabelOptions, apply_scores
    from hf_mbdc.training.launch import TrainingJob, launch

    options = RelabelOptions()
    settings = dataclasses.replace(config, objective=options.objective, seed=options.seed)
    parts = {k: rows.select(np.flatnonzero(fold == k)) for k in range(flags.folds)}
    pairs = list(itertools.combinations(parts, 2))
    jobs = [
        TrainingJob(rows.select(np.flatnonzero(~np.isin(fold, pair))), {f"fold-{k}": parts[k] for k in pair}, settings)
        for pair in pairs
    ]
    done = launch(jobs, work_dir=flags.work_dir, max_parallel=flags.max_parallel, on_progress=show)
    moved = {}
    for k in parts:
        train = np.flatnonzero(fold != k)
        results = {
            j: dataclasses.replace(result, predictions={HELD_OUT: result.predictions[f"fold-{j}"]})
            for pair, result in zip(pairs, done, strict=True)
            if k in pair
            for j in set(pair) - {k}
        }
        step = apply_scores(rows.select(train), ExtractiveQA(), fold[train], results)
        tell(f"fold {k}: {step.record.changed} of {len(train)} rows relabelled")
        moved[k] = step.rows
    return moved


def predict(rows: Dataset, fold: np.ndarray, flags: argparse.Namespace) -> dict[str, list[list[str]]]:
    """Method → for each seed the predicted answer of every row."""
    from hf_mbdc.training.launch import launch

    jobs = make_jobs(rows, fold, flags)
    results = launch(list(jobs.values()), work_dir=flags.work_dir, max_parallel=flags.max_parallel, on_progress=show)
    predicted: dict[tuple[str, int], dict[str, str]] = {}
    for (method, _, seed), result in zip(jobs, results, strict=True):
        table = result.predictions["test"].select(["id", "prediction"]).to_pydict()
        predicted.setdefault((method, seed), {}).update(zip(table["id"], table["prediction"], strict=True))
    ids = rows["id"][:]
    answers: dict[str, list[list[str]]] = {}
    for (method, _), texts in predicted.items():
        answers.setdefault(method, []).append([texts[key] for key in ids])
    ruled = rows.select_columns(["key", "context", "boxes"]).map(
        lambda row: {"rule": total_by_rule(row) if row["key"] == "total" else ""}
    )
    return {**answers, RULE: [ruled["rule"][:]] * len(flags.seeds)}


def print_scores(rows: Dataset, answers: dict[str, list[list[str]]]) -> dict[str, np.ndarray]:
    """Prints method × key, strict / SQuAD; returns the strict scores (seeds, rows) of each method."""
    from hf_mbdc.metrics import anls_scores, exact_match_scores, f1_scores

    keys, references, strict = np.array(rows["key"][:]), rows["answers"][:], {}
    print(
        f"\nexact match, strict / SQuAD\n{'':22}"
        + "".join(f"{key:>14}" for key in (*KEYS, "all keys"))
        + "   ANLS     F1"
    )
    for method, seeds in answers.items():
        both = [
            np.stack([exact_match_scores(texts, references, kind) for texts in seeds]) for kind in ("strict", "squad")
        ]
        strict[method] = both[0]
        shown = [keys == key for key in KEYS] + [np.ones(len(keys), dtype=bool)]
        cells = [" / ".join(f"{scores[:, part].mean():.3f}" for scores in both) for part in shown]
        soft = [np.mean([score(texts, references).mean() for texts in seeds]) for score in (anls_scores, f1_scores)]
        if method == RULE:
            cells = [cell if key == "total" else "–" for key, cell in zip((*KEYS, "all"), cells, strict=True)]
        tail = "" if method == RULE else "".join(f"{value:7.3f}" for value in soft)
        print(f"{method:22}" + "".join(f"{cell:>14}" for cell in cells) + tail)
    return strict


def print_differences(rows: Dataset, strict: dict[str, np.ndarray]) -> None:
    """Prints what `relabelled` gains on each method, with intervals over documents (and seeds)."""
    from hf_mbdc.guidance.compare import compare

    print(
        f"\nrelabelled minus …, strict exact match, 95 % interval over documents\n{'':22}{'total':>28}{'all keys':>28}"
    )
    keys, documents = np.array(rows["key"][:]), np.array(rows["document_id"][:])
    for method, scores in strict.items():
        if method == RELABELLED:
            continue
        cells = []
        for part in (keys == "total", np.ones(len(keys), dtype=bool)):
            found = compare(scores[:, part], strict[RELABELLED][:, part], clusters=documents[part].tolist())
            low, high = found.interval
            cells.append(f"{found.difference:+.3f} [{low:+.3f}, {high:+.3f}]")
        if method == RULE:
            cells[1] = "–"
        print(f"{method:22}" + "".join(f"{cell:>28}" for cell in cells))


def tell(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def show(fraction: float) -> None:
    if sys.stderr.isatty():
        print(f"\rtraining: {fraction:.0%}", end="", file=sys.stderr, flush=True)


def main() -> None:
    flags = parse_flags()
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    from hf_mbdc import ExtractiveQA, annotate, load_dataset
    from hf_mbdc.synthesis.relabel_occurrences import assign_folds

    # 1. Rows: all documents, annotated with the first occurrence
    rows = annotate(load_dataset("sroie", flags.data_dir, split_fractions=(1, 0, 0))["train"], ExtractiveQA())
    status = np.array(rows["match_status"][:])
    given = status != "unanswerable"
    located = np.isin(status[given], ("exact", "fuzzy")).mean()
    documents = len(set(rows["document_id"][:]))
    print(f"{documents} documents, {len(rows)} rows; located: {located:.2%} of {given.sum()} answers")

    # 2. Folds over documents: the same text, or the same vendor, is on one side
    groups = rows["vendor"][:] if flags.split_by == "vendor" else rows["context"][:]
    fold = assign_folds(groups, flags.folds, seed=1)

    # 3. Train and predict; 4. score and compare
    started = time.perf_counter()
    answers = predict(rows, fold, flags)
    strict = print_scores(rows, answers)
    if RELABELLED in strict:
        print_differences(rows, strict)
    tell(f"done in {(time.perf_counter() - started) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
