"""Generates against a server on loopback: requests a second, the cost of a resume, and kills.

    python benchmarks/generate.py [--kills]     results/generate.txt

The server answers in 50 ms with a text of 1,200 characters, and 2% of the requests with 429. It
runs in a separate process, whose time is not counted. A resume reads a store of 100,000 texts and
asks for nothing. With --kills the command is killed at 20 random points of 400 requests, and
started again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dftspark.config.generate import Generation  # noqa: E402
from dftspark.endpoints.journal import Entry  # noqa: E402
from dftspark.endpoints.store import AnswerStore  # noqa: E402
from dftspark.generation import asking, run  # noqa: E402
from dftspark.generation.texts import KIND, Text  # noqa: E402
from tests.judging import Answer, Asked, failure, said, serving  # noqa: E402

LATENCY, REFUSED = 0.05, 50  # seconds; one of so many requests
TEXT = "A sentence that says something about a river and its banks. " * 20
TEXTS = 100_000


def serve(pipe: Connection) -> None:
    def behave(asked: Asked) -> Answer:
        if asked.number % REFUSED == REFUSED - 1:
            return failure(429, "slow down")
        return said(f"{TEXT}{asked.body['seed']} {asked.body['temperature']}")

    with serving(behave, LATENCY) as server:
        pipe.send(server.url)
        while pipe.recv():
            pipe.send((len(server.requests), server.repeated))


@contextmanager
def served() -> Iterator[tuple[str, Connection]]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    process.start()
    try:
        yield ours.recv(), ours
    finally:
        ours.send(None)
        process.join(10)


def conf(folder: Path, url: str, briefs: int, concurrency: int) -> Path:
    rows = [json.dumps({"prompt_id": f"p{i}", "prompt": f"Story {i}"}) for i in range(briefs)]
    (folder / "briefs.jsonl").write_text("\n".join(rows))
    path = folder / "write.toml"
    path.write_text(
        f'out = "{folder}/runs"\n[generate]\nbriefs = "{folder}/briefs.jsonl"\n'
        f"max_requests = 10000000\nmax_tokens = 1000000000\n[generate.sampler]\n"
        f'temperature = [0.5, 0.8, 1.0, 1.2]\n[[generate.models]]\nname = "m"\nurls = ["{url}"]\n'
        f'model = "stub-2026"\nrevision = "1"\nconcurrency = {concurrency}\n'
    )
    return path


def speed(folder: Path, count: int) -> tuple[float, list[str]]:
    with served() as (url, _):
        config = Generation.load(conf(folder, url, count // 4, 64))
        wall, cpu = time.monotonic(), time.process_time()
        made = run.generate(config)
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    told = made.manifest["generate"]
    assert told["texts"] == count, told
    return count / cpu, [
        f"{count:,} texts, 64 at once, 50 ms, 2% of 429: {wall:.1f} s and {cpu:.1f} CPU-seconds,",
        f"{count / wall:.0f} a second here, {count / cpu:.0f} a second of a core; table included",
    ]


def resume(folder: Path, rate: float) -> list[str]:
    config = Generation.load(conf(folder, "http://127.0.0.1:9/v1", TEXTS // 4, 64))
    requests = asking.prepare(config).plan.requests
    store = AnswerStore.of(config.store, KIND)
    folder_of = store.folder
    folder_of.mkdir(parents=True, exist_ok=True)
    store.add(
        {
            one.key: Entry(
                Text(f"{TEXT}{number}", tokens_in=100, tokens_out=240), 0.1, 1, "2026-01-31"
            )
            for number, one in enumerate(requests)
        }
    )
    before = time.process_time()
    ready = asking.prepare(config)
    plan = time.process_time() - before
    assert not ready.plan.missing
    made = run.generate(config)
    whole = time.process_time() - before - plan
    first = TEXTS / rate
    assert made.manifest["generate"]["texts"] == TEXTS
    shares = f"{plan / first:.1%} and {whole / first:.1%}"
    return [
        f"resume of {TEXTS:,} texts that are all there: {plan:.1f} CPU-seconds until it knows,",
        f"{whole:.1f} with the table of the run; a first run takes {first:.0f}: {shares}",
    ]


def kills(folder: Path) -> list[str]:
    rng, lost, repeated = random.Random(1), [], 0
    for number in range(20):
        own = folder / str(number)
        own.mkdir()
        with served() as (url, pipe):
            path = conf(own, url, 100, 8)
            command = [sys.executable, "-m", "dftspark", "generate", str(path), "--quiet"]
            env = {**os.environ, "PYTHONPATH": str(ROOT)}
            first = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
            after = rng.randrange(1, 400)
            seen = 0
            while seen < after and first.poll() is None:
                pipe.send("how many")
                seen = pipe.recv()[0]
            os.kill(first.pid, signal.SIGKILL)
            first.wait()
            config = Generation.load(path)
            made = run.generate(config)
            missing = made.table("textless").num_rows
            again = run.generate(config, again=True)
            same = run.generate(config)
            columns = ["doc_id", "text", "seed", "setting"]
            assert again.table("texts", columns).equals(same.table("texts", columns))
            assert again.table("texts").num_rows == 400
            pipe.send("how many")
            total, twice = pipe.recv()
            refused = total // REFUSED
            lost.append(missing)
            repeated += max(0, twice - refused - missing)
    return [
        f"20 kills at random points of 400 requests: {sum(lost)} lost in flight, most {max(lost)},",
        f"with 8 at once; {repeated} sent twice beyond those and what 429 asked for again",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=8_000)
    parser.add_argument("--kills", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("speed", "resume", "kills"):
            (Path(folder) / name).mkdir()
        rate, lines = speed(Path(folder) / "speed", args.count)
        print("\n".join(lines), flush=True)
        print("\n".join(resume(Path(folder) / "resume", rate)), flush=True)
        if args.kills:
            print("\n".join(kills(Path(folder) / "kills")), flush=True)


if __name__ == "__main__":
    main()
