from __future__ import annotations

import doctest
import importlib
import subprocess
import sys

import pytest
from datasets import IterableDatasetDict

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.loaders import LOADERS, load_dataset, load_with_rejected

MODULES = ("__init__", "docvqa", "pages", "receipt_writer", "splits", "squad", "sroie")


def test_a_slip_names_the_nearest_loader():
    with pytest.raises(DataError) as caught:
        load_dataset("sorie", "anywhere")
    assert str(caught.value) == (
        "There is no data set 'sorie'. Did you mean 'sroie'? "
        "A set on the Hub is named with its owner, as in 'rajpurkar/squad'."
    )


def test_other_names_go_to_datasets(tmp_path):
    (tmp_path / "train.csv").write_text("id,n\na,1\n")
    assert load_dataset(str(tmp_path), split="train").to_list() == [{"id": "a", "n": 1}]
    assert load_dataset("csv", data_dir=tmp_path, split="train").to_list() == [{"id": "a", "n": 1}]


def test_no_such_data_set(monkeypatch):
    import datasets

    def missing(name, **options):
        raise datasets.exceptions.DatasetNotFoundError(f"Dataset {name!r} doesn't exist on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", missing)
    with pytest.raises(
        DataError, match=r"There is no data set 'me/nothing' that can be reached\. Our loaders are docvqa, "
    ):
        load_dataset("me/nothing")


def test_only_our_loaders_report_what_was_rejected():
    with pytest.raises(
        DataError, match=r"'csv' is not a loader of ours\. Ours are docvqa, made_receipts, squad, sroie"
    ):
        load_with_rejected("csv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sed": 1}, r"The loader 'made_receipts' has no option 'sed' \(key 'sed'\)\. Did you mean 'seed'\?"),
        ({"xyz": 1}, r"Its options are documents, seed, split_by, split_fractions"),
        ({"input_hash": "0"}, r"has no option 'input_hash'"),
        ({"seed": "0"}, r"seed is '0' \(key 'seed'\)\. Give a whole number\."),
        ({"seed": True}, r"seed is True"),
        ({"split_by": "page"}, r"split_by is 'page' .*This loader can split by 'document' or 'vendor'\."),
        ({"split_fractions": [0.9, 0, 0]}, r"split_fractions is \(0.9, 0, 0\)"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(RecipeError, match=message):
        load_dataset("made_receipts", **options)


@pytest.mark.parametrize("streaming", [False, True])
def test_no_such_split(streaming):
    with pytest.raises(DataError, match=r"The split cannot be read: .*'train', 'validation', 'test'.*\(split 'dev'\)"):
        load_dataset("made_receipts", documents=30, split="dev", streaming=streaming)


def test_split_slices_and_all_splits():
    splits = load_dataset("made_receipts", documents=30)
    assert list(splits) == ["train", "validation", "test"]
    some = load_dataset("made_receipts", documents=30, split="train[:3]")
    assert some["id"][:] == splits["train"]["id"][:3]


def test_streaming_gives_the_same_rows():
    streamed = load_dataset("made_receipts", documents=30, streaming=True)
    assert isinstance(streamed, IterableDatasetDict)
    for split, rows in load_dataset("made_receipts", documents=30).items():
        assert [row["id"] for row in streamed[split]] == rows["id"][:]
        assert streamed[split].features == rows.features


def test_rows_do_not_depend_on_the_hash_seed(tmp_path):
    code = (
        "from hf_mbdc.loaders.builder import code_hash\n"
        "from hf_mbdc.loaders import load_dataset\n"
        "d = load_dataset('made_receipts', documents=12, split_fractions=(0.5, 0, 0.5))\n"
        "print(code_hash(), [d[s]['id'][:] for s in d], d['train'].cache_files[0]['filename'])"
    )
    env = {"HF_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1"}
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**env, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1] != ""


@pytest.mark.parametrize("name", sorted(LOADERS))
def test_loaders_are_builder_classes_of_datasets(name):
    import datasets

    module, class_name = LOADERS[name]
    assert issubclass(getattr(importlib.import_module(module), class_name), datasets.GeneratorBasedBuilder)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    module = importlib.import_module("hf_mbdc.loaders" if name == "__init__" else f"hf_mbdc.loaders.{name}")
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0
    assert outcome.failed == 0
