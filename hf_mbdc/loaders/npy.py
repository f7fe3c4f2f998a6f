"""Reading `.npy` files of objects without ever running what they hold.

NumPy stores an array of objects as a pickle, and a pickle is a program: `numpy.load(allow_pickle=True)` would run it.
Here the pickle may only build plain data. Of all the functions that it can name, the four that NumPy needs to put
arrays and numbers together are known, and each is replaced by one of ours that checks what it is given and makes lists,
numbers and texts; not even NumPy's own code sees the pickle. Every other name is refused before anything is called.

No file takes more memory than its size allows for. The unpickler is the one written in Python, a dozen times slower
than the one in C, since that one makes room for any place of its memo that a file names, gigabytes for nine bytes. And
what our functions make of the same bytes again and again is counted.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import sys
import tokenize
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hf_mbdc.errors import DataError
from hf_mbdc.loaders import files

NDARRAY = "numpy.ndarray"  # stands for the class, which is only ever passed on
MAGIC = b"\x93NUMPY"
MAX_SIDES = 32  # dimensions of an array
ROOM = 2  # bytes and values that functions may take, for each byte of the file: texts become bytes, and these values
KINDS = "biufUS"  # of numbers and texts: bool, int, unsigned, float, str, bytes


def read_object_array(folder: Path, name: str) -> list[Any]:
    """The objects of a one-dimensional `.npy` array: dictionaries, lists, texts and numbers; arrays become lists.

    Raises:
        DataError: no such file, another kind of file, or a pickle that asks for anything but plain data.
    """
    stream = io.BytesIO(files.read_bytes(folder, name))
    if stream.getbuffer()[: len(MAGIC)] != MAGIC:
        raise DataError("Not a .npy file", path=name)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read_header[version](stream)
    except (ValueError, TypeError, KeyError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError):
        # NumPy evaluates the header as a Python literal, which fails in as many ways as there are literals.
        raise DataError("The header of the .npy file cannot be read", path=name) from None
    if not dtype.hasobject or len(shape) != 1:
        raise DataError(f"The array has type {dtype} and shape {shape}, and not one dimension of objects", path=name)
    objects = load_plain(stream, name)
    if not isinstance(objects, _Array) or len(objects) != shape[0]:
        raise DataError(f"The array does not hold the {shape[0]} objects that its header promises", path=name)
    return list(objects)


def load_plain(stream: io.BytesIO, name: str) -> Any:
    """What a pickle of plain data holds; `DataError` for any other, before anything that it names is called."""
    try:
        return _PlainUnpickler(stream).load()
    except _RefusedError as error:
        mend = "Only arrays, numbers, texts, lists, tuples, dictionaries and sets are read; do not open it otherwise."
        raise DataError(
            f"The pickle in the file asks for {error}, which could run code", path=name, mend=mend
        ) from None
    except (pickle.UnpicklingError, EOFError, MemoryError, OverflowError, RecursionError) as error:
        raise DataError(f"The pickle in the file is broken: {_said(error)}", path=name) from None
    except (ValueError, TypeError, AttributeError, LookupError, AssertionError, struct.error) as error:
        # A pickle's instructions may be put together in any order, so the unpickler itself fails in any of these ways.
        raise DataError(f"The pickle in the file is broken: {_said(error)}", path=name) from None


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


class _RefusedError(Exception):
    """A pickle names something that is not admitted."""


class _Room:
    """How much the functions may still take: everything that a file holds takes a part of it, and is taken once."""

    __slots__ = ("_left",)

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise pickle.UnpicklingError("more is made of it than it holds")


class _PlainUnpickler(pickle._Unpickler):
    read: Callable[[int], bytes]  # its parent makes both when it begins to load
    append: Callable[[Any], None]

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self._room = _Room(ROOM * len(stream.getbuffer()))

    def find_class(self, module: str, name: str) -> Any:
        admitted = ADMITTED.get((module, name))
        if admitted is None:
            raise _RefusedError(f"{module}.{name}")
        return admitted if isinstance(admitted, str) else _Function(partial(admitted, self._room))

    def persistent_load(self, pid: object) -> Any:
        raise _RefusedError(f"the persistent object {pid!r}")

    def _load_bytearray(self) -> None:
        """As its parent does, but without making room for what the file only says that it holds."""
        (size,) = struct.unpack("<Q", self.read(8))
        if size > sys.maxsize:
            raise pickle.UnpicklingError("a text longer than memory")
        self.append(bytearray(self.read(size)))

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **pickle._Unpickler.dispatch,
        pickle.BYTEARRAY8[0]: _load_bytearray,
    }


class _Function:
    """A function of ours that a pickle may call, and may not change (the BUILD instruction sets attributes)."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *args: Any) -> Any:
        return self._call(*args)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("the state of a function is set")


