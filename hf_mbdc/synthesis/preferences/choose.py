"""Which completion of a prompt is chosen, and which one is rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from hf_mbdc.errors import RecipeError
from hf_mbdc.synthesis.preferences.scored import Completions

Rejected = Literal["lowest", "random", "mu-2sigma"]

NO_COMPLETION = "the prompt has no completion"
ONE_LEFT = "fewer than two completions can be used"
TIED = "all completions have the same score"
MARGIN = "no completion is worse by the minimum margin"
LENGTH = "every worse completion is too different in length"
ROUNDING = 1e-9  # 0.7 − 0.4 is below 0.3; the mean of 0.1, 0.2 and 0.3 is above 0.2


@dataclass(frozen=True)
class PairRule:
    """How a pair is chosen.

    Args:
        rejected: of the completions that are worse than the best one: the `lowest` (Yuan et al. 2024, Self-Rewarding),
            a `random` one (Cui et al. 2023, UltraFeedback), or that nearest to the mean less two standard deviations of
            the prompt's scores, `mu-2sigma` (Xiao et al. 2025, https://arxiv.org/abs/2502.16825): of many completions
            the worst are so bad that they teach little.
        minimum_margin: least difference of scores, in their unit. Equal scores never make a pair.
        max_length_ratio: of the longer to the shorter one, in characters; None: any. Judges like length, and a model
            learns it from them.
    """

    rejected: Rejected = "lowest"
    minimum_margin: float = 0.0
    max_length_ratio: float | None = None

    def __post_init__(self) -> None:
        if self.rejected not in get_args(Rejected):
            mend = f"Take one of {', '.join(get_args(Rejected))}."
            raise RecipeError("There is no such rule", key="rejected", value=self.rejected, mend=mend)
        if not 0 <= self.minimum_margin < float("inf"):
            what = "The minimum margin is not a number of at least 0"
            raise RecipeError(what, key="minimum_margin", value=self.minimum_margin, mend="0 keeps all differences.")
        if self.max_length_ratio is not None and not self.max_length_ratio >= 1:
            what = "A ratio of the longer to the shorter is at least 1"
            raise RecipeError(what, key="max_length_ratio", value=self.max_length_ratio, mend="1.5 or 2, say.")


@dataclass(frozen=True)
class Choice:
    """Of each prompt the positions of `chosen` and `rejected` among the completions, or −1 both and a reason."""

    chosen: np.ndarray
    rejected: np.ndarray
    reasons: np.ndarray


def choose_pairs(completions: Completions, rule: PairRule) -> Choice:
    """The best usable completion of each prompt, and a worse one.

    Among equally good ones, the seed draws. A prompt without a pair gets the first reason that holds.
    """
    given = np.bincount(completions.prompt, minlength=completions.prompts)
    usable = np.bincount(completions.prompt[completions.usable], minlength=completions.prompts)
    best = _first(completions, completions.usable, -completions.scores)
    none = best < 0
    top = np.where(none, np.nan, completions.scores[best] if len(completions.scores) else np.nan)[completions.prompt]
    with np.errstate(invalid="ignore"):  # NaN where a completion has no score
        lower = completions.usable & (completions.scores < top - ROUNDING)
        margin = lower & (top - completions.scores >= rule.minimum_margin - ROUNDING)
    eligible = margin & _alike(completions.lengths, best, completions.prompt, rule.max_length_ratio)
    rejected = _first(completions, eligible, _criterion(completions, rule))
    counts = (given, np.maximum(usable - 1, 0), *(_count(completions, mask) for mask in (lower, margin, eligible)))
    reasons = np.select([count == 0 for count in counts], [NO_COMPLETION, ONE_LEFT, TIED, MARGIN, LENGTH], "").astype(
        object
    )
    return Choice(np.where(reasons == "", best, -1), np.where(reasons == "", rejected, -1), reasons)


def best_first(completions: Completions, at_least: float, most: int) -> np.ndarray:
    """Positions of the usable completions from a score on, the best of each prompt first, at most so many of each."""
    good = np.flatnonzero(completions.usable & (np.nan_to_num(completions.scores, nan=-np.inf) >= at_least))
    order = good[np.lexsort((completions.order[good], -completions.scores[good], completions.prompt[good]))]
    prompt = completions.prompt[order]
    start = np.flatnonzero(np.r_[True, prompt[1:] != prompt[:-1]]) if len(order) else np.empty(0, np.int64)
    rank = np.arange(len(order)) - np.repeat(start, np.diff(np.r_[start, len(order)]))
    return order[rank < most]


def _first(completions: Completions, mask: np.ndarray, criterion: np.ndarray) -> np.ndarray:
    """Of each prompt the completion in the mask with the least criterion; −1 where there is none."""
    found = np.full(completions.prompts, -1, np.int64)
    inside = np.flatnonzero(mask)
    order = inside[np.lexsort((completions.order[inside], criterion[inside], completions.prompt[inside]))]
    prompt, first = np.unique(completions.prompt[order], return_index=True)
    found[prompt] = order[first]
    return found


def _criterion(completions: Completions, rule: PairRule) -> np.ndarray:
    if rule.rejected == "lowest":
        return completions.scores
    if rule.rejected == "random":
        return np.zeros(len(completions.scores))
    inside, size = completions.usable, completions.prompts
    prompt, scores = completions.prompt[inside], completions.scores[inside]
    number = np.maximum(np.bincount(prompt, minlength=size), 1)
    mean = np.bincount(prompt, weights=scores, minlength=size) / number
    spread = np.sqrt(np.bincount(prompt, weights=(scores - mean[prompt]) ** 2, minlength=size) / number)
    return np.abs(completions.scores - (mean - 2 * spread)[completions.prompt])


def _alike(lengths: np.ndarray, best: np.ndarray, prompt: np.ndarray, ratio: float | None) -> np.ndarray:
    if ratio is None or not len(lengths):
        return np.ones(len(lengths), bool)
    chosen = lengths[best][prompt]  # of a prompt without a best one: of any, as it has no eligible one either
    longer, shorter = np.maximum(lengths, chosen), np.minimum(lengths, chosen)
    return longer <= ratio * shorter


def _count(completions: Completions, mask: np.ndarray) -> np.ndarray:
    return np.bincount(completions.prompt[mask], minlength=completions.prompts)
