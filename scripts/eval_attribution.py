"""Is a source with wrong labels found out? On the SROIE receipts, where it is known which labels are wrong.

    python scripts/eval_attribution.py --data-dir FOLDER            # FOLDER has box/, key/ and img/ of SROIE in it
    python scripts/eval_attribution.py --data-dir FOLDER --splits 2 --label-splits 1 --retrainings 8

Design. For each of 20 splits, 220 of the documents are drawn at random into a base of 20 and four sources of 50; the
others are the evaluation rows. In one source, 20 % of the labels are wrong: such a row gets the answer of another
question of the same document. As chance deals the documents out, the wrong labels are all that sets one source apart on
the average; a clean source can be poorer by the luck of the draw. All trainings that are compared take the same number
of steps from the same weights.

1. Ranking: each source is added to the base; one training a source, split and seed. Right is a split where the source
   with wrong labels comes last of the four (by chance: 1 of 4).
2. Gate, on the same trainings: base against base and source, as `hf-mbdc run` decides, at the level .05 for the four
   sources together. More data must not be mistaken for better data, so the source is also held against its
   token-matched control: as many rows of the other sources, added to the same base (the mean of the three). Without
   wrong labels the sources are exchangeable there, and any verdict but `inconclusive` is a false one.
3. Label errors, on some of the splits: average precision of rankings of all training rows, with the wrong labels as the
   truth. The baseline is the loss that the trained target has on each row. What ranks best asks for two things: that
   another answer is likelier by far both to the target that learned the label and to one that did not see it.
4. Influence: does the influence of rows, by gradients, foretell what targets give that are trained on random halves of
   the documents? (linear datamodeling score; 1 is the right order, 0 is guessing)

The target is a smaller `layout_span` (2 layers of width 32), which is trained in seconds; `--full-size` takes the
default one. Its first weights are drawn for each split; seeds change order and dropout. The metric of 1 and 2 is
`answer_probability`, the chance of an exact match if the target guessed by its own probabilities; exact match is beside
it. Trainings are kept in --work-dir: a call that was stopped goes on, and another one costs nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from datasets import Dataset

    from hf_mbdc.guidance.compare import Comparison
    from hf_mbdc.training.config import TrainingConfig

BASE, SOURCE = 20, 50  # documents
WRONG, CLEAN = "20 % wrong", ("clean 1", "clean 2", "clean 3")
SOURCES = (WRONG, *CLEAN)
SHARE = 0.2
FOLDS = 4
METRICS = ("answer_probability", "exact_match")
EVALUATION = "evaluation"


def parse_flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True, help="folder with box/, key/ and img/ of SROIE")
    parser.add_argument("--work-dir", type=Path, default=Path(tempfile.gettempdir()) / "eval_attribution")
    parser.add_argument("--splits", type=int, default=20, help="random splits into sources (default: 20)")
    parser.add_argument("--seeds", type=int, default=1, help="of each split's trainings (default: 1)")
    parser.add_argument("--label-splits", type=int, default=3, help="of them, searched for label errors (default: 3)")
    parser.add_argument("--retrainings", type=int, default=20, help="on random halves, for influence (default: 20)")
    parser.add_argument("--steps", type=int, default=160, help="on one source; twice that on all (default: 160)")
    parser.add_argument("--full-size", action="store_true", help="the default target in place of a smaller one")
    parser.add_argument("--max-parallel", type=int, help="trainings side by side (default: one a core)")
    return parser.parse_args()


def main() -> None:
    flags = parse_flags()
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    raw = load_rows(flags.data_dir)

    # 1. Ranking and 2. gate
    if flags.splits:
        print_sources([judge_sources(raw, split, flags) for split in range(flags.splits)], flags.seeds)

    # 3. Label errors
    if flags.label_splits:
        print_label_errors([rank_rows(raw, split, flags) for split in range(flags.label_splits)])

    # 4. Influence
    if flags.retrainings:
        print_influence(raw, flags)


# --- rows and target ---


@dataclasses.dataclass(frozen=True)
class Sources:
    """A split: `train` has the columns `source` (null: base) and `wrong`."""

    train: Dataset
    evaluation: Dataset


def load_rows(data_dir: str) -> Dataset:
    """All documents, without images."""
    import hf_mbdc

    return hf_mbdc.load_dataset("sroie", data_dir, split_fractions=(1, 0, 0))["train"].remove_columns("image")


@functools.cache
def make_sources(raw: Dataset, split: int) -> Sources:
    """Base, sources and evaluation rows by documents drawn at random; labels of one source are made wrong."""
    import hf_mbdc
    from hf_mbdc.approaches.extractive_qa import ExtractiveQA

    rng = np.random.default_rng([split, 5])
    document = np.array(raw["document_id"][:])
    order = rng.permutation(np.unique(document))
    names: list[str | None] = [None, *SOURCES]
    ends = np.cumsum([BASE, *[SOURCE] * (len(names) - 1)])
    of = {key: name for name, part in zip(names, np.split(order, ends), strict=False) for key in part}
    trained = np.array([key in of for key in document])
    train = raw.select(np.flatnonzero(trained)).add_column("source", [of[key] for key in document[trained]])
    train = with_wrong_labels(train, rng)
    approach = ExtractiveQA("last")
    evaluation = hf_mbdc.annotate(raw.select(np.flatnonzero(~trained)), approach)
    return Sources(hf_mbdc.annotate(train, approach), evaluation)


def with_wrong_labels(train: Dataset, rng: np.random.Generator) -> Dataset:
    """20 % of the rows of one source get the answer of another question of the same document."""
    rows = np.flatnonzero(np.array(train["source"][:], dtype=object) == WRONG)
    drawn = np.sort(rng.choice(rows, round(SHARE * len(rows)), replace=False))
    answers, documents, keys = (train[name][:] for name in ("answers", "document_id", "key"))
    given = list(answers)
    for row in drawn:
        other = [i for i in rows if documents[i] == documents[row] and keys[i] != keys[row] and answers[i]]
        given[row] = answers[rng.choice(other)]
    wrong = np.isin(np.arange(len(train)), drawn)
    return train.remove_columns("answers").add_column("answers", given).add_column("wrong", wrong)


def config_of(split: int, flags: argparse.Namespace, *, on_all: bool) -> TrainingConfig:
    """The settings of a split's trainings, on all sources or on one."""
    from hf_mbdc.training.config import TrainingConfig

    model = "layout_span" if flags.full_size else small_model(flags.work_dir, split)
    rate = 2e-3 if flags.full_size else 4e-3
    steps = flags.steps * (2 if on_all else 1)
    return TrainingConfig(model=model, max_steps=steps, batch_size=16, learning_rate=rate, seed=split)


