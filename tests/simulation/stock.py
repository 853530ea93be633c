"""What is owned, watched on the venue's log: no asset past its cap, no reserve ever spent.

The caps and reserves of a plan are read here a second time, from the settings as they were said.
What money the owner moves is counted only when it has been there for a while: nobody can heed what
is still on its way to be told.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.simulation import conversions
from tests.simulation.loop import SECOND_NS
from tests.simulation.market import USD

if TYPE_CHECKING:
    from tests.simulation.plan import Plan
    from tests.simulation.watch import Watch
    from tests.simulation.world import World

FIRST, EVERY, OF = 49, 8, 1  # seeds with such settings: none that was known by its trace before
HEARD_NS = 30 * SECOND_NS  # so long after money moved it has been told, and cycles of before ended
PRICED = Decimal("1.04")  # a cap in the reference currency is one of the moment's price
LOST_USD = 20  # a share is of what was put in and earned: it may have lost a little
ROUNDED_USD = Decimal("0.001")  # what a venue rounds off a balance with each trade, some of them
DUST = Decimal("0.00000001")
# What makes an asset come or go that no order asked for.
UNASKED = ("overfill", "fee_third")
STEP = Decimal("1e-8")
ROOMS = ("-0.2", "0.4", "1.1", "1.1", "2.5")  # below a cap, in cycles of the most that one may be


def draw(plan: Plan) -> None:
    """Into this plan, from chance of its own: what other seeds draw stays what it was."""
    if plan.seed < FIRST or plan.seed % EVERY != OF:
        return
    rng = random.Random(f"inventory {plan.seed}")
    said: dict[str, dict[str, str]] = {"caps": {}, "reserve_amount": {}, "reserve_percent": {}}
    if rng.random() < 0.3:  # every leg is paid for from what is owned
        plan.risk["policy"], plan.transport = "parallel", "ws"
        plan.rates["fill_share"] = rng.choice((0.1, 0.4))
    several = 4 if plan.risk["policy"] == "parallel" else rng.choice((1, 2, 3))
    for asset in rng.sample(sorted(plan.balances), several):
        _reserve(plan, asset, said, rng)
    for asset in rng.sample(sorted(plan.balances), rng.choice((1, 1, 2))):
        said["caps"][asset] = _cap(plan, asset, rng)
    plan.inventory = {name: of for name, of in said.items() if of}
    conversions.draw(plan, rng)


def _room(plan: Plan, asset: str, rng: random.Random) -> Decimal:
    """So many cycles of the most that one may be, in the asset's units; a little less than none."""
    most: Decimal = plan.scan["max_notional_per_cycle"] * Decimal(rng.choice(ROOMS))
    return (most / USD[asset]).quantize(STEP)


def _reserve(plan: Plan, asset: str, said: dict[str, dict[str, str]], rng: random.Random) -> None:
    """All but a few cycles' worth of what there is at first: an amount, or a share."""
    had, room = Decimal(plan.balances[asset]), _room(plan, asset, rng)
    kept = max(had - abs(room), Decimal(0))
    if rng.random() < 0.6:
        said["reserve_amount"][asset] = f"{kept:f}"
    elif had:
        said["reserve_percent"][asset] = f"{(kept / had * 100).quantize(Decimal('0.01')):f}"


def _cap(plan: Plan, asset: str, rng: random.Random) -> str:
    """So much above what there is at first, or below it: then nothing may add. No less is kept."""
    most = max(Decimal(plan.balances[asset]) + _room(plan, asset, rng), Decimal(0))
    if rng.random() < 0.3:
        return f"{most * USD[asset]:.2f} USD"
    return f"{most:f}"


class Stock:
    """Watches one world."""

    def __init__(self, world: World, watch: Watch) -> None:
        self._world = world
        self._watch = watch
        said: Mapping[str, Any] = world.plan.inventory
        self._caps: Mapping[str, str] = said.get("caps", {})
        self._amounts: Mapping[str, str] = said.get("reserve_amount", {})
        self._shares: Mapping[str, str] = said.get("reserve_percent", {})
        self._flows: list[tuple[int, str, Decimal]] = []
        self._converted: dict[str, Decimal] = {}
        self.at_cap = self.at_reserve = 0  # how often a trade came close enough to mean something

    def flowed(self, asset: str, amount: Decimal) -> None:
        """The owner has moved money: in, or out."""
        self._flows.append((self._world.loop.now_ns, asset, amount))

    def converted(self, asset: str, amount: Decimal) -> None:
        """A conversion of the owner's is over: what was put in is so much more, or less."""
        self._converted[asset] = self._converted.get(asset, Decimal(0)) + amount

    def moved(self, moves: Mapping[str, Decimal], of_cycle: Mapping[str, Decimal]) -> None:
        """A trade of ours has moved these; all of its cycle's so far have moved `of_cycle`."""
        if self._world.plan.fatal or self._world.struck(*UNASKED) or not self._world.plan.inventory:
            return
        for asset, amount in moves.items():
            owned = self._world.venue.account.balance(asset)
            if amount > 0:
                self._capped(asset, owned)
            elif of_cycle[asset] < -DUST:
                self._kept(asset, owned)

    def _capped(self, asset: str, owned: Decimal) -> None:
        cap = self._cap(asset)
        if cap is None:
            return
        came = sum((max(amount, Decimal(0)) for amount in self._unheard(asset)), Decimal(0))
        self.at_cap += owned > cap * Decimal("0.9")
        if owned - came > cap:
            self._watch.say(7, f"a trade has made it {owned:f} {asset}, more than its cap {cap:f}")

    def _kept(self, asset: str, owned: Decimal) -> None:
        reserve = self._reserve(asset)
        went = sum((max(-amount, Decimal(0)) for amount in self._unheard(asset)), Decimal(0))
        self.at_reserve += owned < reserve * Decimal("1.1")
        reserve -= 0 if owned + went >= reserve else self._lost(asset)
        if owned + went + ROUNDED_USD / USD[asset] < reserve:
            said = f"a trade has left {owned:f} {asset}, less than the reserve {reserve:f}"
            self._watch.say(7, said)

    def _cap(self, asset: str) -> Decimal | None:
        if asset not in self._caps:
            return None
        amount, _, currency = self._caps[asset].partition(" ")
        return Decimal(amount) / USD[asset] * PRICED if currency else Decimal(amount)

    def _reserve(self, asset: str) -> Decimal:
        flows = sum((much for _, name, much in self._flows if name == asset), Decimal(0))
        fresh = sum((max(much, Decimal(0)) for much in self._unheard(asset)), Decimal(0))
        lost = LOST_USD / USD[asset]
        put_in = Decimal(self._world.plan.balances[asset]) + self._converted.get(asset, Decimal(0))
        capital = put_in + flows - fresh - lost
        share = capital * Decimal(self._shares.get(asset, "0")) / 100
        return max(Decimal(self._amounts.get(asset, "0")), share)

    def _lost(self, asset: str) -> Decimal:
        """What its share has shrunk by: cycles have lost so much of it."""
        lost = max(-self._watch.closed(asset), Decimal(0))
        return lost * Decimal(self._shares.get(asset, "0")) / 100

    def _unheard(self, asset: str) -> list[Decimal]:
        heard_ns = max(HEARD_NS, int(self._world.house.own_s * SECOND_NS))  # doubts are asked first
        since_ns = self._world.loop.now_ns - heard_ns
        return [much for at_ns, name, much in self._flows if name == asset and at_ns >= since_ns]
