"""The columns that TRL's trainers read, and a check that rows are what they say before anything is trained on them.

TRL trains on equal `chosen` and `rejected` without a word (its loss stays at ln 2), and a prompt of text beside
conversations makes it fail inside a batch: see https://huggingface.co/docs/trl/dataset_formats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from hf_mbdc.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset, Features

Layout = Literal["preference", "reward", "kto", "sft"]
Prompt = str | list[dict[str, str]]

COLUMNS: dict[Layout, tuple[str, ...]] = {
    "preference": ("prompt", "chosen", "rejected"),  # DPOTrainer
    "reward": ("prompt", "chosen", "rejected", "margin"),  # RewardTrainer
    "kto": ("prompt", "completion", "label"),  # KTOTrainer
    "sft": ("prompt", "completion"),  # SFTTrainer
}
ROLES = ("system", "user", "assistant", "tool")


def is_conversation(prompt: object) -> bool:
    """Whether a prompt is a list of messages rather than text."""
    return isinstance(prompt, list)


def is_blank(prompt: Prompt | None) -> bool:
    """Whether there is nothing to answer: no text, no message, or one of the user without a text."""
    if not isinstance(prompt, list):
        return not (prompt or "").strip()
    asked = [message.get("content") for message in prompt if message.get("role") == "user"]
    return not prompt or not all((text or "").strip() for text in asked)


def prompt_as(prompt: Prompt, conversational: bool) -> Prompt:
    """Text as a conversation of one message; the other way there is none without a chat template."""
    if conversational and isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    return prompt


def completion_as(text: str, conversational: bool) -> Prompt:
    return [{"role": "assistant", "content": text}] if conversational else text


def layout_features(layout: Layout, conversational: bool) -> Features:
    """The types of the columns that a trainer reads."""
    from datasets import Features, List, Value

    text = List({"role": Value("string"), "content": Value("string")}) if conversational else Value("string")
    special = {"margin": Value("float64"), "label": Value("bool")}
    return Features({name: special.get(name, text) for name in COLUMNS[layout]})


def check_layout(rows: Dataset, layout: Layout) -> None:
    """Whether a TRL trainer learns from the rows what they say.

    Args:
        rows: training data of any origin.
        layout: of which trainer; see `COLUMNS`.

    Raises:
        DataError: a column is missing; a text is null or empty; text and conversations are mixed; a role is none; a
            prompt does not end with what the model answers, or a completion is not the assistant's; `chosen` equals
            `rejected`; a margin is not above 0; or a label is null. It names the first row.

    Example:
        >>> from datasets import Dataset
        >>> rows = Dataset.from_dict({"prompt": ["2+2?"], "chosen": ["4"], "rejected": ["4"]})
        >>> check_layout(rows, "preference")
        Traceback (most recent call last):
        hf_mbdc.errors.DataError: chosen and rejected are equal (row 0). Leave the row out: it teaches nothing.
    """
    missing = [name for name in COLUMNS[layout] if name not in rows.column_names]
    if missing:
        mend = f"{layout} rows have {', '.join(COLUMNS[layout])}."
        raise DataError(f"The columns {missing} are missing", mend=mend)
    if not len(rows):
        raise DataError("There is no row to train on", mend="See why all were dropped: PairSet.dropped.")
    columns = {name: rows.select_columns([name])[:][name] for name in COLUMNS[layout]}
    ids = rows.select_columns(["id"])[:]["id"] if "id" in rows.column_names else None
    texts = [name for name in columns if name not in ("margin", "label")]
    for number, values in enumerate(zip(*columns.values(), strict=True)):
        row = dict(zip(columns, values, strict=True))
        what = _wrong_text({name: row[name] for name in texts}) or _wrong_value(row)
        if what is not None:
            raise DataError(what[0], row=number, id=ids[number] if ids else None, mend=what[1])


def _wrong_text(texts: dict[str, Any]) -> tuple[str, str] | None:
    """What is wrong with the texts of a row, and the mend."""
    for name, text in texts.items():
        if is_conversation(text) != is_conversation(texts["prompt"]):
            return f"The prompt is {_kind(texts['prompt'])} and {name} is {_kind(text)}", "Make both the same."
        if (found := _wrong_messages(name, text) if is_conversation(text) else _wrong_string(name, text)) is not None:
            return found
    if "chosen" in texts and _stripped(texts["chosen"]) == _stripped(texts["rejected"]):
        return "chosen and rejected are equal", "Leave the row out: it teaches nothing."
    return None


def _stripped(text: Prompt) -> object:
    """A text without the white space around it, which teaches nothing either."""
    if isinstance(text, str):
        return text.strip()
    return [{**message, "content": (message.get("content") or "").strip()} for message in text]


def _wrong_string(name: str, text: object) -> tuple[str, str] | None:
    if isinstance(text, str) and text.strip():
        return None
    return f"{name} is {'empty' if isinstance(text, str) else 'null'}", "Leave the row out."


def _wrong_messages(name: str, messages: Sequence[dict[str, Any]]) -> tuple[str, str] | None:
    if not messages:
        return f"{name} has no message", "Leave the row out."
    roles = [message.get("role") for message in messages]
    for role, message in zip(roles, messages, strict=True):
        if role not in ROLES:
            return f"A message of {name} has the role {role!r}", f"Roles are {', '.join(ROLES)}."
        said = role == "user" if name == "prompt" else role == "assistant"  # an assistant's prompt may be tool calls
        if said and not (message.get("content") or "").strip():
            return f"A message of {name} is empty", "Leave the row out."
    if name == "prompt" and roles[-1] == "assistant":
        return "The prompt ends with an answer", "Move the last message to the completion."
    if name != "prompt" and roles[0] != "assistant":
        return f"{name} does not begin with the assistant's answer", "Completions hold no prompt: leave it out of them."
    return None


def _wrong_value(row: dict[str, Any]) -> tuple[str, str] | None:
    margin = row.get("margin", 1.0)
    if not (isinstance(margin, int | float) and margin > 0):
        return f"The margin is {margin!r}", "It is how much better the chosen one is, above 0."
    if "label" in row and not isinstance(row["label"], bool):
        return f"The label is {row['label']!r}", "It is true for a good completion and false for a bad one."
    return None


def _kind(text: object) -> str:
    return "a conversation" if is_conversation(text) else "null" if text is None else "text"
