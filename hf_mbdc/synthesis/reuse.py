"""Which rows the fold models of an earlier iteration may score again, so that an iteration costs what it changed.

A step that scores out of fold trains K models, each on all documents but those of its fold. When few rows have changed
since, the models are kept: a row that is the same keeps its score, another one is scored by a model that has never seen
its document. Two things keep that honest:

- *By whom.* A document is known by its id, its text and its rows' ids. A row is only scored by the model of the fold
  that held out everything that its document shares one of them with, then or now. Where no model held out all of it,
  nothing is kept, and all models are trained anew.
- *How long.* The models are kept as long as at most a stated share of the rows that they learn from has changed, come
  or gone since they were trained; changes of several iterations add up, since they are counted from that training.

What is decided here follows from the rows before and now alone, never from what a cache happens to hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.records import ParentRecord
from hf_mbdc.synthesis.memo import row_keys
from hf_mbdc.transforms.groups import groups

if TYPE_CHECKING:
    from datasets import Dataset

INPUTS = ("question", "context", "words", "boxes", "candidates")  # what a score of a row's candidates depends on
LEARNED = (*INPUTS, "answers")  # what a training over all occurrences reads
CHOSEN = ("answer_start", "answer_end")  # what a training on the chosen occurrence reads besides


@dataclass(frozen=True)
class Earlier:
    """The rows that the same step read in an earlier iteration, and the revision that they are of."""

    rows: Dataset
    revision: ParentRecord | None = None


@dataclass(frozen=True)
class Reuse:
    """What the models of earlier rows can be used for.

    Args:
        fold: (n,) the fold whose model has seen nothing of the row's document.
        known: (n,) whether that model scored the row, as it is, when it was trained.
        keys: (n,) hash of what the row's scores depend on, beside the model.
        share: of the rows that the models learned from: how many changed, came or went since.
    """

    fold: np.ndarray
    known: np.ndarray
    keys: list[str]
    share: float


def assign_folds(groups: Sequence[str], folds: int, seed: int) -> np.ndarray:
    """(n,) fold numbers by a hash of each group, so that equal groups share a fold and new ones move no old one.

    Example:
        >>> assign_folds(["a", "c", "a"], folds=2, seed=0).tolist()
        [0, 1, 0]
    """
    keys = (hashlib.sha256(f"{seed}\x1f{group}".encode()).digest() for group in groups)
    return np.array([int.from_bytes(key[:8], "big") % folds for key in keys], dtype=np.int64)


def documents(rows: Dataset) -> list[str]:
    """(n,) the document of each row; documents with the same text are one, or labels would give held-out ones away."""
    return groups(_ties(rows))


def plan_reuse(
    rows: Dataset, earlier: Dataset, fold: np.ndarray, *, folds: int, seed: int, chosen: bool, most: float
) -> Reuse | None:
    """What can be kept of models that were trained on earlier rows; None where all are to be trained anew.

    Args:
        rows: the rows as they are now.
        earlier: the rows that the models were trained on and scored; `fold`: (m,) where each was held out.
        folds: number of folds; new documents are spread over those that have a model.
        seed: of the fold assignment.
        chosen: whether the models learn from the chosen occurrence, so that a moved label is a change.
        most: share of the earlier rows that may have changed, come or gone.
    """
    inputs = [name for name in INPUTS if name in rows.column_names]
    learned = [name for name in (*LEARNED, *(CHOSEN if chosen else ())) if name in rows.column_names]
    if any(name not in earlier.column_names for name in learned):
        return None
    share = _changed_share(rows, earlier, learned)
    own = _unseen(rows, earlier, fold, folds=folds, seed=seed) if share <= most else None
    if own is None:
        return None
    keys = row_keys(rows, inputs)
    before = zip(row_keys(earlier, inputs), fold.tolist(), strict=True)
    scored = dict(zip(earlier["id"][:], before, strict=True))
    now = zip(rows["id"][:], keys, own.tolist(), strict=True)
    known = np.array([scored.get(key) == (content, k) for key, content, k in now], dtype=bool)
    return Reuse(own, known, keys, share)


def _changed_share(rows: Dataset, earlier: Dataset, learned: Sequence[str]) -> float:
    """Rows that changed, came or went, as a share of the earlier ones."""
    before = dict(zip(earlier["id"][:], row_keys(earlier, learned), strict=True))
    now = dict(zip(rows["id"][:], row_keys(rows, learned), strict=True))
    return sum(before.get(key) != now.get(key) for key in before | now) / max(len(before), 1)


def _unseen(rows: Dataset, earlier: Dataset, fold: np.ndarray, *, folds: int, seed: int) -> np.ndarray | None:
    """(n,) the fold that held out all that each row's document is tied to; None where a document has no such fold."""
    # Then and now together: a document that was tied to another one through a row that is gone stays tied to it. And a
    # row ties its document to what it was before somebody edited its text.
    ties, ties_before = (
        [[*tie, f"row:{key}"] for tie, key in zip(_ties(ds), ds["id"][:], strict=True)] for ds in (rows, earlier)
    )
    group = groups([*ties, *ties_before])
    held_out: dict[str, int] = {}
    for name, k in zip(group[len(ties) :], fold.tolist(), strict=True):
        if held_out.setdefault(name, k) != k:
            return None
    there = sorted(set(fold.tolist()))
    new = assign_folds(group[: len(ties)], folds, seed).tolist()
    spread = (k if k in there else there[k % len(there)] for k in new)
    return np.array([held_out.get(name, k) for name, k in zip(group, spread, strict=False)], dtype=np.int64)


def _ties(rows: Dataset) -> list[list[str]]:
    """What each row's document is known by."""
    texts = ["text:" + text for text in rows["context"][:]]
    if "document_id" not in rows.column_names:
        return [[text] for text in texts]
    return [[f"document:{key}", text] for key, text in zip(rows["document_id"][:], texts, strict=True)]
