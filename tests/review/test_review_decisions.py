"""Decisions: read back from JSON and CSV, refused where unsound, and put into the rows they were made on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict
from review_rows import review_rows

import hf_mbdc as mbdc
from hf_mbdc.errors import DataError
from hf_mbdc.review.decisions import Decisions, RowDecision, apply_decisions, read_decisions

MOVE = {"id": "twice", "verdict": "candidate", "start": 16, "end": 20, "text": "9.00", "note": "the total"}
RIGHT = {"id": "missing", "verdict": "right", "start": -1, "end": -1, "text": "", "note": ""}
WRONG = {"id": "fuzzy", "verdict": "wrong", "start": 0, "end": 9, "text": "ACNE CO B", "note": ""}
ABOUT = {"format": "hf_mbdc.decisions", "version": 1, "repo_id": "me/receipts", "revision": "v1.0.0", "split": "train"}
HEAD = "\ufeffrepo_id,revision,split,id,verdict,start,end,text,note\r\n"


def written(tmp_path: Path, *items: Any, **about: Any) -> Path:
    path = tmp_path / "decisions.json"
    path.write_text(json.dumps({**ABOUT, **about, "decisions": items}), encoding="utf-8")
    return path


def decision(**changes: Any) -> Decisions:
    return Decisions((RowDecision(**{**MOVE, **changes}),), "me/receipts", "v1.0.0")


def test_json_is_read(tmp_path: Path) -> None:
    found = read_decisions(written(tmp_path, MOVE, RIGHT))
    assert found == Decisions((RowDecision(**MOVE), RowDecision(**RIGHT)), "me/receipts", "v1.0.0", "train")


def test_csv_is_read_with_quotes_line_ends_and_formulas(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    lines = 'me/receipts,v1.0.0,,\'=1+1,right,0,3,"a,\r\n""b""",\'\'quoted\r\nme/receipts,v1.0.0,,b,open,-1,-1,,\'-\r\n'
    path.write_bytes((HEAD + lines).encode())
    first = RowDecision("=1+1", "right", 0, 3, 'a,\r\n"b"', "'quoted")
    assert read_decisions(path) == Decisions(
        (first, RowDecision("b", "open", -1, -1, "", "-")), "me/receipts", "v1.0.0", None
    )


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ({**MOVE, "verdict": "perhaps"}, "'perhaps' is none of right, wrong, candidate, open"),
        ({**MOVE, "id": ""}, "names no row"),
        ({**MOVE, "start": 20, "end": 16}, "20 to 16 is no span"),
        ({**MOVE, "start": True}, "True to 20 is no span"),
        ({**MOVE, "start": "16"}, "'16' to 20 is no span"),
        ({**MOVE, "start": -1, "end": -1}, "cannot move to nothing"),
        ({**MOVE, "text": None}, "no text"),
        ({**MOVE, "note": 3}, "no text"),
        ("twice", "no object"),
    ],
)
def test_an_unsound_decision_is_named(tmp_path: Path, item: Any, told: str) -> None:
    with pytest.raises(DataError, match=told) as caught:
        read_decisions(written(tmp_path, RIGHT, item))
    assert caught.value.where["decision"] == 2


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("d.json", "{", "no JSON"),
        ("d.json", "[" * 100_000, "no JSON"),
        ("d.json", "[]", "holds no decisions"),
        ("d.json", json.dumps({**ABOUT, "decisions": {}}), "holds no decisions"),
        ("d.json", json.dumps({**ABOUT, "version": 2, "decisions": []}), "version 2"),
        ("d.json", json.dumps({**ABOUT, "split": 1, "decisions": []}), "is no text"),
        ("d.json", json.dumps({**ABOUT, "decisions": [RIGHT, RIGHT]}), "decided twice"),
        ("d.csv", "id;verdict\n", "columns missing"),
        ("d.csv", HEAD + "me/a,,,a,right,0,1,x,\r\nme/b,,,b,right,0,1,x,\r\n", "repo_id differs"),
        ("d.csv", HEAD + ",,,a,right,0,,x,\r\n", "0 to '' is no span"),
        ("d.csv", HEAD + ",,,a,right,0\r\n", "is no span"),
        ("d.csv", HEAD + f",,,a,right,0,{'9' * 5000},x,\r\n", "is no span"),
        ("d.txt", "", "a .json or a .csv file"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, name: str, content: str, told: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=told):
        read_decisions(tmp_path / name)


