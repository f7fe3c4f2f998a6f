"""Text generation as its training script sees it: rows, the model, what it answers, and what is written."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError, TrainingError
from hf_mbdc.targets.language import SMALL_LM, load_language_model, new_language_model
from hf_mbdc.training.tasks import TASKS

if TYPE_CHECKING:
    import pyarrow as pa
    from accelerate import Accelerator
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from hf_mbdc.training.clock import Clock
    from hf_mbdc.training.config import LanguageModelConfig
    from hf_mbdc.training.phases import Phase

IDENTITY, TRAINED = "identity.json", "trained.json"  # of what is trained; metrics of a training whose answers may lack


def read_prompts(split: Dataset, name: str, *, labels: bool) -> list[dict[str, Any]]:
    """The rows of a split as dictionaries, with the columns that are read.

    Raises:
        DataError: a column is missing or holds no strings, a prompt is null, or no row has a completion.
    """
    from datasets import Value

    wanted = TASKS["text_generation"].columns_read(split, name, labels=labels)
    wanted = [column for column in wanted if column != "rejected" or split.features[column] != Value("null")]
    for column in wanted:
        if split.features[column] not in (Value("string"), Value("large_string")):
            what = f"The column holds no strings, but {split.features[column]}"
            raise DataError(what, split=name, column=column, mend="Make it one of strings.")
    rows: list[dict[str, Any]] = split.select_columns(wanted).to_list()
    for row in rows:
        for column in ("id", "prompt"):
            if row[column] is None:
                raise DataError("The value is null", split=name, id=row["id"], column=column, mend="Fill it in.")
    if labels and all(row["completion"] is None for row in rows):
        mend = "Give some rows an answer, and annotate them with TextGeneration."
        raise DataError("No row has a completion to learn", split=name, column="completion", mend=mend)
    return rows


def make_language_model(config: LanguageModelConfig) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The target that a configuration names."""
    if config.model != SMALL_LM:
        return load_language_model(config.model, training=True)
    if not config.words.strip():
        mend = "Give --words; a run of a recipe collects them from the train split."
        raise TrainingError("A new model has no vocabulary", mend=mend)
    return new_language_model(config.words.split(), width=config.width, layers=config.layers)


def train_language_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Mapping[str, Any]],
    config: LanguageModelConfig,
    output: Path,
    clock: Clock,
    accelerator: Accelerator,
    *,
    resume: bool,
) -> dict[str, Any]:
    """Trains a model, unless the output folder holds what this training gives, and tells what `metrics.json` says.

    Raises:
        TrainingError: the output folder holds a part of another training, or the training diverged.
    """
    from hf_mbdc.training.phases import TIME, count_pairs, fitting_rows, plan_steps, train_phases
    from hf_mbdc.training.script import write_atomically
    from hf_mbdc.transforms.weights import weights_hash

    first = weights_hash(model)
    identity = _identity(first, rows, config, accelerator.num_processes)
    if resume and (known := _trained(output)).get("identity") == identity:
        return known
    used, left_out = fitting_rows(rows, tokenizer, config.max_length)
    if not used:
        raise TrainingError("There is no row to train on", reasons=left_out, mend="Give completions, or max_length.")
    if accelerator.is_main_process:
        _begin(output, identity, resume)
        for stale in (output / "metrics.json", output / TRAINED, *output.glob("predictions-*.parquet")):
            stale.unlink(missing_ok=True)
        write_atomically(output / IDENTITY, json.dumps(identity))
    accelerator.wait_for_everyone()
    clock.take_up(output / TIME)
    steps = plan_steps(config, _budget(config, len(used), accelerator.num_processes), count_pairs(used))
    phases = train_phases(model, tokenizer, used, config, steps, output, clock, accelerator, resume=resume)
    gpus = accelerator.num_processes if accelerator.device.type == "cuda" else 0
    told = {"identity": identity, "first_weights_sha256": first, "rows_used": len(used), "rows_left_out": left_out}
    metrics = {**told, "pairs": count_pairs(used), **_metrics(phases, output, clock, gpus)}
    if accelerator.is_main_process:  # a kill while it answers costs no training
        write_atomically(output / TRAINED, json.dumps(metrics))
    return metrics


def finish(output: Path) -> None:
    """Removes what only a training that is not done needs."""
    import shutil

    from hf_mbdc.training.phases import PARTS, TIME

    for part in (*PARTS, TIME, TRAINED):
        path = output / part
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _trained(output: Path) -> dict[str, Any]:
    """The metrics of a training that is done, whether it has answered or not; empty where there is none."""
    for name in (TRAINED, "metrics.json"):
        if (output / name).is_file():
            found: dict[str, Any] = json.loads((output / name).read_text(encoding="utf-8"))
            return found
    return {}


