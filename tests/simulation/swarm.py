"""Chance's side of the faults: whether this call is struck, counted by fault and phase.

To the sandbox's private stream it looks like the sandbox's own `OrderFaults`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from arbit.sandbox.matching import Hooks
from arbit.sandbox.order_kinds import ODD_SHAPES
from arbit.sandbox.orders import VenueOrder
from tests.simulation.market import USD

MS = 1_000_000
MOST_FEE_USD = Decimal(10)  # no cycle's orders are worth more than some thousand
STEP = Decimal("0.00000001")  # of a quantity, in every market of the simulation
DEFINITE = (
    *("EOrder:Insufficient funds", "EOrder:Order minimum not met", "EService:Deadline elapsed"),
    *("EOrder:Rate limit exceeded", "EService:Market in post_only mode", "EOrder:Invalid price"),
)
DOUBTFUL = (
    *("EService:Timeout", "EService:Busy", "EService:Unavailable", "EGeneral:Internal error"),
    *("ESomething:Nobody knows", "EOrder:Rate limit exceeded:again"),
)


class Hit:
    """A fault that strikes, as the sandbox's own carries it."""

    def __init__(self, **params: Any) -> None:
        self.params: Mapping[str, Any] = params
        self.seen = 1_000

    def number(self, name: str) -> float:
        return float(self.params.get(name, 0))

    def text(self, name: str) -> str:
        return str(self.params.get(name, ""))


class _Uses:
    def use(self, fault: Hit) -> None:
        """Nothing is ever spent."""


class Swarm:
    """`rates` are chances by name; nothing strikes unless `on`. `phase`: where the daemon is."""

    def __init__(self, rates: Mapping[str, float], rng: random.Random) -> None:
        self.rates = dict(rates)
        self.on = False
        self.phase: Callable[[], str] = lambda: "idle"
        self.counts: Counter[tuple[str, str]] = Counter()
        self.asked: Counter[str] = Counter()  # how often each could have struck
        self.script: set[tuple[str, int]] = set()  # strikes for certain at its n-th chance
        self.words: list[str] = []  # what the venue answers to the next orders
        self.faults = _Uses()
        self.rng = rng

    def strikes(self, name: str) -> bool:
        """Whether this fault happens now."""
        if not self.on:
            return False
        self.asked[name] += 1
        if (name, self.asked[name]) not in self.script:
            rate = self.rates.get(name, 0.0)
            if not rate or self.rng.random() >= rate:
                return False
        self.note(name)
        return True

    def note(self, name: str, phase: str = "") -> None:
        """It happened: now, unless the phase that it struck in is told."""
        self.counts[name, phase or self.phase()] += 1

    def word(self) -> str:
        """What the venue answers to this order, in the place of taking it; empty: nothing."""
        return self.words.pop(0) if self.on and self.words else ""

    # --- what the sandbox's private stream asks --------------------------------------------------

    def hit(
        self, name: str, face: str, method: str, symbol: str = "", when: str = ""
    ) -> Hit | None:
        """A fault of the order path, if one strikes this call."""
        del face, symbol
        if "add" not in method.lower() and name != "order_silent":
            return None
        return self._order_path(f"{name} {when}".strip())

    def _order_path(self, name: str) -> Hit | None:
        simple = {
            "order_silent before": "lost_request",
            "order_silent after": "lost_reply",
            "order_reset before": "reset_before",
            "order_reset after": "reset_after",
            "order_truncated": "truncated",
        }
        if name in simple:
            return Hit() if self.strikes(simple[name]) else None
        if name == "order_late" and self.strikes("late_request"):
            delay_ms = self.rng.choice((50, 400, 900, 2_000, 4_000, 8_000))
            return Hit(delay_ms=delay_ms, reply=self.rng.random() < 0.5)
        if name == "order_odd" and self.strikes("odd"):
            return Hit(shape=self.rng.choice(ODD_SHAPES))
        if name == "order_error":
            if word := self.word():
                return Hit(error=word, accepted=False)
            if self.strikes("error_definite"):
                return Hit(error=self.rng.choice(DEFINITE), accepted=False)
            if self.strikes("error_unknown"):
                return Hit(error=self.rng.choice(DOUBTFUL), accepted=self.rng.random() < 0.5)
        return None

    def active(self, name: str) -> Hit | None:
        """A fault of the reports, if one strikes this frame."""
        if self.strikes(name):
            return Hit(copies=self.rng.randint(1, 3))
        return None


class SwarmHooks(Hooks):
    """Matching, bent by chance. `free` is what an account has of an asset, beside its orders."""

    def __init__(self, swarm: Swarm, free: Callable[[str, str], Decimal]) -> None:
        self._swarm = swarm
        self._free = free

    def accept_delay_ns(self, order: VenueOrder) -> int:
        if order.client_id and self._swarm.strikes("match_delay"):
            return self._swarm.rng.choice((5, 60, 400, 1_500)) * MS
        return 0

    def fill_share(self, order: VenueOrder) -> Decimal:
        if order.client_id and self._swarm.strikes("fill_share"):
            return Decimal(self._swarm.rng.choice(("0", "0.1", "0.5", "0.9")))
        return Decimal(1)

    def overfill(self, order: VenueOrder) -> Decimal:
        if order.client_id and self._swarm.strikes("overfill"):
            share = Decimal(self._swarm.rng.choice(("0.00001", "0.001", "0.01")))
            digits = -int(order.qty.as_tuple().exponent)
            return max((order.qty * share).quantize(STEP), STEP) if digits <= 8 else Decimal(0)
        return Decimal(0)

    def fee_asset(self, order: VenueOrder) -> str:
        """One that there is enough of: no spot venue lets an account owe it a fee."""
        if order.client_id and self._swarm.strikes("fee_third"):
            assets = [
                one for one in USD if self._free(order.account, one) * USD[one] > MOST_FEE_USD
            ]
            return self._swarm.rng.choice(assets) if assets else ""
        return ""
