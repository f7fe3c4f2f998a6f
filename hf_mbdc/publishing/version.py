"""The number of a revision, vMAJOR.MINOR.PATCH, follows from what changed (Croissant's rule for dataset versions)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from hf_mbdc.errors import RepositoryError

if TYPE_CHECKING:
    from hf_mbdc.revisions.diff.diff import Diff

FIRST = "v1.0.0"
_VERSION = re.compile(r"v(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")


def parse_version(tag: str) -> tuple[int, int, int] | None:
    """The three numbers of a tag, or None when it is no version.

    Example:
        >>> parse_version("v1.20.3"), parse_version("main"), parse_version("1.0.0")
        ((1, 20, 3), None, None)
    """
    match = _VERSION.fullmatch(tag)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def sort_versions(tags: Iterable[str]) -> list[str]:
    """The tags that are versions, lowest first; other tags are left out.

    Example:
        >>> sort_versions(["v10.0.0", "v9.1.0", "latest"])
        ['v9.1.0', 'v10.0.0']
    """
    numbered = ((parse_version(tag), tag) for tag in tags)
    return [tag for numbers, tag in sorted((n, t) for n, t in numbered if n is not None)]


def next_version(parent_version: str | None, diff: Diff | None) -> str:
    """The version of the data that `diff` leads to.

    MAJOR: rows, columns or splits were removed, cells changed, or columns retyped, so that what was built on the old
    data may not hold. MINOR: rows, columns or splits only came in. PATCH: the same rows, perhaps in another order.
    Spec: https://docs.mlcommons.org/croissant/docs/croissant-spec.html, "Version".

    Args:
        parent_version: the version that `diff` starts from; None when there is none, which gives v1.0.0.
        diff: from the parent to the new data.

    Raises:
        RepositoryError: `parent_version` is no version.
    """
    if parent_version is None or diff is None:
        return FIRST
    numbers = parse_version(parent_version)
    if numbers is None:
        raise RepositoryError(
            f"{parent_version!r} is no version", mend="Tags of revisions look like v1.0.0: v, then three numbers."
        )
    major, minor, patch = numbers
    splits = diff.splits.values()
    lost = any(s.removed or s.changed or s.status == "removed" for s in splits)
    if lost or diff.schema.removed or diff.schema.retyped:
        return f"v{major + 1}.0.0"
    return f"v{major}.{minor}.{patch + 1}" if diff.is_empty else f"v{major}.{minor + 1}.0"


def raise_version(computed: str, wanted: str, existing: Iterable[str]) -> str:
    """The version that a user asks for in place of the computed one; only upwards, and only a new one.

    Raises:
        RepositoryError: it is no version, is there already, or is lower than what changed asks for.

    Example:
        >>> raise_version("v1.1.0", "v2.0.0", ["v1.0.0"])
        'v2.0.0'
    """
    numbers, least = parse_version(wanted), parse_version(computed)
    if numbers is None or least is None:
        raise RepositoryError("Not a version", version=wanted, mend=f"Write it like {computed}: v, then three numbers.")
    if wanted in existing:
        raise RepositoryError(
            "The version exists already, and versions never change",
            version=wanted,
            mend=f"Leave it out for {computed}, or name a higher one.",
        )
    if numbers < least:
        raise RepositoryError(
            f"The version is lower than {computed}, which follows from what changed",
            version=wanted,
            mend="Leave it out, or name a higher one.",
        )
    return wanted
