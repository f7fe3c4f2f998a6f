"""What changed between two revisions of a dataset, by key, and how it is told."""
