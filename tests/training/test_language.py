"""Training of language models by TRL: phases, budgets, traps, kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict

from hf_mbdc.errors import DataError, TrainingError
from hf_mbdc.synthesis.target_generator import one_thread
from hf_mbdc.targets.language import SMALL_LM, load_language_model, new_language_model
from hf_mbdc.training import phases
from hf_mbdc.training.clock import Clock
from hf_mbdc.training.config import LanguageModelConfig
from hf_mbdc.training.language import answer, make_language_model, read_prompts, train_language_model
from hf_mbdc.training.launch import TrainingJob, launch
from hf_mbdc.training.phases import TIME, as_example, as_halves, as_pair, count_pairs
from hf_mbdc.training.watching import Watch

WORDS = "sort reverse 1 2 3 4"
SIZES = {"model": SMALL_LM, "words": WORDS, "width": 16, "layers": 1, "max_new_tokens": 4, "batch_size": 4}


def rows(pairs: bool = False) -> Dataset:
    prompts = [f"sort {a} {b}" for a in "1234" for b in "1234"]
    right = [" ".join(sorted(prompt.split()[1:])) for prompt in prompts]
    wrong = [" ".join(sorted(prompt.split()[1:], reverse=True)) for prompt in prompts]
    return Dataset.from_dict(
        {
            "id": [str(number) for number in range(len(prompts))],
            "prompt": prompts,
            "completion": [None, *right[1:]],
            **({"rejected": [w if w != r else None for w, r in zip(wrong, right, strict=True)]} if pairs else {}),
        }
    )


def trained(output: Path, data: Dataset, every: float = 1e9, **settings: Any) -> dict[str, Any]:
    """Metrics of a training in this process."""
    from accelerate.utils import set_seed

    from hf_mbdc.training.loop import make_accelerator

    config = LanguageModelConfig(**{**SIZES, "max_steps": 6, **settings})
    set_seed(config.seed)
    model, tokenizer = make_language_model(config)
    given = read_prompts(data, "train", labels=True)
    output.mkdir(parents=True, exist_ok=True)
    return train_language_model(model, tokenizer, given, config, output, Clock(every), make_accelerator(), resume=True)


def test_a_training_and_its_answers(tmp_path: Path) -> None:
    config = LanguageModelConfig(**{**SIZES, "max_steps": 6})
    made = launch([TrainingJob(rows(), {"test": rows()}, config)], work_dir=tmp_path)[0]
    assert made.metrics["steps"] == 6
    assert (made.metrics["rows_used"], made.metrics["rows_left_out"]) == (15, {"rows without a completion": 1})
    assert (
        made.metrics["tokens"] == (5 * 4 + 3) * 9
    )  # 15 rows make a smaller batch; <s> <user> sort a b <assistant> a b </s>
    assert made.predictions["test"]["id"].to_pylist() == rows()["id"][:]
    model, _ = load_language_model(str(made.model_path))
    assert "forward" not in vars(model)
    assert "AutoModelForCausalLM" in (made.model_path / "README.md").read_text()
    left = {path.name for path in made.model_path.iterdir()}
    assert not left & {"first", "second", "reference"}


@pytest.mark.parametrize("preference", ["dpo", "kto"])
def test_pairs_take_the_last_steps_of_the_same_budget(preference: str, tmp_path: Path) -> None:
    plain, preferring = (
        trained(tmp_path / str(pairs), rows(pairs), preference=preference, preference_share=0.5)
        for pairs in (False, True)
    )
    assert plain["steps"] == preferring["steps"] == 6
    assert plain["first_weights_sha256"] == preferring["first_weights_sha256"]
    assert plain["weights_sha256"] != preferring["weights_sha256"]
    assert (plain["pairs"], preferring["pairs"]) == (0, 12)
    assert "preference_margin" in preferring
    assert "preference_margin" not in plain


def test_adapters_are_merged(tmp_path: Path) -> None:
    base, tokenizer = new_language_model(WORDS.split(), width=16, layers=1)
    for part in (base, tokenizer):
        part.save_pretrained(tmp_path / "base")
    trained(tmp_path / "out", rows(True), model=str(tmp_path / "base"), lora_rank=2)
    model, _ = load_language_model(str(tmp_path / "out"))
    assert not [name for name in model.state_dict() if "lora" in name]
    changed = [name for name, value in model.state_dict().items() if not value.equal(base.state_dict()[name])]
    assert any("q_proj" in name for name in changed)
    assert not any("norm" in name for name in changed)  # adapters are on linear layers only


def test_a_wrong_reference_is_told(tmp_path: Path) -> None:
    model, tokenizer = new_language_model(WORDS.split(), width=16, layers=1)
    given = [{"prompt": "sort 2 1", "completion": "1 2", "rejected": "2 1"}] * 4
    config = LanguageModelConfig(**{**SIZES, "max_steps": 2})
    pairs = Dataset.from_list([as_pair(row) for row in given])
    trainer = phases._preference_trainer(model, tokenizer, pairs, config, 2, tmp_path / "second")
    for column in ("ref_chosen_logps", "ref_rejected_logps"):
        assert column in trainer.train_dataset.column_names
    shifted = [value + 1.0 for value in trainer.train_dataset["ref_chosen_logps"][:]]
    trainer.train_dataset = trainer.train_dataset.remove_columns("ref_chosen_logps").add_column(
        "ref_chosen_logps", shifted
    )
    with pytest.raises(TrainingError, match="reference is not the model that is trained"):
        phases._run(trainer, Clock(1e9), (0, 2), 1, resume=False)


def test_a_process_computes_on_one_gpu(tmp_path: Path) -> None:
    from trl import SFTConfig

    arguments = SFTConfig(output_dir=str(tmp_path), use_cpu=True, per_device_train_batch_size=4)
    assert arguments.n_gpu == 0
    arguments._n_gpu = 3  # what a machine with three GPUs says
    assert arguments.train_batch_size == 12
    assert phases.on_one_gpu(arguments).train_batch_size == 4
    model, tokenizer = new_language_model(WORDS.split(), width=16, layers=1)
    examples = Dataset.from_list([as_example({"prompt": "sort 2 1", "completion": "1 2"})] * 4)
    trainer = phases._sft_trainer(model, tokenizer, examples, LanguageModelConfig(**SIZES), 2, tmp_path / "first")
    assert trainer.args.n_gpu == 0


def test_rows_as_trl_reads_them() -> None:
    row = {"prompt": "sort 2 1", "completion": "1 2", "rejected": "2 1"}
    said = (("user", "sort 2 1"), ("assistant", "1 2"), ("assistant", "2 1"))
    user, good, bad = ([{"role": role, "content": text}] for role, text in said)
    assert as_example(row) == {"prompt": user, "completion": good}
    assert as_pair(row) == {"prompt": user, "chosen": good, "rejected": bad}


def test_halves_of_pairs_are_mixed() -> None:
    pairs = [as_pair({"prompt": str(n), "completion": f"good {n}", "rejected": f"bad {n}"}) for n in range(50)]
    halves = as_halves(pairs, seed=0)
    assert as_halves(pairs, seed=0) == halves != as_halves(pairs, seed=1)
    assert {(row["prompt"][0]["content"], row["completion"][0]["content"], row["label"]) for row in halves} == {
        (str(n), f"{word} {n}", label) for n in range(50) for word, label in (("good", True), ("bad", False))
    }
    assert all(10 < sum(row["label"] for row in halves[start : start + 33]) < 23 for start in (0, 33, 66))


LONGER = {"max_steps": 60, "preference_share": 0.5}


def command(data: Path, output: Path) -> list[str]:
    script = Path(__file__).parents[2] / "scripts" / "train_language_model.py"
    config = LanguageModelConfig(**{**SIZES, **LONGER})
    fixed = ["--dataset", str(data), "--output-dir", str(output), "--checkpoint-seconds", "0"]
    return [sys.executable, str(script), *fixed, *config.as_flags()]


def test_a_killed_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    data, killed = tmp_path / "data", tmp_path / "killed"
    DatasetDict({"train": rows(True)}).save_to_disk(data)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    for phase in ("first", "second"):
        with subprocess.Popen(command(data, killed), **quiet) as process:
            while not list((killed / phase).glob("checkpoint-*/trainer_state.json")):
                assert process.poll() is None, "it ended before it could be killed"
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
    subprocess.run(command(data, killed), check=True, **quiet)
    told = json.loads((killed / "metrics.json").read_text())
    with one_thread():
        whole = trained(tmp_path / "whole", rows(True), **LONGER)
    same = ("identity", "weights_sha256", "steps", "tokens")
    assert [told[name] for name in same] == [whole[name] for name in same]


@pytest.mark.parametrize(("settings", "phase"), [({"preference": "kto"}, "second"), ({"lora_rank": 2}, "first")])
def test_every_kind_of_training_goes_on_after_an_interruption(
    settings: dict[str, Any], phase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Watch.on_save

    def stop(watch: Watch, args: Any, state: Any, control: Any, **more: Any) -> None:
        kept(watch, args, state, control, **more)
        if Path(args.output_dir).name == phase and state.global_step == 3:
            raise KeyboardInterrupt

    settings = {"max_steps": 12, "preference_share": 0.5, **settings}
    whole = trained(tmp_path / "whole", rows(True), **settings)
    monkeypatch.setattr(Watch, "on_save", stop)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "killed", rows(True), every=0, **settings)
    monkeypatch.setattr(Watch, "on_save", kept)
    assert (tmp_path / "killed" / phase / "checkpoint-3").is_dir()
    (tmp_path / "killed" / TIME).write_text("[1000, 500]")
    told = trained(tmp_path / "killed", rows(True), every=0, **settings)
    same = ("identity", "weights_sha256", "steps", "tokens")
    assert [told[name] for name in same] == [whole[name] for name in same]
    assert (told["wall_seconds"] > 1000, told["cpu_seconds"] > 500) == (True, True)  # what was spent before counts


def test_checkpoints_of_another_training_are_refused(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir(parents=True)
    (tmp_path / "identity.json").write_text('"of another one"')
    with pytest.raises(TrainingError, match="checkpoints in the output folder are of other rows"):
        trained(tmp_path, rows(True))


def test_a_training_that_diverges_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any, **sizes: Any) -> Any:
        model, tokenizer = new_language_model(*arguments, **sizes)
        model.model.norm.weight.data.fill_(float("nan"))
        return model, tokenizer

    monkeypatch.setattr("hf_mbdc.training.language.new_language_model", broken)
    with pytest.raises(TrainingError, match="The loss is not a number"):
        trained(tmp_path, rows())


def test_rows_that_are_too_long_or_worth_nothing(tmp_path: Path) -> None:
    data = rows(True)
    long = data.map(lambda row, n: {"completion": "1 2 3 4 1 2" if n == 5 else row["completion"]}, with_indices=True)
    told = trained(tmp_path / "out", long, max_length=10)
    assert told["rows_left_out"] == {"rows without a completion": 1, "rows longer than max_length": 1}
    equal = data.map(lambda row: {"rejected": row["completion"]})
    assert count_pairs(equal.to_list()) == 0
    empty = [{"completion": "a", "rejected": " "}, {"completion": "", "rejected": "b"}, {"completion": "a"}]
    assert count_pairs([*empty, {"completion": "a", "rejected": "b"}]) == 1
    silent = data.map(lambda row, n: {"completion": " " if n == 5 else row["completion"]}, with_indices=True)
    assert trained(tmp_path / "silent", silent)["rows_left_out"] == {"rows without a completion": 2}
    with pytest.raises(TrainingError, match="There is no row to train on"):
        trained(tmp_path / "none", data, max_length=3)


def test_epochs_are_those_of_the_rows_that_are_learned(tmp_path: Path) -> None:
    assert trained(tmp_path, rows(), max_steps=0, epochs=2)["steps"] == 2 * 4  # 15 rows, 4 a step


def test_a_prompt_that_cannot_be_answered_is_told() -> None:
    model, tokenizer = new_language_model(WORDS.split(), width=16, layers=1)
    with pytest.raises(TrainingError, match="1 of 2 prompts cannot be answered: prompt and max_tokens need more"):
        answer(model, tokenizer, [{"id": "a", "prompt": "sort 1"}, {"id": "b", "prompt": "1 " * 5000}], 8)


def test_answers_of_one_row_and_of_many() -> None:
    model, tokenizer = new_language_model(WORDS.split(), width=16, layers=1)
    asked = rows().to_list()
    together, alone = (answer(model, tokenizer, asked, 4, alone=one)[0] for one in (False, True))
    assert together.to_pylist() == alone.to_pylist()


def test_two_processes(tmp_path: Path) -> None:
    data, output = tmp_path / "data", tmp_path / "out"
    DatasetDict({"train": rows(True), "test": rows()}).save_to_disk(data)
    words = command(data, output)
    torchrun = [words[0], "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", *words[1:]]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    short = ["--predict-splits", "test", "--max-steps", "6"]
    ended = subprocess.run([*torchrun, *short], capture_output=True, text=True, check=False, env=environment)
    assert ended.returncode == 0, ended.stderr[-3000:]
    told = json.loads((output / "metrics.json").read_text())
    assert (told["steps"], told["pairs"]) == (6, 12)
    assert (output / "predictions-test.parquet").is_file()
    assert not {path.name for path in output.iterdir()} & set(phases.PARTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"completion": [None] * 16}, "No row has a completion to learn"),
        ({"completion": list(range(16))}, "The column holds no strings"),
        ({"prompt": [None, *"abcdefghijklmno"]}, "The value is null"),
    ],
)
def test_wrong_rows(change: dict[str, list[Any]], message: str) -> None:
    columns = {**rows().to_dict(), **change}
    data = Dataset.from_dict(columns)
    if "completion" in change and change["completion"][0] is None:
        data = data.cast_column("completion", rows().features["completion"])
    with pytest.raises(DataError, match=message):
        read_prompts(data, "train", labels=True)
