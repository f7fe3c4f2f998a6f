"""Dates written another way: "20180304", "Mar 4, 2018" and "4. März 2018" for "04/03/2018".

A date in digits may put the day or the month first. It is taken for a date whose month is sure when one of its readings
is that day; two dates in digits only when they agree in the same order, so that "03/04/2018" is never "04/03/2018".
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass

_MONTHS = (
    "january jan januar jänner janvier janv enero ene gennaio январь января",
    "february feb februar février févr febrero febbraio февраль февраля",
    "march mar märz mrz mär mars marzo март марта",
    "april apr avril avr abril abr aprile апрель апреля",
    "may mai mayo maggio май мая",
    "june jun juni juin junio giugno июнь июня",
    "july jul juli juillet juil julio luglio июль июля",
    "august aug août agosto ago август августа",
    "september sept sep septembre septiembre settembre сентябрь сентября",
    "october oct oktober okt octobre octubre ottobre октябрь октября",
    "november nov novembre noviembre ноябрь ноября",
    "december dec dezember dez décembre déc diciembre dic dicembre декабрь декабря",
)
_MONTH_OF = {name: month for month, names in enumerate(_MONTHS, start=1) for name in names.split()}
_NAME, _GAP = r"(?P<name>[^\W\d_]{3,10})\.?", r"[\s\-/.,']{0,2}"
_PATTERNS = (
    re.compile(r"(?<!\d)(?P<y>(?:19|20)\d\d)(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01])(?!\d)"),
    re.compile(r"(?<![\d./-])(?P<y>\d{4})\s?[-/.年년]\s?(?P<m>\d{1,2})\s?[-/.月월]\s?(?P<d>\d{1,2})(?!\d)\s?[日일]?"),
    re.compile(r"(?<![\d./-])(?P<a>\d{1,2})\s?(?P<s>[-/.])\s?(?P<b>\d{1,2})\s?(?P=s)\s?(?P<y>\d{4}|\d\d)(?![\d/-])"),
    re.compile(
        rf"(?<!\d)(?P<d>\d{{1,2}})(?:st|nd|rd|th)?{_GAP}(?:(?:of|de|di)\s)?{_NAME}{_GAP}(?:de\s)?(?P<y>\d{{4}}|\d\d)(?!\d)"
    ),
    re.compile(rf"(?<![^\W_]){_NAME}\s?(?P<d>\d{{1,2}})(?:st|nd|rd|th)?[\s,']{{1,2}}(?P<y>\d{{4}})(?!\d)"),
)


@dataclass(frozen=True)
class WrittenDate:
    """A date at `start:end` of a text. With the day first it is `day_first`, else `month_first`; None: not a day."""

    start: int
    end: int
    day_first: datetime.date | None
    month_first: datetime.date | None


def find_dates(folded: str) -> list[WrittenDate]:
    """Every date of a folded text, in order; of overlapping ones the first.

    Example:
        >>> [str(date.day_first) for date in find_dates("on mar 4, 2018 or 20180305")]
        ['2018-03-04', '2018-03-05']
    """
    found = [date for pattern in _PATTERNS for match in pattern.finditer(folded) if (date := _read(match))]
    kept: list[WrittenDate] = []
    for date in sorted(found, key=lambda date: (date.start, -date.end)):
        if not kept or date.start >= kept[-1].end:
            kept.append(date)
    return kept


def same_dates(wanted: WrittenDate, dates: Sequence[WrittenDate]) -> list[WrittenDate]:
    """Those that are the wanted day. None, where some are it only with the day first and others with the month first.

    Example:
        >>> text = "20180304 or 20180403"
        >>> same_dates(find_dates("04/03/2018")[0], find_dates(text))
        []
    """
    by_day = [date for date in dates if wanted.day_first and wanted.day_first == date.day_first]
    by_month = [date for date in dates if wanted.month_first and wanted.month_first == date.month_first]
    if by_day and by_month and {date.start for date in by_day} != {date.start for date in by_month}:
        return []
    return by_day or by_month


def _read(match: re.Match[str]) -> WrittenDate | None:
    parts = match.groupdict()
    year = int(parts["y"]) if len(parts["y"]) == 4 else 2000 + int(parts["y"])
    if parts.get("a"):
        first, second = int(parts["a"]), int(parts["b"])
        by_day, by_month = _day(year, second, first), _day(year, first, second)
    else:
        month = _MONTH_OF.get(parts["name"], 0) if parts.get("name") else int(parts["m"])
        by_day = by_month = _day(year, month, int(parts["d"]))
    return WrittenDate(*match.span(), by_day, by_month) if by_day or by_month else None


def _day(year: int, month: int, day: int) -> datetime.date | None:
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return None
