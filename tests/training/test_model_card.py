"""The card of a trained model."""

from __future__ import annotations

import dataclasses

import yaml

from hf_mbdc.training.config import RecognitionConfig, TrainingConfig
from hf_mbdc.training.model_card import escape_cell, render_model_card, shipped

METRICS = {"rows_used": 10, "rows_left_out": {"absent": 2, "too long": 1}, "loss": 0.5, "epoch_losses": [1.0, 0.5]}


def card(**options: object) -> str:
    config = dataclasses.asdict(dataclasses.replace(TrainingConfig(), **options))
    return render_model_card(config, METRICS, "me/receipts@v1.2.0", "layout_span")


def test_it_names_the_data_revision_and_what_was_left_out() -> None:
    text = card()
    assert "Trained on the data revision `me/receipts@v1.2.0`." in text
    assert "10 rows were used; left out: 2 absent, 1 too long." in text
    assert "| loss | 0.5 |" in text
    assert "| objective | chosen |" in text
    assert "import hf_mbdc.targets.layout_span" in text


def test_its_header_is_yaml_with_the_dataset() -> None:
    header = yaml.safe_load(card().split("---")[1])
    assert header["datasets"] == ["me/receipts"]
    assert header["pipeline_tag"] == "document-question-answering"


def test_unpublished_data_is_said() -> None:
    text = render_model_card(dataclasses.asdict(TrainingConfig()), {**METRICS, "rows_left_out": {}}, None, "bert")
    assert "Trained on data without a published revision." in text
    assert "10 rows were used." in text
    assert "import hf_mbdc" not in text
    assert "datasets" not in yaml.safe_load(text.split("---")[1])


def test_text_is_escaped_and_no_machine_path_is_told() -> None:
    assert "| model | a\\|b &lt;script&gt; |" in card(model="a|b <script>")
    assert "/home/me" not in card(model="/home/me/models/bert")
    assert escape_cell(0.123456789) == "0.123457"


def test_the_template_is_found() -> None:
    assert shipped("cards", "model_card.md.jinja").is_file()


def test_each_kind_of_model_says_what_loads_it() -> None:
    config = dataclasses.asdict(RecognitionConfig())
    text = render_model_card(config, METRICS, None, "ctc_recogniser")
    assert "import hf_mbdc.targets.recognition.ctc_recogniser  # registers" in text
    assert 'model = AutoModelForCTC.from_pretrained(".")' in text
    assert yaml.safe_load(text.split("---")[1])["pipeline_tag"] == "image-to-text"
    assert "(`scripts/train_text_recognition.py`)" in text
    text = render_model_card(config, METRICS, None, "vision-encoder-decoder")
    assert "import hf_mbdc" not in text
    assert 'model = VisionEncoderDecoderModel.from_pretrained(".")' in text
