"""From evidence to a decision that a reader of the card can check."""

from __future__ import annotations

from hf_mbdc.guidance.slices import likely_gains, likely_losses, sure_gains, sure_losses
from hf_mbdc.records import ControlEvidence, Decision, Evidence, SliceEvidence


def decide(evidence: Evidence) -> Decision:
    """The verdict of the evidence with its reason in plain words and figures.

    The reason also tells what speaks against the verdict: slices that fell although the candidate is accepted, slices
    that rose although it is not (for sure, after correction for their number, or likely), a control that is not beaten,
    and an interval that is surer than the permutation test, or than the level that the planned decisions on these rows
    leave. An inconclusive one says how many more clusters or seeds would settle it.

    Args:
        evidence: as `Comparison.to_evidence` gives it. Its verdict is kept; nothing here overrules it.

    Example:
        >>> evidence = Evidence(
        ...     "exact_match", "test", rows=316, clusters=79, seeds=(0, 1, 2), parent=0.82, candidate=0.87,
        ...     difference=0.05, interval=(0.031, 0.069), confidence=0.95, p_value=0.0001, verdict="accept",
        ... )
        >>> print(decide(evidence).reason)  # doctest: +NORMALIZE_WHITESPACE
        exact_match on test went from 0.820 to 0.870: +0.050, 95% interval +0.031 to +0.069 (316 rows of 79 clusters,
        3 seeds, p = 0.0001). The whole interval lies above 0 and the permutation test agrees, so the candidate is
        accepted.
    """
    low, high = evidence.interval
    measured = (
        f"{evidence.metric} on {evidence.split} went from {evidence.parent:.3f} to {evidence.candidate:.3f}: "
        f"{evidence.difference:+.3f}, {100 * evidence.confidence:g}% interval {low:+.3f} to {high:+.3f} "
        f"({evidence.rows} rows of {evidence.clusters} clusters, {_count(len(evidence.seeds), 'seed')}, "
        f"p = {evidence.p_value:.2g})."
    )
    parts = [measured, *_look(evidence), _conclusion(evidence), *_controls(evidence), *_reservations(evidence)]
    return Decision(evidence.verdict, " ".join(parts))


def _look(evidence: Evidence) -> list[str]:
    """Which decision on these rows it is, and the level that this leaves it."""
    if evidence.look is None or evidence.looks in (None, 1):
        return []
    return [f"Decision {evidence.look} of {evidence.looks} on these rows, so at a level of {_level(evidence):.2g}."]


def _conclusion(evidence: Evidence) -> str:
    bar = f"the minimum effect of {evidence.minimum_effect:+g}" if evidence.minimum_effect else "0"
    if evidence.verdict == "accept":
        return f"The whole interval lies above {bar} and the permutation test agrees, so the candidate is accepted."
    if evidence.verdict == "reject":
        return f"The whole interval lies below {bar} and the permutation test agrees, so the parent stays."
    if _beats_parent(evidence) and (control := _not_beaten(evidence)) is not None:
        return (
            f"It beats the parent, but not for sure the {control.name} control, which has as much data and nothing new "
            "in it: more data may be all that helps, and the parent stays."
        )
    if _beats_parent(evidence) and (lost := _may_lose(evidence)):
        return (
            f"It beats the parent in all, but may lose more than it may on {_names(lost)}, where at most "
            f"{', '.join(f'{evidence.no_loss[part.name]:g}' for part in lost)} is allowed: the parent stays."
        )
    if evidence.difference == 0 and evidence.effect_size is None and not evidence.minimum_effect:
        return "No cluster scores differently, so nothing favours the candidate and the parent stays."
    low, high = evidence.interval
    if not low <= evidence.minimum_effect <= high:
        return _why_not(
            evidence, f"The whole interval lies {'above' if low > evidence.minimum_effect else 'below'} {bar}"
        )
    return (
        f"The interval includes {bar}: the gain may be real or chance, this evaluation cannot tell, and the parent "
        f"stays. {_needs(evidence)}"
    )


