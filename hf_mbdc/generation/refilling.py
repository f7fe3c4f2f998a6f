"""Completions in slots: a row that has ended makes room for the next prompt at once, not when its whole batch is done.

`generate` goes on with a batch until its longest row has ended. Here every step is one forward pass over the rows that
are still written; rows that end leave the cache, and waiting prompts are read and put beside the others. The draws are
those of the batched path, so are the tokens, but for the rounding of logits.

`model.generate_batch` of transformers does the same with a paged cache, but draws from one stream for a whole batch and
has no place for draws that belong to a row.
"""

from __future__ import annotations

import inspect
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from hf_mbdc.errors import GenerationError
from hf_mbdc.generation.completions import Batch, Task
from hf_mbdc.generation.local import LocalGenerator, end_tokens, pad_left
from hf_mbdc.generation.picking import TokenPicker, uniform_numbers

if TYPE_CHECKING:
    from hf_mbdc.generation.generate import Claim

FREE = 0.25  # share of the slots that are free before prompts are read: reading a few costs as much as reading many


@dataclass
class Slot:
    """A completion that is being written; `numbers` are its draws by step."""

    task: Task
    prompt: list[int]
    numbers: np.ndarray
    written: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    sound: list[bool] = field(default_factory=list)  # whether the logits of each step were numbers


def complete_refilling(
    generator: LocalGenerator, tasks: Sequence[Task], ids: dict[bytes, list[int]], claim: Claim
) -> Iterator[Batch]:
    """Completions as they end.

    Args:
        generator: its `batch_tokens` bounds rows × (longest prompt + `max_tokens`) of those that are written together.
        tasks: longest prompts first.
        ids: tokens of the prompts by key.
        claim: as of `complete`; asked right before prompts are read.

    Raises:
        GenerationError: the model's cache does not let rows come and go.
    """
    waiting, slots, done = deque(tasks), Slots(generator), list[Slot]()
    started = time.perf_counter()
    while waiting or slots.rows or done:
        free = _free(slots, waiting, ids)
        if free or not slots.rows:
            if done:
                yield _batch(generator, done, time.perf_counter() - started)
                done, started = [], time.perf_counter()
            taken = claim([waiting.popleft() for _ in range(free)]) if free else []
            slots.add(_slots(generator, taken, ids))
            done += slots.take_finished()
        if slots.rows:
            slots.step()
            done += slots.take_finished()


