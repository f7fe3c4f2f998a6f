"""A person looks at doubtful labels: one HTML page to judge them on, and the judgements read back and applied."""
