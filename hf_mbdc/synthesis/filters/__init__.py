"""Filters for texts that a model made: which rows are fit to train on, and why the others are not.

`filter_rows` runs them; each is a function of texts in a file of its own.
"""

from hf_mbdc.synthesis.filters.made_rows import FilterResult, filter_rows
from hf_mbdc.synthesis.filters.options import FilterOptions
from hf_mbdc.synthesis.filters.pii import mask_pii

__all__ = ["FilterOptions", "FilterResult", "filter_rows", "mask_pii"]
