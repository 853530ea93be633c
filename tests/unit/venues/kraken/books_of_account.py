"""A REST side that says what a test told it to, in the venue's own shapes, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from arbit.domain.errors import VenueError
from arbit.venues.ccxt.client import Answer
from arbit.venues.clockoffset import OffsetTracker
from arbit.venues.kraken.reads import KrakenReads
from tests.unit.venues.virtual import VirtualClock

Params = Mapping[str, str]
Says = Callable[[Params], Any]

PAIRS = {
    "XXBTZUSD": {
        "altname": "XBTUSD",
        "wsname": "XBT/USD",
        "base": "XXBT",
        "quote": "ZUSD",
        "pair_decimals": 1,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "ordermin": "0.0001",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
    },
    "XETHXXBT": {
        "altname": "ETHXBT",
        "wsname": "ETH/XBT",
        "base": "XETH",
        "quote": "XXBT",
        "pair_decimals": 5,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "ordermin": "0.001",
        "costmin": "0.00002",
        "tick_size": "0.00001",
        "status": "online",
    },
}
ASSETS = {
    "XXBT": {"altname": "XBT", "decimals": 10},
    "XETH": {"altname": "ETH", "decimals": 10},
    "ZUSD": {"altname": "USD", "decimals": 4},
    "XXDG": {"altname": "XDG", "decimals": 8},
    "XBT.F": {"altname": "XBT.F", "decimals": 10},
}


class Public:
    """The public questions."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.unixtime: Any = 0

    async def ask(self, method: str, *_: Any) -> Answer:
        self.asked.append(method)
        bodies: dict[str, Any] = {
            "publicGetAssets": ASSETS,
            "publicGetAssetPairs": PAIRS,
            "publicGetTime": {"unixtime": self.unixtime},
        }
        return Answer(0, {"error": [], "result": bodies[method]})


class Private:
    """The private questions: an answer, a function of the parameters, or an error to raise."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.says: dict[str, Any] = {}
        self.asked: list[tuple[str, dict[str, str], bool]] = []
        self.takes_ns = 0

    async def ask(self, name: str, params: Params | None = None, *, reserved: bool = False) -> Any:
        self.asked.append((name, dict(params or {}), reserved))
        self.clock.now_ns += self.takes_ns
        said = self.says[name]
        if isinstance(said, VenueError):
            raise said
        return said(params or {}) if callable(said) else said

    def names(self) -> list[str]:
        return [name for name, _, _ in self.asked]


class Account:
    """Reads over that REST side."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.private = Private(self.clock)
        self.public = Public()
        self.offsets = OffsetTracker(self.clock)
        self.reads = KrakenReads(self.private, self.public, self.offsets)  # type: ignore[arg-type]  # it asks as the real one does

    def say(self, **answers: Any) -> None:
        self.private.says |= answers
