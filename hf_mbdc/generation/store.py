"""Completions on disk, kept as they come, so that no work is done twice; several processes may share one store.

A store is one SQLite file in WAL mode: what was put stays when a process is killed, a batch is there as a whole or not
at all, readers never wait. Processes share the work by claims. A claim names its owner, and every owner holds a lock on
a file of its own as long as it lives: the system frees it when the process dies, however it dies. So a claim of a dead
process is free at once, without clocks and leases. WAL and such locks need all processes on one machine.
"""

from __future__ import annotations

import array
import contextlib
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from hf_mbdc.errors import DataError
from hf_mbdc.generation.completions import Completion, Sampling

FORMAT = 1  # raised when a table changes its meaning
BUSY_SECONDS = 120.0  # that a write waits for those of other processes
CHUNK = 10_000  # keys asked for at once
TABLES = """
CREATE TABLE settings (id INTEGER PRIMARY KEY, model TEXT, sampling TEXT, seed INTEGER, UNIQUE (model, sampling, seed));
CREATE TABLE completions (
    key BLOB, max_tokens INTEGER, text TEXT, finish_reason TEXT, prompt_tokens INTEGER, completion_tokens INTEGER,
    seconds REAL, logprobs BLOB, settings INTEGER REFERENCES settings, PRIMARY KEY (key, max_tokens)
);
CREATE TABLE claims (key BLOB PRIMARY KEY, owner TEXT);
"""
FIELDS = "key, max_tokens, text, finish_reason, prompt_tokens, completion_tokens, seconds, logprobs"


class Store:
    """Completions by key, in a file or, without a path, in memory.

    Args:
        path: of the SQLite file; made if it is missing, in a folder that is there.

    Raises:
        DataError: the file is no store, or was written by a newer version.

    Example:
        >>> with Store() as store:
        ...     store.put("m@1", Sampling(), 0, {b"k": Completion("Yes.", "stop", 9, 3, 0.1)})
        ...     store.find([b"k", b"?"], max_tokens=16)[b"k"].text
        'Yes.'
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = None if path is None else Path(path)
        self._owner = uuid.uuid4().hex
        self._alive: FileLock | None = None
        # Two processes that make the same file at once would both write the tables.
        with contextlib.nullcontext() if self.path is None else FileLock(f"{self.path}.lock"):
            self._db = sqlite3.connect(self.path or ":memory:", timeout=BUSY_SECONDS, isolation_level=None)
            try:
                self._open()
            except sqlite3.DatabaseError as error:
                self._db.close()
                mend = "Name another file; it is made if it is missing."
                raise DataError(f"The file is no store of completions: {error}", path=str(path), mend=mend) from error

    def _open(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the last batches, never the file
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > FORMAT:
            self._db.close()
            mend = "Update hf_mbdc, or name another file."
            raise DataError("The store was written by a newer version", path=str(self.path), mend=mend)
        if version == 0:
            if self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise sqlite3.DatabaseError("it holds other tables")
            with self._transaction():
                for statement in TABLES.strip().rstrip(";").split(";\n"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {FORMAT}")

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the claims back and closes the file."""
        self.release()
        self._db.close()

    def find(self, keys: Iterable[bytes], *, max_tokens: int) -> dict[bytes, Completion]:
        """What is stored for these keys and is just what would be generated with `max_tokens`.

        A completion that stopped by itself within `max_tokens` serves, whatever it was asked with; one that was cut
        off serves only where it was asked with the same number.
        """
        found: dict[bytes, Completion] = {}
        for row in self._rows(FIELDS, "completions", keys, order=" ORDER BY max_tokens"):
            key, asked, text, reason, prompt_tokens, completion_tokens, seconds, logprobs = row
            within = asked <= max_tokens or (completion_tokens is not None and completion_tokens <= max_tokens)
            if key not in found and (asked == max_tokens or (reason == "stop" and within)):
                numbers = None if logprobs is None else tuple(array.array("d", logprobs))
                found[key] = Completion(text, reason, prompt_tokens, completion_tokens, seconds, numbers)
        return found

    def put(self, model: str, sampling: Sampling, seed: int, completions: Mapping[bytes, Completion]) -> None:
        """Keeps the completions of one batch, all or none; what is there already stays as it is."""
        if not completions:
            return
        with self._transaction():
            settings = (model, sampling.identity(), seed)
            self._db.execute("INSERT OR IGNORE INTO settings (model, sampling, seed) VALUES (?, ?, ?)", settings)
            where = "model = ? AND sampling = ? AND seed = ?"
            number = self._db.execute(f"SELECT id FROM settings WHERE {where}", settings).fetchone()[0]
            rows = [_row(key, sampling.max_tokens, c, number) for key, c in completions.items()]
            self._db.executemany("INSERT OR IGNORE INTO completions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            owned = [(key, self._owner) for key in completions]
            self._db.executemany("DELETE FROM claims WHERE key = ? AND owner = ?", owned)

    def claim(self, keys: Sequence[bytes], *, max_tokens: int) -> set[bytes]:
        """Those of the keys that this process is to generate: not stored by now, and no living process is at them."""
        if self.path is not None and self._alive is None:
            folder = Path(f"{self.path}.owners")
            folder.mkdir(exist_ok=True)
            self._alive = FileLock(folder / self._owner)
            self._alive.acquire()
        with self._transaction():
            done = self.find(keys, max_tokens=max_tokens)
            owners = dict(self._rows("key, owner", "claims", keys))
            living = {owner for owner in set(owners.values()) if owner != self._owner and self._lives(owner)}
            mine = {key for key in keys if key not in done and owners.get(key) not in living}
            self._db.executemany("INSERT OR REPLACE INTO claims VALUES (?, ?)", [(key, self._owner) for key in mine])
        return mine

    def release(self) -> None:
        """Gives all claims back, so that others may do what this process did not."""
        if self._alive is not None:
            with self._transaction():
                self._db.execute("DELETE FROM claims WHERE owner = ?", [self._owner])
            self._alive.release()
            Path(self._alive.lock_file).unlink(missing_ok=True)
            self._alive = None

    def _lives(self, owner: str) -> bool:
        lock = FileLock(Path(f"{self.path}.owners") / owner)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)
        return False

    def _rows(self, fields: str, table: str, keys: Iterable[bytes], order: str = "") -> Iterator[tuple]:
        asked = iter(keys)
        while chunk := list(islice(asked, CHUNK)):
            marks = ", ".join("?" * len(chunk))
            yield from self._db.execute(f"SELECT {fields} FROM {table} WHERE key IN ({marks}){order}", chunk)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Everything inside is written at once; the write lock is taken at its beginning, so that it cannot fail."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _row(key: bytes, max_tokens: int, c: Completion, settings: int) -> tuple[object, ...]:
    logprobs = None if c.logprobs is None else array.array("d", c.logprobs).tobytes()
    counts = (c.prompt_tokens, c.completion_tokens, c.seconds)
    return (key, max_tokens, c.text, c.finish_reason, *counts, logprobs, settings)
