"""Word images: gives rows with a `text` an `image` of it, drawn in fonts that have all of its characters.

Columns: `image` (a PNG or JPEG file in an `Image` column), `character_boxes` (x0 y0 x1 y1 in pixels of the image, one
for each grapheme of the text, in its order) and `font`. A row's image follows from its id, its text, the options, the
fonts and the versions of Pillow, HarfBuzz and OpenCV, and from nothing else: not from other rows, their order, or
processes.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.rendering.augmenting import Augmentation
from hf_mbdc.rendering.drawing import Drawer
from hf_mbdc.rendering.fonts import font_state
from hf_mbdc.transforms.checks import check_columns, check_ids
from hf_mbdc.transforms.draws import row_keys

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset, DatasetDict, Features

    AnyDataset = TypeVar("AnyDataset", Dataset, DatasetDict)

logger = logging.getLogger(__name__)
NAME = "rendering"
REASON = "mbdc_reason"  # holds the reason of a rejected row on its way; never in a result
MIN_HEIGHT, MAX_HEIGHT = 8, 1024
_PIXELS = 1 << 29  # drawn at a time, a square for each character: Arrow's columns of files end at 2 GiB


@dataclass(frozen=True)
class RenderOptions:
    """How words are drawn.

    Args:
        height: of the images, in pixels, 8 to 1024. Their width follows the word: a multiple of 8.
        augmentation: what is done to them, see `Augmentation`; None: black on white.
        fonts: where fonts come from, see `find_fonts`: `packaged` (the same ones everywhere: Hangul, ideographs, Latin,
            Greek, Cyrillic, Arabic, Hebrew), `system`, files, folders, Python packages. Each row draws one of those
            that have all of its characters; where none has, the first that has each.
        seed: other seeds give other fonts and augmentations.

    Raises:
        RecipeError: a value is out of range.
    """

    height: int = 32
    augmentation: Augmentation | None = None
    fonts: tuple[str, ...] = ("packaged",)
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.height, int) or not MIN_HEIGHT <= self.height <= MAX_HEIGHT:
            what = "The height of word images is a number of pixels"
            mend = f"Give one from {MIN_HEIGHT} to {MAX_HEIGHT}; 32 is usual."
            raise RecipeError(what, key="height", value=self.height, mend=mend)
        if not isinstance(self.augmentation, Augmentation | None):
            what, mend = "The augmentation is none", "Give Augmentation(), or None for black on white."
            raise RecipeError(what, key="augmentation", value=self.augmentation, mend=mend)
        if not isinstance(self.fonts, list | tuple):
            raise RecipeError("Fonts are a list", key="fonts", value=self.fonts, mend=f'Write ("{self.fonts}",).')
        object.__setattr__(self, "fonts", tuple(map(str, self.fonts)))


def columns(options: RenderOptions) -> Features:
    """The columns that are added."""
    from datasets import Features, Image, List, Value

    return Features(
        {
            "image": Image(mode="RGB" if options.augmentation else "L"),
            "character_boxes": List(List(Value("int32"))),
            "font": Value("string"),
        }
    )


def render(
    ds: AnyDataset,
    options: RenderOptions = RenderOptions(),
    *,
    num_proc: int | None = None,
    batch_size: int = 1000,
) -> AnyDataset:
    """Adds word images to a dataset, or to every split of a dict.

    Rows whose text cannot be shown rightly (no font has a character, it is empty, it breaks the line, …) are left out;
    a warning says how many, and why the first one. `render_with_rejected` gives them too. The images do not depend on
    `num_proc`, `batch_size` or the order of the rows.

    Args:
        ds: with the string columns `id` and `text`.
        options: height, fonts, augmentation, seed.
        num_proc: processes; None works in this one.
        batch_size: rows per call.

    Raises:
        DataError: a column is missing or of another type, an id is missing or not unique, a font cannot be used, or no
            row of a split can be drawn.
        RecipeError: a source of fonts does not exist, or `num_proc` or `batch_size` is no number of at least 1.

    Example:
        >>> from datasets import Dataset
        >>> rows = render(Dataset.from_dict({"id": ["0", "1"], "text": ["값", "넓다"]}), RenderOptions(height=48))
        >>> rows[1]["image"].height, len(rows[1]["character_boxes"])
        (48, 2)
    """
    from datasets import DatasetDict

    rendered, rejected = render_with_rejected(ds, options, num_proc=num_proc, batch_size=batch_size)
    parts = dict(rendered) if isinstance(rendered, DatasetDict) else {None: rendered}
    for split, part in parts.items():
        if not len(part):
            first = next(row for row in rejected if split in (None, row["split"]))
            raise DataError(
                f"No row can be drawn; the first one: {first['reason']}",
                split=split,
                id=first["id"],
                mend="Mend the texts, or give other fonts.",
            )
    if len(rejected):
        first, count = rejected[0], len(rejected)
        logger.warning("%d rows were left out, the first one %r: %s", count, first["id"], first["reason"])
    return rendered


def render_with_rejected(
    ds: AnyDataset,
    options: RenderOptions = RenderOptions(),
    *,
    num_proc: int | None = None,
    batch_size: int = 1000,
) -> tuple[AnyDataset, Dataset]:
    """The same as `render`, together with the rows that were left out.

    Returns:
        The rows with images, possibly none, and a `Dataset` with `id`, `split` (null for a `Dataset` that does not know
        its split) and `reason`.

    Raises:
        DataError, RecipeError: as `render`, but not where no row can be drawn.
    """
    from datasets import Dataset, DatasetDict, Features, Value, concatenate_datasets

    if not isinstance(ds, Dataset | DatasetDict):
        what = f"Word images are drawn for a Dataset or DatasetDict, not {type(ds).__name__}"
        raise DataError(what, mend="Load one with hf_mbdc.load_dataset(…).")
    for key, value in (("num_proc", num_proc), ("batch_size", batch_size)):
        if (type(value) is not int or value < 1) and (key, value) != ("num_proc", None):
            raise RecipeError(f"{key} is {value!r}", key=key, mend="Give a whole number of at least 1.")
    splits = dict(ds) if isinstance(ds, DatasetDict) else {str(ds.split) if ds.split else None: ds}
    if not splits:
        raise DataError("The dataset has no split", mend="Load one with hf_mbdc.load_dataset(…).")
    reads = Features({"id": Value("string"), "text": Value("string")})
    for split, part in splits.items():
        check_ids(part, split)
        check_columns(part.features, reads, split=split)
    fonts = font_state(options.fonts)
    _drawer(options, fonts).fonts  # noqa: B018 -- raises here, before any process is started
    parts: dict[str | None, Dataset] = {}
    left_out = []
    for split, part in splits.items():
        parts[split], rejected = _render_split(part, _Render(options, fonts), num_proc, batch_size, split)
        left_out.append(rejected)
    return (DatasetDict(parts) if isinstance(ds, DatasetDict) else next(iter(parts.values()))), concatenate_datasets(
        left_out
    )


def _render_split(
    ds: Dataset, call: _Render, num_proc: int | None, batch_size: int, split: str | None
) -> tuple[Dataset, Dataset]:
    """One split with images, and its rejected rows."""
    import numpy as np
    import pyarrow.compute as pc
    from datasets import Dataset, Features, Value

    plain = ds.with_format("arrow")
    longest = max(1, pc.max(pc.utf8_length(plain.select_columns("text")[:]["text"])).as_py() or 1)
    done = plain.map(
        call,
        batched=True,
        batch_size=min(batch_size, max(1, _PIXELS // (longest * call.options.height**2))),
        num_proc=min(num_proc, len(ds)) if num_proc else None,
        features=type(ds.features)({**plain.features, **columns(call.options), REASON: Value("string")}),
        new_fingerprint=_fingerprint(ds, call),
        desc=f"{NAME}{f' {split}' if split else ''}",
    )
    reasons = done.with_format("arrow").select_columns(REASON)[:][REASON]
    sound = np.asarray(reasons.is_null())
    done = done.with_format(ds.format["type"], **ds.format["format_kwargs"])
    rejected: dict[str, list[str | None]] = {"id": [], "split": [], "reason": []}
    if sound.all():  # no select: an indices mapping makes every later write slow
        done = done.remove_columns(REASON)
    else:
        left_out = done.with_format(None).select(np.flatnonzero(~sound)).select_columns(["id", REASON])[:]
        rejected = {"id": left_out["id"], "split": [split] * len(left_out["id"]), "reason": left_out[REASON]}
        done = done.select(np.flatnonzero(sound)).remove_columns(REASON)
    return done, Dataset.from_dict(rejected, features=Features({name: Value("string") for name in rejected}))


@dataclass(frozen=True)
class _Render:
    """What `map` calls, in each process: a table of rows → the table with images and reasons."""

    options: RenderOptions
    fonts: tuple[tuple[str, int, int], ...]  # the state of their files

    def __call__(self, rows: pa.Table) -> pa.Table:
        import pyarrow as pa

        keys = row_keys(rows["id"].to_pylist(), self.options.seed)
        drawn = _drawer(self.options, self.fonts).draw(rows["text"].to_pylist(), keys)
        valid = drawn.files.is_valid()
        made: Mapping[str, pa.Array] = {
            "image": pa.StructArray.from_arrays(
                [drawn.files, pa.nulls(len(rows), pa.string())], names=["bytes", "path"], mask=pa.compute.invert(valid)
            ),
            "character_boxes": drawn.boxes,
            "font": drawn.fonts,
            REASON: pa.array(drawn.reasons, type=pa.string()),
        }
        for name, values in made.items():
            place = rows.schema.get_field_index(name)
            rows = rows.append_column(name, values) if place < 0 else rows.set_column(place, name, values)
        return rows


@lru_cache(maxsize=2)
def _drawer(options: RenderOptions, fonts: tuple[tuple[str, int, int], ...]) -> Drawer:
    """One that keeps its fonts and glyphs from call to call, as long as the files of the fonts stay as they are."""
    return Drawer(options.fonts, options.height, options.augmentation)


def _fingerprint(ds: Dataset, call: _Render) -> str:
    """Changes with the data, the options, the fonts, the code that draws, and what that code stands on."""
    digest = hashlib.sha256(f"{ds._fingerprint}\n{call!r}\n".encode())
    for package in ("pillow", "uharfbuzz", "regex", "fonttools", "opencv-python-headless"):
        digest.update(_version(package).encode())
    package_folder = Path(__file__).parents[1]
    code = [*(package_folder / "rendering").glob("*.py"), package_folder / "transforms" / "draws.py"]
    for path in [Path(__file__), *sorted(code)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def _version(package: str) -> str:
    """Of an installed package; reading it takes as long as drawing fifty words."""
    return importlib.metadata.version(package)
