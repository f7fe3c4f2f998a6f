"""Extractive question answering on documents: where in the transcription, and on the page, is each answer?

Training an extractive model needs the answer's offsets, which question-answering data seldom has. This approach adds
them: every occurrence of every given answer, one of them chosen, and its words and boxes. A miss is a status, never a
silent "no answer".
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from hf_mbdc.approaches._checks import refuse_first
from hf_mbdc.approaches._examples import examples
from hf_mbdc.approaches._extractive_rows import (
    NAN,
    Document,
    Documents,
    annotation,
    columns_of,
    given_answers,
    read_rows,
    single,
)
from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.transforms.choose import best_matches, by_position, question_scores, support_of
from hf_mbdc.transforms.choose_learned import MIN_ROWS, Chooser, fit_chooser, read_chooser
from hf_mbdc.transforms.locate import MAX_DISTANCE, Occurrence, locate_all

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset, DatasetDict, Features

Choice = Literal["first", "last", "random", "question", "learned"]


@dataclass(frozen=True)
class ExtractiveQA:
    """Adds the offsets of the answers.

    Args:
        choose: which of several occurrences becomes the annotation: the `first`, the `last`, one at `random`, the one
            nearest to the words of the `question`, or the one that a scorer takes which has `learned` from the rows of
            the data whose answer occurs once; `hf_mbdc.transforms.choose` tells the rungs of this ladder. `annotate`
            learns by itself; what was learned, a `Chooser` (or the mapping that JSON made of it), can be given too. The
            choice is among the occurrences with the best score and, of those, of the earliest answer in `answers`.
        max_distance: share of an answer's characters that may differ in the document, from 0 (none) to 0.5. Above
            0.35, the default, unanswerable questions begin to find answers.
        seed: of the random choice, which also depends on the row's id and on nothing else.

    Reads (one row per question):
        `id`, `question` string · `words` list of string · `boxes` list of four integers each (x0 y0 x1 y1, 0–1000;
        [] for text without a page) · `context` string (the words with whitespace between them, "\\n" between lines) ·
        `answers` list of string (different ways to give the one answer; [] for an unanswerable question).
        Where there is one: `pages` list of int32 (the page of each word, from 0; boxes are each on their own page).

    Adds:
        `answer_start`, `answer_end` (characters of `context`, end exclusive), `word_start`, `word_end` (inclusive), all
        −1 when there is no occurrence · `answer_boxes` (one per line) · `answer_page` (of its first word, from 0; −1
        without occurrence) · `matched_text` · `match_score` (1.0 verbatim,
        NaN without occurrence; see `hf_mbdc.transforms.locate`) · `n_occurrences` · `candidates` (every occurrence in
        document order: `start, end, score, choice`; `choice` is the log-probability that the rung gives it, NaN where
        position decided or a better match did) · `choice_margin` (best `choice` minus the second best: rows near 0 are
        worth a look; NaN without two) · `match_status`: `exact` (the answer's own characters, whitespace and
        Unicode form aside), `fuzzy` (any other match), `absent` (an answer was given and not found), `unanswerable`
        (no answer was given).

    Raises:
        RecipeError: an option is out of its range.

    Example:
        >>> batch = {"id": ["0"], "question": ["total"], "words": [["TOTAL", "9.00"]], "context": ["TOTAL 9.00"],
        ...          "boxes": [[[0, 0, 90, 20], [100, 0, 180, 20]]], "answers": [["9.00"]]}
        >>> added = ExtractiveQA().transform(batch)
        >>> added["answer_start"], added["word_start"], added["answer_boxes"], added["match_status"]
        ([6], [1], [[[100, 0, 180, 20]]], ['exact'])
    """

    name: ClassVar[str] = "extractive_qa"
    why: ClassVar[str] = "An extractive model learns from positions in the transcription, which the task does not give."
    metric: ClassVar[str] = "exact_match"
    reference: ClassVar[str] = "answers"  # the column that predictions are scored against
    asks: ClassVar[str | None] = "question"
    came_later: ClassVar[frozenset[str]] = frozenset(("answer_page", "choice_margin"))  # than the first release
    meanings: ClassVar[Mapping[str, str]] = {
        "answer_start": "First character of the answer in `context`; −1 = none.",
        "answer_end": "Character after the answer's last one; −1 = none.",
        "word_start": "First word of the answer; −1 = none.",
        "word_end": "Last word of the answer, inclusive; −1 = none.",
        "answer_boxes": "One box per line of the answer, x0 y0 x1 y1 from 0 to 1000.",
        "answer_page": "Page of the answer's first word, from 0; −1 = none.",
        "matched_text": "The answer as it stands in `context`.",
        "match_score": "1.0 = verbatim, less = how near; NaN = none.",
        "n_occurrences": "How often the answer occurs.",
        "candidates": "Every occurrence, in document order; `choice` = log-probability that it is the one asked for.",
        "choice_margin": "Best `choice` minus the second best; near 0 = unsure, NaN = nothing to choose.",
        "match_status": "exact | fuzzy | absent | unanswerable",
    }

    choose: Choice | Chooser = "first"
    max_distance: float = MAX_DISTANCE
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.choose, Mapping):
            object.__setattr__(self, "choose", read_chooser(self.choose))
        if not isinstance(self.choose, Chooser) and self.choose not in get_args(Choice):
            raise RecipeError(
                f"choose is {self.choose!r}", key="choose", mend=f"Take one of {', '.join(get_args(Choice))}."
            )
        if type(self.max_distance) not in (int, float) or not 0 <= self.max_distance <= 0.5:
            raise RecipeError(
                f"max_distance is {self.max_distance!r}", key="max_distance", mend="Take a number from 0 to 0.5."
            )
        if type(self.seed) is not int:
            raise RecipeError(f"seed is {self.seed!r}", key="seed", mend="Take a whole number.")

    @cached_property
    def reads(self) -> Features:
        """The columns that must be there."""
        from datasets import Features, List, Value

        text = Value("string")
        return Features(
            {
                "id": text,
                "question": text,
                "words": List(text),
                "boxes": List(List(Value("int32"))),
                "context": text,
                "answers": List(text),
            }
        )

    @cached_property
    def may_read(self) -> Features:
        """The columns that are read where they are."""
        from datasets import Features, List, Value

        return Features({"pages": List(Value("int32"))})

    @cached_property
    def adds(self) -> Features:
        """The columns that `transform` returns."""
        from datasets import Features, List, Value

        number = Value("int32")
        return Features(
            {
                "answer_start": number,
                "answer_end": number,
                "word_start": number,
                "word_end": number,
                "answer_boxes": List(List(number)),
                "answer_page": number,
                "matched_text": Value("string"),
                "match_score": Value("float32"),
                "n_occurrences": number,
                "candidates": List(
                    {"start": number, "end": number, "score": Value("float32"), "choice": Value("float32")}
                ),
                "choice_margin": Value("float32"),
                "match_status": Value("string"),
            }
        )

    def transform(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """The added columns of a batch.

        Raises:
            DataError: a document of the batch is unsound (`annotate` sets such rows aside instead).
        """
        columns, reasons = self.try_transform(batch)
        mend = "Mend the row, or let hf_mbdc.annotate set such rows aside."
        refuse_first(batch["id"], reasons, what="document", mend=mend)
        return columns

    def try_transform(self, batch: Mapping[str, Sequence[Any]]) -> tuple[dict[str, list[Any]], list[str | None]]:
        """The added columns, and for each row why it cannot be annotated (its added values are then None), or None."""
        self._check_learned()
        asked, reasons = read_rows(batch)
        found = self._locate(asked)
        rows: list[dict[str, Any]] = []
        for row, (row_id, question) in enumerate(zip(batch["id"], batch["question"], strict=True)):
            if row not in asked:
                rows.append(dict.fromkeys(self.adds))
                continue
            document, given = asked[row]
            chosen, scores = self._choice(document, question, given, found[row], row_id)
            candidates = [
                {"start": o.start, "end": o.end, "score": single(o.score), "choice": single(score)}
                for o, score in zip(found[row], scores, strict=True)
            ]
            rows.append(annotation(document, given, candidates, chosen))
        return columns_of(rows, list(self.adds)), reasons

    def _locate(self, asked: Mapping[int, tuple[Document, list[str]]]) -> dict[int, list[Occurrence]]:
        """The occurrences of each row; all of them are looked for in one go."""
        wanted = [(document.text, given) for document, given in asked.values()]
        return dict(zip(asked, locate_all(wanted, max_distance=self.max_distance), strict=True))

    def choose_candidate(self, batch: Mapping[str, Sequence[Any]], index: Sequence[int]) -> dict[str, list[Any]]:
        """The added columns once more, with another candidate chosen; `candidates` stay as they are, scores included.

        Args:
            batch: annotated rows.
            index: which candidate of each row; −1 for a row without candidates, and only there.

        Raises:
            DataError: an index is out of range, or a document is unsound.
        """
        documents = Documents(batch)
        rows = []
        columns = (batch[name] for name in ("id", "answers", "candidates"))
        for row, (row_id, answers, candidates, chosen) in enumerate(zip(*columns, index, strict=True)):
            candidates = candidates or []
            if not (0 <= chosen < len(candidates) or (chosen == -1 and not candidates)):
                raise DataError(
                    f"There is no candidate {chosen}",
                    id=row_id,
                    mend=f"The row has {len(candidates)} candidates; −1 is for rows without any.",
                )
            try:
                document, given = documents.get(row), given_answers(answers)
            except ValueError as problem:
                raise DataError(f"The document cannot be annotated: {problem}", id=row_id) from problem
            scored = [{**candidate, "choice": _number(candidate.get("choice"))} for candidate in candidates]
            rows.append(annotation(document, given, scored, chosen))
        return columns_of(rows, list(self.adds))

    @property
    def learns(self) -> bool:
        """Whether there is something to learn from data before `transform` can work."""
        return self.choose == "learned"

    def fit(self, splits: Mapping[str | None, Dataset]) -> ExtractiveQA:
        """This approach with the `Chooser` that the data teaches; `hf_mbdc.fit` calls it.

        The `train` split teaches, if there is one with enough rows, else all do. Of large ones, rows are read in the
        order of a hash of their ids until `MAX_ROWS` have one occurrence of their answer.

        Raises:
            DataError: fewer than `MIN_ROWS` rows have exactly one occurrence of their answer.
        """
        found = examples([splits["train"]], self.max_distance) if "train" in splits else []
        if sum(len(example.spans) == 1 for example in found) < MIN_ROWS:
            found = examples(list(splits.values()), self.max_distance)
        return dataclasses.replace(self, choose=fit_chooser(found))

    def options(self) -> dict[str, Any]:
        """The options as plain data, for a manifest."""
        return dataclasses.asdict(self)

    def target_settings(self) -> dict[str, Any]:
        """What the loop sets of a training, whatever the recipe says: the target learns the chosen occurrence."""
        return {"objective": "chosen"}

    def count_statuses(self, ds: DatasetDict) -> dict[str, int]:
        """How many rows of an annotated dataset have each `match_status`."""
        counts = Counter(status for split in ds.values() for status in split["match_status"][:])
        return dict(sorted(counts.items()))

    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
        """The scores (rows,) of a target model's answers, by metric; `metric` names the main one."""
        from hf_mbdc.metrics.text import anls_scores, exact_match_scores, f1_scores

        return {
            "exact_match": exact_match_scores(predictions, references),
            "f1": f1_scores(predictions, references),
            "anls": anls_scores(predictions, references),
        }

    def _check_learned(self) -> None:
        if self.learns:
            raise RecipeError(
                "choose='learned' has learned nothing yet",
                key="choose",
                mend="Let it: approach = hf_mbdc.fit(dataset, approach). hf_mbdc.annotate does so for all but streams.",
            )

    def _choice(
        self, document: Document, question: str | None, answers: Sequence[str], found: Sequence[Occurrence], row_id: str
    ) -> tuple[int, list[float]]:
        """The index of the chosen occurrence (−1 when there is none), and the score of each."""
        scores = [NAN] * len(found)
        pool = best_matches(found)
        if not pool:
            return -1, scores
        if not isinstance(self.choose, Chooser) and self.choose != "question":
            return by_position(self.choose, pool, row_id, self.seed), scores
        if len(pool) == 1:
            return pool[0], scores
        spans = [(found[index].start, found[index].end) for index in pool]
        support = support_of(document.text, answers, found[pool[0]].answer, spans)
        score = self.choose.scores if isinstance(self.choose, Chooser) else question_scores
        for index, value in zip(
            pool, score(document.choice_text, question or "", spans, support).tolist(), strict=True
        ):
            scores[index] = value
        return max(pool, key=lambda index: (scores[index], -index)), scores


def _number(value: float | None) -> float:
    """NaN for null: rows of older versions have no `choice`."""
    return NAN if value is None else value
