"""A recipe: one YAML file that says which data, which approach, which target model and which iterations.

`read_recipe` turns it into frozen dataclasses. A wrong key is answered with its path and the nearest right one, a wrong
type with the type that was wanted, and all of it before any work starts.

Example:
    >>> recipe = read_recipe("quickstart")
    >>> recipe.target.model
    'layout_span'
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hf_mbdc.errors import MbdcError, RecipeError

T = TypeVar("T")

PACKAGED = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class DatasetRecipe:
    """Where the rows come from: a loader (or any dataset that `datasets` loads), or a revision of the repository."""

    name: str | None = None
    data_dir: str | None = None
    revision: str | None = None  # start from this revision of `repo_id` instead of from raw files
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ApproachRecipe:
    """The approach by name, and its fields."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TargetRecipe:
    """The model that will ship: `layout_span` (trained from nothing) or a checkpoint, and the flags of its training."""

    model: str = "layout_span"
    training: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        instead = {
            "seed": "Seeds are evaluation.seeds.",
            "objective": "The target learns the chosen occurrence; a step has its own objective.",
            "model": "The model is target.model.",
        }
        for name in instead.keys() & self.training.keys():
            raise RecipeError("A run sets this itself", key=f"training.{name}", mend=f"Leave it out. {instead[name]}")


@dataclass(frozen=True)
class EvaluationRecipe:
    """How parent and candidate are compared: on which rows, in which parts, with which training seeds.

    `minimum_effect`: gain from which a candidate is worth having. `confidence`: of the intervals; what it leaves to
    chance is the budget of error of all `decisions` on the same rows together (`hf_mbdc.guidance.looks`). `control`:
    a candidate with more rows than its parent must also beat the parent's rows resampled to as many tokens. `final`: a
    split that no step, search or decision of the loop reads; `hf-mbdc renew` scores it when you ask for it. `no_loss`:
    part of `slice_by` → what it may lose at most: a candidate of which the interval of that part reaches further below
    0 is not accepted, however much it gains in all.
    """

    split: str = "test"
    slice_by: str | None = None
    cluster_by: str = "document_id"
    seeds: tuple[int, ...] = (0,)
    minimum_effect: float = 0.0
    confidence: float = 0.95
    decisions: int = 20
    control: bool = True
    final: str | None = None
    no_loss: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.no_loss and self.slice_by is None:
            mend = "Name the column of the parts in evaluation.slice_by."
            raise RecipeError("Parts may lose nothing, but there are none", key="no_loss", mend=mend)
        if not all(type(most) in (int, float) and 0 <= most < math.inf for most in self.no_loss.values()):
            mend = "Give what each part may lose at most, such as {natural: 0.01}."
            raise RecipeError("A loss is no number of at least 0", key="no_loss", value=self.no_loss, mend=mend)
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            what = "The training seeds are not different whole numbers from 0 on"
            raise RecipeError(what, key="seeds", value=list(self.seeds), mend="For example [0, 1, 2].")
        if not 0 < self.confidence < 1:
            raise RecipeError("A confidence lies between 0 and 1", key="confidence", value=self.confidence)
        if not math.isfinite(self.minimum_effect):
            raise RecipeError("The minimum effect is not finite", key="minimum_effect", value=self.minimum_effect)
        if self.split == "train":
            mend = "Name a split that no step touches, such as test or validation."
            raise RecipeError("The target is trained on this split", key="split", value="train", mend=mend)
        if self.decisions < 1:
            mend = "Plan as many as the split shall serve until it is renewed, such as 20."
            raise RecipeError("There is at least one decision", key="decisions", value=self.decisions, mend=mend)
        if self.final in ("train", self.split):
            mend = "Name a split that neither trains nor decides, or leave it out."
            raise RecipeError("The final split is used in the loop", key="final", value=self.final, mend=mend)


@dataclass(frozen=True)
class HalvingRecipe:
    """How the best of an iteration's alternatives is found: by successive halving (`hf_mbdc.guidance.halving`).

    `split`: whose rows choose; it decides nothing else. `smallest`: steps of the first trainings; the last take as many
    as the gate's. `eta`: how much longer the trainings of each round are, and how many times fewer. `audit`: dropped
    alternatives that are trained in full, too, to measure whether short trainings order them rightly.
    """

    split: str = "validation"
    smallest: int = 50
    eta: int = 3
    audit: int = 2

    def __post_init__(self) -> None:
        for name, least in (("smallest", 1), ("eta", 2), ("audit", 0)):
            if getattr(self, name) < least:
                raise RecipeError(f"It must be at least {least}", key=name, value=getattr(self, name))


