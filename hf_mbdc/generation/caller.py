"""One request until it is answered or given up: bounded concurrency and rate, time limits, tries with pauses."""

from __future__ import annotations

import asyncio
import email.utils
import random
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import GenerationError
from hf_mbdc.generation.answers import Answer, MalformedAnswerError, UnwantedAnswerError, read_answer
from hf_mbdc.generation.completions import Sampling

if TYPE_CHECKING:
    from hf_mbdc.generation.endpoint import EndpointGenerator, _LoopThread

RETRIED = {408, 409, 425, 429}  # and all from 500 on
OF_THE_REQUEST = {400, 413, 422}  # this one is refused; another may be fine
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds
PER_CLIENT = 20  # connections that a client keeps open; with more it would connect anew for every request


class RefusedError(Exception):
    """A request without an answer.

    Args:
        reason: why.
        tries: how many there were.
        exhausted: whether every one failed in a way that another one may not.
        answered: whether the last one was answered, if badly.
    """

    def __init__(self, reason: str, tries: int, *, exhausted: bool = False, answered: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.tries, self.exhausted, self.answered = reason, tries, exhausted, answered


class _AgainError(Exception):
    """A try that failed and may succeed later, `after` seconds if the server said so; `answered`, if badly."""

    def __init__(self, reason: str, after: float | None = None, *, answered: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.after, self.answered = reason, after, answered


class Caller:
    """Sends the requests of one generator; open it in a block, so that its connections are closed."""

    def __init__(self, generator: EndpointGenerator, loop: _LoopThread) -> None:
        self.generator, self.loop = generator, loop
        self.slots = asyncio.Semaphore(generator.concurrency)
        self.next_start = 0.0  # of the rate limit, on the monotonic clock
        self.pause_until = 0.0  # the server asked everybody to wait
        self.jitter = random.Random()  # of pauses only: results do not depend on it
        self.clients: list[Any] = []
        self.sent = 0

    def __enter__(self) -> Caller:
        from huggingface_hub import AsyncInferenceClient

        self.clients = [
            # A key must be given, or the client looks for a token of the Hub, which is not this server's business.
            AsyncInferenceClient(base_url=self.generator.base_url, api_key=self.generator.api_key or "-")
            for _ in range(-(-self.generator.concurrency // PER_CLIENT))
        ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.loop.run(self._close())

    async def _close(self) -> None:
        for client in self.clients:
            await client.close()

    async def ask(
        self,
        messages: Sequence[Mapping[str, Any]],
        sampling: Sampling,
        seed: int,
        n: int,
        *,
        check_count: bool = True,
        likeliest: int = 0,
    ) -> tuple[Answer, int]:
        """The answer, and the number of tries that it took.

        Args:
            check_count: whether any other number of choices than `n` is an error.
            likeliest: of so many tokens that could stand first the log-probabilities are asked for, in place of a text.

        Raises:
            RefusedError: every try failed, or the server refuses this request.
            GenerationError: the server refuses all requests, or is another model.
        """
        for tries in range(1, self.generator.retries + 2):
            try:
                async with self.slots:
                    await self._wait_for_turn()
                    answer = await self._send(messages, sampling, seed, n, tries, likeliest)
                if check_count and len(answer.choices) != n:
                    what = f"{len(answer.choices)} completions where {n} were asked for"
                    raise _AgainError(what, answered=True)
                return answer, tries
            except _AgainError as again:
                if tries > self.generator.retries:
                    what = f"{again.reason} (tried {tries} times)"
                    raise RefusedError(what, tries, exhausted=True, answered=again.answered) from again
                await asyncio.sleep(self._pause(tries, again.after))
        raise AssertionError("the last try returns or raises")

    async def _send(
        self, messages: Sequence[Mapping[str, Any]], sampling: Sampling, seed: int, n: int, tries: int, likeliest: int
    ) -> Answer:
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError, OfflineModeIsEnabled

        self.sent += 1
        client = self.clients[self.sent % len(self.clients)]
        started = time.perf_counter()
        arguments = _arguments(sampling, seed, n, self.generator.extra_body)
        if likeliest:
            arguments |= {"logprobs": True, "top_logprobs": likeliest}
        try:
            asked = client.chat_completion(list(messages), model=self.generator.model, **arguments)
            output = await asyncio.wait_for(asked, self.generator.timeout)
            seconds = time.perf_counter() - started
            answer = read_answer(output, logprobs=sampling.logprobs, likeliest=bool(likeliest), seconds=seconds)
        except (InferenceTimeoutError, asyncio.TimeoutError):
            raise _AgainError(f"no answer within {self.generator.timeout:g} seconds") from None
        except HfHubHTTPError as error:
            raise self._of_status(error, tries) from error
        except OfflineModeIsEnabled as error:
            mend = "Unset HF_HUB_OFFLINE: while it is set, huggingface_hub's client sends nothing, whatever the server."
            raise GenerationError("The client is offline", endpoint=self.generator.base_url, mend=mend) from error
        except httpx2.HTTPError as error:
            raise _AgainError(f"the connection failed: {type(error).__name__}: {error}") from error
        except UnwantedAnswerError as error:
            raise RefusedError(str(error), tries) from error
        except MalformedAnswerError as error:
            raise _AgainError(str(error), answered=True) from error
        except (ValueError, TypeError) as error:  # of the client, which reads JSON into its types
            raise _AgainError(f"an answer that cannot be read: {error}") from error
        self._check_model(answer.model)
        return answer

    def _of_status(self, error: Any, tries: int) -> Exception:
        status, told = error.response.status_code, _message(error)
        reason = f"status {status}{told}"
        if status in RETRIED or status >= 500:
            return _AgainError(reason, _retry_after(error.response.headers.get("retry-after")))
        if status in OF_THE_REQUEST:
            return RefusedError(reason, tries)
        mend = "Check base_url, model and api_key."
        return GenerationError(f"The endpoint refuses requests: {reason}", endpoint=self.generator.base_url, mend=mend)

    def _check_model(self, said: str) -> None:
        """Refuses answers of another model; `transformers serve` says name@revision."""
        wanted = self.generator.served_as or self.generator.model
        if said != wanted and said.split("@")[0] != wanted:
            mend = f"Give the name of the model that is meant, or served_as={said!r} if it is that one."
            what = f"The endpoint answers as model {said!r}, not {wanted!r}"
            raise GenerationError(what, endpoint=self.generator.base_url, mend=mend)

    async def _wait_for_turn(self) -> None:
        """Until the server's pause is over and the rate limit has room."""
        if rate := self.generator.requests_per_second:
            start = max(time.monotonic(), self.next_start)
            self.next_start = start + 1 / rate
            await asyncio.sleep(max(0.0, start - time.monotonic()))
        while (left := self.pause_until - time.monotonic()) > 0:
            await asyncio.sleep(left + self.jitter.uniform(0, 0.1))

    def _pause(self, tries: int, after: float | None) -> float:
        """Seconds until the next try: what the server said, which holds for all requests, or 0.5, 1, 2, … jittered."""
        longest = min(LONGEST_PAUSE, self.generator.timeout)
        if after is not None:
            after = min(after, self.generator.timeout)
            self.pause_until = max(self.pause_until, time.monotonic() + after)
            return after + self.jitter.uniform(0, 0.1)
        return self.jitter.uniform(0.5, 1.0) * min(longest, FIRST_PAUSE * 2 ** (tries - 1))


def _arguments(sampling: Sampling, seed: int, n: int, extra_body: Mapping[str, Any] | None) -> dict[str, Any]:
    """Arguments of `chat_completion`. What has its neutral value is not sent: not every server knows every field."""
    more = {**({"top_k": sampling.top_k} if sampling.top_k else {}), **(extra_body or {})}
    return {
        "temperature": sampling.temperature,
        "max_tokens": sampling.max_tokens,
        "seed": seed,
        "top_p": sampling.top_p if sampling.top_p < 1 else None,
        "stop": list(sampling.stop) or None,
        "logprobs": sampling.logprobs or None,
        "n": n if n > 1 else None,
        "extra_body": more or None,
    }


def _message(error: Any) -> str:
    """What the server says about it, in short; the client has read it from the body."""
    body = str(error.server_message or error.response.text or "").strip()
    return f": {body[:200]}" if body else ""


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, a number or a date; None where there is none that can be read."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        return _seconds_until(value)


def _seconds_until(date: str) -> float | None:
    """Seconds until a date of HTTP; None where it is none."""
    try:
        return max(0.0, email.utils.parsedate_to_datetime(date).timestamp() - time.time())
    except ValueError:
        return None
