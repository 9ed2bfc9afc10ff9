"""Result tables of sweeps: many settings of one corpus."""

from __future__ import annotations

import pyarrow as pa

from dftspark.schema.columns import RUN, table

_SWEEP = (
    *RUN,
    ("human", pa.string(), "human corpus"),
    ("sweep", pa.string(), "the corpus that split_by cuts into settings"),
    ("stratum", pa.string(), "stratum compared within, or empty for all documents"),
)

SAMPLERS = table(
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
    ("floor", pa.float64(), "95% quantile of the value under one source at these two sizes"),
    (
        "ratio_to_floor",
        pa.float64(),
        "value / floor; grows with what is read, so no effect size",
    ),
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

SUPER_BASELINE = table(
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

TRADEOFFS = table(
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
