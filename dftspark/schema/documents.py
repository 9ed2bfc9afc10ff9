"""Documents, the unused parts of the input, and the counts of both."""

from __future__ import annotations

import pyarrow as pa

from dftspark.schema.columns import RUN, table

DOCUMENTS = pa.schema(
    [
        ("doc_id", pa.string()),
        ("corpus", pa.string()),
        ("role", pa.string()),
        ("cluster", pa.string()),
        ("stratum", pa.string()),
        ("block", pa.int32()),
        ("text", pa.string()),
        ("prompt_id", pa.string()),
        ("prompt", pa.string()),
        ("model", pa.string()),
        ("sampler", pa.map_(pa.string(), pa.string())),
        ("date", pa.string()),
    ]
)

REJECT_FIELDS = [
    pa.field("corpus", pa.string(), metadata={"doc": "corpus as named in the configuration"}),
    pa.field("file", pa.string(), metadata={"doc": "path as read; or table, query, DataFrame"}),
    pa.field(
        "position",
        pa.string(),
        metadata={"doc": "line 12, row 12, byte 345, digest 6f.. of a table, or empty"},
    ),
    pa.field("action", pa.string(), metadata={"doc": "rejected, duplicate, repaired or noted"}),
    pa.field("reason", pa.string(), metadata={"doc": "a short code: invalid_utf8, text_missing"}),
    pa.field("detail", pa.string(), metadata={"doc": "the reason in words, with the values"}),
    pa.field("excerpt", pa.string(), metadata={"doc": "up to 80 characters of the row"}),
    pa.field(
        "unread_bytes",
        pa.int64(),
        metadata={"doc": "of a damaged file: its bytes that were not read; null for a row"},
    ),
    pa.field(
        "lost_rows",
        pa.int64(),
        metadata={
            "doc": "of a damaged file: rows not read, of Parquet exact, else by the bytes of those "
            "that were, of a cut file as many as those; null where nothing of it was read"
        },
    ),
]

# One row per row read: a document (action null), an issue with a row, or both, as two rows.
# `source` is the corpus as the configuration names it, `corpus` one of its parts under split_by.
STAGED = pa.schema(
    [
        pa.field("source", pa.string()),
        *DOCUMENTS,
        pa.field("fields", pa.map_(pa.string(), pa.string())),
        *REJECT_FIELDS[1:],
    ]
)

CORPORA = table(
    *RUN,
    ("corpus", pa.string(), "corpus"),
    ("role", pa.string(), "human or model"),
    ("read", pa.int64(), "rows read: kept + rejected + duplicates + filtered"),
    ("documents", pa.int64(), "rows kept"),
    ("rejected", pa.int64(), "rows that could not be used, listed in rejects"),
    ("duplicates", pa.int64(), "rows that repeat a doc_id and its text, listed in rejects"),
    ("filtered", pa.int64(), "rows that the corpus's filter or `prompts` left out"),
    ("repaired", pa.int64(), "repairs and notes in rejects"),
    ("clusters", pa.int64(), "distinct clusters: prompts, or texts where there is no prompt"),
    ("tokens", pa.int64(), "tokens of the documents"),
    ("bytes", pa.int64(), "UTF-8 bytes of the documents"),
    ("state_bytes", pa.int64(), "bytes of the fixed-size states, bounded by settings"),
    ("keyed_bytes", pa.int64(), "bytes of the exact n-gram counts"),
    ("copies_effect", pa.float64(), "times the variance without copies; 2 if all is stored twice"),
    ("copies_share", pa.float64(), "share of documents that repeat one of another cluster"),
    ("damaged", pa.int64(), "files that could not be read to their end, one reject each"),
    ("unread_bytes", pa.int64(), "bytes of those files, as stored, that were not read"),
    ("lost", pa.int64(), "rows that are lost with them, estimated; weighed in max_reject_share"),
)

REJECTS = pa.schema([*table(*RUN), *REJECT_FIELDS])
