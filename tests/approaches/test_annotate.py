"""annotate: every kind of dataset, whatever the workers, batches and order; bad input and bad rows."""

from __future__ import annotations

import doctest
import importlib.util
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict, Features, IterableDatasetDict, List, Value, load_from_disk

from hf_mbdc.approaches import _checks, annotate, annotate_with_rejected, reason_kind
from hf_mbdc.approaches._checks import LeftOut, describe_left_out
from hf_mbdc.approaches.extractive_qa import ExtractiveQA
from hf_mbdc.errors import DataError, RecipeError

READS = ExtractiveQA().reads


def document(number: int) -> dict[str, Any]:
    words = ["TOTAL", f"{number}.00", "CASH", f"{number}.00", "RM"]
    return {
        "words": words,
        "boxes": [[i * 10, 0, i * 10 + 9, 9] for i in range(5)],
        "context": f"TOTAL {number}.00\nCASH {number}.00 RM",
    }


def rows(count: int = 12) -> Dataset:
    """Three questions a document: a repeated amount, a text in another case, an absent one."""
    answers = lambda i: [[f"{i // 3}.00"], ["cash"], ["nothing here"]][i % 3]  # noqa: E731
    made = [{"id": f"{i:03d}", "question": "?", "answers": answers(i), **document(i // 3)} for i in range(count)]
    return Dataset.from_list(made, features=READS)


def with_bad_rows() -> Dataset:
    made = rows().to_list()
    made[1].update(words=[], boxes=[], context="")
    made[5]["boxes"] = [[9, 9, 1, 1]] * 5
    return Dataset.from_list(made, features=READS)


def as_list(ds: Any) -> list[dict[str, Any]]:
    return [without_nan(row) for row in ds]


def without_nan(value: Any) -> Any:
    """NaN is not equal to itself; None is."""
    if isinstance(value, dict):
        return {name: without_nan(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_nan(inner) for inner in value]
    return None if value != value else value


def test_the_result_depends_on_nothing_but_the_rows() -> None:
    approach, ds = ExtractiveQA("random"), rows()
    expected = as_list(annotate(ds, approach))
    assert [row["match_status"] for row in expected[:3]] == ["exact", "fuzzy", "absent"]
    assert as_list(annotate(ds, approach, batch_size=1)) == expected
    assert as_list(annotate(ds, approach, num_proc=2, batch_size=5)) == expected
    assert as_list(annotate(ds.select(range(11, -1, -1)), approach))[::-1] == expected
    assert as_list(annotate(ds.to_iterable_dataset(), approach, batch_size=7)) == expected


def test_every_kind_keeps_its_kind_and_its_columns() -> None:
    ds = rows().add_column("key", [["total", "cash", "none"][i % 3] for i in range(12)])
    wanted = {**ds.features, **ExtractiveQA().adds}
    both = annotate(DatasetDict(train=ds, test=ds.select(range(3))), ExtractiveQA())
    assert {name: len(split) for name, split in both.items()} == {"train": 12, "test": 3}
    assert both["train"].features == wanted
    streams = annotate(IterableDatasetDict({"train": ds.to_iterable_dataset()}), ExtractiveQA())
    assert isinstance(streams, IterableDatasetDict)
    assert streams["train"].features == wanted
    assert next(iter(streams["train"]))["key"] == "total"
    numbers = next(iter(annotate(ds.to_iterable_dataset().with_format("numpy"), ExtractiveQA())))
    assert isinstance(numbers["boxes"], np.ndarray)
    assert numbers["answer_start"] == both["train"][0]["answer_start"]


def test_annotating_again_replaces_the_columns() -> None:
    once = annotate(rows(), ExtractiveQA())
    again = annotate(once, ExtractiveQA("last"))
    assert again.column_names == once.column_names
    assert (once[3]["answer_start"], again[3]["answer_start"]) == (6, 16)


def test_a_format_is_kept() -> None:
    assert annotate(rows().with_format("numpy"), ExtractiveQA()).format["type"] == "numpy"


def test_bad_rows_are_set_aside_with_their_reason(caplog: pytest.LogCaptureFixture) -> None:
    kept, rejected = annotate_with_rejected(DatasetDict(train=with_bad_rows(), test=rows()), ExtractiveQA(), num_proc=2)
    assert rejected.to_list() == [
        {"id": "001", "split": "train", "reason": "the document has no words"},
        {"id": "005", "split": "train", "reason": "box 0 is inverted: [9, 9, 1, 1]"},
    ]
    assert kept["train"]["id"][:] == [f"{i:03d}" for i in range(12) if i not in (1, 5)]
    assert kept["train"].features == kept["test"].features == Features({**READS, **ExtractiveQA().adds})
    with caplog.at_level(logging.WARNING):
        assert len(annotate(with_bad_rows(), ExtractiveQA())) == 10
    assert caplog.messages == [
        "2 rows were left out: 1 × the document has no words (id '001'); 1 × box 0 is inverted: [9, 9, 1, 1] (id '005')"
    ]


def test_reasons_are_grouped_without_their_values(caplog: pytest.LogCaptureFixture) -> None:
    made = rows().to_list()
    made[4]["boxes"][1] = [300, 53, 0, 0]
    made[7]["boxes"][0] = [30, 53, 0, 0]
    made[9].update(words=[], boxes=[], context="")
    with caplog.at_level(logging.WARNING):
        annotate(DatasetDict(train=rows(), test=Dataset.from_list(made, features=READS)), ExtractiveQA())
        annotate(Dataset.from_list(made[:5], features=READS), ExtractiveQA())
    assert caplog.messages == [
        "3 rows were left out: 2 × box … is inverted: … (first id '004', split 'test': "
        "box 1 is inverted: [300, 53, 0, 0]); 1 × the document has no words (id '009', split 'test')",
        "1 row was left out: 1 × box 1 is inverted: [300, 53, 0, 0] (id '004')",
    ]


def test_many_reasons_are_cut() -> None:
    kinds = ["abc"[i % 3] for i in range(6)] + ["d", "e"]
    assert describe_left_out([LeftOut(str(i), None, kind) for i, kind in enumerate(kinds)]) == (
        "8 rows were left out: 2 × a (first id '0'); 2 × b (first id '1'); 2 × c (first id '2'); 2 × other reasons"
    )


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (
            "word 3 ('9.00') does not follow its predecessor in context",
            "word … (…) does not follow its predecessor in context",
        ),
        ('word 3 ("it\'s") does not follow', "word … (…) does not follow"),
        (r"word 3 ('\'\'') does not follow", "word … (…) does not follow"),
        ("the document has no words", "the document has no words"),
    ],
)
def test_kinds_of_reasons(reason: str, kind: str) -> None:
    assert reason_kind(reason) == kind


def test_examples_in_docstrings() -> None:
    outcome = doctest.testmod(_checks)
    assert (outcome.failed, outcome.attempted) == (0, 2)


def test_a_stream_drops_bad_rows_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        kept = list(annotate(with_bad_rows().to_iterable_dataset(), ExtractiveQA()))
    assert len(kept) == 10
    assert "2 rows were left out: 1 × the document has no words (id '001'); 1 × box 0 is inverted" in caplog.text


def test_no_row_left() -> None:
    ds = with_bad_rows().select([1])
    with pytest.raises(
        DataError, match=r"No row can be annotated; the first one: the document has no words \(split 'test', id '001'\)"
    ):
        annotate(DatasetDict(train=rows(), test=ds), ExtractiveQA())
    kept, rejected = annotate_with_rejected(ds, ExtractiveQA())
    assert (len(kept), rejected["split"][:]) == (0, [None])


def test_rejected_rows_without_any() -> None:
    _, rejected = annotate_with_rejected(rows(), ExtractiveQA())
    assert rejected.features == Features({name: Value("string") for name in ("id", "split", "reason")})
    assert len(rejected) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.remove_columns("words"), r"Column 'words' \(list of string\) is missing; there are .*'boxes'.*"),
        (lambda ds: ds.remove_columns("id"), r"Column 'id' \(string\) is missing; .*ds.add_column\(\"id\""),
        (
            lambda ds: ds.remove_columns("context").add_column("context", [1] * 12),
            r"Column 'context' is integer, not string \(split 'train', column 'context'\)",
        ),
        (
            lambda ds: ds.remove_columns("answers").add_column("answers", [{"text": ["x"], "answer_start": [1]}] * 12),
            r"Column 'answers' is struct of .*, not list of string .*row\[\"answers\"\]\[\"text\"\]",
        ),
        (lambda ds: ds.remove_columns("id").add_column("id", list(range(12))), "Column 'id' is integer, not string"),
        (
            lambda ds: ds.remove_columns("id").add_column("id", ["a", "b", *"cadefghijk"]),
            r"2 rows have the same id \(split 'train', id 'a', rows \[0, 3\]\). Make ids unique",
        ),
        (
            lambda ds: ds.remove_columns("id").add_column("id", [*"abc", None, *"defghijk"]),
            r"A row has no id \(.*row 3\)",
        ),
        (
            lambda ds: ds.remove_columns("id").add_column("id", [*"abc", "", *"defghijk"]),
            r"A row has no id \(.*row 3\)",
        ),
        (lambda ds: ds.select([]), r"The split is empty \(split 'train'\)"),
    ],
)
def test_bad_input_says_what_where_and_the_mend(change: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        annotate(DatasetDict(train=change(rows())), ExtractiveQA())


def test_other_widths_and_encodings_do() -> None:
    features = Features({**READS, "context": Value("large_string"), "boxes": List(List(Value("int64"), length=4))})
    assert as_list(annotate(rows().cast(features), ExtractiveQA())) == as_list(annotate(rows(), ExtractiveQA()))


def test_bad_streams() -> None:
    stream = rows().to_iterable_dataset()
    with pytest.raises(DataError, match=r"Column 'words' \(list of string\) is missing"):
        annotate(stream.remove_columns("words"), ExtractiveQA())
    untyped = stream.map(lambda row: {"id": "same"})
    with pytest.raises(DataError, match="12 rows have the same id"):
        list(annotate(untyped, ExtractiveQA()))
    with pytest.raises(DataError, match=r"Column 'words' \(list of string\) is missing"):
        list(annotate(stream.map(lambda row: row, remove_columns="words"), ExtractiveQA()))


@pytest.mark.parametrize("thing", [[{"id": "a"}], "sroie", None])
def test_not_a_dataset(thing: Any) -> None:
    with pytest.raises(DataError, match=f"annotate needs a dataset, not {type(thing).__name__}"):
        annotate(thing, ExtractiveQA())
    with pytest.raises(DataError, match=f"annotate needs a dataset, not {type(thing).__name__}"):
        annotate_with_rejected(thing, ExtractiveQA())


def test_rejected_rows_of_a_stream() -> None:
    with pytest.raises(DataError, match="The rejected rows of a stream cannot be known beforehand"):
        annotate_with_rejected(rows().to_iterable_dataset(), ExtractiveQA())  # type: ignore[type-var]


@pytest.mark.parametrize("function", [annotate, annotate_with_rejected])
@pytest.mark.parametrize(
    ("approach", "message"),
    [
        (
            None,
            "annotate needs an approach, not NoneType, which has no name, reads, adds, try_transform "
            "(key 'approach'). Pass one, for example hf_mbdc.ExtractiveQA().",
        ),
        (
            ExtractiveQA,
            "The approach is the class ExtractiveQA, not an object of it (key 'approach'). "
            "Write ExtractiveQA() with its parentheses.",
        ),
        (
            "extractive_qa",
            "The approach is its name, 'extractive_qa', not an object (key 'approach'). "
            "Pass hf_mbdc.approaches.make_approach('extractive_qa').",
        ),
        (
            "extractive",
            "The approach is its name, 'extractive', not an object (key 'approach'). "
            "Pass one, for example hf_mbdc.ExtractiveQA().",
        ),
    ],
)
def test_not_an_approach(function: Any, approach: Any, message: str) -> None:
    for ds in (rows(), rows().to_iterable_dataset()):
        with pytest.raises(RecipeError) as caught:
            function(ds, approach)
        assert str(caught.value) == message


@pytest.mark.parametrize("function", [annotate, annotate_with_rejected])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"num_proc": -1},
            "num_proc is -1 (key 'num_proc'). Give a whole number of at least 1, or None for this process alone.",
        ),
        (
            {"num_proc": "2"},
            "num_proc is '2' (key 'num_proc'). Give a whole number of at least 1, or None for this process alone.",
        ),
        (
            {"num_proc": 0},
            "num_proc is 0 (key 'num_proc'). Give a whole number of at least 1, or None for this process alone.",
        ),
        ({"batch_size": 0}, "batch_size is 0 (key 'batch_size'). Give a whole number of at least 1."),
        ({"batch_size": None}, "batch_size is None (key 'batch_size'). Give a whole number of at least 1."),
        ({"batch_size": True}, "batch_size is True (key 'batch_size'). Give a whole number of at least 1."),
    ],
)
def test_bad_workloads(function: Any, options: dict[str, Any], message: str) -> None:
    for ds in (rows(), rows().to_iterable_dataset()):
        with pytest.raises(RecipeError) as caught:
            function(ds, ExtractiveQA(), **options)
        assert str(caught.value) == message


