"""The cost of a small audit: the time of the whole program, seconds by stage, Spark jobs.

    python benchmarks/audit.py [--documents 500] [--tree FOLDER ...]

Two corpora of ../shared/data (fdg: human, gpt-3.5-turbo) go through `dftspark audit` with its
default lenses and the static embedder, as a program from its start to its end. The first run fills
the store of vectors; the second, which is reported, finds them there. Other trees are audited
beside ours, on the same texts in the same run, with the packages of this environment.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "fdg.parquet"
SIDES = {"human": None, "model": "gpt-3.5-turbo"}


def write(folder: Path, documents: int) -> None:
    """Writes both corpora, and a configuration that audits them."""
    rows = pq.read_table(DATA, columns=["doc_id", "prompt_id", "model", "text"]).to_pylist()
    conf = ['embedding = {embedder = "static"}']
    for side, model in SIDES.items():
        own = [row for row in rows if row["model"] == model][:documents]
        (folder / f"{side}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in own))
        conf += [f"[corpora.{side}]", f'role = "{side}"', f'path = "{side}.jsonl"']
        conf += ['columns = {doc_id = "doc_id", prompt_id = "prompt_id"}']
    (folder / "audit.toml").write_text("\n".join(conf) + "\n")


def audit(folder: Path, tree: Path) -> dict[str, Any]:
    """Runs one audit by the package in `tree`: returns seconds, jobs, and seconds by stage."""
    log = folder / f"log-{time.monotonic_ns()}"
    log.mkdir()
    options = {"enabled": "true", "dir": log.as_uri(), "compress": "false"}
    options["rolling.enabled"] = "false"
    said = " ".join(f"--conf spark.eventLog.{name}={value}" for name, value in options.items())
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree),
        "PYSPARK_SUBMIT_ARGS": f"{said} pyspark-shell",
    }
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "dftspark", "audit", "audit.toml"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.monotonic() - started
    if done.returncode:
        raise SystemExit(f"{tree}: {done.stderr}")
    (events,) = log.iterdir()
    run = sorted((folder / "runs").glob("*/manifest.json"))[-1]
    return {
        "wall": wall,
        "jobs": events.read_text().count('"Event":"SparkListenerJobStart"'),
        "stages": json.loads(run.read_text())["seconds"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="What a small audit costs.")
    parser.add_argument("--documents", type=int, default=500, help="of each side")
    parser.add_argument("--tree", type=Path, nargs="*", default=[], help="other trees beside ours")
    options = parser.parse_args()
    for tree in (ROOT, *(place.resolve() for place in options.tree)):
        with tempfile.TemporaryDirectory() as name:
            write(Path(name), options.documents)
            audit(Path(name), tree)
            found = audit(Path(name), tree)
        print(
            f"{'ours' if tree == ROOT else tree.name}: {options.documents} + {options.documents} "
            f"documents, {found['wall']:.1f} s, {found['jobs']} Spark jobs"
        )
        print("  " + ", ".join(f"{stage} {s:.1f}" for stage, s in found["stages"].items()))


if __name__ == "__main__":
    main()
