"""What a seed means: settings, market, latencies, and which faults with which rates.

Swarm testing: every seed draws a subset of the faults and rates of its own, so that rare
combinations are not drowned by common ones. One seed in `BENIGN_EVERY` has no fault at all.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.simulation import narrow, rests, stock, strains

BENIGN_EVERY = 8
BALANCES = {"USD": "10000", "EUR": "10000", "BTC": "0.2", "ETH": "3"}

# Faults that strike one call or one frame, each with its own chance: the most that a seed draws.
CALL_FAULTS: dict[str, float] = {
    "lost_request": 0.10,
    "lost_reply": 0.12,
    "late_request": 0.10,
    "reset_before": 0.05,
    "reset_after": 0.06,
    "error_definite": 0.10,
    "error_unknown": 0.08,
    "truncated": 0.06,
    "odd": 0.08,
    "exec_duplicate": 0.20,
    "exec_reorder": 0.20,
    "exec_early": 0.30,
    "exec_batch": 0.30,
    "exec_gap": 0.04,
    "match_delay": 0.15,
    "fill_share": 0.20,
    "rest_lost": 0.06,
    "rest_late": 0.10,
    "rest_reset": 0.10,
    "rest_error": 0.10,
    "rest_odd": 0.05,
    "dial_refused": 0.30,
    "exec_swap": 0.30,
    "overfill": 0.10,
    "fee_third": 0.25,
    **strains.LIMIT_CALLS,
}
# Drawn apart from the others: what breaks the venue's own word would drown what does not.
RARE_CALLS = {"exec_swap": 0.10, "overfill": 0.05, "fee_third": 0.05}
# Faults that happen at a time: how many a seed draws at most.
TIMED_FAULTS: dict[str, int] = {
    "line_cut": 3,
    "line_mute": 2,
    "feed_cut": 2,
    "feed_mute": 3,
    "feed_doubt": 3,
    "market_status": 3,
    "system_status": 2,
    "deposit": 2,
    "withdrawal": 1,
    "clock_jump": 2,
    "stall": 3,
    "journal_locked": 2,
    "journal_full": 2,
    "token_expired": 1,
    "market_gap": 4,
    "operator_pause": 1,
    "operator_kill": 1,
    "sigterm": 1,
    "fee_change": 2,
    "grid_change": 3,
    "rest_outage": 2,
    "unwritten_kill": 2,
    "second_start": 2,
    "money_while_down": 2,
    "clock_back": 2,
}
LATER = (
    *("fee_change", "grid_change", "rest_outage", "unwritten_kill", "second_start"),
    *("money_while_down", "clock_back"),
)
# Faults after which the account is no longer ours to explain: the daemon must halt.
FATAL_FAULTS = ("drift", "foreign_trade", "foreign_order", "twin_trade", "old_backup")


@dataclass(slots=True)
class Plan:
    """Everything drawn for one seed. Times in ms unless named otherwise."""

    seed: int
    benign: bool
    seconds: float  # at least; faults that happen at a time happen within them
    cycles: int = 0  # how many there should be before faults stop, if they come in time
    rates: dict[str, float] = field(default_factory=dict)
    timed: list[tuple[float, str]] = field(default_factory=list)  # (at second, name)
    kills: int = 0
    latency_ms: float = 20.0
    jitter_ms: float = 5.0
    feed_ms: float = 10.0
    read_lag_ms: int = 0
    skew_s: float = 0.0
    fee_bps: Decimal = Decimal(2)
    plants_every_ms: float = 500
    plant_ms: float = 500  # how long an opportunity lasts, about
    weather_hz: float = 0.0
    tier: str = "pro"
    risk: dict[str, Any] = field(default_factory=dict)
    scan: dict[str, Any] = field(default_factory=dict)
    transport: str = "ws"
    max_skew_ms: int = 3_000
    small: bool = False  # memories are so small that they forget all the time
    twice: bool = False  # killed at the end, and recovered twice
    early: bool = False  # faults of calls strike from the first start on
    restarted: bool = False  # by its supervisor, also when it ended by itself for a good reason
    balances: dict[str, str] = field(default_factory=lambda: dict(BALANCES))
    inventory: dict[str, Any] = field(
        default_factory=dict
    )  # of the seeds that have it: see `stock`
    conversions: list[tuple[Any, ...]] = field(default_factory=list)  # the owner's own, of those
    house: str = "kraken"  # whose rules are played: see `houses`

    @property
    def fatal(self) -> bool:
        """Whether something happens that the daemon must halt for."""
        return any(name in FATAL_FAULTS for _, name in self.timed)


def plan_of(seed: int) -> Plan:
    """The plan of a seed."""
    rng = random.Random(f"plan {seed}")
    benign = seed % BENIGN_EVERY == 0
    plan = Plan(seed, benign, seconds=rng.uniform(9.0, 15.0), cycles=rng.choice((15, 25, 40)))
    plan.latency_ms = rng.choice((1.0, 1.0, 2.0, 2.0, 5.0, 5.0, 10.0, 20.0, 50.0))
    plan.jitter_ms = plan.latency_ms * rng.choice((0.1, 0.5))
    plan.feed_ms = plan.latency_ms * rng.uniform(0.5, 1.5)
    plan.fee_bps = Decimal(rng.choice((0, 1, 2, 5)))
    plan.plant_ms = 8 * (plan.latency_ms + plan.jitter_ms) + 40
    if benign:  # one after the other, each long enough for three legs
        plan.plant_ms = max(400, 2 * (14 * (plan.latency_ms + plan.jitter_ms) + 60))
        plan.seconds *= 2.4
    plan.plants_every_ms = 150 if benign else plan.plant_ms * rng.choice((1.0, 2.0))
    _settings(plan, rng)
    if not benign:
        _faults(plan, rng)
    _more(plan, random.Random(f"more {seed}"))
    strains.draw(plan)
    stock.draw(plan)
    rests.draw(plan)
    narrow.draw(plan)
    return plan


def _settings(plan: Plan, rng: random.Random) -> None:
    plan.scan = {
        "max_concurrent_cycles": rng.choice((1, 2, 4, 4)),
        "max_notional_per_cycle": Decimal(rng.choice((60, 200, 1000))),
        "min_edge_bps": Decimal(rng.choice((0, 1, 3))),
        "start_assets": rng.choice((("USD", "EUR", "BTC"), ("USD",), ("BTC", "ETH", "USD"))),
        "latency_ms": int(plan.latency_ms * 2),
    }
    plan.tier = rng.choice(("starter", "intermediate", *("pro",) * 6))
    if plan.tier == "starter":  # its counter is made for a few cycles a minute
        plan.plants_every_ms = 1_500
    if rng.random() < 0.3:  # hardly enough for two cycles at once
        plan.balances = {"USD": "1500", "EUR": "1400", "BTC": "0.024", "ETH": "0.45"}
    plan.risk = {
        "policy": "parallel" if rng.random() < 0.2 else "sequential",
        "deadline_ms": rng.choice((800, 1000, 2000)),
        "resolve_margin_ms": rng.choice((300, 600, 1500)),
        "cooldown_ms": 0 if plan.benign else rng.choice((0, 20, 100)),
        "order_rate_per_s": 50.0,
        "breaker_failures": rng.choice((5, 20, 1000)),
        "breaker_pause_s": rng.choice((1, 3)),
        "max_crashes": rng.choice((4, 1000, 1000)),
        "max_daily_loss": Decimal(1000),
        "max_exposure": Decimal(rng.choice((3000, 3000, 1300))),
        "unwind_budget_bps": Decimal(300 if plan.benign else rng.choice((20, 100, 300))),
    }


def _faults(plan: Plan, rng: random.Random) -> None:
    usual = [name for name in CALL_FAULTS if name not in {*RARE_CALLS, *strains.LIMIT_CALLS}]
    named = [name for name in usual if rng.random() < 0.22]
    plan.rates = {name: CALL_FAULTS[name] * rng.uniform(0.2, 1.0) for name in named}
    for name, most in TIMED_FAULTS.items():
        if name not in LATER and rng.random() < 0.16:
            for _ in range(rng.randint(1, most)):
                plan.timed.append((rng.uniform(1.0, plan.seconds), name))
    if rng.random() < 0.06:
        at_s = rng.uniform(plan.seconds * 0.5, plan.seconds)
        plan.timed.append((at_s, rng.choice(FATAL_FAULTS[:2])))
    plan.timed.sort()
    plan.kills = rng.choice((0, 0, 1, 1, 2, 3))
    if rng.random() < 0.3:
        most_ms = int(plan.risk["resolve_margin_ms"]) * 0.8 - 2 * plan.latency_ms
        plan.read_lag_ms = max(0, int(rng.uniform(0.2, 1.0) * most_ms))
    if rng.random() < 0.2:
        plan.skew_s = rng.choice((-4.0, -0.4, 0.3, 4.0))  # no start takes more than five
    plan.weather_hz = rng.choice((0.0, 0.0, 0.3, 1.0))


def _more(plan: Plan, rng: random.Random) -> None:
    """What was thought of later: drawn from chance of its own, so that seeds keep their meaning."""
    plan.small = rng.random() < 0.15
    if rng.random() < 0.12:
        plan.transport = "rest"
        plan.risk["deadline_ms"] = 3_000
    poor = rng.random() < 0.2 and plan.risk["policy"] == "sequential"
    if plan.benign:
        return
    if poor:  # what a cycle spends of it is what it was brought, to the last digit
        for asset in rng.choice((("ETH",), ("EUR",), ("ETH", "EUR"))):
            plan.balances[asset] = "0"
    plan.max_skew_ms = rng.choice((3_000, 3_000, 700))
    plan.twice = rng.random() < 0.15
    if rng.random() < 0.35:
        _calm(plan, rng)
    _rare(plan, rng)


def _rare(plan: Plan, rng: random.Random) -> None:
    """Faults that few seeds have, since they would drown the others."""
    for name, likely in RARE_CALLS.items():
        if rng.random() < likely:
            plan.rates[name] = CALL_FAULTS[name] * rng.uniform(0.2, 1.0)
    for name in LATER:
        if rng.random() < 0.10:
            times = rng.randint(1, TIMED_FAULTS[name])
            plan.timed += [(rng.uniform(1.0, plan.seconds), name) for _ in range(times)]
    if not plan.fatal and rng.random() < 0.08:
        at_s = rng.uniform(plan.seconds * 0.2, plan.seconds * 0.9)
        plan.timed.append((at_s, rng.choice(FATAL_FAULTS)))
    if rng.random() < 0.05:  # as soon as the account is opened
        plan.timed.append((rng.uniform(0.01, 0.4), "deposit"))
    plan.timed.sort()


def _calm(plan: Plan, rng: random.Random) -> None:
    """Few kinds of faults: what they do is not drowned by all the others, and cycles are many."""
    rates = rng.sample(sorted(plan.rates), min(len(plan.rates), rng.randint(0, 2)))
    plan.rates = {name: plan.rates[name] for name in rates}
    kinds = rng.sample(sorted(set(TIMED_FAULTS) - set(LATER)), 3)
    fatal = [one for one in plan.timed if one[1] in FATAL_FAULTS]
    times = [name for name in kinds for _ in range(rng.randint(1, TIMED_FAULTS[name] + 1))]
    plan.timed = [*fatal, *((rng.uniform(0.5, plan.seconds), name) for name in times)]
    plan.kills = rng.choice((0, 0, 1))
    plan.risk["breaker_failures"] = 1_000
