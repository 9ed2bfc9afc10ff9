"""What is kept of a reader's blind pick between two texts."""

from __future__ import annotations

import pyarrow as pa

from dftspark.schema.columns import table

PICKS = table(
    ("pair_id", pa.string(), "the two texts"),
    ("at", pa.string(), "when the reader picked, UTC"),
    ("prompt_id", pa.string(), "of the brief, a hash of what the models were asked"),
    ("prompt", pa.string(), "what the models were asked"),
    ("model", pa.string(), "name of the model whose wins are counted, the later by name"),
    ("against", pa.string(), "name of the other"),
    ("model_text", pa.string(), "text of the model"),
    ("against_text", pa.string(), "text of the other"),
    ("order", pa.string(), "model_first or model_second, as the reader saw them"),
    ("verdict", pa.string(), "model, against or tie"),
)
