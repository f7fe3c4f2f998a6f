"""Real lines, rendered lines and both: who learns from what, and that no line is read by a target that saw it."""

from __future__ import annotations

import importlib.util
import json
import sys
from io import BytesIO
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from recognition_run import FakeTarget

from hf_mbdc.errors import DataError

SCRIPT = Path(__file__).parents[2] / "scripts" / "eval_real_images.py"
RECEIPTS = 27  # of which every third has an image


def vendor(number: int) -> int:
    """The last two receipts are of a vendor of whom there is no image."""
    return number // 7 if number < 25 else 9


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("eval_real_images", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["eval_real_images"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Receipts of three lines: one that all have, one of their own, and an amount; each vendor has two or more."""
    data = tmp_path / "data"
    for name in ("box", "key", "img"):
        (data / name).mkdir(parents=True)
    for number in range(RECEIPTS):
        texts = ["TOTAL SALES", f"BILL NO {chr(65 + number)}", f"{number}.00, RM"]
        lines = [f"2,{y},50,{y},50,{y + 9},2,{y + 9},{text}" for y, text in zip((0, 10, 20), texts, strict=True)]
        (data / "box" / f"{number:03d}.csv").write_text("\n".join(lines), encoding="utf-8")
        (data / "key" / f"{number:03d}.json").write_text(json.dumps({"company": f"Shop {vendor(number)}"}))
        if number % 3 == 0:
            Image.new("L", (60, 30), 200 + number).save(data / "img" / f"{number:03d}.png")
    return data


def run(script: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> FakeTarget:
    fake = FakeTarget()
    monkeypatch.setattr("hf_mbdc.training.launch.launch", fake.launch)
    flags = ["--data-dir", str(folder), "--work-dir", str(folder.parent / "work"), "--steps", "20", *more]
    monkeypatch.setattr(sys, "argv", ["eval_real_images.py", *flags])
    script.main()
    return fake


def test_no_target_reads_what_it_learned(
    script: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = run(script, folder, monkeypatch, "--seeds", "0", "1", "--wrong", "2")
    assert len(fake.jobs) == 2 + 3 * 2 * 2  # the rendered lines teach one target a seed, that reads all folds
    assert {job.config.max_steps for job in fake.jobs} == {20}
    assert len({getattr(job.config, "charset", "") for job in fake.jobs}) == 1  # the same first weights
    read: list[tuple[int, str]] = []
    for job in fake.jobs:
        learned, tested = set(job.train["document_id"][:]), job.predict["test"]
        assert not learned & set(tested["document_id"][:])
        drawn = [text for key, text in zip(job.train["id"][:], job.train["text"][:], strict=True) if "drawn" in key]
        assert not set(drawn) & set(tested["text"][:])
        assert "TOTAL SALES" not in drawn
        read += [(job.config.seed, key) for key in tested["id"][:]]
    assert sorted(read) == sorted(
        3 * [(seed, f"{n:03d}-{k:03d}") for seed in (0, 1) for n in range(0, RECEIPTS, 3) for k in (1, 2, 3)]
    )
    told = capsys.readouterr().out
    assert "27 lines of 9 receipts with images, in 3 folds; 36 of 36 other lines drawn; 20 steps a training" in told
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ")[1:] for line in told.splitlines() if " | " in line}
    assert {"real", "rendered", "real + rendered"} < rows.keys()
    assert float(rows["real + rendered"][0].split()[0]) > float(rows["real"][0].split()[0])
    assert "line accuracy, real → real + rendered\n" in told
    assert "real: rows that could not be learned, all trainings together: none" in told


def test_a_vendor_is_on_one_side(script: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = run(script, folder, monkeypatch, "--seeds", "0", "--folds", "2", "--split-by", "vendor")
    shop = {f"{number:03d}": vendor(number) for number in range(RECEIPTS)}
    for job in fake.jobs:
        both = job.train["document_id"][:], job.predict["test"]["document_id"][:]
        learned, tested = ({shop[name] for name in names} for names in both)
        assert not learned & tested
    assert {shop[name] for job in fake.jobs for name in job.train["document_id"][:]} == {0, 1, 2, 3, 9}


def test_folds_are_of_like_size_and_part_no_group(script: ModuleType) -> None:
    groups = ["a"] * 5 + ["b"] * 3 + ["c"] * 3 + ["d"]
    assert script.deal(groups, 2).tolist() == [0] * 5 + [1] * 6 + [0]
    with pytest.raises(DataError, match="4 groups of receipts make no 5 folds"):
        script.deal(groups, 5)


def test_a_drawn_line_is_cut_to_its_ink(script: ModuleType) -> None:
    texts = script.Texts({}, {}, {"TOTAL SALES 9.00": "001", "BILL": "001"})
    for row in script.draw(texts):
        paper = np.asarray(row["image"].convert("L")).astype(int)
        assert row["text"] in texts.lines  # in capitals, whatever is shown
        assert 12 < paper.shape[0] <= script.DRAWN_HEIGHT
        ink = np.argwhere(paper < (paper.min() + paper.max()) / 2)
        room = [*ink.min(axis=0), *(np.array(paper.shape) - 1 - ink.max(axis=0))]
        assert max(room) <= script.MARGIN + 4  # of which some belong to the letters' boxes


def test_margins_end_where_the_image_does(script: ModuleType) -> None:
    buffer = BytesIO()
    Image.new("L", (20, 10)).save(buffer, "PNG")
    with Image.open(BytesIO(script.cut_to_ink(buffer.getvalue(), [[0, 0, 8, 10], [8, 0, 20, 9]], "a"))) as image:
        assert image.size == (20, 10)


@pytest.mark.parametrize(("flag", "value"), [("--folds", "1"), ("--share", "1")])
def test_flags_are_checked(
    script: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch, flag: str, value: str
) -> None:
    from hf_mbdc.errors import RecipeError

    with pytest.raises(RecipeError, match=flag):
        run(script, folder, monkeypatch, flag, value)


def test_texts_of_receipts_without_image_are_needed(
    script: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (path for part in ("box", "key") for path in (folder / part).iterdir() if int(path.stem) % 3):
        path.unlink()
    with pytest.raises(DataError, match="No receipt without image has a line of its own"):
        run(script, folder, monkeypatch)
