"""Result tables of two sides, human and model."""

from __future__ import annotations

import pyarrow as pa

from dftspark.schema.columns import PAIR, RUN, table

METRICS = table(
    *PAIR,
    ("lens", pa.string(), "ngrams, embeddings, structure or judge"),
    ("metric", pa.string(), "name with its order, such as l2_1gram"),
    ("value", pa.float64(), "the estimate, in unit"),
    ("std_error", pa.float64(), "delete-one-block jackknife; nan where blocks are too few"),
    ("ci_low", pa.float64(), "confidence interval, lower end"),
    ("ci_high", pa.float64(), "confidence interval, upper end"),
    ("p_value", pa.float64(), "that both corpora come from one source"),
    (
        "floor",
        pa.float64(),
        "95% quantile under one source at these two sizes; value > floor where p_value < .05",
    ),
    (
        "ratio_to_floor",
        pa.float64(),
        "value / floor: grows with the documents read, no effect size",
    ),
    ("mde", pa.float64(), "smallest value found with 80% power at level 0.05"),
    (
        "n_tell",
        pa.float64(),
        "documents or prompts a side at which the test finds the model, power 80%, level 5%",
    ),
    (
        "n_tell_low",
        pa.float64(),
        "95% interval of n_tell, lower end; alone where p_value > .05: more than this",
    ),
    ("n_tell_high", pa.float64(), "95% interval of n_tell, upper end; may be infinite"),
    ("n_tell_unit", pa.string(), "documents or prompts; empty without n_tell"),
    ("blocks", pa.int32(), "blocks per side behind the interval"),
    ("n_human", pa.int64(), "human documents"),
    ("n_model", pa.int64(), "model documents"),
    ("unit", pa.string(), "unit of value"),
    ("better", pa.string(), "lower, higher or parity"),
    ("fingerprint", pa.string(), "the statistic and its parameters"),
)

NGRAMS = table(
    *PAIR,
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
    ("z", pa.float64(), "normal score of the rate difference, model minus human; null: no test"),
    ("q_value", pa.float64(), "Benjamini-Hochberg over all n-grams of the order that have a test"),
    ("contribution", pa.float64(), "signed (p - q)^2; absolute values sum to L2 squared"),
    ("share", pa.float64(), "|contribution| / L2 squared"),
    ("example_human", pa.string(), "excerpt of a human document that has it"),
    ("example_model", pa.string(), "excerpt of a model document that has it"),
    ("example_human_id", pa.string(), "doc_id of that document"),
    ("example_model_id", pa.string(), "doc_id of that document"),
)

DOCUMENT_RATIOS = table(
    *PAIR,
    ("token", pa.string(), "token in at least 2% of the model's documents"),
    ("share_human", pa.float64(), "share of human documents that contain it"),
    ("share_model", pa.float64(), "share of model documents that contain it"),
    ("ratio", pa.float64(), "share_model / share_human, half a document added to each count"),
    ("p_value", pa.float64(), "score test of the two shares, mid-p at effective counts"),
    ("q_value", pa.float64(), "Benjamini-Hochberg over all tested tokens"),
    ("docs_human", pa.int64(), "documents that contain it"),
    ("docs_model", pa.int64(), "documents that contain it"),
)

COMPARABILITY = table(
    *PAIR,
    (
        "property",
        pa.string(),
        "what is not writing: non_ascii, mojibake, single_line, language_CODE, token WORD ...",
    ),
    ("unit", pa.string(), "unit of the values: share of documents, per 100 words, words"),
    ("value_human", pa.float64(), "of the human side"),
    ("value_model", pa.float64(), "of the model side"),
    ("p_value", pa.float64(), "both sides have one value; nan for a token, which is not tested"),
    ("threshold", pa.string(), "least difference that is named, in words"),
    ("differs", pa.bool_(), "p_value < 0.001 and a difference of the threshold or more"),
    ("advice", pa.string(), "what to do about it; empty where the sides do not differ"),
    ("n_human", pa.int64(), "human documents"),
    ("n_model", pa.int64(), "model documents"),
)

REGIONS = table(
    *PAIR,
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

WITNESS = table(
    *PAIR,
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

COPIES = table(
    *PAIR,
    ("side", pa.string(), "model, or human for near duplicates among humans of unlike clusters"),
    ("doc_id", pa.string(), "the document"),
    ("neighbor_id", pa.string(), "the human document nearest to it"),
    ("cosine", pa.float64(), "of their vectors, at least 0.95"),
    ("overlap", pa.float64(), "share of its five-word phrases that the neighbor has"),
    ("same_cluster", pa.bool_(), "whether both answer one prompt or come from one page"),
    ("excerpt", pa.string(), "its beginning, up to 240 characters"),
    ("neighbor_excerpt", pa.string(), "the neighbor's beginning, up to 240 characters"),
)

CLOUD_MAP = table(
    *RUN,
    ("corpus", pa.string(), "corpus; all strata together"),
    ("role", pa.string(), "human or model"),
    ("region", pa.int32(), "region, as in regions"),
    ("x", pa.int32(), "cell along the first principal component of the pilot, from 0 to 47"),
    ("y", pa.int32(), "cell along the second; what lies beyond an edge is in its cell"),
    ("documents", pa.int64(), "documents of the corpus and the region in the cell"),
)

PATTERNS = table(
    *PAIR,
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
    ("p_value", pa.float64(), "both sides have one rate; nan without enough cases"),
    ("q_value", pa.float64(), "Benjamini-Hochberg over the measures of the pair"),
    ("distance", pa.float64(), "|model - human|; of a distribution the Wasserstein distance"),
    ("band", pa.float64(), "distance at which p_value is .05: the human band at these sizes"),
    ("outside", pa.bool_(), "p_value < .05: distance > band; false where there is no test"),
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
    ("examples_human", pa.list_(pa.string()), "excerpts of up to five human documents, it first"),
    ("examples_model", pa.list_(pa.string()), "excerpts of up to five model documents, it first"),
    ("examples_human_id", pa.list_(pa.string()), "doc_id of those documents"),
    ("examples_model_id", pa.list_(pa.string()), "doc_id of those documents"),
)

VARIETY = table(
    *PAIR,
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

DIFFERENCES = table(
    *PAIR,
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

CHECKS = table(
    *PAIR,
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
