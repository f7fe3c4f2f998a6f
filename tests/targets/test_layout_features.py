"""Tokens and features are a pure function of text, boxes and config."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.targets.encoding import Window
from hf_mbdc.targets.layout_features import LayoutSpanEncoder, shape, token_boxes, tokenize
from hf_mbdc.targets.layout_span import LayoutSpanConfig


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("RM9.00", ["RM", "9.00"]),
        ("DATE:25/12/2018", ["DATE", ":", "25/12/2018"]),
        ("1,234.50-", ["1,234.50", "-"]),
        ("No.5,Jln", ["No", ".", "5", ",", "Jln"]),
        ("12:30:05PM", ["12:30:05", "PM"]),
        ("(GST 6%)", ["(", "GST", "6", "%", ")"]),
        ("서울은", ["서", "울", "은"]),  # particles are glued to Korean words
        ("東京都", ["東", "京", "都"]),
        ("Straße naïve", ["Straße", "naïve"]),
        ("nai\u0308ve", ["nai\u0308ve"]),  # a combining mark does not end a word
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("“quoted”…", ["“", "quoted", "”", "…"]),
        ("001-2018/02/22", ["001", "-", "2018/02/22"]),  # a number in front of a date
        ("07/04/2018-18:11:0", ["07/04/2018", "-", "18:11:0"]),
        ("25-12-2018 1914-1918", ["25-12-2018", "1914", "-", "1918"]),  # a date, and two years
        ("стандартаDVB αx", ["стандарта", "DVB", "α", "x"]),  # another script
        ("TaxInvoice GSTReg", ["Tax", "Invoice", "GSTReg"]),  # a lost space
        ("\u1109\u1165\u110b\u116e\u11af", ["\u1109\u1165", "\u110b\u116e\u11af"]),  # Hangul in NFD: syllables
        ("น้ำดี", ["น้ำ", "ดี"]),  # tone and vowel marks hang on their consonant
        ("والعربية، وقال هذا", ["و", "العربية", "،", "و", "قال", "هذا"]),
        ("ｶﾞｽ 𠀀𠀁", ["ｶﾞ", "ｽ", "𠀀", "𠀁"]),
        ("भारत।", ["भारत", "।"]),
        ("", []),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    assert tokenize(text)[0] == tokens


@given(st.text())
def test_tokens_are_the_text_without_its_space(text: str) -> None:
    tokens, offsets = tokenize(text)
    assert [text[a:b] for a, b in offsets] == tokens
    assert "".join(tokens) == "".join(text.split())
    assert (offsets[1:, 0] >= offsets[:-1, 1]).all()


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("TOTAL", "X4"),
        ("Rm", "Xx2"),
        ("sdn", "x3"),
        ("iPhone", "xX4"),
        ("25/12/2018", "2/2/4"),
        ("12345678", "6"),
        ("%", "%"),
    ],
)
def test_shapes(token: str, expected: str) -> None:
    assert shape(token) == expected


def test_numbers_are_known_by_their_shape_only() -> None:
    first, second, third = (windows_of("", text)[0].inputs for text in ("9.50", "7.25", "19.50"))
    for name in ("input_ids", "shape_ids", "trigram_ids"):
        assert (first[name] == second[name]).all()
    assert first["shape_ids"][1] != third["shape_ids"][1]
    assert not first["trigram_ids"][1].any()


def test_the_line_height_is_the_median_of_the_document() -> None:
    encoder = LayoutSpanEncoder(LayoutSpanConfig())
    words, boxes = np.array([[0, 1], [2, 3], [4, 5]]), np.array([[0, 0, 9, 10], [0, 0, 9, 20], [0, 0, 9, 90]])
    assert encoder.encode_document("A B C", words, boxes)[0].inputs["line_height"].tolist() == [20]
    assert windows_of("", "A")[0].inputs["line_height"].tolist() == [2]


def test_a_token_has_its_share_of_the_words_box() -> None:
    offsets = np.array([[0, 2], [2, 6], [7, 8]])
    words, boxes = np.array([[0, 6], [7, 8]]), np.array([[0, 10, 60, 20], [70, 10, 80, 20]])
    assert token_boxes(offsets, words, boxes).tolist() == [[0, 10, 20, 20], [20, 10, 60, 20], [70, 10, 80, 20]]


FEATURES = """
from types import SimpleNamespace
import numpy as np
from hf_mbdc.targets.encoding import Window
from hf_mbdc.targets.layout_features import LayoutSpanEncoder
config = SimpleNamespace(word_buckets=99, shape_buckets=9, trigram_buckets=99, max_trigrams=3, max_length=9,
                         max_answer_tokens=2)
[w] = LayoutSpanEncoder(config).encode_document("TOTAL 9.00", np.zeros((0, 2)), np.zeros((0, 4)))
print({name: values.tolist() for name, values in w.inputs.items()})
"""


def test_features_are_the_same_in_every_process() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", FEATURES], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def windows_of(question: str, text: str, **options: int) -> list[Window]:
    encoder = LayoutSpanEncoder(LayoutSpanConfig(**options))
    return encoder.encode(question, encoder.encode_document(text, np.zeros((0, 2)), np.zeros((0, 4))))


def test_places_say_where_words_and_lines_begin_and_end() -> None:
    # the null token; RM: starts word and line; 9.00: neither; A: starts a word, ends the line; B: all three
    assert windows_of("", "RM9.00 A\nB")[0].inputs["place_ids"].tolist() == [0, 4, 1, 6, 8]


def test_a_long_question_is_cut_and_an_empty_one_is_not_empty() -> None:
    assert len(windows_of("a b c d e", "X", max_question_tokens=3)[0].inputs["question_input_ids"]) == 1 + 3
    assert len(windows_of("", "X")[0].inputs["question_input_ids"]) == 1


def test_a_batch_holds_each_document_once() -> None:
    encoder = LayoutSpanEncoder(LayoutSpanConfig())
    empty = np.zeros((0, 4))
    first, second = (encoder.encode_document(text, empty, empty) for text in ("A", "B C"))
    asked = [encoder.encode(q, d)[0] for q, d in (("x", first), ("y z", second), ("y", first))]
    inputs = encoder.collate(asked)
    assert inputs["document_index"].tolist() == [0, 1, 0]
    assert inputs["input_ids"].shape == (2, 3)  # with the null token
    assert inputs["trigram_ids"].shape == (2, 3, 8)
    assert inputs["question_input_ids"].shape == (3, 3)
    assert (inputs["input_ids"] != 0).sum(1).tolist() == [2, 3]
    assert (inputs["question_input_ids"][0, :2] == inputs["question_input_ids"][2, :2]).tolist() == [True, False]