def _why_not(evidence: Evidence, seen: str) -> str:
    """Why an interval on one side of the bar did not decide: few clusters that differ, or a level spent on looks."""
    if evidence.p_value > 1 - evidence.confidence:
        return (
            f"{seen}, but the permutation test is not sure (p = {evidence.p_value:.2g}, above "
            f"{1 - evidence.confidence:.2g}): so few clusters speak for a difference that it may be chance, and "
            f"the parent stays. {_needs(evidence)}"
        )
    return (
        f"{seen}, but these rows decide several times, and the level left for this decision is {_level(evidence):.2g}, "
        f"which it does not reach: the parent stays. {_needs(evidence)}"
    )


def _controls(evidence: Evidence) -> list[str]:
    return [
        f"Against the {one.name} control ({one.rows:,} rows, {one.score:.3f}): {one.difference:+.3f}, "
        f"{100 * evidence.confidence:g}% interval {one.interval[0]:+.3f} to {one.interval[1]:+.3f} "
        f"(p = {one.p_value:.2g})."
        for one in evidence.controls
    ]


def _beats_parent(evidence: Evidence) -> bool:
    return evidence.interval[0] > evidence.minimum_effect and evidence.p_value <= _level(evidence)


def _not_beaten(evidence: Evidence) -> ControlEvidence | None:
    return next((one for one in evidence.controls if one.verdict != "accept"), None)


def _may_lose(evidence: Evidence) -> list[SliceEvidence]:
    """The slices whose interval reaches below what they may lose."""
    return [p for p in evidence.slices if p.name in evidence.no_loss and p.interval[0] <= -evidence.no_loss[p.name]]


def _needs(evidence: Evidence) -> str:
    """How much larger the evaluation must be, were the difference seen the true one."""
    plan = evidence.plan
    if plan is None or not plan.effect:
        return "More evaluation documents or seeds would tell."
    ways = []
    if plan.clusters is not None and plan.clusters > evidence.clusters:
        ways.append(f"{plan.clusters - evidence.clusters} more clusters")
    if plan.seeds is not None and plan.seeds > len(evidence.seeds):
        ways.append(_count(plan.seeds - len(evidence.seeds), "more seed"))
    detects = f"As it is, it finds a true gain of {plan.detectable:.2g} beyond that in {plan.power:.0%} of cases."
    if not ways:
        return f"Neither more clusters alone nor more seeds alone would settle a difference so small. {detects}"
    return f"If the true difference is the one seen, {' or '.join(ways)} would settle it. {detects}"


def _reservations(evidence: Evidence) -> list[str]:
    """Slices that speak against the verdict: those that do so for sure, and those that may."""
    accepted = evidence.verdict == "accept"
    sure, likely = (sure_losses, likely_losses) if accepted else (sure_gains, likely_gains)
    moved, move, told = *(("fell", "have fallen") if accepted else ("rose", "have risen")), []
    if found := sure(evidence.slices):
        told.append(f"Yet it {moved} on {_names(found)}, sure after correction for {len(evidence.slices)} slices.")
    if found := likely(evidence.slices):
        told.append(f"{'It' if told else 'Yet it'} may {move} on {_names(found)}: {_uncorrected(evidence)}.")
    return told


def _uncorrected(evidence: Evidence) -> str:
    if any(part.p_value is None for part in evidence.slices):
        return "not corrected for the number of slices"
    return f"not sure after correction for {len(evidence.slices)} slices"


def _level(evidence: Evidence) -> float:
    return 1 - evidence.confidence if evidence.alpha is None else evidence.alpha


def _names(parts: list[SliceEvidence]) -> str:
    return ", ".join(
        f"{part.name} ({part.difference:+.3f}, interval {part.interval[0]:+.3f} to {part.interval[1]:+.3f})"
        for part in parts
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
