"""Publishing under faults: a Hub that fails, a program that is killed, and eight publishers at once.

    python scripts/bench_faults.py                 # everything, on a loopback Hub and on folders
    python scripts/bench_faults.py --only kills    # one part: faults, kills or crowd

After each trial the repository must hold the old head or the new one, complete: the data as its manifest says, and
every publication that was told a success in the history, once. Traffic goes to 127.0.0.1 only.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
os.environ.setdefault("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody: every trial names its own
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

loopback: Any = importlib.import_module("loopback_hub")  # of the tests, which are no package

if TYPE_CHECKING:
    from datasets import DatasetDict

ID = "me/receipts"
ROWS = 200
ANSWERS: tuple[int | None, ...] = (500, 429, None)  # None: the connection is cut


@dataclass
class Tally:
    """How the trials of one kind ended; `wrong` says what should not be."""

    trials: int = 0
    new_head: int = 0
    old_head: int = 0
    seconds: float = 0.0
    wrong: tuple[str, ...] = ()

    def add(self, before: int, wanted: int, found: int | str) -> None:
        """A trial that wanted to bring the head from round `before` to round `wanted`."""
        self.trials += 1
        self.new_head += found == wanted
        self.old_head += found == before
        if found not in (before, wanted):
            self.wrong += (f"round {wanted}: {found}",)

    def __str__(self) -> str:
        ended = f"{self.trials} trials: {self.new_head} new head, {self.old_head} old head, {len(self.wrong)} wrong"
        return "\n".join([f"{ended} ({self.seconds:.0f} s)", *(f"    {line}" for line in self.wrong[:10])])


class FaultyHub(loopback.LoopbackHub):
    """Of its calls `share` go wrong: an error or a cut connection, before or after their work is done."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.share, self.draw, self.broken = 0.0, random.Random(seed), 0

    def break_next(self, kind: str) -> Any:
        self.calls[kind] += 1
        if self.draw.random() >= self.share:
            return None
        self.broken += 1
        return loopback.Fault(kind, status=self.draw.choice(ANSWERS), after=self.draw.random() < 0.5)


# Step 1: what is published. Round 0 is the first version; every further round edits one row and adds one.


def rows_of(round_: int) -> DatasetDict:
    from datasets import Dataset, DatasetDict

    totals = {f"{i:05d}": f"{i}.00" for i in range(ROWS)}
    for number in range(1, round_ + 1):
        totals[f"{number:05d}"] = f"edited in {number}"
        totals[f"added-{number:05d}"] = f"{number}.50"
    train = Dataset.from_dict({"id": list(totals), "total": list(totals.values())})
    return DatasetDict(train=train, test=train.select(range(10)))


def publish_round(place: str, round_: int) -> str:
    """The version, or what the error says; an error of another kind than ours is not caught."""
    from hf_mbdc.errors import MbdcError
    from hf_mbdc.publishing.publication import publish

    try:
        return publish(rows_of(round_), ID, repository=place, message=f"round {round_}").version
    except MbdcError as error:
        return f"{type(error).__name__}: {error.what}"


def head_round(place: str, rounds: int) -> int | str:
    """The round that is the head (−1: none), or what is wrong with the repository."""
    from hf_mbdc.errors import MbdcError
    from hf_mbdc.publishing.history import load, versions
    from hf_mbdc.publishing.verification import verify
    from hf_mbdc.revisions.content_hash import dataset_hash
    from hf_mbdc.revisions.repositories.repository import open_repository

    repository = open_repository(place)
    try:
        if repository.head(ID) is None:
            return -1
        found = dataset_hash(load(ID, repository=repository))
        messages = [item.message for item in versions(ID, repository)]
        # A tag that a kill left out is set by the next publication; load finds the version without it.
        failed = [item.name for item in verify(ID, repository=repository).checks if not item.ok]
    except MbdcError as error:
        return f"{type(error).__name__}: {error}"
    failed = [name for name in failed if not name.startswith("tag ")]
    at = int(messages[0].split()[1])
    if failed or messages != [f"round {number}" for number in range(at, -1, -1)]:
        return f"checks failed: {failed}; history {messages}"
    return at if found == dataset_hash(rows_of(at)) else f"other content than round {at}"


# Step 2: publishers that can be killed, forked from a server that has imported everything already.