@functools.cache
def small_model(work_dir: Path, seed: int) -> str:
    """The folder of an untrained smaller target."""
    import torch

    from hf_mbdc.targets.layout_span import LayoutSpanConfig, LayoutSpanForQuestionAnswering

    folder = work_dir / "models" / str(seed)
    if not folder.is_dir():
        torch.manual_seed(seed)
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        LayoutSpanForQuestionAnswering(LayoutSpanConfig(**sizes)).save_pretrained(folder)
    return str(folder)


# --- 1. and 2.: ranking and gate ---

Scores = dict[frozenset[str], np.ndarray]  # subset of the sources → (seeds, rows)


@dataclasses.dataclass(frozen=True)
class Split:
    """What is found in one split, by one metric: source → it against the base, and against its control."""

    gate: dict[str, Comparison]
    control: dict[str, Comparison]

    @property
    def worst(self) -> str:
        return min(self.gate, key=lambda source: self.gate[source].difference)


def judge_sources(raw: Dataset, split: int, flags: argparse.Namespace) -> dict[str, Split]:
    """Metric → ranking and verdicts."""
    from hf_mbdc.guidance.attribution import attribute
    from hf_mbdc.guidance.compare import compare

    found = {}
    clusters = make_sources(raw, split).evaluation["document_id"][:]
    for metric, scores in score_sources(raw, split, flags).items():
        control = {}
        for source in SOURCES:
            others = np.mean([scores[frozenset([other])] for other in SOURCES if other != source], axis=0)
            control[source] = compare(others, scores[frozenset([source])], clusters, alpha=0.05 / len(SOURCES))
        found[metric] = Split(attribute(scores, clusters, methods=["add_one_in"]).of("add_one_in"), control)
    told = found[METRICS[0]].gate
    print(
        f"split {split:2}: " + "  ".join(f"{s} {told[s].difference:+.3f} {told[s].verdict}" for s in SOURCES),
        flush=True,
    )
    return found


