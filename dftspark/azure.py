"""Azure's storage accounts as Arrow's file systems.

pyarrow takes tokens from the environment, and neither the key of an account nor the hosts of a
private endpoint or an emulator. The connection string, which Azure's own clients and adlfs read,
has both, so that no secret need stand in an address.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pyarrow import fs

from dftspark.errors import ConfigError

VARIABLE = "AZURE_STORAGE_CONNECTION_STRING"
_BLOB, _DFS = "blob_storage_authority", "dfs_storage_authority"
_PUBLIC = ".blob.core.windows.net"
_SECRETS = ("account_key", "sas_token", "client_secret")


def connection_string() -> str:
    return os.environ.get(VARIABLE, "").strip()


def connected(filesystem: fs.FileSystem, uri: str, connection: str) -> fs.FileSystem:
    """Returns the account of a URI with the hosts and the secret of the connection string, as far
    as the URI has none and both name the same account.

    Raises ConfigError for a connection string that cannot be used.
    """
    # The options that the URI gave can be had in no other way.
    make, (options,) = filesystem.__reduce__()
    string = _Connection.parse(connection)
    if string.account != options["account_name"]:
        return filesystem
    chosen: dict[str, str] = {}
    if options[_BLOB] == _PUBLIC and f"{_BLOB}=" not in uri:
        chosen |= string.hosts
    if not any(options.get(name) for name in _SECRETS) and "credential_kind=" not in uri:
        chosen |= string.secret
    known: fs.FileSystem = make({**options, **chosen}) if chosen else filesystem
    return known


@dataclass(frozen=True)
class _Connection:
    account: str
    hosts: Mapping[str, str]
    secret: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> _Connection:
        """Reads `NAME=VALUE;...`; an error never has a value in it, which may be a secret."""
        parts = [part.strip().partition("=") for part in text.split(";") if part.strip()]
        if not all(name and equals for name, equals, _ in parts):
            raise _useless("a part of it is not NAME=VALUE")
        found = {name.lower(): value for name, _, value in parts}
        account = found.get("accountname") or _account(found.get("blobendpoint", ""))
        if not account:
            raise _useless("it names no account: AccountName or BlobEndpoint")
        secret = {}
        if token := found.get("sharedaccesssignature"):
            secret = {"sas_token": f"?{token.removeprefix('?')}"}  # which Arrow appends to a URL
        elif key := found.get("accountkey"):
            secret = {"account_key": _whole(key)}
        return cls(account, _hosts(found, account), secret)


def _account(endpoint: str) -> str:
    """Returns the account that an endpoint names: as its path or as the first part of its host."""
    address = urlsplit(endpoint)
    return address.path.strip("/") or (address.hostname or "").partition(".")[0]


def _hosts(found: Mapping[str, str], account: str) -> dict[str, str]:
    suffix = found.get("endpointsuffix", "core.windows.net")
    scheme = found.get("defaultendpointsprotocol", "https").lower()
    blob, own = f".blob.{suffix}", scheme
    if endpoint := found.get("blobendpoint"):
        own, blob = _authority("BlobEndpoint", endpoint, account)
    # Where no other host is named for it, an emulator answers at one host for both.
    dfs, others = blob.replace(".blob.", ".dfs.", 1), own
    if endpoint := found.get("dfsendpoint"):
        others, dfs = _authority("DfsEndpoint", endpoint, account)
    return {_BLOB: blob, "blob_storage_scheme": own, _DFS: dfs, "dfs_storage_scheme": others}


def _authority(name: str, endpoint: str, account: str) -> tuple[str, str]:
    """Returns scheme and host as Arrow wants them: without the account, which Arrow puts before a
    host that begins with a dot, and behind any other."""
    address = urlsplit(endpoint)
    if address.scheme in ("http", "https") and address.netloc:
        if address.path.strip("/") == account:
            return address.scheme, address.netloc
        if not address.path.strip("/") and address.netloc.startswith(f"{account}."):
            return address.scheme, address.netloc.removeprefix(account)
    raise _useless(
        f"{name} is neither http(s)://{account}.HOST nor http(s)://HOST/{account}, the addresses "
        f"that pyarrow knows"
    )


def _whole(key: str) -> str:
    try:
        base64.b64decode(key, validate=True)
    except ValueError:  # not chained, since the key would be in its traceback
        raise _useless("AccountKey is not Base64; copy it whole, with the = at its end") from None
    return key


def _useless(why: str) -> ConfigError:
    return ConfigError(f"{VARIABLE} cannot be used: {why}")
