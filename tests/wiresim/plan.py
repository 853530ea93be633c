"""What a seed means on the wire: latencies, how bytes are sliced, and which faults, how often.

Swarm testing, as in `tests.simulation.plan`: each seed draws a subset of the faults and rates of
its own. Faults are of three kinds: those that strike one request as its bytes leave, those that
happen to a connection or to the whole network at a time, and the sandbox's own, set at a time.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from arbit.sandbox.order_kinds import ODD_SHAPES
from tests.simulation.market import SYMBOLS
from tests.simulation.plan import BALANCES
from tests.simulation.swarm import DEFINITE, DOUBTFUL

BENIGN_EVERY = 8
STYLES = ("whole", "whole", "sliced", "sliced", "crumbs", "drip")

# What strikes a request as its bytes leave: the most that a seed draws.
CALL_FAULTS: dict[str, float] = {
    "reset_before": 0.06,  # its bytes are lost, and both ends are reset
    "reset_after": 0.08,  # it arrives and is acted upon; then both ends are reset
    "torn": 0.05,  # a part of its bytes arrives, then a reset
    "lost": 0.05,  # nothing passes on this connection from here on, and nobody is told
    "silent": 0.06,  # it arrives; nothing comes back from here on
    "late": 0.12,  # it arrives late
    "late_reply": 0.12,  # it arrives, and the reply is late
    "cut_reply": 0.06,  # the reply ends in the middle of its bytes
    "half_close": 0.04,  # it arrives; the venue's side has ended
}
DIAL_FAULTS = {"refused": 0.25, "lost": 0.08, "reset": 0.12, "mute": 0.08}
# What happens at a time: how many a seed draws at most.
WIRE_FAULTS: dict[str, int] = {
    "reset_one": 3,
    "reset_all": 2,
    "mute_one": 3,
    "mute_down": 2,
    "mute_up": 2,
    "mute_all": 1,
    "stall_one": 3,
    "end_one": 2,
    "clock_jump": 1,
}
# The sandbox's own: how many a seed draws at most.
VENUE_FAULTS: dict[str, int] = {
    "mute_symbol": 2,
    "drop_delta": 4,
    "corrupt_digit": 4,
    "wrong_checksum": 4,
    "duplicate_snapshot": 2,
    "late_snapshot": 2,
    "poison": 5,
    "refuse_subscribe": 2,
    "mute_socket": 2,
    "half_open": 1,
    "close": 3,
    "slow": 2,
    "refuse_connects": 1,
    "system_status": 1,
    "pair_status": 2,
    "rest_down": 2,
    "rest_slow": 1,
    "rest_error": 2,
    "rest_html": 2,
    "order_silent": 2,
    "order_late": 3,
    "order_reset": 3,
    "order_truncated": 3,
    "order_odd": 3,
    "order_error": 4,
    "order_status": 3,
    "order_html": 3,
    "exec_duplicate": 2,
    "exec_reorder": 2,
    "exec_early": 2,
    "exec_batch": 2,
    "exec_gap": 3,
    "exec_mute": 1,
    "read_lag": 1,
    "token_expired": 2,
    "fill_share": 4,
    "match_delay": 3,
}
LASTING = {  # until it is cleared: seconds at most; others are spent by their use
    "mute_symbol": 12.0,
    "refuse_subscribe": 2.0,
    "mute_socket": 4.0,
    "half_open": 4.0,
    "slow": 3.0,
    "refuse_connects": 3.0,
    "system_status": 2.0,
    "pair_status": 2.0,
    "rest_down": 2.0,
    "rest_slow": 3.0,
    "rest_error": 3.0,
    "rest_html": 2.0,
    "exec_duplicate": 6.0,
    "exec_reorder": 6.0,
    "exec_early": 6.0,
    "exec_batch": 6.0,
    "exec_mute": 3.0,
    "read_lag": 6.0,
}
HTTP = (400, 403, 404, 422, 429, 500, 502, 503, 504, 520, 522)
BUSY = ("EService:Unavailable", "EService:Busy", "EGeneral:Internal error", "EService:Timeout")
STATUSES = ("cancel_only", "post_only", "maintenance", "reduce_only", "limit_only")


@dataclass(slots=True)
class Timed:
    """A fault at a time. `lasts_s` 0: it ends by itself, or never."""

    at_s: float
    name: str
    params: dict[str, Any] = field(default_factory=dict)
    lasts_s: float = 0.0


@dataclass(slots=True)
class Plan:
    """Everything drawn for one seed. Times in ms unless named otherwise."""

    seed: int
    benign: bool
    seconds: float
    calls: dict[str, float] = field(default_factory=dict)
    dials: dict[str, float] = field(default_factory=dict)
    timed: list[Timed] = field(default_factory=list)
    from_start: bool = False  # faults begin before the daemon does
    transport: str = "ws"
    style: str = "whole"
    latency_ms: float = 5.0
    jitter_ms: float = 1.0
    tick_ms: float = 5.0
    skew_s: float = 0.0
    fee_bps: Decimal = Decimal(2)
    plants_every_ms: int = 300
    weather_hz: float = 0.0
    venue: dict[str, Any] = field(default_factory=dict)
    risk: dict[str, Any] = field(default_factory=dict)
    scan: dict[str, Any] = field(default_factory=dict)
    inventory: dict[str, Any] = field(default_factory=dict)  # no bounds of what is owned, here
    balances: dict[str, str] = field(default_factory=lambda: dict(BALANCES))
    fatal: bool = False  # nothing happens here that the daemon must halt for


def plan_of(seed: int) -> Plan:
    """The plan of a seed."""
    rng = random.Random(f"wire plan {seed}")
    benign = seed % BENIGN_EVERY == 0
    plan = Plan(seed, benign, seconds=rng.uniform(6.0, 12.0))
    plan.transport = rng.choice(("ws", "ws", "rest"))
    plan.style = rng.choice(STYLES)
    plan.latency_ms = rng.choice((0.5, 2.0, 5.0, 10.0, 25.0))
    plan.jitter_ms = plan.latency_ms * rng.choice((0.1, 0.5, 2.0))
    plan.tick_ms = rng.choice((5.0, 10.0, 20.0))
    plan.fee_bps = Decimal(rng.choice((0, 1, 2, 5)))
    plan.plants_every_ms = rng.choice((250, 350, 500))
    plan.weather_hz = rng.choice((0.0, 0.3, 1.0))
    _settings(plan, rng)
    if not benign:
        plan.from_start = rng.random() < 0.15
        _faults(plan, rng)
    return plan


def _settings(plan: Plan, rng: random.Random) -> None:
    over_rest = plan.transport == "rest"
    plan.scan = {
        "max_concurrent_cycles": rng.choice((1, 2, 4)),
        "max_notional_per_cycle": Decimal(rng.choice((60, 200, 1000))),
        "min_edge_bps": Decimal(rng.choice((0, 1, 3))),
        "start_assets": rng.choice((("USD", "EUR", "BTC"), ("USD",), ("BTC", "ETH", "USD"))),
        "latency_ms": int(plan.latency_ms * 2 + plan.tick_ms),
    }
    plan.venue = {
        "rate_tier": rng.choice(("intermediate", "pro", "pro", "pro")),
        "order_transport": plan.transport,
        "backoff_cap_s": rng.choice((0.5, 2.0, 4.0)),
        "watchdog_ms": rng.choice((1500, 2000, 2500)),
        "symbols_per_socket": rng.choice((2, 3, 200)),
        "rest_calls_per_s": rng.choice((1.0, 1.0, 5.0)),
    }
    plan.risk = {
        "policy": "parallel" if rng.random() < 0.25 and not over_rest else "sequential",
        "deadline_ms": rng.choice((2600, 3000)) if over_rest else rng.choice((800, 1000, 2000)),
        "resolve_margin_ms": rng.choice((600, 1500)),
        "cooldown_ms": 0 if plan.benign else rng.choice((0, 20, 100)),
        "order_rate_per_s": 50.0,
        "breaker_failures": rng.choice((5, 20, 1000)),
        "breaker_pause_s": rng.choice((1, 3)),
        "max_crashes": 1000,
        "max_daily_loss": Decimal(1000),
        "max_exposure": Decimal(3000),
        "unwind_budget_bps": Decimal(300 if plan.benign else rng.choice((20, 100, 300))),
    }


def _faults(plan: Plan, rng: random.Random) -> None:
    named = [name for name in CALL_FAULTS if rng.random() < 0.3]
    plan.calls = {name: CALL_FAULTS[name] * rng.uniform(0.2, 1.0) for name in named}
    named = [name for name in DIAL_FAULTS if rng.random() < 0.25]
    plan.dials = {name: DIAL_FAULTS[name] * rng.uniform(0.2, 1.0) for name in named}
    for names in (WIRE_FAULTS, VENUE_FAULTS):
        for name, most in names.items():
            if rng.random() < 0.16:
                for _ in range(rng.randint(1, most)):
                    plan.timed.append(_timed(plan, name, rng))
    plan.timed.sort(key=lambda one: one.at_s)
    if rng.random() < 0.15:
        plan.skew_s = rng.choice((-3.0, -0.4, 0.3, 3.0))


def _timed(plan: Plan, name: str, rng: random.Random) -> Timed:
    lasts_s = rng.uniform(0.2, 1.0) * LASTING.get(name, 0.0)
    at_s = rng.uniform(0.5, plan.seconds)
    return Timed(at_s, name, _params(plan, name, rng), round(lasts_s, 3))


def _params(plan: Plan, name: str, rng: random.Random) -> dict[str, Any]:
    """The sandbox's own words for this fault."""
    symbol = "/".join(rng.choice(SYMBOLS)[:2])
    face = {"face": "any", "method": rng.choice(("", "add"))}
    when = {"when": rng.choice(("before", "after"))}
    params: dict[str, dict[str, Any]] = {
        "mute_symbol": {"symbol": symbol, "until_resubscribe": rng.random() < 0.5},
        "drop_delta": {"symbol": symbol, "nth": rng.randint(1, 3)},
        "corrupt_digit": {"symbol": symbol, "field": rng.choice(("price", "qty"))},
        "wrong_checksum": {"symbol": symbol},
        "duplicate_snapshot": {"symbol": symbol},
        "late_snapshot": {"delay_ms": rng.choice((100, 700)), "stale": rng.random() < 0.5},
        "poison": {"symbol": symbol, "times": rng.randint(1, 6)},
        "refuse_subscribe": {"symbol": symbol},
        "mute_socket": {"pongs": rng.random() < 0.3},
        "close": {"code": rng.choice((1000, 1001, 1006, 1006, 1011, 1012, 1013))},
        "slow": {"delay_ms": rng.choice((50, 200, 900))},
        "refuse_connects": {"status": rng.choice((429, 503, 520))},
        "system_status": {"status": rng.choice(STATUSES[:3])},
        "pair_status": {"symbol": symbol, "status": rng.choice(STATUSES)},
        "rest_down": {"status": rng.choice((0, 0, 429, 500, 502, 503, 520))},
        "rest_slow": {"delay_ms": rng.choice((200, 1500, 5000))},
        "rest_error": {"error": rng.choice(BUSY)},
        "order_silent": face | when,
        "order_late": face
        | {"delay_ms": rng.choice((50, 400, 900, 2500, 5000)), "reply": rng.random() < 0.5},
        "order_reset": face | when,
        "order_truncated": face,
        "order_odd": face | {"method": "add", "shape": rng.choice(ODD_SHAPES)},
        "order_error": face | _error(rng),
        "order_status": face | when | {"status": rng.choice(HTTP)},
        "order_html": face | when,
        "exec_duplicate": {"copies": rng.randint(1, 3)},
        "exec_gap": {"skip": rng.randint(0, 3)},
        "read_lag": {"lag_ms": int(plan.risk["resolve_margin_ms"] * rng.uniform(0.1, 0.5))},
        "fill_share": {"share": rng.choice((0, 0.1, 0.5, 0.9)), "times": rng.randint(1, 3)},
        "match_delay": {"delay_ms": rng.choice((5, 60, 400, 1500)), "times": rng.randint(1, 3)},
    }
    return params.get(name, {})


def _error(rng: random.Random) -> dict[str, Any]:
    if rng.random() < 0.5:
        return {"error": rng.choice(DEFINITE), "accepted": False}
    return {"error": rng.choice(DOUBTFUL), "accepted": rng.random() < 0.5}
