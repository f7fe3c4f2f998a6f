"""`hf-mbdc ledger`, and the stop rule of a recipe, on a repository that a run made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

import hf_mbdc as mbdc
from hf_mbdc.cli import app
from hf_mbdc.errors import RecipeError
from hf_mbdc.recipe import Recipe, StopRecipe, read_recipe
from hf_mbdc.records import Cost
from hf_mbdc.training.launch import TrainingJob, TrainingResult

ID = "me/quickstart"


def fake_launch(jobs: list[TrainingJob], **settings: object) -> list[TrainingResult]:
    """Models of one CPU hour that know half of the answers, and all of them once labels moved."""
    results = []
    for job in jobs:
        relabelled = "mbdc_source" in job.train.column_names and any(job.train["mbdc_source"][:])
        predictions = {
            split: pa.table(
                {
                    "id": rows["id"][:],
                    "prediction": [a[0] if a and (relabelled or i % 2) else "" for i, a in enumerate(rows["answers"])],
                    "candidate_scores": [[float(n) for n in range(len(c))] for c in rows["candidates"]],
                }
            )
            for split, rows in job.predict.items()
        }
        metrics = {"steps": job.config.max_steps, "first_weights_sha256": str(job.config.seed), "tokens": 100.0}
        results.append(
            TrainingResult("fake@0", Path("nowhere"), predictions, metrics, Cost(cpu_seconds=3600), cached=False)
        )
    return results


def recipe(repository: Path, **changes: Any) -> Recipe:
    plan = read_recipe("quickstart", repository=repository)
    options = {"documents": 40, "seed": 0}
    return replace(
        plan,
        dataset=replace(plan.dataset, options=options),
        evaluation=replace(plan.evaluation, seeds=(0,)),
        **changes,
    )


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hf_mbdc.training.launch.launch", fake_launch)


def test_the_ledger_of_a_run(tmp_path: Path) -> None:
    last = mbdc.run(recipe(tmp_path / "repo"), work_dir=tmp_path / "work", progress=False)
    assert last.evidence is not None
    found = mbdc.ledger(ID, repository=tmp_path / "repo")
    (entry,) = found.entries
    # Three folds and the candidate's training; the parent's was paid for by the first version.
    assert (entry.version, entry.accepted, round(entry.spent)) == ("v2.0.0", True, 4)
    assert entry.points == pytest.approx(100 * last.evidence.difference)
    assert round(found.total) == 5

    shown = CliRunner().invoke(app, ["ledger", ID, "--repository", str(tmp_path / "repo")])
    assert shown.exit_code == 0
    assert "v2.0.0" in shown.output
    assert "for each accepted point" in shown.output
    data = json.loads(CliRunner().invoke(app, ["ledger", ID, "--repository", str(tmp_path / "repo"), "--json"]).output)
    assert data["per_accepted_point"] == pytest.approx(found.per_accepted_point)


def test_a_run_stops_where_its_rule_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = recipe(tmp_path / "repo", stop=StopRecipe(total=0.5))
    assert mbdc.run(plan, work_dir=tmp_path / "work").version == "v1.0.0"
    assert "Stopped by the recipe's rule: 1 CPU hours are spent; 0.5 are allowed in all" in capsys.readouterr().err
    assert mbdc.run(replace(plan, stop=StopRecipe(total=50)), work_dir=tmp_path / "work").version == "v2.0.0"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"unit": "days", "total": 1}, "No such unit of cost"),
        ({"total": 0}, "A limit is not above 0"),
        ({}, "The stop rule has no limit"),
    ],
)
def test_a_rule_that_is_none(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        StopRecipe(**rule)


def test_money_needs_prices(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="Money is counted and no price is given"):
        recipe(tmp_path / "repo", stop=StopRecipe(unit="money", total=1))
