"""Publish a dataset as a revision: `publish`, which is `draft` and then `commit`.

A revision is one commit (data, card, changelog, manifest) with a tag `vMAJOR.MINOR.PATCH` that is never moved. `draft`
computes everything that will be published without touching the repository; `commit` writes it.
"""

from __future__ import annotations

import dataclasses
import datetime
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hf_mbdc.errors import DataError, StaleParentError
from hf_mbdc.publishing.contents import read_card, write_revision
from hf_mbdc.publishing.environment import environment
from hf_mbdc.publishing.history import MANIFEST, add_missing_tags, candidates, log, versions
from hf_mbdc.publishing.parentage import (
    NOTHING,
    Side,
    base_of,
    landed_since,
    merge_sides,
    read_side,
    stale,
    version_after,
    with_since,
)
from hf_mbdc.records import Decision, Iteration, SplitRecord

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from hf_mbdc.guidance.agreement import Agreement
    from hf_mbdc.guidance.row_scores import RowScores
    from hf_mbdc.revisions.diff.diff import Diff
    from hf_mbdc.revisions.files.layout import Deletes
    from hf_mbdc.revisions.repositories.repository import Repository


@dataclass(frozen=True)
class Draft:
    """A revision that is complete but for its commit: the record, the rows, and the rows that were set aside.

    `known`: the version that holds the same rows already, and the same ones set aside. `merged`: the rows are ours and
    those of others in one. `deletes`: see `publish`. `anew`: nothing is kept of how the parent's files are laid out.
    """

    iteration: Iteration
    dataset: DatasetDict
    rejected: Dataset | None = None
    known: Iteration | None = None
    merged: bool = False
    deletes: Deletes = "hard"
    anew: bool = False
    scores: RowScores | None = None


def publish(
    dataset: Dataset | DatasetDict,
    repo_id: str,
    *,
    message: str,
    repository: str | Path | Repository | None = None,
    parent: str | None = None,
    rejected: Dataset | None = None,
    version: str | None = None,
    merge: bool = False,
    deletes: Deletes | None = None,
    sensitive: Sequence[str] = (),
    agreement: Sequence[Agreement] = (),
    dry_run: bool = False,
) -> Iteration:
    """Publishes a dataset as the next revision of a repository; the same content again changes nothing.

    A dataset that `load` gave remembers its revision, through `map`, `filter` and the like: that is the parent, unless
    `parent` names another one. When it is not the head any more, publishing would undo what others published since,
    and is refused, or merged. Afterwards `dataset` counts as loaded from the new revision.

    Args:
        dataset: the rows; a `Dataset` becomes the split `train`. Every split has a unique string column `id`.
        repo_id: `namespace/name`.
        message: why this revision exists; the headline of its changelog entry.
        repository: a folder, or None for the Hub of HF_ENDPOINT and HF_TOKEN.
        parent: the revision that the change was made from; default: the one that the dataset was loaded from, else
            the head.
        rejected: rows that were set aside, with their reason, published beside the data; default: the parent's.
        version: `vMAJOR.MINOR.PATCH`, at least the number that follows from what changed; default: that number.
        merge: put the change together with what others published since its parent, row by row and cell by cell, and
            try again as often as others are faster.
        deletes: what becomes of rows and texts that go. "hard": the new files do not hold them. "lazy": no reader sees
            them, but texts may stay in the files, unread, until `compact`. "live": rows stay as dead ones that the card
            filters out, and edited rows move to the end. Default: as the parent, at first "hard".
        sensitive: columns whose values no example of the card, the manifest or a page shows, beside those that an
            earlier version named. The data itself holds them, and so does what was published before.
        agreement: coefficients of the annotators of these rows, for the card; as `krippendorff_alpha` gives them.
        dry_run: publish nothing; the record is that of the revision that would come, without `sha`, and its
            `cost.bytes` are exactly the new bytes that publishing would send.

    Returns:
        The record of the revision, with `version`, `sha` and `content_hash`.

    Raises:
        DataError: ids are missing or doubled, or there are no rows.
        StaleParentError: the repository moved on since the parent; with `merge`, `MergeConflictError` names the cells
            that both changed.
        RepositoryError: the repository cannot be written, or the version is lower than what changed asks for.

    Example:
        >>> publish(dataset, "me/receipts", repository="./repo", message="Answer offsets").version  # doctest: +SKIP
        'v1.0.0'
    """
    from hf_mbdc.publishing.origin import origin, remember
    from hf_mbdc.revisions.repositories.repository import open_repository

    opened, splits = open_repository(repository), _as_splits(dataset)
    wanted = parent if parent is not None else origin(splits, repo_id)
    while True:
        head = opened.head(repo_id)
        # What was the head at first is what the change was made from, also in later rounds.
        wanted = wanted if wanted is not None else head or NOTHING
        drafted = draft(
            splits,
            repo_id,
            opened,
            message=message,
            parent=wanted,
            rejected=rejected,
            version=version,
            merge=merge,
            deletes=deletes,
            sensitive=sensitive,
            agreement=agreement,
        )
        if dry_run:
            return preview(drafted, opened)
        try:
            record = commit(drafted, opened)
        except StaleParentError:
            if not merge or opened.head(repo_id) == head:
                raise
        else:
            break
    if not drafted.merged and record.sha:
        remember(splits, repo_id, record.sha)
    return record


