"""The files of a revision: data, card, changelog, manifest, and what describes them to machines."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from hf_mbdc.errors import DataError
from hf_mbdc.publishing.history import MANIFEST, SCORES
from hf_mbdc.records import Cost, Iteration

if TYPE_CHECKING:
    from hf_mbdc.publishing.publication import Draft
    from hf_mbdc.revisions.repositories.repository import Repository


def write_revision(
    draft: Draft, history: list[Iteration], repository: Repository, folder: Path
) -> dict[str, bytes | Path]:
    """The files of a revision; `history` is oldest first."""
    from hf_mbdc.publishing.recognition_pictures import recognition_pictures
    from hf_mbdc.revisions.card.card import render_card, split_card
    from hf_mbdc.revisions.card.croissant import croissant
    from hf_mbdc.revisions.disk import sha256
    from hf_mbdc.revisions.files.chunk_hashes import describe_chunks
    from hf_mbdc.revisions.files.layout import CROISSANT, card_configs, write_files
    from hf_mbdc.revisions.files.live import describe_layout

    parent = draft.iteration.parent
    snapshot = None if parent is None or draft.anew else repository.snapshot(draft.iteration.repo_id, parent.sha)
    data = write_files(draft.dataset, draft.rejected, folder, parent=snapshot, deletes=draft.deletes)
    known = _file_hashes(draft.iteration, repository)
    stored = Cost(bytes=sum(path.stat().st_size for path in data.values() if sha256(path) not in known))
    cost = draft.iteration.cost + stored
    layout = describe_layout(folder) | {"chunks": describe_chunks(data)}
    record = dataclasses.replace(draft.iteration, cost=cost, layout=layout)
    card = None if record.parent is None else read_card(record.repo_id, record.parent.sha, repository)
    files: dict[str, bytes | Path] = {**data, MANIFEST: record.to_json().encode()}
    if draft.scores is not None:
        files[SCORES] = draft.scores.to_parquet()
    configs = card_configs(draft.dataset, draft.rejected, deletes=draft.deletes)
    endpoint = getattr(repository, "endpoint", None)  # a folder has no page
    url = f"{endpoint}/datasets/{record.repo_id}" if endpoint else None
    files[CROISSANT] = croissant(record, data, configs, card=split_card(card)[2] if card else {}, url=url)
    pictures = recognition_pictures(draft.dataset, record, repository)
    return {**files, **render_card(record, history, existing_card=card, configs=configs, pictures=pictures)}


def _file_hashes(record: Iteration, repository: Repository) -> set[str]:
    """Of the parent's files: what the repository stores already."""
    from hf_mbdc.revisions.disk import sha256

    if record.parent is None:
        return set()
    folder = repository.snapshot(record.repo_id, record.parent.sha)
    return {sha256(path) for path in folder.rglob("*.parquet")}


def read_card(repo_id: str, sha: str, repository: Repository) -> str | None:
    """The text of a commit's card; None where there is none.

    Raises:
        DataError: it is not UTF-8.
    """
    try:
        return repository.read(repo_id, sha, "README.md").decode()
    except FileNotFoundError:  # a head that others made without a card
        return None
    except UnicodeDecodeError as error:
        what = "The dataset card is not UTF-8"
        raise DataError(what, repo_id=repo_id, path="README.md", mend="Save it as UTF-8 and publish again.") from error
