"""Which evaluation rows words of rare or confused characters would reach."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from datasets import Dataset, DatasetDict

import hf_mbdc as mbdc
from hf_mbdc.experiments.misread import confused_reach, misread_characters, rare_reach


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("unit", ["code_point", "grapheme"])
def test_rows_are_reached_by_characters_as_the_approach_counts_them(unit: str, form: str) -> None:
    train = Dataset.from_dict({"id": [str(n) for n in range(12)], "text": ["가나", "다라"] * 5 + ["x\u0301가"] * 2})
    approach = mbdc.fit(train, mbdc.TextRecognition(unit=unit, few_below=3, many_above=50))
    texts = [unicodedata.normalize(form, text) for text in ["가나", "다라", "가가", "x\u0301나"]]
    test = mbdc.annotate(
        DatasetDict({"train": train, "test": Dataset.from_dict({"id": list("abcd"), "text": texts})}), approach
    )["test"]
    said = [["가가", "다라", "가가", "가가"]]  # 나 is read as 가
    misread = misread_characters(approach, said, texts)
    first = misread[0]
    assert (first.character, first.missed, first.occurs, first.trained) == ("나", 2.0, 2, 5)
    score, clusters = np.array([0.0, 1.0, 1.0, 0.0]), np.arange(4)
    confused = confused_reach(test, misread, score, clusters, 0.95, approach)
    assert confused is not None
    assert (confused.rows, confused.score, confused.missed, confused.kinds) == (1, 0.0, 0.25, 1)
    rare = rare_reach(test, score, clusters, 0.95)  # x with its accent is there twice
    assert rare is not None
    assert (rare.rows, rare.score) == (1, 0.0)
