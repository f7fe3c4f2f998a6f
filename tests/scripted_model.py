"""A scripted model: it answers what it is asked by a function, and keeps what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hf_mbdc.records import Cost
from hf_mbdc.synthesis.methods.dialogue import Answer, Ask


class Scripted:
    """Stands where `Models` stands. `reply` gives an answer, or the text of one; None: it was cut off."""

    def __init__(self, reply: Callable[[Ask], Answer | str | None]) -> None:
        self.reply = reply
        self.asked: list[list[Ask]] = []  # by turn

    def ask(
        self, named: Sequence[tuple[str, Ask]], on_progress: Callable[[float], None] | None = None
    ) -> tuple[list[Answer], Cost]:
        assert len({key for key, _ in named}) == len(named)
        self.asked.append([ask for _, ask in named])
        replies = [self.reply(ask) for _, ask in named]
        return [_answer(reply) for reply in replies], Cost(model_calls=len(named))

    @property
    def calls(self) -> int:
        return sum(map(len, self.asked))


def _answer(reply: Answer | str | None) -> Answer:
    if isinstance(reply, Answer):
        return reply
    return Answer("cut", "length", "m@1") if reply is None else Answer(reply, "stop", "m@1")


def text_of(ask: Ask) -> str:
    """What the last message says."""
    return str(ask.messages[-1]["content"])
