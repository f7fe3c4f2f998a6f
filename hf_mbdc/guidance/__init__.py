"""Guidance: did the target model gain from the new data, is that enough to publish it, and what did it cost."""
