"""Does the guided mixture of natural and made words teach a recogniser of all Hangul syllables of a word list better?

    python scripts/eval_hangul.py --data-dir ../shared/data/freqwords

`DATA-DIR/ko_50k.txt` holds "word count" lines. Its words of Hangul syllables (1,364 different ones, 824 of them in ten
words or more) are split by word, so that no evaluation word is trained on. Train words are drawn as often as they
occur; evaluation words half so (`natural`), half every word alike (`even`), where rare syllables count.

A recogniser is trained on as many words, for as many steps, of: natural words alone (share of made words 0), natural
and random ones half and half (.5), random ones alone (1), and natural, injected and random ones in the ratio that
`hf_mbdc.guidance.mixing` finds with one seed on the validation words, the mean of both parts counting. All are then
trained with every seed and scored on the test words, which chose nothing: word accuracy in both parts, and F1 of the
syllables that the natural train words have fewer than 20 times. Differences are paired over words and seeds
(`hf_mbdc.compare`; F1, which is no mean of rows, by a bootstrap of both).

Trainings are kept in --work-dir: a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.guidance.mixing import Ratio, search_ratio
from hf_mbdc.measurement import Measurement, measure
from hf_mbdc.mixture import PARENT, balance, mixture, split_sources
from hf_mbdc.recipe import EvaluationRecipe
from hf_mbdc.records import Cost

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from hf_mbdc.approaches.text_recognition import TextRecognition
    from hf_mbdc.synthesis.rendering import RenderOptions
    from hf_mbdc.training.config import RecognitionConfig

FEW = 20  # occurrences in the natural train words below which a syllable is rare
REPETITIONS = 2000  # of the bootstrap of F1
FIXED = {
    "natural": {PARENT: 1.0},
    "half random": {PARENT: 0.5, "random": 0.5},
    "random": {"random": 1.0},
}
GUIDED = "guided"


def main() -> None:
    flags = parse_flags()
    dataset, charset = load(flags)
    setup = Setup(dataset, *prepare(dataset, charset, flags), flags)
    print(
        f"{len(charset):,} syllables; {len(dataset['train']):,} train words, {setup.steps:,} steps a training; "
        f"{len(dataset['validation']):,} validation and {len(dataset['test']):,} test words; seeds {flags.seeds}"
    )
    found = search_ratio(list(setup.sources), setup.search, points=flags.points, batch=flags.batch)
    print(f"\nThe ratio, on validation words (mean of natural and even):\n{found}\n", flush=True)
    ratios: dict[str, Ratio] = {**FIXED, GUIDED: found.ratio}
    measured = setup.train(list(ratios.values()), "test", flags.seeds)
    report(dict(zip(ratios, measured, strict=True)), setup)
    spent = sum(setup.costs, Cost())
    minutes = spent.cpu_seconds / 60
    print(f"\n{minutes:.1f} CPU minutes of training: about {minutes / 4:.0f} minutes on 4 cores")


def parse_flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True, help="folder with ko_50k.txt")
    parser.add_argument("--words", type=int, default=12_000, help="train words of every training (default: 12000)")
    parser.add_argument("--epochs", type=int, default=6, help="passes over them (default: 6)")
    parser.add_argument("--test-words", type=int, default=1500, help="of each part (default: 1500)")
    parser.add_argument("--validation-words", type=int, default=750, help="of each part (default: 750)")
    parser.add_argument("--syllables", type=int, default=0, help="only words of the n most frequent (default: 0, all)")
    parser.add_argument("--augmentation", type=float, default=0.0, help="strength, 0 to 1 (default: 0)")
    parser.add_argument("--points", type=int, default=8, help="ratios of the search (default: 8)")
    parser.add_argument("--batch", type=int, default=2, help="of them side by side (default: 2)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the trainings (default: 0 1 2)")
    parser.add_argument("--max-parallel", type=int, help="trainings side by side (default: one a core)")
    parser.add_argument("--work-dir", type=Path, default=Path(tempfile.gettempdir()) / "eval_hangul")
    return parser.parse_args()


def load(flags: argparse.Namespace) -> tuple[DatasetDict, str]:
    """The drawn words with images, and all syllables of the list's words."""
    import hf_mbdc as mbdc

    charset = most_frequent(flags.data_dir / "ko_50k.txt", flags.syllables)
    parts = (flags.words, flags.validation_words, flags.test_words)
    options: dict[str, Any] = {"words": "ko_50k.txt", "charset": charset, "natural": parts, "even": (0, *parts[1:])}
    words: Any = mbdc.load_dataset("word_list", flags.data_dir, **options)
    return mbdc.render(words, look(flags)), charset


