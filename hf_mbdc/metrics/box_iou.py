"""Box IoU of predicted spans as an `evaluate` module: mean of `hf_mbdc.metrics.box_iou_scores`.

Example:
    >>> import evaluate
    >>> from importlib.resources import files
    >>> box_iou = evaluate.load(str(files("hf_mbdc.metrics") / "box_iou.py"))
    >>> box_iou.compute(predictions=[[[0, 0, 10, 10]], []], references=[[[0, 0, 10, 20]], [[0, 0, 5, 5]]])
    {'box_iou': 0.25}
"""

import datasets
import evaluate

from hf_mbdc.metrics import box_iou_scores, mean_score


class BoxIou(evaluate.Metric):
    """Mean intersection over union between the areas of the predicted and of the true boxes."""

    def _info(self) -> evaluate.MetricInfo:
        boxes = datasets.List(datasets.List(datasets.Value("float64")))
        return evaluate.MetricInfo(
            description=str(BoxIou.__doc__),
            citation="",
            inputs_description=str(box_iou_scores.__doc__),
            features=datasets.Features({"predictions": boxes, "references": boxes}),
        )

    def _compute(self, predictions: list[list[list[float]]], references: list[list[list[float]]]) -> dict[str, float]:
        return {"box_iou": mean_score(box_iou_scores(predictions, references))}
