"""Every table's columns, with their meaning and unit. The one place where columns are named."""

from __future__ import annotations

import pyarrow as pa

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
    pa.field("file", pa.string(), metadata={"doc": "path as read"}),
    pa.field("position", pa.string(), metadata={"doc": "line 12, row 12, byte 345, or empty"}),
    pa.field("action", pa.string(), metadata={"doc": "rejected, duplicate, repaired or noted"}),
    pa.field("reason", pa.string(), metadata={"doc": "a short code: invalid_utf8, text_missing"}),
    pa.field("detail", pa.string(), metadata={"doc": "the reason in words, with the values"}),
    pa.field("excerpt", pa.string(), metadata={"doc": "up to 80 characters of the row"}),
]

# One row per row read: a document (action null), an issue with a row, or both, as two rows.
# `source` is the corpus as the configuration names it, `corpus` one of its parts under split_by.
STAGED = pa.schema(
    [pa.field("source", pa.string())]
    + [field for field in DOCUMENTS if field.name != "block"]
    + [pa.field("fields", pa.map_(pa.string(), pa.string()))]
    + REJECT_FIELDS[1:]
)


_GROUP = [
    ("corpus", pa.string()),
    ("stratum", pa.string()),
    ("n", pa.int32()),
    ("part", pa.int32()),
]

# `merge` is the task that the record goes to.
PARTIAL_COUNTS = pa.schema([*_GROUP, ("state", pa.binary()), ("merge", pa.int32())])

# The stored profile: `part` is the key range, of `parts`; states are encoded as in state.py.
PROFILE = pa.schema(
    [
        *_GROUP,
        ("parts", pa.int32()),
        ("fingerprint", pa.string()),
        ("rows", pa.int64()),
        ("state", pa.binary()),
        ("sketch", pa.binary()),
        ("totals", pa.binary()),
    ]
)

# Embeddings on their way to feature sums, a vector as its float32 coordinates, little-endian; those
# sums of one task, and of a whole stratum.
CLOUDS = pa.schema(
    [
        ("corpus", pa.string()),
        ("stratum", pa.string()),
        ("cluster", pa.string()),
        ("doc_id", pa.string()),
        ("vector", pa.binary()),
    ]
)

PARTIAL_SUMS = pa.schema(
    [("corpus", pa.string()), ("stratum", pa.string()), ("state", pa.binary())]
)

FEATURE_SUMS = pa.schema(
    [
        ("corpus", pa.string()),
        ("stratum", pa.string()),
        ("fingerprint", pa.string()),
        ("documents", pa.int64()),
        ("state", pa.binary()),
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

# Every distinct cluster of a corpus by its hash: what tells which prompts two sides share.
CLUSTERS = pa.schema([("corpus", pa.string()), ("cluster", pa.int64())])

# Occurrences of one n-gram, in one corpus, stratum and stored state.
GRAM_COUNTS = pa.schema(
    [
        ("corpus", pa.string()),
        ("stratum", pa.string()),
        ("n", pa.int32()),
        ("key", pa.int64()),
        ("count", pa.int64()),
    ]
)

WANTED = pa.schema([("corpus", pa.string()), ("n", pa.int32()), ("keys", pa.binary())])

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


# The embedding store: a text's vector, or why it has none.
VECTORS = pa.schema(
    [("key", pa.binary()), ("vector", pa.list_(pa.float32())), ("problem", pa.string())]
)

# What a task of the embedding stage did: one row a file that it added to the store.
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
JUDGE_PARTS = pa.schema(
    [
        ("part", pa.int32()),
        ("judge", pa.string()),
        ("requests", pa.int64()),
        ("answered", pa.int64()),
        ("stopped", pa.string()),
    ]
)


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

_F8, _I8 = pa.float64(), pa.int64()
_METRICS = pa.list_(
    pa.struct(
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
            ("blocks", pa.int32()),
            # Of a sweep: without each block, and on the halves of each split, first and second.
            ("left_out", pa.list_(_F8)),
            ("halves", pa.list_(_F8)),
        ]
    )
)

COMPARED = pa.schema(
    [
        ("model", pa.string()),
        ("stratum", pa.string()),
        ("n", pa.int32()),
        ("n_human", _I8),
        ("n_model", _I8),
        ("tokens_human", _I8),
        ("tokens_model", _I8),
        ("remainder", _F8),
        ("metrics", _METRICS),
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
                        ("ratio_floor", _F8),
                    ]
                )
            ),
        ),
    ]
)

