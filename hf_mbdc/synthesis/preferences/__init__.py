"""Preferences from scored completions: which one is chosen, which one is rejected, and what gives no pair at all."""
