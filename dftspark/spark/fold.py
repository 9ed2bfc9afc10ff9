"""Makes all states in one pass over the rows: observed in tasks, merged, written.

A task shows every batch to each fold and passes on the results, one packed state at a time; a
second stage brings the states of one key together and writes the merged ones as rows of the fold's
table. Packed states do not cross the Java machine: if the run's folder is in a file system, tasks
leave them in files there, and Spark shuffles only references, from successful attempts alone.
Merged rows are files too, and the driver adds to the table those that were reported to it.
Otherwise, as with an object store, Spark's shuffle carries the states.

Cost     a pass over the rows; one file per task in each stage; a merge holds the states of one key
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import functions as F

from dftspark import schema
from dftspark.lenses.fold import Fold, Group, GroupRows, Key, Left
from dftspark.location import Location, delete, writing
from dftspark.spark.placement import placed
from dftspark.spark.records import batch_of, record, runs
from dftspark.spark.rows import Rows, collected, mapped


class Told(NamedTuple):
    key: Key
    said: bytes


@dataclass(frozen=True, eq=False)
class Folded:
    """The table of a fold: its files, and what was reported of its rows, by key."""

    of: Fold
    files: list[Location]
    told: list[Told]

    def collected(self) -> pa.Table:
        """Returns all rows, by key, on the driver; for a small table."""
        tables = [self.of.columns.empty_table()]
        for place in self.files:
            with place.filesystem.open_input_file(place.path) as file:
                tables.append(pq.read_table(file))
        return pa.concat_tables(tables)

    @property
    def paths(self) -> list[str]:
        return [place.name for place in self.files]


def fold(
    rows: Rows,
    folds: Sequence[Fold],
    staging: str,
    merges: int,
    first: dict[str, int],
    sort: bool = True,
) -> dict[str, Folded]:
    """Returns every fold's table, by name, in files below the folder `staging`; the same for any
    cut.

    `rows` are ordered by corpus and stratum, or in any order if `sort` is false. Of the `merges`
    tasks of the second stage, `first` names the one with the first part of a corpus; the other
    parts are dealt out after it.
    """
    folder = Location.parse(staging)
    observing = _observing(folds, folder.name, merges, first, runs if sort else by_group)
    left = mapped(rows, observing, schema.LEFT)
    if not isinstance(left, pa.Table):
        # Not a groupBy, which would sort states of megabytes in the JVM to bring a few together.
        left = placed(left, merges, "merge")
    found = collected(mapped(left, _merging(folds, folder.name), schema.FOLDED)).to_pylist()
    if folder.local:
        delete(folder / _LEFT)  # which is not there if there were no rows
    return {
        one.table: _folded(one, folder, [row for row in found if row["fold"] == i])
        for i, one in enumerate(folds)
    }


_LEFT = "left"
_ALIGNED = 64  # bytes; Arrow warns of columns that begin elsewhere


def _folded(one: Fold, folder: Location, found: list[dict[str, Any]]) -> Folded:
    told = sorted(
        (Told(Key(r["corpus"], r["stratum"], r["n"], r["part"]), r["told"]), r["file"])
        for r in found
    )
    files = dict.fromkeys(file for _, file in told)
    return Folded(one, [folder / file for file in files], [own for own, _ in told])


# --- the first stage ------------------------------------------------------------------------------


def _observing(
    folds: Sequence[Fold],
    staging: str,
    merges: int,
    first: dict[str, int],
    cut: Callable[[Iterable[pa.RecordBatch]], Iterator[tuple[Group, pa.RecordBatch]]],
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        observers = [one.observer() for one in folds]
        with _Leaving(Location.parse(staging)) as leaving:

            def handed_on(i: int, left: Left) -> Iterator[pa.RecordBatch]:
                for key, state in left:
                    merge = (first.get(key.corpus, 0) + key.part) % merges
                    yield from leaving.put((i, *key, merge), state)

            for group, batch in cut(batches):
                rows = GroupRows(group, batch)
                for i, observer in enumerate(observers):
                    yield from handed_on(i, observer.add(rows))
            for i, observer in enumerate(observers):
                yield from handed_on(i, observer.end())
            yield batch_of(schema.LEFT, leaving.references)

    return run


def by_group(
    batches: Iterable[pa.RecordBatch],
) -> Iterator[tuple[Group, pa.RecordBatch]]:
    """Yields the rows of each corpus and stratum of every batch, in their order there."""
    for batch in batches:
        corpora, strata = (batch[name].dictionary_encode() for name in ("corpus", "stratum"))
        codes = corpora.indices.to_numpy() * len(strata.dictionary) + strata.indices.to_numpy()
        for code in np.unique(codes):
            corpus, stratum = divmod(int(code), len(strata.dictionary))
            group = corpora.dictionary[corpus].as_py(), strata.dictionary[stratum].as_py()
            own = np.flatnonzero(codes == code)
            yield group, batch if len(own) == len(codes) else batch.take(pa.array(own))


class _Leaving:
    """The place where a task leaves states: a separate file, or the record itself."""

    def __init__(self, folder: Location) -> None:
        self.place = folder / _LEFT / uuid.uuid4().hex
        self.stream: pa.NativeFile | None = None
        self.size = 0
        self.references: list[tuple[Any, ...]] = []

    def __enter__(self) -> _Leaving:
        return self

    def put(self, name: tuple[Any, ...], state: bytes) -> Iterator[pa.RecordBatch]:
        """Yields the record of a state, unless it is one of `references`, which come at the end."""
        if not self.place.local:
            yield record(schema.LEFT, *name, None, 0, len(state), state)
            return
        with writing(self.place):
            if self.stream is None:
                self.stream = _opened(self.place)
            self.stream.write(state)
            self.stream.write(bytes(-len(state) % _ALIGNED))
        self.references.append((*name, self.place.path, self.size, len(state), None))
        self.size += len(state) + -len(state) % _ALIGNED

    def __exit__(self, *_: object) -> None:
        if self.stream is not None:
            with writing(self.place):
                self.stream.close()


def _opened(place: Location) -> pa.NativeFile:
    place.filesystem.create_dir(place.path.rsplit("/", 1)[0], recursive=True)
    return place.filesystem.open_output_stream(place.path)


# --- the second stage -----------------------------------------------------------------------------


def _merging(
    folds: Sequence[Fold], staging: str
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        cells: dict[tuple[int, Key], list[pa.Buffer | tuple[str, int, int]]] = {}
        for batch in batches:
            names = ("fold", "corpus", "stratum", "n", "part", "file", "at", "size")
            for row, (i, *parts, file, at, size) in enumerate(
                zip(*(batch[name].to_pylist() for name in names), strict=True)
            ):
                # A copy is aligned, which a place in a column of binary values is not.
                own = pa.py_buffer(batch["state"][row].as_py()) if file is None else None
                state = (file, at, size) if own is None else own
                cells.setdefault((i, Key(*parts)), []).append(state)
        told = []
        folder = Location.parse(staging)  # each task reaches the storage by itself
        with ExitStack() as stack:
            read, writers = _Reading(stack), dict[int, _Writing]()
            for i, key in sorted(cells):
                states = [read(state) for state in cells.pop((i, key))]
                merged, said = folds[i].merged(key, states)
                if i not in writers:
                    writers[i] = stack.enter_context(_Writing(folds[i], folder))
                writers[i].write(merged)
                told.append((i, *key, writers[i].file, said))
        yield batch_of(schema.FOLDED, told)

    return run


class _Reading:
    """States from the files in which tasks left them, mapped and not copied."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack, self.files = stack, dict[str, pa.MemoryMappedFile]()

    def __call__(self, state: pa.Buffer | tuple[str, int, int]) -> pa.Buffer:
        if not isinstance(state, tuple):
            return state
        file, at, size = state
        if file not in self.files:
            self.files[file] = self.stack.enter_context(pa.memory_map(file))
        self.files[file].seek(at)
        return self.files[file].read_buffer(size)