_METRIC_FIELDS = COMPARED.field("metrics").type.value_type

_EXAMPLE = pa.struct(
    [("pattern", pa.string()), ("doc_hash", _I8), ("doc_id", pa.string()), ("excerpt", pa.string())]
)

# The structure lens: one state and one example of each pattern a (corpus, stratum).
STRUCTURE_PARTIAL = pa.schema(
    [
        ("corpus", pa.string()),
        ("stratum", pa.string()),
        ("state", pa.binary()),
        ("examples", pa.list_(_EXAMPLE)),
    ]
)
STRUCTURE_PROFILE = pa.schema([*STRUCTURE_PARTIAL, ("fingerprint", pa.string())])


COMPARED_CLOUDS = pa.schema(
    [
        ("model", pa.string()),
        ("stratum", pa.string()),
        ("n_human", _I8),
        ("n_model", _I8),
        ("metrics", _METRICS),
    ]
)


# What a classifier, the Frechet distance and the exact MMD say of a model.
TOLD_APART = pa.schema([("model", pa.string()), ("metrics", _METRICS)])


def _table(*columns: tuple[str, pa.DataType, str]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, metadata={"doc": doc}) for name, kind, doc in columns])


_RUN = (
    ("run_id", pa.string(), "the run that made the row"),
    ("date", pa.string(), "date of the audit, YYYY-MM-DD, or empty"),
)
_PAIR = (
    *_RUN,
    ("human", pa.string(), "human corpus"),
    ("model", pa.string(), "model corpus"),
    ("stratum", pa.string(), "stratum compared within, or empty for all documents"),
)

CORPORA = _table(
    *_RUN,
    ("corpus", pa.string(), "corpus"),
    ("role", pa.string(), "human or model"),
    ("read", pa.int64(), "rows read: kept + rejected + duplicates + filtered"),
    ("documents", pa.int64(), "rows kept"),
    ("rejected", pa.int64(), "rows that could not be used, listed in rejects"),
    ("duplicates", pa.int64(), "rows that repeat a doc_id and its text, listed in rejects"),
    ("filtered", pa.int64(), "rows that the corpus's filter left out"),
    ("repaired", pa.int64(), "repairs and notes in rejects"),
    ("clusters", pa.int64(), "distinct clusters: prompts, or texts where there is no prompt"),
    ("tokens", pa.int64(), "tokens of the documents"),
    ("bytes", pa.int64(), "UTF-8 bytes of the documents"),
    ("state_bytes", pa.int64(), "bytes of the fixed-size states, bounded by settings"),
    ("keyed_bytes", pa.int64(), "bytes of the exact n-gram counts"),
)

METRICS = _table(
    *_PAIR,
    ("lens", pa.string(), "ngrams, embeddings, structure or judge"),
    ("metric", pa.string(), "name with its order, such as l2_1gram"),
    ("value", pa.float64(), "the estimate, in unit"),
    ("std_error", pa.float64(), "delete-one-block jackknife; nan where blocks are too few"),
    ("ci_low", pa.float64(), "confidence interval, lower end"),
    ("ci_high", pa.float64(), "confidence interval, upper end"),
    ("p_value", pa.float64(), "block permutation, both corpora from one distribution"),
    ("floor", pa.float64(), "95% quantile of the metric between random halves of the human side"),
    ("ratio_to_floor", pa.float64(), "value / floor"),
    ("mde", pa.float64(), "smallest value found with 80% power at level 0.05"),
    ("blocks", pa.int32(), "blocks per side behind the interval"),
    ("n_human", pa.int64(), "human documents"),
    ("n_model", pa.int64(), "model documents"),
    ("unit", pa.string(), "unit of value"),
    ("better", pa.string(), "lower, higher or parity"),
    ("fingerprint", pa.string(), "the statistic and its parameters"),
)

