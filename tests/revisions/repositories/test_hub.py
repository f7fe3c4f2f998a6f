"""The Hub as a repository: lost answers, passing failures, rights, the cache, and stock clients on the same server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download
from loopback_hub import Fault, LoopbackHub

from hf_mbdc.errors import IntegrityError, RepositoryError, RevisionNotFoundError, StaleParentError
from hf_mbdc.revisions.repositories import hub_calls
from hf_mbdc.revisions.repositories.hub import HubRepository
from hf_mbdc.revisions.repositories.hub_calls import UnreachableError

ID = "me/receipts"
TOKEN = "hf_secret0123456789"
CARD = b"---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/*.jsonl\n---\n# Hi\n"
FOLDER = "or use a folder: repository='./repo' (--repository ./repo)."
FILES = {"README.md": CARD, "data/train.jsonl": b'{"id": "1"}', "data/x.bin": b"12"}


@pytest.fixture(autouse=True)
def scratch_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's cache knows a dataset by its id alone: each test gets its own."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits in a test, the library neither; how long they would have is noted."""
    waited: list[float] = []
    monkeypatch.setattr(hub_calls.time, "sleep", waited.append)
    return waited


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        yield hub


@pytest.fixture
def repository(hub: LoopbackHub) -> HubRepository:
    return HubRepository(hub.url)


# Each way in which a write goes wrong once: the work undone or done, the answer lost or an error.
MISHAPS = [
    pytest.param({"status": status, "after": after}, id=f"{status or 'broken'}-{'done' if after else 'undone'}")
    for status in (None, 500, 502, 503, 429)
    for after in (False, True)
]


@pytest.mark.parametrize("mishap", MISHAPS)
@pytest.mark.parametrize("kind", ["create_repo", "commit", "tag", "refs", "tree", "validate_yaml", "preupload"])
def test_one_mishap_does_no_harm(
    hub: LoopbackHub, repository: HubRepository, kind: str, mishap: dict[str, Any]
) -> None:
    hub.faults.append(Fault(kind, **mishap))
    sha = repository.commit(ID, FILES, parent=None, message="One", tag="v1.0.0")
    # A commit that was done is found; everything else that failed is repeated.
    assert hub.calls[kind] == 1 if kind == "commit" and mishap["after"] else hub.calls[kind] >= 2
    assert [commit.sha for commit in repository.commits(ID)] == [sha], "exactly one commit"
    assert repository.tags(ID) == {"v1.0.0": sha}


@pytest.mark.parametrize("mishap", MISHAPS)
@pytest.mark.parametrize("kind", ["commit", "branch", "lfs_batch", "lfs_put", "lfs_verify"])
def test_one_mishap_on_a_branch(hub: LoopbackHub, repository: HubRepository, kind: str, mishap: dict[str, Any]) -> None:
    first = repository.commit(ID, FILES, parent=None, message="One", tag="v1.0.0")
    hub.faults.append(Fault(kind, **mishap))
    sha = repository.commit(ID, {"a.bin": b"3"}, parent=first, message="No", branch="candidates/1a2b3c4")
    assert repository.branches(ID) == {"main": first, "candidates/1a2b3c4": sha}
    assert [commit.sha for commit in repository.commits(ID, "candidates/1a2b3c4")] == [sha, first]


def test_lost_answer_and_then_somebody_else(hub: LoopbackHub, repository: HubRepository) -> None:
    """Ours landed, its answer was lost, and others built on it before we looked: ours is done."""
    first = repository.commit(ID, FILES, parent=None, message="One")
    hub.faults.append(Fault("commit", after=True))
    theirs: list[str] = []
    original = HubRepository._landed

    def late(self: HubRepository, *args: Any) -> str | None:
        theirs.append(hub.push(ID, {"b": b"theirs"}))
        return original(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HubRepository, "_landed", late)
        second = repository.commit(ID, {**FILES, "a": b"2"}, parent=first, message="Two", tag="v2.0.0")
    assert [commit.sha for commit in repository.commits(ID)] == [theirs[0], second, first]
    assert repository.tags(ID) == {"v2.0.0": second}


