"""`render` gives datasets an image column, whatever the processes, batches and order."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict, Image

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.rendering.augmenting import Augmentation
from hf_mbdc.rendering.drawing import Drawer
from hf_mbdc.synthesis.rendering import RenderOptions, render, render_with_rejected

WORDS = ("값", "넓다", "대한민국", "office", "كتاب", "3월", "Щука", "뷁", "한글", "בית")


def rows(words: tuple[str | None, ...] = WORDS) -> Dataset:
    return Dataset.from_dict(
        {"id": [f"w{i}" for i in range(len(words))], "text": list(words), "n": list(range(len(words)))}
    )


def files(ds: Dataset) -> dict[str, bytes]:
    plain = ds.cast_column("image", Image(decode=False))
    return {row["id"]: row["image"]["bytes"] for row in plain}


def test_images_boxes_and_fonts_are_added() -> None:
    drawn = render(rows(), RenderOptions(height=40))
    assert drawn.column_names == ["id", "text", "n", "image", "character_boxes", "font"]
    assert drawn["text"][:] == list(WORDS)
    assert drawn["n"][:] == list(range(len(WORDS)))
    assert drawn[0]["image"].mode == "L"
    assert drawn[0]["image"].height == 40
    assert [len(boxes) for boxes in drawn["character_boxes"][:]] == [len(word) for word in WORDS]
    assert render(rows(), RenderOptions(augmentation=Augmentation()))[0]["image"].mode == "RGB"


@pytest.mark.parametrize("augmentation", [None, Augmentation(jpeg=0.5)])
def test_bytes_do_not_depend_on_processes_batches_and_order(augmentation: Augmentation | None) -> None:
    options = RenderOptions(augmentation=augmentation, seed=5)
    expected = files(render(rows(), options))
    others = (
        render(rows(), options, batch_size=3),
        render(rows().shuffle(seed=1), options, num_proc=2, batch_size=2),
        render(rows().select([7, 2]), options),
    )
    for other in others:
        assert files(other).items() <= expected.items()
    assert files(render(rows(), RenderOptions(augmentation=Augmentation(), seed=6))) != expected


def test_rejected_rows_are_kept_aside_with_their_reason(caplog: pytest.LogCaptureFixture) -> None:
    words = ("값", "", "ก", None)
    data = DatasetDict({"train": rows(words), "test": rows(("가",))})
    drawn, rejected = render_with_rejected(data)
    assert drawn["train"]["id"][:] == ["w0"]
    assert drawn["test"]["id"][:] == ["w0"]
    assert rejected.to_list() == [
        {"id": "w1", "split": "train", "reason": "The text is empty"},
        {"id": "w2", "split": "train", "reason": "No font draws U+0E01 THAI CHARACTER KO KAI 'ก'"},
        {"id": "w3", "split": "train", "reason": "There is no text"},
    ]
    with caplog.at_level(logging.WARNING):
        assert len(render(rows(words))) == 1
    assert "3 rows were left out, the first one 'w1': The text is empty" in caplog.text


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(DataError, match=r"No row can be drawn; the first one: The text is empty \(id 'w0'\)"):
        render(rows(("", None)))


def test_wrong_input_is_refused() -> None:
    with pytest.raises(DataError, match="Column 'text' \\(string\\) is missing"):
        render(rows().rename_column("text", "word"))
    with pytest.raises(DataError, match="2 rows have the same id"):
        render(Dataset.from_dict({"id": ["a", "a"], "text": ["가", "나"]}))
    with pytest.raises(DataError, match="not IterableDataset"):
        render(rows().to_iterable_dataset())  # type: ignore[type-var]
    with pytest.raises(RecipeError, match=r"no fonts under this name"):
        render(rows(), RenderOptions(fonts=("nowhere",)))
    with pytest.raises(RecipeError, match=r"a number of pixels \(key 'height', value 2\)"):
        RenderOptions(height=2)
    with pytest.raises(RecipeError, match="Fonts are a list"):
        RenderOptions(fonts="packaged")  # type: ignore[arg-type]


def test_an_image_column_is_replaced_and_others_are_not_decoded() -> None:
    first = render(rows(), RenderOptions(height=24))
    second = render(first, RenderOptions(height=48))
    assert second.column_names == first.column_names
    assert second[0]["image"].height == 48


def test_images_survive_saving(tmp_path: Path) -> None:
    drawn = render(rows())
    drawn.to_parquet(str(tmp_path / "words.parquet"))
    again = Dataset.from_parquet(str(tmp_path / "words.parquet"), cache_dir=str(tmp_path / "cache"))
    assert files(again) == files(drawn)


@pytest.mark.parametrize("options", [{"num_proc": 0}, {"num_proc": "2"}, {"batch_size": 0}, {"batch_size": None}])
def test_processes_and_rows_a_call_are_numbers(options: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="at least 1"):
        render(rows(), **options)


@pytest.mark.parametrize("options", [{"augmentation": True}, {"augmentation": {"noise": 1}}, {"fonts": Path("a.ttf")}])
def test_options_of_a_wrong_type_are_refused_with_their_key(options: dict[str, Any]) -> None:
    with pytest.raises(RecipeError) as caught:
        RenderOptions(**options)
    assert caught.value.where["key"] == next(iter(options))


def test_a_dict_without_splits_is_refused() -> None:
    with pytest.raises(DataError, match="no split"):
        render(DatasetDict())


def test_high_images_are_drawn_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of 1000 words at 1024 pixels would be more than Arrow's 2 GiB."""
    sizes = []
    draw = Drawer.draw

    def watched(self: Drawer, texts: list[str | None], keys: Any) -> Any:
        sizes.append(len(texts))
        return draw(self, texts, keys)

    monkeypatch.setattr(Drawer, "draw", watched)
    monkeypatch.setattr("hf_mbdc.synthesis.rendering._PIXELS", 4 * 64**2 * 3)
    render(rows(), RenderOptions(height=64, seed=77))
    assert sizes == [2, 2, 2, 2, 2]  # as many as there is room for if each were as long as the longest


def test_a_font_file_that_changes_is_drawn_anew(tmp_path: Path) -> None:
    from hf_mbdc.rendering.fonts import find_fonts

    sans, serif = (font.path for font in find_fonts(["packaged"])[2:])
    path = tmp_path / "font.ttf"
    rows = Dataset.from_dict({"id": ["0"], "text": ["word"]})
    made = []
    for source in (sans, serif, sans):
        path.write_bytes(source.read_bytes())
        made.append(render(rows, RenderOptions(fonts=(str(path),)))[0])
    assert [row["font"] for row in made] == ["DejaVu Sans", "DejaVu Serif", "DejaVu Sans"]
    assert made[0]["image"] == made[2]["image"] != made[1]["image"]


def test_long_lines_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    from hf_mbdc.synthesis import rendering

    ds = Dataset.from_dict({"id": list("abcde"), "text": ["가" * 40, "나", "다" * 50, "라", "마" * 30]})
    wanted = render(ds).to_list()
    monkeypatch.setattr(rendering, "_PIXELS", 32**2 * 100)
    together, draw = [], Drawer.draw
    monkeypatch.setattr(Drawer, "draw", lambda *given: (together.append(len(given[1])), draw(*given))[1])
    made = render(ds.add_column("other", [1] * 5), batch_size=5).remove_columns("other").to_list()
    assert (made, together) == (wanted, [2, 2, 1])
