"""Training data for preferences, from completions with scores: pairs, labels or the best, as TRL's trainers read them.

What could teach something wrong never gets in: equal scores, equal texts, answers without a readable score, empty ones
and ones that were cut off. Everything that is dropped is counted by its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.records import StepRecord
from hf_mbdc.synthesis.preferences.choose import PairRule, Rejected, best_first, choose_pairs
from hf_mbdc.synthesis.preferences.layouts import (
    Layout,
    Prompt,
    check_layout,
    completion_as,
    is_blank,
    is_conversation,
    layout_features,
    prompt_as,
)
from hf_mbdc.synthesis.preferences.scored import Completions, read_completions

if TYPE_CHECKING:
    from datasets import Dataset

SOURCE, PARENT, MODEL = "mbdc_source", "mbdc_parent_id", "mbdc_model"
NAME = "build_pairs"
NO_PROMPT = "the prompt is empty"
BETWEEN = "the score lies between good and bad"
LOW = "the score is too low"
MORE = "better completions of the prompt are enough"


@dataclass(frozen=True)
class PairOptions:
    """How training data are made of scored completions.

    Args:
        layout: `preference` (DPO: prompt, chosen, rejected), `reward` (the same with `margin`, the difference of
            scores), `kto` (prompt, completion, label), or `sft` (prompt, completion: rejection sampling).
        rejected, minimum_margin, max_length_ratio: of `preference` and `reward`; see `PairRule`.
        good_from: score from which a completion is good; needed for `kto` and `sft`.
        bad_below: score below which one is bad, for `kto`; default `good_from`. What lies between is dropped.
        per_prompt: of `sft`, at most so many completions of a prompt, the best ones.
        conversational: texts as lists of messages; default as the prompts are. Text becomes a message of the user.
        seed: of what is drawn among equals.

    Raises:
        RecipeError: an option is out of its range, or missing.
    """

    layout: Layout = "preference"
    rejected: Rejected = "lowest"
    minimum_margin: float = 0.0
    max_length_ratio: float | None = None
    good_from: float | None = None
    bad_below: float | None = None
    per_prompt: int = 1
    conversational: bool | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.layout not in get_args(Layout):
            mend = f"Take one of {', '.join(get_args(Layout))}."
            raise RecipeError("There is no such layout", key="layout", value=self.layout, mend=mend)
        if self.layout in ("kto", "sft") and self.good_from is None:
            mend = "Say from which score on a completion is good, such as 1 for a verifier."
            raise RecipeError(f"{self.layout} needs good_from", key="good_from", mend=mend)
        if self.bad_below is not None and self.good_from is not None and self.bad_below > self.good_from:
            mend = "A completion cannot be good and bad: bad_below is at most good_from."
            raise RecipeError("The scores of good and bad overlap", key="bad_below", value=self.bad_below, mend=mend)
        if type(self.per_prompt) is not int or self.per_prompt < 1:
            raise RecipeError(
                "At least one completion is kept", key="per_prompt", value=self.per_prompt, mend="1, say."
            )
        _ = self.rule  # its options are checked, too

    @property
    def rule(self) -> PairRule:
        return PairRule(self.rejected, self.minimum_margin, self.max_length_ratio)


@dataclass(frozen=True)
class PairSet:
    """What became of scored completions.

    Args:
        rows: `id`, the columns of the layout, scores, and where each row comes from (`mbdc_source`, `mbdc_parent_id`,
            `mbdc_model` where the models are known).
        dropped: `id` of a prompt and `reason`: what gave no pair. With `kto` and `sft` one row a completion.
        set_aside: `id` of a prompt, `completion` (its number there) and `reason`: completions that cannot be used.
        longer_chosen: share of pairs whose chosen text is the longer one, None without pairs; .5 is fair, and a judge
            that likes length shows here.
        record: of the step.
    """

    rows: Dataset
    dropped: Dataset
    set_aside: Dataset
    longer_chosen: float | None
    record: StepRecord


def build_pairs(scored: Dataset, options: PairOptions = PairOptions()) -> PairSet:
    """Makes training data for preferences of scored completions.

    Args:
        scored: one row a prompt, as `read_completions` reads them; with `models` (list of string) the models of the
            completions are kept. `prompt` is text or a list of messages.
        options: layout and rules.

    Returns:
        The rows, and everything else with its reason: every prompt (`kto`, `sft`: every usable completion) is in `rows`
        or in `dropped`.

    Raises:
        DataError: the rows are not as they must be, or prompts are text and conversations both.
        RecipeError: text is asked for and the prompts are conversations.

    Example:
        >>> from datasets import Dataset
        >>> scored = Dataset.from_dict(
        ...     {"id": ["a", "b"], "prompt": ["2+2?", "3+3?"], "completions": [["4", "5"], ["6", "six"]],
        ...      "scores": [[1.0, 0.0], [1.0, 1.0]]}
        ... )
        >>> made = build_pairs(scored)
        >>> made.rows[0]["chosen"], made.rows[0]["rejected"], made.dropped[0]
        ('4', '5', {'id': 'b', 'reason': 'all completions have the same score'})
    """
    given = _read(scored, options)
    build = _build_pairs if options.layout in ("preference", "reward") else _build_labelled
    columns, dropped = build(given, options)
    rows = _as_rows(columns, options.layout, given.conversational)
    if len(rows):
        check_layout(rows, options.layout)
    return PairSet(
        rows,
        _as_table(given.ids, *dropped),
        _set_aside(given),
        _longer_chosen(columns, options.layout),
        _record(rows, dropped[1], given.completions),
    )


@dataclass(frozen=True)
class _Given:
    ids: list[str]
    prompts: list[Prompt]
    completions: Completions
    models: list[str | None]  # (k,) of each completion
    conversational: bool

    @property
    def blank(self) -> np.ndarray:
        """(prompts,) whether there is nothing to answer."""
        return np.array([is_blank(prompt) for prompt in self.prompts], bool)

    def prompt(self, number: int) -> Prompt:
        return prompt_as(self.prompts[number], self.conversational)

    def text(self, position: int) -> Prompt:
        return completion_as(self.completions.texts[position], self.conversational)


def _read(scored: Dataset, options: PairOptions) -> _Given:
    completions = read_completions(scored, options.seed)
    columns = {name: scored.select_columns([name])[:][name] for name in ("id", "prompt")}
    kinds = {is_conversation(prompt) for prompt in columns["prompt"] if prompt is not None}
    if len(kinds) > 1:
        raise DataError("Some prompts are text and some are conversations", column="prompt", mend="Make all the same.")
    asked, are = options.conversational, kinds == {True}
    if are and asked is False:
        mend = "A conversation becomes text by the model's chat template only: leave it to the trainer."
        raise RecipeError("The prompts are conversations", key="conversational", value=False, mend=mend)
    models: list[str | None] = [None] * len(completions.texts)
    if "models" in scored.column_names:
        named = [row or [] for row in scored.select_columns(["models"])[:]["models"]]
        models = [name for row in named for name in row]
        if len(models) != len(completions.texts):
            raise DataError("There are not as many models as completions", column="models", mend="Give one for each.")
    return _Given(columns["id"], columns["prompt"], completions, models, are if asked is None else asked)


def _build_pairs(given: _Given, options: PairOptions) -> tuple[dict[str, list[Any]], tuple[np.ndarray, np.ndarray]]:
    """The columns, and the numbers of the prompts that gave no pair with their reasons."""
    choice = choose_pairs(given.completions, options.rule)
    reasons = np.where(given.blank, NO_PROMPT, choice.reasons)
    kept, dropped = np.flatnonzero(reasons == ""), np.flatnonzero(reasons != "")
    chosen, rejected = choice.chosen[kept], choice.rejected[kept]
    good, bad = given.completions.scores[chosen], given.completions.scores[rejected]
    columns = {
        "id": [given.ids[n] for n in kept.tolist()],
        "prompt": [given.prompt(n) for n in kept.tolist()],
        "chosen": [given.text(k) for k in chosen],
        "rejected": [given.text(k) for k in rejected],
        **({"margin": (good - bad).tolist()} if options.layout == "reward" else {}),
        "chosen_score": good.tolist(),
        "rejected_score": bad.tolist(),
        **_provenance(given, kept, chosen),
    }
    return columns, (dropped, reasons[dropped])


def _build_labelled(given: _Given, options: PairOptions) -> tuple[dict[str, list[Any]], tuple[np.ndarray, np.ndarray]]:
    """The same one row a completion: good ones, and for KTO bad ones, too."""
    found, good_from = given.completions, options.good_from
    assert good_from is not None  # checked by PairOptions
    usable = np.flatnonzero(found.usable)
    scores, blank = found.scores[usable], given.blank[found.prompt[usable]]
    if options.layout == "sft":
        best = np.isin(usable, best_first(found, good_from, options.per_prompt))
        reasons = np.select([blank, best, scores < good_from], [NO_PROMPT, "", LOW], MORE)
    else:
        bad_below = good_from if options.bad_below is None else options.bad_below
        reasons = np.select([blank, (scores >= good_from) | (scores < bad_below)], [NO_PROMPT, ""], BETWEEN)
    kept, dropped = usable[reasons == ""], usable[reasons != ""]
    prompts = found.prompt[kept]
    columns = {
        "id": [f"{given.ids[n]}~{number}" for n, number in zip(prompts, _numbers(found)[kept], strict=True)],
        "prompt": [given.prompt(n) for n in prompts],
        "completion": [given.text(k) for k in kept],
        **({"label": (found.scores[kept] >= good_from).tolist()} if options.layout == "kto" else {}),
        "score": found.scores[kept].tolist(),
        **_provenance(given, prompts, kept),
    }
    return columns, (found.prompt[dropped], reasons[reasons != ""])


def _provenance(given: _Given, prompts: np.ndarray, positions: np.ndarray) -> dict[str, list[Any]]:
    return {
        SOURCE: [NAME] * len(prompts),
        PARENT: [given.ids[n] for n in prompts],
        MODEL: [given.models[k] for k in positions],
    }


def _numbers(completions: Completions) -> np.ndarray:
    """(k,) which completion of its prompt each is, from 1 on."""
    sizes = np.bincount(completions.prompt, minlength=completions.prompts)
    return np.arange(len(completions.texts)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + 1


def _as_rows(columns: dict[str, list[Any]], layout: Layout, conversational: bool) -> Dataset:
    from datasets import Dataset, Features, Value

    read = layout_features(layout, conversational)
    kinds = {"chosen_score": "float64", "rejected_score": "float64", "score": "float64"}
    features = Features({name: read.get(name, Value(kinds.get(name, "string"))) for name in columns})
    return Dataset.from_dict(columns, features=features)


def _as_table(ids: Sequence[str], prompts: np.ndarray, reasons: np.ndarray) -> Dataset:
    from datasets import Dataset, Features, Value

    columns = {"id": [ids[n] for n in prompts], "reason": reasons.tolist()}
    return Dataset.from_dict(columns, features=Features({name: Value("string") for name in columns}))


def _set_aside(given: _Given) -> Dataset:
    found = given.completions
    wrong = np.flatnonzero(~found.usable)
    numbers = _numbers(found)[wrong].tolist()
    return _as_table(given.ids, found.prompt[wrong], found.reasons[wrong]).add_column("completion", numbers)


def _longer_chosen(columns: dict[str, list[Any]], layout: Layout) -> float | None:
    if layout not in ("preference", "reward") or not columns["id"]:
        return None
    chosen, rejected = (
        np.array([len((text if isinstance(text, str) else text[0]["content"]).strip()) for text in columns[name]])
        for name in ("chosen", "rejected")
    )
    return float(np.mean((np.sign(chosen - rejected) + 1) / 2))


def _record(rows: Dataset, dropped: np.ndarray, completions: Completions) -> StepRecord:
    aside = completions.reasons[~completions.usable]
    models = sorted(set(filter(None, rows[MODEL][:]))) if len(rows) else []
    return StepRecord(
        name=NAME,
        pillar="model-guided synthesis",
        why="",
        model=", ".join(models) or None,
        added=len(rows),
        rejected=len(dropped),
        reasons=dict(sorted(Counter([*dropped.tolist(), *aside.tolist()]).items())),
    )
