"""The command that starts this program again, as the user started it."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

NAME = "dftspark"


def program() -> str:
    """Returns `dftspark` if that is on the path, else what was typed: `.venv/bin/dftspark`, or
    `python -m dftspark` of this interpreter. From anywhere else, such as a notebook, returns
    `dftspark`."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py" and started.parent.name == NAME:
        return f"{_shown('python', Path(sys.executable))} -m {NAME}"
    return _shown(NAME, started) if started.stem == NAME else NAME


def _shown(name: str, file: Path) -> str:
    """Returns the name if it finds the file, else the file's path, relative if it lies below."""
    found = shutil.which(name)
    if found and Path(found).absolute() == file.absolute():
        return name
    whole = file.absolute()
    return shlex.quote(
        str(whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole)
    )
