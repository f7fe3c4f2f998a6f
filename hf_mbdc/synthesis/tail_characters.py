"""Words in which rare characters occur as often as a recogniser needs them.

A recogniser of a script with thousands of characters fails on the rare ones. Words of rare characters alone teach the
characters and spoil the words; mixed with natural words they help both (Park et al. 2023). The step makes such a
mixture of five recipes:

- `natural`: words of the corpus, as often as they occur there;
- `reweighted`: words of the corpus, those with rare characters as often as others;
- `injected`: a natural word keeps its shape, but its least needed character becomes one that is needed;
- `language_aware`: the same in the word and place, of several that are drawn, that a language model finds likeliest;
- `random`: as long as natural words, of all characters alike.

How often every character must occur is a target that is met, or refused with the places that are missing: see
`hf_mbdc.synthesis.words.targets.allot` for why. A row's draws depend on the seed, its recipe and its number there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.records import StepRecord
from hf_mbdc.synthesis.words.corpus import Corpus, Words, read_corpus, uniforms
from hf_mbdc.synthesis.words.language_model import CharacterModel, different, fit_characters
from hf_mbdc.synthesis.words.recipes import (
    inject,
    inject_likely,
    least_needed,
    natural,
    reweighted,
    with_charset,
    write_free,
)
from hf_mbdc.synthesis.words.targets import Allotment, allot
from hf_mbdc.transforms.character_rows import Form, Unit, split_characters

if TYPE_CHECKING:
    from datasets import Dataset

NAME = "tail_characters"
RECIPES = ("natural", "reweighted", "injected", "language_aware", "random")
WHY = {
    "natural": "word as it occurs",
    "reweighted": "word with a rare character, drawn more often than it occurs",
    "injected": "the word's least needed character became one that is needed",
    "language_aware": "a needed character in the word and place that the language model finds likeliest",
    "random": "characters in equal shares",
}


@dataclass(frozen=True)
class TailOptions:
    """Options of the step in a recipe.

    `words`: rows made. `mixture`: recipe → its share of them; shares are relative to their sum.
    `at_least`: how often every character of the charset occurs in the rows, or a mapping of characters to numbers, for
    example from the confusions of a recogniser (0 for those that it does not name).
    `charset`: the characters, as a string or a list; empty: those of the corpus. Those that the corpus lacks count too.
    `weight`: column that says how often a word occurs; None: every row is one occurrence.
    `candidates`: words that `language_aware` chooses from, for each row.
    `normalization`, `unit`: what a character is, as of `TextRecognition`. `seed`: of all draws.
    """

    words: int = 100_000
    mixture: Mapping[str, float] = field(default_factory=lambda: {"natural": 0.7, "injected": 0.3})
    at_least: int | Mapping[str, int] = 10
    charset: str | Sequence[str] = ()
    weight: str | None = None
    candidates: int = 16
    normalization: Form | None = "NFC"
    unit: Unit = "code_point"
    seed: int = 0

    def __post_init__(self) -> None:
        if type(self.words) is not int or self.words < 1:
            raise RecipeError("There is at least one word", key="words", value=self.words, mend="100000, say.")
        if type(self.candidates) is not int or self.candidates < 1:
            what = "There is at least one candidate"
            raise RecipeError(what, key="candidates", value=self.candidates, mend="16 is a good number.")
        if not isinstance(self.charset, str) and not (
            isinstance(self.charset, list | tuple) and all(isinstance(character, str) for character in self.charset)
        ):
            mend = "Give a string, or a list of strings."
            raise RecipeError("The charset is no text", key="charset", value=self.charset, mend=mend)
        if not isinstance(self.mixture, Mapping):
            mend = "natural: 0.7 and injected: 0.3, say."
            raise RecipeError("A mixture gives recipes their shares", key="mixture", value=self.mixture, mend=mend)
        for recipe, share in self.mixture.items():
            if recipe not in RECIPES:
                mend = f"Take some of {', '.join(RECIPES)}."
                raise RecipeError(f"There is no recipe {recipe!r}", key="mixture", mend=mend)
            if not isinstance(share, int | float) or not 0 <= share < float("inf"):
                mend = "Give a number of at least 0."
                raise RecipeError(f"The share of {recipe!r} is {share!r}", key="mixture", mend=mend)
        if not sum(self.mixture.values()) > 0:
            raise RecipeError("No recipe has a share", key="mixture", mend="natural: 0.7 and injected: 0.3, say.")
        wanted = self.at_least.values() if isinstance(self.at_least, Mapping) else [self.at_least]
        if not all(type(number) is int and number >= 0 for number in wanted):
            what = "A target is a whole number of at least 0"
            raise RecipeError(what, key="at_least", value=self.at_least, mend="10 is a good number.")
        if self.normalization not in (None, *get_args(Form)) or self.unit not in get_args(Unit):
            mend = f"Take one of {', '.join(get_args(Form))} and of {', '.join(get_args(Unit))}."
            raise RecipeError("No such characters", key="unit", value=(self.normalization, self.unit), mend=mend)


@dataclass(frozen=True)
class TailWords:
    """What the step made.

    Args:
        rows: `id`, `text`, and where each comes from: `mbdc_source` (its recipe), `mbdc_parent_id` (the word that it
            was, was made from, or took its length from), `mbdc_model` (of `language_aware`), `mbdc_iteration` (null).
        record: kept (words as they stand in the corpus), changed, added (from nothing), rejected (words of the corpus
            that could not be drawn), with reasons.
        rejected: the rejected rows of the corpus: `id` and `reason`.
    """

    rows: Dataset
    record: StepRecord
    rejected: Dataset


def tail_characters(
    corpus: Dataset,
    options: TailOptions = TailOptions(),
    *,
    scores: Callable[[list[str]], Sequence[float]] | None = None,
    model: str | None = None,
) -> TailWords:
    """Makes words in which every character occurs as often as it must.

    Args:
        corpus: words with `id` and `text`.
        options: how many, of which recipes, with which targets.
        scores: gives the log-likelihood of texts, e.g. of the recogniser, for `language_aware`; without it, that of a
            character n-gram model of the corpus.
        model: the name of what gives these scores, model@sha.

    Returns:
        The same rows whatever the order of the corpus.

    Raises:
        DataError: the targets need more places than the mixture has; the message says how many. Or no word can be
            drawn, or a score is no number.
        RecipeError: an option is out of its range, or a target is for a character that the charset lacks.

    Example:
        >>> from datasets import Dataset
        >>> corpus = Dataset.from_dict({"id": ["a", "b"], "text": ["가나", "나가"]})
        >>> made = tail_characters(corpus, TailOptions(10, {"injected": 1}, at_least=3, charset="가나힣"))
        >>> text = "".join(made.rows["text"][:])
        >>> min(text.count(character) for character in "가나힣") >= 3
        True
    """
    if (scores is None) != (model is None):
        raise RecipeError("Scores and their model's name go together", key="model", mend="Give both, or neither.")
    charset = split_characters(options.charset, options.normalization, options.unit)
    source = read_corpus(corpus, charset, options.weight, options.normalization, options.unit)
    made = _Maker(source, options, scores).make()
    name = model if scores is not None else made.model
    return _as_rows(source, options, made, name)


@dataclass(frozen=True)
class _Made:
    """Words by recipe, with the position of each one's parent; and the n-gram model's name, where it scored."""

    words: dict[str, tuple[np.ndarray, Words]]
    model: str | None


class _Maker:
    """The mixture, from what is fixed to what is written."""

    def __init__(
        self, corpus: Corpus, options: TailOptions, scores: Callable[[list[str]], Sequence[float]] | None
    ) -> None:
        self.corpus, self.options, self.scores = corpus, options, scores
        self.rows = shares(options.mixture, options.words)
        self.need = _targets(corpus, options)

    def make(self) -> _Made:
        """Draws the natural words, counts what is lacking, and writes it into the others."""
        corpus, charset, seed = self.corpus, self.corpus.charset, self.options.seed
        made: dict[str, tuple[np.ndarray, Words]] = {}
        for recipe, drawn in (("natural", natural), ("reweighted", reweighted)):
            positions = drawn(corpus, self.rows[recipe], seed, recipe)
            made[recipe] = positions, corpus.words.take(positions)
        have = sum((corpus.counts(words) for _, words in made.values()), np.zeros(len(corpus.characters), np.int64))

        writes = self.rows["injected"] + self.rows["language_aware"] > 0
        weights = with_charset(corpus) if writes else corpus.weights
        base = natural(Corpus(**{**vars(corpus), "weights": weights}), self.rows["injected"], seed, "injected")
        words = corpus.words.take(base)
        have += corpus.counts(words)
        at = least_needed(words, have[:charset] - self.need) if len(base) else base
        have -= np.bincount(words.numbers[at], minlength=len(have))

        lengths = natural(corpus, self.rows["random"], seed, "random")
        sizes = corpus.words.sizes[lengths]
        given = self._allot(have[:charset], int(sizes.sum()))
        single = _shuffled(given.single, seed, "order")
        made["injected"] = base, inject(words, at, single[: len(base)])
        made["random"] = lengths, write_free(sizes, _repeated(given.free), seed, "free")
        made["language_aware"], name = self._write_likely(weights, single[len(base) :])
        return _Made(made, name)

    def _allot(self, have: np.ndarray, free: int) -> Allotment:
        single = self.rows["injected"] + self.rows["language_aware"]
        given = allot(have, self.need, single, free)
        if given.missing:
            lacking = single + free + given.missing
            share = lacking / self.options.words
            raise DataError(
                f"The targets need {lacking} places for characters that natural words lack; the mixture has "
                f"{single + free}",
                column="text",
                mend=f"Make more words, lower at_least, or let injected be at least {share:.3f} of the words."
                if share <= 1
                else f"Make at least {lacking} words, or lower at_least.",
            )
        return given

    def _write_likely(self, weights: np.ndarray, characters: np.ndarray) -> tuple[tuple[np.ndarray, Words], str | None]:
        corpus, options = self.corpus, self.options
        model = None
        if self.scores is None and len(characters):
            model = _fit(corpus)
        score = model.scores if model is not None else self._given_scores
        key = (options.seed, "language_aware")
        done = inject_likely(corpus, weights, characters, options.candidates, score, *key)
        return done, model.model_id if model is not None else None

    def _given_scores(self, words: Words) -> np.ndarray:
        assert self.scores is not None
        texts = self.corpus.texts(words).to_pylist()
        found = np.array(self.scores(texts), np.float64)
        if found.shape != (len(texts),):
            raise DataError(
                f"The scores have the shape {found.shape}", mend=f"Give one for each of {len(texts)} texts."
            )
        if np.isnan(found).any():
            text = texts[int(np.flatnonzero(np.isnan(found))[0])]
            raise DataError("A score is no number", text=text, mend="Give −inf for what is impossible.")
        return found


def shares(mixture: Mapping[str, float], words: int) -> dict[str, int]:
    """How many words each recipe makes: its share, rounded so that all together are `words`.

    Example:
        >>> shares({"natural": 2, "injected": 1}, 10)
        {'natural': 7, 'reweighted': 0, 'injected': 3, 'language_aware': 0, 'random': 0}
    """
    exact = np.array([float(mixture.get(recipe, 0)) for recipe in RECIPES])
    exact *= words / exact.sum()
    rows = np.floor(exact).astype(np.int64)
    rest = np.argsort(rows - exact, kind="stable")[: words - int(rows.sum())]  # the largest remainders
    rows[rest] += 1
    return dict(zip(RECIPES, rows.tolist(), strict=True))


def _targets(corpus: Corpus, options: TailOptions) -> np.ndarray:
    """(charset,) how often each character must occur."""
    if not isinstance(options.at_least, Mapping):
        return np.full(corpus.charset, options.at_least, np.int64)
    number = {character: n for n, character in enumerate(corpus.characters[: corpus.charset])}
    need = np.zeros(corpus.charset, np.int64)
    for character, wanted in options.at_least.items():
        if character not in number:
            mend = "Add it to the charset, in the Unicode form of `normalization`."
            raise RecipeError(f"The charset lacks {character!r}, which has a target", key="at_least", mend=mend)
        need[number[character]] = wanted
    return need


def _fit(corpus: Corpus) -> CharacterModel:
    words = different(corpus.words, corpus.texts(corpus.words).to_pylist())
    return fit_characters(words, len(corpus.characters))


def _repeated(times: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(times)), times)


def _shuffled(times: np.ndarray, *key: object) -> np.ndarray:
    characters = _repeated(times)
    return characters[np.argsort(uniforms(len(characters), 1, *key)[:, 0], kind="stable")]


def _as_rows(corpus: Corpus, options: TailOptions, made: _Made, model: str | None) -> TailWords:
    import pyarrow as pa
    import pyarrow.compute as pc
    from datasets import Dataset, Features, Value

    parts, reasons, changed = [], {}, 0
    for recipe in RECIPES:
        positions, words = made.words[recipe]
        texts = corpus.texts(words)
        altered = pc.not_equal(texts, corpus.texts(corpus.words.take(positions))).true_count if len(texts) else 0
        changed += altered if recipe in ("injected", "language_aware") else 0
        if len(texts):
            reasons[WHY[recipe]] = len(texts)
        by = model if recipe == "language_aware" else None
        columns = {
            "id": pa.array([f"{recipe}-{options.seed}-{n}" for n in range(len(texts))], pa.string()),
            "text": texts.cast(pa.string()),
            "mbdc_source": pa.array([recipe] * len(texts), pa.string()),
            "mbdc_parent_id": corpus.ids.take(pa.array(positions)).cast(pa.string()),
            "mbdc_model": pa.array([by] * len(texts), pa.string()),
            "mbdc_iteration": pa.nulls(len(texts), pa.string()),
        }
        parts.append(pa.table(columns))
    table = pa.concat_tables(parts).combine_chunks()
    features = Features({name: Value("string") for name in table.column_names})
    added = len(made.words["random"][1])
    for reason in corpus.rejected["reason"][:]:
        reasons[reason] = reasons.get(reason, 0) + 1
    record = StepRecord(
        name=NAME,
        pillar="model-guided synthesis",
        why="",
        model=model if made.words["language_aware"][0].size else None,
        kept=len(table) - changed - added,
        changed=changed,
        added=added,
        rejected=len(corpus.rejected),
        reasons=reasons,
    )
    return TailWords(Dataset(table.replace_schema_metadata(features.arrow_schema.metadata)), record, corpus.rejected)