@contextlib.contextmanager
def caches(scratch: Path) -> Iterator[None]:
    """The caches of the libraries in a folder of their own, for as long as it lasts."""
    import datasets
    import huggingface_hub
    from huggingface_hub import constants

    huggingface_hub.logging.set_verbosity_error()  # it tells of every retry
    before = constants.HF_HUB_CACHE, datasets.config.HF_DATASETS_CACHE
    constants.HF_HUB_CACHE, datasets.config.HF_DATASETS_CACHE = str(scratch / "hub"), scratch / "datasets"
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        constants.HF_HUB_CACHE, datasets.config.HF_DATASETS_CACHE = before


def start(job: Any, place: str, scratch: Path, *args: Any) -> tuple[Any, Connection]:
    """A process that runs `job(pipe, place, *args)`, and our end of the pipe."""
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["hf_mbdc.publishing.publication", "hf_mbdc.revisions.repositories.hub", "hf_mbdc.revisions.files.layout"]
    )
    ours, its = context.Pipe()
    process = context.Process(target=_run, args=(its, job, place, str(scratch), *args))
    process.start()
    its.close()
    return process, ours


def _run(pipe: Connection, job: Any, place: str, scratch: str, *args: Any) -> None:
    with caches(Path(scratch)):
        job(pipe, place, *args)


def publish_when_told(pipe: Connection, place: str, round_: int) -> None:
    """Imports and makes what it needs, says "ready", waits, publishes, says how it went."""
    import hf_mbdc.approaches
    import hf_mbdc.publishing.publication
    import hf_mbdc.revisions.card.card
    import hf_mbdc.revisions.files.layout  # noqa: F401

    rows_of(round_)
    pipe.send("ready")
    pipe.recv()
    pipe.send(publish_round(place, round_))


def publish_beside_others(pipe: Connection, place: str, name: int, times: int) -> None:
    """Adds a row and edits one of its own, `times` times; says the versions."""
    from hf_mbdc.publishing.history import load
    from hf_mbdc.publishing.publication import publish

    pipe.send("ready")
    pipe.recv()
    said = []
    for number in range(times):
        rows = load(ID, repository=place)
        rows = with_rows(rows, name, number)
        said.append(publish(rows, ID, repository=place, message=f"{name}.{number}", merge=True).version)
    pipe.send(said)


def with_rows(rows: DatasetDict, name: int, number: int) -> DatasetDict:
    from datasets import Dataset, DatasetDict

    totals = dict(zip(rows["train"]["id"], rows["train"]["total"], strict=True))
    totals[f"{name:05d}"] = f"edited {number}"
    totals[f"added-{name}-{number}"] = "1.00"
    train = Dataset.from_dict({"id": list(totals), "total": list(totals.values())})
    train.info.homepage = rows["train"].info.homepage  # made anew, but from these rows: it remembers their revision
    return DatasetDict(train=train, test=rows["test"])


# Step 3: the trials.


def faults(count: int, share: float, scratch: Path, seed: int = 0) -> tuple[Tally, int, int]:
    """Publishes `count` rounds to a Hub of whose calls `share` fail. Also gives the calls, and those that failed."""
    tally, begun, head = Tally(), time.monotonic(), -1
    with FaultyHub(seed) as hub, caches(scratch):
        for round_ in range(count):
            wanted = head + 1
            hub.share = share
            said = publish_round(hub.url, wanted)
            hub.share = 0.0
            found = head_round(hub.url, count)
            tally.add(head, wanted, found)
            if said.startswith("v") and found != wanted:
                tally.wrong += (f"round {wanted}: said {said}, and the head is {found}",)
            if isinstance(found, str):
                break
            head = found
            print(f"\r  {round_ + 1} of {count}", end="", file=sys.stderr, flush=True)
        calls = sum(hub.calls.values()), hub.broken
    print(file=sys.stderr)
    tally.seconds = time.monotonic() - begun
    return tally, *calls


