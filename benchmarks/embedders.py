"""Compares embedders: documents a second, memory, and how each ranks the same models.

    python benchmarks/embedders.py [--data FOLDER] [--store FOLDER] [--documents N]

Speed is measured on one thread, in a separate process, over the same texts, in processor seconds,
so that other work on the machine does not count. The ranking is by exact MMD squared (Gaussian
kernel, the unbiased estimate, bandwidth the pooled median distance) between the human texts of a
corpus and each model's. Vectors are kept in the store, so that a second run only measures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dftspark.config import Embedding
from dftspark.embedding import embedders
from dftspark.embedding import recipe as models
from dftspark.embedding.store import VectorStore, key_of

EMBEDDERS: dict[str, dict[str, Any]] = {
    "all-MiniLM-L6-v2": {},
    "the same, bfloat16": {"precision": "bfloat16"},
    "the same, windows": {"long_documents": "windows"},
    "the same, 128 tokens": {"max_tokens": 128},
    "static": {"embedder": "static"},
}
RANKED = ("all-MiniLM-L6-v2", "static")  # each of the others takes an hour of one core
CORPORA = ("outfox", "fdg", "biscope")
MOST = 1_000  # documents a model
PILOT = 1_000


def texts_of(data: Path, corpus: str) -> dict[str, list[str]]:
    """Returns texts by model; '' is human. Biscope's essays have no human side."""
    columns = ["doc_id", "prompt_id", "model", "domain", "text"]
    table = pq.read_table(data / f"{corpus}.parquet", columns=columns)
    table = table.filter(pc.not_equal(table["domain"], "essay")) if corpus == "biscope" else table
    found: dict[str, list[str]] = {}
    for row in sorted(table.to_pylist(), key=lambda row: (_turn(row["prompt_id"]), row["doc_id"])):
        found.setdefault(row["model"] or "", []).append(row["text"])
    return {name: own[:MOST] for name, own in sorted(found.items())}


def _turn(prompt: str) -> bytes:
    """Returns a sort key that gives models the same prompts, as far as they have them."""
    return hashlib.blake2b(prompt.encode(), digest_size=8).digest()


# --- speed --------------------------------------------------------------------------------------


