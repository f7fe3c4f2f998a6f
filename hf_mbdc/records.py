"""The record of one iteration as plain frozen dataclasses; `manifest.json` is this record as JSON.

Everything that is published or printed (card, changelog, `hf-mbdc log`, `hf-mbdc show`) is derived from an `Iteration`
and from nothing else. No machine path, user name or token has a field here.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

SHORT_HASH = 8  # characters of a content hash that name a candidate
CANDIDATES = "candidates"  # the branches of the candidates that were not accepted are below this name
FORMAT = 1  # of manifest.json; raised when a field changes its meaning

T = TypeVar("T")
Verdict = Literal["accept", "reject", "inconclusive"]
Pillar = Literal["approach-specific information", "model-guided synthesis", "industrial data quality"]


@dataclass(frozen=True)
class Cost:
    """What something cost: seconds of this machine, model input tokens, new bytes stored.

    Costs add up. So `wall_seconds` of jobs that ran side by side, such as the trainings of several seeds, is the sum of
    their times, longer than anybody waited.
    """

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    model_calls: int = 0
    tokens: int = 0
    bytes: int = 0
    gpu_seconds: float = 0.0  # as long as a GPU was held

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in dataclasses.fields(Cost)))


@dataclass(frozen=True)
class StepRecord:
    """What one step did to the rows, and why. `reasons` counts the reason of every changed, added and rejected row."""

    name: str
    pillar: Pillar
    why: str
    model: str | None = None  # model@sha, when a model made or judged rows
    kept: int = 0
    changed: int = 0
    added: int = 0
    rejected: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    automated: bool = True
    cost: Cost = Cost()
    reused: int = 0  # of the rows that a model judges: those whose result an earlier iteration, or run, had
    identity: str = ""  # hash of code, settings and model: steps with the same one do the same to the same rows
    trained_on: ParentRecord | None = None  # whose rows trained the models; None: the rows that the step read
    judge: str = ""  # of a model's own answers: what said which are good
    told: dict[str, float] = field(default_factory=dict)  # of a model's own answers, see `self_training.describe`


@dataclass(frozen=True)
class SliceEvidence:
    """Parent and candidate on a part of the evaluation rows, e.g. the rows that ask for `total`."""

    name: str
    rows: int
    parent: float
    candidate: float
    difference: float
    interval: tuple[float, float]  # for this slice alone
    p_value: float | None = None  # corrected for the number of slices (Holm)
    simultaneous: tuple[float, float] | None = None  # the intervals of all slices hold together
    clusters: int | None = None


@dataclass(frozen=True)
class Plan:
    """How large an evaluation must be to accept a true difference, as `guidance.planner` makes it out.

    None as a number: no number helps, as what the other one brings is too much; or too little is known to tell.
    """

    effect: float  # the true gain that it is made for, beyond the minimum effect
    power: float  # the wanted chance that such a gain is accepted
    power_now: float  # the chance with the clusters and seeds at hand
    clusters: int | None  # clusters needed, with the seeds at hand
    seeds: int | None  # seeds needed, with the clusters at hand
    detectable: float  # the smallest gain beyond the minimum that clusters and seeds at hand accept with that chance


@dataclass(frozen=True)
class ControlEvidence:
    """The candidate against a control that could explain its gain, such as as many tokens of the parent's rows."""

    name: str
    rows: int  # that the control was trained on
    score: float
    difference: float  # candidate − control
    interval: tuple[float, float]
    p_value: float
    verdict: Verdict  # `accept`: the candidate is better than the control for sure


