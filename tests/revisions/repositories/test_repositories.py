"""What every repository does, whatever it is: the same tests for the folder and for the Hub."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from hf_mbdc.errors import RepositoryError, RevisionNotFoundError, StaleParentError
from hf_mbdc.revisions.repositories.folder import FolderRepository
from hf_mbdc.revisions.repositories.hub import HubRepository
from hf_mbdc.revisions.repositories.repository import (
    Repository,
    check_repo_id,
    find_short,
    no_revision,
    open_repository,
    order_tags,
)

ID = "me/receipts"


def files_of(folder: Path) -> dict[str, bytes]:
    """Path → content; `.gitattributes` is the Hub's own."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found.pop(".gitattributes", None)
    return found


def test_nothing_was_published_yet(repository: Repository) -> None:
    assert repository.head(ID) is None
    assert repository.tags(ID) == {}
    assert repository.branches(ID) == {}
    with pytest.raises(RepositoryError):
        repository.resolve(ID, "main")
    with pytest.raises(RepositoryError):
        repository.commits(ID)
    with pytest.raises(RepositoryError):
        repository.snapshot(ID, "v1.0.0")


def test_first_commit(repository: Repository) -> None:
    sha = repository.commit(
        ID, {"README.md": b"# Hi", "data/a.parquet": b"1"}, parent=None, message="One", tag="v1.0.0"
    )
    assert re.fullmatch("[0-9a-f]{40}", sha)
    assert repository.head(ID) == sha
    assert repository.tags(ID) == {"v1.0.0": sha}
    assert repository.branches(ID) == {"main": sha}
    assert files_of(repository.snapshot(ID, "v1.0.0")) == {"README.md": b"# Hi", "data/a.parquet": b"1"}
    assert repository.read(ID, "v1.0.0", "data/a.parquet") == b"1"


def test_history_is_newest_first(repository: Repository) -> None:
    first = repository.commit(ID, {"a": b"1"}, parent=None, message="One", tag="v1.0.0")
    second = repository.commit(ID, {"a": b"2"}, parent=first, message="Two\n\nBecause.", tag="v2.0.0")
    history = repository.commits(ID)
    assert [(c.sha, c.parent, c.message) for c in history] == [
        (second, first, "Two\n\nBecause."),
        (first, None, "One"),
    ]
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", c.created_at) for c in history)
    assert history[0].created_at >= history[1].created_at


def test_tree_is_exactly_the_files(repository: Repository) -> None:
    one = {"a": b"1", "b/c": b"2", "b/d": b"3", "large.bin": b"6"}
    two = {"a": b"1", "b/d": b"4", "e": b"5", "large.bin": b"7"}
    first = repository.commit(ID, one, parent=None, message="One")
    second = repository.commit(ID, two, parent=first, message="Two")
    assert files_of(repository.snapshot(ID, second)) == two
    assert files_of(repository.snapshot(ID, first)) == one


def test_a_file_becomes_a_folder_and_back(repository: Repository) -> None:
    first = repository.commit(ID, {"a": b"1", "k": b""}, parent=None, message="One")
    second = repository.commit(ID, {"a/b": b"2", "k": b""}, parent=first, message="Two")
    third = repository.commit(ID, {"a": b"3"}, parent=second, message="Three")
    assert files_of(repository.snapshot(ID, second)) == {"a/b": b"2", "k": b""}
    assert files_of(repository.snapshot(ID, third)) == {"a": b"3"}


def test_gitattributes_are_kept(repository: Repository) -> None:
    first = repository.commit(ID, {"a": b"1", ".gitattributes": b"*.a b\n"}, parent=None, message="One")
    second = repository.commit(ID, {"a": b"2"}, parent=first, message="Two")
    assert repository.read(ID, second, ".gitattributes") == b"*.a b\n"


