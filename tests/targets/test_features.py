"""Features for the stock `Trainer`, and their way back to characters and boxes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, Features, Image, List, Value
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    LayoutLMv3Tokenizer,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

from hf_mbdc import ExtractiveQA, annotate
from hf_mbdc.errors import DataError, TrainingError
from hf_mbdc.metrics import box_iou_scores
from hf_mbdc.targets.features import decode_predictions, features_for_prediction, features_for_training

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "total", "?", "shop", "rm", "9", ".", "00", "cash"]


def tokenizer() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.WordPiece({token: i for i, token in enumerate(WORDS)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    names = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=names, model_max_length=64, **special)


def document(row_id: str, filler: int, answers: list[str]) -> dict[str, Any]:
    lines = [["SHOP"], *[["CASH", "CASH"]] * filler, ["TOTAL", "RM9.00"]]
    boxes = [[500 * x, y % 900, 500 * x + 400, y % 900 + 9] for y, line in enumerate(lines) for x in range(len(line))]
    context = "\n".join(" ".join(line) for line in lines)
    row = {"id": row_id, "question": "Total?", "words": [w for line in lines for w in line], "boxes": boxes}
    return {**row, "context": context, "answers": answers}


@pytest.fixture(scope="module")
def rows() -> Dataset:
    made = [document("a", 0, ["9.00"]), document("b", 60, ["9.00"]), document("c", 0, []), document("d", 1, ["7.77"])]
    return annotate(Dataset.from_list(made, features=ExtractiveQA().reads), ExtractiveQA())


def mapped(rows: Dataset, function: Any, **options: Any) -> Dataset:
    keep = {"remove_columns": rows.column_names, "load_from_cache_file": False}
    return rows.map(function, batched=True, fn_kwargs={"tokenizer": tokenizer(), **options}, **keep)


def logits_for(features: Dataset, rows: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Logits that name the tokens of every row's annotation, or the CLS token."""
    spans = {row["id"]: (row["answer_start"], row["answer_end"]) for row in rows}
    width = max(len(offsets) for offsets in features["offsets"])
    start, end = np.full((2, len(features), width), -100.0, dtype=np.float32)
    for w, feature in enumerate(features):
        size = len(feature["offsets"])
        start[w, :size] = end[w, :size] = 0.0
        first, last = spans[feature["row_id"]]
        if first < 0:
            start[w, 0] = end[w, 0] = 50.0
        for i, (a, b) in enumerate(feature["offsets"]):
            start[w, i] += 50.0 * (a == first >= 0)
            end[w, i] += 50.0 * (b == last >= 0)
    return start, end


def test_features_are_windows_with_the_answer_or_the_first_token(
    rows: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        features = mapped(rows, features_for_training)
    assert "1 of 4 rows give no training feature: 1 × absent" in caplog.text
    assert features.column_names == [
        "input_ids",
        "attention_mask",
        "token_type_ids",
        "start_positions",
        "end_positions",
    ]
    answered = [f for f in features if f["start_positions"]]
    assert len(features) == 5  # `b` has three windows
    assert len(answered) >= 2  # one for `a`, and each window of `b` that holds it
    for feature in answered:
        tokens = feature["input_ids"][feature["start_positions"] : feature["end_positions"] + 1]
        assert [WORDS[i] for i in tokens] == ["9", ".", "00"]
    short = features[0]["input_ids"]
    assert [WORDS[i] for i in short] == ["[CLS]", "total", "?", "[SEP]", "shop", "total", "rm", "9", ".", "00", "[SEP]"]
    assert features[-1]["start_positions"] == features[-1]["end_positions"] == 0


def test_predictions_have_text_words_and_boxes(rows: Dataset) -> None:
    features = mapped(rows, features_for_prediction)
    answers = decode_predictions(features, logits_for(features, rows), rows)
    assert answers["id"][:] == ["a", "b", "c", "d"]
    assert answers["prediction"][:] == ["9.00", "9.00", "", ""]
    for name in ("word_start", "word_end", "answer_boxes"):
        assert answers[name][:] == rows[name][:]
    assert answers["start"][:] == rows["answer_start"][:]
    assert all(-1e-3 < score <= 0 for score in answers["score"])
    assert answers["null_score"][2] == answers["score"][2]
    overlap = box_iou_scores(answers["answer_boxes"][:], rows["answer_boxes"][:])
    assert overlap.tolist()[:2] == [1.0, 1.0]


def test_boxes_are_inputs_where_the_model_reads_them(rows: Dataset) -> None:
    alphabet = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    layout = LayoutLMv3Tokenizer(vocab={token: i for i, token in enumerate(alphabet)}, merges=[])
    features = features_for_training(rows.select([0])[:], layout, boxes=True, max_length=48)
    assert {len(values) for values in (*features["input_ids"], *features["bbox"])} == {48}
    assert features["bbox"][0][features["start_positions"][0]] == rows[0]["boxes"][2]
    assert features["bbox"][0][-1] == [0, 0, 0, 0]
    predicted = features_for_prediction(rows.select([0])[:], layout, boxes=True, max_length=48)
    assert predicted["input_ids"] == features["input_ids"]


def test_no_window_of_a_layout_model_has_words_of_two_pages() -> None:
    made = {**document("a", 0, ["9.00"]), "pages": [0, 1, 1]}
    reads = Features({**ExtractiveQA().reads, "pages": List(Value("int32"))})
    rows = annotate(Dataset.from_list([made], features=reads), ExtractiveQA())
    assert rows["answer_page"][:] == [1]
    apart = mapped(rows, features_for_prediction, boxes=True, max_length=48)
    texts = [[made["context"][a:b] for a, b in offsets if a >= 0] for offsets in apart["offsets"][:]]
    assert texts == [["SHOP"], ["TOTAL", "RM", "9", ".", "00"]]
    trained = mapped(rows, features_for_training, boxes=True, max_length=48)
    assert trained["start_positions"][:] == [0, apart["offsets"][1].index([13, 14])]
    answers = decode_predictions(apart, logits_for(apart, rows), rows)
    assert (answers["prediction"][:], answers["answer_page"][:]) == (["9.00"], [1])
    assert len(mapped(rows, features_for_prediction)) == 1  # a text model reads on over the end of a page


def test_the_stock_trainer_learns_them(rows: Dataset, tmp_path: Path) -> None:
    model = BertForQuestionAnswering(
        BertConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=64,
        )
    )
    arguments = TrainingArguments(str(tmp_path), max_steps=2, report_to=[], use_cpu=True, disable_tqdm=True)
    train = mapped(rows, features_for_training)
    trainer = Trainer(model, arguments, train_dataset=train, processing_class=tokenizer())
    assert np.isfinite(trainer.train().training_loss)
    features = mapped(rows, features_for_prediction)
    answers = decode_predictions(features, trainer.predict(features).predictions, rows)
    assert answers["id"][:] == rows["id"][:]


