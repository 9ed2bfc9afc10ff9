"""Tables that are kept to be read again: states in runs, and the stores of vectors and verdicts.

Binary columns `state`, `sketch` and `totals` are encoded as in dftspark.state.
"""

from __future__ import annotations

import pyarrow as pa

# Exact n-gram counts: `part` is the key range, of `parts`. The order WHOLE is of the documents as
# wholes, in one part: `state` is of stats.surface, `sketch` of stats.copies_sketch.
WHOLE = 0
PROFILE = pa.schema(
    [
        ("corpus", pa.string()),
        ("stratum", pa.string()),
        ("n", pa.int32()),
        ("part", pa.int32()),
        ("parts", pa.int32()),
        ("fingerprint", pa.string()),
        ("rows", pa.int64()),
        ("state", pa.binary()),
        ("sketch", pa.binary()),
        ("totals", pa.binary()),
    ]
)

# The text of n-grams, each with the document of the smallest hash that has it.
PHRASES = pa.schema(
    [
        ("corpus", pa.string()),
        ("n", pa.int32()),
        ("key", pa.int64()),
        ("doc_hash", pa.int64()),
        ("doc_id", pa.string()),
        ("text", pa.string()),
        ("tokens", pa.list_(pa.string())),
        ("excerpt", pa.string()),
    ]
)

_EXAMPLE = pa.struct(
    [
        ("pattern", pa.string()),
        ("doc_hash", pa.int64()),
        ("doc_id", pa.string()),
        ("excerpt", pa.string()),
    ]
)

# One state, and up to five examples of each pattern, a (corpus, stratum).
STRUCTURE_PROFILE = pa.schema(
    [
        ("corpus", pa.string()),
        ("stratum", pa.string()),
        ("state", pa.binary()),
        ("examples", pa.list_(_EXAMPLE)),
        ("fingerprint", pa.string()),
    ]
)

# Sums of random features over a stratum.
FEATURE_SUMS = pa.schema(
    [
        ("corpus", pa.string()),
        ("stratum", pa.string()),
        ("fingerprint", pa.string()),
        ("documents", pa.int64()),
        ("state", pa.binary()),
    ]
)

# Every distinct cluster of a corpus by its hash, which shows the prompts that two sides share.
CLUSTERS = pa.schema([("corpus", pa.string()), ("cluster", pa.int64())])

# By the name of the table in a run.
STATES = {
    "profile": PROFILE,
    "phrases": PHRASES,
    "structure": STRUCTURE_PROFILE,
    "feature_sums": FEATURE_SUMS,
    "clusters": CLUSTERS,
}

# The embedding store: a text's vector, or why it has none.
VECTORS = pa.schema(
    [("key", pa.binary()), ("vector", pa.list_(pa.float32())), ("problem", pa.string())]
)

# The verdict store: what an endpoint answered to the request of that key, or why no verdict is in
# it. `answer` is A, B or tie as the texts were shown; `odds` is log P(A) / P(B).
VERDICTS = pa.schema(
    [
        ("key", pa.binary()),
        ("answer", pa.string()),
        ("problem", pa.string()),
        ("odds", pa.float64()),
        ("raw", pa.string()),
        ("served", pa.string()),
        ("tokens_in", pa.int64()),
        ("tokens_out", pa.int64()),
        ("seconds", pa.float64()),
        ("attempts", pa.int32()),
        ("at", pa.string()),
    ]
)