def test_empty_and_large_and_unicode_files(repository: Repository, tmp_path: Path) -> None:
    large = os.urandom(5_000_000)
    (tmp_path / "large.bin").write_bytes(large)
    files = {
        "empty.txt": b"",
        "data/large.bin": tmp_path / "large.bin",
        "영수증/합계 €.txt": "총액 ₩9,000 %23".encode(),
    }
    sha = repository.commit(ID, files, parent=None, message="영수증 314장")
    assert files_of(repository.snapshot(ID, sha)) == {
        "empty.txt": b"",
        "data/large.bin": large,
        "영수증/합계 €.txt": "총액 ₩9,000 %23".encode(),
    }
    assert repository.read(ID, sha, "영수증/합계 €.txt").decode() == "총액 ₩9,000 %23"
    assert repository.commits(ID)[0].message == "영수증 314장"


def test_same_content_again_is_no_commit(repository: Repository) -> None:
    first = repository.commit(ID, {"a": b"1", "b.bin": b"2"}, parent=None, message="One", tag="v1.0.0")
    again = repository.commit(ID, {"b.bin": b"2", "a": b"1"}, parent=first, message="Again", tag="v1.0.0")
    named = repository.commit(ID, {"a": b"1", "b.bin": b"2"}, parent=first, message="Again", tag="v1.0.1")
    assert first == again == named
    assert len(repository.commits(ID)) == 1
    assert repository.tags(ID) == {"v1.0.0": first, "v1.0.1": first}


def test_old_content_may_come_back(repository: Repository) -> None:
    first = repository.commit(ID, {"a": b"1"}, parent=None, message="One")
    second = repository.commit(ID, {"a": b"2"}, parent=first, message="Two")
    third = repository.commit(ID, {"a": b"1"}, parent=second, message="Back to one")
    assert len({first, second, third}) == 3
    assert [repository.read(ID, sha, "a") for sha in (first, second, third)] == [b"1", b"2", b"1"]


def test_stale_parent(repository: Repository) -> None:
    first = repository.commit(ID, {"a": b"1"}, parent=None, message="One")
    second = repository.commit(ID, {"a": b"2"}, parent=first, message="Two")
    for parent in (first, None, "f" * 40):
        with pytest.raises(StaleParentError, match=second[:12]):
            repository.commit(ID, {"a": b"3"}, parent=parent, message="Three", tag="v3.0.0")
    assert repository.head(ID) == second
    assert repository.tags(ID) == {}


def test_a_parent_where_there_is_nothing(repository: Repository) -> None:
    with pytest.raises(StaleParentError, match="head 'nothing'"):
        repository.commit(ID, {"a": b"1"}, parent="f" * 40, message="One")
    assert repository.head(ID) is None


def test_tags_are_never_moved(repository: Repository) -> None:
    first = repository.commit(ID, {"a": b"1"}, parent=None, message="One", tag="v1.0.0")
    with pytest.raises(RepositoryError, match=r"never moved.*v1\.0\.0.*next version"):
        repository.commit(ID, {"a": b"2"}, parent=first, message="Two", tag="v1.0.0")
    assert repository.head(ID) == first, "a refused tag must not leave its commit"
    second = repository.commit(ID, {"a": b"2"}, parent=first, message="Two")
    with pytest.raises(RepositoryError, match="never moved"):
        repository.add_tag(ID, "v1.0.0", second)
    with pytest.raises(RepositoryError, match="never moved"):
        repository.commit(ID, {"a": b"2"}, parent=second, message="Two", tag="v1.0.0")
    assert repository.tags(ID) == {"v1.0.0": first}


def test_a_tag_that_was_forgotten(repository: Repository) -> None:
    sha = repository.commit(ID, {"a": b"1"}, parent=None, message="One")
    repository.add_tag(ID, "v1.0.0", sha)
    repository.add_tag(ID, "v1.0.0", "v1.0.0")
    repository.add_tag(ID, "stable", sha[:8])
    assert repository.tags(ID) == {"v1.0.0": sha, "stable": sha}
    assert repository.branches(ID) == {"main": sha}
    with pytest.raises(RevisionNotFoundError, match=r"v1\.0\.0"):
        repository.add_tag(ID, "v2.0.0", "f" * 40)


