"""Batches: every row once, documents together, the same order for the same seed and epoch."""

from __future__ import annotations

from itertools import chain
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.training.config import TrainingConfig
from hf_mbdc.training.order import epoch_batches, steps_by_epoch


def rows_of(documents: list[int]) -> list[SimpleNamespace]:
    """`documents[i]` questions to document i."""
    return [SimpleNamespace(document=d, length=10 + d) for d, count in enumerate(documents) for _ in range(count)]


DOCUMENTS = st.lists(st.integers(1, 9), min_size=1, max_size=20)


@given(documents=DOCUMENTS, size=st.integers(1, 8), together=st.booleans(), seed=st.integers(0, 3))
def test_every_row_is_in_one_batch(documents: list[int], size: int, together: bool, seed: int) -> None:
    rows = rows_of(documents)
    batches = epoch_batches(rows, size, seed=seed, epoch=0, together=together)
    assert sorted(index for batch in batches for index in batch) == list(range(len(rows)))
    assert all(1 <= len(batch) <= size for batch in batches)


@given(documents=DOCUMENTS, size=st.integers(4, 8))
def test_documents_stay_together(documents: list[int], size: int) -> None:
    rows = rows_of([min(count, 4) for count in documents])
    batches = epoch_batches(rows, size, seed=0, epoch=0, together=True)
    in_batches = [{rows[index].document for index in batch} for batch in batches]
    assert sum(map(len, in_batches)) == len(documents)


def test_order_depends_on_seed_and_epoch_only() -> None:
    rows = rows_of([4] * 30)
    orders = [epoch_batches(rows, 8, seed=seed, epoch=epoch) for seed, epoch in ((0, 0), (0, 0), (1, 0), (0, 1))]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2] != orders[3] != orders[0]


def test_the_rows_of_a_long_document_are_mixed_too() -> None:
    rows = rows_of([40])
    orders = [epoch_batches(rows, 4, seed=0, epoch=epoch, together=True) for epoch in range(2)]
    assert {frozenset(batch) for batch in orders[0]} != {frozenset(batch) for batch in orders[1]}


def test_batches_need_little_padding() -> None:
    rows = rows_of([1] * 256)
    lengths = [[rows[i].length for i in batch] for batch in epoch_batches(rows, 4, seed=0, epoch=0)]
    assert sum(max(batch) * len(batch) for batch in lengths) < 1.05 * sum(map(sum, lengths))


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_every_process_has_as_many_batches(processes: int) -> None:
    batches = epoch_batches(rows_of([1] * 9), 2, seed=0, epoch=0, processes=processes)
    assert len(batches) == -(-5 // processes) * processes
    assert {index for batch in batches for index in batch} == set(range(9))


def test_epochs_give_as_many_steps_as_they_take() -> None:
    epochs = steps_by_epoch(rows_of([1] * 9), TrainingConfig(epochs=2, batch_size=4))
    assert [len(epoch) for epoch in epochs] == [3, 3]
    assert [[step] for step in epoch_batches(rows_of([1] * 9), 4, seed=0, epoch=1)] == epochs[1]


@pytest.mark.parametrize(("max_steps", "lengths"), [(1, [1]), (3, [3]), (4, [3, 1]), (7, [3, 3, 1])])
def test_max_steps_cut_the_last_epoch_whatever_the_epochs(max_steps: int, lengths: list[int]) -> None:
    rows = rows_of([1] * 9)
    epochs = steps_by_epoch(rows, TrainingConfig(epochs=1, max_steps=max_steps, batch_size=4))
    assert [len(epoch) for epoch in epochs] == lengths
    whole = steps_by_epoch(rows, TrainingConfig(epochs=3, batch_size=4))
    assert list(chain(*epochs)) == list(chain(*whole))[:max_steps]


def test_max_steps_count_those_of_all_processes_once() -> None:
    epochs = steps_by_epoch(rows_of([1] * 9), TrainingConfig(max_steps=4, batch_size=2), processes=2)
    assert [len(epoch) for epoch in epochs] == [3, 1]
    assert {len(step) for epoch in epochs for step in epoch} == {2}
