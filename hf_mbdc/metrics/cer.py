"""Character error rate as an `evaluate` module: `hf_mbdc.metrics.recognition.micro_cer`, and the mean over rows.

Example:
    >>> import evaluate
    >>> from importlib.resources import files
    >>> cer = evaluate.load(str(files("hf_mbdc.metrics") / "cer.py"))
    >>> found = cer.compute(predictions=["가나다", "라"], references=["가나다", "마"])
    >>> found["cer"], found["cer_by_row"]
    (0.25, 0.5)
"""

from typing import Literal

import evaluate

from hf_mbdc.metrics import mean_score
from hf_mbdc.metrics._info import describe
from hf_mbdc.metrics.recognition import cer_scores, micro_cer


class Cer(evaluate.Metric):
    """Edits over characters: of all rows together, with its 95 % interval over rows or `clusters`, and by row.

    Options: `normalization`, a Unicode form or None; `clusters`, what rows have in common.
    """

    def _info(self) -> evaluate.MetricInfo:
        return describe(Cer, cer_scores)

    def _compute(
        self,
        predictions: list[str],
        references: list[str],
        normalization: Literal["NFC", "NFD", "NFKC", "NFKD"] | None = "NFC",
        clusters: list[str] | None = None,
    ) -> dict[str, float]:
        by_row = mean_score(cer_scores(predictions, references, normalization))
        estimate = micro_cer(predictions, references, normalization, clusters)
        return {"cer": estimate.value, "cer_low": estimate.low, "cer_high": estimate.high, "cer_by_row": by_row}