def kills(count: int, place: str, scratch: Path, seed: int = 0) -> tuple[Tally, int]:
    """Kills `count` publishers at random moments, checks, and publishes the same again, which must end it.

    Also gives how many had made the commit and not yet its tag.
    """
    tally, begun, draw, untagged = Tally(), time.monotonic(), random.Random(seed), 0
    with caches(scratch / "ours"):
        publish_round(place, 0)
        long = time_of_a_publication(place, scratch)
        for round_ in range(2, count + 2):
            process, pipe = start(publish_when_told, place, scratch / f"kill-{round_}", round_)
            pipe.recv()
            pipe.send("go")
            time.sleep(draw.uniform(0, 1.5 * long))
            process.kill()
            process.join()
            found = head_round(place, count + 2)
            # Publications take longer as the history grows: the moments follow, so that they surround the commit.
            long *= 0.9 if found == round_ else 1.15
            tally.add(round_ - 1, round_, found)
            untagged += found == round_ and is_untagged(place)
            again, after = publish_round(place, round_), head_round(place, count + 2)
            if after != round_ or is_untagged(place):
                tally.wrong += (f"round {round_}: published again: {again}, head {after}",)
                break
            print(f"\r  {round_ - 1} of {count}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    tally.seconds = time.monotonic() - begun
    return tally, untagged


def time_of_a_publication(place: str, scratch: Path) -> float:
    process, pipe = start(publish_when_told, place, scratch / "whole", 1)
    pipe.recv()
    begun = time.monotonic()
    pipe.send("go")
    pipe.recv()
    long = time.monotonic() - begun
    process.join()
    return long


def is_untagged(place: str) -> bool:
    from hf_mbdc.publishing.history import versions
    from hf_mbdc.revisions.repositories.repository import open_repository

    repository = open_repository(place)
    return versions(ID, repository)[0].version not in repository.tags(ID)


def crowd(publishers: int, times: int, place: str, scratch: Path) -> Tally:
    """`publishers` at once, each `times` times. `new_head` counts the publications that are in the history."""
    from hf_mbdc.publishing.history import load, versions
    from hf_mbdc.publishing.verification import verify
    from hf_mbdc.revisions.repositories.repository import open_repository

    begun = time.monotonic()
    with caches(scratch / "ours"):
        publish_round(place, 0)
        started = [start(publish_beside_others, place, scratch / str(name), name, times) for name in range(publishers)]
        for _, pipe in started:
            pipe.recv()
        for _, pipe in started:
            pipe.send("go")
        said = [version for process, pipe in started for version in finished(process, pipe)]
        repository = open_repository(place)
        history = {item.version: item.message for item in versions(ID, repository)}
        train = load(ID, repository=repository)["train"]
        there = dict(zip(train["id"], train["total"], strict=True))
        wrong = [
            f"row added-{n}-{k} is lost"
            for n in range(publishers)
            for k in range(times)
            if f"added-{n}-{k}" not in there
        ]
        wrong += [f"edit of {n} is lost" for n in range(publishers) if there[f"{n:05d}"] != f"edited {times - 1}"]
        wrong += [f"{version} is not in the history" for version in said if version not in history]
        wrong += [f"{version} has no tag" for version in history if version not in repository.tags(ID)]
        wrong += [
            check.name
            for version in history
            for check in verify(ID, version, repository=repository).checks
            if not check.ok
        ]
        if len(said) != publishers * times or len(set(said)) < len(said) or len(there) != ROWS + publishers * times:
            wrong.append(f"{len(said)} publications told, {len(set(said))} versions, {len(there)} rows")
    landed = sum(version in history for version in said)
    return Tally(publishers * times, landed, 0, time.monotonic() - begun, tuple(wrong))


def finished(process: Any, pipe: Connection) -> list[str]:
    """The versions that a publisher says; none when it ended with an error, which it has printed."""
    try:
        return list(pipe.recv())
    except EOFError:
        return []
    finally:
        process.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("faults", "kills", "crowd"), help="one part; default: all")
    parser.add_argument("--count", type=int, default=50, help="publications with faults, and kills of each kind")
    parser.add_argument("--publishers", type=int, default=8)
    parser.add_argument("--times", type=int, default=3, help="publications of each publisher")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    wrong = 0
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    with tempfile.TemporaryDirectory(prefix="hf-mbdc-faults-") as folder:
        scratch = Path(folder)
        if options.only in (None, "faults"):
            tally, calls, broken = faults(options.count, 0.2, scratch / "faults", options.seed)
            print(f"Hub, 20 % of calls fail ({broken} of {calls}): {tally}", flush=True)
            wrong += len(tally.wrong)
        for kind in ("folder", "hub"):
            with loopback.LoopbackHub() as hub:
                if options.only in (None, "kills"):
                    place = hub.url if kind == "hub" else str(scratch / "killed")
                    tally, untagged = kills(options.count, place, scratch / f"kills-{kind}", options.seed)
                    print(f"{kind}, killed at random moments ({untagged} between commit and tag): {tally}", flush=True)
                    wrong += len(tally.wrong)
            with loopback.LoopbackHub() as hub:
                if options.only in (None, "crowd"):
                    place = hub.url if kind == "hub" else str(scratch / "crowd")
                    tally = crowd(options.publishers, options.times, place, scratch / f"crowd-{kind}")
                    print(f"{kind}, {options.publishers} publishers at once: {tally}", flush=True)
                    wrong += len(tally.wrong)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
