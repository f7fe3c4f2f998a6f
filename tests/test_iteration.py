"""The loop with real trainings on a few made receipts, and what a run says when it cannot start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from datasets import DatasetDict, load_dataset
from huggingface_hub import constants, snapshot_download
from loopback_hub import LoopbackHub

import hf_mbdc as mbdc
from hf_mbdc.errors import DataError, RecipeError, RepositoryError, StaleParentError, TrainingError
from hf_mbdc.publishing.publication import publish
from hf_mbdc.recipe import Recipe, read_recipe
from hf_mbdc.records import Cost
from hf_mbdc.revisions.content_hash import content_hash
from hf_mbdc.revisions.repositories.folder import FolderRepository
from hf_mbdc.training.launch import TrainingJob, TrainingResult

ID = "me/quickstart"


def small(repository: Path | str, documents: int = 24, **changes: Any) -> Recipe:
    """The quickstart on a few documents, with one pass over the rows and one seed."""
    recipe = read_recipe("quickstart", repository=repository)
    return replace(
        recipe,
        dataset=replace(recipe.dataset, options={"documents": documents, "seed": 0}),
        target=replace(recipe.target, training={**recipe.target.training, "epochs": 1}),
        evaluation=replace(recipe.evaluation, seeds=(0,), decisions=2),
        **changes,
    )


class FakeLaunch:
    """Models that know `before` of every 4 answers, `after` once labels moved, and prefer the last candidate."""

    def __init__(self, before: int = 2, after: int = 4) -> None:
        self.before, self.after = before, after
        self.jobs: list[TrainingJob] = []

    def __call__(self, jobs: list[TrainingJob], **settings: object) -> list[TrainingResult]:
        self.jobs += jobs
        return [self.train(job) for job in jobs]

    def train(self, job: TrainingJob) -> TrainingResult:
        relabelled = "mbdc_source" in job.train.column_names and any(job.train["mbdc_source"][:])
        share = self.after if relabelled else self.before
        predictions = {}
        for split, rows in job.predict.items():
            texts = [a[0] if a and i % 4 < share else "wrong" for i, a in enumerate(rows["answers"][:])]
            scores = [[float(n) for n in range(len(c))] for c in rows["candidates"][:]]
            columns = {"id": rows["id"][:], "prediction": texts, "candidate_scores": scores}
            predictions[split] = pa.table(columns)
        metrics = {"steps": job.config.max_steps, "first_weights_sha256": str(job.config.seed), "tokens": 100.0}
        return TrainingResult("fake@0", Path("nowhere"), predictions, metrics, Cost(cpu_seconds=1.0), cached=False)


@pytest.fixture
def fake_launch(monkeypatch: pytest.MonkeyPatch) -> FakeLaunch:
    fake = FakeLaunch()
    monkeypatch.setattr("hf_mbdc.training.launch.launch", fake)
    return fake


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
    assert {k: content_hash(v) for k, v in stock.items()} == {k: content_hash(v) for k, v in ours.items()}

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
    assert mbdc.run(small(tmp_path / "repo"), work_dir=work_dir, progress=False) == last
    assert FolderRepository(tmp_path / "repo").head(ID) == head
    assert mbdc.log(ID, repository=tmp_path / "repo") == history


def test_a_better_candidate_becomes_the_head(tmp_path: Path, fake_launch: FakeLaunch) -> None:
    last = mbdc.run(small(tmp_path, 48), progress=False)
    assert (last.version, last.decision.verdict) == ("v2.0.0", "accept")
    assert last.evidence is not None
    assert (last.evidence.parent, last.evidence.candidate) == pytest.approx((0.5, 1.0), abs=0.08)
    assert last.evidence.clusters == len(set(mbdc.load(ID, repository=tmp_path)["test"]["document_id"]))
    first = mbdc.show(ID, "v1.0.0", repository=tmp_path)
    assert first.scores["exact_match"] == last.evidence.parent
    assert last.scores["exact_match"] == last.evidence.candidate
    assert FolderRepository(tmp_path).head(ID) == last.sha
    assert mbdc.load(ID, repository=tmp_path)["train"]["mbdc_source"].count("relabel_occurrences") > 0
    trained = len(fake_launch.jobs)
    assert mbdc.run(small(tmp_path, 48), progress=False) == last
    folds = [job for job in fake_launch.jobs[trained:] if "held_out" not in job.predict]
    assert folds == []  # nothing but the cached folds is asked for again


def test_the_loop_publishes_to_a_hub(tmp_path: Path, fake_launch: FakeLaunch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with LoopbackHub() as hub:
        last = mbdc.run(small(hub.url, 48), progress=False)
        assert (last.version, last.decision.verdict) == ("v2.0.0", "accept")
        assert [item.version for item in mbdc.log(ID, repository=hub.url)] == ["v2.0.0", "v1.0.0"]
        folder = mbdc.run(small(tmp_path / "repo", 48), progress=False)
        assert folder.content_hash == last.content_hash
        assert mbdc.run(small(hub.url, 48), progress=False) == last


def test_a_worse_candidate_stays_beside_and_is_measured_again_on_other_terms(
    tmp_path: Path, fake_launch: FakeLaunch
) -> None:
    fake_launch.before, fake_launch.after = 3, 1
    last = mbdc.run(small(tmp_path, 48), progress=False)
    assert last.decision.verdict == "reject"
    assert last.branch.startswith("candidates/")
    assert mbdc.show(ID, repository=tmp_path).version == "v1.0.0"
    trained = len(fake_launch.jobs)
    assert mbdc.run(small(tmp_path, 48), progress=False) == last
    recipe = small(tmp_path, 48)
    fake_launch.after = 4
    more = mbdc.run(replace(recipe, evaluation=replace(recipe.evaluation, seeds=(0, 1))), progress=False)
    assert len(fake_launch.jobs) > trained
    assert more.evidence is not None
    assert more.evidence.seeds == (0, 1)
    assert more.decision.verdict == "accept"
    assert mbdc.show(ID, repository=tmp_path).version == "v2.0.0"


def test_after_a_refused_candidate_the_next_iteration_starts_from_the_same_parent(
    tmp_path: Path, fake_launch: FakeLaunch
) -> None:
    fake_launch.before, fake_launch.after = 3, 1
    recipe = small(tmp_path, 48)
    again = replace(recipe.iterations[1], message="Once more, in other folds")
    other = replace(again, steps=(replace(again.steps[0], options={"folds": 5}),))
    last = mbdc.run(replace(recipe, iterations=(*recipe.iterations, other)), progress=False)
    assert last.decision.refused
    assert last.parent is not None
    assert last.parent.version == "v1.0.0"


def test_other_raw_rows_do_not_overwrite_what_was_accepted(tmp_path: Path, fake_launch: FakeLaunch) -> None:
    last = mbdc.run(small(tmp_path, 48), progress=False)
    recipe = small(tmp_path, 48)
    for other in (
        replace(recipe, approach=replace(recipe.approach, options={"choose": "last"})),
        replace(recipe, dataset=replace(recipe.dataset, options={"documents": 49, "seed": 0})),
    ):
        with pytest.raises(DataError, match=r"began with other rows.*another repo_id, or a dataset\.revision"):
            mbdc.run(other, progress=False)
    assert FolderRepository(tmp_path).head(ID) == last.sha


def test_a_run_goes_on_from_the_head(tmp_path: Path, fake_launch: FakeLaunch) -> None:
    mbdc.run(small(tmp_path, 48), progress=False)
    recipe = small(tmp_path, 48)
    onward = replace(
        recipe,
        dataset=replace(recipe.dataset, name=None, options={}, revision="v2.0.0"),
        iterations=recipe.iterations[1:],
    )
    again = mbdc.run(onward, progress=False)  # the same model prefers the same occurrences: nothing moves
    assert again.version == "v2.0.0"


def test_a_document_on_both_sides_is_refused(tmp_path: Path, fake_launch: FakeLaunch) -> None:
    mbdc.run(small(tmp_path, 48), progress=False)
    rows = mbdc.load(ID, repository=tmp_path)
    leaky = DatasetDict(train=rows["train"], test=rows["train"])
    publish(leaky, "me/leaky", repository=tmp_path, message="leaky")
    recipe = small(tmp_path)
    dataset = replace(recipe.dataset, name=None, options={}, revision="main")
    recipe = replace(recipe, repo_id="me/leaky", dataset=dataset, iterations=recipe.iterations[1:])
    with pytest.raises(DataError, match=r"'document_id' stand in train and in test"):
        mbdc.run(recipe, progress=False)


def test_a_lost_tag_is_set_again(tmp_path: Path, fake_launch: FakeLaunch) -> None:
    last = mbdc.run(small(tmp_path, 48), progress=False)
    for path in tmp_path.rglob("v1.0.0*"):
        path.unlink()
    assert "v1.0.0" not in FolderRepository(tmp_path).tags(ID)
    assert mbdc.run(small(tmp_path, 48), progress=False) == last
    assert "v1.0.0" in FolderRepository(tmp_path).tags(ID)


def test_one_bad_document_is_counted_wherever_a_user_looks(tmp_path: Path, fake_launch: FakeLaunch) -> None:
    for folder in ("box", "key"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    for n in range(30):
        lines = [
            f"0,{y},90,{y},90,{y + 9},0,{y + 9},{text}" for y, text in ((0, f"SHOP {n}"), (20, "9.00"), (40, "9.00"))
        ]
        (tmp_path / f"data/box/{n:03}.csv").write_text("\n".join(lines) if n != 7 else "not a box line")
        (tmp_path / f"data/key/{n:03}.json").write_text(f'{{"company": "SHOP {n}", "total": "9.00"}}')
    (tmp_path / "data/key/011.json").write_text('{"company": ')
    recipe = small(tmp_path / "repo")
    recipe = replace(recipe, dataset=replace(recipe.dataset, name="sroie", data_dir=str(tmp_path / "data"), options={}))
    last = mbdc.run(recipe, progress=False)
    assert last.version == "v2.0.0"
    assert sum(last.rejected.values()) == 2
    card = FolderRepository(tmp_path / "repo").read(ID, "v1.0.0", "README.md").decode()
    assert "007.csv" in card
    assert "011.json" in card


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
        (lambda r: replace(r, repo_id="receipts"), RepositoryError, "namespace/name"),
        (
            lambda r: replace(
                r,
                dataset=replace(r.dataset, name=None, options={}, revision="v9.9.9"),
                iterations=r.iterations[1:],
            ),
            RepositoryError,
            "me/quickstart",
        ),
        (lambda r: replace(r, evaluation=replace(r.evaluation, slice_by="words")), DataError, "one value a row"),
        (
            lambda r: replace(r, target=replace(r.target, model="layoutspan")),
            TrainingError,
            "Did you mean 'layout_span'",
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
        mbdc.run(change(small(tmp_path / "repo")), work_dir=tmp_path / "work", progress=False)


def test_a_work_dir_that_is_a_file_is_told_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(TrainingError, match=r"is a file .*--work-dir"):
        mbdc.run(small(tmp_path / "repo"), work_dir=tmp_path / "file", progress=False)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="/proc is where even root may make no folder")
def test_a_repository_that_cannot_be_written_is_told_before_any_work(
    tmp_path: Path, fake_launch: FakeLaunch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = replace(small(tmp_path, 48), repository="/proc/none")
    with pytest.raises(RepositoryError, match="The repository cannot be written"):
        mbdc.run(recipe)
    assert capsys.readouterr().err == ""


def test_a_run_from_a_revision_that_is_not_the_head_is_stale(tmp_path: Path) -> None:
    rows = mbdc.load_dataset("made_receipts", documents=12, split_fractions=(0, 0, 1))["test"]
    publish(rows.select(range(4)), ID, repository=tmp_path / "repo", message="first")
    publish(rows.select(range(8)), ID, repository=tmp_path / "repo", message="second")
    recipe = small(tmp_path / "repo")
    dataset = replace(recipe.dataset, name=None, options={}, revision="v1.0.0")
    recipe = replace(recipe, dataset=dataset, iterations=recipe.iterations[1:])
    with pytest.raises(StaleParentError, match="Load the head"):
        mbdc.run(recipe, work_dir=tmp_path / "work", progress=False)
