"""The tables of the n-gram lens: comparisons, joined with the text of the n-grams that they list.

Cost     the rows of the tables, and of the texts those that are listed, on the driver
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dftspark import schema
from dftspark.location import Location
from dftspark.store.state_table import StateTable

_ORDER = ("corpus", "n", "key", "doc_hash", "doc_id", "text", "excerpt")


@dataclass(frozen=True, eq=False)
class ListedPhrases:
    """schema.PHRASES with one row an n-gram of a corpus, in the order of the keys."""

    rows: pa.Table
    places: dict[tuple[str, int], tuple[int, int]]  # first row and the one after the last
    keys: NDArray[np.int64]

    @classmethod
    def of(cls, stored: StateTable, compared: pa.Table) -> ListedPhrases:
        """Reads the texts listed in `compared`, schema.COMPARED. Where several days have one, the
        example with the smallest hash of its document is kept.
        """
        wanted = _listed(compared)
        parts = [schema.PHRASES.empty_table()]
        for place in map(Location.parse, stored.files):
            with place.filesystem.open_input_file(place.path) as file:
                part = pq.read_table(file, page_checksum_verification=True)
            parts.append(part.filter(_among(part, wanted)).select(schema.PHRASES.names))
        found = pa.concat_tables(parts).sort_by([(name, "ascending") for name in _ORDER])
        names = [found[name].to_numpy(zero_copy_only=False) for name in ("corpus", "n", "key")]
        new = np.ones(len(found), bool)
        if len(found):
            new[1:] = np.logical_or.reduce([own[1:] != own[:-1] for own in names])
        found = found.filter(pa.array(new)).combine_chunks()
        corpora, orders, keys = (own[new] for own in names)
        places: dict[tuple[str, int], tuple[int, int]] = {}
        for row, (corpus, n) in enumerate(zip(corpora, orders.tolist(), strict=True)):
            places[corpus, n] = places.get((corpus, n), (row, row))[0], row + 1
        return cls(found, places, keys.astype(np.int64))

    def find(self, corpus: str, n: int, keys: NDArray[np.int64]) -> pa.Array:
        """Returns for each key its row here, null where there is none."""
        first, end = self.places.get((corpus, n), (0, 0))
        own = self.keys[first:end]
        at = np.minimum(np.searchsorted(own, keys), max(len(own) - 1, 0))
        known = own[at] == keys if len(own) else np.zeros(len(keys), bool)
        return pa.array(first + at, pa.int64(), mask=~known)


def _listed(compared: pa.Table) -> dict[int, pa.Array]:
    """Returns the keys in both tables, by order."""
    keys: dict[int, list[pa.Array]] = {}
    for i, n in enumerate(compared["n"].to_pylist()):
        for name in ("ngrams", "ratios"):
            keys.setdefault(n, []).append(compared[name][i].values.field("key"))
    return {n: pc.unique(pa.concat_arrays(arrays)) for n, arrays in keys.items()}


def _among(part: pa.Table, wanted: dict[int, pa.Array]) -> pa.Array:
    own = np.zeros(len(part), bool)
    for n, keys in wanted.items():
        of_order = pc.and_(pc.equal(part["n"], n), pc.is_in(part["key"], value_set=keys))
        own |= of_order.to_numpy(zero_copy_only=False)
    return pa.array(own)


def ngrams(
    compared: pa.Table, texts: ListedPhrases, human: str, run_id: str, date: str
) -> pa.Table:
    """Makes schema.NGRAMS: the listed n-grams with text and examples, and a remainder row each."""
    parts = []
    for pair, listed in _pairs(compared, "ngrams", human, run_id, date):
        counts = [_column(listed, f"count_{side}") for side in ("human", "model")]
        tokens = [pair["tokens_human"], pair["tokens_model"]]
        contribution = _column(listed, "contribution")
        # Summed in order, so that nothing changes the last digit.
        squared = float(np.cumsum(np.r_[0.0, np.abs(contribution)])[-1]) + pair["remainder"]
        rest = [total - int(own.sum()) for total, own in zip(tokens, counts, strict=True)]
        contribution = np.r_[contribution, pair["remainder"]]
        columns = _texts_of(texts, pair, listed, human)
        columns |= {
            name: listed.field(name)
            for name in ("docs_human", "docs_model", "log_odds", "z", "q_value")
        }
        columns = {name: _with_null(column) for name, column in columns.items()}
        columns |= {"contribution": contribution, "share": _over(np.abs(contribution), squared)}
        for side, own, other, total in zip(("human", "model"), counts, rest, tokens, strict=True):
            columns[f"count_{side}"] = np.r_[own, other]
            columns[f"per_million_{side}"] = _over(columns[f"count_{side}"] * 1e6, total)
        parts.append(_table(schema.NGRAMS, pair, columns, len(listed) + 1))
    return pa.concat_tables([schema.NGRAMS.empty_table(), *parts])


def document_ratios(
    compared: pa.Table, texts: ListedPhrases, human: str, run_id: str, date: str
) -> pa.Table:
    """Makes schema.DOCUMENT_RATIOS."""
    parts = []
    words = compared.filter(pc.equal(compared["n"], 1))
    for pair, listed in _pairs(words, "ratios", human, run_id, date):
        columns = {"token": _texts_of(texts, pair, listed, human)["text"]}
        same = ("ratio", "p_value", "q_value", "docs_human", "docs_model")
        columns |= {name: listed.field(name) for name in same}
        for side in ("human", "model"):
            columns[f"share_{side}"] = _over(_column(listed, f"docs_{side}"), pair[f"n_{side}"])
        parts.append(_table(schema.DOCUMENT_RATIOS, pair, columns, len(listed)))
    return pa.concat_tables([schema.DOCUMENT_RATIOS.empty_table(), *parts])


def _pairs(
    compared: pa.Table, name: str, human: str, run_id: str, date: str
) -> Iterator[tuple[dict[str, Any], pa.StructArray]]:
    """Yields the pair and order of each row of `compared`, and its list."""
    of_run = {"run_id": run_id, "date": date, "human": human}
    said = compared.drop_columns(["metrics", "ngrams", "ratios"]).to_pylist()
    for pair, listed in zip(said, compared[name], strict=True):
        yield {**of_run, **pair}, listed.values


def _texts_of(
    texts: ListedPhrases, pair: dict[str, Any], listed: pa.StructArray, human: str
) -> dict[str, Any]:
    """Returns text and tokens from whichever side knows them, and the examples of both."""
    keys = _column(listed, "key")
    own, other = (texts.find(corpus, pair["n"], keys) for corpus in (human, pair["model"]))
    columns: dict[str, Any] = {}
    either = pc.coalesce(own, other)
    for name in ("text", "tokens"):
        columns[name] = _taken(texts, name, either)
    for side, rows in (("human", own), ("model", other)):
        columns[f"example_{side}"] = _taken(texts, "excerpt", rows)
        columns[f"example_{side}_id"] = _taken(texts, "doc_id", rows)
    return columns


def _taken(texts: ListedPhrases, name: str, rows: pa.Array) -> pa.Array:
    found = texts.rows[name].take(rows)
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _with_null(column: pa.Array) -> pa.Array:
    """Appends a row for the remainder, which has no value."""
    return pa.concat_arrays([column, pa.nulls(1, column.type)])


def _column(listed: pa.StructArray, name: str) -> NDArray[Any]:
    return np.asarray(listed.field(name).to_numpy(zero_copy_only=False))


def _over(values: NDArray[Any], total: float) -> pa.Array:
    """Divides by the total; null where it is 0."""
    return pa.array(values / total, pa.float64()) if total else pa.nulls(len(values), pa.float64())


def _table(of: pa.Schema, pair: dict[str, Any], columns: dict[str, Any], rows: int) -> pa.Table:
    arrays = []
    for field in of:
        column = columns.get(field.name)
        if column is None:
            column = pa.repeat(pa.scalar(pair[field.name], field.type), rows)
        arrays.append(pa.array(column, field.type, from_pandas=False))
    return pa.Table.from_arrays(arrays, schema=of)
