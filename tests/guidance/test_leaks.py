"""What gives evaluation rows away is found and told apart by kind, column and who brought it; forms are not."""

from __future__ import annotations

import doctest
import random

import numpy as np
import pytest
from datasets import Dataset, Features, Image, Value

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance import evaluation_texts, leak_report, leaks, overlap, row_texts
from hf_mbdc.guidance.leak_report import LeakReport, leak_reason
from hf_mbdc.guidance.leaks import find_leaks
from hf_mbdc.transforms import minhash, ngrams
from hf_mbdc.transforms.minhash import LshIndex, band_keys, signatures
from hf_mbdc.transforms.ngrams import mix, tokenize


@pytest.mark.parametrize("module", [evaluation_texts, leak_report, leaks, minhash, ngrams, overlap, row_texts])
def test_the_examples(module: object) -> None:
    assert doctest.testmod(module).failed == 0


def words(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices("abcdefghijklmnop", k=6)) for _ in range(count)]


def rows(texts: list[str], prefix: str = "r", **columns: list[object]) -> Dataset:
    return Dataset.from_dict({"id": [f"{prefix}{n}" for n in range(len(texts))], "text": texts, **columns})


def found(report: LeakReport) -> list[tuple[str, str, str, bool, int, int]]:
    return [(c.split, c.kind, c.column, c.brought, c.evaluation_rows, c.train_rows) for c in report.counts]


DOCUMENTS = [" ".join(words(60, seed)) for seed in range(12)]


def test_unrelated_rows_leak_nothing() -> None:
    report = find_leaks(rows(DOCUMENTS[:6]), {"test": rows(DOCUMENTS[6:], "t")})
    assert report.counts == ()
    assert leak_reason(report) is None
    assert str(report).endswith("compared: text\nno leaks")


def test_every_split_tells_its_own_leaks() -> None:
    train = rows(["x " + DOCUMENTS[0].upper() + "!", *DOCUMENTS[1:4]])
    validation, test = rows([DOCUMENTS[1], DOCUMENTS[8]], "v"), rows([DOCUMENTS[2], DOCUMENTS[0]], "t")
    report = find_leaks(train, {"validation": validation, "test": test})
    assert found(report) == [
        ("validation", "exact", "text", True, 1, 1),
        ("test", "exact", "text", True, 1, 1),
        ("test", "near-duplicate", "text", True, 1, 1),
    ]
    near = report.counts[2].pairs[0]
    assert (near.train_id, near.evaluation_id) == ("r0", "t1")
    assert near.similarity == pytest.approx(58 / 59)
    assert "r0 → t1 (0.98)" in str(report)
    assert "1 of 2 validation rows by 1 train rows (exact, text; such as r1 → v0)" in str(leak_reason(report))


def test_a_half_that_is_hidden_in_another_text_is_told_by_its_ngrams() -> None:
    parts = DOCUMENTS[0].split()
    train = rows([" ".join([*words(200, 99), *parts[:40], *words(200, 98)]), DOCUMENTS[5]])
    report = find_leaks(train, {"test": rows([DOCUMENTS[0], DOCUMENTS[7]], "t")})
    assert found(report) == [("test", "n-grams", "text", True, 1, 1)]
    assert report.counts[0].pairs[0].similarity == pytest.approx(28 / 48)


def test_several_rows_that_repeat_a_text_together_are_told() -> None:
    parts = DOCUMENTS[0].split()
    halves = [" ".join([*words(100, 90 + k), *parts[k * 20 : k * 20 + 20], *words(99, 80 + k)]) for k in range(3)]
    report = find_leaks(rows(halves), {"test": rows([DOCUMENTS[0]], "t")}, overlap=0.45)
    assert found(report) == [("test", "n-grams", "text", True, 1, 3)]
    assert find_leaks(rows(halves[:2]), {"test": rows([DOCUMENTS[0]], "t")}, overlap=0.45).counts == ()


def test_scripts_without_spaces_are_compared_by_characters() -> None:
    draw = random.Random(3)
    thai = "".join(chr(draw.randrange(0x0E01, 0x0E2E)) for _ in range(80))
    chinese = "".join(chr(draw.randrange(0x4E00, 0x9F00)) for _ in range(80))
    train = rows([thai[:60] + "กข", chinese + "他"])
    report = find_leaks(train, {"test": rows([thai, chinese], "t")})
    assert {pair.evaluation_id for count in report.counts for pair in count.pairs} == {"t0", "t1"}


def test_a_form_that_all_documents_share_is_no_leak() -> None:
    form = " ".join(words(80, 5))
    documents = [f"{form} {' '.join(words(25, 100 + n))} {form}" for n in range(60)]
    report = find_leaks(rows(documents[:40]), {"test": rows(documents[40:], "t")})
    assert report.counts == ()
    copied = find_leaks(rows([*documents[:40], f"new {documents[50]}"]), {"test": rows(documents[40:], "t")})
    assert [(c.kind, [(p.train_id, p.evaluation_id) for p in c.pairs]) for c in copied.counts] == [
        ("near-duplicate", [("r40", "t10")])
    ]


def test_an_instruction_that_every_row_begins_with_is_no_leak() -> None:
    instruction = " ".join(words(30, 5))
    train, test = ([" ".join(words(40, start + n)) for n in range(30)] for start in (200, 300))
    report = find_leaks(
        rows(train, system=[instruction] * 30), {"test": rows([*test[:29], train[0]], "t", system=[instruction] * 30)}
    )
    assert found(report) == [("test", "exact", "text", True, 1, 1), ("test", "exact", "whole row", True, 1, 1)]


