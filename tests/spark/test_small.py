"""Corpora too small to say much, through every lens: a run that says so, or exit code 4."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from rich.console import Console

from dftspark import runs
from dftspark.config import Audit
from dftspark.errors import InputError
from dftspark.report.terminal.run import render
from dftspark.report.words.text import real
from dftspark.store.listing import runs as listed
from dftspark.store.run import Run
from tests import extras, models
from tests.judging import Server, longer, serving
from tests.spark.nights import WORDS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, extras.embed]

LENSES = ["ngrams", "structure", "embeddings", "variety", "judge"]
Rows = list[dict[str, str]]


def drawn(count: int, seed: int, prompt: str = "") -> Rows:
    rng = np.random.default_rng(seed)
    return [
        {
            "id": f"{i}",
            "prompt": prompt or f"p{i}",
            "text": " ".join(rng.choice(WORDS, 30)).capitalize() + ".",
        }
        for i in range(count)
    ]


def side(kind: str, seed: int) -> Rows:
    kinds: dict[str, Rows] = {
        "none": [],
        "one": drawn(1, seed),
        "two": drawn(2, seed),
        "three": drawn(3, seed),
        "one token": [{"id": "0", "prompt": "p0", "text": "night"}],
        "no token": [{"id": "0", "prompt": "p0", "text": "!!!"}],
        "one text": [{"id": f"{i}", "prompt": f"p{i}", "text": "night"} for i in range(30)],
        "one cluster": drawn(30, seed, prompt="p0"),
        "many": drawn(40, seed),
        "equal": drawn(40, 9),
    }
    return kinds[kind]


KINDS = ["none", "one", "two", "three", "one token", "no token", "one text", "one cluster"]
QUICK = [("many", "one")]
OTHERS = [
    *((kind, "many") for kind in KINDS),
    *(("many", kind) for kind in KINDS),
    *((kind, kind) for kind in [*KINDS, "equal"]),
    ("one", "two"),
    ("three", "two"),
    ("one token", "one"),
    ("two", "one cluster"),
]
PAIRS = [
    *QUICK,
    *(pytest.param(*pair, marks=pytest.mark.slow) for pair in OTHERS if pair not in QUICK),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(4)
    rows = {word: rng.normal(size=8).tolist() for word in ["[UNK]", *WORDS]}
    return models.static(tmp_path_factory.mktemp("small") / "model", rows)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(longer) as found:
        yield found


def configured(folder: Path, human: Rows, other: Rows, model: Path, server: Server) -> Audit:
    corpora: dict[str, Any] = {}
    for name, role, rows in (("human", "human", human), ("gpt", "model", other)):
        path = folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        columns = {"doc_id": "id", "prompt_id": "prompt"}
        corpora[name] = {"role": role, "path": str(path), "columns": columns}
    document = {
        "name": "small",
        "out": str(folder / "runs"),
        "lenses": LENSES,
        "corpora": corpora,
        "embedding": {"embedder": str(model)},
        "mmd": {"exact": 100},
        "ngrams": {"orders": [1, 2], "sketch_width": 256, "phrases": 100, "table_rows": 20},
        "inference": {"permutations": 99, "splits": 20},
        "judge": {
            "dimensions": ["overall"],
            "endpoints": [{"name": "stub", "url": server.url, "model": "m"}],
        },
    }
    return Audit.parse(document, "the test")


@pytest.mark.parametrize(("human", "other"), PAIRS)
def test_every_small_corpus_ends_well(
    spark: SparkSession, tmp_path: Path, model: Path, server: Server, human: str, other: str
) -> None:
    config = configured(tmp_path, side(human, 1), side(other, 2), model, server)
    if "none" in (human, other):
        with pytest.raises(InputError, match="no document is left"):
            runs.audit(spark, config)
        assert {info.state for info in listed(config.out)} == {"unfinished"}
        return
    if "one cluster" in (human, other):
        with pytest.raises(InputError, match="all 30 documents are in one cluster"):
            runs.audit(spark, config)
        return
    run = runs.audit(spark, config)
    assert run.manifest["page"] == {"file": "report.html"}
    said = shown(run)
    assert "nan" not in said
    few = {"one", "two", "three", "one token", "no token"} & {human, other}
    rows = {row["metric"]: row for row in run.table("metrics").to_pylist()}
    if few:
        assert "too few clusters" in said
        assert math.isnan(real(rows["l2_1gram"]["p_value"]))
    mapped = run.manifest["embedding"]["map"]
    assert ("missing" in mapped) == bool(few - {"three"})
    assert (run.table("cloud_map").num_rows == 0) == ("missing" in mapped)


def shown(run: Run) -> str:
    out = io.StringIO()
    render(run, Console(file=out, width=100))
    return out.getvalue()