@dataclass(frozen=True)
class Evidence:
    """Scores of the target trained on parent and on candidate, on the same untouched rows with the same seeds."""

    metric: str
    split: str
    rows: int
    clusters: int
    seeds: tuple[int, ...]
    parent: float
    candidate: float
    difference: float
    interval: tuple[float, float]
    confidence: float
    p_value: float  # of the hypothesis that the true difference is `minimum_effect`
    verdict: Verdict
    minimum_effect: float = 0.0  # gain that was asked for: `accept` when interval and p-value tell a larger one
    slices: tuple[SliceEvidence, ...] = ()
    secondary: dict[str, tuple[float, float]] = field(default_factory=dict)  # other metrics: (parent, candidate)
    effect_size: float | None = None  # difference in standard deviations of a row's difference
    permutation_p_value: float | None = None  # of the sign flips alone, these trained models being given
    alpha: float | None = None  # level that decided, where looks at these rows are rationed; None: 1 − confidence
    plan: Plan | None = None  # what would settle an inconclusive comparison
    look: int | None = None  # the how manieth decision on these rows, of `looks` that they shall serve
    looks: int | None = None
    controls: tuple[ControlEvidence, ...] = ()
    steps: int | None = None  # of every training of parent, candidate and control
    tokens: tuple[float, float] | None = None  # that a training of parent and candidate read, mean over the seeds
    no_loss: dict[str, float] = field(default_factory=dict)  # slice → what it may lose at most for an `accept`
    # Of recognisers: bucket of frequency in the parent's train rows → parent, candidate → F1 of characters, interval
    buckets: dict[str, dict[str, tuple[float, float, float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """`baseline`: the first revision, nothing to compare with. `unmeasured`: published by hand, without evidence."""

    verdict: Literal["baseline", "unmeasured", "accept", "reject", "inconclusive"]
    reason: str

    @property
    def refused(self) -> bool:
        """Whether the candidate is recorded on a branch beside `main` instead of becoming a version."""
        return self.verdict in ("reject", "inconclusive")


@dataclass(frozen=True)
class SplitRecord:
    """One split of the published data: its number of rows and its content hash (sha256 hex)."""

    rows: int
    content_hash: str
    documents: int | None = None  # different values of `document_id`; None where the rows have no such column
    since: str | None = None  # version whose rows these still are; columns that came or went do not count


@dataclass(frozen=True)
class ParentRecord:
    """The revision that a candidate was made from."""

    version: str
    sha: str
    content_hash: str


@dataclass(frozen=True)
class Iteration:
    """One iteration of the loop: where it started, what it did, what that changed, cost and brought."""

    repo_id: str
    version: str  # vMAJOR.MINOR.PATCH; of a rejected candidate: the number it would have got
    message: str
    content_hash: str
    splits: dict[str, SplitRecord]
    decision: Decision
    parent: ParentRecord | None = None
    steps: tuple[StepRecord, ...] = ()
    diff: dict[str, Any] = field(default_factory=dict)  # Diff.to_dict()
    evidence: Evidence | None = None
    scores: dict[str, float] = field(default_factory=dict)  # of the target trained on this data: metric[/slice] → mean
    approach: dict[str, Any] = field(default_factory=dict)  # name, options, adds, target
    cost: Cost = Cost()
    recipe: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)  # reason → rows under rejected/, inherited ones included
    leaks: dict[str, Any] = field(default_factory=dict)  # LeakReport.to_dict(); empty: not checked
    search: dict[str, Any] = field(default_factory=dict)  # Halving.to_dict(), where the best of several was chosen
    mixing: dict[str, Any] = field(default_factory=dict)  # Mixing.to_dict() with curves, where a ratio was searched for
    restores: ParentRecord | None = None  # of a rollback: the revision whose content is back
    merged_from: ParentRecord | None = None  # where the change was made, when it was merged onto a newer parent
    sensitive: tuple[str, ...] = ()  # columns whose values no example shows; a later version cannot drop one
    agreement: tuple[dict[str, Any], ...] = ()  # of the annotators: Agreement.to_dict() of each coefficient
    layout: dict[str, Any] = field(default_factory=dict)  # deletes, dead_rows, unused_values, deltas of the data files
    created_at: str = ""  # ISO 8601, UTC
    format: int = FORMAT
    sha: str | None = None  # of the commit; known only afterwards, so not part of the manifest

    @property
    def branch(self) -> str:
        """Where the commit lies: `main`, or a branch of its own for a refused candidate."""
        return f"{CANDIDATES}/{self.content_hash[:SHORT_HASH]}" if self.decision.refused else "main"

    @property
    def series(self) -> str | None:
        """The version since which the evaluation rows are the same: scores of one series can be compared.

        None where no evaluation split is named, or the record is older than this field.
        """
        plan = self.recipe.get("evaluation") or {}
        split = self.splits.get(self.evidence.split if self.evidence else str(plan.get("split")))
        return split.since if split else None

    def to_json(self) -> str:
        """The manifest's text: sorted keys, so that equal iterations give equal bytes."""
        data = dataclasses.asdict(self)
        del data["sha"]
        return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Iteration:
        """Reads a manifest; raises `ValueError` or `TypeError` when it is not one, or of a newer format."""
        data = json.loads(text)
        if not isinstance(data, dict):
            raise ValueError(f"A manifest is a JSON object, this is {type(data).__name__}")
        if data.get("format", FORMAT) > FORMAT:  # a field may mean something else there
            raise ValueError(f"The manifest has format {data['format']}, this hf_mbdc reads up to {FORMAT}")
        return build(cls, data)


def build(kind: Any, value: Any) -> Any:
    """Builds a dataclass (nested, with tuples, dicts, optionals and literals) from what `json.loads` gives.

    Raises:
        ValueError: a value is none of the literals that its field allows.
        TypeError: a field is missing.

    Example:
        >>> build(Decision, {"verdict": "accept", "reason": "total +.23"}).verdict
        'accept'
    """
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else build(next(a for a in args if a is not type(None)), value)
    if origin is Literal:
        if value not in args:
            raise ValueError(f"{value!r} is none of {', '.join(map(repr, args))}")
        return value
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return typing.cast(type, kind)(
            **{name: build(hints[name], item) for name, item in value.items() if name in hints}
        )
    if origin is tuple:
        inner = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
        return tuple(build(k, v) for k, v in zip(inner, value, strict=True))
    if origin is dict:
        return {key: build(args[1], item) for key, item in value.items()}
    return float(value) if kind is float and isinstance(value, int) else value
