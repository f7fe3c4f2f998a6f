"""Recipes: what they become, and what a wrong one is answered with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hf_mbdc.errors import RecipeError
from hf_mbdc.recipe import HalvingRecipe, Recipe, check_options, packaged_recipes, read_recipe, recipe_to_dict
from hf_mbdc.records import build
from hf_mbdc.steps import check_steps, find_step

MINIMAL = """
repo_id: me/x
dataset: {name: sroie}
approach: {name: extractive_qa}
iterations: [{message: first}]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", packaged_recipes())
def test_every_packaged_recipe_is_right(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.repo_id == f"me/{name}"
    check_steps(recipe)
    assert all(find_step(step.name).splits == "all" for step in recipe.iterations[0].steps)  # they only prepare rows
    assert all(step.why for item in recipe.iterations for step in item.steps)


def test_a_minimal_recipe_gets_the_defaults(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, MINIMAL))
    assert (recipe.target.model, recipe.repository, recipe.evaluation.seeds) == ("layout_span", "./repo", (0,))


def test_arguments_take_the_place_of_keys(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, MINIMAL), data_dir="d", repository="r", repo_id="a/b")
    assert (recipe.dataset.data_dir, recipe.repository, recipe.repo_id) == ("d", "r", "a/b")


def test_the_resolved_recipe_names_no_path_of_the_machine(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, MINIMAL), data_dir="/home/someone/data", repository="/home/someone/repo")
    assert "/home" not in str(recipe_to_dict(recipe))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("repo_id: me/x", "repo_idd: me/x", r"Unknown key .*key 'repo_idd'.* Did you mean 'repo_id'\?"),
        ("{name: sroie}", "{nam: sroie}", r"key 'dataset.nam'.* Did you mean 'name'\?"),
        ("[{message: first}]", "[{message: first, zzz: 1}]", r"key 'iterations\[0\].zzz'.* The keys here are: message"),
        ("[{message: first}]", "{message: first}", r"wants a list .*key 'iterations'"),
        ("[{message: first}]", "[{steps: []}]", r"missing .*key 'iterations\[0\].message'.* Add 'message'"),
        ("me/x", "7", r"wants text .*key 'repo_id', value 7"),
        ("{name: sroie}", "{}", r"starts from a dataset or from a revision"),
        ("{name: sroie}", "{name: sroie, revision: v1.0.0}", r"exactly one of dataset.name and dataset.revision"),
        ("{name: sroie}", "{name: [", r"not YAML .*line"),
        ("[{message: first}]", "[]", r"at least one iteration .*key 'iterations'"),
        ("[{message: first}]", "[{message: a, steps: [{name: x}], mix: {}}]", r"nothing to be .*iterations\[0\]\.mix"),
        (
            "[{message: first}]",
            "[{message: a}, {message: b}]",
            r"after the baseline has steps .*iterations\[1\]",
        ),
        ("{name: sroie}", "{revision: v1.0.0, data_dir: x}", r"not read from files .*key 'dataset.data_dir'"),
    ],
)
def test_a_wrong_recipe_is_answered_with_the_place_and_the_mend(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        read_recipe(write(tmp_path, MINIMAL.replace(old, new)))


def test_an_unknown_recipe_is_answered_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"recipe 'recepits'.* Did you mean 'receipts'\?"):
        read_recipe("recepits")


