"""Words with counts, such as those of FrequencyWords (github.com/hermitdave/FrequencyWords), to draw words from.

`data_dir` is a text file, or a folder with one that the option `words` names, one word a line: `word count` (divided by
blanks or a tab), or words alone, which count 1 each. The first line says which of the two it is.

No word is on two sides: the splits share the words among them (`split_fractions` of the different words), and the rows
of a split are draws from its own. `drawn` says how a row was drawn:

- `natural`: in proportion to the counts, so that frequent words come often, as in a running text;
- `even`: every word once before one comes twice, so that rare words (and their characters) weigh as much as others.

A row's word follows from the seed, its number and the file alone: with more rows asked for, the first ones stay.

Set aside: a line that is not UTF-8, that is not like the first one or has a blank inside its word, a count below 1, a
word that was there before, and those that the filters leave out.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import datasets
import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.loaders import files
from hf_mbdc.loaders.builder import Document, DocumentBuilder, DocumentConfig, Finding, check_whole_number
from hf_mbdc.loaders.splits import SPLITS, assign
from hf_mbdc.transforms.draws import bits, row_keys, uniform

if TYPE_CHECKING:
    import regex

LAYOUT = "a text file with one word a line, alone or with its count behind it"
NATURAL, EVEN = "natural", "even"
FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "text": datasets.Value("string"),
        "count": datasets.Value("int64"),
        "drawn": datasets.Value("string"),
    }
)


@dataclass(frozen=True)
class CountedWord:
    """A word (in Unicode form NFC) and how often it occurs."""

    text: str
    count: int


@dataclass
class WordListConfig(DocumentConfig):
    """Options of `word_list`.

    Args:
        words: the file's name, where `data_dir` is a folder.
        natural: rows of train, validation and test that are drawn in proportion to the counts.
        even: rows of train, validation and test that are drawn evenly.
        script: only words whose characters all belong to this Unicode script, such as `"Hangul"`.
        charset: only words whose characters are all among these.
        max_characters: only words of at most so many characters.
    """

    split_by: str = "word"
    words: str = ""
    natural: tuple[int, int, int] = (12_000, 1_000, 2_000)
    even: tuple[int, int, int] = (0, 1_000, 2_000)
    script: str | None = None
    charset: str = ""
    max_characters: int | None = None

    SPLIT_BY: ClassVar[tuple[str, ...]] = ("word",)

    def __post_init__(self) -> None:
        self.natural = check_numbers("natural", self.natural)
        self.even = check_numbers("even", self.even)
        if self.script is not None:
            check_script(self.script)
        if not isinstance(self.charset, str):
            raise RecipeError("charset is no text", key="charset", mend="Give its characters, one behind the other.")
        if self.max_characters is not None:
            check_whole_number("max_characters", self.max_characters, at_least=1)
        super().__post_init__()
        for split, fraction, *numbers in zip(SPLITS, self.split_fractions, self.natural, self.even, strict=True):
            if fraction > 0 and not sum(numbers):
                mend = "Give natural or even a number of rows there, or split_fractions a 0."
                raise RecipeError(f"No row of {split} is drawn", key="natural", mend=mend)

    @property
    def file(self) -> Path:
        """The file of words; `DataError` where there is none."""
        path = files.open_folder(self.data_dir, "word_list", LAYOUT)
        if self.words and path.is_dir():
            path = files.inside(path, self.words)
            if not path.is_file():
                mend = f"Give the folder that holds {LAYOUT}, or its name in the option words."
                raise DataError("The folder has no such file", data_dir=self.data_dir, words=self.words, mend=mend)
        elif not path.is_file():
            mend = f"Give the path of {LAYOUT}, or its name in the option words."
            raise DataError("This is a folder", data_dir=self.data_dir, mend=mend)
        return path

    def hash_inputs(self) -> str:
        """Of the file."""
        return files.content_hash(self.file.parent, [self.file])

    @cached_property
    def allowed(self) -> frozenset[str]:
        """The characters of the charset; empty: all."""
        return frozenset(unicodedata.normalize("NFC", self.charset))

    @cached_property
    def pattern(self) -> regex.Pattern[str] | None:
        """What a word of the script looks like."""
        return None if self.script is None else check_script(self.script)


def check_numbers(key: str, numbers: object) -> tuple[int, int, int]:
    """Three whole numbers of at least 0, or `RecipeError`."""
    if not isinstance(numbers, list | tuple) or len(numbers) != len(SPLITS):
        mend = "Give three numbers of rows, of train, validation and test, such as [12000, 1000, 2000]."
        raise RecipeError(f"{key} is {numbers!r}", key=key, mend=mend)
    for number in numbers:
        check_whole_number(key, number, at_least=0)
    train, validation, test = numbers
    return train, validation, test


def check_script(script: object) -> regex.Pattern[str]:
    """The pattern of words in a script; `RecipeError` unless Unicode has one of this name."""
    import regex

    mend = 'Name one of Unicode, such as "Hangul", "Thai" or "Devanagari".'
    if not isinstance(script, str) or not script.replace("_", "").isalpha():
        raise RecipeError(f"script is {script!r}", key="script", mend=mend)
    try:
        return regex.compile(rf"\p{{Script={script}}}+")
    except regex.error:
        raise RecipeError(f"There is no script {script!r}", key="script", mend=mend) from None


class WordList(DocumentBuilder):
    """The builder of `word_list`; see the head of this file. A document is a drawn row."""

    BUILDER_CONFIG_CLASS = WordListConfig
    FEATURES = FEATURES

    def find(self) -> Iterator[Document | Finding]:
        """What was set aside, and the rows of all splits, the natural ones first."""
        config: WordListConfig = self.config
        words: list[CountedWord] = []
        for item in read_words(config.file):
            reason = reason_against(item, config) if isinstance(item, CountedWord) else None
            if isinstance(item, Finding):
                yield item
            elif reason:
                yield Finding(item.text, "rejected", reason)
            else:
                words.append(item)
        if not words:
            return
        sides = assign([[word.text] for word in words], config.split_fractions, config.seed)
        for split, natural, even in zip(SPLITS, config.natural, config.even, strict=True):
            own = [word for word, side in zip(words, sides, strict=True) if side == split]
            if own:
                yield from as_rows(draw_natural(own, natural, split, config.seed), split, NATURAL)
                yield from as_rows(draw_even(own, even, config.seed), split, EVEN)

    def rows(self, document: Document) -> Iterator[dict[str, Any] | Finding]:
        """The one row of a draw."""
        word: CountedWord = document.source
        drawn = document.document_id.split("-")[1]
        yield {"id": document.document_id, "text": word.text, "count": word.count, "drawn": drawn}


def read_words(path: Path) -> Iterator[CountedWord | Finding]:
    """The words of a file in their order, and the lines that are set aside."""
    content = files.without_mark(files.read_bytes(path.parent, path.name), path.name)
    lines = [(number, line.strip(b" \t\r")) for number, line in enumerate(content.split(b"\n"), start=1)]
    lines = [(number, line) for number, line in lines if line]
    counted = bool(lines) and lines[0][1].split()[-1].isdigit() and len(lines[0][1].split()) == 2
    seen: set[str] = set()
    for number, line in lines:
        try:
            word = parse_line(line, counted, path.name, number)
            if word.text in seen:
                raise DataError(f"The word {word.text!r} was there before", path=path.name, line=number)
        except DataError as error:
            yield Finding(f"line {number}", "rejected", str(error))
            continue
        seen.add(word.text)
        yield word


def parse_line(line: bytes, counted: bool, path: str, number: int) -> CountedWord:
    """A line as a word with its count.

    Example:
        >>> parse_line("내가 39801".encode(), True, "ko_50k.txt", 1)
        CountedWord(text='내가', count=39801)
        >>> parse_line("나무".encode(), False, "words.txt", 1)
        CountedWord(text='나무', count=1)

    Raises:
        DataError: it is not UTF-8, has no count or one below 1, or a blank or control character inside the word.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"Not UTF-8 at byte {error.start}", path=path, line=number) from None
    parts = text.replace("\t", " ").rsplit(" ", 1) if counted else [text, "1"]
    if len(parts) < 2 or not (parts[1].isascii() and parts[1].isdigit()):
        raise DataError(f"The line {text!r} has no count behind a word", path=path, line=number)
    word = unicodedata.normalize("NFC", parts[0].strip())
    if not word or word.split() != [word]:
        raise DataError(f"The line {text!r} has no word, or several", path=path, line=number)
    if any(unicodedata.category(character) == "Cc" for character in word):
        raise DataError(f"The word {word!r} has a control character", path=path, line=number)
    if len(parts[1]) > 18 or int(parts[1]) < 1:
        raise DataError(f"The count of {word!r} is not from 1 to 10¹⁸", path=path, line=number)
    return CountedWord(word, int(parts[1]))


