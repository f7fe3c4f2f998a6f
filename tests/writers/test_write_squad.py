from __future__ import annotations

import doctest
import importlib
import json
import logging

import datasets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.approaches import annotate
from hf_mbdc.approaches.extractive_qa import ExtractiveQA
from hf_mbdc.errors import DataError
from hf_mbdc.loaders import load_dataset
from hf_mbdc.writers.located import Written
from hf_mbdc.writers.squad import write_squad

ALL_IN_TEST = {"split_fractions": (0, 0, 1), "split": "test"}


def row(row_id="q1", answers=("308",), starts=(26,), **more):
    return {
        "id": row_id,
        "document_id": "Super_Bowl-0",
        "title": "Super_Bowl",
        "question": "How many points?",
        "context": "The Panthers gave up just 308 points; 308 is few.",
        "answers": list(answers),
        "gold_starts": list(starts),
        **more,
    }


def annotated(row_id="q1", status="exact", start=26, end=29, **more):
    found = row(row_id, match_status=status, answer_start=start, answer_end=end, **more)
    del found["gold_starts"]
    return found


def make(*rows):
    return datasets.Dataset.from_list(list(rows))


def test_literal_file(tmp_path):
    path = tmp_path / "new" / "train.json"
    rows = make(row(), row("q2", [], []), row("q3", title="Other", document_id="Other-0", context="É 308", starts=[2]))
    assert write_squad(rows, path) == Written(rows=3, unanswerable=1, reworded=0, left_out=())
    found = {"text": "308", "answer_start": 26}
    ask = {"question": "How many points?"}
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "version": "v2.0",
        "data": [
            {
                "title": "Super_Bowl",
                "paragraphs": [
                    {
                        "context": "The Panthers gave up just 308 points; 308 is few.",
                        "qas": [
                            {"id": "q1", **ask, "answers": [found], "is_impossible": False},
                            {"id": "q2", **ask, "answers": [], "is_impossible": True},
                        ],
                    }
                ],
            },
            {
                "title": "Other",
                "paragraphs": [
                    {
                        "context": "É 308",
                        "qas": [
                            {
                                "id": "q3",
                                **ask,
                                "answers": [{"text": "308", "answer_start": 2}],
                                "is_impossible": False,
                            }
                        ],
                    }
                ],
            },
        ],
    }
    assert "É" in path.read_text(encoding="utf-8")  # as it is, not escaped
    assert [p.name for p in path.parent.iterdir()] == ["train.json"]


