"""Publish a dataset as a revision, read it back, check it, undo it: one verb a file."""
