"""Small images and LMDB files for the tests of word images."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from PIL import Image


def image_file(grey: int = 0, size: tuple[int, int] = (8, 4), kind: str = "PNG") -> bytes:
    """An image file of one grey value."""
    buffer = BytesIO()
    Image.new("L", size, grey).save(buffer, format=kind)
    return buffer.getvalue()


def write_lmdb(folder: Path, entries: dict[bytes, bytes]) -> None:
    """An LMDB as the STR benchmarks have it."""
    import lmdb

    folder.mkdir(parents=True, exist_ok=True)
    with lmdb.open(str(folder), map_size=1 << 20) as environment, environment.begin(write=True) as transaction:
        for key, value in entries.items():
            transaction.put(key, value)


def samples(*pairs: tuple[bytes, str]) -> dict[bytes, bytes]:
    """The entries of an LMDB of these images and labels."""
    entries = {b"num-samples": str(len(pairs)).encode()}
    for number, (image, label) in enumerate(pairs, start=1):
        entries[b"image-%09d" % number] = image
        entries[b"label-%09d" % number] = label.encode()
    return entries
