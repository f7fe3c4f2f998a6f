"""The phases in which a language model is trained by TRL: completions first, then preferences where there are pairs.

Two traps of TRL are closed here. A trainer puts a `forward` of its own on the model, so that a copy of it goes on
computing with the old weights; and `DPOTrainer` without a reference model reads one from wherever the model once came
from. So between the phases the model is saved and read again: the reference is what the first phase made, and at the
first step of the second the margin between chosen and rejected is 0, which is checked.
"""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import TrainingError
from hf_mbdc.targets.language import load_language_model
from hf_mbdc.training.script import write_atomically

if TYPE_CHECKING:
    from accelerate import Accelerator
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from transformers.trainer import Trainer

    from hf_mbdc.training.clock import Clock
    from hf_mbdc.training.config import LanguageModelConfig

PARTS = ("examples", "first", "reference", "pairs", "second")  # of the output folder, while it is not done
DONE = "done.json"
TIME = "time.json"  # spent up to the last checkpoint
LOGGED_STEPS = 25
GRADIENT_CHECKPOINTS_FROM = 300_000_000  # weights of a model whose activations are computed anew to save memory
NO_MARGIN = {False: 1e-3, True: 5e-2}  # of two equal models: what rounding leaves, in float32 and in bfloat16
NOT_ANSWERED, TOO_LONG = "rows without a completion", "rows longer than max_length"
LOSSES = ["sigmoid", "sft"]  # the second keeps the chosen answers likely, which plain DPO displaces (Pal et al. 2024)


@dataclass(frozen=True)
class Phase:
    """What one trainer did.

    Args:
        steps: of the optimizer.
        tokens: that the model read, without padding.
        losses: the mean of every 25 steps.
        told: what else the last steps said, such as `margin` (of rewards, chosen − rejected).
    """

    steps: int
    tokens: int
    losses: list[float]
    told: dict[str, float] = field(default_factory=dict)


def plan_steps(config: LanguageModelConfig, total: int, pairs: int) -> tuple[int, int]:
    """The steps of both phases, which add up to the budget whether there are pairs or not.

    Example:
        >>> from hf_mbdc.training.config import LanguageModelConfig
        >>> config = LanguageModelConfig(preference_share=0.2)
        >>> plan_steps(config, 100, pairs=7), plan_steps(config, 100, pairs=0)
        ((80, 20), (100, 0))
    """
    if not pairs or config.preference == "none":
        return total, 0
    second = round(config.preference_share * total)
    return total - second, second


def train_phases(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Mapping[str, Any]],
    config: LanguageModelConfig,
    steps: tuple[int, int],
    output: Path,
    clock: Clock,
    accelerator: Accelerator,
    *,
    resume: bool,
) -> list[Phase]:
    """Trains a model and writes it, with its tokenizer, to `output`; a killed call goes on from its last checkpoint.

    Args:
        rows: with `prompt`, `completion` and perhaps `rejected`, see `fitting_rows`.
        steps: of both phases, see `plan_steps`.
        output: the folders `PARTS` below it are there while the phases run.
        accelerator: of this process; the first one writes, and the others wait.
    """
    reference = output / "reference"
    done = _read_phases(reference)
    if done is None and steps[0]:
        examples = _shared([as_example(row) for row in rows], output / "examples", accelerator)
        trainer = _sft_trainer(model, tokenizer, examples, config, steps[0], output / "first")
        done = [_run(trainer, clock, steps, 0, resume)]
        model = trainer.model
    phases = done or []
    if steps[1]:
        if not (reference / DONE).is_file():
            _save(model, tokenizer, reference, accelerator)
            if accelerator.is_main_process:
                clock.keep(output / TIME)
                write_atomically(reference / DONE, json.dumps([asdict(phase) for phase in phases]))
            accelerator.wait_for_everyone()
        model, _ = load_language_model(str(reference), training=True)  # see the head of this file
        preferred = [as_pair(row) for row in rows if _is_pair(row)]
        if config.preference == "kto":
            preferred = as_halves(preferred, config.seed)
        pairs = _shared(preferred, output / "pairs", accelerator)
        trainer = _preference_trainer(model, tokenizer, pairs, config, steps[1], output / "second")
        phases.append(_run(trainer, clock, steps, 1, resume))
        model = trainer.model
    _save(model, tokenizer, output, accelerator)
    return phases


