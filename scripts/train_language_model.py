"""Trains a language model on prompts with completions, and on preferences where rows have a worse one, with TRL.

    python scripts/train_language_model.py --dataset DATA --output-dir OUT --predict-splits test --model Qwen/Qwen3-0.6B
    torchrun --nproc_per_node 2 scripts/train_language_model.py --dataset DATA --output-dir OUT \\
        --model Qwen/Qwen3-0.6B --lora-rank 16 --learning-rate 1e-4

DATA is a folder written by `save_to_disk` or anything that `load_dataset` reads, with `id`, `prompt`, `completion` and
perhaps `rejected`. The first steps are `SFTTrainer`'s, on all completions; where there are pairs, the last ones
(`--preference-share`) are `DPOTrainer`'s, with a term that keeps the chosen answers likely, or `KTOTrainer`'s
(`--preference kto`). OUT gets the model (`from_pretrained` reads it), README.md, `metrics.json` and
`predictions-<split>.parquet`, the greedy answers. A run that was killed goes on from its last checkpoint when the same
command is given again; one that was finished only predicts. The flags are the fields of `LanguageModelConfig`.
"""

from __future__ import annotations

import dataclasses
import json

from hf_mbdc.training.clock import Clock
from hf_mbdc.training.config import LanguageModelConfig
from hf_mbdc.training.script import parse_flags, prepare, run_script, write_atomically, write_parquet


def main(arguments: list[str] | None = None) -> None:
    flags = parse_flags(LanguageModelConfig, __doc__, arguments)
    clock = Clock(flags.checkpoint_seconds)
    config = LanguageModelConfig.from_flags(flags)
    prepare(flags.output_dir)

    # Imported here, so that --help and a wrong flag answer at once.
    from accelerate.utils import set_seed
    from filelock import FileLock

    from hf_mbdc.targets.language import load_language_model
    from hf_mbdc.training.data import read_dataset, split_of
    from hf_mbdc.training.language import answer, finish, make_language_model, read_prompts, train_language_model
    from hf_mbdc.training.loop import make_accelerator
    from hf_mbdc.training.model_card import CAUSAL, render_model_card

    # 1. Data
    accelerator = make_accelerator()
    dataset = read_dataset(flags.dataset)
    rows = read_prompts(split_of(dataset, flags.train_split), flags.train_split, labels=True)
    asked = {name: read_prompts(split_of(dataset, name), name, labels=False) for name in flags.predict_splits}

    # 2. Model; set_seed makes new weights and everything else depend on the seed alone
    set_seed(config.seed)
    model, tokenizer = make_language_model(config)

    # 3. Training; a second process with the same output folder waits for the first
    output, lock = flags.output_dir, FileLock(flags.output_dir / ".lock")
    if accelerator.is_main_process:
        lock.acquire()
    accelerator.wait_for_everyone()
    metrics = train_language_model(model, tokenizer, rows, config, output, clock, accelerator, resume=flags.resume)

    # 4. Predictions of the model as it was written, card and metrics, which say that all is there
    model, tokenizer = load_language_model(str(output))
    model = model.to(accelerator.device)
    for name, prompts in asked.items():
        table, _ = answer(model, tokenizer, prompts, config.max_new_tokens, accelerator=accelerator)
        if accelerator.is_main_process:
            write_parquet(table, output / f"predictions-{name}.parquet")
    if accelerator.is_main_process:
        settings = dataclasses.asdict(config) | {"words": f"{len(config.words.split())} words"}
        card = render_model_card(settings, metrics, flags.data_revision, CAUSAL)
        (output / "README.md").write_text(card, encoding="utf-8")
        told = {**metrics, "max_new_tokens": config.max_new_tokens}
        write_atomically(output / "metrics.json", json.dumps(told, indent=2, sort_keys=True) + "\n")
        finish(output)
        lock.release()
    accelerator.end_training()


if __name__ == "__main__":
    run_script(main)