class _Kind:
    """A NumPy data type: `O` for objects, or a type of numbers or texts."""

    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: object) -> None:
        # (version, byte order, sub-array, names, fields, …): the last three are of structured types
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError("the state of a data type is malformed")
        if any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("a structured data type")
        self.order = state[1]

    def values(self, raw: object, count: int) -> list[Any]:
        """`count` numbers or texts from their bytes."""
        kind = np.dtype(self.order + self.code if self.order in "<>" else self.code)
        if kind.kind not in KINDS or not isinstance(raw, bytes) or len(raw) != count * kind.itemsize:
            raise pickle.UnpicklingError(f"values of type {self.code!r} do not fit their bytes")
        if not kind.itemsize and count > 1:  # any number of them fits into no bytes
            raise pickle.UnpicklingError("an array of texts without length")
        return np.frombuffer(raw, kind).tolist() if kind.itemsize else [""] * count


class _Array(list[Any]):
    """A list that is filled as NumPy fills an array; more than one dimension becomes lists of lists."""

    __slots__ = ("_room",)

    def __init__(self, room: _Room) -> None:
        super().__init__()
        self._room = room

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise pickle.UnpicklingError("the state of an array is malformed")
        _, shape, kind, fortran, data = state
        whole = isinstance(shape, tuple) and all(type(side) is int and side >= 0 for side in shape)
        if not whole or not 1 <= len(shape) <= MAX_SIDES or not isinstance(kind, _Kind) or type(fortran) is not bool:
            raise pickle.UnpicklingError("the state of an array is malformed")
        count = math.prod(shape)
        if not count:  # rows without values take memory and nothing in the file
            self._room.take(shape[0])
        self._room.take(len(data) if isinstance(data, bytes) else count)
        values = data if kind.code == "O" else kind.values(data, count)
        if not isinstance(values, list) or len(values) != count:
            raise pickle.UnpicklingError("an array has another number of values than its shape says")
        self[:] = _columns_first(values, shape) if fortran and len(shape) > 1 else _rows_first(values, shape)


def _rows_first(values: list[Any], shape: tuple[int, ...]) -> list[Any]:
    for side in reversed(shape[1:]):
        values = [values[start : start + side] for start in range(0, len(values), side)] if side else []
    # Of an array like (3, 0) no value tells that there are three rows.
    return values if values or not shape[0] else [[] for _ in range(shape[0])]


def _columns_first(values: list[Any], shape: tuple[int, ...]) -> list[Any]:
    # Object arrays are stored by rows always, so only numbers and texts come here.
    return np.asarray(values).reshape(shape, order="F").tolist()


def _reconstruct(room: _Room, kind: object, shape: object, code: object) -> _Array:
    if kind != NDARRAY:
        raise pickle.UnpicklingError("an array of another class")
    return _Array(room)


def _kind(room: _Room, code: object, *flags: object) -> _Kind:
    if not isinstance(code, str) or len(code) > 12 or code.lstrip("<>|=")[:1] not in ("O", *KINDS):
        raise pickle.UnpicklingError(f"the data type {code!r}")
    return _Kind("O" if code.startswith("O") else code.lstrip("<>|="))


def _scalar(room: _Room, kind: object, raw: object) -> Any:
    if not isinstance(kind, _Kind) or kind.code == "O" or not isinstance(raw, bytes):
        raise pickle.UnpicklingError("a number without a type or bytes: its values do not fit their bytes")
    room.take(len(raw))
    return kind.values(raw, 1)[0]


def _encode(room: _Room, text: object, encoding: object = "latin1") -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in the encoding {encoding!r}")
    room.take(len(text))
    return text.encode("latin1")


def _set(room: _Room, values: object = ()) -> set[Any]:
    if not isinstance(values, list | tuple):
        raise pickle.UnpicklingError("a set made of something else")
    room.take(len(values))
    return set(values)


def _no_bytes(room: _Room, *args: object) -> bytes:
    if args:
        raise pickle.UnpicklingError("bytes made of something else")
    return b""


def _from_buffer(room: _Room, raw: object, kind: object, shape: object, order: object) -> _Array:
    array = _Array(room)
    array.__setstate__((1, shape, kind, order == "F", bytes(raw) if isinstance(raw, bytes | bytearray) else raw))
    return array


# `numpy.core` is how NumPy 1 calls `numpy._core`. Protocols below 4 write sets, and below 3 bytes, by these names.
ADMITTED: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _encode,
    ("builtins", "set"): _set,
    ("__builtin__", "set"): _set,
    ("__builtin__", "bytes"): _no_bytes,
    ("numpy", "dtype"): _kind,
    ("numpy", "ndarray"): NDARRAY,
    **{
        (f"numpy.{core}.{module}", name): function
        for core in ("core", "_core")
        for module, name, function in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}
