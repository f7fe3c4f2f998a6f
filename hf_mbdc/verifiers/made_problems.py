"""Whether a completion solves a problem of the loader `made_problems`: the prompt says all that there is to know."""

from __future__ import annotations

from collections import Counter

ARTICLES = ("a", "the")
ADJECTIVES = ("big", "small", "old", "red", "grey", "quick", "calm", "tired")
NOUNS = ("cat", "dog", "bird", "horse", "fox", "goat", "bear", "mouse", "frog", "snake")
VERBS = ("sees", "hears", "likes", "chases", "follows", "finds")
WORDS = {"a": ARTICLES, "j": ADJECTIVES, "n": NOUNS, "v": VERBS}
KINDS = {word: kind for kind, words in WORDS.items() for word in words}
# Article, perhaps an adjective, noun; verb; and the same once more.
SENTENCES = frozenset({"anvan", "ajnvan", "anvajn", "ajnvajn"})


def is_right(completion: str, prompt: str) -> float:
    """Whether a completion solves a made problem: a verifier, with the prompt as its reference.

    Args:
        completion: what a model wrote; white space does not matter.
        prompt: of `hf_mbdc.loaders.made_problems.make_problem`.

    Returns:
        1 or 0. Every completion can be judged, so that none is NaN.

    Example:
        >>> is_right("the dog sees a big cat", "write big cat sees a the dog"), is_right("1 2 9", "sort 9 1 1")
        (1.0, 0.0)
    """
    family, *given = prompt.split()
    words = completion.split()
    if family == "sort":
        return float(words == sorted(given))
    if family == "reverse":
        return float(words == given[::-1])
    pattern = "".join(KINDS.get(word, "?") for word in words)
    return float(Counter(words) == Counter(given) and pattern in SENTENCES)
