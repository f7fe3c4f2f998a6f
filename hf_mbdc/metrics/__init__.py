"""Metrics: pure functions that score every row, and an `evaluate` module around each.

The functions (extractive QA: `text.py`, `regions.py`; recognition: `recognition.py`) give one score a row, which is
what a paired comparison needs, and what is no mean of rows with an interval (`intervals.py`). The modules (`anls.py`,
`exact_match.py`, `f1.py`, `box_iou.py`; `word_accuracy.py`, `cer.py`, `char_f1.py`) give the mean; they stand in files
of their own because `import evaluate` takes seconds (it imports the pipelines of transformers).

Example:
    >>> from hf_mbdc.metrics import exact_match_scores
    >>> exact_match_scores(["9.00", "9,00"], [["9.00"], ["9.00"]]).tolist()
    [1.0, 0.0]
"""

import numpy as np

from hf_mbdc.errors import DataError
from hf_mbdc.metrics.regions import box_iou_scores
from hf_mbdc.metrics.text import anls_scores, exact_match_scores, f1_scores

__all__ = ["anls_scores", "box_iou_scores", "exact_match_scores", "f1_scores", "mean_score"]


def mean_score(scores: np.ndarray) -> float:
    """The mean of scores (rows,); `DataError` where there is no row, since numpy answers NaN with a warning."""
    if not len(scores):
        raise DataError("There are no rows to score", mend="Give at least one prediction with its references.")
    return float(scores.mean())
