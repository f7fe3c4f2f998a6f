"""Every occurrence of an answer, how sure each is, and what is none."""

from __future__ import annotations

import unicodedata
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from hf_mbdc.transforms.characters import continues_cluster
from hf_mbdc.transforms.locate import SearchText, locate, match_score
from hf_mbdc.transforms.numbers import number_value
from hf_mbdc.transforms.text import fold, plain


def found(context: str, *answers: str, max_distance: float = 0.35) -> list[str]:
    return [context[o.start : o.end] for o in locate(SearchText(context), answers, max_distance=max_distance)]


def places(context: str, *answers: str) -> list[tuple[int, float]]:
    return [(o.start, round(o.score, 3)) for o in locate(SearchText(context), answers)]


@pytest.mark.parametrize(
    ("context", "answer", "starts"),
    [
        ("Total 9.00 Cash 9.00", "9.00", [6, 16]),
        ("RM9.00 $9.00 9.00,", "9.00", [2, 8, 13]),
        ("the the end", "the end", [4]),  # a repeated first word
        ("81100\nJOHOR BAHRU", "81100 JOHOR  BAHRU", [0]),
        ("in concatenate cat", "cat", [15]),  # not inside a word where it is a word elsewhere
        ("many Muslims", "Muslim", [5]),  # but there where it is not
        ("서울에서 서울로", "서울", [0, 5]),
        ("東京都", "京", [1]),
        ("ภาษาไทย", "ไทย", [4]),
        ("aaaa", "aa", [0, 2]),
        ("xa a a", "a a", [3]),  # the whole one overlaps one inside a word
        ("e\u0301x", "e", [0]),  # a cluster is cut where nothing else reads the same
        ("on 12.05.2016", "2016", [9]),
        ("x" * 300 + " " + "y" * 300, "y" * 300, [301]),  # above 256 characters
    ],
)
def test_verbatim(context: str, answer: str, starts: list[int]) -> None:
    assert places(context, answer) == [(start, 1.0) for start in starts]


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        ("19.00", "9.00"),
        ("9.005", "9.00"),
        ("1,239.00", "239.00"),
        ("9.00", "00"),
        ("2,016", "16"),
        ("12 1234", "23"),
        ("paid 90.0", "9.00"),
        ("paid 900", "9.00"),
        ("112 apples", "12 apples"),
    ],
)
def test_no_number_inside_another(context: str, answer: str) -> None:
    assert places(context, answer) == []


@pytest.mark.parametrize(
    ("context", "answer", "text"),
    [
        ("Total -9.00", "-9.00", "-9.00"),
        ("Total −9.00", "-9.00", "−9.00"),  # U+2212
        ("Discount:-9.00", "-9.00", "-9.00"),
        ("RM-9.00", "RM -9.00", "-9.00"),
        ("paid -RM9.00 now", "-9.00", "-RM9.00"),
        ("$-9.00", "-$9.0", "-9.00"),
        ("(-1,234.50)", "-1234.5", "-1,234.50"),
        ("cash -9.00 9.00", "9.00", "9.00"),
        ("cash −9.00 9.00", "RM9.00", "9.00"),
        ("by -1250 % x", "-1250%", "-1250 %"),
    ],
)
def test_a_minus_sign_belongs_to_its_number(context: str, answer: str, text: str) -> None:
    assert found(context, answer) == [text]


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        ("Total 5.00", "-5.00"),
        ("-9.00", "9.00"),
        ("Total −9.00", "9.00"),
        ("Discount:-9.00", "9.00"),
        ("(-9.00)", "9.00"),
        ("RM-9.00", "9.00"),
        ("-RM9.00", "9.00"),
        ("-RM9.00", "RM9.00"),
        ("Total RM 9.00", "-RM9.00"),
        ("by -1250 % x", "1250%"),
        ("by 1250 % x", "-1250%"),
        ("RM-1234.00", "RM1234.00"),  # long enough for the third step
        ("RM1234.00", "RM-1234.00"),
        ("a -12345 members of the band", "12345 members of a band"),
        ("a 12345 members of the band", "-12345 members of a band"),
        ("a −e\u0301 −5", "5"),  # not ASCII: places before and after folding differ
    ],
)
def test_a_number_with_another_sign_is_another_one(context: str, answer: str) -> None:
    assert places(context, answer) == []