def test_a_missing_file_and_one_of_another_encoding_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_decisions(tmp_path / "nothing.json")
    (tmp_path / "d.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(DataError, match="not UTF-8"):
        read_decisions(tmp_path / "d.json")


def test_decisions_move_keep_and_set_aside(tmp_path: Path) -> None:
    rows = review_rows()
    before = rows[:]
    done = apply_decisions(rows, read_decisions(written(tmp_path, MOVE, RIGHT, WRONG)))
    assert done.rows["id"][:] == ["once", "twice", "missing", "nothing"]
    moved = done.rows[1]
    assert (moved["answer_start"], moved["answer_end"], moved["word_start"]) == (16, 20, 3)
    assert (moved["answer_boxes"], moved["match_status"]) == ([[100, 30, 180, 50]], "exact")
    assert (moved["mbdc_source"], moved["mbdc_parent_id"], moved["mbdc_model"]) == ("review", "twice", None)
    assert done.rows["mbdc_source"][:] == [None, "review", None, None]
    assert done.rejected[:]["id"] == ["fuzzy"]
    assert "no candidate is right" in done.rejected[0]["reason"]
    assert (done.record.kept, done.record.changed, done.record.rejected) == (3, 1, 1)
    assert done.record.automated is False
    assert sum(done.record.reasons.values()) == 2
    untouched = {name: values for name, values in rows[:].items() if name != "match_score"}
    assert untouched == {name: values for name, values in before.items() if name != "match_score"}


def test_a_dict_of_splits_can_be_published_again(tmp_path: Path) -> None:
    ds = DatasetDict(train=review_rows(), test=review_rows())
    first = mbdc.publish(ds, "me/receipts", repository=tmp_path / "repo", message="Labels")
    done = apply_decisions(ds, read_decisions(written(tmp_path, MOVE, WRONG)))
    assert (len(done.rows["train"]), done.rows["test"]["mbdc_source"][:]) == (4, [None] * 5)
    assert done.rows["test"]["answer_start"][:] == ds["test"]["answer_start"][:]
    second = mbdc.publish(
        done.rows, "me/receipts", repository=tmp_path / "repo", message="Reviewed", rejected=done.rejected,
        parent=first.version,
    )  # fmt: skip
    assert second.version == "v2.0.0"
    with pytest.raises(DataError, match=r"split 'train'.*test"):
        apply_decisions(DatasetDict(test=review_rows()), decision_of_train := Decisions((), split="train"))
    assert apply_decisions(DatasetDict(train=ds["train"], dev=ds["test"]), decision_of_train).rows["dev"] is ds["test"]


def test_the_same_move_once_more_changes_nothing() -> None:
    once = apply_decisions(review_rows(), decision())
    twice = apply_decisions(once.rows, decision())
    assert twice.record.changed == 0
    assert twice.rows["answer_start"][:] == once.rows["answer_start"][:]


def test_notes_alone_change_nothing() -> None:
    rows = review_rows()
    done = apply_decisions(rows, decision(verdict="open", start=0, end=1, text="?"))
    assert done.rows is rows
    assert (done.record.changed, done.record.rejected, len(done.rejected)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"id": "gone"}, "no row with this id"),
        ({"text": "8.00"}, "holds '9.00', not '8.00'"),
        ({"start": 15, "text": " 9.00"}, r"No candidate has the span \(15, 20\)"),
        ({"verdict": "right"}, r"The label is \(5, 9\)"),
        ({"verdict": "wrong"}, r"The label is \(5, 9\)"),
    ],
)
def test_decisions_on_other_data_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=told) as caught:
        apply_decisions(review_rows(), decision(**changes))
    assert "me/receipts@v1.0.0" in str(caught.value)


def test_a_split_of_another_name_and_rows_that_are_not_annotated_are_refused() -> None:
    from datasets import NamedSplit

    rows = review_rows()
    rows.info.splits = None
    other = Dataset(rows.data, info=rows.info, split=NamedSplit("test"))
    with pytest.raises(DataError, match="split 'train'"):
        apply_decisions(other, Decisions((), split="train"))
    with pytest.raises(DataError, match="not annotated"):
        apply_decisions(rows.remove_columns("candidates"), decision())
    with pytest.raises(DataError, match="id 'twice'"):
        apply_decisions(rows.select([0, 1, 1]), decision())
