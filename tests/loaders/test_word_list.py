from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.loaders import load_dataset, load_with_rejected
from hf_mbdc.loaders.word_list import CountedWord, draw_even, draw_natural

ONE_SPLIT = {"split_fractions": (0, 0, 1), "natural": (0, 0, 0)}


def write(path, *lines):
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines) + b"\n")
    return path


def words(count):
    return [CountedWord(f"w{n}", n + 1) for n in range(count)]


def test_literal_rows(tmp_path):
    path = write(tmp_path / "ko.txt", "내가 39801", "나무 3")
    rows = load_dataset("word_list", path, split="test", even=(0, 0, 3), **ONE_SPLIT).to_list()
    assert rows == [
        {"id": "test-even-0", "text": "나무", "count": 3, "drawn": "even"},
        {"id": "test-even-1", "text": "내가", "count": 39801, "drawn": "even"},
        {"id": "test-even-2", "text": "나무", "count": 3, "drawn": "even"},
    ]


def test_words_alone_count_one_each_and_a_mark_at_the_beginning_is_no_letter(tmp_path):
    path = write(tmp_path / "words.txt", b"\xef\xbb\xbf\xeb\x82\x98", "", "1984\r", ["U+2028", "x"][0])
    rows = load_dataset("word_list", path, split="test", even=(0, 0, 3), **ONE_SPLIT).to_list()
    assert {(row["text"], row["count"]) for row in rows} == {("나", 1), ("1984", 1), ("U+2028", 1)}


def test_a_tab_and_the_unicode_form(tmp_path):
    path = write(tmp_path / "w.txt", "\u1102\u1161\t7", "\u3000 5", "나 2")
    loaded = load_with_rejected("word_list", path, even=(0, 0, 1), **ONE_SPLIT)
    assert loaded.dataset["test"].to_list() == [{"id": "test-even-0", "text": "나", "count": 7, "drawn": "even"}]
    assert loaded.rejected.to_list() == [
        {
            "document_id": "line 2",
            "reason": "The line '\\u3000 5' has no word, or several (path 'w.txt', line 2).",
        },
        {"document_id": "line 3", "reason": "The word '나' was there before (path 'w.txt', line 3)."},
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\xff\xfe 3", "Not UTF-8 at byte 0"),
        ("나무", "The line '나무' has no count behind a word"),
        ("나무 ３", "The line '나무 ３' has no count behind a word"),
        ("나무 -3", "The line '나무 -3' has no count behind a word"),
        ("큰 나무 3", "The line '큰 나무 3' has no word, or several"),
        ("나무 0", "The count of '나무' is not from 1 to 10¹⁸"),
        ("나무 " + "9" * 30, "The count of '나무' is not from 1 to 10¹⁸"),
    ],
)
def test_one_bad_line_is_set_aside(tmp_path, line, reason):
    loaded = load_with_rejected("word_list", write(tmp_path / "w.txt", "내가 9", line), even=(0, 0, 1), **ONE_SPLIT)
    assert loaded.dataset["test"]["text"][:] == ["내가"]
    assert loaded.rejected.to_list() == [{"document_id": "line 2", "reason": f"{reason} (path 'w.txt', line 2)."}]


def test_filters(tmp_path):
    path = write(tmp_path / "w.txt", "나무 9", "나m 9", "나무나무 9", "뷁 9")
    options = {"script": "Hangul", "charset": "나무m", "max_characters": 3}
    loaded = load_with_rejected("word_list", path, even=(0, 0, 1), **options, **ONE_SPLIT)
    assert loaded.dataset["test"]["text"][:] == ["나무"]
    assert loaded.rejected.to_list() == [
        {"document_id": "나m", "reason": "Not all characters are of the script Hangul."},
        {"document_id": "나무나무", "reason": "It has more than 3 characters."},
        {"document_id": "뷁", "reason": "The charset lacks a character of it."},
    ]


def test_no_word_is_on_two_sides_and_every_even_word_comes_once_before_one_comes_twice(tmp_path):
    path = write(tmp_path / "w.txt", *(f"w{n} {1000 // (n + 1) + 1}" for n in range(200)))
    loaded = load_dataset("word_list", path, natural=(300, 50, 50), even=(150, 40, 60))
    texts = {split: set(rows["text"][:]) for split, rows in loaded.items()}
    assert not texts["train"] & texts["test"]
    assert not texts["train"] & texts["validation"]
    assert not texts["validation"] & texts["test"]
    counts = {split: Counter((row["drawn"]) for row in rows.to_list()) for split, rows in loaded.items()}
    assert counts == {
        "train": {"natural": 300, "even": 150},
        "validation": {"natural": 50, "even": 40},
        "test": {"natural": 50, "even": 60},
    }
    even = Counter(row["text"] for row in loaded["train"].to_list() if row["drawn"] == "even")
    assert set(even.values()) == {1, 2}
    assert len({row["id"] for rows in loaded.values() for row in rows.to_list()}) == 650


