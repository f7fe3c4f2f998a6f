"""What the library's own cache knows of a Hub that cannot be reached: full shas, and the version tags noted here."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import constants

from hf_mbdc.revisions import disk
from hf_mbdc.revisions.repositories.repository import SHA, VERSION, store_name


def find(repo_id: str, revision: str, *, with_tags: bool) -> str | None:
    """Sha of a commit or version whose snapshot is there; None where none is.

    Args:
        with_tags: whether the tags in the cache are those of the Hub that is asked for.
    """
    store = _store(repo_id)
    if SHA.fullmatch(revision) and (store / "snapshots" / revision).is_dir():
        return revision
    ref = store / "refs" / revision
    if with_tags and VERSION.fullmatch(revision) and ref.is_file():
        return ref.read_text("utf-8").strip()
    return None


def remember_tags(repo_id: str, tags: Mapping[str, str]) -> None:
    """Notes version tags, tag → sha, where `find` and the library look for them."""
    store = _store(repo_id)
    for tag, sha in tags.items():
        with contextlib.suppress(OSError):  # a cache that cannot be written is a cache that is not used
            disk.write_text(store / "refs" / tag, sha, store)


def _store(repo_id: str) -> Path:
    return Path(constants.HF_HUB_CACHE) / store_name(repo_id)
