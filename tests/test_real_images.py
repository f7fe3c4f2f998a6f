"""Crops of pages as a folder with labels, and as an LMDB: the same rows, and a training learns the same from them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, Image
from PIL import Image as Pictures
from PIL import ImageDraw
from word_files import samples, write_lmdb

import hf_mbdc as mbdc
from hf_mbdc.training.config import RecognitionConfig
from hf_mbdc.training.launch import TrainingJob, launch

TEXTS = ("TOTAL SALES (INCL. GST)", "NO.12,JALAN SS4C/5", 'SAID "HI"', "0.00", "*", "A" * 60)
ONE_SPLIT = {"split_fractions": (1, 0, 0)}


def page(folder: Path) -> Path:
    """A receipt as SROIE has it. Its last line is far too narrow for its text."""
    for name in ("box", "key", "img"):
        (folder / name).mkdir(parents=True)
    image = Pictures.new("RGB", (200, 20 * len(TEXTS)), "white")
    lines = []
    for number, text in enumerate(TEXTS):
        ImageDraw.Draw(image).text((4, 20 * number + 4), text, fill="black")
        x, y, bottom = 4 + 7 * min(len(text), 20), 20 * number, 20 * number + 18
        lines.append(f"2,{y},{x},{y},{x},{bottom},2,{bottom},{text}")
    image.save(folder / "img" / "000.png")
    (folder / "box" / "000.csv").write_text("\n".join(lines), encoding="utf-8")
    (folder / "key" / "000.json").write_text(json.dumps({"company": "A"}))
    return folder


def as_files(crops: Dataset) -> list[tuple[bytes, str]]:
    stored = crops.cast_column("image", Image(decode=False))
    return [(row["image"]["bytes"], row["text"]) for row in stored.to_list()]


def folder_of(crops: Dataset, folder: Path) -> Dataset:
    folder.mkdir()
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        for number, (content, text) in enumerate(as_files(crops)):
            (folder / f"{number}.png").write_bytes(content)
            csv.writer(file).writerow([f"{number}.png", text])
    found: Any = mbdc.load_dataset("word_images", folder, **ONE_SPLIT)
    return found["train"]


def lmdb_of(crops: Dataset, folder: Path) -> Dataset:
    pytest.importorskip("lmdb")
    write_lmdb(folder, samples(*as_files(crops)))
    found: Any = mbdc.load_dataset("lmdb_words", folder, **ONE_SPLIT)
    return found["train"]


def test_crops_folder_and_lmdb_are_the_same_rows_and_teach_the_same(tmp_path: Path) -> None:
    loaded: Any = mbdc.load_dataset("sroie_words", page(tmp_path / "sroie"), **ONE_SPLIT)
    crops = loaded["train"]
    assert crops["text"][:] == list(TEXTS)
    versions = [crops, folder_of(crops, tmp_path / "folder"), lmdb_of(crops, tmp_path / "lmdb")]
    annotated = [mbdc.annotate(rows, mbdc.TextRecognition()) for rows in versions]
    for rows in annotated:
        assert rows["text"][:] == list(TEXTS)
        for one, other in zip(rows["image"][:], crops["image"][:], strict=True):
            assert np.array_equal(np.asarray(one), np.asarray(other))
        assert rows["char_min_freq"][:] == annotated[0]["char_min_freq"][:]
    config = RecognitionConfig(max_steps=2, batch_size=3)
    trained = launch([TrainingJob(rows, {"test": rows}, config) for rows in annotated], work_dir=tmp_path / "work")
    assert len({result.metrics["weights_sha256"] for result in trained}) == 1
    assert [result.metrics["first_left_out"]["too narrow for its text"] for result in trained] == [
        [rows["id"][-1]] for rows in annotated
    ]
    for result in trained:
        assert result.metrics["rows_used"] == len(TEXTS) - 1
        assert result.metrics["rows_left_out"] == {"too narrow for its text": 1}
        assert result.predictions["test"].num_rows == len(TEXTS)  # to be read, it is not too narrow
