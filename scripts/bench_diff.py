"""How long does a keyed diff take, beside reading the bytes once and beside duckdb, polars and datacompy?

    python scripts/bench_diff.py --rows 10000000 --rounds 3 ["in order" | shuffled | "label only" | "label published"]

Rows have a text key (`row-000000042`), a text of 60 to 180 characters, a label and a score. The new side lacks 0.5 % of
them, has 0.5 % more at its end, and in 1 % another text, in 1 % another label. Four cases:

- `in order`: both sides in memory, rows in the order of their keys;
- `shuffled`: the new side in another order;
- `label only`: two Parquet files with the same rows, 1 % of the labels changed; beside it the time to read both files;
- `label published`: the same as two published revisions, whose manifests list a hash of each column chunk.

What a peer does is the least that answers the same question: match by key, and count the added, removed and changed
rows. Every engine runs in a process of its own, and its data, which stand in an Arrow file, are in memory before the
clock starts (the rows of polars, duckdb and datacompy in their own form). Rounds are interleaved; printed are medians.
`CPU s` is the processor time of all threads, which other work on the machine disturbs least; `extra GB` is the peak of
the process's resident memory above what it had when the clock started. Peers that are not installed are skipped, and
the output says so; to have them: pip install duckdb polars datacompy.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

COLUMNS = ("text", "label", "score")
CASES = {
    "in order": ("floor", "hf_mbdc", "duckdb", "polars", "datacompy"),
    "shuffled": ("floor", "hf_mbdc", "duckdb", "polars", "datacompy"),
    "label only": ("full read", "hf_mbdc", "duckdb", "polars"),
    "label published": ("full read", "hf_mbdc"),
}
NEEDS = {"duckdb": ("duckdb",), "polars": ("polars",), "datacompy": ("datacompy", "polars")}


def make_rows(count: int, seed: int) -> pa.Table:
    """Rows with a key, a text, a label and a score; about 160 bytes each."""
    draw = np.random.default_rng(seed)
    sizes = draw.integers(60, 180, count)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    letters = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz      ", np.uint8)
    data = letters[np.resize(draw.integers(0, 32, min(int(ends[-1]) + 1, 64_000_003), np.uint8), int(ends[-1]))]
    text = pa.LargeStringArray.from_buffers(count, pa.py_buffer(ends.astype(np.int64)), pa.py_buffer(data))
    return pa.table(
        {
            "id": _keys(np.arange(count)),
            "text": text,
            "label": draw.integers(0, 10, count),
            "score": draw.random(count),
        }
    )


def _keys(numbers: np.ndarray) -> pa.Array:
    digits = (numbers[:, None] // 10 ** np.arange(8, -1, -1) % 10 + 48).astype(np.uint8)
    lead = np.broadcast_to(np.frombuffer(b"row-", np.uint8), (len(numbers), 4))
    data = pa.py_buffer(np.concatenate([lead, digits], axis=1).tobytes())
    return pa.LargeStringArray.from_buffers(len(numbers), pa.py_buffer(np.arange(len(numbers) + 1) * 13), data)


def make_change(old: pa.Table, seed: int) -> tuple[pa.Table, dict[str, int]]:
    """The new side, and how many rows were added, removed and changed."""
    draw, count = np.random.default_rng(seed), len(old)
    kept = np.flatnonzero(draw.random(count) >= 0.005)
    texts, labels = (draw.random(len(kept)) < 0.01 for _ in range(2))
    rows = pa.table({name: old[name].combine_chunks().take(pa.array(kept)) for name in old.column_names})
    edited = pc.binary_join_element_wise(
        rows["text"], pa.scalar("!", pa.large_string()), pa.scalar("", pa.large_string())
    )
    rows = rows.set_column(1, "text", pc.if_else(pa.array(texts), edited, rows["text"]))
    rows = rows.set_column(2, "label", pc.if_else(pa.array(labels), pc.add(rows["label"], 10), rows["label"]))
    more = make_rows(count // 200, seed + 1).set_column(0, "id", _keys(np.arange(count, count + count // 200)))
    found = {"added": len(more), "removed": count - len(kept), "changed": int((texts | labels).sum())}
    return pa.concat_tables([rows, more]), found


def write_case(case: str, rows: int, folder: Path) -> dict[str, int]:
    """Writes the two sides of a case; returns the counts that every engine has to find."""
    old = make_rows(rows, 0)
    if case.startswith("label"):
        hit = np.random.default_rng(1).random(rows) < 0.01
        new = old.set_column(2, "label", pc.if_else(pa.array(hit), pc.add(old["label"], 10), old["label"]))
        for name, table in (("old", old), ("new", new)):
            if case == "label published":
                _publish(table, name, folder)
            else:
                pq.write_table(table, folder / f"{name}.parquet", row_group_size=100_000)
        return {"added": 0, "removed": 0, "changed": int(hit.sum())}
    new, counts = make_change(old, 1)
    if case == "shuffled":
        new = new.take(pa.array(np.random.default_rng(2).permutation(len(new))))
    for name, table in (("old", old), ("new", new)):
        with pa.OSFile(str(folder / f"{name}.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table.combine_chunks())
    return counts


def _publish(table: pa.Table, name: str, folder: Path) -> None:
    """The next revision of a repository, with a link to its files."""
    from datasets import Dataset

    from hf_mbdc.publishing.publication import publish
    from hf_mbdc.revisions.repositories.folder import FolderRepository

    repository = FolderRepository(folder / "repository")
    record = publish(Dataset(table), "bench/diff", message=name, repository=repository)
    (folder / name).symlink_to(repository.snapshot("bench/diff", str(record.sha)))


def _files(folder: Path) -> list[Path]:
    """Both sides as files or as folders of revisions; none where they are in memory."""
    found = [folder / name for name in ("old", "new", "old.parquet", "new.parquet")]
    return [path for path in found if path.exists()]


def _tables(folder: Path) -> tuple[pa.Table, pa.Table]:
    """Both sides, read into the memory of this process."""
    old, new = (pa.ipc.open_file(pa.OSFile(str(folder / f"{name}.arrow"))).read_all() for name in ("old", "new"))
    return old, new


def run_floor(folder: Path) -> Callable[[], dict[str, int]]:
    """Every byte of both sides is read once, in as many threads as Arrow uses."""
    from concurrent.futures import ThreadPoolExecutor

    tables = _tables(folder)
    buffers = [b for t in tables for c in t.columns for chunk in c.chunks for b in chunk.buffers() if b is not None]
    words = [np.frombuffer(b, np.uint8)[: b.size // 8 * 8].view(np.uint64) for b in buffers]
    pieces = [array[start : start + (1 << 20)] for array in words for start in range(0, len(array), 1 << 20)]

    def run() -> dict[str, int]:
        with ThreadPoolExecutor(pa.cpu_count()) as pool:
            sum(int(part) for part in pool.map(np.sum, pieces))
        return {}

    return run


def run_full_read(folder: Path) -> Callable[[], dict[str, int]]:
    """Both Parquet files are decoded, by Arrow with all its threads."""

    def run() -> dict[str, int]:
        for side in _files(folder):
            for path in sorted(side.glob("data/*.parquet")) or [side]:
                pq.read_table(path)
        return {}

    return run


def run_hf_mbdc(folder: Path) -> Callable[[], dict[str, int]]:
    """`hf_mbdc.diff`, with all that it tells of the changes."""
    from datasets import Dataset

    from hf_mbdc.revisions.diff.diff import diff

    importlib.import_module("hf_mbdc.revisions.diff.build")  # which the first diff would import
    importlib.import_module("rapidfuzz.distance")
    sides: list[Any] = _files(folder) or [Dataset(table) for table in _tables(folder)]

    def run() -> dict[str, int]:
        split = diff(*sides).splits["train"]
        return {"added": split.added, "removed": split.removed, "changed": split.changed}

    return run


def run_duckdb(folder: Path) -> Callable[[], dict[str, int]]:
    """A full join by key in duckdb."""
    database = importlib.import_module("duckdb").connect()
    database.execute(f"SET threads = {pa.cpu_count()}")
    if (folder / "old.parquet").exists():
        names = [f"read_parquet('{folder / name}.parquet')" for name in ("old", "new")]
    else:
        for name, table in zip(("old", "new"), _tables(folder), strict=True):
            database.register("side", table)
            database.execute(f"CREATE TABLE {name}_rows AS SELECT * FROM side")
            database.unregister("side")
        names = ["old_rows", "new_rows"]
    unequal = " OR ".join(f"a.{name} IS DISTINCT FROM b.{name}" for name in COLUMNS)
    query = (
        "SELECT count(*) FILTER (a.id IS NULL), count(*) FILTER (b.id IS NULL), "
        f"count(*) FILTER (a.id IS NOT NULL AND b.id IS NOT NULL AND ({unequal})) "
        f"FROM {names[0]} a FULL JOIN {names[1]} b ON a.id = b.id"
    )

    def run() -> dict[str, int]:
        return dict(zip(("added", "removed", "changed"), database.execute(query).fetchone() or (), strict=True))

    return run


def run_polars(folder: Path) -> Callable[[], dict[str, int]]:
    """A full join by key in polars."""
    pl = importlib.import_module("polars")
    if (folder / "old.parquet").exists():
        old, new = (pl.scan_parquet(folder / f"{name}.parquet") for name in ("old", "new"))
    else:
        old, new = (pl.DataFrame(pl.from_arrow(table)).lazy() for table in _tables(folder))
    there, there_after = pl.col("label").is_not_null(), pl.col("label_right").is_not_null()
    unequal = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_right")) for name in COLUMNS)
    query = old.join(new, on="id", how="full").select(
        (~there).sum().alias("added"),
        (~there_after).sum().alias("removed"),
        (there & there_after & unequal).sum().alias("changed"),
    )

    def run() -> dict[str, int]:
        return {name: int(values[0]) for name, values in query.collect().to_dict(as_series=False).items()}

    return run


def run_datacompy(folder: Path) -> Callable[[], dict[str, int]]:
    """datacompy's comparison of two polars frames."""
    datacompy, pl = (importlib.import_module(name) for name in ("datacompy", "polars"))
    old, new = (pl.DataFrame(pl.from_arrow(table)) for table in _tables(folder))

    def run() -> dict[str, int]:
        found = datacompy.PolarsCompare(old, new, join_columns="id")
        changed = found.intersect_rows.height - found.count_matching_rows()
        return {"added": found.df2_unq_rows.height, "removed": found.df1_unq_rows.height, "changed": changed}

    return run


