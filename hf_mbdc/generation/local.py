"""A transformers model in this process: prompts of like length in batches of bounded size, through stock `generate`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import GenerationError
from hf_mbdc.generation.completions import Batch, Completion, Request, Sampling, Task
from hf_mbdc.generation.prompts import NO_NUMBERS, encode_prompts, reasons_unfit, render_prompts
from hf_mbdc.records import Cost
from hf_mbdc.transforms.weights import weights_hash

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from hf_mbdc.generation.generate import Claim

Run = Callable[[Sequence[Task], Sequence[list[int]]], Batch]  # tasks and the tokens of their prompts


@dataclass(frozen=True)
class LocalGenerator:
    """Completions of a causal language model of transformers.

    Every draw belongs to (prompt, sample number, seed) and to the step: neither the order of the requests nor what is
    in a batch with them changes a completion, but for rounding of the logits, which differs between batch shapes.
    A larger `max_tokens` goes on with the same tokens.

    Args:
        model: with `generate`; on the device where it shall run.
        tokenizer: of the model. It is used on the left: `padding_side` does not matter.
        sampling, seed: of the draws.
        name: of the model in `mbdc_model`; default the name that it was loaded by, of a folder the last part.
        batch_tokens: bound on rows × (longest prompt + `max_tokens`) of a batch, which bounds its memory.
        accelerator: with several processes, each does its share of the batches and all get the whole.
        refill: whether a row that has ended makes room for the next prompt at once, which pays where completions end
            at very different lengths; `batch_tokens` holds as it does for batches. For models with full attention.

    Example:
        >>> from transformers import AutoModelForCausalLM, AutoTokenizer  # doctest: +SKIP
        >>> model = AutoModelForCausalLM.from_pretrained(path)  # doctest: +SKIP
        >>> tokenizer = AutoTokenizer.from_pretrained(path)  # doctest: +SKIP
        >>> rows = generate(requests, LocalGenerator(model, tokenizer, Sampling(temperature=0.7)))  # doctest: +SKIP
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase = field(repr=False)
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    name: str = ""
    batch_tokens: int = 16_384
    accelerator: Accelerator | None = None
    refill: bool = False

    def identity(self) -> str:
        """name@hash: SHA-256 of all weights and buffers as they are now, its first 12 digits; and the end tokens, where
        the model has others than its tokenizer: what stops at them is another completion.

        Raises:
            GenerationError: the model computes with a `forward` that a trainer put in its place.
        """
        # TRL patches `forward` on the instance; a deep copy of such a model goes on computing with the old weights.
        if "forward" in vars(self.model) and not hasattr(self.model, "_hf_hook"):
            mend = "Save the model and load it again: save_pretrained, then from_pretrained."
            raise GenerationError("A trainer replaced the model's forward; it may not use its weights", mend=mend)
        ends = end_tokens(self.model, self.tokenizer)
        more = "" if ends == [self.tokenizer.eos_token_id] else f"+eos{','.join(map(str, ends))}"
        return f"{self.name or _name(self.model)}@{weights_hash(self.model)[:12]}{more}"

    def render(self, requests: Sequence[Request]) -> list[str]:
        """Messages by the chat template of the tokenizer, prompts as they are."""
        return render_prompts(requests, self.tokenizer)

    def complete(self, tasks: Sequence[Task], claim: Claim) -> Iterator[Batch]:
        """Completions batch by batch, longest prompts first.

        With several processes claims are not used: all agree on the tasks, each takes every n-th batch, and at the end
        each gets what the others did.
        """
        yield from self._in_batches(tasks, claim, "max_tokens", self.sampling.max_tokens, self._run)

    def rate(self, tasks: Sequence[Task], claim: Claim, options: Sequence[str]) -> Iterator[Batch]:
        """Of each task the likeliest option, with the log-probabilities of all of them; batches as of `complete`."""
        from hf_mbdc.generation.options import rate_batch

        def run(batch: Sequence[Task], prompts: Sequence[list[int]]) -> Batch:
            return rate_batch(self, batch, prompts, options)

        yield from self._in_batches(tasks, claim, "options", 1, run)

    @property
    def processes(self) -> int:
        """How many complete tasks together: each must call `complete`, even if it misses nothing."""
        return self.accelerator.num_processes if self.accelerator else 1

    @property
    def gpus(self) -> int:
        """Accelerators that it computes on."""
        return int(self.model.device.type != "cpu")

    @property
    def room(self) -> int | None:
        """Tokens that the model takes; None where it does not say."""
        found: int | None = getattr(self.model.config, "max_position_embeddings", None)
        return found

    def next_logprobs(self, rows: Sequence[list[int]], following: Sequence[list[int]]) -> list[list[float]]:
        """Of each row the log-probabilities of some next tokens; as many rows together as `batch_tokens` allows."""
        import torch

        at_once = max(1, self.batch_tokens // (max(map(len, rows), default=0) + 1))
        found: list[list[float]] = []
        for first in range(0, len(rows), at_once):
            logits = self.next_logits(rows[first : first + at_once])
            whole = torch.logsumexp(logits, dim=-1)
            for row, tokens in enumerate(following[first : first + at_once]):
                found.append((logits[row, tokens] - whole[row]).double().tolist())
        return found

    def next_logits(self, rows: Sequence[list[int]]) -> torch.Tensor:
        """Those of the token after each row, float32 (rows, vocabulary), by one forward pass."""
        import torch

        ends = end_tokens(self.model, self.tokenizer)
        config = self._config(ends)
        config.update(max_new_tokens=1, use_cache=False, stop_strings=None)
        config.update(return_dict_in_generate=True, output_logits=True)
        with torch.inference_mode():
            inputs = pad_left(rows, self._pad(ends), self.model.device)
            made = self.model.generate(**inputs, generation_config=config)
        logits: torch.Tensor = made.logits[0].float()
        return logits

    def _in_batches(self, tasks: Sequence[Task], claim: Claim, what: str, more: int, run: Run) -> Iterator[Batch]:
        """What `run` makes of tasks with `more` tokens of `what` after each prompt; shared among processes."""
        if self.accelerator is None or self.accelerator.num_processes == 1:
            yield from self._share(tasks, claim, what, more, run, slice(None))
            return
        from accelerate.utils import gather_object

        every = list({task.key: task for task in gather_object(list(tasks))}.values())  # others may have found others
        rank, done = self.accelerator.process_index, []
        for batch in self._share(every, list, what, more, run, slice(rank, None, self.accelerator.num_processes)):
            yield batch  # at once, so that it is kept
            done.append((rank, batch))
        yield from [batch for place, batch in gather_object(done) if place != rank]

    def _share(
        self, tasks: Sequence[Task], claim: Claim, what: str, more: int, run: Run, share: slice
    ) -> Iterator[Batch]:
        ids = encode_prompts(tasks, self.tokenizer)
        if rejected := reasons_unfit(ids, self.room, what, more):
            yield Batch({}, rejected)
        lengths = {key: len(found) for key, found in ids.items()}
        fitting = [task for task in tasks if task.key not in rejected]
        with _evaluating(self.model):
            batches = plan_batches(fitting, lengths, more, self.batch_tokens)[share]
            if self.refill and what == "max_tokens":
                from hf_mbdc.generation.refilling import complete_refilling

                yield from complete_refilling(self, [task for batch in batches for task in batch], ids, claim)
                return
            for planned in batches:
                if batch := claim(planned):
                    yield run(batch, [ids[task.key] for task in batch])

    def _run(self, tasks: Sequence[Task], prompts: Sequence[list[int]]) -> Batch:
        import torch

        from hf_mbdc.generation.picking import TokenPicker, uniform_numbers

        started = time.perf_counter()
        device = self.model.device
        steps = self.sampling.max_tokens if self.sampling.temperature > 0 else 0
        picker = TokenPicker(uniform_numbers([task.draw for task in tasks], self.seed, steps), self.sampling, device)
        ends = end_tokens(self.model, self.tokenizer)
        inputs = pad_left(prompts, self._pad(ends), device)
        with torch.inference_mode():
            output = self.model.generate(
                **inputs,
                generation_config=self._config(ends),
                logits_processor=[picker],
                **({"tokenizer": self.tokenizer} if self.sampling.stop else {}),
            )
        written = output[:, inputs["input_ids"].shape[1] :].tolist()
        sound = torch.stack(picker.sound, dim=1).tolist()
        logprobs = torch.stack(picker.logprobs, dim=1).tolist() if picker.logprobs else None
        return self.read(tasks, prompts, written, sound, logprobs, time.perf_counter() - started)

    def read(
        self,
        tasks: Sequence[Task],
        prompts: Sequence[list[int]],
        written: Sequence[list[int]],
        sound: Sequence[list[bool]],
        logprobs: Sequence[list[float]] | None,
        seconds: float,
    ) -> Batch:
        """Tokens as the completions of tasks, which took so many seconds together.

        Args:
            sound: of each token whether it was drawn from logits that are numbers; if not, the task is rejected.
        """
        answers = self._completions(prompts, written, logprobs, seconds / len(tasks))
        cost = Cost(
            model_calls=len(tasks),
            tokens=sum((c.prompt_tokens or 0) + (c.completion_tokens or 0) for c in answers),
            gpu_seconds=self.gpus * seconds,
        )
        completions, rejected = {}, {}
        for task, answer, good in zip(tasks, answers, sound, strict=True):
            if all(good[: answer.completion_tokens]):
                completions[task.key] = answer
            else:
                rejected[task.key] = NO_NUMBERS
        return Batch(completions, rejected, cost)

    def _config(self, ends: Sequence[int]) -> Any:
        """What `generate` does apart from picking: everything else that a model's own defaults would add is off."""
        from transformers import GenerationConfig

        return GenerationConfig(
            max_new_tokens=self.sampling.max_tokens,
            do_sample=False,
            num_beams=1,
            num_return_sequences=1,
            use_cache=True,
            return_dict_in_generate=False,
            repetition_penalty=1.0,
            no_repeat_ngram_size=0,
            min_new_tokens=0,
            eos_token_id=list(ends) or None,
            pad_token_id=self._pad(ends),
            stop_strings=list(self.sampling.stop) or None,
        )

    def _pad(self, ends: Sequence[int]) -> int:
        pad = self.tokenizer.pad_token_id
        return int(pad) if pad is not None else (ends[0] if ends else 0)

    def _completions(
        self,
        prompts: Sequence[list[int]],
        written: Sequence[list[int]],
        logprobs: Sequence[list[float]] | None,
        seconds: float,
    ) -> list[Completion]:
        """Tokens as completions: up to the first end token, or the first stop text."""
        ends = end_tokens(self.model, self.tokenizer)
        bodies = [_until_end(tokens, ends) for tokens in written]
        texts = self.tokenizer.batch_decode([body for body, _ in bodies], skip_special_tokens=True)
        completions = []
        for row, ((body, ended), text) in enumerate(zip(bodies, texts, strict=True)):
            count = len(body) + ended
            places = [place for stop in self.sampling.stop if (place := text.find(stop)) >= 0]
            if places:
                text, count, ended = text[: min(places)], self._stopped_after(body), True
            numbers = None if logprobs is None else tuple(logprobs[row][:count])
            reason: Any = "stop" if ended else "length"
            completions.append(Completion(text, reason, len(prompts[row]), count, seconds, numbers))
        return completions

    def _stopped_after(self, body: Sequence[int]) -> int:
        """The number of tokens after which a stop text is there; what follows is padding."""
        for count in range(1, len(body) + 1):
            text = self.tokenizer.decode(body[:count], skip_special_tokens=True)
            if any(stop in text for stop in self.sampling.stop):
                return count
        return len(body)


def plan_batches(
    tasks: Sequence[Task], lengths: dict[bytes, int], max_tokens: int, batch_tokens: int
) -> list[list[Task]]:
    """Tasks of like length together, longest first, as many as `batch_tokens` has room for.

    When whole batches are taken away the others stay as they are: so a call that goes on after a kill asks the very
    batches that an undisturbed one asks, and even the rounding is the same.
    """
    batches: list[list[Task]] = []
    room = 0
    for task in sorted(tasks, key=lambda task: (-lengths[task.key], task.key)):
        if not batches or len(batches[-1]) >= room:
            batches.append([])
            room = max(1, batch_tokens // (lengths[task.key] + max_tokens))
        batches[-1].append(task)
    return batches


def pad_left(prompts: Sequence[Sequence[int]], pad: int, device: torch.device) -> dict[str, torch.Tensor]:
    """`input_ids` and `attention_mask`, (rows, longest), with the prompts at the right edge."""
    import torch

    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width), pad, dtype=torch.long)
    mask = torch.zeros((len(prompts), width), dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    return {"input_ids": ids.to(device), "attention_mask": mask.to(device)}


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens that end a completion: those of the model's generation config and the tokenizer's own."""
    told = model.generation_config.eos_token_id
    ends = list(told) if isinstance(told, list) else [told]
    return list(dict.fromkeys(int(end) for end in [*ends, tokenizer.eos_token_id] if end is not None))


def _until_end(tokens: list[int], ends: Sequence[int]) -> tuple[list[int], bool]:
    """Tokens before the first end token, and whether there is one."""
    for place, token in enumerate(tokens):
        if token in ends:
            return tokens[:place], True
    return tokens, False


def _name(model: PreTrainedModel) -> str:
    """What may be published of the name that a model was loaded by: of a folder only its last part."""
    told = str(getattr(model.config, "_name_or_path", "") or model.config.model_type)
    path = Path(told)
    return path.name if path.is_absolute() or path.exists() else told


@contextmanager
def _evaluating(model: PreTrainedModel) -> Iterator[None]:
    """Dropout off, and no defaults of the model's own but its end tokens; afterwards the model is as it was.

    `generate` fills whatever a config leaves open from that of the model: forbidden tokens, penalties, guidance, …
    """
    from transformers import GenerationConfig

    training, defaults = model.training, model.generation_config
    model.eval()
    model.generation_config = GenerationConfig(eos_token_id=defaults.eos_token_id)
    try:
        yield
    finally:
        model.train(training)
        model.generation_config = defaults
