"""A real `transformers serve` on loopback, with a tiny model: what its own test finds, and completions of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from hf_mbdc.errors import GenerationError
from hf_mbdc.generation import EndpointGenerator, Request, Sampling, generate, samples

for needed in ("fastapi", "uvicorn", "openai"):
    pytest.importorskip(needed, reason="transformers serve needs fastapi, uvicorn and openai")

REQUESTS = [Request(f"r{n}", [{"role": "user", "content": f"Question {n}"}]) for n in range(3)]
SAMPLED = {"generation_config": '{"do_sample": true, "eos_token_id": 3, "pad_token_id": 0}'}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """URL of the server and name of its model."""
    from tiny_llama import tiny_model, tiny_tokenizer

    folder = tmp_path_factory.mktemp("serve")
    tiny_model().save_pretrained(folder / "tiny")
    tiny_tokenizer().save_pretrained(folder / "tiny")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    name = str(folder / "tiny")
    program = "from transformers.cli.transformers import main; main()"
    words = ["serve", name, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", program, *words],
            stdout=log,
            stderr=log,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
        try:
            _wait(f"http://127.0.0.1:{port}/health", server, folder / "log")
            yield f"http://127.0.0.1:{port}/v1", name
        finally:
            server.kill()
            server.wait()


def _wait(url: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(600):
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    raise AssertionError(log.read_text())


def test_it_ignores_the_temperature_and_n_and_is_refused_until_told_how(served: tuple[str, str]) -> None:
    url, name = served
    sampling = Sampling(temperature=0.9, max_tokens=16)
    with pytest.raises(GenerationError, match=r"ignores temperature: three calls.*'\{\"do_sample\": true\}'"):
        generate(REQUESTS, EndpointGenerator(url, name, sampling))
    with pytest.raises(GenerationError, match="ignores n: 1 completion came where 2 were asked for"):
        generate(REQUESTS, EndpointGenerator(url, name, sampling, extra_body=SAMPLED))
    told = EndpointGenerator(url, name, sampling, concurrency=1, extra_body=SAMPLED, one_request_per_sample=True)
    rows = generate(samples(REQUESTS, 3), told)
    assert len(set(rows["completion"])) > 6
    assert set(rows["finish_reason"]) <= {"stop", "length"}
    assert all(0 < count <= 16 for count in rows["completion_tokens"])
    assert generate(samples(REQUESTS, 3), told)["completion"][:] == rows["completion"][:]


def test_greedy_completions_are_those_of_the_local_model(served: tuple[str, str]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from hf_mbdc.generation import LocalGenerator

    url, name = served
    greedy = Sampling(temperature=0, max_tokens=16)
    remote = generate(REQUESTS, EndpointGenerator(url, name, greedy, one_request_per_sample=True))
    model, tokenizer = AutoModelForCausalLM.from_pretrained(name), AutoTokenizer.from_pretrained(name)
    local = generate(REQUESTS, LocalGenerator(model, tokenizer, greedy))
    assert remote["completion"][:] == local["completion"][:]
    assert remote["prompt_tokens"][:] == local["prompt_tokens"][:]
