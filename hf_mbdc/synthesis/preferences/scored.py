"""Completions with their scores, as flat arrays, and which of them may stand in training data at all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

NO_SCORE = "the completion has no score"
EMPTY = "the completion is empty"
TRUNCATED = "the completion was cut off"
REPEATED = "the completion repeats another one of its prompt"
CUT_OFF = "length"  # the finish reason of OpenAI's API, which all servers give


@dataclass(frozen=True)
class Completions:
    """All completions of all prompts, k of them.

    Args:
        texts: (k,) as the model wrote them; "" for a null.
        scores: (k,) float; NaN: none. Completions with the same text have their mean.
        prompt: (k,) the number of the prompt, ascending.
        prompts: how many prompts there are.
        reasons: (k,) why a completion cannot be used; "" where it can.
        order: (k,) uint64, a random draw of each, by the prompt's id and the text alone.
    """

    texts: list[str]
    scores: np.ndarray
    prompt: np.ndarray
    prompts: int
    reasons: np.ndarray
    order: np.ndarray

    @property
    def usable(self) -> np.ndarray:
        """(k,) bool"""
        return self.reasons == ""

    @property
    def lengths(self) -> np.ndarray:
        """(k,) in characters, white space at both ends aside."""
        return np.array([len(text.strip()) for text in self.texts], np.int64)


def read_completions(scored: Dataset, seed: int) -> Completions:
    """The completions of scored rows.

    Args:
        scored: `id`, `prompt`, `completions` (list of string), `scores` (list of number, null or NaN where the judge's
            answer could not be read), and where it is known `finish_reasons` (list of string).
        seed: of the random order.

    Raises:
        DataError: a column is missing, an id is there twice, or a row has not as many scores as completions.
    """
    ids = _ids(scored)
    names = [name for name in ("completions", "scores", "finish_reasons") if name in scored.column_names]
    if missing := [name for name in ("completions", "scores") if name not in names]:
        mend = "Rows have id, prompt, completions and scores; from_distilabel and from_ultrafeedback make them."
        raise DataError(f"The columns {missing} are missing", mend=mend)
    columns: dict[str, list[list[Any] | None]] = {name: scored.select_columns([name])[:][name] for name in names}
    sizes = {name: np.array([len(row or ()) for row in rows], np.int64) for name, rows in columns.items()}
    for name, found in sizes.items():
        if (wrong := np.flatnonzero(found != sizes["completions"])).size:
            row = int(wrong[0])
            what = f"A row has {sizes['completions'][row]} completions and {found[row]} {name}"
            raise DataError(what, id=ids[row], column=name, mend="Give one for each completion, null where it lacks.")
    flat = {name: [value for row in rows for value in row or ()] for name, rows in columns.items()}
    prompt = np.repeat(np.arange(len(ids)), sizes["completions"])
    texts = ["" if text is None else text for text in flat["completions"]]
    scores = np.array([np.nan if score is None else score for score in flat["scores"]], np.float64)
    cut = np.array([reason == CUT_OFF for reason in flat.get("finish_reasons", [None] * len(texts))], bool)
    reasons = _reasons(texts, scores, cut)
    scores, reasons = _merge_repeated(texts, scores, prompt, reasons)
    return Completions(texts, scores, prompt, len(ids), reasons, _random_order(ids, prompt, texts, seed))


def _ids(scored: Dataset) -> list[str]:
    if "id" not in scored.column_names or "prompt" not in scored.column_names:
        raise DataError("The rows have no id or no prompt", mend="Give every prompt an id: pairs are drawn by it.")
    ids: list[str] = scored.select_columns(["id"])[:]["id"]
    seen: set[str] = set()
    for name in ids:
        if name is None or name in seen:
            raise DataError(
                "An id is null, or there twice", id=name, mend="Put all completions of a prompt in one row."
            )
        seen.add(name)
    return ids


def _reasons(texts: Sequence[str], scores: np.ndarray, cut: np.ndarray) -> np.ndarray:
    empty = np.array([not text.strip() for text in texts], bool)
    return np.select([empty, cut, ~np.isfinite(scores)], [EMPTY, TRUNCATED, NO_SCORE], "").astype(object)


def _merge_repeated(
    texts: Sequence[str], scores: np.ndarray, prompt: np.ndarray, reasons: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The first of equal texts stands for them all, with the mean of their scores: a judge may differ on one text."""
    usable = np.flatnonzero(reasons == "")
    group: dict[tuple[int, str], int] = {}
    of = np.array([group.setdefault((int(prompt[k]), texts[k].strip()), len(group)) for k in usable.tolist()], np.int64)
    if len(group) == len(usable):
        return scores, reasons
    mean = np.bincount(of, weights=scores[usable]) / np.bincount(of)
    first = np.unique(of, return_index=True)[1]
    scores, reasons = scores.copy(), reasons.copy()
    reasons[np.delete(usable, first)] = REPEATED
    scores[usable[first]] = mean
    return scores, reasons


def _random_order(ids: Sequence[str], prompt: np.ndarray, texts: Sequence[str], seed: int) -> np.ndarray:
    salt = hashlib.blake2b(repr(("preferences", seed)).encode(), digest_size=16).digest()
    draws = [
        hashlib.blake2b(f"{ids[row]}\0{text.strip()}".encode(errors="surrogatepass"), digest_size=8, key=salt).digest()
        for row, text in zip(prompt.tolist(), texts, strict=True)
    ]
    return np.frombuffer(b"".join(draws), "<u8")
