"""Why a person should look at a row, in words."""

from __future__ import annotations

from typing import Any

from hf_mbdc.review.select import Doubts
from hf_mbdc.review.view import Row


def reasons(row: Row, doubts: Doubts, place: int) -> list[str]:
    """One sentence for each thing that is remarkable about a row; at least one.

    Args:
        row: the row.
        doubts: of its split.
        place: its number in the split.
    """
    told = [*_match(row, doubts, place), *_choice(row, doubts, place), *_label(row), *_history(row)]
    return told or ["Nothing doubtful: the answer stands on the page once, verbatim."]


def _match(row: Row, doubts: Doubts, place: int) -> list[str]:
    status = doubts.status[place]
    if status == "absent":
        return ["The answer was not found. Is it on the page after all?"]
    if status == "unanswerable":
        return ["No answer was given. Is it right that the document holds none?"]
    if status == "fuzzy":
        return [f"Not verbatim: match score {row['match_score']:.2f}."]
    return []


def _choice(row: Row, doubts: Doubts, place: int) -> list[str]:
    tied, found = int(doubts.tied[place]), len(row["candidates"] or [])
    label = (row["answer_start"], row["answer_end"])
    told = []
    if label[0] >= 0 and label not in [(c["start"], c["end"]) for c in row["candidates"] or []]:
        told.append("The label is none of the candidates.")
    if tied < 2:
        return [*told, f"{found} places match, one of them best."] if found > 1 else told
    margin = doubts.margin[place]
    if not doubts.by_choice[place]:
        return [*told, f"{tied} places match equally well, and no score tells them apart."]
    share = f"smaller than {100 * doubts.larger[place]:.0f} % of those like it" if doubts.larger[place] > 0 else "large"
    return [*told, f"{tied} places match equally well; the choice is by a margin of {margin:.3g}, {share}."]


def _label(row: Row) -> list[str]:
    if not row.get("mbdc_label_suspected"):
        return []
    rank, suggested = row.get("mbdc_label_rank"), row.get("mbdc_label_suggested")
    where = "" if rank is None else f", as number {rank} of its split"
    return [f"A model takes the label for wrong{where}{'' if suggested is None else f': it suggests {suggested!r}'}."]


def _history(row: Row) -> list[str]:
    source = row.get("mbdc_source")
    if not source:
        return []
    details = ", ".join(f"{name} {value}" for name, value in _details(row) if value)
    return [f"Changed by {source}{f' ({details})' if details else ''}."]


def _details(row: Row) -> list[tuple[str, Any]]:
    return [("model", _short(row.get("mbdc_model"))), ("iteration", row.get("mbdc_iteration"))]


def _short(model: str | None) -> str | None:
    """`name@sha` with the sha short enough to read."""
    if not model or "@" not in model:
        return model
    name, sha = model.rsplit("@", 1)
    return f"{name}@{sha[:8]}"
