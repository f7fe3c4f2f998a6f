"""Words as images: the same as Pillow's where it can be asked, complete, in boxes, and each row by itself."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from hf_mbdc.rendering.augmenting import Augmentation
from hf_mbdc.rendering.composing import compose, layout
from hf_mbdc.rendering.drawing import Drawer, Drawn
from hf_mbdc.rendering.fonts import find_fonts
from hf_mbdc.rendering.glyphs import Glyphs, SetFont, fit
from hf_mbdc.rendering.placing import place_in_line
from hf_mbdc.transforms.characters import code_points
from hf_mbdc.transforms.draws import row_keys

WORDS = (
    "값",
    "대한민국",
    "office",
    "كتاب",
    "שלום(1)",
    "한글عربي",
    "Ελλάδα",
    "e\u0301a",
    "3월 1일",
    "ABC 가나",
    "東京",
    "WAVE",
)


@pytest.fixture(scope="module")
def plain() -> Drawer:
    return Drawer(("packaged",), 32)


@pytest.fixture(scope="module")
def augmented() -> Drawer:
    return Drawer(("packaged",), 32, Augmentation())


def draw(drawer: Drawer, texts: list[str], seed: int = 0) -> Drawn:
    return drawer.draw(texts, row_keys([f"row-{text}" for text in texts], seed))


def pixels(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(file)).convert("L"))


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("height", [20, 32, 61])
def test_hangul_is_drawn_as_pillow_draws_it(number: int, height: int) -> None:
    """Noto Serif KR has glyphs that reach over their neighbours: there ink lies over ink."""
    font = find_fonts(["packaged"])[number]
    words = ["하는", "다들", "말해", "값이", "뷁쀍췖", "대한민국", "國語", "가"]
    size, baseline = fit(font, height, 2)
    glyphs = Glyphs(height)
    lengths = np.array([len(word) for word in words])
    placed, outside = place_in_line(code_points("".join(words)), lengths, SetFont(font, size, baseline, glyphs))
    assert not outside.any()
    widths, shifts = layout(placed, 2)
    pillow = ImageFont.truetype(str(font.path), size, layout_engine=ImageFont.Layout.BASIC)
    seen = 0
    for images in compose(placed, widths, shifts, glyphs):
        for word, ink in zip(images.words, images.ink, strict=True):
            page = Image.new("L", (int(widths[word]), height), 0)
            ImageDraw.Draw(page).text((int(shifts[word]), baseline), words[word], font=pillow, fill=255, anchor="ls")
            assert (np.asarray(page) == ink).all(), words[word]
            seen += 1
    assert seen == len(words)


def test_words_are_complete_and_in_their_boxes(plain: Drawer) -> None:
    drawn = draw(plain, list(WORDS))
    assert drawn.reasons == [None] * len(WORDS)
    for text, file, boxes in zip(WORDS, drawn.files.to_pylist(), drawn.boxes.to_pylist(), strict=True):
        image = pixels(file)
        assert image.shape[0] == 32
        assert image.shape[1] % 8 == 0
        assert (image[:, [0, -1]] == 255).all(), text  # nothing is cut off
        inside = np.zeros(image.shape, dtype=bool)
        for x0, y0, x1, y1 in boxes:
            assert 0 <= x0 < x1 <= image.shape[1]
            assert 0 <= y0 < y1 <= 32
            inside[y0:y1, x0:x1] = True
        assert (image[~inside] == 255).all(), text


def test_boxes_follow_the_text_not_the_line(plain: Drawer) -> None:
    drawn = draw(plain, ["אב", "ab", "e\u0301a", "가 나"])
    hebrew, latin, decomposed, spaced = drawn.boxes.to_pylist()
    assert hebrew[0][0] > hebrew[1][0]
    assert latin[0][0] < latin[1][0]
    assert [len(boxes) for boxes in (decomposed, spaced)] == [2, 3]
    assert spaced[0][2] <= spaced[1][0] < spaced[1][2] <= spaced[2][0] + 1


def test_a_ligature_is_shared_out_evenly(plain: Drawer) -> None:
    font = Drawer((str(find_fonts(["packaged"])[0].path),), 32)
    boxes = draw(font, ["office"]).boxes.to_pylist()[0]
    assert len(boxes) == 6
    assert boxes[1][2] == boxes[2][0]
    assert boxes[2][2] == boxes[3][0]
    assert abs((boxes[1][2] - boxes[1][0]) - (boxes[3][2] - boxes[3][0])) <= 1


def test_reasons_and_nulls(plain: Drawer) -> None:
    drawn = plain.draw([None, "", "값", "ก", "a\nb"], row_keys(list("abcde"), 0))
    assert drawn.reasons == [
        "There is no text",
        "The text is empty",
        None,
        "No font draws U+0E01 THAI CHARACTER KO KAI 'ก'",
        "The text has U+000A, and an image shows one line",
    ]
    for column in (drawn.files, drawn.boxes, drawn.fonts):
        assert column.is_valid().to_pylist() == [False, False, True, False, False]
    nothing = plain.draw([None, "ก"], row_keys(["a", "b"], 0))
    assert nothing.files.null_count == 2
    assert nothing.reasons[1] is not None


def test_five_hundred_characters(plain: Drawer, augmented: Drawer) -> None:
    for text in ("값" * 500, "a" * 500, "ب" * 500):
        drawn = draw(plain, [text])
        assert len(drawn.boxes[0]) == 500
        image = pixels(drawn.files[0].as_py())
        assert (image < 128).any(axis=0).sum() > 1000
        changed = draw(augmented, [text])
        assert pixels(changed.files[0].as_py()).shape[1] == image.shape[1]


def test_ink_that_is_too_tall_is_drawn_smaller_or_refused(plain: Drawer) -> None:
    drawn = draw(plain, ["A\u0302\u0302\u0302", "A" + "\u0302" * 40])
    image, (box,) = pixels(drawn.files[0].as_py()), drawn.boxes.to_pylist()[0]
    assert 0 <= box[1] < box[3] <= 32
    assert (image[0] == 255).all()
    assert "reaches too far up and down" in str(drawn.reasons[1])


def test_rows_choose_among_the_fonts_that_have_all_characters(plain: Drawer) -> None:
    texts = [f"값{character}" for character in "가나다라마바사아자차카타파하" * 4]
    drawn = plain.draw(texts, row_keys([str(i) for i in range(len(texts))], 0))
    names = drawn.fonts.to_pylist()
    assert set(names) == {"Noto Sans KR", "Noto Serif KR"}
    assert 10 < names.count("Noto Sans KR") < 46
    assert draw(plain, ["가ع"]).fonts.to_pylist() in (["Noto Sans KR + DejaVu Sans"], ["Noto Serif KR + DejaVu Sans"])


@pytest.mark.parametrize("height", [8, 13, 96])
def test_any_height(height: int) -> None:
    drawn = draw(Drawer(("packaged",), height, Augmentation()), ["값", "gÅ"])
    assert [pixels(file).shape[0] for file in drawn.files.to_pylist()] == [height] * 2


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(len(WORDS))), st.integers(1, len(WORDS)))
def test_a_row_is_drawn_by_itself(augmented: Drawer, order: list[int], count: int) -> None:
    whole = draw(augmented, list(WORDS))
    taken = order[:count]
    part = draw(augmented, [WORDS[i] for i in taken])
    for name in ("files", "boxes", "fonts"):
        assert getattr(part, name).equals(getattr(whole, name).take(pa.array(taken)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=8), max_size=6))
def test_any_text_is_drawn_or_refused(plain: Drawer, texts: list[str]) -> None:
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    drawn = plain.draw(texts, row_keys([str(i) for i in range(len(texts))], 0))
    for file, boxes, reason in zip(drawn.files, drawn.boxes, drawn.reasons, strict=True):
        assert (reason is None) == file.is_valid == boxes.is_valid
        if reason is None:
            assert (pixels(file.as_py()) < 200).any()


def test_every_glyph_of_a_small_font_or_a_reason(tmp_path: Path) -> None:
    """A font without a character never leaves a box in its place."""
    drawer = Drawer((str(find_fonts(["packaged"])[2].path),), 32)
    drawn = draw(drawer, ["a가", "a"])
    assert drawn.reasons[0] == "No font draws U+AC00 HANGUL SYLLABLE GA '가'"
    assert drawn.reasons[1] is None


@pytest.mark.parametrize("text", ["a" * 6000, "가" * 5000])
@pytest.mark.parametrize("augmentation", [None, Augmentation(jpeg=1.0)])
def test_words_too_wide_for_an_image_are_refused_and_spoil_no_other(
    text: str, augmentation: Augmentation | None
) -> None:
    drawn = Drawer(("packaged",), 32, augmentation).draw([text, "값"], row_keys(["0", "1"], 0))
    assert "an image has at most 65000" in (drawn.reasons[0] or "")
    assert drawn.reasons[1] is None
    assert drawn.files.is_valid().to_pylist() == [False, True]


def test_glyphs_are_forgotten_where_they_take_too_much_room(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["값넓", "office", "대한민국"]
    keys = row_keys(["0", "1", "2"], 0)
    kept = Drawer(("packaged",), 32)
    wanted = kept.draw(words, keys).files.to_pylist()
    held = kept.glyphs
    monkeypatch.setattr("hf_mbdc.rendering.drawing._KEPT", 0)
    assert kept.draw(words, keys).files.to_pylist() == wanted
    assert kept.glyphs is not held