def speed(settings: Embedding, texts: list[str]) -> dict[str, float]:
    """Measures this process, which does nothing else."""
    started = time.process_time()
    embedder = loaded(settings)
    embedder.encode(texts[:16])
    ready = time.process_time()
    embedder.encode(texts)
    return {
        "load_s": ready - started,
        "cpu_s": time.process_time() - ready,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def loaded(settings: Embedding) -> embedders.Embedder:
    return embedders.load(settings, models.recipe(settings, "cpu"), "cpu", threads=1)


def measured(name: str, data: Path, count: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--data", str(data), "--documents", str(count)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--one", name], env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def mixed(data: Path, count: int) -> list[str]:
    """Returns texts with the same share of each corpus and model, as many as there are."""
    everything = [
        text for corpus in CORPORA for own in texts_of(data, corpus).values() for text in own
    ]
    return sorted(everything, key=key_of)[:count]


# --- ranking ------------------------------------------------------------------------------------


def vectors_of(settings: Embedding, texts: list[str], root: str) -> NDArray[np.float32]:
    """Returns vectors from the store, after adding what it lacks."""
    recipe = models.recipe(settings, "cpu")
    store = VectorStore.of(root, recipe)
    store.describe(recipe)
    known = stored(store)
    missing = {key_of(text): text for text in texts if key_of(text) not in known}
    keys = sorted(missing)
    for start in range(0, len(keys), 512):
        some = keys[start : start + 512]
        found = loaded(settings).encode([missing[key] for key in some])
        store.add(some, found.vectors, found.problems)
        known |= dict(zip(some, found.vectors, strict=True))
    return np.stack([known[key_of(text)] for text in texts])


def stored(store: VectorStore) -> dict[bytes, NDArray[np.float32]]:
    found: dict[bytes, NDArray[np.float32]] = {}
    for name in sorted(store.files()):
        keys, vectors = store.read(name)
        found |= dict(zip(keys.to_pylist(), vectors, strict=True))
    return found


def squared_distances(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    found = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T
    return np.asarray(np.maximum(found, 0), np.float64)


def mmd_squared(x: NDArray[Any], y: NDArray[Any], variance: float) -> float:
    def kernel(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
        return np.exp(-squared_distances(a, b) / (2 * variance))

    n, m = len(x), len(y)
    within_x = (kernel(x, x).sum() - n) / (n * (n - 1))
    within_y = (kernel(y, y).sum() - m) / (m * (m - 1))
    return float(within_x + within_y - 2 * kernel(x, y).mean())


def ranking(settings: Embedding, texts: dict[str, list[str]], root: str) -> dict[str, float]:
    """Returns MMD squared of each model from human, and of two halves of the human texts as ''."""
    flat = vectors_of(settings, [text for own in texts.values() for text in own], root)
    ends = np.cumsum([len(own) for own in texts.values()])[:-1]
    vectors = dict(zip(texts, np.split(flat.astype(np.float64), ends), strict=True))
    chosen = np.random.default_rng(0).permutation(len(flat))[:PILOT]
    pilot = squared_distances(flat[chosen].astype(np.float64), flat[chosen].astype(np.float64))
    variance = float(np.median(pilot[np.triu_indices(len(chosen), 1)]))
    human = vectors.pop("")
    half = len(human) // 2
    found = {name: mmd_squared(human, own, variance) for name, own in vectors.items()}
    return {"": mmd_squared(human[:half], human[half:], variance), **found}


def turned(left: list[str], right: list[str]) -> int:
    """Counts pairs of models that stand in another order."""
    place = {name: i for i, name in enumerate(right)}
    return sum(place[a] > place[b] for i, a in enumerate(left) for b in left[i + 1 :])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=beside)
    parser.add_argument("--store", default="build/embeddings")
    parser.add_argument("--documents", type=int, default=400)
    parser.add_argument("--part", choices=("speed", "ranking"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.data.is_dir():
        sys.exit(f"the reference corpora are not in {args.data}; --data names their folder")
    if args.one:
        settings = Embedding.model_validate(EMBEDDERS[args.one])
        print(json.dumps(speed(settings, mixed(args.data, args.documents))))
        return
    if args.part != "ranking":
        print_speeds(args.data, args.documents)
    if args.part != "speed":
        for corpus in CORPORA:
            texts = texts_of(args.data, corpus)
            chosen = {name: Embedding.model_validate(EMBEDDERS[name]) for name in RANKED}
            report(corpus, {n: ranking(own, texts, args.store) for n, own in chosen.items()})


def print_speeds(data: Path, count: int) -> None:
    sizes = [len(text.encode()) for text in mixed(data, count)]
    print(f"{len(sizes)} texts, {np.mean(sizes):,.0f} bytes on average, one thread")
    print(f"{'embedder':<24}{'texts/CPU s':>12}{'load s':>8}{'peak MiB':>10}")
    for name in EMBEDDERS:
        told = measured(name, data, count)
        rate = len(sizes) / told["cpu_s"]
        print(
            f"{name:<24}{rate:>12,.1f}{told['load_s']:>8.1f}{told['peak_mb']:>10,.0f}", flush=True
        )


def report(corpus: str, found: dict[str, dict[str, float]]) -> None:
    orders = {
        name: sorted((m for m in own if m), key=lambda m, own=own: own[m])  # type: ignore[misc]
        for name, own in found.items()
    }
    first = orders[RANKED[0]]
    print(f"\n{corpus}: MMD squared from human, times 1,000, nearest first")
    print(f"{'':<26}" + "".join(f"{name:>20}" for name in RANKED))
    for model in ["", *first]:
        shown = "".join(f"{1000 * found[name][model]:>20.2f}" for name in RANKED)
        print(f"{model or 'human against human':<26}{shown}")
    pairs = len(first) * (len(first) - 1) // 2
    for name in RANKED[1:]:
        print(
            f"{name}: {turned(first, orders[name])} of {pairs} pairs in another order", flush=True
        )


if __name__ == "__main__":
    main()
