"""Word accuracy as an `evaluate` module: mean of `hf_mbdc.metrics.recognition.word_accuracy_scores`.

Example:
    >>> import evaluate
    >>> from importlib.resources import files
    >>> word_accuracy = evaluate.load(str(files("hf_mbdc.metrics") / "word_accuracy.py"))
    >>> word_accuracy.compute(predictions=["가나", "다"], references=["가나", "라"])["word_accuracy"]
    0.5
"""

from typing import Literal

import evaluate

from hf_mbdc.metrics._info import describe
from hf_mbdc.metrics.intervals import ratio_estimates
from hf_mbdc.metrics.recognition import word_accuracy_scores


class WordAccuracy(evaluate.Metric):
    """Share of texts that were read without an error, with its 95 % interval over rows or `clusters`.

    Options: `normalization`, a Unicode form or None; `clusters`, what rows have in common.
    """

    def _info(self) -> evaluate.MetricInfo:
        return describe(WordAccuracy, word_accuracy_scores)

    def _compute(
        self,
        predictions: list[str],
        references: list[str],
        normalization: Literal["NFC", "NFD", "NFKC", "NFKD"] | None = "NFC",
        clusters: list[str] | None = None,
    ) -> dict[str, float]:
        scores = word_accuracy_scores(predictions, references, normalization)
        [estimate] = ratio_estimates(scores, scores * 0 + 1, clusters)
        return {
            "word_accuracy": estimate.value,
            "word_accuracy_low": estimate.low,
            "word_accuracy_high": estimate.high,
        }
