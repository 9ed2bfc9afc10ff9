"""Names of requests: a hash of the address and of every byte of the body.

Nothing else shapes an answer, so an answer under that key never needs to be asked for again.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dftspark.config import Endpoint

KEY_BYTES = 16
PATH = "/chat/completions"
COMPLETIONS = "/completions"  # of base models
_BYTES_PER_TOKEN = 4.0  # of English; a task corrects it by what the endpoint counts


def key_of(endpoint: Endpoint, body: bytes) -> bytes:
    """Returns the key of a request. Stores hold these, so what is hashed may never change."""
    head = f"dftspark verdict v1\n{endpoint.url}{PATH}\n"
    return hashlib.sha256(head.encode() + body).digest()[:KEY_BYTES]


def tokens(body: bytes) -> int:
    """Estimates the number of tokens that an endpoint will count."""
    return round(len(body) / _BYTES_PER_TOKEN)
