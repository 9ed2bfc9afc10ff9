"""The whole pattern set over real text: ours, a Python `re` per pattern, Spark SQL's regexp_count.

    python benchmarks/structure.py                      every engine; results/structure_speed.txt
    python benchmarks/structure.py --engine re --documents 100

The peers get the same patterns as regular expressions: places become words or character classes,
and they do not ask what a sentence is, which words begin it and what is quoted. So their counts
differ a little; the last column has the sum of all of them per megabyte. `ours` also splits
sentences and takes every other measure; its rate is for all of that, from the text.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks._measure import Outcome, measured
from dftspark.lenses.structure import document_vectors, measures, pattern_language, patterns
from dftspark.text import stream

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data"
CORPORA = ("biscope", "slop_score")
DOCUMENTS = {"ours": 20_000, "ours-spark": 20_000, "re": 40, "spark-sql": 40}
TIMEOUT_S = 150

Work = Callable[[], int]


# --- the patterns as regular expressions ---------------------------------------------------------

_ENDINGS = {
    stream.ING: "ing",
    stream.ED: "ed",
    stream.LY: "ly",
    stream.S: "s",
    stream.NOUN: "(?:tion|sion|ment|ness|ity|nce|ship|ism)",
    stream.ADJECTIVE: "(?:ous|ful|ive|less|ble|ial|ual|ical)",
}


def place_regex(place: pattern_language.Slot) -> str:
    """Returns one token; Java and Python both take it as an atom, or the expressions never end."""
    if place.words is not None:
        words = sorted(place.words - place.but, key=lambda w: (-len(w), w))
        body = "(?:" + "|".join(map(re.escape, words)) + ")"
        return rf"{body}\b" if all(w[-1].isalnum() for w in words) else body
    shapes = {form >> 3 for form in place.forms}
    endings = {form & 7 for form in place.forms}
    if shapes == {stream.BREAK}:
        return r"(?:\n|$)"
    if len(endings) < 8:
        tails = "|".join(_ENDINGS[e] for e in sorted(endings) if e in _ENDINGS)
        body = rf"[a-zA-Z]+(?:{tails})\b"
    elif shapes == {stream.LOWER}:
        body = r"[a-z]+(?:'[a-z]+)?\b"
    elif shapes == {stream.CAPITAL, stream.CAPITALS}:
        body = r"[A-Z][A-Za-z]*\b"
    elif shapes <= {stream.NUMBER, stream.YEAR}:
        body = r"\d[\d.,]*"
    elif stream.MARK not in shapes:
        body = r"\w+(?:'\w+)?"
    else:
        body = r"(?:\w+(?:'\w+)?|[^\w\s])"
    if place.but:
        body = "(?!" + "|".join(sorted(map(re.escape, place.but))) + r")" + body
    return body


def regex(sequences: list[pattern_language.Sequence]) -> str:
    written = []
    for sequence in sequences:
        parts = [
            f"(?:(?>{place_regex(p)})[ ]*)?" if p.optional else f"(?>{place_regex(p)})[ ]*"
            for p in sequence
        ]
        written.append("".join(parts))
    return "(?i:" + "|".join(written) + ")"


def regexes() -> dict[str, str]:
    import tomllib
    from importlib import resources

    text = (resources.files(patterns) / "lexicon.toml").read_text(encoding="utf-8")
    classes = {name: frozenset(words.split()) for name, words in tomllib.loads(text).items()}
    return {
        p.id: regex([s for line in p.match for s in pattern_language.sequences(line, classes)])
        for p in patterns.bundled().patterns
    }


# --- engines -------------------------------------------------------------------------------------


def run_ours(texts: pa.Array, path: Path) -> Work:
    def work() -> int:
        total = 0
        for start in range(0, len(texts), 2_000):
            part = texts.slice(start, 2_000)
            vectors = document_vectors.of(part, pa.array([str(i) for i in range(len(part))]))
            total += int(vectors.counts[:, len(measures.COUNTS) :].sum())
        return total

    document_vectors.of(
        texts.slice(0, 8), pa.array([str(i) for i in range(len(texts.slice(0, 8)))])
    )
    return work


def run_ours_spark(texts: pa.Array, path: Path) -> Work:
    from pyspark.sql import functions as f

    from dftspark.config import Audit
    from dftspark.lenses.lens import lens
    from dftspark.lenses.structure.statistic import StructureSums
    from dftspark.spark.fold import fold
    from dftspark.spark.session import start

    spark = start("benchmark", "local[1]")
    sides = {"human": {"role": "human", "path": "-"}, "model": {"role": "model", "path": "-"}}
    config = Audit.parse({"corpora": sides}, "benchmark")

    def run(limit: int) -> int:
        frame = (
            spark.read.parquet(str(path))
            .limit(limit)
            .select(
                f.lit("model").alias("corpus"),
                f.lit("").alias("stratum"),
                f.col("doc_id").alias("cluster"),
                "doc_id",
                "text",
            )
        )
        of = lens("structure").fold(config, 1, {})
        assert of is not None
        with tempfile.TemporaryDirectory() as folder:
            found = fold(frame, [of], folder, 1, {}, sort=False)["structure"]
            counts = StructureSums.decode(found.collected()["state"][0].as_py()).counts
        return int(counts[:, len(measures.COUNTS) :].sum())

    run(64)
    return lambda: run(len(texts))


def run_re(texts: pa.Array, path: Path) -> Work:
    known = [re.compile(pattern) for pattern in regexes().values()]
    strings = texts.to_pylist()
    return lambda: sum(
        sum(1 for _ in pattern.finditer(text)) for pattern in known for text in strings
    )


def run_spark_sql(texts: pa.Array, path: Path) -> Work:
    from pyspark.sql import functions as f

    from dftspark.spark.session import start

    spark = start("benchmark", "local[1]")
    frame = spark.read.parquet(str(path))
    sums = [f.sum(f.regexp_count("text", f.lit(p))).alias(n) for n, p in regexes().items()]
    frame.limit(2).agg(*sums).toArrow()
    return lambda: sum(frame.agg(*sums).toArrow().to_pylist()[0].values())


ENGINES: dict[str, Callable[[pa.Array, Path], Work]] = {
    "ours": run_ours,
    "ours-spark": run_ours_spark,
    "re": run_re,
    "spark-sql": run_spark_sql,
}


def documents(limit: int) -> pa.Table:
    files = [
        pq.read_table(DATA / f"{name}.parquet", columns=["doc_id", "text", "model"])
        for name in CORPORA
    ]
    rows = pa.concat_tables([f.filter(pc.is_valid(f["model"])) for f in files])
    return rows.select(["doc_id", "text"]).slice(0, limit)


def child(engine: str, limit: int) -> int:
    table = documents(limit)
    texts = table["text"].combine_chunks()
    megabytes = pc.sum(pc.binary_length(texts)).as_py() / 1e6
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "documents.parquet"
        pq.write_table(table, path)
        work = ENGINES[engine](texts, path)
        print("ready", flush=True)
        sys.stdin.readline()
        hits = work()
        print("done", flush=True)
    print("result", json.dumps({"megabytes": megabytes, "hits": hits}), flush=True)
    return 0


def line(engine: str, outcome: Outcome) -> str:
    if outcome.usage is None:
        return f"{engine:12} {outcome.reason}"
    mb, cpu = outcome.result["megabytes"], outcome.usage.cpu_s
    return (
        f"{engine:12} {mb:8.3f} {cpu:8.2f} {outcome.usage.wall_s:8.2f} {mb / max(cpu, 0.01):9.4f} "
        f"{outcome.result['hits'] / mb:12.0f}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=ENGINES)
    parser.add_argument("--documents", type=int)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        return child(asked.engine, asked.documents)
    count = len(patterns.bundled().patterns)
    lines = [
        f"{count} patterns, model texts of {' and '.join(CORPORA)}, one core",
        f"{platform.machine()}, Python {platform.python_version()}",
        f"{'engine':12} {'MB':>8} {'CPU s':>8} {'wall s':>8} {'MB/CPU s':>9} {'hits a MB':>12}",
    ]
    environment = {
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")]),
    }
    for engine in [asked.engine] if asked.engine else ENGINES:
        limit = str(asked.documents or DOCUMENTS[engine])
        command = [sys.executable, __file__, "--child", "--engine", engine, "--documents", limit]
        lines.append(line(engine, measured(command, environment, TIMEOUT_S)))
        print(lines[-1], flush=True)
    text = "\n".join(lines) + "\n"
    print(text)
    if not asked.engine:
        (HERE / "results").mkdir(exist_ok=True)
        (HERE / "results" / "structure_speed.txt").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
