"""The line and the bar of a stage."""

from __future__ import annotations

import os

import pytest

from hf_mbdc.progress import stage


@pytest.mark.parametrize("terminal", [False, True])
def test_a_title_is_text_and_no_markup(
    terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # After `Dataset.map(num_proc=…)` os.environ is another object (datasets puts a copy back); rich has the old one.
    monkeypatch.setattr("rich.console.Console._environ", os.environ)
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", "120")
    with stage("Loading [red]me/x[/red] [/] :smile:", show=True) as update:
        update(0.5)
    captured = capsys.readouterr()
    assert captured.out == ""
    # On a terminal the title stands in the bar and in the line at the end.
    assert captured.err.count("Loading [red]me/x[/red] [/] :smile:") >= 1 + terminal
    assert "0 s" in captured.err.splitlines()[-1]


def test_nothing_is_shown_when_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with stage("Loading", show=False) as update:
        update(1.0)
    assert capsys.readouterr() == ("", "")
