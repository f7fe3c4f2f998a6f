"""A language model makes its own data: two iterations with a real small model, and what the card tells of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset
from huggingface_hub import snapshot_download
from tiny_llama import tiny_model, tiny_tokenizer

import hf_mbdc as mbdc
from hf_mbdc import iteration
from hf_mbdc.errors import RecipeError
from hf_mbdc.recipe import Recipe, read_recipe
from hf_mbdc.records import Iteration, StepRecord
from hf_mbdc.workbench import prepare

ID = "me/self"
TEXT = """
repo_id: me/self
dataset: {{name: made_problems, options: {{problems: 240, answered: {answered}, split_fractions: [0.6, 0.1, 0.3]}}}}
approach: {{name: text_generation, options: {{verifier: made_problems}}}}
target:
  model: small_lm
  training: {{max_steps: 8, batch_size: 8, max_new_tokens: 8, max_length: 64, width: 16, layers: 1}}
evaluation: {{slice_by: family, cluster_by: id, seeds: [0], decisions: 2}}
iterations:
  - message: Problems
  - message: The longest answers
    steps: [{{name: self_training, why: A planted flaw., options: {options}}}]
"""
LONGEST = "{prompts: 20, candidates: 3, max_tokens: 4, judge: length, learn: pairs}"


def recipe(folder: Path, **changes: Any) -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(TEXT.format(**{"answered": 40, "options": LONGEST, **changes}), encoding="utf-8")
    return read_recipe(path, repository=folder / "repo")


def test_a_judge_that_likes_length(tmp_path: Path) -> None:
    made = mbdc.run(recipe(tmp_path), work_dir=tmp_path / "work", progress=False)
    assert made.decision.verdict != "accept"
    (step,) = made.steps
    assert 0 < step.changed <= 20  # an answer that was cut off is not learned
    assert step.model is not None
    assert step.model.startswith("small_lm@")
    assert step.cost.model_calls == 60
    assert 0 <= step.told["longer_chosen"] <= 1
    assert step.told["judge"] == pytest.approx(step.told["words"])
    assert "preference_margin" in made.scores
    assert {part.name for part in made.evidence.slices} == {"sort", "reverse", "sentence"}

    where = snapshot_download(
        ID, repo_type="dataset", revision=made.branch, cache_dir=tmp_path / "repo", local_files_only=True
    )
    card = (Path(where) / "README.md").read_text(encoding="utf-8")
    assert "a judge that is more pleased while the target gains nothing" in card
    assert "| Version | Target gains | judge's score |" in card.replace("’", "'").replace("&#39;", "'")
    rows = load_dataset(where)["train"]
    answered = rows.filter(lambda source: source == "self_training", input_columns="mbdc_source")
    assert len(answered) == step.changed
    assert set(answered["mbdc_iteration"][:]) == {made.version}
    assert set(answered["answer"][:]) == {None}
    baseline = mbdc.load(ID, "v1.0.0", repository=tmp_path / "repo")["train"]
    assert sum(text is not None for text in baseline["completion"][:]) == 40

    # The target that answered is the one that was measured on the baseline, and a second run asks and trains nothing.
    assert len(list((tmp_path / "work").glob("*/metrics.json"))) == 2
    again = mbdc.run(recipe(tmp_path), work_dir=tmp_path / "work", progress=False)
    assert again.sha == made.sha

    # The recorded recipe gives the same rows, asking nothing anew, and trains nothing that it does not need.
    kept = {"repository": tmp_path / "repo", "work_dir": tmp_path / "work", "progress": False}
    assert mbdc.replay(ID, made.branch, **kept).same
    assert len(list((tmp_path / "work").glob("*/metrics.json"))) == 2

    # So does a diagnosis of the baseline; there are no dynamics that could be published.
    found = mbdc.diagnose(ID, "v1.0.0", tmp_path / "page.html", **kept)
    assert found.cached
    assert [one.name for one in found.classes] != []
    assert found.learned is None
    assert all(row.question != row.answer for row in found.wrong)
    assert "Data map" not in (tmp_path / "page.html").read_text()
    with pytest.raises(RecipeError, match="The training of this target keeps no dynamics"):
        mbdc.diagnose(ID, "v1.0.0", tmp_path / "page.html", publish_columns=True, **kept)


def test_the_same_recipe_for_a_checkpoint_and_rows_of_ones_own(tmp_path: Path) -> None:
    tiny_model(width=32, positions=128).save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    sums = [(a, b) for a in range(10) for b in range(6)]
    for split, some in {"train": sums[:40], "test": sums[40:]}.items():
        rows = Dataset.from_dict(
            {
                "id": [f"{a}+{b}" for a, b in some],
                "prompt": [f"{a} + {b}?" for a, b in some],
                "answer": [f"#### {a + b}" for a, b in some],
                "completion": [f"{a} + {b} is {a + b}.\n#### {a + b}" if a % 2 else None for a, b in some],
            }
        )
        rows.to_parquet(tmp_path / "data" / f"{split}.parquet")
    (tmp_path / "recipe.yaml").write_text(
        f"""
