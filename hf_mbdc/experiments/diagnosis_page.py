"""A diagnosis as one web page that runs no script and asks for nothing from elsewhere.

It has the style of the report of a repository. What comes from data is escaped by the template engine, after what
cannot be seen in it (control and bidi characters, line ends) was made visible.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.experiments.diagnosis_plots import map_svg, score_svg, share_svg

if TYPE_CHECKING:
    from hf_mbdc.experiments.diagnosis import Diagnosis
    from hf_mbdc.experiments.learned import Learned
    from hf_mbdc.records import Cost, Iteration

STYLES = ("report.css", "diagnose.css")
MOST_CLASSES = 30
MOST_CHARACTERS = 24
LONGEST = 300  # characters of one text from data


def render_diagnosis(found: Diagnosis, repo_id: str, record: Iteration | None = None) -> str:
    """The page as text.

    Args:
        found: as `diagnose_rows` gives it.
        repo_id: what is diagnosed, for the title.
        record: of the revision; None for rows that are not published.
    """
    from markupsafe import Markup

    from hf_mbdc.revisions.card import wording
    from hf_mbdc.revisions.card.card import read_template

    style = "\n".join(read_template(name).strip() for name in STYLES)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        _environment()
        .get_template("diagnose.html.jinja")
        .render(
            it=found,
            repo_id=repo_id,
            revision=None if record is None else wording.name(record),
            classes=found.classes[:MOST_CLASSES],
            more_classes=max(0, len(found.classes) - MOST_CLASSES),
            worst=worst(found),
            cluster=cluster_noun(found.clustered_by),
            misread=found.misread[:MOST_CHARACTERS],
            more_misread=max(0, len(found.misread) - MOST_CHARACTERS),
            **_learned(found.learned),
            style=Markup(style),
            policy=Markup(
                f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
            ),
        )
    )


def worst(found: Diagnosis) -> str:
    """One sentence on where the target fails most."""
    for tree in filter(None, (found.failures,)):
        for part in tree.slices:
            if part.confirmed:
                return (
                    f"It fails most where {part.name}: {_percent(part.error_share)} of what is missed, "
                    f"on {_percent(part.row_share)} of the rows."
                )
    if found.classes and len(found.classes) > 1 and found.classes[0].error_share > 0:
        first = found.classes[0]
        return (
            f"Most is missed where {found.slice_by} = {first.name}: {_percent(first.error_share)} of it, on "
            f"{first.rows:,} of {found.rows:,} rows."
        )
    return "No part of the rows is surely worse than the rest."


def cluster_noun(column: str) -> str:
    """What rows that are resampled together have in common: `document` of `document_id`, `row` of `id`.

    Example:
        >>> [cluster_noun(column) for column in ("document_id", "text", "id")]
        ['document', 'text', 'row']
    """
    return column.removesuffix("_id") if column != "id" else "row"


def _learned(learned: Learned | None) -> dict[str, Any]:
    """What the page says of the training rows; nothing where their dynamics are not known."""
    if learned is None:
        return {"map": None, "regions": {}, "forgotten": 0}
    forgotten = int(np.nansum(learned.columns["dynamics_forgetting"] >= 1))
    return {"map": learned_map(learned), "regions": regions(learned), "forgotten": forgotten}


def learned_map(learned: Learned) -> Any:
    """The data map of the rows that were trained on."""
    columns = {name: values[learned.known] for name, values in learned.columns.items()}
    return map_svg(columns["dynamics_confidence"], columns["dynamics_variability"], columns["dynamics_region"])


def regions(learned: Learned) -> dict[str, int]:
    """Region → number of training rows in it."""
    names, counts = np.unique(learned.columns["dynamics_region"][learned.known], return_counts=True)
    return {name: dict(zip(names.tolist(), counts.tolist(), strict=True)).get(name, 0) for name in _REGIONS}


_REGIONS: Sequence[str] = ("easy", "ambiguous", "hard")


def cost_text(cost: Cost | None) -> str:
    """`3 min 20 s job time, 1,204 tokens`; nothing where there is no cost of a machine."""
    from hf_mbdc.revisions.card import wording

    if cost is None:
        return ""
    gpu = f", {wording.seconds(cost.gpu_seconds)} of a GPU" if cost.gpu_seconds else ""
    return f"{wording.seconds(cost.wall_seconds)} job time{gpu}, {wording.plural(cost.tokens, 'token')}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if np.isfinite(share) else "–"


def _shown(value: Any) -> Any:
    """What the template writes: text with nothing hidden in it, which the engine escapes then."""
    from markupsafe import Markup

    from hf_mbdc.revisions.escape import visible

    return value if isinstance(value, Markup) or not isinstance(value, str) else visible(value, LONGEST)


def _environment() -> Any:
    import jinja2
    from markupsafe import Markup

    from hf_mbdc.revisions.card import wording
    from hf_mbdc.revisions.card.card import read_template

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(read_template),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
    )
    environment.filters |= {
        "cost": cost_text,
        "count": wording.count,
        "interval": wording.interval,
        "number": wording.number,
        "percent": _percent,
        "picture": lambda base64_png: Markup(f'<img alt="" src="data:image/png;base64,{base64_png}">'),
        "plural": wording.plural,
        "seconds": wording.seconds,
        "seeds": wording.seeds,
    }
    environment.globals |= {"score_svg": score_svg, "share_svg": share_svg}
    return environment
