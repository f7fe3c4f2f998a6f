"""What a revision costs to write and to upload: our layouts and that of stock `push_to_hub`, in the same run.

    python scripts/bench_layout.py --rows 1000000

Both sides are measured by the Xet client that uploads to the Hub, against a store in a folder: the bytes of the chunks
that the store does not have yet. Every layout has a store of its own, and starts with a first revision of its own. The
edits of a step are the same for all of them: 1 % of the rows get another text and another label, 0.5 % go, all at
random places, and 0.5 % come in at the end.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import Dataset, DatasetDict

from hf_mbdc.publishing.publication import commit, draft
from hf_mbdc.revisions.files.layout import Deletes, write_files
from hf_mbdc.revisions.files.live import arrange
from hf_mbdc.revisions.repositories.folder import FolderRepository
from hf_mbdc.revisions.repositories.forecast import ChunkStore

WORDS, LETTERS = 20_000, "abcdefghijklmnopqrstuvwxyz"
BARS = {"hard": 1 / 10, "lazy": 1 / 10, "live": 1 / 40}


def main() -> None:
    """Runs the parts and prints a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    table = make_rows(options.rows, seed=0, start=0)
    print(f"{options.rows:,} rows, {table.nbytes / options.rows:.0f} B each: {', '.join(table.column_names)}")
    bench_write(table)
    bench_publish(table)
    bench_changes(table)
    bench_steps(table, options.steps)
    tell_least(table)
    print(f"load {os.getloadavg()[0]:.1f}")


def make_rows(count: int, *, seed: int, start: int) -> pa.Table:
    """Rows with an id, a question, an answer in its context, and a label."""
    random = np.random.default_rng(seed)
    ids = pc.binary_join_element_wise(
        "row-", pc.utf8_lpad(pa.array(np.arange(start, start + count)).cast("string"), 8, "0"), ""
    )
    return pa.table(
        {
            "id": ids,
            "question": make_texts(count, 7, random),
            "context": make_texts(count, 13, random),
            "label": pa.array(random.integers(0, 10, count)),
        }
    )


def make_vocabulary() -> list[str]:
    """The words, of which some come more than once."""
    letters = np.random.default_rng(7)
    return ["".join(letters.choice(list(LETTERS), letters.integers(2, 10))) for _ in range(WORDS)]


