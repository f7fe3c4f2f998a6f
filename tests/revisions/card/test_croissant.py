"""croissant.json: every file with its hash, every column with its type, and where the revision came from."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List, Value

import hf_mbdc as mbdc
from hf_mbdc.records import Iteration
from hf_mbdc.revisions.card.croissant import CONFORMS_TO, CONTEXT, croissant
from hf_mbdc.revisions.files.layout import read_files
from hf_mbdc.revisions.repositories.folder import FolderRepository

ID = "me/things"
GOLDEN = Path(__file__).parents[1] / "golden"
KINDS = Features(
    {
        "id": Value("string"),
        "y": ClassLabel(names=["a", "b"]),
        "boxes": List(List(Value("int32"))),
        "pair": List(Value("float32"), length=2),
        "image": Image(),
        "struct": {"a": Value("int32")},
        "when": Value("timestamp[s]"),
    }
)


def rows(*ids: str) -> Dataset:
    number = len(ids)
    columns: dict[str, Any] = {
        "id": list(ids),
        "y": [0] * number,
        "boxes": [[[1, 2]]] * number,
        "pair": [[0.5, 1.5]] * number,
        "image": [None] * number,
        "struct": [{"a": 1}] * number,
        "when": [None] * number,
    }
    return Dataset.from_dict(columns, KINDS)


@pytest.fixture
def revision(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """The folder of a second version, and what its croissant.json says."""
    first = mbdc.publish(DatasetDict(train=rows("a"), test=rows("t")), ID, repository=tmp_path, message="first")
    both = DatasetDict(train=rows("a", "b"), test=rows("t"))
    mbdc.publish(both, ID, repository=tmp_path, message="second", parent=first.sha)
    folder = FolderRepository(tmp_path).snapshot(ID, "main")
    return folder, json.loads((folder / "croissant.json").read_text("utf-8"))


def test_the_split_of_every_file_follows_from_its_name(revision: tuple[Path, dict[str, Any]]) -> None:
    folder, found = revision
    pattern = found["recordSet"][1]["field"][0]["source"]["transform"]["regex"]
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.glob("data/*"))
    told = {path: (re.search(pattern, f"/any/{path}") or [path, None])[1] for path in paths}
    assert told == {
        "data/test-00000-of-00001.parquet": "test",
        "data/train-00000-of-00001.parquet": "train",
        "data/train-delta-00001.parquet": "train",
    }


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = [item for name, item in value.items() if name not in ("@context", "data")]
    if isinstance(value, list):
        for item in value:
            yield from nodes(item)


def test_files_splits_and_columns(revision: tuple[Path, dict[str, Any]]) -> None:
    folder, said = revision
    objects = {item["@id"]: item for item in said["distribution"] if item["@type"] == "cr:FileObject"}
    assert sorted(objects) == sorted(str(path.relative_to(folder)) for path in folder.glob("data/*.parquet"))
    for path, item in objects.items():
        assert item["sha256"] == hashlib.sha256((folder / path).read_bytes()).hexdigest()
        assert item["contentSize"] == f"{(folder / path).stat().st_size} B"
    splits, default = said["recordSet"]
    assert [row["splits/name"] for row in splits["data"]] == ["train", "test"]
    fields = {item["@id"].removeprefix("default/"): item for item in default["field"]}
    assert {name: (item["dataType"], item.get("arrayShape")) for name, item in fields.items()} == {
        "split": ("sc:Text", None),
        "id": ("sc:Text", None),
        "y": (["cr:Int64", "cr:Label"], None),
        "boxes": ("cr:Int32", "-1,-1"),
        "pair": ("cr:Float32", "2"),
        "image": ("sc:ImageObject", None),
        "when": ("sc:DateTime", None),
    }
    assert fields["image"]["source"]["transform"] == {"jsonPath": "bytes"}


def test_a_column_may_have_any_name() -> None:
    names = ("split", "a b/c", "größe")
    features = [{"name": name, "dtype": "string"} for name in names]
    record = Iteration.from_json((GOLDEN / "receipts_v1.json").read_text("utf-8"))
    said = json.loads(croissant(record, {}, {"dataset_info": {"features": features}}, card={}, url=None))
    found = [field["@id"] for field in said["recordSet"][1]["field"]]
    assert found == ["default/split%20of%20the%20row", "default/split", "default/a%20b%2Fc", "default/gr%C3%B6%C3%9Fe"]


def test_where_it_came_from(revision: tuple[Path, dict[str, Any]]) -> None:
    folder, said = revision
    record = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert said["conformsTo"] == CONFORMS_TO
    assert (said["version"], said["identifier"]) == ("1.1.0", f"sha256:{record['content_hash']}")
    (parent,) = said["prov:wasDerivedFrom"]
    assert parent["@id"] == "urn:hf-mbdc:me/things@v1.0.0"
    assert parent["identifier"] == f"sha256:{record['parent']['content_hash']}"
    assert [activity["rdfs:label"] for activity in said["prov:wasGeneratedBy"]] == ["publish"]
    assert "hf-mbdc 0.1.0" in said["prov:wasAttributedTo"]["rdfs:label"]


def test_steps_models_and_other_sources() -> None:
    record = Iteration.from_json((GOLDEN / "receipts_v2.json").read_text("utf-8"))
    record = Iteration.from_json(record.to_json().replace('"restores": null', '"restores": ' + json.dumps(RESTORED)))
    card = {"license": "mit", "language": "en", "mine": "x"}
    said = json.loads(croissant(record, {}, {}, card=card, url="https://hub.example/datasets/me/receipts"))
    step, publication = said["prov:wasGeneratedBy"]
    assert step["rdfs:label"] == "relabel_occurrences"
    assert [item["@id"] for item in step["prov:used"]] == [
        "models/layout_span@77aa01c2d9e4",
        "models/layout_span@0b3f5e7a1c88",
        "models/layout_span@c41d92e06f37",
        "models/layout_span@e8a6b0943d15",
        "urn:hf-mbdc:me/receipts@v1.0.0",
    ]
    assert publication["prov:endedAtTime"] == record.created_at
    assert [item["@id"] for item in said["prov:wasDerivedFrom"]][1] == "urn:hf-mbdc:me/receipts@v0.1.0"
    assert (said["license"], said["inLanguage"]) == ("mit", "en")
    assert "mine" not in said
    assert croissant(record, {}, {}, card=card, url=None) == croissant(record, {}, {}, card=card, url=None)


RESTORED = {"version": "v0.1.0", "sha": "ab" * 20, "content_hash": ""}


def test_it_is_json_ld_whose_terms_are_declared(revision: tuple[Path, dict[str, Any]]) -> None:
    _, said = revision
    schema = {"name", "description", "version", "identifier", "datePublished", "creator", "distribution"}
    schema |= {"contentUrl", "contentSize", "encodingFormat", "sha256"}  # of schema.org, the vocabulary by default
    defined: list[str] = []
    for node in nodes(said):
        for term in node:
            prefix, colon, _ = term.partition(":")
            assert term.startswith("@") or term in schema | CONTEXT.keys() or (colon and prefix in CONTEXT), term
        if set(node) > {"@id"}:
            defined += [node["@id"]] if "@id" in node else []
    assert len(set(defined)) == len(defined), "an id is defined twice"


def test_it_is_no_data_and_changes_no_cache(tmp_path: Path) -> None:
    mbdc.publish(DatasetDict(train=rows("a")), ID, repository=tmp_path, message="first")
    mbdc.publish(DatasetDict(train=rows("a")), ID, repository=tmp_path, message="same", sensitive=["id"])
    repository = FolderRepository(tmp_path)
    places = [read_files(repository.snapshot(ID, version))["train"].cache_files for version in ("v1.0.0", "v1.0.1")]
    assert places[0] == places[1]