@pytest.mark.parametrize("tag", ["main", "candidates", "candidates/1a2b3c4", "candidates/1a2b3c4/x"])
def test_a_tag_does_not_take_the_name_of_a_branch(repository: Repository, tag: str) -> None:
    first = repository.commit(ID, {"a": b"1"}, parent=None, message="One")
    repository.commit(ID, {"a": b"2"}, parent=first, message="No", branch="candidates/1a2b3c4")
    with pytest.raises(RepositoryError, match="A branch has the name of the tag"):
        repository.commit(ID, {"a": b"1"}, parent=first, message="One", tag=tag)
    with pytest.raises(RepositoryError, match="A branch has the name of the tag"):
        repository.add_tag(ID, tag, first)
    assert repository.tags(ID) == {}
    assert repository.head(ID) == first


def test_versions_are_in_order(repository: Repository) -> None:
    sha = repository.commit(ID, {"a": b"1"}, parent=None, message="One")
    for tag in ("v10.0.0", "v2.0.0", "draft", "v2.10.0", "v2.9.1"):
        repository.add_tag(ID, tag, sha)
    assert list(repository.tags(ID)) == ["v2.0.0", "v2.9.1", "v2.10.0", "v10.0.0", "draft"]


def test_a_candidate_does_not_move_main(repository: Repository) -> None:
    first = repository.commit(ID, {"a": b"1", "b": b"2"}, parent=None, message="One", tag="v1.0.0")
    branch = "candidates/1a2b3c4"
    refused = repository.commit(ID, {"a": b"3"}, parent=first, message="Refused", branch=branch)
    assert repository.branches(ID) == {"main": first, branch: refused}
    assert repository.tags(ID) == {"v1.0.0": first}
    assert repository.head(ID) == first
    assert repository.head(ID, branch) == repository.resolve(ID, branch) == refused
    assert files_of(repository.snapshot(ID, branch)) == {"a": b"3"}
    assert [c.parent for c in repository.commits(ID, branch)] == [first, None]
    assert len(repository.commits(ID)) == 1
    further = repository.commit(ID, {"a": b"4"}, parent=refused, message="Refused too", branch=branch)
    assert repository.head(ID, branch) == further
    with pytest.raises(StaleParentError):
        repository.commit(ID, {"a": b"5"}, parent=first, message="Late", branch=branch)


def test_a_branch_from_an_older_commit(repository: Repository) -> None:
    first = repository.commit(ID, {"a": b"1"}, parent=None, message="One", tag="v1.0.0")
    second = repository.commit(ID, {"a": b"2"}, parent=first, message="Two")
    same = repository.commit(ID, {"a": b"1"}, parent=first, message="Same", branch="kept")
    assert same == first
    assert repository.branches(ID) == {"main": second, "kept": first}


def test_a_branch_needs_a_parent_that_exists(repository: Repository) -> None:
    first = repository.commit(ID, {"a": b"1"}, parent=None, message="One", tag="v1.0.0")
    with pytest.raises(RepositoryError, match="needs a parent"):
        repository.commit(ID, {"a": b"2"}, parent=None, message="Two", branch="candidates/x")
    with pytest.raises(RevisionNotFoundError, match="main"):
        repository.commit(ID, {"a": b"2"}, parent="f" * 40, message="Two", branch="candidates/x")
    with pytest.raises(RepositoryError, match="A tag or another branch has this name"):
        repository.commit(ID, {"a": b"2"}, parent=first, message="Two", branch="v1.0.0")
    assert repository.branches(ID) == {"main": first}


def test_resolve(repository: Repository) -> None:
    first = repository.commit(ID, {"a": b"1"}, parent=None, message="One", tag="v1.0.0")
    second = repository.commit(ID, {"a": b"2"}, parent=first, message="Two")
    expected = {"v1.0.0": first, "main": second, first: first, second: second, first[:7]: first, second[:39]: second}
    assert {revision: repository.resolve(ID, revision) for revision in expected} == expected
    assert repository.read(ID, first[:7], "a") == b"1"


