"""The approximate search: the distances are true, the ends are where they should be, however long the needle."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from hf_mbdc.transforms.search import Asked, SearchIndex, nearest


def parts(text: str, needle: str, limit: int) -> list[tuple[str, int]]:
    [(found, _)] = nearest([Asked(SearchIndex(text), needle, limit)])
    return [(text[near.start : near.end], near.distance) for near in found]


def test_needles_may_be_longer_than_machine_words() -> None:
    needle = "".join(chr(0x4E00 + i % 700) for i in range(700))
    text = "x" * 50 + needle[:300] + "!" + needle[300:] + "y" * 50
    assert parts(text, needle, 5) == [(needle[:300] + "!" + needle[300:], 1)]


def test_a_needle_of_more_than_256_symbols() -> None:
    words = " ".join(f"word{number}" for number in range(60))
    text = f"before {words.replace('word30', 'wcrd30')} after"
    assert len(words) > 256
    assert parts(text, words, 20)[0] == (words.replace("word30", "wcrd30"), 1)


def test_inserted_characters_do_not_cut_the_end_off() -> None:
    assert parts("pay to jalan sxxxagu taman daya now", "jalan sagu taman daya", 5) == [("jalan sxxxagu taman daya", 3)]
    assert parts("pay to jalan sagu taman daxxya now", "jalan sagu taman daya", 5) == [("jalan sagu taman daxxya", 2)]


def test_split_and_merged_words() -> None:
    assert parts("see the exam ple of it", "the example of", 3) == [("the exam ple of", 1)]
    assert parts("see theexampie of it", "the example of", 3) == [("theexampie of", 2)]


def test_a_neighbour_that_is_stuck_to_the_needle_is_cut_off() -> None:
    text = "under the conquestof jerusalem and his men were"
    assert parts(text, "of jerusalem and his men", 4) == [("of jerusalem and his men", 0)]
    text = "the object to falltowards the ground"
    assert parts(text, "tha object to fall", 4) == [("the object to fall", 1)]


def test_words_beside_it_are_no_part_of_it() -> None:
    assert parts("the subang healthcare sdn ic no of", "subang healthcare sdn bhd", 8) == [("subang healthcare sdn", 4)]


def test_every_place_is_found() -> None:
    text = "restoran wan shenc of here and restoran wan shenq of there"
    assert parts(text, "restoran wan sheng", 3) == [("restoran wan shenc", 1), ("restoran wan shenq", 1)]


def test_nothing_near() -> None:
    assert parts("entirely different words", "subang healthcare", 4) == []
    assert parts("", "abcdefgh", 2) == []


@given(st.text(alphabet="abcdefgh ", min_size=10, max_size=40), st.text(alphabet="abcdefgh ", max_size=60))
def test_the_reported_distance_is_true_and_within_the_limit(needle: str, text: str) -> None:
    needle, text = " ".join(needle.split()) or "a", " ".join(text.split())
    [(found, _)] = nearest([Asked(SearchIndex(text), needle, 3)])
    for near in found:
        assert 0 <= near.start < near.end <= len(text)
        assert near.distance == Levenshtein.distance(needle, text[near.start : near.end]) <= 3


def test_a_piece_that_stands_twice_beside_the_place_says_nothing_about_its_ends() -> None:
    text = "given by the mass of te mass of the object. today, this acceleration due to gravity owards the earth"
    needle = "of the object. today, this acceleration due to gravity towards"
    assert parts(text, needle, 20)[0] == ("of the object. today, this acceleration due to gravity owards", 1)


def test_a_cut_inside_a_word_leaves_the_needles_own_word() -> None:
    text = "pay the invoice no. 4711 international limited"
    assert all(not part.startswith("ice") for part, _ in parts(text, "acme holdings international limited", 20))


def test_windows_near_the_end_of_a_text_do_not_reach_into_the_next_one() -> None:
    text = SearchIndex("restoran wan shenc")
    one = Asked(text, "rstoran wan sheng", 7)
    other = Asked(SearchIndex("restoran wan sheng of here, restoran wan sheng of there"), "wan sheng of", 3)
    alone = nearest([one])[0][0]
    assert alone == [(0, 18, 2)]
    assert [near for near, _ in nearest([other, one, other, one])][1::2] == [alone, alone]


def test_every_occurrence_has_its_own_end() -> None:
    assert [near[0] for near in parts("restoran wan sheng, " * 3, "rstoran wan sheng", 7)] == ["restoran wan sheng"] * 3


def test_a_longer_needle_does_not_widen_the_window_of_another() -> None:
    one = Asked(SearchIndex("de fgh abc de fgh abc de fgh abc de fgh abc de fgh abc"), "afgh", 3)
    assert [near for near, _ in nearest([Asked(SearchIndex(""), "aaaaaaaaa", 3), one])] == [[], [(47, 50, 1)]]


@given(st.lists(st.tuples(st.sampled_from(["", "ab", "abc de", "de fgh abc " * 5]), st.text("abcdefgh ", min_size=4))))
def test_nothing_depends_on_what_else_is_asked(pairs: list[tuple[str, str]]) -> None:
    asked = [Asked(SearchIndex(text.strip()), " ".join(needle.split()) or "a", 3) for text, needle in pairs]
    assert [near for near, _ in nearest(asked)] == [nearest([one])[0][0] for one in asked]
