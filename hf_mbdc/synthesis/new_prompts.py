"""The target writes new prompts in the manner of those that are there: what `self_training` then answers.

Each is asked for with other examples, drawn by the number of the new prompt. Prompts that repeat another one, that an
evaluation split has too, or that refuse, are set aside with their reason (`hf_mbdc.filter_rows`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.generation.completions import Sampling
from hf_mbdc.records import StepRecord
from hf_mbdc.synthesis.filters import FilterOptions, filter_rows
from hf_mbdc.synthesis.methods.dialogue import Models, converse
from hf_mbdc.synthesis.methods.new_prompt import NewPrompt, new_prompt
from hf_mbdc.synthesis.step import Step, StepContext, StepResult
from hf_mbdc.synthesis.target_generator import STORE, target_generator
from hf_mbdc.transforms.draws import row_keys, uniform
from hf_mbdc.transforms.rows import add_provenance_columns, append_rows

if TYPE_CHECKING:
    from datasets import Dataset

NAME = "new_prompts"


@dataclass(frozen=True)
class NewPromptsOptions:
    """How new prompts are made; the defaults are those of Self-Rewarding (Yuan et al. 2024).

    Args:
        prompts: that are asked for; fewer are kept.
        examples: prompts that are shown for each.
        temperature, top_p, max_tokens: of a new prompt, see `hf_mbdc.generation.Sampling`.
        near_duplicates: ROUGE-L from which a prompt repeats another one.
        seed: of the examples and the draws.

    Raises:
        RecipeError: an option is out of its range.
    """

    prompts: int = 1000
    examples: int = 8
    temperature: float = 0.6
    top_p: float = 0.9
    max_tokens: int = 256
    near_duplicates: float = 0.7
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("prompts", "examples"):
            if getattr(self, name) < 1:
                raise RecipeError("It must be at least 1", key=name, value=getattr(self, name))
        Sampling(self.temperature, self.top_p, max_tokens=self.max_tokens)  # told before any training
        self.rule()

    def rule(self) -> FilterOptions:
        """What is kept of the new prompts."""
        return FilterOptions(columns=["prompt"], near_duplicates=self.near_duplicates, refusals=True)


def run(rows: Dataset, options: NewPromptsOptions, context: StepContext) -> StepResult:
    """The step as a recipe calls it: adds prompts without an answer to the train rows.

    Raises:
        DataError: there are fewer given prompts than are shown as examples.
    """
    if context.target is None:
        raise RecipeError("The step needs a target that was trained", key="steps.name", step=NAME)
    rows = add_provenance_columns(rows)
    target = context.target()
    sampling = Sampling(options.temperature, options.top_p, max_tokens=options.max_tokens)
    shown = draw_examples(rows, options, target.model_id)
    dialogues = {key: new_prompt([text for _, text in examples], sampling) for key, examples in shown.items()}
    with target_generator(target, options.seed) as generator:
        models = Models(generator, store=context.work_dir / STORE)
        written, cost = converse(dialogues, models, on_progress=context.on_progress)
    made = _as_rows(written, {key: [i for i, _ in examples] for key, examples in shown.items()}, target.model_id)
    kept = filter_rows(made, options.rule(), pool=rows, evaluation=context.others)
    failed = [(key, one.reason) for key, one in written.items() if one.prompt is None]
    record = StepRecord(
        name=NAME,
        pillar="model-guided synthesis",
        why="",
        model=target.model_id,
        kept=len(rows),
        added=len(kept.rows),
        rejected=len(kept.rejected) + len(failed),
        reasons=dict(Counter([*kept.rejected["reason"][:], *(reason for _, reason in failed)])),
        cost=cost,
    )
    return StepResult(append_rows(rows, kept.rows), record, _left_out(kept.rejected, failed, context.split))


STEP = Step(NewPromptsOptions, run, approaches=("text_generation",), trains=True)


def draw_examples(rows: Dataset, options: NewPromptsOptions, model: str) -> dict[str, list[tuple[str, str]]]:
    """Id of a new prompt → (id, prompt) of its examples: given ones, in an order of their own.

    Args:
        model: name@hash of the target, which is a part of the ids: another one writes other prompts.

    Raises:
        DataError: there are too few.
    """
    read = rows.select_columns(["id", "prompt"])[:]
    given = sorted(pair for pair in zip(read["id"], read["prompt"], strict=True) if not pair[0].startswith(f"{NAME}-"))
    if len(given) < options.examples:
        mend = f"Give at least {options.examples} prompts, or show fewer examples."
        raise DataError("There are too few prompts to show as examples", prompts=len(given), mend=mend)
    which = f"{NAME}-{model.rpartition('@')[2]}-{options.seed}"
    keys = [f"{which}-{number:06d}" for number in range(options.prompts)]
    # Fisher–Yates on few places: each draw belongs to the key and the place.
    drawn = np.array([uniform(row_keys(keys, options.seed), place) for place in range(options.examples)])
    shown = {}
    for number, key in enumerate(keys):
        left: list[int] = []
        for place in range(options.examples):
            at = place + int(drawn[place, number] * (len(given) - place))
            left.append(at)
        shown[key] = [given[at] for at in _distinct(left, len(given))]
    return shown


def _distinct(places: list[int], size: int) -> list[int]:
    """The items that a Fisher–Yates shuffle puts first, when it swaps each place with the one that was drawn."""
    moved: dict[int, int] = {}
    taken = []
    for place, at in enumerate(places):
        taken.append(moved.get(at, at))
        moved[at] = moved.get(place, place)
    return taken


def _as_rows(written: dict[str, NewPrompt], parents: dict[str, list[str]], model: str) -> Dataset:
    from datasets import Dataset, Features, Value

    found = {key: one.prompt for key, one in written.items() if one.prompt is not None}
    columns: dict[str, list[Any]] = {
        "id": list(found),
        "prompt": list(found.values()),
        "mbdc_source": [NAME] * len(found),
        "mbdc_parent_id": [" ".join(parents[key]) for key in found],
        "mbdc_model": [model] * len(found),
        "mbdc_iteration": [None] * len(found),  # stamped when its version is known
    }
    return Dataset.from_dict(columns, features=Features({name: Value("string") for name in columns}))


def _left_out(rejected: Dataset, failed: list[tuple[str, str]], split: str) -> Dataset | None:
    """`id`, `split` and `reason` of the prompts that were not kept."""
    from datasets import Dataset, Features, Value

    found = [*zip(rejected["id"][:], rejected["reason"][:], strict=True), *failed]
    if not found:
        return None
    columns = {"id": [key for key, _ in found], "split": [split] * len(found), "reason": [why for _, why in found]}
    return Dataset.from_dict(columns, features=Features({name: Value("string") for name in columns}))
