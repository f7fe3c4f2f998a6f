"""Personal data that patterns find, masked: what has a check digit or a grammar is checked, so that sums stay sums.

| kind | mask | found by |
|---|---|---|
| e-mail address | `[EMAIL]` | name, `@`, domain |
| IBAN | `[IBAN]` | country, check digits (ISO 7064: the number modulo 97 is 1) |
| credit card number | `[CREDIT_CARD]` | the numbers that issuers give (13 to 19 digits), Luhn's check digit |
| resident number | `[RESIDENT_NUMBER]` | of Korea: birthday, century and sex, check digit |
| IP address | `[IP_ADDRESS]` | `ipaddress`; only addresses of the public internet |
| phone number | `[PHONE]` | `+` and country code, or the groups that North America and Korea write |

Names, postal addresses and numbers without such marks are not found. Korea has given resident numbers without a check
digit since October 2020; those are not found either. A number beside an operator (`=`, `+`, `*`, `/`, `<<`) is taken
for a sum, and an IPv4 address cannot be told from a version number of four parts.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable
from datetime import date

# No digit, letter or operator may touch a number, nor a decimal point with a digit; Korean particles do.
_ALONE = r"(?<![A-Za-z0-9_=+*/^<>$€£₩#-])(?<!\d[.,])(?<![=+*/^<>] )"
_END = r"(?![A-Za-z0-9_*/^=<>]|[.,-]\d| [=+*/^<>])"

EMAIL = re.compile(
    r"(?<![A-Za-z0-9_.+%-])[A-Za-z0-9_.+%-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}(?![A-Za-z0-9_-])"
)
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
CARD = re.compile(rf"{_ALONE}\d(?:[ -]?\d){{12,18}}{_END}")
ISSUED = re.compile(  # Visa, Mastercard, American Express, Discover, JCB, Diners Club
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|(?:6011|65\d\d|64[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}"
)
RESIDENT = re.compile(rf"{_ALONE}(\d{{6}})-?([1-4]\d{{6}}){_END}")
IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
IPV6 = re.compile(r"(?<![\w:.])[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{2,34}(?![\w:])")
PHONE = re.compile(
    rf"(?<![\w+])\+[1-9]\d{{0,2}}(?:[ .-]?\(?\d{{1,4}}\)?){{2,5}}{_END}"  # international
    rf"|{_ALONE}(?:\(\d{{3}}\) ?|\b[2-9]\d{{2}}([.-]))[2-9]\d{{2}}(?(1)\1|-)\d{{4}}{_END}"  # North America
    rf"|{_ALONE}0(?:2|1[016-9]|[3-6]\d|70|80)-\d{{3,4}}-\d{{4}}{_END}"  # Korea
)


def mask_pii(text: str) -> tuple[str, Counter[str]]:
    """A text with personal data masked, and how often each kind was.

    Masking twice changes nothing more.

    Example:
        >>> mask_pii("Ask kim@example.com or 010-1234-5678 before 10-12-2024.")
        ('Ask [EMAIL] or [PHONE] before 10-12-2024.', Counter({'e-mail address': 1, 'phone number': 1}))
        >>> mask_pii("She sold 4111 clips, 4111 * 2 = 8222.")
        ('She sold 4111 clips, 4111 * 2 = 8222.', Counter())
    """
    counts: Counter[str] = Counter()
    for kind, mask, pattern, is_one in _KINDS:

        def masked(
            match: re.Match[str],
            kind: str = kind,
            mask: str = mask,
            is_one: Callable[[str], int] = is_one,
        ) -> str:
            length = is_one(match[0])
            counts[kind] += length > 0
            return mask + match[0][length:] if length else match[0]

        text = pattern.sub(masked, text)
    return text, +counts


def is_iban(text: str) -> int:
    """How many characters of a text, from its beginning, are an IBAN; 0 for none.

    What follows in capitals may be a word: `DE89 … 3000 BIC`.

    Example:
        >>> is_iban("DE89 3704 0044 0532 0130 00"), is_iban("GB82WEST12345698765432 BIC"), is_iban("DE88 3704 0044 053")
        (27, 22, 0)
    """
    for end in (len(text), *(place.start() for place in reversed([*re.finditer(" ", text)]))):
        letters = text[:end].replace(" ", "")
        moved = letters[4:] + letters[:4]
        if len(letters) >= 15 and int("".join(str(int(character, 36)) for character in moved)) % 97 == 1:
            return end
    return 0


def is_card(text: str) -> int:
    """The length of a credit card number, 0 for another one (Luhn 1960, US patent 2,950,048).

    Example:
        >>> is_card("4111 1111 1111 1111"), is_card("4111 1111 1111 1112")
        (19, 0)
    """
    digits = re.sub("[ -]", "", text)
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    right = (doubled + sum(map(int, digits[-1::-2]))) % 10 == 0
    return len(text) if right and ISSUED.fullmatch(digits) else 0


def is_resident(text: str) -> int:
    """The length of a Korean resident registration number, 0 for another one.

    Example:
        >>> is_resident("900101-1234568"), is_resident("900101-1234567"), is_resident("901301-1234567")
        (14, 0, 0)
    """
    digits = [int(digit) for digit in text if digit != "-"]
    weighted = sum(digit * weight for digit, weight in zip(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5), strict=False))
    year, month, day = (10 * digits[i] + digits[i + 1] for i in (0, 2, 4))
    try:
        date((1900 if digits[6] < 3 else 2000) + year, month, day)
    except ValueError:
        return 0
    return len(text) if (11 - weighted % 11) % 10 == digits[12] else 0


def is_address(text: str) -> int:
    """The length of an IP address of the public internet, 0 for another text.

    Example:
        >>> is_address("8.8.8.8"), is_address("192.168.0.1"), is_address("8.8.8.800"), is_address("2001:4860:4860::88")
        (7, 0, 0, 18)
    """
    try:
        return len(text) if ipaddress.ip_address(text).is_global else 0
    except ValueError:
        return 0


def _is_phone(text: str) -> int:
    return len(text) if text[0] != "+" or 8 <= sum(map(str.isdigit, text)) <= 15 else 0


# In this order: what is longer and checked comes first.
_KINDS: tuple[tuple[str, str, re.Pattern[str], Callable[[str], int]], ...] = (
    ("e-mail address", "[EMAIL]", EMAIL, len),
    ("IBAN", "[IBAN]", IBAN, is_iban),
    ("credit card number", "[CREDIT_CARD]", CARD, is_card),
    ("resident number", "[RESIDENT_NUMBER]", RESIDENT, is_resident),
    ("IP address", "[IP_ADDRESS]", IPV6, is_address),
    ("IP address", "[IP_ADDRESS]", IPV4, is_address),
    ("phone number", "[PHONE]", PHONE, _is_phone),
)