def _free(slots: Slots, waiting: deque[Task], ids: dict[bytes, list[int]]) -> int:
    """How many waiting prompts are to be read now; none as long as few slots are free."""
    if not waiting:
        return 0
    longest = max(len(ids[waiting[0].key]), *(len(slot.prompt) for slot in slots.rows), 0)
    room = max(1, slots.generator.batch_tokens // (longest + slots.generator.sampling.max_tokens))
    free = room - len(slots.rows)
    return min(free, len(waiting)) if free >= max(1, FREE * room) else 0


def _slots(generator: LocalGenerator, tasks: Sequence[Task], ids: dict[bytes, list[int]]) -> list[Slot]:
    steps = generator.sampling.max_tokens if generator.sampling.temperature > 0 else 0
    numbers = uniform_numbers([task.draw for task in tasks], generator.seed, steps)
    return [Slot(task, ids[task.key], row) for task, row in zip(tasks, numbers, strict=True)]


def _batch(generator: LocalGenerator, done: Sequence[Slot], seconds: float) -> Batch:
    """What has ended, as completions."""
    logprobs = [slot.logprobs for slot in done] if generator.sampling.logprobs else None
    prompts, written = [slot.prompt for slot in done], [slot.written for slot in done]
    sound = [slot.sound for slot in done]
    return generator.read([slot.task for slot in done], prompts, written, sound, logprobs, seconds)


class Slots:
    """The rows that are written, with their cache: all left-padded to one width, the last token not yet in it."""

    def __init__(self, generator: LocalGenerator) -> None:
        self.generator, self.model = generator, generator.model
        self.ends = end_tokens(generator.model, generator.tokenizer)
        self.picker = TokenPicker(np.empty((0, 0)), generator.sampling, self.model.device)
        self.rows: list[Slot] = []
        self.cache: DynamicCache | None = None
        self.mask = torch.empty((0, 0), dtype=torch.long, device=self.model.device)
        self.takes = inspect.signature(self.model.forward).parameters

    def add(self, slots: Sequence[Slot]) -> None:
        """Reads prompts, writes the first token of each, and puts them beside the others."""
        if not slots:
            return
        inputs = pad_left([slot.prompt for slot in slots], 0, self.model.device)
        mask = inputs["attention_mask"]
        cache = DynamicCache(config=self.model.config)
        self._check(cache)
        positions = (mask.cumsum(-1) - 1).clamp_(min=0)
        self._write(slots, self._forward(inputs["input_ids"], mask, positions, cache))
        if self.cache is None:
            self.cache, self.mask = cache, mask
        else:
            width = max(mask.shape[1], self.mask.shape[1])
            self.mask = torch.cat([_widened(self.mask, width, 1), _widened(mask, width, 1)])
            for ours, theirs in zip(self.cache.layers, cache.layers, strict=True):
                ours.keys = torch.cat([_widened(ours.keys, width, 2), _widened(theirs.keys, width, 2)])
                ours.values = torch.cat([_widened(ours.values, width, 2), _widened(theirs.values, width, 2)])
        self.rows += slots

    def step(self) -> None:
        """Writes the next token of every row, by one forward pass."""
        last = torch.tensor([[slot.written[-1]] for slot in self.rows], device=self.model.device)
        self.mask = torch.cat([self.mask, torch.ones_like(last)], dim=1)
        positions = self.mask.sum(-1, keepdim=True) - 1
        self._write(self.rows, self._forward(last, self.mask, positions, self.cache))

    def take_finished(self) -> list[Slot]:
        """Rows that have ended leave, and with them the columns that only they had."""
        left = [place for place, slot in enumerate(self.rows) if not self._ended(slot)]
        if len(left) == len(self.rows):
            return []
        done = [slot for slot in self.rows if self._ended(slot)]
        self.rows = [self.rows[place] for place in left]
        if not left or self.cache is None:
            self.cache = None
            return done
        first = int(self.mask[left].amax(0).argmax())
        self.mask = self.mask[left, first:]
        for layer in self.cache.layers:
            layer.keys, layer.values = layer.keys[left, :, first:], layer.values[left, :, first:]
        return done

    def _forward(self, ids: Any, mask: Any, positions: Any, cache: Any) -> torch.Tensor:
        """Logits of the next token, float32 (rows, vocabulary)."""
        keep = {"logits_to_keep": 1} if "logits_to_keep" in self.takes else {}
        with torch.inference_mode():
            output = self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                **keep,
            )
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits

    def _write(self, slots: Sequence[Slot], logits: torch.Tensor) -> None:
        drawn = self.generator.sampling.temperature > 0
        numbers = [slot.numbers[len(slot.written)] for slot in slots] if drawn else []
        uniform = torch.tensor(numbers, dtype=self.picker.dtype, device=logits.device)
        tokens, sound = self.picker.pick(logits, uniform[:, None])
        if self.generator.sampling.logprobs:
            logprobs = logits.log_softmax(dim=-1).gather(1, tokens)[:, 0].tolist()
            for slot, logprob in zip(slots, logprobs, strict=True):
                slot.logprobs.append(logprob)
        for slot, token, good in zip(slots, tokens[:, 0].tolist(), sound.tolist(), strict=True):
            slot.written.append(token)
            slot.sound.append(good)

    def _ended(self, slot: Slot) -> bool:
        sampling = self.generator.sampling
        if slot.written[-1] in self.ends or not slot.sound[-1] or len(slot.written) == sampling.max_tokens:
            return True
        if not sampling.stop:
            return False
        text = self.generator.tokenizer.decode(slot.written, skip_special_tokens=True)
        return any(stop in text for stop in sampling.stop)

    def _check(self, cache: DynamicCache) -> None:
        """Refuses models whose rows cannot be cut out of the cache, or whose positions cannot be told.

        Raises:
            GenerationError: it is such a model.
        """
        plain = all(type(layer) is DynamicLayer for layer in cache.layers)
        if not plain or "position_ids" not in self.takes:
            mend = "Leave `refill` out: the batched path takes every model."
            raise GenerationError("Slots need a model with full attention and position_ids", mend=mend)


def _widened(tensor: torch.Tensor, width: int, dim: int) -> torch.Tensor:
    """Zeros on the left of a dimension, up to a width."""
    shape = list(tensor.shape)
    shape[dim] = width - shape[dim]
    return torch.cat([tensor.new_zeros(shape), tensor], dim=dim)
