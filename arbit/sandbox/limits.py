"""The venue's two rate counters: calls per API key, and order work per account and pair.

Source of the figures: Kraken's guide to spot rate limits and its REST introduction. A counter
goes up with each call and drains steadily; a call that would take it over its maximum is refused
and is not counted (whether the real REST counter counts it is not documented).
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

NS: Final = 1_000_000_000
MAX_COUNTERS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Tier:
    """A verification level: maxima, and what drains a second."""

    name: str
    rest_max: float
    rest_per_s: float
    engine_max: float
    engine_per_s: float
    open_orders: int  # per pair


TIERS: Final[dict[str, Tier]] = {
    tier.name: tier
    for tier in (
        Tier("starter", 15, 0.33, 60, 1.0, 60),
        Tier("intermediate", 20, 0.5, 125, 2.34, 80),
        Tier("pro", 20, 1.0, 180, 3.75, 225),
    )
}

REST_COSTS: Final[dict[str, int]] = {
    "AddOrder": 0,
    "CancelOrder": 0,
    "CancelAll": 0,
    "TradesHistory": 2,
    "Ledgers": 2,
}
"""What a call adds to the REST counter; every other one adds 1."""

CANCEL_COSTS: Final[tuple[tuple[int, int], ...]] = (
    (5, 8),
    (10, 6),
    (15, 5),
    (45, 4),
    (90, 2),
    (300, 1),
)
"""What cancelling an order younger than so many seconds adds to the engine counter."""


def cancel_cost(age_ns: int) -> int:
    """The engine counter's price of cancelling an order of this age."""
    for seconds, cost in CANCEL_COSTS:
        if age_ns < seconds * NS:
            return cost
    return 0


class Counters:
    """Leaky counters by name, all of one size. Empty ones are forgotten first."""

    def __init__(self, maximum: float, per_s: float) -> None:
        self.maximum = maximum
        self.per_s = per_s
        self._levels: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def level(self, name: str, now_ns: int) -> float:
        """How full the counter is."""
        level, at_ns = self._levels.get(name, (0.0, now_ns))
        return max(0.0, level - (now_ns - at_ns) / NS * self.per_s)

    def take(self, name: str, cost: float, now_ns: int) -> bool:
        """Add ``cost`` if it fits; False means refused, and nothing was added."""
        level = self.level(name, now_ns) + cost
        if level > self.maximum and cost > 0:
            return False
        self._put(name, level, now_ns)
        return True

    def add(self, name: str, cost: float, now_ns: int) -> None:
        """Add ``cost`` without asking: a cancel is charged and never refused."""
        self._put(name, self.level(name, now_ns) + cost, now_ns)

    def _put(self, name: str, level: float, now_ns: int) -> None:
        self._levels[name] = (level, now_ns)
        self._levels.move_to_end(name)
        if len(self._levels) > MAX_COUNTERS:
            self._levels.popitem(last=False)