NGRAMS = _table(
    *_PAIR,
    ("n", pa.int32(), "order"),
    ("text", pa.string(), "the n-gram, or null in the remainder row of all n-grams not listed"),
    ("tokens", pa.list_(pa.string()), "its tokens"),
    ("count_human", pa.int64(), "occurrences"),
    ("count_model", pa.int64(), "occurrences"),
    ("docs_human", pa.int64(), "documents that contain it"),
    ("docs_model", pa.int64(), "documents that contain it"),
    ("per_million_human", pa.float64(), "occurrences per million n-grams of this order"),
    ("per_million_model", pa.float64(), "occurrences per million n-grams of this order"),
    ("log_odds", pa.float64(), "shrunken log odds ratio, natural log, model minus human"),
    ("z", pa.float64(), "cluster-robust z of the rate difference, model minus human"),
    ("q_value", pa.float64(), "Benjamini-Hochberg over n-grams of the order in >= 20 clusters"),
    ("contribution", pa.float64(), "signed (p - q)^2; absolute values sum to L2 squared"),
    ("share", pa.float64(), "|contribution| / L2 squared"),
    ("example_human", pa.string(), "excerpt of a human document that has it"),
    ("example_model", pa.string(), "excerpt of a model document that has it"),
    ("example_human_id", pa.string(), "doc_id of that document"),
    ("example_model_id", pa.string(), "doc_id of that document"),
)

DOCUMENT_RATIOS = _table(
    *_PAIR,
    ("token", pa.string(), "token in at least 2% of the model's documents"),
    ("share_human", pa.float64(), "share of human documents that contain it"),
    ("share_model", pa.float64(), "share of model documents that contain it"),
    ("ratio", pa.float64(), "share_model / share_human, half a document added to each count"),
    ("ratio_floor", pa.float64(), "largest such ratio between two halves of the human documents"),
    ("docs_human", pa.int64(), "documents that contain it"),
    ("docs_model", pa.int64(), "documents that contain it"),
)

REGIONS = _table(
    *_PAIR,
    ("region", pa.int32(), "number of the region, 0 the largest of the pilot"),
    ("share_human", pa.float64(), "share of human documents in it"),
    ("share_model", pa.float64(), "share of model documents in it"),
    ("share_z", pa.float64(), "block jackknife z of share_model - share_human; +-2 is notable"),
    ("mass", pa.float64(), "part of MMD squared from unlike shares, kernel units"),
    ("within", pa.float64(), "part of MMD squared from unlike documents inside, kernel units"),
    ("z", pa.float64(), "block jackknife z of mass + within; only large positive ones tell"),
    ("q_value", pa.float64(), "Benjamini-Hochberg over regions of the one-sided p of z"),
    ("documents_human", pa.int64(), "human documents in it"),
    ("documents_model", pa.int64(), "model documents in it"),
    ("label", pa.list_(pa.string()), "its most distinctive words against other regions"),
    ("exemplars_human", pa.list_(pa.string()), "excerpts of human documents most clearly in it"),
    ("exemplars_model", pa.list_(pa.string()), "excerpts of model documents most clearly in it"),
    ("exemplars_human_id", pa.list_(pa.string()), "doc_id of those documents"),
    ("exemplars_model_id", pa.list_(pa.string()), "doc_id of those documents"),
    ("fingerprint", pa.string(), "the frozen regions: centroids, pilot, seed, embedder"),
)

WITNESS = _table(
    *_PAIR,
    ("side", pa.string(), "human or model: where the document comes from"),
    ("end", pa.string(), "model_like or human_like: which list of its side it is in"),
    ("rank", pa.int32(), "place in that list, from 1"),
    ("doc_id", pa.string(), "the document"),
    (
        "score",
        pa.float64(),
        "witness score without its own block, kernel units; above 0 model-like",
    ),
    ("region", pa.int32(), "its region"),
    ("excerpt", pa.string(), "its beginning, up to 240 characters"),
)

COPIES = _table(
    *_PAIR,
    ("side", pa.string(), "model, or human for near duplicates among humans of unlike clusters"),
    ("doc_id", pa.string(), "the document"),
    ("neighbor_id", pa.string(), "the human document nearest to it"),
    ("cosine", pa.float64(), "of their vectors, at least 0.95"),
    ("overlap", pa.float64(), "share of its five-word phrases that the neighbor has"),
    ("same_cluster", pa.bool_(), "whether both answer one prompt or come from one page"),
    ("excerpt", pa.string(), "its beginning, up to 240 characters"),
    ("neighbor_excerpt", pa.string(), "the neighbor's beginning, up to 240 characters"),
)

