"""What a seed means in Alpaca's house: the same settings, and the faults of this venue's wire.

Its faults are drawn from chance of their own, over the plan that the seed has anyway. The venue's
limit of 200 requests a minute sets the pace: opportunities come seldom, and seeds have fewer of
them. Fees are taken with each trade, rounded this way or that, and posted later or not at all.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.simulation import plan as plans
from tests.simulation.plan import FATAL_FAULTS, Plan

BALANCES = {"USD": "10000", "USDT": "10000", "BTC": "0.2", "ETH": "3"}
# Faults that strike one request, one frame or one order: the most that a seed draws of each.
CALL_FAULTS: dict[str, float] = {
    "lost_request": 0.08,
    "lost_reply": 0.10,
    "late_request": 0.08,
    "reset_before": 0.05,
    "reset_after": 0.06,
    "refused": 0.05,
    "error_before": 0.06,
    "error_after": 0.08,
    "denied": 0.08,
    "limited": 0.04,
    "request_twice": 0.06,
    "truncated": 0.06,
    "odd": 0.06,
    "update_twice": 0.20,
    "update_late": 0.20,
    "update_lost": 0.10,
    "match_delay": 0.15,
    "fill_share": 0.20,
    "engine_rejects": 0.05,
    "rest_lost": 0.05,
    "rest_late": 0.10,
    "rest_reset": 0.06,
    "rest_error": 0.08,
    "rest_odd": 0.05,
    "dial_refused": 0.30,
    "read_failed": 0.08,
}
RARE_CALLS = ("read_failed",)
# Faults that happen at a time: how many a seed draws at most. Those of every house come with it.
TIMED_FAULTS: dict[str, int] = {
    "fee_rounding": 3,
    "fees_grouped": 1,
    "fees_held": 2,
    "key_refused": 1,
    "limit_reached": 1,
    "wash_trade": 1,
}
SHARED = (
    *("line_cut", "line_mute", "feed_cut", "feed_mute", "feed_doubt", "market_status", "deposit"),
    *("withdrawal", "clock_jump", "stall", "journal_locked", "journal_full", "market_gap"),
    *("operator_pause", "operator_kill", "sigterm", "rest_outage", "unwritten_kill"),
    *("second_start", "money_while_down", "clock_back"),
)
FATAL = (*FATAL_FAULTS, "fee_beyond")
# A day's fees of an asset are posted together at its end, and days here are as long as this. In
# pieces of one or two trades among single ones they could be taken for each other for a while.
DAY_S = 15.0
# The same holds of dozens of conversions of nearly one size: a fee that is another trade's by a
# unit may come to two smaller ones exactly, and nothing pairs those anew. Then none is posted.
FEW_CONVERSIONS = 12
ROUNDINGS = ("ROUND_HALF_UP", "ROUND_DOWN", "ROUND_UP")


@dataclass(slots=True)
class AlpacaPlan(Plan):
    """And when fees are posted: `post_s` after their trade, together by day or one by one."""

    post_s: float = 5.0
    daily: bool = False
    held: bool = False  # no fee is posted within the run
    rounding: str = ROUNDINGS[0]
    binary: bool = True  # how updates are framed

    @property
    def fatal(self) -> bool:
        """Whether something happens that the daemon must halt for."""
        return any(name in FATAL for _, name in self.timed)


def plan_of(seed: int) -> AlpacaPlan:
    """The plan of a seed."""
    usual = plans.plan_of(seed)
    names = Plan.__dataclass_fields__
    plan = AlpacaPlan(**{name: getattr(usual, name) for name in names})
    rng = random.Random(f"alpaca {seed}")
    plan.house, plan.transport, plan.tier = "alpaca", "ws", "pro"
    plan.balances = {asset: usual.balances[_there(asset)] for asset in BALANCES}
    plan.scan["start_assets"] = tuple(_here(one) for one in plan.scan["start_assets"])
    if "asset_caps" in plan.risk:
        plan.risk["asset_caps"] = {_here(a): cap for a, cap in plan.risk["asset_caps"].items()}
    _owned(plan)
    plan.fee_bps = type(plan.fee_bps)(rng.choice((1, 2, 5, 10)))
    plan.scan["max_notional_per_cycle"] = max(plan.scan["max_notional_per_cycle"], 100)
    plan.plants_every_ms = max(plan.plants_every_ms, rng.choice((1_000.0, 2_000.0)))
    plan.seconds = max(plan.seconds, rng.choice((15.0, 30.0)))
    if rng.random() < 0.15:  # more than the venue lets one ask
        plan.plants_every_ms, plan.seconds = 250.0, 60.0
    plan.cycles = rng.choice((6, 12, 20))
    plan.post_s = rng.choice((0.5, 3.0, 10.0, 30.0))
    plan.daily, plan.held = rng.random() < 0.4, rng.random() < 0.1
    plan.held = plan.held or len(plan.conversions) > FEW_CONVERSIONS
    if plan.daily:
        plan.post_s = max(plan.post_s, DAY_S)
    plan.rounding, plan.binary = rng.choice(ROUNDINGS), rng.random() < 0.7
    _faults(plan, usual, rng)
    return plan


def _owned(plan: AlpacaPlan) -> None:
    """Bounds of what is owned, and conversions, are of the assets that are here."""
    plan.inventory = {
        name: {_here(one): much for one, much in said.items()} if isinstance(said, dict) else said
        for name, said in plan.inventory.items()
    }
    plan.conversions = [
        (at_s, _here(start), _here(end), *how) for at_s, start, end, *how in plan.conversions
    ]


def _faults(plan: AlpacaPlan, usual: Plan, rng: random.Random) -> None:
    plan.timed = [one for one in usual.timed if one[1] in (*SHARED, *FATAL_FAULTS)]
    plan.rates = {}
    if plan.benign:
        return
    few = len(usual.rates) <= 2
    likely = 0.08 if few else 0.22
    for name, most in CALL_FAULTS.items():
        if name not in RARE_CALLS and rng.random() < likely:
            plan.rates[name] = most * rng.uniform(0.2, 1.0)
    plan.rates |= {name: usual.rates[name] for name in RARE_CALLS if name in usual.rates}
    for name, most in TIMED_FAULTS.items():
        if rng.random() < 0.16:
            for _ in range(rng.randint(1, most)):
                plan.timed.append((rng.uniform(1.0, plan.seconds), name))
    if any(name == "key_refused" for _, name in plan.timed):
        plan.restarted = True  # a key that is not good for a start ends it
    if not plan.fatal and rng.random() < 0.05:
        plan.timed.append((rng.uniform(plan.seconds * 0.2, plan.seconds * 0.9), "fee_beyond"))
    plan.timed.sort()


def _there(asset: str) -> str:
    return "EUR" if asset == "USDT" else asset


def _here(asset: str) -> str:
    return "USDT" if asset == "EUR" else asset
