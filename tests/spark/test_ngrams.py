"""The n-gram profile through Spark: equal to counters, whatever the cut, the order, the batches."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from dftspark import config, schema
from dftspark.corpus.blocks import block_of
from dftspark.lenses.fold import GroupRows, Key
from dftspark.lenses.ngrams.grams import grams
from dftspark.lenses.ngrams.statistic_counts import NgramRows
from dftspark.spark.records import runs
from dftspark.stats.copies_sketch import CopiesState
from dftspark.stats.surface import SurfaceSums
from dftspark.text.tokens import Words
from tests import reference
from tests.reference import simple_words

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from dftspark.spark.fold import Folded, Layout

pytestmark = pytest.mark.spark


def audit(**ngrams: Any) -> config.Audit:
    return config.Audit.parse(
        {
            "corpora": {
                "human": {"role": "human", "path": "h"},
                "model": {"role": "model", "path": "m"},
            },
            "ngrams": {"orders": [1, 2, 3, 5], "sketch_width": 256, **ngrams},
        },
        "test",
    )


def documents(seed: int = 0) -> list[dict[str, str]]:
    rng = np.random.default_rng(seed)
    rows = []
    for corpus, count in (("human", 83), ("model/a", 47), ("model/b", 5)):
        for i in range(count):
            words = rng.choice(200, rng.integers(0, 50), p=_ZIPF)
            rows.append(
                {
                    "corpus": corpus,
                    "stratum": ("news", "essay")[i % 2] if corpus != "model/b" else "",
                    "cluster": f"p{i % 29}",
                    "doc_id": f"{corpus}-{i}",
                    "text": " ".join(f"w{w}" for w in words) + ".",
                }
            )
    return rows


_ZIPF = 1 / np.arange(1, 201)
_ZIPF /= _ZIPF.sum()


def counted(docs: DataFrame, settings: config.Audit, layout: Layout) -> Folded:
    from dftspark.lenses.ngrams.spark_profile import NgramFold
    from dftspark.spark.fold import of_documents

    # What is left behind is small, and the session's own folder ends with it.
    folder = tempfile.mkdtemp(prefix="dftspark-test-")
    return of_documents(docs, [NgramFold(settings, layout.ranges)], layout, folder)["profile"]


def profiled(
    docs: DataFrame, settings: config.Audit, ranges: int, total: int, merges: int = 3
) -> dict[Any, Any]:
    """Each corpus's stored bytes by (corpus, stratum, n, part): equal results are equal bytes."""
    from dftspark.spark.fold import Layout

    tasks = {"human": (0, max(1, total - 1)), "model/a": (total - 1, 1), "model/b": (total - 1, 1)}
    stored = counted(docs, settings, Layout(ranges, tasks, total, merges)).collected()
    return {
        (row["corpus"], row["stratum"], row["n"], row["part"]): (
            row["state"],
            row["sketch"],
            row["totals"],
        )
        for row in stored.to_pylist()
    }


def test_every_count_equals_a_counter(spark: SparkSession) -> None:
    rows = documents()
    stored = profiled(spark.createDataFrame(pa.Table.from_pylist(rows)), audit(), 4, 3)
    for corpus in ("human", "model/a", "model/b"):
        for stratum in {r["stratum"] for r in rows if r["corpus"] == corpus}:
            own = [r for r in rows if (r["corpus"], r["stratum"]) == (corpus, stratum)]
            tokens = [simple_words(r["text"]) for r in own]
            for n in (1, 2, 3, 5):
                expected = reference.rows(tokens, [r["cluster"] for r in own], n)
                got = [
                    grams(NgramRows.decode(stored[corpus, stratum, n, part][0]).counted).sums
                    for part in range(4)
                    if (corpus, stratum, n, part) in stored
                ]
                columns = [np.concatenate(c) for c in list(zip(*got, strict=True))[1:]]
                assert sorted(zip(*(c.tolist() for c in columns), strict=True)) == sorted(
                    tuple(row) for row in expected.values()
                ), (corpus, stratum, n)


def test_blocks_are_those_of_the_clusters(spark: SparkSession) -> None:
    rows = [r for r in documents() if r["corpus"] == "model/b"]
    stored = profiled(spark.createDataFrame(pa.Table.from_pylist(rows)), audit(), 1, 1)
    state = NgramRows.decode(stored["model/b", "", 1, 0][0])
    present = block_of([r["cluster"] for r in rows if r["text"]])
    assert set((state.key & np.uint64(63)).tolist()) == set(present.tolist())