CLOUD_MAP = _table(
    *_RUN,
    ("corpus", pa.string(), "corpus; all strata together"),
    ("role", pa.string(), "human or model"),
    ("region", pa.int32(), "region, as in regions"),
    ("x", pa.int32(), "cell along the first principal component of the pilot, from 0 to 47"),
    ("y", pa.int32(), "cell along the second; what lies beyond an edge is in its cell"),
    ("documents", pa.int64(), "documents of the corpus and the region in the cell"),
)

PATTERNS = _table(
    *_PAIR,
    ("pattern", pa.string(), "the construction or measure"),
    ("group", pa.string(), "what it belongs to: contrast, triad, opener, pacing"),
    ("kind", pa.string(), "pattern, count, mean or distribution"),
    ("version", pa.int32(), "of its definition"),
    ("definition", pa.string(), "what is counted, in words"),
    ("unit", pa.string(), "unit of the rates, std_error, distance and band"),
    ("rate_human", pa.float64(), "the measure on the human side; of a distribution its mean"),
    ("rate_model", pa.float64(), "the measure on the model side"),
    (
        "std_error",
        pa.float64(),
        "of model minus human, block jackknife; of a distribution's distance",
    ),
    ("ratio", pa.float64(), "model / human, half an occurrence added to each count"),
    ("ci_low", pa.float64(), "confidence interval of ratio, lower end"),
    ("ci_high", pa.float64(), "confidence interval of ratio, upper end"),
    ("p_value", pa.float64(), "both sides have one rate; nan below 20 documents that have any"),
    ("q_value", pa.float64(), "Benjamini-Hochberg over the measures of the pair"),
    ("distance", pa.float64(), "|model - human|; of a distribution the Wasserstein distance"),
    ("band", pa.float64(), "95% quantile of distance between random halves of the human side"),
    ("outside", pa.bool_(), "distance > band; false below 20 documents that have any"),
    ("share_human", pa.float64(), "share of human documents that have any"),
    ("share_model", pa.float64(), "share of model documents that have any"),
    ("count_human", pa.int64(), "occurrences; of a mean or distribution its cases"),
    ("count_model", pa.int64(), "occurrences; of a mean or distribution its cases"),
    ("precision", pa.float64(), "share of labeled hits in real text that are right"),
    ("precision_low", pa.float64(), "95% Wilson interval of precision, lower end"),
    ("precision_high", pa.float64(), "95% Wilson interval of precision, upper end"),
    ("example_human", pa.string(), "excerpt of a human document that has it"),
    ("example_model", pa.string(), "excerpt of a model document that has it"),
    ("example_human_id", pa.string(), "doc_id of that document"),
    ("example_model_id", pa.string(), "doc_id of that document"),
)
VARIETY = _table(
    *_PAIR,
    ("metric", pa.string(), "chrf, bleu, self_bleu, distinct_1 ..., prompt_variety"),
    ("unit", pa.string(), "unit of the values"),
    ("better", pa.string(), "higher, or parity with human"),
    ("human_value", pa.float64(), "the same of the human side; nan without several human answers"),
    ("human_low", pa.float64(), "confidence interval of human_value, lower end"),
    ("human_high", pa.float64(), "confidence interval of human_value, upper end"),
    ("value", pa.float64(), "of the model side"),
    ("ci_low", pa.float64(), "confidence interval of value, lower end"),
    ("ci_high", pa.float64(), "confidence interval of value, upper end"),
    ("n_human", pa.int64(), "prompts or groups of documents behind human_value"),
    ("n_model", pa.int64(), "prompts or groups of documents behind value"),
)

DIFFERENCES = _table(
    *_PAIR,
    ("other", pa.string(), "model corpus that model is held against"),
    ("lens", pa.string(), "ngrams, embeddings or structure"),
    ("metric", pa.string(), "as in metrics; smaller is nearer to human"),
    ("value", pa.float64(), "of model, in unit"),
    ("value_other", pa.float64(), "of other, in unit"),
    ("difference", pa.float64(), "value less value_other; below 0, model is nearer to human"),
    ("std_error", pa.float64(), "of difference: jackknife over blocks that all three share"),
    ("ci_low", pa.float64(), "confidence interval of difference, lower end"),
    ("ci_high", pa.float64(), "confidence interval of difference, upper end"),
    ("p_value", pa.float64(), "two-sided, that both are equally far"),
    ("q_value", pa.float64(), "Benjamini-Hochberg over the run"),
    ("nearer", pa.string(), "the one that is nearer to human; null where that is not told"),
    ("unit", pa.string(), "unit of the values"),
)

