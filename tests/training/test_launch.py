"""Side by side, cached by content, stopped together, and the same whatever runs beside it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from hf_mbdc.errors import DataError, RecipeError, TrainingError
from hf_mbdc.training import launch as module
from hf_mbdc.training import running
from hf_mbdc.training.config import TrainingConfig
from hf_mbdc.training.launch import TrainingJob, launch
from hf_mbdc.training.tasks import TASKS

# In place of the training script: seed 6 fails with an error of ours, 7 fails, 8 takes a minute, 9 is killed, and every
# other writes what a training writes.
FAKE = """
import json, pathlib, sys, time
import pyarrow as pa, pyarrow.parquet as pq
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
out, seed = pathlib.Path(flags["--output-dir"]), int(flags["--seed"])
(out / "progress.json").write_text(json.dumps({"step": 1, "steps": 2}))
with open(out.parent / "started.txt", "a") as log:
    log.write(f"{seed}\\n")
if seed == 6:
    from hf_mbdc.errors import DataError
    from hf_mbdc.training.child import tell_launcher
    tell_launcher(DataError("Two rows\\nare one", id="a", ids=("a", "b"), mend="Make ids unique."))
    sys.exit("error: Two rows are one")
if seed == 7:
    print("a warning\\nerror: no room on the disk.")
    sys.exit(1)
if seed == 9:
    import os
    os.kill(os.getpid(), 9)
if seed == 8:
    time.sleep(60)
pq.write_table(pa.table({"id": ["a"], "seed": [seed]}), out / "predictions-test.parquet")
(out / "metrics.json").write_text(json.dumps({
    "weights_sha256": f"{seed:064}", "wall_seconds": 2.0, "cpu_seconds": 1.0, "tokens": 10}))
