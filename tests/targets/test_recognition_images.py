"""Word images become grey pixels of one height; what cannot be read says why."""

from __future__ import annotations

import io
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from hf_mbdc.targets.recognition.images import WIDEST, decode_images, scale_of, stack_images


def stored(image: Image.Image, kind: str = "PNG") -> dict[str, Any]:
    file = io.BytesIO()
    image.save(file, kind)
    return {"bytes": file.getvalue(), "path": None}


def column(*rows: dict[str, Any] | None) -> pa.Array:
    return pa.array(rows, pa.struct({"bytes": pa.binary(), "path": pa.string()}))


def test_an_image_of_the_height_keeps_its_pixels() -> None:
    pixels = np.arange(32 * 5, dtype=np.uint8).reshape(32, 5)
    decoded = decode_images(column(stored(Image.fromarray(pixels)), stored(Image.fromarray(pixels[:, :2]))), 32)
    assert decoded[0].tolist() == pixels.tolist()
    assert decoded[1].tolist() == pixels[:, :2].tolist()
    assert decoded.pixels.dtype == np.uint8


@pytest.mark.parametrize(
    ("size", "shape"), [((60, 16), (32, 120)), ((60, 64), (32, 30)), ((3, 300), (32, 1)), ((1, 1), (32, 32))]
)
def test_other_heights_are_scaled_and_keep_their_proportions(size: tuple[int, int], shape: tuple[int, int]) -> None:
    assert decode_images(column(stored(Image.new("L", size))), 32)[0].shape == shape
    assert decode_images(column(stored(Image.new("L", size))), None)[0].shape == size[::-1]


def test_colours_become_grey_and_what_is_transparent_white() -> None:
    red = stored(Image.new("RGB", (4, 32), (255, 0, 0)))
    clear = stored(Image.new("RGBA", (4, 32), (0, 0, 0, 0)))
    bits = stored(Image.new("1", (4, 32), 1))
    palette = stored(Image.new("P", (4, 32)), "GIF")
    decoded = decode_images(column(red, clear, bits, palette), 32)
    assert [decoded[n][0, 0] for n in range(4)] == [76, 255, 255, 0]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_of_grey_become_8(kind: str) -> None:
    pixels = np.array([[0, 80 * 257, 160 * 257, 65535]] * 32, np.uint16)
    assert decode_images(column(stored(Image.fromarray(pixels), kind)), 32)[0][0].tolist() == [0, 80, 160, 255]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_an_image_is_turned_as_its_exif_says(kind: str) -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6  # to be turned clockwise: its left edge is the top
    pixels = np.repeat(np.array([[0] * 30 + [200] * 30], np.uint8), 20, axis=0)
    Image.fromarray(pixels).save(file, kind, exif=exif)
    image = {"bytes": file.getvalue(), "path": None}
    decoded = decode_images(column(image), None)[0]
    assert decoded.shape == np.asarray(datasets.Image().decode_example(image)).shape[:2] == (60, 20)
    assert decoded[5].mean() < 20 < 180 < decoded[-5].mean()


def test_a_file_of_a_path_is_read(tmp_path: Any) -> None:
    Image.new("L", (8, 32), 9).save(tmp_path / "word.png")
    decoded = decode_images(column({"bytes": None, "path": str(tmp_path / "word.png")}), 32)
    assert (decoded[0].shape, decoded[0][0, 0], decoded.reasons) == ((32, 8), 9, [None])


def test_each_reason() -> None:
    good = stored(Image.new("L", (8, 32)))
    cut = {"bytes": stored(Image.effect_noise((200, 32), 50))["bytes"][:900], "path": None}
    rows = [
        (None, "no image"),
        ({"bytes": None, "path": None}, "no image"),
        ({"bytes": b"", "path": None}, "a file that is no image"),
        ({"bytes": b"not an image", "path": "x.png"}, "a file that is no image"),
        ({"bytes": None, "path": "/nowhere/x.png"}, "an image that cannot be decoded (FileNotFoundError)"),
        (cut, "an image that cannot be decoded (OSError)"),
        (stored(Image.new("L", (4000, 2))), f"larger than {WIDEST} pixels"),
        ({"bytes": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "path": None}, "a file that is no image"),
        (good, None),
    ]
    decoded = decode_images(column(*(row for row, _ in rows)), 32)
    assert decoded.reasons == [reason for _, reason in rows]
    assert [decoded[n].shape for n in range(len(rows))] == [(32, 0)] * 8 + [(32, 8)]


def test_an_image_without_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    class Empty(Image.Image):
        width, height = 0, 32

    monkeypatch.setattr(Image, "open", lambda *_, **__: Empty())
    assert decode_images(column({"bytes": b"x", "path": None}), 32).reasons == ["an image without pixels"]


def test_a_batch_is_padded_with_nothing_and_each_image_has_mean_0_and_spread_1() -> None:
    draw = np.random.default_rng(0)
    images = [draw.integers(0, 256, (32, width), np.uint8) for width in (7, 12, 3)]
    batch = stack_images(images, [scale_of(image) for image in images], 8)
    assert batch.shape == (3, 1, 32, 16)
    assert batch.dtype == np.float32
    for image, place in zip(images, batch[:, 0], strict=True):
        inside = place[:, : image.shape[1]]
        assert inside.mean() == pytest.approx(0, abs=1e-4)
        assert inside.std() == pytest.approx(1, abs=1e-3)
        assert not place[:, image.shape[1] :].any()
        assert inside == pytest.approx((image - image.mean()) / image.std(), abs=1e-3)


def test_a_flat_image_is_nothing_and_noise_of_one_level_stays_small() -> None:
    flat = np.full((32, 8), 200, np.uint8)
    nearly = flat.copy()
    nearly[0, 0] += 1
    batch = stack_images([flat, nearly], [scale_of(flat), scale_of(nearly)], 4)
    assert batch[0] == pytest.approx(0, abs=1e-6)
    assert scale_of(flat[:, :0]) == (1, 0)
    assert abs(batch[1]).max() <= 1
