"""What every `evaluate` module of a text metric says of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import evaluate


def describe(
    metric: type, scores: Callable[..., Any], *, several: bool = False, citation: str = ""
) -> evaluate.MetricInfo:
    """Description and inputs of a metric of texts.

    Args:
        metric: the module's class, whose docstring describes it.
        scores: the function inside, whose docstring describes the inputs.
        citation: BibTeX of where the metric is from.
        several: whether a reference is a list of accepted answers; else it is one text.
    """
    import datasets
    import evaluate

    text = datasets.Value("string")
    features = datasets.Features({"predictions": text, "references": datasets.List(text) if several else text})
    return evaluate.MetricInfo(
        description=str(metric.__doc__), citation=citation, inputs_description=str(scores.__doc__), features=features
    )
