"""A server as a generator: nothing is lost, nothing is invented, and every end is clear."""

from __future__ import annotations

import asyncio
import email.utils
import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from loopback_model import Fault, LoopbackModel

from hf_mbdc.errors import DataError, GenerationError, RecipeError
from hf_mbdc.generation import (
    EndpointGenerator,
    Request,
    Sampling,
    Store,
    generate,
    generate_with_rejected,
    samples,
)
from hf_mbdc.generation import caller as caller_module
from hf_mbdc.generation.caller import Caller

ONE = [Request("a", [{"role": "user", "content": "Why?"}])]
MANY = [Request(f"r{n}", [{"role": "user", "content": f"Question {n}?"}]) for n in range(12)]
PROBE = "Write a sentence about anything you like."


def endpoint(server: LoopbackModel, **options) -> EndpointGenerator:
    options = {"sampling": Sampling(temperature=0.7, max_tokens=64), "timeout": 30.0, "retries": 3, **options}
    return EndpointGenerator(server.url, "tiny", **options)


def after_test(server: LoopbackModel) -> list[dict]:
    """What was sent after the test of the server."""
    return [body for body in server.bodies if body["messages"][-1]["content"] != PROBE]


def test_all_samples_of_a_prompt_are_one_request(server: LoopbackModel) -> None:
    made = generate_with_rejected(samples(MANY[:3], 4), endpoint(server))
    assert [row["id"] for row in made.rows] == [f"r{n}-{sample}" for n in range(3) for sample in range(4)]
    assert [body["n"] for body in after_test(server)] == [4, 4, 4]
    assert len({body["seed"] for body in after_test(server)}) == 3
    assert len(set(made.rows["completion"])) == 12
    assert set(made.rows["completion_tokens"]) == {None}  # the server tells only the sum
    assert set(made.rows["mbdc_model"]) == {"tiny@endpoint"}
    assert made.cost.model_calls == len(server.bodies)


def test_what_is_sent(server: LoopbackModel) -> None:
    sampling = Sampling(temperature=0.5, top_p=0.9, top_k=7, max_tokens=11, stop=("END",))
    generate(ONE, endpoint(server, sampling=sampling, api_key="secret", extra_body={"min_p": 0.1}))
    [body] = after_test(server)
    assert body.pop("seed") in range(2**31)
    assert body == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Why?"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 7,
        "max_tokens": 11,
        "stop": ["END"],
        "stream": False,
        "min_p": 0.1,
    }
    assert server.headers[-1]["authorization"] == "Bearer secret"


