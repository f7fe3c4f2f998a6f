"""The YAML at the head of a dataset card: read as YAML 1.2, what others wrote kept, and our keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from hf_mbdc.errors import DataError
from hf_mbdc.records import Iteration
from hf_mbdc.revisions.card import about, wording

TAG = "hf_mbdc"


class _Loader(yaml.SafeLoader):
    """YAML 1.2 booleans: in `language: no`, no is Norwegian, not false."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:bool"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF")


class _Dumper(yaml.SafeDumper):
    """Writes equal objects twice instead of as an alias, which few readers of cards expect."""

    def ignore_aliases(self, data: Any) -> bool:
        """No object has an alias."""
        return True

    def represent_text(self, text: str) -> yaml.Node:
        """A text that is read back as it is."""
        # PyYAML writes these line ends as they are inside '…' and reads a blank; inside "…" it escapes them.
        style = '"' if re.search("[\x85\u2028\u2029]", text) else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _Dumper.represent_text)


def parse_yaml(text: str) -> dict[str, Any]:
    """The mapping that a card's YAML holds; empty where it holds nothing.

    Raises:
        DataError: it cannot be read, or is no mapping.
    """
    try:
        data = _Loader(text).get_single_data()
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        raise DataError(
            "The YAML of the dataset card cannot be read",
            path="README.md",
            line=None if line is None else line + 2,
            mend="Mend the block between the first two lines '---'.",
        ) from error
    if data is not None and not isinstance(data, dict):
        raise DataError("The YAML of the dataset card is not a mapping", path="README.md", mend="Write 'key: value'.")
    return data or {}


def to_yaml(data: Any) -> str:
    """Data as YAML in the order that it has, without aliases."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def front_matter(iteration: Iteration, data: Mapping[str, Any], configs: Mapping[str, Any]) -> str:
    """The YAML of a version: what others wrote, and our keys anew.

    Args:
        iteration: the version.
        data: the YAML of the parent's card.
        configs: the keys by which `datasets` finds the files.
    """
    ours = about.front_matter(iteration)
    ours = {key: value for key, value in ours.items() if key != "task_categories" or key not in data}  # theirs say more
    stale = {"configs", "dataset_info", "mbdc"} - configs.keys()
    kept = {key: value for key, value in data.items() if key not in stale}
    tags = kept.get("tags") or []
    tags = [tags] if isinstance(tags, str) else list(tags)
    tags = tags if TAG in tags else [*tags, TAG]
    return to_yaml({**kept, **ours, "tags": tags, **configs, "mbdc": _summary(iteration)})


def _summary(iteration: Iteration) -> dict[str, Any]:
    """The block that a search over many cards reads; `manifest.json` has the rest."""
    place = {"version": iteration.version} if wording.published(iteration) else {"candidate": iteration.branch}
    summary: dict[str, Any] = {
        **place,
        "parent": iteration.parent.version if iteration.parent else None,
        "content_hash": iteration.content_hash,
        "approach": iteration.approach.get("name"),
        "decision": iteration.decision.verdict,
        **({"series": iteration.series} if iteration.series else {}),
    }
    if (found := iteration.evidence) is not None:
        numbers = {"score": found.candidate, "parent_score": found.parent, "difference": found.difference}
        summary["metric"] = {
            "name": found.metric,
            "split": found.split,
            **{name: round(value, 4) for name, value in numbers.items()},
            "interval": [round(value, 4) for value in found.interval],
        }
    return summary