@pytest.mark.parametrize(
    ("context", "answer", "start"),
    [
        ("X-9", "9", 2),
        ("5-9", "9", 2),
        ("NO.-9", "9", 4),
        ("20%-30%", "30%", 4),
        ("on 2018-09-00", "09", 8),
        ("Date:-25/12/2018", "25/12/2018", 6),
        ("Date:-25.12.2018", "25.12.2018", 6),
        ("TEL:-012-345 678", "012-345 678", 5),
        ("in 1990 –1995", "1995", 9),
        ("1990 - 1995", "1995", 7),
    ],
)
def test_a_hyphen_is_no_minus_sign(context: str, answer: str, start: int) -> None:
    assert places(context, answer) == [(start, 1.0)]


@pytest.mark.parametrize(
    ("context", "answer", "text"),
    [
        ("Sdn Bhd", "SDN BHD", "Sdn Bhd"),
        ("it’s", "it's", "it’s"),
        ("ＴＯＴＡＬ", "total", "ＴＯＴＡＬ"),
        ("ofﬁce", "office", "ofﬁce"),
    ],
)
def test_folded(context: str, answer: str, text: str) -> None:
    assert found(context, answer) == [text]
    assert places(context, answer)[0][1] == 0.99


def test_canonically_equal_is_verbatim() -> None:
    context = unicodedata.normalize("NFD", "오늘 서울에서")
    (occurrence,) = locate(SearchText(context), ["서울"])
    assert occurrence.score == 1.0
    assert unicodedata.normalize("NFC", context[occurrence.start : occurrence.end]) == "서울"


@pytest.mark.parametrize(
    ("context", "answer", "text"),
    [
        (
            "at NO.53 55,57 & 59, JALAN SAGU\n18, x",
            "No. 53 55, 57 &59 Jalan Sagu 18",
            "NO.53 55,57 & 59, JALAN SAGU\n18",
        ),
        ("a (ABC) SDN. BHD. b", "(ABC) SDN BHD.", "(ABC) SDN. BHD."),
        ("JTJFOODS SDN", "JTJ FOODS SDN", "JTJFOODS SDN"),
        ("at JALANSAGUTAMAN", "Jalan Sagu", "JALANSAGU"),
        ("dated 25/12/2018 8:13", "25-12-2018", "25/12/2018"),
        ("up 5 % more", "5%", "5 %"),
        ("sum 7,838.80 RM", "7838.80", "7,838.80"),
        ("sum 60.3", "RM 60.30", "60.3"),
        ("sum 1.234,5", "1234.50", "1.234,5"),
    ],
)
def test_written_another_way(context: str, answer: str, text: str) -> None:
    assert found(context, answer, max_distance=0) == [text]
    assert 0.3 < places(context, answer)[0][1] < 0.99


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        ("give us more", "U.S."),
        ("5 apples", "5%"),
        ("on 25/11/2018", "25/12/2018"),
        ("Tel 012-3456789", "012-3456788"),
        ("Taxes rise", "Texas"),
        ("26 DEC 2018", "25 DEC 2018"),
        ("Room 17 of the building", "Room 18 of the building"),
        ("of the house", "on the"),
        ("xabcdx", "ab-cd"),
        ("a ... b ... c ... d", "abcd"),
        ("", "a"),
        (" \n", "a b"),
    ],
)
def test_something_else(context: str, answer: str) -> None:
    assert places(context, answer) == []


def test_misread() -> None:
    context = "x RESTORAN WAN SHENC (sg) y\nRESTORAN WAN SHENQ"
    assert found(context, "RSTORAN WAN SHENG") == ["RESTORAN WAN SHENC", "RESTORAN WAN SHENQ"]
    assert found(context, "RSTORAN WAN SHENG", max_distance=0) == []
    assert found("KWANSAN PERINDUSTRIAN BLANKONG", "KAWASAN PERINDUSTRIAN BALAKONG") == [
        "KWANSAN PERINDUSTRIAN BLANKONG"
    ]


def test_misread_three_times() -> None:
    assert found("RESTORAN WAN SHENG, " * 3, "RSTORAN WAN SHENG") == ["RESTORAN WAN SHENG"] * 3


def test_a_stray_digit_in_a_word_is_no_number() -> None:
    assert found("the tr4nsport safety act of 1995", "transport safety act of 1995") == ["tr4nsport safety act of 1995"]
    assert found("the transport safety act of 1996", "transport safety act of 1995") == []


