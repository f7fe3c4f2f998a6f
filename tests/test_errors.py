"""Errors say what, where and the mend, keep their fields, and survive a process border."""

from __future__ import annotations

import pickle

import pytest

from hf_mbdc import errors
from hf_mbdc.errors import DataError, MbdcError, RepositoryError, StaleParentError


def test_the_message() -> None:
    error = DataError("Two rows have the same id", split="train", id="000-total", column=None, mend="Make ids unique.")
    assert str(error) == "Two rows have the same id (split 'train', id '000-total'). Make ids unique."
    assert error.where == {"split": "train", "id": "000-total"}
    assert (error.what, error.mend) == ("Two rows have the same id", "Make ids unique.")
    assert str(DataError("No rows")) == "No rows."


def test_text_from_data_is_quoted() -> None:
    assert str(DataError("Bad id", id="a\n\x1b[31m")) == "Bad id (id 'a\\n\\x1b[31m')."


@pytest.mark.parametrize("kind", [k for k in vars(errors).values() if isinstance(k, type)], ids=lambda k: k.__name__)
def test_an_error_survives_a_process_border(kind: type[MbdcError]) -> None:
    again = pickle.loads(pickle.dumps(kind("What", mend="Mend.", row=3, path="x")))  # noqa: S301
    assert type(again) is kind
    assert str(again) == "What (row 3, path 'x'). Mend."
    assert again.where == {"row": 3, "path": "x"}


def test_one_base_catches_all() -> None:
    with pytest.raises(MbdcError):
        raise StaleParentError("The head moved on")
    assert issubclass(StaleParentError, RepositoryError)
