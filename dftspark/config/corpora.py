"""Settings of what is read: files, columns, cleaning, tokens."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from dftspark.config import filters, queries
from dftspark.config.frozen import Frozen

# What stands for the table of a corpus that a caller gives as a DataFrame.
DATAFRAME = "a_dataframe_given_in_python"


class Columns(Frozen):
    """Which source column holds what. A name left out is taken where the source has it.

    A column inside structs and arrays is named by its path, `answer.text` or
    `messages[-1].content`; of a chat, an array of messages with role and content, the text is the
    last message of the assistant.
    """

    text: str = Field("text", description="the document itself; required")
    doc_id: str | None = Field(None, description="unique name of a document in its corpus")
    prompt_id: str | None = Field(None, description="key of the prompt; documents share clusters")
    prompt: str | None = Field(None, description="the prompt's text")
    cluster: str | None = Field(None, description="unit of resampling, where it is not the prompt")
    model: str | None = Field(None, description="name of the model; null for human text")
    stratum: str | None = Field(None, description="genre or other group to compare within")
    date: str | None = Field(None, description="day of the document, YYYY-MM-DD")
    sampler: dict[str, str] = Field(
        default_factory=dict, description="sampler setting to column: {temperature = 'temp'}"
    )


class Corpus(Frozen):
    """Where the documents of one side are, and how to read them."""

    role: Literal["human", "model"] = Field(description="which side; one corpus is human")
    path: str | tuple[str, ...] = Field(
        (),
        description="file, folder, glob or URI, or a list of them; a corpus has this, table or "
        "query",
        examples=["data/texts.jsonl"],
    )
    table: str | None = Field(
        None,
        description="in place of path: a table or view of Spark's catalogs. Of Delta and Iceberg "
        "the version that is current when the run begins is read, and the manifest names it",
        examples=["catalog.database.table"],
    )
    query: str | None = Field(
        None,
        description="in place of path: a SELECT over such tables, with the functions that the page "
        "of settings lists, and without LIMIT, ORDER BY, windows and what asks the clock",
        examples=["SELECT id, answer AS text FROM catalog.database.table WHERE lang = 'en'"],
    )
    format: Literal["auto", "parquet", "jsonl", "csv", "text"] = Field(
        "auto", description="auto goes by the file name: .parquet .jsonl .csv .txt, also .gz .zst"
    )
    encoding: str = Field("utf-8", description="of JSONL, CSV and text; a byte-order mark wins")
    document: str = Field(
        "file", description="text only: 'file', 'line', or the separator between documents"
    )
    columns: Columns = Columns()
    filter: str | None = Field(
        None,
        description="Spark SQL over doc_id, text, prompt_id, prompt, model, stratum, date, "
        "sampler['...'] and any source column as fields['...'], with the functions that the page "
        "of settings lists",
        examples=["fields['finish_reason'] = 'stop'"],
    )
    split_by: tuple[str, ...] = Field(
        (), description="source columns; one corpus per combination of their values"
    )
    same_id: Literal["rename", "reject"] = Field(
        "rename", description="a doc_id that comes again with another text"
    )
    join_copies: bool = Field(
        False,
        description="documents whose words are nearly the same share a cluster, whatever their "
        "prompts: for a corpus that is stored twice. Not for a model that repeats itself",
    )

    @field_validator("filter")
    @classmethod
    def _keeps_the_same_rows(cls, value: str | None) -> str | None:
        if value is not None:
            filters.read(value)
        return value

    @field_validator("table")
    @classmethod
    def _is_a_name(cls, value: str | None) -> str | None:
        return value if value is None else queries.read_table(value)

    @field_validator("query")
    @classmethod
    def _gives_the_same_rows(cls, value: str | None) -> str | None:
        if value is not None:
            queries.read(value)
        return value

    @model_validator(mode="after")
    def _has_one_source(self) -> Corpus:
        given = {"path": self.path, "table": self.table, "query": self.query}
        named = [name for name, value in given.items() if value]
        if len(named) != 1:
            raise ValueError(
                f"a corpus has one of path, table and query, got {' and '.join(named) or 'none'}"
            )
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,) if isinstance(self.path, str) else self.path

    @property
    def sources(self) -> tuple[str, ...]:
        """The paths, or the table, or the query: what may have `{date}` in it."""
        return self.paths or tuple(filter(None, (self.table, self.query)))

    @property
    def where(self) -> str:
        """Where its documents come from, as an error names it."""
        if self.table == DATAFRAME:
            return "the DataFrame"
        kind = "table " if self.table else "query " if self.query else ""
        return kind + ", ".join(self.sources)

    def on(self, date: str) -> Corpus:
        """Returns the corpus with `{date}` replaced."""
        told: dict[str, object] = {"path": tuple(p.replace("{date}", date) for p in self.paths)}
        for name in ("table", "query"):
            value = getattr(self, name)
            told[name] = value and value.replace("{date}", date)
        return self.model_copy(update=told)


class Cleaning(Frozen):
    """What happens to text before anything is counted. Part of every fingerprint."""

    normalize: Literal["NFC", "none"] = Field("NFC", description="Unicode normal form")
    strip_invisible: bool = Field(
        True, description="remove control, zero-width and direction-override characters"
    )
    max_document_bytes: Annotated[int, Field(ge=1_000, le=100_000_000)] = Field(
        10_000_000, description="a longer document is a reject; bounds a task's memory"
    )
    max_reject_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.05,
        description="more rejects than this in any corpus end the run with exit code 4; a damaged "
        "file weighs as many rows as are lost with it",
    )
    on_unreadable_file: Literal["reject", "fail"] = Field(
        "reject",
        description="a file that cannot be read to its end: a reject row, or the end of the run",
    )


class Tokens(Frozen):
    """How text becomes tokens."""

    tokenizer: str = Field("words", description="'words', or 'hf:PATH' of a tokenizer.json")
    lowercase: bool = Field(False, description="words only: fold case one to one")

    @field_validator("tokenizer")
    @classmethod
    def _known(cls, value: str) -> str:
        if value != "words" and not (value.startswith("hf:") and len(value) > 3):
            raise ValueError(f"tokenizer is 'words' or 'hf:PATH/tokenizer.json', got {value!r}")
        return value

    @model_validator(mode="after")
    def _case_is_the_tokenizers_own(self) -> Tokens:
        if self.lowercase and self.tokenizer != "words":
            raise ValueError("lowercase goes with tokenizer = 'words'; hf tokenizers set their own")
        return self
