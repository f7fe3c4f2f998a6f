"""What `verify`, `replay` and `blame` found, as rich tables for the command line. Text from data is literal `Text`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hf_mbdc.revisions.card import wording
from hf_mbdc.revisions.escape import visible
from hf_mbdc.revisions.shorten import text_pair

if TYPE_CHECKING:
    from collections.abc import Mapping

CELL = 120  # characters of a cell before and after


def verification_table(found: Mapping[str, Any]) -> RenderableType:
    """The checks of a revision.

    Args:
        found: `Verification.to_dict()`.
    """
    table = _table("check", "result")
    for check in found["checks"]:
        table.add_row(Text(visible(check["name"], 60)), _result(check))
    failed = sum(not check["ok"] for check in found["checks"])
    verdict = ("is what its manifest says", "green") if not failed else (f"{failed} checks failed", "bold red")
    return Group(_headline(found, *verdict), Text(), table)


def _result(check: Mapping[str, Any]) -> Text:
    if check["ok"]:
        return Text("✓ ", style="green") + Text(visible(check["found"], 60), style="default")
    told = f"expected {visible(check['expected'], 200)}, found {visible(check['found'], 200)}"
    return Text("✗ ", style="bold red") + Text(told, style="default")


def replay_table(found: Mapping[str, Any]) -> RenderableType:
    """What came out of doing a revision again, and where it parts from what was published.

    Args:
        found: `Replay.to_dict()`.
    """
    from hf_mbdc.revisions.diff.diff import Diff

    if found["same"]:
        told = Text(f"content hash {found['found']}")
        return Group(_headline(found, "gives the same content again", "green"), told)
    if found["same_but_models"]:
        verdict, colour = "gives the same rows, made by models with other weights", "yellow"
    else:
        verdict, colour = "gives other content", "bold red"
    parts: list[RenderableType] = [
        _headline(found, verdict, colour),
        Text(f"published {found['expected']}\nreplayed  {found['found']}"),
    ]
    if found["same_but_models"]:
        why = "Only the hash of the weights differs (mbdc_model): another kind of processor rounds otherwise."
        parts.append(Text(why, style="dim"))
    for name, (then, now) in found["environment"].items():
        parts.append(Text(f"{visible(name, 40)}: {visible(then, 60)} then, {visible(now, 60) or 'missing'} now"))
    return Group(*parts, Text(), Text("From what was published to what came out now", style="bold"), _diff(found, Diff))


def _diff(found: Mapping[str, Any], kind: Any) -> RenderableType:
    table: RenderableType = kind.from_dict(found["diff"]).to_rich()
    return table


def blame_table(events: Sequence[Mapping[str, Any]], repo_id: str, id: str) -> RenderableType:
    """The history of a row, oldest first.

    Args:
        events: `Event.to_dict()` of each.
    """
    table = _table("version", "day", "what", "by")
    for event in events:
        by = f"{event['by']} ({event['model']})" if event["model"] else event["by"]
        table.add_row(
            Text(visible(event["version"], 16)),
            Text(wording.day(event["created_at"])),
            _what(event),
            Text(visible(by, 80)),
        )
    return Group(Text(f"{visible(repo_id, 100)} row {visible(id, 100)}", style="bold"), Text(), table)


def _what(event: Mapping[str, Any]) -> Text:
    split = visible(event["split"], 40)
    where = f"{visible(event['moved_from'], 40)} → {split}" if event["moved_from"] else f"in {split}"
    line = Text(f"{event['kind']} {where}").append(f"  {visible(event['message'], 200)}", style="dim")
    for name, cells in event["columns"].items():
        before, after = text_pair(cells[0], cells[1], CELL)
        line.append(f"\n{visible(name, 40)}: ").append(_value(before), style="red").append(" → ")
        line.append(_value(after), style="green")
    return line


def _value(text: str | None) -> str:
    return "null" if text is None else visible(text, CELL)


def _headline(found: Mapping[str, Any], verdict: str, colour: str) -> Text:
    line = Text(f"{visible(found['repo_id'], 100)} {visible(found['version'], 40)} ", style="bold")
    return line.append(verdict, style=colour)


def _table(*titles: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    return table
