"""Reading a file the way a task does, its outcome as plain Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import settings

from dftspark import schema
from dftspark.config import Cleaning, Corpus
from dftspark.corpus import files, ingest

# The same examples in every run, however busy the machine is.
settings.register_profile("reproducible", deadline=None, derandomize=True, database=None)
settings.load_profile("reproducible")


@dataclass
class Outcome:
    kept: list[dict[str, Any]]
    issues: list[dict[str, Any]]

    @property
    def texts(self) -> list[str]:
        return [row["text"] for row in self.kept]

    @property
    def told(self) -> list[tuple[str, str, str]]:
        return [(row["position"], row["action"], row["reason"]) for row in self.issues]

    @property
    def rejected(self) -> int:
        return sum(row["action"] == "rejected" for row in self.issues)


def outcome(splits: list[files.Split], corpus: Corpus, cleaning: Cleaning) -> Outcome:
    rows: list[dict[str, Any]] = []
    for split in splits:
        for batch in ingest.ingest(files.Split.from_json(split.to_json()), "c", corpus, cleaning):
            assert batch.schema.equals(schema.STAGED)
            assert 0 < batch.num_rows <= 1_010
            assert isinstance(batch, pa.RecordBatch)
            batch.validate(full=True)
            rows += batch.to_pylist()
    for row in rows:
        if row["action"] is not None:
            assert row["text"] is None
            assert row["action"] in ("rejected", "repaired", "noted")
            assert len(row["excerpt"]) <= 80
            assert row["excerpt"].isprintable()
            assert row["detail"]
        else:
            assert row["doc_id"]
            assert row["cluster"]
            assert row["file"]
            assert (row["reason"], row["detail"], row["excerpt"]) == (None, None, None)
    return Outcome(
        [row for row in rows if row["action"] is None],
        [row for row in rows if row["action"] is not None],
    )


Read = Callable[..., Outcome]


@pytest.fixture
def read() -> Read:
    """`read(path, role=..., cleaning=..., **settings of the corpus)`."""

    def run(
        path: Path, role: str = "human", cleaning: Cleaning | None = None, **settings: Any
    ) -> Outcome:
        corpus = Corpus.model_validate({"role": role, "path": str(path), **settings})
        splits, _ = files.find(corpus, "c")
        return outcome(splits, corpus, cleaning or Cleaning())

    return run


@pytest.fixture
def read_splits() -> Callable[..., Outcome]:
    return outcome
