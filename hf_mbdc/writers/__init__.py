"""Giving data to programs that expect another layout: one layout a file. Nothing is left out without being counted."""
