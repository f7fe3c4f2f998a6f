"""Embedding levels of a line of text: which characters run from right to left.

The implicit part of the Unicode Bidirectional Algorithm (UAX #9, rules P2–P3, W1–W7, N0–N2, I1–I2, L1–L2). Explicit
embeddings, overrides and isolates are not part of it: words have none, and a word with one is refused before.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

EXPLICIT = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_BRACKETS = (
    "()[]{}༺༻༼༽᚛᚜⁅⁆⁽⁾₍₎⌈⌉⌊⌋〈〉❨❩❪❫❬❭❮❯❰❱❲❳❴❵⟅⟆⟦⟧⟨⟩⟪⟫⟬⟭⟮⟯⦃⦄⦅⦆〈〉《》「」『』【】〔〕〖〗〘〙〚〛（）［］｛｝｟｠｢｣"
)
_CLOSING = dict(zip(_BRACKETS[::2], _BRACKETS[1::2], strict=True))
_SAME = {"\u2329": "\u3008", "\u232a": "\u3009"}  # canonically equal brackets pair up
_NEUTRAL = ("B", "S", "WS", "ON")


def is_left_to_right(text: str) -> bool:
    """Whether no character asks for the other direction: then every level is 0."""
    return text.isascii() or not any(unicodedata.bidirectional(c) in ("R", "AL", "AN") for c in text)


def levels(text: str) -> list[int]:
    """The level of every character: even ones run from left to right, odd ones from right to left.

    Example:
        >>> levels("a אב 1")
        [0, 0, 1, 1, 1, 2]
    """
    own = [unicodedata.bidirectional(c) or "L" for c in text]
    base = next((int(kind != "L") for kind in own if kind in ("L", "R", "AL")), 0)
    places = [i for i, kind in enumerate(own) if kind != "BN"]  # X9: joiners take no part
    kinds = _weak([own[i] for i in places], base)
    _pair_brackets([text[i] for i in places], [own[i] for i in places], kinds, base)
    _neutral(kinds, base)
    found = [base] * len(text)
    for place, kind in zip(places, kinds, strict=True):
        found[place] = base + _STEPS[base][kind]
    for i, kind in enumerate(own):
        if kind == "BN" and i:
            found[i] = found[i - 1]
    _reset_ends(own, found, base)
    return found


_STEPS = ({"L": 0, "R": 1, "AN": 2, "EN": 2}, {"L": 1, "R": 0, "AN": 1, "EN": 1})  # I1, I2


def visual_order(run_levels: Sequence[int]) -> list[int]:
    """The order from left to right of runs with these levels (L2).

    Example:
        >>> visual_order([0, 1, 2, 1])
        [0, 3, 2, 1]
    """
    order = list(range(len(run_levels)))
    odd = [level for level in run_levels if level % 2]
    for level in range(max(run_levels, default=0), min(odd, default=1) - 1, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and run_levels[order[end]] >= level:
                end += 1
            order[start:end] = order[start:end][::-1]
            start = end + 1
    return order


def _weak(kinds: list[str], base: int) -> list[str]:
    """W1 to W7."""
    edge = "R" if base else "L"
    strong = previous = edge
    for i, kind in enumerate(kinds):
        if kind == "NSM":  # W1
            kinds[i] = kind = previous
        previous = kind
        if kind in ("L", "R", "AL"):
            strong = kind
        elif kind == "EN" and strong == "AL":  # W2
            kinds[i] = "AN"
    kinds = ["R" if kind == "AL" else kind for kind in kinds]  # W3
    for i in range(1, len(kinds) - 1):  # W4
        around = kinds[i - 1]
        if around == kinds[i + 1] and (kinds[i], around) in (("ES", "EN"), ("CS", "EN"), ("CS", "AN")):
            kinds[i] = around
    _terminators(kinds)
    strong = edge
    for i, kind in enumerate(kinds):
        if kind in ("ES", "ET", "CS"):  # W6
            kinds[i] = "ON"
        elif kind in ("L", "R"):
            strong = kind
        elif kind == "EN" and strong == "L":  # W7
            kinds[i] = "L"
    return kinds


def _terminators(kinds: list[str]) -> None:
    """W5: percent and currency signs go with the number beside them."""
    start = 0
    while start < len(kinds):
        end = start
        while end < len(kinds) and kinds[end] == "ET":
            end += 1
        if end > start and "EN" in (kinds[start - 1] if start else "", kinds[end] if end < len(kinds) else ""):
            kinds[start:end] = ["EN"] * (end - start)
        start = end + 1


def _pair_brackets(text: Sequence[str], own: Sequence[str], kinds: list[str], base: int) -> None:
    """N0: a pair of brackets takes the direction of what it holds, or of what stands before it."""
    with_base = "R" if base else "L"
    for opening, closing in _pairs(text, kinds):
        inside = {_direction(kind) for kind in kinds[opening + 1 : closing]} - {""}
        if not inside:
            continue
        taken = with_base
        if with_base not in inside:
            before = next((d for kind in reversed(kinds[:opening]) if (d := _direction(kind))), with_base)
            taken = before if before != with_base else with_base
        for place in (opening, closing):
            kinds[place] = taken
            for i in range(place + 1, len(kinds)):
                if own[i] != "NSM":
                    break
                kinds[i] = taken


def _pairs(text: Sequence[str], kinds: Sequence[str]) -> list[tuple[int, int]]:
    """BD16: matching brackets, by the place of the opening one."""
    stack: list[tuple[str, int]] = []
    found = []
    for i, (character, kind) in enumerate(zip(text, kinds, strict=True)):
        character = _SAME.get(character, character)
        if kind != "ON":
            continue
        if character in _CLOSING:
            if len(stack) == 63:
                break
            stack.append((_CLOSING[character], i))
        else:
            depth = next((d for d in range(len(stack) - 1, -1, -1) if stack[d][0] == character), None)
            if depth is not None:
                found.append((stack[depth][1], i))
                del stack[depth:]
    return sorted(found)


def _direction(kind: str) -> str:
    """The direction that a resolved kind counts as among neutrals: numbers count as right to left."""
    return "L" if kind == "L" else "R" if kind in ("R", "EN", "AN") else ""


def _neutral(kinds: list[str], base: int) -> None:
    """N1 and N2: what stands between two of one direction takes it, everything else the base's."""
    edge = "R" if base else "L"
    start = 0
    while start < len(kinds):
        end = start
        while end < len(kinds) and kinds[end] in _NEUTRAL:
            end += 1
        if end > start:
            before = _direction(kinds[start - 1]) if start else edge
            after = _direction(kinds[end]) if end < len(kinds) else edge
            kinds[start:end] = [before if before == after else edge] * (end - start)
        start = max(end, start + 1)


def _reset_ends(own: Sequence[str], found: list[int], base: int) -> None:
    """L1: separators, and spaces before them or at the end, have the base's level."""
    at_end = True
    for i in range(len(own) - 1, -1, -1):
        if own[i] in ("B", "S"):
            at_end = True
        if at_end and own[i] in ("B", "S", "WS", "BN"):
            found[i] = base
        else:
            at_end = False
