"""How many rows and seeds a comparison needs, from the variances that one has seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hf_mbdc.errors import RecipeError
from hf_mbdc.guidance.uncertainty import Uncertainty, crossed_quantile
from hf_mbdc.records import Plan

MOST_CLUSTERS, MOST_SEEDS = 1_000_000, 100  # beyond these a plan is no help
_DRAWS = 20_000


def plan(seen: Uncertainty, effect: float, *, alpha: float = 0.05, power: float = 0.8) -> Plan:
    """What it takes to accept a candidate whose true gain is `effect`, and what the sizes at hand can do.

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
        >>> seen = Uncertainty(0.0001, 0.0004, 0.00005, seeds=3, clusters=79, cluster_df=78.0)
        >>> found = plan(seen, effect=0.05)
        >>> round(found.power_now, 1), found.clusters, found.seeds
        (0.5, 213, None)
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
        >>> seen = Uncertainty(0.0001, 0.0004, 0.00005, seeds=3, clusters=79, cluster_df=78.0)
        >>> chances = [power_at(seen, 0.05, clusters=79, seeds=seeds) for seeds in (2, 3, 5, 10)]
        >>> chances == sorted(chances)
        True
    """
    return _power(_margins(seen, clusters, seeds, alpha), abs(effect))


def _power(margins: np.ndarray, effect: float) -> float:
    return float(np.mean(margins < effect))


def _margins(seen: Uncertainty, clusters: int, seeds: int, alpha: float) -> np.ndarray:
    """How large the true gain must be for the interval to lie above 0: the half width less the estimate's error.

    Drawn, as the half width is itself a matter of chance: the estimate from its normal distribution, the variances as
    chi-squares. Equal draws for all sizes, so that more of anything is never worse by chance.
    """
    by_seed, by_cluster, by_both = _effects(seen)
    from_both = by_both / (seeds * clusters)
    from_seeds, from_clusters = by_seed / seeds + from_both, by_cluster / clusters
    rng = np.random.default_rng(0)
    error = rng.standard_normal(_DRAWS)
    df = max(1.0, seen.cluster_df * clusters / seen.clusters)
    total = (from_clusters + from_both) * rng.chisquare(df, _DRAWS) / df
    if seeds == 1:
        variance, share = total, np.zeros(_DRAWS)
        error *= np.sqrt(from_clusters + from_both)
    else:
        seeds_seen = from_seeds * rng.chisquare(seeds - 1, _DRAWS) / (seeds - 1)
        variance = seeds_seen + np.maximum(0.0, total - from_both)
        share = np.divide(seeds_seen, variance, out=np.zeros(_DRAWS), where=variance > 0)
        error *= np.sqrt(from_seeds + from_clusters)
    return crossed_quantile(np.array([alpha]), share, seeds, df) * np.sqrt(variance) - error


def _effects(seen: Uncertainty) -> tuple[float, float, float]:
    """The variance of one seed's effect, of one cluster's, and of their meeting."""
    by_seed = max(0.0, seen.from_seeds - seen.from_both) * seen.seeds
    return by_seed, seen.from_clusters * seen.clusters, seen.from_both * seen.seeds * seen.clusters


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
