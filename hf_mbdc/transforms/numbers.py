"""Numbers in texts: their values and their signs."""

from __future__ import annotations

import re
from decimal import Decimal

from hf_mbdc.transforms.text import FoldedText

_NUMBER = re.compile(r"\d+(?:[.,']\d+)*")
_GROUPED = re.compile(
    r"\d{1,3}(?:,\d{3})+(?:\.\d+)?"  # 1,234.50
    r"|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?"  # 1,23,456.50, in India
    r"|\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}"  # 1.234,50
    r"|\d{1,3}(?:[' ]\d{3})+(?:[.,]\d+)?"  # 1'234.50 and 1 234,50
    r"|\d+(?:[.,]\d+)?"
)
_CURRENCY = r"(?:[a-z]{0,2}[$€£¥₩₫₹]|rm|rp|myr|sgd|usd|eur|gbp|jpy|krw|cny|idr|vnd|thb|chf|euros?|dollars?|pounds?)"
_AMOUNT = re.compile(rf"(-?){_CURRENCY}?\s?(-?)(\d+(?:[.,']\d+|\s\d{{3}}(?!\d))*)\s?{_CURRENCY}?")
# No en dash: " –1995" is the rest of a range.
_MINUS = re.compile(rf"([-−－﹣])(?:{_CURRENCY}\s?)?(?!\d[\d.,]*[-/:]\d)(\d+(?:[.,]\d+)*)", re.I)
_BEFORE_MINUS = re.compile(rf"(?:^|[\s(\[{{|:;,=*\"'“‘]){_CURRENCY}?$", re.I)
SIGNS = frozenset("-−－﹣")
SIGN_REACH = 10  # characters before or behind a sign that belong to it: a currency, a space
_LEADING_CURRENCY = re.compile(rf"{_CURRENCY}?(?=[-−－﹣])")


def number_value(text: str) -> Decimal | None:
    """The value of a number with English, continental, Swiss or Indian separators; None for a date or a version.

    Example:
        >>> number_value("1,234.50"), number_value("1.234.567,5"), number_value("12.05.2016")
        (Decimal('1234.5'), Decimal('1234567.5'), None)
    """
    if not _GROUPED.fullmatch(text) or not text.isascii():
        return None
    text = text.replace("'", "").replace(" ", "")
    if text.count(",") + text.count(".") == 1:
        separator = "," if "," in text else "."
        # A comma before exactly three digits groups thousands; anything else is the decimal sign.
        groups = separator == "," and len(text) - text.index(",") == 4
        text = text.replace(separator, "" if groups else ".")
    elif text.count(".") > 1 or -1 < text.rfind(".") < text.rfind(","):
        text = text.replace(".", "").replace(",", ".")
    else:
        text = text.replace(",", "")
    return Decimal(text).normalize()


def find_signs(context: str) -> dict[int, int]:
    """Every place behind a minus sign up to the first digit of its number → the place of the sign."""
    signs = {}
    for match in _MINUS.finditer(context):  # begins with the sign, so that the search only stops at signs
        sign = match.start()
        if _BEFORE_MINUS.search(context[max(0, sign - 8) : sign]) and number_value(match[2]) is not None:
            signs.update(dict.fromkeys(range(match.end(1), match.start(2) + 1), sign))
    return signs


def find_numbers(folded: FoldedText, signs: dict[int, int]) -> dict[Decimal, list[tuple[int, int]]]:
    """Every number of a text with its original ranges, in order; a sign belongs to it."""
    found: dict[Decimal, list[tuple[int, int]]] = {}
    for match in _NUMBER.finditer(folded.text):
        value = number_value(match.group())
        if value is not None:
            start, end = folded.original(*match.span())
            sign = signs.get(start)
            found.setdefault(value if sign is None else -value, []).append((start if sign is None else sign, end))
    return found


def is_amount(folded: str) -> bool:
    """Whether a folded text is one number, with or without sign and currency."""
    return _AMOUNT.fullmatch(folded) is not None


def amount_value(folded: str) -> Decimal | None:
    """The value of an amount; None when its separators make it none.

    Example:
        >>> amount_value("rm -1,234.50"), amount_value("1'234.5 chf")
        (Decimal('-1234.5'), Decimal('1234.5'))
    """
    amount = _AMOUNT.fullmatch(folded)
    value = number_value(amount[3]) if amount else None
    return value if amount is None or value is None or not (amount[1] or amount[2]) else -value


def cuts_number(text: str, start: int, end: int) -> bool:
    """Whether a range begins or ends inside a number, decimal signs and grouping included."""
    for position, step in ((start - 1, -1), (end, 1)):
        inner = text[position - step]
        if not inner.isdigit() or not 0 <= position < len(text):
            continue
        if text[position].isdigit():
            return True
        beyond = position + step
        if text[position] in ".," and 0 <= beyond < len(text) and text[beyond].isdigit():
            # "05" in "12.05.2016" is fine: a date is no number.
            low, high = position, position + 1
            while low and (text[low - 1].isdigit() or text[low - 1] in ".,"):
                low -= 1
            while high < len(text) and (text[high].isdigit() or text[high] in ".,"):
                high += 1
            if number_value(text[low:high].strip(".,")) is not None:
                return True
    return False


def is_negative(folded: str) -> bool:
    """Whether a folded text begins with a negative number."""
    if SIGNS.isdisjoint(folded[:SIGN_REACH]):
        return False
    head = _LEADING_CURRENCY.match(folded)
    return _MINUS.match(folded, head.end() if head else 0) is not None