def test_an_annotation_goes_before_gold_and_what_is_not_located_is_counted(tmp_path, caplog):
    rows = make(
        annotated("exact", start=38, end=41),
        annotated("fuzzy", "fuzzy", 26, 36, answers=["308 pionts"]),
        annotated("none", "unanswerable", -1, -1, answers=[]),
        annotated("gone", "absent", -1, -1),
        annotated("null", None, None, None),
        annotated("range", start=40, end=400),
        annotated("empty", start=5, end=5),
        annotated("quiet", question=" "),
        annotated("blank", context=" \n", start=0, end=1),
    )
    with caplog.at_level(logging.WARNING):
        written = write_squad(rows, tmp_path / "a.json")
    assert (written.rows, written.unanswerable, written.reworded) == (3, 1, 1)
    assert written.left_out == (
        ("gone", "the answer is not located (match_status is 'absent')"),
        ("null", "the answer is not located (match_status is None)"),
        ("range", "answer_start and answer_end are no range of context"),
        ("empty", "answer_start and answer_end are no range of context"),
        ("quiet", "the question has no text"),
        ("blank", "the document has no text"),
    )
    assert written.reasons["answer_start and answer_end are no range of context"] == 2
    assert "write_squad to a.json: 6 rows left out (`left_out` has their ids): 2 × answer_start and" in caplog.text
    qas = json.loads((tmp_path / "a.json").read_text())["data"][0]["paragraphs"][0]["qas"]
    assert [(q["id"], q["answers"]) for q in qas] == [
        ("exact", [{"text": "308", "answer_start": 38}]),
        ("fuzzy", [{"text": "308 points", "answer_start": 26}]),
        ("none", []),
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row(starts=[27]), "an answer is not at its gold_starts"),
        (row(starts=[-23]), "an answer is not at its gold_starts"),  # from the end it would be there
        (row(starts=[]), "answers and gold_starts differ in number"),
        (row(answers=[""], starts=[3]), "an answer is not at its gold_starts"),
    ],
)
def test_wrong_gold_offsets_are_left_out(tmp_path, bad, reason):
    assert write_squad(make(row("q0"), bad), tmp_path / "a.json").left_out == (("q1", reason),)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (make({"id": "a"}), r"A column is missing \(column 'question'\)\. The dataset has id\."),
        (
            make({"id": "a", "question": "?", "context": "c", "answers": ["c"]}),
            r"does not say where its answers are \(column 'match_status'\)\. Annotate the dataset first",
        ),
        (make(row(), row()), r"Two rows have the same id \(id 'q1'\)\. Make ids unique"),
        (make(row(row_id="")), r"A row has no id that is a text"),
        (make(row(row_id=7)), r"A row has no id that is a text"),
        (datasets.DatasetDict(train=make(row())), r"this is a DatasetDict\. Give one split: ds\[\"train\"\]"),
    ],
)
def test_datasets_that_cannot_be_written(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        write_squad(rows, tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(DataError, match=r"The file cannot be written: Is a directory \(path '.*a.json'\)"):
        write_squad(make(row()), tmp_path / "a.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"The file cannot be written: (Not a directory|File exists)"):
        write_squad(make(row()), tmp_path / "file" / "a.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "file"]
    with pytest.raises(DataError, match=r"This is no path of a file"):
        write_squad(make(row()), "")


def test_without_title_the_document_is_the_article(tmp_path):
    rows = make(*(row(f"q{i}", document_id=f"d{i % 2}") for i in range(4))).remove_columns("title")
    write_squad(rows, tmp_path / "a.json")
    data = json.loads((tmp_path / "a.json").read_text())["data"]
    assert [(a["title"], [q["id"] for p in a["paragraphs"] for q in p["qas"]]) for a in data] == [
        ("d0", ["q0", "q2"]),
        ("d1", ["q1", "q3"]),
    ]


def test_stock_datasets_reads_it(tmp_path):
    write_squad(make(row(), row("q2", [], [])), tmp_path / "a.json")
    cache = str(tmp_path / "cache")
    loaded = datasets.load_dataset("json", data_files=str(tmp_path / "a.json"), field="data", cache_dir=cache)
    qas = loaded["train"][0]["paragraphs"][0]["qas"]
    assert [(q["id"], q["is_impossible"]) for q in qas] == [("q1", False), ("q2", True)]


SAME = ("id", "title", "question", "context", "answers", "gold_starts", "words")


@pytest.mark.parametrize("name", ["squad/dev-v2.0-half.json", "xquad/xquad.ru.json"])
def test_real_sets_come_back_as_they_were(shared_data, tmp_path, name):
    before = load_dataset("squad", shared_data / name, **ALL_IN_TEST)
    written = write_squad(before, tmp_path / "a.json")
    assert (written.rows, written.left_out) == (before.num_rows, ())
    after = load_dataset("squad", tmp_path / "a.json", **ALL_IN_TEST)
    assert all(before[column][:] == after[column][:] for column in (*SAME, "document_id"))


def test_receipts_come_back_with_the_chosen_occurrence(tmp_path):
    receipts = annotate(load_dataset("made_receipts", documents=30, **ALL_IN_TEST), ExtractiveQA())
    written = write_squad(receipts, tmp_path / "a.json")
    after = load_dataset("squad", tmp_path / "a.json", **ALL_IN_TEST)
    kept = [
        r for r in receipts.select_columns(["id", "context", "matched_text", "answer_start"]) if r["answer_start"] >= 0
    ]
    assert written.rows == after.num_rows
    assert written.rows + len(written.left_out) == receipts.num_rows
    found = {r["id"]: (r["context"], r["answers"], r["gold_starts"]) for r in after.to_list() if r["answers"]}
    assert found == {r["id"]: (r["context"], [r["matched_text"]], [r["answer_start"]]) for r in kept}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(str.strip)


@st.composite
def spans(draw):
    context = draw(TEXTS)
    start = draw(st.integers(0, len(context) - 1))
    return context, start, draw(st.integers(start + 1, len(context)))


@settings(max_examples=25, deadline=None)
@given(st.lists(spans(), min_size=1, max_size=4))
def test_any_text_comes_back(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("any")
    rows = [
        {
            "id": f"q{i}",
            "document_id": f"d{i}",
            "question": "?",
            "context": context,
            "answers": [context[start:end]],
            "gold_starts": [start],
        }
        for i, (context, start, end) in enumerate(drawn)
    ]
    assert write_squad(make(*rows), folder / "a.json").rows == len(rows)
    after = load_dataset("squad", folder / "a.json", split="test", split_fractions=(0, 0, 1), streaming=True)
    keys = ("id", "context", "answers", "gold_starts")
    assert [{key: r[key] for key in keys} for r in after] == [{key: r[key] for key in keys} for r in rows]


@pytest.mark.parametrize("name", ["located", "squad", "answer_struct"])
def test_examples_in_docstrings(name):
    assert doctest.testmod(importlib.import_module(f"hf_mbdc.writers.{name}")).failed == 0
