"""Doing again what made a revision: the same rows, or where they part. Models are made up; the loop is the real one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import hf_mbdc as mbdc
from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.publishing.history import find_manifest
from hf_mbdc.recipe import Recipe, read_recipe
from hf_mbdc.records import Cost
from hf_mbdc.revisions.repositories.folder import FolderRepository
from hf_mbdc.training.launch import TrainingJob, TrainingResult

ID = "me/quickstart"


class FakeModels:
    """Models that prefer the last candidate, or the first one; better where labels moved."""

    name, last = "fake@0", True

    def __call__(self, jobs: list[TrainingJob], **settings: object) -> list[TrainingResult]:
        return [self.train(job) for job in jobs]

    def train(self, job: TrainingJob) -> TrainingResult:
        moved = "mbdc_source" in job.train.column_names and any(job.train["mbdc_source"][:])
        predictions = {}
        for split, rows in job.predict.items():
            texts = [a[0] if a and (moved or i % 2) else "wrong" for i, a in enumerate(rows["answers"][:])]
            scores = [[float(n if self.last else -n) for n in range(len(c))] for c in rows["candidates"][:]]
            predictions[split] = pa.table({"id": rows["id"][:], "prediction": texts, "candidate_scores": scores})
        metrics = {"steps": job.config.max_steps, "first_weights_sha256": str(job.config.seed), "tokens": 100.0}
        return TrainingResult(self.name, Path("nowhere"), predictions, metrics, Cost(), cached=False)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> FakeModels:
    fake = FakeModels()
    monkeypatch.setattr("hf_mbdc.training.launch.launch", fake)
    return fake


@pytest.fixture
def root(tmp_path: Path, models: FakeModels) -> Path:
    recipe: Recipe = read_recipe("quickstart", repository=tmp_path / "repo")
    options = {"documents": 48, "seed": 0}
    recipe = replace(recipe, dataset=replace(recipe.dataset, options=options))
    assert mbdc.run(recipe, progress=False).version == "v2.0.0"
    return tmp_path / "repo"


def test_every_revision_of_a_run_comes_out_again(root: Path) -> None:
    for version in ("v1.0.0", "v2.0.0"):
        found = mbdc.replay(ID, version, repository=root, progress=False)
        assert found.same
        assert (found.expected, found.splits, found.diff, found.environment) == (found.found, {}, {}, {})
    assert FolderRepository(root).head(ID) == found.sha, "nothing was published"


def test_models_with_other_weights_that_decide_the_same(root: Path, models: FakeModels) -> None:
    models.name = "fake@1"
    found = mbdc.replay(ID, repository=root, progress=False)
    assert (found.same, found.same_but_models) == (False, True)
    assert set(found.splits) == {"train"}
    assert set(found.diff["splits"]["train"]["columns"]) == {"mbdc_model"}


def test_models_that_decide_otherwise(root: Path, models: FakeModels) -> None:
    models.last = False
    found = mbdc.replay(ID, repository=root, progress=False)
    assert (found.same, found.same_but_models) == (False, False)
    assert "answer_start" in found.diff["splits"]["train"]["columns"]
    assert found.to_dict()["same"] is False


def test_a_package_of_another_version_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hf_mbdc.publishing.environment.environment", lambda: {"python": "2.7"})
    found = mbdc.replay(ID, "v1.0.0", repository=root, progress=False)
    assert found.same
    assert found.environment["python"][1] == "2.7"
    assert found.environment["torch"][1] == ""


def test_code_that_changed_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hf_mbdc.publishing.environment._code_hash", lambda: "other")
    found = mbdc.replay(ID, "v1.0.0", repository=root, progress=False)
    (then, now) = found.environment["hf-mbdc code"]
    assert (len(then), now, list(found.environment)) == (12, "other", ["hf-mbdc code"])


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"message": "another one"}, RecipeError, "no such iteration.*another one"),
        ({"parent": None}, DataError, "parent"),
    ],
)
def test_a_manifest_that_was_edited(root: Path, change: Any, kind: type[Exception], message: str) -> None:
    repository = FolderRepository(root)
    head = repository.head(ID)
    assert head is not None
    manifest = find_manifest(ID, head, repository)
    assert manifest is not None
    folder = repository.snapshot(ID, head)
    files: dict[str, Any] = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    files["manifest.json"] = replace(manifest, **change).to_json().encode()
    repository.commit(ID, files, parent=head, message="by hand")
    with pytest.raises(kind, match=message):
        mbdc.replay(ID, repository=repository, progress=False)
