"""Filtering rows: each reason by a literal row, the order of the filters, and what holds for any rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, Features, List, Value
from hypothesis import given, settings
from hypothesis import strategies as st

import hf_mbdc as mbdc
from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.synthesis.filters import FilterOptions, filter_rows

SEA = "Name five animals that live in the deep sea."
HILL = "Describe the hill behind the house where your aunt once lived before she moved into the big town."
TEXT = FilterOptions(columns=("text",))


def rows_of(*texts: str | None, prefix: str = "r") -> Dataset:
    features = Features({"id": Value("string"), "text": Value("string")})
    return Dataset.from_dict({"id": [f"{prefix}{n}" for n in range(len(texts))], "text": list(texts)}, features)


def told(result: Any) -> list[tuple[str, ...]]:
    return [tuple(row.values()) for row in result.rejected]


def test_each_reason() -> None:
    rows = rows_of(
        SEA,
        "",
        None,
        "As an AI language model, I have no aunt.",
        "So it is. " * 20,
        "Im April verkaufte Natalia Haarspangen an achtundvierzig ihrer Freunde.",
        HILL.upper(),
        f"First this: {HILL}",
        "What is the capital of the country of Peru?",
        "Which cities of the country of Peru lie on the sea, and which on a lake?",
        "Count the old trees that stand along the road.",
        SEA.replace("five", "six"),
    )
    options = FilterOptions(columns=["text"], refusals=True, repetition=True, languages=("en",))
    evaluation = {
        "test": rows_of("nothing", HILL, "what is the capital of the country of peru", prefix="t"),
        "other": rows_of("Which cities of the state of Peru lie on the sea, and which at a lake?", prefix="o"),
    }
    pool = rows_of("Count all the old trees that stand along the road.", prefix="p")
    kept = filter_rows(rows, options, pool=pool, evaluation=evaluation)
    assert kept.rows.to_list() == [{"id": "r0", "text": SEA}]
    assert told(kept) == [
        ("r1", "a text is empty", None, None),
        ("r2", "a text is empty", None, None),
        ("r3", "a refusal, or an assistant's phrase", None, None),
        ("r4", "a loop at the end", None, None),
        ("r5", "another language: de", None, None),
        ("r6", "equal to an evaluation text", "t1", "test"),
        ("r7", "words in common with an evaluation text", "t1", "test"),
        ("r8", "equal to an evaluation text", "t2", "test"),
        ("r9", "a near-duplicate of an evaluation text", "o0", "other"),
        ("r10", "a near-duplicate of a row of the pool", "p0", "pool"),
        ("r11", "a near-duplicate of another row", "r0", "rows"),
    ]
    assert (kept.record.kept, kept.record.changed, kept.record.rejected) == (1, 0, 11)
    assert kept.record.reasons["a text is empty"] == 2
    assert sum(kept.record.reasons.values()) == 11


def test_filters_that_are_not_asked_for_refuse_nothing() -> None:
    rows = rows_of(
        "As an AI language model, I have no aunt.", "So it is. " * 20, "So it is. " * 20, "Mail a@b.de please."
    )
    options = FilterOptions(columns=["text"], near_duplicates=None, contamination=None)
    kept = filter_rows(rows, options, pool=rows, evaluation={"test": rows})
    assert kept.rows.to_list() == rows.to_list()
    assert (kept.rejected.num_rows, kept.record.reasons, kept.masked) == (0, {}, ())
    assert filter_rows(rows, TEXT).rejected["id"][:] == ["r2"]


def test_the_first_filter_that_refuses_gives_the_reason() -> None:
    text = "As an AI language model, I repeat myself. " + "So it is. " * 20
    rows = rows_of(text, text)
    options = FilterOptions(columns=["text"], refusals=True, repetition=True)
    assert {row["reason"] for row in filter_rows(rows, options, pool=rows).rejected} == {
        "a refusal, or an assistant's phrase"
    }
    assert {row["against"] for row in filter_rows(rows, TEXT, pool=rows, evaluation={"test": rows}).rejected} == {
        "test"
    }


def test_a_refused_row_never_stands_in_the_way_of_a_good_one() -> None:
    rows = rows_of(f"Unfortunately, I cannot provide that. {SEA * 3}", f"Fortunately, I can provide that. {SEA * 3}")
    assert filter_rows(rows, TEXT).rows["id"][:] == ["r0"]
    assert filter_rows(rows, FilterOptions(columns=["text"], refusals=True)).rows["id"][:] == ["r1"]


def test_of_rows_that_are_alike_the_first_id_is_kept() -> None:
    rows = Dataset.from_dict({"id": ["b", "c", "a"], "text": [SEA, HILL, SEA]})
    kept = filter_rows(rows, TEXT)
    assert kept.rows["id"][:] == ["c", "a"]
    assert told(kept) == [("b", "a near-duplicate of another row", "a", "rows")]


def test_two_columns() -> None:
    """The same prompt with another completion is another row; a short completion alone is no evidence."""
    test = Dataset.from_dict({"id": ["t"], "prompt": ["Is 7 a prime?"], "completion": ["Yes."]})
    rows = Dataset.from_dict(
        {
            "id": ["a", "b", "c", "d"],
            "prompt": ["Is 9 a prime?", "is 7 a prime", "Is 7 a prime?", "Why is the sky above the sea so blue today?"],
            "completion": ["Yes.", "yes", "No.", " \n"],
        }
    )
    options = FilterOptions(columns=["prompt", "completion"])
    assert told(filter_rows(rows, options, evaluation={"test": test})) == [
        ("b", "equal to an evaluation text", "t", "test"),
        ("d", "a text is empty", None, None),
    ]
    answers = test.remove_columns(["prompt"])  # then the answer alone is compared, which is short
    assert told(filter_rows(rows, options, evaluation={"test": answers}))[0][0] == "d"
    questions = Dataset.from_dict({"prompt": ["no", rows["prompt"][3]]})  # without ids: numbers
    rows = Dataset.from_dict({"id": ["d"], "prompt": [rows["prompt"][3]], "completion": ["Because of the light."]})
    assert told(filter_rows(rows, options, evaluation={"questions": questions})) == [
        ("d", "equal to an evaluation text", "1", "questions")
    ]


def test_messages() -> None:
    message = {"role": Value("string"), "content": Value("string")}
    features = Features({"id": Value("string"), "messages": List(message)})
    talks = [
        [
            {"role": "user", "content": "Help me."},
            {"role": "assistant", "content": "I'm sorry, but I can't help with it."},
        ],
        [{"role": "user", "content": "Who are you?"}, {"role": "assistant", "content": "Kim, kim@example.com"}],
        [],
    ]
    rows = Dataset.from_dict({"id": ["a", "b", "c"], "messages": talks}, features)
    kept = filter_rows(rows, FilterOptions(columns=["messages"], refusals=True, mask_pii=True))
    assert [row[:2] for row in told(kept)] == [("a", "a refusal, or an assistant's phrase"), ("c", "a text is empty")]
    assert kept.rows[0]["messages"][1] == {"role": "assistant", "content": "Kim, [EMAIL]"}
    assert kept.rows.features == features


def test_masked_rows_are_counted_and_compared_as_they_are_kept() -> None:
    rows = rows_of("Ask kim@example.com.", "Ask lee@example.org.", "Call 010-1234-5678 or 010-1234-5679.", "Ask Kim.")
    kept = filter_rows(rows, FilterOptions(columns=["text"], mask_pii=True))
    assert kept.rows["text"][:] == ["Ask [EMAIL].", "Call [PHONE] or [PHONE].", "Ask Kim."]
    assert kept.masked == ("r0", "r2")
    assert told(kept) == [("r1", "a near-duplicate of another row", "r0", "rows")]
    assert (kept.record.kept, kept.record.changed, kept.record.rejected) == (1, 2, 1)
    assert kept.record.reasons == {
        "a near-duplicate of another row": 1,
        "masked: e-mail address": 1,
        "masked: phone number": 1,
    }


def test_no_rows() -> None:
    none = rows_of()
    kept = filter_rows(none, TEXT, pool=none, evaluation={"test": none})
    assert (kept.rows.num_rows, kept.rejected.num_rows, kept.record.kept) == (0, 0, 0)
    assert kept.rejected.column_names == ["id", "reason", "like", "against"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": []}, "There is no column to judge"),
        ({"columns": ["a", "a"]}, "There is no column to judge, or one twice"),
        ({"columns": "text"}, r"It is a list, not a text \(key 'columns', value 'text'\). Write \['text'\]."),
        ({"near_duplicates": 70}, r"It is no share \(key 'near_duplicates', value 70\)"),
        ({"contamination": 0}, "An n-gram has at least one word"),
        ({"contamination": True}, "An n-gram has at least one word"),
        ({"refusals": True, "refusal_patterns": ["("]}, "It is no regular expression"),
        ({"refusal_patterns": ["x"]}, "Patterns of refusals are given, and none is refused"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        FilterOptions(**{"columns": ["text"], **options})


def test_wrong_rows() -> None:
    rows = rows_of(SEA)
    with pytest.raises(
        DataError, match=r"There is no such column; there are id, text \(split 'rows', column 'prompt'\)"
    ):
        filter_rows(rows, FilterOptions(columns=["prompt"]))
    with pytest.raises(DataError, match="split 'pool', column 'text'"):
        filter_rows(rows, TEXT, pool=rows.rename_column("text", "other"))
    with pytest.raises(DataError, match=r"split 'gsm8k', column 'text'.*rename_column"):
        filter_rows(rows, TEXT, evaluation={"gsm8k": rows.rename_column("text", "question")})
    with pytest.raises(DataError, match="The column holds no texts"):
        filter_rows(Dataset.from_dict({"id": ["a"], "text": [1]}), TEXT)
    with pytest.raises(DataError, match="2 rows have the same id"):
        filter_rows(Dataset.from_dict({"id": ["a", "a"], "text": ["x", "y"]}), TEXT)
    with pytest.raises(DataError, match="Column 'id'"):
        filter_rows(rows.remove_columns(["id"]), TEXT)
    with pytest.raises(RecipeError, match="An evaluation split needs another name"):
        filter_rows(rows, TEXT, evaluation={"pool": rows})


WORDS = st.sampled_from(
    ["sea", "hill", "town", "road", "aunt", "house", "lake", "boat", "a@b.de", "As", "an", "AI", "model,", "I"]
)
TEXTS = st.one_of(
    st.none(),
    st.lists(WORDS, max_size=12).map(" ".join),
    st.lists(WORDS, min_size=1, max_size=4).map(lambda words: " ".join(words * 8)),
    st.lists(st.integers(0, 9), max_size=3).map(
        lambda places: " ".join("y" if n in places else w for n, w in enumerate(HILL.split()))
    ),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(TEXTS, max_size=12), st.lists(TEXTS, max_size=3), st.randoms(use_true_random=False))
def test_what_holds_for_any_rows(texts: list[str | None], others: list[str | None], draw: Any) -> None:
    options = FilterOptions(columns=["text"], contamination=5, refusals=True, repetition=True, mask_pii=True)
    sides = {"pool": rows_of(*others, prefix="p"), "evaluation": {"test": rows_of(*others[:1], prefix="t")}}
    rows = rows_of(*texts)
    kept = filter_rows(rows, options, **sides)
    ids, refused = kept.rows["id"][:], kept.rejected["id"][:]
    assert sorted(ids + refused) == sorted(rows["id"][:])
    assert all(kept.rejected["reason"][:])
    assert (kept.record.kept + kept.record.changed, kept.record.rejected) == (len(ids), len(refused))
    order = list(range(len(texts)))
    draw.shuffle(order)
    mixed = filter_rows(rows.select(order), options, **sides)
    by_id = {row["id"]: row for row in mixed.rejected}
    assert by_id == {row["id"]: row for row in kept.rejected}
    assert sorted(mixed.rows["id"][:]) == sorted(ids)
    again = filter_rows(kept.rows, options, **sides)
    assert (again.rejected.num_rows, again.masked) == (0, ())
    assert again.rows.to_list() == kept.rows.to_list()


def test_solutions_of_models_to_gsm8k(shared_data: Path) -> None:
    """Four models answer the same questions: what differs in a few words only is kept once, what loops never."""
    with (shared_data / "gsm8k" / "example_model_solutions.jsonl").open(encoding="utf-8") as lines:
        problems = [json.loads(line) for line in lines][:300]
    models = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    made = [(f"{n:04d}-{m}", row["question"], row[m]["solution"]) for n, row in enumerate(problems) for m in models]
    ids, prompts, completions = map(list, zip(*made, strict=True))
    rows = Dataset.from_dict({"id": ids, "prompt": prompts, "completion": completions})
    options = mbdc.FilterOptions(columns=["prompt", "completion"], near_duplicates=0.7, refusals=True, mask_pii=True)
    kept = mbdc.filter_rows(rows, options)
    assert set(kept.record.reasons) == {"a near-duplicate of another row"}  # neither refusals nor personal data
    assert all(row["id"][:4] == row["like"][:4] for row in kept.rejected)  # of the same problem
    assert 300 <= kept.record.rejected <= 600
    questions = Dataset.from_dict({"id": [str(n) for n in range(300)], "prompt": [row["question"] for row in problems]})
    clean = mbdc.filter_rows(rows, options, evaluation={"gsm8k": questions})
    assert clean.record.kept == 0  # all of the questions are those of the benchmark
