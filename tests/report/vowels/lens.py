"""What the entry point of a lens from elsewhere names: the share of vowels among letters."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
from pydantic import Field

from dftspark.config.frozen import Frozen
from dftspark.inference.intervals import Inferred
from dftspark.lenses.fold import Group, GroupRows, Key, Left
from dftspark.lenses.lens import Compared, Lens, Night, Pairing, Texts
from dftspark.lenses.metric import Metric, measured
from dftspark.store.state_table import StateTable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dftspark.config import Audit
    from dftspark.making import Making
    from dftspark.spark.fold import Folded
    from dftspark.spark.rows import Session
    from dftspark.store.run import Run

TABLE = pa.schema([("model", pa.string()), ("letter", pa.string())])
SUMS = pa.schema(
    [
        ("corpus", pa.string()),
        ("stratum", pa.string()),
        ("fingerprint", pa.string()),
        ("documents", pa.int64()),
        ("shares", pa.int64()),
        ("squares", pa.int64()),
    ]
)
ONE = 1 << 40  # whole numbers add up the same in any order
_Sums = tuple[int, ...]


class Vowels(Frozen):
    """Which letters are vowels."""

    letters: str = Field("aeiou", min_length=1, pattern="^[a-z]+$")


class VowelsLens(Lens):
    name: ClassVar[str] = "vowels"
    section = Vowels
    settings: ClassVar[Mapping[str, Sequence[str]]] = {"vowels": ()}
    tables = ("vowels",)
    states = ("vowel_sums",)
    schemas: ClassVar[Mapping[str, pa.Schema]] = {"vowels": TABLE, "vowel_sums": SUMS}

    def fingerprints(self, spark: Session, config: Audit) -> dict[str, str]:
        return {"vowels": _made_by(_letters(config))}

    def fold(self, config: Audit, ranges: int, documents: Mapping[str, int]) -> VowelFold:
        return VowelFold(_letters(config))

    def profile(
        self, making: Making, texts: Texts, night: Night | None, folded: Folded | None
    ) -> StateTable:
        return StateTable.of([making.writer.table_path("vowel_sums")])

    def opened(self, spark: SparkSession, config: Audit, runs: Sequence[Run]) -> StateTable:
        return StateTable.of(run.table_path("vowel_sums") for run in runs)

    def compare(self, making: Making, state: StateTable, pairing: Pairing) -> Compared:
        sums = {corpus: _of(state, corpus) for (corpus,) in state.distinct("corpus")}
        human = sums.pop(making.config.human)
        rows: list[dict[str, Any]] = []
        for model, own in sorted(sums.items()):
            sides = [_moments(side) for side in (human, own)]
            value = sides[1][1] - sides[0][1]
            error = sum(variance / n for n, _, variance in sides) ** 0.5
            known = Inferred(
                std_error=error, ci_low=value - 1.96 * error, ci_high=value + 1.96 * error
            )
            metric = Metric("vowel_distance", value, "share", known)
            pair = measured(model, "", [n for n, *_ in sides], [metric])
            rows.append({**pair, "fingerprint": _made_by(_letters(making.config))})
        letters = {"model": sorted(sums), "letter": ["a"] * len(sums)}
        making.write_table("vowels", pa.table(letters, schema=TABLE))
        return Compared(rows, {"vowels": {"counted": _letters(making.config)}})

    def better(self, metric: str) -> str:
        return "parity"


@dataclass(frozen=True)
class VowelFold:
    """Documents, and sums of their shares and of the squares of these."""

    letters: str
    table: ClassVar[str] = "vowel_sums"
    columns: ClassVar[pa.Schema] = SUMS

    def observer(self) -> Counting:
        return Counting(self.letters)

    def merged(self, key: Key, states: Sequence[pa.Buffer]) -> tuple[pa.RecordBatch, bytes]:
        sums = _added(struct.unpack("<3q", s) for s in states)
        row = key.corpus, key.stratum, _made_by(self.letters), *sums
        arrays = [pa.array([v], f.type) for v, f in zip(row, SUMS, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=SUMS), b""


class Counting:
    def __init__(self, letters: str) -> None:
        self.letters = letters
        self.held: dict[Group, _Sums] = {}

    def add(self, rows: GroupRows) -> Left:
        shares = [_share(text, self.letters) for text in rows.batch["text"].to_pylist()]
        own = len(shares), *(sum(round(s**k * ONE) for s in shares) for k in (1, 2))
        self.held[rows.group] = _added([self.held.get(rows.group, (0, 0, 0)), own])
        return iter(())

    def end(self) -> Left:
        for group, sums in self.held.items():
            yield Key(*group), struct.pack("<3q", *sums)


def _added(parts: Any) -> _Sums:
    return tuple(map(sum, zip(*parts, strict=True)))


def _of(state: StateTable, corpus: str) -> _Sums:
    names = ("documents", "shares", "squares")
    return _added(tuple(row.values()) for row in state.rows(names, corpus))


def _moments(sums: _Sums) -> tuple[int, float, float]:
    """Documents, mean and variance."""
    n, mean, square = sums[0], sums[1] / ONE / sums[0], sums[2] / ONE / sums[0]
    return n, mean, max(square - mean**2, 0.0) * n / (n - 1)


def _share(text: str, vowels: str) -> float:
    letters = Counter(letter for letter in text.lower() if letter.isalpha())
    return sum(letters[vowel] for vowel in vowels) / max(letters.total(), 1)


def _letters(config: Audit) -> str:
    return config.section("vowels", Vowels).letters


def _made_by(letters: str) -> str:
    return f"vowels-v1(letters={letters!r})"
