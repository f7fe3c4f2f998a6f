"""Hashes of the column chunks of a revision's files, so that a diff of two revisions need not read what is equal.

A column chunk is the part of a row group that holds one leaf column. The manifest lists 128 bits of a SHA-256 of each,
over its bytes and what these mean. They are only believed of a file that is the very one they were made of: both the
folder repository and the Hub's cache store a file under its own SHA-256, and that name has to be the one listed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from hf_mbdc.revisions.diff.parquet_rows import DIGEST, ParquetRows
from hf_mbdc.revisions.diff.threads import in_threads
from hf_mbdc.revisions.disk import sha256

MOST_CHUNKS = 10_000  # of a revision, beyond which none is listed: a manifest is read whole, and of every version


def describe_chunks(data: Mapping[str, Path]) -> dict[str, Any]:
    """For the manifest: path in the revision → the file's `sha256` and its `chunks`, in hex, row group by row group.

    Args:
        data: path in the revision → file; those that are no Parquet of `data/` are left out.
    """
    files = {name: path for name, path in data.items() if name.startswith("data/") and path.suffix == ".parquet"}
    rows = {name: ParquetRows([path]) for name, path in files.items()}
    if sum(len(r.groups) * len(r.footers[0].schema) for r in rows.values()) > MOST_CHUNKS:
        return {}
    return {name: {"sha256": sha256(path), "chunks": _chunks(rows[name])} for name, path in files.items()}


def _chunks(rows: ParquetRows) -> str:
    places = [(group, leaf) for group in range(len(rows.groups)) for leaf in range(len(rows.footers[0].schema))]
    return b"".join(in_threads(lambda place: rows.hash_chunk(*place), places)).hex()


def read_chunks(snapshot: Path, paths: Sequence[Path]) -> dict[Path, list[bytes]]:
    """Path → hash of every leaf column of every row group, of those files of a revision that its manifest lists."""
    try:
        listed = json.loads((snapshot / "manifest.json").read_bytes())["layout"]["chunks"]
        named = {path: listed[path.relative_to(snapshot).as_posix()] for path in paths}
        known = {path: bytes.fromhex(said["chunks"]) for path, said in named.items() if said["sha256"] == _stored(path)}
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ):  # none are listed, or somebody wrote other things
        return {}
    return {
        path: [found[at : at + DIGEST] for at in range(0, len(found), DIGEST)]
        for path, found in known.items()
        if len(found) == DIGEST * _count(path)
    }


def _count(path: Path) -> int:
    """How many chunks a file has."""
    footer = pq.read_metadata(path)
    return int(footer.num_row_groups * len(footer.schema))


def _stored(path: Path) -> str:
    """The name of a file in the store that a snapshot links to."""
    return path.resolve().name
