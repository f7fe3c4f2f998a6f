"""How well do the filters for near-duplicates and contamination find what was planted, and what do they refuse beside?

300 questions of GSM8K's test split are edited, or put into other text, and looked for among all of its questions. What
is refused of the train split, where nothing was planted, is counted, too.

    python scripts/eval_filters.py --data-dir ../shared/data/gsm8k
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from hf_mbdc.synthesis.filters.contamination import NgramIndex
from hf_mbdc.synthesis.filters.near_duplicates import near_duplicates, near_known, rouge_l

PLANTED = 300
Edit = Callable[[str, random.Random, Sequence[str]], str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True, type=Path, help="folder with train.jsonl and test.jsonl")
    parser.add_argument("--threshold", type=float, default=0.7, help="ROUGE-L F of near-duplicates")
    args = parser.parse_args()

    # 1. Questions, and words to put in the place of others
    train, test = (read_questions(args.data_dir / f"{split}.jsonl") for split in ("train", "test"))
    words = sorted({word for text in train for word in text.split()})

    # 2. What was planted and found
    print("| edit | ROUGE-L, median | at the threshold | near-duplicates found | of those at it | 13-grams found |")
    print("|---|---|---|---|---|---|")
    index = NgramIndex(test)
    for name, edit in EDITS.items():
        draw = random.Random(name)
        made = [edit(text, draw, words) for text in test[:PLANTED]]
        scores = rouge_l(made, test[:PLANTED])
        at = scores >= args.threshold - 1e-9
        near = near_known(made, test, args.threshold) >= 0
        cells = [np.median(scores), at.mean(), near.mean(), near[at].mean() if at.any() else np.nan]
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in (*cells, (index.find(made) >= 0).mean())) + " |")

    # 3. What nobody planted: real near-duplicates count, too
    begin = time.perf_counter()
    like = near_duplicates(train, args.threshold)
    seconds = time.perf_counter() - begin
    print(f"\nof {len(train):,} train questions, none planted ({seconds:.1f} s for the first line):")
    print(f"- like another one: {(like >= 0).sum()}")
    print(f"- like a test question: {(near_known(train, test, args.threshold) >= 0).sum()}")
    print(f"- a 13-gram of a test question: {(index.find(train) >= 0).sum()}")


def read_questions(path: Path) -> list[str]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["question"] for line in lines]


def other_numbers(text: str, draw: random.Random, words: Sequence[str]) -> str:
    return re.sub(r"\d+", lambda _: str(draw.randint(2, 99)), text)


def other_names(text: str, draw: random.Random, words: Sequence[str]) -> str:
    """Other numbers, and another word for each one that has a capital letter inside a sentence."""
    names = {name: f"Name{draw.randint(0, 9999)}" for name in re.findall(r"(?<=[a-z,] )[A-Z][a-z]+", text)}
    return re.sub(r"[A-Z][a-z]+", lambda found: names.get(found[0], found[0]), other_numbers(text, draw, words))


def replaced(share: float) -> Edit:
    def edit(text: str, draw: random.Random, words: Sequence[str]) -> str:
        return " ".join(draw.choice(words) if draw.random() < share else word for word in text.split())

    return edit


def reordered(text: str, draw: random.Random, words: Sequence[str]) -> str:
    sentences = re.split(r"(?<=[.?!]) ", text)
    return " ".join([*draw.sample(sentences[:-1], len(sentences) - 1), sentences[-1]])


def shortened(text: str, draw: random.Random, words: Sequence[str]) -> str:
    sentences = re.split(r"(?<=[.?!]) ", text)
    left_out = draw.randrange(len(sentences))
    return " ".join(sentence for place, sentence in enumerate(sentences) if place != left_out) or text


def quoted(text: str, draw: random.Random, words: Sequence[str]) -> str:
    around = [" ".join(draw.choices(words, k=60)) for _ in range(2)]
    return f"{around[0]} {text} {around[1]}"


EDITS: dict[str, Edit] = {
    "none": lambda text, draw, words: text,
    "other numbers": other_numbers,
    "other numbers and names": other_names,
    "one word in ten replaced": replaced(0.1),
    "one word in four replaced": replaced(0.25),
    "sentences in another order": reordered,
    "a sentence left out": shortened,
    "inside 120 other words": quoted,
}

if __name__ == "__main__":
    main()
