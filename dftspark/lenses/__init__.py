"""Lenses, which turn two profiles into numbers: pure functions of stored states."""
