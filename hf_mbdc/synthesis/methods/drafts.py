"""Drafts: the target sees its wrong answer and answers once more, as long as a verifier calls it wrong.

Self-Refine (Madaan et al. 2023, https://arxiv.org/abs/2303.17651) with a verifier's verdict in place of the model's own
words as feedback: what a small model says of its own answers is worth little, that an answer is wrong is sure. The
whole history is in view, as in the paper. With the model's own feedback: `self_refine`.
"""

from __future__ import annotations

from hf_mbdc.generation.completions import Sampling
from hf_mbdc.synthesis.methods.dialogue import Answer, Ask, Dialogue
from hf_mbdc.synthesis.methods.judges import Judge
from hf_mbdc.synthesis.methods.scored_rows import Scored

NAME = "drafts"


def drafts(prompt: str, judge: Judge, most: int, sampling: Sampling) -> Dialogue[Scored]:
    """The dialogue of one prompt; it ends with an answer that the judge gives 1, or one that was cut off.

    Args:
        judge: says of a draft alone what it is worth, 1 for a right one.
        most: drafts.
        sampling: of each.
    """
    talk = [{"role": "user", "content": prompt}]
    answers: list[Answer] = []
    scores: list[float | None] = []
    while len(answers) < most:
        [answer] = yield [Ask(list(talk), sampling)]
        answers.append(answer)
        scores += judge([answer])
        if answer.whole is None or scores[-1] == 1:
            break
        talk += [{"role": "assistant", "content": answer.whole}, talk[0]]
    return Scored.of(answers, scores)
