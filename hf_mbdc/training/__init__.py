"""Training and prediction of target models: `scripts/train_extractive_qa.py` and what launches it side by side."""
