"""The gate: what keeps a candidate out beside its scores, and what a record says of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict, concatenate_datasets
from typer.testing import CliRunner

import hf_mbdc as mbdc
from hf_mbdc.cli import app
from hf_mbdc.errors import DataError, RevisionNotFoundError
from hf_mbdc.gate import check_leaks, guard_slices, hold_against
from hf_mbdc.guidance.compare import compare
from hf_mbdc.guidance.decide import decide
from hf_mbdc.publishing.comparison import compare_again
from hf_mbdc.publishing.history import decisions, scores
from hf_mbdc.recipe import AlternativeRecipe, HalvingRecipe, IterationRecipe, Recipe, StepRecipe, read_recipe
from hf_mbdc.records import Cost, Evidence, SliceEvidence, StepRecord
from hf_mbdc.revisions.repositories.folder import FolderRepository
from hf_mbdc.synthesis.step import StepResult
from hf_mbdc.training.launch import TrainingJob, TrainingResult
from hf_mbdc.transforms.rows import add_provenance_columns

ID = "me/quickstart"


class FakeLaunch:
    """Answers all but every `misses(rows)`-th row rightly, by the rows that it was trained on; keeps the jobs."""

    def __init__(self, misses: Callable[[Dataset], int]) -> None:
        self.misses = misses
        self.jobs: list[TrainingJob] = []

    def __call__(self, jobs: list[TrainingJob], **settings: object) -> list[TrainingResult]:
        self.jobs += jobs
        results = []
        for job in jobs:
            every = self.misses(job.train)
            predictions = {}
            for split, rows in job.predict.items():
                answers = rows["answers"][:]
                texts = [a[0] if a and (not every or i % every) else "wrong" for i, a in enumerate(answers)]
                predictions[split] = pa.table({"id": rows["id"][:], "prediction": texts})
            metrics = {"steps": job.config.max_steps, "first_weights_sha256": str(job.config.seed), "tokens": 100.0}
            results.append(TrainingResult("fake@0", Path("x"), predictions, metrics, Cost(cpu_seconds=1), cached=False))
        return results


def recipe(repository: Path, **evaluation: Any) -> Recipe:
    plan = read_recipe("quickstart", repository=repository)
    options = {"documents": 64, "seed": 0, "split_fractions": [0.5, 0.2, 0.3]}
    return replace(
        plan,
        dataset=replace(plan.dataset, options=options),
        target=replace(plan.target, training={**plan.target.training, "epochs": 2}),
        evaluation=replace(plan.evaluation, **{"seeds": (0,), **evaluation}),
    )


def add_rows(monkeypatch: pytest.MonkeyPatch, make: Callable[[Dataset], Dataset]) -> None:
    """In place of relabelling, a step that adds rows."""

    def step(rows: Dataset, *args: object, **settings: object) -> StepResult:
        old = add_provenance_columns(rows)
        new = make(old).cast(old.features)
        record = StepRecord("relabel_occurrences", "model-guided synthesis", "", kept=len(old), added=len(new))
        return StepResult(concatenate_datasets([old, new]), record)

    monkeypatch.setattr("hf_mbdc.synthesis.relabel_occurrences.relabel_occurrences", step)


def copies(rows: Dataset) -> Dataset:
    """The first forty rows again, as another source."""
    some = rows.select(range(40))
    return some.map(lambda row: {**row, "id": f"{row['id']}-again", "mbdc_source": "repeat"})


def install(monkeypatch: pytest.MonkeyPatch, misses: Callable[[Dataset], int]) -> FakeLaunch:
    fake = FakeLaunch(misses)
    monkeypatch.setattr("hf_mbdc.training.launch.launch", fake)
    return fake


def has(rows: Dataset, source: str) -> bool:
    return "mbdc_source" in rows.column_names and source in rows["mbdc_source"][:]


def test_more_of_the_same_data_is_not_better_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_rows(monkeypatch, copies)
    fake = install(monkeypatch, lambda rows: 0 if len(rows) > 150 else 2)  # any more rows help
    last = mbdc.run(recipe(tmp_path), progress=False)
    assert last.evidence is not None
    assert last.decision.verdict == last.evidence.verdict == "inconclusive"
    (control,) = last.evidence.controls
    assert (control.name, control.difference, control.verdict) == ("token-matched", 0.0, "inconclusive")
    assert "not for sure the token-matched control" in last.decision.reason
    parent, candidate, matched = (job for job in fake.jobs[1:])
    assert {job.config.max_steps for job in fake.jobs} == {parent.config.max_steps}
    assert len(parent.train) < len(matched.train)
    assert abs(len(matched.train) - len(candidate.train)) < 20
    assert set(matched.train["mbdc_source"]) == {None, "resampled"}
    card = FolderRepository(tmp_path).read(ID, last.branch, "README.md").decode()
    assert "token-matched" in card
    assert compare_again(ID, last.branch, repository=tmp_path).verdict == "inconclusive"
    told = CliRunner().invoke(app, ["compare", ID, last.branch, "--repository", str(tmp_path)]).output
    assert told.startswith("inconclusive: ")
    assert last.decision.reason in told


def test_new_data_that_beats_as_much_old_data_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_rows(monkeypatch, copies)
    install(monkeypatch, lambda rows: 0 if has(rows, "repeat") else 2)
    last = mbdc.run(recipe(tmp_path), progress=False)
    assert last.decision.verdict == "accept"
    assert last.evidence is not None
    assert last.evidence.controls[0].verdict == "accept"
    assert "Against the token-matched control" in last.decision.reason
    assert last.cost.cpu_seconds == 2  # the control and the candidate; the parent was paid for by its own version


def test_a_recipe_can_do_without_a_control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_rows(monkeypatch, copies)
    install(monkeypatch, lambda rows: 0 if len(rows) > 150 else 2)
    last = mbdc.run(recipe(tmp_path, control=False), progress=False)
    assert last.decision.verdict == "accept"


def test_rows_of_the_evaluation_split_block_a_candidate_before_it_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = install(monkeypatch, lambda rows: 2)
    first = mbdc.run(replace(recipe(tmp_path), iterations=recipe(tmp_path).iterations[:1]), progress=False)
    assert first.leaks["evaluation_rows"].keys() == {"validation", "test"}
    hidden = mbdc.load(ID, repository=tmp_path)["validation"].select(range(4))
    rename = {"mbdc_source": "scraped"}
    add_rows(
        monkeypatch, lambda rows: add_provenance_columns(hidden).map(lambda r: {**r, **rename, "id": r["id"] + "x"})
    )
    trained = len(fake.jobs)
    last = mbdc.run(recipe(tmp_path), progress=False)
    assert last.decision.verdict == "reject"
    assert last.evidence is None
    assert len(fake.jobs) == trained
    assert "brings evaluation rows into train: " in last.decision.reason
    assert "4 of" in last.decision.reason
    assert {item["split"] for item in last.leaks["counts"] if item["brought"]} == {"validation"}
    assert "brings evaluation rows" in FolderRepository(tmp_path).read(ID, last.branch, "README.md").decode()
    assert mbdc.run(recipe(tmp_path), progress=False) == last  # told again, not weighed again


def test_every_look_at_the_same_rows_has_its_share_of_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_rows(monkeypatch, copies)
    fake = install(monkeypatch, lambda rows: 2)
    one = mbdc.run(recipe(tmp_path, decisions=2, control=False), progress=False)
    assert one.evidence is not None
    assert (one.evidence.look, one.evidence.looks, one.evidence.alpha) == (1, 2, pytest.approx(0.025))
    assert "Decision 1 of 2 on these rows, so at a level of 0.025." in one.decision.reason
    # Measured again on other terms: the first look still counts, although its branch moved on.
    two = mbdc.run(recipe(tmp_path, decisions=2, control=False, seeds=(0, 1)), progress=False)
    assert two.evidence is not None
    assert (two.evidence.look, two.evidence.alpha) == (2, pytest.approx(0.025))
    repository = FolderRepository(tmp_path)
    assert len(decisions(ID, repository)) == 2
    assert one.cost.cpu_seconds == 1  # the candidate; the parent was paid for by its own version
    assert two.cost.cpu_seconds == 4  # nobody has paid for the parent with the second seed
    folder = repository.snapshot(ID, two.branch)
    files: dict[str, bytes | Path] = {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
    }
    files.pop(".gitattributes", None)
    files["README.md"] = (folder / "README.md").read_bytes() + b"A note."
    repository.commit(ID, files, parent=two.sha, message="a note in the card", branch=two.branch)
    assert len(decisions(ID, repository)) == 2  # a card that was edited is no further decision
    trained = len(fake.jobs)
    with pytest.raises(DataError, match=r"have made 2 decisions.*evaluation\.decisions.*renew"):
        mbdc.run(recipe(tmp_path, decisions=2, control=False, seeds=(0, 1, 2)), progress=False)
    assert len(fake.jobs) == trained


def test_the_scores_of_all_rows_are_published_and_give_the_verdict_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_rows(monkeypatch, copies)
    install(monkeypatch, lambda rows: 0 if has(rows, "repeat") else 2)
    last = mbdc.run(recipe(tmp_path), progress=False)
    assert last.evidence is not None
    kept = scores(ID, last.version, repository=tmp_path)
    assert kept.candidate.shape == (1, last.splits["test"].rows)
    again = compare(kept, alpha=last.evidence.alpha)
    assert (again.difference, again.interval, again.verdict) == (
        last.evidence.difference,
        last.evidence.interval,
        last.evidence.verdict,
    )
    with pytest.raises(RevisionNotFoundError, match="No scores of single rows"):
        scores(ID, "v1.0.0", repository=tmp_path)
    assert mbdc.verify(ID, repository=tmp_path).ok


def test_the_final_split_is_never_predicted_in_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_rows(monkeypatch, copies)
    fake = install(monkeypatch, lambda rows: 0 if has(rows, "repeat") else 2)
    last = mbdc.run(recipe(tmp_path, final="validation"), progress=False)
    final = set(mbdc.load(ID, repository=tmp_path)["validation"]["id"])
    read = {key for job in fake.jobs for rows in (job.train, *job.predict.values()) for key in rows["id"]}
    assert final
    assert not final & read
    assert "validation" in last.leaks["evaluation_rows"]  # that no train row is in it is checked all the same


def test_the_best_of_several_alternatives_is_found_cheaply_and_judged_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(rows: Dataset, *args: object, options: Any, **settings: object) -> StepResult:
        old = add_provenance_columns(rows)
        changed = old.map(lambda row: {**row, "mbdc_source": f"folds {options.folds}", "word_end": row["word_end"]})
        return StepResult(changed, StepRecord("relabel_occurrences", "model-guided synthesis", "", changed=len(old)))

    monkeypatch.setattr("hf_mbdc.synthesis.relabel_occurrences.relabel_occurrences", step)
    quality = {"folds 2": 3, "folds 3": 0, "folds 4": 4, "folds 5": 5}

    def misses(rows: Dataset) -> int:
        return next((every for name, every in quality.items() if has(rows, name)), 2)

    fake = install(monkeypatch, misses)
    plan = recipe(tmp_path)
    ways = tuple(
        AlternativeRecipe(f"{n} folds", (StepRecipe("relabel_occurrences", options={"folds": n}),))
        for n in (2, 3, 4, 5)
    )
    plan = replace(
        plan,
        halving=HalvingRecipe(smallest=4),
        iterations=(plan.iterations[0], IterationRecipe("The best number of folds", alternatives=ways)),
    )
    last = mbdc.run(plan, progress=False)
    assert (last.search["best"], last.search["split"]) == ("3 folds", "validation")
    budgets = [rung["budget"] for rung in last.search["rungs"]]
    assert budgets == sorted(budgets)
    assert len(budgets) > 1
    assert set(last.search["agreement"]) == {str(budget) for budget in budgets[:-1]}
    assert set(mbdc.load(ID, last.version, repository=tmp_path)["train"]["mbdc_source"]) == {"folds 3"}
    assert {split for job in fake.jobs[1:-2] for split in job.predict} == {"validation"}
    assert {split for job in fake.jobs[-2:] for split in job.predict} == {"test"}
    assert last.cost.cpu_seconds == last.search["trainings"] + 1
    card = FolderRepository(tmp_path).read(ID, last.version, "README.md").decode()
    assert "3 folds" in card
    assert mbdc.replay(ID, last.version, repository=tmp_path, progress=False).same


def test_an_alternative_that_alone_changes_rows_is_recorded_and_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(rows: Dataset, *args: object, options: Any, **settings: object) -> StepResult:
        old, cost = add_provenance_columns(rows), Cost(cpu_seconds=options.folds)
        if options.folds == 2:  # finds nothing to do
            return StepResult(old, StepRecord("relabel_occurrences", "model-guided synthesis", "", cost=cost))
        changed = old.map(lambda row: {**row, "mbdc_source": "folds"})
        return StepResult(
            changed, StepRecord("relabel_occurrences", "model-guided synthesis", "", changed=len(old), cost=cost)
        )

    monkeypatch.setattr("hf_mbdc.synthesis.relabel_occurrences.relabel_occurrences", step)
    install(monkeypatch, lambda rows: 0 if has(rows, "folds") else 2)
    plan = recipe(tmp_path)
    ways = tuple(
        AlternativeRecipe(f"{n} folds", (StepRecipe("relabel_occurrences", options={"folds": n}),)) for n in (2, 3)
    )
    plan = replace(
        plan,
        halving=HalvingRecipe(smallest=4),
        iterations=(plan.iterations[0], IterationRecipe("The best number of folds", alternatives=ways)),
    )
    last = mbdc.run(plan, progress=False)
    assert (last.search["best"], last.search["unchanged"], last.search["rungs"]) == ("3 folds", ["2 folds"], [])
    assert last.cost.cpu_seconds == 2 + 3 + 1  # both steps, and the candidate's training
    assert "changed no row: `2 folds`" in FolderRepository(tmp_path).read(ID, last.version, "README.md").decode()
    assert mbdc.replay(ID, last.version, repository=tmp_path, progress=False).same


def test_a_control_only_takes_away() -> None:
    rng = np.random.default_rng(0)
    low = rng.random((2, 60)) < 0.2
    high = rng.random((2, 60)) < 0.9
    gain = _evidence(low, high)
    assert gain.verdict == "accept"
    assert hold_against(gain, "token-matched", 9, _evidence(low, high)).verdict == "accept"
    assert hold_against(gain, "token-matched", 9, _evidence(high, high)).verdict == "inconclusive"
    lost = hold_against(_evidence(high, low), "token-matched", 9, _evidence(high, low))
    assert lost.verdict == "reject"
    assert decide(lost).verdict == "reject"


def _evidence(before: np.ndarray, after: np.ndarray) -> Evidence:
    return dataclasses.replace(compare(before, after).to_evidence("em", "test", seeds=(0, 1)), look=1, looks=1)


def test_what_the_approach_cut_out_of_documents_is_no_leak() -> None:
    """Two receipts of one vendor have its address in them: not the same document."""
    address = "no 12 mill lane old market 55100 port ellery by the harbour opposite the station"
    rows = {
        split: Dataset.from_dict({"id": [split], "context": [f"{words} {address}"], "matched_text": [address]})
        for split, words in (("train", "white bread 3.20 " * 40), ("test", "wood screw 1.10 " * 40))
    }
    splits = DatasetDict(rows)
    compared = check_leaks(splits, None, derived=["matched_text"])
    assert compared is not None
    assert compared.columns == ("context",)
    assert not compared.brought
    whole = check_leaks(splits, None)
    assert whole is not None
    assert {found.column for found in whole.brought} == {"matched_text"}
    assert check_leaks(splits, None, derived=["matched_text", "context"]) is None


def evidence_of(verdict: str, natural: tuple[float, float]) -> Evidence:
    parts = tuple(
        SliceEvidence(name, rows=50, parent=0.5, candidate=0.6, difference=0.1, interval=interval)
        for name, interval in (("natural", natural), ("even", (0.05, 0.15)))
    )
    return Evidence(
        "word_accuracy", "test", rows=100, clusters=80, seeds=(0, 1), parent=0.5, candidate=0.6, difference=0.1,
        interval=(0.05, 0.15), confidence=0.95, p_value=0.001, verdict=verdict, slices=parts,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "natural", "no_loss", "expected"),
    [
        ("accept", (-0.01, 0.2), {"natural": 0.02}, "accept"),
        ("accept", (-0.02, 0.2), {"natural": 0.02}, "inconclusive"),
        ("accept", (-0.30, -0.1), {"natural": 0.02}, "inconclusive"),
        ("accept", (-0.30, -0.1), {}, "accept"),
        ("accept", (-0.30, -0.1), {"even": 0.0}, "accept"),
        ("reject", (-0.30, -0.1), {"natural": 0.02}, "reject"),
        ("inconclusive", (0.1, 0.2), {"natural": 0.02}, "inconclusive"),
    ],
)
def test_a_gain_that_may_cost_a_part_too_much_is_not_accepted(
    verdict: str, natural: tuple[float, float], no_loss: dict[str, float], expected: str
) -> None:
    found = guard_slices(evidence_of(verdict, natural), no_loss)
    assert found.verdict == expected
    assert found.no_loss == no_loss
    told = decide(found).reason
    assert ("may lose more than it may on natural" in told) == (verdict == "accept" != expected)
