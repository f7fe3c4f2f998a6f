"""The same day written another way, and what is another day or none."""

from __future__ import annotations

import pytest

from hf_mbdc.transforms.dates import find_dates
from hf_mbdc.transforms.locate import SearchText, locate


def found(context: str, answer: str) -> list[str]:
    return [context[o.start : o.end] for o in locate(SearchText(context), [answer])]


@pytest.mark.parametrize(
    ("context", "answer", "text"),
    [
        ("on 04/03/2018 8:13", "20180304", "04/03/2018"),
        ("on 20180304.", "04/03/2018", "20180304"),
        ("at Mar 4, 2018", "04/03/2018", "Mar 4, 2018"),
        ("at 4. März 2018", "2018-03-04", "4. März 2018"),
        ("25 DEC 2018", "25/12/2018", "25 DEC 2018"),
        ("25-Dec-18 x", "25/12/2018", "25-Dec-18"),
        ("2018년 3월 4일에", "2018-03-04", "2018년 3월 4일"),
        ("2018年3月4日", "4 March 2018", "2018年3月4日"),
        ("the 4th of March 2018", "March 4, 2018", "4th of March 2018"),
    ],
)
def test_the_same_day(context: str, answer: str, text: str) -> None:
    assert found(context, answer) == [text]


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        ("on 25/11/2018", "25/12/2018"),
        ("on 03/04/2018", "04/03/2018"),  # the other order in digits
        ("20180304 or 20180403", "04/03/2018"),  # which one?
        ("20181304", "04/13/2019"),
        ("31/02/2018", "20180231"),  # no day at all
        ("No. 120180304", "04/03/2018"),
    ],
)
def test_another_day_or_none(context: str, answer: str) -> None:
    assert found(context, answer) == []


def test_dates_do_not_overlap() -> None:
    dates = find_dates("4 mar 2018 5/6/2018, 2018-03-04")
    assert [date.start for date in dates] == [0, 11, 21]
    assert dates[1].day_first != dates[1].month_first
