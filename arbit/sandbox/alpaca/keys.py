"""Alpaca's keys of this sandbox: made up, public, and the same in every one.

A request carries key id and secret in two headers, or the stream's auth message; nothing is signed.
"""

import hmac
from collections.abc import Mapping
from typing import Final

from arbit.sandbox.keys import MAIN, OTHER, TRADING, ApiKey

TRADE_KEY: Final = "SANDBOXALPACATRADEKEY"
TRADE_SECRET: Final = "sandbox-alpaca-secret-made-up-and-public"  # noqa: S105  # made up and public
OTHER_KEY: Final = "SANDBOXALPACAOTHERKEY"
OTHER_SECRET: Final = (
    "sandbox-alpaca-other-secret-made-up-and-public"  # noqa: S105  # made up and public
)
KEY_HEADER: Final = "APCA-API-KEY-ID"
SECRET_HEADER: Final = "APCA-API-SECRET-KEY"  # noqa: S105  # the name of a header


def made_up_keys() -> dict[str, ApiKey]:
    """The sandbox's keys: the trading one, and one of another account."""
    keys = (
        ApiKey(TRADE_KEY, TRADE_SECRET, MAIN, TRADING),
        ApiKey(OTHER_KEY, OTHER_SECRET, OTHER, TRADING),
    )
    return {one.key: one for one in keys}


def find(keys: Mapping[str, ApiKey], key: object, secret: object) -> ApiKey | None:
    """The key that id and secret name, if it is known, right and not withdrawn."""
    known = keys.get(key) if isinstance(key, str) else None
    if known is None or known.revoked or not isinstance(secret, str):
        return None
    right = hmac.compare_digest(known.secret.encode(), secret.encode(errors="replace"))
    return known if right else None


def from_headers(keys: Mapping[str, ApiKey], headers: Mapping[str, str]) -> ApiKey | None:
    """The key that a request's headers name."""
    return find(keys, headers.get(KEY_HEADER), headers.get(SECRET_HEADER))
