"""The record of an iteration: what goes into a manifest comes out of it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.records import (
    Cost,
    Decision,
    Evidence,
    Iteration,
    ParentRecord,
    SliceEvidence,
    SplitRecord,
    StepRecord,
    build,
)

FULL = Iteration(
    repo_id="me/receipts",
    version="v2.0.0",
    message="Relabelled «total»",
    content_hash="ab" * 32,
    splits={"train": SplitRecord(752, "cd" * 32), "test": SplitRecord(0, "ef" * 32)},
    decision=Decision("accept", "total +.23 [.17, .29]"),
    parent=ParentRecord("v1.0.0", "12" * 20, "34" * 32),
    steps=(
        StepRecord(
            name="relabel",
            pillar="model-guided synthesis",
            why="several occurrences",
            model="span@abc",
            kept=1,
            changed=2,
            reasons={"higher score": 2},
            cost=Cost(wall_seconds=1.5, model_calls=3),
        ),
        StepRecord(name="locate", pillar="approach-specific information", why="offsets", automated=False),
    ),
    diff={"splits": {"train": {"changed": 2, "examples": [None, "x"]}}},
    evidence=Evidence(
        metric="exact_match",
        split="test",
        rows=316,
        clusters=79,
        seeds=(0, 1),
        parent=0.82,
        candidate=0.87,
        difference=0.05,
        interval=(0.02, 0.08),
        confidence=0.95,
        p_value=0.001,
        verdict="accept",
        slices=(SliceEvidence("total", 79, 0.67, 0.9, 0.23, (0.17, 0.29)),),
        secondary={"anls": (0.9, 0.95)},
    ),
    approach={"name": "extractive_qa", "options": {"choose": "first"}},
    cost=Cost(1.0, 2.0, 3, 4, 5),
    recipe={"name": "receipts", "seeds": [0, 1]},
    environment={"python": "3.11"},
    rejected={"the document has no words": 6},
    created_at="2026-01-01T00:00:00+00:00",
)


def test_a_manifest_comes_back_as_the_same_record() -> None:
    assert Iteration.from_json(FULL.to_json()) == FULL
    assert Iteration.from_json(FULL.to_json().encode()) == FULL


def test_the_text_of_a_manifest() -> None:
    text = FULL.to_json()
    assert text.endswith("}\n")
    assert "Relabelled «total»" in text
    assert list(json.loads(text)) == sorted(json.loads(text))


def test_the_sha_of_the_commit_is_not_in_the_manifest() -> None:
    known = dataclasses.replace(FULL, sha="99" * 20)
    assert known.to_json() == FULL.to_json()
    assert Iteration.from_json(known.to_json()).sha is None


def test_a_record_with_nothing_optional() -> None:
    small = Iteration("me/x", "v1.0.0", "First", "ab", {}, Decision("baseline", "first"))
    again = Iteration.from_json(small.to_json())
    assert again == small
    assert (again.parent, again.evidence, again.steps) == (None, None, ())


def test_a_field_of_a_newer_package_is_left_out() -> None:
    data = json.loads(FULL.to_json())
    data["mood"] = "good"
    data["decision"]["mood"] = "good"
    assert Iteration.from_json(json.dumps(data)) == FULL


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"repo_id": 1}', '"x"'])
def test_what_is_no_manifest(text: str) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        Iteration.from_json(text)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("format",), 2, "The manifest has format 2, this hf_mbdc reads up to 1"),
        (("decision", "verdict"), "acepted", "'acepted' is none of 'baseline', 'unmeasured', 'accept'"),
        (("decision", "verdict"), None, "None is none of"),
        (("decision", "verdict"), ["accept"], "is none of"),
        (("evidence", "verdict"), "baseline", "'baseline' is none of 'accept', 'reject', 'inconclusive'"),
        (("steps", 0, "pillar"), "luck", "'luck' is none of 'approach-specific information'"),
    ],
)
def test_a_newer_format_or_an_unknown_literal_is_refused(path: tuple[Any, ...], value: Any, words: str) -> None:
    data = json.loads(FULL.to_json())
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ValueError, match=words):
        Iteration.from_json(json.dumps(data))


def test_costs_add_up() -> None:
    assert Cost(1.0, 2.0, 3, 4, 5) + Cost(0.5, 0.5, 1, 1, 1) == Cost(1.5, 2.5, 4, 5, 6)
    assert sum([Cost(bytes=1), Cost(bytes=2)], Cost()) == Cost(bytes=3)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (float, 1, 1.0),
        (int, 1, 1),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[float, str], [1, "x"], (1.0, "x")),
        (dict[str, tuple[float, float]], {"a": [1, 2]}, {"a": (1.0, 2.0)}),
        (str | None, None, None),
        (Cost | None, {"bytes": 3}, Cost(bytes=3)),
    ],
)
def test_build(kind: Any, value: Any, expected: Any) -> None:
    built = build(kind, value)
    assert built == expected
    assert type(built) is type(expected)


@given(st.builds(StepRecord, reasons=st.dictionaries(st.text(), st.integers()), model=st.none() | st.text()))
def test_any_step_comes_back(step: StepRecord) -> None:
    assert build(StepRecord, json.loads(json.dumps(dataclasses.asdict(step)))) == step
