"""A store of answers: what every endpoint ever answered, by the key of the request.

State   <store>/*.parquet of the kind's schema, each whole or not there at all and never changed;
        <store>/asking/, the journals of tasks that ask right now, or of a run that was killed.
        A run holds the lock of the store while it asks; it begins by taking in what a killed run
        left, and ends by turning its journals into one Parquet file.
Cost    some 200 bytes a verdict, or the length of a text; a run reads the keys of all files
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dftspark.endpoints import journal
from dftspark.endpoints.answers import Kind
from dftspark.endpoints.journal import Entry
from dftspark.errors import ConfigError, InputError
from dftspark.location import Location, writing
from dftspark.polling import polling
from dftspark.store import publish

if TYPE_CHECKING:
    from dftspark.progress import Stage

_SECONDS = 1.0  # between two checks for new answers
_FILE = re.compile(r"([0-9a-f]{32})-[0-9]+\.parquet")
_PATIENCE = 20.0  # seconds that tasks of a killed run are given to end


@dataclass(frozen=True)
class AnswerStore:
    """The store below `folder`, which driver and executors share, of answers of one kind."""

    folder: Path
    kind: Kind

    @classmethod
    def of(cls, root: str, kind: Kind) -> AnswerStore:
        """Opens the store. Raises ConfigError for object stores: they lack locks and appending."""
        place = Location.parse(root)
        if not place.local:
            raise ConfigError(
                f"{kind.setting}: {place} is no file system with locks, without which two tasks "
                f"could pay for one answer; set {kind.setting} to a folder on a disk that the "
                f"driver and the executors share, or to the driver's own disk with tasks = 0"
            )
        return cls(Path(place.path), kind)

    def journal(self, job: str, part: int) -> Path:
        return self.folder / "asking" / f"{job}-{part:04d}.jsonl"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps the store to this run in the block; first takes in what a killed run left."""
        with writing(Location.parse(str(self.folder))):
            (self.folder / "asking").mkdir(parents=True, exist_ok=True)
        busy = (
            f"another run asks {self.kind.asked} for the store {self.folder} right now; what it "
            f"hears is not asked again: start this one when that has ended, or give it another "
            f"{self.kind.setting}"
        )
        with journal.locked(self.folder / "asking" / "lock", self.kind, wait=False, busy=busy):
            self.take_in()
            yield

    def take_in(self) -> dict[bytes, str]:
        """Turns journals into stored answers; returns failed requests with the reason.

        Raises EnvironmentProblem where tasks of a killed run do not end.
        """
        deadline = time.monotonic() + _PATIENCE
        failed: dict[bytes, str] = {}
        found: dict[bytes, Entry] = {}
        with ExitStack() as journals:
            for path in sorted((self.folder / "asking").glob("*.jsonl")):
                heard = journals.enter_context(journal.taken(path, deadline, self.kind))
                found |= {key: journal.lost(self.kind) for key in heard.lost - found.keys()}
                found |= heard.answered
                failed |= heard.failed
            self.add(found)
        return {key: why for key, why in failed.items() if key not in found}

    def add(self, entries: Mapping[bytes, Entry]) -> None:
        """Writes one new file."""
        if not entries:
            return
        keys = sorted(entries)
        rows = [_row(key, entries[key]) for key in keys]
        table = pa.Table.from_pylist(rows, schema=self.kind.schema)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        data = sink.getvalue().to_pybytes()
        name = f"{hashlib.sha256(data).hexdigest()[:32]}-{len(keys)}.parquet"
        place = Location.parse(str(self.folder))
        with writing(place / name), suppress(FileExistsError):
            place.filesystem.create_dir(place.path, recursive=True)
            publish.put(place, name, data)

    def load(self, keys: set[bytes]) -> dict[bytes, Entry]:
        """Returns what is known of `keys`. A model's answer wins over the rest, then the older.

        Raises InputError for a file that has changed since it was written.
        """
        wanted = pa.array(sorted(keys), pa.binary())
        found: dict[bytes, Entry] = {}
        for path in sorted(self.folder.glob("*.parquet")):
            table = _whole(path, self.kind)
            for row in table.filter(pc.is_in(table["key"], wanted)).to_pylist():
                entry = Entry.of(row, self.kind)
                known = found.get(row["key"])
                if known is None or (known.unheard, known.at) > (entry.unheard, entry.at):
                    found[row["key"]] = entry
        return found

    @contextmanager
    def watched(self, stage: Stage) -> Iterator[None]:
        """Reports to `stage` the answers that come in while the block runs, whoever asks."""
        counts: dict[Path, Callable[[], int]] = {}

        def look() -> None:
            for path in (self.folder / "asking").glob("*.jsonl"):
                with suppress(OSError):
                    stage.advance(counts.setdefault(path, journal.counting(path))())

        with polling(look, _SECONDS):
            yield


def _whole(path: Path, kind: Kind) -> pa.Table:
    """Reads a file that holds what its name says. Raises InputError for any other."""
    said = _FILE.fullmatch(path.name)
    if not said:
        raise InputError(
            f"{path} is no file of {kind.plural}, whose names are the digests of what is in them; "
            f"take it out of the store"
        )
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest()[:32] != said[1]:
        raise InputError(
            f"{path} has changed since it was written, so its {kind.plural} are not what "
            f"{kind.asked} said; restore it from a copy, or delete it, and they are asked for again"
        )
    return pq.read_table(pa.BufferReader(data))


def job() -> str:
    """Returns a name for the journals of one run."""
    return secrets.token_hex(6)


def _row(key: bytes, entry: Entry) -> dict[str, object]:
    return {
        "key": key,
        **vars(entry.said),
        "seconds": entry.seconds,
        "attempts": entry.attempts,
        "at": entry.at,
    }
