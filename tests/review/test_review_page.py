"""The page as a file: what it holds, that data in it cannot run, and how bad wishes are answered."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, DatasetDict, Image, List, Value
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Images
from review_rows import NAN, dataset_of, review_row, review_rows

import hf_mbdc as mbdc
from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.review import documents, page, view
from hf_mbdc.review.images import shrink
from hf_mbdc.review.page import inspect
from hf_mbdc.revisions.card.card import read_template

ATTACK = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>]]>&lt;\u2028'\"`${1}"


def block(text: str, name: str = "data") -> Any:
    """The data of a page, as a browser finds it: up to the next end tag."""
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script', text, re.DOTALL | re.IGNORECASE)
    assert found, f"no block {name}"
    return json.loads(found[1])


def png(width: int = 60, height: int = 40) -> dict[str, Any]:
    file = io.BytesIO()
    Images.new("L", (width, height), 200).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def test_the_page_holds_the_rows_most_doubtful_first(tmp_path: Path) -> None:
    done = inspect(review_rows(), tmp_path / "r.html", repo_id="me/receipts", revision="v1.0.0", limit=2)
    text = (tmp_path / "r.html").read_text()
    data = block(text)
    assert [row["id"] for row in data["rows"]] == ["missing", "fuzzy"]
    assert (done.rows, done.selected, done.shown, data["selected"]) == (5, 3, 2, 3)
    assert (data["repo_id"], data["revision"], data["split"]) == ("me/receipts", "v1.0.0", None)
    assert done.bytes == (tmp_path / "r.html").stat().st_size
    fuzzy = data["rows"][1]
    assert fuzzy["candidates"][0]["difference"][:3] == [["=", "AC"], ["-", "M"], ["+", "N"]]
    assert fuzzy["text"] == [["ACNE CO B", 0], ["\nTOTAL 9.00", -1]]
    assert "Not verbatim" in fuzzy["reasons"][0]


def test_boxes_are_drawn_and_candidates_have_theirs(tmp_path: Path) -> None:
    inspect(review_rows(), tmp_path / "r.html", ids=["twice"])
    text = (tmp_path / "r.html").read_text()
    row = block(text)["rows"][0]
    assert [c["boxes"] for c in row["candidates"]] == [[[0, 100, 0, 180, 20]], [[0, 100, 30, 180, 50]]]
    drawn = block(text, "document-0")["pages"][0]
    assert [word[4] for word in drawn["words"]] == ["CASH", "9.00", "TOTAL", "9.00"]
    assert "text" not in row


def test_data_is_escaped_wherever_it_stands(tmp_path: Path) -> None:
    rows = dataset_of(
        review_row(ATTACK, f"x {ATTACK} y", [ATTACK], [(2, 2 + len(ATTACK), 0.9)], "fuzzy", question=ATTACK)
    )
    inspect(rows, tmp_path / "r.html", repo_id=ATTACK, revision=ATTACK)
    text = (tmp_path / "r.html").read_text()
    data = block(text)
    assert data["rows"][0]["id"] == data["rows"][0]["question"] == data["rows"][0]["answers"][0] == ATTACK
    assert data["repo_id"] == ATTACK
    assert "<img src=x" not in text
    assert text.count("<script") == text.count("</script>") == 3  # data, one document, the script
    assert "\u2028" not in text.partition('id="data">')[2].partition("</script>")[0]


@given(st.text())
def test_any_text_survives_and_no_markup_is_left(value: str) -> None:
    text = page._json({"value": value})
    assert not re.search("[<>&\u2028\u2029]", text)
    assert json.loads(text) == {"value": value}


def test_the_policy_allows_this_script_and_this_style_and_no_network(tmp_path: Path) -> None:
    inspect(review_rows(), tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1])
    for tag in ("script", "style"):
        inline = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        hashed = base64.b64encode(hashlib.sha256(inline[0].encode()).digest()).decode()
        assert len(inline) == 1
        assert f"{tag}-src 'sha256-{hashed}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "connect-src" not in policy
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text)  # a namespace is a name
    assert " style=" not in text


def test_the_script_never_makes_markup_of_text() -> None:
    script = read_template("inspect.js")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(|\bfetch\(", script)
    assert "</script" not in script.lower()
    assert "</style" not in read_template("inspect.css").lower()


def test_images_are_made_small_and_shared(tmp_path: Path) -> None:
    rows = Dataset.from_dict({**review_rows()[:], "image": [png(4000, 1000)] * 5}).cast_column("image", Image())
    done = inspect(rows, tmp_path / "r.html", ids=["twice", "once"])
    text = (tmp_path / "r.html").read_text()
    names = {block(text, f"document-{k}")["pages"][0]["image"]["name"] for k in [0]}
    assert done.images == 1
    stored = re.search(rf'id="image-{names.pop()}">([^<]*)<', text)[1]
    with Images.open(io.BytesIO(base64.b64decode(stored))) as image:
        assert (image.format, image.width * image.height <= 1_610_000) == ("WEBP", True)
        assert image.width / image.height == pytest.approx(4, abs=0.01)


def test_images_that_cannot_be_shown_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [
        {"bytes": b"GIF89a nothing", "path": None},
        {"bytes": None, "path": str(tmp_path / "secret.png")},
        png(),
    ]
    (tmp_path / "secret.png").write_bytes(png()["bytes"])
    boxes = [[0, 0, 90, 20], [100, 0, 180, 20]]
    rows = [review_row(str(k), f"TOTAL {k}.00", ["x"], [], "absent", boxes) for k in range(3)]
    table = dataset_of(*rows).add_column("image", pictures)
    monkeypatch.setattr(documents, "IMAGE_BYTES", 10)
    done = inspect(table.cast_column("image", Image(decode=False)), tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    problems = [block(text, f"document-{k}")["pages"][0]["problem"] for k in range(3)]
    assert problems[0].startswith("the image cannot be read")
    assert problems[1] == "the image is not part of the data, only its path"
    assert problems[2] == "left out to keep this file small"
    assert (done.images, done.images_left_out) == (0, 1)
    assert "secret" not in text


def test_a_document_of_several_pages_shows_those_with_candidates(tmp_path: Path) -> None:
    boxes = [[0, 0, 90, 20]] * 3
    rows = dataset_of(review_row("a", "one two three", ["two three"], [(4, 13, 0.9)], "fuzzy", boxes))
    rows = rows.add_column("pages", [[0, 1, 2]], feature=List(Value("int32")))
    rows = rows.add_column("images", [[png(), None, png(61)]]).cast_column("images", List(Image()))
    inspect(rows, tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    drawn = block(text, "document-0")
    assert drawn["page_count"] == 3
    assert [own["page"] for own in drawn["pages"]] == [1, 2]
    assert ["image" in own for own in drawn["pages"]] == [False, True]
    assert block(text)["rows"][0]["candidates"][0]["boxes"] == [[1, 0, 0, 90, 20], [2, 0, 0, 90, 20]]


def test_columns_of_a_learned_choice_and_of_provenance_are_shown(tmp_path: Path) -> None:
    rows = review_rows().select([1]).to_list()
    rows[0]["candidates"] = [{**c, "choice": score} for c, score in zip(rows[0]["candidates"], [0.5, NAN], strict=True)]
    rows[0] |= {"choice_margin": 0.125, "mbdc_source": "relabel_occurrences", "mbdc_model": f"span@{'ab' * 20}"}
    inspect(Dataset.from_list(rows), tmp_path / "r.html")
    row = block((tmp_path / "r.html").read_text())["rows"][0]
    assert [c["choice"] for c in row["candidates"]] == [0.5, None]
    assert (row["margin"], row["by_choice"], row["source"]) == (0.125, True, "relabel_occurrences")
    assert "margin of 0.125" in " ".join(row["reasons"])
    assert "Changed by relabel_occurrences (model span@abababab)." in row["reasons"]


def test_a_label_beside_its_candidates_is_shown_and_cannot_be_lost(tmp_path: Path) -> None:
    rows = review_rows().select([1]).to_list()
    rows[0] |= {"answer_start": 0, "answer_end": 4}
    inspect(dataset_of(*rows), tmp_path / "r.html")
    row = block((tmp_path / "r.html").read_text())["rows"][0]
    assert [(c["text"], c.get("extra", False)) for c in row["candidates"]] == [
        ("CASH", True),
        ("9.00", False),
        ("9.00", False),
    ]
    assert row["chosen"] == 0
    assert "none of the candidates" in row["reasons"][0]


def test_of_many_candidates_the_best_are_shown_and_the_label() -> None:
    row = review_row("a", "9 " * 100, ["9"], [(2 * k, 2 * k + 1, 0.5 + k / 300) for k in range(100)], "fuzzy")
    kept, chosen, left_out = view.candidates_of(row)
    assert (len(kept), left_out, chosen) == (view.CANDIDATES, 60, 0)
    assert [c["start"] for c in kept] == [0, *range(122, 200, 2)]


def test_a_long_text_is_cut_around_its_spans() -> None:
    text = "a" * 100_000
    pieces = view.text_pieces(text, [(50_000, 50_010)])
    assert [number for _, number in pieces] == [-2, -1, 0, -1, -2]
    assert pieces[0][0] == "48,500 characters left out"
    assert sum(len(piece) for piece, number in pieces if number >= -1) == 2 * view.TEXT_AROUND + 10


@given(st.text(max_size=60), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=5))
def test_pieces_make_up_the_text(text: str, spans: list[tuple[int, int]]) -> None:
    inside = [(a, b) for a, b in spans if a < b <= len(text)]
    pieces = view.text_pieces(text, inside)
    assert "".join(piece for piece, _ in pieces) == text
    assert all(piece == text[slice(*inside[number])] for piece, number in pieces if number >= 0)


def test_words_beyond_the_limit_are_left_out_far_from_the_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "WORDS", 3)
    row = review_row("a", "a b c d e f", ["e"], [(8, 9, 1.0)], "exact", [[k, 0, k + 1, 9] for k in range(6)])
    drawn = view.Layout(row).page(0, [(8, 9)])
    assert ([word[4] for word in drawn["words"]], drawn["left_out"]) == (["d", "e", "f"], 3)


def test_rows_beyond_the_size_are_left_out_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "TEXT_BYTES", 1000)
    done = inspect(review_rows(), tmp_path / "r.html")
    assert done.shown < done.selected == 3
    assert len(block((tmp_path / "r.html").read_text())["rows"]) == done.shown


def test_the_same_data_gives_the_same_bytes_and_other_labels_another_fingerprint(tmp_path: Path) -> None:
    first, second = tmp_path / "a.html", tmp_path / "b.html"
    inspect(review_rows(), first)
    inspect(review_rows(), second)
    assert first.read_bytes() == second.read_bytes()
    rows = review_rows().to_list()
    rows[1] |= {"answer_start": 16, "answer_end": 20}
    inspect(dataset_of(*rows), second, limit=1)
    assert block(first.read_text())["fingerprint"] != block(second.read_text())["fingerprint"]


def test_what_cannot_be_shown_is_answered(tmp_path: Path) -> None:
    rows = review_rows()
    both = DatasetDict(train=rows, test=rows)
    for ds, path, options, told in [
        (both, "r.html", {"split": "dev"}, r"no split 'dev'.*train, test"),
        (rows, "r.html", {"split": "test"}, "This is one split"),
        (DatasetDict(test=rows, dev=rows), "r.html", {}, "no split 'train'.*test, dev"),
        (DatasetDict(), "r.html", {}, "it is empty"),
        ([{}], "r.html", {}, "not list"),
        (rows.remove_columns("candidates"), "r.html", {}, "not annotated"),
        (rows, "nowhere/r.html", {}, "folder of the page does not exist.*nowhere"),
        (rows, "data.parquet", {}, "HTML file"),
        (rows, "r.html", {"status": ["exact"], "max_margin": -1}, "no such row to review"),
    ]:
        with pytest.raises(DataError, match=told):
            inspect(ds, tmp_path / path, **options)
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(DataError, match="A folder has the name"):
        inspect(rows, tmp_path / "folder.html")
    for limit in (0, True, 2.5):
        with pytest.raises(RecipeError, match="limit is"):
            inspect(rows, tmp_path / "r.html", limit=limit)
    assert not (tmp_path / "r.html").exists()


def test_the_only_split_is_taken_and_an_earlier_page_replaced(tmp_path: Path) -> None:
    (tmp_path / "r.html").write_text("old")
    done = inspect(DatasetDict(test=review_rows()), tmp_path / "r.html")
    assert done.split == "test"
    assert list(tmp_path.iterdir()) == [tmp_path / "r.html"]


def test_boxes_are_found_on_made_receipts(tmp_path: Path) -> None:
    rows = mbdc.load_dataset("made_receipts", documents=12)
    annotated = mbdc.annotate(rows, mbdc.ExtractiveQA())
    split = next(iter(annotated))
    inspect(annotated, tmp_path / "r.html", split=split, status=["exact"], limit=4)
    drawn = block((tmp_path / "r.html").read_text(), "document-0")["pages"][0]
    x0, y0, x1, y1 = drawn["image"]["frame"]
    assert 0 < x0 < 0.2
    assert 0.8 < x1 < 1
    assert 0 < y0 < y1 < 1
    assert np.isfinite(drawn["image"]["aspect"])


def test_documents_count_for_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = " ".join([*(f"w{k}" for k in range(2000)), "9.00", "9.00"])
    spans = [(len(context) - 9, len(context) - 5, 1.0), (len(context) - 4, len(context), 1.0)]
    boxes = [[100, 100, 109, 109]] * 2002
    rows = dataset_of(
        *(review_row(f"{k}", f"{k}" + context[1:], ["9.00"], spans, "exact", boxes) for k in (1, 2, 3)),
        review_row("1 again", "1" + context[1:], ["9.00"], spans, "exact", boxes),
    )
    monkeypatch.setattr(page, "TEXT_BYTES", 150_000)
    done = inspect(rows, tmp_path / "r.html", ids=["1", "2", "3", "1 again"])
    frame = inspect(review_rows(), tmp_path / "small.html").bytes
    assert (done.shown, done.bytes < frame + 150_000) == (2, True)
    monkeypatch.setattr(page, "TEXT_BYTES", 350_000)
    assert inspect(rows, tmp_path / "r.html").shown == 4


def test_equal_texts_on_other_images_are_other_documents(tmp_path: Path) -> None:
    row = review_rows()[1]
    rows = Dataset.from_list([{**row, "id": f"{width}", "image": png(width)} for width in (50, 60)])
    done = inspect(rows.cast_column("image", Image()), tmp_path / "r.html", ids=["50", "60"])
    assert done.images == 2


def test_an_image_longer_than_its_format_allows_is_made_smaller(tmp_path: Path) -> None:
    rows = Dataset.from_list([{**review_rows()[1], "image": png(20, 30_000)}]).cast_column("image", Image())
    assert inspect(rows, tmp_path / "r.html").images == 1


@pytest.mark.parametrize("boxes", [[[0, 0, None, 9]] * 4, [None] * 4])
def test_boxes_that_are_none_show_the_text(tmp_path: Path, boxes: Any) -> None:
    rows = Dataset.from_list([{**review_rows()[1], "boxes": boxes}], features=review_rows().features)
    inspect(rows, tmp_path / "r.html")
    assert "text" in block((tmp_path / "r.html").read_text())["rows"][0]


@pytest.mark.parametrize("name", ["id", "context", "answer_start", "match_status"])
def test_rows_without_a_label_are_told_of(tmp_path: Path, name: str) -> None:
    rows = Dataset.from_list([{**review_rows()[1], name: None}], features=review_rows().features)
    with pytest.raises(DataError, match=r"1 of 1 rows are not annotated \(null\)"):
        inspect(rows, tmp_path / "r.html")


def test_a_picture_that_is_a_program_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    Images.new("L", (9, 9)).save(file, "EPS")
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *args, **options: pytest.fail("it ran"))
    with pytest.raises(ValueError, match="cannot be read"):
        shrink(file.getvalue())
