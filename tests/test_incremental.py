"""Iterations that change few rows: models of an earlier version are kept, told, and found again by replay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import hf_mbdc as mbdc
from hf_mbdc.errors import RepositoryError
from hf_mbdc.publishing.history import load, show
from hf_mbdc.publishing.steps import trained_on
from hf_mbdc.recipe import Recipe, read_recipe
from hf_mbdc.records import Cost, Iteration, ParentRecord
from hf_mbdc.revisions.repositories.folder import FolderRepository
from hf_mbdc.training.launch import TrainingJob, TrainingResult
from hf_mbdc.training.scoring import Scored, ScoringJob
from hf_mbdc.transforms.rows import replace_rows

ID = "me/quickstart"


class FakeModels:
    """Models that prefer the last candidate, and answer better where labels moved; counts what they are asked."""

    def __init__(self) -> None:
        self.trained: list[int] = []
        self.asked: list[str] = []

    def launch(self, jobs: list[TrainingJob], **settings: object) -> list[TrainingResult]:
        return [self.train(job) for job in jobs]

    def train(self, job: TrainingJob) -> TrainingResult:
        moved = "mbdc_source" in job.train.column_names and sum(s is not None for s in job.train["mbdc_source"][:])
        predictions = {}
        for split, rows in job.predict.items():
            texts = [a[0] if a and (moved or i % 2) else "wrong" for i, a in enumerate(rows["answers"][:])]
            scores = [[float(n) for n in range(len(c))] for c in rows["candidates"][:]]
            predictions[split] = pa.table({"id": rows["id"][:], "prediction": texts, "candidate_scores": scores})
            if split == "held_out":
                self.trained.append(len(rows))
        metrics = {"weights_sha256": "0" * 64, "steps": job.config.max_steps, "first_weights_sha256": "1", "tokens": 9}
        return TrainingResult("fake@0", Path("nowhere"), predictions, metrics, Cost(), cached=bool(moved))

    def score(self, jobs: list[ScoringJob], **settings: object) -> list[Scored]:
        self.asked += [key for job in jobs for key in job.rows["id"][:]]
        tables = [[[float(n) for n in range(len(c))] for c in job.rows["candidates"][:]] for job in jobs]
        return [Scored(pa.table({"candidate_scores": t}), Cost(model_calls=len(t))) for t in tables]


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> FakeModels:
    fake = FakeModels()
    monkeypatch.setattr("hf_mbdc.training.launch.launch", fake.launch)
    monkeypatch.setattr("hf_mbdc.training.scoring.score", fake.score)
    return fake


def recipe(root: Path) -> Recipe:
    found: Recipe = read_recipe("quickstart", repository=root)
    return replace(
        found,
        dataset=replace(found.dataset, options={"documents": 60, "seed": 0}),
        evaluation=replace(found.evaluation, decisions=20),
    )


def onward(root: Path, revision: str, **options: object) -> Recipe:
    """The recipe's second iteration from a revision."""
    found = recipe(root)
    item = found.iterations[1]
    step = replace(item.steps[0], options={**item.steps[0].options, **options})
    return replace(
        found,
        dataset=replace(found.dataset, name=None, options={}, revision=revision),
        iterations=(replace(item, message="The edited rows, relabelled", steps=(step,)),),
    )


def publish_edit(root: Path) -> tuple[Iteration, list[str]]:
    """One document has another text, and its labels are where an annotation would put them."""
    rows = load(ID, "v2.0.0", repository=root)
    before = load(ID, "v1.0.0", repository=root)
    train = rows["train"]
    where = np.flatnonzero(np.array(train["document_id"][:]) == train[0]["document_id"])
    labels = ["answer_start", "answer_end", "word_start", "word_end", "answer_boxes", "candidates", "choice_margin"]
    columns = {name: before["train"].select(where)[name][:] for name in labels if name in train.column_names}
    columns["question"] = [f"{text} Please." for text in train.select(where)["question"][:]]
    rows["train"] = replace_rows(train, where, columns)
    return mbdc.publish(rows, ID, repository=root, message="Politer questions"), train.select(where)["id"][:]


@pytest.fixture
def root(tmp_path: Path, models: FakeModels) -> Path:
    assert mbdc.run(recipe(tmp_path), progress=False).version == "v2.0.0"
    return tmp_path


def test_models_are_kept_and_the_record_says_so(root: Path, models: FakeModels) -> None:
    edit, ids = publish_edit(root)
    last = mbdc.run(onward(root, edit.version), progress=False)
    assert last.parent is not None
    assert last.parent.version == edit.version
    step = last.steps[0]
    assert step.trained_on is not None
    assert step.trained_on.version == "v1.0.0"
    assert sorted(models.asked) == sorted(ids)
    assert (step.cost.model_calls, step.reused) == (len(ids), last.splits["train"].rows - len(ids))
    assert Iteration.from_json(last.to_json()).steps == last.steps
    card = FolderRepository(root).read(ID, last.sha or "", "README.md").decode()
    assert f"trained on `v1.0.0`; {step.reused} rows were not scored again" in card

    # From nothing, on the recorded rows, the same comes out.
    asked, models.asked = models.asked, []
    assert mbdc.replay(ID, last.sha or "", repository=root, progress=False).same
    assert models.asked == asked

    # A further iteration goes back to the rows of the training, not to those of the iteration in between.
    found = trained_on(last, step.name, step.identity, FolderRepository(root))
    assert found == step.trained_on == ParentRecord("v1.0.0", found.sha, found.content_hash)


def test_other_settings_train_anew(root: Path, models: FakeModels) -> None:
    edit, _ = publish_edit(root)
    models.trained = []
    last = mbdc.run(onward(root, edit.version, retrain_above=0), progress=False)
    assert (models.asked, last.steps[0].trained_on, last.steps[0].reused) == ([], None, 0)
    assert sum(models.trained) == last.splits["train"].rows
    step = show(ID, "v2.0.0", repository=root).steps[0]
    assert trained_on(last, step.name, "another", FolderRepository(root)) is None


def test_replay_says_when_the_rows_of_the_training_are_gone(root: Path) -> None:
    from hf_mbdc.reproduction import _earlier

    record = show(ID, "v2.0.0", repository=root)
    gone = replace(record.steps[0], trained_on=ParentRecord("v0.9.0", "f" * 40, ""))
    with pytest.raises(RepositoryError, match=r"a revision that is gone .*v0\.9\.0"):
        _earlier(replace(record, steps=(gone,)), FolderRepository(root))