def test_a_long_answer_may_have_a_misread_digit() -> None:
    context = "NO.59 JALAN PERMAS 9/5\nBANDAR BARU\n81760 JOHOR BAHRU"
    assert found(context, "NO.59 JALAN PERMAS 9/5 BANDAR BARU 81750 JOHOR BAHRU") == [context]


def test_an_unsure_match_is_trimmed_and_much_worse_ones_are_dropped() -> None:
    assert found("SUBANG HEALTHCARE SDN\nIC NO", "SUBANG HEALTHCARE SDN BHD") == ["SUBANG HEALTHCARE SDN"]
    assert found("TEO HENG STATIONERY & BOOKS / TEO HONG STATONARY BOOKS", "TED HENG STATIONERY & BOOKS") == [
        "TEO HENG STATIONERY & BOOKS"
    ]


def test_every_answer_is_tried_and_the_surest_step_counts() -> None:
    assert found("paid in Kuala Lumpur", "nowhere at all", "Kuala Lumpur") == ["Kuala Lumpur"]
    assert found("10th and 11th centuries", "centuries", "the 10th", "11th") == ["11th", "centuries"]
    assert found("Kuala Lumpar, KL", "Kuala Lumpur", "KL") == ["KL"]


def test_overlaps_keep_the_better_score_then_the_earlier_answer() -> None:
    assert found("in the Denver Broncos", "Broncos", "Denver Broncos") == ["Broncos"]
    assert found("in the Denver Broncos", "Denver Broncos", "Broncos") == ["Denver Broncos"]
    assert found("in the Denver Broncos", "denver broncos", "Broncos") == ["Broncos"]


def test_blank_answers_are_passed_over() -> None:
    assert found("a b", "", " \n", "\u3000") == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("007", "7"),
        ("1,234", "1234"),
        ("1.234", "1.234"),
        ("1,23", "1.23"),
        ("1,234,567.80", "1234567.8"),
        ("1.234.567", "1234567"),
        ("1.2.3", None),
        ("53,55,57", None),
        ("٣", None),
    ],
)
def test_number_value(text: str, value: str | None) -> None:
    assert number_value(text) == (None if value is None else Decimal(value))


def test_scores_fall_with_the_distance() -> None:
    assert match_score("abcd", "abcd") == 1.0
    assert match_score("ABCD", "abcd") == 0.99
    assert match_score("abcx", "abcd") == pytest.approx(0.99 * 0.75)


def test_the_second_answer_counts_where_the_first_is_not_there() -> None:
    context = "Total 9.00 Cash 10.00"
    assert [(o.start, o.answer) for o in locate(SearchText(context), ["12.00", "10.00"])] == [(16, 1)]


@pytest.mark.parametrize(
    ("context", "answer", "text"),
    [
        ("the exam-\nple of it", "example", "exam-\nple"),  # a hyphen at a line end
        ("a well-\nknown fact", "well-known fact", "well-\nknown fact"),
        ("in Ost-\nWest style", "Ost-West", "Ost-\nWest"),
        ("pay JALAN SAGU T4MAN DAYAxx now", "JALAN SAGU TAMAN DAYA", "JALAN SAGU T4MAN DAYAxx"),
        ("see the exam ple of it", "the example of", "the exam ple of"),
        ("of tbe i9th century.", "of the 19th century", "of tbe i9th century"),
        ("fr 1'234.50 only", "CHF 1234.50", "1'234.50"),
        ("sum 1,23,456.00", "123456", "1,23,456.00"),
        ("sum 1.234,50 x", "1 234,50", "1.234,50"),
    ],
)
def test_read_or_written_another_way(context: str, answer: str, text: str) -> None:
    assert found(context, answer) == [text]


def test_another_text_is_no_misreading() -> None:
    assert found("the united states and more", "the united kingdom and more") == []
    assert found("William John of the united", "William who") == []


def test_words_of_the_page_are_not_misread_others() -> None:
    assert found("xx state of yy", "stats of") == ["state of"]
    assert found("state xx state of yy", "stats of") == []


def test_hangul_is_compared_by_its_jamo() -> None:
    assert found("어제 대한밍국 정부가 말했다", "대한민국 정부") == ["대한밍국 정부"]
    assert found(unicodedata.normalize("NFD", "어제 대한밍국 정부가"), "대한민국 정부") == [
        unicodedata.normalize("NFD", "대한밍국 정부")
    ]


