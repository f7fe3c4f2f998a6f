"""A pickle from outside builds plain data or is refused."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import subprocess
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.errors import DataError
from hf_mbdc.loaders import npy

RECORDS = [
    {"version": 0.3, "dataset_type": "train", "has_answer": True},
    {
        "question_id": np.int64(57349),
        "ocr_tokens": [["itc", np.str_("limité")], []],
        "ocr_normalized_boxes": [np.array([[0.25, 0.5, 0.75, 1], [0, 0, 0.5, 0.5]], np.float32), np.zeros((0, 4))],
        "more": (1, None, {2, 3}, b"", b"ab", np.array(["a", "bc"]), np.asfortranarray([[1, 2, 3], [4, 5, 6]])),
        "nested": np.array([["x", 1], [None, 2.5]], dtype=object),
        "big endian": np.array([1, 256], dtype=">i4"),
    },
]
PLAIN = [
    {"version": 0.3, "dataset_type": "train", "has_answer": True},
    {
        "question_id": 57349,
        "ocr_tokens": [["itc", "limité"], []],
        "ocr_normalized_boxes": [[[0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.5, 0.5]], []],
        "more": (1, None, {2, 3}, b"", b"ab", ["a", "bc"], [[1, 2, 3], [4, 5, 6]]),
        "nested": [["x", 1], [None, 2.5]],
        "big endian": [1, 256],
    },
]


def header(count):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": (count,)})
    return stream.getvalue()


def read(folder, payload, count=1):
    (folder / "a.npy").write_bytes(header(count) + payload)
    return npy.read_object_array(folder, "a.npy")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("core", ["numpy._core", "numpy.core"])
def test_arrays_of_objects_become_plain_lists(tmp_path, protocol, core):
    payload = pickle.dumps(np.array(RECORDS, dtype=object), protocol=protocol)
    if protocol < 4:  # names are followed by a line feed there, and may be shorter
        payload = payload.replace(b"numpy._core.", core.encode() + b".")
    objects = read(tmp_path, payload, 2)
    assert objects == PLAIN
    assert type(objects[1]["question_id"]) is int
    assert all(type(box) is list for box in objects[1]["ocr_normalized_boxes"][0])


def test_what_numpy_saves(tmp_path):
    np.save(tmp_path / "a.npy", np.array(RECORDS, dtype=object), allow_pickle=True)
    assert npy.read_object_array(tmp_path, "a.npy") == PLAIN


class Run:
    """Pickled, it is a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (lambda path: Run(os.system, f"touch {path}"), f"{os.system.__module__}.system"),
        (lambda path: Run(subprocess.check_call, ["touch", path]), "subprocess.check_call"),
        (lambda path: Run(eval, f"open({path!r}, 'w')"), "builtins.eval"),
        (lambda path: Run(open, path, "w"), "_?io.open"),
        (lambda path: Run(getattr, "a", "join"), "builtins.getattr"),
        (lambda path: Run(np.load, path), "numpy.load"),
        (lambda path: Run(pickle.loads, b""), "_?pickle.loads"),
        (lambda path: np.array([Run(open, path, "w")], dtype=object), "_?io.open"),
        (lambda path: ValueError("a"), "builtins.ValueError"),
        (lambda path: np.ma.array([1]), "numpy.ma"),
        (lambda path: np.datetime64("2020-01-01"), None),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_asks_for_more_is_refused_before_it_runs(tmp_path, bad, name, protocol):
    mark = tmp_path / "mark"
    payload = pickle.dumps(np.array([{"a": bad(str(mark))}], dtype=object), protocol=protocol)
    said = "The pickle in the file is broken: the data type 'M8'" if name is None else None
    module = name if protocol > 2 else ""  # protocol 2 uses the names of Python 2
    message = (
        said or rf"The pickle in the file asks for {module}.*, which could run code \(path 'a.npy'\)\. Only arrays"
    )
    with pytest.raises(DataError, match=message):
        read(tmp_path, payload)
    assert not mark.exists()