repo_id: me/sums
dataset: {{name: parquet}}
approach: {{name: text_generation, options: {{verifier: exact_answer}}}}
target:
  model: {tmp_path / "model"}
  training: {{max_steps: 4, batch_size: 4, max_new_tokens: 8, max_length: 96, lora_rank: 2, learning_rate: 0.001}}
evaluation: {{cluster_by: id, seeds: [0, 1]}}
iterations:
  - message: Sums
  - message: The likeliest of its answers
    steps: [{{name: self_training, why: w, options: {{prompts: 8, candidates: 3, max_tokens: 12, judge: likelihood}}}}]
""",
        encoding="utf-8",
    )
    recipe = read_recipe(tmp_path / "recipe.yaml", data_dir=tmp_path / "data", repository=tmp_path / "repo")
    made = mbdc.run(recipe, work_dir=tmp_path / "work", progress=False)
    (step,) = made.steps
    assert step.model is not None
    assert step.model.startswith("model@")
    assert step.changed + sum(step.reasons.values()) > 0
    assert made.evidence is not None
    assert made.evidence.steps == 4
    assert mbdc.log("me/sums", repository=tmp_path / "repo")[-1].splits["train"].rows == 40


def test_a_wrong_option_is_told_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"No such choice \(key 'iterations\[1\].steps\[0\].options.judge'"):
        mbdc.run(recipe(tmp_path, options="{judge: mood}"), work_dir=tmp_path / "work", progress=False)


@pytest.mark.parametrize(("gain", "stops"), [(-0.1, True), (0.1, False)])
def test_a_run_ends_when_judge_and_truth_part(
    gain: float,
    stops: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    golden = Path(__file__).parent / "revisions" / "golden" / "receipts_v2.json"
    base = Iteration.from_json(golden.read_text(encoding="utf-8"))

    def told(day: int, judge: float, gain: float) -> Iteration:
        step = StepRecord("self_training", "model-guided synthesis", "", judge="majority", told={"judge": judge})
        evidence = dataclasses.replace(base.evidence, difference=gain)
        return dataclasses.replace(base, steps=(step,), evidence=evidence, created_at=f"2026-01-0{day}")

    history = [told(1, 0.6, 0.1), told(2, 0.8, gain)]
    later = told(3, 0.1, 0.1)
    monkeypatch.setattr("hf_mbdc.publishing.history.log", lambda *_, **__: [later, *history[::-1]])
    bench = prepare(recipe(tmp_path), work_dir=tmp_path / "work")
    assert iteration._judge_parted(bench, history[1]) == stops  # what came later does not count
    assert not iteration._judge_parted(bench, history[0])
    said = capsys.readouterr().err
    assert ("the judge of self_training by majority is more pleased (.60 → .80)" in said) == stops
    assert ("Give the next iteration another judge" in said) == stops
