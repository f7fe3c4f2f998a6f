"""Opening a data set: one raw format a file, each a `datasets` builder class.

`sroie` (scanned receipts), `squad` (SQuAD 1.1, 2.0, XQuAD), `docvqa`, `mp_docvqa` (several pages), `ocr` (Textract's
JSON, hOCR and ALTO with a file of questions) and `made_receipts` (receipts made by this project) are documents with
questions; `word_images` (a folder with a file of labels), `icdar_words`, `lmdb_words` (benchmarks of scene text
recognition) and `sroie_words` (lines cut out of receipts) are images with texts; `word_list` is words with counts;
`made_problems` is prompts whose answers can be verified.
Every other name goes to `datasets.load_dataset`.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError, RecipeError

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

    from hf_mbdc.loaders.builder import DocumentBuilder

logger = logging.getLogger(__name__)

LOADERS = {
    "docvqa": ("hf_mbdc.loaders.docvqa", "DocVQA"),
    "icdar_words": ("hf_mbdc.loaders.icdar_words", "IcdarWords"),
    "lmdb_words": ("hf_mbdc.loaders.lmdb_words", "LmdbWords"),
    "made_problems": ("hf_mbdc.loaders.made_problems", "MadeProblems"),
    "made_receipts": ("hf_mbdc.loaders.made_receipts", "MadeReceipts"),
    "mp_docvqa": ("hf_mbdc.loaders.mp_docvqa", "MPDocVQA"),
    "ocr": ("hf_mbdc.loaders.ocr", "Ocr"),
    "squad": ("hf_mbdc.loaders.squad", "Squad"),
    "sroie": ("hf_mbdc.loaders.sroie", "Sroie"),
    "sroie_words": ("hf_mbdc.loaders.sroie_words", "SroieWords"),
    "word_images": ("hf_mbdc.loaders.word_images", "WordImages"),
    "word_list": ("hf_mbdc.loaders.word_list", "WordList"),
}
REASONS_SHOWN = 3  # in the warning about documents that were set aside
MISSPELT = 2  # edits (a swap is one) from a name of ours to one that is taken for a slip


@dataclass(frozen=True)
class Loaded:
    """A data set with what was left out of it.

    `rejected` has a row (`document_id`, `reason`) for every document, or question of one, that was set aside; `mended`
    has one for every document that was used after a repair, such as a box that was clipped to the page.
    """

    dataset: DatasetDict
    rejected: Dataset
    mended: Dataset


def load_dataset(
    name: str,
    data_dir: str | Path | None = None,
    *,
    split: str | None = None,
    streaming: bool = False,
    **options: Any,
) -> DatasetDict | Dataset | IterableDatasetDict | IterableDataset:
    """Loads a data set by the loader `name`, or by `datasets.load_dataset` when none of ours has that name.

    Args:
        name: of `LOADERS`, such as `"sroie"`, `"squad"`, `"word_images"`, or anything that `datasets.load_dataset`
            takes.
        data_dir: the folder of the raw files (for `squad` also a file, for `word_list` the file).
        split: one split (`"train"`, `"test[:10%]"`) in place of all.
        streaming: rows are made while they are read, and nothing is cached.
        **options: of our loaders `split_by` (`"document"`; receipts also `"vendor"`), `split_fractions`
            (0.6, 0.15, 0.25), `seed` (0), and what the loader's config adds; otherwise those of
            `datasets.load_dataset`.

    Returns:
        A `DatasetDict`, or a `Dataset` with `split`; the iterable kinds with `streaming`. A document that cannot be
        used is set aside: a warning says how many and why, and `hf_mbdc.load_with_rejected` returns them.

    Raises:
        DataError: no such data set, folder or split; no document that can be used.
        RecipeError: an option that the loader does not have, or of the wrong type.

    Example:
        >>> receipts = load_dataset("made_receipts", documents=20, split_fractions=(0, 0, 1), split="test")
        >>> receipts[2]["question"]
        'What is the address of the company?'
    """
    name = _check_name(name)
    if name not in LOADERS:
        return _load_elsewhere(name, data_dir, split=split, streaming=streaming, **options)
    if streaming:
        return _read(_builder(name, data_dir, options).as_streaming_dataset, split)
    builder, rejected, mended = _prepare(name, data_dir, options)
    _warn(name, rejected, mended)
    return _read(builder.as_dataset, split)


def load_with_rejected(name: str, data_dir: str | Path | None = None, **options: Any) -> Loaded:
    """Loads a whole data set together with the documents that were set aside, and why.

    Args and errors are those of `load_dataset`. Of a data set that is none of ours nothing is set aside, and one that
    `datasets` gives without splits becomes the split `train`.

    Example:
        >>> loaded = load_with_rejected("made_receipts", documents=20, split_fractions=(0, 0, 1))
        >>> loaded.dataset["test"].num_rows, loaded.rejected.num_rows
        (80, 0)
    """
    name = _check_name(name)
    if name not in LOADERS:
        none = _as_findings([])
        return Loaded(_as_splits(_load_elsewhere(name, data_dir, **options)), none, none)
    builder, rejected, mended = _prepare(name, data_dir, options)
    _warn(name, rejected, mended)
    return Loaded(builder.as_dataset(), rejected, mended)


def _check_name(name: object) -> str:
    if isinstance(name, str | Path) and str(name).strip():
        return str(name)
    mend = f"Name one of ours ({', '.join(LOADERS)}), a folder, or a set on the Hub with its owner."
    raise DataError(f"A data set is named by text, not by {name!r}", mend=mend)


def _load_elsewhere(name: str, data_dir: str | Path | None, **options: Any) -> Any:
    """What `datasets` makes of a name that is none of ours."""
    import datasets
    from rapidfuzz.distance import OSA

    plain = name.casefold()
    near = min(LOADERS, key=lambda own: OSA.distance(plain, own))
    # Of a short name two edits are most of it: 'oscar' is no slip of 'ocr'.
    if OSA.distance(plain, near) <= min(MISSPELT, len(near) // 3) and not Path(name).exists():
        mend = f"Did you mean {near!r}? A set on the Hub is named with its owner, as in 'rajpurkar/squad'."
        raise DataError(f"There is no data set {name!r}", mend=mend)
    try:
        return datasets.load_dataset(name, data_dir=None if data_dir is None else str(data_dir), **options)
    except (FileNotFoundError, ConnectionError) as error:
        # Not before the attempt: 'squad_v2' is near to one of ours, and a set on the Hub.
        close = difflib.get_close_matches(plain, LOADERS, n=1)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        ours = ", ".join(LOADERS)
        mend = f"{hint}Our loaders are {ours}; any other name is a set on the Hub (with its owner) or a folder. {error}"
        raise DataError(f"There is no data set {name!r} that can be reached", mend=mend) from error
    except (datasets.exceptions.DatasetsError, ValueError, TypeError) as error:
        said = str(error.__cause__ or error).strip().split("\n")[0].rstrip(".")
        mend = "Mend what it names. All options went to datasets.load_dataset as they are."
        raise DataError(f"datasets cannot load {name!r}: {said}", mend=mend) from error


def _as_splits(loaded: Any) -> DatasetDict:
    from datasets import Dataset, DatasetDict

    if isinstance(loaded, DatasetDict):
        return loaded
    if isinstance(loaded, Dataset):
        return DatasetDict(train=loaded)
    raise DataError(
        f"What was set aside cannot be told of {type(loaded).__name__}",
        mend="Leave out streaming, and name one split or none.",
    )


def _builder(
    name: str, data_dir: str | Path | None, options: dict[str, Any], config_name: str = "default", input_hash: str = ""
) -> DocumentBuilder:
    from datasets import BuilderConfig

    module, class_name = LOADERS[name]
    kind: type[DocumentBuilder] = getattr(importlib.import_module(module), class_name)
    inner = {f.name for f in dataclasses.fields(BuilderConfig)} | {"input_hash"}
    known = sorted({f.name for f in dataclasses.fields(kind.BUILDER_CONFIG_CLASS)} - inner)
    for option in sorted(set(options) - set(known)):
        near = difflib.get_close_matches(option, known, n=1)
        mend = f"Did you mean {near[0]!r}?" if near else f"Its options are {', '.join(known)}."
        raise RecipeError(f"The loader {name!r} has no option {option!r}", key=option, mend=mend)
    folder = None if data_dir is None else str(data_dir)
    return kind(config_name=config_name, data_dir=folder, input_hash=input_hash, **options)


def _prepare(
    name: str, data_dir: str | Path | None, options: dict[str, Any]
) -> tuple[DocumentBuilder, Dataset, Dataset]:
    """The builder with its data in the cache, and what was rejected and mended."""
    builder = _builder(name, data_dir, options)
    builder.download_and_prepare()
    # The files were hashed a moment ago; the second builder need not read them all again.
    report = _builder(name, data_dir, options, "report", builder.config.input_hash)
    report.download_and_prepare()
    rejected = _findings(report, "rejected")
    # `datasets` cannot read a split without rows: say which it is before it fails with less.
    empty = [split for split, info in builder.info.splits.items() if not info.num_examples]
    if empty:
        first = f"The first one, {rejected[0]['document_id']}: {rejected[0]['reason']}"
        raise DataError("All documents of the split were set aside", split=empty[0], mend=first)
    return builder, rejected, _findings(report, "mended")


def _read(read: Callable[..., Any], split: str | None) -> Any:
    try:
        return read(split=split)
    except ValueError as error:  # of `datasets`, which names the splits that there are
        raise DataError(f"The split cannot be read: {str(error).rstrip('.')}", split=split) from error


def _findings(report: DocumentBuilder, kind: str) -> Dataset:
    rows: list[dict[str, str]] = []
    if report.info.splits["report"].num_examples:  # without rows it could not be read
        rows = [row for row in report.as_dataset(split="report").to_list() if row["kind"] == kind]
    return _as_findings(rows)


def _as_findings(rows: Sequence[Mapping[str, str]]) -> Dataset:
    from datasets import Dataset, Features, Value

    columns = {name: [row[name] for row in rows] for name in ("document_id", "reason")}
    return Dataset.from_dict(columns, features=Features({name: Value("string") for name in columns}))


def _warn(name: str, rejected: Dataset, mended: Dataset) -> None:
    for field, what, findings in (("rejected", "set aside", rejected), ("mended", "mended", mended)):
        if not len(findings):
            continue
        shown = [f"{row['document_id']}: {row['reason']}" for row in findings.to_list()[:REASONS_SHOWN]]
        shown += [f"and {len(findings) - REASONS_SHOWN} more"] if len(findings) > REASONS_SHOWN else []
        where = f"hf_mbdc.load_with_rejected(…).{field} has all of them"
        logger.warning("%s: %d %s, %s: %s", name, len(findings), what, where, " | ".join(shown))
