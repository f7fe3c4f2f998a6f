"""Prompts of the methods: Jinja files that a user can replace one by one."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from hf_mbdc.errors import RecipeError

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGED = Path(__file__).parent / "prompts"


def render_prompt(name: str, folder: str | Path | None = None, **values: object) -> str:
    """A prompt with values filled in.

    Args:
        name: of the file, without `.jinja`.
        folder: of the user's own prompts; what is not there is taken from the package.
        **values: what the prompt may name. They are put in as they are: what is in data is never read as a template.

    Raises:
        RecipeError: the prompt is no Jinja, or names a value that there is not.

    Example:
        >>> print(render_prompt("rephrase", question="Why is the sky blue?").splitlines()[-1])
        Why is the sky blue?
    """
    from jinja2 import TemplateError

    try:
        return _environment(None if folder is None else str(folder)).get_template(f"{name}.jinja").render(**values)
    except TemplateError as error:
        mend = f"The packaged one names {', '.join(values)}."
        what = f"The prompt {name}.jinja cannot be written: {error}"
        raise RecipeError(what, key="prompts", path=None if folder is None else str(folder), mend=mend) from error


@functools.cache
def _environment(folder: str | None) -> Environment:
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    folders = [*([folder] if folder else []), str(PACKAGED)]
    # Prompts are no HTML: nothing is escaped.
    return SandboxedEnvironment(loader=FileSystemLoader(folders), undefined=StrictUndefined, trim_blocks=True)
