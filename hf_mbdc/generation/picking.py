"""The token of each step, picked by a number that belongs to the row and the step and to nothing else.

`torch.multinomial` draws from one stream for a whole batch: what a row gets depends on the rows beside it. Here every
row has its own uniform numbers, and a token is picked where the cumulative distribution passes the row's number
(inverse transform sampling). So a completion does not depend on order and batch, but for the rounding of the logits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import LogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from hf_mbdc.generation.completions import Sampling
from hf_mbdc.transforms.draws import row_keys, uniform


def uniform_numbers(draws: Sequence[str], seed: int, steps: int) -> np.ndarray:
    """Numbers from [0, 1) by row and step, float64 (rows, steps).

    Args:
        draws: `Task.draw` of each row. A longer completion begins with the numbers of a shorter one.
    """
    keys = row_keys(draws, seed)
    return np.array([uniform(keys, step) for step in range(steps)]).reshape(steps, len(draws)).T


class TokenPicker(LogitsProcessor):
    """The last processor of a greedy `generate`: all logits but the picked token's become −inf.

    Args:
        numbers: (rows, steps) from `uniform_numbers`; not read at temperature 0.
        sampling: temperature, top_p, top_k as `transformers` has them, in its order; `logprobs`.
        device: where the logits are.
    """

    def __init__(self, numbers: np.ndarray, sampling: Sampling, device: torch.device) -> None:
        # The sum over a large vocabulary in float32 is off by more than a rare token has; only MPS lacks float64.
        self.dtype = torch.float32 if device.type == "mps" else torch.float64
        self.numbers = torch.as_tensor(numbers, dtype=self.dtype, device=device)
        self.sampling = sampling
        self.warpers = _warpers(sampling)
        self.logprobs: list[torch.Tensor] = []  # by step, (rows,)
        self.sound: list[torch.Tensor] = []  # the same: whether the logits were numbers
        self.step = 0

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        token, sound = self.pick(scores, self.numbers[:, self.step : self.step + 1])
        self.sound.append(sound)
        if self.sampling.logprobs:
            self.logprobs.append(scores.log_softmax(dim=-1).gather(1, token)[:, 0])
        self.step += 1
        picked: torch.FloatTensor = torch.full_like(scores, float("-inf")).scatter_(1, token, 0.0)  # type: ignore[assignment]
        return picked

    def pick(self, scores: torch.Tensor, numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The first token at which the cumulative probability is above the row's number.

        Args:
            scores: logits, (rows, vocabulary).
            numbers: (rows, 1); not read at temperature 0.

        Returns:
            (rows, 1) tokens, and bool (rows,): false where the logits are no numbers, and the token means nothing.
        """
        warped = scores
        for warper in self.warpers:
            warped = warper(None, warped)  # they read no tokens
        if self.sampling.temperature == 0:
            token = warped.argmax(dim=-1, keepdim=True)  # NaN counts as the greatest
            return token, warped.gather(1, token)[:, 0].isfinite()
        cumulative = warped.softmax(dim=-1).cumsum(dim=-1, dtype=self.dtype)
        passed = numbers * cumulative[:, -1:]
        # Strictly above: a token without probability does not raise the sum, so it is never the first.
        token = torch.searchsorted(cumulative, passed, right=True).clamp_(max=warped.shape[-1] - 1)
        return token, cumulative[:, -1].isfinite()


def _warpers(sampling: Sampling) -> list[LogitsProcessor]:
    warpers: list[LogitsProcessor] = []
    if sampling.temperature not in (0.0, 1.0):
        warpers.append(TemperatureLogitsWarper(float(sampling.temperature)))
    if sampling.temperature and sampling.top_k:
        warpers.append(TopKLogitsWarper(sampling.top_k))
    if sampling.temperature and sampling.top_p < 1:
        warpers.append(TopPLogitsWarper(sampling.top_p))
    return warpers
