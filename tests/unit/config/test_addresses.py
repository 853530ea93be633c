"""Addresses that are good by themselves, and not for the venue they are given to."""

from __future__ import annotations

import pytest

from arbit.config import load_settings
from tests.unit.config.test_load import complaints


@pytest.mark.parametrize(
    ("field", "url"),
    [
        ("REST_URL", "https://api.kraken.com"),
        ("REST_URL", "https://API.Kraken.com./"),
        ("WS_URL", "wss://ws.kraken.com/v2"),
        ("PRIVATE_WS_URL", "wss://ws-auth.kraken.com/v2"),
    ],
)
def test_what_trades_unasked_is_not_pointed_at_a_venue_with_money(field: str, url: str) -> None:
    key = f"ARBIT_VENUES__SANDBOX__{field}"
    (found,) = complaints({key: url})
    assert found.startswith(f"{key}={url}: expected the address of an `arbit sandbox`")
    scheme = url.partition(":")[0]
    for host in ("127.0.0.1:1", "sandbox.lan", "notkraken.com", "kraken.com.lan"):
        load_settings(None, {key: f"{scheme}://{host}"})


def test_a_key_is_not_sent_in_the_open() -> None:
    key, open_url = "ARBIT_VENUES__KRAKEN__REST_URL", "http://api.kraken.com"
    (found,) = complaints({key: open_url})
    assert found == f"{key}={open_url}: expected https://, or others read the key with us"
    load_settings(None, {key: "https://api.kraken.com"})
    load_settings(None, {key: "http://127.0.0.1:1"})
