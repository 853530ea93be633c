"""Kraken's two counters, kept by us so that the venue never has to say no.

Sources: docs.kraken.com, guide "rate limits": a counter a key for REST (most calls +1, histories
+2, orders +0), and one a pair and account in the engine (+1 an order, whatever becomes of it;
a cancel costs the more the younger its order is). Both flow off at a constant rate.

A third of each is kept for what must not wait: finding out what became of an order, and cancelling.

The venue's counters outlive us, so ours outlive a run. That of the requests is kept on disk, a
little ahead of its use; those of the pairs follow from the orders that the journal knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from arbit.config import RateTier

SECOND_NS = 1_000_000_000
RESERVED = 1 / 3
MAX_PAIRS = 10_000
# A margin for what is on its way while the venue's counter has already moved.
HEADROOM = 1.0
AHEAD = 2.0  # so much may be spent before the level is kept again
PAIR_RATE = "EOrder:Rate limit exceeded"  # the venue's words for a pair's counter that is full


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tier allows: counters' tops, and how much flows off in a second."""

    rest_max: float
    rest_per_s: float
    engine_max: float
    engine_per_s: float


TIERS = {
    RateTier.STARTER: Limits(15, 0.33, 60, 1.0),
    RateTier.INTERMEDIATE: Limits(20, 0.5, 125, 2.34),
    RateTier.PRO: Limits(20, 1.0, 180, 3.75),
}
# Cost of a cancel by the order's age in seconds (below), and nothing beyond the last.
CANCEL_COSTS = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))


class Counter:
    """A counter that requests fill and time empties. Times are monotonic nanoseconds."""

    def __init__(self, most: float, per_s: float) -> None:
        self._most = most - HEADROOM
        self._per_s = per_s
        self._level = 0.0
        self._at_ns = 0

    def level(self, now_ns: int) -> float:
        """How full it is."""
        if self._at_ns:
            gone = max(0, now_ns - self._at_ns) / SECOND_NS * self._per_s
            self._level = max(0.0, self._level - gone)
        self._at_ns = now_ns
        return self._level

    def may(self, cost: float, now_ns: int, *, reserved: bool = False) -> bool:
        """Whether a request of this cost fits; only a `reserved` one may use the last third."""
        most = self._most if reserved else self._most * (1 - RESERVED)
        return self.level(now_ns) + cost <= most

    def spend(self, cost: float, now_ns: int) -> None:
        """A request of this cost leaves."""
        self._level = self.level(now_ns) + cost

    def wait_ns(self, cost: float, now_ns: int, *, reserved: bool = False) -> int:
        """How long until it fits; 0 when it does now."""
        most = self._most if reserved else self._most * (1 - RESERVED)
        over = self.level(now_ns) + cost - most
        return max(0, int(over / self._per_s * SECOND_NS) + 1) if over > 0 else 0

    def fill(self, now_ns: int) -> None:
        """The venue says that it is full: believe it."""
        self.at_least(self._most + HEADROOM, now_ns)

    def at_least(self, level: float, now_ns: int) -> None:
        """The venue, or an earlier run, says that it is so full; ours may know more by now."""
        self._level = min(max(self.level(now_ns), level), self._most + HEADROOM)


@dataclass(frozen=True, slots=True)
class Level:
    """A counter's level at a wall time, and how much may have been spent since."""

    level: float
    ahead: float
    wall_ns: int


class LevelStore(Protocol):
    """Where the level of a key's counter is kept."""

    def load(self) -> Level | None:
        """The last one saved, if any."""
        ...

    def save(self, level: Level) -> None:
        """Keep it. A failure is the store's own to tell: requests go on."""
        ...


class RequestBudget(Counter):
    """The REST counter of one key, kept over restarts once `keep_in` says where."""

    def __init__(self, tier: RateTier) -> None:
        limits = TIERS[tier]
        super().__init__(limits.rest_max, limits.rest_per_s)
        self._store: LevelStore | None = None
        self._wall_ns: Callable[[], int] = int
        self._spent = 0.0  # since the level was kept

    def keep_in(self, store: LevelStore, wall_ns: Callable[[], int], now_ns: int) -> None:
        """Go on from what an earlier run left, and keep from now on what a later one needs."""
        self._store, self._wall_ns, self._spent = store, wall_ns, AHEAD
        kept = store.load()
        if kept is not None:
            gone = max(0, wall_ns() - kept.wall_ns) / SECOND_NS * self._per_s
            self.at_least(max(0.0, kept.level - gone) + kept.ahead, now_ns)

    def spend(self, cost: float, now_ns: int) -> None:
        """A request of this cost leaves. What it makes of the level is kept before that."""
        super().spend(cost, now_ns)
        self._spent += cost
        if cost and self._spent > AHEAD:
            self._keep(now_ns, AHEAD)

    def fill(self, now_ns: int) -> None:
        """The venue says that it is full: believe it, and remember it."""
        super().fill(now_ns)
        self._keep(now_ns, AHEAD)

    def close(self, now_ns: int) -> None:
        """Nothing more is spent by this run: keep the level as it is."""
        self._keep(now_ns, 0.0)

    def _keep(self, now_ns: int, ahead: float) -> None:
        self._spent = 0.0
        if self._store is not None:
            self._store.save(Level(self.level(now_ns), ahead, self._wall_ns()))


class EngineBudget:
    """The engine's counters of one account, one a pair."""

    def __init__(self, tier: RateTier) -> None:
        self._limits = TIERS[tier]
        self._pairs: dict[str, Counter] = {}

    def _of(self, symbol: str) -> Counter:
        counter = self._pairs.get(symbol)
        if counter is None:
            if len(self._pairs) >= MAX_PAIRS:
                self._pairs.clear()
            counter = Counter(self._limits.engine_max, self._limits.engine_per_s)
            self._pairs[symbol] = counter
        return counter

    def may(self, symbol: str, cost: float, now_ns: int, *, reserved: bool = False) -> bool:
        """Whether an order (cost 1) or a cancel on this pair fits."""
        return self._of(symbol).may(cost, now_ns, reserved=reserved)

    def wait_ns(self, symbol: str, cost: float, now_ns: int, *, reserved: bool = False) -> int:
        """How long until it fits; 0 when it does now."""
        return self._of(symbol).wait_ns(cost, now_ns, reserved=reserved)

    def spend(self, symbol: str, cost: float, now_ns: int) -> None:
        """It leaves."""
        self._of(symbol).spend(cost, now_ns)

    def fill(self, symbol: str, now_ns: int) -> None:
        """The venue says that this pair's counter is full."""
        self._of(symbol).fill(now_ns)

    def told(self, symbol: str, level: float, now_ns: int) -> None:
        """The venue says that this pair's counter is so full."""
        self._of(symbol).at_least(level, now_ns)

    def recall(self, sent: Iterable[tuple[str, int]], wall_ns: int, now_ns: int) -> None:
        """Orders that left before this run began, as (symbol, wall time of sending)."""
        flows_off_s = self._limits.engine_max / self._limits.engine_per_s
        for symbol, sent_ns in sorted(sent, key=lambda one: one[1]):
            age_ns = max(0, wall_ns - sent_ns)  # a clock set back makes it none at all
            if age_ns < flows_off_s * SECOND_NS:
                self.spend(symbol, 1, now_ns - age_ns)


def cancel_cost(age_s: float) -> int:
    """What cancelling an order of this age costs."""
    for below_s, cost in CANCEL_COSTS:
        if age_s < below_s:
            return cost
    return 0
