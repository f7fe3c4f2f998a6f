"""How likely each of some answers is: a judgement read from probabilities, where nothing is drawn and nothing parsed.

A rating is kept in the store like a completion: its text is the likeliest option, its log-probabilities are those of
the options. Its key holds the options in place of sampling and seed, on which it does not depend.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from hf_mbdc.errors import GenerationError, RecipeError
from hf_mbdc.generation.completions import Batch, Request, Sampling, Task
from hf_mbdc.generation.generate import Claim, Generated, Generator, every_row, generate_with_rejected
from hf_mbdc.generation.store import Store

if TYPE_CHECKING:
    from datasets import Dataset

POINTS = ("1", "2", "3", "4", "5")


@runtime_checkable
class Rater(Protocol):
    """What `rate` asks of a generator; `LocalGenerator` and `EndpointGenerator` are such."""

    def identity(self) -> str:
        """As of `Generator`."""

    def render(self, requests: Sequence[Request]) -> list[str]:
        """As of `Generator`."""

    def rate(self, tasks: Sequence[Task], claim: Claim, options: Sequence[str]) -> Iterator[Batch]:
        """As `complete`: of each task the likeliest option, with the log-probabilities of all of them in order."""


def rate(
    requests: Iterable[Request],
    generator: Generator,
    options: Sequence[str] = POINTS,
    *,
    store: Store | str | Path | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Dataset:
    """The probability with which a model goes on with each of some answers; one pass over the prompt, nothing drawn.

    An option is meant as it is written: after a prompt that ends with "Answer:" most models go on with " 4" and not
    with "4". A local model scores all tokens of an option, as its tokenizer writes them after that prompt; where one
    option goes on with another's tokens ("1" and "10"), the shorter has the probability of not going on so. A server
    tells its 20 likeliest tokens: there an option must be one token, and is 0 where it is not among them.

    Args:
        requests: with distinct (key, sample).
        generator: its sampling and seed do not matter.
        options: the answers, all different.
        store: see `generate`.
        on_progress: called with the fraction that is done, 0 to 1.

    Returns:
        Rows with `id`, `mbdc_parent_id`, `prompt` as the model read it, `options`, `probabilities` (of the options
        among themselves, which sum to 1; null where all are 0), `mass` (what all of them together have among all that
        the model could say: where it is low, the model wants to say something else) and `mbdc_model` (model@hash).

    Raises:
        RecipeError: there are no options, an empty one, or one twice.
        DataError: as of `generate`.
        GenerationError: as of `generate`; or the server tells no probabilities.

    Example:
        >>> from hf_mbdc.generation import Request, rate
        >>> asked = [Request("a", prompt="Is the sky blue? Answer:")]
        >>> rows = rate(asked, generator, [" Yes", " No"])  # doctest: +SKIP
        >>> rows[0]["probabilities"], rows[0]["mass"]  # doctest: +SKIP
        ([0.94, 0.06], 0.71)
    """
    return every_row(
        rate_with_rejected(requests, generator, options, store=store, on_progress=on_progress), "rate_with_rejected"
    )


def rate_with_rejected(
    requests: Iterable[Request],
    generator: Generator,
    options: Sequence[str] = POINTS,
    *,
    store: Store | str | Path | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Generated:
    """As `rate`, but requests that could not be rated come back with their reason."""
    _check(options)
    if not isinstance(generator, Rater):
        mend = "Take a LocalGenerator or an EndpointGenerator, or give yours the method `rate`."
        raise GenerationError("The generator tells no probabilities", generator=type(generator).__name__, mend=mend)
    model = generator.identity()
    asked = _Rating(generator, tuple(options), model)
    made = generate_with_rejected(requests, asked, store=store, on_progress=on_progress)
    return replace(made, rows=_rows(made.rows, asked.options, model))


@dataclass(frozen=True)
class _Rating:
    """A generator whose completions are ratings."""

    generator: Rater
    options: tuple[str, ...]
    model: str
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=0.0, max_tokens=1, logprobs=True))
    seed: int = 0

    def identity(self) -> str:
        """That of the model, and what is rated."""
        return f"{self.model} rating {json.dumps(self.options)}"

    def render(self, requests: Sequence[Request]) -> list[str]:
        """The generator's own prompts."""
        return self.generator.render(requests)

    @property
    def processes(self) -> int:
        """Those of the generator."""
        return getattr(self.generator, "processes", 1)

    def complete(self, tasks: Sequence[Task], claim: Claim) -> Iterator[Batch]:
        """Ratings in place of completions."""
        return self.generator.rate(tasks, claim, self.options)


def _check(options: Sequence[str]) -> None:
    if isinstance(options, str) or not options or not all(options) or len(set(options)) < len(options):
        mend = 'Give texts that are not empty and all different, such as ["1", "2", "3"].'
        raise RecipeError("The options are no list of different answers", key="options", value=options, mend=mend)


def _rows(rated: Dataset, options: tuple[str, ...], model: str) -> Dataset:
    import pyarrow as pa
    from datasets import Dataset

    found = np.exp(np.array(rated["logprobs"][:], np.float64).reshape(len(rated), len(options)))
    mass = found.sum(axis=1)
    shares: list[list[float] | None] = [
        (row / whole).tolist() if whole > 0 else None for row, whole in zip(found, mass, strict=True)
    ]
    table = rated.data.table.select(["id", "mbdc_parent_id", "prompt"])
    columns = {
        "options": pa.array([list(options)] * len(rated), pa.list_(pa.string())),
        "probabilities": pa.array(shares, pa.list_(pa.float64())),
        "mass": pa.array(mass),
        "mbdc_model": pa.array([model] * len(rated), pa.string()),
    }
    for name, column in columns.items():
        table = table.append_column(name, column)
    return Dataset(table)
