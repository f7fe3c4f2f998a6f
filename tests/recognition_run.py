"""A recipe of word recognition on a few made-up words, and a target that reads what it saw often enough."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pyarrow as pa

from hf_mbdc.recipe import Recipe, read_recipe
from hf_mbdc.records import Cost
from hf_mbdc.training.launch import TrainingJob, TrainingResult
from hf_mbdc.training.scoring import Scored, ScoringJob

COMMON, RARE = "가나다라마바", "뷁쀍꽭"
SEEN = 12  # times that a character must stand in the train rows to be read


def write_words(folder: Path) -> Path:
    """A file of words: those of common syllables are frequent, those with a rare one are not."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = [a + b for a in COMMON for b in COMMON if a != b]
    lines = [f"{word} {1000 - 20 * n}" for n, word in enumerate(pairs)]
    lines += [f"{common}{rare}{other} 1" for common, other in itertools.pairwise(COMMON) for rare in RARE]
    (folder / "words.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


def recipe_text(**changes: str) -> str:
    """A recipe with two guided iterations."""
    parts = {
        "options": "{words: words.txt, natural: [120, 30, 60], even: [0, 30, 60], split_fractions: [0.5, 0.25, 0.25]}",
        "charset": COMMON + RARE,
        "training": "{epochs: 1}",
        "seeds": "[0]",
        "first": "{words: 240, at_least: 30, seed: 1}",
        "second": "{words: 240, at_least: 5, per_miss: 3, seed: 2}",
        "points": "5",
        **changes,
    }
    return """
repo_id: me/words
dataset: {{name: word_list, options: {options}}}
approach: {{name: text_recognition, options: {{charset: {charset}, few_below: 5, many_above: 50}}}}
target: {{model: ctc_recogniser, training: {training}}}
evaluation: {{slice_by: drawn, cluster_by: text, seeds: {seeds}, decisions: 2, no_loss: {{natural: 0.05}}}}
iterations:
  - message: Natural words
    steps: [{{name: render}}]
  - message: Mixed with made words
    steps: [{{name: tail_characters, options: {first}}}, {{name: render}}]
    mix: {{split: validation, points: {points}}}
  - message: Words of what the target misses
    steps: [{{name: tail_characters, options: {second}}}, {{name: render}}]
    mix: {{split: validation, points: {points}}}
""".format(**parts)


def recipe(folder: Path, **changes: str) -> Recipe:
    """The recipe, with its words and its repository in a folder."""
    path = folder / "recipe.yaml"
    write_words(folder / "data")
    path.write_text(recipe_text(**changes), encoding="utf-8")
    return read_recipe(path, data_dir=folder / "data", repository=folder / "repo")


def read(train: list[str], words: list[str], seen: int = SEEN) -> list[str]:
    """What a target reads that writes 가 for each character that it saw too seldom."""
    counts: dict[str, int] = {}
    for text in train:
        for character in text:
            counts[character] = counts.get(character, 0) + 1
    return ["".join(c if counts.get(c, 0) >= seen else "가" for c in word) for word in words]


class FakeTarget:
    """In place of `launch` and `score`; remembers what was asked of it."""

    def __init__(self) -> None:
        self.jobs: list[TrainingJob] = []
        self.scored: list[ScoringJob] = []
        self.trained: dict[str, list[str]] = {}

    def launch(self, jobs: list[TrainingJob], **settings: object) -> list[TrainingResult]:
        self.jobs += jobs
        return [self._train(job) for job in jobs]

    def score(self, jobs: list[ScoringJob], **settings: object) -> list[Scored]:
        self.scored += jobs
        return [Scored(self._table(self.trained[str(job.model_path)], job.rows), Cost()) for job in jobs]

    def _train(self, job: TrainingJob) -> TrainingResult:
        texts = job.train["text"][:]
        path = Path(f"model-{len(self.trained)}")
        self.trained[str(path)] = texts
        predictions = {split: self._table(texts, rows) for split, rows in job.predict.items()}
        metrics: dict[str, Any] = {
            "steps": job.config.max_steps,
            "first_weights_sha256": f"{job.config.seed} {getattr(job.config, 'charset', '')}",
            "tokens": 100.0,
        }
        return TrainingResult("fake@0", path, predictions, metrics, Cost(cpu_seconds=1.0), cached=False)

    @staticmethod
    def _table(train: list[str], rows: Any) -> pa.Table:
        return pa.table({"id": rows["id"][:], "prediction": read(train, rows["text"][:])})
