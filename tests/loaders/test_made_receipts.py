from __future__ import annotations

import collections
import hashlib
import json

import pytest

from hf_mbdc.errors import RecipeError
from hf_mbdc.loaders import load_dataset
from hf_mbdc.loaders.receipt_writer import make_receipt, misread_text, money, seeded
from hf_mbdc.loaders.sroie import FEATURES
from hf_mbdc.transforms.checks import check_columns, check_ids

ALL_IN_TEST = {"split_fractions": (0, 0, 1), "split": "test"}


@pytest.fixture(scope="module")
def receipts():
    return load_dataset("made_receipts", **ALL_IN_TEST)


def test_literal_receipt():
    receipt = make_receipt(0)
    assert receipt.values == {
        "company": "GOLDEN HARE BAKERY TRADING",
        "date": "07/09/2017",
        "address": "NO. 36, STATION STREET, EASTGATE CENTRE, 52557 KINGSFORD.",
        "total": "14.60",
    }
    assert [line.read for line in receipt.lines] == [
        *("GOLDEN HARE BAKERY TRADING", "REG. NO. 185334-K", "NO. 36, STATION STREET,", "EASTGATE CENTRE,"),
        *("52557 KINGSFORD.", "DATE: O7/09/Z017 18:47", "RECEIPT NO: 6734641", "APPLE PIE", "2 X 7.30", "14.60"),
        *("TAX 6%", "0.00", "TOTAL SAVING", "1.45", "TOTAL", "14.60", "DEBIT CARD", "14.60", "THANK YOU"),
    ]
    assert receipt.lines[5].printed == "DATE: 07/09/2017 18:47"
    assert receipt.lines[0].box == (34, 20, 346, 44)


def test_text_is_the_same_everywhere():
    texts = [[line.printed, line.read, line.box] for number in range(60) for line in make_receipt(number).lines]
    assert hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16] == "6ba77e0420ef3537"


def test_columns_ids_and_boxes(receipts):
    check_columns(receipts.features, FEATURES)
    check_ids(receipts)
    assert receipts["id"][:2] == ["made-0000-company", "made-0000-date"]
    for row in receipts.remove_columns("image").to_list():
        assert row["words"] == row["context"].split()
        assert len(row["boxes"]) == len(row["words"])


def test_more_documents_leave_the_first_ones_as_they_are(receipts):
    assert load_dataset("made_receipts", documents=20, **ALL_IN_TEST).to_list() == receipts.to_list()[:80]


def test_the_total_is_ambiguous_as_on_real_receipts():
    receipts = [make_receipt(number) for number in range(1000)]
    times = [sum(receipt.values["total"] in line.read.split() for line in receipt.lines) for receipt in receipts]
    assert 0.68 < sum(n > 1 for n in times) / len(times) < 0.80  # SROIE: 0.738
    # The first occurrence is often another line than the one that says total.
    first = [
        next((i for i, line in enumerate(r.lines) if r.values["total"] in line.read.split()), -1) for r in receipts
    ]
    labels = [
        receipt.lines[i].read if receipt.lines[i].read != receipt.values["total"] else receipt.lines[i - 1].read
        for receipt, i in zip(receipts, first, strict=True)
        if i >= 0
    ]
    on_total = [label.startswith(("TOTAL", "GRAND TOTAL", "NET TOTAL")) and "SALES" not in label for label in labels]
    assert 0.35 < sum(on_total) / len(on_total) < 0.60


def test_lines_for_tax_and_rounding_do_not_tell_whether_the_total_differs():
    kinds = collections.Counter()
    for number in range(400):
        lines = [line.read.rstrip(":") for line in make_receipt(number).lines]
        if "ROUNDING ADJ" in lines:
            kinds[lines[lines.index("ROUNDING ADJ") + 1] == "0.00"] += 1
    assert min(kinds.values()) > 15


def test_sums_are_right():
    for number in range(200):
        receipt = make_receipt(number)
        amounts = {}
        for line, value in zip(receipt.lines, receipt.lines[1:], strict=False):
            amounts[line.printed] = value.printed
        if "CASH" in amounts:
            cents = {key: round(float(amounts[key]) * 100) for key in ("CASH", "CHANGE")}
            assert money(cents["CASH"] - cents["CHANGE"]) == receipt.values["total"]


def test_vendors_repeat_and_some_values_are_missing_or_misread(receipts):
    documents = {row["document_id"]: row["vendor"] for row in receipts.remove_columns("image").to_list()}
    vendors = collections.Counter(documents.values())
    assert len(vendors) > 15
    assert vendors.most_common(1)[0][1] >= 8
    rows = receipts.remove_columns("image").to_list()
    missing = {row["key"] for row in rows if not row["answers"]}
    assert missing == {"date", "address"}
    misread = [r for r in rows if r["answers"] and r["answers"][0] not in r["context"].replace("\n", " ")]
    assert 8 <= len(misread) <= 40


def test_misreading_keeps_the_length_and_changes_something():
    read = misread_text("TOTAL 105.80", seeded("test"))
    assert len(read) == 12
    assert read != "TOTAL 105.80"
    assert misread_text("xyz", seeded("test")) == "xyz"


def test_images_are_small_and_show_the_text_where_the_boxes_are(receipts):
    stored = receipts.data.column("image").to_pylist()[::4]
    assert max(len(image["bytes"]) for image in stored) < 15_000
    row, receipt = receipts[0], make_receipt(0)
    page = row["image"].convert("L")
    for line in receipt.lines:
        assert min(page.crop(tuple(map(int, line.box))).tobytes()) < 100  # ink
    left, top = min(line.left for line in receipt.lines), min(line.top for line in receipt.lines)
    assert min(page.crop((0, 0, page.width, top)).tobytes()) > 200  # none elsewhere
    assert min(page.crop((0, 0, left, page.height)).tobytes()) > 200
    assert page.height == receipt.lines[-1].box[3] + top


def test_options():
    with pytest.raises(RecipeError, match=r"documents is 0 \(key 'documents'\)\. Give a whole number of at least 1\."):
        load_dataset("made_receipts", documents=0)
    with pytest.raises(
        RecipeError, match=r"made_receipts makes its documents and reads no data_dir .*Leave data_dir out"
    ):
        load_dataset("made_receipts", "here")
