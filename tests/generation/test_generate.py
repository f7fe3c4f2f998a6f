"""generate: what is asked, what is kept, and what is the same after a kill."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from hf_mbdc.errors import DataError, GenerationError
from hf_mbdc.generation import Completion, Request, Sampling, Store, generate, generate_with_rejected, samples
from hf_mbdc.generation.completions import Batch, Task
from hf_mbdc.generation.generate import Claim
from hf_mbdc.records import Cost

REQUESTS = samples([Request(f"r{n}", prompt=f"prompt {n}") for n in range(10)], 2)


@dataclass(frozen=True)
class Scripted:
    """A model of one line: it writes a digest of its prompt, as long as that says, and remembers what it wrote."""

    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=8))
    seed: int = 0
    name: str = "scripted@1"
    fails: str = ""  # a prompt
    dies_after: int = 10**9  # batches
    asked: list[tuple[str, int]] = field(default_factory=list)

    def identity(self) -> str:
        return self.name

    def render(self, requests: Sequence[Request]) -> list[str]:
        return [request.prompt or "" for request in requests]

    def complete(self, tasks: Sequence[Task], claim: Claim) -> Iterator[Batch]:
        for number, first in enumerate(range(0, len(tasks), 3)):
            if number == self.dies_after:
                raise GenerationError("The model is gone", mend="Find it.")
            batch = claim(tasks[first : first + 3])
            self.asked.extend((task.prompt, task.sample) for task in batch)
            good = [task for task in batch if task.prompt != self.fails]
            bad = {task.key: "it did not like it" for task in batch if task.prompt == self.fails}
            cost = Cost(model_calls=len(batch), tokens=10 * len(batch))
            if batch:
                yield Batch({task.key: self.write(task) for task in good}, bad, cost)

    def write(self, task: Task) -> Completion:
        digest = hashlib.sha256(f"{self.name} {self.seed} {task.draw}".encode()).hexdigest()
        length, most = 1 + int(digest[:4], 16) % 12, self.sampling.max_tokens
        return Completion(digest[: min(length, most)], "length" if length > most else "stop", 4, min(length, most), 0.1)


def test_rows_are_in_the_order_of_the_requests() -> None:
    asked = REQUESTS[::-1]
    rows = generate(asked, Scripted())
    assert rows["id"][:] == [f"{request.key}-{request.sample}" for request in asked]
    assert rows["mbdc_parent_id"][:] == [request.key for request in asked]
    assert rows["prompt"][:] == [request.prompt for request in asked]
    assert rows[0] == {
        "id": "r9-1",
        "mbdc_parent_id": "r9",
        "sample": 1,
        "prompt": "prompt 9",
        "completion": rows[0]["completion"],
        "finish_reason": rows[0]["finish_reason"],
        "prompt_tokens": 4,
        "completion_tokens": len(rows[0]["completion"]),
        "mbdc_model": "scripted@1",
        "sampling": Sampling(max_tokens=8).as_json(),
        "seed": 0,
    }


def test_a_second_call_asks_nothing(tmp_path: Path) -> None:
    first, second = Scripted(), Scripted()
    rows = generate(REQUESTS, first, store=tmp_path / "s")
    made = generate_with_rejected(REQUESTS, second, store=tmp_path / "s")
    assert made.rows.to_list() == rows.to_list()
    assert (len(first.asked), second.asked, made.reused) == (20, [], 20)
    assert (made.cost.model_calls, made.cost.tokens) == (0, 0)


def test_only_what_is_new_is_asked(tmp_path: Path) -> None:
    generate(REQUESTS[:8], Scripted(), store=tmp_path / "s")
    again = Scripted()
    renamed = [replace(request, key=f"new {request.key}") for request in REQUESTS]
    made = generate_with_rejected(renamed[::-1], again, store=tmp_path / "s")  # another order, and other row keys
    assert sorted(again.asked) == sorted((request.prompt, request.sample) for request in REQUESTS[8:])
    assert (made.reused, made.cost.model_calls, made.cost.tokens) == (8, 12, 120)
    wanted = generate(renamed[::-1], Scripted()).to_list()
    assert made.rows.to_list() == wanted


@pytest.mark.parametrize("change", [{"seed": 1}, {"name": "scripted@2"}, {"sampling": Sampling(0.5, max_tokens=8)}])
def test_another_model_seed_or_sampling_asks_all(tmp_path: Path, change: dict) -> None:
    generate(REQUESTS, Scripted(), store=tmp_path / "s")
    other = Scripted(**change)
    generate(REQUESTS, other, store=tmp_path / "s")
    assert len(other.asked) == 20


@pytest.mark.parametrize("max_tokens", [2, 5, 8, 11, 40])
def test_another_bound_asks_what_it_cuts_or_no_longer_cuts(tmp_path: Path, max_tokens: int) -> None:
    before = {row["id"]: row for row in generate(REQUESTS, Scripted(), store=tmp_path / "s")}
    other = Scripted(Sampling(max_tokens=max_tokens))
    rows = generate(REQUESTS, other, store=tmp_path / "s")
    fresh = generate(REQUESTS, Scripted(Sampling(max_tokens=max_tokens)))
    assert rows.to_list() == fresh.to_list()
    kept = [
        row["prompt"] + str(row["sample"])
        for row in before.values()
        if max_tokens == 8 or (row["finish_reason"] == "stop" and row["completion_tokens"] <= max_tokens)
    ]
    assert {prompt + str(sample) for prompt, sample in other.asked} == {
        request.prompt + str(request.sample) for request in REQUESTS if request.prompt
    } - set(kept)


def test_equal_prompts_are_asked_once() -> None:
    scripted = Scripted()
    made = generate([Request("a", prompt="same"), Request("b", prompt="same")], scripted)
    assert scripted.asked == [("same", 0)]
    assert made["completion"][0] == made["completion"][1]


def test_what_fails_is_told_with_its_reason(tmp_path: Path) -> None:
    made = generate_with_rejected(REQUESTS, Scripted(fails="prompt 3"), store=tmp_path / "s")
    assert len(made.rows) == 18
    assert made.rejected.to_list() == [
        {"id": f"r3-{n}", "mbdc_parent_id": "r3", "sample": n, "prompt": "prompt 3", "reason": "it did not like it"}
        for n in (0, 1)
    ]
    with pytest.raises(
        GenerationError, match=r"2 of 20 requests have no completion: 2 × it did not like it \(id 'r3-0'"
    ):
        generate(REQUESTS, Scripted(fails="prompt 3"), store=tmp_path / "s")
    mended = Scripted()
    generate(REQUESTS, mended, store=tmp_path / "s")
    assert sorted(mended.asked) == [("prompt 3", 0), ("prompt 3", 1)]


def test_after_an_error_the_same_call_goes_on(tmp_path: Path) -> None:
    with pytest.raises(GenerationError, match="The model is gone"):
        generate(REQUESTS, Scripted(dies_after=3), store=tmp_path / "s")
    again = Scripted()
    rows = generate(REQUESTS, again, store=tmp_path / "s")
    assert len(again.asked) == 20 - 9
    assert rows.to_list() == generate(REQUESTS, Scripted()).to_list()


def test_an_open_store_stays_open() -> None:
    with Store() as store:
        generate(REQUESTS, Scripted(), store=store)
        again = Scripted()
        generate(REQUESTS, again, store=store)
    assert again.asked == []


def test_progress_goes_up_to_one(tmp_path: Path) -> None:
    seen: list[float] = []
    generate(REQUESTS, Scripted(), on_progress=seen.append)
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0.0, 1.0)
    assert len(seen) > 5


def test_no_requests_are_no_rows() -> None:
    rows = generate([], Scripted())
    assert len(rows) == 0
    assert {"id", "completion"} <= set(rows.column_names)


def test_the_same_request_twice_is_told() -> None:
    with pytest.raises(DataError, match=r"same key and sample \(key 'r0', sample 1\)"):
        generate([*REQUESTS, REQUESTS[1]], Scripted())


CHILD = """
import sys, time
from pathlib import Path
from dataclasses import replace
from tiny_llama import tiny_model, tiny_tokenizer
from hf_mbdc.generation import LocalGenerator, Request, Sampling, generate, samples

