"""Fonts: where they come from, and which characters each one really draws.

A font's character map is a claim. A character counts as covered when its glyph is there, leaves ink, and is not the
picture that the font shows for missing glyphs; so that no box ("tofu") stands for a character in a training image.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import math
import os
import sys
import unicodedata
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.transforms.characters import CharacterTable

logger = logging.getLogger(__name__)

PACKAGED, SYSTEM = "packaged", "system"
# The fonts that are there after an installation, on every machine the same ones: all Hangul syllables and ideographs
# of KS X 1001 with Latin, as sans and serif, and Latin, Greek, Cyrillic, Arabic, Hebrew.
_PACKAGED = (
    ("pylopdf_fonts_ko", "NotoSansKR-Regular.otf"),
    ("pylopdf_fonts_ko", "NotoSerifKR-Regular.otf"),
    ("matplotlib", "mpl-data/fonts/ttf/DejaVuSans.ttf"),
    ("matplotlib", "mpl-data/fonts/ttf/DejaVuSerif.ttf"),
)
_SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
_PROBE_SIZE = 32  # pixels an em, of the pictures that decide about coverage
_COVERED, _MISSING = 1, 2
# Of a glyph, in em: a font's numbers allow pictures of gigabytes. The widest ligatures, such as U+FDFD, have 13 by 3.
_MOST_WIDTH, _MOST_AREA = 64, 128
_UNASSIGNED = (0x0378, 0xFFFF)  # a font that maps these maps everything, to placeholders


class GlyphTooLarge(Exception):  # noqa: N818 -- a reason on its way to the row, not an error
    """Why a glyph is not drawn: its picture would take far more room than any letter's."""


