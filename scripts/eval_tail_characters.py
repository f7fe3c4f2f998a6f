"""Does every character occur often enough, how few words must be altered for that, and do they still look like words?

    python scripts/eval_tail_characters.py --data ../shared/data --words 100000

The corpus is `freqwords/ko_50k.txt` with its counts, the charset KS X 1001 (2,350 syllables, of which the corpus lacks
about a thousand). For each mixture: the share of the charset that occurs at least 10 times, the rarest character's
number, the share of words that are not as they stand in the corpus, the share of their parents' characters that altered
words keep, and how likely a character 3-gram model finds each recipe's words, by character. That model is another one
than what chose them: it was fitted on the half of the corpus' words that the recipes did not see.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.errors import DataError
from hf_mbdc.synthesis.tail_characters import RECIPES, TailOptions, TailWords, tail_characters
from hf_mbdc.synthesis.words.corpus import read_corpus
from hf_mbdc.synthesis.words.language_model import fit_characters

if TYPE_CHECKING:
    from datasets import Dataset

AT_LEAST = 10
MIXTURES: tuple[dict[str, float], ...] = (
    {"natural": 1.0},
    {"reweighted": 1.0},
    {"natural": 0.7, "injected": 0.3},
    {"natural": 0.85, "injected": 0.15},
    {"natural": 0.7, "language_aware": 0.3},
    {"natural": 0.9, "random": 0.1},
    {"natural": 0.7, "random": 0.3},
    {"natural": 0.4, "reweighted": 0.3, "injected": 0.1, "language_aware": 0.1, "random": 0.1},
    {"natural": 0.9, "injected": 0.1},
)


def read_words(data: Path) -> Dataset:
    """The words and their counts."""
    from datasets import Dataset

    lines = (data / "freqwords" / "ko_50k.txt").read_text(encoding="utf-8").splitlines()
    words, counts = zip(*(line.rsplit(" ", 1) for line in lines), strict=True)
    ids = [f"{n:05d}" for n in range(len(words))]
    return Dataset.from_dict({"id": ids, "text": list(words), "count": [int(count) for count in counts]})


def show_targets(corpus: Dataset, charset: list[str], words: int, seed: int) -> None:
    """A line for each mixture: whether the target is met, and with how many altered words."""
    print(f"{'mixture':<76}{'covered':>9}{'least':>7}{'altered':>9}{'kept':>7}{'CPU s':>7}")
    parents = dict(zip(corpus["id"], corpus["text"], strict=True))
    for mixture in MIXTURES:
        name = ", ".join(f"{recipe} {share:g}" for recipe, share in mixture.items())
        began = time.process_time()
        # Without a recipe that writes characters there is no target to meet: what occurs by itself is shown.
        at_least = AT_LEAST if mixture.keys() & {"injected", "language_aware", "random"} else 0
        try:
            made = tail_characters(corpus, TailOptions(words, mixture, at_least, charset, "count", seed=seed))
        except DataError as refused:
            print(f"{name:<76}{refused}")
            continue
        seconds = time.process_time() - began
        counts = Counter("".join(made.rows["text"][:]))
        found = np.array([counts[character] for character in charset])
        altered = (made.record.changed + made.record.added) / words
        kept = kept_share(made, parents)
        print(f"{name:<76}{(found >= AT_LEAST).mean():>9.4f}{found.min():>7}{altered:>9.3f}{kept:>7.3f}{seconds:>7.1f}")


def kept_share(made: TailWords, parents: dict[str, str]) -> float:
    """Characters of the parents that altered words keep; NaN where no word was made from a parent."""
    columns = (made.rows[name][:] for name in ("text", "mbdc_parent_id", "mbdc_source"))
    same, total = 0, 0
    for text, parent, source in zip(*columns, strict=True):
        if source in ("injected", "language_aware"):
            same += sum(a == b for a, b in zip(text, parents[parent], strict=True))
            total += len(text)
    return same / total if total else float("nan")


def show_likelihoods(corpus: Dataset, charset: list[str], words: int, seed: int) -> None:
    """How likely each recipe's words are to a model of words that the recipe did not see."""
    seen, unseen = corpus.select(range(0, len(corpus), 2)), corpus.select(range(1, len(corpus), 2))
    other = read_corpus(unseen, charset, "count", "NFC", "code_point")
    judge = fit_characters(other.words, len(other.characters))
    mixture = dict.fromkeys(RECIPES, 1.0)
    made = tail_characters(seen, TailOptions(words, mixture, 0, charset, "count", seed=seed))
    print(f"\nlog-probability by character, to a 3-gram model of the other half of the words ({len(unseen):,})")
    for recipe in RECIPES:
        rows = made.rows.filter(lambda source, recipe=recipe: source == recipe, input_columns=["mbdc_source"])
        own = read_corpus(rows, other.characters, None, "NFC", "code_point")
        # Characters that only the first half has are as one that the model never saw.
        own.words.numbers[own.words.numbers >= judge.size] = judge.size - 1
        print(f"{recipe:<16}{judge.scores(own.words).mean():>8.3f}   {' '.join(rows['text'][:8])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with freqwords and charset")
    parser.add_argument("--words", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    from datasets import disable_progress_bars

    disable_progress_bars()
    corpus = read_words(flags.data)
    charset = (flags.data / "charset" / "ksx1001_ko.txt").read_text(encoding="utf-8").split()
    show_targets(corpus, charset, flags.words, flags.seed)
    show_likelihoods(corpus, charset, flags.words // 2, flags.seed)


if __name__ == "__main__":
    main()
