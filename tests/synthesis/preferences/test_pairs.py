"""Pairs from scored completions: what is chosen, what is dropped and why, and that no bad pair can come out."""

from __future__ import annotations

from typing import Any

import pytest
from datasets import Dataset, Features, List, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.synthesis.preferences.layouts import check_layout
from hf_mbdc.synthesis.preferences.pairs import PairOptions, build_pairs

TYPES = {
    "id": Value("string"),
    "prompt": Value("string"),
    "completions": List(Value("string")),
    "scores": List(Value("float64")),
    "finish_reasons": List(Value("string")),
    "models": List(Value("string")),
}


def scored(*rows: dict[str, Any]) -> Dataset:
    """Rows with ids p0, p1, … and a prompt, where they have none."""
    filled = [{"id": f"p{n}", "prompt": f"prompt {n}", **row} for n, row in enumerate(rows)]
    names = list(dict.fromkeys(name for row in filled for name in row))
    return Dataset.from_list(filled, features=Features({name: TYPES[name] for name in names}))


def completions(**score_of: float | None) -> dict[str, Any]:
    return {"completions": list(score_of), "scores": list(score_of.values())}


def test_the_best_and_the_worst_make_a_pair() -> None:
    made = build_pairs(scored(completions(good=0.9, fair=0.5, bad=0.1)))
    assert made.rows.to_list() == [
        {
            "id": "p0",
            "prompt": "prompt 0",
            "chosen": "good",
            "rejected": "bad",
            "chosen_score": 0.9,
            "rejected_score": 0.1,
            "mbdc_source": "build_pairs",
            "mbdc_parent_id": "p0",
            "mbdc_model": None,
        }
    ]
    assert (made.record.added, made.record.rejected, made.record.reasons) == (1, 0, {})


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"completions": [], "scores": []}, "the prompt has no completion"),
        ({"completions": None, "scores": None}, "the prompt has no completion"),
        (completions(a=1.0), "fewer than two completions can be used"),
        (completions(a=1.0, b=None), "fewer than two completions can be used"),
        (completions(a=1.0, b=float("nan")), "fewer than two completions can be used"),
        (completions(a=1.0, b=float("inf")), "fewer than two completions can be used"),
        ({"completions": ["a", " a\n"], "scores": [1.0, 0.0]}, "fewer than two completions can be used"),
        ({"completions": ["a", " \n"], "scores": [1.0, 0.0]}, "fewer than two completions can be used"),
        (completions(a=1.0, b=1.0), "all completions have the same score"),
        (completions(a=1.0, b=0.8), "no completion is worse by the minimum margin"),
        ({"completions": ["a" * 10, "b"], "scores": [1.0, 0.0]}, "every worse completion is too different in length"),
        ({**completions(a=1.0, b=0.0), "prompt": " "}, "the prompt is empty"),
        (
            # The mean of x is .2 but for rounding.
            {"completions": ["x", "x", "x", "y"], "scores": [0.1, 0.2, 0.3, 0.2]},
            "all completions have the same score",
        ),
    ],
)
def test_what_makes_no_pair_is_dropped_with_its_reason(row: dict[str, Any], reason: str) -> None:
    made = build_pairs(scored(row), PairOptions(minimum_margin=0.3, max_length_ratio=2.0))
    assert made.rows.num_rows == 0
    assert made.dropped.to_list() == [{"id": "p0", "reason": reason}]
    assert made.record.reasons[reason] == 1


@pytest.mark.parametrize("said", ["", " \n", None])
def test_a_conversation_without_a_text_is_no_prompt(said: str | None) -> None:
    talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": said}]
    given = Dataset.from_list([{"id": "p0", "prompt": talk, **completions(a=1.0, b=0.0)}])
    for layout in ("preference", "kto"):
        made = build_pairs(given, PairOptions(layout=layout, good_from=0.5))
        assert (len(made.rows), set(made.dropped["reason"][:])) == (0, {"the prompt is empty"})


def test_completions_that_cannot_be_used_are_set_aside_with_their_reason() -> None:
    row = {
        "completions": ["cut off", "", "unread", "fine", "fine ", "worse"],
        "scores": [1.0, 1.0, None, 0.8, 0.4, 0.5],
        "finish_reasons": ["length", "stop", "stop", "stop", None, "stop"],
    }
    made = build_pairs(scored(row))
    assert made.set_aside.to_list() == [
        {"id": "p0", "reason": "the completion was cut off", "completion": 1},
        {"id": "p0", "reason": "the completion is empty", "completion": 2},
        {"id": "p0", "reason": "the completion has no score", "completion": 3},
        {"id": "p0", "reason": "the completion repeats another one of its prompt", "completion": 5},
    ]
    [pair] = made.rows.to_list()
    assert (pair["chosen"], pair["rejected"]) == ("fine", "worse")
    assert pair["chosen_score"] == pytest.approx(0.6)  # the mean of .8 and .4, as the texts are the same


