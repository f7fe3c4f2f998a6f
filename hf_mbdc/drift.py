"""Whether a judge and the truth go the same way over the iterations in which a model makes its own data.

A model that learns what its judge likes learns in the end what the judge gets wrong (Gao et al. 2023, scaling laws for
reward model overoptimization, https://arxiv.org/abs/2210.10760). The judge's own scores rise all the while; only the
held-out rows, which it never sees, tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hf_mbdc.records import Iteration

# What a step tells of a model's own answers (`StepRecord.told`), in the order in which it is shown.
FIGURES = {
    "judge": "judge's score",
    "right": "right",
    "words": "words",
    "distinct": "distinct",
    "cut_off": "cut off",
    "unread": "unread",
    "tied": "tied",
    "longer_chosen": "longer chosen",
    "preference_margin": "reward margin",
    "preference_chosen_logp": "log P(chosen)",
}


@dataclass(frozen=True)
class DriftPoint:
    """One iteration whose rows the model made.

    Args:
        version: of it.
        step: that made the rows, with its judge: only points of one judge can be compared.
        gain: of the target on the evaluation rows, candidate − parent.
        accepted: by the gate.
        figures: by the names of `FIGURES`, what is known.
    """

    version: str
    step: str
    gain: float
    accepted: bool
    figures: dict[str, float] = field(default_factory=dict)


def drift(iterations: Sequence[Iteration]) -> list[DriftPoint]:
    """The iterations with answers of the model's own and a measured effect, oldest first; others are left out.

    Args:
        iterations: oldest first, refused candidates among them.
    """
    points = []
    for item in iterations:
        steps = [step for step in item.steps if step.told]
        if not steps or item.evidence is None:
            continue
        figures = {**steps[-1].told, **{name: item.scores[name] for name in FIGURES if name in item.scores}}
        known = {name: figures[name] for name in FIGURES if name in figures}
        accepted = item.decision.verdict == "accept"
        name = f"{steps[-1].name} by {steps[-1].judge}"
        points.append(DriftPoint(item.version, name, item.evidence.difference, accepted, known))
    return points


def reason_to_stop(points: Sequence[DriftPoint]) -> str | None:
    """Why no further iteration should start, in words: the judge is more pleased than before and nothing is gained.

    Args:
        points: as of `drift`; the last two of one step are compared.

    Example:
        >>> first = DriftPoint("v2.0.0", "self_training by majority", 0.05, True, {"judge": 0.6})
        >>> worse = DriftPoint("v3.0.0", "self_training by majority", -0.02, False, {"judge": 0.8})
        >>> reason_to_stop([first, worse])
        'the judge of self_training by majority is more pleased (.60 → .80) and the target gains nothing (-.02)'
        >>> better = DriftPoint("v3.0.0", "self_training by majority", 0.02, True, {"judge": 0.8})
        >>> reason_to_stop([first, better]) is None
        True
    """
    if not points or points[-1].gain > 0:
        return None
    last = points[-1]
    before = [point for point in points[:-1] if point.step == last.step and "judge" in point.figures]
    if not before or "judge" not in last.figures or last.figures["judge"] <= before[-1].figures["judge"]:
        return None
    rise = f"{_short(before[-1].figures['judge'])} → {_short(last.figures['judge'])}"
    return f"the judge of {last.step} is more pleased ({rise}) and the target gains nothing ({_short(last.gain, True)})"


def _short(value: float, sign: bool = False) -> str:
    text = f"{value:+.2f}" if sign else f"{value:.2f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text