JUDGEMENTS = _table(
    *_PAIR,
    (
        "kind",
        pa.string(),
        "model, or a control: human, human_unprompted, broken (the words shuffled), models",
    ),
    ("against", pa.string(), "corpus of the other text: human, or of kind models another model"),
    ("pair_id", pa.string(), "the two texts; has a row for each order, dimension and judge"),
    ("cluster", pa.string(), "cluster of the other text, what intervals resample"),
    ("model_id", pa.string(), "doc_id of the model's text"),
    ("against_id", pa.string(), "doc_id of the other text"),
    ("model_characters", pa.int64(), "length of the model's text as it was shown"),
    ("against_characters", pa.int64(), "length of the other text as it was shown"),
    ("judge", pa.string(), "name of the endpoint"),
    ("served", pa.string(), "model that the endpoint says has answered"),
    ("dimension", pa.string(), "what was asked: overall, clarity ..."),
    ("order", pa.string(), "model_first or model_second"),
    ("verdict", pa.string(), "model, against or tie; null where there is none, see error"),
    ("odds", pa.float64(), "log odds that the model's text is named, from log-probabilities"),
    (
        "error",
        pa.string(),
        "why there is no verdict: refused, cut, unparsable, lost, status 500 ...",
    ),
    ("answer", pa.string(), "beginning of an answer that is no verdict"),
    ("tokens_in", pa.int64(), "tokens read, as the endpoint counted them"),
    ("tokens_out", pa.int64(), "tokens written, as the endpoint counted them"),
    ("cost", pa.float64(), "of them at the configured prices, whenever it was paid"),
    ("seconds", pa.float64(), "from the first attempt to the answer"),
    ("attempts", pa.int32(), "requests it took"),
    ("at", pa.string(), "when the answer came, UTC; empty where there is none"),
    ("key", pa.string(), "of the request in the verdict store, hexadecimal"),
)

WIN_RATES = _table(
    *_PAIR,
    ("kind", pa.string(), "as in judgements"),
    ("against", pa.string(), "corpus of the other text"),
    ("dimension", pa.string(), "what was asked"),
    ("judge", pa.string(), "name of the endpoint"),
    ("pairs", pa.int64(), "pairs with a verdict in both orders, behind win_rate"),
    ("clusters", pa.int64(), "clusters of these"),
    ("verdicts", pa.int64(), "single verdicts"),
    ("wins", pa.int64(), "verdicts for the model's text"),
    ("ties", pa.int64(), "verdicts that neither is better"),
    ("losses", pa.int64(), "verdicts for the other text"),
    ("errors", pa.int64(), "requests without a verdict"),
    (
        "win_rate",
        pa.float64(),
        "of the model's text, both orders averaged, ties half; .5 is parity",
    ),
    ("std_error", pa.float64(), "of win_rate, by cluster"),
    ("ci_low", pa.float64(), "Wilson interval of win_rate by cluster, lower end"),
    ("ci_high", pa.float64(), "Wilson interval of win_rate by cluster, upper end"),
    ("p_value", pa.float64(), "of parity, two-sided"),
    ("mde", pa.float64(), "smallest distance of win_rate from .5 found with 80% power"),
    ("jmq", pa.float64(), "2 win_rate, from 0 to 2; null for controls"),
    ("jmq_low", pa.float64(), "interval of jmq, lower end"),
    ("jmq_high", pa.float64(), "interval of jmq, upper end"),
    ("first_rate", pa.float64(), "how often the text that stood first won, ties half"),
    ("flip_rate", pa.float64(), "share of pairs whose winner changed with the order"),
    ("longer_rate", pa.float64(), "how often the longer text won, ties half"),
    ("lc_win_rate", pa.float64(), "win_rate at equal lengths and without a position effect"),
    ("lc_low", pa.float64(), "interval of lc_win_rate, lower end"),
    ("lc_high", pa.float64(), "interval of lc_win_rate, upper end"),
    ("position_effect", pa.float64(), "log odds that standing first adds"),
    ("length_effect", pa.float64(), "log odds that being much longer adds"),
    ("odds_pairs", pa.int64(), "pairs with log-probabilities in both orders"),
    ("odds_win_rate", pa.float64(), "win_rate from log-probabilities, without a position effect"),
    ("odds_low", pa.float64(), "interval of odds_win_rate, lower end"),
    ("odds_high", pa.float64(), "interval of odds_win_rate, upper end"),
)

