"""Problems that the project makes itself, whose answers can be verified: for a language model that makes its own data.

`load_dataset("made_problems", problems=3000)` gives `id, prompt, answer, family`. The families:

- `sort`: `sort 5 2 9 1` → `1 2 5 9`
- `reverse`: `reverse 5 2 9` → `9 2 5`
- `sentence`: `write big cat sees a the dog` → one of the sentences that can be written of these words, such as
  `a big cat sees the dog`; `answer` is one of them, and `hf_mbdc.verifiers.made_problems` knows them all

A problem depends on its number alone, so more problems leave the first ones as they are. Problems with the same task
(the same digits to sort in any order, the same words) are on one side of the split.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import datasets

from hf_mbdc.errors import RecipeError
from hf_mbdc.loaders.builder import Document, DocumentBuilder, DocumentConfig, Finding, check_whole_number
from hf_mbdc.loaders.splits import assign
from hf_mbdc.verifiers.made_problems import SENTENCES, WORDS

FAMILIES = ("sort", "reverse", "sentence")
LEAST, MOST = 3, 8  # digits of a problem


@dataclass(frozen=True)
class Problem:
    """A prompt, a right answer unless it is not told, and what makes two problems the same task."""

    prompt: str
    answer: str | None
    family: str
    task: str


def make_problem(number: int) -> Problem:
    """The problem of a number, drawn from the number alone.

    Example:
        >>> make_problem(0).family, make_problem(0) == make_problem(0)
        ('sort', True)
    """
    draw = random.Random(f"made_problems {number}")  # seeded by text: the same in every version of Python
    family = FAMILIES[number % len(FAMILIES)]
    if family == "sentence":
        return _sentence(draw)
    digits = [draw.choice("0123456789") for _ in range(draw.randint(LEAST, MOST))]
    answer = sorted(digits) if family == "sort" else digits[::-1]
    task = "".join(answer) if family == "sort" else min("".join(digits), "".join(digits[::-1]))
    return Problem(f"{family} {' '.join(digits)}", " ".join(answer), family, f"{family} {task}")


def _sentence(draw: random.Random) -> Problem:
    pattern = draw.choice(sorted(SENTENCES))
    words = [draw.choice(WORDS[kind]) for kind in pattern]
    shuffled = draw.sample(words, len(words))
    return Problem(f"write {' '.join(shuffled)}", " ".join(words), "sentence", " ".join(sorted(words)))


@dataclass
class MadeProblemsConfig(DocumentConfig):
    """Options of `made_problems`.

    Args:
        problems: how many; a third of each family.
        answered: so many train problems, the first ones, come with their `answer`; that of the others is null, as a
            model is to solve them. Default all.
    """

    problems: int = 3000
    answered: int | None = None

    SPLIT_BY: ClassVar[tuple[str, ...]] = ("document",)

    def __post_init__(self) -> None:
        if self.data_dir is not None:
            mend = "Leave data_dir out."
            raise RecipeError("made_problems makes its problems and reads no data_dir", key="data_dir", mend=mend)
        check_whole_number("problems", self.problems, at_least=1)
        if self.answered is not None:
            check_whole_number("answered", self.answered, at_least=0)
        super().__post_init__()

    def hash_inputs(self) -> str:
        """Nothing is read."""
        return "made"


class MadeProblems(DocumentBuilder):
    """The builder of `made_problems`; see the head of this file."""

    BUILDER_CONFIG_CLASS = MadeProblemsConfig
    FEATURES = datasets.Features({name: datasets.Value("string") for name in ("id", "prompt", "answer", "family")})

    def find(self) -> Iterator[Document | Finding]:
        """The problems in the order of their numbers; one that was there before is set aside."""
        found: dict[str, tuple[str, Problem]] = {}
        for number in range(self.config.problems):
            problem, name = make_problem(number), f"problem-{number:06d}"
            if problem.prompt in found:
                yield Finding(name, "rejected", "the problem was there before")
            else:
                found[problem.prompt] = name, problem
        ties = [(problem.task,) for _, problem in found.values()]
        sides = assign(ties, self.config.split_fractions, self.config.seed) if ties else []
        answered = 0
        for (name, problem), own, side in zip(found.values(), ties, sides, strict=True):
            shown = side != "train" or self.config.answered is None or answered < self.config.answered
            answered += side == "train"
            yield Document(name, own, problem if shown else dataclasses.replace(problem, answer=None), side)

    def rows(self, document: Document) -> Iterator[dict[str, Any] | Finding]:
        """The one row of a problem."""
        problem: Problem = document.source
        made = {"prompt": problem.prompt, "answer": problem.answer, "family": problem.family}
        yield {"id": document.document_id, **made}
