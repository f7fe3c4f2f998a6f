"""The rows train one step in TRL's own trainers, with a tiny model made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from hf_mbdc.synthesis.preferences.pairs import PairOptions, build_pairs

NUMBERS = ["one", "two", "three", "four", "five", "nine"]
WORDS = ["what", "is", "the", "sum", "of", *NUMBERS, "it", "user", "assistant"]
TEMPLATE = "{% for message in messages %}{{ message['role'] }} {{ message['content'] }} </s> {% endfor %}"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<unk>", "<s>", "</s>"]
    inner = Tokenizer(models.WordLevel({word: n for n, word in enumerate([*special, *WORDS])}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    made.chat_template = TEMPLATE
    return made


def tiny_model(kind: str, tokenizer: Any, folder: Path) -> Any:
    """Read from a folder: DPO and KTO load their reference from where the model was."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        pad_token_id=tokenizer.pad_token_id,
        num_labels=1,
    )
    network = LlamaForSequenceClassification if kind == "reward" else LlamaForCausalLM
    network(config).save_pretrained(folder)
    return network.from_pretrained(folder)


def scored(conversational: bool) -> Dataset:
    def prompt(number: str) -> Any:
        text = f"what is the sum of one {number}"
        return [{"role": "user", "content": text}] if conversational else text

    sums = {"one": "two", "two": "three", "three": "four", "four": "five"}
    return Dataset.from_list(
        [
            {"id": a, "prompt": prompt(a), "completions": [f"it is {b}", "it is nine"], "scores": [1.0, 0.0]}
            for a, b in sums.items()
        ]
    )


@pytest.mark.parametrize("conversational", [False, True])
@pytest.mark.parametrize(
    ("layout", "trainer"),
    [("preference", "DPO"), ("reward", "Reward"), ("kto", "KTO"), ("sft", "SFT")],
)
def test_one_step(layout: Any, trainer: str, conversational: bool, tokenizer: Any, tmp_path: Path) -> None:
    import trl

    made = build_pairs(scored(conversational), PairOptions(layout, good_from=0.5))
    arguments = getattr(trl, f"{trainer}Config")(
        output_dir=str(tmp_path / "run"),
        max_steps=1,
        per_device_train_batch_size=4,
        report_to="none",
        use_cpu=True,
        bf16=False,
        logging_steps=1,
        save_strategy="no",
        max_length=64,
        disable_tqdm=True,
    )
    model = tiny_model(layout, tokenizer, tmp_path / "model")
    made_trainer = getattr(trl, f"{trainer}Trainer")(
        model=model, args=arguments, train_dataset=made.rows, processing_class=tokenizer
    )
    result = made_trainer.train()
    assert result.global_step == 1
    assert 0 < result.training_loss < 20
    if layout == "preference":  # before the first update model and reference are one: the loss is ln 2
        assert made_trainer.state.log_history[0]["loss"] == pytest.approx(0.6931, abs=1e-3)
