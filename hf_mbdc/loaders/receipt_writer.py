"""What a made receipt says: vendor, items, sums and layout, drawn from the document's number alone.

The receipts are made so that the value of `total` stands in several places, as it does on real ones: before the TOTAL
line as a subtotal or as the only item's amount, after it as the amount paid. Lines for tax and rounding are printed
also where they are zero, so that their presence does not tell whether subtotal and total differ. A vendor keeps its
layout, its wording and its address. In a few documents the transcription misreads a value (the image shows the right
one), or a value is not printed at all. Names and places are invented.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from datetime import date, timedelta

COLUMNS = 40  # characters a line
CELL = 9  # pixels a character; a line is twice as high
MARGIN = 20  # pixels
VENDORS = 24
MISREAD = {"company": 0.05, "date": 0.04, "address": 0.08, "total": 0.02}  # share of documents, by key
TAXED = 0.35  # share of receipts with a tax above zero, of the vendors that print its line
NOT_PRINTED = {"date": 0.03, "address": 0.04}
CONFUSED = str.maketrans("0O1I5S8B2Z6GE", "O0l1S5B8Z2G6F")

NAMES = (
    *("NORTHGATE", "BLUE LANTERN", "KESTREL", "OLD MILL", "SUNRISE", "MAPLE & CO", "RIVERSIDE", "GOLDEN HARE"),
    *("WESTBRIDGE", "TWO OAKS", "HARBOUR", "PENROSE", "SILVER KEY", "MARLOW", "FIVE ELMS", "ASHDOWN"),
)
LEGAL = ("LTD", "SDN BHD", "LLC", "& SONS", "TRADING", "")
STREETS = ("HARBOUR ROAD", "MILL LANE", "STATION STREET", "KING'S PARADE", "ORCHARD WAY", "FERRY STREET", "ELM AVENUE")
AREAS = ("OLD MARKET", "RIVER PARK", "NORTH QUAY", "GREENFIELD", "CASTLE HILL", "EASTGATE CENTRE")
TOWNS = ("PORT ELLERY", "WESTBRIDGE", "ST. ALDA", "NEW CARROW", "LAKE MORDEN", "KINGSFORD")
TRADES: dict[str, tuple[str, ...]] = {
    "HARDWARE": ("HAMMER 16OZ", "WOOD SCREW 4X40", "PAINT BRUSH 2IN", "PVC TAPE", "LED BULB 9W", "DOOR HINGE"),
    "BAKERY": ("WHITE BREAD", "BUTTER BUN", "CHEESE ROLL", "APPLE PIE", "CREAM PUFF", "RYE LOAF"),
    "STATIONERS": ("A4 PAPER 80G", "BALL PEN BLUE", "RING FILE", "STAPLER NO.10", "GLUE STICK", "NOTEBOOK A5"),
    "CAFE": ("FLAT WHITE", "ICED TEA", "CHICKEN RICE", "NOODLE SOUP", "TOAST SET", "LEMON CAKE"),
    "GROCERS": ("FRESH MILK 1L", "EGGS 10S", "BANANA KG", "RICE 5KG", "OLIVE OIL", "GREEN APPLE"),
    "PHARMACY": ("COUGH SYRUP", "PLASTER 20S", "VITAMIN C", "HAND GEL", "FACE MASK 5S", "EYE DROPS"),
}
DATE_FORMATS = (
    *("{day:02d}/{month:02d}/{year}", "{day:02d}-{month:02d}-{year}", "{year}-{month:02d}-{day:02d}"),
    *("{day:02d} {name} {year}", "{day:02d}.{month:02d}.{short_year:02d}", "{name} {day:02d}, {year}"),
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # in any locale


@dataclass(frozen=True)
class PrintedLine:
    """A line of text: as printed, as the transcription reads it, and where (pixels; `cell` is a character's width)."""

    printed: str
    read: str
    left: int
    top: int
    cell: int

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Where it is printed: x0 y0 x1 y1 in pixels."""
        return self.left, self.top, self.left + self.cell * len(self.printed), self.top + 2 * self.cell


@dataclass(frozen=True)
class Vendor:
    """A vendor's name and address and the layout of its receipts."""

    name: str
    address: tuple[str, ...]
    items: tuple[str, ...]
    centred: bool
    joined: bool  # label and amount are one line of text, not two
    date_format: str
    date_label: str
    date_last: bool
    subtotal_label: str  # "" where none is printed
    tax_percent: int  # 0 where no tax is printed
    rounds: bool  # to 5 cents
    total_label: str
    leading: int  # pixels from line to line


@dataclass(frozen=True)
class MadeReceipt:
    """A made receipt: its lines from top to bottom and the values of its keys."""

    lines: tuple[PrintedLine, ...]
    values: dict[str, str]


def seeded(*key: object) -> random.Random:
    """A random generator that depends on the key alone."""
    return random.Random(hashlib.sha256("\n".join(map(str, key)).encode()).digest())


def make_vendor(number: int) -> Vendor:
    """The vendor with this number."""
    rng = seeded("vendor", number)
    trade = rng.choice(sorted(TRADES))
    area, town = rng.choice(AREAS), rng.choice(TOWNS)
    address = [
        f"NO. {rng.randrange(1, 120)}, {rng.choice(STREETS)},",
        f"{area},",
        f"{rng.randrange(10000, 99999)} {town}.",
    ]
    if rng.random() < 0.4:
        address = [address[0], f"{area}, {town}."]
    return Vendor(
        name=f"{NAMES[number % len(NAMES)]} {trade} {rng.choice(LEGAL)}".strip(),
        address=tuple(address),
        items=TRADES[trade],
        centred=rng.random() < 0.6,
        joined=rng.random() < 0.35,
        date_format=rng.choice(DATE_FORMATS),
        date_label=rng.choice(("DATE:", "DATE :", "")),
        date_last=rng.random() < 0.3,
        subtotal_label=rng.choice(("SUBTOTAL", "SUB TOTAL", "SUB-TOTAL", "TOTAL SALES", "")),
        tax_percent=rng.choice((0, 6, 6, 8)),
        rounds=rng.random() < 0.5,
        total_label=rng.choice(("TOTAL", "TOTAL", "GRAND TOTAL", "TOTAL DUE", "NET TOTAL", "TOTAL (INCL. TAX)")),
        leading=rng.choice((20, 22, 25)),
    )


def money(cents: int) -> str:
    """Cents as an amount.

    Example:
        >>> money(905), money(-2)
        ('9.05', '-0.02')
    """
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def written(day: date, date_format: str) -> str:
    """A day in one of `DATE_FORMATS`.

    Example:
        >>> written(date(2018, 12, 25), "{day:02d} {name} {year}")
        '25 Dec 2018'
    """
    name = MONTHS[day.month - 1]
    return date_format.format(day=day.day, month=day.month, year=day.year, short_year=day.year % 100, name=name)


class Sheet:
    """Lines of text put on a page from top to bottom."""

    def __init__(self, leading: int, left: int) -> None:
        self.leading, self.left, self.top = leading, left, MARGIN
        self.lines: list[PrintedLine] = []

    def put(self, text: str, *, read: str = "", right: bool = False, centred: bool = False, cell: int = CELL) -> None:
        """Puts a text on the current line."""
        free = COLUMNS * CELL - len(text) * cell
        left = self.left + (free if right else free // 2 if centred else 0)
        self.lines.append(PrintedLine(text, read or text, left, self.top, cell))

    def next(self, lines: float = 1) -> None:
        """Goes down."""
        self.top += round(self.leading * lines)


def make_receipt(number: int) -> MadeReceipt:
    """The receipt with this number: always the same one."""
    rng = seeded("receipt", number)
    # The minimum of two draws: some vendors come often, and some hardly ever.
    vendor = make_vendor(min(rng.randrange(VENDORS), rng.randrange(VENDORS)))
    day = date(2017, 1, 1) + timedelta(days=rng.randrange(1000))
    values = {"company": vendor.name, "date": written(day, vendor.date_format), "address": " ".join(vendor.address)}
    for key, share in NOT_PRINTED.items():
        if rng.random() < share:
            del values[key]
    sheet = Sheet(vendor.leading, MARGIN + rng.randrange(0, 30))
    misread = {key for key, share in MISREAD.items() if rng.random() < share}
    _put_head(sheet, vendor, values, misread, rng)
    if not vendor.date_last:
        _put_date(sheet, vendor, values, misread, rng)
    subtotal = _put_items(sheet, vendor, rng)
    values["total"] = _put_sums(sheet, vendor, subtotal, misread, rng)
    if vendor.date_last:
        _put_date(sheet, vendor, values, misread, rng)
    sheet.next()
    sheet.put(rng.choice(("THANK YOU", "THANK YOU, PLEASE COME AGAIN", "GOODS SOLD ARE NOT RETURNABLE")), centred=True)
    return MadeReceipt(tuple(sheet.lines), values)


def misread_text(text: str, rng: random.Random) -> str:
    """The text with one or two characters taken for similar ones, as a text recogniser does."""
    places = [i for i, character in enumerate(text) if character.translate(CONFUSED) != character]
    for place in rng.sample(places, min(len(places), rng.choice((1, 2)))):
        text = text[:place] + text[place].translate(CONFUSED) + text[place + 1 :]
    return text


def _put_head(sheet: Sheet, vendor: Vendor, values: dict[str, str], misread: set[str], rng: random.Random) -> None:
    name = misread_text(vendor.name, rng) if "company" in misread else vendor.name
    sheet.put(vendor.name, read=name, centred=vendor.centred, cell=12 if len(vendor.name) <= 30 else CELL)
    sheet.next(1.4)
    sheet.put(f"REG. NO. {seeded(vendor.name).randrange(100000, 999999)}-K", centred=vendor.centred)
    sheet.next()
    if "address" in values:
        wrong = rng.randrange(len(vendor.address)) if "address" in misread else -1
        for number, line in enumerate(vendor.address):
            sheet.put(line, read=misread_text(line, rng) if number == wrong else "", centred=vendor.centred)
            sheet.next()
    sheet.next(0.5)


def _put_date(sheet: Sheet, vendor: Vendor, values: dict[str, str], misread: set[str], rng: random.Random) -> None:
    if "date" in values:
        clock = f"{rng.randrange(8, 22):02d}:{rng.randrange(60):02d}"
        start, end = f"{vendor.date_label} ".lstrip(), rng.choice(("", f" {clock}"))
        read = misread_text(values["date"], rng) if "date" in misread else values["date"]
        sheet.put(f"{start}{values['date']}{end}", read=f"{start}{read}{end}")
        sheet.next()
    sheet.put(f"RECEIPT NO: {rng.randrange(10**6, 10**7)}")
    sheet.next(1.5)


def _put_items(sheet: Sheet, vendor: Vendor, rng: random.Random) -> int:
    """Puts the items and gives their sum in cents."""
    subtotal = 0
    for name in rng.sample(vendor.items, rng.choice((1, 1, 2, 3, 4, 5))):
        quantity, price = rng.choice((1, 1, 1, 2, 3)), rng.randrange(80, 3000, 5)
        subtotal += quantity * price
        sheet.put(name)
        if quantity > 1:
            sheet.next()
            sheet.put(f"{quantity} X {money(price)}")
        sheet.put(money(quantity * price), right=True)
        sheet.next()
    sheet.next(0.5)
    return subtotal


def _put_sums(sheet: Sheet, vendor: Vendor, subtotal: int, misread: set[str], rng: random.Random) -> str:
    """Puts the lines from the subtotal to the change and gives the total as printed."""
    tax = (subtotal * vendor.tax_percent + 50) // 100 if rng.random() < TAXED else 0
    rounding = -((subtotal + tax + 2) % 5 - 2) if vendor.rounds else 0
    total = subtotal + tax + rounding
    lines = [(vendor.subtotal_label, subtotal)] if vendor.subtotal_label else []
    lines += [(f"TAX {vendor.tax_percent}%", tax)] if vendor.tax_percent else []
    lines += [("ROUNDING ADJ", rounding)] if vendor.rounds else []
    if rng.random() < 0.3:
        lines += [("TOTAL SAVING", rng.randrange(10, 300, 5))]
    for label, amount in lines:
        _put_amount(sheet, vendor, label, money(amount))
    read = misread_text(money(total), rng) if "total" in misread else money(total)
    _put_amount(sheet, vendor, vendor.total_label, money(total), read)
    for label, amount in _payment(total, rng):
        _put_amount(sheet, vendor, label, money(amount))
    return money(total)


def _payment(total: int, rng: random.Random) -> list[tuple[str, int]]:
    way = rng.choice(("card", "exact", "cash", "cash", "unsaid"))
    if way == "unsaid":
        return []
    if way == "card":
        return [(rng.choice(("VISA CARD", "DEBIT CARD", "MASTERCARD")), total)]
    note = rng.choice((100, 500, 1000, 5000))
    paid = total if way == "exact" else -(-total // note) * note
    return [("CASH", paid), ("CHANGE", paid - total)]


def _put_amount(sheet: Sheet, vendor: Vendor, label: str, amount: str, read: str = "") -> None:
    if vendor.joined:
        sheet.put(f"{label}: {amount}", read=f"{label}: {read or amount}")
    else:
        sheet.put(label)
        sheet.put(amount, read=read, right=True)
    sheet.next()
