"""ANLS as an `evaluate` module: mean of `hf_mbdc.metrics.anls_scores`, both conventions by name.

Example:
    >>> import evaluate
    >>> from importlib.resources import files
    >>> anls = evaluate.load(str(files("hf_mbdc.metrics") / "anls.py"))
    >>> anls.compute(predictions=["ab", ""], references=[["ax"], []])
    {'anls': 0.75}
    >>> anls.compute(predictions=["ab", ""], references=[["ax"], []], threshold_rule="below", unanswerable="zero")
    {'anls': 0.0}
"""

from typing import Literal

import evaluate

from hf_mbdc.metrics import anls_scores, mean_score
from hf_mbdc.metrics._info import describe

_CITATION = """\
@inproceedings{biten2019scene,
    title = {Scene Text Visual Question Answering},
    author = {Biten, Ali Furkan and Tito, Rub{\\`e}n and Mafla, Andr{\\'e}s and Gomez, Llu{\\'i}s and
              Rusi{\\~n}ol, Mar{\\c{c}}al and Jawahar, C. V. and Valveny, Ernest and Karatzas, Dimosthenis},
    booktitle = {ICCV},
    year = {2019}
}"""


class Anls(evaluate.Metric):
    """Average normalised Levenshtein similarity.

    Options: `threshold_rule`, "at_most" (default) or "below"; `unanswerable`, "one" (default) or "zero".
    """

    def _info(self) -> evaluate.MetricInfo:
        return describe(Anls, anls_scores, several=True, citation=_CITATION)

    def _compute(
        self,
        predictions: list[str],
        references: list[list[str]],
        threshold_rule: Literal["at_most", "below"] = "at_most",
        unanswerable: Literal["one", "zero"] = "one",
    ) -> dict[str, float]:
        return {"anls": mean_score(anls_scores(predictions, references, threshold_rule, unanswerable))}
