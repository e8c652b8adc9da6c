"""Scores of a generator or of image files, each with its whole protocol."""