@pytest.mark.parametrize("revision", ["v9.0.0", "nope", "f" * 40, "fffffff", "../main", "", "refs/main"])
def test_unknown_revision_lists_what_there_is(repository: Repository, revision: str) -> None:
    first = repository.commit(ID, {"a": b"1"}, parent=None, message="One", tag="v1.0.0")
    repository.commit(ID, {"a": b"2"}, parent=first, message="Two", tag="v2.0.0")
    for ask in (repository.resolve, repository.snapshot, lambda *where: repository.read(*where, "a")):
        with pytest.raises(RevisionNotFoundError, match=r"no such revision.*There are: v2\.0\.0, v1\.0\.0, main\."):
            ask(ID, revision)


def test_an_unknown_version_may_have_been_a_candidate(repository: Repository) -> None:
    first = repository.commit(ID, {"a": b"1"}, parent=None, message="One", tag="v1.0.0")
    for name in ("b", "a"):
        repository.commit(ID, {"a": name.encode()}, parent=first, message="No", branch=f"candidates/{name}")
    with pytest.raises(RevisionNotFoundError) as caught:
        repository.resolve(ID, "v2.0.0")
    assert str(caught.value) == (
        "There is no such revision (repo_id 'me/receipts', revision 'v2.0.0'). There are: v1.0.0, main. "
        "Candidates that were refused have no version, but branches: candidates/a, candidates/b."
    )
    with pytest.raises(RevisionNotFoundError) as caught:
        repository.resolve(ID, "candidates/c")
    assert caught.value.mend == "There are: v1.0.0, main, candidates/a, candidates/b."


def test_many_candidates_and_versions() -> None:
    tags = {f"v{number}.0.0": "a" for number in range(1, 15)}
    branches = {"main": "a", **{f"candidates/{number:02}": "a" for number in range(13)}}
    assert no_revision(ID, "v99.0.0", tags, branches).mend == (
        f"There are: {', '.join(f'v{number}.0.0' for number in range(14, 2, -1))} and 3 more. "
        "Candidates that were refused have no version, but branches: "
        f"{', '.join(f'candidates/{number:02}' for number in range(12))} and 1 more."
    )


def test_short_sha_has_seven_characters(repository: Repository) -> None:
    sha = repository.commit(ID, {"a": b"1"}, parent=None, message="One")
    with pytest.raises(RevisionNotFoundError):
        repository.resolve(ID, sha[:6])


def test_unknown_branch_and_file(repository: Repository) -> None:
    sha = repository.commit(ID, {"manifest.json": b"1"}, parent=None, message="One")
    with pytest.raises(RevisionNotFoundError, match="main"):
        repository.commits(ID, "candidates/x")
    for path in ("manifest.jsn", "../../refs/main", "/etc/passwd"):
        with pytest.raises(FileNotFoundError, match=r"manifest\.json") as caught:
            repository.read(ID, sha, path)
        assert isinstance(caught.value, RepositoryError)


def test_another_dataset_of_the_same_repository(repository: Repository) -> None:
    first = repository.commit(ID, {"a": b"1"}, parent=None, message="One", tag="v1.0.0")
    other = repository.commit("me/other", {"a": b"2"}, parent=None, message="One", tag="v1.0.0")
    assert repository.tags(ID) == {"v1.0.0": first}
    assert repository.tags("me/other") == {"v1.0.0": other}
    with pytest.raises(RepositoryError):
        repository.resolve("me/third", "main")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "at least one file"),
        ({"../a": b""}, "leaves the repository"),
        ({"a/../../b": b""}, "leaves the repository"),
        ({"/a": b""}, "absolute"),
        ({"C:/a": b""}, "absolute"),
        ({"a//b": b""}, "empty part"),
        ({"./a": b""}, "empty part"),
        ({"a/": b""}, "empty part"),
        ({"a\\b": b""}, "backslash"),
        ({"a\nb": b""}, "control character"),
        ({"\ud800": b""}, "valid Unicode"),
        ({".git/config": b""}, "keeps '.git'"),
        ({"é" * 128: b""}, "255 bytes"),
        ({"a": b"", "a/b": b""}, "name of one of its folders"),
        ({"a": Path("/nonexistent/secret/place.txt")}, "does not exist.*'place.txt'"),
        ({"a": Path("/tmp")}, "does not exist"),
    ],
)
def test_bad_files(repository: Repository, files: dict[str, bytes | Path], message: str) -> None:
    with pytest.raises(RepositoryError, match=message) as caught:
        repository.commit(ID, files, parent=None, message="One")
    assert caught.value.mend
    assert repository.head(ID) is None