def score_sources(raw: Dataset, split: int, flags: argparse.Namespace) -> dict[str, Scores]:
    """Metric → scores of the base alone and with each source."""
    from hf_mbdc.approaches.extractive_qa import ExtractiveQA
    from hf_mbdc.experiments.attribution import rows_of
    from hf_mbdc.experiments.scores import score_predictions
    from hf_mbdc.guidance.attribution import subsets_needed
    from hf_mbdc.training.launch import TrainingJob, launch

    made, config = make_sources(raw, split), config_of(split, flags, on_all=False)
    seeds = [dataclasses.replace(config, seed=split + 1000 * number) for number in range(flags.seeds)]
    subsets = subsets_needed(SOURCES, ["add_one_in"])
    unions = {subset: rows_of(made.train, subset, "source") for subset in subsets}
    jobs = [TrainingJob(rows, {EVALUATION: made.evaluation}, one) for rows in unions.values() for one in seeds]
    tables = [
        result.predictions[EVALUATION]
        for result in launch(jobs, work_dir=flags.work_dir, max_parallel=flags.max_parallel)
    ]
    approach, found = ExtractiveQA("last"), {}
    for metric in METRICS:
        rows = [score_predictions(table, made.evaluation, approach, metric) for table in tables]
        scores = np.stack(rows).reshape(len(subsets), flags.seeds, -1)
        found[metric] = dict(zip(subsets, scores, strict=True))
    return found


def print_sources(splits: Sequence[dict[str, Split]], seeds: int) -> None:
    print(f"\n{len(splits)} splits, {seeds} seed(s) each")
    for metric in METRICS:
        found = [one[metric] for one in splits]
        print(f"{metric}: wrong labels are ranked last in {sum(one.worst == WRONG for one in found)} of {len(found)}")
        for name, sources in (("wrong labels", [WRONG]), ("clean", CLEAN)):
            for against in ("gate", "control"):
                told = [getattr(one, against)[source] for one in found for source in sources]
                verdicts = [comparison.verdict for comparison in told]
                counts = ", ".join(f"{verdicts.count(v)} {v}" for v in ("accept", "reject", "inconclusive"))
                mean = np.mean([comparison.difference for comparison in told])
                print(f"  {against:<7}  {name:<12}  mean difference {mean:+.3f}; of {len(told)}: {counts}")


# --- 3. label errors ---


def rank_rows(raw: Dataset, split: int, flags: argparse.Namespace) -> dict[str, float]:
    """Method → average precision of the wrong labels among all training rows."""
    made = make_sources(raw, split)
    scores = suspicion(made, split, flags)
    return {name: average_precision(values, made.train["wrong"][:]) for name, values in scores.items()}


def suspicion(made: Sources, split: int, flags: argparse.Namespace) -> dict[str, np.ndarray]:
    """Method → (rows,), higher where a label looks wrong."""
    from hf_mbdc.experiments.influence import row_influence
    from hf_mbdc.experiments.learned import read_learned
    from hf_mbdc.synthesis.relabel_occurrences import assign_folds
    from hf_mbdc.training.dynamics import FILE
    from hf_mbdc.training.launch import TrainingJob, launch

    rows, config = made.train, config_of(split, flags, on_all=True)
    fold = assign_folds(rows["document_id"][:], FOLDS, split)
    held_out = [np.flatnonzero(fold == k) for k in range(FOLDS)]
    jobs = [
        TrainingJob(rows.select(np.flatnonzero(fold != k)), {"held_out": rows.select(held_out[k])}, config)
        for k in range(FOLDS)
    ]
    jobs.append(TrainingJob(rows, {"seen": rows}, config))
    *by_fold, whole = launch(jobs, work_dir=flags.work_dir, max_parallel=flags.max_parallel)
    loss, margin = np.empty(len(rows)), np.empty(len(rows))
    for places, result in zip(held_out, by_fold, strict=True):
        loss[places], margin[places] = label_scores(rows.select(places), result.predictions["held_out"])
    learned = read_learned(rows["id"][:], [whole.model_path / FILE])
    plain_loss, margin_seen = label_scores(rows, whole.predictions["seen"])
    return {
        "loss of the trained target": plain_loss,
        "margin of the trained target": margin_seen,
        "smaller margin, seen and not": np.minimum(margin_seen, margin),
        "mean loss while training": learned.columns["dynamics_loss"],
        "loss out of fold": loss,
        "margin out of fold": margin,
        "harm by influence": -row_influence(rows, made.evaluation, [whole.model_path]).of_rows,
    }


