"""Profiles on disk: a key range is found in files of a row a group, of many, and of none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from dftspark import schema
from dftspark.config import Audit
from dftspark.lenses.ngrams.profile_files import ProfileFiles
from dftspark.lenses.ngrams.statistic_counts import TOTALS, NgramCounts
from dftspark.lenses.ngrams.watched import gram_of, occurrences
from dftspark.state import encode_arrays
from dftspark.stats.protocol import Batch
from dftspark.text.tokens import Words

RANGES = 4
TEXTS = {
    "human": ["it is worth noting that it is worth noting", "a night by the river"],
    "model": ["worth noting", "it is worth a note and worth noting twice"],
}


def rows(corpus: str, n: int, number: int) -> list[dict[str, Any]]:
    tokens = Words().tokenize(pa.array(TEXTS[corpus]))
    batch = Batch(tokens.hashes, tokens.offsets, np.arange(3), np.array([3, 5]))
    found = []
    for part, state in enumerate(NgramCounts(n=n).observe_ranges(batch, RANGES)):
        totals = encode_arrays(number * np.stack([getattr(state, name) for name in TOTALS]))
        found.append(
            {
                "corpus": corpus,
                "stratum": "",
                "n": n,
                "part": part,
                "parts": RANGES,
                "fingerprint": "f",
                "rows": len(state.key),
                "state": state.encode(),
                "sketch": b"",
                "totals": totals,
            }
        )
    return found


def written(folder: Path, number: int, group_rows: int | None) -> str:
    """A table of both corpora and orders 1 and 2 in two files; the model's totals times `number`"""
    folder.mkdir()
    every = rows("human", 1, 1) + rows("human", 2, 1) + rows("model", 1, number)
    every += rows("model", 2, number)
    for i, part in enumerate((every[:7], every[7:])):
        table = pa.Table.from_pylist(part, schema=schema.PROFILE)
        pq.write_table(
            table,
            folder / f"part-{i}.parquet",
            row_group_size=group_rows or len(part),
            write_page_checksum=True,
        )
    return str(folder)


@pytest.fixture(params=[1, 3, None])
def tables(tmp_path: Path, request: pytest.FixtureRequest) -> list[str]:
    """Two days."""
    return [written(tmp_path / f"{i}.parquet", i, request.param) for i in (1, 2)]


def test_every_key_range_has_its_rows(tables: list[str]) -> None:
    files = ProfileFiles(tables)
    assert files.ranges == [(n, part) for n in (1, 2) for part in range(RANGES)]
    whole = pa.concat_tables([pq.read_table(path) for path in tables[:2]])
    names = ["corpus", "state", "totals"]
    for n, part in files.ranges:
        own = whole.filter((pc.field("n") == n) & (pc.field("part") == part)).select(names)
        found = files.rows((n, part), names)
        assert found.column_names == names
        assert sorted(map(repr, found.to_pylist())) == sorted(map(repr, own.to_pylist()))
    assert files.rows((3, 0), names).num_rows == 0
    assert files.every(["n"]).num_rows == whole.num_rows


def test_totals_add_up_over_days_and_ranges(tables: list[str]) -> None:
    totals = ProfileFiles(tables).totals
    assert sorted(totals) == [(c, "", n) for c in ("human", "model") for n in (1, 2)]
    assert totals["human", "", 1]["tokens"].sum() == 2 * (9 + 5)
    assert totals["model", "", 2]["tokens"].sum() == (1 + 2) * (1 + 8)


def test_a_phrase_is_counted_in_all_of_them(tables: list[str]) -> None:
    corpora = {"human": {"role": "human", "path": "h"}, "model": {"role": "model", "path": "m"}}
    config = Audit.parse({"corpora": corpora}, "the test")
    files = ProfileFiles(tables)
    found = occurrences(files, gram_of("worth noting", config), RANGES)
    assert found == {("human", ""): 2 * 2, ("model", ""): 2 * 2}
    assert not occurrences(files, gram_of("never said", config), RANGES)


def test_a_page_that_changed_on_the_disk_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path / "p.parquet", 1, 1)
    part = Path(path) / "part-0.parquet"
    data = bytearray(part.read_bytes())
    data[200] ^= 1  # in the first row group, whose key range is then not to be had
    part.write_bytes(data)
    files = ProfileFiles([path])
    with pytest.raises((OSError, pa.ArrowInvalid)):
        files.every(schema.PROFILE.names)
