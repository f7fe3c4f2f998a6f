"""The pictures of word images: equal bytes for equal data, whatever the images and names are."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from word_files import image_file

from hf_mbdc.revisions.card.recognition_plots import (
    EMPTY,
    GAP,
    PAGE,
    ROW_HEIGHT,
    SHEET_WIDTH,
    bucket_plot,
    contact_sheet,
    frequency_plot,
    mixing_plot,
)

CURVE = {"shares": [0.0, 0.5, 1.0], "score": [0.4, 0.9, 0.5], "low": [0.3, 0.85, 0.4], "high": [0.5, 0.95, 0.6]}
MIXING = {
    "ratio": {"natural": 0.5, "$x^2$ <b>": 0.5},
    "score": 0.9,
    "points": [{"ratio": {"natural": share, "$x^2$ <b>": 1 - share}, "score": 0.5} for share in (0.0, 1.0)],
    "curves": {"natural": CURVE, "$x^2$ <b>": CURVE},
}


def read(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    image.load()
    assert image.format == "PNG"
    assert image.width == SHEET_WIDTH
    assert not image.info.keys() - {"transparency"}
    return image.convert("RGB")


def test_a_sheet_shows_each_image_at_one_height() -> None:
    sheet = read(contact_sheet([image_file(0, (80, 20)), image_file(255, (10, 10)), b"no image"]))
    assert sheet.height == ROW_HEIGHT + 2 * GAP
    assert sheet.getpixel((GAP, GAP)) == sheet.getpixel((GAP + 159, GAP + ROW_HEIGHT - 1)) == (0, 0, 0)
    assert sheet.getpixel((GAP + 160, GAP)) == PAGE
    assert sheet.getpixel((2 * GAP + 160, GAP)) == (255, 255, 255)
    assert sheet.getpixel((3 * GAP + 200, GAP)) == EMPTY


def test_a_full_row_begins_a_new_one_and_a_long_line_is_cut() -> None:
    sheet = read(contact_sheet([image_file(0, (600, ROW_HEIGHT)), image_file(9, (600, ROW_HEIGHT))]))
    assert sheet.height == 2 * ROW_HEIGHT + 3 * GAP
    long = read(contact_sheet([image_file(0, (100_000, 2))]))
    assert long.height == ROW_HEIGHT + 2 * GAP
    assert long.getpixel((SHEET_WIDTH - GAP - 1, GAP)) == (0, 0, 0)
    assert long.getpixel((SHEET_WIDTH - GAP, GAP)) == PAGE


@pytest.mark.parametrize("file", [b"", b"%!PS-Adobe-3.0 EPSF-3.0\n", image_file(9, (5000, 5000)), image_file(3)[:45]])
def test_what_is_no_word_image_is_a_grey_field(file: bytes) -> None:
    assert read(contact_sheet([file])).getpixel((GAP, GAP)) == EMPTY


def test_plots_are_equal_for_equal_data_and_differ_for_other() -> None:
    before, after = np.array([5, 100, 1, 0]), np.array([50, 100, 40, 30])
    made = frequency_plot(before, after, "v1.0.0", "v2.0.0")
    read(made)
    assert made == frequency_plot(before[::-1], after, "v1.0.0", "v2.0.0")
    assert (
        len({made, frequency_plot(None, after, "", "v2.0.0"), frequency_plot(after, before, "v1.0.0", "v2.0.0")}) == 3
    )


def test_a_bucket_that_one_version_lacks_is_drawn_for_the_other() -> None:
    both = {"parent": (0.3, 0.2, 0.4), "candidate": (0.8, 0.7, 0.9)}
    made = bucket_plot({"few": both, "many": {"candidate": (0.9, 0.85, 0.95)}}, "v1.0.0", "값 $x$")
    read(made)
    assert made == bucket_plot({"many": {"candidate": (0.9, 0.85, 0.95)}, "few": both}, "v1.0.0", "값 $x$")


def test_names_of_sources_are_text() -> None:
    made = mixing_plot(MIXING)
    read(made)
    assert made == mixing_plot(MIXING)
    other = {**MIXING, "ratio": {"natural": 0.25, "$x^2$ <b>": 0.75}}
    assert made != mixing_plot(other)
