"""Places that share grams with a needle: the same for one needle and for many, however long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.transforms.characters import code_points
from hf_mbdc.transforms.locate import SearchText, locate, locate_all
from hf_mbdc.transforms.votes import STRETCH, Votes, count_votes, grams, voters

PAGE = "pay to restoran wan shenc of jalan sagu 18 taman daya within 30 days or call the number below"


def votes_of(text: str, needles: list[str]) -> list[Votes]:
    return count_votes([grams(code_points(f" {text} "))], needles, [0] * len(needles))


def places(needle: str) -> list[int]:
    (votes,) = votes_of(PAGE, [needle])
    return votes.places


def test_the_place_is_found_to_within_a_stretch() -> None:
    for needle in ("restoran wan sheng", "wan sh3nc", "taman daya within 20 days or caII the nunber below"):
        assert any(abs(place - PAGE.index(needle[:3])) <= STRETCH for place in places(needle))
    assert places("entirely different") == []


def test_every_gram_of_a_short_needle_votes_and_some_of_a_long_one() -> None:
    (short, long) = votes_of(PAGE, [PAGE[7:25], PAGE])
    assert (short.most, int(long.stretches.sum())) == (20, 2 * 37)  # some grams stand there twice
    assert voters(47) == 47
    assert voters(len(PAGE)) == 31


@given(st.lists(st.text(alphabet="abc ", min_size=1, max_size=40), min_size=1, max_size=40), st.text(alphabet="abc "))
def test_needles_do_not_see_each_other(needles: list[str], text: str) -> None:
    needles, text = [" ".join(needle.split()) or "b" for needle in needles], " ".join(text.split())
    for needle, votes in zip(needles, votes_of(text, needles), strict=True):
        (alone,) = votes_of(text, [needle])
        assert (votes.most, votes.places) == (alone.most, alone.places)


def test_questions_of_a_text_do_not_see_each_other() -> None:
    asked = [["restoran wan sheng"], ["nobody", "Jalan Sgau 18"], [], ["38 days", "30 days"], ["taman  daya"], ["30 d"]]
    text = SearchText(PAGE)
    together = locate_all([(text, answers) for answers in asked])
    assert together == [locate(text, answers) for answers in asked]
    assert [len(found) for found in together] == [1, 1, 0, 1, 1, 1]
    assert locate_all([(text, asked[0])], max_distance=0) == [[]]