class _Writing:
    """The rows of one fold that a task merges: a file in which each row is a separate row group."""

    def __init__(self, one: Fold, folder: Location) -> None:
        self.file = f"{one.table}/{uuid.uuid4().hex}.parquet"
        self.place, self.columns = folder / self.file, one.columns

    def __enter__(self) -> _Writing:
        with writing(self.place):
            self.stream = _opened(self.place)
            self.writer = pq.ParquetWriter(
                self.stream,
                self.columns,
                compression="NONE",
                use_dictionary=False,
                write_page_checksum=True,
                write_statistics=_short(self.columns),
            )
        return self

    def write(self, row: pa.RecordBatch) -> None:
        with writing(self.place):
            self.writer.write_batch(row)

    def __exit__(self, *_: object) -> None:
        with writing(self.place):
            self.writer.close()
            self.stream.close()


def _short(columns: pa.Schema) -> list[str]:
    """Returns the columns whose smallest and largest values are worth a place in the footer."""
    return [f.name for f in columns if pa.types.is_integer(f.type) or pa.types.is_string(f.type)]


# --- how documents are cut ------------------------------------------------------------------------

RANGE_BYTES = 8 << 20  # text behind one key range of one order
_MOST_RANGES = 4096


@dataclass(frozen=True)
class Layout:
    """The division of the work; no result depends on it.

    ranges  key ranges of every order, a power of two
    tasks   for each corpus: the first of its tasks, and how many it has
    total   number of all tasks
    merges  tasks of the second stage
    """

    ranges: int
    tasks: dict[str, tuple[int, int]]
    total: int
    merges: int

    @classmethod
    def of(cls, sizes: dict[str, int], slots: int, width: int) -> Layout:
        """Makes it; `sizes` are bytes of text by corpus, `slots` the number of tasks that should
        have work."""
        everything = sum(sizes.values())
        target = min(64 << 20, max(4 << 20, everything // max(slots, 1)))
        tasks, used = {}, 0.0
        for name, size in sorted(sizes.items()):
            count = max(1, round(size / target))
            # Small corpora share a task; one that needs several has them to itself.
            first = int(used) if count == 1 else int(np.ceil(used))
            tasks[name] = (first, count)
            used = first + count if count > 1 else max(used, first) + size / target
        ranges = min(_ranges(max(sizes.values(), default=0)), _MOST_RANGES, width)
        merges = min(max(_ranges(everything), slots), ranges * len(sizes))
        return cls(ranges, tasks, int(used) + 1, max(merges, 1))

    @property
    def first_merges(self) -> dict[str, int]:
        """The task of the second stage that has the first key range of each corpus."""
        return {name: i * self.ranges for i, name in enumerate(sorted(self.tasks))}


def _ranges(size: int) -> int:
    """Returns the power of two that cuts `size` bytes of text into parts of at most RANGE_BYTES."""
    return 1 << (max(0, -(-size // RANGE_BYTES) - 1)).bit_length()


def of_documents(
    documents: Rows, folds: Sequence[Fold], layout: Layout, staging: str
) -> dict[str, Folded]:
    """Folds documents, each cluster whole in one task, by corpus, stratum and cluster."""
    rows = placed_by_cluster(documents, layout)
    return fold(rows, folds, staging, layout.merges, layout.first_merges)


def placed_by_cluster(documents: Rows, layout: Layout) -> Rows:
    """Returns documents with each cluster whole in one task, sorted by corpus, stratum and
    cluster."""
    columns = ("corpus", "stratum", "cluster", "doc_id")
    if isinstance(documents, pa.Table):
        own = documents.select([*columns, "text"])
        return own.sort_by([(name, "ascending") for name in columns])
    first, width = F.lit(0), F.lit(1)
    if len(layout.tasks) > 1 or layout.total > 1:
        firsts = _lookup({name: task[0] for name, task in layout.tasks.items()})
        counts = _lookup({name: task[1] for name, task in layout.tasks.items()})
        first, width = firsts[F.col("corpus")], counts[F.col("corpus")]
    task = (first + F.pmod(F.xxhash64("cluster"), width)).cast("int")
    return (
        placed(documents.select(*columns, "text", task.alias("task")), layout.total, "task")
        .drop("task")
        .sortWithinPartitions(*columns)
    )


def _lookup(values: dict[str, int]) -> Any:
    return F.create_map(*[F.lit(item) for pair in values.items() for item in pair])