def make_texts(count: int, words: int, random: np.random.Generator) -> pa.Array:
    """Texts of about so many words of a fixed vocabulary."""
    vocabulary = pa.array(make_vocabulary())
    ends = np.concatenate([[0], np.cumsum(random.integers(words // 2, words * 3 // 2, count))]).astype(np.int32)
    chosen = vocabulary.take(pa.array(random.integers(0, WORDS, ends[-1])))
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(ends), chosen), " ")


def clean(table: pa.Table, step: int) -> pa.Table:
    """One cleaning iteration."""
    random, count = np.random.default_rng(1000 + step), table.num_rows
    edited = np.zeros(count, bool)
    edited[random.choice(count, count // 100, replace=False)] = True
    context = pc.replace_with_mask(one(table["context"]), edited, make_texts(int(edited.sum()), 13, random))
    labels = pc.replace_with_mask(one(table["label"]), edited, pa.array(random.integers(0, 10, int(edited.sum()))))
    kept = np.ones(count, bool)
    kept[random.choice(count, count // 200, replace=False)] = False
    changed = table.set_column(2, "context", context).set_column(3, "label", labels).filter(pa.array(kept))
    return pa.concat_tables([changed, make_rows(count // 200, seed=2000 + step, start=10_000_000 * (step + 1))])


def one(column: pa.ChunkedArray) -> pa.Array:
    """The column as one array."""
    return pa.concat_arrays(column.chunks)


def bench_write(table: pa.Table) -> None:
    """A filtered dataset, from memory to Parquet: `Dataset.to_parquet`, which push_to_hub calls, and our writer."""
    everything = Dataset(pa.concat_tables([table, table.slice(0, table.num_rows // 50)]))
    chosen = np.sort(np.random.default_rng(5).choice(len(everything), table.num_rows, replace=False))
    filtered = everything.select(chosen)
    with tempfile.TemporaryDirectory() as folder:
        ours = min(timed(lambda: write_files(DatasetDict(train=filtered), None, Path(folder))) for _ in range(2))
        lazy = timed(lambda: write_files(DatasetDict(train=filtered), None, Path(folder), deletes="lazy"))
        stock = timed(lambda: filtered.to_parquet(str(Path(folder) / "stock.parquet")))
    print(f"write of a filtered dataset: stock {stock:.2f} s, ours {ours:.2f} s: {stock / ours:.1f} times (bar: 15)")
    print(f"  with dictionaries that go on (lazy): {lazy:.2f} s: {stock / lazy:.1f} times")


def bench_publish(table: pa.Table) -> None:
    """Publishing a change of 1 % of the rows, from the drafted diff to the commit."""
    with tempfile.TemporaryDirectory() as folder:
        repository = FolderRepository(Path(folder) / "repo")
        kinds: tuple[Deletes, ...] = ("hard", "live")
        for deletes in kinds:
            repo_id = f"me/{deletes}"
            first = draft(Dataset(table), repo_id, repository, message="First", deletes=deletes)
            commit(first, repository)
            drafting = time.perf_counter()
            second = draft(Dataset(clean(table, 0)), repo_id, repository, message="Second")
            drafting = time.perf_counter() - drafting
            cpu = time.process_time()
            took = timed(partial(commit, second, repository))
            cpu = time.process_time() - cpu
            print(
                f"publish of a 1 % change ({deletes}): {took:.1f} s after the diff (bar: 10), {cpu:.1f} s of processor "
                f"time; draft {drafting:.1f} s"
            )


def bench_steps(table: pa.Table, steps: int) -> None:
    """New bytes of each cleaning iteration, in each layout."""
    with tempfile.TemporaryDirectory() as folder:
        layouts = make_layouts(Path(folder))
        totals = dict.fromkeys(layouts, 0)
        sizes = {name: layout.revision(Dataset(table)) for name, layout in layouts.items()}
        print("first revision:", ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sizes.items()))
        for step in range(steps):
            table = clean(table, step)
            sizes = {name: layout.revision(Dataset(table)) for name, layout in layouts.items()}
            totals = {name: totals[name] + size for name, size in sizes.items()}
            print(
                f"step {step + 1}:",
                ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sizes.items()),
                flush=True,
            )
        for name in ("lazy", "live"):
            size = layouts[name].revision(Dataset(table), anew=True)
            totals[f"{name}, then compact"] = totals[name] + size
    for name, total in totals.items():
        bar = f" (bar: 1/{1 / BARS[name]:.0f})" if name in BARS else ""
        print(f"{steps} iterations, {name}: {total / 1e6:.1f} MB, 1/{totals['stock'] / total:.1f} of stock{bar}")


def tell_least(table: pa.Table) -> None:
    """How little a step could cost if rows that go leave the files, whatever the layout.

    A store keeps chunks; one that holds a cell that goes cannot be kept. Cells lie in their column one after the other,
    at random places here, so that it is enough to count the chunks in which one goes. Xet cuts chunks of 64 kB on
    average and never below 8 kB, unless a file is smaller. That is told of the bytes as they are stored, and of as many
    as the texts would have in the best code that there can be: these words are drawn evenly, so that their entropy is
    known. Files of one chunk each would be ten thousand and more in a repository.
    """
    after = clean(table, 0)
    places = pc.index_in(after["id"], value_set=one(table["id"])).drop_null().to_numpy()
    kept = np.zeros(table.num_rows, bool)
    kept[places] = True
    with tempfile.TemporaryDirectory() as folder:
        write_files(DatasetDict(train=Dataset(table)), None, Path(folder))
        stored = _column_bytes(Path(folder))
    same = after.slice(0, len(places))
    best = {name: table.num_rows * entropy_bits(words) / 8 for name, words in (("question", 7), ("context", 13))}
    for chunk, sizes, kind in ((64_000, stored, "stored"), (8_000, stored, "stored"), (8_000, best, "of entropy")):
        least = 0
        for name, size in sizes.items():
            if not pa.types.is_string(table[name].type):
                continue
            stays = kept.copy()
            stays[places] = pc.equal(same[name], one(table[name]).take(pa.array(places))).to_numpy(zero_copy_only=False)
            ends = np.cumsum(pc.binary_length(one(table[name])).to_numpy())
            chunks = ends * (size / ends[-1]) // chunk
            least += chunk * len(np.unique(chunks[~stays]))
        whole = f"{sum(sizes.values()) / 1e6:.1f} MB {kind}"
        print(f"least for hard deletes, {whole}, chunks of {chunk // 1000} kB: {least / 1e6:.1f} MB a step, texts only")


def entropy_bits(words: int) -> float:
    """Of a text of `make_texts`: of its words, which are drawn evenly from a vocabulary, and of their number."""
    shares = np.unique(make_vocabulary(), return_counts=True)[1] / WORDS
    numbers = words * 3 // 2 - words // 2
    return float(-(shares * np.log2(shares)).sum() * (words // 2 + (numbers - 1) / 2) + np.log2(numbers))


def _column_bytes(folder: Path) -> dict[str, int]:
    """Compressed bytes of each column."""
    sizes: dict[str, int] = {}
    for path in folder.rglob("*.parquet"):
        footer = pq.read_metadata(path)
        for group in range(footer.num_row_groups):
            for number in range(footer.num_columns):
                column = footer.row_group(group).column(number)
                sizes[column.path_in_schema] = sizes.get(column.path_in_schema, 0) + column.total_compressed_size
    return sizes


def bench_changes(table: pa.Table) -> None:
    """New bytes of single changes, for the stock layout and the default one."""
    random, count = np.random.default_rng(3), table.num_rows
    edited = np.zeros(count, bool)
    edited[random.choice(count, count // 100, replace=False)] = True
    labels = pc.replace_with_mask(one(table["label"]), edited, pa.array(random.integers(0, 10, int(edited.sum()))))
    changes = {
        "1 % of the labels edited": table.set_column(3, "label", labels),
        "5 % of the rows added": pa.concat_tables([table, make_rows(count // 20, seed=4, start=90_000_000)]),
        "a number column added": table.append_column("score", pa.array(random.random(count))),
        "a text edited": table.set_column(
            2, "context", pc.replace_with_mask(one(table["context"]), np.arange(count) == count // 2, pa.array(["new"]))
        ),
    }
    for name, changed in changes.items():
        with tempfile.TemporaryDirectory() as folder:
            layouts = make_layouts(Path(folder))
            sizes = {}
            for kind in ("stock", "hard"):
                layouts[kind].revision(Dataset(table))
                sizes[kind] = layouts[kind].revision(Dataset(changed)) / 1e6
        print(f"{name}: stock {sizes['stock']:.2f} MB, hard {sizes['hard']:.2f} MB", flush=True)


def make_layouts(folder: Path) -> dict[str, Layout]:
    """An empty one of each kind."""
    kinds: dict[str, Deletes | None] = {"stock": None, "hard": "hard", "lazy": "lazy", "live": "live"}
    return {name: Layout(folder / name, deletes) for name, deletes in kinds.items()}


class Layout:
    """The revisions of one layout (None: the stock one), and the chunks that were stored for them."""

    def __init__(self, folder: Path, deletes: Deletes | None) -> None:
        self.folder, self.deletes, self.count = folder, deletes, 0
        self.before: DatasetDict | None = None
        (folder / "store").mkdir(parents=True)
        self.store = ChunkStore(folder / "store")

    def revision(self, rows: Dataset, *, anew: bool = False) -> int:
        """Writes the next revision, in the places of the last one or `anew` as `compact` does; gives its new bytes."""
        folder = self.folder / str(self.count)
        folder.mkdir()
        if self.deletes is None:
            rows.to_parquet(str(folder / "train-00000-of-00001.parquet"))
        else:
            splits = DatasetDict(train=rows)
            splits = arrange(splits, None if anew else self.before) if self.deletes == "live" else splits
            parent = self.folder / str(self.count - 1) if self.count and not anew else None
            write_files(splits, None, folder, parent=parent, deletes=self.deletes)
            self.before = splits
        self.count += 1
        return self.store.add(sorted(folder.rglob("*.parquet")))


def timed(function: Callable[[], object]) -> float:
    """Seconds."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
