"""Scores of predicted texts, one a row: exact match, token F1 and ANLS.

Everywhere: `predictions` holds one text a row and "" means "no answer"; `references` holds the accepted answers of each
row and an empty list means "unanswerable". As in the official SQuAD 2.0 script, answers that normalisation leaves empty
are dropped first, so `[""]`, and `["..."]` under `"squad"`, are unanswerable too. A row's score is its best over the
answers.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from hf_mbdc.errors import DataError, RecipeError

Normalization = Literal["strict", "squad"]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_strict(text: str) -> str:
    """NFKC, lower case, whitespace runs to one blank, ends stripped; every other character counts.

    Example:
        >>> normalize_strict(" ＴＯＴＡＬ  RM\\n9.00 ")
        'total rm 9.00'
    """
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


def normalize_squad(text: str) -> str:
    """The official SQuAD v1.1 and v2.0 normalisation: lower case, without ASCII punctuation and English articles.

    The trap: it was made for prose. Amounts and dates lose their separators, so `9.00` equals `900`; use `"strict"`
    for them.

    Example:
        >>> normalize_squad("The total: 9.00")
        'total 900'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def exact_match_scores(
    predictions: Sequence[str], references: Sequence[Sequence[str]], normalization: Normalization = "strict"
) -> np.ndarray:
    """1.0 where the prediction equals one of the answers after normalisation, else 0.0.

    Args:
        predictions: (rows,) texts; "" = no answer, which is right exactly where the row is unanswerable.
        references: (rows,) lists of accepted answers; an empty list = unanswerable.
        normalization: `"strict"` (`normalize_strict`) or `"squad"` (`normalize_squad`, with its trap).

    Returns:
        float64 array (rows,).

    Raises:
        DataError: lengths differ, a prediction is not a text, or a row of the references is not a list of texts.
        RecipeError: unknown `normalization`.

    Example:
        >>> exact_match_scores(["RM 9.00", "", "x"], [["rm 9.00", "9.00"], [], ["y"]]).tolist()
        [1.0, 1.0, 0.0]
    """
    predicted, accepted = _normalized(predictions, references, _normalizer(normalization))
    return np.array([float(p in a if a else not p) for p, a in zip(predicted, accepted, strict=True)], dtype=np.float64)


def f1_scores(
    predictions: Sequence[str], references: Sequence[Sequence[str]], normalization: Normalization = "squad"
) -> np.ndarray:
    """Token F1 of the official SQuAD scripts: harmonic mean of precision and recall over the bag of whitespace tokens.

    A text without blanks (Chinese, Japanese, Thai) is one token, so F1 is exact match there.

    Args:
        predictions: as in `exact_match_scores`.
        references: as in `exact_match_scores`.
        normalization: `"squad"` (official) or `"strict"`.

    Returns:
        float64 array (rows,).

    Raises:
        DataError, RecipeError: as in `exact_match_scores`.

    Example:
        >>> f1_scores(["the red car", ""], [["red bus", "a red car"], ["red"]]).tolist()
        [1.0, 0.0]
    """
    predicted, accepted = _normalized(predictions, references, _normalizer(normalization))
    return np.array(
        [
            max((_token_f1(p, answer) for answer in answers), default=float(not p))
            for p, answers in zip(predicted, accepted, strict=True)
        ],
        dtype=np.float64,
    )


def _token_f1(prediction: str, answer: str) -> float:
    ours, theirs = prediction.split(), answer.split()
    common = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * common / (len(ours) + len(theirs))  # = 2PR/(P+R); the answer has a token, so no division by zero


