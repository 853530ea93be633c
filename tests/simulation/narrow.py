"""Narrow seeds: each is about one rule of what is owned, and little else goes on in it.

What a busy seed hides shows here. A day's rebalances are priced where nearly nothing moves; rests
are so long that a restart falls into them; what a way home might take from a reserve is gone before
it leaves. Drawn last of all, from chance of its own, into seeds that have bounds of what is owned.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.simulation.market import USD

if TYPE_CHECKING:
    from tests.simulation.plan import Plan

EVERY = 64
STEP = Decimal("1e-8")
BALANCES = {"USD": "10000", "EUR": "10000", "BTC": "0.2", "ETH": "3"}
LEGS = 1  # of conversions whose way does not matter
DIES_IN = (3, 12)  # seams after which a conversion of a seed has its process killed


def draw(plan: Plan) -> None:
    """Into this plan."""
    drawn = BY_REST.get(plan.seed % EVERY)
    if drawn is None or not plan.inventory:
        return
    rng = random.Random(f"narrow {plan.seed}")
    _calm(plan)
    drawn(plan, rng)
    plan.timed.sort()


def _calm(plan: Plan) -> None:
    """No fault, no weather, no other bound than the ones that are to be looked at."""
    plan.rates, plan.timed, plan.conversions, plan.inventory = {}, [], [], {}
    plan.kills, plan.weather_hz, plan.skew_s, plan.read_lag_ms = 0, 0.0, 0.0, 0
    plan.balances, plan.transport, plan.tier = dict(BALANCES), "ws", "pro"
    plan.early = plan.restarted = plan.twice = plan.small = False
    plan.max_skew_ms = 3_000
    plan.risk |= {
        "max_daily_loss": Decimal(1000),
        "max_exposure": Decimal(3000),
        "order_rate_per_s": 50.0,
        "unwind_budget_bps": Decimal(300),
        "breaker_failures": 1_000,
        "max_crashes": 1_000,
        "policy": "sequential",
        "cooldown_ms": 20,
    }
    plan.risk.pop("asset_caps", None)
    plan.scan |= {"max_concurrent_cycles": 4, "start_assets": ("USD", "EUR", "BTC")}


def _day(plan: Plan, rng: random.Random) -> None:
    """An asset is some rebalances off, and the day has money for one or two: over restarts too.

    Opportunities are seldom, for a cost is not priced where makers of its books have just moved.
    """
    most, off = Decimal(200), rng.choice((-5, -4, 5, 6))
    plan.scan["max_notional_per_cycle"], plan.fee_bps = most, Decimal(5)
    plan.seconds, plan.cycles, plan.plants_every_ms = 14.0, 0, 4_000.0
    asset, partner = rng.choice(("BTC", "ETH", "EUR")), "USD"
    target = Decimal(plan.balances[asset]) + most * off / USD[asset]
    cost = most * rng.choice((8, 12)) / 10_000  # of one in full: fees, and half a spread
    plan.inventory = {
        "targets": {asset: f"{target.quantize(STEP):f}"},
        "band_percent": "0.2",
        "rebalance": True,
        "rebalance_cost_bps": "20",
        "rebalance_cost_per_day": f"{cost * Decimal(rng.choice(('1.0', '1.5'))):f}",
        "rebalance_after_s": 0,
        "rebalance_every_s": 1,
    }
    for at_s in (5.0, 9.0):  # once it is spent
        _killed(plan, rng, at_s + rng.uniform(0, 1), partner, "EUR" if asset == "BTC" else "BTC")


def _rests(plan: Plan, rng: random.Random) -> None:
    """A triangle rests for longer than a restart takes, and opportunities come all the time."""
    plan.risk["cooldown_ms"] = rng.choice((6_000, 12_000))
    plan.plants_every_ms, plan.plant_ms = 150.0, max(plan.plant_ms, 300.0)
    plan.seconds, plan.cycles = 24.0, 0
    plan.inventory = {"reserve_amount": {"ETH": "0.1"}}
    for at_s in (4.0, 10.0, 16.0):
        start, end = rng.sample(("USD", "EUR", "BTC"), 2)
        _killed(plan, rng, at_s + rng.uniform(0, 3), start, end)


def _home(plan: Plan, rng: random.Random) -> None:
    """All legs go at once, some fill in part, and what is beyond a reserve is converted meanwhile.

    So a way home that costs more than its cycle has in hand would have to take from the reserve.
    """
    most = Decimal(rng.choice((200, 1000)))
    plan.scan |= {"max_notional_per_cycle": most, "start_assets": ("USD",)}
    plan.risk["policy"] = "parallel"
    plan.fee_bps = Decimal(rng.choice((2, 5)))
    plan.rates = {"fill_share": 0.4, "match_delay": rng.choice((0.15, 0.4))}
    plan.seconds, plan.cycles = 20.0, 0
    kept = Decimal(plan.balances["USD"]) - most * Decimal("1.3")
    plan.inventory = {"reserve_amount": {"USD": f"{kept:f}"}}
    at_s = 0.5
    while at_s < plan.seconds:
        for soon_s in (0.0, 0.08, 0.16):  # the last ones leave a hundredth each
            plan.conversions.append((at_s + soon_s, "USD", "BTC", 0.95, 150, LEGS, 0))
        back_s = at_s + rng.uniform(0.3, 1.0)
        for soon_s in (0.0, 0.05):
            plan.conversions.append((back_s + soon_s, "BTC", "USD", 0.65, 150, LEGS, 0))
        at_s = back_s + rng.uniform(0.2, 0.6)


def _killed(plan: Plan, rng: random.Random, at_s: float, start: str, end: str) -> None:
    """The process is killed at that time, some seams after a small conversion began."""
    dies = rng.randint(*DIES_IN)
    plan.conversions.append((at_s, start, end, 0.3, 150, LEGS, dies))


BY_REST: dict[int, Callable[[Plan, random.Random], None]] = {17: _home, 33: _day, 57: _rests}
