"""The rungs of `choose` through `annotate`: learning from a dataset, streams, options as JSON, pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict, Features, IterableDataset, List, Value, concatenate_datasets

from hf_mbdc.approaches import annotate, fit, make_approach
from hf_mbdc.approaches.extractive_qa import ExtractiveQA
from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.loaders import load_with_rejected
from hf_mbdc.transforms.choose_learned import Chooser

READS = ExtractiveQA().reads
LEARNED = ExtractiveQA(choose="learned")


def rows(count: int = 90, first: int = 0) -> Dataset:
    """The answer is the value behind the noun that is asked for; in every third row it stands at both ends too."""
    made = []
    for i in range(first, first + count):
        pairs = [f"noun{(7 * i + j) % 61} value{(5 * i + 3 * j) % 53}" for j in range(6)]
        answer = f"value{(5 * i + 6) % 53}"
        context = ". ".join(pairs) + "."
        if i % 3 == 0:
            context = f"{answer} came. {context} Then {answer} left."
        asked = f"What is behind noun{(7 * i + 2) % 61}?"
        made.append({"id": f"{i:03d}", "question": asked, "context": context, "answers": [answer]})
    return Dataset.from_list([{**row, "words": row["context"].split(), "boxes": []} for row in made], features=READS)


def starts(ds: Any) -> dict[str, int]:
    return dict(zip(ds["id"][:], ds["answer_start"][:], strict=True))


def test_learned_just_works() -> None:
    done = annotate(rows(), LEARNED)
    several = done.filter(lambda row: row["n_occurrences"] == 3)
    assert len(several) == 30
    for row in several:
        assert row["answer_start"] == row["candidates"][1]["start"]
        choices = sorted(candidate["choice"] for candidate in row["candidates"])
        assert row["choice_margin"] == pytest.approx(choices[2] - choices[1], abs=1e-5)
        assert row["choice_margin"] > 0
    alone = done.filter(lambda row: row["n_occurrences"] == 1)
    assert all(margin != margin for margin in alone["choice_margin"][:])


def test_what_is_learned_depends_on_the_rows_alone() -> None:
    expected = starts(annotate(rows(), LEARNED))
    assert starts(annotate(rows().shuffle(seed=3), LEARNED)) == expected
    assert starts(annotate(rows(), LEARNED, num_proc=2, batch_size=7)) == expected
    assert fit(rows(), LEARNED) == fit(rows().shuffle(seed=3), LEARNED)


def test_the_train_split_teaches_if_it_has_enough_rows() -> None:
    train, test = rows(), rows(30, first=200)
    assert fit(DatasetDict(train=train, test=test), LEARNED) == fit(train, LEARNED)
    small = DatasetDict(train=test, test=train)
    assert fit(small, LEARNED) == fit(concatenate_datasets([test, train]), LEARNED)


def test_too_few_rows_to_learn_from() -> None:
    with pytest.raises(DataError, match=r"There are 8 rows whose answer occurs once.*needed 50.*choose='question'"):
        annotate(rows(12), LEARNED)


def test_a_stream_needs_what_was_learned_before() -> None:
    stream = rows().to_iterable_dataset()
    with pytest.raises(DataError, match=r"An approach learns from a dataset, not from IterableDataset"):
        annotate(stream, LEARNED)
    fitted = fit(rows(), LEARNED)
    done = annotate(stream, fitted)
    assert isinstance(done, IterableDataset)
    assert {row["id"]: row["answer_start"] for row in done} == starts(annotate(rows(), LEARNED))


def test_nothing_to_learn_is_the_same_approach() -> None:
    approach = ExtractiveQA("question")
    assert fit(rows(), approach) is approach
    with pytest.raises(RecipeError, match=r"choose='learned' has learned nothing yet"):
        LEARNED.transform(rows(1)[:])


def test_what_was_learned_goes_through_a_manifest() -> None:
    fitted = fit(rows(), LEARNED)
    assert isinstance(fitted.choose, Chooser)
    assert make_approach("extractive_qa", json.loads(json.dumps(fitted.options()))) == fitted
    assert make_approach("extractive_qa", {"choose": "learned"}) == LEARNED


def test_gold_offsets_are_never_read(shared_data: Path) -> None:
    loaded = load_with_rejected("squad", str(shared_data / "xquad" / "xquad.en.json"))
    ds = concatenate_datasets(list(loaded.dataset.values())).remove_columns("image")
    gold = ds["gold_starts"][:]
    shuffled = ds.remove_columns("gold_starts").add_column("gold_starts", gold[1:] + gold[:1])
    without = annotate(ds.remove_columns("gold_starts"), LEARNED)
    done = annotate(shuffled, LEARNED)
    for column in ("answer_start", "answer_end"):
        assert done[column][:] == without[column][:]
    right = sum(start in known for start, known in zip(without["answer_start"][:], gold, strict=True))
    assert right / len(gold) > 0.983  # 0.968 of the first occurrences


PAGES = {
    "id": ["0"],
    "question": ["?"],
    "words": [["a", "TOTAL", "9.00", "9.00"]],
    "boxes": [[[0, 0, 9, 9], [0, 900, 90, 920], [100, 900, 180, 920], [0, 0, 90, 20]]],
    "context": ["a TOTAL 9.00 9.00"],
    "answers": [["9.00 9.00"]],
    "pages": [[0, 0, 0, 1]],
}


def test_the_page_of_the_answer_and_a_new_line_on_a_new_page() -> None:
    features = Features({**READS, "pages": List(Value("int32"))})
    ds = Dataset.from_dict(PAGES, features=features)
    done = annotate(ds, ExtractiveQA())[0]
    assert done["answer_page"] == 0
    assert done["answer_boxes"] == [[100, 900, 180, 920], [0, 0, 90, 20]]
    last = annotate(Dataset.from_dict({**PAGES, "answers": [["9.00"]]}, features=features), ExtractiveQA("last"))[0]
    assert last["answer_page"] == 1
    stream = annotate(ds.to_iterable_dataset(), ExtractiveQA())
    assert next(iter(stream))["answer_page"] == 0


@pytest.mark.parametrize(
    ("pages", "reason"),
    [([0, 0], "2 pages for 4 words"), ([0, 0, 0, -1], "word 3 has no page (0, 1, …): -1")],
)
def test_pages_that_are_none(pages: list[int], reason: str) -> None:
    _, reasons = ExtractiveQA().try_transform({**PAGES, "pages": [pages]})
    assert reasons == [reason]


def test_pages_of_another_type() -> None:
    ds = Dataset.from_dict({**PAGES, "pages": ["one"]}, features=Features({**READS, "pages": Value("string")}))
    with pytest.raises(DataError, match=r"Column 'pages' is string, not list of int"):
        annotate(ds, ExtractiveQA())


def test_what_cannot_be_fitted_is_refused() -> None:
    ds = rows(3)
    with pytest.raises(DataError, match="Column 'pages' is list of string"):
        fit(ds.add_column("pages", [["0"]] * len(ds), feature=List(Value("string"))), LEARNED)
    with pytest.raises(RecipeError, match="make_approach"):
        fit(ds, "extractive_qa")
