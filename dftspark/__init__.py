"""dftspark measures how far a body of model text is from a body of human text, and where."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "audit",
    "compare",
    "embed",
    "history",
    "nightly",
    "open_run",
    "profile",
    "series",
    "session",
    "verdicts",
]

# Whoever imports the package decides what is done with what it logs.
logging.getLogger(__name__).addHandler(logging.NullHandler())

if TYPE_CHECKING:
    from dftspark.nights.calendar import history
    from dftspark.report.words.verdict import verdicts
    from dftspark.runs import audit, compare, embed, nightly, profile
    from dftspark.spark.session import session
    from dftspark.store.listing import open_run, series

_HOMES = {
    "audit": "runs",
    "compare": "runs",
    "embed": "runs",
    "history": "nights.calendar",
    "nightly": "runs",
    "profile": "runs",
    "open_run": "store.listing",
    "series": "store.listing",
    "session": "spark.session",
    "verdicts": "report.words.verdict",
}


def __getattr__(name: str) -> Any:
    """Imports a name when it is first asked for: reading a run must not import what computing one
    needs."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dftspark' has no attribute {name!r}; it has {__all__}")
    from importlib import import_module

    return getattr(import_module(f"dftspark.{_HOMES[name]}"), name)
