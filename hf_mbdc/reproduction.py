"""`replay`: do again what made a revision, and compare what comes out with what was published."""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError, RepositoryError, RevisionNotFoundError
from hf_mbdc.records import Iteration

if TYPE_CHECKING:
    from datasets import DatasetDict

    from hf_mbdc.revisions.repositories.repository import Repository
    from hf_mbdc.synthesis.reuse import Earlier

MODEL = "mbdc_model"


@dataclass(frozen=True)
class Replay:
    """What came out of doing a revision again.

    `diff` (`Diff.to_dict()`) goes from the published rows to the replayed ones; empty when they are equal. `splits`:
    the split → published and replayed content hash, where these differ. `environment`: package or Python → version then
    and now, where these differ.
    """

    repo_id: str
    version: str
    sha: str
    expected: str
    found: str
    splits: dict[str, tuple[str, str]] = field(default_factory=dict)
    diff: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """The same content, to the last bit."""
        return self.expected == self.found

    @property
    def same_but_models(self) -> bool:
        """Every row and cell is the same but for the names of the models' weights (`mbdc_model`).

        A model that is trained anew has other weights on another kind of processor, in the last bits: so has its hash.
        What it decided is the same here.
        """
        splits = self.diff.get("splits", {}).values()
        touched = {name for split in splits for name in split["columns"]}
        rows = any(s["added"] or s["removed"] or s["reordered"] or s["status"] != "kept" for s in splits)
        schema = any(self.diff.get("schema", {}).values())
        return touched == {MODEL} and not rows and not schema

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**dataclasses.asdict(self), "same": self.same, "same_but_models": self.same_but_models}


def replay(
    repo_id: str,
    revision: str = "main",
    *,
    repository: str | Path | Repository | None = None,
    data_dir: str | Path | None = None,
    work_dir: str | Path | None = None,
    max_parallel: int | None = None,
    progress: bool = True,
) -> Replay:
    """Runs the recorded recipe on the parent, or on the raw files for a first revision, and compares content hashes.

    Nothing is published, and the target is not measured again; the steps train what they need.

    Args:
        repo_id: `namespace/name`.
        revision: a version, branch or commit.
        repository: a folder, or None for the Hub of HF_ENDPOINT and HF_TOKEN.
        data_dir: the raw files of a first revision; the manifest names no folder of any machine.
        work_dir: folder for trainings; default a new one, so that nothing is taken from an earlier run.
        max_parallel: trainings side by side; default one a GPU, or one a core. The result does not depend on it.
        progress: whether bars are shown on standard error.

    Raises:
        RepositoryError: the revision was published by hand: there is no recipe to run.
        IntegrityError: the data of the parent is not what its manifest says.

    Example:
        >>> replay("me/quickstart", "v2.0.0", repository="./repo").same  # doctest: +SKIP
        True
    """
    from hf_mbdc.progress import without_bars_of_datasets
    from hf_mbdc.publishing.history import load, show
    from hf_mbdc.revisions.repositories.repository import open_repository

    opened = open_repository(repository)
    record = show(repo_id, revision, repository=opened)
    with without_bars_of_datasets(), tempfile.TemporaryDirectory(prefix="hf-mbdc-replay-") as scratch:
        published = load(repo_id, str(record.sha), repository=opened)
        made = _make_again(record, opened, data_dir, work_dir or scratch, max_parallel, progress)
        return _compare(record, published, _arranged(record, made, opened))


def _make_again(
    record: Iteration,
    repository: Repository,
    data_dir: str | Path | None,
    work_dir: str | Path,
    max_parallel: int | None,
    progress: bool,
) -> DatasetDict:
    from hf_mbdc.iteration import rebuild
    from hf_mbdc.publishing.history import load

    if record.restores is not None:
        return load(record.repo_id, record.restores.sha, repository=repository)
    if not record.recipe or record.decision.verdict == "unmeasured":
        raise RepositoryError(
            "The revision was published by hand: there is no recipe to run",
            repo_id=record.repo_id,
            revision=record.version,
            mend="Check its content with `hf-mbdc verify`.",
        )
    parent = None
    if record.decision.verdict != "baseline":
        if record.parent is None:
            mend = "Its manifest was edited: check it with `hf-mbdc verify`."
            raise DataError("The record names no parent to run the steps on", revision=record.version, mend=mend)
        parent = load(record.repo_id, record.parent.sha, repository=repository)
    earlier = _earlier(record, repository)
    return rebuild(
        record,
        parent,
        earlier=earlier,
        data_dir=data_dir,
        work_dir=work_dir,
        max_parallel=max_parallel,
        progress=progress,
    )


def _earlier(record: Iteration, repository: Repository) -> list[Earlier | None]:
    """For each step that kept models the rows that these were trained on: they are trained on them once more."""
    from hf_mbdc.publishing.history import load
    from hf_mbdc.synthesis.reuse import Earlier

    found: list[Earlier | None] = []
    for step in record.steps:
        source = step.trained_on
        try:
            rows = None if source is None else load(record.repo_id, source.sha, repository=repository)["train"]
        except RevisionNotFoundError as error:
            raise RepositoryError(
                "A step used models again that were trained on a revision that is gone",
                repo_id=record.repo_id,
                revision=record.version,
                step=step.name,
                trained_on=source.version if source else None,
                mend="It cannot be done again. Check its content with `hf-mbdc verify`.",
            ) from error
        found.append(None if rows is None else Earlier(rows, source))
    return found


def _arranged(record: Iteration, made: DatasetDict, repository: Repository) -> DatasetDict:
    """The rows in the order in which publishing puts them where dead rows stay in the files."""
    from hf_mbdc.publishing.parentage import read_rows
    from hf_mbdc.revisions.files.live import arrange

    if record.layout.get("deletes") != "live":
        return made
    before = None if record.parent is None else read_rows(record.repo_id, record.parent.sha, repository)
    return arrange(made, before)


def _compare(record: Iteration, published: DatasetDict, made: DatasetDict) -> Replay:
    from hf_mbdc.publishing.environment import environment
    from hf_mbdc.revisions.content_hash import combine_hashes, content_hash
    from hf_mbdc.revisions.diff.diff import diff

    then = {name: said.content_hash for name, said in record.splits.items()}
    now = {name: content_hash(split) for name, split in made.items()}
    found = combine_hashes(now)
    here = environment()
    return Replay(
        repo_id=record.repo_id,
        version=record.version,
        sha=str(record.sha),
        expected=record.content_hash,
        found=found,
        splits={
            name: (then.get(name, ""), now.get(name, "")) for name in {**then, **now} if then.get(name) != now.get(name)
        },
        diff={} if found == record.content_hash else diff(published, made).to_dict(),
        environment={
            name: (said, here.get(name, "")) for name, said in record.environment.items() if said != here.get(name)
        },
    )