def test_more_rows_leave_the_first_ones_and_another_seed_does_not():
    few, many = draw_natural(words(50), 20, "train", 0), draw_natural(words(50), 40, "train", 0)
    assert many[:20] == few
    assert draw_natural(words(50), 20, "train", 1) != few
    assert draw_natural(words(50), 20, "test", 0) != few
    assert draw_even(words(50), 40, 0)[:20] == draw_even(words(50), 20, 0)
    assert draw_even(words(50), 20, 1) != draw_even(words(50), 20, 0)


def test_natural_draws_follow_the_counts():
    drawn = Counter(word.text for word in draw_natural([CountedWord("a", 1), CountedWord("b", 9)], 10_000, "train", 0))
    assert 900 <= drawn["a"] <= 1100  # ± 3.3 standard deviations of a binomial


@settings(max_examples=50)
@given(st.lists(st.integers(1, 10**18), min_size=1, max_size=20), st.integers(0, 3))
def test_even_draws_hold_every_word_equally_often(counts, seed):
    drawn = draw_even([CountedWord(f"w{n}", count) for n, count in enumerate(counts)], 3 * len(counts), seed)
    assert set(Counter(word.text for word in drawn).values()) == {3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"natural": 5}, r"natural is 5 .*Give three numbers of rows"),
        ({"even": (0, -1, 2)}, r"even is -1 .*whole number of at least 0"),
        ({"natural": (0, 5, 5)}, r"No row of train is drawn"),
        ({"script": "Hangeul"}, r"There is no script 'Hangeul'"),
        ({"script": "L}+|."}, r"script is 'L}\+\|\.'"),
        ({"charset": 5}, r"charset is no text"),
        ({"max_characters": 0}, r"max_characters is 0"),
        ({"split_by": "document"}, r"split_by is 'document' .*'word'"),
    ],
)
def test_wrong_options(tmp_path, options, message):
    with pytest.raises(RecipeError, match=message):
        load_dataset("word_list", write(tmp_path / "w.txt", "a 1"), **options)


def test_a_folder_or_no_words(tmp_path):
    write(tmp_path / "ko.txt", "나무 3")
    rows = load_dataset("word_list", tmp_path, split="test", words="ko.txt", even=(0, 0, 1), **ONE_SPLIT)
    assert rows["text"][:] == ["나무"]
    with pytest.raises(DataError, match=r"The folder has no such file .*words 'ja.txt'"):
        load_dataset("word_list", tmp_path, words="ja.txt")
    with pytest.raises(DataError, match=r"leads out of the data set's folder"):
        load_dataset("word_list", tmp_path, words="../ko.txt")
    with pytest.raises(DataError, match=r"This is a folder .*Give the path of a text file"):
        load_dataset("word_list", tmp_path)
    with pytest.raises(DataError, match="found no document"):
        load_dataset("word_list", write(tmp_path / "w.txt", ""))
    with pytest.raises(DataError, match=r"No document falls into the split"):
        load_dataset("word_list", write(tmp_path / "w.txt", "a 3"))


def test_the_real_list(shared_data):
    path = shared_data / "freqwords" / "ko_50k.txt"
    loaded = load_with_rejected("word_list", path, script="Hangul", natural=(500, 0, 10), even=(0, 10, 500))
    assert len(loaded.rejected) == 685
    train, test = (loaded.dataset[split].to_list() for split in ("train", "test"))
    assert all("가" <= character <= "힣" for row in train + test for character in row["text"])
    assert sum(row["count"] for row in train) / 500 > 10 * sum(row["count"] for row in test[10:]) / 500


def test_utf_16_and_control_characters(tmp_path):
    (tmp_path / "words.txt").write_bytes("abc 5\ndef 3\nghi 2\n".encode("utf-16"))
    rows = load_dataset("word_list", tmp_path / "words.txt", split_fractions=(0, 0, 1))["test"]
    assert set(rows["text"][:]) == {"abc", "def", "ghi"}
    (tmp_path / "words.txt").write_bytes(b"abc 5\nd\x00f 3\n")
    loaded = load_with_rejected("word_list", tmp_path / "words.txt", split_fractions=(0, 0, 1))
    assert set(loaded.dataset["test"]["text"][:]) == {"abc"}
    assert loaded.rejected["reason"][:] == ["The word 'd\\x00f' has a control character (path 'words.txt', line 2)."]
