"""Any checkpoint with a fast tokenizer: a tiny BERT and a tiny LayoutLM, made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertTokenizer,
    GPT2Config,
    GPT2ForQuestionAnswering,
    LayoutLMConfig,
    LayoutLMForQuestionAnswering,
    LayoutLMv2Config,
    LayoutLMv3Config,
    LayoutLMv3ForQuestionAnswering,
    LayoutLMv3Tokenizer,
    LayoutXLMTokenizer,
    LiltConfig,
    LiltForQuestionAnswering,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
    XLMRobertaTokenizer,
)

from hf_mbdc.errors import TrainingError
from hf_mbdc.targets import Target, load_target
from hf_mbdc.targets.batches import collate
from hf_mbdc.targets.checkpoint import CheckpointEncoder
from hf_mbdc.targets.encoding import covered_spans, encode_rows, locate_spans
from hf_mbdc.targets.objective import labelled_spans, span_loss, span_scores
from hf_mbdc.training.predict import predict

VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "total",
    "?",
    "shop",
    "rm",
    "##9",
    "9",
    ".",
    "##0",
    "00",
    "cash",
    "##1",
]
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
ROW: dict[str, Any] = {
    "id": "1",
    "question": "Total?",
    "context": "SHOP\nTOTAL RM9.00",
    "words": ["SHOP", "TOTAL", "RM9.00"],
    "boxes": [[0, 0, 40, 10], [0, 20, 50, 30], [60, 20, 120, 30]],
    "answers": ["9.00"],
    "answer_start": 13,
    "answer_end": 17,
    "candidates": [{"start": 13, "end": 17, "score": 1.0}],
}
NO_WORDS, NO_BOXES = np.zeros((0, 2), dtype=np.int64), np.zeros((0, 4), dtype=np.int64)


def save_tokenizer(folder: Path, length: int = 512) -> None:
    tokenizer = Tokenizer(models.WordPiece({token: i for i, token in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=length,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    ).save_pretrained(folder)


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(VOCABULARY), max_position_embeddings=64, **SIZES)
    BertForQuestionAnswering(config).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    return tmp_path


@pytest.fixture
def layoutlm(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = LayoutLMConfig(vocab_size=len(VOCABULARY), max_position_embeddings=64, **SIZES)
    LayoutLMForQuestionAnswering(config).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    return tmp_path


def loss_of(target: Target, rows: list[dict[str, Any]]) -> torch.Tensor:
    encoded = encode_rows(rows, target.encoder)
    batch = collate(encoded, [labelled_spans(row, "chosen") for row in encoded], target.encoder)
    outputs = target.model(**batch.inputs)
    return span_loss(
        span_scores(outputs.start_logits, outputs.end_logits, batch, target.encoder.max_answer_tokens), batch
    )


def test_bert_reads_question_and_document_by_its_own_tokens(bert: Path) -> None:
    target = load_target(str(bert))
    [encoded] = encode_rows([ROW], target.encoder)
    [window] = encoded.windows
    # [CLS] total ? [SEP] shop total rm ##9 . 00 [SEP], as far as the vocabulary goes
    assert sorted(window.inputs) == ["attention_mask", "input_ids", "token_type_ids"]
    assert window.inputs["input_ids"][:6].tolist() == [2, 4, 5, 3, 6, 4]
    assert (window.offsets[:4] == -1).all()
    assert window.offsets[4:6].tolist() == [[0, 4], [5, 10]]
    [[_, first, last]] = encoded.answer
    assert ROW["context"][window.offsets[first, 0] : window.offsets[last, 1]].endswith("9.00")
    assert loss_of(target, [ROW, {**ROW, "question": "Shop?"}]).isfinite()


def test_layoutlm_gets_the_boxes_of_the_words(layoutlm: Path) -> None:
    target = load_target(str(layoutlm))
    window = encode_rows([ROW], target.encoder)[0].windows[0]
    bbox = window.inputs["bbox"].tolist()
    assert bbox[:4] == [[0] * 4, [0] * 4, [0] * 4, [1000] * 4]
    assert bbox[4:6] == ROW["boxes"][:2]
    assert {tuple(box) for box in bbox[6:-1]} == {tuple(ROW["boxes"][2])}
    assert bbox[-1] == [1000] * 4
    loss_of(target, [ROW]).backward()
    table = target.model.layoutlm.embeddings.x_position_embeddings.weight
    assert table.grad[60].abs().sum() > 0


def test_layoutlm_reads_a_page_at_a_time_and_bert_does_not(layoutlm: Path) -> None:
    target = load_target(str(layoutlm))
    paged = {**ROW, "pages": [0, 1, 1], "candidates": []}
    [encoded] = encode_rows([paged], target.encoder)
    first, second = encoded.windows
    assert first.offsets[first.starts].tolist() == [[0, 4]]
    assert second.offsets[second.starts].tolist() == [[5, 10], [11, 13], [13, 14], [14, 15], [15, 17]]
    assert second.inputs["bbox"][second.starts][:2].tolist() == ROW["boxes"][1:]
    assert encoded.answer[:, 0].tolist() == [1]
    assert loss_of(target, [paged, ROW]).isfinite()
    assert predict(target, [encoded])[0].start in (-1, *encoded.windows[0].offsets[:, 0], *second.offsets[:, 0])
    [text] = encode_rows([paged], CheckpointEncoder(target.encoder.tokenizer))
    assert len(text.windows) == 1


def test_a_text_only_row_for_layoutlm(layoutlm: Path) -> None:
    target = load_target(str(layoutlm))
    window = encode_rows([{**ROW, "boxes": []}], target.encoder)[0].windows[0]
    assert not window.inputs["bbox"][window.offsets[:, 0] >= 0].any()


def test_a_document_of_many_windows_keeps_every_token(bert: Path) -> None:
    target = load_target(str(bert))
    words = ["cash"] * 200 + ["total"]
    end = len(" ".join(words))
    row = {**ROW, "context": " ".join(words), "words": words, "boxes": [], "candidates": []}
    row |= {"answers": ["total"], "answer_start": end - 5, "answer_end": end}
    [encoded] = encode_rows([row], target.encoder)
    assert len(encoded.windows) > 3
    owners = np.concatenate([window.offsets[window.starts, 0] for window in encoded.windows])
    assert owners.tolist() == [5 * i for i in range(201)]
    assert encoded.answer[0, 0] == len(encoded.windows) - 1
    assert len(predict(target, [encoded])) == 1


def test_a_very_long_question_leaves_room_for_the_document(bert: Path) -> None:
    [encoded] = encode_rows([{**ROW, "question": "total ? " * 100}], load_target(str(bert)).encoder)
    assert encoded.left_out is None


def test_saving_keeps_the_tokenizer(bert: Path, tmp_path: Path) -> None:
    first = load_target(str(bert))
    first.save(tmp_path / "again")
    again = load_target(str(tmp_path / "again"))
    with torch.no_grad():
        assert loss_of(first, [ROW]) == loss_of(again, [ROW])


@pytest.mark.parametrize("kind", ["layoutlmv3", "lilt"])
def test_layoutlmv3_and_lilt_read_text_and_boxes_without_page_images(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    alphabet = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = LayoutLMv3Tokenizer(vocab={token: i for i, token in enumerate(alphabet)}, merges=[])
    sizes = {**SIZES, "hidden_size": 24, "vocab_size": len(alphabet), "max_position_embeddings": 66, "pad_token_id": 1}
    if kind == "lilt":
        LiltForQuestionAnswering(LiltConfig(**sizes, channel_shrink_ratio=2)).save_pretrained(tmp_path)
    else:
        places = {"coordinate_size": 4, "shape_size": 4}  # 4 · 4 + 2 · 4 = hidden_size
        LayoutLMv3ForQuestionAnswering(LayoutLMv3Config(**sizes, **places)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    target = load_target(str(tmp_path))
    assert target.encoder.max_length == 64
    [encoded] = encode_rows([ROW], target.encoder)
    [window] = encoded.windows
    [[_, first, last]] = encoded.answer
    assert ROW["context"][window.offsets[first, 0] : window.offsets[last, 1]] == "9.00"
    assert window.inputs["bbox"][first].tolist() == ROW["boxes"][2]
    assert window.inputs["bbox"][[0, -1]].tolist() == [[0] * 4] * 2
    assert loss_of(target, [ROW]).isfinite()
    target.save(tmp_path / "again")
    assert type(load_target(str(tmp_path / "again")).encoder.tokenizer).__name__ == "LayoutLMv3Tokenizer"


def test_models_that_need_images_are_refused(tmp_path: Path) -> None:
    LayoutLMv2Config().save_pretrained(tmp_path)
    with pytest.raises(TrainingError, match=r"needs page images and is not supported.*'layoutlmv2'.*LayoutLM \(v1, v3"):
        load_target(str(tmp_path))


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="The checkpoint could not be loaded"):
        load_target(str(tmp_path / "nothing"))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(TrainingError, match=r"could not be loaded.*Name layout_span"):
        load_target(str(tmp_path))


def test_a_space_before_a_word_is_no_part_of_the_answer(bert: Path) -> None:
    tokenizer = Tokenizer(
        models.WordLevel({"▁ACME": 0, "▁Total": 1, "▁9.00": 2, "[SEP]": 3, "[CLS]": 4, "[UNK]": 5}, "[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 4))
    special = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **special).save_pretrained(bert)
    row = {**ROW, "context": "ACME Total 9.00", "words": ["ACME", "Total", "9.00"], "boxes": [], "candidates": []}
    [window] = encode_rows([{**row, "answer_start": 11, "answer_end": 15}], load_target(str(bert)).encoder)[0].windows
    inside = window.offsets[window.offsets[:, 0] >= 0].tolist()
    assert inside == [[0, 4], [5, 10], [11, 15]]


def test_a_model_that_reads_one_way_only_is_refused(tmp_path: Path) -> None:
    GPT2ForQuestionAnswering(
        GPT2Config(vocab_size=len(VOCABULARY), n_positions=64, n_embd=16, n_layer=1, n_head=2)
    ).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    with pytest.raises(TrainingError, match=r"does not read both ways.*'gpt2'"):
        load_target(str(tmp_path))


def test_a_folder_named_like_the_new_model_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(1)
    load_target("layout_span").save(tmp_path / "layout_span")
    torch.manual_seed(2)
    new = load_target("layout_span").model.state_dict()["words.weight"]
    kept = load_target("./layout_span").model.state_dict()["words.weight"]
    assert not torch.equal(new, kept)


# --- tokenizers of every common kind: answers come back from their tokens ---

TEXTS = [
    "TOTAL RM9.00 (GST 6%) DATE:25/12/2018 TaxInvoice No.5",
    "서울은 대한민국의 수도이다. 서울에서 부산까지",
    "東京都は日本の首都である。",
    "กรุงเทพมหานครเป็นเมืองหลวง",
    "стандартаDVB-S2 Интерактивный",
]


def tokenizers_of_every_kind() -> dict[str, Any]:
    byte_alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    # Merges that cross the characters of Hangul (EA/EC/EB) and of punctuation, as a trained vocabulary has them.
    merges = [("9", "."), ("9.", "0"), ("ì", "Ħ"), ("ìĦ", "ľ"), ("ìĦľ", "ì"), ("R", "M"), (")", ",")]
    bytewise = {token: i for i, token in enumerate([*special, *byte_alphabet, *map("".join, merges)])}
    characters = sorted({character for text in TEXTS for character in text.replace(" ", "▁")})
    long_pieces = ["▁서울은", "서울", "는", "▁TOTAL▁RM9.00", "RM9.00", "▁(GST", "東京", "ประเ", "стандартаDVB"]
    pieces = [(token, 0.0) for token in special]
    pieces += [(piece, -20.0) for piece in characters] + [(piece, -1.0) for piece in long_pieces]
    words = {token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])}
    for piece in [*characters, *(f"##{c}" for c in characters), "서울은", "rm9", "東京", "กรุง"]:
        words.setdefault(piece, len(words))
    return {
        "WordPiece": BertTokenizer(vocab=words),
        "byte-level BPE": RobertaTokenizer(vocab=bytewise, merges=merges),
        "LayoutLMv3": LayoutLMv3Tokenizer(vocab=bytewise, merges=merges),
        "Unigram": XLMRobertaTokenizer(vocab=pieces),
        "LayoutXLM": LayoutXLMTokenizer(vocab=pieces),
    }


KINDS = tokenizers_of_every_kind()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (0, "9.00"),
        (0, "RM9.00"),
        (0, "GST"),
        (0, "6%"),
        (0, "25/12/2018"),
        (0, "5"),
        (1, "서울"),
        (1, "대한민국"),
        (1, "수도"),
        (1, "부산"),
        (2, "東京"),
        (2, "日本"),
        (2, "首都"),
        (3, "เมืองหลวง"),
        (4, "DVB-S2"),
        (4, "стандарта"),
    ],
)
def test_answers_inside_words_come_back_with_every_kind_of_tokenizer(kind: str, text: int, answer: str) -> None:
    coder = CheckpointEncoder(KINDS[kind])
    start = TEXTS[text].index(answer)
    span = start, start + len(answer)
    row = {**ROW, "context": TEXTS[text], "words": TEXTS[text].split(), "boxes": [], "candidates": []}
    [encoded] = encode_rows([{**row, "answers": [answer], "answer_start": span[0], "answer_end": span[1]}], coder)
    assert not encoded.widened
    assert covered_spans(encoded.windows, encoded.answer).tolist() == [list(span)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_changes_no_input(kind: str) -> None:
    row = {**ROW, "context": TEXTS[1], "words": TEXTS[1].split(), "boxes": [], "candidates": []}
    rows = [{**row, "answers": ["x"], "answer_start": a, "answer_end": a + 2} for a in (0, 4, 11)]
    encoded = encode_rows([*rows, {**row, "answers": [], "answer_start": -1}], CheckpointEncoder(KINDS[kind]))
    assert len({one.windows[0].inputs["input_ids"].tobytes() for one in encoded}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_break_is_a_space(kind: str) -> None:
    coder = CheckpointEncoder(KINDS[kind])
    rows = [{**ROW, "context": gap.join(ROW["words"]), "answers": []} for gap in (" ", "\n", "\t")]
    first, *others = (encode_rows([row], coder)[0].windows[0] for row in rows)
    for other in others:
        assert (other.inputs["input_ids"] == first.inputs["input_ids"]).all()
        assert (other.offsets == first.offsets).all()


@settings(deadline=None, max_examples=40)
@given(kind=st.sampled_from(sorted(KINDS)), words=st.lists(st.sampled_from(" ".join(TEXTS).split()), max_size=60))
def test_windows_of_every_tokenizer_own_each_token_once(kind: str, words: list[str]) -> None:
    text = " ".join(words)
    short, whole = CheckpointEncoder(KINDS[kind], max_length=40), CheckpointEncoder(KINDS[kind])
    windows, at_once = (c.encode("Total?", c.encode_document(text, NO_WORDS, NO_BOXES)) for c in (short, whole))
    owned = [pair for window in windows for pair in window.offsets[window.starts].tolist()]
    if len(at_once) == 1:
        assert owned == at_once[0].offsets[at_once[0].starts].tolist()
    for start in range(0, len(owned), 7):
        end = min(len(owned) - 1, start + 2)
        span = owned[start][0], owned[end][1]
        [located] = locate_spans(windows, [span], short.max_answer_tokens)
        if located[0] >= 0:
            assert covered_spans(windows, located[None]).tolist() == [list(span)]
            assert windows[located[0]].starts[located[1]]


def test_tokenizers_keep_their_own_files(tmp_path: Path) -> None:
    before = KINDS["Unigram"].backend_tokenizer.to_str()
    CheckpointEncoder(KINDS["Unigram"])
    assert KINDS["Unigram"].backend_tokenizer.to_str() == before
