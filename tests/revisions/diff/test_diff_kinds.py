"""What the diff tells of each kind of column, of leaks, and how it shows them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from hf_mbdc.errors import DataError
from hf_mbdc.revisions.diff.diff import ColumnDiff, Diff, LabelChange, ListEdits, Move, Shift, TextEdits, diff
from hf_mbdc.revisions.diff.html import mark
from hf_mbdc.revisions.diff.kinds import similarity
from hf_mbdc.revisions.diff.words import column_facts


def column(before: list[Any], after: list[Any], feature: Any = None) -> ColumnDiff:
    features = feature and Features({"id": Value("int64"), "x": feature})
    sides = [Dataset.from_dict({"id": list(range(len(x))), "x": x}, features=features) for x in (before, after)]
    return diff(*sides).splits["train"].columns["x"]


def test_texts() -> None:
    found = column(["abcd", "Total", "a b", "x", None], ["abcx", "TOTAL", "ab", None, "y"])
    assert found.text == TextEdits(3, pytest.approx((0.75 + 0.2 + 0.8) / 3), 0.2, only_case=1, only_space=1)
    assert (found.changed, found.to_null, found.from_null) == (5, 1, 1)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [("", "", 1.0), ("", "a", 0.0), ("aa", "aaaa", 2 / 3), ("abc", "xyz", 0.0), ("12.00", "12.50", 0.8)],
)
def test_similarity(before: str, after: str, expected: float) -> None:
    assert similarity(before, after) == pytest.approx(expected)
    assert similarity(after, before) == pytest.approx(expected)


def test_the_similarity_of_long_texts_takes_no_long_time() -> None:
    assert similarity("x" * 900_000 + "a" + "y" * 900_000, "x" * 900_000 + "b" + "y" * 900_000) > 0.999
    assert 0.0 <= similarity("ab" * 500_000, "ba" * 400_000) <= 1.0


def test_numbers() -> None:
    found = column([1.0, 2.0, 3.0, None, 5.0], [2.0, 2.0, 7.0, 4.0, float("nan")])
    assert found.shift == Shift(2, 2.5, 2.5, 1.0, 4.0)
    assert (found.to_nan, found.from_nan, found.from_null) == (1, 0, 1)
    assert column([1.0], [float("inf")]).shift is None
    nan = float("nan")
    odd = column([nan, nan, 1.0, None, nan, 2.0], [1.0, None, nan, nan, nan, nan], Value("float32"))
    assert (odd.changed, odd.to_nan, odd.from_nan, odd.to_null, odd.from_null) == (5, 2, 1, 1, 1)
    assert list(column_facts(odd)) == ["1 became null", "1 were null", "2 became NaN", "1 were NaN"]


def test_class_labels_by_their_names() -> None:
    feature = ClassLabel(names=["neg", "pos"])
    found = column([0, 0, 1, 1, None], [1, 1, 0, 1, 0], feature)
    assert found.labels == (LabelChange("neg", "pos", 2), LabelChange("pos", "neg", 1), LabelChange(None, "neg", 1))
    assert found.kind == "label"


def test_few_different_values_count_as_labels() -> None:
    assert column(["no"] * 5, ["yes"] * 5).labels == (LabelChange("no", "yes", 5),)
    assert column(["no"] * 4, ["yes"] * 4).labels == ()
    assert column([str(n) for n in range(500)], ["x"] * 500).labels == ()
    assert column([True, False], [False, False]).labels == (LabelChange("true", "false", 1),)
    assert column([1] * 9, [2] * 9).labels == (LabelChange("1", "2", 9),)
    assert column([0.5] * 9, [1.5] * 9).labels == ()


def test_lists() -> None:
    found = column([["a", "b"], ["a"], ["a", "b"], ["x"], None], [["b", "a"], [], ["a", "c", "c"], ["x"], ["z"]])
    assert found.lists == ListEdits(3, longer=1, shorter=1, elements_added=2, elements_removed=2, reordered=1)
    assert (found.changed, found.from_null) == (4, 1)


def test_fields_of_structs() -> None:
    feature = {"a": Value("int64"), "b": {"c": Value("string"), "d": Value("float64")}}
    before = [{"a": 1, "b": {"c": "x", "d": 1.0}}, {"a": 1, "b": {"c": "x", "d": 1.0}}, {"a": 1, "b": None}]
    after = [{"a": 2, "b": {"c": "x", "d": 1.0}}, {"a": 2, "b": {"c": "y", "d": 1.0}}, {"a": 1, "b": None}]
    found = column(before, after, feature)
    assert (found.kind, found.fields) == ("nested", {"a": 2, "b.c": 1})
    lists = column([[{"c": "x"}], [{"c": "x"}]], [[{"c": "y"}], []], List({"c": Value("string")}))
    assert lists.fields == {"[].c": 1}


def splits(**ids: str) -> DatasetDict:
    rows = {name: {"id": list(keys), "x": [key * 2 for key in keys]} for name, keys in ids.items()}
    return DatasetDict({name: Dataset.from_dict(columns) for name, columns in rows.items()})


def test_leaks_are_said_loudly() -> None:
    found = diff(splits(train="ab", test="cd", validation="e"), splits(train="abcd", test="d", validation="e"))
    assert found.moved == (Move("test", "train", 1, ("c",)),)
    assert found.copied == (Move("test", "train", 1, ("d",)),)
    assert found.leaks == (*found.moved, *found.copied)
    lines = [
        "LEAK into training: 1 row moved from test to train (c)",
        "LEAK into training: 1 row copied from test to train (d)",
    ]
    assert str(found).splitlines()[:2] == lines
    assert all(line in found.to_html() for line in lines)
    again = Diff.from_dict(found.to_dict())
    assert (again.copied, again.leaks) == (found.copied, found.leaks)


def test_what_is_no_leak() -> None:
    assert diff(splits(test="ab", validation="c"), splits(test="a", validation="bc")).leaks == ()
    assert diff(splits(train="ab"), splits(train="ab", test="b")).leaks[0].into_evaluation
    other = splits(train="a", test="b")
    other["train"] = Dataset.from_dict({"id": ["a", "b"], "x": ["aa", "not the same row"]})
    assert diff(splits(train="a", test="b"), other).copied == ()


def test_a_record_of_before_can_be_read_and_has_no_list_of_changes() -> None:
    found = diff(splits(train="ab"), splits(train="bc"))
    data = found.to_dict()
    del data["copied"], data["splits"]["train"]["duplicates"]
    again = Diff.from_dict(data)
    assert again.splits["train"].added_ids.to_pylist() == ["c"]
    with pytest.raises(DataError, match="only examples"):
        again.changes()


HOSTILE = "\"><script>alert(1)</script>&amp;\u202e\x07 'x' </td></table> `|` <img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """The tags and attributes of a page, and whether every one that opens is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_data_changes_nothing_in_the_page_but_its_own_cell() -> None:
    plain = {"id": ["k"], "column": ["old"], "y": [1]}
    hostile = {"id": [HOSTILE], HOSTILE: [HOSTILE], "y": [1]}
    pages = []
    for rows in (plain, hostile):
        before = Dataset.from_dict(rows)
        name = list(rows)[1]
        after = Dataset.from_dict({"id": rows["id"], name: [rows[name][0] + " new"], "z": [1]})
        pages.append(diff(before, after).to_html(rows["id"][0]))
    good, bad = Page(pages[0]), Page(pages[1])
    assert bad.tags == good.tags
    assert bad.attributes == good.attributes
    assert bad.open == good.open == []
    assert not re.search(r"[\x00-\x08\u202a-\u202e]", pages[1])
    assert "default-src 'none'" in pages[1]
    assert not re.search(r"(?i)<script|javascript:|https?://|\son\w+=\"", re.sub("<pre.*?</pre>", "", pages[0]))


