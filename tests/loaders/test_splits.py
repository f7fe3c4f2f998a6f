from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.loaders.splits import SPLITS, assign, group_tie, groups, normalise_vendor, split_of, text_tie

DEFAULT = (0.6, 0.15, 0.25)
TIES = st.lists(st.lists(st.sampled_from([f"t{i}" for i in range(30)]), min_size=1, max_size=3), max_size=40)


def test_literal_assignment_never_changes():
    assert assign([[f"document {number}"] for number in range(12)], DEFAULT, seed=3) == [
        *("train", "train", "train", "validation", "train", "validation"),
        *("train", "train", "test", "train", "test", "validation"),
    ]


def test_fractions_are_met_by_many_groups():
    drawn = assign([[str(number)] for number in range(20_000)], DEFAULT, seed=3)
    assert [drawn.count(split) / len(drawn) for split in SPLITS] == pytest.approx(DEFAULT, abs=0.01)


def test_seeds_differ():
    ties = [[str(number)] for number in range(50)]
    assert assign(ties, DEFAULT, seed=0) != assign(ties, DEFAULT, seed=1)


def test_a_document_that_joins_two_groups_keeps_all_together():
    assert groups([["a"], ["b"], ["c"], ["c", "a"], ["d", "c"]]) == ["a", "b", "a", "a", "a"]


@given(TIES)
def test_documents_that_share_a_tie_are_on_one_side(ties):
    owners = groups(ties)
    side = {}
    for row, owner in zip(ties, owners, strict=True):
        for tie in row:
            assert side.setdefault(tie, owner) == owner


@given(TIES, st.randoms(use_true_random=False))
def test_the_order_of_documents_does_not_matter(ties, rng):
    order = list(range(len(ties)))
    rng.shuffle(order)
    shuffled = groups([ties[i] for i in order])
    assert [shuffled[order.index(i)] for i in range(len(ties))] == groups(ties)


@given(st.lists(st.text(max_size=5), min_size=1, unique=True), st.integers(0, 9))
def test_new_documents_never_move_old_ones(names, seed):
    before = [split_of(name, DEFAULT, seed) for name in groups([[name] for name in names])]
    grown = groups([[name] for name in [*names, "\N{SNOWMAN} new"]])
    assert [split_of(name, DEFAULT, seed) for name in grown[:-1]] == before


def test_fraction_zero_has_no_documents():
    assert assign([["a"], ["b"], ["c"]], (0, 0, 1), seed=0) == ["test"] * 3
    assert set(assign([[str(i)] for i in range(40)], (0.5, 0, 0.5), seed=0)) == {"train", "test"}


def test_an_empty_split_names_a_seed_that_leaves_none_empty():
    ties = [["a"], ["b"], ["c"], ["d"], ["d"]]
    with pytest.raises(DataError) as caught:
        assign(ties, DEFAULT, seed=0)
    assert str(caught.value) == (
        "No document falls into the split: 5 documents in 4 groups are too few (split 'validation', seed 0). "
        "Pass seed=6, which leaves no split empty (in a recipe dataset.options.seed: 6), or change "
        "split_fractions (in a recipe dataset.options.split_fractions), or give more documents."
    )
    assert set(assign(ties, DEFAULT, seed=6)) == set(SPLITS)


def test_two_groups_can_do_without_validation():
    with pytest.raises(DataError) as caught:
        assign([["a"], ["b"]], DEFAULT, seed=1)
    assert caught.value.mend == (
        "Do without validation: split_fractions=(0.75, 0, 0.25), seed=3 (in a recipe "
        "dataset.options.split_fractions: [0.75, 0, 0.25] and dataset.options.seed: 3), or give more documents."
    )
    assert set(assign([["a"], ["b"]], (0.75, 0, 0.25), seed=3)) == {"train", "test"}


@pytest.mark.parametrize("fractions", [DEFAULT, (0, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5)])
def test_one_group_can_only_be_one_split(fractions):
    with pytest.raises(DataError) as caught:
        assign([["a"]], fractions, seed=0)
    assert caught.value.what == "No document falls into the split: 1 document in 1 group is too few"
    assert caught.value.mend == (
        "Give more documents: a group is never divided. To look at them, pass split_fractions=(0, 0, 1), which makes "
        "one split; a recipe (dataset.options.split_fractions) needs documents for train and test."
    )


@pytest.mark.parametrize(
    "bad", [0.5, (1,), (0.5, 0.5), (0.5, 0.5, 0.5), (1.5, -0.5, 0), ("a", 0, 1), (True, 0, 0), None]
)
def test_bad_fractions(bad):
    with pytest.raises(RecipeError, match="Give three numbers from 0 to 1 that add up to 1"):
        assign([["a"]], bad, seed=0)


def test_text_ties_ignore_blanks_only():
    assert text_tie("A  b\r\n\r\nC ") == text_tie("A b\nC")
    assert text_tie("A b C") != text_tie("A b\nC")
    assert group_tie("zebra") < text_tie("a")  # so that a group's name decides, and not a hash of a document in it


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("MR. D.I.Y. (M) SDN BHD", "MR. D. I. Y. (KUCHAI) SDN. BHD."),
        ("99 SPEED MART S/B", "99 Speed Mart Sdn Bhd"),
        ("GARDENIA BAKERIES (KL) SDN BHD", "GARDENIA BAKERIES (KI ) SDN BHD"),
        ("KING'S PIE CO.", "KINGS PIE"),
        ("日本商店（株）", "日本商店 （株）"),
    ],
)
def test_vendors_that_are_one(one, other):
    assert normalise_vendor(one) == normalise_vendor(other) != ""


def test_vendors_that_are_not_one():
    assert normalise_vendor("TEO HENG STATIONERY") != normalise_vendor("TED HENG STATIONERY")
    assert normalise_vendor("CO. (M) BHD") == "cobhd"  # nothing but legal forms: they are all there is
    assert normalise_vendor("(KL)") == "kl"
    assert normalise_vendor("  ") == ""
