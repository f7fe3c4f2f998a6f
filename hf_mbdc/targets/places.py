"""Predicted characters → words and boxes on the page, as the approach makes them for its annotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hf_mbdc.transforms.boxes import line_boxes, page_of, word_offsets, word_range

READS = ("words", "boxes", "context")


def answer_places(batch: Mapping[str, Sequence[Any]], spans: Sequence[tuple[int, int]]) -> dict[str, list[Any]]:
    """Where on its page each predicted span lies.

    Args:
        batch: the columns `words`, `boxes` and `context` of the rows, n values each, and `pages` where there is one.
        spans: n character ranges of `context`, end exclusive; (−1, −1) is "no answer".

    Returns:
        `word_start`, `word_end` (the words that share a character with the span, inclusive; −1 = none),
        `answer_boxes` (x0 y0 x1 y1 from 0 to 1000, one per line; [] without boxes) and `answer_page` (of the first
        word, from 0; −1 = none), as `ExtractiveQA` adds them.
        `hf_mbdc.metrics.box_iou_scores` compares the boxes of two spans.

    Raises:
        ValueError: `words` are not those of `context`.

    Example:
        >>> page = {"words": [["TOTAL", "9.00"]], "context": ["TOTAL 9.00"],
        ...         "boxes": [[[0, 0, 90, 20], [100, 0, 180, 20]]]}
        >>> answer_places(page, [(6, 10)])
        {'word_start': [1], 'word_end': [1], 'answer_boxes': [[[100, 0, 180, 20]]], 'answer_page': [0]}
    """
    places: dict[str, list[Any]] = {"word_start": [], "word_end": [], "answer_boxes": [], "answer_page": []}
    offsets: dict[str, list[tuple[int, int]]] = {}  # rows of one document follow each other
    pages_of_rows = batch["pages"] if "pages" in batch else [None] * len(spans)
    columns = (batch[name] for name in READS)
    for words, boxes, context, pages, (start, end) in zip(*columns, pages_of_rows, spans, strict=True):
        if context not in offsets:
            offsets = {context: word_offsets(words, context)}
        first, last = word_range(offsets[context], start, end) if start >= 0 else (-1, -1)
        places["word_start"].append(first)
        places["word_end"].append(last)
        places["answer_boxes"].append(line_boxes(boxes, offsets[context], context, first, last, pages))
        places["answer_page"].append(page_of(pages, first))
    return places
