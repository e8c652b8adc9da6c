"""Grids of runs: the paper's tables and figures, and a user's own; and where they run."""
