"""Word images and their texts as the rows that a recogniser is trained on and reads."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.errors import DataError
from hf_mbdc.targets.recognition.images import scale_of

if TYPE_CHECKING:
    import pyarrow as pa

    from hf_mbdc.transforms.character_rows import CharacterRows, Form, Unit

READS, LABELS = ("id", "image"), ("text",)
NO_TEXT, EMPTY_TEXT = "no text", "an empty text"


@dataclass(frozen=True)
class Word:
    """A word image and the numbers of its text, as a target encodes them.

    Args:
        pixels: uint8 (height, width), or (height, width, 3).
        labels: (characters,) int64, as the target numbers them; empty where there is no text.
        length: what a batch with this word is padded to: columns of the output, or pixels of the image.
        left_out: why the word cannot be trained on; None where it can.
    """

    id: str
    pixels: np.ndarray
    labels: np.ndarray
    length: int
    left_out: str | None = None
    document: int = 0  # words share nothing
    scale: tuple[np.float32, np.float32] = field(init=False, repr=False, compare=False)  # see `scale_of`

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", scale_of(self.pixels))

    @property
    def tokens(self) -> int:
        """What `metrics.json` counts: columns (or pixels) of the image, without padding."""
        return self.length

    def update(self, digest: hashlib._Hash) -> None:
        """Adds all that a training learns from this word to a hash."""
        digest.update(f"{self.id}\n{self.pixels.shape}\n{self.left_out is None}\n".encode())
        digest.update(self.pixels.tobytes() + self.labels.tobytes())


def check_readable(ids: Sequence[str], reasons: Sequence[str | None], split: str) -> None:
    """Raises `DataError` where an image that is to be read cannot be: a score must not depend on what was skipped."""
    broken = [(name, reason) for name, reason in zip(ids, reasons, strict=True) if reason is not None]
    if broken:
        name, reason = broken[0]
        what = f"{len(broken)} of {len(ids)} images cannot be read; the first one is {reason}"
        mend = "Mend these rows, or leave them out of the split."
        raise DataError(what, split=split, id=name, column="image", mend=mend)


def charset_of(charset: str, texts: pa.ChunkedArray | None, form: Form | None, unit: Unit) -> tuple[str, ...]:
    """What a new recogniser reads: the given characters, and behind them those of the texts that are not among them.

    Args:
        charset: characters, one behind the other; where they could melt (jamo, flags), each on a line of its own.
        texts: nulls hold none.
        form, unit: see `cut_characters`.

    Example:
        >>> import pyarrow as pa
        >>> charset_of("다가", pa.chunked_array([["나가", None]]), "NFC", "code_point")
        ('다', '가', '나')
    """
    from hf_mbdc.transforms.character_rows import split_characters

    given = split_characters(charset.split("\n"), form, unit)
    if texts is None:
        return given
    rows = _cut(texts, form, unit)
    found = {rows.name(code) for code in np.unique(rows.codes).tolist()}
    return (*given, *sorted(found - set(given)))


def number_texts(
    texts: pa.ChunkedArray, characters: Sequence[str], form: Form | None, unit: Unit, ids: Sequence[str]
) -> list[np.ndarray]:
    """The texts as numbers of characters, from 1; a null has none.

    Raises:
        DataError: a text has a character that is not among `characters`.
    """
    rows = _cut(texts, form, unit)
    codes, inverse = np.unique(rows.codes, return_inverse=True)
    number_of = {character: number for number, character in enumerate(characters, start=1)}
    numbers = np.array([number_of.get(rows.name(code), 0) for code in codes.tolist()], np.int64)
    if not numbers.all():
        missing = [rows.name(code) for code in codes[numbers == 0].tolist()]
        first = int(rows.row_of(np.flatnonzero(numbers[inverse] == 0)[:1])[0])
        raise DataError(
            f"The texts have {len(missing)} characters that the model cannot write, such as {missing[:10]}",
            id=ids[first],
            column="text",
            mend="Train a new ctc_recogniser with these characters in its charset, or leave such rows out.",
        )
    return np.split(numbers[inverse], rows.offsets[1:-1])


def _cut(texts: pa.ChunkedArray, form: Form | None, unit: Unit) -> CharacterRows:
    import pyarrow.compute as pc

    from hf_mbdc.transforms.character_histogram import plain_strings
    from hf_mbdc.transforms.character_rows import cut_characters

    return cut_characters(plain_strings(pc.fill_null(texts, "").combine_chunks()), form, unit)