@dataclass(frozen=True)
class MixRecipe:
    """How much of what the steps of an iteration added is mixed with its parent's rows (`hf_mbdc.guidance.mixing`).

    The sources are `parent` and each `mbdc_source` of the added rows. A mixture has as many rows as the parent, and all
    are trained for as many steps. The target's score on `split`, in which each part of `evaluation.slice_by` counts
    alike, chooses the ratio; the gate decides on other rows.

    `split`: whose rows choose; it decides nothing else. `ratio`: source → share; None: searched for, and then recorded
    here. `points`: ratios to train with, at most. `batch`: of them side by side, after the first ones. `seeds`: of the
    evaluation's, so many for each ratio. `tolerance`: the search ends when one more ratio should gain less.
    """

    split: str = "validation"
    ratio: dict[str, float] | None = None
    points: int = 8
    batch: int = 2
    seeds: int = 1
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        for name, least in (("points", 2), ("batch", 1), ("seeds", 1), ("tolerance", 0)):
            if not getattr(self, name) >= least:
                raise RecipeError(f"It must be at least {least}", key=name, value=getattr(self, name))
        shares = [] if self.ratio is None else list(self.ratio.values())
        if not all(type(share) in (int, float) and 0 <= share < math.inf for share in shares):
            mend = "Give shares of at least 0, such as {parent: 0.5, injected: 0.5}."
            raise RecipeError("A share is no number of at least 0", key="ratio", value=self.ratio, mend=mend)
        if self.ratio is not None and not sum(shares) > 0:
            mend = "Give one source a share, or leave the ratio out and it is searched for."
            raise RecipeError("No source has a share", key="ratio", value=self.ratio, mend=mend)


@dataclass(frozen=True)
class StepRecipe:
    """One synthesis step on the train split: its name, why it is done, and its options."""

    name: str
    why: str = ""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AlternativeRecipe:
    """One way to do an iteration: its name, and its steps."""

    name: str
    steps: tuple[StepRecipe, ...]

    def __post_init__(self) -> None:
        if not self.steps:
            raise RecipeError("An alternative has steps", key="steps", value=self.name, mend="Name at least one.")


@dataclass(frozen=True)
class IterationRecipe:
    """One iteration; the first of a recipe that starts from raw files publishes the baseline.

    The steps of a baseline only prepare rows, such as drawing their images. With `alternatives` in place of `steps`,
    the best of them, found as `Recipe.halving` says, is weighed. With `mix`, what the steps added is mixed with the
    parent's rows in the ratio that the target likes best.
    """

    message: str
    steps: tuple[StepRecipe, ...] = ()
    alternatives: tuple[AlternativeRecipe, ...] = ()
    mix: MixRecipe | None = None

    def __post_init__(self) -> None:
        if self.mix is not None and not self.steps:
            what = "There is nothing to mix with the parent's rows"
            raise RecipeError(what, key="mix", mend="Give the iteration steps that add rows, not alternatives.")
        names = [one.name for one in self.alternatives]
        if self.steps and names:
            mend = "Write the steps into each alternative."
            raise RecipeError("An iteration has steps or alternatives", key="alternatives", mend=mend)
        if len(names) == 1 or len(set(names)) < len(names):
            mend = "Give two or more, each with a name of its own."
            raise RecipeError("There is nothing to choose among", key="alternatives", value=names, mend=mend)

    @property
    def works(self) -> bool:
        """Whether the iteration does anything to the rows."""
        return bool(self.steps or self.alternatives)


@dataclass(frozen=True)
class PricesRecipe:
    """What a unit of work costs, in `currency`: by these the card tells money beside seconds and tokens."""

    cpu_hour: float = 0.0
    gpu_hour: float = 0.0
    million_tokens: float = 0.0
    currency: str = "EUR"

    def __post_init__(self) -> None:
        for name in ("cpu_hour", "gpu_hour", "million_tokens"):
            if not 0 <= getattr(self, name) < math.inf:
                raise RecipeError("A price is not 0 or more", key=name, value=getattr(self, name))


@dataclass(frozen=True)
class StopRecipe:
    """When no further iteration starts: when its next point, or all of them together, would cost too much.

    `unit`: wall_hours, cpu_hours, gpu_hours, model_calls, million_tokens, or money (by `prices`). `per_point`: most
    that the next point of the metric may be expected to cost. `total`: most that all iterations may cost.
    """

    unit: str = "cpu_hours"
    per_point: float | None = None
    total: float | None = None

    def __post_init__(self) -> None:
        from hf_mbdc.guidance.economy import UNITS

        if self.unit not in UNITS:
            mend = f"Take one of {', '.join(UNITS)}."
            raise RecipeError("No such unit of cost", key="unit", value=self.unit, mend=mend)
        for name in ("per_point", "total"):
            limit = getattr(self, name)
            if limit is not None and not 0 < limit < math.inf:
                raise RecipeError("A limit is not above 0", key=name, value=limit)
        if self.per_point is None and self.total is None:
            raise RecipeError("The stop rule has no limit", key="per_point", mend="Set per_point, total or both.")


