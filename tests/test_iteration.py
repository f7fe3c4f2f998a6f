"""The loop with real trainings on a few made receipts, and what a run says when it cannot start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from huggingface_hub import snapshot_download

import hf_mbdc as mbdc
from hf_mbdc.errors import DataError, RecipeError, RevisionNotFoundError, StaleParentError
from hf_mbdc.publication import publish
from hf_mbdc.recipe import Recipe, read_recipe
from hf_mbdc.revisions.folder import FolderRepository

ID = "me/quickstart"


def small(repository: Path, **changes: Any) -> Recipe:
    """The quickstart on 24 documents, with one pass over the rows and one seed."""
    recipe = read_recipe("quickstart", repository=repository)
    return replace(
        recipe,
        dataset=replace(recipe.dataset, options={"documents": 24, "seed": 0}),
        target=replace(recipe.target, training={**recipe.target.training, "epochs": 1}),
        evaluation=replace(recipe.evaluation, seeds=(0,)),
        **changes,
    )


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


def test_the_loop_publishes_explains_and_repeats_itself(
    tmp_path: Path, work_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    last = mbdc.run(small(tmp_path / "repo"), work_dir=work_dir)
    history = mbdc.log(ID, repository=tmp_path / "repo")
    first = history[-1]
    assert [item.version for item in history] == ["v2.0.0", "v1.0.0"]
    assert history[0] == last
    assert first.decision.verdict == "baseline"
    assert set(first.scores) >= {"exact_match", "exact_match/total", "anls", "f1"}

    # What was published says what happened.
    assert last.evidence is not None
    assert last.evidence.rows == first.splits["test"].rows
    assert {part.name for part in last.evidence.slices} == {"address", "company", "date", "total"}
    assert last.decision.verdict == last.evidence.verdict
    step = last.steps[0]
    assert step.changed == last.diff["splits"]["train"]["changed"] > 0
    assert last.cost.cpu_seconds > 0
    assert last.cost.tokens > 0
    assert last.cost.model_calls > 0
    assert "✓" in capfd.readouterr().err

    # Stock clients read the baseline back, equal to what we load.
    path = snapshot_download(
        ID, repo_type="dataset", revision="v1.0.0", cache_dir=tmp_path / "repo", local_files_only=True
    )
    stock = load_dataset(path, cache_dir=str(tmp_path / "cache"))
    ours = mbdc.load(ID, revision="v1.0.0", repository=tmp_path / "repo")
    assert {k: v.remove_columns("image").to_dict() for k, v in stock.items()} == {
        k: v.remove_columns("image").to_dict() for k, v in ours.items()
    }

    # The relabelled rows are those that the diff names, in the train split only, each with its provenance.
    new = mbdc.load(ID, revision=last.sha or "", repository=tmp_path / "repo")
    moved = new["train"].filter(lambda row: row["mbdc_source"] is not None)
    assert len(moved) == step.changed
    assert set(moved["mbdc_iteration"]) == {"v2.0.0"}
    assert moved["mbdc_parent_id"][:] == moved["id"][:]
    for row in moved:
        assert row["context"][row["answer_start"] : row["answer_end"]] == row["matched_text"]
    assert set(new["test"]["mbdc_source"]) == {None}
    assert new["test"]["answer_start"][:] == ours["test"]["answer_start"][:]

    # The same run elsewhere gives the same content, and nothing is trained again.
    again = mbdc.run(small(tmp_path / "other"), work_dir=work_dir, progress=False)
    assert [item.content_hash for item in mbdc.log(ID, repository=tmp_path / "other")] == [
        item.content_hash for item in history
    ]
    assert again.evidence == last.evidence

    # The same run here finds everything published and adds nothing.
    head = FolderRepository(tmp_path / "repo").head(ID)
    assert mbdc.run(small(tmp_path / "repo"), work_dir=work_dir, progress=False).version in ("v2.0.0", "v3.0.0")
    assert FolderRepository(tmp_path / "repo").head(ID) == head


def unknown_step(recipe: Recipe) -> Recipe:
    item = recipe.iterations[1]
    return replace(recipe, iterations=(recipe.iterations[0], replace(item, steps=(replace(item.steps[0], name="x"),))))


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (unknown_step, RecipeError, r"No such step .*iterations\[1\]\.steps\[0\]\.name.*relabel_occurrences"),
        (
            lambda r: replace(r, target=replace(r.target, training={"epoch": 3})),
            RecipeError,
            r"target\.training\.epoch'.*Did you mean 'epochs'",
        ),
        (
            lambda r: replace(r, evaluation=replace(r.evaluation, split="tset")),
            DataError,
            r"no such split .*'tset'.*train, validation, test",
        ),
        (
            lambda r: replace(r, evaluation=replace(r.evaluation, slice_by="kee")),
            DataError,
            r"no such column .*column 'kee'",
        ),
        (lambda r: replace(r, approach=replace(r.approach, name="extractive")), RecipeError, "extractive_qa"),
        (lambda r: replace(r, dataset=replace(r.dataset, name="sorie")), DataError, "sroie"),
        (lambda r: replace(r, dataset=replace(r.dataset, name="sroie", options={})), DataError, "data_dir"),
        (lambda r: replace(r, repo_id="receipts"), Exception, "namespace/name"),
        (
            lambda r: replace(r, dataset=replace(r.dataset, name=None, options={}, revision="v9.9.9")),
            RevisionNotFoundError,
            "",
        ),
    ],
)
def test_a_run_that_cannot_succeed_says_so_before_it_trains(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Recipe], Recipe],
    kind: type[Exception],
    message: str,
) -> None:
    def launch(*args: object, **settings: object) -> None:
        raise AssertionError("it trained")

    monkeypatch.setattr("hf_mbdc.training.launch.launch", launch)
    with pytest.raises(kind, match=message):
        mbdc.run(change(small(tmp_path)), work_dir=tmp_path / "work", progress=False)


def test_a_run_from_a_revision_that_is_not_the_head_is_stale(tmp_path: Path) -> None:
    rows = mbdc.load_dataset("made_receipts", documents=12, split_fractions=(0, 0, 1))["test"]
    publish(rows.select(range(4)), ID, repository=tmp_path, message="first")
    publish(rows.select(range(8)), ID, repository=tmp_path, message="second")
    recipe = small(tmp_path)
    recipe = replace(recipe, dataset=replace(recipe.dataset, name=None, options={}, revision="v1.0.0"))
    with pytest.raises(StaleParentError, match="Load the head"):
        mbdc.run(recipe, work_dir=tmp_path / "work", progress=False)
