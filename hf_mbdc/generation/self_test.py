"""Does a server sample as it is told? Asked before the first request, because many ignore a field without a word.

`transformers serve` ignores the temperature until its generation config says do_sample, and n altogether; with
continuous batching the sampling of the first request holds for all. Completions of such a server are not what their
record says: they cannot be repeated, or are n times the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from hf_mbdc.errors import GenerationError
from hf_mbdc.generation.completions import Message, Sampling

PROMPT: list[Message] = [{"role": "user", "content": "Write a sentence about anything you like."}]
TOKENS = 32
HOT = 1.5  # a temperature at which no two draws of so many tokens are alike

Ask = Callable[[Sequence[Message], Sampling, int, int], Awaitable[list[str]]]  # messages, sampling, seed, n → texts
MENDS = {
    "temperature": "For transformers serve give extra_body={'generation_config': '{\"do_sample\": true}'}",
    "seed": "Serve the model with an engine that takes a seed for each request, such as vLLM",
    "n": "Give one_request_per_sample=True, which sends one request a sample",
}


async def check_server(ask: Ask, sampling: Sampling, *, together: bool, endpoint: str) -> None:
    """Up to nine short calls.

    Args:
        ask: sends one request.
        sampling: that the run will use: a greedy one needs no seed.
        together: whether several samples will be asked in one request.
        endpoint: for the message.

    Raises:
        GenerationError: a field is ignored; the message says how it showed, and the mend.
    """
    found = await _temperature_and_seed(ask, sampling) or (await _number(ask, sampling) if together else None)
    if found:
        field, how = found
        mend = f"{MENDS[field]}, or use another server."
        raise GenerationError(f"The endpoint ignores {field}: {how}", endpoint=endpoint, field=field, mend=mend)


async def _temperature_and_seed(ask: Ask, sampling: Sampling) -> tuple[str, str] | None:
    probe = replace(sampling, max_tokens=TOKENS, stop=(), top_p=1.0, top_k=0)
    cold = [(await ask(PROMPT, replace(probe, temperature=0.0), seed, 1))[0] for seed in (1, 2)]
    if cold[0] != cold[1]:
        return "temperature", "two calls at temperature 0 gave different texts"
    if sampling.temperature == 0:
        return None
    hot = [(await ask(PROMPT, replace(probe, temperature=HOT), seed, 1))[0] for seed in (1, 2, 3)]
    if set(hot) == {cold[0]}:
        return "temperature", f"three calls at temperature {HOT} gave the text of temperature 0"
    if len(set(hot)) == 1:
        return "seed", "three calls with different seeds gave the same text"
    again = (await ask(PROMPT, replace(probe, temperature=HOT), 1, 1))[0]
    if again != hot[0]:
        return "seed", "two calls with the same seed gave different texts"
    return None


async def _number(ask: Ask, sampling: Sampling) -> tuple[str, str] | None:
    probe = replace(sampling, max_tokens=TOKENS, stop=(), top_p=1.0, top_k=0)
    hot = replace(probe, temperature=HOT if sampling.temperature else 0.0)
    texts: list[str] = []
    for seed in (4, 5):
        texts = await ask(PROMPT, hot, seed, 2)
        if len(texts) != 2:
            return "n", f"{len(texts)} completion came where 2 were asked for"
        if sampling.temperature == 0 or texts[0] != texts[1]:
            return None
    return "n", f"two completions of one request at temperature {HOT} were the same"