def test_documents_as_wholes_are_counted_beside_them(spark: SparkSession) -> None:
    """Their states have the order 0, one a corpus and stratum; empty texts are documents too."""
    rows = documents()
    stored = profiled(spark.createDataFrame(pa.Table.from_pylist(rows)), audit(), 4, 3)
    own = {key: value for key, value in stored.items() if key[2] == schema.WHOLE}
    assert set(own) == {(r["corpus"], r["stratum"], schema.WHOLE, 0) for r in rows}
    for (corpus, stratum, *_), (sums, sketch, _) in own.items():
        texts = [r["text"] for r in rows if (r["corpus"], r["stratum"]) == (corpus, stratum)]
        found = SurfaceSums.decode(sums)
        assert found.documents.sum() == len(texts)
        assert found.sums.sum(axis=0)[0] == sum(len(text.split()) for text in texts)
        distinct = len({text.casefold() for text in texts})
        assert len(CopiesState.decode(sketch).keys) == distinct


@pytest.mark.parametrize(
    ("seed", "partitions", "total", "merges", "batch", "buffer_mb"),
    [(1, 1, 1, 1, 10_000, 512), (2, 7, 5, 12, 3, 512), (3, 60, 2, 2, 1, 16)],
)
def test_partitions_batches_and_order_do_not_matter(
    spark: SparkSession,
    seed: int,
    partitions: int,
    total: int,
    merges: int,
    batch: int,
    buffer_mb: int,
) -> None:
    rows = documents()
    expected = profiled(spark.createDataFrame(pa.Table.from_pylist(rows)), audit(), 4, 3)
    np.random.default_rng(seed).shuffle(rows)
    shuffled = spark.createDataFrame(pa.Table.from_pylist(rows)).repartition(partitions)
    size = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(size) or "1024"
    spark.conf.set(size, str(batch))
    try:
        got = profiled(shuffled, audit(buffer_mb=buffer_mb), 4, total, merges)
    finally:
        spark.conf.set(size, before)
    assert got == expected


