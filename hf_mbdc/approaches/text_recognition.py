"""Text recognition: how rare are the characters that a recogniser must learn from each text?

A recogniser of a script with thousands of characters fails on those that it hardly saw. This approach counts the
characters of the train split and tells every row, of every split, how rare its characters are there.
"""

from __future__ import annotations

import dataclasses
import itertools
import reprlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from hf_mbdc.approaches._checks import refuse_first
from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.transforms.character_frequencies import (
    BUCKETS,
    CharacterFrequencies,
    bucket_of,
    count_characters,
    row_frequencies,
)
from hf_mbdc.transforms.character_histogram import plain_strings
from hf_mbdc.transforms.character_rows import Form, Unit, cut_characters, split_characters

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from datasets import Dataset, DatasetDict, Features, IterableDataset

_COUNTED_ROWS = 100_000  # in memory at a time
NULL, EMPTY = "the text is null", "the text is empty"


@dataclass(frozen=True)
class TextRecognition:
    """Adds how often the characters of each text stand in the train split.

    Args:
        normalization: the Unicode form that texts are brought into before their characters are counted (`NFC`, `NFD`,
            `NFKC`, `NFKD`; None: as they stand). The texts themselves stay as they are.
        unit: `code_point`, or `grapheme` for extended grapheme clusters (Unicode Standard Annex 29): a letter with its
            marks, a flag, an emoji with its modifiers are one character each.
        few_below: a character that occurs less often is in the bucket `few`; the default, with that of `many_above`, is
            the usual one of long-tailed recognition (Liu et al. 2019, https://arxiv.org/abs/1904.05160).
        many_above: a character that occurs more often is in the bucket `many`; what lies between is `medium`.
        charset: the characters that the recogniser is to read, as a string or a list; those that never occur are
            `unseen`. Without it, what was counted is the charset.
        frequencies: what was counted. `annotate` counts by itself; `hf_mbdc.fit` gives an approach that has counted.

    Reads:
        `id`, `text` string. An `image` is not touched.

    Adds:
        `char_min_freq` (count of the rarest character) · `char_mean_logfreq` (mean of log(1 + count) over all
        characters) · `tail_chars` (the different characters of the bucket `few`, in the order of the text) · `bucket`
        (that of the rarest character: `many`, `medium`, `few`).

    Raises:
        RecipeError: an option is out of its range.

    Example:
        >>> approach = TextRecognition(few_below=2, many_above=2, frequencies={"characters": "가나", "counts": [3, 1]})
        >>> added = approach.transform({"id": ["0", "1"], "text": ["가나", "가"]})
        >>> added["char_min_freq"], added["tail_chars"], added["bucket"]
        ([1, 3], [['나'], []], ['few', 'many'])
    """

    name: ClassVar[str] = "text_recognition"
    why: ClassVar[str] = "A recogniser fails on characters that it hardly saw, which no text says of its characters."
    metric: ClassVar[str] = "word_accuracy"
    reference: ClassVar[str] = "text"  # the column that predictions are compared with
    asks: ClassVar[str | None] = None  # an image
    learns_from_streams: ClassVar[bool] = True
    meanings: ClassVar[Mapping[str, str]] = {
        "char_min_freq": "How often the rarest character of `text` stands in the train split.",
        "char_mean_logfreq": "Mean of log(1 + count) over the characters of `text`.",
        "tail_chars": "The characters of `text` that are rare in the train split.",
        "bucket": "many | medium | few: how frequent the rarest character is.",
    }

    normalization: Form | None = "NFC"
    unit: Unit = "code_point"
    few_below: int = 20
    many_above: int = 100
    charset: str | Sequence[str] = ()
    frequencies: CharacterFrequencies | None = None

    def __post_init__(self) -> None:
        if self.normalization is not None and self.normalization not in get_args(Form):
            _refuse("normalization", self.normalization, f"Take one of {', '.join(get_args(Form))}, or None.")
        if self.unit not in get_args(Unit):
            _refuse("unit", self.unit, f"Take one of {', '.join(get_args(Unit))}.")
        if type(self.few_below) is not int or self.few_below < 1:
            _refuse("few_below", self.few_below, "Take a whole number of at least 1.")
        if type(self.many_above) is not int or self.many_above < self.few_below:
            _refuse("many_above", self.many_above, "Take a whole number that is no smaller than few_below.")
        object.__setattr__(self, "frequencies", _as_frequencies(self.frequencies))
        given = self.charset
        if not isinstance(given, str | list | tuple) or not all(isinstance(character, str) for character in given):
            _refuse("charset", given, "Take a string, or a list of strings.")
        object.__setattr__(self, "charset", split_characters(given, self.normalization, self.unit))

    @cached_property
    def reads(self) -> Features:
        """The columns that must be there."""
        from datasets import Features, Value

        return Features({"id": Value("string"), "text": Value("string")})

    @cached_property
    def adds(self) -> Features:
        """The columns that `transform` returns."""
        from datasets import Features, List, Value

        return Features(
            {
                "char_min_freq": Value("int64"),
                "char_mean_logfreq": Value("float32"),
                "tail_chars": List(Value("string")),
                "bucket": Value("string"),
            }
        )

    def transform(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """The added columns of a batch.

        Raises:
            DataError: a text is null or empty (`annotate` sets such rows aside instead).
        """
        columns, reasons = self.try_transform(batch)
        refuse_first(batch["id"], reasons)
        return columns

    def try_transform(self, batch: Mapping[str, Sequence[Any]]) -> tuple[dict[str, list[Any]], list[str | None]]:
        """The added columns, and for each row why it cannot be annotated (its added values are then None), or None."""
        columns, reasons = self.transform_arrow({"text": _as_texts(batch["text"])})
        return {name: column.to_pylist() for name, column in columns.items()}, reasons.to_pylist()

    def transform_arrow(
        self, columns: Mapping[str, pa.Array | pa.ChunkedArray]
    ) -> tuple[dict[str, pa.Array], pa.Array]:
        """The same from and to Arrow: what `annotate` calls, as it makes no Python string of any text."""
        import pyarrow as pa
        import pyarrow.compute as pc

        given = columns["text"]
        texts = plain_strings(given.combine_chunks() if isinstance(given, pa.ChunkedArray) else given)
        rows = cut_characters(pc.fill_null(texts, "") if texts.null_count else texts, self.normalization, self.unit)
        found = row_frequencies(rows, self._counted(), self.few_below, self.many_above)
        added = {
            "char_min_freq": pa.array(found.least),
            "char_mean_logfreq": pa.array(found.mean_log),
            "tail_chars": found.tail,
            "bucket": pa.array(BUCKETS).take(pa.array(found.bucket)),
        }
        if rows.sizes.all():
            return added, pa.nulls(len(texts), pa.string())
        reasons = pc.if_else(
            pc.is_null(texts), NULL, pc.if_else(pa.array(rows.sizes == 0), EMPTY, pa.scalar(None, pa.string()))
        )
        unsound = pc.is_valid(reasons)
        added = {name: pc.if_else(unsound, pa.scalar(None, part.type), part) for name, part in added.items()}
        return added, reasons

    @property
    def learns(self) -> bool:
        """Whether there is something to learn from data before `transform` can work."""
        return self.frequencies is None

    def fit(self, splits: Mapping[str | None, Dataset | IterableDataset]) -> TextRecognition:
        """This approach with the frequencies of the train split; `hf_mbdc.fit` calls it.

        A single dataset, which is no dict of splits, is counted whatever its split. A stream is read once for this.

        Raises:
            DataError: there are several splits and none is `train`, or the texts have no characters.
        """
        if "train" not in splits and len(splits) > 1:
            raise DataError(
                "There is no train split whose characters could be counted",
                mend=f"Name one train, or fit on one: hf_mbdc.fit(ds[{next(iter(splits))!r}], approach).",
            )
        split = "train" if "train" in splits else next(iter(splits))
        counted = count_characters(_texts(splits[split]), self.normalization, self.unit)
        if not counted.characters:
            raise DataError("No text has a character", split=split, column="text", mend="Give texts to count.")
        return dataclasses.replace(self, frequencies=counted)

    def options(self) -> dict[str, Any]:
        """The options as plain data, for a manifest."""
        return dataclasses.asdict(self)

    def target_settings(self) -> dict[str, Any]:
        """What the loop sets of a training: the target reads the charset and what was counted, whatever its rows hold.

        So parent and candidate have the same outputs and begin with the same weights.
        """
        characters = dict.fromkeys([*self.charset, *self._counted().characters])
        return {"charset": "\n".join(characters), "normalization": self.normalization or "none", "unit": self.unit}

    def misses(self, predictions: Sequence[str], references: Sequence[str]) -> Counter[str]:
        """Character → how often it stands in a reference and was not read there."""
        from hf_mbdc.metrics.recognition import confusions

        return confusions(self.cut(predictions), self.cut(references), None).errors()

    def occurrences(self, texts: Sequence[str]) -> Counter[str]:
        """Character → how often it stands in texts."""
        return Counter(itertools.chain.from_iterable(self.cut(texts)))

    def count_statuses(self, ds: DatasetDict) -> dict[str, int]:
        """How many rows of an annotated dataset are in each bucket."""
        counts = Counter(bucket for split in ds.values() for bucket in split["bucket"][:])
        return dict(sorted(counts.items()))

    def score(self, predictions: Sequence[str], references: Sequence[str]) -> dict[str, np.ndarray]:
        """The scores (rows,) of what a recogniser read: `word_accuracy`, and `cer` of which less is better.

        Both texts are brought into the approach's Unicode form first. What is no mean of rows (F1 by bucket,
        confusions) is in `hf_mbdc.metrics.recognition`.
        """
        from hf_mbdc.metrics.recognition import cer_scores, word_accuracy_scores

        return {
            "word_accuracy": word_accuracy_scores(predictions, references, self.normalization),
            "cer": cer_scores(self.cut(predictions), self.cut(references), None),
        }

    def bucket_scores(
        self, predictions: Sequence[Sequence[str]], references: Sequence[str], clusters: Sequence[object]
    ) -> dict[str, tuple[float, float, float]]:
        """F1 of the characters of each bucket of frequency, with its 95 % interval; buckets without characters are left
        out.

        Args:
            predictions: (models, rows) of one or several trainings.
            references: (rows,) the truth.
            clusters: (rows,) what rows have in common; they are resampled as a whole.

        Returns:
            `all`, `many`, `medium`, `few` → F1 and the ends of its interval.
        """
        from hf_mbdc.metrics.recognition import char_f1

        found = char_f1(
            self.cut([text for one in predictions for text in one]),
            self.cut(references) * len(predictions),
            self._counted().by_character,
            few_below=self.few_below,
            many_above=self.many_above,
            normalization=None,
            clusters=list(clusters) * len(predictions),
        )
        return {bucket: (one.value, one.low, one.high) for bucket, one in found.items() if one.value == one.value}

    def cut(self, texts: Sequence[str]) -> list[list[str]]:
        """The characters of texts, as the approach counts them."""
        import pyarrow as pa

        rows = cut_characters(pa.array(texts, pa.large_string()), self.normalization, self.unit)
        names = [rows.name(code) for code in rows.codes.tolist()]
        return [names[begin:end] for begin, end in itertools.pairwise(rows.offsets.tolist())]

    @property
    def unseen(self) -> list[str]:
        """The characters of the charset that never occur, in its order."""
        return [character for character in self.charset if character not in self._counted().by_character]

    def frequency_table(self) -> Dataset:
        """All characters, those of the charset that never occur among them, the most frequent first.

        Returns:
            A `Dataset` with `character`, `code_points` (as `U+AC00`, with spaces between several), `count`, `share` (of
            all characters counted), `bucket`, and `in_charset` (always true where no charset was given).
        """
        import numpy as np
        from datasets import Dataset, Features, Value

        counted, unseen, wanted = self._counted(), self.unseen, set(self.charset)
        characters = [*counted.characters, *unseen]
        counts = np.array([*counted.counts, *[0] * len(unseen)], np.int64)
        columns = {
            "character": characters,
            "code_points": [" ".join(f"U+{ord(point):04X}" for point in character) for character in characters],
            "count": counts,
            "share": counts / counts.sum(),
            "bucket": [BUCKETS[n] for n in bucket_of(counts, self.few_below, self.many_above)],
            "in_charset": [not wanted or character in wanted for character in characters],
        }
        types = ("string", "string", "int64", "float64", "string", "bool")
        features = Features({name: Value(kind) for name, kind in zip(columns, types, strict=True)})
        return Dataset.from_dict(columns, features=features)

    def _counted(self) -> CharacterFrequencies:
        if self.frequencies is None:
            raise RecipeError(
                "The characters have not been counted yet",
                key="frequencies",
                mend="Let them: approach = hf_mbdc.fit(dataset, approach). hf_mbdc.annotate does so by itself.",
            )
        return self.frequencies


def _as_frequencies(given: object) -> CharacterFrequencies | None:
    """What was counted, also where a recipe gives it as a mapping of lists; `RecipeError` for anything else."""
    if given is None or isinstance(given, CharacterFrequencies):
        return given
    if isinstance(given, Mapping) and given.keys() == {"characters", "counts"}:
        return CharacterFrequencies(**given)
    mend = "Leave it out, or give {characters: [가, 나], counts: [3, 1]}; hf_mbdc.fit counts by itself."
    raise RecipeError(f"frequencies is {reprlib.repr(given)}", key="frequencies", mend=mend)


def _refuse(key: str, value: object, mend: str) -> None:
    raise RecipeError(f"{key} is {value!r}", key=key, mend=mend)


def _texts(ds: Dataset | IterableDataset) -> Iterator[pa.Array]:
    """The column `text`, some rows at a time.

    Raises:
        DataError: a stream, whose columns and types are seen as they come, has no texts.
    """
    import pyarrow as pa

    if ds.features is not None:
        for table in ds.select_columns(["text"]).with_format("arrow").iter(_COUNTED_ROWS):
            yield pa.chunked_array(table["text"].chunks, table["text"].type).combine_chunks()
        return
    try:  # by Python's values: rows with a null are of another Arrow type than rows with a text
        for batch in ds.with_format(None).iter(_COUNTED_ROWS):
            yield _as_texts(batch["text"])
    except KeyError as error:
        what = f"A row of the stream has no {error.args[0]!r}"
        raise DataError(what, column=error.args[0], mend="Give all rows the same columns.") from None


def _as_texts(values: Sequence[Any]) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array(values, pa.large_string())
    except pa.ArrowTypeError as error:
        raise DataError(f"There is something else than texts: {error}", column="text", mend="Give texts.") from None
