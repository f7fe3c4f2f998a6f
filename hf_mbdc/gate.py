"""The gate: is a candidate better for the target than its parent, and is it the data that makes it so?

Before anything is trained, candidate rows are compared with every evaluation split (a leak ends it there), and the
budget of looks at the evaluation rows says at which level this decision is made. Then the target is trained alike on
the parent, on the candidate and, where the candidate has more rows, on as many tokens of the parent's own rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError
from hf_mbdc.records import ControlEvidence, Cost, Decision, Evidence, Iteration

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from hf_mbdc.guidance.leak_report import LeakReport
    from hf_mbdc.guidance.looks import Budget
    from hf_mbdc.guidance.row_scores import RowScores
    from hf_mbdc.measurement import Measurement
    from hf_mbdc.progress import Update
    from hf_mbdc.publishing.publication import Draft
    from hf_mbdc.workbench import Workbench

TOKEN_MATCHED = "token-matched"


@dataclass(frozen=True)
class Judgement:
    """What the gate found of a candidate.

    `record`: fields of the `Iteration`: decision, evidence, scores, leaks. `cost`: of the trainings that were done for
    it. `scores`: of each evaluation row; None where nothing was trained.
    """

    record: dict[str, Any]
    cost: Cost
    scores: RowScores | None = None


def judge(bench: Workbench, drafted: Draft, parent: Iteration, dataset: DatasetDict) -> Judgement:
    """Decides on a candidate.

    Args:
        drafted: the candidate as it would be published.
        parent: the record of the version it was made from.
        dataset: the parent's rows.

    Raises:
        DataError: the evaluation rows have served all the decisions that were planned for them.
    """
    from hf_mbdc.guidance.decide import decide
    from hf_mbdc.guidance.leak_report import leak_reason
    from hf_mbdc.measurement import bucket_scores, row_scores, weigh

    plan, candidate = bench.recipe.evaluation, drafted.dataset
    leaks = check_leaks(candidate, dataset["train"], bench.approach.adds)
    told: dict[str, Any] = {"leaks": leaks.to_dict() if leaks else {}}
    if leaks and (reason := leak_reason(leaks)):
        return Judgement({**told, "decision": Decision("reject", f"{reason} Nothing was trained.")}, Cost())
    looks = looks_left(bench, drafted.iteration)
    control = control_rows(bench, dataset["train"], candidate["train"])
    title = f"Training the target on parent and candidate{' and control' if control else ''}"
    with bench.stage(f"{title} (seeds: {len(plan.seeds)} each)") as update:
        versions = {parent.version: dataset["train"], drafted.iteration.version: candidate["train"]}
        before, after, *others = measure_versions(bench, versions, dataset[plan.split], update, control)
    metric, rows = bench.approach.metric, dataset[plan.split]
    evidence = weigh(before, after, rows, metric, plan, alpha=looks.next)
    evidence = dataclasses.replace(evidence, look=looks.made + 1, looks=looks.decisions)
    both = {"parent": before, "candidate": after}
    buckets = bucket_scores(both, dataset["train"], rows, bench.approach, plan.split)
    evidence = dataclasses.replace(evidence, buckets=buckets)
    if control is not None:
        against = weigh(others[0], after, rows, metric, plan, alpha=looks.next)
        evidence = hold_against(evidence, TOKEN_MATCHED, len(control), against)
    evidence = guard_slices(evidence, plan.no_loss)
    told |= {"evidence": evidence, "decision": decide(evidence), "scores": means(bench, after, dataset)}
    paid = Cost() if _is_paid(bench, parent, evidence) else before.cost
    cost = sum((one.cost for one in others), paid + after.cost)
    return Judgement(told, cost, row_scores(before, after, rows, metric, plan))


def check_leaks(candidate: DatasetDict, parent: Dataset | None, derived: Collection[str] = ()) -> LeakReport | None:
    """Compares the train rows with every other split; None where no column holds texts or images to compare.

    Args:
        parent: the train rows before; None: all rows are new.
        derived: columns that are not compared, as the approach made them from others: an address, say, that it cut out
            of two documents of one vendor is no leak.
    """
    from hf_mbdc.guidance.leaks import find_leaks
    from hf_mbdc.guidance.row_texts import image_columns, text_columns

    others = {name: rows for name, rows in candidate.items() if name != "train" and len(rows)}
    train = candidate["train"]
    named = [name for name in (*text_columns(train), *image_columns(train)) if name not in derived]
    shared = [name for name in named if all(name in rows.column_names for rows in others.values())]
    return find_leaks(train, others, parent=parent, columns=shared) if others and shared else None


def looks_left(bench: Workbench, drafted: Iteration) -> Budget:
    """The budget of error that earlier decisions on the same evaluation rows left, from the repository's history.

    Raises:
        DataError: nothing is left.
    """
    from hf_mbdc.guidance.looks import budget
    from hf_mbdc.publishing.history import decisions

    plan = bench.recipe.evaluation
    made = [
        item.evidence
        for item in decisions(bench.recipe.repo_id, bench.repository)
        if item.evidence is not None
        and item.evidence.split == plan.split
        and item.splits[plan.split].since == drafted.splits[plan.split].since
    ]
    found = budget(made, total=1 - plan.confidence, decisions=plan.decisions)
    if not found.left:
        raise DataError(
            f"These evaluation rows have made {found.made} decisions, all that were planned: what looks better now may "
            "be luck",
            split=plan.split,
            key="evaluation.decisions",
            mend="Publish a new evaluation split (hf-mbdc renew compares it with the old one), or plan for more.",
        )
    return found


def control_rows(bench: Workbench, parent: Dataset, candidate: Dataset) -> Dataset | None:
    """As many tokens of the parent's rows as a candidate with more rows has; None where it has no more rows."""
    from hf_mbdc.guidance.controls import token_matched_control
    from hf_mbdc.guidance.row_texts import text_columns

    if not bench.recipe.evaluation.control or len(candidate) <= len(parent):
        return None
    columns = text_columns(parent) or [bench.approach.reference]  # single words are no texts, but all that there is
    return token_matched_control(parent, candidate, columns=columns)


