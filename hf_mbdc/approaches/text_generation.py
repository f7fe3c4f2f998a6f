"""Text generation: which completion does a language model learn for a prompt, and is it right?

A language model can make its own training data: it answers prompts, something judges the answers, and what is good is
learned. This approach adds what that needs: a completion to learn, a worse one beside it for preferences, and whether a
rule that no model can talk round takes the completion for right.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from hf_mbdc.approaches._checks import refuse_first
from hf_mbdc.errors import DataError, RecipeError

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset, DatasetDict, Features, IterableDataset

    from hf_mbdc.verifiers import Verifier

VerifierName = Literal["exact_answer", "made_problems"]
NO_PROMPT = "the prompt is empty"
MOST_WORDS, MOST_BYTES = 4000, 100_000  # of the vocabulary of a new model, which is an argument of its training


@dataclass(frozen=True)
class TextGeneration:
    """Adds the completion that a language model learns, and whether it is right.

    Args:
        verifier: by which completions are scored: `exact_answer`, the final answer against that of `answer`
            (`hf_mbdc.ExactAnswer`), or `made_problems`, which reads the prompt alone.
        words: the vocabulary of a model that is trained from nothing, the most frequent first; a checkpoint has its
            own. `annotate` collects it from the train split by itself.

    Reads:
        `id`, `prompt` and `answer` (string), and where it is there `completion` (string).

    Adds:
        `completion`, what is learned: the one that is given, where the rows have that column, and else the `answer`. A
        train row whose completion is null is a prompt that nobody has answered yet; with `exact_answer` it needs an
        `answer` all the same, as the verifier compares with it · `rejected`, a worse completion, for preferences; at
        first null · `verified`, whether the verifier takes the completion for right; null where there is none or it
        cannot be read.

    Raises:
        RecipeError: there is no such verifier.

    Example:
        >>> added = TextGeneration().transform({"id": ["0"], "prompt": ["3 + 1?"], "answer": ["3 + 1 = 4\\n#### 4"]})
        >>> added["completion"], added["rejected"], added["verified"]
        (['3 + 1 = 4\\n#### 4'], [None], [True])
    """

    name: ClassVar[str] = "text_generation"
    why: ClassVar[str] = (
        "A language model learns completions; which of them are right, and which are worse, no prompt says by itself."
    )
    metric: ClassVar[str] = "solved"
    asks: ClassVar[str | None] = "prompt"
    meanings: ClassVar[Mapping[str, str]] = {
        "completion": "What the model learns to answer to `prompt`; null where there is no answer yet.",
        "rejected": "A worse answer than `completion`, for preferences; null where there is none.",
        "verified": "Whether the verifier takes `completion` for right; null where it cannot tell.",
    }

    verifier: VerifierName = "exact_answer"
    words: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.verifier not in get_args(VerifierName):
            mend = f"Take one of {', '.join(get_args(VerifierName))}."
            raise RecipeError(f"verifier is {self.verifier!r}", key="verifier", mend=mend)
        given = self.words.split() if isinstance(self.words, str) else self.words
        if not all(isinstance(word, str) and word and not any(map(str.isspace, word)) for word in given):
            raise RecipeError("The vocabulary holds what is no word", key="words", mend="Give words without blanks.")
        object.__setattr__(self, "words", tuple(given))

    @cached_property
    def reads(self) -> Features:
        """The columns that must be there."""
        from datasets import Features, Value

        return Features({name: Value("string") for name in ("id", "prompt", "answer")})

    @cached_property
    def may_read(self) -> Features:
        """The columns that are read where they are there."""
        from datasets import Features, Value

        return Features({"completion": Value("string")})

    @cached_property
    def adds(self) -> Features:
        """The columns that `transform` returns."""
        from datasets import Features, Value

        return Features({"completion": Value("string"), "rejected": Value("string"), "verified": Value("bool")})

    @property
    def reference(self) -> str:
        """The column that completions are verified against."""
        return "prompt" if self.verifier == "made_problems" else "answer"

    def transform(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """The added columns of a batch.

        Raises:
            DataError: a prompt is empty (`annotate` sets such rows aside instead).
        """
        columns, reasons = self.try_transform(batch)
        refuse_first(batch["id"], reasons)
        return columns

    def try_transform(self, batch: Mapping[str, Sequence[Any]]) -> tuple[dict[str, list[Any]], list[str | None]]:
        """The added columns, and for each row why it cannot be annotated (its added values are then None), or None."""
        reasons = [None if prompt and prompt.strip() else NO_PROMPT for prompt in batch["prompt"]]
        answers = [
            None if reason or not (answer or "").strip() else answer
            for answer, reason in zip(batch.get("completion", batch["answer"]), reasons, strict=True)
        ]
        verified = self.verify(answers, batch[self.reference])
        return {"completion": answers, "rejected": [None] * len(answers), "verified": verified}, reasons

    def verify(self, completions: Sequence[str | None], references: Sequence[str | None]) -> list[bool | None]:
        """Whether each completion is right; None where there is none, no reference, or it cannot be read."""
        verify = self._verifier()
        scores = [
            math.nan if completion is None or reference is None else verify(completion, reference)
            for completion, reference in zip(completions, references, strict=True)
        ]
        return [None if math.isnan(score) else score == 1 for score in scores]

    def said(self, completion: str) -> str:
        """What a completion says in the end, so that two can be compared: its final answer, or all its words."""
        from hf_mbdc.verifiers.exact_answer import ExactAnswer, final_answer, parse_number

        found = final_answer(completion, ExactAnswer().markers) if self.verifier == "exact_answer" else None
        if found is None:
            return " ".join(completion.split())
        number = parse_number(found)
        return str(number) if number is not None else " ".join(found.casefold().split())

    def score(self, predictions: Sequence[str], references: Sequence[str]) -> dict[str, np.ndarray]:
        """The scores (rows,) of what a model wrote: `solved`, and `unread` of which less is better.

        A completion that cannot be read solves nothing; `unread` tells how many those are.
        """
        import numpy as np

        right = self.verify(predictions, references)
        solved, unread = [one is True for one in right], [one is None for one in right]
        return {"solved": np.array(solved, float), "unread": np.array(unread, float)}

    def target_settings(self) -> dict[str, Any]:
        """What the loop sets of a training: a new model has the approach's vocabulary, whatever its rows hold.

        So parent and candidate begin with the same weights.
        """
        return {"words": " ".join(self.words)}

    @property
    def learns(self) -> bool:
        """Whether the vocabulary has to be collected."""
        return not self.words

    def fit(self, splits: Mapping[str | None, Dataset | IterableDataset]) -> TextGeneration:
        """This approach with the words of the train split, of prompts without an answer too."""
        split = "train" if "train" in splits else next(iter(splits))
        there = [name for name in ("prompt", "answer", "completion") if name in (splits[split].column_names or ())]
        read = splits[split].select_columns(there)[:]
        counts = Counter(word for column in read.values() for text in column if text for word in text.split())
        ranked = sorted(counts, key=lambda word: (-counts[word], word))[:MOST_WORDS]
        if not ranked:
            raise DataError("No prompt has a word", split=split, column="prompt", mend="Give prompts.")
        sizes = itertools.accumulate(len(word.encode()) + 1 for word in ranked)
        return dataclasses.replace(
            self, words=tuple(w for w, size in zip(ranked, sizes, strict=True) if size < MOST_BYTES)
        )

    def options(self) -> dict[str, Any]:
        """The options as plain data, for a manifest."""
        return {"verifier": self.verifier, "words": list(self.words)}

    def count_statuses(self, ds: DatasetDict) -> dict[str, int]:
        """How many rows of an annotated dataset have a right, a wrong, an unverified or no completion."""
        rows: Iterable[tuple[str | None, bool | None]] = (
            pair for split in ds.values() for pair in zip(split["completion"][:], split["verified"][:], strict=True)
        )
        return dict(sorted(Counter(_status(completion, verified) for completion, verified in rows).items()))

    def _verifier(self) -> Verifier:
        from hf_mbdc.verifiers import ExactAnswer
        from hf_mbdc.verifiers.made_problems import is_right

        return is_right if self.verifier == "made_problems" else ExactAnswer()


def _status(completion: str | None, verified: bool | None) -> str:
    if completion is None:
        return "not answered"
    return {True: "right", False: "wrong", None: "not verified"}[verified]
