"""What the loop asks of an approach whose target model is trained and scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from hf_mbdc.approaches._annotate import Approach

if TYPE_CHECKING:
    import numpy as np
    from datasets import DatasetDict


class TargetApproach(Approach, Protocol):
    """An approach with a target model."""

    @property
    def why(self) -> str:
        """Why a task needs its columns, in a sentence."""
        ...

    @property
    def metric(self) -> str:
        """The score that decides."""
        ...

    @property
    def reference(self) -> str:
        """The column that predictions are scored against."""
        ...

    @property
    def asks(self) -> str | None:
        """The column that says what is asked of the target; None where an image is."""
        ...

    def target_settings(self) -> dict[str, Any]:
        """Fields of the training's settings that the loop sets, whatever a recipe says."""
        ...

    def score(self, predictions: Sequence[str], references: Sequence[Any]) -> dict[str, np.ndarray]:
        """Metric → (rows,) scores."""
        ...

    def options(self) -> dict[str, Any]:
        """The options as plain data, for a manifest."""
        ...

    def count_statuses(self, ds: DatasetDict) -> dict[str, int]:
        """How many annotated rows there are of each kind."""
        ...
