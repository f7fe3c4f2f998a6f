"""What a reader must not miss about a version: leaks, repeated keys, a new metric series, a rollback, a merge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hf_mbdc.records import Iteration, build
from hf_mbdc.revisions.card import series, wording
from hf_mbdc.revisions.card.wording import Quote, count, listed, plural

SHOWN_IDS = 5
MEANINGS = {
    ("moved", "training"): "A model trained on this version has seen rows that earlier scores were measured on.",
    ("moved", "evaluation"): "Models trained on earlier versions have seen rows that are evaluated on from now on.",
    ("copied", "training"): "The same rows are trained on and evaluated on.",
    ("copied", "evaluation"): "The same rows are trained on and evaluated on.",
}


def notices(iteration: Iteration, before: Sequence[Iteration], quote: Quote) -> list[tuple[str, str]]:
    """(what, told in a sentence) of what makes scores or rows mean something else than they seem to.

    Args:
        before: the iterations before it, oldest first.
        quote: makes a name safe for its place.
    """
    found = [*_leaks(iteration.diff, quote), *_duplicates(iteration.diff, quote)]
    if (split := series.starts_series(iteration, before)) is not None:
        name = quote(wording.name(iteration))
        text = f"the rows of {quote(split)} changed, so scores of {name} and of later versions cannot be compared with "
        found.append((f"A new metric series starts with {name}", f"{text}those of earlier ones."))
    return found


def origins(iteration: Iteration, quote: Quote) -> list[str]:
    """Where the content came from, when it is not simply the parent's and a change: a rollback, a merge."""
    lines = []
    if (restored := iteration.restores) is not None:
        lines.append(f"A rollback: the rows are those of {quote(restored.version)}, commit {quote(restored.sha[:12])}.")
    if (source := iteration.merged_from) is not None and iteration.parent is not None:
        lines.append(
            f"Merged: the change was made from {quote(source.version)} and put together, row by row and cell by cell, "
            f"with what others had published by {quote(iteration.parent.version)}."
        )
    return lines


def series_line(iteration: Iteration, before: Sequence[Iteration], quote: Quote) -> str:
    """Which scores those of this version can be compared with; nothing when the record does not tell."""
    found = series.evaluation(iteration, before)
    split, since = found or ("", None)
    if since is None:
        return ""
    name = wording.name(iteration)
    rows = f"Metric series {quote(since)}: the rows of {quote(split)} are those of {quote(since)}"
    return f"{rows}." if since == name else f"{rows}, so scores on them can be compared."


def _leaks(diff: dict[str, Any], quote: Quote) -> list[tuple[str, str]]:
    from hf_mbdc.revisions.diff.diff import Move

    told = []
    for key, verb in (("moved", "moved"), ("copied", "copied")):
        for item in diff.get(key, ()):
            move = build(Move, item)
            if not move.leaks:
                continue
            ids = ", ".join(map(quote, move.ids[:SHOWN_IDS])) + (", …" if move.rows > SHOWN_IDS else "")
            where = f"{plural(move.rows, 'row')} {verb} from {quote(move.before)} to {quote(move.after)} ({ids})"
            what = "evaluation" if move.into_evaluation else "training"
            told.append((f"Leak into {what}", f"{where}. {MEANINGS[key, what]}"))
    return told


def _duplicates(diff: dict[str, Any], quote: Quote) -> list[tuple[str, str]]:
    repeated = []
    for name, split in wording.all_splits(diff).items():
        found = split.get("duplicates") or {}
        if rows := found.get("after"):
            ids = ", ".join(map(quote, found.get("ids", ())[:SHOWN_IDS]))
            repeated.append(
                f"{count(rows)} in {quote(name)} (such as {ids})" if ids else f"{count(rows)} in {quote(name)}"
            )
    if not repeated:
        return []
    return [("Repeated keys", f"rows with a key that another row has: {listed(repeated)}; paired in their order.")]
