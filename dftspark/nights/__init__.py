"""Audits of every night: which profile of a date holds, what is watched, what is kept."""
