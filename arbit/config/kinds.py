"""The names of venues we know ourselves, and what single settings of a venue may be."""

from __future__ import annotations

import enum

SPEAKS_KRAKEN = frozenset({"kraken", "sandbox"})
SPEAKS_ALPACA = frozenset({"alpaca", "sandbox-alpaca"})
SANDBOXES = frozenset({"sandbox", "sandbox-alpaca"})  # our own exchange, made-up money
KEY_TO_READ = SPEAKS_ALPACA  # where even books are shown to holders of a key alone


class Feed(enum.StrEnum):
    """Where a venue's books come from."""

    NATIVE = "native"
    CCXT = "ccxt"
    REST = "rest"


class OrderTransport(enum.StrEnum):
    """How orders reach a venue."""

    WS = "ws"
    REST = "rest"


class RateTier(enum.StrEnum):
    """What a venue allows an account of this rank."""

    STARTER = "starter"
    INTERMEDIATE = "intermediate"
    PRO = "pro"


class AlpacaHost(enum.StrEnum):
    """Which of Alpaca's two worlds is traded in."""

    PAPER = "paper"
    LIVE = "live"


class AlpacaLocation(enum.StrEnum):
    """Whose books Alpaca shows. Source: docs.alpaca.markets, "Real-time Crypto Data"."""

    US = "us"  # Alpaca's own, the one orders execute on
    US_1 = "us-1"  # Kraken US
    EU_1 = "eu-1"  # Kraken EU


class AlpacaPlan(enum.StrEnum):
    """Which market data plan the account has."""

    FREE = "free"
    PAID = "paid"