def test_what_does_not_belong_together_is_refused(rows: Dataset) -> None:
    features = mapped(rows, features_for_prediction)
    start, end = logits_for(features, rows)
    with pytest.raises(DataError, match=r"features have \d+ and \d+ rows of logits"):
        decode_predictions(features, (start[1:], end), rows)
    with pytest.raises(DataError, match="The features are not of these rows"):
        decode_predictions(features, (start, end), rows.select([1, 0, 2, 3]))


def test_tokenizers_that_cannot_be_used_are_refused() -> None:
    plain = tokenizer()
    plain.pad_token = None
    with pytest.raises(TrainingError, match="does not pad, or begin with a"):
        features_for_training({"id": []}, plain)


@pytest.mark.parametrize("before", range(30, 60, 3))
def test_a_window_that_cuts_the_answer_off_names_the_first_token(before: int) -> None:
    words = ["SHOP"] * before + ["CASH"] * 9 + ["SHOP"] * 60
    label = {"answers": ["x"], "answer_start": 5 * before, "answer_end": 5 * before + 44}
    row = {"id": "a", "question": "Total?", "context": " ".join(words), "words": words, "boxes": [], **label}
    features = features_for_training({name: [value] for name, value in row.items()}, tokenizer())
    places = zip(features["input_ids"], features["start_positions"], features["end_positions"], strict=True)
    assert {" ".join(WORDS[i] for i in ids[start : end + 1]) for ids, start, end in places} == {
        "[CLS]",
        " ".join(["cash"] * 9),
    }


def test_blank_answers_are_no_answers() -> None:
    rows = annotate(Dataset.from_list([document("a", 0, [" "])], features=ExtractiveQA().reads), ExtractiveQA())
    assert rows["match_status"][:] == ["unanswerable"]
    assert features_for_training(rows[:], tokenizer())["start_positions"] == [0]


def test_columns_that_are_not_read_are_not_decoded(rows: Dataset) -> None:
    broken = rows.add_column("image", [{"bytes": b"no image", "path": None}] * len(rows), feature=Image())
    assert len(mapped(broken, features_for_training)) == 5


def test_what_would_give_wrong_positions_is_refused(rows: Dataset) -> None:
    left = tokenizer()
    left.padding_side = "left"
    with pytest.raises(TrainingError, match="pads on the left"):
        features_for_prediction(rows[:], left)
    with pytest.raises(DataError, match=r"columns \[.answer_start.\] are missing"):
        features_for_training(
            {name: rows[name][:] for name in rows.column_names if name != "answer_start"}, tokenizer()
        )
    with pytest.raises(DataError, match="The rows are formatted"):
        features_for_training(rows.with_format("numpy")[:], tokenizer())
    with pytest.raises(DataError, match=r"missing \(null\)"):
        features_for_prediction({**rows[:1], "question": [None]}, tokenizer())
    features = mapped(rows, features_for_prediction)
    start, end = logits_for(features, rows)
    start[1] = np.nan
    with pytest.raises(DataError, match="not numbers"):
        decode_predictions(features, (start, end), rows)


def test_answers_on_later_pages() -> None:
    row = document("a", 0, ["RM9.00"]) | {"pages": [0, 0, 1], "context": "SHOP TOTAL RM9.00"}
    rows = annotate(
        Dataset.from_list([row], features=Features({**ExtractiveQA().reads, **ExtractiveQA().may_read})), ExtractiveQA()
    )
    features = mapped(rows, features_for_prediction)
    answers = decode_predictions(features, logits_for(features, rows), rows)
    assert answers["answer_page"][:] == rows["answer_page"][:] == [1]