def reason_against(word: CountedWord, config: WordListConfig) -> str | None:
    """Why the filters leave a word out, or None."""
    if config.pattern is not None and not config.pattern.fullmatch(word.text):
        return f"Not all characters are of the script {config.script}."
    if config.allowed and not config.allowed.issuperset(word.text):
        return "The charset lacks a character of it."  # one reason, for they are counted
    if config.max_characters is not None and len(word.text) > config.max_characters:
        return f"It has more than {config.max_characters} characters."
    return None


def draw_natural(words: Sequence[CountedWord], rows: int, split: str, seed: int) -> list[CountedWord]:
    """Words in proportion to their counts, with repetition; row n follows from the seed, the split and n."""
    ends = np.cumsum([word.count for word in words], dtype=np.float64)
    keys = row_keys([f"{split}-{NATURAL}-{n}" for n in range(rows)], seed)
    found = np.searchsorted(ends, uniform(keys, 0) * ends[-1], side="right")
    return [words[n] for n in np.minimum(found, len(words) - 1).tolist()]


def draw_even(words: Sequence[CountedWord], rows: int, seed: int) -> list[CountedWord]:
    """All words in an order that the seed and each word decide, and from the start again where they are too few."""
    order = np.argsort(bits(row_keys([word.text for word in words], seed), 0), kind="stable").tolist()
    return [words[order[n % len(order)]] for n in range(rows)]


def as_rows(words: Sequence[CountedWord], split: str, drawn: str) -> Iterator[Document]:
    """Draws with the ids of their rows."""
    for number, word in enumerate(words):
        yield Document(f"{split}-{drawn}-{number}", (), word, side=split)