def fitting_rows(
    rows: Sequence[Mapping[str, Any]], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> tuple[list[Mapping[str, Any]], dict[str, int]]:
    """The rows that can be learned, and how many others there are by reason.

    A completion that is cut off would lose its end, and teach not to stop: such rows are left out.
    """
    texts, owners = [], []
    for number, row in enumerate(rows):
        answers = [row["completion"], row["rejected"] if _is_pair(row) else None]
        for text in filter(None, answers):
            talk = [*_turn("user", row["prompt"]), *_turn("assistant", text)]
            texts.append(tokenizer.apply_chat_template(talk, tokenize=False))
            owners.append(number)
    tokens = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    long = {number for number, ids in zip(owners, tokens, strict=True) if len(ids) > max_length}
    unanswered = [number for number, row in enumerate(rows) if not (row["completion"] or "").strip()]
    reasons = dict.fromkeys(unanswered, NOT_ANSWERED) | dict.fromkeys(long, TOO_LONG)
    kept = [row for number, row in enumerate(rows) if number not in reasons]
    return kept, dict(Counter(reasons.values()))


def _is_pair(row: Mapping[str, Any]) -> bool:
    """Whether there is a worse completion, and it is another one."""
    chosen, rejected = ((row.get(name) or "").strip() for name in ("completion", "rejected"))
    return bool(chosen) and bool(rejected) and chosen != rejected


def count_pairs(rows: Sequence[Mapping[str, Any]]) -> int:
    """The rows with a worse completion beside the one that is learned."""
    return sum(map(_is_pair, rows))


def _shared(examples: list[dict[str, Any]], folder: Path, accelerator: Accelerator) -> Dataset:
    """Examples as a dataset whose files all processes read.

    TRL keeps what it computes of a dataset beside its files, and one process reads there what another wrote; a dataset
    in memory has a place of its own in each.
    """
    from datasets import Dataset, load_from_disk

    if accelerator.is_main_process:
        shutil.rmtree(folder, ignore_errors=True)
        Dataset.from_list(examples).save_to_disk(folder)
    accelerator.wait_for_everyone()
    found: Dataset = load_from_disk(str(folder))
    return found


def _read_phases(reference: Path) -> list[Phase] | None:
    """What was done before the second phase, once that is whole."""
    path = reference / DONE
    return [Phase(**told) for told in json.loads(path.read_text(encoding="utf-8"))] if path.is_file() else None


def as_example(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as TRL's prompt-completion, conversational.

    Example:
        >>> as_example({"prompt": "1 + 1?", "completion": "2"})["completion"]
        [{'role': 'assistant', 'content': '2'}]
    """
    return {"prompt": _turn("user", row["prompt"]), "completion": _turn("assistant", row["completion"])}


def as_pair(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as TRL's preference, conversational."""
    chosen, rejected = (_turn("assistant", row[name]) for name in ("completion", "rejected"))
    return {"prompt": _turn("user", row["prompt"]), "chosen": chosen, "rejected": rejected}


def as_halves(pairs: Sequence[Mapping[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Pairs as TRL's rows with labels, in random order.

    KTO reads its rows in the order in which they stand. TRL would make halves of pairs itself, and put all good ones
    before the bad ones.

    Example:
        >>> rows = as_halves([as_pair({"prompt": "1 + 1?", "completion": "2", "rejected": "3"})] * 3, seed=0)
        >>> sorted(row["label"] for row in rows)
        [False, False, False, True, True, True]
    """
    sides = (("chosen", True), ("rejected", False))
    halves = [{"prompt": p["prompt"], "completion": p[side], "label": label} for p in pairs for side, label in sides]
    random.Random(seed).shuffle(halves)
    return halves


def _turn(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def _arguments(config: LanguageModelConfig, steps: int, rate: float, folder: Path, model: Any) -> dict[str, Any]:
    """What both trainers are told: the schedule and seeds of every training here, and nothing that a Hub would see."""
    import torch

    gpu = torch.cuda.is_available()
    return {
        "output_dir": str(folder),
        "max_steps": steps,
        "learning_rate": rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": max(1, round(config.warmup * steps)),
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "seed": config.seed,
        "data_seed": config.seed,
        "max_length": config.max_length,
        "bf16": gpu and torch.cuda.is_bf16_supported(),
        "use_cpu": not gpu,
        "gradient_checkpointing": model.num_parameters() >= GRADIENT_CHECKPOINTS_FROM,
        "logging_steps": LOGGED_STEPS,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,  # else a training that diverged tells a loss of 0
        "save_strategy": "no",  # `Watch` says when: by the clock
        "save_total_limit": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "include_num_input_tokens_seen": "non_padding",
        "dataloader_pin_memory": gpu,
    }


def on_one_gpu(arguments: Any) -> Any:
    """Arguments of a trainer that computes on one GPU at most.

    Without this a trainer that sees several spreads itself over all of them (`DataParallel`), and each step reads as
    many times the rows that its budget says. Several GPUs are for torchrun, a process each.
    """
    arguments._n_gpu = min(1, arguments.n_gpu)  # as `Trainer` itself does for models that are spread by layers
    return arguments


def _lora(config: LanguageModelConfig) -> Any:
    if not config.lora_rank:
        return None
    try:
        from peft import LoraConfig
    except ImportError as error:
        mend = 'Install it: pip install "hf-mbdc[trl]", or leave lora_rank out.'
        raise TrainingError("Low-rank adapters need PEFT", mend=mend) from error
    return LoraConfig(
        r=config.lora_rank, lora_alpha=2 * config.lora_rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )


def _sft_trainer(
    model: Any, tokenizer: Any, examples: Dataset, config: LanguageModelConfig, steps: int, folder: Path
) -> Trainer:
    from trl import SFTConfig, SFTTrainer

    arguments = _arguments(config, steps, config.learning_rate, folder, model)
    made: Trainer = SFTTrainer(
        model=model,
        args=on_one_gpu(SFTConfig(per_device_train_batch_size=config.batch_size, **arguments)),
        train_dataset=examples,
        processing_class=tokenizer,
        peft_config=_lora(config),
    )
    return made


def _preference_trainer(
    model: Any, tokenizer: Any, pairs: Dataset, config: LanguageModelConfig, steps: int, folder: Path
) -> Trainer:
    """DPO on pairs, or KTO on their halves; a step reads as many completions as one of the first phase."""
    from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer

    arguments = _arguments(config, steps, config.preference_learning_rate, folder, model)
    arguments |= {"beta": config.beta, "precompute_ref_log_probs": True}
    kinds: tuple[Any, Any] = (DPOTrainer, DPOConfig)
    if config.preference == "kto":
        kinds = (KTOTrainer, KTOConfig)
        arguments["per_device_train_batch_size"] = config.batch_size
    else:
        arguments |= {"loss_type": LOSSES, "per_device_train_batch_size": max(1, config.batch_size // 2)}
    trainer, settings = kinds
    made: Trainer = trainer(
        model=model,
        args=on_one_gpu(settings(**arguments)),
        train_dataset=pairs,
        processing_class=tokenizer,
        peft_config=_lora(config),
    )
    return made


def _run(trainer: Trainer, clock: Clock, steps: tuple[int, int], number: int, resume: bool) -> Phase:
    """Runs a trainer from its last whole checkpoint, if there is one."""
    from hf_mbdc.training.watching import Watch

    folder = Path(trainer.args.output_dir)
    before = sum(steps[:number])
    trainer.add_callback(
        Watch(folder.parent, clock, before, sum(steps), trainer.accelerator, NO_MARGIN[bool(trainer.args.bf16)])
    )
    trainer.train(resume_from_checkpoint=_last_checkpoint(folder) if resume else None)
    history = trainer.state.log_history
    losses = [entry["loss"] for entry in history if "loss" in entry]
    if any(loss != loss for loss in losses):
        raise TrainingError("The loss is not a number", mend="Lower --learning-rate.")
    last: dict[str, float] = next((entry for entry in reversed(history) if "rewards/margins" in entry), {})
    told = {
        name: float(last[key])
        for name, key in {"margin": "rewards/margins", "chosen_logp": "logps/chosen"}.items()
        if key in last
    }
    return Phase(trainer.state.global_step, int(trainer.state.num_input_tokens_seen), losses, told)


def _last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that is whole: its state is written last."""
    whole = [path for path in folder.glob("checkpoint-*") if (path / "trainer_state.json").is_file()]
    newest = max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
    return None if newest is None else str(newest)


def _save(model: Any, tokenizer: PreTrainedTokenizerBase, folder: Path, accelerator: Accelerator) -> None:
    """Writes a model, with adapters merged into its weights; all processes return when it is there."""
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        whole = accelerator.unwrap_model(model)
        merged = whole.merge_and_unload() if hasattr(whole, "merge_and_unload") else whole
        merged.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    accelerator.wait_for_everyone()
