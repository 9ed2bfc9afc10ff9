"""What ends the work of a process without Spark, which begins again on Spark."""

from __future__ import annotations


class NeedsSpark(Exception):
    """Says that a run which was begun in this process is one for Spark, and why."""
