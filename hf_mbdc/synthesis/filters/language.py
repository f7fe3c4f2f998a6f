"""The language of texts, by py3langid (a fork of langid.py, Lui & Baldwin 2012): over 100 languages, offline."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hf_mbdc.errors import MbdcError, RecipeError

LEAST_LETTERS = 20  # of a text that is judged: shorter ones, and formulas, are taken for any language
READ = 1000  # characters of a text that are enough to tell
LIKELIER = 10  # times that another language is likelier than all wanted ones together, from which it counts
NO_LANGUAGE = "zxx"  # code for a text that is in none, such as a table of numbers


def find_other_languages(texts: Sequence[str], languages: Sequence[str]) -> list[str]:
    """The language of each text that is in none of the wanted ones, "" for the others.

    A text of fewer than 20 letters is not judged. For another one a language must be ten times as likely as all wanted
    ones together: names and numbers make many languages a little likely.

    Args:
        languages: ISO 639-1 codes, such as `en` and `ko`.

    Raises:
        MbdcError: py3langid is not installed.
        RecipeError: it does not know a language, or none is given.

    Example:
        >>> texts = ["She sold half as many clips in May.", "Im Mai hat sie nur halb so viele verkauft.", "x = 7"]
        >>> find_other_languages(texts, ["en"])
        ['', 'de', '']
    """
    try:
        from py3langid import langid
    except ImportError as error:
        mend = 'Install it: pip install "hf-mbdc[language]".'
        raise MbdcError("Telling languages needs py3langid", mend=mend) from error
    identifier = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
    unknown = sorted(set(languages) - set(identifier.labels))
    if unknown or not languages:
        mend = f"Take some of {', '.join(sorted(identifier.labels))}."
        what = "The language is not known" if unknown else "No language is wanted"
        raise RecipeError(what, key="languages", value=unknown or None, mend=mend)
    return [_other(text, languages, identifier.rank) for text in texts]


def _other(text: str, languages: Sequence[str], rank: Callable[[str], list[tuple[str, float]]]) -> str:
    if sum(map(str.isalpha, text)) < LEAST_LETTERS:
        return ""
    ranked = rank(text[:READ])
    language, probability = ranked[0]
    wanted = sum(share for name, share in ranked if name in languages)
    return "" if language in (*languages, NO_LANGUAGE) or probability < LIKELIER * wanted else language
