"""The lines of a card on what stands behind a decision: nothing where nothing is on record, and nothing raw."""

from __future__ import annotations

import dataclasses

from made_evidence import GAIN, SLICES

from hf_mbdc.records import ControlEvidence, Decision, Iteration, ParentRecord, SliceEvidence
from hf_mbdc.revisions.card.checks import checks, search_lines, search_rows
from hf_mbdc.revisions.escape import code

PARENT = ParentRecord("v1.0.0", "0" * 40, "")
LAST = Iteration("me/x", "v2.0.0", "m", "0" * 64, {}, Decision("accept", ""), parent=PARENT, evidence=GAIN)


def test_an_older_record_says_nothing() -> None:
    assert checks(LAST, code) == []
    assert search_lines({}, code) == []
    assert search_rows({}) == []


def test_what_a_decision_rests_on_is_told() -> None:
    control = ControlEvidence("token-matched", 900, 0.83, 0.04, (0.02, 0.06), 0.0002, "accept")
    slices = (
        *SLICES,
        SliceEvidence("<b>", 9, 0.9, 0.8, -0.1, (-0.19, -0.01), 0.06, (-0.22, 0.02), 9),
    )
    found = dataclasses.replace(
        GAIN, look=2, looks=5, alpha=0.01, controls=(control,), steps=600, tokens=(1e5, 1.2e5), slices=slices
    )
    assert checks(dataclasses.replace(LAST, evidence=found), code) == [
        "Equal budget: 600 steps a training, from the same first weights; read 100,000 tokens of the parent and "
        "120,000 of the candidate.",
        "Control, `token-matched`: trained on 900 rows of the parent's own data, as many tokens as the candidate has, "
        "the target scores .83; the candidate differs by +.04 [.02, .06] (p < .001).",
        "Look 2 of 5 at these rows, decided at a level of 0.01.",
        "Corrected for 3 slices, for sure: better on `total`, worse on `date`.",
        "The score of every row with every seed is in `assets/scores.parquet`.",
    ]


def test_leaks_are_told_by_whose_rows_they_are() -> None:
    pair = {"train_id": "a", "evaluation_id": "b", "similarity": 1.0}
    count = {
        "split": "test",
        "kind": "exact",
        "column": "context",
        "evaluation_rows": 4,
        "train_rows": 2,
        "pairs": [pair],
    }
    report = {"columns": ["context"], "train_rows": 90, "brought_rows": 9, "evaluation_rows": {"test": 40, "dev": 7}}
    plain = dataclasses.replace(LAST, evidence=None)

    def told(brought: bool | None, parent: ParentRecord | None = PARENT) -> list[str]:
        counts = [] if brought is None else [{**count, "brought": brought}]
        return checks(dataclasses.replace(plain, parent=parent, leaks={**report, "counts": counts}), code)

    against = "Leak check of 9 new train rows against `test` and `dev`, by exact texts, near-duplicates and 13-grams"
    clean = f"{against}: nothing found."
    assert told(None) == [clean]
    assert told(True) == ["Leak (exact, `context`): 4 of 40 rows of `test` stand in new train rows (2 rows)."]
    assert told(False) == [
        clean,
        "Leak (exact, `context`): 4 of 40 rows of `test` stand in the parent's train rows (2 rows).",
    ]
    assert told(True, None) == ["Leak (exact, `context`): 4 of 40 rows of `test` stand in train rows (2 rows)."]


def test_a_search_is_a_table_with_the_best_first() -> None:
    agreement = {"candidates": 3, "spearman": 0.5, "spearman_interval": [-0.9, 1.0]}
    search = {
        "best": "b",
        "split": "validation",
        "rungs": [
            {"budget": 10, "scores": {"a": 0.1, "b": 0.2, "c": 0.15}},
            {"budget": 30, "scores": {"b": 0.5, "c": 0.4}},
        ],
        "agreement": {"10": agreement},
        "trainings": 5,
        "spent": 90,
        "full": 180,
    }
    assert search_rows(search) == [("b", [".200", ".500"]), ("c", [".150", ".400"]), ("a", [".100", "–"])]
    assert search_lines(search, code) == [
        "Chosen on `validation`, which decides nothing else: `b`, by 5 trainings with 50 % of the steps that all in "
        "full would take.",
        "Order after 10 steps against the full one: Spearman's ρ +.50 [−.90, 1.00] over 3 alternatives.",
    ]
    search |= {"unchanged": ["d"], "agreement": {"10": {**agreement, "spearman": None}}}
    assert search_lines(search, code)[1:] == [
        "Order after 10 steps against the full one: Spearman's ρ – [−.90, 1.00] over 3 alternatives.",
        "Not compared, as they changed no row: `d`.",
    ]
    alone = {"best": "b", "split": "validation", "rungs": [], "unchanged": ["a"]}
    assert search_rows(alone) == []
    assert search_lines(alone, code) == [
        "The one alternative that changed rows: `b`. Nothing was trained to choose it.",
        "Not compared, as they changed no row: `a`.",
    ]
