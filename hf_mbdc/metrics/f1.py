"""Token F1 as an `evaluate` module: mean of `hf_mbdc.metrics.f1_scores`.

Example:
    >>> import evaluate
    >>> from importlib.resources import files
    >>> f1 = evaluate.load(str(files("hf_mbdc.metrics") / "f1.py"))
    >>> f1.compute(predictions=["the red car", "blue"], references=[["red car"], ["red"]])
    {'f1': 0.5}
"""

from typing import Literal

import evaluate

from hf_mbdc.metrics import f1_scores, mean_score
from hf_mbdc.metrics._info import describe

_CITATION = """\
@inproceedings{rajpurkar-etal-2016-squad,
    title = {{SQ}u{AD}: 100,000+ Questions for Machine Comprehension of Text},
    author = {Rajpurkar, Pranav and Zhang, Jian and Lopyrev, Konstantin and Liang, Percy},
    booktitle = {EMNLP},
    year = {2016}
}"""


class F1(evaluate.Metric):
    """Mean token F1 with the best accepted answer; option `normalization`: "squad" (default, official) or "strict"."""

    def _info(self) -> evaluate.MetricInfo:
        return describe(F1, f1_scores, several=True, citation=_CITATION)

    def _compute(
        self,
        predictions: list[str],
        references: list[list[str]],
        normalization: Literal["strict", "squad"] = "squad",
    ) -> dict[str, float]:
        return {"f1": mean_score(f1_scores(predictions, references, normalization))}
