"""What is in the store, who may generate what, and what survives a kill."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.errors import DataError
from hf_mbdc.generation import Completion, Sampling, Store

ENDED = Completion("Yes.", "stop", 9, 5, 0.5)
CUT = Completion("Yes, beca", "length", 9, 8, 0.5)
UNCOUNTED = Completion("Yes.", "stop", 9, None, 0.5)


def put(
    store: Store, key: bytes, completion: Completion, max_tokens: int, *, model: str = "m@1", seed: int = 0
) -> None:
    store.put(model, Sampling(max_tokens=max_tokens), seed, {key: completion})


@pytest.mark.parametrize(
    ("completion", "asked", "serves"),
    [
        (ENDED, 8, [5, 6, 7, 8, 9, 1000]),  # five tokens: what stopped by itself serves every bound that lets it
        (CUT, 8, [8]),
        (UNCOUNTED, 8, [8, 9, 1000]),
    ],
)
def test_what_a_stored_completion_serves(completion: Completion, asked: int, serves: list[int]) -> None:
    with Store() as store:
        put(store, b"k", completion, asked)
        found = [bound for bound in (1, 4, 5, 6, 7, 8, 9, 1000) if store.find([b"k"], max_tokens=bound)]
        assert found == serves
        assert store.find([b"k"], max_tokens=8) == {b"k": completion}


def test_cut_ones_of_several_bounds_stay_beside_each_other() -> None:
    with Store() as store:
        put(store, b"k", CUT, 8)
        longer = Completion("Yes, because of", "stop", 9, 12, 0.5)
        put(store, b"k", longer, 16)
        bounds = (8, 12, 16, 99)
        assert [store.find([b"k"], max_tokens=bound)[b"k"].text for bound in bounds] == [CUT.text, *[longer.text] * 3]


def test_the_first_one_stays() -> None:
    with Store() as store:
        put(store, b"k", ENDED, 8)
        put(store, b"k", CUT, 8)
        assert store.find([b"k"], max_tokens=8) == {b"k": ENDED}


def test_log_probabilities_come_back_exactly(tmp_path: Path) -> None:
    numbers = (-0.1, -1e-300, -float("inf"), -3.0)
    with Store(tmp_path / "s") as store:
        put(store, b"k", Completion("é", "stop", None, 4, 0.0, numbers), 8)
        put(store, b"e", Completion("", "stop", 1, 1, 0.0, ()), 8)
    with Store(tmp_path / "s") as store:
        assert store.find([b"k"], max_tokens=8)[b"k"].logprobs == numbers
        assert store.find([b"e"], max_tokens=8)[b"e"] == Completion("", "stop", 1, 1, 0.0, ())


@given(st.dictionaries(st.binary(min_size=16, max_size=16), st.text(), max_size=10))
def test_texts_come_back_exactly(texts: dict[bytes, str]) -> None:
    with Store() as store:
        completions = {key: Completion(text, "stop", 1, 1, 0.0) for key, text in texts.items()}
        store.put("m", Sampling(max_tokens=8), 0, completions)
        assert store.find(texts, max_tokens=8) == completions


def test_many_keys_at_once() -> None:
    keys = [number.to_bytes(16, "big") for number in range(25_000)]
    with Store() as store:
        store.put("m", Sampling(max_tokens=8), 0, dict.fromkeys(keys[::2], ENDED))
        assert set(store.find(keys, max_tokens=8)) == set(keys[::2])


def test_what_is_recorded_with_a_completion(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        put(store, b"a", ENDED, 8)
        put(store, b"b", ENDED, 9)
        put(store, b"c", ENDED, 8, model="m@2", seed=7)
    with sqlite3.connect(tmp_path / "s") as db:
        rows = db.execute("SELECT key, model, seed, sampling, seconds FROM completions JOIN settings ON settings = id")
        found = sorted(rows)
    assert [(key, model, seed) for key, model, seed, _, _ in found] == [
        (b"a", "m@1", 0),
        (b"b", "m@1", 0),
        (b"c", "m@2", 7),
    ]
    assert {row[3] for row in found} == {Sampling().identity()}


def test_two_stores_on_one_file_share_the_work(tmp_path: Path) -> None:
    keys = [b"a", b"b", b"c", b"d"]
    with Store(tmp_path / "s") as one, Store(tmp_path / "s") as two:
        put(one, b"a", ENDED, 8)
        assert one.claim([b"a", b"b"], max_tokens=8) == {b"b"}
        assert one.claim([b"b"], max_tokens=8) == {b"b"}  # its own claim still holds
        assert two.claim(keys, max_tokens=8) == {b"c", b"d"}
        put(one, b"b", ENDED, 8)
        assert two.find(keys, max_tokens=8).keys() == {b"a", b"b"}
        two.release()
        assert one.claim(keys, max_tokens=8) == {b"c", b"d"}


def test_a_claim_can_be_asked_again_with_more_tokens(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        put(store, b"a", CUT, 8)
        assert store.claim([b"a"], max_tokens=8) == set()
        assert store.claim([b"a"], max_tokens=9) == {b"a"}


def test_closing_gives_claims_back_and_leaves_no_files(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        store.claim([b"a"], max_tokens=8)
        assert len(list((tmp_path / "s.owners").iterdir())) == 1
    assert list((tmp_path / "s.owners").iterdir()) == []
    with Store(tmp_path / "s") as store:
        assert store.claim([b"a"], max_tokens=8) == {b"a"}


def test_claims_of_a_killed_process_are_free_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, time; from hf_mbdc.generation import Store; store = Store(sys.argv[1]);"
        "store.claim([b'a', b'b'], max_tokens=8); print('ready', flush=True); time.sleep(600)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "s")], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    with Store(tmp_path / "s") as store:
        assert store.claim([b"a", b"c"], max_tokens=8) == {b"c"}
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert store.claim([b"a"], max_tokens=8) == {b"a"}
    child.stdout.close()


def test_many_threads_open_one_new_file(tmp_path: Path) -> None:
    errors: list[Exception] = []

    def work(number: int) -> None:
        try:
            with Store(tmp_path / "s") as store:
                put(store, bytes([number]), ENDED, 8)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with Store(tmp_path / "s") as store:
        assert len(store.find([bytes([number]) for number in range(8)], max_tokens=8)) == 8


def test_a_batch_is_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        broken = {b"a": ENDED, b"b": Completion(object(), "stop", 1, 1, 0.0)}  # type: ignore[arg-type]
        with pytest.raises(sqlite3.Error):
            store.put("m", Sampling(max_tokens=8), 0, broken)
        assert store.find([b"a", b"b"], max_tokens=8) == {}
        put(store, b"a", ENDED, 8)
        assert store.find([b"a"], max_tokens=8) == {b"a": ENDED}


def test_another_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("This is no database. " * 100)
    with pytest.raises(DataError, match="no store of completions"):
        Store(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other") as db:
        db.execute("CREATE TABLE t (a)")
    with pytest.raises(DataError, match="no store of completions: it holds other tables"):
        Store(tmp_path / "other")


def test_a_newer_store_is_told(tmp_path: Path) -> None:
    Store(tmp_path / "s").close()
    with sqlite3.connect(tmp_path / "s") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(DataError, match="written by a newer version"):
        Store(tmp_path / "s")