def test_no_split() -> None:
    with pytest.raises(DataError, match="The dataset has no split"):
        annotate(DatasetDict(), ExtractiveQA())


@dataclass(frozen=True)
class Careless:
    """Its transform forgets or invents what the test says."""

    made: tuple[str, ...]
    values: int
    name: str = "careless"
    reads = Features({"id": Value("string")})
    adds = Features({"a": Value("int32"), "b": Value("int32")})

    def try_transform(self, batch: Any) -> Any:
        return {column: [0] * self.values for column in self.made}, [None] * len(batch["id"])


@dataclass(frozen=True)
class CarelessOnArrow(Careless):
    """The same, on Arrow columns."""

    def transform_arrow(self, columns: Any) -> Any:
        made = {column: pa.array([0] * self.values, pa.int32()) for column in self.made}
        return made, pa.nulls(len(columns["id"]), pa.string())


@pytest.mark.parametrize("kind", [Careless, CarelessOnArrow])
@pytest.mark.parametrize(
    ("approach", "message"),
    [
        (Careless(("a",), 12), "promised other columns than it made: b"),
        (Careless(("a", "b", "c"), 12), "promised other columns than it made: c"),
        (Careless(("a", "b"), 11), "made 11 values for 12 rows"),
    ],
)
def test_an_approach_is_held_to_its_word(kind: type[Careless], approach: Careless, message: str) -> None:
    with pytest.raises(DataError, match=message):
        annotate(rows(), kind(approach.made, approach.values))


