"""How many rows and seeds a comparison needs, from the variances that one has seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hf_mbdc.errors import RecipeError
from hf_mbdc.guidance.uncertainty import Uncertainty, crossed_quantile
from hf_mbdc.records import Plan

MOST_CLUSTERS, MOST_SEEDS = 1_000_000, 100  # beyond these a plan is no help
_DRAWS = 5_000


def plan(seen: Uncertainty, effect: float, *, alpha: float = 0.05, power: float = 0.8) -> Plan:
    """What it takes to accept a candidate whose true gain is `effect`, and what the sizes at hand can do.

    The chance is over what the evaluation will see and over what the variances are: few seeds tell little about how
    much seeds differ, and a plan that takes the variance seen for the true one falls short (O'Hagan, Stevens and
    Campbell 2005 call this chance assurance). The hypothesis, the verdict and the assumptions are those of `compare`,
    but for the permutation test, which asks for six clusters or more that differ at a level of .05.

    Args:
        seen: how the difference varied over seeds and clusters: `Comparison.uncertainty`, or that of a pilot.
        effect: true gain beyond the minimum effect of interest, in units of the score; its sign does not matter.
        alpha: two-sided level of the decision.
        power: wanted chance of the right verdict.

    Returns:
        The plan. More clusters are taken to be like those seen, in size and in spread.

    Raises:
        RecipeError: `alpha` or `power` out of range.

    Example:
        >>> seen = Uncertainty(0.00006, 0.0004, 0.00005, seeds=5, clusters=79, cluster_df=78.0)
        >>> found = plan(seen, effect=0.05)
        >>> round(found.power_now, 1), found.clusters, found.seeds
        (0.6, 154, None)
    """
    for name, value in (("alpha", alpha), ("power", power)):
        if not 0 < value < 1:
            raise RecipeError(f"{name} is {value}", mend="Give a share between 0 and 1.")
    effect = abs(effect)
    margins = _margins(seen, seen.clusters, seen.seeds, alpha)

    def enough(clusters: int, seeds: int) -> bool:
        return effect > 0 and _power(_margins(seen, clusters, seeds, alpha), effect) >= power

    return Plan(
        effect=effect,
        power=power,
        power_now=_power(margins, effect),
        clusters=_fewest(lambda n: enough(n, seen.seeds), seen.clusters, MOST_CLUSTERS),
        seeds=_fewest(lambda n: enough(seen.clusters, n), seen.seeds, MOST_SEEDS) if seen.seeds > 1 else None,
        detectable=float(np.quantile(margins, power)),
    )


def power_at(seen: Uncertainty, effect: float, *, clusters: int, seeds: int, alpha: float = 0.05) -> float:
    """The chance that a true gain of `effect` beyond the minimum effect is accepted with so many clusters and seeds.

    Example:
        >>> seen = Uncertainty(0.00006, 0.0004, 0.00005, seeds=5, clusters=79, cluster_df=78.0)
        >>> chances = [power_at(seen, 0.05, clusters=79, seeds=seeds) for seeds in (2, 3, 5, 10)]
        >>> chances == sorted(chances)
        True
    """
    return _power(_margins(seen, clusters, seeds, alpha), abs(effect))


def _power(margins: np.ndarray, effect: float) -> float:
    return float(np.mean(margins < effect))


def _margins(seen: Uncertainty, clusters: int, seeds: int, alpha: float) -> np.ndarray:
    """How large the true gain must be for the interval to lie above 0: the half width less the estimate's error.

    Drawn, as all of it is a matter of chance: first the true variances, then from these the estimate and the variances
    that the evaluation will see. Equal draws for all sizes, so that more of anything is never worse by chance.
    """
    rng = np.random.default_rng(0)
    by_seed, by_cluster, by_both = _variances(seen, rng)
    from_both = by_both / (seeds * clusters)
    from_seeds, from_clusters = by_seed / seeds + from_both, by_cluster / clusters
    df = max(1.0, seen.cluster_df * clusters / seen.clusters)
    error = rng.standard_normal(_DRAWS)
    total = (from_clusters + from_both) * rng.chisquare(df, _DRAWS) / df
    if seeds == 1:
        return crossed_quantile(np.array([alpha]), 0.0, 1, df) * np.sqrt(total) - error * np.sqrt(
            from_clusters + from_both
        )
    seeds_seen = from_seeds * rng.chisquare(seeds - 1, _DRAWS) / (seeds - 1)
    variance = seeds_seen + np.maximum(0.0, total - from_both)
    share = np.divide(seeds_seen, variance, out=np.zeros(_DRAWS), where=variance > 0)
    half_width = crossed_quantile(np.array([alpha]), share, seeds, df) * np.sqrt(variance)
    return half_width - error * np.sqrt(from_seeds + from_clusters)


def _variances(seen: Uncertainty, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    """What the variance of one seed's effect, of one cluster's and of their meeting may be, given what was seen.

    A variance of n degrees of freedom is n / chi-square(n) times the one seen: with 3 seeds, up to 20 times as much.
    """
    seed_df = max(1, seen.seeds - 1)
    from_seeds = seen.from_seeds * seed_df / rng.chisquare(seed_df, _DRAWS)
    total = (seen.from_clusters + seen.from_both) * seen.cluster_df / rng.chisquare(seen.cluster_df, _DRAWS)
    by_seed = np.maximum(0.0, from_seeds - seen.from_both) * seen.seeds
    by_cluster = np.maximum(0.0, total - seen.from_both) * seen.clusters
    return by_seed, by_cluster, seen.from_both * seen.seeds * seen.clusters


def _fewest(enough: Callable[[int], bool], least: int, most: int) -> int | None:
    """The smallest number from `least` to `most` that is enough, by doubling and halving; None if `most` is not."""
    low, high = least - 1, least
    while not enough(high):
        if high == most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
