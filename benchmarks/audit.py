"""The cost of a small audit: the time of the whole program, seconds by stage, Spark jobs.

    python benchmarks/audit.py [--corpus biscope] [--documents 500] [--models 1]
        [--embedder static] [--spark] [--tree FOLDER ...]

Corpora of ../shared/data go through `dftspark audit` with its default lenses, as a program from its
start to its end: human texts of one, and consecutive parts of its model texts and, for several
models, of those of others. The first run embeds and fills the store of vectors; the second finds
them there. Other trees are audited beside ours, on the same texts in the same run, with the
packages of this environment.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
OTHERS = ("fdg", "outfox", "biscope", "slop_score")


def texts(name: str) -> list[dict[str, Any]]:
    table = pq.read_table(
        DATA / f"{name}.parquet", columns=["doc_id", "prompt_id", "model", "text"]
    )
    return [{**row, "doc_id": f"{name} {row['doc_id']}"} for row in table.to_pylist()]


def write(folder: Path, corpus: str, documents: int, models: int, embedder: str) -> float:
    """Writes all corpora, and a configuration that audits them; returns the MB of their texts."""
    rows = texts(corpus)
    sides = {"human": [row for row in rows if row["model"] is None][:documents]}
    if models > 1:
        rows += [row for name in OTHERS if name != corpus for row in texts(name)]
    made = [row for row in rows if row["model"] is not None]
    if len(sides["human"]) < documents or len(made) < models * documents:
        raise SystemExit(f"there are {len(sides['human']):,} human, {len(made):,} model texts")
    for i in range(models):
        sides[f"model{i + 1}"] = made[i * documents : (i + 1) * documents]
    conf = [f'embedding = {{embedder = "{embedder}"}}']
    for side, own in sides.items():
        (folder / f"{side}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in own))
        role = "human" if side == "human" else "model"
        conf += [f"[corpora.{side}]", f'role = "{role}"', f'path = "{side}.jsonl"']
        conf += ['columns = {doc_id = "doc_id", prompt_id = "prompt_id"}']
    (folder / "audit.toml").write_text("\n".join(conf) + "\n")
    return sum(len(row["text"].encode()) for own in sides.values() for row in own) / 1e6


def audit(folder: Path, tree: Path, more: Sequence[str] = ()) -> dict[str, Any]:
    """Runs one audit by the package in `tree`: returns seconds, jobs, and seconds by stage."""
    log = folder / f"log-{time.monotonic_ns()}"
    log.mkdir()
    options = {"enabled": "true", "dir": log.as_uri(), "compress": "false"}
    options["rolling.enabled"] = "false"
    said = " ".join(f"--conf spark.eventLog.{name}={value}" for name, value in options.items())
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    if more or tree != ROOT:  # with such arguments, no audit does without Spark
        environment["PYSPARK_SUBMIT_ARGS"] = f"{said} pyspark-shell"
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "dftspark", "audit", "audit.toml", *more],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.monotonic() - started
    if done.returncode:
        raise SystemExit(f"{tree}: {done.stderr}")
    events = [file.read_text() for file in log.iterdir()]  # none of an audit without Spark
    run = sorted((folder / "runs").glob("*/manifest.json"))[-1]
    return {
        "wall": wall,
        "jobs": sum(told.count('"Event":"SparkListenerJobStart"') for told in events),
        "stages": json.loads(run.read_text())["seconds"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="What a small audit costs.")
    parser.add_argument("--corpus", default="biscope")
    parser.add_argument("--documents", type=int, default=500, help="of each side")
    parser.add_argument("--models", type=int, default=1)
    parser.add_argument("--embedder", default="static", help="or all-MiniLM-L6-v2")
    parser.add_argument("--tree", type=Path, nargs="*", default=[], help="other trees beside ours")
    parser.add_argument("--spark", action="store_true", help="on local Spark, however small")
    options = parser.parse_args()
    more = ["--master", "local[*]"] if options.spark or options.models > 1 else []
    for tree in (ROOT, *(place.resolve() for place in options.tree)):
        with tempfile.TemporaryDirectory() as name:
            size = write(
                Path(name), options.corpus, options.documents, options.models, options.embedder
            )
            runs = {text: audit(Path(name), tree, more) for text in ("embeds", "finds vectors")}
        print(
            f"{'ours' if tree == ROOT else tree.name}: {options.documents} + {options.models} x "
            f"{options.documents} documents of {options.corpus}, {size:.1f} MB, {options.embedder}"
        )
        for text, run in runs.items():
            print(f"  {text}: {run['wall']:.1f} s, {run['jobs']} Spark jobs")
            print("    " + ", ".join(f"{stage} {s:.1f}" for stage, s in run["stages"].items()))


if __name__ == "__main__":
    main()
