"""What must be alike wherever texts are scored against a target, or they are refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict

from dftspark.choose.features import Features
from dftspark.config import Cleaning
from dftspark.corpus import clean
from dftspark.errors import ConfigError
from dftspark.lenses.structure import document_vectors
from dftspark.text.tokens import tokenizer

EMBEDDER = "embedder"


def of(features: Features, cleaning: Cleaning, blocks: str, embedder: str) -> dict[str, str]:
    """Returns the fingerprints of this installation by name: tokenizer, cleaning, structure,
    embedder, frequencies and blocks; empty for what `features` do not use."""
    frequencies = ""
    if features.frequencies is not None:
        text = json.dumps(asdict(features.frequencies), sort_keys=True)
        digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        frequencies = f"frequencies-v1(seed={features.frequencies.seed}, {digest})"
    return {
        "tokenizer": tokenizer(features.tokens).fingerprint,
        "cleaning": clean.fingerprint(cleaning),
        "structure": document_vectors.fingerprint() if features.structure else "",
        EMBEDDER: embedder,
        "frequencies": frequencies,
        "blocks": blocks,
    }


def demand(wanted: Mapping[str, str], here: Mapping[str, str]) -> None:
    """Raises ConfigError that names the first fingerprint of the target that differs here."""
    for name, text in wanted.items():
        if here.get(name, "") != text:
            raise ConfigError(
                f"the {name} is not the one of the target\n"
                f"  target  {text or 'none'}\n"
                f"  here    {here.get(name) or 'none'}\n"
                f"Texts scored in another way would be rewarded for another thing. Give this "
                f"machine the same version of dftspark and the same {name}, or profile again with "
                f"this one and write the target anew with `dftspark reward`."
            )
