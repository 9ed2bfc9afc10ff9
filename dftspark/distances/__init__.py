"""Distances between two corpora: pure functions of their rates or of their additive sums."""
