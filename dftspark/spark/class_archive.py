"""An archive of the classes that Spark loads, with which its Java starts in half the time.

A local run loads some twenty thousand classes, and each is read, verified and laid out anew. Java
can keep the laid-out classes in a file (JEP 350), and ignores one made by another Java or Spark.

State    one file of about 200 MB for each Java and Spark, in the user's cache folder
Cost     making it takes a minute or two: an audit of the bundled sample, and Java writing it at
         its end
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyspark

from dftspark import sample
from dftspark.errors import EnvironmentProblem
from dftspark.java import cache, ensure_java

_QUIET = "-Xlog:cds*=off -Xlog:class*=off"
_MAKING = "DFTSPARK_CLASS_ARCHIVE"
_SECONDS = 600


def options() -> str:
    """Returns Java's options for the archive; nothing if there is none."""
    if making := os.environ.get(_MAKING):
        return f'-XX:ArchiveClassesAtExit="{making}" {_QUIET}'
    file = place()
    return f'-XX:SharedArchiveFile="{file}" {_QUIET}' if file.is_file() else ""


def place() -> Path:
    """Returns where the archive is or would be, by its Java and its Spark."""
    jars = Path(pyspark.__file__).parent / "jars"
    known = [pyspark.__version__, jars, jars.stat().st_mtime_ns, os.environ.get("JAVA_HOME", "")]
    key = hashlib.sha256("\n".join(map(str, known)).encode()).hexdigest()[:16]
    return cache() / "dftspark" / "classes" / f"{key}.jsa"


def make() -> Path:
    """Makes the archive anew. Raises EnvironmentProblem if Java or the folder refuses."""
    ensure_java()
    file = place()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            made = Path(folder) / file.name
            audit = ["audit", _audit_of_the_sample(Path(folder))]
            # The pipes are closed when the last process that has them ends, which is Java.
            done = subprocess.run(
                # With a master, or so small an audit would do without Spark.
                [sys.executable, "-m", "dftspark", *audit, "--master", "local[*]"],
                env={**os.environ, _MAKING: str(made)},
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                errors="replace",
            )
            if done.returncode or not made.is_file():
                raise EnvironmentProblem(
                    f"Java did not archive the classes of Spark in {file.parent}: "
                    f"{done.stderr.strip()[-500:]}"
                )
            made.replace(file)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentProblem(
            f"the classes of Spark cannot be archived in {file.parent}: {error}. Set "
            f"XDG_CACHE_HOME to a folder that can be written"
        ) from error
    return file


def _audit_of_the_sample(folder: Path) -> str:
    """Writes a configuration with its texts beside it, and returns it."""
    human, model, _ = sample.write(folder)
    corpora = {"human": human, "model": model}
    lines = [
        f"out = {json.dumps(str(folder / 'runs'))}",
        f"embedding = {{embedder = 'static', store = {json.dumps(str(folder / 'vectors'))}}}",
        *(
            f"[corpora.{name}]\nrole = {name!r}\npath = {json.dumps(str(path))}"
            for name, path in corpora.items()
        ),
    ]
    conf = folder / "sample.toml"
    conf.write_text("\n".join(lines) + "\n")
    return str(conf)
