"""Prompts as a model in this process reads them: rendered by its chat template, as tokens, within its room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hf_mbdc.errors import DataError
from hf_mbdc.generation.completions import Request, Task

NO_NUMBERS = "the logits of the model are no numbers"  # why a completion or rating is rejected


def render_prompts(requests: Sequence[Request], tokenizer: Any) -> list[str]:
    """Prompts as the model reads them: raw ones as they are, messages by the chat template of the tokenizer.

    Raises:
        DataError: the tokenizer has no chat template, or the template refuses a conversation.
    """
    rendered: dict[int, str] = {}  # by identity: the samples of one row share their messages
    prompts = []
    for request in requests:
        if request.prompt is not None:
            prompts.append(request.prompt)
            continue
        place = id(request.messages)
        if place not in rendered:
            rendered[place] = _render(request, tokenizer)
        prompts.append(rendered[place])
    return prompts


def _render(request: Request, tokenizer: Any) -> str:
    from jinja2 import TemplateError

    if not getattr(tokenizer, "chat_template", None):
        mend = "Take an instruction-tuned model, set tokenizer.chat_template, or give prompts instead of messages."
        raise DataError("The model has no chat template to render messages with", key=request.key, mend=mend)
    try:
        text = tokenizer.apply_chat_template(list(request.messages or ()), tokenize=False, add_generation_prompt=True)
    except (TemplateError, TypeError, KeyError, ValueError) as error:
        mend = "Give the roles in the order that the template knows, mostly user and assistant in turn."
        raise DataError(f"The chat template refuses the messages: {error}", key=request.key, mend=mend) from error
    return str(text)


def encode_prompts(tasks: Sequence[Task], tokenizer: Any) -> dict[bytes, list[int]]:
    """Token ids by key. A raw prompt gets the tokenizer's special tokens; a chat template has written its own."""
    ids: dict[tuple[bool, str], list[int]] = {}
    for raw in (True, False):
        texts = list(dict.fromkeys(task.prompt for task in tasks if task.raw == raw))
        if texts:
            encoded = tokenizer(texts, add_special_tokens=raw)["input_ids"]
            ids.update({(raw, text): found for text, found in zip(texts, encoded, strict=True)})
    return {task.key: ids[task.raw, task.prompt] for task in tasks}


def reasons_unfit(ids: dict[bytes, list[int]], room: int | None, what: str, more: int) -> dict[bytes, str]:
    """By key, why a prompt cannot be gone on with.

    Args:
        ids: tokens of the prompts by key.
        room: tokens that the model takes; None where it does not say.
        what, more: what comes after the prompt, and how many tokens of it.
    """
    reasons = {}
    for key, tokens in ids.items():
        if room is not None and len(tokens) + more > room:
            reasons[key] = f"prompt and {what} need more than the {room:,} tokens that the model takes"
        elif not tokens:
            reasons[key] = "the prompt has no tokens"
    return reasons