def label_scores(rows: Dataset, predictions: Any) -> tuple[np.ndarray, np.ndarray]:
    """(rows,) −log P(label), and by how much the best answer is likelier; NaN without a located label."""
    table = predictions.select(["candidate_scores", "score"]).to_pydict()
    columns = (rows[name][:] for name in ("candidates", "answer_start", "answer_end"))
    loss = np.full(len(rows), np.nan)
    for row, (candidates, start, end) in enumerate(zip(*columns, strict=True)):
        own = [i for i, c in enumerate(candidates) if (c["start"], c["end"]) == (start, end)]
        if own:
            loss[row] = -table["candidate_scores"][row][own[0]]
    return loss, loss + np.array(table["score"])


def average_precision(suspicion: np.ndarray, wrong: Sequence[bool]) -> float:
    """Of the ranking by falling suspicion; rows without one (NaN) come last."""
    order = np.argsort(-np.nan_to_num(suspicion, nan=-np.inf), kind="stable")
    hit = np.asarray(wrong)[order]
    return float((np.cumsum(hit)[hit] / (1 + np.flatnonzero(hit))).mean())


def print_label_errors(splits: Sequence[dict[str, float]]) -> None:
    print("\naverage precision of the wrong labels, by split, and mean")
    for name in splits[0]:
        values = [found[name] for found in splits]
        print(f"  {name:<28} " + " ".join(f"{value:.3f}" for value in values) + f"   {np.mean(values):.3f}")


# --- 4. influence ---


def print_influence(raw: Dataset, flags: argparse.Namespace) -> None:
    from hf_mbdc.experiments.influence import row_influence
    from hf_mbdc.guidance.influence import linear_datamodeling_score
    from hf_mbdc.training.launch import TrainingJob, launch

    made, config = make_sources(raw, 0), config_of(0, flags, on_all=True)
    rows, judged = made.train, made.evaluation
    document, rng = np.array(rows["document_id"][:]), np.random.default_rng(6)
    names = np.unique(document)
    halves = [rng.permutation(names)[: len(names) // 2] for _ in range(flags.retrainings)]
    subsets = np.stack([np.isin(document, half) for half in halves])
    [whole] = launch([TrainingJob(rows, {"seen": rows}, config)], work_dir=flags.work_dir)
    jobs = [
        TrainingJob(rows.select(np.flatnonzero(subset)), {EVALUATION: judged}, dataclasses.replace(config, seed=number))
        for number, subset in enumerate(subsets)
    ]
    retrained = launch(jobs, work_dir=flags.work_dir, max_parallel=flags.max_parallel)
    outputs = np.stack([-label_scores(judged, result.predictions[EVALUATION])[0] for result in retrained])
    whitened = row_influence(rows, judged, [whole.model_path])
    # A label that no window holds has no probability, whatever is trained on.
    finite = np.isfinite(outputs[:, whitened.evaluation]).all(axis=0)
    scored = whitened.evaluation[finite]
    loss = np.nan_to_num(label_scores(rows, whole.predictions["seen"])[0])
    kin = [[f"{v}:{k}" for v, k in zip(side["vendor"][:], side["key"][:], strict=True)] for side in (rows, judged)]
    methods = {
        "influence": whitened.values[:, finite],
        "plain product of gradients (TracIn)": row_influence(rows, judged, [whole.model_path], damping=None).values[
            :, finite
        ],
        "rows of the same vendor and question": np.equal.outer(*map(np.array, kin))[:, scored].astype(float),
        "low loss of the trained target": np.tile(-loss[:, None], (1, len(scored))),
    }
    clusters = np.array(judged["document_id"][:])[scored]
    print(
        f"\nlinear datamodeling score, {flags.retrainings} retrainings on random halves of {len(names)} documents, "
        f"{len(scored)} evaluation rows ({np.count_nonzero(~finite)} without a probability left out)"
    )
    for name, values in methods.items():
        found = linear_datamodeling_score(values, subsets, outputs[:, scored], clusters)
        print(f"  {name:<38} {found}")
    source = np.array(rows["source"][:], dtype=object)
    sums = {name: whitened.of_rows[source == name].sum() for name in SOURCES}
    print("  influence summed by source: " + "  ".join(f"{name} {value:+.2f}" for name, value in sums.items()))


if __name__ == "__main__":
    main()
