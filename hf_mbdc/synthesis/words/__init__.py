"""What `tail_characters` is made of: the corpus and draws from it, targets that are met, a character language model."""
