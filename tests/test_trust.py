"""verify, replay, rollback and blame: literal histories, and what they say when something is not as it should be."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from loopback_hub import LoopbackHub
from typer.testing import CliRunner

import hf_mbdc as mbdc
from hf_mbdc.cli import app
from hf_mbdc.errors import DataError, RepositoryError, RevisionNotFoundError
from hf_mbdc.publishing.publication import commit, draft
from hf_mbdc.records import Decision, ParentRecord, StepRecord
from hf_mbdc.revisions.repositories.folder import FolderRepository
from hf_mbdc.revisions.repositories.hub import HubRepository
from hf_mbdc.revisions.repositories.repository import Repository

ID = "me/receipts"


def splits(*totals: str, test: str = "1.00") -> DatasetDict:
    rows = {"id": [str(i) for i in range(len(totals))], "total": list(totals)}
    return DatasetDict(train=Dataset.from_dict(rows), test=Dataset.from_dict({"id": ["t"], "total": [test]}))


@pytest.fixture
def three(repository: Repository) -> Repository:
    aside = Dataset.from_dict({"document_id": ["9"], "reason": ["no words"]})
    mbdc.publish(splits("a", "b"), ID, repository=repository, message="first", rejected=aside)
    mbdc.publish(splits("a", "c"), ID, repository=repository, message="second")
    mbdc.publish(splits("a", "c", "d"), ID, repository=repository, message="third")
    return repository


def rewrite(repository: Repository, change: Any) -> str:
    """A commit on main by somebody who edits the manifest."""
    folder = repository.snapshot(ID, "main")
    files: dict[str, Any] = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    files.pop(".gitattributes", None)
    manifest = json.loads(files["manifest.json"])
    change(manifest)
    files["manifest.json"] = json.dumps(manifest).encode()
    return repository.commit(ID, files, parent=repository.head(ID), message="by hand")


class TestVerify:
    def test_what_was_published_is_sound(self, three: Repository) -> None:
        for revision in ("v1.0.0", "v2.0.0", "v2.1.0", "main"):
            found = mbdc.verify(ID, revision, repository=three)
            assert found.ok, [check for check in found.checks if not check.ok]
        assert [check.name for check in found.checks] == [
            "tag v2.1.0",
            "parent v2.0.0",
            "content hash",
            "split train",
            "split test",
            "rows set aside",
            "diff from v2.0.0",
        ]
        assert found.checks[-1].found == "test +0 −0 ~0, train +1 −0 ~0"

    @pytest.mark.parametrize(
        ("change", "failed"),
        [
            (lambda m: m.update(content_hash="0" * 64), ["tag v2.1.0", "content hash"]),
            (lambda m: m["splits"]["train"].update(rows=7), ["tag v2.1.0", "split train"]),
            (lambda m: m["splits"].pop("test"), ["tag v2.1.0", "split test"]),
            (lambda m: m.update(rejected={}), ["tag v2.1.0", "rows set aside"]),
            (lambda m: m["diff"]["splits"]["train"].update(added=0), ["tag v2.1.0", "diff from v2.0.0"]),
            (lambda m: m.update(version="v9.0.0"), ["tag v9.0.0"]),
        ],
    )
    def test_a_manifest_that_lies(self, tmp_path: Path, change: Any, failed: list[str]) -> None:
        repository = FolderRepository(tmp_path)
        mbdc.publish(splits("a", "b"), ID, repository=repository, message="first")
        mbdc.publish(splits("a", "c"), ID, repository=repository, message="second")
        aside = Dataset.from_dict({"document_id": ["9"], "reason": ["no words"]})
        mbdc.publish(splits("a", "c", "d"), ID, repository=repository, message="third", rejected=aside)
        rewrite(repository, change)
        found = mbdc.verify(ID, repository=repository)
        assert [check.name for check in found.checks if not check.ok] == failed
        assert not found.ok

    def test_a_parent_of_another_history(self, tmp_path: Path) -> None:
        repository = FolderRepository(tmp_path)
        mbdc.publish(splits("a"), ID, repository=repository, message="first")
        other = mbdc.publish(splits("a"), "me/other", repository=repository, message="first")
        second = draft(splits("b"), ID, repository, message="second")
        rewrite(repository, lambda m: m.update(parent=dataclasses.asdict(ParentRecord("v0.9.0", str(other.sha), ""))))
        found = {check.name: check.found for check in mbdc.verify(ID, repository=repository).checks}
        assert found["parent v0.9.0"] == "not in its history"
        assert second.iteration.version == "v2.0.0"

    def test_damaged_data(self, tmp_path: Path) -> None:
        mbdc.publish(splits("a"), ID, repository=tmp_path, message="first")
        path = next(FolderRepository(tmp_path).snapshot(ID, "main").glob("data/train*")).resolve()
        path.write_bytes(path.read_bytes()[:-9])
        found = mbdc.verify(ID, repository=tmp_path)
        assert [check.name for check in found.checks if not check.ok] == ["data files"]

    def test_a_tag_that_is_missing_or_moved(self) -> None:
        with LoopbackHub() as hub:
            repository = HubRepository(hub.url)
            first = mbdc.publish(splits("a"), ID, repository=repository, message="first")
            mbdc.publish(splits("b"), ID, repository=repository, message="second")
            hub.repos[ID].tags["v2.0.0"] = str(first.sha)
            assert mbdc.verify(ID, repository=repository).checks[0].found == "on another commit"
            del hub.repos[ID].tags["v2.0.0"]
            assert mbdc.verify(ID, repository=repository).checks[0].found == "missing"


class TestRollback:
    def test_the_old_content_is_the_newest(self, three: Repository) -> None:
        first = mbdc.show(ID, "v1.0.0", repository=three)
        back = mbdc.rollback(ID, "v1.0.0", message="c was wrong", repository=three)
        assert (back.version, back.message, back.content_hash) == ("v3.0.0", "c was wrong", first.content_hash)
        assert back.restores == ParentRecord("v1.0.0", str(first.sha), first.content_hash)
        assert back.parent is not None
        assert back.parent.version == "v2.1.0"
        assert back.rejected == {"no words": 1}
        assert mbdc.load(ID, repository=three)["train"]["total"][:] == ["a", "b"]
        assert mbdc.verify(ID, repository=three).ok
        assert mbdc.rollback(ID, "v1.0.0", message="again", repository=three) == back
        assert [item.version for item in mbdc.log(ID, repository=three)] == ["v3.0.0", "v2.1.0", "v2.0.0", "v1.0.0"]
        assert mbdc.replay(ID, repository=three, progress=False).same

    def test_scores_and_series_come_back(self, tmp_path: Path) -> None:
        repository = FolderRepository(tmp_path)
        drafted = draft(splits("a"), ID, repository, message="first")
        plan = {"evaluation": {"split": "test"}}
        first = dataclasses.replace(drafted.iteration, scores={"exact_match": 0.5}, recipe=plan)
        commit(dataclasses.replace(drafted, iteration=first), repository)
        mbdc.publish(splits("a", test="2.00"), ID, repository=repository, message="another test")
        back = mbdc.rollback(ID, "v1.0.0", message="the old test", repository=repository)
        assert back.scores == {"exact_match": 0.5}
        assert back.series == "v1.0.0"

    def test_rows_set_aside_go_back_too(self, tmp_path: Path) -> None:
        mbdc.publish(splits("a"), ID, repository=tmp_path, message="first")
        aside = Dataset.from_dict({"document_id": ["9"], "reason": ["no words"]})
        mbdc.publish(splits("b"), ID, repository=tmp_path, message="second", rejected=aside)
        assert mbdc.rollback(ID, "v1.0.0", message="back", repository=tmp_path).rejected == {}

    def test_what_cannot_be_gone_back_to(self, tmp_path: Path) -> None:
        repository = FolderRepository(tmp_path)
        mbdc.publish(splits("a"), ID, repository=repository, message="first")
        drafted = draft(splits("b"), ID, repository, message="worse")
        refused = dataclasses.replace(drafted.iteration, decision=Decision("reject", "It lost."))
        branch = commit(dataclasses.replace(drafted, iteration=refused), repository).branch
        with pytest.raises(RepositoryError, match="refused is no version"):
            mbdc.rollback(ID, branch, message="x", repository=repository)
        with pytest.raises(RevisionNotFoundError, match=r"v1\.0\.0"):
            mbdc.rollback(ID, "v7.0.0", message="x", repository=repository)
        with pytest.raises(DataError, match="one line"):
            mbdc.rollback(ID, "v1.0.0", message=" ", repository=repository)


class TestBlame:
    def test_the_history_of_a_row(self, three: Repository) -> None:
        mbdc.publish(splits("a", "e", "d").remove_columns([]), ID, repository=three, message="fourth")
        moved = splits("a", "e")
        moved["test"] = Dataset.from_dict({"id": ["t", "2"], "total": ["1.00", "D"]})
        mbdc.publish(moved, ID, repository=three, message="fifth")
        gone = splits("a")
        mbdc.publish(gone, ID, repository=three, message="sixth")
        told = [(e.version, e.kind, e.split, e.columns) for e in mbdc.blame(ID, "1", repository=three)]
        assert told == [
            ("v1.0.0", "added", "train", {}),
            ("v2.0.0", "changed", "train", {"total": ("b", "c")}),
            ("v3.0.0", "changed", "train", {"total": ("c", "e")}),
            ("v5.0.0", "removed", "train", {}),
        ]
        two = mbdc.blame(ID, "2", repository=three)
        assert [(e.version, e.kind, e.moved_from, e.split) for e in two] == [
            ("v2.1.0", "added", None, "train"),
            ("v4.0.0", "moved", "train", "test"),
            ("v5.0.0", "removed", None, "test"),
        ]
        assert two[1].columns == {"total": ("d", "D")}
        assert [e.version for e in mbdc.blame(ID, "1", revision="v2.0.0", repository=three)] == ["v1.0.0", "v2.0.0"]
        assert {e.by for e in two} == {"by hand"}

    def test_labels_go_by_their_names(self, tmp_path: Path) -> None:
        features = Features({"id": Value("string"), "y": ClassLabel(names=["no", "yes"])})
        for label in (0, 1):
            rows = Dataset.from_dict({"id": ["a"], "y": [label]}, features=features)
            mbdc.publish(rows, ID, repository=tmp_path, message="a label")
        assert mbdc.blame(ID, "a", repository=tmp_path)[-1].columns == {"y": ("no", "yes")}

    def test_by_which_step_and_model(self, tmp_path: Path) -> None:
        repository = FolderRepository(tmp_path)
        mbdc.publish(splits("a", "b"), ID, repository=repository, message="first")
        rows = splits("a", "x")
        made = {"mbdc_source": [None, "relabel"], "mbdc_model": [None, "m@1"], "mbdc_iteration": [None, "v2.0.0"]}
        for name, values in made.items():
            rows["train"] = rows["train"].add_column(name, values)
            rows["test"] = rows["test"].add_column(name, [None])
        rows["test"] = rows["test"].cast(rows["train"].features)
        step = StepRecord(name="relabel step", pillar="model-guided synthesis", why="because", model="m@0")
        drafted = draft(rows, ID, repository, message="second")
        commit(
            dataclasses.replace(drafted, iteration=dataclasses.replace(drafted.iteration, steps=(step,))), repository
        )
        last = mbdc.blame(ID, "1", repository=repository)[-1]
        assert (last.by, last.model) == ("relabel", "m@1")
        assert last.columns == {
            "total": ("b", "x"),
            "mbdc_source": (None, "relabel"),
            "mbdc_model": (None, "m@1"),
            "mbdc_iteration": (None, "v2.0.0"),
        }
        assert [event.version for event in mbdc.blame(ID, "0", repository=repository)] == ["v1.0.0"]

    def test_the_same_id_in_two_splits(self, tmp_path: Path) -> None:
        both = DatasetDict(train=splits("a")["train"], test=splits("b")["train"])
        mbdc.publish(both, ID, repository=tmp_path, message="first")
        assert [e.split for e in mbdc.blame(ID, "0", repository=tmp_path)] == ["train", "test"]
        assert [e.split for e in mbdc.blame(ID, "0", split="test", repository=tmp_path)] == ["test"]

    def test_a_refused_candidate_has_its_own_history(self, tmp_path: Path) -> None:
        repository = FolderRepository(tmp_path)
        mbdc.publish(splits("a"), ID, repository=repository, message="first")
        drafted = draft(splits("b"), ID, repository, message="worse")
        refused = dataclasses.replace(drafted.iteration, decision=Decision("reject", "It lost."))
        branch = commit(dataclasses.replace(drafted, iteration=refused), repository).branch
        assert len(mbdc.blame(ID, "0", revision=branch, repository=repository)) == 2
        assert len(mbdc.blame(ID, "0", repository=repository)) == 1

    def test_no_such_row(self, tmp_path: Path) -> None:
        mbdc.publish(Dataset.from_dict({"id": ["000-total", "001-total"]}), ID, repository=tmp_path, message="first")
        with pytest.raises(DataError, match=r"No version has a row.*'000-total'"):
            mbdc.blame(ID, "000-totl", repository=tmp_path)
        with pytest.raises(DataError, match=r"never was such a split.*It has: train"):
            mbdc.blame(ID, "000-total", split="tset", repository=tmp_path)


def test_a_revision_by_hand_cannot_be_replayed(tmp_path: Path) -> None:
    mbdc.publish(splits("a"), ID, repository=tmp_path, message="first")
    with pytest.raises(RepositoryError, match="by hand: there is no recipe"):
        mbdc.replay(ID, repository=tmp_path)


class TestCommands:
    @pytest.fixture
    def root(self, tmp_path: Path) -> str:
        root = tmp_path / "root"
        for version, total in enumerate(("[bold]1.00", "2.00")):
            mbdc.publish(splits(total), ID, repository=root, message=f"Take {version}")
        return str(root)

    def run(self, *words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, list(words))
        return done.exit_code, re.sub(r"\s+", " ", done.output)

    def test_verify(self, root: str, tmp_path: Path) -> None:
        code, told = self.run("verify", ID, "--repository", root)
        assert code == 0
        assert "me/receipts v2.0.0 is what its manifest says" in told
        code, told = self.run("verify", ID, "--repository", root, "--json")
        assert json.loads(told)["ok"] is True
        repository = FolderRepository(tmp_path / "other")
        mbdc.publish(splits("a"), ID, repository=repository, message="first")
        rewrite(repository, lambda m: m["splits"]["train"].update(rows=7))
        code, told = self.run("verify", ID, "--repository", str(tmp_path / "other"))
        assert code == 1
        assert "2 checks failed" in told
        assert "expected 7 rows" in told

    def test_blame(self, root: str) -> None:
        code, told = self.run("blame", ID, "0", "--repository", root)
        assert code == 0
        assert "[bold]1.00 → 2.00" in told
        assert "Take 1" in told
        assert re.search(r" \d{4}-\d\d-\d\d ", told)
        code, told = self.run("blame", ID, "0", "--repository", root, "--json")
        assert [event["kind"] for event in json.loads(told)] == ["added", "changed"]

    def test_rollback_and_replay(self, tmp_path: Path) -> None:
        for total in ("a", "b"):
            mbdc.publish(splits(total), ID, repository=tmp_path, message=total)
        where = ("--repository", str(tmp_path))
        code, told = self.run("rollback", ID, "v1.0.0", *where)
        assert code == 2, "a message is asked for"
        code, told = self.run("rollback", ID, "v1.0.0", "--message", "b was wrong", *where)
        assert code == 0
        assert "b was wrong" in told
        code, told = self.run("replay", ID, *where)
        assert code == 0
        assert "gives the same content again" in told
        code, told = self.run("replay", ID, *where, "--json")
        assert json.loads(told)["same"] is True
