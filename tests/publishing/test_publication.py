"""Publishing and reading back, the same for a folder and for a Hub, with our own and with stock clients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict, load_dataset
from huggingface_hub import HfApi, snapshot_download

import hf_mbdc as mbdc
from hf_mbdc.errors import DataError, IntegrityError, RevisionNotFoundError, StaleParentError
from hf_mbdc.guidance.agreement import krippendorff_alpha
from hf_mbdc.publishing.history import find_published
from hf_mbdc.publishing.publication import commit, draft
from hf_mbdc.records import Decision
from hf_mbdc.revisions.repositories.folder import FolderRepository
from hf_mbdc.revisions.repositories.hub import HubRepository
from hf_mbdc.revisions.repositories.repository import Repository

ID = "me/receipts"


def splits(*totals: str) -> DatasetDict:
    rows = {"id": [str(i) for i in range(len(totals))], "total": list(totals)}
    return DatasetDict(train=Dataset.from_dict(rows), test=Dataset.from_dict({"id": ["t"], "total": ["1.00"]}))


def test_versions_follow_from_what_changed(repository: Repository) -> None:
    first = mbdc.publish(splits("a"), ID, repository=repository, message="first")
    more = mbdc.publish(splits("a", "b"), ID, repository=repository, message="one more row")
    other = mbdc.publish(splits("a", "c"), ID, repository=repository, message="another value")
    assert [item.version for item in (first, more, other)] == ["v1.0.0", "v1.1.0", "v2.0.0"]
    assert [item.version for item in mbdc.log(ID, repository=repository)] == ["v2.0.0", "v1.1.0", "v1.0.0"]
    assert other.parent is not None
    assert (other.parent.version, other.parent.sha) == ("v1.1.0", more.sha)
    assert other.diff["splits"]["train"]["changed"] == 1
    assert mbdc.show(ID, "v1.1.0", repository=repository).message == "one more row"


def test_exactly_the_revision_that_was_asked_for(repository: Repository) -> None:
    mbdc.publish(splits("old"), ID, repository=repository, message="first")
    mbdc.publish(splits("new"), ID, repository=repository, message="second")
    assert mbdc.load(ID, revision="v1.0.0", repository=repository)["train"]["total"][:] == ["old"]
    assert mbdc.load(ID, repository=repository)["train"]["total"][:] == ["new"]
    with pytest.raises(RevisionNotFoundError, match=r"v3\.0\.0.*v1\.0\.0"):
        mbdc.load(ID, revision="v3.0.0", repository=repository)


def test_the_same_content_again_changes_nothing(repository: Repository) -> None:
    first = mbdc.publish(splits("a"), ID, repository=repository, message="first")
    again = mbdc.publish(splits("a"), ID, repository=repository, message="again")
    assert again == first
    assert len(repository.commits(ID)) == 1


def test_agreement_of_the_annotators_is_published_with_the_rows_and_told_again_only_when_it_is_another(
    tmp_path: Path,
) -> None:
    where: dict[str, Any] = {"repository": tmp_path, "message": "labels"}
    alpha = krippendorff_alpha([["a", "a"], ["a", "b"], ["b", "b"]])
    mbdc.publish(splits("a"), ID, **where)
    told = mbdc.publish(splits("a"), ID, **where, agreement=[alpha])
    again = mbdc.publish(splits("a"), ID, **where, agreement=[alpha])
    silent = mbdc.publish(splits("a"), ID, **where)
    assert told.version == again.version == silent.version == "v1.0.1"
    assert mbdc.show(ID, repository=tmp_path).agreement == (alpha.to_dict(),)
    folder = Path(snapshot_download(ID, repo_type="dataset", cache_dir=tmp_path, local_files_only=True))
    assert "Krippendorff's alpha, nominal" in (folder / "README.md").read_text(encoding="utf-8").replace("\\", "")


def test_a_stale_parent_is_refused(repository: Repository) -> None:
    mbdc.publish(splits("a"), ID, repository=repository, message="first")
    mbdc.publish(splits("b"), ID, repository=repository, message="second")
    with pytest.raises(StaleParentError, match=r"parent 'v1\.0\.0'.*Load the head"):
        mbdc.publish(splits("c"), ID, repository=repository, message="third", parent="v1.0.0")


def test_a_refused_candidate_lies_beside_and_main_stays(repository: Repository) -> None:
    first = mbdc.publish(splits("a"), ID, repository=repository, message="first")
    drafted = draft(splits("worse"), ID, repository, message="worse labels")
    refused = replace(drafted, iteration=replace(drafted.iteration, decision=Decision("reject", "It lost.")))
    recorded = commit(refused, repository)
    assert repository.head(ID) == first.sha
    assert list(repository.tags(ID)) == ["v1.0.0"]
    assert mbdc.log(ID, repository=repository)[0].decision.verdict == "reject"
    assert mbdc.load(ID, revision=recorded.sha or "", repository=repository)["train"]["total"][:] == ["worse"]
    assert commit(refused, repository) == recorded
    found = find_published(splits("worse"), ID, repository)
    assert found is not None
    assert found.sha == recorded.sha


def test_stock_clients_read_the_folder_back(tmp_path: Path) -> None:
    published = splits("a", "b")
    mbdc.publish(published, ID, repository=tmp_path / "repo", message="first")
    path = snapshot_download(
        ID, repo_type="dataset", revision="v1.0.0", cache_dir=tmp_path / "repo", local_files_only=True
    )
    loaded = load_dataset(path, cache_dir=str(tmp_path / "cache"))
    assert {name: rows.to_dict() for name, rows in loaded.items()} == {
        name: rows.to_dict() for name, rows in published.items()
    }


def test_changed_data_files_are_noticed(tmp_path: Path) -> None:
    repository = FolderRepository(tmp_path)
    first = mbdc.publish(splits("a"), ID, repository=repository, message="first")
    files = {path: repository.read(ID, "main", path) for path in ("README.md", "manifest.json")}
    folder = repository.snapshot(ID, "main")
    files |= {str(p.relative_to(folder)): p.read_bytes() for p in folder.glob("data/test*")}
    other = mbdc.publish(splits("b"), "me/other", repository=repository, message="x")
    assert other.sha is not None
    changed = repository.snapshot("me/other", "main")
    files |= {str(p.relative_to(changed)): p.read_bytes() for p in changed.glob("data/train*")}
    repository.commit(ID, files, parent=first.sha, message="edited behind our back")
    with pytest.raises(IntegrityError, match="not what the manifest"):
        mbdc.load(ID, repository=repository)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Dataset.from_dict({"total": ["a"]}), "'id'"),
        (Dataset.from_dict({"id": ["a", "a"]}), "id 'a'"),
        (Dataset.from_dict({"id": [None, "a"]}), "id"),
        (Dataset.from_dict({"id": []}), "empty|no rows"),
    ],
)
def test_rows_without_proper_ids_are_refused(tmp_path: Path, dataset: Dataset, message: str) -> None:
    with pytest.raises(DataError, match=message):
        mbdc.publish(dataset, ID, repository=tmp_path, message="x")


def test_rejected_rows_are_kept_over_later_versions(tmp_path: Path) -> None:
    rejected = Dataset.from_dict({"document_id": ["9"], "reason": ["no words"]})
    mbdc.publish(splits("a"), ID, repository=tmp_path, message="first", rejected=rejected)
    mbdc.publish(splits("b"), ID, repository=tmp_path, message="second")
    path = FolderRepository(tmp_path).snapshot(ID, "v2.0.0")
    kept = load_dataset(str(path), "rejected", split="rejected", cache_dir=str(tmp_path / "cache"))
    assert kept.to_dict() == rejected.to_dict()


def test_mended_documents_leave_the_rejected_rows(tmp_path: Path) -> None:
    rejected = Dataset.from_dict({"document_id": ["9", "8"], "reason": ["no words", "no words"]})
    first = mbdc.publish(splits("a"), ID, repository=tmp_path, message="first", rejected=rejected)
    assert first.rejected == {"no words": 2}
    again = mbdc.publish(splits("a"), ID, repository=tmp_path, message="mended", rejected=rejected.select([0]))
    assert (again.version, again.rejected) == ("v1.0.1", {"no words": 1})
    none = mbdc.publish(splits("a"), ID, repository=tmp_path, message="all mended", rejected=rejected.select([]))
    assert (none.version, none.rejected) == ("v1.0.2", {})
    assert not (FolderRepository(tmp_path).snapshot(ID, "v1.0.2") / "rejected").exists()


def test_the_same_rows_after_a_card_edit_change_nothing(repository: Repository) -> None:
    first = mbdc.publish(splits("a"), ID, repository=repository, message="first")
    folder = repository.snapshot(ID, "main")
    files: dict[str, bytes | Path] = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    files.pop(".gitattributes", None)
    readme = files["README.md"]
    assert isinstance(readme, bytes)
    files["README.md"] = readme + b"\nOur own words.\n"
    repository.commit(ID, files, parent=first.sha, message="card edited")
    assert mbdc.publish(splits("a"), ID, repository=repository, message="again").version == "v1.0.0"
    second = mbdc.publish(splits("b"), ID, repository=repository, message="second")
    assert second.version == "v2.0.0"
    assert "Our own words." in repository.read(ID, "v2.0.0", "README.md").decode()


@pytest.mark.parametrize(
    "files", [{"README.md": b"# mine\n"}, {"README.md": b"# mine\n", "data/train.jsonl": b'{"total": "1"}\n'}]
)
def test_a_head_that_others_made_is_built_upon(tmp_path: Path, files: dict[str, bytes]) -> None:
    repository = FolderRepository(tmp_path)
    repository.commit(ID, files, parent=None, message="by hand")
    first = mbdc.publish(splits("a"), ID, repository=repository, message="first")
    assert first.version == "v1.0.0"
    assert mbdc.load(ID, repository=repository)["train"]["total"][:] == ["a"]
    assert "# mine" in repository.read(ID, "main", "README.md").decode()


def test_a_candidate_killed_before_its_commit_is_written_next_time(repository: Repository) -> None:
    first = mbdc.publish(splits("a"), ID, repository=repository, message="first")
    drafted = draft(splits("b"), ID, repository, message="candidate")
    refused = replace(drafted, iteration=replace(drafted.iteration, decision=Decision("reject", "It lost.")))
    if isinstance(repository, HubRepository):  # what a kill between the two calls leaves
        api = HfApi(endpoint=repository.endpoint, token="hf_any")
        api.create_branch(ID, branch=refused.iteration.branch, revision=first.sha, repo_type="dataset")
    assert [item.version for item in mbdc.log(ID, repository=repository)] == ["v1.0.0"]
    assert commit(refused, repository).decision.verdict == "reject"
    assert len(mbdc.log(ID, repository=repository)) == 2


def test_only_new_files_count_as_new_bytes(tmp_path: Path) -> None:
    big = Dataset.from_dict(
        {"id": [str(i) for i in range(5000)], "total": [f"{i * 7919 % 10007}" for i in range(5000)]}
    )
    one = DatasetDict(train=splits("a")["train"], test=big)
    two = DatasetDict(train=splits("b")["train"], test=big)
    first = mbdc.publish(one, ID, repository=tmp_path, message="first")
    second = mbdc.publish(two, ID, repository=tmp_path, message="second")
    assert 0 < second.cost.bytes < first.cost.bytes / 5


@pytest.mark.parametrize("message", ["", "two\nlines", None, "\ud800"])
def test_a_message_is_one_line(tmp_path: Path, message: str) -> None:
    with pytest.raises(DataError, match="not one line of text"):
        mbdc.publish(splits("a"), ID, repository=tmp_path, message=message)


def test_no_split_is_nothing_to_publish(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no split to publish"):
        mbdc.publish(DatasetDict(), ID, repository=tmp_path, message="x")


def test_nothing_published_names_this_machine(tmp_path: Path) -> None:
    mbdc.publish(splits("a"), ID, repository=tmp_path / "repo", message="first")
    for path in FolderRepository(tmp_path / "repo").snapshot(ID, "main").rglob("*"):
        if path.is_file():
            assert str(tmp_path).encode() not in path.read_bytes(), path.name
