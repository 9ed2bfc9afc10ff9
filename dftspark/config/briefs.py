"""Settings of `dftspark briefs`: which documents, who reads them, and what it may cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dftspark.config.frozen import Frozen
from dftspark.config.generate import NAME, Writer, Writing


class DocumentColumns(Frozen):
    """Which column of the documents holds what."""

    doc_id: str = Field("doc_id", description="name of the document; required")
    text: str = Field("text", description="the document; required")
    stratum: str = Field("stratum", description="genre or other group")


class Briefs(Frozen):
    """Briefs of human documents: each is cleaned of what is not its author's, by line numbers, and
    then described so that a model may write one like it."""

    documents: str = Field(
        description="Parquet, JSONL or CSV, a document a row", examples=["human.jsonl"]
    )
    columns: DocumentColumns = DocumentColumns()
    model: Writer
    without_outline: Annotated[float, Field(ge=0, le=1)] = Field(
        0.25, description="share of briefs, by hash, that have no outline"
    )
    most_leak: Annotated[float, Field(ge=0, le=1)] = Field(
        0.15, description="share of a document's 8-grams in its brief, above which it is refused"
    )
    most_dropped: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="share of a document's text that cleaning may leave out"
    )
    most_characters: Annotated[int, Field(ge=200)] = Field(
        40_000, description="a longer document is refused"
    )
    max_requests: Annotated[int, Field(ge=0)] = Field(20_000, description="cap of one run")
    max_tokens: Annotated[int, Field(ge=0)] = Field(50_000_000, description="the same of tokens")
    max_cost: Annotated[float, Field(ge=0)] = Field(25.0, description="the same of their price")
    retries: Annotated[int, Field(ge=0, le=20)] = Field(5, description="of a request")
    store: str | None = Field(None, description="folder of answers, else `texts` in `out`")


class BriefMaking(Writing):
    """One TOML file of `dftspark briefs`."""

    name: str = Field("briefs", pattern=NAME)
    briefs: Briefs

    @property
    def store(self) -> str:
        return self._texts(self.briefs.store)
