"""An answer with another column's words in between."""

from __future__ import annotations

from hf_mbdc.transforms.locate import SearchText, locate

PAGE = "Bill to: Acme Holdings\tInvoice no. 4711\nInternational Limited\tDate 04/03/2018\nThank you for your business"


def test_the_smallest_range_around_both_parts() -> None:
    (found,) = locate(SearchText(PAGE), ["Acme Holdings International Limited"])
    assert PAGE[found.start : found.end] == "Acme Holdings\tInvoice no. 4711\nInternational Limited"
    assert 0 < found.score < 0.99


def test_parts_that_are_far_apart_or_in_the_wrong_order_are_no_answer() -> None:
    far = f"Acme Holdings {'and so on ' * 40} International Limited"
    assert locate(SearchText(far), ["Acme Holdings International Limited"]) == []
    assert locate(SearchText("International Limited for Acme Holdings"), ["Acme Holdings International Limited"]) == []


def test_no_other_number_in_two_parts_either() -> None:
    page = "the transport safety act, as said before, of the year 1996 and more"
    assert locate(SearchText(page), ["transport safety act of the year 1995"]) == []
