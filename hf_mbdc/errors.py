"""Every error that hf_mbdc raises on purpose: what is wrong, where, and how to mend it.

One base class, one subclass per kind of thing that can be wrong. The fields stay on the exception, so that a program
can act on them (`error.where["id"]`) and the command line can print them without a traceback.
"""

from __future__ import annotations


class MbdcError(Exception):
    """Base of all errors of this package.

    Args:
        what: one sentence without a full stop that says what is wrong.
        mend: one sentence that says what to do about it.
        **where: the place (`split`, `id`, `column`, `key`, `path`, `line`, …); `None` values are left out.

    Example:
        >>> error = DataError("Two rows have the same id", split="train", id="000-total", mend="Make ids unique.")
        >>> print(error)
        Two rows have the same id (split 'train', id '000-total'). Make ids unique.
        >>> error.where["id"]
        '000-total'
    """

    def __init__(self, what: str, *, mend: str = "", **where: object) -> None:
        self.what = what
        self.mend = mend
        self.where = {name: value for name, value in where.items() if value is not None}
        super().__init__(what)

    def __str__(self) -> str:
        place = ", ".join(f"{name} {value!r}" for name, value in self.where.items())
        return f"{self.what}{f' ({place})' if place else ''}.{f' {self.mend}' if self.mend else ''}"

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, which Dataset.map(num_proc=…) relies on.
        return _rebuild, (type(self), self.what, self.mend, self.where)


def _rebuild(kind: type[MbdcError], what: str, mend: str, where: dict[str, object]) -> MbdcError:
    return kind(what, mend=mend, **where)


class RecipeError(MbdcError):
    """A recipe, or an option given in its place, is unknown, misspelt or of the wrong type."""


class DataError(MbdcError):
    """A file, a dataset, a split, a column or a row is not what it should be."""


class RepositoryError(MbdcError):
    """A repository is missing, is not one, or cannot be written."""


class RevisionNotFoundError(RepositoryError):
    """The revision that was asked for does not exist in the repository."""


class StaleParentError(RepositoryError):
    """The repository moved on since its parent revision was read."""


class IntegrityError(RepositoryError):
    """The data of a revision is not what its manifest says."""


class TrainingError(MbdcError):
    """A target model could not be loaded, trained or evaluated."""


class GenerationError(MbdcError):
    """A model could not be asked for completions, or did not answer as it must."""