def _budget(config: LanguageModelConfig, rows: int, processes: int) -> int:
    """The steps of a training: of all epochs over the rows that can be learned, which the processes share."""
    return config.max_steps or config.epochs * -(-rows // (config.batch_size * processes))


def _begin(output: Path, identity: str, resume: bool) -> None:
    """Refuses to go on from checkpoints of another training; clears the folder where nothing is to be gone on from."""
    import shutil

    from hf_mbdc.training.phases import PARTS, TIME

    parts = [output / name for name in PARTS if (output / name).exists()]
    known = (output / IDENTITY).read_text(encoding="utf-8") if (output / IDENTITY).is_file() else None
    if resume and parts and known != json.dumps(identity):
        mend = "Give another --output-dir, or --no-resume to start again."
        what = "The checkpoints in the output folder are of other rows, settings or number of processes"
        raise TrainingError(what, path=str(output), mend=mend)
    if not resume:
        for part in parts:
            shutil.rmtree(part)
    if not resume or not parts:
        (output / TIME).unlink(missing_ok=True)


def _identity(first: str, rows: Sequence[Mapping[str, Any]], config: LanguageModelConfig, processes: int) -> str:
    """A hash of all that decides what a training gives, except the code."""
    learned = [[row["id"], row["prompt"], row["completion"], row.get("rejected")] for row in rows]
    start = [first, dataclasses.asdict(config), processes, learned]
    return hashlib.sha256(json.dumps(start, sort_keys=True).encode()).hexdigest()


def _metrics(phases: Sequence[Phase], output: Path, clock: Clock, gpus: int) -> dict[str, Any]:
    wall, cpu = clock.lap()
    weights = b"".join(path.read_bytes() for path in sorted(output.glob("*.safetensors")))
    return {
        "loss": phases[-1].losses[-1],
        "epoch_losses": [loss for phase in phases for loss in phase.losses],
        "wall_seconds": round(wall, 3),
        "cpu_seconds": round(cpu, 3),
        "gpu_seconds": round(gpus * wall, 3),
        "steps": sum(phase.steps for phase in phases),
        "tokens": sum(phase.tokens for phase in phases),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        **{f"preference_{name}": value for phase in phases for name, value in phase.told.items()},
    }


def answer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Mapping[str, Any]],
    max_new_tokens: int,
    *,
    accelerator: Accelerator | None = None,
    alone: bool = False,
) -> tuple[pa.Table, int]:
    """What a model answers to prompts, greedily: `id`, `prediction`; and the tokens that it read and wrote.

    Args:
        alone: each prompt by itself, so that no answer depends on the rows beside it in the last bits of its logits.

    Raises:
        TrainingError: the model cannot take one of the prompts: its answer would count as a wrong one.
    """
    import pyarrow as pa

    from hf_mbdc.generation import LocalGenerator, Request, Sampling, generate_with_rejected

    sampling = Sampling(temperature=0, max_tokens=max_new_tokens)
    generator = LocalGenerator(model, tokenizer, sampling, accelerator=accelerator)
    if alone:
        generator = dataclasses.replace(generator, batch_tokens=1)
    asked = [Request(row["id"], [{"role": "user", "content": row["prompt"]}]) for row in rows]
    made = generate_with_rejected(asked, generator)
    if len(made.rejected):
        first = made.rejected[0]
        mend = "Lower max_new_tokens, or leave such rows out of the split."
        what = f"{len(made.rejected)} of {len(rows)} prompts cannot be answered: {first['reason']}"
        raise TrainingError(what, id=first["mbdc_parent_id"], mend=mend)
    found = dict(zip(made.rows["mbdc_parent_id"][:], made.rows["completion"][:], strict=True))
    ids = [row["id"] for row in rows]
    table = pa.table({"id": pa.array(ids, pa.string()), "prediction": [found[key] for key in ids]})
    return table, made.cost.tokens


def answer_prompts(folder: str, rows: list[dict[str, Any]], device: Any) -> tuple[pa.Table, int]:
    """The same by a trained model in a folder, which says in its metrics how long its answers may be."""
    model, tokenizer = load_language_model(folder)
    told = json.loads((Path(folder) / "metrics.json").read_text(encoding="utf-8"))
    return answer(model.to(device), tokenizer, rows, int(told["max_new_tokens"]), alone=True)
