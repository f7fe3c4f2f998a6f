"""Generation: reading a store again, the local engine beside bare `generate`, a busy endpoint, and kills.

    python scripts/bench_generation.py                    # everything
    python scripts/bench_generation.py --only kills       # one part: reread, overhead, ragged, busy or kills

Traffic goes to 127.0.0.1 only; the models are made here. `reread` writes and reads 100,000 completions. `overhead` runs
the same prompts in the same batches through bare `model.generate(do_sample=True)`, with tokenizing and decoding, in
interleaved rounds; its ratio is of CPU seconds, which a busy machine does not change much. `ragged` runs completions
of very different lengths in batches and in slots that are filled again, and compares the rows. `busy` is the mean
number of requests that a server with a latency had in work, over the concurrency that was asked for. `kills` sends
SIGKILL at random moments until a run comes to its end, and compares the Parquet bytes with those of an undisturbed run.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hf_mbdc.generation import (
    Completion,
    EndpointGenerator,
    LocalGenerator,
    Request,
    Sampling,
    Store,
    generate,
    generate_with_rejected,
    samples,
)
from hf_mbdc.generation.completions import make_tasks

os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
TESTS = str(Path(__file__).resolve().parents[1] / "tests")
sys.path.insert(0, TESTS)

tiny: Any = importlib.import_module("tiny_llama")  # of the tests, which are no package
loopback: Any = importlib.import_module("loopback_model")

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "seven", "lazy", "dogs", "while", "wizards", "make", "brew"]


def prompts(count: int, *, most_words: int = 24) -> list[str]:
    """Texts of ragged lengths, the same every time."""
    draw = random.Random(0)
    return [" ".join(draw.choices(WORDS, k=draw.randint(2, most_words))) + f" {number}" for number in range(count)]


# --- reread ---------------------------------------------------------------------------------------------------------


class Answered:
    """A generator that may not be asked: everything must come from the store."""

    sampling, seed = Sampling(), 0

    def __init__(self, tokenizer: Any) -> None:
        self.local = LocalGenerator(None, tokenizer)

    def identity(self) -> str:
        return "bench@1"

    def render(self, requests: Sequence[Request]) -> list[str]:
        return self.local.render(requests)

    def complete(self, tasks: Sequence[Any], claim: Any) -> Iterator[Any]:
        raise AssertionError(f"{len(tasks)} completions were asked again")


def reread(count: int) -> None:
    """100,000 completions of 25,000 conversations from disk into a dataset; imports are done before."""
    import datasets  # noqa: F401

    conversations = [[{"role": "user", "content": text}] for text in prompts(count // 4, most_words=80)]
    asked = samples([Request(f"row {n}", messages) for n, messages in enumerate(conversations)], 4)
    engine = Answered(tiny.tiny_tokenizer())
    tasks = make_tasks(asked, engine.render(asked), identity="bench@1", sampling=engine.sampling, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        with Store(path) as store:
            for first in range(0, count, 64):
                batch = {t.key: Completion(t.prompt * 2, "stop", 60, 120, 0.1) for t in tasks[first : first + 64]}
                store.put("bench@1", engine.sampling, 0, batch)
        size = path.stat().st_size
        wall, cpu = time.perf_counter(), time.process_time()
        rows = generate(asked, engine, store=path)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert len(rows) == count
    print(f"reread: {count:,} completions ({size / 1e6:.0f} MB): {wall:.2f} s wall, {cpu:.2f} s CPU (bar: 5 s)")


# --- overhead -------------------------------------------------------------------------------------------------------


def bare(engine: LocalGenerator, batches: Sequence[Sequence[str]]) -> int:
    """The same batches as anybody would write it; returns the tokens that were made."""
    import torch

    tokens = 0
    for texts in batches:
        inputs = engine.tokenizer(list(texts), return_tensors="pt", padding=True, padding_side="left")
        with torch.inference_mode():
            output = engine.model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                do_sample=True,
                temperature=engine.sampling.temperature,
                top_p=engine.sampling.top_p,
                top_k=0,
                max_new_tokens=engine.sampling.max_tokens,
                pad_token_id=0,
            )
        tokens += output[:, inputs["input_ids"].shape[1] :].numel()
        engine.tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return tokens


def overhead(rounds: int, width: int, count: int) -> None:
    """The engine with its store on disk over the bare loop; both write every token that they may."""
    import torch

    torch.set_num_threads(1)
    sampling = Sampling(temperature=0.8, top_p=0.95, max_tokens=48)
    model = tiny.tiny_model(width=width)
    model.generation_config.eos_token_id = None  # nothing ends by itself: both do the same number of steps
    tokenizer = tiny.tiny_tokenizer()
    tokenizer.eos_token = None
    engine = LocalGenerator(model, tokenizer, sampling, name="bench")
    asked = [Request(str(number), prompt=text) for number, text in enumerate(prompts(count))]
    planned = planned_batches(engine, asked)
    seconds: dict[str, list[float]] = {"bare": [], "engine": []}
    for turn in range(rounds + 1):
        for name in seconds:
            with tempfile.TemporaryDirectory() as folder:
                started = time.process_time()
                if name == "bare":
                    made = bare(engine, planned)
                else:
                    made = sum(generate(asked, engine, store=Path(folder) / "s.sqlite")["completion_tokens"])
                seconds[name].append(time.process_time() - started)
                assert made == len(asked) * sampling.max_tokens, (name, made)
        if turn == 0:
            seconds = {name: [] for name in seconds}  # a round that warms up
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratios = [engine / floor for engine, floor in zip(seconds["engine"], seconds["bare"], strict=True)]
    weights = sum(value.numel() for value in model.parameters())
    print(
        f"overhead ({weights:,} weights, {len(planned)} batches, {rounds} rounds): bare {medians['bare']:.2f} s CPU, "
        f"engine {medians['engine']:.2f} s; ratio {statistics.median(ratios):.3f} "
        f"[{min(ratios):.3f}, {max(ratios):.3f}] (bar: 1.05)"
    )


def planned_batches(engine: LocalGenerator, asked: Sequence[Request]) -> list[list[str]]:
    """The texts of the batches that the engine makes."""
    from hf_mbdc.generation.local import plan_batches

    texts = [request.prompt or "" for request in asked]
    tasks = make_tasks(asked, texts, identity="", sampling=engine.sampling, seed=0)
    lengths = {task.key: len(engine.tokenizer(task.prompt)["input_ids"]) for task in tasks}
    batches = plan_batches(tasks, lengths, engine.sampling.max_tokens, engine.batch_tokens)
    return [[task.prompt for task in batch] for batch in batches]


# --- ragged ---------------------------------------------------------------------------------------------------------


def ragged(rounds: int, width: int, count: int) -> None:
    """Batches beside slots that are filled again, where most completions are short and some are long."""
    import torch

    torch.set_num_threads(1)
    model = tiny.tiny_model(width=width, scale=0.1, positions=1024)
    sampling = Sampling(temperature=1.0, max_tokens=256)
    engine = LocalGenerator(model, tiny.tiny_tokenizer(), sampling, name="bench", batch_tokens=8192)
    asked = [Request(str(number), prompt=text) for number, text in enumerate(prompts(count))]
    seconds: dict[bool, list[float]] = {False: [], True: []}
    rows: dict[bool, Any] = {}
    for _ in range(rounds):
        for refill in seconds:
            started = time.process_time()
            rows[refill] = generate(asked, dataclasses.replace(engine, refill=refill))
            seconds[refill].append(time.process_time() - started)
    same = sum(one == other for one, other in zip(rows[False].to_list(), rows[True].to_list(), strict=True))
    lengths = sorted(rows[False]["completion_tokens"])
    ratios = [filled / batched for batched, filled in zip(seconds[False], seconds[True], strict=True)]
    weights = sum(value.numel() for value in model.parameters())
    print(
        f"ragged ({weights:,} weights, {count} completions of {lengths[0]} to {lengths[-1]} tokens, median "
        f"{lengths[len(lengths) // 2]}): batches {statistics.median(seconds[False]):.2f} s CPU, slots "
        f"{statistics.median(seconds[True]):.2f} s; ratio {statistics.median(ratios):.2f} "
        f"[{min(ratios):.2f}, {max(ratios):.2f}]; {same} of {count} rows the same"
    )


# --- busy -----------------------------------------------------------------------------------------------------------


def busy(concurrency: int, latency: float, count: int) -> None:
    """Requests in work at the server, over time, from the first to the last start; the test of the server apart."""
    asked = [Request(str(n), [{"role": "user", "content": text}]) for n, text in enumerate(prompts(count))]
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("fork").Process(target=serve, args=[theirs, latency], daemon=True)
    server.start()  # a process of its own, as servers are
    with tempfile.TemporaryDirectory() as folder:
        engine = EndpointGenerator(ours.recv(), "tiny", Sampling(temperature=0.0), concurrency=concurrency)
        made = generate_with_rejected(asked, engine, store=Path(folder) / "s.sqlite")
        assert len(made.rows) == count
    ours.send("enough")
    starts, ends = (times[-count:] for times in ours.recv())  # the first calls were the test of the server
    server.join()
    whole = mean_busy(starts, ends, starts[0], ends[-1]) / concurrency
    inner = mean_busy(starts, ends, starts[concurrency], starts[-1]) / concurrency
    print(
        f"busy (concurrency {concurrency}, latency {latency:g} s, {count} requests): {inner:.1%} between filling and "
        f"draining, {whole:.1%} from the first to the last byte (bar: 95 %)"
    )


def serve(pipe: Any, latency: float) -> None:
    """Answers until it is told that it is enough, then says when requests came and went."""
    with loopback.LoopbackModel(latency=latency) as server:
        pipe.send(server.url)
        pipe.recv()
        pipe.send((server.starts, server.ends))


def mean_busy(starts: Sequence[float], ends: Sequence[float], low: float, high: float) -> float:
    """Mean number of requests in work between two moments."""
    clipped: Callable[[float], float] = lambda moment: min(max(moment, low), high)  # noqa: E731
    return (sum(map(clipped, ends)) - sum(map(clipped, starts))) / (high - low)


# --- kills ----------------------------------------------------------------------------------------------------------


def run(folder: Path) -> None:
    """What is killed: a run that tells which completions it asks, before it asks them."""

    class Counting(LocalGenerator):
        def _run(self, tasks: Any, prompts: Any) -> Any:
            with (folder / "asked").open("a") as log:
                log.write("".join(f"{task.key.hex()}\n" for task in tasks))
            return super()._run(tasks, prompts)

    engine, asked = killed_run()
    model = Counting(engine.model, engine.tokenizer, engine.sampling, batch_tokens=engine.batch_tokens)
    generate(asked, model, store=folder / "s.sqlite").to_parquet(folder / "rows.parquet")


def killed_run() -> tuple[LocalGenerator, list[Request]]:
    engine = LocalGenerator(tiny.tiny_model(), tiny.tiny_tokenizer(), Sampling(0.9, max_tokens=24), batch_tokens=1000)
    return engine, samples([Request(str(n), prompt=text) for n, text in enumerate(prompts(200))], 2)


def start(folder: Path) -> Any:
    """A process that has everything imported, so that all of its time is work."""
    child = multiprocessing.get_context("fork").Process(target=run, args=[folder])
    child.start()
    return child


def kills(count: int) -> None:
    """Random moments after a run has asked for its first batch, as far apart as half of an undisturbed run allows."""
    import datasets
    import transformers.models.llama  # noqa: F401

    datasets.disable_progress_bars()

    draw = random.Random(0)
    with tempfile.TemporaryDirectory() as scratch:
        calm, killed = Path(scratch) / "calm", Path(scratch) / "killed"
        calm.mkdir()
        killed.mkdir()
        child = start(calm)
        wait_for_work(child, calm, 0)
        started = time.perf_counter()
        assert ended(child) == 0
        seconds = time.perf_counter() - started
        wanted = (calm / "asked").read_text().split()
        done = 0
        while done < count:
            before = size_of(killed / "asked")
            child = start(killed)
            wait_for_work(child, killed, before)
            time.sleep(draw.uniform(0, seconds / count))
            child.kill()
            if ended(child) == 0:
                break
            done += 1
        assert ended(start(killed)) == 0
        asked = (killed / "asked").read_text().split()
        same = (calm / "rows.parquet").read_bytes() == (killed / "rows.parquet").read_bytes()
        batch = max(map(len, planned_batches(*killed_run())))
        twice = len(asked) - len(wanted)
        print(
            f"kills: {done} kills of a run of {len(wanted)} completions: {'the same' if same else 'OTHER'} bytes; "
            f"asked twice {twice}, at most {batch} a batch, {twice / max(1, done) / batch:.2f} batches a kill (bar: 1)"
        )


def wait_for_work(child: Any, folder: Path, before: int) -> None:
    """Until a run asks for something, or is over."""
    while child.is_alive() and size_of(folder / "asked") <= before:
        time.sleep(0.001)


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def ended(child: Any) -> int:
    """The exit status of a process, waited for."""
    child.join()
    status: int = child.exitcode
    return status


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["reread", "overhead", "ragged", "busy", "kills"], help="one part")
    parser.add_argument("--rows", type=int, default=100_000, help="completions of reread")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of overhead and ragged that count")
    parser.add_argument("--width", type=int, default=128, help="hidden size of the model of overhead and ragged")
    parser.add_argument("--prompts", type=int, default=192, help="of overhead and ragged")
    parser.add_argument("--concurrency", type=int, default=32, help="of busy")
    parser.add_argument("--latency", type=float, default=0.5, help="of the server of busy, in seconds")
    parser.add_argument("--requests", type=int, default=1000, help="of busy")
    parser.add_argument("--kills", type=int, default=20, help="of kills")
    options = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "kills": lambda: kills(options.kills),  # first and second: they fork, while nothing has threads
        "busy": lambda: busy(options.concurrency, options.latency, options.requests),
        "reread": lambda: reread(options.rows),
        "overhead": lambda: overhead(options.rounds, options.width, options.prompts),
        "ragged": lambda: ragged(options.rounds, options.width, options.prompts),
    }
    for name, part in parts.items():
        if options.only in (None, name):
            part()


if __name__ == "__main__":
    main()
