"""What a card, a changelog and the terminal say loudly, and what they say of series, costs, layout and DMOps."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from rich.console import Console

from hf_mbdc.records import Cost, Decision, Iteration, ParentRecord, SplitRecord, StepRecord
from hf_mbdc.revisions.card import costs, dmops, notices, sections, series, wording
from hf_mbdc.revisions.card.card import render_card
from hf_mbdc.revisions.diff.diff import diff
from hf_mbdc.revisions.escape import code
from hf_mbdc.revisions.terminal.iterations import show_panel

GOLDEN = Path(__file__).parents[1] / "golden"
PRICES = {"cpu_hour": 0.36, "gpu_hour": 2.0, "million_tokens": 0.01, "currency": "EUR"}


def read(name: str) -> Iteration:
    return Iteration.from_json((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def since(record: Iteration, test: str | None, **changes: Any) -> Iteration:
    """The record, its test rows those of the version `test`."""
    splits = {name: dataclasses.replace(split, since=test) for name, split in record.splits.items()}
    return dataclasses.replace(record, splits=splits, **changes)


def edited_test(version: str) -> Iteration:
    """A version made by hand that changes four rows of test."""
    counts = {"rows_before": 316, "rows_after": 316, "added": 0, "removed": 0, "changed": 4}
    split = {**counts, "columns": {}, "reasons": {}, "reordered": False, "status": "kept"}
    by_hand = {
        "evidence": None,
        "scores": {},
        "recipe": {},
        "steps": (),
        "decision": Decision("unmeasured", "By hand."),
    }
    record = dataclasses.replace(read("receipts_v2"), **by_hand)
    parent = ParentRecord("v2.0.0", "5e" * 20, "9f8e" * 16)
    return since(record, version, version=version, parent=parent, diff={"splits": {"test": split}})


def texts(record: Iteration, before: list[Iteration]) -> tuple[str, str, str]:
    """Card, changelog and terminal."""
    files = render_card(record, before, existing_card=None, configs={})
    console = Console(file=io.StringIO(), width=200, color_system=None, legacy_windows=False, _environ={})
    console.print(show_panel(record))
    return files["README.md"].decode(), files["CHANGELOG.md"].decode(), console.file.getvalue()


def test_rows_that_leak_are_said_everywhere() -> None:
    old = DatasetDict(train=Dataset.from_dict({"id": ["a"]}), test=Dataset.from_dict({"id": ["b|", "c"]}))
    new = DatasetDict(train=Dataset.from_dict({"id": ["a", "b|"]}), test=Dataset.from_dict({"id": ["c"]}))
    record = dataclasses.replace(read("receipts_v2"), diff=diff(old, new).to_dict())
    told = (
        "1 row moved from `test` to `train` (`b|`). A model trained on this version has seen rows that earlier scores"
    )
    card, changelog, terminal = texts(record, [read("receipts_v1")])
    assert f"> [!WARNING]\n> **Leak into training:** {told} were measured on." in card
    assert f"- **Leak into training:** {told} were measured on." in changelog
    assert "Leak into training: 1 row moved from test to train (b|)." in terminal
    back = dataclasses.replace(record, diff=diff(new, old).to_dict())
    assert notices.notices(back, [], str)[0][0] == "Leak into evaluation"
    both = DatasetDict(train=Dataset.from_dict({"id": ["a", "c"]}), test=old["test"])
    copied = notices.notices(dataclasses.replace(record, diff=diff(old, both).to_dict()), [], str)
    assert copied[0][1] == "1 row copied from test to train (c). The same rows are trained on and evaluated on."


def test_rows_that_move_within_training_are_no_leak() -> None:
    old = DatasetDict(train=Dataset.from_dict({"id": ["a", "b"]}), extra=Dataset.from_dict({"id": ["c"]}))
    new = DatasetDict(train=Dataset.from_dict({"id": ["a"]}), extra=Dataset.from_dict({"id": ["b", "c"]}))
    record = dataclasses.replace(read("receipts_v2"), diff=diff(old, new).to_dict())
    assert notices.notices(record, [], str) == []


def test_repeated_keys_are_said() -> None:
    old, new = Dataset.from_dict({"id": ["a"]}), Dataset.from_dict({"id": ["a", "a", "b", "b", "b"]})
    record = dataclasses.replace(read("receipts_v2"), diff=diff(old, new).to_dict())
    assert notices.notices(record, [], code) == [
        (
            "Repeated keys",
            "rows with a key that another row has: 3 in `train` (such as `a`, `b`); paired in their order.",
        )
    ]


def test_a_changed_evaluation_split_starts_a_series() -> None:
    v1, v2, v3 = since(read("receipts_v1"), "v1.0.0"), since(read("receipts_v2"), "v1.0.0"), edited_test("v3.0.0")
    card, changelog, _ = texts(v3, [v1, v2])
    said = (
        "**A new metric series starts with `v3.0.0`:** the rows of `test` changed, so scores of `v3.0.0` and of later"
    )
    assert said in card
    assert said in changelog
    assert "| Decision | Series |" in card
    rows = [
        line.rsplit("|", 2)[1].strip() for line in card.splitlines() if line.startswith(("| `v1", "| `v2", "| `v3"))
    ]
    assert rows == ["`v3.0.0`", "`v1.0.0`", "`v1.0.0`"]
    calm, _, _ = texts(v2, [v1])
    assert "\n  series: v1.0.0\n" in calm.split("\n---\n")[0]  # for a search over many cards
    assert "[!WARNING]" not in calm
    assert (
        "Metric series `v1.0.0`: the rows of `test` are those of `v1.0.0`, so scores on them can be compared." in calm
    )
    assert "| Series |" not in calm
    assert (
        notices.notices(v3, [], str)[0][0] == "A new metric series starts with v3.0.0"
    )  # test, unless another is named
    other = dataclasses.replace(v2, recipe={"evaluation": {"split": "validation"}}, evidence=None)
    assert notices.notices(v3, [other], str) == []


def test_a_trend_joins_one_series_only() -> None:
    v1, v2, v3 = since(read("receipts_v1"), "v1.0.0"), since(read("receipts_v2"), "v1.0.0"), edited_test("v3.0.0")
    parent = ParentRecord("v3.0.0", "aa" * 20, "")
    v4 = since(read("receipts_v2"), "v3.0.0", version="v4.0.0", parent=parent)
    v5 = dataclasses.replace(v2, version="v5.0.0", evidence=None, restores=ParentRecord("v2.0.0", "bb" * 20, ""))
    v6 = dataclasses.replace(v2, version="v6.0.0", parent=ParentRecord("v5.0.0", "cc" * 20, ""))
    assert [point.version for point in series.trend_points([v1, v2, v3, v4])] == ["v3.0.0", "v4.0.0"]
    back = series.trend_points([v1, v2, v3, v4, v5, v6])  # a rollback brings the evaluation rows back, too
    assert [point.version for point in back] == ["v1.0.0", "v2.0.0", "v5.0.0", "v6.0.0"]
    found = series.trends([v1, v2, v3, v4, v5, v6])
    assert [(trend.since, [point.version for point in trend.points]) for trend in found] == [
        ("v1.0.0", ["v1.0.0", "v2.0.0", "v5.0.0", "v6.0.0"]),
        ("v3.0.0", ["v3.0.0", "v4.0.0"]),
    ]
    assert found[1].points[1].interval == pytest.approx((0.8228 + 0.0312, 0.8228 + 0.0723))


def test_a_rollback_and_a_merge_say_where_the_content_came_from() -> None:
    v2 = read("receipts_v2")
    back = dataclasses.replace(
        v2, version="v3.0.0", evidence=None, restores=ParentRecord("v1.0.0", "5e" * 20, ""), parent=v2.parent
    )
    card, changelog, terminal = texts(back, [v2])
    assert "**`v3.0.0`** brings back the content of `v1.0.0`: compared with `v1.0.0`, it changes 118 of 752" in card
    for text in (card, changelog):
        assert "A rollback: the rows are those of `v1.0.0`, commit `5e5e5e5e5e5e`." in text
    assert "A rollback: the rows are those of v1.0.0" in terminal
    assert "Not measured anew: its scores are those of `v1.0.0`." in card
    same = dataclasses.replace(back, diff={})
    assert wording.change(same, str) == "brings back the content of v1.0.0"
    merged = dataclasses.replace(v2, merged_from=ParentRecord("v0.9.0", "dd" * 20, ""))
    assert notices.origins(merged, str) == [
        "Merged: the change was made from v0.9.0 and put together, row by row and cell by cell, with what others had "
        "published by v1.0.0."
    ]


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        ({"deletes": "hard", "dead_rows": 0, "unused_values": 0}, None),
        (
            {"deletes": "live", "dead_rows": 12, "unused_values": 0},
            "Soft deletes: 12 dead rows in the files, marked in",
        ),
        ({"deletes": "lazy", "dead_rows": 0, "unused_values": 7}, "7 texts of removed or edited cells may still stand"),
    ],
)
def test_limits_of_the_layout(layout: dict[str, Any], said: str | None) -> None:
    lines = sections.known_limits(dataclasses.replace(read("receipts_v2"), layout=layout), code)
    found = [line for line in lines if "`hf-mbdc compact me/receipts`" in line]
    assert len(found) == (said is not None)
    assert said is None or found[0].startswith(said)


def test_how_labels_numbers_and_texts_changed_is_in_the_table() -> None:
    kinds = Features(
        {"id": Value("string"), "y": ClassLabel(names=["no", "y|es"]), "n": Value("int32"), "t": Value("string")}
    )
    old = Dataset.from_dict({"id": ["a", "b"], "y": [0, 0], "n": [1, 1], "t": ["12.00", "x"]}, kinds)
    new = Dataset.from_dict({"id": ["a", "b"], "y": [1, 1], "n": [3, 5], "t": ["12.50", "x"]}, kinds)
    record = dataclasses.replace(read("receipts_v2"), diff=diff(old, new).to_dict())
    card, _, _ = texts(record, [read("receipts_v1")])
    assert "| `train` | `y` | label | 2 | no → y&#124;es 2 |" in card
    assert "| `train` | `n` | number | 2 | shift +3 on average, median +3, from +2 to +4 |" in card
    assert "| `train` | `t` | text | 1 | similarity 0.80 |" in card


def test_money_by_the_prices_of_the_recipe() -> None:
    record = read("receipts_v2")
    assert costs.money(record.cost, record) == "–"
    assert "Money" not in costs.cost_columns([record])
    spent = Cost(wall_seconds=60, cpu_seconds=1000, tokens=2_000_000, gpu_seconds=1800)
    priced = dataclasses.replace(record, cost=spent, recipe={**record.recipe, "prices": PRICES})
    assert costs.money(spent, priced) == "1.12 EUR"  # 0.10 of CPU, 0.02 of tokens, 1.00 of a GPU
    assert costs.cost_columns([priced]) == [
        "Job time",
        "CPU time",
        "GPU time",
        "Model calls",
        "Tokens",
        "New bytes",
        "Money",
    ]
    assert costs.cost_per_row(priced).endswith(", 0.00949 EUR.")
    assert costs.cost_per_point(priced, str) == "Per point of exact_match gained (5.2): 12 s, 386,847 tokens, 0.22 EUR."
    assert costs.cost_line(priced).endswith("2,000,000 tokens, 0 B, 1.12 EUR")
    card, _, _ = texts(priced, [read("receipts_v1")])
    assert "| **total** | 1 min 0 s | 16 min 40 s | 30 min 0 s | 0 | 2,000,000 | 0 B | 1.12 EUR |" in card


def test_no_point_gained_and_nothing_spent() -> None:
    assert costs.cost_per_point(read("receipts_v3_refused"), str) == "No point of exact_match was gained for it."
    assert costs.cost_per_point(read("receipts_v1"), str) == ""
    assert costs.cost_per_point(dataclasses.replace(read("receipts_v2"), cost=Cost(bytes=9)), str) == ""


def test_only_steps_of_dmops_that_are_on_record_are_told() -> None:
    by_hand = Iteration("me/x", "v1.0.0", "m", "h", {"train": SplitRecord(1, "h")}, Decision("unmeasured", "By hand."))
    assert [number for number, _, _ in dmops.dmops([by_hand], str)] == [9, 12]
    assert dmops.missing([by_hand]).startswith("Not on record: establish the goal (1), secure raw data (2)")
    people = StepRecord("review", "industrial data quality", "", changed=1, automated=False)
    found = {number: text for number, _, text in dmops.dmops([dataclasses.replace(by_hand, steps=(people,))], str)}
    assert (found[6], found[8]) == ("people", "review (v1.0.0)")
    lineage = [read("receipts_v1"), read("receipts_v2")]
    assert [number for number, _, _ in dmops.dmops(lineage, str)] == [1, 2, 3, 4, 6, 8, 9, 11, 12]
