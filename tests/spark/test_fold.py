"""The shared pass without Spark: its two stages by hand, on a disk and on other storage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from dftspark import schema
from dftspark.config import Audit
from dftspark.lenses.fold import Fold
from dftspark.lenses.lens import lens
from dftspark.location import Location
from dftspark.spark import fold
from dftspark.testing.synthetic import SyntheticSource
from dftspark.text import tokens

pytestmark = pytest.mark.spark

CONFIG = Audit.parse(
    {
        "corpora": {name: {"role": name, "path": "x"} for name in ("human", "model")},
        "ngrams": {"orders": [1, 2], "sketch_width": 256},
    },
    "the test",
)
RANGES = 4


def batches(role: str) -> list[pa.RecordBatch]:
    """Clusters of three documents, none of them cut."""
    source = SyntheticSource(documents_per_prompt=3, mean_tokens=40)
    made = source.documents(60, role=role).to_pydict()  # type: ignore[arg-type]
    rows = [
        {"corpus": role, "stratum": "", "cluster": prompt, "doc_id": name, "text": text}
        for name, prompt, text in zip(*made.values(), strict=True)
    ]
    rows.sort(key=lambda row: (row["cluster"], row["doc_id"]))
    names = ["corpus", "stratum", "cluster", "doc_id", "text"]
    table = pa.Table.from_pylist(rows, schema=pa.schema([(name, pa.string()) for name in names]))
    return [table.slice(at, 30).combine_chunks().to_batches()[0] for at in (0, 30)]


def folded(folder: Path, tasks: list[list[pa.RecordBatch]]) -> tuple[dict[str, pa.Table], bool]:
    """Every fold's rows, and whether states went through files."""
    folds: list[Fold] = []
    for name in ("ngrams", "structure"):
        one = lens(name).fold(CONFIG, RANGES, {})
        assert one is not None
        folds.append(one)
    staging = str(folder)
    observing = fold._observing(folds, staging, 1, {"human": 0, "model": 0}, fold.by_group)

    def left() -> Iterator[pa.RecordBatch]:
        for task in tasks:
            yield from observing(task)

    states = pa.Table.from_batches(left(), schema=schema.LEFT)
    merging = fold._merging(folds, staging)
    merged = pa.Table.from_batches(merging(states.to_batches()), schema=schema.FOLDED)
    rows = merged.to_pylist()
    place = Location.parse(staging)
    found = {
        one.table: fold._folded(one, place, [row for row in rows if row["fold"] == i]).collected()
        for i, one in enumerate(folds)
    }
    return found, states["file"].null_count < len(states)


def test_states_are_the_same_through_files_and_through_the_shuffle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [batches("human"), batches("model")]
    with_files, by_files = folded(tmp_path / "disk", tasks)
    monkeypatch.setattr(Location, "local", property(lambda self: False))
    without, other = folded(tmp_path / "store", tasks)
    assert (by_files, other) == (True, False)
    assert with_files.keys() == without.keys() == {"profile", "structure"}
    for name, table in with_files.items():
        assert table.num_rows >= 2
        assert table.sort_by([(c, "ascending") for c in _keys(table)]).equals(
            without[name].sort_by([(c, "ascending") for c in _keys(table)])
        )
    assert [path.name for path in (tmp_path / "store").glob("left")] == []


def _keys(table: pa.Table) -> list[str]:
    return [name for name in ("corpus", "stratum", "n", "key_range") if name in table.column_names]


def test_lenses_share_the_tokens_of_a_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def counted(texts: pa.Array, spans: bool, cased: bool, folded: bool) -> tuple[object, ...]:
        read.append(len(texts))
        return whole(texts, spans, cased, folded)

    whole = tokens._read
    monkeypatch.setattr(tokens, "_read", counted)
    folded(tmp_path, [batches("human"), batches("model")])
    # An excerpt reads its document once more, by itself.
    assert [n for n in read if n > 1] == [30, 30, 30, 30]