@pytest.mark.parametrize("name", ["", ".", "../x", "a..b", "a b", "-a", "/a", "a/", "a//b", "x.lock", "é", "f" * 40])
def test_bad_names(repository: Repository, name: str) -> None:
    with pytest.raises(RepositoryError, match=r"Not a name for a tag.*v1\.0\.0"):
        repository.commit(ID, {"a": b""}, parent=None, message="One", tag=name)
    with pytest.raises(RepositoryError, match="Not a name for a branch"):
        repository.commit(ID, {"a": b""}, parent=None, message="One", branch=name)
    assert repository.head(ID) is None


def test_a_commit_needs_a_message(repository: Repository) -> None:
    with pytest.raises(RepositoryError, match="needs a message"):
        repository.commit(ID, {"a": b""}, parent=None, message=" ")


BAD_IDS = [
    "receipts",
    "me/my/receipts",
    "me/a--b",
    "me/a..b",
    "me/a.git",
    "me/.a",
    "-me/a",
    "me/",
    "me/é",
    "me/a b",
    "",
]


@pytest.mark.parametrize("repo_id", [*BAD_IDS, "../../etc", "m/" + "a" * 96])
def test_bad_repo_ids(repository: Repository, repo_id: str) -> None:
    with pytest.raises(RepositoryError, match=r"Not a repository id.*for example") as caught:
        repository.head(repo_id)
    suggested = re.findall(r"for example '([^']+)'", caught.value.mend)[0]
    check_repo_id(suggested)
    with pytest.raises(RepositoryError):
        repository.commit(repo_id, {"a": b""}, parent=None, message="One")


def test_suggested_repo_id() -> None:
    with pytest.raises(RepositoryError, match="'me/receipts-2024'"):
        check_repo_id("receipts 2024")
    with pytest.raises(RepositoryError, match=r"'datasets-me/x'|'me/x'"):
        check_repo_id("datasets/me/x")


def test_short_sha_of_several_commits() -> None:
    shas = ["abcdef0" + "1" * 33, "abcdef0" + "2" * 33, "b" * 40]
    assert find_short("abcdef01", shas, ID) == shas[0]
    assert find_short("ccccccc", shas, ID) is None
    with pytest.raises(RevisionNotFoundError, match=r"more characters: abcdef011111, abcdef022222\."):
        find_short("abcdef0", shas, ID)


def test_order_tags() -> None:
    tags = {"v1.10.0": "", "b": "", "v1.9.0": "", "a": "", "v1.9": ""}
    assert list(order_tags(tags)) == ["v1.9.0", "v1.10.0", "a", "b", "v1.9"]


def test_open_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9/")
    assert open_repository(None) == open_repository("hub") == HubRepository("http://127.0.0.1:9")
    assert open_repository("https://hub.example.com/") == HubRepository("https://hub.example.com")
    assert open_repository(str(tmp_path)) == open_repository(tmp_path) == FolderRepository(tmp_path)
    assert open_repository("./hub") == FolderRepository("hub")
    assert open_repository("~/x") == FolderRepository(Path.home() / "x")
    repository = FolderRepository(tmp_path)
    assert open_repository(repository) is repository
    nothings: list[Any] = ["", " ", 3]
    for nothing in nothings:
        with pytest.raises(RepositoryError, match=r"Name a folder, for example './repo'"):
            open_repository(nothing)