SOURCE = """
from dataclasses import dataclass
from datasets import Features, Value

@dataclass(frozen=True)
class Edited:
    name: str = "edited"
    reads = Features({"id": Value("string")})
    adds = Features({"a": Value("int32")})

    def try_transform(self, batch):
        return {"a": [VALUE] * len(batch["id"])}, [None] * len(batch["id"])
"""


def test_edited_code_makes_new_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dataset.map alone hands out the old ones: it hashes an imported class by its name (datasets#3297)."""
    rows().save_to_disk(tmp_path / "rows")
    made = []
    for value in ("1", "22"):
        path = tmp_path / "edited.py"
        path.write_text(SOURCE.replace("VALUE", value))
        spec = importlib.util.spec_from_file_location("edited_approach", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "edited_approach", module)
        spec.loader.exec_module(module)
        made.append(annotate(load_from_disk(str(tmp_path / "rows")), module.Edited()))
    assert [ds[0]["a"] for ds in made] == [1, 22]


def test_the_same_work_is_done_once(tmp_path: Path) -> None:
    rows().save_to_disk(tmp_path / "rows")
    first, second, other = (
        annotate(load_from_disk(str(tmp_path / "rows")), ExtractiveQA(choose))  # type: ignore[arg-type]
        for choose in ("first", "first", "last")
    )
    assert first.cache_files == second.cache_files != other.cache_files
