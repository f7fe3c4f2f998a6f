"""The small language model, and how models are asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from hf_mbdc.errors import TrainingError
from hf_mbdc.targets.language import load_language_model, new_language_model, word_tokenizer

WORDS = ["sort", "reverse", "1", "2", "3"]


def test_a_new_model_is_read_back(tmp_path: Path) -> None:
    model, tokenizer = new_language_model(WORDS, width=16, layers=1)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again, same = load_language_model(str(tmp_path))
    assert all((again.state_dict()[name] == value).all() for name, value in model.state_dict().items())
    assert same.decode(same("sort 3 1")["input_ids"], skip_special_tokens=True) == "sort 3 1"
    assert same.chat_template == tokenizer.chat_template


def test_a_prompt_begins_its_answer() -> None:
    tokenizer = word_tokenizer(WORDS)
    asked = [{"role": "user", "content": "sort 3 1"}]
    prompt = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template([*asked, {"role": "assistant", "content": "1 3"}], tokenize=False)
    assert prompt == "<s> <user> sort 3 1 <assistant>"
    assert whole == f"{prompt} 1 3 </s>"
    assert tokenizer(whole)["input_ids"][-1] == tokenizer.eos_token_id


@pytest.mark.parametrize("begins", [True, False])
def test_a_base_model_gets_a_plain_template(begins: bool, tmp_path: Path) -> None:
    from tiny_llama import tiny_model, tiny_tokenizer

    tokenizer = tiny_tokenizer(chat=False)
    if not begins:
        tokenizer._tokenizer.post_processor = None
    for part in (tiny_model(), tokenizer):
        part.save_pretrained(tmp_path)
    _, read = load_language_model(str(tmp_path))
    asked = [{"role": "user", "content": "1+1?"}]
    prompt = read.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    whole = read.apply_chat_template([*asked, {"role": "assistant", "content": "2"}], tokenize=False)
    assert prompt == ("<s>" if begins else "") + "1+1?\n"
    assert whole == f"{prompt}2</s>"


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cannot be loaded"):
        load_language_model(str(tmp_path))
