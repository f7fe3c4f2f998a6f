"""The `evaluate` modules load from the installed package without network, and their examples are true."""

from __future__ import annotations

import doctest
import importlib
import inspect
import subprocess
import sys
from importlib.resources import files

import pytest

from hf_mbdc.errors import DataError
from hf_mbdc.metrics import box_iou_scores, mean_score
from hf_mbdc.metrics.text import anls_scores, exact_match_scores, f1_scores

RECOGNITION = ["word_accuracy", "cer", "char_f1"]
MODULES = ["anls", "box_iou", "exact_match", "f1", *RECOGNITION]


def load(name: str):
    evaluate = pytest.importorskip("evaluate")
    return evaluate.load(str(files("hf_mbdc.metrics") / f"{name}.py"))


@pytest.mark.parametrize(
    "name", ["", ".text", ".regions", ".recognition", ".intervals", *(f".{name}" for name in MODULES)]
)
def test_examples_in_the_docstrings(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"hf_mbdc.metrics{name}"))
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_module_says_what_it_takes_and_refuses_no_rows(name: str) -> None:
    module = load(name)
    assert module.name == name
    assert "Returns" in module.inputs_description
    parameters = inspect.signature(module._compute).parameters.values()
    assert all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in parameters)
    with pytest.raises(DataError, match="There are no rows to score"):
        module.compute(predictions=[], references=[])


def test_compute_is_the_mean_of_the_rows() -> None:
    predictions, references = ["RM 9.00", "hallo", "", "900"], [["9.00", "rm 9.00"], ["hello"], [], ["9.00"]]
    for name, scores in [("exact_match", exact_match_scores), ("f1", f1_scores), ("anls", anls_scores)]:
        rows = scores(predictions, references)
        assert load(name).compute(predictions=predictions, references=references) == {name: pytest.approx(rows.mean())}
    boxes = [[[0, 0, 4, 4]], []], [[[0, 0, 2, 4], [1, 0, 2, 2]], []]
    assert load("box_iou").compute(predictions=boxes[0], references=boxes[1]) == {"box_iou": 0.75}
    assert mean_score(box_iou_scores(*boxes)) == 0.75


def test_scores_of_recognition_have_intervals_over_clusters() -> None:
    read, true = ["가나", "가너", "다", "다"] * 5, ["가나", "가나", "다", "라"] * 5
    counts = {"가": 500, "나": 50}
    options = {"char_f1": {"frequencies": counts}}
    values = {"word_accuracy": 0.5, "cer": 1 / 3, "char_f1": 2 * 4 / (2 * 4 + 4), "char_f1_medium": 2 / 3}
    for name in RECOGNITION:
        found = load(name).compute(predictions=read, references=true, **options.get(name, {}))
        together = load(name).compute(
            predictions=read, references=true, clusters=["one", "two"] * 10, **options.get(name, {})
        )
        for score in set(values) & set(found):
            assert found[score] == pytest.approx(values[score])
            assert together[score] == found[score]
            assert found[f"{score}_low"] <= found[score] <= found[f"{score}_high"]
            assert together[f"{score}_low"] != found[f"{score}_low"]
    rare = load("char_f1").compute(
        predictions=["가"], references=["가"], frequencies=counts, few_below=501, many_above=501
    )
    assert (rare["char_f1_few"], rare["char_f1_few_low"]) == (1, 1)
    assert load("cer").compute(predictions=["\u1100\u1161"], references=["가"], normalization=None)["cer"] == 2


def test_options_reach_the_function() -> None:
    assert load("anls").compute(predictions=["ab"], references=[["ax"]], threshold_rule="below") == {"anls": 0.0}
    assert load("anls").compute(predictions=[""], references=[[]], unanswerable="zero") == {"anls": 0.0}
    assert load("f1").compute(predictions=["9.00"], references=[["900"]], normalization="strict") == {"f1": 0.0}


def test_scores_do_not_import_evaluate() -> None:
    # It takes seconds, and scripts that only score would pay for it.
    code = "import sys, hf_mbdc.metrics as m; m.anls_scores(['a'], [['a']]); print('evaluate' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