@dataclass(frozen=True)
class Recipe:
    """A whole recipe, checked. `repository` is a folder, or `hub` for the Hub of HF_ENDPOINT and HF_TOKEN.

    `sensitive` names columns whose values no published example shows.
    """

    repo_id: str
    dataset: DatasetRecipe
    approach: ApproachRecipe
    iterations: tuple[IterationRecipe, ...]
    target: TargetRecipe = TargetRecipe()
    evaluation: EvaluationRecipe = EvaluationRecipe()
    halving: HalvingRecipe | None = None
    repository: str = "./repo"
    prices: PricesRecipe | None = None
    stop: StopRecipe | None = None
    sensitive: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.dataset.name is None) == (self.dataset.revision is None):
            what = "A recipe starts from a dataset or from a revision"
            raise RecipeError(what, key="dataset", mend="Set exactly one of dataset.name and dataset.revision.")
        if self.dataset.revision is not None and self.dataset.data_dir is not None:
            raise RecipeError("A revision is not read from files", key="dataset.data_dir", mend="Leave it out.")
        if not self.iterations:
            raise RecipeError("A recipe has at least one iteration", key="iterations", mend="Add one with a message.")
        if self.stop is not None and self.stop.unit == "money" and self.prices is None:
            mend = "Add `prices`, or count in cpu_hours."
            raise RecipeError("Money is counted and no price is given", key="stop.unit", value="money", mend=mend)
        if self.evaluation.slice_by in self.sensitive:
            mend = "The parts are named by the values of this column: slice by another one."
            raise RecipeError("A sensitive column names the parts", key="evaluation.slice_by", mend=mend)
        self._check_halving()
        for number, item in enumerate(self.iterations):
            baseline = number == 0 and self.dataset.name is not None
            if baseline and (item.alternatives or item.mix):
                key = f"iterations[{number}].{'alternatives' if item.alternatives else 'mix'}"
                mend = "The first iteration of a recipe that reads raw files publishes them: give this to the next one."
                raise RecipeError("The baseline has nothing to be compared with", key=key, mend=mend)
            if not baseline and not item.works:
                what, mend = "An iteration after the baseline has steps", "Give it steps, or leave it out."
                raise RecipeError(what, key=f"iterations[{number}].steps", mend=mend)
            if item.mix is not None:
                self._check_split(item.mix.split, f"iterations[{number}].mix.split")

    def _check_halving(self) -> None:
        if self.halving is None:
            if any(item.alternatives for item in self.iterations):
                mend = "Add `halving`, such as {split: validation, smallest: 50}."
                raise RecipeError("Nothing says how the best alternative is found", key="halving", mend=mend)
        else:
            self._check_split(self.halving.split, "halving.split")

    def _check_split(self, split: str, key: str) -> None:
        """Whether a split may choose: it neither trains nor decides."""
        if split in ("train", self.evaluation.split, self.evaluation.final):
            mend = "The best of many looks better than it is where it was chosen: name another split, as validation."
            raise RecipeError("This split does other work", key=key, value=split, mend=mend)

    @property
    def read_splits(self) -> tuple[str, ...]:
        """The splits that the target is scored on in the loop: the one that decides, and those that choose."""
        choose = [self.halving.split] if self.halving else []
        choose += [item.mix.split for item in self.iterations if item.mix]
        return (self.evaluation.split, *dict.fromkeys(choose))


def packaged_recipes() -> list[str]:
    """The names of the recipes that come with the package."""
    return sorted(path.stem for path in PACKAGED.glob("*.yaml"))


def read_recipe(recipe: str | Path | Recipe, **overrides: str | Path | None) -> Recipe:
    """Reads and checks a recipe.

    Args:
        recipe: the name of a packaged recipe, the path of a YAML file, or a `Recipe`, which is taken as it is.
        **overrides: `data_dir`, `repo_id`, `repository`; what is not None takes the recipe's place.

    Raises:
        RecipeError: no such recipe, broken YAML, an unknown key (with the nearest right one) or a wrong type.
    """
    if not isinstance(recipe, Recipe):
        path = _find(recipe)
        recipe = typing.cast(Recipe, _check(Recipe, _parse_yaml(path), path=path.name, key=""))
    given = {name: str(value) for name, value in overrides.items() if value is not None}
    if (data_dir := given.pop("data_dir", None)) is not None:
        recipe = dataclasses.replace(recipe, dataset=dataclasses.replace(recipe.dataset, data_dir=data_dir))
    recipe = dataclasses.replace(recipe, **typing.cast(Any, given))
    return recipe