def test_many_variants_of_one_evaluation_row_do_not_pass_as_a_form() -> None:
    parts = DOCUMENTS[0].split()
    variants = [" ".join([*parts[:n], "changed", *parts[n + 1 :]]) for n in range(30)]
    parent = rows(DOCUMENTS[1:9])
    candidate = rows([*DOCUMENTS[1:9], *variants])
    report = find_leaks(candidate, {"test": rows([DOCUMENTS[0]], "t")}, parent=parent)
    assert found(report) == [("test", "near-duplicate", "text", True, 1, 30)]


def test_what_the_parent_had_is_told_apart() -> None:
    parent = rows([DOCUMENTS[0], DOCUMENTS[1], DOCUMENTS[2]])
    candidate = rows([DOCUMENTS[0], DOCUMENTS[3], DOCUMENTS[2], DOCUMENTS[4]])  # r1 is changed, r3 is new
    report = find_leaks(candidate, {"test": rows([DOCUMENTS[0], DOCUMENTS[3], DOCUMENTS[4]], "t")}, parent=parent)
    assert (report.train_rows, report.brought_rows) == (4, 2)
    assert found(report) == [("test", "exact", "text", True, 2, 2), ("test", "exact", "text", False, 1, 1)]
    assert "2 of 3 test rows" in str(leak_reason(report))
    unchanged = find_leaks(parent, {"test": rows([DOCUMENTS[0]], "t")}, parent=parent)
    assert len(unchanged.counts) == 1
    assert leak_reason(unchanged) is None


def test_short_texts_count_only_as_whole_rows() -> None:
    answers = ["one two three", "four five six"]
    train = rows(["What is the total of this?"] * 2, answer=answers)
    test = rows(["What is the total of this?"] * 2, answer=answers[1:] * 2)
    assert found(find_leaks(train, {"test": test})) == [("test", "exact", "whole row", True, 2, 1)]


def test_images_are_compared_by_their_bytes() -> None:
    features = Features({"id": Value("string"), "image": Image(decode=False)})
    picture = [{"bytes": data, "path": None} if data else None for data in (b"one", b"two", None)]
    train = Dataset.from_dict({"id": ["a", "b", "c"], "image": picture}, features=features)
    test = Dataset.from_dict({"id": ["x", "y"], "image": [picture[1], None]}, features=features)
    report = find_leaks(train, {"test": test})
    assert found(report) == [("test", "exact", "image", True, 1, 1)]
    assert (report.counts[0].pairs[0].train_id, report.counts[0].pairs[0].evaluation_id) == ("b", "x")


def test_messages_are_texts_and_classes_are_not() -> None:
    def talk(text: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": text}]

    train = Dataset.from_dict({"id": ["a"], "messages": [talk(DOCUMENTS[0])], "label": ["positive"]})
    report = find_leaks(train, {"test": train})
    assert report.columns == ("messages",)
    assert found(report) == [("test", "exact", "messages", True, 1, 1)]


def test_bad_input() -> None:
    train = rows(DOCUMENTS[:2], label=[1, 2])
    with pytest.raises(DataError, match=r"The column to compare is missing \(split 'test', column 'text'\)"):
        find_leaks(train, {"test": train.remove_columns("text")}, columns=["text"])
    with pytest.raises(DataError, match=r"The column holds neither texts nor images \(split 'train', column 'label'\)"):
        find_leaks(train, {"test": train}, columns=["label"])
    with pytest.raises(DataError, match="No column of texts or images"):
        find_leaks(train, {"test": train.remove_columns("text")})
    with pytest.raises(DataError, match=r"There are no rows to compare \(split 'test'\)"):
        find_leaks(train, {"test": train.select([])})
    with pytest.raises(RecipeError, match="similarity is 0"):
        find_leaks(train, {"test": train}, similarity=0)


def test_pairs_are_found_as_often_as_the_bands_promise() -> None:
    """4,000 pairs of sets with a Jaccard similarity of 1/2: 1 − (1 − 1/16)³² of them are proposed."""
    pairs = 4000
    draw = mix(np.arange(pairs * 40, dtype=np.uint64)).reshape(pairs, 40)
    starts = np.arange(pairs + 1) * 30
    one, two = (band_keys(signatures(half.ravel(), starts)) for half in (draw[:, :30], draw[:, 10:]))
    left, right = LshIndex(one).candidates(two)
    assert np.mean(np.isin(np.arange(pairs), left[left == right])) == pytest.approx(1 - (1 - 1 / 16) ** 32, abs=0.02)
    assert np.count_nonzero(left != right) < 10


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = rows([*DOCUMENTS[:5], DOCUMENTS[0], f"a {DOCUMENTS[7]}"]), {"test": rows(DOCUMENTS[4:9], "t")}
    whole = find_leaks(train, test)
    monkeypatch.setattr(row_texts, "BLOCK", 2)
    monkeypatch.setattr(ngrams, "_PIECE", 100)
    assert find_leaks(train, test) == whole


def test_hashes_are_the_same_on_every_machine() -> None:
    assert hex(int(tokenize(["Größe 9, ทั้ง 总计"]).text_hashes()[0])) == "0x5e7f6fdbeb79b5"
