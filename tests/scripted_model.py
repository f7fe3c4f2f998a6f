"""A scripted model: it answers what it is asked by a function, and keeps what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hf_mbdc.records import Cost
from hf_mbdc.synthesis.methods.dialogue import Answer, Ask


class Scripted:
    """Stands where `Models` stands. `reply` gives the text of an answer; None: it was cut off."""

    def __init__(self, reply: Callable[[Ask], str | None]) -> None:
        self.reply = reply
        self.asked: list[list[Ask]] = []  # by turn

    def ask(self, named: Sequence[tuple[str, Ask]]) -> tuple[list[Answer], Cost]:
        assert len({key for key, _ in named}) == len(named)
        self.asked.append([ask for _, ask in named])
        replies = [self.reply(ask) for _, ask in named]
        answers = [Answer("cut", "length", "m@1") if text is None else Answer(text, "stop", "m@1") for text in replies]
        return answers, Cost(model_calls=len(named))

    @property
    def calls(self) -> int:
        return sum(map(len, self.asked))


def text_of(ask: Ask) -> str:
    """What the last message says."""
    return str(ask.messages[-1]["content"])
