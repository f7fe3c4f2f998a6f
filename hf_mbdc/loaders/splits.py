"""Which split a document goes to: by a threshold on a hash of its group, so that new documents never move old ones.

A *tie* is a string that keeps documents together: the hash of a document's text, its vendor, its article. Documents
that share a tie, directly or through others, form one group, and a group goes to one split as a whole. Nothing but the
group's smallest tie and the seed decides where it goes. So a new document moves an old one in a single case: when it
ties two groups together that were apart.

The fractions are probabilities of a group. The sizes of the splits only come near them, the less so the fewer or the
more uneven the groups are; a split that comes out empty is an error that names a seed for which none does.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.transforms.groups import groups

SPLITS = ("train", "validation", "test")
SEEDS_TO_TRY = 1000  # when a split is empty and another seed is looked for


def text_tie(text: str) -> str:
    """The tie of documents with equal text: whitespace inside a line and blank lines make no difference.

    Example:
        >>> text_tie("TOTAL  9.00\\n") == text_tie("TOTAL 9.00\\r\\n\\r\\n")
        True
    """
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "2-text:" + hashlib.sha256("\n".join(line for line in lines if line).encode()).hexdigest()


def group_tie(group: str) -> str:
    """The tie of documents of one vendor, article or file. It sorts before text ties, so that the name of the group
    decides its split and not whichever of its documents has the smallest hash."""
    return "1-group:" + group


def check_fractions(fractions: object) -> tuple[float, float, float]:
    """Gives the fractions of train, validation and test as floats, or raises `RecipeError`."""
    mend = "Give three numbers from 0 to 1 that add up to 1, for train, validation and test, such as (0.6, 0.15, 0.25)."
    if not isinstance(fractions, (list, tuple)) or len(fractions) != len(SPLITS):
        raise RecipeError(f"split_fractions is {fractions!r}", key="split_fractions", mend=mend)
    numbers = all(isinstance(f, (int, float)) and not isinstance(f, bool) and 0 <= f <= 1 for f in fractions)
    if not numbers or abs(sum(fractions) - 1) > 1e-6:
        raise RecipeError(f"split_fractions is {tuple(fractions)!r}", key="split_fractions", mend=mend)
    train, validation, test = map(float, fractions)
    return train, validation, test


def split_of(group: str, fractions: Sequence[float], seed: int) -> str:
    """The split of one group: the first whose cumulated fraction is above the group's draw from [0, 1).

    Example:
        >>> split_of("some vendor", (0.6, 0.15, 0.25), seed=0)
        'validation'
    """
    draw = int.from_bytes(hashlib.sha256(f"{seed}\n{group}".encode()).digest()[:8], "big") / 2**64
    cumulated = 0.0
    present = [(name, fraction) for name, fraction in zip(SPLITS, fractions, strict=True) if fraction > 0]
    for name, fraction in present:
        cumulated += fraction
        if draw < cumulated:
            return name
    return present[-1][0]  # the fractions add up to a hair less than 1


def assign(ties: Sequence[Sequence[str]], fractions: object, seed: int) -> list[str]:
    """Gives every document its split.

    Args:
        ties: for every document one or more strings; documents that share one end in the same split.
        fractions: of train, validation and test; a split with fraction 0 does not exist.
        seed: another seed gives another assignment.

    Returns:
        `"train"`, `"validation"` or `"test"` for every document, in the order given.

    Raises:
        RecipeError: fractions that are none.
        DataError: a split is empty.
    """
    checked = check_fractions(fractions)
    owners = groups(ties)
    names = sorted(set(owners))
    split = {name: split_of(name, checked, seed) for name in names}
    missing = [s for s, f in zip(SPLITS, checked, strict=True) if f > 0 and s not in split.values()]
    if missing:
        raise _empty_split(missing[0], len(owners), names, checked, seed)
    return [split[owner] for owner in owners]


def _empty_split(split: str, documents: int, names: list[str], fractions: Sequence[float], seed: int) -> DataError:
    there = f"{_count(documents, 'document')} in {_count(len(names), 'group')} {'is' if documents == 1 else 'are'}"
    two = [round(fractions[0] + fractions[1], 6), 0, round(fractions[2], 6)]  # without validation
    if (other := _seed_without_empty(names, fractions)) is not None:
        mend = f"Pass seed={other}, which leaves no split empty (in a recipe dataset.options.seed: {other}), or change "
        mend += "split_fractions (in a recipe dataset.options.split_fractions), or give more documents."
    elif two[0] and two[2] and (other := _seed_without_empty(names, two)) is not None:
        mend = f"Do without validation: split_fractions={tuple(two)}, seed={other} (in a recipe "
        mend += f"dataset.options.split_fractions: {two} and dataset.options.seed: {other}), or give more documents."
    else:
        mend = "Give more documents: a group is never divided. To look at them, pass split_fractions=(0, 0, 1), which "
        mend += "makes one split; a recipe (dataset.options.split_fractions) needs documents for train and test."
    return DataError(f"No document falls into the split: {there} too few", split=split, seed=seed, mend=mend)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _seed_without_empty(names: list[str], fractions: Sequence[float]) -> int | None:
    """A seed for which every split has a group; None where none was found."""
    wanted = sum(fraction > 0 for fraction in fractions)
    if len(names) < wanted:
        return None
    seeds = (s for s in range(SEEDS_TO_TRY) if len({split_of(name, fractions, s) for name in names}) == wanted)
    return next(seeds, None)


LEGAL_FORMS = frozenset(
    (
        "sdn",
        "bhd",
        "berhad",
        "s",
        "b",
        "m",
        "co",
        "company",
        "ltd",
        "limited",
        "inc",
        "llc",
        "gmbh",
        "plc",
        "pte",
        "corp",
    )
)


def normalise_vendor(company: str) -> str:
    """The company's name without branch in brackets, legal form, punctuation and case: what receipts of one vendor
    share.

    Example:
        >>> normalise_vendor("MR. D.I.Y. (KUCHAI) SDN BHD"), normalise_vendor("Mr D.I.Y Sdn. Bhd.")
        ('mrdiy', 'mrdiy')
    """
    outside = re.sub(r"\([^)]*\)?|\[[^\]]*\]?", " ", company).strip() or company
    words = re.findall(r"\w+", re.sub(r"[.'’]", "", outside).casefold())
    kept = [word for word in words if word not in LEGAL_FORMS]
    return "".join(kept or words)  # without blanks: transcriptions differ in them most
