"""Tables of a choice: the chosen texts, the rest of their pool, and what was matched."""

from __future__ import annotations

import pyarrow as pa

from dftspark.schema.columns import RUN, table

_SAMPLE = (
    ("prompt_id", pa.string(), "the prompt: its id, else its text"),
    ("prompt", pa.string(), "the prompt's text, where the pool has it"),
    ("doc_id", pa.string(), "the sample's name in its corpus"),
    ("text", pa.string(), "the sample, cleaned"),
    ("corpus", pa.string(), "the corpus of the pool, or its part of that setting"),
    ("model", pa.string(), "name of the model, where the pool has it"),
    ("sampler", pa.map_(pa.string(), pa.string()), "sampler setting to value"),
    ("stratum", pa.string(), "stratum, or empty"),
    ("cluster", pa.string(), "unit of resampling, which decides the split"),
    ("split", pa.string(), "target, validation or referee: of the prompt's block"),
    ("samples", pa.int32(), "how many samples of its prompt the pool has"),
)

CHOSEN = table(*RUN, *_SAMPLE)  # one row per prompt
UNCHOSEN = CHOSEN

# Human texts of the referee's prompts, if the run has read the human side.
REFERENCE = table(
    *RUN,
    ("prompt_id", pa.string(), "the prompt, where the text has one"),
    ("doc_id", pa.string(), "the text's name in its corpus"),
    ("text", pa.string(), "the text, cleaned"),
    ("stratum", pa.string(), "stratum, or empty"),
    ("cluster", pa.string(), "unit of resampling"),
)

MATCHED = table(
    *RUN,
    ("human", pa.string(), "human corpus"),
    ("split", pa.string(), "target, validation or referee: prompts on both sides"),
    ("part", pa.string(), "what is compared: ngrams_1, embeddings, structure, lengths and others"),
    ("matched", pa.bool_(), "whether the choice went by it, or it was looked at alone"),
    ("pool", pa.float64(), "squared distance of the pool from human, in units of its variance"),
    ("chosen", pa.float64(), "the same of the chosen texts"),
    ("chosen_error", pa.float64(), "delete-one-block jackknife of it"),
    ("floor", pa.float64(), "95% quantile of it under one source at these sizes"),
    ("p_value", pa.float64(), "of the chosen texts and human from one source"),
    ("closed", pa.float64(), "1 - chosen / pool: the share of the gap that is closed"),
    ("n_human", pa.int64(), "human documents"),
    ("n_prompts", pa.int64(), "prompts, one chosen text each"),
)

MATCHED_RATES = table(
    *RUN,
    ("human", pa.string(), "human corpus"),
    ("split", pa.string(), "target, validation or referee: prompts on both sides"),
    ("part", pa.string(), "structure or lengths"),
    ("name", pa.string(), "what is counted in a text; `has` is the share of texts that have any"),
    ("rate_human", pa.float64(), "its mean over human texts"),
    ("rate_pool", pa.float64(), "over the pool, each prompt weighing one"),
    ("rate_chosen", pa.float64(), "over the chosen texts"),
    ("apart_pool", pa.float64(), "pool - human, in standard deviations of a text of the pool"),
    ("apart_chosen", pa.float64(), "chosen - human, likewise"),
)
