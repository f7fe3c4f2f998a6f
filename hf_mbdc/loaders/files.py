"""Reading the files of a data set: every failure is a `DataError` that names the file by its path inside the data
set."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.image_formats import FORMATS

if TYPE_CHECKING:
    from PIL.Image import Image

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def open_folder(data_dir: str | None, loader: str, layout: str) -> Path:
    """The data set's folder (or file), once it is known to exist."""
    mend = f"Give data_dir=… (--data-dir), the path of {layout}."
    if data_dir is None:
        raise DataError(f"The loader {loader!r} reads local files and got no data_dir", mend=mend)
    folder = Path(data_dir).expanduser()
    if not folder.exists():
        raise DataError("There is no such folder", data_dir=data_dir, mend=mend)
    return folder


def inside(folder: Path, name: str) -> Path:
    """The file `name` of a folder, where `name` comes from the data and must not lead out of the folder.

    Links on the disk are followed: the data cannot make one, and a snapshot of the Hub consists of them.

    Raises:
        DataError: an absolute path, a drive, or one with `..`.
    """
    parts, windows = PurePosixPath(name.replace("\\", "/")), PureWindowsPath(name)
    if not parts.parts or "\0" in name or parts.is_absolute() or windows.drive or ".." in parts.parts:
        raise DataError("A path in the data leads out of the data set's folder", path=name)
    return folder / parts


def content_hash(folder: Path, paths: Iterable[Path]) -> str:
    """SHA-256 (hex) over names and bytes of files. A file that cannot be read counts as such; reading it says why."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        try:
            content = path.read_bytes()
        except OSError:
            content = b"\0unreadable"
        name = path.relative_to(folder).as_posix()
        digest.update(f"{len(name)} {name} {len(content)}\n".encode(errors="surrogateescape"))
        digest.update(content)
    return digest.hexdigest()


def read_bytes(folder: Path, name: str) -> bytes:
    """The bytes of the file `name` of a folder."""
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        raise DataError("The file is missing", path=name) from None
    except OSError as error:
        raise DataError(f"The file cannot be read: {error.strerror}", path=name) from error


def read_text(folder: Path, name: str, fallback_encoding: str | None = None, mend: str = "Save it as UTF-8.") -> str:
    """The text of a UTF-8 file, with or without a byte order mark.

    No encoding is guessed: nearly every sequence of bytes is valid in some code page, and a wrong guess would end up in
    the data as if it were text. `fallback_encoding` (default: none) reads the files that are not UTF-8; `mend` is the
    advice where there is none.
    """
    content = read_bytes(folder, name)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if fallback_encoding is None:
            raise DataError(f"Not UTF-8 at byte {error.start}", path=name, mend=mend) from None
    try:
        return content.decode(fallback_encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"Neither UTF-8 nor {fallback_encoding} at byte {error.start}", path=name) from None


def read_json(folder: Path, name: str) -> Any:
    """What a JSON file holds."""
    return parse_json(read_text(folder, name), name)


def parse_json(text: str, name: str, line: int | None = None) -> Any:
    """What a JSON text holds; `line` is its line in the file `name` if it is one of many there.

    Raises:
        DataError: broken JSON, or texts that no file can hold (a half of a surrogate pair, written as an escape).
    """
    try:
        content = json.loads(text)
        if SURROGATE.search(text):
            json.dumps(content, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        what = f"Broken JSON: {error.msg}"
        raise DataError(what, path=name, line=line or error.lineno, column=error.colno) from None
    except RecursionError:
        raise DataError("Broken JSON: nested too deeply", path=name, line=line) from None
    except UnicodeEncodeError:
        raise DataError("A text in the JSON holds half of a surrogate pair", path=name, line=line) from None
    except ValueError as error:  # a number with thousands of digits
        raise DataError(f"Broken JSON: {str(error).split(';')[0]}", path=name, line=line) from None
    return content


def natural_key(name: str) -> list[tuple[bool, int, str]]:
    """Sorts names by the numbers in them: page 2 before page 10.

    Example:
        >>> sorted(["p10.json", "p2.json"], key=natural_key)
        ['p2.json', 'p10.json']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def read_image(folder: Path, name: str) -> tuple[dict[str, Any], tuple[int, int]]:
    """An image as `datasets.Image` stores it (its bytes, and its base name as path), and its width and height."""
    content = read_bytes(folder, name)
    return {"path": PurePosixPath(name).name, "bytes": content}, image_size(content, name)


def image_size(content: bytes, name: str) -> tuple[int, int]:
    """Width and height of an encoded image; `DataError` if it is none."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            return image.size
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        raise DataError("Not an image", path=name) from None


def decode_image(content: bytes, name: str, most_pixels: int) -> Image:
    """The decoded first picture of an image file, as Pillow's; `DataError` if it is broken, empty or too large."""
    from PIL import Image

    width, height = image_size(content, name)
    if not 0 < width * height <= most_pixels:
        raise DataError(f"The image has {width} × {height} pixels; at most {most_pixels:,} are read", path=name)
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            image.load()
            return image
    except MemoryError:
        raise
    except Exception as error:  # a decoder of Pillow answers broken bytes with nearly any type
        said = str(error).rstrip(".") or type(error).__name__
        raise DataError(f"The image is broken: {said}", path=name) from error


def check_encoding(encoding: str) -> None:
    """Raises `RecipeError` unless Python knows the encoding."""
    try:
        "".encode(encoding)
    except (LookupError, TypeError):
        mend = 'Name an encoding that Python knows, such as "cp1252".'
        raise RecipeError(f"fallback_encoding is {encoding!r}", key="fallback_encoding", mend=mend) from None


def without_mark(content: bytes, path: str) -> bytes:
    """The bytes of a text without a byte order mark; UTF-16, where the mark says so, as UTF-8.

    Raises:
        DataError: it is no UTF-16 although its mark says so.
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return content.decode("utf-16").encode()
        except UnicodeDecodeError as error:
            raise DataError(f"Not UTF-16 at byte {error.start}", path=path, mend="Save the file as UTF-8.") from None
    return content.removeprefix(b"\xef\xbb\xbf")
