"""The step that draws images: only what has none, in its place, and what cannot be shown is set aside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, Image

from hf_mbdc.errors import DataError
from hf_mbdc.synthesis.rendering import RenderOptions
from hf_mbdc.synthesis.step import StepContext
from hf_mbdc.synthesis.word_images import run
from hf_mbdc.transforms.rows import append_rows


def context(**given: Any) -> StepContext:
    return StepContext(None, None, Path("nowhere"), **given)


def words(*texts: str, start: int = 0) -> Dataset:
    return Dataset.from_dict({"id": [f"w{start + n}" for n in range(len(texts))], "text": list(texts)})


def files(rows: Dataset) -> list[bytes]:
    return [item["bytes"] for item in rows.cast_column("image", Image(decode=False))["image"][:]]


def test_all_rows_are_drawn() -> None:
    done = run(words("값", "넓다"), RenderOptions(height=24), context())
    assert [image.height for image in done.rows["image"][:]] == [24, 24]
    assert (done.record.kept, done.record.changed, done.record.rejected) == (0, 2, 0)
    again = run(done.rows, RenderOptions(height=24), context())
    assert again.rows is done.rows
    assert (again.record.kept, again.record.changed) == (2, 0)


def test_rows_with_an_image_keep_it_and_their_place() -> None:
    first = run(words("값", "넓다"), RenderOptions(), context()).rows
    more = append_rows(first, words("뷁", start=2)).select([2, 0, 1])
    done = run(more, RenderOptions(), context())
    assert done.rows["id"][:] == ["w2", "w0", "w1"]
    assert files(done.rows)[1:] == files(first)
    assert done.rows.features["image"] == first.features["image"]
    assert files(done.rows)[0] == files(run(words("뷁", start=2), RenderOptions(), context()).rows)[0]


def test_what_cannot_be_shown_is_set_aside() -> None:
    done = run(words("값", "\ue000", ""), RenderOptions(), context(split="test"))
    assert done.rows["id"][:] == ["w0"]
    assert done.rejected is not None
    assert done.rejected["id"][:] == ["w1", "w2"]
    assert set(done.rejected["split"]) == {"test"}
    assert (done.record.changed, done.record.rejected) == (1, 2)
    assert sum(done.record.reasons.values()) == 3
    with pytest.raises(DataError, match=r"No row can be drawn; the first one: .*split 'train'.*'w0'"):
        run(words(""), RenderOptions(), context())


def test_images_of_another_kind() -> None:
    rows = Dataset.from_dict({"id": ["a", "b"], "text": ["값", "값"]})
    grey = run(rows.select([0]), RenderOptions(), context()).rows
    from hf_mbdc.rendering.augmenting import Augmentation

    colored = RenderOptions(augmentation=Augmentation())
    both = run(append_rows(grey, rows.select([1])), colored, context()).rows
    assert both.features["image"] == grey.features["image"]
    assert [image.mode for image in both["image"]] == ["L", "L"]
    real = grey.cast_column("image", Image())
    both = run(append_rows(real, rows.select([1])), colored, context()).rows
    assert [image.mode for image in both["image"]] == ["L", "P"]  # as the files are
    assert both[0]["image"].tobytes() == grey[0]["image"].tobytes()
