"""The jobs for spark-submit and the examples of schedulers and clusters, which the wheel brings."""

from __future__ import annotations

import shutil
from pathlib import Path

from dftspark.errors import ConfigError, EnvironmentProblem

FOLDERS = ("jobs", "conf")
_HERE = Path(__file__).resolve().parent


def folder() -> Path:
    """Returns the folder that has `jobs` and `conf`: in the wheel, or of the source tree."""
    return next(place for place in (_HERE / "_recipes", _HERE.parent) if (place / "jobs").is_dir())


def copy(target: Path) -> list[Path]:
    """Copies both folders into `target`; returns the files.

    Raises ConfigError if one of them is there already, EnvironmentProblem if they cannot be
    written.
    """
    present = [str(target / name) for name in FOLDERS if (target / name).exists()]
    if present:
        raise ConfigError(f"{present[0]} is there already; name another folder or remove it")
    try:
        for name in FOLDERS:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(folder() / name, target / name, ignore=ignored)
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {target}: {error.strerror}") from error
    return sorted(path for name in FOLDERS for path in (target / name).iterdir())
