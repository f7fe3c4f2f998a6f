"""Text recognition in the training loop and by its script: learning, what is left out, resuming, several processes."""

from __future__ import annotations

import json
import math
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from datasets import Dataset, DatasetDict, Features, Image, Value, load_from_disk
from safetensors.torch import load_file
from transformers import AutoModelForCTC

from hf_mbdc.errors import DataError, TrainingError
from hf_mbdc.synthesis.rendering import render
from hf_mbdc.targets.recognition.ctc import CtcTarget, new_ctc
from hf_mbdc.targets.recognition.ctc_recogniser import CtcRecogniserConfig
from hf_mbdc.training.clock import Clock
from hf_mbdc.training.config import RecognitionConfig
from hf_mbdc.training.data import read_images
from hf_mbdc.training.loop import charset_of, train, training_identity
from hf_mbdc.training.words import WordLearner, make_recogniser, predict_images

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "train_text_recognition.py"
TEXTS = ("가나", "나다", "다가나", "나나", "가다", "다", "나가", "가가다")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of `save_to_disk` with `train` (24 words of three syllables) and `test`."""
    folder = tmp_path_factory.mktemp("data") / "words"
    train = {"id": [f"t{n}" for n in range(24)], "text": [TEXTS[n % 8] for n in range(24)]}
    test = {"id": ["a", "b"], "text": ["다나", "가"]}
    ds = DatasetDict({"train": Dataset.from_dict(train), "test": Dataset.from_dict(test)})
    render(ds).save_to_disk(folder)
    return folder


def small_target(characters: str = "가나다") -> CtcTarget:
    set_seed(0)
    sizes = {"hidden_size": 32, "stem_channels": (4, 8), "num_hidden_layers": 1}
    return new_ctc(CtcRecogniserConfig(characters=list(characters), **sizes))


def test_other_characters_are_another_training() -> None:
    rows: list[Any] = []
    of = {charset: training_identity("weights", rows, RecognitionConfig(), 1, charset) for charset in ("ab", "ac", "")}
    assert len(set(of.values())) == 3
    model = small_target().model
    assert list(charset_of(model)) == list("가나다")


def test_corrected_labels_are_learned_although_their_numbers_are_the_same(data: Path, tmp_path: Path) -> None:
    def trained(swap: str) -> list[str]:
        rows = load_from_disk(str(data))["train"].map(lambda row: {"text": row["text"].replace("다", swap)})
        DatasetDict({"train": rows}).save_to_disk(tmp_path / swap)
        words = ["--dataset", str(tmp_path / swap), "--output-dir", str(tmp_path / "out"), "--max-steps", "1"]
        subprocess.run(
            [sys.executable, str(SCRIPT), *words],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        found: list[str] = json.loads((tmp_path / "out" / "config.json").read_text())["characters"]
        return found

    assert (trained("다"), trained("라")) == (["가", "나", "다"], ["가", "나", "라"])


def test_words_are_learned_by_heart(data: Path, tmp_path: Path) -> None:
    rows = read_images(load_from_disk(str(data))["train"], "train", labels=True)
    target = small_target()
    words = target.encode(rows, "train", labels=True)
    config = RecognitionConfig(epochs=30, batch_size=8, learning_rate=1e-2)
    learner = WordLearner(target, {"train": words})
    state = train(learner, words, config, Accelerator(), tmp_path, Clock(1e9))
    assert state.epoch_losses[-1] < 0.2 < state.epoch_losses[0]
    assert state.tokens == 30 * sum(word.length for word in words)
    read = learner.predict("train", Accelerator()).to_pydict()
    assert read["prediction"] == [TEXTS[n % 8] for n in range(24)]
    assert read["id"] == [f"t{n}" for n in range(24)]
    dynamics = pq.read_table(tmp_path / "dynamics.parquet").to_pandas()
    assert len(dynamics) == 30 * 24
    last = dynamics[dynamics["epoch"] == 29]
    assert last["correct"].mean() > 0.9
    assert np.allclose(last["margin"], np.log(last["probability"]) - np.log1p(-last["probability"]), atol=1e-2)


def test_the_loss_is_by_character_and_the_margin_to_all_other_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    losses, sizes = torch.tensor([math.log(2), math.log(4), 0.0]), torch.tensor([1, 2, 4])
    monkeypatch.setattr(CtcTarget, "losses", lambda *_: (losses, sizes))
    loss, seen = WordLearner(small_target()).loss(torch.nn.Linear(1, 1), [], torch.device("cpu"), 0, 1)
    assert loss.item() == pytest.approx((math.log(2) + math.log(4) / 2) / 3)
    assert seen[0].tolist() == losses.tolist()
    assert seen[1, :2].tolist() == pytest.approx([0.0, math.log(0.25 / 0.75)], abs=1e-6)
    assert 10 < seen[1, 2] < math.inf


def test_a_batch_teaches_what_it_shows(data: Path, tmp_path: Path) -> None:
    """A word that is left out is not learned from, and is counted."""
    rows = read_images(load_from_disk(str(data))["train"], "train", labels=True)
    rows = rows.set_column(2, "text", pa.array(["", None, *["가"] * 22]))
    target = small_target()
    words = target.encode(rows, "train", labels=True)
    assert [word.left_out for word in words[:3]] == ["an empty text", "no text", None]
    state = train(WordLearner(target), words, RecognitionConfig(epochs=1), Accelerator(), tmp_path, Clock(1e9))
    assert state.tokens == sum(word.length for word in words[2:])
    with pytest.raises(TrainingError, match=r"no row to train on \(reasons {'an empty text': 1, 'no text': 1}\)"):
        train(WordLearner(target), words[:2], RecognitionConfig(), Accelerator(), tmp_path, Clock(1e9))


def test_a_new_recogniser_reads_its_charset_and_its_texts() -> None:
    texts = pa.chunked_array([["다라", None]])
    config = RecognitionConfig(charset="나가", height=16, max_width=99, normalization="none", unit="grapheme")
    told = make_recogniser(config, texts).model.config
    assert list(told.characters) == ["나", "가", "다", "라"]
    assert (told.height, told.max_width, told.normalization, told.unit) == (16, 99, None, "grapheme")
    with pytest.raises(TrainingError, match="The recogniser has no characters to read"):
        make_recogniser(RecognitionConfig(), pa.chunked_array([[None, ""]], pa.string()))


# --- wrong rows ---


def images(**columns: Any) -> Dataset:
    features = {"id": Value("string"), "image": Image(), "text": Value("string")}
    ids = {"id": ["0"], "image": [None], "text": ["가"]}
    given = {name: values for name, values in {**ids, **columns}.items() if values is not None}
    return Dataset.from_dict(given, features=Features({name: features[name] for name in given}))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (images(image=None), r"The columns \['image'\] are missing \(split 'train'\). Make them with hf_mbdc.render"),
        (images(text=None), r"The columns \['text'\] are missing"),
        (images(id=[None]), r"An id is null \(split 'train', column 'id'\)"),
        (Dataset.from_dict({"id": ["0"], "image": ["a.png"], "text": ["x"]}), "The column holds no images, but Value"),
        (images().cast_column("text", Value("large_string")), None),
        (images(text=None).add_column("text", [7]), "The column holds no strings, but Value"),
    ],
)
def test_wrong_columns(rows: Dataset, message: str | None) -> None:
    if message is None:
        assert read_images(rows, "train", labels=True).num_rows == 1
        return
    with pytest.raises(DataError, match=message):
        read_images(rows, "train", labels=True)


def test_an_indices_mapping_is_kept(data: Path) -> None:
    some = load_from_disk(str(data))["train"].select([3, 1])
    assert read_images(some, "train", labels=True)["id"].to_pylist() == ["t3", "t1"]


# --- the script ---


def main_of_script() -> Any:
    return runpy.run_path(str(SCRIPT))["main"]


def test_a_killed_run_goes_on_and_ends_with_the_same_weights(data: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    flags = ["--dataset", str(data), "--predict-splits", "test", "--epochs", "40", "--batch-size", "8"]
    flags += ["--checkpoint-seconds", "0", "--charset", "라"]
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *flags, "--output-dir", str(killed)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    main = main_of_script()
    main([*flags, "--output-dir", str(whole)])
    deadline = time.monotonic() + 120
    while not (killed / "checkpoint" / "state.json").is_file() and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (killed / "metrics.json").exists()
    with pytest.raises(TrainingError, match="The checkpoint in the output folder is of other rows, settings"):
        main([*flags, "--output-dir", str(killed), "--seed", "1"])

    main([*flags, "--output-dir", str(killed)])
    first, second = (json.loads((folder / "metrics.json").read_text()) for folder in (whole, killed))
    for same in ("weights_sha256", "epoch_losses", "steps", "tokens", "rows_used", "identity", "characters"):
        assert first[same] == second[same]
    assert (first["steps"], first["rows_used"], first["rows_left_out"], first["characters"]) == (120, 24, {}, 4)
    for name in ("predictions-test.parquet", "dynamics.parquet"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes()
    assert not (killed / "checkpoint").exists()
    assert "AutoModelForCTC" in (whole / "README.md").read_text(encoding="utf-8")
    assert list(AutoModelForCTC.from_pretrained(whole).config.characters) == ["라", "가", "나", "다"]

    # Finished: the same command trains nothing, and reads one more split.
    main([*flags, "--output-dir", str(whole), "--predict-splits", "train"])
    assert json.loads((whole / "metrics.json").read_text()) == first
    table = pq.read_table(whole / "predictions-train.parquet")
    assert table.column_names == ["id", "prediction", "score"]

    # Each row alone, as a cache of predictions wants it.
    rows = load_from_disk(str(data))["train"].cast_column("image", Image(decode=False)).to_list()
    alone, tokens = predict_images(str(whole), rows, "cpu")
    assert alone["prediction"].to_pylist() == table["prediction"].to_pylist()
    assert alone["score"].to_pylist() == pytest.approx(table["score"].to_pylist(), abs=1e-3)
    assert tokens * 40 == first["tokens"]


def test_an_unreadable_image_of_a_split_to_predict_is_told_before_the_training(data: Path, tmp_path: Path) -> None:
    ds = load_from_disk(str(data))
    broken = ds["test"].cast_column("image", Image(decode=False)).to_list()
    broken[1]["image"] = {"bytes": b"broken", "path": None}
    ds["test"] = Dataset.from_list(broken, features=ds["test"].features)
    ds.save_to_disk(tmp_path / "data")
    flags = ["--dataset", str(tmp_path / "data"), "--output-dir", str(tmp_path / "out"), "--predict-splits", "test"]
    with pytest.raises(DataError, match=r"1 of 2 images cannot be read.*split 'test', id 'b'"):
        main_of_script()(flags)
    assert not (tmp_path / "out" / "progress.json").exists()


def test_two_processes_learn_from_the_rows_of_both(data: Path, tmp_path: Path) -> None:
    target = small_target()
    target.save(tmp_path / "start")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    for name, launcher, size in (("one", [], 24), ("two", torchrun, 12)):
        flags = ["--dataset", str(data), "--output-dir", str(tmp_path / name), "--predict-splits", "test"]
        flags += ["--model", str(tmp_path / "start"), "--epochs", "2", "--batch-size", str(size)]
        command = [sys.executable, *launcher, str(SCRIPT), *flags]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
    start, one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("start", "one", "two"))
    moved = sum(int(((one[name] - start[name]).abs() > 1e-4).sum()) for name in one)
    # Adam makes much of gradients near 0, whose sign is rounding: a few weights may differ.
    different = sum(int(((one[name] - two[name]).abs() > 1e-4).sum()) for name in one)
    assert moved > 5_000
    assert different < 100
    assert pq.read_table(tmp_path / "two" / "predictions-test.parquet")["id"].to_pylist() == ["a", "b"]
    assert json.loads((tmp_path / "two" / "metrics.json").read_text())["steps"] == 2
