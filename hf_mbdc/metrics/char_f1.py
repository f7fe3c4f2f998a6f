"""Character F1 by bucket of frequency as an `evaluate` module: `hf_mbdc.metrics.recognition.char_f1`.

Example:
    >>> import evaluate
    >>> from importlib.resources import files
    >>> module = evaluate.load(str(files("hf_mbdc.metrics") / "char_f1.py"))
    >>> counts = {"가": 500, "나": 50}
    >>> found = module.compute(predictions=["가나", "가가"], references=["가나", "가다"], frequencies=counts)
    >>> found["char_f1"], found["char_f1_many"], found["char_f1_few"]
    (0.75, 0.8, 0.0)
"""

from typing import Literal

import evaluate

from hf_mbdc.metrics._info import describe
from hf_mbdc.metrics.recognition import char_f1


class CharF1(evaluate.Metric):
    """F1 of characters: of all, and of those that are frequent (`many`), `medium` and rare (`few`) in training data.

    Options: `frequencies`, character → count there; `few_below`, `many_above`; `normalization`, a Unicode form or None;
    `clusters`, what rows have in common. Each value has `_low` and `_high`, its 95 % interval.
    """

    def _info(self) -> evaluate.MetricInfo:
        return describe(CharF1, char_f1)

    def _compute(
        self,
        predictions: list[str],
        references: list[str],
        frequencies: dict[str, int] | None = None,
        few_below: int = 20,
        many_above: int = 100,
        normalization: Literal["NFC", "NFD", "NFKC", "NFKD"] | None = "NFC",
        clusters: list[str] | None = None,
    ) -> dict[str, float]:
        found = char_f1(
            predictions,
            references,
            frequencies or {},
            few_below=few_below,
            many_above=many_above,
            normalization=normalization,
            clusters=clusters,
        )
        scores: dict[str, float] = {}
        for bucket, estimate in found.items():
            name = "char_f1" if bucket == "all" else f"char_f1_{bucket}"
            scores |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        return scores
