"""Leaves these tests out where the extra `page` is not installed, and says so."""

from __future__ import annotations

from importlib.util import find_spec

_MISSING = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
collect_ignore_glob = ["test_*.py"] if _MISSING else []


def pytest_report_header() -> str:
    return f"WRITING PAGE NOT TESTED: no {', '.join(_MISSING)}" if _MISSING else ""
