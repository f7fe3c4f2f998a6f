"""Images as files, many at once: PNG files whose pixels are stored, and JPEG files.

The data stream of a PNG file is deflated; here each one is a stream of stored blocks (RFC 1951, 3.2.4), for three
reasons. Making it costs a copy and two checksums. Its bytes do not depend on the version of a compressor. And in a
Parquet file that is compressed itself, stored words take half the room of deflated ones: the compressor sees that
letters repeat from image to image.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3  # color types of the PNG specification
_BLOCK = 65535  # bytes in a stored block, at most


def png_files(pixels: np.ndarray, palettes: np.ndarray | None = None) -> np.ndarray:
    """PNG files of images of one size, all equally long: uint8 (images, bytes).

    Args:
        pixels: uint8 (images, height, width), grey values, or numbers of palette entries.
        palettes: uint8 (images, entries, 3), or None for grey images.
    """
    count, height, width = pixels.shape
    kind = _GREY if palettes is None else _PALETTE
    head = _SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
    tail = _chunk(b"IEND", b"")
    entries = 0 if palettes is None else 12 + 3 * palettes.shape[1]
    line = width + 1  # each begins with its filter, none
    blocks = [(start, min(start + _BLOCK, height * line)) for start in range(0, height * line, _BLOCK)]
    length = 2 + 5 * len(blocks) + height * line + 4
    data = len(head) + entries
    files = np.empty((count, data + 12 + length + len(tail)), dtype=np.uint8)
    files[:, : len(head)] = _bytes(head)
    files[:, data : data + 10] = _bytes(struct.pack(">I", length) + b"IDAT" + b"\x78\x01")
    place = data + 10
    # One block is written where it belongs, several are cut first.
    raw = files[:, place + 5 :][:, : height * line] if len(blocks) == 1 else np.empty((count, height * line), np.uint8)
    lines = raw.reshape(count, height, line)
    lines[:, :, 0] = 0
    lines[:, :, 1:] = pixels
    for start, end in blocks:
        header = struct.pack("<BHH", end == raw.shape[1], end - start, end - start ^ 0xFFFF)
        files[:, place : place + 5] = _bytes(header)
        if len(blocks) > 1:
            files[:, place + 5 : place + 5 + end - start] = raw[:, start:end]
        place += 5 + end - start
    files[:, place : place + 4] = _big_endian([zlib.adler32(row.data) for row in raw])
    checked = files[:, data + 4 : data + 8 + length]
    files[:, place + 4 : place + 8] = _big_endian([zlib.crc32(row.data) for row in checked])
    files[:, place + 8 :] = _bytes(tail)
    if palettes is not None:
        own = files[:, len(head) : data]
        own[:, :8] = _bytes(struct.pack(">I", entries - 12) + b"PLTE")
        own[:, 8:-4] = palettes.reshape(count, -1)
        own[:, -4:] = _big_endian([zlib.crc32(row.data) for row in own[:, 4:-4]])
    return files


def jpeg_file(levels: np.ndarray, palette: np.ndarray, quality: int) -> bytes:
    """One image as a JPEG file.

    Args:
        levels: uint8 (height, width), numbers of palette entries.
        palette: uint8 (entries, 3).
        quality: of libjpeg's scale, 1 to 95.
    """
    import cv2

    table = np.zeros((256, 1, 3), dtype=np.uint8)
    table[: len(palette), 0] = palette[:, ::-1]  # blue first
    colors = cv2.applyColorMap(levels, table)
    return cv2.imencode(".jpg", colors, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, dtype=np.uint8)


def _big_endian(numbers: Sequence[int]) -> np.ndarray:
    """uint8 (numbers, 4)."""
    return np.array(numbers, dtype=">u4").view(np.uint8).reshape(-1, 4)
