"""Texts that models wrote for briefs: the table of a run, and the store behind it."""

from __future__ import annotations

import pyarrow as pa

from dftspark.schema.columns import RUN, table

TEXTS = table(
    *RUN,
    ("doc_id", pa.string(), "key of the request: what was sent, to the letter"),
    ("prompt_id", pa.string(), "the brief"),
    ("prompt", pa.string(), "its prompt"),
    ("stratum", pa.string(), "its stratum, or empty"),
    ("text", pa.string(), "what the model wrote; null in the table textless"),
    ("model", pa.string(), "the model's name in the configuration"),
    ("setting", pa.string(), "its sampler setting as text: temperature=0.7 top_p=1"),
    ("sampler", pa.map_(pa.string(), pa.float64()), "sampler setting to value"),
    ("seed", pa.int64(), "of the sample, the same for all settings"),
    ("sample", pa.int32(), "from 0"),
    ("finish_reason", pa.string(), "stop, length, or what the endpoint says"),
    ("problem", pa.string(), "why there is no text: empty, refused, malformed, lost, not asked"),
    ("tokens_in", pa.int64(), "tokens read, as the endpoint counts"),
    ("tokens_out", pa.int64(), "tokens written"),
    ("target_tokens", pa.int32(), "the length that the brief asks for"),
    ("served", pa.string(), "the model that answered, by its own word"),
    ("revision", pa.string(), "of the weights, as configured"),
    ("template", pa.string(), "fingerprint of the template"),
    ("split", pa.string(), "target, validation or referee: of the brief's block"),
    ("cost", pa.float64(), "in the currency of the prices"),
    ("seconds", pa.float64(), "retries included"),
    ("attempts", pa.int32(), "requests that were sent"),
    ("at", pa.string(), "when it came, UTC"),
)

# A brief for each human document, as dftspark.generation.briefs reads it.
BRIEFS = table(
    *RUN,
    ("prompt_id", pa.string(), "the document's doc_id"),
    ("prompt", pa.string(), "what is asked for"),
    ("outline", pa.string(), "points and facts; empty for a quarter of the documents, by hash"),
    ("style", pa.string(), "how it is written"),
    ("use_case", pa.string(), "what it is for"),
    ("target_tokens", pa.int32(), "about how many tokens the document has"),
    ("em_dashes", pa.bool_(), "whether the document has any"),
    ("stratum", pa.string(), "the document's stratum"),
    ("leak", pa.float64(), "share of the document's 8-grams that the brief has too"),
    ("split", pa.string(), "target, validation or referee: of the brief's block"),
)

# Human documents without the lines that are not their authors'.
CLEANED = table(
    *RUN,
    ("doc_id", pa.string(), "the document"),
    ("prompt_id", pa.string(), "its brief"),
    ("text", pa.string(), "its lines that are left, as they were"),
    ("stratum", pa.string(), "its stratum"),
    ("dropped", pa.int32(), "lines that were left out"),
)

BRIEFLESS = table(
    *RUN,
    ("doc_id", pa.string(), "the document"),
    ("stage", pa.string(), "clean or brief"),
    ("reason", pa.string(), "why it has no brief"),
)

TEXTLESS = TEXTS  # requests that brought no text, and why

# The store of texts: the text that a model wrote for the request with that key.
TEXT_STORE = pa.schema(
    [
        ("key", pa.binary()),
        ("text", pa.string()),
        ("problem", pa.string()),
        ("finish_reason", pa.string()),
        ("raw", pa.string()),
        ("served", pa.string()),
        ("tokens_in", pa.int64()),
        ("tokens_out", pa.int64()),
        ("seconds", pa.float64()),
        ("attempts", pa.int32()),
        ("at", pa.string()),
    ]
)
