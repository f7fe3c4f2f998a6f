"""Publishing onto what others published meanwhile: refused or merged; versions of one's own; the metric series."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict, concatenate_datasets, load_from_disk

import hf_mbdc as mbdc
from hf_mbdc.errors import DataError, RepositoryError, StaleParentError
from hf_mbdc.publishing.parentage import NOTHING
from hf_mbdc.publishing.publication import commit, draft
from hf_mbdc.revisions.merge.merge import Conflict, MergeConflictError
from hf_mbdc.revisions.repositories.repository import Repository

ID = "me/receipts"


def splits(*totals: str, test: str = "1.00") -> DatasetDict:
    rows = {"id": [str(i) for i in range(len(totals))], "total": list(totals)}
    return DatasetDict(train=Dataset.from_dict(rows), test=Dataset.from_dict({"id": ["t"], "total": [test]}))


def edit(rows: DatasetDict, key: str, total: str) -> DatasetDict:
    return rows.map(lambda row: {"total": total if row["id"] == key else row["total"]})


def totals(repository: Any, revision: str = "main") -> list[str]:
    return list(mbdc.load(ID, revision, repository=repository)["train"]["total"])


def test_what_was_loaded_is_the_parent(repository: Repository, tmp_path: Path) -> None:
    mbdc.publish(splits("a", "b"), ID, repository=repository, message="first")
    loaded = mbdc.load(ID, "v1.0.0", repository=repository)
    mbdc.publish(edit(loaded, "0", "x"), ID, repository=repository, message="mine")
    stale = edit(loaded, "1", "y")
    stale.save_to_disk(str(tmp_path / "saved"))
    more = Dataset.from_dict({"id": ["9"], "total": ["z"]})
    for change in (stale, load_from_disk(str(tmp_path / "saved")), concatenate_datasets([loaded["train"], more])):
        with pytest.raises(StaleParentError, match=r"Load the head.*merge=True"):
            mbdc.publish(change, ID, repository=repository, message="late")
    assert totals(repository) == ["x", "b"]


def test_after_publishing_the_dataset_is_from_there(repository: Repository) -> None:
    rows = splits("a", "b")
    mbdc.publish(rows, ID, repository=repository, message="first")
    rows = edit(rows, "0", "x")
    mbdc.publish(rows, ID, repository=repository, message="second")
    assert mbdc.publish(edit(rows, "1", "y"), ID, repository=repository, message="third").version == "v3.0.0"


def test_parts_of_two_revisions_have_no_parent(tmp_path: Path) -> None:
    mbdc.publish(splits("a"), ID, repository=tmp_path, message="first")
    mbdc.publish(splits("b"), ID, repository=tmp_path, message="second")
    first, second = (mbdc.load(ID, revision, repository=tmp_path) for revision in ("v1.0.0", "v2.0.0"))
    both = DatasetDict(train=first["train"], test=second["test"])
    with pytest.raises(DataError, match="different revisions"):
        mbdc.publish(both, ID, repository=tmp_path, message="both")
    assert mbdc.publish(both, ID, repository=tmp_path, message="both", parent="main").version == "v3.0.0"


def test_a_change_of_other_rows_is_merged(repository: Repository) -> None:
    first = mbdc.publish(splits("a", "b", "c"), ID, repository=repository, message="first")
    loaded = mbdc.load(ID, repository=repository)
    theirs = mbdc.publish(edit(loaded, "0", "x"), ID, repository=repository, message="theirs")
    merged = mbdc.publish(edit(loaded, "2", "z"), ID, repository=repository, message="ours", merge=True)
    assert totals(repository) == ["x", "b", "z"]
    assert merged.parent is not None
    assert merged.merged_from is not None
    assert (merged.parent.sha, merged.merged_from.sha) == (theirs.sha, first.sha)
    assert merged.diff["splits"]["train"]["changed"] == 1
    assert [item.version for item in mbdc.log(ID, repository=repository)] == ["v3.0.0", "v2.0.0", "v1.0.0"]
    again = mbdc.publish(edit(loaded, "2", "z"), ID, repository=repository, message="ours", merge=True)
    assert again == merged


def test_the_same_cell_is_a_conflict(repository: Repository) -> None:
    mbdc.publish(splits("a", "b"), ID, repository=repository, message="first")
    loaded = mbdc.load(ID, repository=repository)
    head = mbdc.publish(edit(loaded, "0", "x"), ID, repository=repository, message="theirs").sha
    with pytest.raises(MergeConflictError, match=r"train '0' total: ours 'y', theirs 'x'") as caught:
        mbdc.publish(edit(loaded, "0", "y"), ID, repository=repository, message="ours", merge=True)
    assert caught.value.conflicts == (Conflict("train", "0", "total", "y", "x"),)
    assert repository.head(ID) == head


def test_others_are_faster_again_and_again(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    mbdc.publish(splits("a", "b"), ID, repository=repository, message="first")
    original, left = type(repository).commit, [3]

    def late(self: Repository, *args: Any, **kwargs: Any) -> str:
        if left[0]:
            left[0] -= 1
            rows = mbdc.load(ID, repository=self)
            rows["train"] = concatenate_datasets(
                [rows["train"], Dataset.from_dict({"id": [f"n{len(rows['train'])}"], "total": ["n"]})]
            )
            with monkeypatch.context() as patch:
                patch.setattr(type(self), "commit", original)
                mbdc.publish(rows, ID, repository=self, message="theirs")
        return original(self, *args, **kwargs)

    monkeypatch.setattr(type(repository), "commit", late)
    mine = edit(mbdc.load(ID, repository=repository), "0", "x")
    record = mbdc.publish(mine, ID, repository=repository, message="ours", merge=True)
    assert totals(repository) == ["x", "b", "n", "n", "n"]
    assert (record.version, len(mbdc.log(ID, repository=repository))) == ("v2.0.0", 5)
    left[0] = 1
    with pytest.raises(StaleParentError):
        mbdc.publish(splits("q"), ID, repository=repository, message="without merge")


def test_two_first_commits_at_once(repository: Repository) -> None:
    """Both saw an empty repository: the second one adds its rows and removes none."""
    late = draft(splits("a"), ID, repository, message="late", parent=NOTHING)
    mbdc.publish(splits("a", "b"), ID, repository=repository, message="first")
    with pytest.raises(StaleParentError):
        commit(late, repository)
    other = Dataset.from_dict({"id": ["9"], "total": ["z"]})
    merged = draft(other, ID, repository, message="late", parent=NOTHING, merge=True)
    assert commit(merged, repository).version == "v1.1.0"
    assert totals(repository) == ["a", "b", "z"]


def test_a_publication_whose_answer_was_lost_is_found_again(repository: Repository) -> None:
    mbdc.publish(splits("a"), ID, repository=repository, message="first")
    mine = mbdc.publish(splits("b"), ID, repository=repository, message="mine", parent="v1.0.0")
    assert mbdc.publish(splits("b"), ID, repository=repository, message="mine", parent="v1.0.0") == mine
    mbdc.publish(splits("b", "c"), ID, repository=repository, message="theirs")
    assert mbdc.publish(splits("b"), ID, repository=repository, message="mine", parent="v1.0.0") == mine
    assert totals(repository) == ["b", "c"]


def test_rows_set_aside_are_merged(tmp_path: Path) -> None:
    def aside(*documents: str) -> Dataset:
        return Dataset.from_dict({"document_id": list(documents), "reason": ["no words"] * len(documents)})

    mbdc.publish(splits("a"), ID, repository=tmp_path, message="first", rejected=aside("1", "2"))
    loaded = mbdc.load(ID, repository=tmp_path)
    mbdc.publish(edit(loaded, "0", "x"), ID, repository=tmp_path, message="two", rejected=aside("2", "3"))
    last = mbdc.publish(loaded, ID, repository=tmp_path, message="three", rejected=aside("1", "2", "4"), merge=True)
    assert last.rejected == {"no words": 3}
    assert totals(tmp_path) == ["x"]
    kept = mbdc.publish(loaded, ID, repository=tmp_path, message="nothing of ours", merge=True)
    assert kept == last


def test_a_candidate_that_was_refused_counts_from_its_parent(tmp_path: Path) -> None:
    from dataclasses import replace

    from hf_mbdc.records import Decision
    from hf_mbdc.revisions.repositories.folder import FolderRepository

    repository = FolderRepository(tmp_path)
    mbdc.publish(splits("a", "b"), ID, repository=repository, message="first")
    drafted = draft(splits("a", "x"), ID, repository, message="worse")
    refused = commit(
        replace(drafted, iteration=replace(drafted.iteration, decision=Decision("reject", "It lost."))), repository
    )
    candidate = mbdc.load(ID, refused.branch, repository=repository)
    other = edit(mbdc.load(ID, repository=repository), "0", "y")
    assert mbdc.publish(other, ID, repository=repository, message="theirs").version == "v2.0.0"
    mbdc.publish(candidate, ID, repository=repository, message="we want it all the same", merge=True)
    assert totals(repository) == ["y", "x"]


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("3.0.0", "Not a version.*v1.1.0"),
        ("v1.0.0", "exists already"),
        ("v1.0.9", r"lower than v1\.1\.0"),
        ("v9.0.0", "exists already"),
    ],
)
def test_versions_go_upwards(tmp_path: Path, version: str, message: str) -> None:
    first = mbdc.publish(splits("a"), ID, repository=tmp_path, message="first")
    mbdc.FolderRepository(tmp_path).add_tag(ID, "v9.0.0", str(first.sha))
    with pytest.raises(RepositoryError, match=message):
        mbdc.publish(splits("a", "b"), ID, repository=tmp_path, message="more", version=version)


def test_a_version_of_ones_own(repository: Repository) -> None:
    mbdc.publish(splits("a"), ID, repository=repository, message="first")
    own = mbdc.publish(splits("a", "b"), ID, repository=repository, message="more", version="v3.0.0")
    assert mbdc.publish(splits("a", "b"), ID, repository=repository, message="more", version="v3.0.0") == own
    released = mbdc.publish(splits("a", "b"), ID, repository=repository, message="final", version="v4.0.0")
    assert [item.version for item in (own, released)] == ["v3.0.0", "v4.0.0"]
    assert released.content_hash == own.content_hash
    assert list(repository.tags(ID)) == ["v1.0.0", "v3.0.0", "v4.0.0"]
    assert totals(repository, "v4.0.0") == ["a", "b"]


def test_rows_that_stay_the_same_stay_in_their_series(tmp_path: Path) -> None:
    def since(record: mbdc.Iteration) -> dict[str, str | None]:
        return {name: split.since for name, split in record.splits.items()}

    first = mbdc.publish(splits("a"), ID, repository=tmp_path, message="first")
    second = mbdc.publish(splits("b"), ID, repository=tmp_path, message="train alone")
    wider = splits("b").map(lambda row: {"mbdc_source": None})
    third = mbdc.publish(wider, ID, repository=tmp_path, message="a column more")
    fourth = mbdc.publish(splits("b", test="2.00"), ID, repository=tmp_path, message="another test split")
    assert since(first) == {"train": "v1.0.0", "test": "v1.0.0"}
    assert since(second) == {"train": "v2.0.0", "test": "v1.0.0"}
    assert since(third) == {"train": "v2.0.0", "test": "v1.0.0"}
    assert since(fourth) == {"train": "v2.0.0", "test": "v3.0.0"}


def test_a_lost_answer_where_dead_rows_stay(tmp_path: Path) -> None:
    mbdc.publish(splits("a", "b"), ID, repository=tmp_path, message="first", deletes="live")
    mine = mbdc.publish(splits("x", "b"), ID, repository=tmp_path, message="mine", parent="v1.0.0")
    assert mbdc.publish(splits("x", "b"), ID, repository=tmp_path, message="mine", parent="v1.0.0") == mine
    assert totals(tmp_path) == ["b", "x"]
    assert mbdc.verify(ID, repository=tmp_path).ok
    back = mbdc.rollback(ID, "v1.0.0", message="back", repository=tmp_path)
    assert sorted(totals(tmp_path)) == ["a", "b"]
    assert mbdc.replay(ID, back.version, repository=tmp_path, progress=False).same


def test_the_command_merges_what_was_saved(tmp_path: Path) -> None:
    root = str(tmp_path / "repo")
    mbdc.publish(splits("a", "b"), ID, repository=root, message="first")
    loaded = mbdc.load(ID, repository=root)
    for name, key in (("mine", "0"), ("same", "1")):
        edit(loaded, key, name).save_to_disk(str(tmp_path / name))
    mbdc.publish(edit(loaded, "1", "theirs"), ID, repository=root, message="theirs")

    def publish(name: str, *options: str) -> tuple[int, str]:
        words = [sys.executable, "-m", "hf_mbdc.cli", "publish", ID, str(tmp_path / name), "--message", name]
        done = subprocess.run([*words, "--repository", root, *options], capture_output=True, text=True, check=False)
        return done.returncode, " ".join(done.stderr.split())

    code, told = publish("mine")
    assert code == 1
    assert "moved on" in told
    assert "--merge" in told
    code, told = publish("same", "--merge")
    assert code == 1
    assert "train '1' total: ours 'same', theirs 'theirs'" in told
    code, told = publish("mine", "--merge", "--version", "v7.0.0")
    assert code == 0, told
    assert totals(root, "v7.0.0") == ["mine", "theirs"]
