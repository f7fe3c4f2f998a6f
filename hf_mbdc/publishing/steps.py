"""What earlier iterations did that a new one can build on."""

from __future__ import annotations

from hf_mbdc.records import Iteration, ParentRecord
from hf_mbdc.revisions.repositories.repository import Repository


def trained_on(latest: Iteration, name: str, identity: str, repository: Repository) -> ParentRecord | None:
    """The revision whose rows trained the models of a step, when it ran last among a version and those before it.

    None when the step never ran with this identity; or where its rows are in no revision: it was not the first step of
    its iteration, or the revision is gone. The answer follows from the records, whatever lies in a work dir.

    Args:
        latest: the version that an iteration starts from.
        name: of the step.
        identity: `StepRecord.identity`.
    """
    from hf_mbdc.publishing.lineage import ancestors

    for item in ancestors(latest, repository):
        for number, step in enumerate(item.steps):
            if (step.name, step.identity) == (name, identity):
                read = (item.merged_from or item.parent) if number == 0 else None
                rows = step.trained_on or read
                there = {commit.sha for commit in repository.commits(item.repo_id)}
                return rows if rows is not None and rows.sha in there else None
    return None
