"""What a reader is told about a version: the dataset card, the changelog and Croissant, all from the record."""