def draft(
    dataset: Dataset | DatasetDict,
    repo_id: str,
    repository: Repository,
    *,
    message: str,
    parent: str | None = None,
    rejected: Dataset | None = None,
    version: str | None = None,
    merge: bool = False,
    deletes: Deletes | None = None,
    sensitive: Sequence[str] = (),
    agreement: Sequence[Agreement] = (),
    anew: bool = False,
) -> Draft:
    """Everything that `publish` would commit, without committing: diff, version, content hash, record.

    Args:
        anew: write all data files as if there were no parent; all else as for `publish`.
    """
    from hf_mbdc.publishing.version import raise_version
    from hf_mbdc.revisions.card.card import split_card
    from hf_mbdc.revisions.card.masking import check_sensitive
    from hf_mbdc.revisions.diff.diff import diff
    from hf_mbdc.revisions.files.live import arrange, choose_deletes

    splits = _as_splits(dataset)
    _check_text(message)
    sensitive = check_sensitive(sensitive, splits)
    head = repository.head(repo_id)
    base = base_of(repo_id, parent, head, repository)
    deletes = choose_deletes(deletes, None if head is None else repository.snapshot(repo_id, head))
    before = None if head is None else read_side(repo_id, head, repository)
    merged_from, merged = None, before is not None and base != head
    if before is not None and base != head:
        side = read_side(repo_id, base, repository) if base else None
        sent = arrange(splits, side.rows if side else None) if deletes == "live" else splits
        landed = landed_since(repo_id, base, _hash(sent), repository)
        if landed is not None and (rejected is None or landed.rejected == count_reasons(rejected)):
            return Draft(landed, splits, rejected, landed)
        if not merge:
            raise stale(repo_id, parent or "nothing", before.parent.sha)
        splits, rejected = merge_sides(side, splits, rejected, before)
        merged_from = side.parent if side else None
    if before is not None:
        split_card(read_card(repo_id, before.parent.sha, repository) or "")  # a broken card is told before training
        rejected = before.rejected if rejected is None else rejected
    if deletes == "live":
        splits = arrange(splits, before.rows if before else None)
    changes = diff(before.rows, splits) if before and before.rows is not None else None
    record = _record(splits, repo_id, message, before, changes, rejected, sensitive)
    record = dataclasses.replace(record, agreement=tuple(item.to_dict() for item in agreement))
    known = _find_known(record, before, rejected, version, repository)
    if version is not None and known is None:
        taken = {*repository.tags(repo_id), *(item.version for item in versions(repo_id, repository))}
        record = dataclasses.replace(record, version=raise_version(record.version, version, taken))
    record = dataclasses.replace(with_since(record, before, changes), merged_from=merged_from)
    return Draft(record, splits, rejected, known, merged, deletes, anew)


def commit(draft: Draft, repository: Repository) -> Iteration:
    """Writes a draft: onto `main` with its tag, or, when its decision is against it, onto a branch beside.

    The same content is never written twice: what is there already is returned.
    """
    from hf_mbdc.revisions.card import wording

    record = draft.iteration
    if (there := _already_there(draft, repository)) is not None:
        return there
    parent = record.parent.sha if record.parent else None
    if record.decision.refused:  # measured again with other settings: a further commit on its branch
        parent = repository.branches(record.repo_id).get(record.branch, parent)
    history = [] if record.parent is None else log(record.repo_id, repository=repository)
    add_missing_tags(history, repository)
    with tempfile.TemporaryDirectory(prefix="hf-mbdc-") as scratch:
        files = write_revision(draft, history[::-1], repository, Path(scratch))
        sha = repository.commit(
            record.repo_id,
            files,
            parent=parent,
            message=f"{wording.name(record)}: {record.message}",
            tag=None if record.decision.refused else record.version,
            branch=record.branch,
        )
    return dataclasses.replace(Iteration.from_json(bytes(files[MANIFEST])), sha=sha)


