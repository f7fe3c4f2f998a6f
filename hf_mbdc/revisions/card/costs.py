"""The cost ledger of an iteration in words: time, model calls, tokens, bytes and money, per row and per point gained.

Money is told when the recipe has `prices`: CPU hours, GPU hours and tokens at the price given, nothing else.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

from hf_mbdc.records import Cost, Iteration
from hf_mbdc.revisions.card import wording
from hf_mbdc.revisions.card.wording import Quote, count, plural
from hf_mbdc.revisions.escape import visible

REST = "training, evaluation, storage"


def costs(iteration: Iteration) -> list[tuple[str | None, Cost]]:
    """(step, cost), and under None what the whole cost more than its steps: training, evaluation, storage."""
    rows: list[tuple[str | None, Cost]] = [(step.name, step.cost) for step in iteration.steps]
    spent = sum((cost for _, cost in rows), Cost())
    names = [field.name for field in dataclasses.fields(Cost)]
    rest = Cost(**{name: max(0, getattr(iteration.cost, name) - getattr(spent, name)) for name in names})
    return [*rows, (None, rest)] if rows and rest != Cost() else rows


def cost_cells(cost: Cost, columns: Sequence[str], iteration: Iteration) -> list[str]:
    """One row of the table of costs; `columns` as `cost_columns` gives them."""
    cells = {
        "Job time": wording.seconds(cost.wall_seconds),
        "CPU time": wording.seconds(cost.cpu_seconds),
        "GPU time": wording.seconds(cost.gpu_seconds),
        "Model calls": count(cost.model_calls),
        "Tokens": count(cost.tokens),
        "New bytes": wording.size(cost.bytes),
        "Money": money(cost, iteration),
    }
    return [cells[name] for name in columns]


def cost_columns(iterations: Iterable[Iteration]) -> list[str]:
    """The columns that say something: GPU time where one was used, money where prices are known."""
    told = list(iterations)
    columns = ["Job time", "CPU time"]
    columns += ["GPU time"] if any(item.cost.gpu_seconds for item in told) else []
    columns += ["Model calls", "Tokens", "New bytes"]
    return columns + (["Money"] if any(item.recipe.get("prices") for item in told) else [])


def money(cost: Cost, iteration: Iteration) -> str:
    """`0.42 EUR` by the prices of the recipe; `–` without prices."""
    amount = _amount(cost, iteration)
    return wording.MISSING if amount is None else _priced(amount, iteration)


def cost_per_row(iteration: Iteration) -> str:
    """The total divided by the changed and added rows; by all rows for the first version."""
    rows = wording.rows_touched(iteration)
    if iteration.parent is None:
        rows = sum(split.rows for split in iteration.splits.values())
    if not rows or _is_free(iteration.cost):
        return ""
    what = "row" if iteration.parent is None else "changed or added row"
    return f"Per {what} ({count(rows)}): {_share(iteration, rows)}."


def cost_per_point(iteration: Iteration, quote: Quote) -> str:
    """The total divided by the points of the metric that were gained; a point is a hundredth of its scale."""
    found = iteration.evidence
    if found is None or not math.isfinite(found.difference) or _is_free(iteration.cost):
        return ""
    points = 100 * found.difference
    if points <= 0:
        return f"No point of {quote(found.metric)} was gained for it."
    return f"Per point of {quote(found.metric)} gained ({points:.1f}): {_share(iteration, points)}."


def cost_line(iteration: Iteration) -> str:
    """The whole cost as a phrase; its time is no stretch of the clock where jobs ran side by side."""
    cost = iteration.cost
    gpu = f"{wording.seconds(cost.gpu_seconds)} of a GPU, " if cost.gpu_seconds else ""
    paid = f", {money(cost, iteration)}" if iteration.recipe.get("prices") else ""
    return (
        f"{wording.seconds(cost.wall_seconds)} job time, {gpu}{plural(cost.model_calls, 'model call')}, "
        f"{plural(cost.tokens, 'token')}, {wording.size(cost.bytes)}{paid}"
    )


def _share(iteration: Iteration, parts: float) -> str:
    amount = _amount(iteration.cost, iteration)
    paid = "" if amount is None else f", {_priced(amount / parts, iteration)}"
    return wording.per_row(iteration.cost, parts) + paid


def _amount(cost: Cost, iteration: Iteration) -> float | None:
    prices = iteration.recipe.get("prices")
    if not isinstance(prices, dict):
        return None
    spent = {
        "cpu_hour": cost.cpu_seconds / 3600,
        "gpu_hour": cost.gpu_seconds / 3600,
        "million_tokens": cost.tokens / 1_000_000,
    }
    return sum(amount * float(prices.get(name, 0.0)) for name, amount in spent.items())


def _priced(amount: float, iteration: Iteration) -> str:
    digits = 2 if amount == 0 or amount >= 0.1 else 2 - math.floor(math.log10(amount))
    return f"{amount:,.{min(digits, 8)}f} {visible(str(iteration.recipe['prices'].get('currency', '')), 8)}".strip()


def _is_free(cost: Cost) -> bool:
    return dataclasses.replace(cost, bytes=0) == Cost()
