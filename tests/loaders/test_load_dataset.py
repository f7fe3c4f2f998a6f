from __future__ import annotations

import doctest
import importlib
import subprocess
import sys

import datasets
import pytest

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.loaders import LOADERS, load_dataset, load_with_rejected

MODULES = (
    "__init__",
    "docvqa",
    "files",
    "hocr",
    "icdar_words",
    "lmdb_words",
    "pages",
    "questions",
    "receipt_writer",
    "splits",
    "squad",
    "sroie",
    "word_images",
    "word_list",
)


@pytest.mark.parametrize("load", [load_dataset, load_with_rejected])
@pytest.mark.parametrize(
    ("name", "meant"),
    [("sorie", "sroie"), ("made_reciepts", "made_receipts"), ("maid_reciepts", None), ("SQuAD", "squad")],
)
def test_a_slip_names_the_nearest_loader(load, name, meant, monkeypatch):
    monkeypatch.setattr("datasets.load_dataset", missing)
    with pytest.raises(DataError) as caught:
        load(name, "anywhere")
    if meant:
        assert str(caught.value) == (
            f"There is no data set {name!r}. Did you mean {meant!r}? "
            "A set on the Hub is named with its owner, as in 'rajpurkar/squad'."
        )
    else:  # further away: it is asked for elsewhere first
        assert str(caught.value) == (
            f"There is no data set {name!r} that can be reached. Did you mean 'made_receipts'? Our loaders are "
            f"{', '.join(LOADERS)}; any other name is a set on the Hub (with its owner) or a folder. "
            f"Dataset {name!r} doesn't exist on the Hub"
        )


def missing(name, **options):
    raise datasets.exceptions.DatasetNotFoundError(f"Dataset {name!r} doesn't exist on the Hub")


@pytest.mark.parametrize("load", [load_dataset, load_with_rejected])
@pytest.mark.parametrize("name", [None, "", "  ", 3, ["sroie"]])
def test_no_name(load, name):
    with pytest.raises(DataError) as caught:
        load(name)
    assert str(caught.value) == (
        f"A data set is named by text, not by {name!r}. "
        f"Name one of ours ({', '.join(LOADERS)}), a folder, "
        "or a set on the Hub with its owner."
    )


def test_other_names_go_to_datasets(tmp_path):
    (tmp_path / "train.csv").write_text("id,n\na,1\n")
    assert load_dataset(str(tmp_path), split="train").to_list() == [{"id": "a", "n": 1}]
    assert load_dataset(tmp_path, split="train").to_list() == [{"id": "a", "n": 1}]
    assert load_dataset("csv", data_dir=tmp_path, split="train").to_list() == [{"id": "a", "n": 1}]


def test_no_such_data_set(monkeypatch):
    monkeypatch.setattr("datasets.load_dataset", missing)
    with pytest.raises(
        DataError, match=r"There is no data set 'me/nothing' that can be reached\. Our loaders are docvqa, "
    ):
        load_dataset("me/nothing")


def test_a_near_name_that_datasets_knows_is_no_slip(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("datasets.load_dataset", lambda name, **options: name)
        assert load_dataset("oscar") == "oscar"  # two letters more than 'ocr', which is short
    monkeypatch.chdir(tmp_path)
    (tmp_path / "squads").mkdir()
    (tmp_path / "squads" / "train.csv").write_text("id,n\na,1\n")
    assert load_dataset("squads", split="train").to_list() == [{"id": "a", "n": 1}]
    monkeypatch.setattr("datasets.load_dataset", lambda name, **options: name)
    assert load_dataset("squad_v2") == "squad_v2"


def test_other_data_sets_have_nothing_that_was_set_aside(tmp_path):
    (tmp_path / "train.csv").write_text("id,n\na,1\n")
    (tmp_path / "test.csv").write_text("id,n\nb,2\n")
    loaded = load_with_rejected(str(tmp_path))
    assert {name: split.to_list() for name, split in loaded.dataset.items()} == {
        "train": [{"id": "a", "n": 1}],
        "test": [{"id": "b", "n": 2}],
    }
    for findings in (loaded.rejected, loaded.mended):
        assert len(findings) == 0
        assert findings.features == load_with_rejected("made_receipts", documents=30).rejected.features
    one = load_with_rejected("csv", tmp_path, split="test").dataset
    assert isinstance(one, datasets.DatasetDict)
    assert {name: split["id"][:] for name, split in one.items()} == {"train": ["b"]}


@pytest.mark.parametrize(
    ("option", "kind"), [({"streaming": True}, "IterableDatasetDict"), ({"split": ["train"]}, "list")]
)
def test_what_was_set_aside_of_a_stream(tmp_path, option, kind):
    (tmp_path / "train.csv").write_text("id,n\na,1\n")
    with pytest.raises(DataError) as caught:
        load_with_rejected(str(tmp_path), **option)
    assert str(caught.value) == (
        f"What was set aside cannot be told of {kind}. Leave out streaming, and name one split or none."
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"split": "dev"},
            r"datasets cannot load '.*': Unknown split \"dev\"\. Should be one of \['train'\]\. Mend what it",
        ),
        ({"sed": 1}, r"datasets cannot load '.*': BuilderConfig CsvConfig\(.*doesn't have a 'sed' key\. Mend what it"),
    ],
)
def test_what_datasets_refuses(tmp_path, options, message):
    (tmp_path / "train.csv").write_text("id,n\na,1\n")
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path, **options)


def test_a_file_that_datasets_cannot_read(tmp_path):
    (tmp_path / "train.json").write_text('{"a": ')
    with pytest.raises(DataError, match=r"datasets cannot load '.*': .*JSON.*\. Mend what it names\."):
        load_dataset(tmp_path)


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
    assert isinstance(streamed, datasets.IterableDatasetDict)
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
    module, class_name = LOADERS[name]
    assert issubclass(getattr(importlib.import_module(module), class_name), datasets.GeneratorBasedBuilder)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    module = importlib.import_module("hf_mbdc.loaders" if name == "__init__" else f"hf_mbdc.loaders.{name}")
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0
    assert outcome.failed == 0
