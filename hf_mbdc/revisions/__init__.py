"""Revisions of a dataset: where they live, what changed between them, and what a reader is told about them."""
