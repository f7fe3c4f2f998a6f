"""How does `annotate` scale with processes, what memory does it take, and does its result depend on how it is run?

    python scripts/bench_annotate.py --data ../shared/data --rows 25000 50000 100000 --num-proc 1 2 4 --rounds 3

The rows are the questions of SQuAD, XQuAD and SROIE, repeated under new ids in the order of their documents. Every
measurement is a process of its own that is bound to `num_proc` cores and starts from a data set on disk; the rounds are
interleaved, so that a slow moment of the machine hits all of them, and medians are printed with the load that there
was. Memory is the peak of what processes hold beside files that are mapped (RssAnon), in MB: `own` of the main process,
`added` what that is more than before the call, `child` of the largest worker. The content hash must be the same for
every `num_proc`, batch size and order of the rows. `CPU s` is what the main process and the busiest worker spend: on
free cores the call takes no less; its speed-up is what a machine without other work would show.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.approaches import annotate
from hf_mbdc.approaches.extractive_qa import ExtractiveQA

if TYPE_CHECKING:
    from datasets import Dataset

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
COLUMNS = ("id", "document_id", "question", "words", "boxes", "context", "answers")


def write_rows(data: Path, count: int, folder: Path) -> None:
    """`count` questions as a data set on disk."""
    from datasets import concatenate_datasets

    from hf_mbdc.loaders import load_dataset

    parts = []
    for name, path in (("squad", data / "squad"), ("squad", data / "xquad"), ("sroie", data / "sroie")):
        splits = load_dataset(name, str(path))
        parts += [split.select_columns(list(COLUMNS)) for split in splits.values()]
    once = concatenate_datasets(parts)
    copies = []
    for number in range(-(-count // len(once))):
        ids = [f"{number}-{row_id}" for row_id in once["id"]]
        copies.append(once.remove_columns("id").add_column("id", ids))
    rows: Dataset = concatenate_datasets(copies).select(range(count))
    rows.save_to_disk(str(folder))


class Watch:
    """Memory that no file is behind, in MB, and CPU seconds of this process and of its children, seen every 20 ms."""

    def __init__(self) -> None:
        self.before = self.own = anonymous_mb(os.getpid())
        self.child = self.looking = 0.0
        self.began = time.process_time()
        self.child_cpu: dict[str, float] = {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def _look(self) -> None:
        children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
        while not self.over.wait(0.02):
            self.own = max(self.own, anonymous_mb(os.getpid()))
            for pid in children.read_text().split():
                self.child = max(self.child, anonymous_mb(int(pid)))
                self.child_cpu[pid] = max(self.child_cpu.get(pid, 0.0), cpu_seconds(int(pid)))
        self.looking = time.thread_time()  # the longer a busy machine takes, the more often was looked

    def stop(self) -> dict[str, Any]:
        """What was seen until now: MB, and the CPU seconds of this process and its busiest child together."""
        self.over.set()
        self.thread.join()
        own = time.process_time() - self.began - self.looking
        longest = own + max(self.child_cpu.values(), default=0.0)
        return {"own": self.own, "added": self.own - self.before, "child": self.child, "longest": longest}


def anonymous_mb(pid: int) -> float:
    """`RssAnon` of a process; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far; 0 where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(folder: Path, num_proc: int, batch_size: int, shuffled: bool, hashed: bool) -> dict[str, Any]:
    """One call of `annotate` in this process: seconds, memory and the hash of what it gave, in the order of the ids."""
    from datasets import disable_progress_bars, load_from_disk

    from hf_mbdc.revisions.content_hash import content_hash

    disable_progress_bars()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-num_proc:])
    rows = load_from_disk(str(folder))
    if shuffled:
        rows = rows.shuffle(seed=1)
    watch = Watch()
    began = time.perf_counter()
    done = annotate(rows, ExtractiveQA(), num_proc=None if num_proc == 1 else num_proc, batch_size=batch_size)
    seconds = time.perf_counter() - began
    figures = {**watch.stop(), "seconds": seconds, "load": os.getloadavg()[0]}
    if hashed:
        figures["hash"] = content_hash(done.sort("id"))
    return figures


def run(folder: Path, num_proc: int, batch_size: int = 1000, *, shuffled: bool = False, hashed: bool = False) -> Any:
    """`measure` in a process of its own, on a copy of the data that is removed with everything cached beside it."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        copy = Path(scratch) / "rows"
        shutil.copytree(folder, copy, copy_function=os.link)
        options = json.dumps([str(copy), num_proc, batch_size, shuffled, hashed])
        command = [sys.executable, __file__, "--measure", options]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **ENVIRONMENT})
    return json.loads(done.stdout.splitlines()[-1])


def show_scaling(folders: dict[int, Path], processes: Sequence[int], rounds: int) -> None:
    """Speed and memory for every number of rows and of processes: medians over interleaved rounds."""
    runs: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for _ in range(rounds):
        for count, folder in folders.items():
            for num_proc in processes:
                runs.setdefault((count, num_proc), []).append(run(folder, num_proc))
    names = ("rows", "num_proc", "seconds", "fastest", "rows/s", "speed-up", "CPU s", "CPU speed-up")
    print("".join(f"{name:>13}" for name in (*names, "own MB", "added MB", "child MB", "load")))
    for (count, num_proc), found in runs.items():
        middle = {name: statistics.median(figures[name] for figures in found) for name in found[0]}
        base = runs[count, processes[0]]
        one, one_cpu = (statistics.median(figures[name] for figures in base) for name in ("seconds", "longest"))
        times = middle["seconds"], min(figures["seconds"] for figures in found), count / middle["seconds"]
        cells = [*times, one / middle["seconds"], middle["longest"], one_cpu / middle["longest"]]
        cells += [middle["own"], middle["added"], middle["child"], middle["load"]]
        print(f"{count:>13}{num_proc:>13}" + "".join(f"{cell:>13,.2f}" for cell in cells), flush=True)


def show_hashes(folder: Path, processes: Sequence[int]) -> None:
    """The content hash, in the order of the ids, for other processes, batch sizes and orders."""
    print("\ncontent hash, rows in the order of their ids")
    hashes = set()
    cases = [*((n, 1000, False) for n in processes), (1, 7, False), (2, 333, False), (1, 1000, True), (2, 100, True)]
    for num_proc, batch_size, shuffled in cases:
        found = run(folder, num_proc, batch_size, shuffled=shuffled, hashed=True)["hash"]
        hashes.add(found)
        order = "shuffled" if shuffled else "as given"
        print(f"num_proc {num_proc}, batch_size {batch_size:>4}, {order}: {found[:16]}", flush=True)
    print("the same" if len(hashes) == 1 else "DIFFERENT")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with squad, xquad and sroie")
    parser.add_argument("--rows", type=int, nargs="+", default=[25_000, 50_000, 100_000], help="sizes to measure")
    parser.add_argument(
        "--num-proc", type=int, nargs="+", default=[1, 2, 4], help="numbers of processes; the first is 1"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # what `run` starts
    flags = parser.parse_args()
    if flags.measure:
        print(json.dumps(measure(*json.loads(flags.measure))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HF_DATASETS_CACHE"] = str(Path(scratch) / "cache")
        folders = {count: Path(scratch) / str(count) for count in flags.rows}
        for count, folder in folders.items():
            write_rows(flags.data, count, folder)
        show_scaling(folders, flags.num_proc, flags.rounds)
        show_hashes(folders[min(folders)], flags.num_proc)


if __name__ == "__main__":
    main()
