"""Records on their way from one Spark stage to the next."""

from __future__ import annotations

import pyarrow as pa

from dftspark.schema.columns import PAIR
from dftspark.schema.comparisons import PATTERNS

# A packed state that a task leaves, by the number of its fold and its key: in a file of its own, or
# as it is. `merge` is the task that the record goes to.
LEFT = pa.schema(
    [
        ("fold", pa.int32()),
        ("corpus", pa.string()),
        ("stratum", pa.string()),
        ("n", pa.int32()),
        ("part", pa.int32()),
        ("merge", pa.int32()),
        ("file", pa.string()),
        ("at", pa.int64()),
        ("size", pa.int64()),
        ("state", pa.binary()),
    ]
)

# A merged row that a task has written to a file, with the facts that the driver needs.
FOLDED = pa.schema(
    [
        *(LEFT.field(name) for name in ("fold", "corpus", "stratum", "n", "part", "file")),
        ("told", pa.binary()),
    ]
)

# The key of a document that its near copies share, and a hash of its id.
KEYED_DOCUMENTS = pa.schema(
    [
        ("corpus", pa.string()),
        ("cluster", pa.string()),
        ("id_hash", pa.int64()),
        ("key", pa.int64()),
    ]
)

# The key ranges that a task compares, and what it passes on for each.
KEY_RANGES = pa.schema([("task", pa.int32()), ("n", pa.int32()), ("part", pa.int32())])

PARTIAL_PAIRS = pa.schema(
    [
        ("model", pa.string()),
        ("stratum", pa.string()),
        ("n", pa.int32()),
        ("part", pa.int32()),
        ("partial", pa.binary()),
    ]
)

# A kind of work on a model corpus, in a task of its own; and the rows that came of it, as a stream
# of Arrow's.
WORK = pa.schema([("task", pa.int32()), ("kind", pa.string()), ("model", pa.string())])
WORKED = pa.schema([("kind", pa.string()), ("model", pa.string()), ("rows", pa.binary())])

_F8, _I8 = pa.float64(), pa.int64()

_METRIC = pa.struct(
    [
        ("metric", pa.string()),
        ("value", _F8),
        ("unit", pa.string()),
        ("std_error", _F8),
        ("ci_low", _F8),
        ("ci_high", _F8),
        ("p_value", _F8),
        ("floor", _F8),
        ("mde", _F8),
        ("n_tell", _F8),
        ("n_tell_low", _F8),
        ("n_tell_high", _F8),
        ("blocks", pa.int32()),
        # For a sweep: without each block, and on the halves of each split, first and second.
        ("left_out", pa.list_(_F8)),
        ("halves", pa.list_(_F8)),
    ]
)

# A lens's results for one (model, stratum), whoever measured them.
MEASURED = pa.schema(
    [
        ("model", pa.string()),
        ("stratum", pa.string()),
        ("n_human", _I8),
        ("n_model", _I8),
        ("metrics", pa.list_(_METRIC)),
    ]
)

# The n-gram lens's further results for each order: rows of its two tables.
COMPARED = pa.schema(
    [
        *MEASURED,
        ("n", pa.int32()),
        ("tokens_human", _I8),
        ("tokens_model", _I8),
        ("remainder", _F8),
        (
            "ngrams",
            pa.list_(
                pa.struct(
                    [
                        ("key", _I8),
                        ("count_human", _I8),
                        ("count_model", _I8),
                        ("docs_human", _I8),
                        ("docs_model", _I8),
                        ("log_odds", _F8),
                        ("z", _F8),
                        ("contribution", _F8),
                        ("q_value", _F8),
                    ]
                )
            ),
        ),
        (
            "ratios",
            pa.list_(
                pa.struct(
                    [
                        ("key", _I8),
                        ("docs_human", _I8),
                        ("docs_model", _I8),
                        ("ratio", _F8),
                        ("p_value", _F8),
                        ("q_value", _F8),
                    ]
                )
            ),
        ),
    ]
)

# Embeddings on their way to feature sums; a vector is its float32 coordinates, little-endian.
CLOUDS = pa.schema(
    [
        ("corpus", pa.string()),
        ("stratum", pa.string()),
        ("cluster", pa.string()),
        ("doc_id", pa.string()),
        ("vector", pa.binary()),
    ]
)

# Documents that may be embedded, with their text.
SAMPLABLE = pa.schema([*list(CLOUDS)[:-1], pa.field("text", pa.string())])

# Documents that are to be embedded, with their text and its key in the store.
MEMBERS = pa.schema([*SAMPLABLE, pa.field("key", pa.binary())])

# Documents with vectors and texts, and a hash of their cluster, by which they are sampled.
TEXTED_CLOUDS = pa.schema([*CLOUDS, pa.field("text", pa.string()), pa.field("turn", pa.int64())])

