"""What `annotate` gives does not depend on how it is run: processes, batch size, order and neighbours of the rows."""

from __future__ import annotations

from typing import Any

import pytest
from datasets import Dataset, concatenate_datasets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_mbdc import ExtractiveQA, annotate, annotate_with_rejected
from hf_mbdc.revisions.content_hash import content_hash

PAGES = (
    [["SHOP"], ["RICE", "9.00"], ["TOTAL", "9.00"], ["CASH", "10.00"]],
    [["서울은"], ["대한민국의", "수도이다"], ["서울에서", "부산까지"]],
    [["TOTAL"], ["T0TAL", "9.O0"], ["9.00", "9.00", "9.00"]],
)
ANSWERS = (["9.00"], ["서울"], ["TOTAL"], ["10.00", "9.00"], [], ["nowhere at all"], ["부산"])


def row(number: int, page: int, answers: int, boxes: bool) -> dict[str, Any]:
    lines = PAGES[page]
    words = [word for line in lines for word in line]
    places = [[300 * x, 50 * y, 300 * x + 200, 50 * y + 40] for y, line in enumerate(lines) for x in range(len(line))]
    made = {"id": f"{number:04}", "question": "What is the total?", "words": words, "boxes": places if boxes else []}
    return {**made, "context": "\n".join(" ".join(line) for line in lines), "answers": ANSWERS[answers]}


def dataset(rows: list[dict[str, Any]]) -> Dataset:
    return Dataset.from_list(rows, features=ExtractiveQA().reads)


ROWS = st.lists(
    st.tuples(st.integers(0, len(PAGES) - 1), st.integers(0, len(ANSWERS) - 1), st.booleans()), min_size=1, max_size=12
)


@settings(deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=ROWS, batch_size=st.integers(1, 13), seed=st.integers(0, 99), data=st.data())
def test_batches_and_order_do_not_matter(
    kinds: list[tuple[int, int, bool]], batch_size: int, seed: int, data: st.DataObject
) -> None:
    approach = ExtractiveQA(choose="random", seed=seed)
    rows = [row(number, *kind) for number, kind in enumerate(kinds)]
    expected = content_hash(annotate(dataset(rows), approach))
    order = data.draw(st.permutations(range(len(rows))))
    shuffled = annotate(dataset([rows[i] for i in order]), approach, batch_size=batch_size)
    assert content_hash(shuffled.sort("id")) == expected
    selected = annotate(dataset(rows[::-1]).select(range(len(rows) - 1, -1, -1)), approach, batch_size=batch_size)
    assert content_hash(selected) == expected
    stream = annotate(dataset(rows).to_iterable_dataset(), approach, batch_size=batch_size)
    assert content_hash(Dataset.from_list(list(stream), features=stream.features)) == expected
    alone = concatenate_datasets([annotate(dataset([one]), approach) for one in rows])
    assert content_hash(alone) == expected


@pytest.mark.parametrize(("num_proc", "batch_size"), [(2, 3), (3, 1000), (5, 1)])
def test_processes_do_not_matter(num_proc: int, batch_size: int) -> None:
    """Borders of the processes' parts fall between the questions of one document, too."""
    rows = [row(number, number // 4 % 3, number % len(ANSWERS), number % 8 < 4) for number in range(22)]
    rows[7]["boxes"] = [[9, 9, 1, 1]] * len(rows[7]["words"])
    one, rejected = annotate_with_rejected(dataset(rows), ExtractiveQA())
    several, also = annotate_with_rejected(dataset(rows), ExtractiveQA(), num_proc=num_proc, batch_size=batch_size)
    assert content_hash(several) == content_hash(one)
    assert rejected[:] == also[:]
    assert rejected["id"][:] == ["0007"]
