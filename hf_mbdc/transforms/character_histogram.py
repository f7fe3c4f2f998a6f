"""How often each code point stands in an Arrow column of texts, counted on its bytes.

A decoder makes a Python string of every text, or of all, before anything is counted: most of the time goes there. Here
the bytes are counted as they stand. In UTF-8 a character from U+A000 to U+DFFF (all Hangul syllables are) has three
bytes `1110abcd 10efghij 10klmnop` of which the two last bits of the first, and the six last of the others, tell it
apart from the rest of that range: 14 bits, which a few operations on whole blocks put side by side. Other characters
are taken out beforehand where they are few; where they are many, the block goes through the decoder.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

CODE_POINTS = 0x110000
_BLOCK = 768 * 1024  # bytes: few enough for the caches, many enough that calls cost little beside the work
_SPARSE = 16  # a block goes through the decoder where one byte of so many begins another character
_KEYS = 4 << 20  # characters that are counted together
_FIRST = 0xEA  # the first of the four lead bytes of U+A000 to U+DFFF
_KEY_MASK = np.uint16(0x3FFF)


def count_code_points(texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """(0x110000,) int64: how often each code point stands in the texts; nulls hold none.

    Args:
        texts: of type string, large_string, string_view, or a dictionary of them. Arrow's strings are UTF-8; bytes that
            are not are not looked for.

    Example:
        >>> import pyarrow as pa
        >>> counts = count_code_points(pa.array(["가나", "가b", None, ""]))
        >>> int(counts[ord("가")]), int(counts[ord("b")]), int(counts.sum())
        (2, 1, 4)
    """
    histogram = _Histogram()
    for chunk in getattr(texts, "chunks", [texts]):
        histogram.add(text_bytes(plain_strings(chunk).drop_null()))
    return histogram.counts()


def plain_strings(texts: pa.Array) -> pa.Array:
    """The same texts as `string` or `large_string`, whose bytes lie one behind the other."""
    import pyarrow as pa

    if pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type):
        return texts
    return texts.cast(pa.large_string())


def byte_offsets(texts: pa.Array) -> np.ndarray:
    """(rows + 1,) where each text begins in the buffer of bytes, and where the last one ends."""
    import pyarrow as pa

    dtype = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    buffer = texts.buffers()[1]
    if buffer is None or not len(texts):  # an empty array may have no offsets
        return np.zeros(1, dtype)
    offsets = np.frombuffer(buffer, dtype)
    return offsets[texts.offset : texts.offset + len(texts) + 1]


def text_bytes(texts: pa.Array) -> np.ndarray:
    """The bytes of all texts, uint8; of a slice only its own."""
    offsets, data = byte_offsets(texts), texts.buffers()[2]
    if data is None:
        return np.empty(0, np.uint8)
    return np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]


class _Histogram:
    """Counts blocks of UTF-8."""

    def __init__(self) -> None:
        self._counts = np.zeros(CODE_POINTS, np.int64)
        self._keys = np.empty(_KEYS, np.uint16)
        self._filled = 0
        self._codes: list[np.ndarray] = []
        self._held = 0
        # Memory that every block uses anew: asking the system for it costs as much as the work.
        self._flags = np.empty(_BLOCK, bool), np.empty(_BLOCK, bool)
        self._bytes = np.empty(_BLOCK, np.uint8)

    def add(self, data: np.ndarray) -> None:
        """Counts bytes (uint8) that begin and end with a character."""
        begin = 0
        while begin < len(data):
            end = _character_begin(data, begin + _BLOCK)
            self._add_block(data[begin:end])
            begin = end

    def counts(self) -> np.ndarray:
        """(0x110000,) of all that was added."""
        self._count_keys()
        self._count_codes()
        return self._counts

    def _add_block(self, block: np.ndarray) -> None:
        kept, other = (scratch[: len(block)] for scratch in self._flags)
        bytes_ = self._bytes[: len(block)]
        np.less(np.subtract(block, np.uint8(_FIRST), out=bytes_), 4, out=kept)  # a lead byte of the window
        kept |= np.less(block.view(np.int8), -64, out=other)  # a continuation byte, 0x80 to 0xBF
        others = len(block) - int(np.count_nonzero(kept))
        if others > len(block) // _SPARSE:
            self._add_codes(decode(block))
            return
        if others:
            block, codes = _part(block, kept)
            self._add_codes(codes)
        size = len(block) // 3
        if self._filled + size > len(self._keys):
            self._count_keys()
        window_keys(block, self._bytes[: len(block)], self._keys[self._filled : self._filled + size])
        self._filled += size

    def _add_codes(self, codes: np.ndarray) -> None:
        self._codes.append(codes)
        self._held += len(codes)
        if self._held > _KEYS:
            self._count_codes()

    def _count_codes(self) -> None:
        if self._held:
            counts = np.bincount(np.concatenate(self._codes))
            self._counts[: len(counts)] += counts
        self._codes, self._held = [], 0

    def _count_keys(self) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self._filled:
            return
        keys = pa.Array.from_buffers(pa.uint16(), self._filled, [None, pa.py_buffer(self._keys)])
        # Counts values of a small range in place, without the 64-bit copy and the second pass of numpy's bincount.
        found = pc.mode(keys, n=len(_window_codes()))
        self._counts[_window_codes()[found.field("mode").to_numpy()]] += found.field("count").to_numpy()
        self._filled = 0


def _part(block: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of the window's characters, and the code points of the few others.

    Args:
        block: UTF-8.
        kept: whether each byte may be of a character of the window: all but the first bytes of others.
    """
    bits = np.packbits(kept, bitorder="little")
    if len(block) % 8:
        bits[-1] |= 256 - (1 << len(block) % 8)
    bytes_of_bits = np.flatnonzero(bits != 255)  # far fewer places to look at
    places = (bytes_of_bits[:, None] * 8 + np.arange(8)).ravel()
    places = places[places < len(block)]
    begins = places[~kept[places]]
    lead = block[begins].astype(np.uint32)
    size = 1 + (lead >= 0xC0).astype(np.int64) + (lead >= 0xE0) + (lead >= 0xF0)
    codes = lead & np.array([0, 0x7F, 0x1F, 0x0F, 0x07], np.uint32)[size]
    for more in range(1, 4):
        longer = size > more
        at = begins[longer] + more
        codes[longer] = codes[longer] << 6 | block[at] & 63
        np.bitwise_and.at(bits, at >> 3, ~(1 << (at & 7)).astype(np.uint8))
    return _filter(block, bits), codes


