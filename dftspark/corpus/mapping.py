"""Maps source columns to columns of a document: the configuration, resolved once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dftspark.config import Columns, Corpus, filters
from dftspark.corpus.nested import ColumnPath, path_of


@dataclass(frozen=True)
class Mapping:
    """Names of source columns. A column that the configuration leaves out keeps its name.

    `explicit` are the columns that the configuration names, `optional` those that are taken only
    because of their name; `needs_model` says that a row without a value in the model's column must
    not pass for human text. `paths` are the names that lead into structs and arrays.
    """

    text: str
    doc_id: str
    prompt_id: str
    prompt: str
    cluster: str | None
    model: str
    stratum: str
    date: str
    sampler: tuple[tuple[str, str], ...]
    split_by: tuple[str, ...]
    fields: tuple[str, ...]
    explicit: tuple[str, ...]
    optional: frozenset[str]
    needs_model: bool
    paths: tuple[tuple[str, ColumnPath], ...] = ()

    @classmethod
    def of(cls, corpus: Corpus) -> Mapping:
        columns = corpus.columns
        model = columns.model or "model"
        condition = filters.read(corpus.filter or "true")
        found = cls(
            text=columns.text,
            doc_id=columns.doc_id or "doc_id",
            prompt_id=columns.prompt_id or "prompt_id",
            prompt=columns.prompt or "prompt",
            cluster=columns.cluster,
            model=model,
            stratum=columns.stratum or "stratum",
            date=columns.date or "date",
            sampler=tuple(columns.sampler.items()),
            split_by=corpus.split_by,
            fields=condition.fields,
            explicit=_explicit(columns),
            optional=frozenset(Columns.model_fields)
            - {columns.text, columns.model, *_explicit(columns), *corpus.split_by},
            needs_model=bool(
                columns.model or "model" in condition.columns or model in corpus.split_by
            ),
        )
        paths = [(name, path_of(name)) for name in sorted(found.sources)]
        return replace(found, paths=tuple((name, path) for name, path in paths if path is not None))

    @property
    def sources(self) -> frozenset[str]:
        """Every source column that is used."""
        one = (self.text, self.doc_id, self.prompt_id, self.prompt, self.model, self.stratum)
        sampler = [source for _, source in self.sampler]
        return frozenset([*one, self.date, *sampler, *self.split_by, *self.fields]) | (
            frozenset() if self.cluster is None else {self.cluster}
        )

    @property
    def columns(self) -> frozenset[str]:
        """Every source column that is read: those of `sources`, and those that paths begin with."""
        return self.sources | {path.column for _, path in self.paths}


def _explicit(columns: Columns) -> tuple[str, ...]:
    named = (columns.doc_id, columns.prompt_id, columns.prompt, columns.cluster, columns.stratum)
    return tuple(
        dict.fromkeys(
            name for name in (*named, columns.date, *columns.sampler.values()) if name is not None
        )
    )
