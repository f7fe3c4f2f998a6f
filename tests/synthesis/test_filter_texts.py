"""The step filter_texts: made rows of this iteration against older ones and the other splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset, concatenate_datasets

from hf_mbdc.steps import find_step, step_options
from hf_mbdc.synthesis.filter_texts import STEP
from hf_mbdc.synthesis.filters import FilterOptions
from hf_mbdc.synthesis.step import StepContext, StepResult

SEA = "Name five animals that live in the deep sea."
HILL = "Describe the hill behind the house where your aunt once lived."


def row(key: str, text: str | None, source: str | None = None, iteration: str | None = None) -> dict[str, Any]:
    return {"id": key, "text": text, "mbdc_source": source, "mbdc_iteration": iteration}


def run(rows: list[dict[str, Any]], test: list[str], **options: Any) -> StepResult:
    others = {"test": Dataset.from_dict({"id": [f"t{n}" for n in range(len(test))], "text": test})}
    context = StepContext(approach=None, config=None, work_dir=Path(), others=others)
    return STEP.run(Dataset.from_list(rows), FilterOptions(columns=["text"], **options), context)


def test_new_rows_are_filtered_and_older_ones_stay() -> None:
    rows = [
        row("old", SEA),
        row("again", SEA),  # older rows are not judged
        row("made before", SEA, "made", "v1.1.0"),
        row("z", HILL.replace("hill", "lake"), "made"),
        row("copy", SEA.replace("five", "six"), "made"),
        row("leak", HILL, "made"),
        row("a", "Count the trees that stand by the road to kim@example.com.", "made"),
        row("empty", None, "made"),
    ]
    done = run(rows, [HILL.upper()], mask_pii=True, near_duplicates=0.95)
    assert done.rows["id"][:] == ["old", "again", "made before", "z", "copy", "a"]
    done = run(rows, [HILL.upper()], mask_pii=True)
    assert done.rows["id"][:] == ["old", "again", "made before", "a"]
    assert done.rows["text"][:][-1] == "Count the trees that stand by the road to [EMAIL]."
    assert done.rejected is not None
    assert done.rejected.to_list() == [
        {"id": key, "reason": reason, "like": like, "against": against, "split": "train"}
        for key, reason, like, against in (
            ("z", "a near-duplicate of an evaluation text", "t0", "test"),
            ("copy", "a near-duplicate of a row of the pool", "old", "pool"),
            ("leak", "equal to an evaluation text", "t0", "test"),
            ("empty", "a text is empty", None, None),
        )
    ]
    assert (done.record.kept, done.record.changed, done.record.rejected) == (3, 1, 4)
    assert done.record.name == "filter_texts"


def test_nothing_new_changes_nothing() -> None:
    rows = [row("a", SEA), row("b", SEA, "made", "v1.1.0")]
    done = run(rows, [SEA])
    assert done.rows.select_columns(list(rows[0])).to_list() == rows
    assert (done.rejected, done.record.kept, done.record.rejected) == (None, 2, 0)
    assert run([{"id": "a", "text": SEA}], [SEA]).rows["id"][:] == ["a"]  # rows without provenance are no model's


def test_an_older_row_with_the_id_of_a_refused_one_stays() -> None:
    assert run([row("a", HILL), row("a", HILL, "made")], []).rows["mbdc_source"][:] == [None]


def test_a_recipe_finds_the_step() -> None:
    options = step_options("filter_texts", {"columns": ["text"], "near_duplicates": 0.8, "languages": ["en"]}, key="k")
    assert options == FilterOptions(columns=("text",), near_duplicates=0.8, languages=("en",))
    assert find_step("filter_texts") is STEP


def test_what_is_set_aside_goes_beside_what_other_steps_set_aside() -> None:
    done = run([row("a", SEA, "made")], [SEA])
    before = Dataset.from_list([{"id": "b", "split": "train", "reason": "unreadable"}])
    both = concatenate_datasets([before, done.rejected])
    assert both["like"][:] == [None, "t0"]
    assert both["split"][:] == ["train", "train"]
