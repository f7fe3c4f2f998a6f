"""`report`: a repository as one web page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hf_mbdc.revisions.repositories.repository import Repository


def report(
    repo_id: str, output: str | Path = "report.html", *, repository: str | Path | Repository | None = None
) -> Path:
    """Writes a page about a repository: trend, versions and refused candidates, evidence, changes and costs.

    One file that runs no script and needs no network. Only records are read, no data; values of columns that any
    version named as sensitive are masked in all versions.

    Args:
        repo_id: `namespace/name`.
        output: the file to write; an earlier one is replaced.
        repository: a folder, or None for the Hub of HF_ENDPOINT and HF_TOKEN.

    Returns:
        The path that was written.

    Raises:
        RevisionNotFoundError: there is no such repository.
        DataError: the page cannot be written to `output`.

    Example:
        >>> report("me/receipts", "receipts.html", repository="./repo")  # doctest: +SKIP
        PosixPath('receipts.html')
    """
    from hf_mbdc.errors import DataError
    from hf_mbdc.publishing.history import log
    from hf_mbdc.revisions.report.page import render_report

    page = render_report(repo_id, log(repo_id, repository=repository)[::-1])
    path = Path(output)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        mend = "Name a file in a folder that exists and can be written to."
        raise DataError("The page cannot be written", path=str(path), problem=error.strerror, mend=mend) from error
    return path
