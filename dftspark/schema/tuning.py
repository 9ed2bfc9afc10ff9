"""The rounds of a tuning: every scale of every round, and its control."""

from __future__ import annotations

import pyarrow as pa

from dftspark.schema.columns import RUN, table

ROUNDS = table(
    *RUN,
    ("round", pa.int32(), "from 0"),
    ("system", pa.string(), "tuned, or control: trained on human text alone for the same tokens"),
    ("scale", pa.float64(), "of the LoRA; at 0 it is the model that the round began with"),
    ("taken", pa.bool_(), "whether the next round begins with it"),
    (
        "distance",
        pa.float64(),
        (
            "squared distance to human on the validation prompts, in units of the target, without "
            "what chance adds; may be below 0, and infinite with fewer than 16 texts"
        ),
    ),
    ("texts", pa.int64(), "that the distance is of"),
    ("words", pa.float64(), "mean words of them"),
    ("human_words", pa.float64(), "mean words of human texts"),
    ("cut", pa.float64(), "share of the texts that max_tokens cut"),
    (
        "kl",
        pa.float64(),
        (
            "divergence from the model that the round began with, nats a text, by its own texts; "
            "nan for scales that were not taken"
        ),
    ),
    ("cross_entropy", pa.float64(), "on human validation text, nats a token; nan where not asked"),
    ("prompts", pa.int64(), "with a sample that could be trained on"),
    ("samples", pa.int64(), "of them"),
    ("pool_kl", pa.float64(), "divergence of the weighted samples from all, nats a text"),
    ("loss_samples", pa.float64(), "on own samples, last quarter of the steps, nats a token"),
    ("loss_human", pa.float64(), "on human texts, likewise"),
    ("tokens", pa.int64(), "that were trained on in this round"),
    ("steps", pa.int64(), "of the optimizer"),
    ("training_seconds", pa.float64(), "of the training; of what was left of it after a restart"),
    ("seconds", pa.float64(), "of the round, likewise"),
    ("stopped", pa.string(), "why the tuning ended with this round, or empty"),
)
