"""What a gained point costs, what the next iteration can be expected to bring, and when to stop.

A point is a hundredth of the metric's scale. Candidates that were refused cost too, and brought nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from hf_mbdc.errors import RecipeError
from hf_mbdc.records import Cost, Evidence, Iteration

UNITS = ("wall_hours", "cpu_hours", "gpu_hours", "model_calls", "million_tokens", "money")
POINTS = 100  # in one unit of the metric
_LEAST_DEVIATION = 1e-4  # of a measured gain; where every row scores alike, the interval has no width
_WIDEST_GAIN = 0.5  # standard deviation of the first gain before anything is known, in units of the metric
_RATIOS = np.linspace(0, 1, 101)
_RECENT = 3  # iterations whose mean cost is that of the next one


@dataclass(frozen=True)
class Entry:
    """One measured candidate: `spent` in the unit asked for, `points` gained, and whether it was kept."""

    version: str
    accepted: bool
    spent: float
    points: float
    low: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """The next iteration: its expected cost, and the points that it is expected to add to what is published.

    `low`, `high`: the interval in which its measured gain lies with 90 % probability. `points` counts a loss as 0,
    because a candidate that loses is refused.
    """

    spent: float
    points: float
    low: float
    high: float

    @property
    def per_point(self) -> float:
        """Cost of one expected point; infinite where none is expected."""
        return self.spent / self.points if self.points > 0 else math.inf


@dataclass(frozen=True)
class Economy:
    """The ledger of a repository in one unit. `total` holds everything, the first version included."""

    unit: str
    metric: str | None
    entries: tuple[Entry, ...]
    total: float
    forecast: Forecast | None

    @property
    def accepted_points(self) -> float:
        """The points of all accepted candidates together."""
        return sum(entry.points for entry in self.entries if entry.accepted)

    @property
    def per_accepted_point(self) -> float | None:
        """Cost of all candidates, the refused ones too, for each point that was accepted; None where there is none."""
        spent = sum(entry.spent for entry in self.entries)
        return spent / self.accepted_points if self.accepted_points > 0 else None


def spent_in(cost: Cost, unit: str, prices: Mapping[str, object] | None = None) -> float:
    """A cost as one number.

    Args:
        cost: as recorded.
        unit: one of `UNITS`.
        prices: `cpu_hour`, `gpu_hour` and `million_tokens` of a recipe; needed for `money`.

    Raises:
        RecipeError: no such unit, or money without prices.

    Example:
        >>> spent_in(Cost(cpu_seconds=1800), "cpu_hours")
        0.5
        >>> spent_in(Cost(cpu_seconds=1800, tokens=2_000_000), "money", {"cpu_hour": 0.1, "million_tokens": 1.0})
        2.05
    """
    amounts = {
        "wall_hours": cost.wall_seconds / 3600,
        "cpu_hours": cost.cpu_seconds / 3600,
        "gpu_hours": cost.gpu_seconds / 3600,
        "model_calls": float(cost.model_calls),
        "million_tokens": cost.tokens / 1e6,
    }
    if unit in amounts:
        return amounts[unit]
    if unit != "money":
        raise RecipeError("No such unit of cost", key="unit", value=unit, mend=f"Take one of {', '.join(UNITS)}.")
    if not prices:
        mend = "Give the recipe `prices`, or count in cpu_hours."
        raise RecipeError("Money is asked for and no price is known", key="unit", value=unit, mend=mend)
    priced = {"cpu_hour": "cpu_hours", "gpu_hour": "gpu_hours", "million_tokens": "million_tokens"}
    return sum(amounts[amount] * float(str(prices.get(price, 0.0))) for price, amount in priced.items())


def keep_ledger(history: Sequence[Iteration], *, unit: str = "cpu_hours", metric: str | None = None) -> Economy:
    """The ledger of all iterations, and the forecast of the next one.

    Args:
        history: records in the order in which they were made, refused candidates included.
        unit: of cost, one of `UNITS`; money by the prices in the newest record.
        metric: gains of this metric only; default that of the newest evidence. Gains on other evaluation rows than the
            newest ones (another series) are listed and not used for the forecast.

    Raises:
        RecipeError: as `spent_in`.
    """
    measured = [(item, item.evidence) for item in history if item.evidence is not None]
    name = metric or (measured[-1][1].metric if measured else None)
    prices = next((p for item in reversed(history) if (p := item.recipe.get("prices"))), None)
    used = [(item, evidence) for item, evidence in measured if evidence.metric == name]
    entries = tuple(
        Entry(
            version=item.version if not item.decision.refused else item.branch,
            accepted=not item.decision.refused,
            spent=spent_in(item.cost, unit, prices),
            points=POINTS * evidence.difference,
            low=POINTS * evidence.interval[0],
            high=POINTS * evidence.interval[1],
        )
        for item, evidence in used
    )
    comparable = [evidence for item, evidence in used if item.series == used[-1][0].series]
    return Economy(
        unit=unit,
        metric=name,
        entries=entries,
        total=sum(spent_in(item.cost, unit, prices) for item in history),
        forecast=_forecast(comparable, float(np.mean([entry.spent for entry in entries[-_RECENT:]]))) if used else None,
    )


def forecast_gain(gains: Sequence[float], deviations: Sequence[float]) -> tuple[float, float, float]:
    """What the next iteration gains, from the gains so far: (expected and kept, 5 % quantile, 95 % quantile).

    Gains of repeated curation shrink. The model is the simplest that says so: the k-th gain is A·ρᵏ⁻¹, measured with
    the standard deviation of its interval, with ρ uniform on [0, 1] and A normal around 0 (0.5 of the metric's scale
    wide). A is integrated in closed form, ρ on a grid. After one gain, about half of it is expected next.

    Limits: it knows of no other step that a recipe could take, and treats all steps so far as one kind of work.

    Args:
        gains: measured differences to the parent, in the order of the iterations, refused ones too.
        deviations: standard deviation of each.

    Example:
        >>> kept, low, high = forecast_gain([0.08, 0.04, 0.02], [0.002, 0.002, 0.002])
        >>> round(kept, 3), low < 0.01 < high
        (0.01, True)
    """
    measured, noise = np.array(gains), np.maximum(np.array(deviations), _LEAST_DEVIATION)
    design = _RATIOS[:, None] ** np.arange(len(measured))  # (ratios, iterations); 0⁰ = 1
    precision = (design**2 / noise**2).sum(axis=1) + _WIDEST_GAIN**-2
    first = (design * measured / noise**2).sum(axis=1) / precision
    evidence = 0.5 * (first**2 * precision - np.log(precision))  # of each ratio, up to a constant
    weight = np.exp(evidence - evidence.max())
    weight /= weight.sum()
    shrink = _RATIOS ** len(measured)
    mean, deviation = shrink * first, np.maximum(shrink / np.sqrt(precision), 1e-12)
    normal = [NormalDist(float(m), float(s)) for m, s in zip(mean, deviation, strict=True)]
    kept = sum(w * _positive_part(n) for w, n in zip(weight.tolist(), normal, strict=True))
    return kept, _quantile(weight, normal, 0.05), _quantile(weight, normal, 0.95)


def _forecast(evidence: Sequence[Evidence], spent: float) -> Forecast:
    widths = [
        (item.interval[1] - item.interval[0]) / 2 / NormalDist().inv_cdf((1 + item.confidence) / 2) for item in evidence
    ]
    kept, low, high = forecast_gain([item.difference for item in evidence], widths)
    return Forecast(spent, POINTS * kept, POINTS * low, POINTS * high)


def _positive_part(normal: NormalDist) -> float:
    """E[max(0, X)]."""
    z = normal.mean / normal.stdev
    return normal.mean * NormalDist().cdf(z) + normal.stdev * NormalDist().pdf(z)


def _quantile(weight: np.ndarray, normal: Sequence[NormalDist], level: float) -> float:
    """The quantile of a mixture of normals, by bisection."""
    low = min(n.mean - 10 * n.stdev for n in normal)
    high = max(n.mean + 10 * n.stdev for n in normal)
    for _ in range(60):
        middle = (low + high) / 2
        below = sum(w * n.cdf(middle) for w, n in zip(weight.tolist(), normal, strict=True))
        low, high = (middle, high) if below < level else (low, middle)
    return (low + high) / 2


def reason_to_stop(economy: Economy, *, per_point: float | None = None, total: float | None = None) -> str | None:
    """Why no further iteration should start, in words; None where one may.

    Args:
        economy: the ledger so far.
        per_point: most that the next point may be expected to cost, in the ledger's unit.
        total: most that all iterations together may cost; the next one counts with its expected cost.

    Example:
        >>> economy = Economy("cpu_hours", "anls", (), total=2.0, forecast=Forecast(1.0, 0.1, -0.2, 0.3))
        >>> reason_to_stop(economy, per_point=5)
        'the next point of anls is expected to cost 10 CPU hours, more than the 5 allowed (0.1 points for 1)'
        >>> reason_to_stop(economy, per_point=20, total=10) is None
        True
    """
    words = UNIT_WORDS[economy.unit]
    next_cost = economy.forecast.spent if economy.forecast else 0.0
    if total is not None and economy.total + next_cost > total:
        more = f" and the next iteration is expected to cost {next_cost:.3g} more" if next_cost else ""
        return f"{economy.total:.3g} {words} are spent{more}; {total:g} are allowed in all"
    if per_point is None or economy.forecast is None or economy.forecast.per_point <= per_point:
        return None
    found = economy.forecast
    each = f"{found.per_point:.3g}" if math.isfinite(found.per_point) else "any number of"
    return (
        f"the next point of {economy.metric} is expected to cost {each} {words}, more than the {per_point:g} allowed "
        f"({found.points:.2g} points for {found.spent:.3g})"
    )


UNIT_WORDS = {
    "wall_hours": "hours of job time",
    "cpu_hours": "CPU hours",
    "gpu_hours": "GPU hours",
    "model_calls": "model calls",
    "million_tokens": "million tokens",
    "money": "units of money",
}
