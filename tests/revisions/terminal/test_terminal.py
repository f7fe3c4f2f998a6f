"""What the command line shows of iterations: it fits 80 columns and shows text from data as it is."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from hf_mbdc.records import Iteration, StepRecord
from hf_mbdc.revisions.terminal.iterations import diff_table, log_table, run_summary, show_panel

GOLDEN = Path(__file__).parents[1] / "golden"


def read(name: str) -> Iteration:
    return Iteration.from_json((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def shown(renderable: RenderableType, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False, _environ={})
    console.print(renderable)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def history() -> list[Iteration]:
    return [read("receipts_v3_refused"), read("receipts_v2"), read("receipts_v1")]


@pytest.mark.parametrize("name", ["log", "show_v1", "show_v2", "run_summary"])
def test_golden(name: str) -> None:
    made = {
        "log": lambda: log_table(history()),
        "show_v1": lambda: show_panel(read("receipts_v1")),
        "show_v2": lambda: show_panel(read("receipts_v2")),
        "run_summary": lambda: run_summary(read("receipts_v2"), history()[1:]),
    }[name]()
    assert shown(made) == (GOLDEN / f"terminal_{name}.txt").read_text(encoding="utf-8")


def test_a_refused_candidate_shows_its_branch() -> None:
    text = shown(show_panel(read("receipts_v3_refused")))
    assert "me/receipts candidate 70707070 (would have been v3.0.0): rejected" in text
    assert "candidates/70707070" in text
    assert text.count("v3.0.0") == 1  # another revision may get that number


def test_a_refused_candidate_is_called_by_its_branch() -> None:
    for made in (log_table(history()), run_summary(history()[0], history())):
        text = shown(made)
        assert "candidates/70707070  2026-03-03" in text
        assert text.count("v3.0.0") == text.count("would have been v3.0.0")


def test_a_long_message_is_cut_and_what_was_set_aside_is_not() -> None:
    record = dataclasses.replace(read("receipts_v2"), message="word " * 30, rejected={"a": 1200, "b": 34})
    for width in (80, 120):
        line = shown(log_table([record]), width).splitlines()[3]
        assert line.startswith("  word word")
        assert line.endswith("…; 1,234 set aside")
        assert len(line) == width
    clean = dataclasses.replace(record, message="Short", rejected={})
    assert shown(log_table([clean, record])).splitlines()[3] == "  Short"
    assert "set aside" not in shown(show_panel(clean)) + shown(run_summary(clean, [clean]))
    assert "1,234 rows or documents set aside: see rejected/" in shown(run_summary(record, [record]))


def test_text_from_data_is_literal() -> None:
    nasty = "[red]x[/red] \x1b[31m [/]"
    record = dataclasses.replace(
        read("receipts_v2"), message=nasty, steps=(StepRecord(nasty, "model-guided synthesis", nasty, changed=1),)
    )
    for renderable in (log_table([record]), show_panel(record), run_summary(record, [record])):
        text = shown(renderable, 200)
        assert "[red]x[/red] ⟨U+001B⟩[31m [/]" in text
        assert "\x1b" not in text


def test_an_empty_log() -> None:
    assert "version" in shown(log_table([]))


def test_diff_table_reads_the_record() -> None:
    text = shown(diff_table(read("receipts_v2").diff))
    assert "matched_text" in text
    assert "column added: mbdc_source (string)" in text
    assert text.startswith("split ")


def test_diff_table_names_both_sides() -> None:
    text = shown(diff_table(read("receipts_v2").diff, "me/receipts v1.0.0", "v2.0.0"))
    assert text.startswith("me/receipts v1.0.0 → v2.0.0\n\nsplit ")
