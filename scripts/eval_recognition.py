"""Scores a trained recogniser on a split: word accuracy, character error rate, character F1 by bucket, confusions.

    python scripts/eval_recognition.py --model OUT --dataset DATA --split test
    python scripts/eval_recognition.py --model OUT --dataset DATA --split test --beam-width 8 --language-weight 0.3
    torchrun --nproc_per_node 2 scripts/eval_recognition.py --model OUT --dataset DATA --output scores.json

OUT is a folder that `train_text_recognition.py` wrote, or any `VisionEncoderDecoderModel`; DATA is what that script
takes. Buckets are by the frequencies of the characters in the train split (`--count-split`). Intervals are bootstrapped
over different texts, since two images of one word are alike. `--output` also gets all scores as JSON, `--predictions`
every row's text as Parquet.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError, MbdcError, RecipeError

if TYPE_CHECKING:
    from datasets import Dataset

    from hf_mbdc.metrics.intervals import Estimate
    from hf_mbdc.targets.recognition import Recogniser

SHOWN = 10  # confusions


def parse_flags(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder or Hub id of the model")
    parser.add_argument("--dataset", required=True, help="folder or Hub id of the data")
    parser.add_argument("--split", default="test", help="split to score (default: test)")
    parser.add_argument("--count-split", default="train", help="split whose characters are counted (default: train)")
    parser.add_argument("--few-below", type=int, default=20, help="rarer characters are `few` (default: 20)")
    parser.add_argument("--many-above", type=int, default=100, help="more frequent ones are `many` (default: 100)")
    parser.add_argument("--beam-width", type=int, default=1, help="texts that are followed; 1: greedily (default: 1)")
    parser.add_argument(
        "--language-weight",
        type=float,
        default=0.0,
        help="of a character language model of the counted split, in the beam search of a ctc_recogniser (default: 0)",
    )
    parser.add_argument("--output", type=Path, help="JSON file for the scores")
    parser.add_argument("--predictions", type=Path, help="Parquet file for what was read")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    flags = parse_flags(arguments)

    # Imported here, so that --help and a wrong flag answer at once.
    import pyarrow.parquet as pq

    from hf_mbdc.targets.recognition import load_recogniser
    from hf_mbdc.training.data import read_dataset, read_images, split_of
    from hf_mbdc.training.loop import make_accelerator
    from hf_mbdc.training.words import WordLearner

    # 1. Data
    accelerator = make_accelerator()
    dataset = read_dataset(flags.dataset)
    split, counted = split_of(dataset, flags.split), split_of(dataset, flags.count_split)
    rows = read_images(split, flags.split, labels=True)
    if rows["text"].null_count:
        raise DataError("A text is null", split=flags.split, column="text", mend="Leave such rows out.")

    # 2. Model, and the language that it may be helped by
    target = load_recogniser(flags.model, beam_width=flags.beam_width)
    if flags.language_weight:
        target = with_language(target, counted, flags.language_weight)
    learner = WordLearner(target, {flags.split: target.encode(rows, flags.split, labels=False)})

    # 3. Predictions and scores
    table = learner.predict(flags.split, accelerator)
    if accelerator.is_main_process:
        scores = score(table["prediction"].to_pylist(), rows["text"].to_pylist(), counted, flags)
        print(format_table(scores))
        if flags.output:
            flags.output.write_text(json.dumps(scores, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        if flags.predictions:
            pq.write_table(table, flags.predictions)
    accelerator.end_training()


def with_language(target: Recogniser, words: Dataset, weight: float) -> Recogniser:
    """A CTC recogniser that reads with a language model of these words, each counted once."""
    from hf_mbdc.synthesis.words.corpus import read_corpus
    from hf_mbdc.synthesis.words.language_model import different, fit_characters
    from hf_mbdc.targets.recognition.ctc import CtcTarget

    if not isinstance(target, CtcTarget):
        mend = "A vision encoder–decoder has a language model inside: leave --language-weight out."
        raise RecipeError("Only a ctc_recogniser reads with a language model", key="--language-weight", mend=mend)
    config = target.model.config
    corpus = read_corpus(words, config.characters, None, config.normalization, config.unit)
    texts = corpus.texts(corpus.words).to_pylist()
    model = fit_characters(different(corpus.words, texts), len(corpus.characters))
    return dataclasses.replace(target, language=model.after, language_weight=weight)


def score(predictions: list[str], references: list[str], counted: Dataset, flags: argparse.Namespace) -> dict[str, Any]:
    """Rows, each metric with its interval, and the most frequent confusions."""
    from hf_mbdc.approaches.text_recognition import TextRecognition
    from hf_mbdc.metrics.intervals import ratio_estimates
    from hf_mbdc.metrics.recognition import char_f1, confusions, micro_cer, word_accuracy_scores

    right = word_accuracy_scores(predictions, references)
    [accuracy] = ratio_estimates(right, right * 0 + 1, references)
    frequencies = TextRecognition().fit({"train": counted}).frequencies
    assert frequencies is not None  # it was fitted
    by_bucket = char_f1(
        predictions,
        references,
        frequencies.by_character,
        few_below=flags.few_below,
        many_above=flags.many_above,
        clusters=references,
    )
    estimates = {
        "word accuracy": accuracy,
        "character error rate": micro_cer(predictions, references, clusters=references),
    }
    estimates |= {f"character F1, {bucket}": estimate for bucket, estimate in by_bucket.items()}
    found = confusions(predictions, references)
    return {
        "rows": len(references),
        "scores": {name: _as_numbers(estimate) for name, estimate in estimates.items()},
        "replaced": [[true, read, times] for (true, read), times in found.replaced.most_common(SHOWN)],
        "deleted": found.deleted.most_common(SHOWN),
        "inserted": found.inserted.most_common(SHOWN),
    }


def _as_numbers(estimate: Estimate) -> list[float | None]:
    """Value, low, high; null where there is nothing to divide by, since JSON has no NaN."""
    return [None if value != value else round(value, 4) for value in dataclasses.astuple(estimate)]


def format_table(scores: dict[str, Any]) -> str:
    """The scores as aligned text."""
    width = max(map(len, scores["scores"]))
    lines = [f"{scores['rows']} rows"]
    for name, values in scores["scores"].items():
        value, low, high = ("–" if number is None else f"{number:.3f}" for number in values)
        lines.append(f"{name:{width}}  {value:>6}  [{low}, {high}]")
    replaced = (f"{true}→{read} {times}" for true, read, times in scores["replaced"])
    lines.append(f"confusions: {', '.join(replaced) or 'none'}")
    for name in ("deleted", "inserted"):
        lines.append(f"{name}: {', '.join(f'{character} {times}' for character, times in scores[name]) or 'none'}")
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        main()
    except MbdcError as error:
        sys.exit(f"error: {error}")