def window_keys(data: np.ndarray, scratch: np.ndarray, keys: np.ndarray) -> None:
    """Writes a number below 2¹⁴ for each character from U+A000 to U+DFFF, another one for each.

    `b ^ (a << 6)` for every byte b and the byte a before it: a middle byte takes the two last bits of its lead byte
    where its own are the constant `10`. What the last byte takes is masked off, and what a lead byte takes is not read.

    Args:
        data: (bytes,) uint8, of these characters and no others.
        scratch: (bytes,) uint8, to be written over.
        keys: (characters,) uint16, the result.
    """
    np.multiply(data, np.uint8(64), out=scratch)  # a shift, which numpy does not vectorise
    np.bitwise_xor(data[1:], scratch[:-1], out=scratch[:-1])  # each one place to the left of its byte
    np.copyto(keys, np.ndarray(keys.shape, "<u2", scratch, strides=(3,)))
    np.bitwise_and(keys, _KEY_MASK, out=keys)


@lru_cache(maxsize=1)
def _window_codes() -> np.ndarray:
    """(2¹⁴,) the code point of each key."""
    codes = np.arange(0xA000, 0xE000)
    data = np.stack([0xE0 | codes >> 12, 0x80 | codes >> 6 & 63, 0x80 | codes & 63], axis=1).astype(np.uint8)
    keys = np.empty(len(codes), np.uint16)
    window_keys(data.ravel(), np.empty(data.size, np.uint8), keys)
    found = np.empty(1 << 14, np.int64)
    found[keys] = codes
    return found


def decode(data: np.ndarray) -> np.ndarray:
    """(characters,) uint32 code points of UTF-8 bytes (uint8)."""
    return np.frombuffer(data.tobytes().decode().encode("utf-32-le"), np.uint32)


def _character_begin(data: np.ndarray, at: int) -> int:
    """The nearest place, at or before `at`, where a character begins or the data end."""
    if at >= len(data):
        return len(data)
    while data[at] & 0xC0 == 0x80:
        at -= 1
    return at


def _filter(block: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """The bytes whose bit is set; several times as fast as numpy's own selection where most or few are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = pa.Array.from_buffers(pa.uint8(), len(block), [None, pa.py_buffer(block)])
    chosen = pc.filter(values, pa.Array.from_buffers(pa.bool_(), len(block), [None, pa.py_buffer(bits)]))
    if not len(chosen):
        return np.empty(0, np.uint8)
    return np.frombuffer(chosen.buffers()[1], np.uint8, count=len(chosen))
