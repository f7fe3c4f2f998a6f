"""What the command line shows of iterations: it fits 80 columns and shows text from data as it is."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from hf_mbdc.records import Iteration, StepRecord
from hf_mbdc.revisions.terminal import diff_table, log_table, run_summary, show_panel

GOLDEN = Path(__file__).parent / "golden"


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
    assert "v3.0.0: rejected" in text
    assert "candidates/707070707070" in text


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
