"""Compares engines and precisions of one transformer, all-MiniLM-L6-v2, on one thread of a CPU.

    python benchmarks/embedding_engines.py [--data FOLDER] [--documents N] [--rounds N]

Every engine embeds the same texts in a separate process, in turns. Reported is the median of its
rounds, in processor seconds, so that other work on the machine counts little; beside it the
smallest cosine with torch's float32, the load, the memory, and the model's floating-point
operations as a share of those that the processor does in a large product of float32 matrices: if
that is near 1, no engine can be faster in float32. Short texts are the first 60 characters of each.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dftspark.config import Embedding
from dftspark.embedding import embedders
from dftspark.embedding import recipe as models
from dftspark.errors import DftsparkError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.embedders import mixed

ENGINES: dict[str, dict[str, Any]] = {
    "torch float32": {},
    "torch bfloat16": {"precision": "bfloat16"},
    "openvino float32": {"engine": "openvino"},
    "openvino bfloat16": {"engine": "openvino", "precision": "bfloat16"},
}
SHORT = 60  # characters
LAYERS, WIDTH, INNER = 6, 384, 1_536


def operations(tokens: int) -> float:
    """Returns the floating-point operations of the model's matrix products for one text."""
    products = 2.0 * tokens * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER)
    return LAYERS * (products + 4.0 * tokens * tokens * WIDTH)


def fastest_product() -> float:
    """Returns float32 operations a processor second of large matrices, by torch, the best of
    several."""
    import torch

    torch.set_num_threads(1)
    a, b = torch.ones(1_024, 1_024), torch.ones(1_024, 1_024)
    seconds = []
    for _ in range(12):
        started = time.process_time()
        a @ b
        seconds.append(time.process_time() - started)
    return float(2 * 1_024**3 / min(seconds))


def one(settings: Embedding, texts: list[str], vectors: Path) -> dict[str, Any]:
    """Measures this process, which does nothing else."""
    started = time.process_time()
    try:
        embedder = embedders.load(settings, models.recipe(settings, "cpu"), "cpu", threads=1)
    except DftsparkError as error:
        return {"skip": str(error)}
    embedder.encode(texts[:8])
    load = time.process_time() - started
    told: dict[str, Any] = {"load_s": load}
    for name, some in (("cpu_s", texts), ("short_s", [text[:SHORT] for text in texts])):
        started = time.process_time()
        found = embedder.encode(some).vectors
        told[name] = time.process_time() - started
        np.save(vectors.with_suffix(f".{name}.npy"), found)
    told["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if settings.engine == "torch":
        told["product"] = fastest_product()
    return told


def measured(name: str, args: argparse.Namespace, vectors: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", name, "--vectors", str(vectors)]
    command += ["--data", str(args.data), "--documents", str(args.documents)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def least_cosine(vectors: Path, first: Path, name: str) -> float:
    ours, theirs = (np.load(path.with_suffix(f".{name}.npy")) for path in (vectors, first))
    cosines: NDArray[np.float64] = (ours.astype(np.float64) * theirs).sum(axis=1)
    return float(cosines.min())


def lengths(texts: list[str]) -> list[int]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(models.packaged() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    return [len(found.ids) for found in tokenizer.encode_batch(texts)]


def report(rounds: dict[str, list[dict[str, Any]]], texts: list[str], folder: Path) -> None:
    tokens = lengths(texts)
    work = sum(map(operations, tokens))
    product = max(told.get("product", 0.0) for every in rounds.values() for told in every)
    size = np.mean([len(text.encode()) for text in texts])
    print(f"{len(texts)} texts of {size:,.0f} bytes and {np.mean(tokens):.0f} tokens on average")
    print(f"a large product of float32 matrices: {product / 1e9:.1f} GFLOP a CPU-second")
    heads = {"": -18, "texts/CPU s": 12, "range": 14, "times": 7, "of peak": 9, "cosine >=": 12}
    more = {"short/CPU s": 13, "times": 7, "cosine >=": 12, "load CPU s": 12, "MiB": 7}
    print(
        "".join(
            f"{head:{abs(wide)}}" if wide < 0 else f"{head:>{wide}}"
            for head, wide in [*heads.items(), *more.items()]
        )
    )
    first: dict[str, float] = {}
    for name, every in rounds.items():
        if "skip" in every[0]:
            print(f"{name:<18} not here: {every[0]['skip']}")
            continue
        rates = [len(texts) / told["cpu_s"] for told in every]
        short = statistics.median(len(texts) / told["short_s"] for told in every)
        rate = statistics.median(rates)
        first = first or {"rate": rate, "short": short}
        own, base = folder / name, folder / next(iter(rounds))
        print(
            f"{name:<18}{rate:>12.2f}{min(rates):>7.2f}-{max(rates):<6.2f}"
            f"{rate / first['rate']:>6.2f}x{rate * work / len(texts) / product:>9.2f}"
            f"{least_cosine(own, base, 'cpu_s'):>12.7f}{short:>13.1f}"
            f"{short / first['short']:>6.2f}x{least_cosine(own, base, 'short_s'):>12.7f}"
            f"{statistics.median(told['load_s'] for told in every):>12.1f}"
            f"{max(told['peak_mb'] for told in every):>7,.0f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=beside)
    parser.add_argument("--documents", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--vectors", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.data.is_dir():
        sys.exit(f"the reference corpora are not in {args.data}; --data names their folder")
    texts = mixed(args.data, args.documents)
    if args.one:
        settings = Embedding.model_validate(ENGINES[args.one])
        print(json.dumps(one(settings, texts, args.vectors)))
        return
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in ENGINES}
    with tempfile.TemporaryDirectory() as folder:
        # The first converts the model if that has not been done, which is not part of a round.
        measured("openvino float32", args, Path(folder) / "none")
        for _ in range(args.rounds):
            for name, every in rounds.items():
                every.append(measured(name, args, Path(folder) / name))
        report(rounds, texts, Path(folder))


if __name__ == "__main__":
    main()
