"""The embedding store: the vector of every text that was ever embedded, by hash of the text.

State   <store>/<embedder>/embedder.json, which describes the embedder, and files of schema.VECTORS
        beside it. A file holds some texts, is named after them and appears whole or not at all;
        nothing is ever changed. So a killed job loses only the files it was writing, two jobs may
        fill one store at once, and two embedders never mix.
Cost    16 bytes and a vector a text; finding what is missing reads the keys of all files
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow.fs import FileType

from dftspark import schema
from dftspark.embedding.recipe import Recipe
from dftspark.errors import InputError
from dftspark.location import Location, writing
from dftspark.polling import polling
from dftspark.store import publish

if TYPE_CHECKING:
    from dftspark.progress import Stage

KEY_BYTES = 16  # of SHA-256: no collision at any size, by accident or by forgery

_FILE = re.compile(r"[0-9a-f]{32}-(\d+)\.parquet")
_SECONDS = 2.0  # between two checks for additions


def key_of(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:KEY_BYTES]


@dataclass(frozen=True)
class VectorStore:
    """The part of a store that belongs to one embedder."""

    folder: Location

    @classmethod
    def of(cls, root: str, recipe: Recipe) -> VectorStore:
        return cls(Location.parse(root) / recipe.key)

    def describe(self, recipe: Recipe) -> None:
        """Makes the folder, with a file that describes the embedder."""
        said = {**asdict(recipe), "fingerprint": recipe.fingerprint}
        with writing(self.folder):
            self.folder.filesystem.create_dir(self.folder.path, recursive=True)
            if (self.folder / "embedder.json").kind == FileType.NotFound:
                _put(self.folder, "embedder.json", json.dumps(said, indent=2).encode())

    def add(
        self, keys: Sequence[bytes], vectors: NDArray[np.float32], problems: Sequence[str | None]
    ) -> str:
        """Writes one new file and returns its name; the same keys make the same name, and the first
        file of a name stays.
        """
        name = f"{hashlib.sha256(b''.join(keys)).hexdigest()[:32]}-{len(keys)}.parquet"
        offsets = np.arange(len(keys) + 1, dtype=np.int32) * vectors.shape[1]
        table = pa.Table.from_arrays(
            [
                pa.array(keys, pa.binary()),
                pa.ListArray.from_arrays(offsets, vectors.reshape(-1)),
                pa.array(problems, pa.string()),
            ],
            schema=schema.VECTORS,
        )
        sink = pa.BufferOutputStream()
        # Neither compression nor a dictionary makes vectors smaller.
        pq.write_table(
            table, sink, compression="none", use_dictionary=["problem"], write_page_checksum=True
        )
        with writing(self.folder / name):
            _put(self.folder, name, sink.getvalue().to_pybytes())
        return name

    def read(self, name: str) -> tuple[pa.Array[Any], NDArray[np.float32]]:
        """Reads a file: the keys of the texts that have a vector, and the vectors `(k, d)`.

        Raises InputError where the file is not whole, or has other texts than its name says.
        """
        file, texts = self.folder / name, _FILE.fullmatch(name)
        try:
            with file.filesystem.open_input_file(file.path) as source:
                stored = pq.ParquetFile(source, page_checksum_verification=True)
                table = stored.read(["key", "vector", "problem"])
        except (OSError, pa.ArrowInvalid, UnicodeDecodeError) as error:  # a garbled name
            raise InputError(_damaged(file, str(error))) from error
        if texts and len(table) != int(texts[1]):
            raise InputError(_damaged(file, f"it has {len(table):,} texts"))
        table = table.filter(pc.is_null(table["problem"])).combine_chunks()
        vectors = pc.list_flatten(table["vector"]).to_numpy()
        return table["key"], vectors.reshape(len(table), -1)

    def index(self, keys: pa.Array[Any]) -> pa.Table:
        """Returns key, problem and file of those keys held; a text may be in several files."""
        parts = [pa.schema([("key", pa.binary()), ("problem", pa.string())]).empty_table()]
        names: list[str] = []
        for name in self.files():
            file = self.folder / name
            try:
                with file.filesystem.open_input_file(file.path) as source:
                    stored = pq.ParquetFile(source, page_checksum_verification=True)
                    table = stored.read(["key", "problem"])
            except (OSError, pa.ArrowInvalid, UnicodeDecodeError) as error:  # a garbled name
                raise InputError(_damaged(file, str(error))) from error
            parts.append(table.filter(pc.is_in(table["key"], value_set=keys)))
            names += [name] * len(parts[-1])
        return pa.concat_tables(parts).append_column("file", pa.array(names, pa.string()))

    def files(self) -> dict[str, int]:
        """Returns the number of texts in each file."""
        if self.folder.kind == FileType.NotFound:
            return {}
        names = (info.base_name for info in self.folder.children())
        return {name: int(found[1]) for name in names if (found := _FILE.fullmatch(name))}

    @contextmanager
    def watched(self, stage: Stage) -> Iterator[None]:
        """Reports to `stage` the texts that come in while the block runs, whoever adds them."""
        seen = sum(self.files().values())

        def look() -> None:
            nonlocal seen
            now = sum(self.files().values())
            stage.advance(now - seen)
            seen = now

        with polling(look, _SECONDS):
            yield


def _damaged(file: Location, what: str) -> str:
    return (
        f"vectors in {file} cannot be used: {what}\n"
        f"  delete that file; its texts are embedded again when they are wanted"
    )


def _put(folder: Location, name: str, data: bytes) -> None:
    with suppress(FileExistsError):  # another writer was first, with the same texts
        publish.put(folder, name, data)
