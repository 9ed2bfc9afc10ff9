"""Removes from texts the secrets that addresses of storage and services carry.

Everything that is shown, logged and stored goes through `redact`: names and passwords before the
host, every value of a query except those known to be harmless, and values that stand beside the
name of a secret, as they do in replies of storage.
"""

from __future__ import annotations

import re

HIDDEN = "***"

# An object store has no port, and its secrets hold slashes; a host with a port is not a password.
_BUCKET = r"(?:s3[an]?|gs|gcs|abfss?|wasbs?|oss|cosn?)"
_NAME_AND_PASSWORD = re.compile(
    rf"(\b{_BUCKET}://)[^\s/@:]{{0,1024}}:[^\s@]{{0,1024}}@(?:[^\s/@]{{0,1024}}@)*"
    r"|([a-z][a-z0-9+.-]{0,20}://)[^\s/@:]{0,1024}:(?!\d{1,5}/)[^\s@]{0,1024}@"
    r"(?:[^\s/@]{0,1024}@)*",
    re.IGNORECASE,
)
# In Azure's addresses a container stands before the @.
_NAME = re.compile(
    r"(?<![a-z0-9+.-])((?!abfss?:|wasbs?:)[a-z][a-z0-9+.-]{0,20}://)[^\s/@?#]{1,1024}@",
    re.IGNORECASE,
)
_AFTER_ADDRESS = re.compile(r"(?<=://)[^\n]+")
_VALUE = re.compile(r"([?&;#])([\w.~%+-]{1,64})=([^\s&;#\"'<>]*)")
_BARE_QUERY = re.compile(r"(https?://[^\s?#\"'<>]{1,2048}\?)(?![\w.~%+-]{1,64}=)[^\s#\"'<>]+", re.I)
_HARMLESS = frozenset(
    {
        "region",
        "scheme",
        "endpoint_override",
        "allow_bucket_creation",
        "allow_bucket_deletion",
        "connect_timeout",
        "request_timeout",
        "retry_limit_seconds",
        "tls_verify_certificates",
        "force_virtual_addressing",
        "background_writes",
        "anonymous",
        "replication",
        "buffer_size",
        "default_block_size",
        "enable_tls",
        "blob_storage_authority",
        "blob_storage_scheme",
        "credential_kind",
        "dfs_storage_authority",
        "dfs_storage_scheme",
        "version",
        "format",
    }
)
_PLAIN = re.compile(r"[\w.:/\[\],-]{0,256}")
_NAMED_SECRET = re.compile(
    r"((?:\b|_)(?:sig|signature|secret|password|passwd|pwd|token|credentials?|sas"
    r"|(?:access|account|secret|api|private|shared|storage)[._-]?key(?:[._-]?id)?)"
    r"(?:\.[\w.-]{1,256})?=)(?!=)([^\s&;,\"'<>]+)"
    r"|(\b(?:Bearer|Basic) )[A-Za-z0-9._~+/=-]{16,}",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Returns the text with every recognizable secret in it blotted out."""
    if "://" in text:
        text = _NAME_AND_PASSWORD.sub(lambda m: f"{m[1] or m[2]}{HIDDEN}@", text)
        text = _NAME.sub(rf"\1{HIDDEN}@", text)
        text = _BARE_QUERY.sub(rf"\1{HIDDEN}", text)
        text = _AFTER_ADDRESS.sub(lambda m: _VALUE.sub(_value, m[0]), text)
    return _NAMED_SECRET.sub(lambda m: f"{m[1] or m[3]}{HIDDEN}", text)


def _value(found: re.Match[str]) -> str:
    harmless = found[2].lower() in _HARMLESS and _PLAIN.fullmatch(found[3])
    return found[0] if harmless else f"{found[1]}{found[2]}={HIDDEN}"
