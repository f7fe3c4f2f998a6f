from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from word_files import image_file

from hf_mbdc.errors import DataError
from hf_mbdc.loaders import load_dataset, load_with_rejected
from hf_mbdc.loaders.icdar_words import Label, parse_line

ONE_SPLIT = {"split_fractions": (0, 0, 1)}


@pytest.mark.parametrize(
    ("line", "name", "text"),
    [
        ('word_1.png, "Tiredness"', "word_1.png", "Tiredness"),
        ('word_2.png,"kills"', "word_2.png", "kills"),
        ('word_3.png, "$1,000,00"', "word_3.png", "$1,000,00"),
        (r'word_4.png, "\"Genuine\""', "word_4.png", '"Genuine"'),
        (r'word_5.png, "a\\b\c"', "word_5.png", r"a\b\c"),
        (r'word_6.png, "\"', "word_6.png", "\\"),
        ('word_7.png, "say "hi""', "word_7.png", 'say "hi"'),
        ("word_8.png, Tiredness, 2", "word_8.png", "Tiredness, 2"),
        ('  word_9.png , "x" ', "word_9.png", "x"),
    ],
)
def test_literal_lines(line, name, text):
    assert parse_line(line, "gt.txt", 1) == Label(name, text)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("word_1.png", "The line is not of the form name, \"text\" (path 'gt.txt', line 3)."),
        (', "x"', "The line is not of the form name, \"text\" (path 'gt.txt', line 3)."),
        ('w.png, "x', "The text '\"x' begins with a quote and does not end with one (path 'gt.txt', line 3)."),
        ('w.png, "', "The text '\"' begins with a quote and does not end with one (path 'gt.txt', line 3)."),
        ('w.png, "###"', "The text of 'w.png' is ###: it was illegible (path 'gt.txt', line 3)."),
    ],
)
def test_lines_that_are_refused(line, reason):
    with pytest.raises(DataError) as caught:
        parse_line(line, "gt.txt", 3)
    assert str(caught.value) == reason


@given(st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), min_size=1))
def test_a_text_that_was_escaped_comes_back(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    if text != "###":
        assert parse_line(f'w.png, "{escaped}"', "gt.txt", 1).text == text


@pytest.mark.parametrize("name", ["gt.txt", "Challenge2_Test_Task3_GT.txt"])
def test_a_folder(tmp_path, name):
    for number in (1, 2, 3):
        (tmp_path / f"word_{number}.png").write_bytes(image_file(number))
    lines = '\ufeffword_1.png, "Hi, you"\r\nword_2.png, "###"\r\nword_3.png, " "\r\nword_4.png, "x"\r\n'
    (tmp_path / name).write_bytes(lines.encode())
    loaded = load_with_rejected("icdar_words", tmp_path, **ONE_SPLIT)
    assert loaded.dataset["test"].remove_columns("image").to_list() == [
        {"id": "word_1.png", "document_id": "word_1.png", "text": "Hi, you"}
    ]
    assert loaded.rejected.to_list() == [
        {
            "document_id": "line 2",
            "reason": f"The text of 'word_2.png' is ###: it was illegible (path '{name}', line 2).",
        },
        {"document_id": "word_3.png", "reason": "The text is empty (path 'word_3.png')."},
        {"document_id": "word_4.png", "reason": "The file is missing (path 'word_4.png')."},
        {"document_id": "word_2.png", "reason": f"No line of {name} names this image (path 'word_2.png')."},
    ]


def test_two_files_of_labels_are_not_chosen_between(tmp_path):
    for name in ("train_gt.txt", "test_gt.txt"):
        (tmp_path / name).write_text('w.png, "x"\n')
    with pytest.raises(DataError, match="The folder has no file of labels"):
        load_dataset("icdar_words", tmp_path)


def test_a_line_of_many_blanks_is_refused_at_once():
    with pytest.raises(DataError, match="not of the form"):  # a pattern took cubic time for it
        parse_line(" " * 100_000 + "x" + " " * 100_000, "gt.txt", 1)