def test_the_words_that_changed_are_marked() -> None:
    assert mark("a b c", "a x c") == ("a <del>b</del> c", "a <ins>x</ins> c")
    assert mark("<b>", "<i>") == ("<del>&lt;b&gt;</del>", "<ins>&lt;i&gt;</ins>")
    assert mark("東京都", "東京府") == ("東京<del>都</del>", "東京<ins>府</ins>")
    assert mark(None, "") == ('<span class="soft">null</span>', '<span class="soft">empty</span>')
    assert mark("", "x") == ("", "<ins>x</ins>")
    left, right = mark("a " * 300, "b " * 300)
    assert left.startswith("<del>a a")
    assert right.endswith("b </ins>")


def test_the_list_of_changes() -> None:
    feature = Features({"id": Value("string"), "n": Value("int64"), "label": ClassLabel(names=["no", "yes"])})
    old = Dataset.from_dict({"id": ["a", "b"], "n": [1, 2], "label": [0, 1]}, features=feature)
    new = Dataset.from_dict({"id": ["b", "c"], "n": [3, 4], "label": [0, None]}, features=feature)
    names = ("split", "id", "column", "kind", "before", "after")
    assert diff(old, new).changes().to_list() == [
        dict(zip(names, row, strict=True))
        for row in (
            ("train", "a", None, "removed", '{"id": "a", "n": 1, "label": 0}', None),
            ("train", "b", "n", "number", "2", "3"),
            ("train", "b", "label", "label", "yes", "no"),
            ("train", "c", None, "added", None, '{"id": "c", "n": 4, "label": null}'),
        )
    ]
    assert len(diff(old, old).changes()) == 0