def check_options(kind: type[T], options: dict[str, Any], *, key: str) -> T:
    """Builds a dataclass from a recipe's free-form options, or says which key of the recipe is wrong."""
    return typing.cast(T, _check_mapping(kind, options, path=None, key=key))


def recipe_to_dict(recipe: Recipe) -> dict[str, Any]:
    """The resolved recipe as JSON data for the manifest, without tokens and without the paths of this machine."""
    data: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(recipe), default=str))
    del data["repository"]
    del data["dataset"]["data_dir"]
    options = data["dataset"]["options"]
    data["dataset"]["options"] = {name: _pathless(value) for name, value in options.items() if name != "token"}
    data["dataset"]["name"] = _pathless(data["dataset"]["name"])
    data["target"]["model"] = _pathless(data["target"]["model"])
    for item in data["iterations"]:
        for name in ("alternatives", "mix"):
            if not item[name]:
                del item[name]
    if not data["evaluation"]["no_loss"]:
        del data["evaluation"]["no_loss"]
    optional = ("halving", "prices", "sensitive", "stop")
    return {name: value for name, value in data.items() if value or name not in optional}


def _pathless(value: Any) -> Any:
    """A value, but of a path only its last part."""
    if isinstance(value, list):
        return [_pathless(item) for item in value]
    if isinstance(value, dict):
        return {name: _pathless(item) for name, item in value.items()}
    is_path = isinstance(value, str) and (value.startswith((".", "~")) or Path(value).is_absolute())
    return Path(value).name if is_path else value


def _find(recipe: str | Path) -> Path:
    if (packaged := PACKAGED / f"{recipe}.yaml").is_file() and str(recipe) in packaged_recipes():
        return packaged
    if (path := Path(recipe)).is_file():
        return path
    near = difflib.get_close_matches(str(recipe), packaged_recipes(), n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise RecipeError(
        "No such recipe",
        recipe=str(recipe),
        mend=f"{hint}Give the path of a YAML file or one of: {', '.join(packaged_recipes())}.",
    )


def _parse_yaml(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise RecipeError(
            "The recipe is not YAML",
            recipe=path.name,
            line=mark.line + 1 if mark else None,
            mend=str(getattr(error, "problem", error)).capitalize() + ".",
        ) from error


def _check(kind: Any, value: Any, *, path: str | None, key: str) -> Any:
    """Builds `kind` from YAML data, or says at which key it is not one."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        inner = next(a for a in args if a is not type(None))
        return None if value is None else _check(inner, value, path=path, key=key)
    if dataclasses.is_dataclass(kind):
        return _check_mapping(kind, value, path=path, key=key)
    if origin is typing.Literal:
        if value not in args:
            near = difflib.get_close_matches(str(value), map(str, args), n=1)
            mend = f"{f'Did you mean {near[0]!r}? ' if near else ''}Take one of {', '.join(map(str, args))}."
            raise RecipeError("No such choice", recipe=path, key=key, value=value, mend=mend)
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong_type("a list", value, path=path, key=key)
        return tuple(_check(args[0], item, path=path, key=f"{key}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise _wrong_type("a mapping", value, path=path, key=key)
        return value
    wanted = (int, float) if kind is float else (kind,)
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
        words = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
        raise _wrong_type(words[kind], value, path=path, key=key)
    return value


def _check_mapping(kind: Any, value: Any, *, path: str | None, key: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong_type("a mapping", value, path=path, key=key)
    types_of = typing.get_type_hints(kind)
    hints = {item.name: types_of[item.name] for item in dataclasses.fields(kind)}  # class variables are no keys
    for name in value:
        if name not in hints:
            near = difflib.get_close_matches(str(name), hints, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"The keys here are: {', '.join(hints)}."
            raise RecipeError("Unknown key in the recipe", recipe=path, key=_join(key, name), mend=hint)
    for item in dataclasses.fields(kind):
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        if required and item.name not in value:
            raise RecipeError(
                "A key is missing in the recipe", recipe=path, key=_join(key, item.name), mend=f"Add {item.name!r}."
            )
    checked = {n: _check(hints[n], item, path=path, key=_join(key, n)) for n, item in value.items()}
    try:
        return kind(**checked)
    except MbdcError as error:  # of __post_init__, which knows the value but not its place in the recipe
        where = {**error.where, "recipe": path, "key": _join(key, str(error.where.get("key", "")))}
        raise RecipeError(error.what, mend=error.mend, **where) from error


def _wrong_type(wanted: str, value: Any, *, path: str | None, key: str) -> RecipeError:
    return RecipeError(
        f"A recipe key wants {wanted}", recipe=path, key=key, value=value, mend=f"Write {wanted} at this key."
    )


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key and name else f"{key}{name}"
