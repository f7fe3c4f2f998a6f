"""The final answer of a worked solution, compared as a number where it is one and as text where it is not."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from hf_mbdc.errors import RecipeError

# A number as people write it: sign and currency, thousands in groups of three, a fraction or decimals.
NUMBER = re.compile(
    r"(?P<sign>[-−+]?)[ ]*[$€£₩¥]?[ ]*(?P<sign2>[-−]?)"
    r"(?P<whole>\d{1,3}(?:,\d{3})+|\d+)?(?P<decimals>\.\d+)?(?:[ ]*/[ ]*(?P<below>\d+))?"
)
NEGATIVE = re.compile(r"\b(?:minus|negative)\s*\Z", re.IGNORECASE)
SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
MATHS = re.compile(r"[\d+*/=^<>\\()⁰¹²³⁴-⁹]")  # in what stands around a number: then it is a formula, and no answer
LONGEST = 100  # characters of a number: what is longer is a model that repeats itself
BOXED = r"\boxed{"


@dataclass(frozen=True)
class ExactAnswer:
    """Whether the final answer of a completion is that of the reference.

    The answer is what stands on the line after the last marker; a text without a marker is an answer only where it is
    a number and nothing else. Numbers are compared as fractions: `1,234.50`, `$1234.5` and `2469/2` are equal, and
    `18 eggs` is 18; what is no number is compared as text, case and white space aside.

    Args:
        markers: what announces the answer: by default that of GSM8K's data (`####`), that of its models (`A:`), and
            LaTeX's `\\boxed{`.

    Raises:
        RecipeError: there is no marker, or an empty one.

    Example:
        >>> verify = ExactAnswer()
        >>> verify("16 - 3 - 4 = 9 eggs\\nShe makes $18.\\n#### 18", "A: 18.00"), verify("A: 19", "#### 18")
        (1.0, 0.0)
        >>> verify("First she sells 3 eggs, and then", "#### 18")
        nan
    """

    markers: tuple[str, ...] = ("####", "A:", BOXED)

    def __post_init__(self) -> None:
        if not self.markers or not all(self.markers):
            raise RecipeError(
                "A marker announces the answer", key="markers", value=list(self.markers), mend="####, say."
            )

    def __call__(self, completion: str, reference: str) -> float:
        """1 for the same answer, 0 for another one, NaN where the completion or the reference has none."""
        found, wanted = (final_answer(text, self.markers) for text in (completion, reference))
        if found is None or wanted is None:
            return math.nan
        numbers = parse_number(found), parse_number(wanted)
        if None not in numbers:
            return float(numbers[0] == numbers[1])
        if numbers[1] is not None:  # a number is asked for, and what was answered is none
            return math.nan
        return float(_plain(found) == _plain(wanted))


def final_answer(text: str, markers: tuple[str, ...]) -> str | None:
    """What follows the last marker on its line; None where there is none, or nothing follows.

    Example:
        >>> final_answer("A: 3\\nNo, wait.\\nA: 4 \\n", ("A:",)), final_answer("so many words\\nand no answer", ("A:",))
        ('4', None)
    """
    place, marker = max(((text.rfind(marker), marker) for marker in markers), key=lambda pair: pair[0])
    if place < 0:
        whole = text.strip()
        return whole if NUMBER.fullmatch(whole) and parse_number(whole) is not None else None
    rest = text[place + len(marker) :]
    answer = _inside_braces(rest) if marker == BOXED else (rest.splitlines() or [""])[0]
    return (answer or "").strip() or None


def parse_number(text: str) -> Fraction | None:
    """The one number of an answer, exactly; None where it holds none, several, or a formula.

    Example:
        >>> parse_number("-1.8 billion"), parse_number("$1,234.50"), parse_number("3 of 4"), parse_number("10+x")
        (Fraction(-1800000000, 1), Fraction(2469, 2), None, None)
    """
    found = [match for match in NUMBER.finditer(text) if match["whole"] or match["decimals"]]
    if len(found) != 1:
        return None
    [match] = found
    around = text[: match.start()] + text[match.end() :]
    below = match["below"] or "1"
    if MATHS.search(around) or len(match[0]) > LONGEST or int(below) == 0:
        return None
    number = Fraction((match["whole"] or "0").replace(",", "") + (match["decimals"] or "")) / int(below)
    if "-" in (sign := match["sign"] + match["sign2"]) or "−" in sign or NEGATIVE.search(text[: match.start()]):
        number = -number
    after = re.match(r"\s*([A-Za-z]+)", text[match.end() :])
    return number * SCALES.get(after[1].casefold(), 1) if after else number


def _inside_braces(text: str) -> str | None:
    depth = 1
    for position, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[:position]
    return None


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")