def preview(draft: Draft, repository: Repository) -> Iteration:
    """The record that `commit` would write; its `cost.bytes` are the bytes that it would send."""
    from hf_mbdc.revisions.repositories.forecast import forecast, keeps_chunks

    if draft.known is not None:
        return draft.known
    record = draft.iteration
    history = [] if record.parent is None else log(record.repo_id, repository=repository)
    parent = None if record.parent is None else repository.snapshot(record.repo_id, record.parent.sha)
    with tempfile.TemporaryDirectory(prefix="hf-mbdc-") as scratch:
        files = write_revision(draft, history[::-1], repository, Path(scratch))
        found = forecast(files, parent, by_chunk=keeps_chunks(repository, record.repo_id))
        written = Iteration.from_json(bytes(files[MANIFEST]))
    return dataclasses.replace(written, cost=dataclasses.replace(draft.iteration.cost, bytes=found.new_bytes))


def _record(
    splits: DatasetDict,
    repo_id: str,
    message: str,
    before: Side | None,
    changes: Diff | None,
    rejected: Dataset | None,
    sensitive: Sequence[str],
) -> Iteration:
    from hf_mbdc.approaches import find_approaches
    from hf_mbdc.revisions.card.masking import mask
    from hf_mbdc.revisions.content_hash import combine_hashes, content_hash

    named_before = before.manifest.sensitive if before and before.manifest else ()
    masked = tuple(sorted({*named_before, *sensitive}))
    hashes = {name: content_hash(rows) for name, rows in splits.items()}
    parent = before.parent if before else None
    return Iteration(
        repo_id=repo_id,
        version=version_after(parent, changes),
        message=message,
        content_hash=combine_hashes(hashes),
        splits={name: SplitRecord(len(rows), hashes[name], _documents(rows)) for name, rows in splits.items()},
        decision=Decision("unmeasured", "Published by hand; the target model was not trained on it."),
        parent=parent,
        diff=mask(changes.to_dict(), masked) if changes else {},
        sensitive=masked,
        approach=find_approaches(next(iter(splits.values())).features),
        environment=environment(),
        rejected=count_reasons(rejected),
        created_at=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds"),
    )


def _find_known(
    record: Iteration, before: Side | None, rejected: Dataset | None, version: str | None, repository: Repository
) -> Iteration | None:
    """The newest version, when the head and the draft hold its rows and the same ones set aside."""
    if before is None or before.rows is None or _hash(before.rows) != record.content_hash:
        return None
    if _set_aside_hash(rejected) != _set_aside_hash(before.rejected):
        return None
    newest = next(iter(versions(record.repo_id, repository)), None)
    if newest is None or newest.content_hash != record.content_hash or version not in (None, newest.version):
        return None
    if newest.sensitive != record.sensitive:  # the card is to mask more
        return None
    if record.agreement and newest.agreement != record.agreement:  # the card is to tell more
        return None
    return newest


def _as_splits(dataset: Dataset | DatasetDict) -> DatasetDict:
    from datasets import Dataset, DatasetDict

    from hf_mbdc.transforms.checks import check_ids

    if not isinstance(dataset, Dataset | DatasetDict):
        raise DataError(
            f"A {type(dataset).__name__} cannot be published",
            mend="Publish a Dataset or a DatasetDict; collect a streaming dataset first.",
        )
    splits = DatasetDict(train=dataset) if isinstance(dataset, Dataset) else dataset
    if not splits:
        raise DataError("There is no split to publish", mend="Give at least one split with rows.")
    for name, rows in splits.items():
        check_ids(rows, name)
    return splits


def _already_there(draft: Draft, repository: Repository) -> Iteration | None:
    record = draft.iteration
    if record.decision.refused:
        same = (item for item in candidates(record.repo_id, repository) if item.content_hash == record.content_hash)
        return next((item for item in same if item.evidence == record.evidence), None)
    if draft.known is not None:
        add_missing_tags([draft.known], repository)
    return draft.known


def _documents(rows: Dataset) -> int | None:
    return len(set(rows["document_id"][:])) if "document_id" in rows.column_names else None


def count_reasons(rejected: Dataset | None) -> dict[str, int]:
    """Reason → rows, of rows that were set aside."""
    reasons = [] if rejected is None else rejected["reason"][:]
    return dict(sorted(Counter(map(str, reasons)).items()))


def _hash(splits: DatasetDict) -> str:
    from hf_mbdc.revisions.content_hash import dataset_hash

    return dataset_hash(splits)


def _set_aside_hash(rejected: Dataset | None) -> str:
    from hf_mbdc.revisions.content_hash import content_hash

    return content_hash(rejected) if rejected else ""


def _check_text(message: str) -> None:
    if not isinstance(message, str) or not message.strip() or not message.isprintable():
        raise DataError(
            "The message is not one line of text", message=message, mend="Say in a line why this revision exists."
        )
