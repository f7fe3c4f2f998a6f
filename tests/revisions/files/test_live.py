"""Soft deletes: what stock readers see, the order of the rows, and other tools that write onto them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from datasets import Dataset, DatasetDict, load_dataset

import hf_mbdc as mbdc
from hf_mbdc.errors import DataError, IntegrityError
from hf_mbdc.revisions.files.layout import LIVE, Deletes, card_configs, read_files, write_files
from hf_mbdc.revisions.files.live import arrange, choose_deletes, is_overwritten
from hf_mbdc.revisions.repositories.folder import FolderRepository
from hf_mbdc.revisions.repositories.repository import Repository

ID = "me/receipts"


def rows(**cells: int) -> Dataset:
    return Dataset.from_dict({"id": list(cells), "x": list(cells.values())})


def test_the_order_of_soft_deletes() -> None:
    before = DatasetDict(train=rows(a=1, b=2, c=3, d=4))
    now = DatasetDict(train=rows(e=5, d=4, b=0, a=1), test=rows(z=1))
    found = arrange(now, before)
    assert (found["train"]["id"][:], found["test"]["id"][:]) == (["a", "d", "e", "b"], ["z"])
    again = arrange(found, found)
    assert again["train"] is found["train"]
    other = DatasetDict(train=Dataset.from_dict({"id": ["b", "a"], "y": [1, 2]}))
    assert arrange(other, before)["train"]["id"][:] == ["b", "a"]


@pytest.mark.parametrize("streaming", [False, True])
def test_stock_load_dataset_sees_live_rows_only(tmp_path: Path, streaming: bool) -> None:
    repository = FolderRepository(tmp_path / "repo")
    mbdc.publish(rows(a=1, b=2, c=3, d=4), ID, message="one", repository=repository, deletes="live")
    done = mbdc.publish(rows(a=1, c=0, d=4, e=5), ID, message="two", repository=repository)
    assert (done.layout["deletes"], done.layout["dead_rows"]) == ("live", 2)
    snapshot = repository.snapshot(ID, "main")
    loaded = load_dataset(str(snapshot), cache_dir=str(tmp_path / "cache"), streaming=streaming)["train"]
    expected = [{"id": "a", "x": 1}, {"id": "d", "x": 4}, {"id": "c", "x": 0}, {"id": "e", "x": 5}]
    assert list(loaded) == expected
    assert list(mbdc.load(ID, repository=repository)["train"]) == expected


def test_the_same_rows_in_any_order_are_nothing_new(repository: Repository) -> None:
    mbdc.publish(rows(a=1, b=2, c=3), ID, message="one", repository=repository, deletes="live")
    done = mbdc.publish(rows(a=1, b=0, c=3), ID, message="two", repository=repository)
    for order in ("abc", "cab"):
        again = rows(**{name: {"a": 1, "b": 0, "c": 3}[name] for name in order})
        assert mbdc.publish(again, ID, message="again", repository=repository) == done


def test_a_dataset_that_was_published_goes_on(tmp_path: Path) -> None:
    repository = FolderRepository(tmp_path)
    mbdc.publish(rows(a=1, b=2, c=3), ID, message="one", repository=repository, deletes="live")
    loaded = mbdc.load(ID, repository=repository)["train"]
    edited = loaded.map(lambda row: {"x": row["x"] + (row["id"] == "a")})
    mbdc.publish(edited, ID, message="two", repository=repository)
    mbdc.publish(edited.map(lambda row: {"x": row["x"] * 10}), ID, message="three", repository=repository)
    assert sorted(mbdc.load(ID, repository=repository)["train"]["x"][:]) == [20, 20, 30]


def push(repository: FolderRepository, data: Dataset, *, card: bool = True) -> None:
    """What a stock `push_to_hub` leaves: new files, a card without filters, and our manifest."""
    head = str(repository.head(ID))
    snapshot = repository.snapshot(ID, head)
    names = [path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()]
    files = {name: repository.read(ID, head, name) for name in names if not name.startswith("data/")}
    target = repository.root.parent / "pushed.parquet"
    data.to_parquet(target)
    files["data/train-00000-of-00001.parquet"] = target.read_bytes()
    if card:
        info = [{"split": "train", "path": "data/train-*"}]
        header = yaml.safe_dump({"configs": [{"config_name": "default", "data_files": info}]})
        files["README.md"] = f"---\n{header}---\n".encode()
    repository.commit(ID, files, parent=head, message="Upload dataset")


@pytest.mark.parametrize("with_marks", [False, True])
def test_a_stock_push_on_top_is_refused_with_the_mend(tmp_path: Path, with_marks: bool) -> None:
    repository = FolderRepository(tmp_path / "repo")
    mbdc.publish(rows(a=1, b=2, c=3), ID, message="one", repository=repository, deletes="live")
    mbdc.publish(rows(a=1, b=2), ID, message="two", repository=repository)
    good = mbdc.load(ID, "v2.0.0", repository=repository)
    pushed = rows(a=1, b=2, c=3)  # the dead row is back
    push(repository, pushed.add_column(LIVE, [True, True, False]) if with_marks else pushed)
    assert is_overwritten(repository.snapshot(ID, "main"))
    with pytest.raises(IntegrityError, match=r"dead rows may have come back.*deletes='hard' \(--deletes hard\)"):
        mbdc.publish(rows(a=1, b=2, d=4), ID, message="three", repository=repository)
    with pytest.raises(IntegrityError):
        mbdc.load(ID, repository=repository)
    parent = repository.head(ID)
    done = mbdc.publish(good, ID, message="mended", repository=repository, parent=parent, deletes="hard")
    assert done.version == "v3.0.0"
    assert mbdc.load(ID, repository=repository)["train"]["id"][:] == ["a", "b"]
    assert not is_overwritten(repository.snapshot(ID, "main"))


def test_a_card_that_lost_its_filter_is_told(tmp_path: Path) -> None:
    repository = FolderRepository(tmp_path / "repo")
    mbdc.publish(rows(a=1, b=2), ID, message="one", repository=repository, deletes="live")
    snapshot = repository.snapshot(ID, "main")
    assert not is_overwritten(snapshot)
    names = [path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()]
    files = {name: repository.read(ID, "main", name) for name in names}
    files["README.md"] = files["README.md"].replace(b"filters:", b"filter:")
    repository.commit(ID, files, parent=repository.head(ID), message="Edit the card")
    assert is_overwritten(repository.snapshot(ID, "main"))


def test_what_is_deleted_how_follows_the_parent(tmp_path: Path) -> None:
    kinds: tuple[Deletes, ...] = ("hard", "lazy", "live")
    for deletes in kinds:
        repository = FolderRepository(tmp_path / deletes)
        mbdc.publish(rows(a=1, b=2), ID, message="one", repository=repository, deletes=deletes)
        assert choose_deletes(None, repository.snapshot(ID, "main")) == deletes
        assert mbdc.publish(rows(a=1), ID, message="two", repository=repository).layout["deletes"] == deletes
    assert choose_deletes(None, None) == "hard"
    with pytest.raises(DataError, match="Choose 'hard', 'lazy' or 'live'"):
        choose_deletes("soft", None)  # type: ignore[arg-type]


def test_an_empty_split_has_no_marks(tmp_path: Path) -> None:
    splits = DatasetDict(train=rows(a=1), test=rows(a=1).select([]))
    write_files(splits, None, tmp_path, deletes="live")
    header = yaml.safe_dump(card_configs(splits, None, deletes="live"), sort_keys=False)
    (tmp_path / "README.md").write_text(f"---\n{header}---\n")
    found = read_files(tmp_path)
    assert {name: (split.column_names, len(split)) for name, split in found.items()} == {
        "train": (["id", "x"], 1),
        "test": (["id", "x"], 0),
    }


def test_a_column_with_the_name_of_the_marks(tmp_path: Path) -> None:
    data = rows(a=1).add_column(LIVE, [False])
    with pytest.raises(DataError, match=f"has a name that the rows have already.*'{LIVE}'"):
        write_files(DatasetDict(train=data), None, tmp_path, deletes="live")
    assert list(write_files(DatasetDict(train=data), None, tmp_path))
