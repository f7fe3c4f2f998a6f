from __future__ import annotations

import json
from io import BytesIO

import pytest
from PIL import Image

from hf_mbdc.errors import DataError
from hf_mbdc.loaders import load_dataset, load_with_rejected
from hf_mbdc.loaders.sroie_words import crop

ONE_SPLIT = {"split_fractions": (0, 0, 1)}


def page(mode="L"):
    """40 × 30 pixels; the grey value of each tells its column."""
    image = Image.new("L", (40, 30))
    image.putdata([column for _ in range(30) for column in range(40)])
    return image.convert(mode)


def corners(x0, y0, x1, y1):
    return f"{x0},{y0},{x1},{y0},{x1},{y1},{x0},{y1}"


def write(folder, stem, *lines, image=True, company="A"):
    for name in ("box", "key", "img"):
        (folder / name).mkdir(exist_ok=True)
    content = "\n".join(lines).encode()
    (folder / "box" / f"{stem}.csv").write_bytes(content)
    (folder / "key" / f"{stem}.json").write_text(json.dumps({"company": company}))
    if image:
        page().save(folder / "img" / f"{stem}.png")
    return folder


def test_a_line_is_cut_out_of_its_page(tmp_path):
    write(tmp_path, "000", f"{corners(3, 4, 13, 9)},TOTAL 9,00\r", "", f"{corners(20, 10, 30, 20)},CASH")
    rows = load_dataset("sroie_words", tmp_path, split="test", **ONE_SPLIT)
    assert rows.remove_columns("image").to_list() == [
        {"id": "000-001", "document_id": "000", "text": "TOTAL 9,00"},
        {"id": "000-003", "document_id": "000", "text": "CASH"},
    ]
    assert rows[0]["image"].size == (10, 5)
    assert [rows[n]["image"].getpixel((0, 0)) for n in (0, 1)] == [3, 20]
    assert [rows[n]["image"].getpixel((9, 4)) for n in (0, 1)] == [12, 29]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,2,3,CASH", "A box line needs 8 numbers and a text, and has 4 fields (path 'box/000.csv', line 2)."),
        ("a,4,13,4,13,9,3,9,CASH", "A box line does not begin with 8 numbers"),
        ("nan,4,13,4,13,9,3,9,CASH", "A box line has a coordinate that is not finite (path 'box/000.csv', line 2)."),
        (f"{corners(3, 4, 13, 9)}, ", "The text is empty (path 'box/000.csv')."),
        (f"{corners(3, 4, 3, 9)},CASH", "The box is 0 × 5 pixels on the page of 40 × 30."),
        (f"{corners(50, 4, 90, 9)},CASH", "The box is 0 × 5 pixels on the page of 40 × 30."),
        (f"{corners(3, 29, 13, 90)},CASH", "The box is 10 × 1 pixels on the page of 40 × 30."),
    ],
)
def test_one_bad_line_is_set_aside(tmp_path, line, reason):
    write(tmp_path, "000", f"{corners(3, 4, 13, 9)},TOTAL", line)
    loaded = load_with_rejected("sroie_words", tmp_path, **ONE_SPLIT)
    assert loaded.dataset["test"]["id"][:] == ["000-001"]
    (found,) = loaded.rejected.to_list()
    assert found["document_id"] == "000-002"
    assert found["reason"].startswith(reason)


def test_boxes_that_are_mended(tmp_path):
    write(tmp_path, "000", f"{corners(13, 9, 3, 4)},TOTAL", f"{corners(30, 20, 90, 25)},CASH")
    loaded = load_with_rejected("sroie_words", tmp_path, **ONE_SPLIT)
    assert [row["image"].size for row in loaded.dataset["test"]] == [(10, 5), (10, 5)]
    assert loaded.mended.to_list() == [
        {"document_id": "000-001", "reason": "1 inverted boxes were sorted"},
        {"document_id": "000-002", "reason": "1 boxes reached outside the page and were clipped"},
    ]


