"""Intervals, tests, floors and smallest detectable values, all from block sums."""
