"""Verifiers say whether a completion is right, by a rule that no model can talk round.

A verifier is called with a completion and a reference and gives 1 (right), 0 (wrong) or NaN (it cannot be read, which
is neither). `score_completions` puts its scores beside the completions of a dataset, for `build_pairs`.
"""

from hf_mbdc.verifiers.exact_answer import ExactAnswer
from hf_mbdc.verifiers.rules import MetricAtLeast, Pattern
from hf_mbdc.verifiers.scores import Verifier, score_completions
from hf_mbdc.verifiers.unit_test import UnitTest

__all__ = ["ExactAnswer", "MetricAtLeast", "Pattern", "UnitTest", "Verifier", "score_completions"]
