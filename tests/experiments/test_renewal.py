"""A decision looked at again: from the published scores, on rows that decided nothing, and against itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from datasets import Dataset
from typer.testing import CliRunner

import hf_mbdc as mbdc
from hf_mbdc.cli import app
from hf_mbdc.errors import DataError
from hf_mbdc.experiments.aa import aa
from hf_mbdc.experiments.renew import renew
from hf_mbdc.publishing.comparison import compare_again
from hf_mbdc.recipe import Recipe, read_recipe
from hf_mbdc.records import Cost
from hf_mbdc.training.launch import TrainingJob, TrainingResult
from hf_mbdc.training.scoring import Scored, ScoringJob

ID = "me/quickstart"


def answers(rows: Dataset, wrong: int) -> pa.Table:
    """The right answers, but to every `wrong`-th row."""
    texts = [a[0] if a and (i + 1) % wrong else "wrong" for i, a in enumerate(rows["answers"][:])]
    return pa.table({"id": rows["id"][:], "prediction": texts})


class FakeTarget:
    """Relabelled data makes it better; on rows that it is asked about later it is worse by `drop`."""

    def __init__(self) -> None:
        self.jobs: list[TrainingJob] = []
        self.drop = 0
        self.by_seed: dict[int, int] = {}

    def launch(self, jobs: list[TrainingJob], **settings: object) -> list[TrainingResult]:
        self.jobs += jobs
        return [self.train(job) for job in jobs]

    def train(self, job: TrainingJob) -> TrainingResult:
        moved = "mbdc_source" in job.train.column_names and any(job.train["mbdc_source"][:])
        wrong = self.by_seed.get(job.config.seed, 10**6 if moved else 2)
        predictions = {}
        for split, rows in job.predict.items():
            table = answers(rows, wrong)
            scores = [[float(n) for n in range(len(c))] for c in rows["candidates"][:]]
            predictions[split] = table.append_column("candidate_scores", pa.array(scores, pa.list_(pa.float64())))
        metrics = {"steps": job.config.max_steps, "first_weights_sha256": str(job.config.seed), "tokens": 100.0}
        return TrainingResult("fake@0", Path(f"trained/{wrong}"), predictions, metrics, Cost(), cached=False)

    def score(self, jobs: list[ScoringJob], **settings: object) -> list[Scored]:
        return [Scored(answers(job.rows, self.drop or int(job.model_path.name)), Cost()) for job in jobs]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeTarget:
    target = FakeTarget()
    monkeypatch.setattr("hf_mbdc.training.launch.launch", target.launch)
    monkeypatch.setattr("hf_mbdc.training.scoring.score", target.score)
    return target


def published(repository: Path, **evaluation: Any) -> Recipe:
    from dataclasses import replace

    plan = read_recipe("quickstart", repository=repository)
    options = {"documents": 64, "seed": 0, "split_fractions": [0.5, 0.2, 0.3]}
    plan = replace(
        plan,
        dataset=replace(plan.dataset, options=options),
        evaluation=replace(plan.evaluation, **{"seeds": (0, 1), **evaluation}),
    )
    assert mbdc.run(plan, progress=False).decision.verdict == "accept"
    return plan


def test_a_new_split_is_scored_by_the_same_models_beside_the_old_one(tmp_path: Path, fake: FakeTarget) -> None:
    published(tmp_path, final="validation")
    trained = {(job.data_revision, job.config) for job in fake.jobs}
    found = renew(ID, "validation", repository=tmp_path, work_dir=tmp_path / "work", progress=False)
    assert {(job.data_revision, job.config) for job in fake.jobs} == trained  # nothing that the run had not trained
    assert (found.version, found.old_split, found.new_split) == ("v2.0.0", "test", "validation")
    assert found.gain is not None
    assert found.fresh is not None
    assert found.gain.old == pytest.approx(0.5, abs=0.03)
    assert found.gain.new == pytest.approx(0.5, abs=0.03)
    assert found.fresh.verdict == "accept"
    assert "Nothing shows that the old split was worn out" in str(found)
    fake.drop = 2  # the same models are much worse on the new rows
    worse = renew(ID, "validation", repository=tmp_path, work_dir=tmp_path / "work", progress=False)
    assert worse.score.interval[1] < 0
    assert "The new rows are harder" in str(worse)
    assert worse.fresh is not None
    assert worse.fresh.verdict == "inconclusive"
    first = renew(ID, "validation", "v1.0.0", repository=tmp_path, work_dir=tmp_path / "work", progress=False)
    assert (first.gain, first.fresh) == (None, None)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("test", r"is the one that decisions were made on \(split 'test'\). Name one of: validation"),
        ("train", r"trains the target \(split 'train'\)"),
        ("tset", r"no rows in this split \(split 'tset'\). It has train, validation, test"),
    ],
)
def test_a_split_that_cannot_renew_is_refused(tmp_path: Path, fake: FakeTarget, split: str, message: str) -> None:
    published(tmp_path)
    trained = len(fake.jobs)
    with pytest.raises(DataError, match=message):
        renew(ID, split, repository=tmp_path, work_dir=tmp_path / "work", progress=False)
    assert len(fake.jobs) == trained


def test_the_same_data_with_other_seeds_is_no_gain(tmp_path: Path, fake: FakeTarget) -> None:
    published(tmp_path)
    found = aa(ID, repository=tmp_path, work_dir=tmp_path / "work", progress=False)
    assert (found.seeds, found.others, found.passed) == ((0, 1), (2, 3), True)
    assert "As it must be" in str(found)
    fake.by_seed = {2: 2, 3: 2}  # trainings that depend on more than their data
    found = aa(ID, repository=tmp_path, work_dir=tmp_path / "work", progress=False)
    assert not found.passed
    assert "A difference is found where there is none" in str(found)


def test_with_one_seed_it_is_not_put_down_to_chance(tmp_path: Path, fake: FakeTarget) -> None:
    published(tmp_path, seeds=(0,))
    fake.by_seed = {1: 2}
    told = str(aa(ID, repository=tmp_path, work_dir=tmp_path / "work", progress=False))
    assert "with one seed each" in told
    assert "By chance" not in told


def test_a_decision_is_made_again_from_its_scores(tmp_path: Path, fake: FakeTarget) -> None:
    published(tmp_path)
    evidence = mbdc.show(ID, repository=tmp_path).evidence
    assert evidence is not None
    again = compare_again(ID, repository=tmp_path)
    assert (again.interval, again.verdict, again.slices) == (evidence.interval, evidence.verdict, evidence.slices)
    other = compare_again(ID, slice_by="n_occurrences", repository=tmp_path)
    assert {part.name for part in other.slices} >= {"1", "2"}
    with pytest.raises(DataError, match=r"no such column \(split 'test', column 'kee'\)"):
        compare_again(ID, slice_by="kee", repository=tmp_path)


def test_the_commands_print_what_the_functions_find(
    tmp_path: Path, fake: FakeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(tmp_path)
    monkeypatch.setenv("HF_MBDC_REPOSITORY", str(tmp_path))
    runner, work = CliRunner(), ["--work-dir", str(tmp_path / "work")]
    told = runner.invoke(app, ["compare", ID])
    assert told.output.startswith("accept: ")
    assert json.loads(runner.invoke(app, ["compare", ID, "--json"]).output)["verdict"] == "accept"
    assert "validation" in runner.invoke(app, ["renew", ID, "validation", *work]).output
    assert json.loads(runner.invoke(app, ["renew", ID, "validation", *work, "--json"]).output)["version"] == "v2.0.0"
    assert "the same data" in runner.invoke(app, ["aa", ID, *work]).output
    assert json.loads(runner.invoke(app, ["aa", ID, *work, "--json"]).output)["passed"] is True


def test_rows_whose_document_is_not_known_are_told_before_any_training(tmp_path: Path, fake: FakeTarget) -> None:
    published(tmp_path)
    rows, trained = mbdc.load(ID, repository=tmp_path), len(fake.jobs)
    features = rows["validation"].features
    rows["validation"] = rows["validation"].map(lambda row: {"document_id": None}, features=features)
    mbdc.publish(rows, ID, repository=tmp_path, message="a new split")
    with pytest.raises(DataError, match=r"no value in a row \(split 'validation', column 'document_id'"):
        renew(ID, "validation", repository=tmp_path, work_dir=tmp_path / "work", progress=False)
    assert len(fake.jobs) == trained
