"""What the command line prints: rich tables."""
