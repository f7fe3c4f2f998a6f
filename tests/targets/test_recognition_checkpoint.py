"""A tiny vision encoder–decoder, made here: what becomes of rows, its loss, both ways to read, saving and loading."""

from __future__ import annotations

import io
import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from datasets import Dataset, DatasetDict, Features, Value
from datasets import Image as ImageFeature
from PIL import Image
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    BertConfig,
    PreTrainedTokenizerFast,
    TrOCRConfig,
    TrOCRForCausalLM,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
)

from hf_mbdc.errors import DataError, TrainingError
from hf_mbdc.targets.recognition import load_recogniser
from hf_mbdc.targets.recognition.checkpoint import CheckpointTarget, make_target
from hf_mbdc.training.checks import check_recogniser

ROOT = Path(__file__).resolve().parents[2]
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]


def tokenizer_of(characters: str) -> PreTrainedTokenizerFast:
    """Each character is a token."""
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *characters])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    backend.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def target(characters: str = "가나다", beam_width: int = 1, positions: int = 12) -> CheckpointTarget:
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    encoder = ViTModel(ViTConfig(image_size=16, patch_size=8, **size))
    decoder = TrOCRForCausalLM(
        TrOCRConfig(
            vocab_size=len(SPECIAL) + len(characters),
            d_model=16,
            decoder_layers=1,
            decoder_attention_heads=2,
            decoder_ffn_dim=16,
            max_position_embeddings=positions,
            cross_attention_hidden_size=16,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=2,
        )
    )
    model = VisionEncoderDecoderModel(encoder=encoder, decoder=decoder)
    processor = ViTImageProcessor(size={"height": 16, "width": 16})
    return make_target(model, processor, tokenizer_of(characters), beam_width)


def table(*texts: str | None, broken: bool = False) -> pa.Table:
    images = []
    for number in range(len(texts)):
        file = io.BytesIO()
        pixels = np.random.default_rng(number).integers(0, 256, (20, 30 + number), np.uint8)
        Image.fromarray(pixels).save(file, "PNG")
        images.append({"bytes": b"broken" if broken and not number else file.getvalue(), "path": None})
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    ids = pa.array([f"w{n}" for n in range(len(texts))])
    return pa.table({"id": ids, "image": pa.array(images, kind), "text": pa.array(texts, pa.string())})


def test_rows_become_tokens_with_an_end_and_images_of_their_size() -> None:
    words = target().encode(table("가다", "", None, "가" * 11, "가" * 12), "train", labels=True)
    reasons = [None, "an empty text", "no text", "longer than 12 tokens", "longer than 12 tokens"]
    assert [word.left_out for word in words] == reasons
    assert words[0].labels.tolist() == [4, 6, 2]
    assert (words[0].pixels.shape, words[0].tokens) == ((20, 30), 30)
    assert target().encode(table("가" * 10), "train", labels=True)[0].left_out is None


def test_a_broken_image_is_left_out_of_training_and_refused_for_reading() -> None:
    words = target().encode(table("가", "나", broken=True), "train", labels=True)
    assert [word.left_out for word in words] == ["a file that is no image", None]
    with pytest.raises(DataError, match="1 of 2 images cannot be read; the first one is a file that is no image"):
        target().encode(table("가", "나", broken=True), "test", labels=False)


def test_the_loss_is_that_of_transformers_and_of_each_text() -> None:
    one = target()
    one.model.eval()  # without dropout
    words = one.encode(table("가다", "나"), "train", labels=True)
    losses, sizes = one.losses(one.model, words, torch.device("cpu"))
    assert sizes.tolist() == [3, 2]
    labels = torch.tensor([[4, 6, 2], [5, 2, -100]])
    theirs = one.model(pixel_values=one._pixels(words), labels=labels).loss
    assert (losses.sum() / 5).item() == pytest.approx(theirs.item(), rel=1e-5)
    alone, _ = one.losses(one.model, words[1:], torch.device("cpu"))
    assert alone.item() == pytest.approx(losses[1].item(), rel=1e-4)


