"""The stages of a run: each takes a run in the making and adds its tables."""
