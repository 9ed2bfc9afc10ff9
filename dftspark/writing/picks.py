"""Picks that a reader consented to keep: a folder of small Parquet files, one for each, which the
judge lens reads as judgements of a judge named `human`."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dftspark import schema
from dftspark.location import Location, writing
from dftspark.store import publish
from dftspark.writing.desk import LABELS, BlindPair


def keep(folder: Path, pair: BlindPair, better: str) -> str:
    """Writes the pick (A, B or tie) and returns its file. Raises EnvironmentProblem if that cannot
    be written."""
    sides = sorted(zip(LABELS, pair.texts, strict=True), key=lambda side: side[1].engine)
    (_, against), (label, model) = sides
    now = datetime.now(UTC)
    row = {
        "pair_id": pair.id,
        "at": now.isoformat(timespec="seconds"),
        "prompt_id": hashlib.sha256(pair.prompt.encode()).hexdigest()[:16],
        "prompt": pair.prompt,
        "model": model.engine,
        "against": against.engine,
        "model_text": model.text,
        "against_text": against.text,
        "order": "model_first" if label == LABELS[0] else "model_second",
        "verdict": "tie" if better == "tie" else "model" if better == label else "against",
    }
    place = Location.parse(str(folder))
    name = f"{now:%Y%m%dT%H%M%SZ}-{pair.id}.parquet"
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist([row], schema=schema.PICKS), sink, compression="zstd")
    with writing(place / name):
        place.filesystem.create_dir(place.path, recursive=True)
        publish.put(place, name, sink.getvalue().to_pybytes())
    return str(folder / name)