def hold_against(evidence: Evidence, name: str, rows: int, against: Evidence) -> Evidence:
    """Puts a control beside the evidence: what does not beat the control for sure, too, is not accepted.

    Both must hold at the level of the decision, so that its chance of error is that of the harder one: no correction is
    needed (an intersection–union test, Berger 1982).

    Args:
        evidence: candidate against parent.
        name, rows: of the control.
        against: candidate against control.
    """
    control = ControlEvidence(
        name=name,
        rows=rows,
        score=against.parent,
        difference=against.difference,
        interval=against.interval,
        p_value=against.p_value,
        verdict=against.verdict,
    )
    verdict = "inconclusive" if evidence.verdict == "accept" and against.verdict != "accept" else evidence.verdict
    return dataclasses.replace(evidence, verdict=verdict, controls=(*evidence.controls, control))


def guard_slices(evidence: Evidence, no_loss: Mapping[str, float]) -> Evidence:
    """Does not accept what may lose more than it may on a part of the rows, whatever it gains in all.

    For an `accept` the whole interval of the part, at its own confidence, must lie above minus what it may lose (a test
    of non-inferiority). Both it and the gain must hold, so that no correction is needed, as in `hold_against`.

    Args:
        no_loss: slice → what it may lose at most.
    """
    intervals = {part.name: part.interval for part in evidence.slices}
    lost = [name for name, most in no_loss.items() if not intervals[name][0] > -most]
    verdict = "inconclusive" if evidence.verdict == "accept" and lost else evidence.verdict
    return dataclasses.replace(evidence, verdict=verdict, no_loss=dict(no_loss))


def measure_versions(
    bench: Workbench,
    versions: dict[str, Dataset],
    evaluation: Dataset,
    update: Update,
    control: Dataset | None = None,
) -> list[Measurement]:
    """The target trained on the rows of each version, and on those of a control, and scored on the same rows."""
    from hf_mbdc.measurement import measure

    return measure(
        [*versions.values(), *([] if control is None else [control])],
        evaluation,
        bench.approach,
        training=bench.training,
        plan=bench.recipe.evaluation,
        work_dir=bench.work_dir,
        revisions=[f"{bench.recipe.repo_id}@{version}" for version in versions] + [None] * (control is not None),
        max_parallel=bench.max_parallel,
        on_progress=update,
    )


def means(bench: Workbench, measured: Measurement, dataset: DatasetDict) -> dict[str, float]:
    """The mean scores of a version, in all and by slice, as its record tells them.

    What its trainings tell of preferences is beside them: the reward margin, and log P of the chosen answers.
    """
    plan = bench.recipe.evaluation
    found = [training.metrics for training in measured.trainings]
    told = {name for metrics in found for name in metrics if name.startswith("preference_")}
    learned = {name: sum(metrics[name] for metrics in found) / len(found) for name in sorted(told)}
    slices = dataset[plan.split][plan.slice_by][:] if plan.slice_by else None
    return measured.means(bench.approach.metric, slices) | learned


def _is_paid(bench: Workbench, parent: Iteration, evidence: Evidence) -> bool:
    """Whether the parent's own record has paid for its trainings: the same target, seeds and number of steps."""
    from hf_mbdc.recipe import recipe_to_dict

    then, now = parent.recipe, recipe_to_dict(bench.recipe)
    if not parent.scores or then.get("target") != now["target"]:
        return False
    steps = parent.evidence.steps if parent.evidence else None
    return steps in (None, evidence.steps) and set(evidence.seeds) <= set(then["evaluation"]["seeds"])
