"""Finds a document again by its id, in the files that a run read. Needs no Spark.

Cost  reads each corpus up to the document, JSON lines at 50 to 60 MB/s
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from dftspark.config import Audit
from dftspark.corpus import files
from dftspark.corpus.ingest import ingest
from dftspark.errors import InputError


class Whereabouts(NamedTuple):
    """A document with the place where it stands; `text` is untrusted and whole."""

    corpus: str
    role: str
    file: str
    position: str
    doc_id: str
    text: str


def look_up(config: Audit, doc_id: str) -> list[Whereabouts]:
    """Returns the document of this id in each corpus that has one, human first: both sides may use
    one id.

    An id ending in `~` and a hash was given to a document whose own id came again; all documents
    of that own id are returned. Filters are not applied. Raises InputError if the files are gone
    or none has the id.
    """
    plain = doc_id.rpartition("~")[0] or doc_id
    found = []
    stored = [name for name, corpus in config.corpora.items() if corpus.paths]
    if not stored:
        raise InputError(
            f"the corpora {', '.join(config.corpora)} are no files but tables or queries, whose "
            f"documents are not read again here; look {doc_id!r} up there"
        )
    for name in sorted(stored, key=lambda name: config.corpora[name].role != "human"):
        own = _of_corpus(config, name, doc_id)
        here = next(own, None)
        found += [here] if here is not None else [*_of_corpus(config, name, plain)]
    if not found:
        looked = ", ".join(path for corpus in config.corpora.values() for path in corpus.paths)
        raise InputError(
            f"no document {doc_id!r} in {looked}; paths are relative to the folder in which the "
            f"audit was started, a file may have changed since, and tables are not looked through"
        )
    return found


def _of_corpus(config: Audit, name: str, doc_id: str) -> Iterator[Whereabouts]:
    corpus = config.corpora[name]
    for split in files.find(corpus, name)[0]:
        for batch in ingest(split, name, corpus, config.cleaning):
            columns: dict[str, Any] = {key: batch.column(key) for key in ("doc_id", "action")}
            for at, one in enumerate(columns["doc_id"].to_pylist()):
                if one == doc_id and columns["action"][at].as_py() is None:
                    row = batch.slice(at, 1).to_pylist()[0]
                    yield Whereabouts(
                        row["corpus"] or name,
                        row["role"],
                        row["file"],
                        row["position"],
                        one,
                        row["text"],
                    )
