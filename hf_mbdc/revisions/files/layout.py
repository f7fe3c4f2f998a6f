"""The data files of a revision: Parquet that stock `load_dataset(folder)` reads, with the same bytes for the same data.

`data/{split}-00000-of-0000N.parquet` for each split, `data/{split}-delta-0000N.parquet` for rows that came in later,
and, when rows were set aside, `rejected/` as a config of its own. Rows stay in the files of the parent revision
(`shards.py`), so that a store that keeps equal chunks once (Xet) uploads little of a revision that changed little.
Images are embedded; their path is a base name.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hf_mbdc.errors import DataError, IntegrityError
from hf_mbdc.revisions.disk import link_to, sha256

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, Features

REJECTED = "rejected"
LIVE = "mbdc_live"  # the column of a revision with soft deletes: false for a dead row
Deletes = Literal["hard", "lazy", "live"]
CARD, MANIFEST, CHANGELOG = "README.md", "manifest.json", "CHANGELOG.md"
CROISSANT = "croissant.json"

_SPLIT = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")


def write_files(
    splits: DatasetDict,
    rejected: Dataset | None,
    folder: Path,
    *,
    parent: Path | None = None,
    deletes: Deletes = "hard",
) -> dict[str, Path]:
    """Writes the data files of a revision.

    The bytes depend on the rows, the features, the parent's files and the version of pyarrow; not on chunking, indices
    mappings or caches. The rows are read back in exactly the order of `splits`.

    Args:
        splits: all with the same columns; a split may be empty, but not all of them. With "live" deletes they are in
            the order of `live.arrange`, or little stays in its place.
        rejected: rows that were set aside; None or no rows writes nothing.
        folder: existing or not; paths are made inside it.
        parent: snapshot of the parent revision, where rows keep their places; None writes everything anew.
        deletes: what becomes of rows and texts that the parent has and `splits` has not. "hard": no new file holds
            them. "lazy": no reader sees them, but texts may stay unread in dictionaries (see `chunks.py`) until the
            revision is compacted. "live": rows stay with false in the column `mbdc_live` (see `live.py`).

    Returns:
        Path inside the revision → file.

    Raises:
        DataError: no rows, a split name that is no file name, splits with different features, a missing image file.
    """
    from hf_mbdc.revisions.files.shards import write_split

    features = _common_features(splits)
    _check_columns(features, deletes)
    files: dict[str, Path] = {}
    for name, split in splits.items():
        stem = f"data/{_checked_name(name)}"
        files |= write_split(split, features, folder, stem, parent=parent, deletes=deletes)
    if rejected:
        stem = f"{REJECTED}/{REJECTED}"
        files |= write_split(rejected, rejected.features, folder, stem, parent=None, deletes="hard")
    return files


def card_configs(splits: DatasetDict, rejected: Dataset | None, *, deletes: Deletes = "hard") -> dict[str, Any]:
    """The YAML of the dataset card that makes stock `load_dataset` find the files: `configs` and `dataset_info`.

    The default config holds the splits that have rows; rows that were set aside are the config "rejected". An empty
    split is left out, because stock `load_dataset` fails on a config with one (huggingface/datasets#8401); `read_files`
    finds its file. With "live" deletes the default config filters the dead rows out.

    Example:
        >>> from datasets import Dataset, DatasetDict
        >>> card_configs(DatasetDict(test=Dataset.from_dict({"id": ["a"]})), None)["configs"][0]["data_files"]
        [{'split': 'test', 'path': 'data/test-*'}]
    """
    features = _common_features(splits)
    parts = {"default": ("data", features, {name: split for name, split in splits.items() if len(split)})}
    if rejected:
        parts[REJECTED] = (REJECTED, rejected.features, {REJECTED: rejected})
    configs: list[dict[str, Any]] = [
        {
            "config_name": config,
            "data_files": [{"split": name, "path": f"{folder}/{_checked_name(name)}-*"} for name in rows],
        }
        for config, (folder, _, rows) in parts.items()
    ]
    if deletes == "live":
        configs[0] |= {"filters": [[LIVE, "==", True]], "columns": list(features)}
    return {
        "configs": configs,
        "dataset_info": [
            {
                "config_name": config,
                "features": kind._to_yaml_list(),  # what push_to_hub writes; there is no public name for it
                "splits": [_split_info(name, split) for name, split in rows.items()],
            }
            for config, (_, kind, rows) in parts.items()
        ],
    }


def read_files(snapshot: Path) -> DatasetDict:
    """The splits of a revision's folder, memory-mapped, by stock `load_dataset` with the configs of the folder's card.

    The cache of `datasets` knows a local file by its path and time of change. Here the cache folder is named by the
    content of the files, so that rows of other files can never be returned, whatever was at that path before; and it
    holds a link through which they are loaded, so that the same rows have the same place in every revision, and with
    it their `map` caches.

    Raises:
        DataError: the folder holds no data that `datasets` can read.
        IntegrityError: the files are damaged, or hold other splits or numbers of rows than the card says.
    """
    import datasets
    from datasets.exceptions import DatasetGenerationError, SplitsVerificationError

    cache = Path(datasets.config.HF_DATASETS_CACHE) / "hf_mbdc" / _data_hash(snapshot)
    try:
        # Not beside the link: a folder named like it is where load_dataset would write, into the snapshot.
        files = link_to(snapshot.resolve(), cache / "files")
        loaded = datasets.load_dataset(str(files), cache_dir=str(cache / "arrow"))
    except (DatasetGenerationError, SplitsVerificationError) as error:
        raise IntegrityError(
            f"The data files cannot be read as the card of their revision says: {error.__cause__ or error}",
            path=snapshot.name,
            mend="Download it again, or load an earlier revision.",
        ) from error
    except (FileNotFoundError, ValueError) as error:
        raise DataError(
            f"The revision holds nothing that load_dataset can read by itself: {error}",
            path=snapshot.name,
            mend="Choose a revision with data files, and one config that is the default.",
        ) from error
    return datasets.DatasetDict({**loaded, **_empty_splits(snapshot, set(loaded))})


def read_rejected(snapshot: Path) -> Dataset | None:
    """The rows of a revision that were set aside, or None where there are none."""
    from datasets import Dataset

    paths = sorted(str(path) for path in snapshot.glob(f"{REJECTED}/{REJECTED}-*.parquet"))
    return Dataset.from_parquet(paths, keep_in_memory=True) if paths else None


def _empty_splits(snapshot: Path, loaded: set[str]) -> dict[str, Dataset]:
    """The splits without rows that `write_files` has written and that the card cannot name."""
    import pyarrow.parquet as pq
    from datasets import Dataset, NamedSplit

    found = {}
    for path in sorted(snapshot.glob("data/*-00000-of-00001.parquet")):
        name = path.name.removesuffix("-00000-of-00001.parquet")
        if name not in loaded and pq.read_metadata(path).num_rows == 0:
            table = pq.read_table(path)
            table = table.drop_columns(LIVE) if LIVE in table.column_names else table
            found[name] = Dataset(table, split=NamedSplit(name))
    return found


def _data_hash(folder: Path) -> str:
    """SHA-256 of the names and bytes of all that can decide which rows are loaded.

    Of a card that says which files hold the data, only that and the features count, not its text.
    """
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    named = card_data(paths.pop(CARD)) if CARD in paths else {}
    told = {name: named.get(name) for name in ("configs", "dataset_info")}
    configs = told["configs"] if isinstance(told["configs"], list) else [None]
    listed = all(isinstance(config, dict) and config.get("data_files") for config in configs)
    beside = (MANIFEST, CHANGELOG, CROISSANT) if listed else ()  # else load_dataset looks for data everywhere
    hashes = {
        name: sha256(path)
        for name, path in paths.items()
        if not name.startswith(("assets/", ".git")) and name not in beside
    }
    return hashlib.sha256(json.dumps([hashes, told], sort_keys=True, default=str).encode()).hexdigest()


def card_data(card: Path) -> dict[str, Any]:
    """The metadata of a card; all of its text when it cannot be read, as something that no other card has."""
    import yaml

    text = card.read_text("utf-8", errors="replace")
    match = re.match(r"---\r?\n(.*?)\r?\n---", text.removeprefix("\ufeff"), re.DOTALL)
    try:
        found = yaml.safe_load(match[1]) if match else {}
    except yaml.YAMLError:
        found = None
    return found if isinstance(found, dict) else {"dataset_info": text}


def _common_features(splits: DatasetDict) -> Features:
    """The features that all splits have; stock datasets cannot load splits of one config that differ."""
    from hf_mbdc.revisions.content_hash import canonical_features

    if not any(map(len, splits.values())):
        raise DataError("There are no rows to publish", mend="Give at least one split with rows.")
    first = next(iter(splits))
    wanted = canonical_features(splits[first].features)
    for name, split in splits.items():
        found = canonical_features(split.features)
        if found != wanted:
            names = sorted({**wanted, **found})
            raise DataError(
                "Two splits have different columns or types",
                split=name,
                other_split=first,
                columns=[column for column in names if found.get(column) != wanted.get(column)],
                mend="Bring them to the same features, e.g. with split.cast(other.features).",
            )
    return splits[first].features


def _check_columns(features: Features, deletes: Deletes) -> None:
    if deletes == "live" and LIVE in features:
        raise DataError(
            "The column that marks dead rows has a name that the rows have already",
            column=LIVE,
            mend="Rename the column of the rows, or publish with deletes='hard'.",
        )


def _checked_name(split: str) -> str:
    # What datasets allows, but ASCII only and short: the name becomes a file name on every platform.
    if len(split) > 100 or not _SPLIT.fullmatch(split):
        raise DataError(
            "The name of a split cannot be a file name",
            split=split[:100],
            mend="Use letters, digits and underscores, with single dots between them.",
        )
    return split


def _split_info(name: str, split: Dataset) -> dict[str, Any]:
    """`num_examples` is checked by `load_dataset`; `num_bytes`, which YAML must have, is the size of the values."""
    from hf_mbdc.revisions.rows import Rows, embed, value_bytes

    rows = Rows(split)
    tables = (embed(block, rows.features, paths=False) for block in rows.blocks())
    size = sum(value_bytes(chunk) for table in tables for column in table.columns for chunk in column.chunks)
    return {"name": name, "num_bytes": size, "num_examples": len(split)}
