"""Laws of the texts that the pass over documents leaves for the sample."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dftspark import runs, schema
from dftspark.config import Audit
from dftspark.embedding import candidates
from dftspark.embedding.candidates import BUCKET_BITS, Candidates, sizes
from dftspark.embedding.few import Few
from dftspark.embedding.spark_sampling import few
from dftspark.embedding.store import VectorStore
from dftspark.lenses.fold import GroupRows, Key
from dftspark.location import Location

SAMPLE = 40


def corpus(name: str, clusters: int, largest: int) -> pa.Table:
    draw = random.Random(f"{name} {clusters}")
    sizes = [draw.randint(1, largest) for _ in range(clusters)]
    names = [f"prompt {i}" for i, size in enumerate(sizes) for _ in range(size)]
    rows = [
        {"corpus": name, "stratum": "", "cluster": cluster, "doc_id": f"{i}", "text": f"text {i}"}
        for i, cluster in enumerate(names)
    ]
    return pa.Table.from_pylist(rows, schema=schema.SAMPLABLE)


def folded(of: Candidates, tables: list[pa.Table]) -> tuple[pa.Table, list[tuple[Key, bytes]]]:
    """The rows of a pass in which each table is a task, and the messages about them."""
    states: dict[Key, list[pa.Buffer]] = {}
    for table in tables:
        observer = of.observer()
        for batch in table.to_batches(max_chunksize=33):
            group = batch["corpus"][0].as_py(), ""
            assert not list(observer.add(GroupRows(group, batch)))
        for key, state in observer.end():
            states.setdefault(key, []).append(pa.py_buffer(state))
    merged = [(key, *of.merged(key, states[key])) for key in sorted(states)]
    rows = pa.Table.from_batches([batch for _, batch, _ in merged], schema.SAMPLABLE)
    return rows, [(key, said) for key, _, said in merged]


def sampled(documents: pa.Table, folder: Path) -> pa.Table:
    store = VectorStore(Location.parse(str(folder)))
    rows = Few.sampled(few(documents), SAMPLE, store).rows
    return rows.sort_by([("corpus", "ascending"), ("doc_id", "ascending")])


def test_the_sample_of_the_candidates_is_that_of_all(tmp_path: Path) -> None:
    human, model = corpus("human", 900, 3), corpus("model", 30, 2)
    counts = {"human": len(human), "model": len(model)}
    of = Candidates.of(SAMPLE, counts, 4)
    rows, told = folded(of, [human, model])
    documents, size = sizes(told)
    assert SAMPLE <= documents["human"] < len(human) / 5
    assert documents["model"] == len(model)  # which is small, and whole
    assert of.enough(documents)
    assert size >= sum(len(text) for text in rows["text"].to_pylist())
    everything = pa.concat_tables([human, model])
    assert sampled(rows, tmp_path).equals(sampled(everything, tmp_path))


def test_a_task_keeps_no_more_than_it_may_need(tmp_path: Path) -> None:
    """As where one prompt has almost all of the answers, and its bucket is among the first."""
    human = corpus("human", 60, 200)
    of = Candidates({"human": 1 << BUCKET_BITS}, 4, SAMPLE)
    rows, told = folded(of, [human.slice(0, 2_000), human.slice(2_000)])
    documents, _ = sizes(told)
    assert SAMPLE <= documents["human"] <= 2 * 4 * SAMPLE < len(human) / 10
    assert of.enough(documents)
    assert sampled(rows, tmp_path).equals(sampled(human, tmp_path))


def test_candidates_do_not_depend_on_the_cut() -> None:
    human = corpus("human", 900, 3)
    of = Candidates.of(SAMPLE, {"human": len(human)}, 8)
    whole, told = folded(of, [human])
    cut = [human.slice(at, 500) for at in range(0, len(human), 500)]
    again, told_again = folded(of, cut)
    assert again.equals(whole)
    assert [key for key, _ in told_again] == [key for key, _ in told]


def test_parts_are_runs_of_buckets() -> None:
    human = corpus("human", 900, 3)
    _, told = folded(Candidates({"human": 1 << BUCKET_BITS}, 8, 2_000), [human])
    counts = [int(np.frombuffer(said, np.int64)[0]) for _, said in told]
    assert [key.part for key, _ in told] == list(range(8))
    assert sum(counts) == len(human)


@pytest.mark.parametrize("cluster", ["prompt 0", "prompt 1", "prompt 2"])
def test_too_few_candidates_are_noticed(cluster: str) -> None:
    human = corpus("human", 900, 3)
    column = pa.array([cluster] * len(human))
    heavy = human.set_column(2, "cluster", column)
    of = Candidates({"human": 1}, 1, SAMPLE)
    _, told = folded(of, [heavy])
    documents, _ = sizes(told)
    assert documents == {}
    assert not of.enough(documents)


def test_an_audit_without_enough_candidates_reads_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a few prompts have almost all answers."""
    monkeypatch.setattr(candidates, "MARGIN", 0)
    monkeypatch.chdir(tmp_path)
    for side in ("human", "model"):
        lines = [
            f'{{"id": "{i}", "prompt": "p{i % 9}", "text": "The {side} says {i} things."}}\n'
            for i in range(120)
        ]
        Path(f"{side}.jsonl").write_text("".join(lines))
    columns = {"doc_id": "id", "prompt_id": "prompt"}
    corpora = {
        side: {"role": side, "path": f"{side}.jsonl", "columns": columns}
        for side in ("human", "model")
    }
    settings = {"embedder": "static", "sample": 100}
    config = Audit.parse({"corpora": corpora, "embedding": settings, "out": "runs"}, "audit.toml")
    assert runs.audit(config=config).manifest["embedding"]["documents"] == 200