def test_a_page_of_50000_words() -> None:
    words = [f"w{number * 7919 % 99991:05d}x" for number in range(50_000)]
    words[31_000:31_004] = ["inter-", "nafional", "limitcd", "holdings"]
    text = SearchText(" ".join(words))
    (occurrence,) = locate(text, ["international limited holdings"])
    assert text.context[occurrence.start : occurrence.end] == "inter- nafional limitcd holdings"


TEXT = st.text(alphabet="abAB é\u0301한서ไ\u0e35日ﬁ '’-\n12.,", min_size=1, max_size=40)


@given(TEXT | st.text(min_size=1, max_size=40), st.data())
def test_any_substring_is_found_verbatim(context: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(context) - 1))
    end = data.draw(st.integers(start + 1, len(context)))
    answer = context[start:end].strip()
    assume(answer)
    # The documented exceptions: parts of numbers, and clusters cut apart while a whole one reads the same.
    assume(not answer[0].isdigit() and not answer[-1].isdigit() and unicodedata.category(answer[0]) != "Sc")
    assume(not continues_cluster(answer[0]) and (end == len(context) or not continues_cluster(context[end])))
    occurrences = locate(SearchText(context), [answer])
    assert occurrences
    texts = [context[o.start : o.end] for o in occurrences]
    whole = [plain(text) == plain(answer) for text in texts]
    # Or every place that reads the same is inside a word, and one that differs in case or width is not.
    assert any(whole) or all(fold(text).text == fold(answer).text for text in texts)
    assert all((o.score == 1.0) == same for o, same in zip(occurrences, whole, strict=True))


WORDS = st.lists(st.text(alphabet="abcdefghij", min_size=2, max_size=8), min_size=3, max_size=10)


@given(WORDS, st.data())
def test_whole_words_are_found_where_they_are(words: list[str], data: st.DataObject) -> None:
    context = " ".join(words)
    first = data.draw(st.integers(0, len(words) - 1))
    answer = " ".join(words[first : data.draw(st.integers(first + 1, len(words)))])
    assert set(found(context, answer)) == {answer}


@given(WORDS, st.data())
@settings(max_examples=60)
def test_noise_is_never_exact_and_candidates_stay_inside_the_context(words: list[str], data: st.DataObject) -> None:
    context = " ".join(words)
    noisy = list(context)
    for position in data.draw(st.lists(st.integers(0, len(context) - 1), min_size=1, max_size=3)):
        noisy[position] = "x"
    answer = "".join(noisy).strip()
    for occurrence in locate(SearchText(context), [answer]):
        assert 0 <= occurrence.start < occurrence.end <= len(context)
        assert occurrence.score < 1.0
        distance = Levenshtein.distance(context[occurrence.start : occurrence.end], answer)
        assert distance <= 0.5 * max(len(answer), occurrence.end - occurrence.start)


@given(st.text(max_size=60), st.lists(st.text(max_size=12), max_size=3))
def test_candidates_are_in_order_and_apart_for_any_input(context: str, answers: list[str]) -> None:
    occurrences = locate(SearchText(context), answers)
    edges = [edge for o in occurrences for edge in (o.start, o.end)]
    assert edges == sorted(edges)
    assert all(0 <= o.start < o.end <= len(context) for o in occurrences)
    assert all(0 < o.score <= 1.0 for o in occurrences)


def test_on_a_page_that_reads_badly_more_may_differ() -> None:
    assert found("th5s p4ge re4ds b5dly and the mqsiccians pl4y", "musicians") == ["mqsiccians"]
    assert found("this page reads well and the mqsiccians play", "musicians") == []


def test_a_word_that_is_much_rarer_than_the_wanted_one_is_the_wanted_one_misread() -> None:
    assert found("to te south, " + "the one " * 8 + "te other", "the south") == ["te south"]
    assert found("to te south, " + "one " * 8 + "te other", "the south") == []


def test_where_other_places_share_more_with_an_answer_it_is_still_found() -> None:
    page = "it is yes, and there output is yours whose 2ufpt s 9es, ahd the other is no"
    assert found(page, "output is yes, and the") == ["2ufpt s 9es, ahd the"]