def test_a_margin_is_kept_although_0_7_minus_0_4_is_less_than_0_3() -> None:
    made = build_pairs(scored(completions(a=0.7, b=0.4)), PairOptions(minimum_margin=0.3))
    assert made.rows.num_rows == 1


def test_the_rejected_one_follows_the_rule() -> None:
    scores = {f"c{n:02}": float(n) for n in range(20)} | {"awful": -50.0}
    by_rule = {
        rule: build_pairs(scored(completions(**scores)), PairOptions(rejected=rule)).rows[0]["rejected"]
        for rule in ("lowest", "mu-2sigma")
    }
    # mean (190 − 50) / 21 = 6.67, standard deviation 13.83: −21.0, to which c00 is nearer than −50
    assert by_rule == {"lowest": "awful", "mu-2sigma": "c00"}


def test_a_random_rejected_one_depends_on_seed_and_prompt_alone() -> None:
    row = completions(best=9.0, **{f"c{n}": float(n) for n in range(8)})
    rows = [{**row, "id": f"x{n}"} for n in range(40)]
    made = build_pairs(scored(*rows), PairOptions(rejected="random"))
    backwards = build_pairs(scored(*rows[::-1]), PairOptions(rejected="random"))
    others = build_pairs(scored(*rows), PairOptions(rejected="random", seed=1))
    drawn = made.rows["rejected"][:]
    assert drawn == backwards.rows["rejected"][:][::-1]
    assert drawn != others.rows["rejected"][:]
    assert set(drawn) == {f"c{n}" for n in range(8)}


def test_equally_good_ones_are_drawn_not_taken_in_order() -> None:
    rows = [completions(first=1.0, second=1.0, bad=0.0) for _ in range(60)]
    chosen = build_pairs(scored(*rows)).rows["chosen"][:]
    assert 15 < chosen.count("first") < 45


def test_length_control_takes_a_worse_one_that_is_alike() -> None:
    row = {"completions": ["x" * 100, "y" * 90, "z"], "scores": [1.0, 0.5, 0.0]}
    assert build_pairs(scored(row)).rows[0]["rejected"] == "z"
    assert build_pairs(scored(row), PairOptions(max_length_ratio=1.2)).rows[0]["rejected"] == "y" * 90


def test_the_share_of_longer_chosen_ones_is_told() -> None:
    long, short = completions(aaaa=1.0, b=0.0), completions(aaaa=0.0, b=1.0)
    assert build_pairs(scored(long, long, long, short)).longer_chosen == 0.75
    assert build_pairs(scored({"completions": [], "scores": []})).longer_chosen is None


def test_reward_rows_have_the_margin() -> None:
    made = build_pairs(scored(completions(a=0.75, b=0.5)), PairOptions(layout="reward"))
    assert made.rows[0]["margin"] == 0.25


def test_kto_has_a_label_for_each_completion_and_drops_what_lies_between() -> None:
    made = build_pairs(
        scored(completions(a=1.0, b=0.5, c=0.0, d=None)), PairOptions(layout="kto", good_from=0.8, bad_below=0.2)
    )
    rows = [(row["id"], row["completion"], row["label"]) for row in made.rows.to_list()]
    assert rows == [("p0~1", "a", True), ("p0~3", "c", False)]
    assert made.dropped.to_list() == [{"id": "p0", "reason": "the score lies between good and bad"}]


def test_rejection_sampling_keeps_the_best_good_ones() -> None:
    row = completions(a=0.2, b=1.0, c=0.9, d=0.8)
    made = build_pairs(scored(row), PairOptions(layout="sft", good_from=0.5, per_prompt=2))
    assert made.rows["completion"][:] == ["b", "c"]
    assert sorted(made.dropped["reason"][:]) == ["better completions of the prompt are enough", "the score is too low"]


def test_conversations_stay_conversations_and_text_can_become_one() -> None:
    asked = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "2+2?"}]
    rows = Dataset.from_list([{"id": "a", "prompt": asked, **completions(four=1.0, five=0.0)}])
    [pair] = build_pairs(rows).rows.to_list()
    assert pair["prompt"] == asked
    assert pair["chosen"] == [{"role": "assistant", "content": "four"}]
    [made] = build_pairs(scored(completions(a=1.0, b=0.0)), PairOptions(conversational=True)).rows.to_list()
    assert made["prompt"] == [{"role": "user", "content": "prompt 0"}]
    with pytest.raises(RecipeError, match="The prompts are conversations"):
        build_pairs(rows, PairOptions(conversational=False))


