"""Refusals and what assistants say of themselves, at the beginning of a text.

A refusal stands at the beginning: who explains at length how assistants refuse is not refusing. So only the first 200
characters are searched, and what only a refusal begins with must begin the text, after an apology at most:

- "As an AI (language model), I …", "I am a language model", "my knowledge cutoff", "as of my last update";
- "I'm sorry, but I can't help/provide/write …", with an apology before it and a verb of assistants behind it;
- "I cannot assist with that", "I can't fulfill this request", "I must decline", without an apology, too;
- in Korean: "AI 언어 모델로서", "저는 인공지능입니다", "죄송하지만 … 도와드릴 수 없습니다", "요청에 응할 수 없습니다".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from hf_mbdc.errors import RecipeError

OPENING = 200  # characters of a text that are searched

_AI = r"(?:ai|artificial intelligence)(?:[ -](?:language )?(?:model|assistant|chatbot|system))?"
_MODEL = r"(?:large )?language model"
_START = r"\A[\s*_#>-]*"
_SORRY = r"(?:i['’]m|i am)? ?(?:(?:very|so|really|truly) )?sorry|(?:my )?apologies|i apologi[sz]e|unfortunately"
_AFTER = r"[^.\n]{0,40}?[\s,.;:!—–-]+(?:but |however,? )?"
_CANNOT = r"(?:i (?:can ?not|can['’]t|could not|couldn['’]t|won['’]t|will not)|i(?: am|['’]m) (?:not able|unable) to)"
_VERBS = (
    r"(?:be able to )?(?:assist|help|fulfill?|comply|provide|generate|create|write|answer|engage|participate|discuss|"
    r"support|do that|do this|continue|share|offer|give|access|browse|produce|complete|recommend)"
)
_THAT = r"(?: you)?(?: with)? (?:that|this|your|these|those|such)\b"

PATTERNS = (
    rf"\bas an? (?:{_AI}|{_MODEL}),? (?:i|my)\b",
    rf"\bas an? (?:ai )?{_MODEL}\b",
    rf"\bi(?: am|['’]m) (?:just |only |simply |merely )?an? (?:{_AI}|{_MODEL})"
    r"(?=[,.;!]| (?:and|so|trained|created|built)\b)",
    r"\bmy (?:knowledge cut-?off|training data)\b",
    r"\bas of my (?:last|latest) (?:knowledge |training )?(?:update|cut-?off)",
    rf"{_START}(?:{_SORRY}){_AFTER}{_CANNOT} {_VERBS}",
    rf"{_START}{_CANNOT} (?:be able to )?(?:assist|comply|fulfill?|help)\b(?!\s+(?:but|thinking|feeling|wondering)\b)",
    rf"{_START}{_CANNOT} {_VERBS}{_THAT}",
    rf"{_START}(?:(?:{_SORRY}){_AFTER})?i (?:must|have to) (?:respectfully )?(?:decline|refuse)\b",
    r"(?:ai|인공지능)\s?(?:언어\s?)?(?:모델|어시스턴트|챗봇|비서)?\s?(?:이기\s때문에|으?로서|이므로)",
    r"저는\s(?:ai|인공지능|언어\s?모델)(?:\s?(?:언어\s?)?(?:모델|어시스턴트|챗봇|비서))?(?:입니다|이에요|예요|이라|이므로|라서)",
    rf"{_START}(?:죄송|미안)(?:하지만|하게도|합니다|해요|스럽)[^.\n]{{0,60}}?(?:수\s?(?:는\s)?없|어렵|불가능)",
    r"(?:도와\s?드릴|도움을\s?드릴|답변(?:을|해)?\s?드릴|답변할|응할|응해\s?드릴)\s수(?:는|가)?\s?없",
)  # without regard to case


def find_refusals(texts: Sequence[str], patterns: Sequence[str] = ()) -> np.ndarray:
    """Which texts refuse, or speak as an assistant.

    Args:
        texts: of answers.
        patterns: further regular expressions, looked for without regard to case in the first 200 characters.

    Returns:
        (texts,) bool.

    Raises:
        RecipeError: a pattern is no regular expression.

    Example:
        >>> find_refusals(["I'm sorry, but I can't help with that.", "Sorry, a song", "죄송하지만 도와드릴 수 없어요."])
        array([ True, False,  True])
    """
    search = compile_patterns((*PATTERNS, *patterns)).search
    return np.fromiter((search(text.lstrip()[:OPENING]) is not None for text in texts), bool, len(texts))


def compile_patterns(patterns: Sequence[str]) -> re.Pattern[str]:
    """All of the patterns as one; see `find_refusals`."""
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            what, mend = "It is no regular expression", f"{error}."
            raise RecipeError(what, key="refusal_patterns", value=pattern, mend=mend) from error
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)