RECONSTRUCT = b"\x8c\x16numpy._core.multiarray\x8c\x0c_reconstruct\x93"
FLOAT = b"\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02f8\x89\x88\x87R"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        # BUILD sets attributes: on one of our functions it would stay for everything that is read later
        (b"\x80\x04" + RECONSTRUCT + b"}\x8c\x04nameK\x01sb.", "the state of a function is set"),
        (b"\x80\x04" + RECONSTRUCT + b"(N}\x8c\x05_callK\x01stb.", "the state of a function is set"),
        (b"\x80\x04" + RECONSTRUCT + b"\x8c\x03strK\x00\x85C\x01b\x87R.", "an array of another class"),
        (b"\x80\x04\x8c\x05numpy\x8c\x07ndarray\x93)R.", "not callable"),
        (b"\x80\x04\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02V8\x85R.", "the data type 'V8'"),
        (b"\x80\x04\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02f8\x85RK\x05b.", "the state of a data type is malformed"),
        (b"\x80\x04cnumpy._core.multiarray\nscalar\n" + FLOAT + b"C\x01b\x86R.", "do not fit their bytes"),
        (b"\x80\x04c_codecs\nencode\n\x8c\x01a\x8c\x05utf-7\x86R.", "bytes in the encoding 'utf-7'"),
        (b"\x80\x02c__builtin__\nbytes\nK\x05\x85R.", "bytes made of something else"),
        (b"\x80\x04P1\n.", "asks for the persistent object '1'|persistent IDs"),
        (b"\x80\x04\x82\x01.", "unregistered extension code 1"),
        (b"\x80\x04]", "EOFError|Ran out of input"),
        (b"", "EOFError|Ran out of input"),
        (b"\x80\x04]\x93.", "broken"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", "broken"),
        (b"\x80\x04K\x01.", "does not hold the 1 objects that its header promises"),
    ],
)
def test_pickles_made_by_hand(tmp_path, code, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, code)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ((1, (10**12, 0), "f8", False, b""), "more is made of it than it holds"),
        ((1, (10**12, 0), "O", False, []), "more is made of it than it holds"),
        ((1, (10**12,), "U0", False, b""), "texts without length|data type"),
        ((1, (2,), "f8", False, b"12345678"), "do not fit their bytes"),
        ((1, (-2,), "f8", False, b""), "the state of an array is malformed"),
        ((1, (1,) * 33, "f8", False, b"12345678"), "the state of an array is malformed"),
        ((1, (), "f8", False, b"12345678"), "the state of an array is malformed"),
        ((1, (2,), "O", False, [1]), "another number of values"),
        ((1, (2,), "O", False, "ab"), "another number of values"),
        ((1, (1,), None, False, [1]), "the state of an array is malformed"),
        ("abc", "the state of an array is malformed"),
    ],
)
def test_arrays_that_lie_about_their_size(state, message):
    if isinstance(state, tuple) and isinstance(state[2], str):
        state = (*state[:2], npy._kind(npy._Room(0), state[2]), *state[3:])
    with pytest.raises(pickle.UnpicklingError, match=message):
        npy._Array(npy._Room(100)).__setstate__(state)


def peak(payload):
    """MiB that reading takes at most, whether it ends well or not."""
    tracemalloc.start()
    with contextlib.suppress(DataError):
        npy.load_plain(io.BytesIO(payload), "a.npy")
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return taken / 2**20


@pytest.mark.parametrize(
    "payload",
    [
        b"\x80\x03]r" + (2**26).to_bytes(4, "little") + b".",  # a place of the memo far away
        b"\x80\x05\x96" + (2**30).to_bytes(8, "little") + b"ab.",  # bytes that are not there
        b"\x80\x05\x8e" + (2**30).to_bytes(8, "little") + b"ab.",
    ],
)
def test_a_small_file_never_takes_much_memory(payload):
    assert peak(payload) < 4