def test_the_model_of_the_chosen_one_is_kept() -> None:
    made = build_pairs(scored({**completions(a=0.0, b=1.0), "models": ["one@1", "two@2"]}))
    assert made.rows[0]["mbdc_model"] == "two@2"
    assert made.record.model == "two@2"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (Dataset.from_dict({"prompt": ["a"]}), "The rows have no id or no prompt"),
        (Dataset.from_dict({"id": ["a"], "prompt": ["a"]}), r"The columns \['completions', 'scores'\] are missing"),
        (scored({**completions(a=1.0), "id": "x"}, {**completions(a=1.0), "id": "x"}), "there twice .id 'x'"),
        (scored({"completions": ["a"], "scores": [1.0, 2.0]}), "has 1 completions and 2 scores .id 'p0'"),
        (scored({**completions(a=1.0), "models": ["m", "n"]}), "not as many models as completions"),
    ],
)
def test_wrong_rows_are_told(rows: Dataset, message: str) -> None:
    with pytest.raises(DataError, match=message):
        build_pairs(rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "dpo"}, "There is no such layout"),
        ({"rejected": "worst"}, "There is no such rule"),
        ({"minimum_margin": -1.0}, "not a number of at least 0"),
        ({"minimum_margin": float("nan")}, "not a number of at least 0"),
        ({"max_length_ratio": 0.5}, "at least 1"),
        ({"layout": "kto"}, "kto needs good_from"),
        ({"layout": "kto", "good_from": 0.5, "bad_below": 0.6}, "overlap"),
        ({"layout": "sft", "good_from": 0.5, "per_prompt": 0}, "At least one completion"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        PairOptions(**options)


TEXTS = st.sampled_from(["", " ", "a", "a ", "b", "bb", "b" * 40, "é", "e\u0301"])
SCORES = st.one_of(
    st.none(), st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5, 1.0, float("nan"), float("inf"), -float("inf")])
)
ONE = st.tuples(TEXTS, SCORES, st.sampled_from(["stop", "length", None]))
PROMPTS = st.lists(st.tuples(st.sampled_from(["", "q", "r"]), st.lists(ONE, max_size=6)), max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    prompts=PROMPTS,
    layout=st.sampled_from(["preference", "reward", "kto", "sft"]),
    rejected=st.sampled_from(["lowest", "random", "mu-2sigma"]),
    margin=st.sampled_from([0.0, 0.5]),
    ratio=st.sampled_from([None, 1.0, 2.0]),
)
def test_no_bad_row_comes_out_and_nothing_is_lost(
    prompts: list[Any], layout: Any, rejected: Any, margin: float, ratio: float | None
) -> None:
    rows = [
        {"prompt": prompt, "completions": [o[0] for o in of], "scores": [o[1] for o in of]}
        | {"finish_reasons": [o[2] for o in of]}
        for prompt, of in prompts
    ]
    given_rows = scored(*rows) if rows else scored(completions(a=1.0)).select([])
    made = build_pairs(given_rows, PairOptions(layout, rejected, margin, ratio, good_from=0.5, bad_below=0.5))
    if len(made.rows):
        check_layout(made.rows, layout)
    of = {f"p{n}": {(o[0].strip(), o[2]) for o in of} for n, (_, of) in enumerate(prompts)}
    paired = layout in ("preference", "reward")
    for row in made.rows.to_list():
        for name in ("chosen", "rejected") if paired else ("completion",):
            reasons = {reason for text, reason in of[row["mbdc_parent_id"]] if text == row[name].strip()}
            assert reasons - {"length"}  # as it stands it was not cut off
        if paired:
            assert row["chosen_score"] - row["rejected_score"] >= max(margin, 1e-9)
            assert row["chosen"].strip() != row["rejected"].strip()
            if ratio:
                longer, shorter = sorted((len(row["chosen"].strip()), len(row["rejected"].strip())), reverse=True)
                assert longer <= ratio * shorter
    number = sum(len(of) for _, of in prompts)
    aside = made.set_aside.num_rows
    assert len(made.rows) + len(made.dropped) == (len(prompts) if paired else number - aside)
    assert sum(made.record.reasons.values()) == len(made.dropped) + aside
