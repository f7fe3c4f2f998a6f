"""What `filter_rows` looks at, and which rows it refuses."""

from __future__ import annotations

from dataclasses import dataclass

from hf_mbdc.errors import RecipeError


@dataclass(frozen=True)
class FilterOptions:
    """Which filters judge made rows. Duplicates and contamination harm any data and are looked for unless told not to;
    the others depend on what the data are for.

    Args:
        columns: texts that are judged: strings, lists of strings or messages. A row needs a text in every one.
        near_duplicates: ROUGE-L F (0 to 1) from which a row is a near-duplicate; None keeps them.
        contamination: words of an n-gram that no row may have in common with an evaluation row; None allows it.
        refusals: whether rows that refuse, or speak as an assistant, are refused.
        refusal_patterns: further regular expressions of refusals, looked for in the first 200 characters of a text.
        repetition: whether texts that repeat themselves are refused, by the rules of Gopher. They are made for prose:
            code and tables repeat themselves.
        languages: ISO 639-1 codes, such as `en`: rows with a text in another language are refused; none allows all.
        mask_pii: whether e-mail addresses, phone, card, account and resident numbers and IP addresses are masked in
            the columns. All filters see the masked texts, of the pool and of evaluation rows, too.

    Raises:
        RecipeError: an option is out of its range.

    Example:
        >>> FilterOptions(columns=["prompt", "completion"], near_duplicates=0.7, refusals=True).columns
        ('prompt', 'completion')
    """

    columns: tuple[str, ...] | list[str]
    near_duplicates: float | None = 0.7
    contamination: int | None = 13
    refusals: bool = False
    refusal_patterns: tuple[str, ...] = ()
    repetition: bool = False
    languages: tuple[str, ...] = ()
    mask_pii: bool = False

    def __post_init__(self) -> None:
        from hf_mbdc.synthesis.filters.refusals import compile_patterns

        for name in ("columns", "refusal_patterns", "languages"):
            if isinstance(value := getattr(self, name), str):
                raise RecipeError("It is a list, not a text", key=name, value=value, mend=f"Write [{value!r}].")
            object.__setattr__(self, name, tuple(value))
        if not self.columns or len(set(self.columns)) < len(self.columns):
            mend = "Name the columns whose texts are judged, each once."
            raise RecipeError("There is no column to judge, or one twice", key="columns", mend=mend)
        if self.near_duplicates is not None and not 0 < self.near_duplicates <= 1:
            mend = "Give a ROUGE-L above 0 and at most 1, such as 0.7."
            raise RecipeError("It is no share", key="near_duplicates", value=self.near_duplicates, mend=mend)
        if self.contamination is not None and (type(self.contamination) is not int or self.contamination < 1):
            mend = "13 is what GPT-3 took; fewer words find more, and more that is no copy."
            raise RecipeError(
                "An n-gram has at least one word", key="contamination", value=self.contamination, mend=mend
            )
        if self.refusal_patterns and not self.refusals:
            raise RecipeError("Patterns of refusals are given, and none is refused", key="refusals", mend="Say true.")
        compile_patterns(self.refusal_patterns)