def test_small_buffers_flush_and_change_nothing(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dftspark.lenses.ngrams import spark_profile as ngrams

    docs = spark.createDataFrame(pa.Table.from_pylist(documents()))
    expected = profiled(docs, audit(), 2, 1)
    # 200 kB a token makes the smallest buffer flush after 83 tokens: dozens of times a task.
    flushed = audit(buffer_mb=16)
    order = sorted(
        documents(), key=lambda r: (r["corpus"], r["stratum"], r["cluster"], r["doc_id"])
    )
    batches = [pa.RecordBatch.from_pylist(order[i : i + 4]) for i in range(0, len(order), 4)]
    monkeypatch.setattr(ngrams, "_BYTES_A_TOKEN", 200_000)
    fold = ngrams.NgramFold(flushed, 2)
    observer = fold.observer()
    left = [
        found for group, batch in runs(batches) for found in observer.add(GroupRows(group, batch))
    ]
    left += observer.end()
    assert len(left) > 2 * len(expected)
    states: dict[Key, list[pa.Buffer]] = {}
    for key, state in left:
        states.setdefault(key, []).append(pa.py_buffer(state))
    assert len(states) == len(expected)
    for key, parts in states.items():
        (row,) = fold.merged(key, parts)[0].to_pylist()
        assert (row["state"], row["sketch"], row["totals"]) == expected[tuple(key)]


@pytest.mark.parametrize(
    "sizes",
    [
        {"human": 1_000, "model": 0},
        {"human": 40 << 20},
        {"human": 3 << 30, "model/a": 1 << 30, "model/b": 5_000},
        {f"model/{i}": 300_000 for i in range(200)},
    ],
)
def test_a_merge_gets_about_one_range_of_text(sizes: dict[str, int]) -> None:
    from dftspark.spark.fold import RANGE_BYTES, Layout

    layout = Layout.of(sizes, 4, 4096)
    assert layout.ranges & (layout.ranges - 1) == 0
    assert max(sizes.values()) <= layout.ranges * RANGE_BYTES
    cells = layout.ranges * len(sizes)
    assert layout.merges <= cells
    assert layout.merges == cells or sum(sizes.values()) <= layout.merges * RANGE_BYTES
    # No more tasks than there is work for: half of them would not do.
    assert layout.merges <= 4 or sum(sizes.values()) > layout.merges // 2 * RANGE_BYTES


def test_local_workers_are_forked_with_their_kernels(spark: SparkSession) -> None:
    def look(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from dftspark.lenses.ngrams import counting

        for _ in batches:
            kernel: Any = counting._counted
            loaded = len(kernel.signatures)
            yield pa.RecordBatch.from_pydict(
                {"frozen": [gc.get_freeze_count()], "loaded": [loaded]}
            )

    rows = spark.range(1).mapInArrow(look, "frozen long, loaded long").collect()
    assert all(row["frozen"] > 10_000 and row["loaded"] for row in rows)


def test_phrases_have_their_text_and_the_same_example_for_any_cut(spark: SparkSession) -> None:
    from dftspark.lenses.ngrams import spark_profile as ngrams
    from dftspark.spark.fold import Layout

    settings = audit(phrases=100)
    rows = documents()
    found = []
    for partitions in (1, 13):
        docs = spark.createDataFrame(pa.Table.from_pylist(rows)).repartition(partitions)
        layout = Layout(1, {r["corpus"]: (0, 1) for r in rows}, 1, 2)
        profile = counted(docs, settings, layout)
        table = ngrams.phrases(docs, profile, settings).toArrow().to_pylist()
        found.append({(r["corpus"], r["n"], r["key"]): r for r in table})
    assert found[0] == found[1]
    by_id = {r["doc_id"]: r["text"] for r in rows}
    for row in found[0].values():
        text = by_id[row["doc_id"]]
        assert row["excerpt"] in text
        assert row["text"] in text
        assert len(row["tokens"]) == row["n"]
        assert Words().tokenize(pa.array([row["text"]])).offsets[-1] == row["n"]


@pytest.mark.data
@pytest.mark.parametrize("name", [pytest.param("outfox", marks=pytest.mark.slow), "fdg"])
def test_real_corpora_equal_a_plain_reference(spark: SparkSession, data: Path, name: str) -> None:
    """Every n-gram of a real corpus, the tokens too from an independent tokenizer."""
    from pyspark.sql import functions as F

    from dftspark.spark.fold import Layout

    path = data / f"{name}.parquet"
    docs = spark.read.parquet(str(path)).select(
        F.coalesce("model", F.lit("human")).alias("corpus"),
        F.lit("").alias("stratum"),
        F.col("prompt_id").alias("cluster"),
        "doc_id",
        "text",
    )
    settings = audit(orders=[1, 2, 3, 4, 5])
    rows = pq.read_table(path, columns=["model", "text", "prompt_id"]).to_pylist()
    corpora = sorted({row["model"] or "human" for row in rows})
    layout = Layout(2, dict.fromkeys(corpora, (0, 3)), 3, 4)
    wanted = corpora[:2] if name == "fdg" else ["human", corpora[0]]
    stored = counted(docs.where(F.col("corpus").isin(wanted)), settings, layout).collected()
    states: dict[tuple[str, int], list[NgramRows]] = {}
    for row in stored.filter(pc.field("n") > 0).to_pylist():
        states.setdefault((row["corpus"], row["n"]), []).append(NgramRows.decode(row["state"]))
    for corpus in wanted:
        own = [row for row in rows if (row["model"] or "human") == corpus]
        tokens = [_words_of(row["text"]) for row in own]
        for n in (1, 2, 3, 4, 5):
            expected = reference.rows(tokens, [row["prompt_id"] for row in own], n)
            parts = [grams(state.counted).sums for state in states[corpus, n]]
            columns = [np.concatenate(c) for c in list(zip(*parts, strict=True))[1:]]
            got = sorted(zip(*(c.tolist() for c in columns), strict=True))
            assert got == sorted(tuple(row) for row in expected.values()), (corpus, n)


def _words_of(text: str) -> list[str]:
    """Tokens as strings; where the simple expression does not go, from the package's own spans."""
    simple = simple_words(text)
    array = pa.array([text])
    batch = Words().tokenize(array, spans=True)
    own = Words().token_texts(array, batch, 0, len(batch.hashes))
    if text.isascii() and "_" not in text:
        assert own == simple
    return own