class Font:
    """One face of a font file.

    Args:
        path: the file; several faces may lie in a collection, `index` tells which.

    Raises:
        DataError: the file is no font, or has no outlines (fonts of coloured bitmaps).
    """

    def __init__(self, path: Path, index: int = 0) -> None:
        import uharfbuzz as hb

        self.path, self.index = path, index
        self.face = hb.Face(hb.Blob.from_file_path(str(path)), index)
        if not self.face.glyph_count:
            mend = "Give a TrueType or OpenType file."
            raise DataError("This file is no font that can be read", path=str(path), mend=mend)
        if not {"glyf", "CFF ", "CFF2"} & set(self.face.table_tags):
            mend = "Give a font with outlines, e.g. Noto Emoji in place of Noto Color Emoji."
            raise DataError("This font has no outlines", path=str(path), mend=mend)

    @cached_property
    def name(self) -> str:
        """Its full name, e.g. `Noto Sans KR`; the file's name where it has none."""
        import uharfbuzz as hb

        return self.face.get_name(hb.OTNameIdPredefined.FULL_NAME) or self.path.stem

    @cached_property
    def sha256(self) -> str:
        """Hash of the file, hex."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @cached_property
    def is_placeholder(self) -> bool:
        """Whether it maps code points that are no characters, as fonts of last resort do."""
        mapped = self.face.unicodes
        return any(code in mapped for code in _UNASSIGNED)

    @cached_property
    def _status(self) -> CharacterTable:
        return CharacterTable(self._status_of, np.uint8)

    def covers(self, codes: np.ndarray) -> np.ndarray:
        """Whether the font draws each code point, bool (codes,). Characters that are never seen count as drawn."""
        return self._status[codes] == _COVERED

    def draws(self, text: str) -> bool:
        """Whether it covers all of a text."""
        known = self._known
        for character in text:
            if character not in known:
                known[character] = self._status_of(ord(character)) == _COVERED
            if not known[character]:
                return False
        return True

    @cached_property
    def _known(self) -> dict[str, bool]:
        return {}

    def _status_of(self, code: int) -> int:
        character = chr(code)
        if is_ignorable(character):
            return _COVERED
        glyph = self.at(_PROBE_SIZE).get_nominal_glyph(code)
        if not glyph:
            return _MISSING
        if unicodedata.category(character) == "Zs":
            return _COVERED
        return _MISSING if self.is_tofu(glyph) else _COVERED

    def is_tofu(self, glyph: int) -> bool:
        """Whether a glyph leaves no ink, looks like the one for missing characters, or is too large to be drawn."""
        try:
            picture = self.draw(glyph, _PROBE_SIZE)[0]
        except GlyphTooLarge:
            return True
        return not picture.any() or (picture.shape == self._notdef.shape and bool((picture == self._notdef).all()))

    @cached_property
    def _notdef(self) -> np.ndarray:
        try:
            return self.draw(0, _PROBE_SIZE)[0]
        except GlyphTooLarge:
            return np.zeros((0, 0), dtype=np.uint8)

    def draw(self, glyph: int, size: int, quarter: int = 0) -> tuple[np.ndarray, int, int]:
        """The picture of a glyph at `size` pixels an em, see `rasterize`.

        Raises:
            GlyphTooLarge: no letter is that large.
        """
        if glyph not in self._sound:
            self._check_extent(glyph)
            self._sound.add(glyph)
        return rasterize(self.at(size), glyph, quarter)

    def _check_extent(self, glyph: int) -> None:
        """Draws a glyph so small that its picture takes no room, whatever its outline is, then larger: the bounds that
        a font tells of its glyphs may be wrong."""
        import uharfbuzz as hb

        for scale in (2.0**-16, 2.0**-8, 1.0):  # pixels an em
            raster = hb.RasterDraw()
            raster.scale_factor = (64, 64)
            raster.transform = (scale / _PROBE_SIZE, 0, 0, scale / _PROBE_SIZE, 0, 0)
            raster.draw_glyph(self.at(_PROBE_SIZE), glyph)
            image = raster.render()
            width, height = (image.extents.width, image.extents.height) if image is not None else (math.inf, math.inf)
            most = _MOST_WIDTH if scale == 1 else 2
            if width > most or width * height > (_MOST_AREA if scale == 1 else 4):
                raise GlyphTooLarge(f"{self.name} has a glyph {width / scale:.0f} × {height / scale:.0f} em large")

    @cached_property
    def _sound(self) -> set[int]:
        return set()

    def at(self, size: int) -> Any:
        """The HarfBuzz font at `size` pixels an em, in units of 1/64 pixel."""
        import uharfbuzz as hb

        if size not in self._sizes:
            font = self._sizes[size] = hb.Font(self.face)
            font.scale = (size * 64, size * 64)
        return self._sizes[size]

    @cached_property
    def _sizes(self) -> dict[int, Any]:
        return {}


def is_ignorable(character: str) -> bool:
    """Whether a character is never seen itself: joiners, direction marks, variation selectors (Unicode's defaults)."""
    code = ord(character)
    return (
        0x200B <= code <= 0x200F
        or 0x2060 <= code <= 0x2064
        or 0xFE00 <= code <= 0xFE0F
        or 0xE0100 <= code <= 0xE01EF
        or code in (0x00AD, 0x034F, 0x061C, 0x180B, 0x180C, 0x180D, 0x180F, 0xFEFF)
    )


def rasterize(font: Any, glyph: int, quarter: int = 0) -> tuple[np.ndarray, int, int]:
    """The coverage of a glyph's outline, without hints.

    Args:
        font: a HarfBuzz font in units of 1/64 pixel, see `Font.at`.
        glyph: its number in the font.
        quarter: by how many quarters of a pixel it is moved to the right.

    Returns:
        uint8 (height, width) from 0 to 255, the column of its left edge, and the row of its top edge; from the pen
        and the baseline, rows counted downwards. (0, 0) where it has no ink.
    """
    import uharfbuzz as hb

    raster = hb.RasterDraw()
    raster.scale_factor = (64, 64)
    raster.transform = (1, 0, 0, 1, quarter * 16, 0)
    raster.draw_glyph(font, glyph)
    image = raster.render()
    if image is None:
        raise MemoryError("HarfBuzz could not draw a glyph")
    drawn = image.extents
    if not drawn.width or not drawn.height:
        return np.zeros((0, 0), dtype=np.uint8), 0, 0
    pixels = np.frombuffer(image.buffer, dtype=np.uint8).reshape(drawn.height, drawn.stride)
    return trimmed(pixels[::-1, : drawn.width], drawn.x_origin, -(drawn.y_origin + drawn.height))


def trimmed(pixels: np.ndarray, left: int, top: int) -> tuple[np.ndarray, int, int]:
    """A picture cut to its ink, and where its left and top edge then lie."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not len(rows):
        return np.zeros((0, 0), dtype=np.uint8), 0, 0
    cut = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.ascontiguousarray(cut), left + int(columns[0]), top + int(rows[0])


def find_fonts(sources: Sequence[str]) -> list[Font]:
    """The fonts that a list of sources names, in its order, each face once.

    Args:
        sources: files, folders (with all below them), `packaged`, `system`, or the name of an installed Python package
            that ships font files, e.g. `manimgx_fonts`. Of folders, packages and the system, what is no outline font
            is left out.

    Raises:
        RecipeError: a source is none of these.
        DataError: a file cannot be used, or nothing is left.

    Example:
        >>> [font.name for font in find_fonts(["packaged"])]
        ['Noto Sans KR', 'Noto Serif KR', 'DejaVu Sans', 'DejaVu Serif']
    """
    if isinstance(sources, str) or not sources:
        mend = 'Give a list, e.g. fonts=("packaged",).'
        raise RecipeError("Fonts are a list of sources", key="fonts", value=sources, mend=mend)
    found: dict[tuple[Path, int], Font] = {}
    for source in sources:
        for font in _fonts_of(str(source)):
            found.setdefault((font.path.resolve(), font.index), font)
    if not found:
        mend = 'Install fonts, or take fonts=("packaged",).'
        raise DataError("No usable font was found", key="fonts", value=list(sources), mend=mend)
    return list(found.values())


def font_state(sources: Sequence[str]) -> tuple[tuple[str, int, int], ...]:
    """The path, size and time of change (nanoseconds) of every file that `find_fonts` looks at: what was drawn with
    fonts in another state is drawn anew."""
    paths = [path for source in sources for path in _paths_of(str(source))[0]]
    return tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths)


def _fonts_of(source: str) -> list[Font]:
    paths, named = _paths_of(source)
    if not named:
        return _usable(paths)
    return [Font(path, index) for path in paths for index in range(max(1, _faces_in(path)))]


def _paths_of(source: str) -> tuple[list[Path], bool]:
    """The files of a source, and whether each of them is named, so that one that cannot be used is an error."""
    if source == PACKAGED:
        return [_package_folder(package) / name for package, name in _PACKAGED], True
    if source == SYSTEM:
        return [path for folder in _system_folders() for path in _files_below(folder)], False
    path = Path(source).expanduser()
    if path.is_dir():
        return _files_below(path), False
    if path.is_file():
        return [path], True
    if source.isidentifier() and importlib.util.find_spec(source) is not None:
        return _files_below(_package_folder(source)), False
    mend = f'Give a file, a folder, "{PACKAGED}", "{SYSTEM}" or a Python package that ships fonts.'
    raise RecipeError("There are no fonts under this name", key="fonts", value=source, mend=mend)


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)  # found, never run
    if spec is None or not spec.submodule_search_locations:
        mend = f"pip install {package.replace('_', '-')}"
        raise DataError("A package with fonts is not installed", key=package, mend=f"{mend}.")
    return Path(next(iter(spec.submodule_search_locations)))


def _files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())


def _usable(paths: Sequence[Path]) -> list[Font]:
    fonts = []
    for path in paths:
        for index in range(_faces_in(path)):
            try:
                font = Font(path, index)
            except DataError as error:  # one of many in a folder: the others serve
                logger.info("A font is left out: %s", error)
                continue
            if not font.is_placeholder:
                fonts.append(font)
    return fonts


def _faces_in(path: Path) -> int:
    """Faces in a file: the header of a collection says how many (OpenType, `ttcf`), each with four bytes of it."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] != b"ttcf":
        return 1
    return min(int.from_bytes(head[8:12], "big"), (path.stat().st_size - 12) // 4)


def _system_folders() -> list[Path]:
    """Where fonts lie on Linux, macOS and Windows."""
    if sys.platform == "win32":
        return [Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts"]
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), Path.home() / "Library/Fonts"]
    shared = [Path("/usr/share/fonts"), Path("/usr/local/share/fonts")]
    return [*shared, Path.home() / ".local/share/fonts", Path.home() / ".fonts"]