def most_frequent(path: Path, syllables: int) -> str:
    """The Hangul syllables of a list, the most frequent first; 0: all."""
    counts: Counter[str] = Counter()
    for line in path.read_text(encoding="utf-8").splitlines():
        word, count = line.split()
        for character in word:
            counts[character] += int(count)
    hangul = [character for character, _ in counts.most_common() if "가" <= character <= "힣"]
    return "".join(hangul[: syllables or None])


def look(flags: argparse.Namespace) -> RenderOptions:
    """How words are drawn."""
    import hf_mbdc as mbdc

    names = ("affine", "perspective", "blur", "background", "noise", "color")
    strength = dict.fromkeys(names, flags.augmentation)
    return mbdc.RenderOptions(augmentation=mbdc.Augmentation(**strength, jpeg=0.0) if flags.augmentation else None)


def prepare(
    dataset: DatasetDict, charset: str, flags: argparse.Namespace
) -> tuple[TextRecognition, RecognitionConfig, dict[str, Dataset]]:
    """The approach, the settings of a training, and the sources: natural, injected and random words."""
    import hf_mbdc as mbdc
    from hf_mbdc.synthesis import tail_words, word_images
    from hf_mbdc.synthesis.step import StepContext
    from hf_mbdc.training.config import RecognitionConfig

    train, others = dataset["train"], {name: rows for name, rows in dataset.items() if name != "train"}
    approach = mbdc.fit(dataset, mbdc.TextRecognition(charset=charset, few_below=FEW))
    config = RecognitionConfig(epochs=flags.epochs)
    context = StepContext(approach, config, flags.work_dir, others=others)
    # A fifth more of each source than a mixture takes at most: words of the evaluation splits are left out.
    options = tail_words.TailWordsOptions(words=flags.words * 12 // 5, at_least=10)
    made = tail_words.run(mbdc.annotate(train, approach), options, context)
    return approach, config, split_sources(train, word_images.run(made.rows, look(flags), context).rows)


@dataclasses.dataclass
class Setup:
    """What every training has in common, and what they cost so far."""

    dataset: DatasetDict
    approach: TextRecognition
    config: RecognitionConfig
    sources: dict[str, Dataset]
    flags: argparse.Namespace
    costs: list[Cost] = dataclasses.field(default_factory=list)

    @property
    def steps(self) -> int:
        """Of every training."""
        from hf_mbdc.training.budget import steps_of

        return steps_of(self.config, len(self.dataset["train"]))

    def search(self, ratios: Sequence[Ratio]) -> list[np.ndarray]:
        """The scores of ratios on the validation words, both parts weighing alike, with the first seed."""
        found = self.train(ratios, "validation", self.flags.seeds[:1])
        return [balance(one.scores["word_accuracy"], self.dataset["validation"]["drawn"][:]) for one in found]

    def train(self, ratios: Sequence[Ratio], split: str, seeds: Sequence[int]) -> list[Measurement]:
        """The target trained on the mixture of each ratio and scored on a split."""
        train = self.dataset["train"]
        found = measure(
            [mixture(self.sources, ratio, len(train), train) for ratio in ratios],
            self.dataset[split],
            self.approach,
            training=self.config,
            plan=EvaluationRecipe(split=split, cluster_by="text", slice_by="drawn", seeds=tuple(seeds)),
            work_dir=self.flags.work_dir,
            steps=self.steps,
            max_parallel=self.flags.max_parallel,
        )
        self.costs += [one.cost for one in found]
        return found


def report(measured: dict[str, Measurement], setup: Setup) -> None:
    """The scores of every kind of words, and what the guided mixture gains, with intervals."""
    rows = setup.dataset["test"]
    part = np.array(rows["drawn"][:])
    parts = {"even": part == "even", "natural": part == "natural"}
    few = {name: few_counts(one, setup) for name, one in measured.items()}
    print(f"| trained on | {' | '.join(f'word accuracy, {name}' for name in parts)} | F1 of few |\n|---|--:|--:|--:|")
    for name, one in measured.items():
        scores = [one.scores["word_accuracy"][:, kept].mean() for kept in parts.values()]
        print(f"| {name} | {' | '.join(f'{score:.3f}' for score in scores)} | {f1(few[name].sum(axis=(0, 1))):.3f} |")
    print("\n| difference | of | value | 95 % interval | p |\n|---|---|--:|---|--:|")
    pairs = [("random", "natural"), (GUIDED, "random"), (GUIDED, "half random"), (GUIDED, "natural")]
    for better, worse in pairs:
        for name, kept in parts.items():
            print(f"| {better} − {worse} | {name} words | {difference(measured, better, worse, rows, kept)} |")
        low, value, high = f1_difference(few[better], few[worse], rows["text"][:])
        print(f"| {better} − {worse} | F1 of few | {value:+.3f} | {low:+.3f} to {high:+.3f} | |")


def difference(measured: dict[str, Measurement], better: str, worse: str, rows: Dataset, kept: np.ndarray) -> str:
    """The paired difference of word accuracy, its interval and p-value, as cells of a table."""
    import hf_mbdc as mbdc

    parent, candidate = (measured[name].scores["word_accuracy"][:, kept] for name in (worse, better))
    texts = [text for text, here in zip(rows["text"][:], kept, strict=True) if here]
    found = mbdc.compare(parent, candidate, clusters=texts)
    low, high = found.interval
    return f"{found.difference:+.3f} | {low:+.3f} to {high:+.3f} | {found.p_value:.2g}"


def few_counts(measured: Measurement, setup: Setup) -> np.ndarray:
    """(seeds, rows, 2): of the rare syllables of each row, twice those read rightly, and all that F1 counts."""
    from hf_mbdc.metrics.recognition import char_counts

    rows = setup.dataset["test"]
    seen = Counter("".join(setup.dataset["train"]["text"][:]))
    counts = []
    for training in measured.trainings:
        table = training.predictions["test"].to_pydict()
        read = dict(zip(table["id"], table["prediction"], strict=True))
        right, wrong = char_counts([read[key] for key in rows["id"][:]], rows["text"][:], seen, few_below=FEW)
        counts.append(np.stack([2 * right[:, -1], 2 * right[:, -1] + wrong[:, -1]], axis=1))
    return np.stack(counts)


def f1(counts: np.ndarray) -> float:
    """Of summed counts; NaN where no rare syllable was there or read."""
    return float(counts[..., 0] / counts[..., 1]) if counts[..., 1] else float("nan")


def f1_difference(better: np.ndarray, worse: np.ndarray, texts: Sequence[str]) -> tuple[float, float, float]:
    """Interval and value of the difference of two F1, by drawing words and seeds anew."""
    rng = np.random.default_rng(0)
    _, word = np.unique(np.array(texts), return_inverse=True)
    sums = []
    for counts in (better, worse):
        table = np.zeros((word.max() + 1, len(counts), 2))
        np.add.at(table, word, counts.swapaxes(0, 1))
        sums.append(table.swapaxes(0, 1))
    drawn = []
    for _ in range(REPETITIONS):
        seeds = rng.integers(0, len(better), len(better))
        times = np.bincount(rng.integers(0, word.max() + 1, word.max() + 1), minlength=word.max() + 1)
        parts = [(table[seeds] * times[None, :, None]).sum(axis=(0, 1)) for table in sums]
        drawn.append(parts[0][0] / parts[0][1] - parts[1][0] / parts[1][1])
    value = f1(better.sum(axis=(0, 1))) - f1(worse.sum(axis=(0, 1)))
    return float(np.quantile(drawn, 0.025)), value, float(np.quantile(drawn, 0.975))


if __name__ == "__main__":
    main()