def test_the_suffix_of_an_image_may_be_written_large(tmp_path):
    write(tmp_path, "000", f"{corners(3, 4, 13, 9)},TOTAL")
    (tmp_path / "img" / "000.png").rename(tmp_path / "img" / "000.PNG")
    assert load_dataset("sroie_words", tmp_path, split="test", **ONE_SPLIT)["id"][:] == ["000-001"]


def test_receipts_without_image_or_lines_are_set_aside(tmp_path):
    line = f"{corners(3, 4, 13, 9)},TOTAL"
    write(tmp_path, "000", line)
    write(tmp_path, "001", line, image=False)
    write(tmp_path, "002", "1,2")
    write(tmp_path, "003", line + " 3")
    (tmp_path / "img" / "003.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    loaded = load_with_rejected("sroie_words", tmp_path, **ONE_SPLIT)
    assert loaded.dataset["test"]["id"][:] == ["000-001"]
    assert loaded.rejected.to_list() == [
        {"document_id": "001", "reason": "The receipt has no image (path 'img/001.jpg')."},
        {"document_id": "002", "reason": "The receipt has no line that can be used (path 'box/002.csv')."},
        {"document_id": "003", "reason": "Not an image (path 'img/003.png')."},
    ]


def test_a_receipt_and_a_vendor_stay_on_one_side(tmp_path):
    for number in range(40):
        lines = [f"{corners(3, 4, 13, 9)},TOTAL {number}", f"{corners(3, 14, 13, 19)},CASH"]
        write(tmp_path, f"{number:03d}", *lines, company=f"Vendor {number % 10} Sdn Bhd", image=False)
        page().point(lambda grey, n=number: grey + n).save(tmp_path / "img" / f"{number:03d}.png")
    for split_by in ("document", "vendor"):
        loaded = load_dataset("sroie_words", tmp_path, split_by=split_by, seed=3)
        sides: dict[str, str] = {}
        for split, rows in loaded.items():
            for name in rows["document_id"][:]:
                key = name if split_by == "document" else str(int(name) % 10)
                assert sides.setdefault(key, split) == split
        assert len(set(sides.values())) == 3


@pytest.mark.parametrize(("mode", "kept"), [("L", "L"), ("1", "1"), ("RGB", "RGB"), ("P", "RGB"), ("CMYK", "RGB")])
def test_crops_are_png_files_of_any_page(mode, kept):
    image = Image.open(BytesIO(crop(page(mode), (3.2, 4.0, 12.1, 8.9))))
    assert (image.format, image.mode, image.size) == ("PNG", kept, (10, 5))


def test_16_bits_of_either_order_of_bytes_stay_as_they_are():
    deep = Image.frombytes("I;16B", (40, 30), bytes([3, 200]) * 1200)
    image = Image.open(BytesIO(crop(deep, (3, 4, 12, 9))))
    assert (image.mode, image.getextrema()) == ("I;16", (968, 968))


def test_what_is_transparent_stays_so_and_16_bits_stay_16():
    clear = Image.new("LA", (40, 30), (0, 0))  # black, and nothing of it to be seen
    palette = Image.new("P", (40, 30), 0)
    palette.info["transparency"] = 0
    for shown in (clear, clear.convert("RGBA"), palette):
        image = Image.open(BytesIO(crop(shown, (3, 4, 12, 9))))
        assert image.getchannel("A").getextrema() == (0, 0)
    fine = Image.new("I;16", (40, 30), 20_000)
    assert Image.open(BytesIO(crop(fine, (3, 4, 12, 9)))).getpixel((0, 0)) == 20_000


def test_no_crop_of_nothing():
    with pytest.raises(DataError, match="The box is 1 × 5 pixels"):
        crop(page(), (3, 4, 4, 9))


def test_the_real_set(shared_data):
    loaded = load_with_rejected("sroie_words", shared_data / "sroie")
    rows = [row for split in loaded.dataset.values() for row in split.to_list()]
    assert len({row["id"] for row in rows}) == len(rows) > 1000
    assert {reason.split(" (")[0] for reason in loaded.rejected["reason"]} == {"The receipt has no image"}
    first = next(row for row in rows if row["image"]["path"] == f"{row['id']}.png")
    with Image.open(BytesIO(first["image"]["bytes"])) as image:
        assert image.width > image.height > 1