@pytest.mark.parametrize("mishap", [Fault("commit"), Fault("commit", status=503)])
def test_undone_commit_and_then_somebody_else(hub: LoopbackHub, repository: HubRepository, mishap: Fault) -> None:
    first = repository.commit(ID, FILES, parent=None, message="One")
    hub.faults.append(mishap)
    original = HubRepository._landed

    def late(self: HubRepository, *args: Any) -> str | None:
        hub.push(ID, {"b": b"theirs"})
        return original(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HubRepository, "_landed", late)
        with pytest.raises(StaleParentError, match="moved on"):
            repository.commit(ID, {"a": b"2"}, parent=first, message="Two", tag="v2.0.0")
    assert [commit.message for commit in repository.commits(ID)] == ["Somebody else's change", "One"]
    assert repository.tags(ID) == {}


def test_somebody_else_between_our_look_and_our_commit(
    hub: LoopbackHub, repository: HubRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Hub itself says 412 here."""
    first = repository.commit(ID, FILES, parent=None, message="One")
    original = HfApi.create_commit

    def late(self: HfApi, *args: Any, **kwargs: Any) -> Any:
        hub.push(ID, {"b": b"theirs"})
        return original(self, *args, **kwargs)

    monkeypatch.setattr(HfApi, "create_commit", late)
    with pytest.raises(StaleParentError, match=first[:12]):
        repository.commit(ID, {"a": b"2"}, parent=first, message="Two")


@pytest.mark.parametrize("call", ["create_tag", "create_branch"])
def test_somebody_else_takes_the_name(
    hub: LoopbackHub, repository: HubRepository, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Between our look and our call; the library takes a name that is there already for a success."""
    first = repository.commit(ID, FILES, parent=None, message="One")
    second = repository.commit(ID, {"a": b"2"}, parent=first, message="Two")
    original = getattr(HfApi, call)

    def late(self: HfApi, *args: Any, **kwargs: Any) -> Any:
        refs = hub.repos[ID].tags if call == "create_tag" else hub.repos[ID].branches
        refs["taken"] = first
        return original(self, *args, **kwargs)

    monkeypatch.setattr(HfApi, call, late)
    if call == "create_tag":
        with pytest.raises(RepositoryError, match=f"never moved.*{first[:12]}"):
            repository.add_tag(ID, "taken", second)
    else:
        with pytest.raises(StaleParentError, match=first[:12]):
            repository.commit(ID, {"a": b"2"}, parent=second, message="Same", branch="taken")


@pytest.mark.parametrize("status", [409, 412])
def test_the_hub_is_busy(hub: LoopbackHub, repository: HubRepository, status: int) -> None:
    """It refuses, as if the head had moved, and it has not."""
    hub.faults.append(Fault("commit", status=status))
    sha = repository.commit(ID, FILES, parent=None, message="One")
    assert repository.head(ID) == sha


def test_an_upload_that_fails_for_long(hub: LoopbackHub, repository: HubRepository, waits: list[float]) -> None:
    """The library gives up after six attempts and wraps the reason; it passes all the same."""
    hub.faults.append(Fault("lfs_put", status=503, times=6))
    sha = repository.commit(ID, FILES, parent=None, message="One", tag="v1.0.0")
    assert hub.calls["lfs_put"] == 7
    assert repository.tags(ID) == {"v1.0.0": sha}


def test_a_hub_that_stays_down(hub: LoopbackHub, repository: HubRepository, waits: list[float]) -> None:
    first = repository.commit(ID, FILES, parent=None, message="One")
    hub.calls.clear()
    hub.faults.append(Fault("commit", status=503, times=99))
    with pytest.raises(UnreachableError) as caught:
        repository.commit(ID, {"a": b"2"}, parent=first, message="Two")
    assert str(caught.value) == (
        f"The Hub answered with status 503 (repo_id 'me/receipts', endpoint '{hub.url}'). Try again later, {FOLDER} "
        "Publish again when it answers: what was published is not published twice."
    )
    assert hub.calls["commit"] == 5
    assert waits == [0.5, 1.0, 2.0, 4.0]
    assert repository.head(ID) == first


@pytest.mark.parametrize("kind", ["commit", "branch", "tag"])
def test_only_writes_are_said_to_be_done_once(hub: LoopbackHub, repository: HubRepository, kind: str) -> None:
    first = repository.commit("me/other", FILES, parent=None, message="One") if kind == "branch" else None
    hub.faults.append(Fault(kind, status=503, times=99))
    repo_id, branch = ("me/other", "candidates/1") if kind == "branch" else (ID, "main")
    with pytest.raises(UnreachableError, match=r"Publish again when it answers: what was published is not .* twice\."):
        repository.commit(repo_id, {"a": b"2"}, parent=first, message="Two", tag="v1.0.0", branch=branch)
    hub.faults[:] = [Fault("refs", status=503, times=99)]
    with pytest.raises(UnreachableError) as caught:
        repository.tags(repo_id)
    assert caught.value.mend == f"Try again later, {FOLDER}"


def test_the_answer_is_lost_and_then_the_hub(hub: LoopbackHub, repository: HubRepository) -> None:
    """Whether the commit was made cannot be seen any more."""
    first = repository.commit(ID, FILES, parent=None, message="One")
    hub.faults += [Fault("commit", after=True), Fault("refs", skip=1, status=503, times=99)]
    with pytest.raises(UnreachableError, match=r"Publish again when it answers: what was published is not .* twice\."):
        repository.commit(ID, {"a": b"2"}, parent=first, message="Two")


def test_the_hub_says_how_long_to_wait(hub: LoopbackHub, repository: HubRepository, waits: list[float]) -> None:
    hub.faults.append(Fault("tag", status=429, headers={"Retry-After": "7"}))
    repository.commit(ID, FILES, parent=None, message="One", tag="v1.0.0")
    assert waits == [7.0]


def test_nobody_waits_for_an_hour(hub: LoopbackHub, repository: HubRepository, waits: list[float]) -> None:
    hub.faults.append(Fault("refs", status=429, headers={"Retry-After": "3600"}))
    with pytest.raises(UnreachableError, match="429"):
        repository.head(ID)
    assert waits == []


def test_unchanged_files_are_not_sent_again(hub: LoopbackHub, repository: HubRepository, tmp_path: Path) -> None:
    first = repository.commit(ID, FILES, parent=None, message="One")
    hub.calls.clear()
    repository.commit(ID, {**FILES, "b": b"2"}, parent=first, message="Two")
    assert (hub.calls["lfs_batch"], hub.calls["lfs_put"], hub.calls["commit"]) == (0, 0, 1)
    hub.calls.clear()
    repository.commit(ID, {**FILES, "b": b"2"}, parent=repository.head(ID), message="Again")
    assert (hub.calls["preupload"], hub.calls["commit"]) == (0, 0)


def test_an_empty_dataset_of_the_web_page_is_nothing_published(hub: LoopbackHub, repository: HubRepository) -> None:
    hub.new_repo(ID)
    assert repository.head(ID) is None
    assert repository.branches(ID) == {}
    assert repository.commits(ID) == []
    with pytest.raises(RevisionNotFoundError, match="Nothing was published in it yet"):
        repository.resolve(ID, "main")
    sha = repository.commit(ID, FILES, parent=None, message="One")
    assert [(commit.sha, commit.parent) for commit in repository.commits(ID)] == [(sha, None)]


def test_what_others_put_there_is_a_parent(hub: LoopbackHub, repository: HubRepository) -> None:
    hub.new_repo(ID)
    theirs = hub.push(ID, {"README.md": b"# Mine"})
    assert repository.head(ID) == theirs
    with pytest.raises(StaleParentError):
        repository.commit(ID, FILES, parent=None, message="One")
    sha = repository.commit(ID, FILES, parent=theirs, message="One")
    assert [commit.sha for commit in repository.commits(ID)] == [sha, theirs]


def test_a_long_history(hub: LoopbackHub, repository: HubRepository) -> None:
    first = repository.commit(ID, FILES, parent=None, message="One")
    shas = [hub.push(ID, {"a": b"%d" % number}) for number in range(60)]
    assert [commit.sha for commit in repository.commits(ID)] == [*shas[::-1], first]
    assert repository.resolve(ID, first[:10]) == first


def test_private_or_not(hub: LoopbackHub) -> None:
    for private in (None, True, False):
        HubRepository(hub.url, private=private).commit(f"me/{private}", FILES, parent=None, message="One")
    assert [hub.repos[f"me/{private}"].private for private in (None, True, False)] == [False, True, False]


def test_a_file_that_the_hub_leaves_out(hub: LoopbackHub, repository: HubRepository) -> None:
    hub.new_repo(ID)
    parent = hub.push(ID, {".gitignore": b"scores.json\n"})
    with pytest.raises(IntegrityError, match=r"'scores\.json'.*\.gitignore"):
        repository.commit(
            ID, {".gitignore": b"scores.json\n", "scores.json": b"{}"}, parent=parent, message="One", tag="v1.0.0"
        )
    assert repository.tags(ID) == {}


def test_metadata_that_the_hub_refuses(repository: HubRepository) -> None:
    with pytest.raises(RepositoryError, match=r"Invalid metadata in README\.md"):
        repository.commit(ID, {"README.md": b"---\na: [\n---\n"}, parent=None, message="One")


class TestRights:
    @pytest.fixture
    def hub(self) -> Iterator[LoopbackHub]:
        with LoopbackHub(token=TOKEN) as hub:
            yield hub

    def commit(self, repository: HubRepository, repo_id: str = ID) -> str:
        return repository.commit(repo_id, FILES, parent=None, message="One", tag="v1.0.0")

    def test_with_the_token(self, hub: LoopbackHub) -> None:
        repository = HubRepository(hub.url, token=TOKEN)
        sha = self.commit(repository)
        assert repository.read(ID, "v1.0.0", "README.md") == CARD
        assert HubRepository(hub.url).resolve(ID, "v1.0.0") == sha, "a public dataset is for everybody"

    def test_token_of_the_environment(self, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        assert self.commit(HubRepository())

    def test_not_logged_in(self, hub: LoopbackHub) -> None:
        with pytest.raises(RepositoryError, match=r"does not know you.*`hf auth login`.*HF_TOKEN"):
            self.commit(HubRepository(hub.url))

    def test_not_logged_in_any_more(self, hub: LoopbackHub) -> None:
        hub.new_repo(ID)
        with pytest.raises(RepositoryError, match="does not know you"):
            HubRepository(hub.url, token="hf_expired").head(ID)

    def test_another_namespace(self, hub: LoopbackHub) -> None:
        with pytest.raises(RepositoryError, match=r"does not let you write.*a token that may write to 'you'"):
            self.commit(HubRepository(hub.url, token=TOKEN), "you/receipts")

    def test_read_only(self, hub: LoopbackHub) -> None:
        hub.new_repo(ID).read_only = True
        with pytest.raises(RepositoryError, match="does not let you write"):
            self.commit(HubRepository(hub.url, token=TOKEN))

    def test_a_private_dataset_of_somebody_else(self, hub: LoopbackHub) -> None:
        hub.new_repo(ID, private=True)
        with pytest.raises(RepositoryError, match=r"no such dataset, or does not show it.*if it is private"):
            HubRepository(hub.url).resolve(ID, "main")

    def test_gated(self, hub: LoopbackHub) -> None:
        sha = self.commit(HubRepository(hub.url, token=TOKEN))
        hub.repos[ID].gated = True
        with pytest.raises(RepositoryError, match=rf"granted by its owner.*{hub.url}/datasets/me/receipts"):
            HubRepository(hub.url, token=TOKEN).snapshot(ID, sha)

    def test_the_token_is_nowhere_to_be_seen(
        self, hub: LoopbackHub, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        caplog.set_level("DEBUG")
        repository = HubRepository(hub.url, token=TOKEN)
        self.commit(repository)
        hub.faults.append(Fault("commit", status=500, times=99))
        for wrong in (
            lambda: repository.commit(ID, {"a": b""}, parent=repository.head(ID), message="Two"),
            lambda: repository.commit("you/x", FILES, parent=None, message="One"),
            lambda: HubRepository(hub.url, token=f"{TOKEN}\n"),
        ):
            with pytest.raises(RepositoryError) as caught:
                wrong()
            assert TOKEN not in f"{caught.value} {caught.value.__cause__} {caught.value!r} {caught.value.__dict__}"
        assert TOKEN not in caplog.text + "".join(capfd.readouterr()) + repr(repository)


@pytest.mark.parametrize("endpoint", ["ftp://x", "hub.example.com", "https://me:hf_secret@hub.example.com", "http://"])
def test_bad_endpoints(endpoint: str) -> None:
    with pytest.raises(RepositoryError, match="not a URL, or it holds a password") as caught:
        HubRepository(endpoint)
    assert "hf_secret" not in str(caught.value)


def test_stock_clients_read_it(hub: LoopbackHub, repository: HubRepository, tmp_path: Path) -> None:
    first = repository.commit(ID, FILES, parent=None, message="One", tag="v1.0.0")
    repository.commit(ID, {**FILES, "a": b"2"}, parent=first, message="Two", tag="v2.0.0")
    where = {"repo_type": "dataset", "endpoint": hub.url, "cache_dir": tmp_path / "stock", "revision": "v1.0.0"}
    found = Path(snapshot_download(ID, **where))
    assert found.name == first
    assert (found / "data" / "x.bin").read_bytes() == b"12"
    assert Path(hf_hub_download(ID, "README.md", **where)).read_bytes() == CARD
    api = HfApi(endpoint=hub.url)
    assert api.dataset_info(ID, revision="v1.0.0").card_data["configs"][0]["config_name"] == "default"
    assert api.file_exists(ID, "a", repo_type="dataset")
    assert [info.path for info in api.get_paths_info(ID, ["data", "a"], repo_type="dataset")] == ["data", "a"]
    assert api.whoami(token=TOKEN)["name"] == "me"


STOCK = """
import datasets, fsspec, json, sys
loaded = {revision: datasets.load_dataset("me/receipts", revision=revision)["train"]["id"] for revision in sys.argv[1:]}
streamed = [row["id"] for row in datasets.load_dataset("me/receipts", revision="v2.0.0", streaming=True)["train"]]
with fsspec.open("hf://datasets/me/receipts@v1.0.0/data/train.jsonl") as file:
    text = file.read().decode()
datasets.Dataset.from_dict({"id": ["9"]}).push_to_hub("me/pushed", token="hf_x")
print(json.dumps([loaded, streamed, text, datasets.load_dataset("me/pushed")["train"]["id"]], default=list))
"""


def run_python(code: str, *args: str, tmp_path: Path, **environment: str) -> str:
    """A fresh program, since the libraries read their environment once, when they are imported."""
    found = subprocess.run(
        [sys.executable, "-c", code, *args],
        env={**os.environ, "HF_HOME": str(tmp_path / "home"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-3000:]
    return found.stdout.strip().splitlines()[-1]


def test_stock_datasets_loads_it(hub: LoopbackHub, repository: HubRepository, tmp_path: Path) -> None:
    first = repository.commit(ID, FILES, parent=None, message="One", tag="v1.0.0")
    two = {**FILES, "data/train.jsonl": b'{"id": "1"}\n{"id": "2"}'}
    repository.commit(ID, two, parent=first, message="Two", tag="v2.0.0")
    out = run_python(STOCK, "v1.0.0", "v2.0.0", first, tmp_path=tmp_path, HF_ENDPOINT=hub.url)
    loaded = {"v1.0.0": ["1"], "v2.0.0": ["1", "2"], first: ["1"]}
    assert json.loads(out) == [loaded, ["1", "2"], '{"id": "1"}', ["9"]]


PUBLISH = """
from pathlib import Path
from hf_mbdc.revisions.repositories.repository import open_repository
Path("large.bin").write_bytes(b"1" * 3_000_000)
files = {"large.bin": Path("large.bin"), "small.bin": b"2", "a": b"3"}
print(open_repository("hub").commit("me/receipts", files, parent=None, message="One", tag="v1.0.0"))
"""


def test_a_hub_without_xet(hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library would ask for a Xet storage that is not there, and fail."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.chdir(tmp_path)
    sha = run_python(PUBLISH, tmp_path=tmp_path, HF_ENDPOINT=hub.url, HF_HUB_DISABLE_XET="0")
    assert hub.repos[ID].tags == {"v1.0.0": sha}
    assert hub.repos[ID].commits[sha].tree["large.bin"].content == b"1" * 3_000_000


class TestOutOfReach:
    """Exactly what was asked for, from the cache, or an error."""

    @pytest.fixture
    def own_cache(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As if HF_ENDPOINT had named this Hub when the library was imported."""
        monkeypatch.setattr(HubRepository, "_owns_cache", True)

    @pytest.fixture
    def published(self, hub: LoopbackHub) -> tuple[HubRepository, str, str]:
        repository = HubRepository(hub.url)
        first = repository.commit(ID, FILES, parent=None, message="One", tag="v1.0.0")
        return repository, first, repository.commit(ID, {"a": b"2"}, parent=first, message="Two", tag="v2.0.0")

    @pytest.fixture(params=["offline", "down"])
    def cut(
        self, request: pytest.FixtureRequest, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[], None]:
        def cut() -> None:
            if request.param == "offline":
                monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
            else:
                hub.faults += [Fault(kind, status=503, times=999) for kind in ("refs", "info", "tree", "resolve")]

        return cut

    @pytest.mark.usefixtures("own_cache")
    def test_what_was_loaded_before(self, published: tuple[HubRepository, str, str], cut: Callable[[], None]) -> None:
        repository, first, second = published
        before = repository.snapshot(ID, first)
        (Path(constants.HF_HUB_CACHE) / "datasets--me--receipts" / "refs" / "main").write_text(first)
        cut()
        assert repository.resolve(ID, "v1.0.0") == repository.resolve(ID, first) == first
        assert repository.snapshot(ID, "v1.0.0") == repository.snapshot(ID, first) == before
        assert repository.read(ID, "v1.0.0", "README.md") == CARD
        for revision in ("main", "v2.0.0", second, first[:8]):
            with pytest.raises(UnreachableError):
                repository.snapshot(ID, revision)

    def test_a_snapshot_that_lacks_files(
        self, published: tuple[HubRepository, str, str], cut: Callable[[], None]
    ) -> None:
        """Reading one file makes a folder that the library would hand out as the whole snapshot."""
        repository, first, _ = published
        repository.read(ID, first, "README.md")
        cut()
        assert repository.read(ID, first, "README.md") == CARD
        with pytest.raises(UnreachableError, match="may be incomplete"):
            repository.snapshot(ID, first)

    def test_tags_of_another_hub(self, published: tuple[HubRepository, str, str], cut: Callable[[], None]) -> None:
        """The library's cache does not say from which Hub a tag is."""
        repository, first, second = published
        repository.snapshot(ID, "v1.0.0")
        ref = Path(constants.HF_HUB_CACHE) / "datasets--me--receipts" / "refs" / "v1.0.0"
        assert not ref.exists()
        ref.parent.mkdir()
        ref.write_text(second)
        cut()
        with pytest.raises(UnreachableError):
            repository.resolve(ID, "v1.0.0")
        assert repository.snapshot(ID, first).name == first

    def test_nobody_is_there(self) -> None:
        repository = HubRepository("http://127.0.0.1:9")
        for read in (lambda: repository.resolve(ID, "v1.0.0"), lambda: repository.head(ID)):
            with pytest.raises(UnreachableError) as caught:
                read()
            assert str(caught.value) == (
                "The Hub did not answer (repo_id 'me/receipts', endpoint 'http://127.0.0.1:9'). "
                f"Check the network and HF_ENDPOINT, {FOLDER}"
            )

    def test_a_name_that_nobody_has(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(*_: object, **__: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        with pytest.raises(UnreachableError) as caught:
            HubRepository("http://huggingfaec.co").tags(ID)
        assert str(caught.value) == (
            "There is no Hub of that name on the network (repo_id 'me/receipts', endpoint 'http://huggingfaec.co'). "
            f"Check the network and HF_ENDPOINT, {FOLDER}"
        )

    def test_switched_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(UnreachableError) as caught:
            HubRepository("http://127.0.0.1:9").tags(ID)
        assert str(caught.value) == (
            "The Hub is switched off by HF_HUB_OFFLINE (repo_id 'me/receipts', endpoint 'http://127.0.0.1:9'). "
            f"Unset HF_HUB_OFFLINE, {FOLDER}"
        )


def test_a_tag_that_moved_on_the_hub_is_not_answered_from_the_cache(
    hub: LoopbackHub, repository: HubRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HubRepository, "_owns_cache", True)
    first = repository.commit(ID, FILES, parent=None, message="One", tag="v1.0.0")
    repository.snapshot(ID, "v1.0.0")
    hub.repos[ID].tags["v1.0.0"] = second = hub.push(ID, {"a": b"2"})
    assert first != second
    assert repository.snapshot(ID, "v1.0.0").name == second


def test_the_loopback_hub_leaves_nothing_behind() -> None:
    before = threading.active_count()
    with LoopbackHub() as hub:
        HubRepository(hub.url).commit(ID, FILES, parent=None, message="One")
    assert threading.active_count() == before


def test_ranges(hub: LoopbackHub) -> None:
    from huggingface_hub.utils import get_session

    hub.new_repo(ID)
    hub.push(ID, {"a": b"0123456789"})
    url = f"{hub.url}/datasets/{ID}/resolve/main/a"
    found = get_session().get(url, headers={"Range": "bytes=2-4"})
    assert (found.status_code, found.content, found.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    assert get_session().get(url, headers={"Range": "bytes=8-"}).content == b"89"
    assert get_session().get(url, headers={"Range": "bytes=10-"}).status_code == 416