ENGINES = {
    "floor": run_floor,
    "full read": run_full_read,
    "hf_mbdc": run_hf_mbdc,
    "duckdb": run_duckdb,
    "polars": run_polars,
    "datacompy": run_datacompy,
}


def measure_here(engine: str, folder: Path) -> dict[str, Any]:
    """In this process: prepares the data, then runs the engine once."""
    run = ENGINES[engine](folder)
    pa.default_memory_pool().release_unused()  # what reading the data has left
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = _memory("VmRSS")
    started, cpu = time.perf_counter(), time.process_time()
    counts = run()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu": cpu, "extra": _memory("VmHWM") - before, "counts": counts}


def _memory(name: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024 / 1e9


def _measure(engine: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, engine, str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"error": done.returncode}


def bench(rows: int, rounds: int, cases: list[str]) -> None:
    """Prints a table for each case."""
    for case in cases:
        with tempfile.TemporaryDirectory(prefix="bench-diff-") as name:
            folder = Path(name)
            expected = write_case(case, rows, folder)
            there = [e for e in CASES[case] if all(map(importlib.util.find_spec, NEEDS.get(e, ())))]
            found: dict[str, list[dict[str, Any]]] = {engine: [] for engine in there}
            loads = []
            for _ in range(rounds):
                for engine in there:
                    loads.append(os.getloadavg()[0])
                    found[engine].append(_measure(engine, folder))
            _print(case, rows, expected, found, loads)
            for engine in sorted(set(CASES[case]) - set(there)):
                print(f"  {engine} is not installed: skipped")


def _print(
    case: str, rows: int, expected: dict[str, int], found: dict[str, list[dict[str, Any]]], loads: list[float]
) -> None:
    base = next(iter(found))
    floor = statistics.median(run["seconds"] for run in found[base])
    of = "full read ÷" if base == "full read" else "× floor"
    print(f"\n{case}, {rows:,} rows × 4 columns; load {min(loads):.1f} to {max(loads):.1f}")
    print(f"  {'':<12}{'seconds':>9}{of:>14}{'CPU s':>9}{'extra GB':>10}")
    for engine, runs in found.items():
        if failed := [run["error"] for run in runs if "error" in run]:
            print(f"  {engine:<12} failed with {failed[0]}")
            continue
        if engine != base:
            assert all(run["counts"] == expected for run in runs), (engine, runs[0]["counts"], expected)
        seconds, cpu, extra = (statistics.median(run[key] for run in runs) for key in ("seconds", "cpu", "extra"))
        ratio = floor / seconds if base == "full read" else seconds / floor
        print(f"  {engine:<12}{seconds:>9.3f}{ratio:>14.1f}{cpu:>9.2f}{extra:>10.2f}", flush=True)
    print(f"  every engine found the same: {', '.join(f'{n:,} {what}' for what, n in expected.items())}")


def main() -> None:
    """Measures one engine, where the first word is its name; otherwise compares them all."""
    if sys.argv[1:2] and sys.argv[1] in ENGINES:
        print(json.dumps(measure_here(sys.argv[1], Path(sys.argv[2]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[[], *CASES], help="default: all")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    bench(chosen.rows, chosen.rounds, chosen.cases or list(CASES))


if __name__ == "__main__":
    main()
