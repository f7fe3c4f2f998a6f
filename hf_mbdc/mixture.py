"""A candidate as a mixture of sources: the parent's rows and what steps added, in the ratio that the target likes best.

The ratio is searched by trainings (`hf_mbdc.guidance.mixing`), all with as many rows and steps as the parent's, on a
split that decides nothing else. Of the score there each part of `evaluation.slice_by` counts alike, so that of natural
words and rare ones, say, neither is bought with the other. The gate judges the mixture on its own rows afterwards.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.errors import DataError
from hf_mbdc.guidance.mixing import Mixing, MixOptions, Ratio, choose_ratio, mix
from hf_mbdc.records import Cost

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from hf_mbdc.recipe import MixRecipe
    from hf_mbdc.workbench import Workbench

PARENT = "parent"
CURVE_STEP = 5  # per cent between two places of a curve in the record


@dataclass(frozen=True)
class Mixed:
    """Train rows in a ratio.

    `ratio`: source → share. `record`: for `Iteration.mixing`; empty where a recipe gave the ratio. `cost`: of the
    trainings of the search.
    """

    rows: Dataset
    ratio: Ratio
    record: dict[str, Any] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)


def mix_with_parent(bench: Workbench, plan: MixRecipe, made: Dataset, dataset: DatasetDict) -> Mixed:
    """Mixes what steps added with the parent's rows.

    Args:
        made: the train rows after the steps, those of the parent among them.
        dataset: the parent's rows.

    Raises:
        DataError: the steps added no row.
        RecipeError: the ratio names no source.
    """
    parent = dataset["train"]
    sources, size = split_sources(parent, made), len(parent)
    options = MixOptions(ratio=plan.ratio, points=plan.points, tolerance=plan.tolerance)
    spent: list[Cost] = []
    with bench.stage(f"Mixing {', '.join(sources)} by the target's score on {plan.split}") as update:

        def score(ratios: Sequence[Ratio]) -> list[np.ndarray]:
            found = [mixture(sources, ratio, size, parent) for ratio in ratios]
            scores, cost = score_mixtures(bench, plan, found, dataset)
            spent.append(cost)
            update(min(1.0, len(spent) / max(1, plan.points - len(sources))))
            return scores

        chosen, found = choose_ratio(options, list(sources), score, batch=plan.batch)
    assert chosen.ratio is not None
    if found is not None:
        bench.say(str(found))
    record = {} if found is None else {"split": plan.split, "rows": size, **found.to_dict(), "curves": _curves(found)}
    return Mixed(mixture(sources, chosen.ratio, size, parent), chosen.ratio, record, sum(spent, Cost()))


def split_sources(parent: Dataset, made: Dataset) -> dict[str, Dataset]:
    """`parent` → its rows as the steps left them, and each `mbdc_source` of the added rows → these rows.

    Raises:
        DataError: nothing was added, or an added row does not say its source.
    """
    known = set(parent["id"][:])
    old = np.array([key in known for key in made["id"][:]], bool)
    if old.all():
        mend = "Take a step that adds rows, such as tail_characters, or leave mix out."
        raise DataError("The steps added no row that could be mixed", split="train", mend=mend)
    named = np.array(made["mbdc_source"][:], object)
    if (lost := np.flatnonzero(~old & (named == None))).size:  # noqa: E711 -- of an array
        key = made.select_columns(["id"])[int(lost[0])]["id"]
        raise DataError("An added row does not say its source", split="train", column="mbdc_source", id=key)
    added = {name: made.select(np.flatnonzero(~old & (named == name))) for name in sorted(set(named[~old]))}
    return {PARENT: made.select(np.flatnonzero(old)), **added}


def mixture(sources: Mapping[str, Dataset], ratio: Mapping[str, float], size: int, parent: Dataset) -> Dataset:
    """Rows in a ratio; those of the parent come first, in its order."""
    rows = mix(sources, ratio, size, named=False)
    place = {key: number for number, key in enumerate(parent["id"][:])}
    order = np.array([place.get(key, len(place)) for key in rows["id"][:]])
    return rows.select(np.argsort(order, kind="stable"))


def score_mixtures(
    bench: Workbench, plan: MixRecipe, mixtures: Sequence[Dataset], dataset: DatasetDict
) -> tuple[list[np.ndarray], Cost]:
    """(seeds, rows) of each mixture on the split that chooses, and what that cost."""
    from hf_mbdc.measurement import measure
    from hf_mbdc.training.budget import steps_of

    evaluation, rows = bench.recipe.evaluation, dataset[plan.split]
    found = measure(
        mixtures,
        rows,
        bench.approach,
        training=bench.training,
        plan=dataclasses.replace(evaluation, split=plan.split, seeds=evaluation.seeds[: plan.seeds], final=None),
        work_dir=bench.work_dir,
        steps=steps_of(bench.training, len(dataset["train"])),
        max_parallel=bench.max_parallel,
    )
    parts = rows[evaluation.slice_by][:] if evaluation.slice_by else None
    scores = [balance(one.scores[bench.approach.metric], parts) for one in found]
    return scores, sum((one.cost for one in found), Cost())


def balance(scores: np.ndarray, parts: Sequence[object] | None) -> np.ndarray:
    """Scores (seeds, rows), weighted so that their mean is the mean of the means of the parts.

    Example:
        >>> balance(np.array([[1.0, 0.0, 0.0, 0.0]]), ["a", "b", "b", "b"]).tolist()
        [[2.0, 0.0, 0.0, 0.0]]
    """
    if parts is None:
        return scores
    names, part, sizes = np.unique(np.array(parts, str), return_inverse=True, return_counts=True)
    return scores * (len(part) / (len(names) * sizes[part]))


def _curves(found: Mixing) -> dict[str, dict[str, list[float]]]:
    """Source → the curve along its share, for the card's plot."""
    curves = {}
    for curve in found.curves:
        kept = slice(None, None, CURVE_STEP)
        columns = {"shares": curve.shares, "score": curve.score, "low": curve.low, "high": curve.high}
        curves[curve.source] = {name: np.round(values[kept], 6).tolist() for name, values in columns.items()}
    return curves
