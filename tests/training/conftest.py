"""Small receipts, made by hand, with the columns of a loader and of the approach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SHOPS = ("ACME", "BOLT", "CORN", "DUSK", "EAST", "FERN")
QUESTIONS = {"company": "What is the company?", "total": "What is the total?"}


def receipt(number: int) -> list[dict[str, Any]]:
    """Two rows; the total stands twice, and the right one is behind TOTAL."""
    shop, amount = SHOPS[number % len(SHOPS)], f"{number}.50"
    lines = [[shop, "SHOP"], ["RICE", amount], ["TOTAL", amount], ["CASH", "99.00"]]
    context = "\n".join(" ".join(line) for line in lines)
    words = [word for line in lines for word in line]
    boxes = [[400 * x, 100 * y, 400 * x + 200, 100 * y + 50] for y in range(len(lines)) for x in range(2)]
    first = context.index(amount)
    last = context.index(amount, first + 1)
    spans = {"company": [(0, len(shop))], "total": [(first, first + len(amount)), (last, last + len(amount))]}
    return [
        {
            "id": f"{number:03}-{key}",
            "document_id": f"{number:03}",
            "key": key,
            "question": question,
            "words": words,
            "boxes": boxes,
            "context": context,
            "answers": [context[spans[key][0][0] : spans[key][0][1]]],
            "answer_start": spans[key][-1][0],
            "answer_end": spans[key][-1][1],
            "candidates": [{"start": start, "end": end, "score": 1.0} for start, end in spans[key]],
        }
        for key, question in QUESTIONS.items()
    ]


@pytest.fixture(scope="session")
def rows() -> list[dict[str, Any]]:
    return [row for number in range(6) for row in receipt(number)]


@pytest.fixture(scope="session")
def data(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of `save_to_disk` with the splits `train` and `test`."""
    from datasets import Dataset, DatasetDict

    folder = tmp_path_factory.mktemp("data") / "receipts"
    splits = {"train": Dataset.from_list(rows), "test": Dataset.from_list([r for n in (7, 8) for r in receipt(n)])}
    DatasetDict(splits).save_to_disk(folder)
    return folder
