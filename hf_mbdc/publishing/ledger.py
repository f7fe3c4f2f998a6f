"""`ledger`: what the iterations of a repository cost and gained, and what the next one is expected to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hf_mbdc.guidance.economy import Economy, keep_ledger
from hf_mbdc.publishing.history import log

if TYPE_CHECKING:
    from hf_mbdc.revisions.repositories.repository import Repository


def ledger(repo_id: str, *, unit: str = "cpu_hours", repository: str | Path | Repository | None = None) -> Economy:
    """The ledger of a repository: cost per accepted point, refused candidates included, and the forecast.

    Args:
        repo_id: `namespace/name`.
        unit: of cost: `wall_hours`, `cpu_hours`, `gpu_hours`, `model_calls`, `million_tokens`, or `money` by the
            prices of the recipe.
        repository: a folder, or `hub`; default the Hub of HF_ENDPOINT and HF_TOKEN.

    Raises:
        RecipeError: no such unit, or money without prices.
        RevisionNotFoundError: there is no such repository.

    Example:
        >>> ledger("me/receipts", repository="./repo").per_accepted_point  # doctest: +SKIP
        0.04
    """
    return keep_ledger(log(repo_id, repository=repository)[::-1], unit=unit)
