"""Which step would help next: rules over what was measured, each with its figures, its reach and its cost.

Nothing here is learned or guessed: a rule fires where its figures say so, and tells them. `room` is what the
score misses on the rows in a step's reach. It is no forecast: what a step really brings, a training and `compare` tell.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hf_mbdc.guidance.imbalance import FrequencyBucket
from hf_mbdc.records import Cost

RELABEL = "relabel_occurrences"
TAIL, SELF = "tail_characters", "self_training"
FOLDS = 4  # of that step, where no earlier one tells
SURE = 1.96  # of a difference between two groups of rows, in standard errors
STILL_FALLING = 0.1  # share of the loss that the last epoch took away: more epochs would take more
LEARNED = 0.95  # share of the training rows that a finished training gets right
NEARLY = 0.8  # similarity from which a wrong answer is the right one, written otherwise
OFTEN = 0.2  # share of rows from which something is no exception
NOTHING = 0.005  # of the score: less in reach is not worth a step
SOMETIMES = 0.05  # share of right answers from which some of eight samples are mostly right
GAP = 0.1  # between the training rows and the evaluation rows


@dataclass(frozen=True)
class Group:
    """Training rows that have something in common, and the evaluation rows that have it too.

    Args:
        rows: training rows in it.
        learned, learned_others: share of the epochs in which its rows were right, and all others.
        surely: the difference of these two in standard errors that know documents; below 0 = learned worse.
        missed: what the evaluation rows of its classes take from the mean score of all, from 0 to 1; None where this is
            not known.
    """

    rows: int
    learned: float
    learned_others: float
    surely: float
    missed: float | None = None


@dataclass(frozen=True)
class Reach:
    """Evaluation rows that a step would reach.

    Args:
        rows: of them. score, interval: their mean.
        missed: what they take from the mean score of all, from 0 to 1.
        kinds: of characters that the rows have in common; 0 where that is not counted.
    """

    rows: int
    score: float
    interval: tuple[float, float]
    missed: float
    kinds: int = 0


@dataclass(frozen=True)
class Findings:
    """What a diagnosis measured, as far as the rules read it.

    Args:
        score: of the evaluation rows, from 0 to 1.
        train_rows: rows that the target was trained on.
        losses, right: (epochs,) mean loss, and share of the training rows that were right.
        training: cost of one training.
        several: rows whose answer stands in the document several times.
        suspects: training rows that the model never once got right, without those of `several`.
        absent: training rows whose answer was not found, so that nothing is learned from them.
        wrong, nearly: evaluation rows that most seeds got wrong, and those of them that are nearly (`NEARLY`).
        nearly_missed: what these take from the mean score of all.
        buckets: scores by how often a class was trained on.
        relabelled: training rows that an earlier step has moved to another occurrence.
        rare, confused: evaluation rows with characters that are rare in the train split, and others with characters
            that are read wrongly though they are not.
        unanswered: training prompts without a completion.
        earlier: cost of steps as they ran last, by name.
    """

    score: float
    train_rows: int
    losses: tuple[float, ...]
    right: tuple[float, ...]
    training: Cost
    several: Group | None = None
    suspects: int = 0
    absent: int = 0
    wrong: int = 0
    nearly: int = 0
    nearly_missed: float = 0.0
    buckets: tuple[FrequencyBucket, ...] = ()
    relabelled: int = 0
    rare: Reach | None = None
    confused: Reach | None = None
    unanswered: int = 0
    earlier: Mapping[str, Cost] = field(default_factory=dict)


@dataclass(frozen=True)
class Advice:
    """One step that would help: what to do, why, on how many rows, what is missed in its reach, and its cost.

    `cost` is of the machine; None where a person does the work. `basis` says where the cost comes from.
    """

    title: str
    why: str
    rows: int
    room: float | None
    cost: Cost | None
    basis: str
    how: str


def advise(found: Findings) -> list[Advice]:
    """The steps that what was measured speaks for; those with the most room first, then those whose room is unknown.

    Example:
        >>> several = Group(rows=170, learned=0.3, learned_others=0.8, surely=-9.0, missed=0.08)
        >>> found = Findings(0.8, 752, (2.0, 0.5, 0.48), (0.5, 0.96, 0.97), Cost(100.0, 90.0), several)
        >>> for advice in advise(found):
        ...     print(advice.title, advice.rows, advice.room)
        More documents 752 0.09
        Let the target choose among occurrences 170 0.08
    """
    rules: tuple[Callable[[Findings], Iterator[Advice]], ...] = (
        _relabel,
        _review,
        _locate,
        _agree_on_writing,
        _train_longer,
        _more_of_the_rare,
        _rare_characters,
        _confused_characters,
        _answers_of_its_own,
    )
    told = [advice for rule in rules for advice in rule(found)]
    told += _more_documents(found, sum(advice.room or 0.0 for advice in told))
    return sorted(told, key=lambda advice: -math.inf if advice.room is None else advice.room, reverse=True)


def _relabel(found: Findings) -> Iterator[Advice]:
    group = found.several
    if group is None or not group.rows or group.surely > -SURE:
        return
    if group.missed is not None and group.missed < NOTHING:
        return
    known = found.earlier.get(RELABEL)
    done = f" An earlier step has moved {found.relabelled:,} rows; another round may move more." * bool(
        found.relabelled
    )
    yield Advice(
        title="Let the target choose among occurrences",
        why=f"Where the answer stands in the document several times, the target was right in {_percent(group.learned)} "
        f"of the epochs, elsewhere in {_percent(group.learned_others)}: it may have been taught the wrong place.{done}",
        rows=group.rows,
        room=group.missed,
        cost=known if known is not None else _times(found.training, FOLDS - 1),
        basis="what this step cost last"
        if known is not None
        else f"{FOLDS} trainings on {FOLDS - 1}/{FOLDS} of the rows",
        how=f"the step {RELABEL} in a recipe",
    )


def _review(found: Findings) -> Iterator[Advice]:
    if found.suspects:
        yield Advice(
            title="Look at suspicious labels",
            why=f"In no epoch did the target get {_rows(found.suspects)} right that leave it no choice: a wrong label, "
            "a broken transcription or image, or a row that is truly hard.",
            rows=found.suspects,
            room=None,
            cost=None,
            basis="a person's time",
            how="the rows below; those of documents also by hf-mbdc inspect, with their ids",
        )


def _locate(found: Findings) -> Iterator[Advice]:
    if found.absent:
        yield Advice(
            title="Find the answers that were not located",
            why=f"Nothing is learned from {_rows(found.absent)} whose answer was not found in the transcription.",
            rows=found.absent,
            room=None,
            cost=None,
            basis="a person's time",
            how="hf-mbdc inspect --status absent, better OCR, or a larger max_distance",
        )


def _agree_on_writing(found: Findings) -> Iterator[Advice]:
    if found.nearly and found.nearly >= OFTEN * found.wrong:
        yield Advice(
            title="Agree on how answers are written",
            why=f"{found.nearly:,} of {_rows(found.wrong, 'wrong answer')} are nearly the label (similarity {NEARLY:g} "
            "or more): another separator, a misread character, a line more or less, in the label or in the document.",
            rows=found.nearly,
            room=found.nearly_missed,
            cost=None,
            basis="a person's time",
            how="labels mended where they are wrong; a metric that forgives where both are right",
        )


def _train_longer(found: Findings) -> Iterator[Advice]:
    if len(found.losses) < 2 or not found.losses[-2] > 0 or found.right[-1] >= LEARNED:
        return
    fell = 1 - found.losses[-1] / found.losses[-2]
    if fell >= STILL_FALLING:
        yield Advice(
            title="Train longer before you change data",
            why=f"The last of {len(found.losses)} epochs still took {_percent(fell)} off the loss, and only "
            f"{_percent(found.right[-1])} of the training rows were right in it: part of what is missing is training.",
            rows=found.train_rows,
            room=None,
            cost=_times(found.training, 2),
            basis="one training with twice the epochs",
            how="target.training.epochs in the recipe",
        )


def _more_documents(found: Findings, reached: float) -> Iterator[Advice]:
    """`reached`: what the other steps have in their reach; only the rest of the gap is room for documents."""
    if not found.right or found.right[-1] < LEARNED or found.right[-1] - found.score < GAP:
        return
    room = round(found.right[-1] - found.score - reached, 6)
    if room >= NOTHING:
        yield Advice(
            title="More documents",
            why=f"The target knows the training rows by heart ({_percent(found.right[-1])} right in the last epoch) "
            f"and scores {_percent(found.score)} on rows it has not seen: it lacks variety, not training.",
            rows=found.train_rows,
            room=room,
            cost=found.training,
            basis="one more training; what the documents cost is not known here",
            how="raw files added to the dataset",
        )


def _more_of_the_rare(found: Findings) -> Iterator[Advice]:
    rare = [b for b in found.buckets if b.interval[1] < found.score and b.fewest < max(c.fewest for c in found.buckets)]
    if rare:
        rows, total = sum(bucket.rows for bucket in rare), sum(bucket.rows for bucket in found.buckets)
        missed = sum(bucket.rows * (1 - bucket.score) for bucket in rare) / total
        names = rare[0].name if len(rare) == 1 else f"{rare[0].name} to {rare[-1].name}"
        yield Advice(
            title="More rows of the rare classes",
            why=f"{_rows(rows, 'evaluation row')} of classes with {names} training rows "
            f"score {_percent(sum(b.rows * b.score for b in rare) / rows)}, below all rows' {_percent(found.score)}.",
            rows=rows,
            room=missed,
            cost=found.training,
            basis="one more training; what the rows cost is not known here",
            how="data collected or synthesized for these classes",
        )


def _rare_characters(found: Findings) -> Iterator[Advice]:
    reach = found.rare
    if reach is None or reach.missed < NOTHING or reach.interval[1] >= found.score:
        return
    yield Advice(
        title="Words of the rare characters",
        why=f"{_rows(reach.rows, 'evaluation row')} with a character that is rare in the train split score "
        f"{_percent(reach.score)}, below all rows' {_percent(found.score)}.",
        rows=reach.rows,
        room=reach.missed,
        **_making_words(found, "at_least"),
    )


def _confused_characters(found: Findings) -> Iterator[Advice]:
    reach = found.confused
    if reach is None or reach.missed < NOTHING:
        return
    characters = "1 character is" if reach.kinds == 1 else f"{reach.kinds:,} characters are"
    yield Advice(
        title="Words of the characters that are confused",
        why=f"{characters} read wrongly although the train split has them often enough; "
        f"{_rows(reach.rows, 'evaluation row')} have one, and score {_percent(reach.score)}.",
        rows=reach.rows,
        room=reach.missed,
        **_making_words(found, "per_miss"),
    )


def _making_words(found: Findings, option: str) -> dict[str, Any]:
    known = found.earlier.get(TAIL)
    return {
        "cost": found.training if known is None else known + found.training,
        "basis": "one more training" if known is None else "what this step cost last, and one more training",
        "how": f"the steps {TAIL} ({option}) and render in a recipe, with the ratio searched by mix",
    }


def _answers_of_its_own(found: Findings) -> Iterator[Advice]:
    if not found.unanswered or not SOMETIMES <= found.score < LEARNED:
        return
    known = found.earlier.get(SELF)
    yield Advice(
        title="Let the target answer prompts, and learn what is right",
        why=f"Nobody has answered {_rows(found.unanswered, 'training prompt')}. The target gets "
        f"{_percent(found.score)} of the prompts that it has not seen right, so that of several samples one often is.",
        rows=found.unanswered,
        room=None,
        cost=known if known is not None else found.training,
        basis="what this step cost last" if known is not None else "one more training; what sampling costs comes to it",
        how=f"the step {SELF} in a recipe, judged by the verifier",
    )


def _times(cost: Cost, times: float) -> Cost:
    return Cost(
        **{
            f.name: type(getattr(cost, f.name))(getattr(cost, f.name) * times)
            for f in dataclasses.fields(cost)
            if f.name not in ("model_calls", "bytes")
        }
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _rows(count: int, noun: str = "training row") -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
