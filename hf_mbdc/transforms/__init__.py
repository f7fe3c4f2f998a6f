"""Pure functions on texts, spans, boxes and rows, for `Dataset.map` and wherever else a batch of rows comes along."""
