"""Sensitive columns: named once, no example shows their values any more, while the rows stay as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, Value

import hf_mbdc as mbdc
from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.recipe import read_recipe, recipe_to_dict
from hf_mbdc.revisions.card.masking import MASK, mask
from hf_mbdc.revisions.diff.diff import Diff, diff
from hf_mbdc.revisions.repositories.folder import FolderRepository

ID = "me/people"
SECRETS = ("Annabel", "Zebedee", "4711", "mauve")


def people(name: str, pay: int, colour: str, label: str) -> Dataset:
    columns = {
        "id": ["1", "2"],
        "name": [name, "Bob"],
        "pay": [pay, 7],
        "colour": [colour, "red"],
        "label": [label, "x"],
    }
    kinds = {"id": Value("string"), "name": Value("string"), "pay": Value("int32"), "colour": Value("string")}
    return Dataset.from_dict(columns, Features({**kinds, "label": ClassLabel(names=["mauve", "x"])}))


def sides() -> tuple[Dataset, Dataset]:
    return people("Annabel", 1, "a", "x"), people("Zebedee", 4711, "b", "mauve")


NAMED = ("name", "pay", "label")


def published(folder: Path) -> dict[str, bytes]:
    """What people read of a revision: all files but the rows."""
    snapshot = FolderRepository(folder).snapshot(ID, "main")
    return {path.name: path.read_bytes() for path in snapshot.rglob("*") if path.suffix in (".md", ".json", ".png")}


def test_counts_stay_and_values_go() -> None:
    found = mask(diff(*sides()).to_dict(), NAMED)
    columns = found["splits"]["train"]["columns"]
    assert columns["name"] == {
        "changed": 1,
        "kind": "text",
        "examples": [{"id": "1", "before": MASK, "after": MASK}],
    }
    assert set(columns["pay"]) == set(columns["label"]) == {"changed", "kind", "examples"}  # no range, no confusion
    assert columns["colour"]["examples"] == [{"id": "1", "before": "a", "after": "b"}]
    assert not any(secret in json.dumps(found) for secret in SECRETS)
    assert not any(secret in Diff.from_dict(found).to_html() for secret in SECRETS)


def test_a_sensitive_key_hides_the_ids() -> None:
    old = Dataset.from_dict({"id": ["secret-1", "secret-2"], "ids": [1, 2]})
    new = Dataset.from_dict({"id": ["secret-1", "secret-3"], "ids": [5, 2]})
    found = mask(diff(old, new).to_dict(), ["id"])
    assert "secret" not in json.dumps(found)
    assert found["splits"]["train"]["added_ids"] == [MASK]
    assert found["splits"]["train"]["columns"]["ids"]["examples"] == [{"id": MASK, "before": "1", "after": "5"}]


def test_nothing_named_changes_nothing() -> None:
    found = diff(*sides()).to_dict()
    assert mask(found, ()) is found
    assert mask({}, ["name"]) == {}


def test_what_is_published_shows_no_sensitive_value(tmp_path: Path) -> None:
    old, new = sides()
    mbdc.publish(old, ID, repository=tmp_path, message="first", sensitive=NAMED)
    record = mbdc.publish(new, ID, repository=tmp_path, message="second")  # columns named once stay so
    assert record.sensitive == tuple(sorted(NAMED))
    files = published(tmp_path)
    assert {"README.md", "manifest.json", "CHANGELOG.md"} <= files.keys()
    prose = {name: content for name, content in files.items() if name != "README.md"}
    body = files["README.md"].split(b"\n---\n", 1)[1]  # before it, the names of the labels are part of the schema
    for secret in (b"Annabel", b"Zebedee", b"4711"):
        assert not any(secret in content for content in [body, *prose.values()])
    assert MASK.encode() in body
    assert mbdc.load(ID, repository=tmp_path)["train"]["name"][:] == ["Zebedee", "Bob"]


def test_naming_a_column_of_the_same_rows_is_a_version(tmp_path: Path) -> None:
    old, _ = sides()
    mbdc.publish(old, ID, repository=tmp_path, message="first")
    assert mbdc.publish(old, ID, repository=tmp_path, message="again").version == "v1.0.0"
    assert mbdc.publish(old, ID, repository=tmp_path, message="masked", sensitive=["name"]).version == "v1.0.1"
    assert mbdc.publish(old, ID, repository=tmp_path, message="again", sensitive="name").version == "v1.0.1"


def test_a_slip_of_the_pen_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"column 'nmae'.*The columns are: colour, id, label, name, pay"):
        mbdc.publish(sides()[0], ID, repository=tmp_path, message="first", sensitive=["nmae"])


RECIPE = """
repo_id: me/x
dataset: {name: sroie}
approach: {name: extractive_qa}
iterations: [{message: first}]
"""


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("sensitive: [key]\nevaluation: {slice_by: key}", "A sensitive column names the parts"),
        ("prices: {cpu_hour: -1}", r"A price is not 0 or more .*key 'prices.cpu_hour'"),
        ("prices: {cpu_hours: 1}", r"Did you mean 'cpu_hour'\?"),
    ],
)
def test_wrong_recipes(tmp_path: Path, more: str, message: str) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE + more, encoding="utf-8")
    with pytest.raises(RecipeError, match=message):
        read_recipe(tmp_path / "recipe.yaml")


@pytest.mark.parametrize(
    ("more", "recorded"),
    [
        ("", {}),
        ("sensitive: [key]\nprices: {cpu_hour: 0.05}", {"sensitive": ["key"]}),
    ],
)
def test_the_record_holds_what_was_named(tmp_path: Path, more: str, recorded: dict[str, Any]) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE + more, encoding="utf-8")
    found = recipe_to_dict(read_recipe(tmp_path / "recipe.yaml"))
    prices = found.pop("prices", None)
    assert {name: found[name] for name in ("sensitive",) if name in found} == recorded
    wanted = {"cpu_hour": 0.05, "gpu_hour": 0.0, "million_tokens": 0.0, "currency": "EUR"}
    assert prices == (wanted if recorded else None)