CHECKS = _table(
    *_PAIR,
    ("rule", pa.string(), "name of the check"),
    ("subject", pa.string(), "what it watches: metric, phrase or pattern, and which"),
    ("against", pa.string(), "value, floor or trailing"),
    ("value", pa.float64(), "what was found, in unit"),
    ("threshold", pa.float64(), "the end of the allowed range that is crossed or nearest"),
    ("outcome", pa.string(), "pass, warn, fail, acknowledged or unknown"),
    ("low", pa.float64(), "lower end of the allowed range; nan where there is none"),
    ("high", pa.float64(), "upper end of the allowed range; nan where there is none"),
    ("unit", pa.string(), "unit of value, threshold, low and high"),
    ("severity", pa.string(), "warn or fail: the outcome of a breach"),
    ("breached", pa.bool_(), "value is outside the range, whatever the outcome"),
    ("nights", pa.int32(), "nights in a row with a breach, this one among them"),
    ("nights_needed", pa.int32(), "so many make the outcome warn or fail"),
    ("n_model", pa.int64(), "model documents behind value"),
    ("acknowledged_until", pa.string(), "last silent date, or empty"),
    ("detail", pa.string(), "the outcome in words"),
)

_RUN_AND_PAIR = {"run_id", "date", "human", "model", "stratum"}
STRUCTURE_COMPARED = pa.schema(
    [
        ("model", pa.string()),
        ("stratum", pa.string()),
        ("n_human", _I8),
        ("n_model", _I8),
        ("metrics", pa.list_(_METRIC_FIELDS)),
        ("rates", pa.list_(_METRIC_FIELDS)),
        (
            "patterns",
            pa.list_(
                pa.struct([(f.name, f.type) for f in PATTERNS if f.name not in _RUN_AND_PAIR])
            ),
        ),
    ]
)

_SWEEP = (
    *_RUN,
    ("human", pa.string(), "human corpus"),
    ("sweep", pa.string(), "the corpus that split_by cuts into settings"),
    ("stratum", pa.string(), "stratum compared within, or empty for all documents"),
)

SAMPLERS = _table(
    *_SWEEP,
    ("model", pa.string(), "corpus of one setting, or the challenger"),
    ("settings", pa.map_(pa.string(), pa.string()), "sampler setting to value; of split_by"),
    ("challenger", pa.bool_(), "whether it is held against the settings rather than one of them"),
    ("lens", pa.string(), "ngrams, embeddings or structure"),
    ("metric", pa.string(), "as in metrics, and rate_NAME: |model - human| of a measure"),
    ("value", pa.float64(), "the estimate, in unit"),
    ("std_error", pa.float64(), "delete-one-block jackknife"),
    ("ci_low", pa.float64(), "confidence interval, lower end"),
    ("ci_high", pa.float64(), "confidence interval, upper end"),
    ("p_value", pa.float64(), "block permutation, both corpora from one distribution"),
    ("floor", pa.float64(), "95% quantile of the metric between random halves of the human side"),
    ("ratio_to_floor", pa.float64(), "value / floor"),
    ("blocks", pa.int32(), "blocks per side behind the interval"),
    ("n_human", pa.int64(), "human documents"),
    ("n_model", pa.int64(), "model documents"),
    ("unit", pa.string(), "unit of value"),
    ("better", pa.string(), "lower, higher or parity"),
    ("rank", pa.int32(), "place among the settings, from 1, the nearest to human; ties share one"),
    ("super_baseline", pa.bool_(), "the first of rank 1: what a report takes as the best"),
    ("chosen", pa.float64(), "share of the halves of the blocks on which it was the best"),
    ("p_best", pa.float64(), "p that no setting is truly better; above 0.05 it may be the best"),
    ("front", pa.bool_(), "no setting is at least as good by all of sweep.measures, rate_ apart"),
    ("first_half", pa.list_(pa.float64()), "the value on the first half of each split"),
    ("second_half", pa.list_(pa.float64()), "the value on the other half of each split"),
    ("left_out", pa.list_(pa.float64()), "the value without block j of both sides"),
)

