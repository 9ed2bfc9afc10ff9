"""Nightly audits: which profile of a date is current, what is watched, what is kept."""
