"""`annotate`: gives a dataset, a dict of splits or a stream the columns that an approach needs."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import logging
import sys
import unicodedata
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from hf_mbdc.approaches._checks import LeftOut, check_approach, check_workload, describe_left_out, wanted_columns
from hf_mbdc.approaches._fit import fit
from hf_mbdc.errors import DataError
from hf_mbdc.transforms.checks import check_columns, check_id_values, check_ids

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset, DatasetDict, Features, IterableDataset, IterableDatasetDict

    AnyDataset = TypeVar("AnyDataset", Dataset, DatasetDict, IterableDataset, IterableDatasetDict)
    MapDataset = TypeVar("MapDataset", Dataset, DatasetDict)

logger = logging.getLogger(__name__)
REASON = "mbdc_reason"  # holds the reason of a rejected row on its way; never in a result


class Approach(Protocol):
    """What `annotate` asks of an approach."""

    @property
    def name(self) -> str:
        """As recipes and manifests name it."""
        ...

    @property
    def reads(self) -> Features:
        """The columns that it needs."""
        ...

    @property
    def adds(self) -> Features:
        """The columns that it makes; equal names are replaced."""
        ...

    def try_transform(self, batch: Mapping[str, Sequence[Any]]) -> tuple[dict[str, list[Any]], list[str | None]]:
        """The new columns of a batch, and for each row the reason why it could not be annotated, or None."""
        ...


def annotate(ds: AnyDataset, approach: Approach, *, num_proc: int | None = None, batch_size: int = 1000) -> AnyDataset:
    """Adds the columns of an approach to a dataset, to every split of a dict, or to a stream.

    Rows that cannot be annotated (say, a document without words) are left out; a warning says how many, why and the
    first one. `annotate_with_rejected` gives them too. Columns of the same names are replaced. An approach that learns
    from the data (`ExtractiveQA(choose="learned")`) does so first, see `fit`. The result does not depend on `num_proc`,
    `batch_size` or the order of the rows.

    Args:
        ds: a `Dataset`, `DatasetDict`, `IterableDataset` or `IterableDatasetDict` with the columns `approach.reads`.
        approach: e.g. `ExtractiveQA()`.
        num_proc: processes; None works in this one. Streams know only this one.
        batch_size: rows per call.

    Raises:
        DataError: a column is missing or of another type, an id is missing or not unique, a split is empty, or no row
            of a split can be annotated; or the approach has to learn, and the rows are too few or a stream. A stream's
            ids are checked batch by batch.
        RecipeError: `approach` is none, or `num_proc` or `batch_size` is no number of at least 1.

    Example:
        >>> from datasets import Dataset
        >>> from hf_mbdc.approaches.extractive_qa import ExtractiveQA
        >>> features = ExtractiveQA().reads
        >>> ds = Dataset.from_dict({"id": ["0"], "question": ["total"], "words": [["RM9.00"]], "boxes": [[]],
        ...                         "context": ["RM9.00"], "answers": [["9.00"]]}, features=features)
        >>> annotate(ds, ExtractiveQA())[0]["answer_start"]
        2
    """
    from datasets import DatasetDict, IterableDataset, IterableDatasetDict

    check_approach(approach)
    check_workload(num_proc, batch_size)
    if isinstance(ds, IterableDataset | IterableDatasetDict):
        approach = fit(ds, approach)  # raises where there is something to learn
    if isinstance(ds, IterableDatasetDict):
        return IterableDatasetDict({split: _stream(part, approach, batch_size) for split, part in ds.items()})
    if isinstance(ds, IterableDataset):
        return _stream(ds, approach, batch_size)
    annotated, rejected = annotate_with_rejected(ds, approach, num_proc=num_proc, batch_size=batch_size)
    for split, part in annotated.items() if isinstance(annotated, DatasetDict) else [(None, annotated)]:
        if not len(part):
            first = next(row for row in rejected if split in (None, row["split"]))
            raise DataError(
                f"No row can be annotated; the first one: {first['reason']}",
                split=split,
                id=first["id"],
                mend="Mend the documents.",
            )
    _warn([LeftOut(**row) for row in rejected])
    return annotated


def annotate_with_rejected(
    ds: MapDataset, approach: Approach, *, num_proc: int | None = None, batch_size: int = 1000
) -> tuple[MapDataset, Dataset]:
    """The same as `annotate`, together with the rows that were left out.

    Returns:
        The annotated dataset, which may have no row left, and a `Dataset` with `id`, `split` (null for a `Dataset`
        that does not know its split) and `reason`.

    Raises:
        DataError: as `annotate`, but not for unsound rows; a stream, whose rows are not known yet.
        RecipeError: as `annotate`.
    """
    from datasets import Dataset, DatasetDict, Features, IterableDataset, IterableDatasetDict, Value

    check_approach(approach)
    check_workload(num_proc, batch_size)
    if isinstance(ds, IterableDataset | IterableDatasetDict):
        raise DataError(
            "The rejected rows of a stream cannot be known beforehand", mend="Use hf_mbdc.annotate, or load the data."
        )
    if not isinstance(ds, Dataset | DatasetDict):
        raise DataError(
            f"annotate needs a dataset, not {type(ds).__name__}", mend="Load one with hf_mbdc.load_dataset(…)."
        )
    splits = dict(ds) if isinstance(ds, DatasetDict) else {str(ds.split) if ds.split else None: ds}
    if not splits:
        raise DataError("The dataset has no split", mend="Load one with hf_mbdc.load_dataset(…).")
    for split, part in splits.items():
        check_ids(part, split)
        check_columns(part.features, wanted_columns(part.features, approach), split=split)
    approach = fit(ds, approach)
    parts: dict[str | None, Dataset] = {}
    rejected: dict[str, list[str | None]] = {"id": [], "split": [], "reason": []}
    for split, part in splits.items():
        parts[split], left_out = _annotated(part, approach, num_proc, batch_size, split)
        rejected["id"] += left_out["id"]
        rejected["reason"] += left_out["reason"]
        rejected["split"] += [split] * len(left_out["id"])
    record = Dataset.from_dict(rejected, features=Features({name: Value("string") for name in rejected}))
    return (DatasetDict(parts) if isinstance(ds, DatasetDict) else next(iter(parts.values()))), record


def _annotated(
    ds: Dataset, approach: Approach, num_proc: int | None, batch_size: int, split: str | None
) -> tuple[Dataset, dict[str, list[str]]]:
    """One split, annotated, and the ids and reasons of the rows left out."""
    import numpy as np
    from datasets import Value

    on_arrow = hasattr(approach, "transform_arrow")
    plain = ds.with_format("arrow" if on_arrow else None)
    done = plain.map(
        _ArrowTransform(approach, split) if on_arrow else _Transform(approach, split),
        batched=True,
        batch_size=batch_size,
        num_proc=min(num_proc, len(ds)) if num_proc else None,
        features=type(ds.features)({**plain.features, **approach.adds, REASON: Value("string")}),
        # datasets would hash an imported class by its name and hand out rows that older code made.
        new_fingerprint=_fingerprint(plain, approach),
        desc=f"{approach.name}{f' {split}' if split else ''}",
    )
    done = done.with_format(ds.format["type"], **ds.format["format_kwargs"])
    failed = np.array([reason is not None for reason in done.with_format(None)[REASON][:]], dtype=bool)
    if not failed.any():  # no select: an indices mapping makes every later write slow
        return done.remove_columns(REASON), {"id": [], "reason": []}
    left_out = done.with_format(None).select(np.flatnonzero(failed)).select_columns(["id", REASON])[:]
    kept = done.select(np.flatnonzero(~failed)).remove_columns(REASON)
    return kept, {"id": left_out["id"], "reason": left_out[REASON]}


@dataclass(frozen=True)
class _Transform:
    """What `map` calls: the approach's columns with the reason beside them.

    They are checked here, because `map(features=…)` would fill a forgotten column with nulls and report an unknown one
    as a bare KeyError.
    """

    approach: Approach
    split: str | None

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        read = wanted_columns(batch, self.approach)
        columns, reasons = self.approach.try_transform({name: batch[name] for name in read})
        check_made(columns, len(reasons), len(batch["id"]), self.approach, self.split)
        return {**columns, REASON: reasons}


def check_made(columns: Mapping[str, Sized], reasons: int, rows: int, approach: Approach, split: str | None) -> None:
    """Whether an approach made the columns that it promised, with a value and a reason (or None) for each row.

    Raises:
        DataError: it did not.
    """
    if columns.keys() != set(approach.adds):
        wrong = ", ".join(sorted(set(approach.adds).symmetric_difference(columns)))
        raise DataError(
            f"The approach {approach.name!r} promised other columns than it made: {wrong}",
            split=split,
            mend="Make `adds` and the transform agree.",
        )
    for name, values in columns.items():
        if len(values) != reasons or reasons != rows:
            raise DataError(
                f"The approach {approach.name!r} made {len(values)} values for {rows} rows",
                split=split,
                column=name,
                mend="A transform returns one value per row.",
            )


@dataclass(frozen=True)
class _ArrowTransform:
    """The same for an approach with `transform_arrow`, which takes and gives Arrow columns: no row becomes Python."""

    approach: Any
    split: str | None

    def __call__(self, table: pa.Table) -> pa.Table:
        columns, reasons = self.approach.transform_arrow({name: table[name] for name in self.approach.reads})
        check_made(columns, len(reasons), len(table), self.approach, self.split)
        types = self.approach.adds.arrow_schema
        kept = table.drop_columns([name for name in (*columns, REASON) if name in table.column_names])
        for name, values in columns.items():
            kept = kept.append_column(name, values.cast(types.field(name).type))
        return kept.append_column(REASON, reasons)


@dataclass(frozen=True)
class _StreamTransform:
    """The same for a stream, whose columns and ids can only be seen as they come."""

    approach: Approach
    split: str | None

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        reads = wanted_columns(batch, self.approach)
        check_columns({name: reads.get(name) for name in batch}, reads, split=self.split)  # values have no types
        check_id_values(batch["id"], split=self.split)
        columns = _Transform(self.approach, self.split)(batch)
        pairs = zip(batch["id"], columns[REASON], strict=True)
        _warn([LeftOut(row_id, self.split, reason) for row_id, reason in pairs if reason is not None])
        return columns


def _stream(ds: IterableDataset, approach: Approach, batch_size: int) -> IterableDataset:
    from datasets import Value

    split = str(ds.split) if ds.split else None
    features = ds.features
    if features is not None:
        check_columns(features, wanted_columns(features, approach), split=split)
        features = type(features)({**features, **approach.adds, REASON: Value("string")})
    formatting = ds._formatting.format_type if ds._formatting else None  # no public name tells it of a stream
    plain = ds.with_format(None)
    done = plain.map(_StreamTransform(approach, split), batched=True, batch_size=batch_size, features=features)
    return done.filter(_is_sound, input_columns=[REASON]).remove_columns(REASON).with_format(formatting)


def _is_sound(reason: str | None) -> bool:
    return reason is None


def _warn(rows: Sequence[LeftOut]) -> None:
    if rows:
        logger.warning("%s", describe_left_out(rows))


def _fingerprint(ds: Dataset, approach: Approach) -> str:
    """Changes with the data, the options, the code that makes the columns, and what that code stands on."""
    digest = hashlib.sha256(f"{ds._fingerprint}\n{approach!r}\n{unicodedata.unidata_version}".encode())
    for dependency in ("rapidfuzz", "regex"):  # which cuts grapheme clusters
        digest.update(importlib.metadata.version(dependency).encode())
    package = Path(__file__).parents[1]
    for path in sorted([*Path(__file__).parent.glob("_*.py"), *(package / "transforms").glob("*.py")]):
        digest.update(path.read_bytes())
    module = sys.modules[type(approach).__module__]
    # A notebook's class has no module file, but its own source.
    digest.update(inspect.getsource(module if hasattr(module, "__file__") else type(approach)).encode())
    return digest.hexdigest()[:16]