def test_a_client_that_is_told_to_stay_offline_says_so(server: LoopbackModel, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(GenerationError, match=r"The client is offline.*Unset HF_HUB_OFFLINE"):
        generate([Request("a", [{"role": "user", "content": "Why?"}])], endpoint(server))
    assert not server.bodies


def test_no_key_is_shown_and_no_token_of_the_hub_is_sent(server: LoopbackModel, monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    generate(ONE, endpoint(server))
    assert all("hf_secret" not in json.dumps(headers) for headers in server.headers)
    assert "secret" not in repr(endpoint(server, api_key="secret"))


def test_one_request_per_sample(server: LoopbackModel) -> None:
    server.ignores = ("n",)
    rows = generate(samples(MANY[:3], 2), endpoint(server, one_request_per_sample=True))
    assert len(after_test(server)) == 6
    assert len(set(rows["completion"])) == 6
    assert [len(row["completion"].split()) + 1 for row in rows] == rows["completion_tokens"][:]


def test_the_same_call_gives_the_same_rows_and_with_a_store_asks_nothing(server: LoopbackModel, tmp_path: Path) -> None:
    asked = samples(MANY, 2)
    rows = generate(asked, endpoint(server), store=tmp_path / "s.sqlite")
    sent = len(server.bodies)
    assert generate(asked, endpoint(server), store=tmp_path / "s.sqlite").to_list() == rows.to_list()
    assert len(server.bodies) == sent  # not even the test of the server
    assert generate(asked[::-1], endpoint(server)).to_list() == rows.to_list()[::-1]


def test_logprobs(server: LoopbackModel) -> None:
    [row] = generate(ONE, endpoint(server, sampling=Sampling(max_tokens=3, logprobs=True)))
    assert row["logprobs"] == [-0.5, -0.5, -0.5]
    assert (row["finish_reason"], row["completion_tokens"]) == ("length", 3)


FAULTS = {
    "500": Fault(500, body="oops"),
    "503": Fault(503, body=""),
    "429": Fault(429, {"Retry-After": "0"}),
    "a cut answer": Fault(cut=True),
    "no answer": Fault(drop=True),
    "no JSON": Fault(body="<html>busy</html>"),
    "half an answer": Fault(body='{"choices": [{"index": 0, "message": {"role"'),
    "an error with status 200": Fault(body='{"error": {"message": "overloaded"}}'),
    "a list": Fault(body="[]"),
    "wrong types": Fault(body='{"model": "tiny", "choices": [7]}'),
    "no choices": Fault(patch={"choices": []}),
    "no finish reason": Fault(
        patch={"choices": [{"index": 0, "message": {"role": "assistant", "content": "half a"}, "finish_reason": None}]}
    ),
    "no text": Fault(patch={"choices": [{"index": 0, "message": {"role": "assistant"}, "finish_reason": "stop"}]}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_changes_nothing(server: LoopbackModel, fault: str) -> None:
    wanted = generate(MANY, endpoint(server)).to_list()
    server.fails["Question 3?"] = FAULTS[fault]
    calm, seen = server.take_fault, [0]

    def passing(body: dict) -> Fault:
        seen[0] += body["messages"][-1]["content"] == "Question 3?"
        return calm(body) if seen[0] <= 2 else Fault()

    server.take_fault = passing  # type: ignore[method-assign]
    assert generate(MANY, endpoint(server)).to_list() == wanted
    assert seen[0] == 3


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_stays_is_one_rejected_row(server: LoopbackModel, fault: str) -> None:
    wanted = [row for row in generate(MANY, endpoint(server)).to_list() if row["mbdc_parent_id"] != "r3"]
    before = server.asked("Question 3?")
    server.fails["Question 3?"] = FAULTS[fault]
    made = generate_with_rejected(MANY, endpoint(server))
    assert made.rows.to_list() == wanted
    assert made.rejected["id"][:] == ["r3-0"]
    assert "(tried 4 times)" in made.rejected["reason"][0]
    assert server.asked("Question 3?") - before == 4


def test_an_answer_that_stalls_is_asked_again(server: LoopbackModel) -> None:
    wanted = generate(ONE, endpoint(server)).to_list()
    server.fails["Why?"] = Fault(stall=5.0)
    made = generate_with_rejected(ONE, endpoint(server, timeout=2.0, retries=1))
    assert made.rejected["reason"][:] == ["no answer within 2 seconds (tried 2 times)"]
    server.fails.clear()
    assert generate(ONE, endpoint(server)).to_list() == wanted


def test_half_a_character_is_no_text(server: LoopbackModel) -> None:
    message = {"role": "assistant", "content": "\ud83d"}
    server.fails["Why?"] = Fault(patch={"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    assert generate_with_rejected(ONE, endpoint(server)).rejected["reason"][:] == ["the text is no valid Unicode"]


def test_a_filtered_answer_is_rejected_at_once(server: LoopbackModel) -> None:
    message = {"role": "assistant", "content": ""}
    choice = {"index": 0, "message": message, "finish_reason": "content_filter"}
    server.fails["Why?"] = Fault(patch={"choices": [choice]})
    made = generate_with_rejected(ONE, endpoint(server))
    assert made.rejected["reason"][:] == ["the server ended it for 'content_filter'"]
    assert server.asked("Why?") == 1


def test_a_request_that_is_refused_for_itself_does_not_stop_the_others(server: LoopbackModel) -> None:
    server.fails["Question 3?"] = Fault(400, body='{"error": "the prompt is too long"}')
    made = generate_with_rejected(MANY, endpoint(server))
    assert len(made.rows) == 11
    assert made.rejected["reason"][0].startswith("status 400")
    assert "too long" in made.rejected["reason"][0]
    assert server.asked("Question 3?") == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_holds_for_all_requests_ends_the_call(server: LoopbackModel, status: int) -> None:
    server.always = Fault(status, body="no")
    with pytest.raises(GenerationError, match=rf"refuses requests: status {status}.*Check base_url, model and api_key"):
        generate(MANY, endpoint(server))
    assert len(server.bodies) == 1


def test_a_server_that_goes_away_ends_the_call_and_what_came_is_kept(server: LoopbackModel, tmp_path: Path) -> None:
    asked = [Request(f"k{n}", [{"role": "user", "content": f"Number {n}"}]) for n in range(60)]
    wanted = generate(asked, endpoint(server)).to_list()
    answer, calm = [0], server.take_fault

    def failing(body: dict) -> Fault:
        answer[0] += body["messages"][-1]["content"] != PROBE
        return Fault(503) if answer[0] > 30 else calm(body)

    server.take_fault = failing  # type: ignore[method-assign]
    with pytest.raises(GenerationError, match=r"does not answer: status 503.*the same call goes on from there"):
        generate(asked, endpoint(server, concurrency=4, retries=1), store=tmp_path / "s.sqlite")
    server.take_fault = calm  # type: ignore[method-assign]
    before = len(after_test(server))
    assert generate(asked, endpoint(server), store=tmp_path / "s.sqlite").to_list() == wanted
    assert len(after_test(server)) - before == 30


def test_nobody_there(server: LoopbackModel) -> None:
    nobody = replace(endpoint(server, retries=1), base_url="http://127.0.0.1:9/v1")
    with pytest.raises(GenerationError, match=r"does not answer: the connection failed: ConnectError.*tried 2 times"):
        generate(ONE, nobody)


def test_another_model_is_refused(server: LoopbackModel) -> None:
    server.model = "other"
    with pytest.raises(GenerationError, match=r"answers as model 'other', not 'tiny'.*served_as='other'"):
        generate(ONE, endpoint(server))
    rows = generate(ONE, endpoint(server, served_as="other"))
    assert rows["mbdc_model"][:] == ["tiny@other"]
    server.model = "tiny@main"  # as `transformers serve` says it
    assert generate(ONE, endpoint(server))["mbdc_model"][:] == ["tiny@endpoint"]


def test_a_model_that_changes_on_the_way_ends_the_call(server: LoopbackModel) -> None:
    server.fails["Question 7?"] = Fault(patch={"model": "other"})
    with pytest.raises(GenerationError, match="answers as model 'other'"):
        generate(MANY, endpoint(server))


def test_retry_after_holds_for_all_requests(server: LoopbackModel) -> None:
    server.fails["Question 0?"] = Fault(429, {"Retry-After": "1"})
    generate_with_rejected(MANY, endpoint(server, concurrency=1, retries=1))
    sent = [start for start, body in zip(server.starts, server.bodies, strict=True) if body in after_test(server)]
    assert sent[1] - sent[0] >= 1.0


def test_retry_after_as_a_date() -> None:
    soon = email.utils.formatdate(time.time() + 100, usegmt=True)
    assert caller_module._retry_after(soon) == pytest.approx(100, abs=2)
    past = email.utils.formatdate(time.time() - 100, usegmt=True)
    assert [caller_module._retry_after(text) for text in (past, "7", "-3", "soon", "", None)] == [
        0,
        7,
        0,
        None,
        None,
        None,
    ]


def test_requests_in_flight_are_bounded(server: LoopbackModel) -> None:
    calm, three = server.take_fault, threading.Barrier(3, timeout=60)

    def together(body: dict) -> Fault:
        if body["messages"][-1]["content"] != PROBE:
            three.wait()  # an answer comes only when three requests are there
        return calm(body)

    server.take_fault = together  # type: ignore[method-assign]
    generate(MANY, endpoint(server, concurrency=3, timeout=120.0))
    assert server.most_busy == 3


def test_requests_per_second_are_bounded(server: LoopbackModel, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = Caller(endpoint(server, requests_per_second=50.0), None)  # type: ignore[arg-type]
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def take_turns() -> None:
        for _ in range(4):
            await caller._wait_for_turn()

    monkeypatch.setattr(caller_module, "time", SimpleNamespace(monotonic=lambda: 100.0))
    monkeypatch.setattr(caller_module, "asyncio", SimpleNamespace(sleep=sleep))
    asyncio.run(take_turns())
    assert waited == pytest.approx([0, 0.02, 0.04, 0.06])


def test_fewer_choices_than_asked_are_no_completions(server: LoopbackModel) -> None:
    wanted = generate(samples(ONE, 3), endpoint(server)).to_list()
    full, short = server.answer, [2]

    def answer(body: dict) -> dict:
        made = full(body)
        if body["messages"][-1]["content"] == "Why?" and short[0]:
            short[0] -= 1
            made["choices"] = made["choices"][:2]
        return made

    server.answer = answer  # type: ignore[method-assign]
    assert generate(samples(ONE, 3), endpoint(server)).to_list() == wanted
    assert short == [0]


IGNORED = {
    "temperature": r"ignores temperature: three calls at temperature 1.5 gave the text of temperature 0.*do_sample",
    "seed": r"ignores seed: two calls with the same seed gave different texts.*takes a seed for each request",
    "n": r"ignores n: 1 completion came where 2 were asked for.*one_request_per_sample=True",
}


@pytest.mark.parametrize("ignored", IGNORED)
def test_a_server_that_ignores_a_field_is_refused_before_the_first_request(server: LoopbackModel, ignored: str) -> None:
    server.ignores = (ignored,)
    with pytest.raises(GenerationError, match=IGNORED[ignored]):
        generate(ONE, endpoint(server))
    assert after_test(server) == []


def test_a_server_with_one_seed_for_all_is_refused(server: LoopbackModel) -> None:
    plain = server.answer
    server.answer = lambda body: plain({**body, "seed": 1})  # type: ignore[method-assign]
    with pytest.raises(GenerationError, match="ignores seed: three calls with different seeds gave the same text"):
        generate(ONE, endpoint(server))


def test_a_server_that_always_samples_is_refused(server: LoopbackModel) -> None:
    plain = server.answer
    server.answer = lambda body: plain({**body, "temperature": 1.0})  # type: ignore[method-assign]
    with pytest.raises(GenerationError, match="ignores temperature: two calls at temperature 0 gave different texts"):
        generate(ONE, endpoint(server, sampling=Sampling(temperature=0)))


def test_a_server_that_keeps_the_first_sampling_is_refused(server: LoopbackModel) -> None:
    plain, first = server.answer, []

    def answer(body: dict) -> dict:
        first.append(body["temperature"])
        return plain({**body, "temperature": first[0]})

    server.answer = answer  # type: ignore[method-assign]
    with pytest.raises(GenerationError, match="ignores temperature"):
        generate(ONE, endpoint(server))


def test_a_server_whose_n_completions_are_one_is_refused(server: LoopbackModel) -> None:
    plain = server._choice
    server._choice = lambda body, sample: {**plain(body, 0), "index": sample}  # type: ignore[method-assign]
    with pytest.raises(
        GenerationError, match=r"ignores n: two completions of one request at temperature 1\.5 were the same"
    ):
        generate(ONE, endpoint(server))


def test_the_test_itself_survives_a_fault(server: LoopbackModel) -> None:
    server.faults += [Fault(500), Fault(cut=True), Fault(429, {"Retry-After": "0"})]
    assert len(generate(ONE, endpoint(server))) == 1


def test_a_raw_prompt_is_told(server: LoopbackModel) -> None:
    with pytest.raises(DataError, match=r"no raw prompts \(key 'a'\)"):
        generate([Request("a", prompt="Why")], endpoint(server))


def test_identity_tells_more_fields_apart(server: LoopbackModel) -> None:
    one, other = (endpoint(server, extra_body={"min_p": value}).identity() for value in (0.1, 0.2))
    assert one != other
    assert one.startswith("tiny@endpoint+")


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"timeout": 0.0}, {"retries": -1}, {"requests_per_second": 0.0}])
def test_numbers_out_of_range(wrong: dict) -> None:
    with pytest.raises(RecipeError, match=f"{next(iter(wrong))} is out of range"):
        EndpointGenerator("http://127.0.0.1:9/v1", "tiny", **wrong)


def test_two_calls_at_once_share_one_store(server: LoopbackModel, tmp_path: Path) -> None:
    server.latency = 0.02
    asked = [Request(f"k{n}", [{"role": "user", "content": f"Number {n}"}]) for n in range(40)]
    Store(tmp_path / "s.sqlite").close()
    made: dict[int, list] = {}

    def call(place: int) -> None:
        made[place] = generate(asked, endpoint(server, concurrency=2), store=tmp_path / "s.sqlite").to_list()

    threads = [threading.Thread(target=call, args=[place]) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made[0] == made[1]
    assert len(made[0]) == 40
    assert all(server.asked(f"Number {n}") == 1 for n in range(40))