"""


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    monkeypatch.setattr(module, "shipped", lambda folder, name: script)
    module.code_hash.cache_clear()
    yield
    module.code_hash.cache_clear()


def job(rows: list[dict[str, Any]], seed: int = 0, **settings: Any) -> TrainingJob:
    dataset = Dataset.from_list(rows)
    return TrainingJob(dataset, {"test": dataset.select([0, 1])}, TrainingConfig(seed=seed, **settings))


def started(work_dir: Path) -> list[int]:
    return sorted(int(line) for line in (work_dir / "started.txt").read_text().split())


@pytest.mark.usefixtures("fake")
def test_results_are_in_the_order_of_the_jobs_and_equal_jobs_run_once(
    rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    progress: list[float] = []
    work = tmp_path / "work"
    jobs = [job(rows, seed) for seed in (3, 1, 3)]
    results = launch(jobs, work_dir=work, max_parallel=1, on_progress=progress.append)
    assert [r.predictions["test"]["seed"].to_pylist() for r in results] == [[3], [1], [3]]
    assert [r.model_id for r in results] == [f"layout_span@{'0' * 12}"] * 3
    assert (results[0].cost.cpu_seconds, results[0].cost.tokens, results[0].cached) == (1.0, 10, False)
    assert started(work) == [1, 3]
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0.0, 1.0)

    again = launch(jobs, work_dir=work, on_progress=progress.append)
    assert all(r.cached and r.cost == results[0].cost for r in again)
    assert started(work) == [1, 3]


@pytest.mark.usefixtures("fake")
def test_other_weights_at_the_same_path_are_another_training(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    places = []
    for weights in (b"old", b"new"):
        (checkpoint / "model.safetensors").write_bytes(weights)
        places.append(module._place(job(rows, model=str(checkpoint)), tmp_path, {}))
    assert places[0] != places[1]


@pytest.mark.usefixtures("fake")
def test_labels_of_predicted_rows_make_no_training_anew(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    base = job(rows)
    moved = [{**row, "answer_start": row["answer_start"] + 1} for row in rows]
    other = TrainingJob(base.train, {"test": Dataset.from_list(moved).select([0, 1])}, base.config)
    assert module._place(base, tmp_path, {}) == module._place(other, tmp_path, {})


@pytest.mark.usefixtures("fake")
def test_what_makes_a_training_another_one(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    base = job(rows)
    more = [{**row, "vendor": "x", "answers": row["answers"]} for row in rows]
    moved = [{**row, "answer_start": row["answer_start"] + 1} for row in rows]
    places = [
        module._place(other, tmp_path, {})
        for other in (
            base,
            TrainingJob(Dataset.from_list(more).select(range(len(rows))), base.predict, base.config),  # nothing read
            TrainingJob(Dataset.from_list(moved), base.predict, base.config),
            TrainingJob(base.train, {"test": base.train.select([1, 0])}, base.config),
            job(rows, seed=1),
            job(rows, objective="marginal"),
        )
    ]
    assert places[0] == places[1]
    assert len(set(places)) == 5


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("seed", "message"),
    [
        (
            7,
            "A training ended with exit status 1, and said last: error: no room on the disk (log LOG). "
            "What was done is kept: after the cause is mended, the same call goes on from there.",
        ),
        (
            9,
            "A training was killed by signal 9 (log LOG). If memory ran out, lower max_parallel. "
            "What was done is kept: after the cause is mended, the same call goes on from there.",
        ),
        (6, "Two rows\nare one (id 'a', ids ['a', 'b'], log LOG). Make ids unique."),
    ],
)
def test_a_failing_job_stops_the_others_and_says_why(
    rows: list[dict[str, Any]], tmp_path: Path, seed: int, message: str
) -> None:
    before = time.monotonic()
    with pytest.raises(TrainingError) as caught:
        launch([job(rows, 8), job(rows, seed)], work_dir=tmp_path / "work", max_parallel=2)
    assert time.monotonic() - before < 50
    log = str(caught.value.where["log"])
    assert Path(log).parent.parent == tmp_path / "work"
    assert str(caught.value) == message.replace("LOG", repr(log))


@pytest.mark.usefixtures("fake")
def test_an_error_of_an_earlier_call_is_not_told_again(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    place = module._place(job(rows, 7), tmp_path / "work", {})
    place.mkdir(parents=True)
    (place / "error.json").write_text('{"what": "old", "mend": "", "where": {}}')
    with pytest.raises(TrainingError, match="no room on the disk"):
        launch([job(rows, 7)], work_dir=tmp_path / "work")


@pytest.mark.usefixtures("fake")
def test_an_interrupt_stops_the_children(
    rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children: list[subprocess.Popen[bytes]] = []
    start = running._start
    monkeypatch.setattr(running, "_start", lambda *a: children.append(start(*a)) or children[-1])

    def interrupt(fraction: float) -> None:
        if fraction > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch([job(rows, 8)], work_dir=tmp_path / "work", on_progress=interrupt)
    assert [child.poll() is not None for child in children] == [True]


def test_bad_jobs_are_refused_before_anything_runs(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    good = job(rows)
    with pytest.raises(DataError, match=r"The columns \['answer_start'\] are missing.*hf_mbdc.annotate"):
        launch([TrainingJob(good.train.remove_columns("answer_start"))], work_dir=tmp_path)
    with pytest.raises(DataError, match=r"The columns \['words'\] are missing \(split 'test'\)"):
        launch([TrainingJob(good.train, {"test": good.train.remove_columns("words")})], work_dir=tmp_path)
    with pytest.raises(TrainingError, match="A predicted split cannot be called 'train'"):
        launch([TrainingJob(good.train, {"train": good.train})], work_dir=tmp_path)
    with pytest.raises(TrainingError, match=r"There is no target model 'layoutspan'\. Did you mean 'layout_span'\?"):
        launch([job(rows, model="layoutspan")], work_dir=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match=r"is a file \(path '.*/file'\)"):
        launch([good], work_dir=tmp_path / "file")
    with pytest.raises(RecipeError, match=r"max_parallel is -1 \(key 'max_parallel'\)"):
        launch([good], work_dir=tmp_path, max_parallel=-1)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_real_training(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    from transformers import AutoModelForQuestionAnswering

    from hf_mbdc.targets.layout_span import LayoutSpanForQuestionAnswering  # which tells the Auto classes of itself

    base = job(rows, epochs=2, objective="marginal")
    [result] = launch([TrainingJob(base.train, base.predict, base.config, "me/r@v1.0.0")], work_dir=tmp_path)
    table = result.predictions["test"]
    assert table["id"].to_pylist() == [rows[0]["id"], rows[1]["id"]]
    assert [len(scores) for scores in table["candidate_scores"].to_pylist()] == [1, 2]
    assert result.metrics["rows_used"] == len(rows)
    assert "Trained on the data revision `me/r@v1.0.0`" in (result.model_path / "README.md").read_text()
    model = AutoModelForQuestionAnswering.from_pretrained(result.model_path)
    assert isinstance(model, LayoutSpanForQuestionAnswering)
    assert json.loads((result.model_path / "progress.json").read_text()) == {"step": 4, "steps": 4}


def test_comments_and_docstrings_make_no_training_anew() -> None:
    code = "def f(x):\n    return x + 1"
    assert module.code_only(code) == module.code_only(
        '"""Doc."""\n# why\ndef f(x):\n    """Adds."""\n    return (x + 1)'
    )
    assert module.code_only(code) != module.code_only(code.replace("1", "2"))


def test_every_file_of_the_trainings_decides_some_result_or_none() -> None:
    deciding = {path for task in TASKS.values() for path in task.sources(module.PACKAGE)}
    none = ("__init__", "budget", "checks", "child", "launch", "model_card", "running", "scoring", "tasks")
    folder = module.PACKAGE / "training"
    assert {path for path in deciding if path.parent == folder} == set(folder.glob("*.py")) - {
        folder / f"{name}.py" for name in none
    }
    assert all(path.is_file() for path in deciding)


def test_code_of_another_kind_of_target_makes_no_training_anew() -> None:
    extractive, recognition = (TASKS[name].sources(module.PACKAGE) for name in ("extractive_qa", "text_recognition"))
    assert not any("recognition" in path.parts for path in extractive)
    assert {path.parent.name for path in set(extractive) & set(recognition)} == {"training"}


def test_importing_the_launcher_is_cheap() -> None:
    code = "import sys, hf_mbdc.training.launch; print([n for n in ('torch', 'transformers') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
