"""The candidate of an iteration: what its steps make of the parent's rows, mixed with them, or the best alternative.

Alternatives are compared cheaply first: all of them with few training steps, the better ones with more, the last with
as many as the gate gives. The split that chooses decides nothing else, and the gate judges the winner on its own rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.records import Cost, Iteration, StepRecord
from hf_mbdc.steps import Made, earlier_rows, synthesize

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from hf_mbdc.guidance.halving import Halving
    from hf_mbdc.recipe import HalvingRecipe, IterationRecipe
    from hf_mbdc.synthesis.reuse import Earlier
    from hf_mbdc.training.launch import TrainingResult
    from hf_mbdc.workbench import Workbench


@dataclass(frozen=True)
class Candidate:
    """Rows that an iteration proposes.

    `steps`: those that made them. `rejected`: what the steps left out. `search`: how they were chosen
    (`Halving.to_dict`, and alternatives that changed no row, `unchanged`); empty without alternatives. `search_cost`:
    of the trainings of the search, and of the steps of the alternatives that were not chosen. `mixing`, `ratio`: how
    the rows were mixed with the parent's; empty and None without a mixture.
    """

    dataset: DatasetDict
    steps: tuple[StepRecord, ...]
    rejected: tuple[Dataset, ...] = ()
    search: dict[str, Any] = field(default_factory=dict)
    search_cost: Cost = field(default_factory=Cost)
    mixing: dict[str, Any] = field(default_factory=dict)
    ratio: dict[str, float] | None = None

    @property
    def changes_rows(self) -> bool:
        """Whether any step did something to a row."""
        return any(step.changed or step.added or step.rejected for step in self.steps)

    @property
    def cost(self) -> Cost:
        """Of the steps and of the search."""
        return sum((step.cost for step in self.steps), self.search_cost)


def propose(bench: Workbench, item: IterationRecipe, parent: Iteration, dataset: DatasetDict) -> Candidate:
    """Runs the steps of an iteration and mixes what they added, or takes the best of its alternatives.

    Args:
        parent: the record of the version to start from.
        dataset: its rows.
    """
    if not item.alternatives:
        return make(bench, item, parent.version, dataset, earlier_rows(bench, item.steps, parent))
    made = {}
    for one in item.alternatives:
        bench.say(f"Alternative {one.name}:")
        earlier = earlier_rows(bench, one.steps, parent)
        target = _target(bench, parent.version, dataset)
        made[one.name] = _as_candidate(synthesize(bench, one.steps, dataset, earlier, target=target))
    changed = {name: found for name, found in made.items() if found.changes_rows}
    assert bench.recipe.halving is not None  # checked by read_recipe
    if len(changed) > 1:
        halving, trainings = find_best(bench, {n: c.dataset["train"] for n, c in changed.items()}, dataset)
        found = halving.to_dict()
    else:  # nothing to choose among; replaying must know all the same whose steps made the rows
        found, trainings = {"best": next(iter(changed), next(iter(made))), "rungs": []}, Cost()
    others = sum((one.cost for name, one in made.items() if name != found["best"]), Cost())
    unchanged = [name for name in made if name not in changed]
    search = {"split": bench.recipe.halving.split, "unchanged": unchanged, **found}
    return dataclasses.replace(made[found["best"]], search=search, search_cost=trainings + others)


def make(
    bench: Workbench,
    item: IterationRecipe,
    version: str,
    dataset: DatasetDict,
    earlier: Sequence[Earlier | None] = (),
) -> Candidate:
    """The rows that the steps of an iteration make of a parent's, mixed with them where the recipe says so.

    Args:
        version, dataset: of the parent.
        earlier: for each step the rows whose models it may use again.
    """
    from datasets import DatasetDict

    from hf_mbdc.measurement import misses
    from hf_mbdc.mixture import mix_with_parent

    mix = item.mix
    ask = None if mix is None else lambda: misses(bench, version, dataset, mix.split)
    target = _target(bench, version, dataset)
    found = _as_candidate(synthesize(bench, item.steps, dataset, earlier, ask, target))
    if mix is None or not found.changes_rows:
        return found
    mixed = mix_with_parent(bench, mix, found.dataset["train"], dataset)
    splits = DatasetDict({**found.dataset, "train": mixed.rows})
    return dataclasses.replace(
        found, dataset=splits, mixing=mixed.record, ratio=mixed.ratio, search_cost=found.search_cost + mixed.cost
    )


def _target(bench: Workbench, version: str, dataset: DatasetDict) -> Callable[[], TrainingResult]:
    """What gives the target that was trained on a version's rows with the first seed."""
    from hf_mbdc.measurement import trained

    return lambda: trained(bench, version, dataset, seeds=1).trainings[0]


def _as_candidate(made: Made) -> Candidate:
    return Candidate(made.dataset, made.records, made.rejected)


def find_best(bench: Workbench, candidates: dict[str, Dataset], parent: DatasetDict) -> tuple[Halving, Cost]:
    """Successive halving over train splits, scored on the split that chooses; the winner, and what it cost."""
    from hf_mbdc.guidance.halving import halve
    from hf_mbdc.measurement import measure
    from hf_mbdc.training.budget import steps_of

    rule: HalvingRecipe = bench.recipe.halving  # type: ignore[assignment]
    plan = dataclasses.replace(bench.recipe.evaluation, split=rule.split, final=None)
    full = steps_of(bench.training, len(parent["train"]))
    spent: list[Cost] = []
    with bench.stage(f"Halving {len(candidates)} alternatives on {rule.split}") as update:

        def score(names: Sequence[str], budget: int, seeds: Sequence[int]) -> list[np.ndarray]:
            found = measure(
                [candidates[name] for name in names],
                parent[rule.split],
                bench.approach,
                training=bench.training,
                plan=dataclasses.replace(plan, seeds=tuple(seeds)),
                work_dir=bench.work_dir,
                steps=budget,
                max_parallel=bench.max_parallel,
                on_progress=update,
            )
            spent.extend(one.cost for one in found)
            return [one.scores[bench.approach.metric] for one in found]

        smallest = min(rule.smallest, full)
        best = halve(
            list(candidates),
            score,
            budget=full,
            smallest=smallest,
            seeds=plan.seeds,
            eta=rule.eta,
            audit=rule.audit,
        )
    bench.say(str(best))
    return best, sum(spent, Cost())
