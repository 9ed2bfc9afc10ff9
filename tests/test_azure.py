"""Connection strings: which host, scheme and secret Arrow is given. No server is asked."""

from __future__ import annotations

from typing import Any

import pytest

from dftspark import azure, doctor
from dftspark.errors import ConfigError
from dftspark.location import Location
from tests.azurite import ACCOUNT, KEY, STORE, connection

SAS = "sv=2021-12-02&sig=abc%3D"
_OTHER = f"DfsEndpoint=https://b.example/{ACCOUNT}"
_BY_ACCOUNT = f"AccountName={ACCOUNT};AccountKey={KEY}"


def options(uri: str, string: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv(azure.VARIABLE, string)
    _, (found,) = Location.parse(uri).filesystem.__reduce__()
    return dict(found)


@pytest.mark.parametrize(
    ("string", "blob", "dfs", "scheme"),
    [
        (_BY_ACCOUNT, ".blob.core.windows.net", ".dfs.core.windows.net", "https"),
        (
            f"DefaultEndpointsProtocol=http;{_BY_ACCOUNT};EndpointSuffix=core.chinacloudapi.cn",
            ".blob.core.chinacloudapi.cn",
            ".dfs.core.chinacloudapi.cn",
            "http",
        ),
        (connection("127.0.0.1:10000"), "127.0.0.1:10000", "127.0.0.1:10000", "http"),
        (
            f"{_BY_ACCOUNT};BlobEndpoint=https://{ACCOUNT}.blob.private.example/",
            ".blob.private.example",
            ".dfs.private.example",
            "https",
        ),
        (
            f"{_BY_ACCOUNT};blobendpoint=https://a.example:1/{ACCOUNT};{_OTHER}",
            "a.example:1",
            "b.example",
            "https",
        ),
    ],
)
def test_hosts(
    string: str, blob: str, dfs: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = options(STORE, string, monkeypatch)
    assert (found["blob_storage_authority"], found["dfs_storage_authority"]) == (blob, dfs)
    assert found["blob_storage_scheme"] == found["dfs_storage_scheme"] == scheme
    assert found["account_key"] == KEY


def test_a_token_without_the_name_of_its_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for endpoint in (f"http://127.0.0.1:1/{ACCOUNT}", f"https://{ACCOUNT}.blob.core.windows.net/"):
        string = f"BlobEndpoint={endpoint};SharedAccessSignature={SAS}"
        found = options(STORE, string, monkeypatch)
        assert (found["sas_token"], found["account_key"]) == (f"?{SAS}", "")


def test_what_the_address_says_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    own = f"abfs://{ACCOUNT}@127.0.0.1:1/c?enable_tls=false"
    found = options(own, connection("elsewhere:2"), monkeypatch)
    assert (found["blob_storage_authority"], found["account_key"]) == ("127.0.0.1:1", KEY)
    for credential in (SAS, "credential_kind=anonymous"):
        found = options(f"{own}&{credential}", connection("elsewhere:2"), monkeypatch)
        assert found["account_key"] == ""


def test_another_account_gets_neither_host_nor_key(monkeypatch: pytest.MonkeyPatch) -> None:
    another = "abfss://audits@another.dfs.core.windows.net/runs"
    found = options(another, connection("127.0.0.1:1"), monkeypatch)
    assert (found["account_key"], found["blob_storage_authority"]) == ("", ".blob.core.windows.net")


@pytest.mark.parametrize(
    ("string", "said"),
    [
        (f"AccountName;AccountKey={KEY}", "a part of it is not NAME=VALUE"),
        (f"AccountKey={KEY}", "it names no account"),
        (f"AccountName={ACCOUNT};AccountKey={KEY[:-3]}", "AccountKey is not Base64"),
        (
            f"{_BY_ACCOUNT};BlobEndpoint=https://storage.example",
            f"BlobEndpoint is neither .*{ACCOUNT}.HOST nor",
        ),
    ],
)
def test_a_string_that_cannot_be_used(
    string: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=f"{azure.VARIABLE} cannot be used: {said}") as caught:
        options(STORE, string, monkeypatch)
    assert KEY[:20] not in str(caught.value)
    check = doctor._storage(STORE)
    assert not check.ok
    assert azure.VARIABLE in check.remedy
    assert KEY[:20] not in check.found
