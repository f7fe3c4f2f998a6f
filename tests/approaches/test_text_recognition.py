"""The columns that TextRecognition adds, through `annotate` and by themselves."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict, Features, Image, IterableDataset, Value, load_from_disk

import hf_mbdc as mbdc
from hf_mbdc.approaches import annotate, annotate_with_rejected, find_approaches, fit, make_approach
from hf_mbdc.approaches.text_recognition import TextRecognition
from hf_mbdc.errors import DataError, RecipeError

SMALL = TextRecognition(few_below=2, many_above=2)
NOTE = "e\u0301"


def rows(*texts: str | None) -> Dataset:
    columns = {"id": [f"r{n}" for n in range(len(texts))], "text": list(texts)}
    return Dataset.from_dict(columns, features=Features({"id": Value("string"), "text": Value("string")}))


SPLITS = DatasetDict(train=rows("가나", "가가", NOTE), test=rows("나힣나", "é", "가"))


def test_every_split_is_told_the_counts_of_train() -> None:
    done = annotate(SPLITS, SMALL)
    assert done["train"].remove_columns("char_mean_logfreq")[:] == {
        "id": ["r0", "r1", "r2"],
        "text": ["가나", "가가", NOTE],  # as it was, though counted as é
        "char_min_freq": [1, 3, 1],
        "tail_chars": [["나"], [], ["é"]],
        "bucket": ["few", "many", "few"],
    }
    assert done["test"]["char_min_freq"][:] == [0, 1, 3]
    assert done["test"]["tail_chars"][:] == [["나", "힣"], ["é"], []]
    assert done["train"]["char_mean_logfreq"][:] == pytest.approx(
        [(math.log(4) + math.log(2)) / 2, *map(math.log, (4, 2))]
    )


def test_features_and_public_name() -> None:
    assert mbdc.TextRecognition is TextRecognition
    done = annotate(SPLITS["train"], SMALL)
    assert done.features == Features({**SPLITS["train"].features, **SMALL.adds})
    assert find_approaches(done.features)["name"] == "text_recognition"
    assert set(SMALL.meanings) == set(SMALL.adds)


@pytest.mark.parametrize(("num_proc", "batch_size"), [(None, 1), (None, 2), (2, 1000)])
def test_the_result_does_not_depend_on_how_it_is_made(num_proc: int | None, batch_size: int) -> None:
    expected = annotate(SPLITS, SMALL)
    done = annotate(SPLITS, SMALL, num_proc=num_proc, batch_size=batch_size)
    assert all(done[split][:] == expected[split][:] for split in SPLITS)
    shuffled = annotate(DatasetDict(train=SPLITS["train"].shuffle(seed=3), test=SPLITS["test"]), SMALL)
    assert sorted(shuffled["train"], key=lambda row: row["id"]) == list(expected["train"])


def test_a_stream_is_counted_and_annotated() -> None:
    streams = SPLITS["train"].to_iterable_dataset()
    assert list(annotate(streams, SMALL)) == list(annotate(SPLITS["train"], SMALL))
    fitted = fit(streams, SMALL)
    assert fitted == fit(SPLITS, SMALL)
    assert list(annotate(SPLITS["test"].to_iterable_dataset(), fitted)) == list(annotate(SPLITS, SMALL)["test"])


def test_a_stream_without_texts_is_refused() -> None:
    with pytest.raises(DataError, match="Column 'text' \\(string\\) is missing"):
        fit(SPLITS["train"].remove_columns("text").to_iterable_dataset(), SMALL)


def test_data_on_disk_and_an_image_that_is_not_touched(tmp_path: Path) -> None:
    broken = [{"bytes": b"no picture", "path": None}] * 3
    images = SPLITS["train"].add_column("image", broken).cast_column("image", Image())
    images.save_to_disk(str(tmp_path / "rows"))
    done = annotate(load_from_disk(str(tmp_path / "rows")), SMALL)
    assert done.features["image"] == Image()
    assert done["bucket"][:] == ["few", "many", "few"]


def test_rows_without_text_are_set_aside(caplog: pytest.LogCaptureFixture) -> None:
    given = rows("가", None, "", "나")
    done, rejected = annotate_with_rejected(given, SMALL)
    assert done["id"][:] == ["r0", "r3"]
    assert rejected[:] == {"id": ["r1", "r2"], "split": [None] * 2, "reason": ["the text is null", "the text is empty"]}
    with caplog.at_level(logging.WARNING):
        annotate(given, SMALL)
    assert "2 rows were left out" in caplog.text
    columns, reasons = fit(given, SMALL).try_transform(given[:])
    assert reasons == [None, "the text is null", "the text is empty", None]
    assert [columns[name][1] for name in SMALL.adds] == [None] * 4
    with pytest.raises(DataError, match=r"the text is null \(id 'r1'\)"):
        fit(given, SMALL).transform(given[:])


def test_large_strings_and_dictionaries() -> None:
    expected = annotate(SPLITS["train"], SMALL)["tail_chars"][:]
    large = SPLITS["train"].cast_column("text", Value("large_string"))
    assert annotate(large, SMALL)["tail_chars"][:] == expected


def test_grapheme_clusters_are_characters() -> None:
    family = "👩\u200d👩\u200d👧"
    given = rows(family + "a", "aa")
    approach = fit(given, TextRecognition(unit="grapheme", few_below=2, many_above=2, charset=f"a{family}b🇰🇷"))
    assert approach.frequencies is not None
    assert approach.frequencies.by_character == {"a": 3, family: 1}
    assert approach.unseen == ["b", "🇰🇷"]
    assert annotate(given, approach)["tail_chars"][:] == [[family], []]


def test_table_of_frequencies_with_what_was_never_seen() -> None:
    table = fit(SPLITS, TextRecognition(few_below=2, many_above=2, charset=["가", "힣"])).frequency_table()
    assert table.remove_columns("share")[:] == {
        "character": ["가", "é", "나", "힣"],
        "code_points": ["U+AC00", "U+00E9", "U+B098", "U+D7A3"],
        "count": [3, 1, 1, 0],
        "bucket": ["many", "few", "few", "few"],
        "in_charset": [True, False, False, True],
    }
    assert table["share"][:] == [0.6, 0.2, 0.2, 0]
    assert all(fit(SPLITS, SMALL).frequency_table()["in_charset"])


def test_a_fitted_approach_is_plain_data() -> None:
    fitted = fit(SPLITS, TextRecognition(charset="가나"))
    again = make_approach("text_recognition", json.loads(json.dumps(fitted.options())))
    assert again == fitted
    assert not again.learns
    assert fitted.count_statuses(annotate(SPLITS, fitted)) == {"few": 6}


def test_only_train_is_counted() -> None:
    with pytest.raises(DataError, match="There is no train split whose characters could be counted"):
        annotate(DatasetDict(validation=SPLITS["train"], test=SPLITS["test"]), SMALL)
    with pytest.raises(DataError, match="No text has a character"):
        annotate(rows("", None), SMALL)
    with pytest.raises(RecipeError, match="have not been counted yet"):
        SMALL.transform({"id": ["0"], "text": ["가"]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalization": "nfc"}, "normalization is 'nfc'"),
        ({"unit": "byte"}, "unit is 'byte'"),
        ({"few_below": 0}, "few_below is 0"),
        ({"few_below": 5, "many_above": 4}, "many_above is 4"),
        ({"charset": [1]}, r"charset is \[1\]"),
    ],
)
def test_wrong_options(options: dict, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        TextRecognition(**options)


@pytest.mark.parametrize("charset", [5, None, [1], b"ab"])
def test_a_charset_of_a_wrong_type_is_refused(charset: Any) -> None:
    with pytest.raises(RecipeError, match="Take a string, or a list of strings"):
        TextRecognition(charset=charset)


@pytest.mark.parametrize(("count", "bucket"), [(1, "few"), (2, "medium"), (3, "medium"), (4, "many")])
def test_a_bucket_holds_its_bounds(count: int, bucket: str) -> None:
    approach = TextRecognition(few_below=2, many_above=3, frequencies={"characters": "가", "counts": [count]})  # type: ignore[arg-type]
    assert approach.transform({"id": ["0"], "text": ["가"]})["bucket"] == [bucket]


def test_scores_are_by_row_in_the_form_and_unit_of_the_approach() -> None:
    read, true = ["\u1100\u1161나", "e\u0301"], ["가나", "e\u0300"]
    scores = TextRecognition().score(read, true)
    assert scores["word_accuracy"].tolist() == [1, 0]
    assert scores["cer"].tolist() == [0, 1]
    assert TextRecognition(normalization=None).score(read, true)["cer"].tolist() == [1, 0.5]
    clusters = TextRecognition(normalization=None, unit="grapheme").score(read, true)
    assert clusters["cer"].tolist() == [0.5, 1]
    assert TextRecognition.metric in scores
    assert TextRecognition.reference == "text"
    assert TextRecognition().misses(read, true) == {"è": 1}


@pytest.mark.parametrize("value", [[1], 3, "가", {"characters": "가"}, {"characters": "가", "counts": [1], "more": 1}])
def test_frequencies_that_are_none_are_refused_with_their_key(value: Any) -> None:
    with pytest.raises(RecipeError, match=r"frequencies is .*key 'frequencies'.*hf_mbdc\.fit counts"):
        TextRecognition(frequencies=value)


def test_a_stream_without_features_is_annotated() -> None:
    stream = IterableDataset.from_generator(lambda: iter([{"id": "0", "text": "가가"}, {"id": "1", "text": None}]))
    assert stream.features is None
    assert [row["char_min_freq"] for row in annotate(stream, SMALL)] == [2]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ([{"id": "0", "text": 3}], r"There is something else than texts: .*int"),
        ([{"id": "0", "txt": "a"}], r"A row of the stream has no 'text'"),
    ],
)
def test_a_stream_without_features_says_what_it_lacks(made: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        annotate(IterableDataset.from_generator(lambda: iter(made)), SMALL)


def test_texts_that_are_none_are_refused() -> None:
    with pytest.raises(DataError, match="There is something else than texts"):
        TextRecognition(frequencies={"characters": "a", "counts": [1]}).transform({"id": ["0"], "text": [3]})


def test_bucket_scores_are_those_of_all_models_together() -> None:
    counted = TextRecognition(few_below=2, many_above=2, frequencies={"characters": "가나", "counts": [9, 1]})
    scores = counted.bucket_scores([["가나", "가"], ["가가", "가"]], ["가나", "가"], ["a", "b"])
    assert list(scores) == ["all", "many", "few"]  # no character is in the bucket medium
    assert scores["many"][0] == pytest.approx(2 * 4 / (2 * 4 + 1))  # one 가 too many
    assert scores["few"][0] == pytest.approx(2 * 1 / (2 * 1 + 1))  # one 나 missed
    assert all(low <= value <= high for value, low, high in scores.values())


def test_the_target_has_the_characters_that_were_counted() -> None:
    # One behind the other, E and AA of Bengali would be another vowel, x and an accent another letter.
    from hf_mbdc.targets.recognition.words import charset_of

    rows = Dataset.from_dict({"id": ["a", "b"], "text": ["কেবে", "কবা"]})
    fitted = fit(rows, TextRecognition())
    told = fitted.target_settings()["charset"]
    assert sorted(charset_of(told, None, "NFC", "code_point")) == sorted(set("কেবেকবা"))
