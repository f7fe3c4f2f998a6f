"""A repository as one web page."""