SUPER_BASELINE = _table(
    *_SWEEP,
    ("lens", pa.string(), "ngrams, embeddings or structure"),
    ("metric", pa.string(), "as in samplers"),
    ("unit", pa.string(), "unit of the values"),
    ("better", pa.string(), "lower, higher or parity"),
    ("judged", pa.bool_(), "one of sweep.measures"),
    ("settings", pa.int32(), "how many settings the best is of"),
    ("best", pa.string(), "the setting with the best value"),
    ("naive", pa.float64(), "its value, with the winner's curse"),
    ("naive_low", pa.float64(), "confidence interval of that setting, lower end"),
    ("naive_high", pa.float64(), "confidence interval of that setting, upper end"),
    ("honest", pa.float64(), "chosen on half of the blocks, reported on the other, or null"),
    ("std_error", pa.float64(), "of honest"),
    ("ci_low", pa.float64(), "confidence interval of honest, lower end"),
    ("ci_high", pa.float64(), "confidence interval of honest, upper end"),
    ("optimism", pa.float64(), "by how much naive is better than honest"),
    ("optimism_if_alike", pa.float64(), "its mean if no setting truly differed from another"),
    ("may_be_best", pa.list_(pa.string()), "settings that hold the truly best with confidence"),
    ("challenger", pa.string(), "corpus held against the best, or null"),
    ("challenger_value", pa.float64(), "its value"),
    ("difference", pa.float64(), "challenger less honest"),
    ("difference_low", pa.float64(), "confidence interval of difference, lower end"),
    ("difference_high", pa.float64(), "confidence interval of difference, upper end"),
    ("p_value", pa.float64(), "two-sided, that challenger and honest best are alike"),
    ("q_value", pa.float64(), "Benjamini-Hochberg over the judged measures of the sweep"),
    ("verdict", pa.string(), "better, worse or not distinguishable; null: not judged"),
)

TRADEOFFS = _table(
    *_SWEEP,
    ("metric", pa.string(), "a judged measure"),
    ("other", pa.string(), "another one; metric and other are empty in the row of all at once"),
    ("best", pa.string(), "the setting that is best by metric"),
    ("best_other", pa.string(), "the setting that is best by other"),
    ("regret", pa.float64(), "what other's best costs in metric, in its unit; on unlike halves"),
    ("regret_low", pa.float64(), "confidence interval, lower end"),
    ("regret_high", pa.float64(), "confidence interval, upper end"),
    ("regret_other", pa.float64(), "what metric's best costs in other, in its unit"),
    ("regret_other_low", pa.float64(), "confidence interval, lower end"),
    ("regret_other_high", pa.float64(), "confidence interval, upper end"),
    ("p_value", pa.float64(), "that one setting is the best by both; in the row of all, by all"),
    ("q_value", pa.float64(), "Benjamini-Hochberg over the pairs of the sweep"),
    ("differ", pa.bool_(), "no one setting can be the best by both"),
    ("front", pa.list_(pa.string()), "settings that no other beats by both, best by metric first"),
)

REJECTS = pa.schema([pa.field(n, k, metadata={"doc": d}) for n, k, d in _RUN] + REJECT_FIELDS)

TABLES = {
    "corpora": CORPORA,
    "metrics": METRICS,
    "ngrams": NGRAMS,
    "document_ratios": DOCUMENT_RATIOS,
    "regions": REGIONS,
    "witness": WITNESS,
    "copies": COPIES,
    "cloud_map": CLOUD_MAP,
    "patterns": PATTERNS,
    "differences": DIFFERENCES,
    "judgements": JUDGEMENTS,
    "win_rates": WIN_RATES,
    "variety": VARIETY,
    "samplers": SAMPLERS,
    "super_baseline": SUPER_BASELINE,
    "tradeoffs": TRADEOFFS,
    "checks": CHECKS,
    "rejects": REJECTS,
}
LENS_TABLES = {  # of one lens alone
    "embeddings": ("regions", "witness", "copies", "cloud_map"),
    "structure": ("patterns",),
    "variety": ("variety",),
    "judge": ("judgements", "win_rates"),
}
SWEEP_TABLES = ("samplers", "super_baseline", "tradeoffs")  # where a corpus has split_by

# Tables of states that a run may keep, and that later runs read.
STATES = {
    "profile": PROFILE,
    "phrases": PHRASES,
    "structure": STRUCTURE_PROFILE,
    "feature_sums": FEATURE_SUMS,
    "clusters": CLUSTERS,
}
