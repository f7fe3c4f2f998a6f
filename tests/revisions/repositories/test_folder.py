"""The folder as a repository: what stock tools read from it, what other folders get, and what a kill leaves."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from hf_mbdc.errors import IntegrityError, RepositoryError, StaleParentError
from hf_mbdc.revisions import disk
from hf_mbdc.revisions.repositories import folder
from hf_mbdc.revisions.repositories.folder import FolderRepository

ID = "me/receipts"
CARD = b"---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/*.jsonl\n---\n# Hi\n"


@pytest.fixture
def repository(tmp_path: Path) -> FolderRepository:
    return FolderRepository(tmp_path / "repo")


def rows(*answers: str) -> dict[str, bytes]:
    lines = [json.dumps({"id": str(i), "answer": answer}) for i, answer in enumerate(answers)]
    return {"README.md": CARD, "data/train.jsonl": "\n".join(lines).encode()}


def two_versions(repository: FolderRepository) -> tuple[str, str]:
    first = repository.commit(ID, rows("a"), parent=None, message="One", tag="v1.0.0")
    return first, repository.commit(ID, rows("a", "b"), parent=first, message="Two", tag="v2.0.0")


def stock(repository: FolderRepository, revision: str) -> Path:
    return Path(
        snapshot_download(ID, repo_type="dataset", revision=revision, cache_dir=repository.root, local_files_only=True)
    )


def test_layout(repository: FolderRepository) -> None:
    first = repository.commit(ID, {"a/b.txt": b"hi", "c": b"hi"}, parent=None, message="One", tag="v1.0.0")
    store = repository.root / "datasets--me--receipts"
    digest = "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"  # sha256 of "hi"
    assert (store / "refs" / "main").read_text() == (store / "refs" / "v1.0.0").read_text() == first
    assert [path.name for path in (store / "blobs").iterdir()] == [digest]
    assert str((store / "snapshots" / first / "a" / "b.txt").readlink()) == f"../../../blobs/{digest}"
    assert str((store / "snapshots" / first / "c").readlink()) == f"../../blobs/{digest}"
    assert not list((store / "incoming").iterdir())
    modes = {path.stat().st_mode & 0o777 for path in store.rglob("*") if path.is_file()}
    assert modes == {0o644}, "others may read it"


def test_stock_clients_read_it(repository: FolderRepository) -> None:
    first, second = two_versions(repository)
    refused = repository.commit(ID, rows("z"), parent=second, message="No", branch="candidates/1a2b3c4")
    for revision, sha in {"v1.0.0": first, "v2.0.0": second, "main": second, "candidates/1a2b3c4": refused}.items():
        assert stock(repository, revision).resolve() == repository.snapshot(ID, revision)
        assert stock(repository, sha).name == sha
        found = hf_hub_download(
            ID, "README.md", repo_type="dataset", revision=revision, cache_dir=repository.root, local_files_only=True
        )
        assert Path(found).read_bytes() == CARD
    with pytest.raises(LocalEntryNotFoundError):
        stock(repository, "v3.0.0")


def test_stock_datasets_loads_it(repository: FolderRepository, tmp_path: Path) -> None:
    import datasets

    two_versions(repository)
    for revision, answers in {"v1.0.0": ["a"], "v2.0.0": ["a", "b"]}.items():
        loaded = datasets.load_dataset(str(repository.snapshot(ID, revision)), cache_dir=str(tmp_path / "cache"))
        assert loaded["train"]["answer"] == answers


def test_scan_cache_finds_it_sound(repository: FolderRepository) -> None:
    first, second = two_versions(repository)
    info = scan_cache_dir(repository.root)
    assert info.warnings == []
    assert not info.incomplete_files
    (repo,) = info.repos
    assert repo.repo_id == ID
    assert {revision.commit_hash: set(revision.refs) for revision in repo.revisions} == {
        first: {"v1.0.0"},
        second: {"main", "v2.0.0"},
    }


def test_the_folder_can_be_moved(repository: FolderRepository, tmp_path: Path) -> None:
    two_versions(repository)
    shutil.move(repository.root, tmp_path / "elsewhere")
    moved = FolderRepository(tmp_path / "elsewhere")
    assert moved.read(ID, "v1.0.0", "data/train.jsonl") == rows("a")["data/train.jsonl"]
    assert len(moved.commits(ID)) == 2


def test_without_links(repository: FolderRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    two_versions(repository)
    assert not any(path.is_symlink() for path in repository.root.rglob("*"))
    assert (stock(repository, "v1.0.0") / "data" / "train.jsonl").read_bytes() == rows("a")["data/train.jsonl"]
    assert scan_cache_dir(repository.root).warnings == []


def test_sha_depends_on_content_parent_message_and_time(
    repository: FolderRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sha(name: str, content: bytes = b"1", message: str = "One", time: str = "2025-01-31T12:00:00Z") -> str:
        monkeypatch.setattr(folder, "_now", lambda: time)
        return FolderRepository(tmp_path / name).commit(ID, {"a": content}, parent=None, message=message)

    same = sha("1")
    assert sha("2") == same == "e578179c8ed062f6a735e63a3465ab7bcecea26c"
    assert len({same, sha("3", content=b"2"), sha("4", message="Two"), sha("5", time="2025-01-31T12:00:01Z")}) == 4


def test_a_download_beside_does_not_disturb(repository: FolderRepository) -> None:
    """Other repositories may live in the same cache folder."""
    other = repository.root / "models--me--model" / "refs"
    other.mkdir(parents=True)
    (repository.root / "CACHEDIR.TAG").touch()
    assert two_versions(repository)


def test_a_file_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / "repo").write_text("")
    for action in (
        lambda repository: repository.head(ID),
        lambda repository: repository.commit(ID, {"a": b""}, parent=None, message="One"),
    ):
        with pytest.raises(RepositoryError, match=r"is a file, not a folder.*'\./repo'"):
            action(FolderRepository(tmp_path / "repo"))
        with pytest.raises(RepositoryError, match="is a file, not a folder"):
            action(FolderRepository(tmp_path / "repo" / "inside"))


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder in which the tests have no more rights than any user, also where they run as root."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        if user == 0:
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            for path in Path(folder).iterdir():
                path.chmod(0o755)
            os.seteuid(user)


def test_a_folder_that_cannot_be_written(scratch: Path) -> None:
    sha = FolderRepository(scratch / "repo").commit(ID, rows("a"), parent=None, message="One", tag="v1.0.0")
    for path in (scratch / "repo", *(scratch / "repo").rglob("*")):
        if path.is_dir():
            path.chmod(0o555)
    (scratch / "empty").mkdir(mode=0o555)
    for root in (scratch / "repo", scratch / "empty", scratch / "empty" / "new"):
        parent = sha if root.name == "repo" else None
        with pytest.raises(RepositoryError) as caught:
            FolderRepository(root).commit(ID, rows("b"), parent=parent, message="Two")
        assert str(caught.value) == (
            f"The repository cannot be written: Permission denied (path {str(root)!r}). "
            "Check the permissions of the folder, or name another one."
        )
    assert FolderRepository(scratch / "repo").snapshot(ID, "v1.0.0").name == sha, "it can be read"
    for path in (scratch / "repo", *(scratch / "repo").rglob("*")):
        if path.is_dir():
            path.chmod(0o755)


def test_a_folder_that_cannot_be_read(scratch: Path) -> None:
    root = scratch / "repo"
    FolderRepository(root).commit(ID, rows("a"), parent=None, message="One", tag="v1.0.0")
    root.chmod(0)
    for action in (lambda repository: repository.tags(ID), lambda repository: repository.resolve(ID, "v1.0.0")):
        with pytest.raises(RepositoryError) as caught:
            action(FolderRepository(root))
        assert str(caught.value) == (
            f"The repository cannot be read: Permission denied (path {str(root)!r}). "
            "Check the permissions of the folder, or name another one."
        )


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(RepositoryError, match=r"holds other things.*new or empty folder"):
        FolderRepository(tmp_path).commit(ID, {"a": b""}, parent=None, message="One")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_reading_where_there_is_no_folder(repository: FolderRepository) -> None:
    with pytest.raises(RepositoryError, match=r"no such repository folder.*Check the path"):
        repository.resolve(ID, "main")
    assert not repository.root.exists()


def test_reading_a_dataset_that_is_not_there(repository: FolderRepository) -> None:
    two_versions(repository)
    with pytest.raises(RepositoryError, match=r"does not hold this dataset.*It holds: me/receipts\."):
        repository.snapshot("me/reciepts", "main")


def test_a_download_is_no_repository(repository: FolderRepository) -> None:
    two_versions(repository)
    shutil.rmtree(repository.root / "datasets--me--receipts" / "commits")
    with pytest.raises(RepositoryError, match="a download of this dataset, not a repository"):
        repository.head(ID)


def test_a_ref_that_something_else_wrote(repository: FolderRepository) -> None:
    two_versions(repository)
    (repository.root / "datasets--me--receipts" / "refs" / "main").write_text("f" * 40)
    with pytest.raises(RepositoryError, match="points to a commit that was not made here"):
        repository.head(ID)


def test_a_file_that_is_gone(repository: FolderRepository) -> None:
    two_versions(repository)
    for blob in (repository.root / "datasets--me--receipts" / "blobs").iterdir():
        blob.unlink()
    with pytest.raises(IntegrityError, match="gone from the repository"):
        repository.snapshot(ID, "v1.0.0")
    with pytest.raises(IntegrityError, match="gone from the repository"):
        repository.read(ID, "v1.0.0", "README.md")


@pytest.mark.parametrize(
    ("number", "message"), [(errno.ENOSPC, "disk of the repository is full"), (errno.EACCES, "Check the permissions")]
)
def test_a_disk_that_refuses(
    repository: FolderRepository, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    _, second = two_versions(repository)
    before = sorted(repository.root.rglob("*"))

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(disk, "link", refuse)
    with pytest.raises(RepositoryError, match=message):
        repository.commit(ID, rows("c" * 9999), parent=second, message="Three", tag="v3.0.0")
    monkeypatch.undo()
    after = [path for path in sorted(repository.root.rglob("*")) if path.name != "incoming"]
    assert after == [path for path in before if path.name != "incoming"], "what failed gives its space back"
    assert repository.head(ID) == second
    assert repository.commit(ID, rows("c"), parent=second, message="Three", tag="v3.0.0")


def test_a_file_that_changes_while_it_is_committed(
    repository: FolderRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "a.txt"
    source.write_text("before")
    digest = disk.sha256

    def hash_then_change(path: bytes | Path) -> str:
        found = digest(path)
        source.write_text("after")
        return found

    monkeypatch.setattr(disk, "sha256", hash_then_change)
    with pytest.raises(RepositoryError, match=r"changed while it was being committed.*'a\.txt'"):
        repository.commit(ID, {"a": source}, parent=None, message="One")
    assert repository.head(ID) is None


def test_a_writer_that_never_ends(repository: FolderRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    import filelock

    _, second = two_versions(repository)
    monkeypatch.setattr(folder, "LOCK_SECONDS", 0)
    with filelock.FileLock(repository.root / ".locks" / "datasets--me--receipts" / "commit.lock"):
        with pytest.raises(RepositoryError, match="Another process has been writing"):
            repository.commit(ID, rows("c"), parent=second, message="Three")
        assert repository.head(ID) == second, "reading does not wait"


def test_of_many_writers_one_wins(repository: FolderRepository) -> None:
    first = repository.commit(ID, {"a": b"0"}, parent=None, message="One")
    done: list[str] = []
    stale: list[StaleParentError] = []

    def write(number: int) -> None:
        try:
            done.append(repository.commit(ID, {"a": b"%d" % number}, parent=first, message=f"By {number}"))
        except StaleParentError as error:
            stale.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(done), len(stale)) == (1, 7)
    assert [commit.sha for commit in repository.commits(ID)] == [done[0], first]


# A program that ends itself, as if by SIGKILL from outside, at its n-th call that changes the disk. Without n it does
# so at every call in turn, each in a fork and on a copy of the repository: starting Python costs more than a commit.
CHILD = textwrap.dedent(
    """
    import os, shutil, signal, sys
    from pathlib import Path
    from hf_mbdc.revisions.repositories.folder import FolderRepository

    root, parent, fatal = sys.argv[1], sys.argv[2] or None, int(sys.argv[3])
    calls = 0

    def deadly(function):
        def wrapped(*args, **kwargs):
            global calls
            calls += 1
            if calls == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)
        return wrapped

    def commit(root):
        for name in ("mkdir", "replace", "rename", "symlink_to", "unlink", "chmod"):
            setattr(Path, name, deadly(getattr(Path, name)))
        os.fsync = deadly(os.fsync)
        print("ready", flush=True)
        files = {"a.txt": b"new", "b/c.bin": b"2" * 30_000, "d": b""}
        FolderRepository(root).commit("me/receipts", files, parent=parent, message="Two", tag="v2.0.0")

    if fatal:
        commit(root)
        sys.exit()
    while True:
        fatal += 1
        copy = shutil.copytree(root, f"{root}-{fatal}", symlinks=True)
        child = os.fork()
        if child == 0:
            commit(copy)
            os._exit(0)
        if not os.WIFSIGNALED(os.waitpid(child, 0)[1]):
            break
    """
)
NEW = {"a.txt": b"new", "b/c.bin": b"2" * 30_000, "d": b""}
OLD = {"a.txt": b"old", "gone.txt": b"0"}
NEVER = -1


def run_child(root: Path, parent: str | None, fatal: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD, str(root), parent or "", str(fatal)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def check_old_or_new(repository: FolderRepository, first: str) -> str:
    """Head is the old or the new revision, whole, for us and for stock clients; returns the head."""
    head = repository.head(ID)
    assert head is not None
    expected = OLD if head == first else NEW
    for found in (repository.snapshot(ID, "main"), stock(repository, "main")):
        assert {p.relative_to(found).as_posix(): p.read_bytes() for p in found.rglob("*") if p.is_file()} == expected
    assert repository.snapshot(ID, "v1.0.0").name == first
    assert repository.tags(ID).get("v2.0.0") in (None, head)
    assert set(repository.branches(ID)) == {"main"}
    assert scan_cache_dir(repository.root).warnings == []
    return head


def test_killed_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = FolderRepository(tmp_path / "base")
    first = base.commit(ID, OLD, parent=None, message="One", tag="v1.0.0")
    assert run_child(base.root, first, 0).returncode == 0
    monkeypatch.setattr(os, "fsync", lambda _: None)  # what follows is not killed
    heads = []
    for fatal in range(1, len(list(tmp_path.glob("base-*")))):
        repository = FolderRepository(tmp_path / f"base-{fatal}")
        head = check_old_or_new(repository, first)
        heads.append(head == first)
        again = repository.commit(ID, NEW, parent=head, message="Two", tag="v2.0.0")
        assert again == repository.head(ID) == repository.tags(ID)["v2.0.0"]
        assert again == head or head == first, "a commit that was there is not made twice"
        store = repository.root / "datasets--me--receipts"
        assert len(list((store / "blobs").iterdir())) == 5
        assert len(list((store / "commits").iterdir())) == len(list((store / "snapshots").iterdir())) == 2
        assert not list((store / "incoming").iterdir())
    assert len(heads) > 40
    assert heads == sorted(heads, reverse=True), "once the new head is there it stays"
    assert {True, False} == set(heads)


def test_first_commit_killed(tmp_path: Path) -> None:
    for fatal in (1, 10, 25):
        repository = FolderRepository(tmp_path / f"repo-{fatal}")
        assert run_child(repository.root, None, fatal).returncode == -signal.SIGKILL
        assert repository.head(ID) is None
        assert repository.tags(ID) == {}
        assert repository.commit(ID, NEW, parent=None, message="One", tag="v1.0.0") == repository.head(ID)


def test_killed_from_outside(tmp_path: Path) -> None:
    """A real kill while the commit runs, wherever it happens to be."""
    repository = FolderRepository(tmp_path / "repo")
    first = repository.commit(ID, OLD, parent=None, message="One", tag="v1.0.0")
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(repository.root), first, str(NEVER)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.kill()
    head = check_old_or_new(repository, first)
    assert repository.commit(ID, NEW, parent=head, message="Two", tag="v2.0.0") == repository.head(ID)