def test_the_same_bytes_are_not_taken_again_and_again():
    text = b"X" + (100_000).to_bytes(4, "little") + b"a" * 100_000 + b"q\x00"
    again = b"h\x01h\x00X\x06\x00\x00\x00latin1\x86R" * 500
    payload = b"\x80\x02(" + text + b"c_codecs\nencode\nq\x01" + again + b"t."
    with pytest.raises(DataError, match="more is made of it than it holds"):
        npy.load_plain(io.BytesIO(payload), "a.npy")
    assert peak(payload) < 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Not a .npy file"),
        (b"PK\x03\x04" + b"0" * 80, "Not a .npy file"),
        (b"\x93NUMPY\x03\x00" + b"0" * 80, "The header of the .npy file cannot be read"),
        (b"\x93NUMPY\x01\x00\x10\x00__import__('os')", "The header of the .npy file cannot be read"),
        (b"\x93NUMPY\x01\x00\x03\x00(((", "The header of the .npy file cannot be read"),
        (header(0)[:20], "The header of the .npy file cannot be read"),
    ],
)
def test_files_that_are_no_arrays(tmp_path, content, message):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(DataError, match=message):
        npy.read_object_array(tmp_path, "a.npy")


def test_arrays_of_something_else(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 2)))
    with pytest.raises(DataError, match=r"The array has type float64 and shape \(2, 2\), and not one dimension"):
        npy.read_object_array(tmp_path, "a.npy")
    with pytest.raises(DataError, match=r"does not hold the 3 objects"):
        read(tmp_path, pickle.dumps(np.array(RECORDS, dtype=object)), 3)


def kinds_in(value):
    """The types of a value and of everything inside it."""
    found, open_values, seen = set(), [value], set()
    while open_values:
        one = open_values.pop()
        found.add(type(one))
        if isinstance(one, dict | list | tuple | set | frozenset) and id(one) not in seen:
            seen.add(id(one))
            open_values += [*one, *one.values()] if isinstance(one, dict) else one
    return found


PLAIN_KINDS = {dict, list, tuple, set, frozenset, str, bytes, bytearray, bool, int, float, type(None)}
OWN_KINDS = {npy._Array, npy._Kind, npy._Function}  # what stands for NumPy's array, type and functions in a pickle


def read_or_refused(load):
    """What `load` gives, plain data; or the message of its refusal, which names the file."""
    value = refused = None
    try:
        value = load()
    except DataError as error:
        refused = str(error)
    if refused is not None:
        assert "path 'a.npy'" in refused
        return refused
    assert kinds_in(value) <= PLAIN_KINDS | OWN_KINDS
    return value


def test_nothing_but_plain_data_is_built():
    array = np.array(RECORDS, dtype=object)
    assert read_or_refused(lambda: npy.load_plain(io.BytesIO(pickle.dumps(array)), "a.npy")) == PLAIN
    assert "datetime.date" in read_or_refused(lambda: npy.load_plain(io.BytesIO(b"cdatetime\ndate\n."), "a.npy"))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400))
def test_whatever_the_bytes_say_it_is_an_answer_or_a_data_error(junk, cut):
    good = pickle.dumps(np.array(RECORDS, dtype=object), protocol=4)
    for payload in (junk, good[:cut] + junk + good[cut + len(junk) :]):
        read_or_refused(lambda payload=payload: npy.load_plain(io.BytesIO(payload), "a.npy"))


@settings(max_examples=100, deadline=None)
@given(st.integers(6, 120), st.binary(max_size=12))
def test_whatever_the_header_says_it_is_an_answer_or_a_data_error(tmp_path_factory, cut, junk):
    folder = tmp_path_factory.mktemp("npy")
    good = header(2) + pickle.dumps(np.array(RECORDS, dtype=object), protocol=4)
    (folder / "a.npy").write_bytes(good[:cut] + junk + good[cut + len(junk) :])
    found = read_or_refused(lambda: npy.read_object_array(folder, "a.npy"))
    assert isinstance(found, str) or len(found) == len(RECORDS)  # no header can promise another number of objects