def learned(texts: list[str]) -> tuple[CheckpointTarget, Any]:
    one = target()
    words = one.encode(table(*texts), "train", labels=True)
    optimizer = torch.optim.AdamW(one.model.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        losses, sizes = one.losses(one.model, words, torch.device("cpu"))
        (losses / sizes).mean().backward()
        optimizer.step()
    return one, words


def test_what_it_learned_by_heart_it_reads_greedily_and_with_beams(tmp_path: Path) -> None:
    texts = ["가다", "나", "다다가나", "가"]
    one, words = learned(texts)
    read = one.read(words)
    assert [reading.text for reading in read] == texts
    with torch.no_grad():
        losses, _ = one.losses(one.model, words, torch.device("cpu"))
    assert [reading.score for reading in read] == pytest.approx((-losses).tolist(), abs=1e-3)

    one.save(tmp_path)
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in tmp_path.iterdir()}
    check_recogniser(str(tmp_path))
    again = load_recogniser(str(tmp_path), beam_width=3)
    assert isinstance(again, CheckpointTarget)
    with_beams = again.read(words)
    assert [reading.text for reading in with_beams] == texts
    assert [reading.score for reading in with_beams] == pytest.approx((-losses).tolist(), abs=1e-3)


def test_other_checkpoints_are_refused(tmp_path: Path) -> None:
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(TrainingError, match="A model of type 'bert' reads no word images, and cannot be a target"):
        load_recogniser(str(tmp_path))
    with pytest.raises(TrainingError, match="A model of type 'bert' reads no word images, and cannot be a target"):
        check_recogniser(str(tmp_path))
    with pytest.raises(TrainingError, match=r"The checkpoint could not be loaded.*microsoft/trocr-small-printed"):
        load_recogniser(str(tmp_path / "nothing"))


@pytest.mark.parametrize("lacking", ["pad_token", "eos_token"])
def test_a_tokenizer_must_pad_and_end(lacking: str) -> None:
    one = target()
    setattr(one.tokenizer, lacking, None)
    with pytest.raises(TrainingError, match="The tokenizer has no tokens for padding, beginning and end"):
        make_target(one.model, one.processor, one.tokenizer)


def test_the_config_says_what_training_needs(tmp_path: Path) -> None:
    one = target()
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(one.model.encoder.config, one.model.decoder.config)
    assert one.model.config.model_type == config.model_type
    one.save(tmp_path)
    told = json.loads((tmp_path / "config.json").read_text())
    assert (told["decoder_start_token_id"], told["pad_token_id"], told["eos_token_id"]) == (2, 0, 2)


def test_the_script_trains_a_checkpoint_and_finds_it_finished(tmp_path: Path) -> None:
    target().save(tmp_path / "start")
    given = table("가다", "나", "다", "가나")
    features = Features({"id": Value("string"), "image": ImageFeature(), "text": Value("string")})
    rows = Dataset.from_list(given.to_pylist(), features=features)
    DatasetDict({"train": rows, "test": rows.select([1, 0])}).save_to_disk(tmp_path / "data")
    main = runpy.run_path(str(ROOT / "scripts" / "train_text_recognition.py"))["main"]
    flags = ["--dataset", str(tmp_path / "data"), "--output-dir", str(tmp_path / "out"), "--predict-splits", "test"]
    flags += ["--model", str(tmp_path / "start"), "--epochs", "2", "--batch-size", "2", "--beam-width", "2"]
    main(flags)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (metrics["steps"], metrics["rows_used"], metrics["tokens"]) == (4, 4, 2 * (30 + 31 + 32 + 33))
    first = pq.read_table(tmp_path / "out" / "predictions-test.parquet")
    assert first["id"].to_pylist() == ["w1", "w0"]
    assert "VisionEncoderDecoderModel" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    main(flags)
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == metrics
    assert pq.read_table(tmp_path / "out" / "predictions-test.parquet").equals(first)
