"""`fit`: what an approach has to learn from the data before it can annotate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from hf_mbdc.approaches._checks import check_approach, wanted_columns
from hf_mbdc.errors import DataError
from hf_mbdc.transforms.checks import check_columns, check_ids

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

A = TypeVar("A")


def fit(ds: Dataset | DatasetDict | IterableDataset | IterableDatasetDict, approach: A) -> A:
    """The approach with what it learns from a dataset; the same one where it has nothing to learn.

    `annotate` does this by itself. Do it beforehand to annotate a stream, or several datasets alike; what was learned
    is plain data in the fields of the approach, and `approach.options()` makes JSON of it. It depends on the rows and
    their ids, not on their order.

    Args:
        ds: rows to learn from, with the columns `approach.reads`; a `DatasetDict` teaches with its `train` split.
            `TextRecognition`, which only counts, also learns from a stream, which it reads once.
        approach: e.g. `ExtractiveQA(choose="learned")`, `TextRecognition()`.

    Raises:
        DataError: a stream that cannot teach, a missing column or id, or too few rows to learn from.
        RecipeError: `approach` is none.

    Example:
        >>> approach = fit(ds, ExtractiveQA(choose="learned"))  # doctest: +SKIP
        >>> stream = annotate(stream, approach)  # doctest: +SKIP
    """
    from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

    check_approach(approach)
    if not getattr(approach, "learns", False):
        return approach
    if isinstance(ds, IterableDataset | IterableDatasetDict) and getattr(approach, "learns_from_streams", False):
        return _fit_stream(ds, approach)
    if not isinstance(ds, Dataset | DatasetDict):
        raise DataError(
            f"An approach learns from a dataset, not from {type(ds).__name__}",
            mend="Load some rows of the stream, for example Dataset.from_list(list(stream.take(10_000))).",
        )
    learner: Any = approach
    splits = dict(ds) if isinstance(ds, DatasetDict) else {str(ds.split) if ds.split else None: ds}
    for split, part in splits.items():
        check_ids(part, split)
        check_columns(part.features, wanted_columns(part.features, learner), split=split)
    fitted: A = learner.fit(splits)
    return fitted


def _fit_stream(ds: IterableDataset | IterableDatasetDict, approach: Any) -> Any:
    from datasets import IterableDatasetDict

    splits = dict(ds) if isinstance(ds, IterableDatasetDict) else {str(ds.split) if ds.split else None: ds}
    for split, part in splits.items():
        if part.features is not None:
            check_columns(part.features, wanted_columns(part.features, approach), split=split)
    return approach.fit(splits)
