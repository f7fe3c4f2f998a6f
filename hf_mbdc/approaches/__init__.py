"""What one approach needs and a task does not: columns, how they are made, and how its target model is scored.

One file an approach, named as it is. An approach is a frozen dataclass: its fields are its options; `name`, `why`,
`metric` and `meanings` are class variables; `reads` and `adds` are `Features`; `try_transform(batch)` returns the added
columns and, per row, why it could not be handled (or None); `transform_arrow`, where there is one, does the same on
Arrow columns and is what `annotate` then calls. A new approach is one new file here and nothing else.
"""

from hf_mbdc.approaches._annotate import Approach, annotate, annotate_with_rejected
from hf_mbdc.approaches._checks import reason_kind
from hf_mbdc.approaches._find import find_approaches, make_approach
from hf_mbdc.approaches._fit import fit
from hf_mbdc.approaches._target import TargetApproach

__all__ = [
    "Approach",
    "TargetApproach",
    "annotate",
    "annotate_with_rejected",
    "find_approaches",
    "fit",
    "make_approach",
    "reason_kind",
]