# The work of a task of the embedding stage: one row per file that it added to the store.
EMBEDDED = pa.schema(
    [
        ("file", pa.string()),
        ("texts", pa.int64()),
        ("problems", pa.int64()),
        ("dimension", pa.int32()),
        ("batch_tokens", pa.int64()),
        ("seconds", pa.float64()),
        ("device", pa.string()),
    ]
)

# What the second pass over the vectors finds: sums of a corpus under the witness of a model, and
# documents of a list. `kind` is sums, model_like, human_like, typical or sample; of the last two,
# which hold for every pair, `model` is empty.
REGION_PASS = pa.schema(
    [
        ("corpus", pa.string()),
        ("model", pa.string()),
        ("kind", pa.string()),
        ("region", pa.int32()),
        ("value", pa.float64()),
        ("doc_id", pa.string()),
        ("cluster", pa.string()),
        ("text", pa.string()),
        ("state", pa.binary()),
    ]
)

# Documents of a task in the cells of the cloud's map.
PLACED = pa.schema(
    [
        ("corpus", pa.string()),
        ("region", pa.int32()),
        ("x", pa.int32()),
        ("y", pa.int32()),
        ("documents", pa.int64()),
    ]
)

# The nearest human document of every document; text where the two nearly repeat each other.
NEIGHBORS = pa.schema(
    [
        ("corpus", pa.string()),
        ("cluster", pa.string()),
        ("doc_id", pa.string()),
        ("near", pa.bool_()),
        ("cosine", pa.float64()),
        ("neighbor_id", pa.string()),
        ("same_cluster", pa.bool_()),
        ("text", pa.string()),
    ]
)

# The copies of a corpus: sums over its clusters, as of inference.proportions.ClusterSums, and the
# nearest of its near duplicates, NEIGHBORS as a stream of Arrow's.
COPIED = pa.schema([("corpus", pa.string()), ("sums", pa.list_(pa.int64())), ("near", pa.binary())])

# The structure lens's further results: rows of its table.
STRUCTURE_COMPARED = pa.schema(
    [
        *MEASURED,
        ("patterns", pa.list_(pa.struct([(f.name, f.type) for f in PATTERNS][len(PAIR) :]))),
    ]
)

# A pair of texts and what is to be asked about it in one task, on the way there.
JUDGE_WORK = pa.schema(
    [
        ("part", pa.int32()),
        ("turn", pa.int32()),
        ("kind", pa.string()),
        ("pair_id", pa.string()),
        ("model", pa.string()),
        ("against", pa.string()),
        ("stratum", pa.string()),
        ("cluster", pa.string()),
        ("prompt", pa.string()),
        ("model_id", pa.string()),
        ("model_text", pa.string()),
        ("against_id", pa.string()),
        ("against_text", pa.string()),
        ("rank", pa.float64()),
        (
            "requests",
            pa.list_(
                pa.struct(
                    [
                        ("key", pa.binary()),
                        ("dimension", pa.string()),
                        ("model_first", pa.bool_()),
                        ("tokens_in", pa.int64()),
                    ]
                )
            ),
        ),
    ]
)

# The outcome of a judge task's requests to one endpoint.
JUDGE_PARTS = pa.schema(
    [
        ("part", pa.int32()),
        ("judge", pa.string()),
        ("requests", pa.int64()),
        ("answered", pa.int64()),
        ("stopped", pa.string()),
    ]
)

# A sample of a pool on its way to a choice: `key` is its prompt, `block` that of the prompt, and
# `samples` how many the prompt has; `vector` is binary, null without the embedding lens.
CANDIDATES = pa.schema(
    [
        ("key", pa.string()),
        ("block", pa.int32()),
        ("samples", pa.int32()),
        ("corpus", pa.string()),
        ("doc_id", pa.string()),
        ("text", pa.string()),
        ("vector", pa.binary()),
    ]
)

# The choice for a group of prompts: names of the chosen samples, and sums before and after.
CHOICES = pa.schema(
    [
        ("group", pa.int32()),
        ("split", pa.int32()),
        ("corpora", pa.list_(pa.string())),
        ("doc_ids", pa.list_(pa.string())),
        ("gaps", pa.list_(pa.float64())),
        ("before", pa.binary()),
        ("after", pa.binary()),
    ]
)

# Sums over the human texts of one task.
CHOICE_SUMS = pa.schema([("state", pa.binary())])

# The texts that a task is to write with a model that it loads, and how many it wrote.
WRITE_WORK = pa.schema(
    [
        ("task", pa.int32()),
        ("turn", pa.int64()),
        ("key", pa.binary()),
        ("prompt", pa.string()),
        ("seed", pa.int64()),
        ("setting", pa.string()),
    ]
)
WRITTEN = pa.schema([("task", pa.int32()), ("texts", pa.int64())])
