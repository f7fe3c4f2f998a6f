"""From evidence to a decision that a reader of the card can check."""

from __future__ import annotations

from hf_mbdc.records import Decision, Evidence, SliceEvidence


def decide(evidence: Evidence) -> Decision:
    """The verdict of the evidence with its reason in plain words and figures.

    The reason also tells what speaks against the verdict: slices that fell although the candidate is accepted, slices
    that rose although it is not, and an interval that is surer than the permutation test.

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
    return Decision(evidence.verdict, " ".join([measured, _conclusion(evidence), *_reservations(evidence)]))


def _conclusion(evidence: Evidence) -> str:
    bar = f"the minimum effect of {evidence.minimum_effect:+g}" if evidence.minimum_effect else "0"
    if evidence.verdict == "accept":
        return f"The whole interval lies above {bar} and the permutation test agrees, so the candidate is accepted."
    if evidence.verdict == "reject":
        return f"The whole interval lies below {bar} and the permutation test agrees, so the parent stays."
    if evidence.interval == (0.0, 0.0) and not evidence.minimum_effect:
        return "No cluster scores differently, so nothing favours the candidate and the parent stays."
    low, high = evidence.interval
    if low > evidence.minimum_effect or high < evidence.minimum_effect:
        side = "above" if low > evidence.minimum_effect else "below"
        return (
            f"The whole interval lies {side} {bar}, but the permutation test is not sure (p = {evidence.p_value:.2g}, "
            f"above {1 - evidence.confidence:.2g}): so few clusters speak for a difference that it may be chance, and "
            "the parent stays. More evaluation documents would tell."
        )
    return (
        f"The interval includes {bar}: the gain may be real or chance, this evaluation cannot tell, and the parent "
        "stays. More evaluation documents or seeds would narrow the interval."
    )


def _reservations(evidence: Evidence) -> list[str]:
    told = []
    against = [
        part
        for part in evidence.slices
        if (part.interval[1] < 0 if evidence.verdict == "accept" else part.interval[0] > 0)
    ]
    if against:
        moved = "fell" if evidence.verdict == "accept" else "rose"
        told.append(f"Yet it {moved} on {', '.join(map(_slice, against))}, not corrected for the number of slices.")
    return told


def _slice(part: SliceEvidence) -> str:
    return f"{part.name} ({part.difference:+.3f}, interval {part.interval[0]:+.3f} to {part.interval[1]:+.3f})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