def test_seeds_must_be_whole_numbers(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"wants a whole number .*evaluation.seeds\[1\].*value 'a'"):
        read_recipe(write(tmp_path, MINIMAL + "evaluation: {seeds: [0, a]}\n"))


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("evaluation: {seeds: []}", r"different whole numbers .*evaluation\.seeds', value \[\]"),
        ("evaluation: {seeds: [0, 0]}", r"different whole numbers .*evaluation\.seeds"),
        ("evaluation: {seeds: [-1]}", r"different whole numbers .*evaluation\.seeds"),
        ("evaluation: {confidence: 95}", r"between 0 and 1 .*evaluation\.confidence', value 95"),
        ("evaluation: {minimum_effect: .inf}", r"not finite .*evaluation\.minimum_effect"),
        ("evaluation: {split: train}", r"trained on this split .*evaluation\.split.*no step touches"),
        ("evaluation: {decisions: 0}", r"at least one decision .*evaluation\.decisions', value 0.*such as 20"),
        ("evaluation: {decisions: many}", r"wants a whole number .*evaluation\.decisions', value 'many'"),
        ("evaluation: {decision: 5}", r"key 'evaluation\.decision'.* Did you mean 'decisions'\?"),
        ("evaluation: {control: yes please}", r"wants true or false .*evaluation\.control"),
        ("evaluation: {control: 1}", r"wants true or false .*evaluation\.control', value 1"),
        ("evaluation: {controls: true}", r"key 'evaluation\.controls'.* Did you mean 'control'\?"),
        ("evaluation: {final: test}", r"used in the loop .*evaluation\.final', value 'test'.*neither trains nor"),
        ("evaluation: {final: train}", r"used in the loop .*evaluation\.final', value 'train'"),
        ("evaluation: {final: [validation]}", r"wants text .*evaluation\.final"),
        ("halving: {split: test}", r"does other work .*halving\.split', value 'test'.*as validation"),
        ("halving: {smallest: 0}", r"at least 1 .*halving\.smallest', value 0"),
        ("halving: {eta: 1}", r"at least 2 .*halving\.eta"),
        ("halving: {smalest: 5}", r"key 'halving\.smalest'.* Did you mean 'smallest'\?"),
        ("target: {training: {seed: 7}}", r"sets this itself .*target\.training\.seed.*evaluation\.seeds"),
        ("target: {training: {objective: marginal}}", r"sets this itself .*target\.training\.objective"),
    ],
)
def test_values_out_of_range_are_told_with_their_place(tmp_path: Path, part: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_recipe(write(tmp_path, f"{MINIMAL}{part}\n"))


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("alternatives: [{name: a, steps: [{name: s}]}]", r"nothing to choose among .*iterations\[1\]\.alternatives"),
        (
            "alternatives: [{name: a, steps: [{name: s}]}, {name: a, steps: [{name: s}]}]",
            r"nothing to choose among .*a name of its own",
        ),
        (
            "alternatives: [{name: a, steps: []}, {name: b, steps: [{name: s}]}]",
            r"alternatives\[0\]\.steps', value 'a'",
        ),
        (
            "steps: [{name: s}], alternatives: [{name: a, steps: [{name: s}]}]",
            r"steps or alternatives .*each alternative",
        ),
        (
            "alternatives: [{name: a, steps: [{name: s}]}, {name: b, steps: [{name: s}]}]",
            r"how the best alternative is found .*key 'halving'.*smallest: 50",
        ),
    ],
)
def test_alternatives_are_checked(tmp_path: Path, item: str, message: str) -> None:
    text = MINIMAL.replace("[{message: first}]", f"[{{message: first}}, {{message: second, {item}}}]")
    with pytest.raises(RecipeError, match=message):
        read_recipe(write(tmp_path, text))


def test_alternatives_come_back_from_the_record(tmp_path: Path) -> None:
    ways = "[{name: a, steps: [{name: s, options: {n: 1}}]}, {name: b, steps: [{name: s}]}]"
    text = MINIMAL.replace("[{message: first}]", f"[{{message: first}}, {{message: second, alternatives: {ways}}}]")
    recipe = read_recipe(write(tmp_path, f"{text}halving: {{smallest: 9}}\n"))
    assert recipe.read_splits == ("test", "validation")
    assert build(Recipe, recipe_to_dict(recipe)).iterations == recipe.iterations
    assert build(Recipe, recipe_to_dict(recipe)).halving == HalvingRecipe(smallest=9)


def test_options_are_checked_with_their_place() -> None:
    from hf_mbdc.synthesis.relabel_occurrences import RelabelOptions
    from hf_mbdc.training.config import TrainingConfig

    with pytest.raises(RecipeError, match=r"at least 2 folds .*key 'iterations\[1\]\.steps\[0\]\.options\.folds"):
        check_options(RelabelOptions, {"folds": 1}, key="iterations[1].steps[0].options")
    with pytest.raises(RecipeError, match=r"epochs is -1 .*key 'target\.training'"):
        check_options(TrainingConfig, {"epochs": -1}, key="target.training")


def test_the_published_recipe_has_no_token_and_no_path() -> None:
    recipe = read_recipe("quickstart")
    options = {"token": "hf_secret", "data_files": ["/home/alice/a.json"], "seed": 3}
    recipe = replace(
        recipe,
        dataset=replace(recipe.dataset, options=options),
        target=replace(recipe.target, model="~/models/bert"),
    )
    data = recipe_to_dict(recipe)
    assert data["dataset"]["options"] == {"data_files": ["a.json"], "seed": 3}
    assert data["target"]["model"] == "bert"


def test_a_recipe_object_is_taken_as_it_is() -> None:
    recipe = read_recipe("quickstart")
    assert isinstance(recipe, Recipe)
    assert read_recipe(recipe) == recipe
