"""Training features for any fast tokenizer and the stock `Trainer`: `Dataset.map` in, predictions with boxes out.

    columns = {"fn_kwargs": {"tokenizer": tokenizer}, "batched": True, "remove_columns": ds["train"].column_names}
    train, test = ds["train"].map(features_for_training, **columns), ds["test"].map(features_for_prediction, **columns)
    trainer = Trainer(model, train_dataset=train, processing_class=tokenizer)  # AutoModelForQuestionAnswering
    answers = decode_predictions(test, trainer.predict(test).predictions, ds["test"])

`ds` is what `hf_mbdc.annotate` returns. The loop of this package trains on the same windows with a loss that is
normalised over all windows of a row, see `hf_mbdc.targets.objective`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hf_mbdc.errors import DataError, TrainingError
from hf_mbdc.targets.batches import collate
from hf_mbdc.targets.checkpoint import CheckpointEncoder
from hf_mbdc.targets.decoding import Prediction, decode
from hf_mbdc.targets.encoding import LABELS, READS, EncodedRow, Window, encode_rows, locate_in_each
from hf_mbdc.targets.objective import span_scores
from hf_mbdc.targets.places import answer_places

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)
PREDICTION = ("row_id", "offsets", "starts")  # what prediction features hold beside the model's inputs
ROWS_AT_ONCE = 64


def features_for_training(
    batch: Mapping[str, Sequence[Any]], tokenizer: Any, *, boxes: bool = False, max_length: int = 512
) -> dict[str, list[Any]]:
    """Annotated rows → one feature per window, as a question-answering model of transformers is trained on them.

    Args:
        batch: annotated rows (`id, question, context, words, boxes, answers, answer_start, answer_end`, and `pages`
            where documents have several).
        tokenizer: any fast tokenizer that begins with a CLS token.
        boxes: whether the model reads the box of each token (LayoutLM, LiLT); then no window holds words of two pages,
            and windows are padded to `max_length`, which stock collators do not do for `bbox`.
        max_length: tokens of a window, at most 512 and what the tokenizer allows.

    Returns:
        The model's inputs, `start_positions` and `end_positions` (inclusive): the answer in every window that holds all
        of it, the CLS token, 0, in the others and for unanswerable rows. Rows that teach nothing (an answer that is not
        located, is longer than a span may be, or on two pages) have no feature; a warning counts them, and those whose
        answer ends inside a token.

    Raises:
        DataError: a column is missing, or a document is unsound.
        TrainingError: the tokenizer gives no offsets, cannot pad, or does not begin with CLS.
    """
    encoder = _encoder(tokenizer, max_length, boxes)
    encoded = encode_rows(_rows(batch, *LABELS), encoder)
    _report(encoded)
    features = _empty(encoder, "start_positions", "end_positions")
    for row, start, end in zip(encoded, batch["answer_start"], batch["answer_end"], strict=True):
        if row.left_out is None:
            # Cross entropy scores each window alone, so that a window with the whole answer has it, whoever owns it.
            span = (-1, -1) if row.unanswerable else (start, end)
            places = locate_in_each(row.windows, span, encoder.max_answer_tokens).tolist()
            for window, (first, last) in zip(row.windows, places, strict=True):
                _append(features, window, start_positions=first, end_positions=last)
    return _padded(features, encoder) if boxes else features


def features_for_prediction(
    batch: Mapping[str, Sequence[Any]], tokenizer: Any, *, boxes: bool = False, max_length: int = 512
) -> dict[str, list[Any]]:
    """Rows → one feature per window, to be predicted; every row has at least one. Arguments as `features_for_training`.

    Returns:
        The model's inputs, and for `decode_predictions` the row's id (`row_id`), the characters of each token
        (`offsets`, −1 outside the document) and whether a span may start at it in this window (`starts`).
    """
    encoder = _encoder(tokenizer, max_length, boxes)
    features = _empty(encoder, *PREDICTION)
    for row in encode_rows(_rows(batch), encoder):
        for window in row.windows:
            _append(features, window, row_id=row.id, offsets=window.offsets.tolist(), starts=window.starts.tolist())
    return _padded(features, encoder) if boxes else features


def decode_predictions(
    features: Dataset, logits: Sequence[np.ndarray], rows: Dataset, *, max_answer_tokens: int = 80
) -> Dataset:
    """The best span of each row over all its windows, or "no answer" where that is more probable; with its boxes.

    Args:
        features: of `features_for_prediction`, in the order in which they were predicted.
        logits: start and end logits, each (features, tokens), padded or not.
        rows: the rows that the features were made of, with `id, context, words, boxes` (and `pages`), in the same
            order.
        max_answer_tokens: the longest span.

    Returns:
        One row per row: `id`, `prediction` (text of `context`, "" for no answer), `start`, `end` (characters, −1),
        `score` and `null_score` (log-probabilities, normalised over all windows), `word_start`, `word_end`,
        `answer_boxes`, `answer_page`.

    Raises:
        DataError: features and logits, or features and rows, are not of the same number or order; logits are NaN.
    """
    from datasets import Dataset

    start, end = logits[0], logits[1]
    if not len(features) == len(start) == len(end):
        raise DataError(
            f"{len(features)} features have {len(start)} and {len(end)} rows of logits",
            mend="Predict the dataset of features_for_prediction whole and in its order.",
        )
    table = features.with_format(None).select_columns(list(PREDICTION))
    names = ["id", "context", "words", "boxes", *(["pages"] if "pages" in rows.column_names else [])]
    wanted = rows.with_format(None).select_columns(names)
    predictions, ids = _decode_all(table, start, end, max_answer_tokens)
    batch = wanted[:]
    if ids != list(batch["id"]):
        raise DataError(
            "The features are not of these rows", mend="Give the rows that features_for_prediction got, in their order."
        )
    if broken := next((row_id for row_id, p in zip(ids, predictions, strict=True) if p.score != p.score), None):
        raise DataError("The logits are not numbers: the training diverged", id=broken, mend="Lower the learning rate.")
    spans = [(p.start, p.end) for p in predictions]
    texts = [c[max(0, s) : max(0, e)] for c, (s, e) in zip(batch["context"], spans, strict=True)]
    columns = {"id": ids, "prediction": texts, "start": [s for s, _ in spans], "end": [e for _, e in spans]}
    scores = {"score": [p.score for p in predictions], "null_score": [p.null_score for p in predictions]}
    return Dataset.from_dict({**columns, **scores, **answer_places(batch, spans)}, features=_features())


def _features() -> Any:
    from datasets import Features, List, Value

    number, real, text = Value("int32"), Value("float64"), Value("string")
    kinds = {"id": text, "prediction": text, "start": number, "end": number, "score": real, "null_score": real}
    return Features(
        {**kinds, "word_start": number, "word_end": number, "answer_boxes": List(List(number)), "answer_page": number}
    )


def _decode_all(
    table: Dataset, start: np.ndarray, end: np.ndarray, max_answer_tokens: int
) -> tuple[list[Prediction], list[str]]:
    """Predictions and ids of all rows; some rows at a time, since scores take tokens × `max_answer_tokens` numbers."""
    ids = table["row_id"][:]
    firsts = [i for i, row_id in enumerate(ids) if not i or row_id != ids[i - 1]]
    predictions: list[Prediction] = []
    for some in range(0, len(firsts), ROWS_AT_ONCE):
        bounds = [*firsts[some : some + ROWS_AT_ONCE + 1], len(ids)][: ROWS_AT_ONCE + 1]
        part = table[bounds[0] : bounds[-1]]
        windows = [
            Window({}, np.array(offsets), np.array(starts))
            for offsets, starts in zip(part["offsets"], part["starts"], strict=True)
        ]
        none = np.zeros((0, 3), dtype=np.int64)
        rows = [
            EncodedRow(ids[a], 0, tuple(windows[a - bounds[0] : b - bounds[0]]), none, none)
            for a, b in pairwise(bounds)
        ]
        batch = collate(rows, [row.answer for row in rows], None)
        width = batch.starts.shape[1]
        first, last = (torch.as_tensor(values[bounds[0] : bounds[-1], :width]) for values in (start, end))
        predictions += decode(span_scores(first, last, batch, max_answer_tokens), batch, rows)
    return predictions, [ids[first] for first in firsts]


def _encoder(tokenizer: Any, max_length: int, boxes: bool) -> CheckpointEncoder:
    if tokenizer.padding_side != "right":  # a collator that pads on the left moves the tokens that positions count
        mend = "Set tokenizer.padding_side = 'right'."
        raise TrainingError("The tokenizer pads on the left", model=tokenizer.name_or_path, mend=mend)
    return CheckpointEncoder(tokenizer, max_length=max_length, boxes=boxes)


def _rows(batch: Mapping[str, Sequence[Any]], *more: str) -> Iterator[dict[str, Any]]:
    """The columns that are read, and no others: an image would be decoded."""
    if missing := [name for name in (*READS, *more) if name not in batch]:
        raise DataError(
            f"The columns {missing} are missing", mend="Load with hf_mbdc.load_dataset, annotate with hf_mbdc.annotate."
        )
    columns = {name: batch[name] for name in (*READS, *more, "pages") if name in batch}
    for name, values in columns.items():
        if not isinstance(values, Sequence):
            what = f"The rows are formatted: a column is a {type(values).__name__}"
            raise DataError(what, column=name, mend="Map over ds.with_format(None).")
    return (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))


def _report(encoded: Sequence[EncodedRow]) -> None:
    left_out = Counter(row.left_out for row in encoded if row.left_out)
    widened = sum(row.widened for row in encoded)
    if left_out:
        reasons = ", ".join(f"{count} × {reason}" for reason, count in left_out.most_common())
        logger.warning("%d of %d rows give no training feature: %s", left_out.total(), len(encoded), reasons)
    if widened:
        logger.warning("%d of %d answers begin or end inside a token: the whole token is taken", widened, len(encoded))


def _empty(encoder: CheckpointEncoder, *more: str) -> dict[str, list[Any]]:
    return {name: [] for name in (*encoder.padding, *more)}


def _append(features: dict[str, list[Any]], window: Window, **more: Any) -> None:
    for name, value in (window.inputs | more).items():
        features[name].append(value.tolist() if isinstance(value, np.ndarray) else value)


def _padded(features: dict[str, list[Any]], encoder: CheckpointEncoder) -> dict[str, list[Any]]:
    """Every window as long as a window may be; `offsets` and `starts` stay as they are."""
    for name, filler in encoder.padding.items():
        for values in features[name]:
            values += [[filler] * 4 if name == "bbox" else filler] * (encoder.max_length - len(values))
    return features
