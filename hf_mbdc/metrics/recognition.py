"""Scores of recognised texts: word accuracy and character error rate by row, F1 and confusions by character.

Everywhere: one predicted and one true text a row, brought into the same Unicode form before they are compared. A text
is a string, whose characters are code points, or a list of characters such as grapheme clusters. Predictions and truths
are aligned by the fewest edits (Levenshtein), so that one inserted character does not make all behind it wrong.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.metrics.intervals import Estimate, ratio_estimates

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
Text = str | Sequence[str]
BUCKETS = ("many", "medium", "few")
UNSEEN = 0  # count of a character that the frequencies do not know


def word_accuracy_scores(
    predictions: Sequence[Text], references: Sequence[Text], normalization: Form | None = "NFC"
) -> np.ndarray:
    """1.0 where the whole text was read rightly, else 0.0.

    Args:
        predictions: (rows,) texts that were read.
        references: (rows,) true texts.
        normalization: the Unicode form that both are brought into; None compares them as they stand.

    Returns:
        float64 array (rows,).

    Raises:
        DataError: lengths differ, or a row holds no text.
        RecipeError: unknown `normalization`.

    Example:
        >>> word_accuracy_scores(["\\u1100\\u1161", "나"], ["가", "너"]).tolist()
        [1.0, 0.0]
    """
    pairs = _pairs(predictions, references, normalization)
    return np.array([float(read == true) for read, true in pairs])


def edit_counts(
    predictions: Sequence[Text], references: Sequence[Text], normalization: Form | None = "NFC"
) -> tuple[np.ndarray, np.ndarray]:
    """The fewest insertions, deletions and replacements that make each prediction its reference, and the reference's
    characters: two int64 arrays (rows,). Arguments and errors as in `word_accuracy_scores`.

    Example:
        >>> [values.tolist() for values in edit_counts(["abd", ""], ["abc", "xy"])]
        [[1, 2], [3, 2]]
    """
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cpdist

    pairs = _pairs(predictions, references, normalization)
    if not pairs:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    read, true = zip(*pairs, strict=True)
    return cpdist(read, true, scorer=Levenshtein.distance, dtype=np.int64), np.array([len(text) for text in true])


def cer_scores(
    predictions: Sequence[Text], references: Sequence[Text], normalization: Form | None = "NFC"
) -> np.ndarray:
    """Character error rate of each row: edits over the reference's characters, which may exceed 1.

    Args:
        predictions, references, normalization: as in `word_accuracy_scores`.

    Returns:
        float64 array (rows,). An empty reference has as many errors as characters were read.

    Raises:
        DataError, RecipeError: as in `word_accuracy_scores`.

    Example:
        >>> cer_scores(["abd", "ab", ""], ["abc", "b", ""]).round(2).tolist()
        [0.33, 1.0, 0.0]
    """
    edits, characters = edit_counts(predictions, references, normalization)
    return edits / np.maximum(characters, 1)


def micro_cer(
    predictions: Sequence[Text],
    references: Sequence[Text],
    normalization: Form | None = "NFC",
    clusters: Sequence[object] | None = None,
) -> Estimate:
    """All edits over all characters of the references, with an interval.

    Args:
        predictions, references, normalization: as in `word_accuracy_scores`.
        clusters: (rows,) see `ratio_estimates`.

    Example:
        >>> round(micro_cer(["abd", "a"], ["abc", "b"]).value, 2)
        0.5
    """
    edits, characters = edit_counts(predictions, references, normalization)
    return ratio_estimates(edits, characters, clusters)[0]


@dataclass(frozen=True)
class Confusions:
    """What was read in place of what, over all rows.

    Args:
        right: true character → how often it was read as such.
        replaced: (true, read) → how often.
        deleted: true character → how often it was passed over.
        inserted: read character → how often it was read where there is none.
    """

    right: Counter[str]
    replaced: Counter[tuple[str, str]]
    deleted: Counter[str]
    inserted: Counter[str]

    def errors(self) -> Counter[str]:
        """True character → how often it was not read as such."""
        errors = Counter(self.deleted)
        for (true, _), times in self.replaced.items():
            errors[true] += times
        return errors


def confusions(
    predictions: Sequence[Text], references: Sequence[Text], normalization: Form | None = "NFC"
) -> Confusions:
    """Counts what was read in place of each true character; arguments and errors as in `word_accuracy_scores`.

    Example:
        >>> found = confusions(["가너", "다"], ["가나", "다라"])
        >>> found.replaced, found.deleted, found.errors()["나"]
        (Counter({('나', '너'): 1}), Counter({'라': 1}), 1)
    """
    found = Confusions(Counter(), Counter(), Counter(), Counter())
    for read, true in _pairs(predictions, references, normalization):  # a loop: each pair has its own alignment
        _count(read, true, found)
    return found


def _count(read: Text, true: Text, found: Confusions) -> None:
    if read == true:
        found.right.update(true)
        return
    from rapidfuzz.distance import Levenshtein

    for edit in Levenshtein.opcodes(true, read):
        ours, theirs = true[edit.src_start : edit.src_end], read[edit.dest_start : edit.dest_end]
        if edit.tag == "equal":
            found.right.update(ours)
        elif edit.tag == "replace":
            found.replaced.update(zip(ours, theirs, strict=True))
        elif edit.tag == "delete":
            found.deleted.update(ours)
        else:
            found.inserted.update(theirs)


def char_f1(
    predictions: Sequence[Text],
    references: Sequence[Text],
    frequencies: Mapping[str, int],
    *,
    few_below: int = 20,
    many_above: int = 100,
    normalization: Form | None = "NFC",
    clusters: Sequence[object] | None = None,
) -> dict[str, Estimate]:
    """F1 of the characters of each bucket of frequency, and of all, with an interval.

    Of a bucket's characters, F1 is 2·right / (2·right + missed + wrongly read): a character is missed where the
    reference has it and the prediction something else or nothing, and wrongly read where it is the other way about.

    Args:
        predictions, references, normalization: as in `word_accuracy_scores`.
        frequencies: character → count in the training data; one that is missing was never seen, and is `few`.
        few_below, many_above: as in `hf_mbdc.TextRecognition`.
        clusters: (rows,) see `ratio_estimates`; the texts themselves where words occur several times.

    Returns:
        `all`, `many`, `medium`, `few` → estimate; NaN for a bucket that no character was of.

    Raises:
        DataError: as in `word_accuracy_scores`, or there are no rows.

    Example:
        >>> scores = char_f1(["가나", "가가"], ["가나", "가다"], {"가": 500, "나": 50})
        >>> [round(scores[bucket].value, 2) for bucket in ("all", "many", "medium", "few")]
        [0.75, 0.8, 1.0, 0.0]
    """
    right, wrong = char_counts(
        predictions, references, frequencies, few_below=few_below, many_above=many_above, normalization=normalization
    )
    estimates = ratio_estimates(2 * right, 2 * right + wrong, clusters)
    return dict(zip(("all", *BUCKETS), estimates, strict=True))


def char_counts(
    predictions: Sequence[Text],
    references: Sequence[Text],
    frequencies: Mapping[str, int],
    *,
    few_below: int = 20,
    many_above: int = 100,
    normalization: Form | None = "NFC",
) -> tuple[np.ndarray, np.ndarray]:
    """What `char_f1` counts: of each row the characters read rightly, and those missed or wrongly read.

    Args:
        predictions, references, frequencies, few_below, many_above, normalization: as in `char_f1`.

    Returns:
        Two float64 arrays (rows, 4): of all characters, and of those that are `many`, `medium` and `few`.

    Example:
        >>> right, wrong = char_counts(["가나"], ["가다"], {"가": 500, "나": 50})
        >>> right[0].tolist(), wrong[0].tolist()
        ([1.0, 1.0, 0.0, 0.0], [2.0, 0.0, 1.0, 1.0])
    """
    pairs = _pairs(predictions, references, normalization)
    right, wrong = np.zeros((len(pairs), 4)), np.zeros((len(pairs), 4))
    for row, (read, true) in enumerate(pairs):  # a loop: each pair has its own alignment
        found = Confusions(Counter(), Counter(), Counter(), Counter())
        _count(read, true, found)
        for character, times in found.right.items():
            right[row, [0, _bucket(frequencies.get(character, UNSEEN), few_below, many_above)]] += times
        for character, times in (found.errors() + _read_wrongly(found)).items():
            wrong[row, [0, _bucket(frequencies.get(character, UNSEEN), few_below, many_above)]] += times
    return right, wrong


def _read_wrongly(found: Confusions) -> Counter[str]:
    wrongly = Counter(found.inserted)
    for (_, read), times in found.replaced.items():
        wrongly[read] += times
    return wrongly


def _bucket(count: int, few_below: int, many_above: int) -> int:
    return 1 if count > many_above else 3 if count < few_below else 2


def _pairs(
    predictions: Sequence[Text], references: Sequence[Text], normalization: Form | None
) -> list[tuple[Text, Text]]:
    if normalization not in (None, "NFC", "NFD", "NFKC", "NFKD"):
        mend = "Take NFC, NFD, NFKC, NFKD or None."
        raise RecipeError(f"normalization is {normalization!r}", key="normalization", mend=mend)
    if len(predictions) != len(references):
        what = f"There are {len(predictions)} predictions for {len(references)} references"
        raise DataError(what, mend="Give one prediction a row.")
    for name, texts in (("prediction", predictions), ("reference", references)):
        for row, text in enumerate(texts):
            if not isinstance(text, str) and not (
                isinstance(text, list | tuple) and all(isinstance(character, str) for character in text)
            ):
                what = f"A {name} is {type(text).__name__}, not a text"
                raise DataError(what, row=row, mend='Give a string, "" where nothing was read.')
    return [
        (_normalize(read, normalization), _normalize(true, normalization))
        for read, true in zip(predictions, references, strict=True)
    ]


def _normalize(text: Text, form: Form | None) -> Text:
    if form is None:
        return text
    if isinstance(text, str):
        return unicodedata.normalize(form, text)
    return [unicodedata.normalize(form, character) for character in text]
