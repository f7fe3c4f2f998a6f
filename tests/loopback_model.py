"""An OpenAI-compatible chat server on 127.0.0.1 for tests: real HTTP, a scripted model, and faults on demand.

    with LoopbackModel() as server:
        generator = EndpointGenerator(server.url, "tiny")
        server.faults.append(Fault(status=429, headers={"Retry-After": "1"}))    # the next request

What it answers is a function of messages, temperature, seed and sample number, as of a server that honours them all.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

WORDS = ["the", "a", "fox", "dog", "sky", "sea", "runs", "sleeps", "over", "under", "blue", "red", "quick", "lazy"]
WORDS += ["old", "new"]


@dataclass(frozen=True)
class Fault:
    """What happens to a request instead of its answer.

    `status` with `headers` and `body`; `cut` sends half of the answer and closes; `stall` seconds pass before the
    answer; `drop` closes without a word; `patch` changes fields of the answer.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    cut: bool = False
    drop: bool = False
    stall: float = 0.0
    patch: dict[str, Any] = field(default_factory=dict)


@dataclass
class LoopbackModel:
    """The server; `ignores` names fields that it takes and does not honour: temperature, seed, n, logprobs.

    `chances` of first tokens by the text of the last message; any other message has those of "".
    """

    model: str = "tiny"
    ignores: tuple[str, ...] = ()
    latency: float = 0.0
    chances: dict[str, dict[str, float]] = field(default_factory=lambda: {"": {"the": 0.6, "a": 0.4}})
    faults: list[Fault] = field(default_factory=list)  # taken by the next requests, one each
    always: Fault | None = None  # of every request
    fails: dict[str, Fault] = field(default_factory=dict)  # of requests whose last message has this text
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    busy: int = 0
    most_busy: int = 0

    def __enter__(self) -> LoopbackModel:
        self.lock = threading.Lock()
        self.server = _Server(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def asked(self, text: str) -> int:
        """How many requests had this last message."""
        return sum(body["messages"][-1]["content"] == text for body in self.bodies)

    def take_fault(self, body: dict[str, Any]) -> Fault:
        with self.lock:
            if self.faults:
                return self.faults.pop(0)
        return self.always or self.fails.get(body["messages"][-1]["content"]) or Fault()

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        n = 1 if "n" in self.ignores else body.get("n") or 1
        choices = [self._choice(body, sample) for sample in range(n)]
        tokens = sum(len(choice["message"]["content"].split()) + 1 for choice in choices)
        usage = {"prompt_tokens": 7, "completion_tokens": tokens, "total_tokens": 7 + tokens}
        return {
            "id": "x",
            "created": 0,
            "object": "chat.completion",
            "model": self.model,
            "choices": choices,
            "usage": usage,
        }

    def likeliest(self, text: str) -> list[dict[str, Any]]:
        """`top_logprobs` of the first token, the likeliest first."""
        chances = self.chances.get(text, self.chances[""])
        ordered = sorted(chances.items(), key=lambda item: -item[1])
        return [{"token": token, "logprob": math.log(chance)} for token, chance in ordered]

    def _choice(self, body: dict[str, Any], sample: int) -> dict[str, Any]:
        drawn: list[Any] = [body["messages"]]
        if body["temperature"] > 0 and "temperature" not in self.ignores:
            seed = body.get("seed") if "seed" not in self.ignores else time.perf_counter_ns()
            drawn += [body["temperature"], seed, sample]
        digest = hashlib.sha256(json.dumps(drawn).encode()).digest()
        words = [WORDS[byte % 16] for byte in digest[: 4 + digest[0] % 12]]
        cut = len(words) >= body["max_tokens"]
        message = {"role": "assistant", "content": " ".join(words[: body["max_tokens"]])}
        tokens = [{"token": word, "logprob": -0.5} for word in message["content"].split()]
        if body.get("top_logprobs"):
            chances = self.likeliest(str(body["messages"][-1]["content"]))
            tokens[:1] = [{"token": words[0], "logprob": -0.5, "top_logprobs": chances[: body["top_logprobs"]]}]
        more = {"logprobs": {"content": tokens}} if body.get("logprobs") and "logprobs" not in self.ignores else {}
        return {"index": sample, "message": message, "finish_reason": "length" if cut else "stop", **more}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def _handler(state: LoopbackModel) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with state.lock:
                state.bodies.append(body)
                state.headers.append(dict(self.headers))
                state.starts.append(time.perf_counter())
                state.busy += 1
                state.most_busy = max(state.most_busy, state.busy)
            fault = state.take_fault(body)
            time.sleep(state.latency + fault.stall)
            with state.lock:  # before the client can know, so that its next request is not counted beside this one
                state.busy -= 1
                state.ends.append(time.perf_counter())
            try:
                self._answer(body, fault)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _answer(self, body: dict[str, Any], fault: Fault) -> None:
            if fault.drop:
                self.close_connection = True
                return
            text = fault.body if fault.body is not None else json.dumps({**state.answer(body), **fault.patch})
            content = text.encode()
            self.send_response(fault.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            for name, value in fault.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if fault.cut else content)
            self.close_connection = self.close_connection or fault.cut

    return Handler