def anls_scores(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    threshold_rule: Literal["at_most", "below"] = "at_most",
    unanswerable: Literal["one", "zero"] = "one",
) -> np.ndarray:
    """Normalised Levenshtein similarity s = 1 − NL, cut to 0 where NL is over one half (Biten et al. 2019).

    NL is the edit distance over the longer length, after lower-casing, stripping and collapsing whitespace. The mean
    over rows is ANLS (arXiv:1905.13648). Implementations disagree in two places, which are named options here.

    Args:
        predictions: as in `exact_match_scores`.
        references: as in `exact_match_scores`.
        threshold_rule: what NL of exactly 0.5 scores. `"at_most"`: 0.5, as in the official RRC script (a score < 0.5
            becomes 0), in what follows it (lmms-eval, Qwen-VL, mmpretrain, ANLS*), in MP-DocVQA-Framework and in
            pix2struct. `"below"`: 0, as in the paper's equation (NL < τ) and the draft in `evaluate`'s repository.
        unanswerable: what an empty prediction scores on an unanswerable row. `"one"`: 1, as in ANLS* (and as the RRC
            script scores "" against [""]). `"zero"`: 0, as in MP-DocVQA-Framework. Any other prediction scores 0 there.

    One deviation: the RRC script divides by the lengths from before whitespace is collapsed, which rewards padding; we
    divide by the lengths of what is compared. They differ only where a text has leading, trailing or repeated blanks.

    Returns:
        float64 array (rows,).

    Raises:
        DataError: as in `exact_match_scores`.
        RecipeError: unknown option value.

    Example:
        >>> predictions, references = ["hallo", "ab", ""], [["Hello"], ["ax"], []]
        >>> anls_scores(predictions, references).tolist()
        [0.8, 0.5, 1.0]
        >>> anls_scores(predictions, references, threshold_rule="below", unanswerable="zero").tolist()
        [0.8, 0.0, 0.0]
    """
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cpdist

    _one_of("threshold_rule", threshold_rule, ("at_most", "below"))
    _one_of("unanswerable", unanswerable, ("one", "zero"))
    predicted, accepted = _normalized(predictions, references, lambda text: " ".join(text.lower().split()))
    counts = np.array([len(answers) for answers in accepted], dtype=np.int64)
    empty = np.array([not p for p in predicted], dtype=bool)
    scores = np.where((counts == 0) & empty & (unanswerable == "one"), 1.0, 0.0)
    rows = np.repeat(np.arange(len(predicted)), counts)  # one entry per (row, answer)
    if not len(rows):
        return scores
    ours, theirs = [predicted[row] for row in rows], [answer for answers in accepted for answer in answers]
    distance = cpdist(ours, theirs, scorer=Levenshtein.distance, dtype=np.int64)
    length = np.array([max(len(p), len(a)) for p, a in zip(ours, theirs, strict=True)])
    # In integers, because the rule is about NL being one half exactly.
    close = 2 * distance <= length if threshold_rule == "at_most" else 2 * distance < length
    np.maximum.at(scores, rows, np.where(close, 1 - distance / length, 0.0))
    return scores


def _normalizer(name: str) -> Callable[[str], str]:
    _one_of("normalization", name, ("strict", "squad"))
    return normalize_strict if name == "strict" else normalize_squad


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise RecipeError(
            f"{option} is {value!r}, which is not one of its values", mend=f"Use one of: {', '.join(allowed)}."
        )


def _normalized(
    predictions: Sequence[str], references: Sequence[Sequence[str]], normalize: Callable[[str], str]
) -> tuple[list[str], list[list[str]]]:
    if len(predictions) != len(references):
        raise DataError(
            f"There are {len(predictions)} predictions for {len(references)} rows of references",
            mend='Give one prediction a row, "" where there is no answer.',
        )
    for row, (prediction, answers) in enumerate(zip(predictions, references, strict=True)):
        if not isinstance(prediction, str):
            raise DataError(
                f"A prediction is {type(prediction).__name__}, not a text", row=row, mend='Use "" for no answer.'
            )
        if isinstance(answers, str) or not all(isinstance(answer, str) for answer in answers):
            raise DataError(
                "References are not a list of texts", row=row, mend="Give a list of accepted answers, [] for none."
            )
    accepted = [[text for text in map(normalize, answers) if text] for answers in references]
    return [normalize(prediction) for prediction in predictions], accepted
