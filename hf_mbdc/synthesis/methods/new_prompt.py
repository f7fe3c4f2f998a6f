"""A new prompt from examples, as Self-Rewarding has it (Yuan et al. 2024, https://arxiv.org/abs/2401.10020, §2.2).

The model sees eight prompts and writes one more (temperature 0.6, top-p 0.9), in the manner of Self-Instruct (Wang et
al. 2022, https://arxiv.org/abs/2212.10560). Near-duplicates are left out afterwards, see the step `new_prompts`.

Deviation: the paper always asks one large chat model and takes two of the eight examples from what was made before;
here the target is asked, and all examples are given ones, so that what is made does not drift from them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hf_mbdc.generation.completions import Sampling
from hf_mbdc.synthesis.methods.dialogue import Ask, Dialogue
from hf_mbdc.synthesis.methods.prompts import render_prompt

NAME = "new_prompt"
LABEL = re.compile(
    r"^\s*(?:task|prompt|question)?\s*\d*\s*[:.)](?:\s+|$)", re.IGNORECASE
)  # that the examples have in front


@dataclass(frozen=True)
class NewPrompt:
    """What became of one try.

    Args:
        prompt: None where there is none.
        reason: why there is none.
        model: name@hash of who wrote it.
    """

    prompt: str | None
    reason: str = ""
    model: str = ""


def new_prompt(
    examples: Sequence[str], sampling: Sampling, sample: int = 0, prompts: str | None = None
) -> Dialogue[NewPrompt]:
    """The dialogue of one new prompt.

    Args:
        examples: prompts that it shall be like.
        sampling: how it is drawn.
        sample: number among those with the same examples.
        prompts: folder of `new_prompt.jinja` in place of the packaged one.
    """
    text = render_prompt("new_prompt", prompts, examples=list(examples))
    [answer] = yield [Ask([{"role": "user", "content": text}], sampling, sample)]
    if answer.whole is None:
        return NewPrompt(None, "the new prompt was cut off or is missing", answer.model)
    found = LABEL.sub("", answer.whole, count=1).strip()
    return NewPrompt(found or None, "" if found else "the new prompt is empty", answer.model)
