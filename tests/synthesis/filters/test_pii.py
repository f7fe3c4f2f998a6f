"""Personal data: what is masked, and which numbers stay numbers."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.synthesis.filters.pii import is_card, is_iban, is_resident, mask_pii


@pytest.mark.parametrize(
    ("text", "masked", "kinds"),
    [
        ("Write to Kim.Min-su+news@mail.example.co.kr.", "Write to [EMAIL].", {"e-mail address": 1}),
        ("a@b.de, c@d.org", "[EMAIL], [EMAIL]", {"e-mail address": 2}),
        ("Pay to DE89 3704 0044 0532 0130 00 today", "Pay to [IBAN] today", {"IBAN": 1}),
        ("IBAN: GB82WEST12345698765432.", "IBAN: [IBAN].", {"IBAN": 1}),
        ("FR14 2004 1010 0505 0001 3M02 606 AND MORE", "[IBAN] AND MORE", {"IBAN": 1}),
        ("DE89 3704 0044 0532 0130 00 BIC", "[IBAN] BIC", {"IBAN": 1}),
        ("Card 4111 1111 1111 1111, please", "Card [CREDIT_CARD], please", {"credit card number": 1}),
        ("Card 378282246310005", "Card [CREDIT_CARD]", {"credit card number": 1}),
        ("번호는 5555-5555-5555-4444입니다", "번호는 [CREDIT_CARD]입니다", {"credit card number": 1}),
        (
            "연락처: 010-1234-5678로 kim@example.com으로",
            "연락처: [PHONE]로 [EMAIL]으로",
            {"phone number": 1, "e-mail address": 1},
        ),
        ("주민번호: 900101-1234568", "주민번호: [RESIDENT_NUMBER]", {"resident number": 1}),
        ("Server 8.8.8.8 answers", "Server [IP_ADDRESS] answers", {"IP address": 1}),
        ("at 2001:4860:4860::8888.", "at [IP_ADDRESS].", {"IP address": 1}),
        ("Call +82 10-1234-5678 or +1 (415) 555-2671.", "Call [PHONE] or [PHONE].", {"phone number": 2}),
        ("Call (415) 555-2671, 415-555-2671, 415.555.2671", "Call [PHONE], [PHONE], [PHONE]", {"phone number": 3}),
        ("010-1234-5678, 02-123-4567", "[PHONE], [PHONE]", {"phone number": 2}),
    ],
)
def test_what_is_masked(text: str, masked: str, kinds: dict[str, int]) -> None:
    assert mask_pii(text) == (masked, Counter(kinds))


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # Luhn
        "1234 5678 9012 3452",  # Luhn is right, and no issuer gives it
        "DE88 3704 0044 0532 0130 00",
        "900101-1234567",
        "901301-1234561",  # month 13
        "192.168.0.1 and 127.0.0.1",
        "8.8.8.800, 1.2.3, 1.2.3.4.5",
        "at 12:30:45, std::vector, a::b",
        "415-555-2671 = 2",
        "5 + 415-555-2671",
        "1,234,567,890 people, 3.14159265358979",
        "She has 4111111111111111 * 2 marbles",
        "<<4111111111111111-1=3>>",
        "2024-10-12 and 10-12-2024",
        "$4111111111111111",
        "Meet me @home, or @ 5.",
        "A+B = 100, ISBN 978-3-16-148410-0",
    ],
)
def test_what_is_not(text: str) -> None:
    assert mask_pii(text) == (text, Counter())


@given(st.text("0123456789 -.+@:abcDEF[]()", max_size=80))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    masked, counts = mask_pii(text)
    assert mask_pii(masked) == (masked, Counter())
    assert (masked != text) == bool(counts)


@given(st.integers(10**14, 10**15 - 1))
def test_one_check_digit_of_ten_is_right(number: int) -> None:
    assert sum(is_card(f"4{number}{digit}"[:16]) > 0 for digit in range(10)) == (
        1 if len(str(number)) == 14 else 10
    ) or (sum(is_card(f"4{str(number)[:14]}{digit}") > 0 for digit in range(10)) == 1)


@given(st.integers(0, 10**18 - 1))
def test_one_pair_of_check_digits_is_right(account: int) -> None:
    assert sum(is_iban(f"DE{check:02d}{account:018d}") > 0 for check in range(2, 99)) == 1


@given(st.integers(0, 99999))
def test_one_check_digit_of_a_resident_number_is_right(serial: int) -> None:
    assert sum(is_resident(f"900101-1{serial:05d}{digit}") > 0 for digit in range(10)) == 1


def test_worked_solutions_hold_none(shared_data: Path) -> None:
    with (shared_data / "gsm8k" / "train.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    found = sum((mask_pii(row[name])[1] for row in rows for name in ("question", "answer")), Counter())
    assert (len(rows), found) == (7473, Counter())
