"""Recipes of word recognition: images travel through the loop, sources are mixed, and what is missed is made."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import recognition_run
from datasets import Image, load_dataset
from huggingface_hub import snapshot_download
from recognition_run import COMMON, RARE, FakeTarget, recipe

import hf_mbdc as mbdc
from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.recipe import MixRecipe, read_recipe

ID = "me/words"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeTarget:
    target = FakeTarget()
    monkeypatch.setattr("hf_mbdc.training.launch.launch", target.launch)
    monkeypatch.setattr("hf_mbdc.training.scoring.score", target.score)
    return target


def test_two_guided_iterations(tmp_path: Path, fake: FakeTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **settings: object) -> None:
        raise AssertionError("an image was decoded on its way")

    monkeypatch.setattr(Image, "decode_example", refuse)
    mbdc.run(recipe(tmp_path), work_dir=tmp_path / "work", progress=False)
    history = mbdc.log(ID, repository=tmp_path / "repo")
    first, baseline = history[-2], history[-1]
    assert [step.name for step in baseline.steps] == ["load word_list", "render", "annotate text_recognition"]
    assert first.decision.verdict == "accept"

    # The ratio was searched on the validation words, is recorded, and every mixture had as many rows as the parent.
    assert first.mixing["split"] == "validation"
    assert set(first.mixing["ratio"]) == {"parent", "injected", "random"}
    assert len(first.mixing["points"]) == 5
    assert first.recipe["iterations"][1]["mix"]["ratio"] == first.mixing["ratio"]
    assert sum(first.mixing["ratio"].values()) == pytest.approx(1, abs=1e-5)
    assert {len(job.train) for job in fake.jobs} == {baseline.splits["train"].rows}
    assert {job.config.max_steps for job in fake.jobs} == {8}  # 120 rows, 16 a step
    assert {split for job in fake.jobs for split in job.predict} == {"test", "validation"}
    shares = Counter(mbdc.load(ID, first.version, repository=tmp_path / "repo")["train"]["mbdc_source"])
    assert shares[None] == round(120 * first.mixing["ratio"]["parent"])

    # No row of an evaluation split is touched, and none of their words is in the train rows.
    old, new = (mbdc.load(ID, item.version, repository=tmp_path / "repo") for item in (baseline, first))
    for split in ("validation", "test"):
        plain = [rows.remove_columns("image").to_list() for rows in (old[split], new[split])]
        assert plain[0] == plain[1]
        assert not set(new[split]["text"][:]) & set(new["train"]["text"][:])
    assert first.splits["test"].since == "v1.0.0"
    difference = mbdc.diff(old, new)
    assert difference.splits["train"].added == 120 - shares[None] == difference.splits["train"].removed

    # Rows that were added have images, the approach's columns as of the baseline's counts, and where they are from.
    sources = np.array(new["train"]["mbdc_source"][:], object)
    made = new["train"].select(np.flatnonzero(sources != None))  # noqa: E711 -- of an array
    assert set(made["mbdc_iteration"]) == {first.version}
    table = made.with_format("arrow")[:]
    assert {name: table[name].null_count for name in ("image", "font", "bucket", "mbdc_parent_id")} == {
        "image": 0,
        "font": 0,
        "bucket": 0,
        "mbdc_parent_id": 0,
    }
    counts = Counter("".join(old["train"]["text"][:]))
    assert all(
        least == min(counts.get(c, 0) for c in text)
        for text, least in zip(made["text"][:], made["char_min_freq"][:], strict=True)
    )

    # What the target misses is asked of the words that search, never of those that decide.
    assert {tuple(job.rows["drawn"][:]) for job in fake.scored} == {tuple(old["validation"]["drawn"][:])}
    assert {job.task for job in fake.scored} == {"text_recognition"}


def test_the_steps_of_the_baseline_are_no_iteration(
    tmp_path: Path, fake: FakeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hf_mbdc import iteration

    plan, proposed, propose = recipe(tmp_path), [], iteration.propose

    def noting(bench, item, *others):
        proposed.append(item.message)
        return propose(bench, item, *others)

    monkeypatch.setattr(iteration, "propose", noting)
    mbdc.run(dataclasses.replace(plan, iterations=plan.iterations[:2]), work_dir=tmp_path / "work", progress=False)
    assert proposed == [plan.iterations[1].message]


def test_added_rows_without_a_mixture_are_held_against_a_control(tmp_path: Path, fake: FakeTarget) -> None:
    plan = recipe(tmp_path)
    item = dataclasses.replace(plan.iterations[1], mix=None)
    last = mbdc.run(dataclasses.replace(plan, iterations=(plan.iterations[0], item)), progress=False)
    assert last.evidence is not None
    (control,) = last.evidence.controls
    assert control.rows == last.splits["train"].rows > 240
    assert last.mixing == {}


def test_a_run_goes_on_from_a_revision_with_the_counts_of_its_beginning(tmp_path: Path, fake: FakeTarget) -> None:
    plan = recipe(tmp_path)
    first = mbdc.run(dataclasses.replace(plan, iterations=plan.iterations[:2]), progress=False)
    onward = dataclasses.replace(plan.dataset, name=None, data_dir=None, options={}, revision=first.version)
    mbdc.run(dataclasses.replace(plan, dataset=onward, iterations=plan.iterations[2:]), progress=False)
    whole = mbdc.run(recipe(tmp_path / "whole"), progress=False)
    found = mbdc.log(ID, repository=tmp_path / "repo")
    assert whole.content_hash in {item.content_hash for item in found}


def test_a_run_is_repeated_for_nothing_and_replayed(tmp_path: Path, fake: FakeTarget) -> None:
    plan = recipe(tmp_path)
    last = mbdc.run(plan, work_dir=tmp_path / "work", progress=False)
    assert mbdc.run(plan, work_dir=tmp_path / "work", progress=False) == last
    for item in mbdc.log(ID, repository=tmp_path / "repo"):
        asked = len(fake.jobs)
        again = mbdc.replay(ID, str(item.sha), repository=tmp_path / "repo", data_dir=tmp_path / "data", progress=False)
        assert again.same
        searched = {split for job in fake.jobs[asked:] for split in job.predict}
        assert "validation" not in searched  # the recorded ratio is not searched for again


def test_stock_clients_read_the_images(tmp_path: Path, fake: FakeTarget) -> None:
    plan = dataclasses.replace(recipe(tmp_path), iterations=recipe(tmp_path).iterations[:1])
    mbdc.run(plan, work_dir=tmp_path / "work", progress=False)
    path = snapshot_download(
        ID, repo_type="dataset", revision="v1.0.0", cache_dir=tmp_path / "repo", local_files_only=True
    )
    stock = load_dataset(path, cache_dir=str(tmp_path / "cache"))["train"]
    assert isinstance(stock.features["image"], Image)
    assert stock[0]["image"].height == 32
    assert np.asarray(stock[0]["image"]).min() < 100


def test_a_real_recogniser(tmp_path: Path) -> None:
    """Real images, real trainings: six syllables that the natural words hardly have are read after the mixture."""
    plan = recipe(tmp_path, training="{epochs: 8, batch_size: 8, learning_rate: 0.004}")
    item = plan.iterations[1]
    made = dataclasses.replace(item.steps[0], options={"words": 120, "per_miss": 2, "seed": 1})
    mix = MixRecipe(ratio={"parent": 0.4, "injected": 0.3, "random": 0.3})
    item = dataclasses.replace(item, steps=(made, item.steps[1]), mix=mix)
    plan = dataclasses.replace(plan, iterations=(plan.iterations[0], item))
    last = mbdc.run(plan, work_dir=tmp_path / "work", max_parallel=1, progress=False)
    assert last.evidence is not None
    assert last.evidence.metric == "word_accuracy"
    assert set(last.evidence.secondary) == {"cer"}
    assert {part.name for part in last.evidence.slices} == {"natural", "even"}
    assert last.evidence.candidate > last.evidence.parent
    assert last.steps[0].reasons["characters that the target missed"] > 0
    assert last.cost.tokens > 0


@pytest.mark.parametrize(
    ("old", "new", "kind", "message"),
    [
        ("at_least: 30", "at_leest: 30", RecipeError, r"iterations\[1\]\.steps\[0\]\.options\.at_leest'.*'at_least'"),
        (
            "name: tail_characters",
            "name: tail_character",
            RecipeError,
            r"No such step .*Did you mean 'tail_characters'",
        ),
        ("[{name: render}]", "[{name: render, options: {hight: 32}}]", RecipeError, r"hight'.*Did you mean 'height'"),
        (
            "[{name: render}]",
            "[{name: tail_characters}]",
            RecipeError,
            r"changes the data .*iterations\[0\]\.steps\[0\]",
        ),
        (
            "{split: validation, points: 5}",
            "{split: test}",
            RecipeError,
            r"does other work .*iterations\[1\]\.mix\.split",
        ),
        ("{split: validation, points: 5}", "{point: 5}", RecipeError, r"mix\.point'.*Did you mean 'points'"),
        ("points: 5}", "points: 5, ratio: {parent: -1}}", RecipeError, r"no number of at least 0 .*mix\.ratio"),
        ("{natural: 0.05}", "{natur: 0.05}", DataError, r"evaluation\.no_loss\.natur'.*even, natural"),
        ("{epochs: 1}", "{epoch: 1}", RecipeError, r"target\.training\.epoch'.*Did you mean 'epochs'"),
        ("model: ctc_recogniser", "model: ctc_recognizer", Exception, r"Did you mean 'ctc_recogniser'"),
    ],
)
def test_what_a_wrong_recipe_is_answered(
    tmp_path: Path, fake: FakeTarget, old: str, new: str, kind: type[Exception], message: str
) -> None:
    recognition_run.write_words(tmp_path / "data")
    text = recognition_run.recipe_text()
    assert old in text
    (tmp_path / "r.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(kind, match=message):
        mbdc.run(
            read_recipe(tmp_path / "r.yaml", data_dir=tmp_path / "data", repository=tmp_path / "repo"),
            work_dir=tmp_path / "work",
            progress=False,
        )
    assert fake.jobs == []


def test_relabelling_is_for_another_approach(tmp_path: Path) -> None:
    text = recognition_run.recipe_text().replace(
        "name: tail_characters, options: {words: 240, at_least: 30, seed: 1}", "name: relabel_occurrences"
    )
    (tmp_path / "r.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"does not fit the approach 'text_recognition'.*It is for extractive_qa"):
        mbdc.run(tmp_path / "r.yaml", progress=False)


def test_made_rows_have_ids_of_their_own(tmp_path: Path, fake: FakeTarget) -> None:
    plan = recipe(tmp_path, second="{words: 240, at_least: 5, seed: 1}")
    with pytest.raises(RecipeError, match=r"the id of another row .*seed.*give the step another one"):
        mbdc.run(plan, work_dir=tmp_path / "work", progress=False)


def test_rare_characters_are_rare(tmp_path: Path) -> None:
    """The made-up words are as the other tests need them."""
    rows = mbdc.load_dataset(
        "word_list", recognition_run.write_words(tmp_path), words="words.txt", natural=(120, 30, 60)
    )
    counts = Counter("".join(rows["train"]["text"][:]))
    assert max(counts[c] for c in RARE) < recognition_run.SEEN < min(counts[c] for c in COMMON)
