"""The step `tail_characters`: adds made words to the train rows, in which rare characters are as frequent as they must.

Words are made by `hf_mbdc.synthesis.tail_characters` from the rows that no step has made (`mbdc_source` is null), or
from all where a mixture left none of those. What stands in another split is left out, so that no evaluation word is
learned by heart: first among the words that others are made of, then among those that are made. Where the second takes
too many places from a character, the record and a warning say so. Images are for the step `render`.

From the second iteration on, `per_miss` aims at what the target still confuses: a character that it missed n times in
the split that searches must occur `at_least + per_miss * n` times, whatever its frequency in the corpus.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.synthesis.step import Step, StepContext, StepResult
from hf_mbdc.synthesis.tail_characters import TailOptions, tail_characters
from hf_mbdc.transforms.character_rows import split_characters
from hf_mbdc.transforms.rows import add_provenance_columns, append_rows

if TYPE_CHECKING:
    from datasets import Dataset

    from hf_mbdc.approaches.text_recognition import TextRecognition

logger = logging.getLogger(__name__)
HELD_OUT = "the word stands in another split"
LACKING = "characters that occur less often than asked"


@dataclass(frozen=True)
class TailWordsOptions:
    """Options of the step in a recipe.

    `words`: rows made. `mixture`, `candidates`, `seed`: as of `TailOptions`. `at_least`: how often every character of
    the charset occurs in what is made. `per_miss`: further occurrences of a character for each time that the target,
    trained on the parent's rows, missed it in the split that searches; 0 does not ask. `charset`: the characters;
    empty: those of the approach's charset or, without one, of the corpus.
    """

    words: int = 10_000
    mixture: dict[str, float] = field(default_factory=lambda: {"injected": 1.0, "random": 1.0})
    at_least: int = 10
    per_miss: int = 0
    charset: str = ""
    candidates: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if self.per_miss < 0:
            mend = "0 leaves the target out, 20 is a good number."
            raise RecipeError("Nothing occurs less than not at all", key="per_miss", value=self.per_miss, mend=mend)
        self.for_words({})

    def for_words(self, misses: Mapping[str, int], charset: tuple[str, ...] = (), **characters: object) -> TailOptions:
        """The options of `tail_characters`.

        Args:
            misses: character → how often the target missed it; characters that the charset lacks are passed over.
            charset: of the approach, in place of one that is not given.
            **characters: `normalization` and `unit`.
        """
        targets: int | dict[str, int] = self.at_least
        form, unit = characters.get("normalization", "NFC"), characters.get("unit", "code_point")
        known = split_characters(self.charset, form, unit) or charset  # type: ignore[arg-type]
        if misses and known:
            targets = {c: self.at_least + self.per_miss * misses.get(c, 0) for c in known}
        return TailOptions(
            words=self.words,
            mixture=self.mixture,
            at_least=targets,
            charset=known,
            candidates=self.candidates,
            seed=self.seed,
            **characters,  # type: ignore[arg-type]
        )


def run(rows: Dataset, options: TailWordsOptions, context: StepContext) -> StepResult:
    """Adds words to a train split, with the approach's columns; an `image` of theirs is null.

    Raises:
        DataError: the targets need more places than there are, or no word can be made.
        RecipeError: the misses are asked for and no split searches, or a made row would have another one's id.
    """
    from hf_mbdc.approaches import annotate_with_rejected

    rows, approach = add_provenance_columns(rows), context.approach
    misses = _misses(options, context)
    charset = tuple(approach.charset or approach.frequencies.characters)
    how = options.for_words(misses, charset, normalization=approach.normalization, unit=approach.unit)
    held_out = _held_out(context)
    made = tail_characters(_corpus(rows, held_out, approach), how)
    kept, left_out = _apart(made.rows, held_out, approach)
    lacking = _lacking(kept, how, charset, approach) if left_out else 0
    if lacking:
        logger.warning(
            "%d characters occur less often than asked: %d words stand in other splits", lacking, len(left_out)
        )
    _check_new(kept, rows, options)
    kept, unsound = annotate_with_rejected(kept, approach)
    record = dataclasses.replace(
        made.record,
        kept=len(rows),
        changed=0,
        added=len(kept),
        rejected=len(left_out) + len(unsound),
        reasons={
            **made.record.reasons,
            **({HELD_OUT: len(left_out)} if left_out else {}),
            **({LACKING: lacking} if lacking else {}),
            **_told(misses),
        },
    )
    return StepResult(append_rows(rows, kept), record, _rejected(left_out, unsound))


STEP = Step(TailWordsOptions, run, approaches=("text_recognition",))


def _misses(options: TailWordsOptions, context: StepContext) -> Mapping[str, int]:
    if not options.per_miss:
        return {}
    if context.misses is None:
        mend = "Give the iteration a `mix` with a split, such as {split: validation}, or leave per_miss out."
        raise RecipeError("No split tells what the target misses", key="per_miss", value=options.per_miss, mend=mend)
    return context.misses()


def _corpus(rows: Dataset, held_out: set[tuple[str, ...]], approach: TextRecognition) -> Dataset:
    """The ids and texts of the rows that no step has made, or of all where an earlier mixture left none of those.

    Without those that stand in another split, too, unless all do.
    """
    own = np.array([source is None for source in rows["mbdc_source"][:]], bool)
    corpus = rows.select_columns(["id", "text"]).select(np.flatnonzero(own if own.any() else ~own))
    stands = _stands(corpus, held_out, approach)
    return corpus if stands.all() or not stands.any() else corpus.select(np.flatnonzero(~stands))


def _held_out(context: StepContext) -> set[tuple[str, ...]]:
    """The words of the other splits, in the form and the characters of the approach."""
    texts = [text or "" for split in context.others.values() for text in split["text"][:]]
    return set(map(tuple, context.approach.cut(texts)))


def _stands(rows: Dataset, held_out: set[tuple[str, ...]], approach: TextRecognition) -> np.ndarray:
    """(rows,) whether a word stands in another split."""
    return np.array([tuple(word) in held_out for word in approach.cut(rows["text"][:])], bool)


def _lacking(made: Dataset, how: TailOptions, charset: Sequence[str], approach: TextRecognition) -> int:
    """How many characters occur less often than they must."""
    wanted = how.at_least if isinstance(how.at_least, Mapping) else dict.fromkeys(how.charset or charset, how.at_least)
    occurs = approach.occurrences(made["text"][:])
    return sum(occurs[character] < least for character, least in wanted.items())


def _apart(made: Dataset, held_out: set[tuple[str, ...]], approach: TextRecognition) -> tuple[Dataset, list[str]]:
    """The words that stand in no other split, and the ids of those that do."""
    stands = _stands(made, held_out, approach)
    if stands.all():
        raise DataError("Every made word stands in another split", mend="Make more words, or longer ones.")
    if not stands.any():
        return made, []
    return made.select(np.flatnonzero(~stands)), made.select(np.flatnonzero(stands))["id"][:]


def _check_new(made: Dataset, rows: Dataset, options: TailWordsOptions) -> None:
    if shared := set(made["id"][:]) & set(rows["id"][:]):
        mend = "An earlier iteration made words with the same seed: give the step another one."
        raise RecipeError(
            "A made row has the id of another row", key="seed", value=options.seed, id=min(shared), mend=mend
        )


def _told(misses: Mapping[str, int]) -> dict[str, int]:
    """The record's account of what the target missed."""
    missed = {character: count for character, count in misses.items() if count}
    return {"characters that the target missed": len(missed)} if missed else {}


def _rejected(held_out: list[str], unsound: Dataset) -> Dataset | None:
    from datasets import Dataset, Features, Value

    rows = [{"id": key, "split": "train", "reason": HELD_OUT} for key in held_out]
    rows += [{"id": row["id"], "split": "train", "reason": row["reason"]} for row in unsound]
    features = Features({name: Value("string") for name in ("id", "split", "reason")})
    return Dataset.from_list(rows, features=features) if rows else None