folder, out = Path(sys.argv[1]), sys.argv[2]
asked = samples([Request(f"r{n}", prompt=f"prompt number {n} " + "x" * (n % 7)) for n in range(24)], 2)

class Counting(LocalGenerator):
    def _run(self, tasks, prompts):
        with (folder / "asked").open("a") as log:
            log.write("".join(f"{task.key.hex()}\\n" for task in tasks))
        time.sleep(0.02)
        return super()._run(tasks, prompts)

model = Counting(tiny_model(), tiny_tokenizer(), Sampling(0.9, max_tokens=12), batch_tokens=150)
print("ready", flush=True)
generate(asked, model, store=folder / "s").to_parquet(folder / out)
"""


def start(folder: Path, out: str) -> subprocess.Popen:
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n{CHILD}"
    child = subprocess.Popen([sys.executable, "-c", code, str(folder), out], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.stdout.close()
    return child


def test_killed_at_several_moments_the_rows_are_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "calm").mkdir()
    assert start(tmp_path / "calm", "rows.parquet").wait() == 0
    calm = (tmp_path / "calm" / "asked").read_text().split()
    assert len(calm) == len(set(calm)) == 48
    (tmp_path / "killed").mkdir()
    kills, batch = 0, 4
    for pause in (0.05, 0.15):
        child = start(tmp_path / "killed", "rows.parquet")
        time.sleep(pause)
        child.kill()
        kills += child.wait() != 0
    assert start(tmp_path / "killed", "rows.parquet").wait() == 0
    asked = (tmp_path / "killed" / "asked").read_text().split()
    assert set(asked) == set(calm)
    assert len(asked) - len(calm) <= batch * kills
    rows = [(tmp_path / folder / "rows.parquet").read_bytes() for folder in ("calm", "killed")]
    assert rows[0] == rows[1]


def test_two_processes_share_one_store(tmp_path: Path) -> None:
    children = [start(tmp_path, f"rows-{number}.parquet") for number in range(2)]
    assert [child.wait() for child in children] == [0, 0]
    asked = (tmp_path / "asked").read_text().split()
    assert len(asked) == len(set(asked)) == 48
    rows = [(tmp_path / f"rows-{number}.parquet").read_bytes() for number in range(2)]
    assert rows[0] == rows[1]
