"""What few seeds have: small limits, words that ask for a pause or a halt, a disturbed first start.

All of it is drawn from chance of its own, last of all: the rest of a seed is what it was without.
Seeds without faults have none of it, nor have those in which the daemon must halt for good.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from arbit.risk.kill import Orders, Resume
from tests.simulation.market import USD

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulation.plan import Plan
    from tests.simulation.world import World

# Faults of one call, each with the most of its chance. Public questions are few, and so are reads.
PUBLIC_CALLS = {"public_late": 0.3, "public_lost": 0.25, "public_error": 0.2, "public_odd": 0.15}
READ_CALLS = {"read_failed": 0.08}
LIMIT_CALLS: dict[str, float] = {**PUBLIC_CALLS, **READ_CALLS}
# What the venue answers to the next order after this happened.
WORDS: dict[str, tuple[str, ...]] = {
    "word_lockout": ("EGeneral:Temporary lockout",),
    "word_key": ("EAPI:Invalid key", "EGeneral:Permission denied"),
    "word_nonce": ("EAPI:Invalid nonce",),
    "word_limit": (
        *("EGeneral:Too many requests", "EAPI:Rate limit exceeded"),
        *("EOrder:Domain rate limit exceeded", "EOrder:Orders limit exceeded"),
    ),
}
SELDOM = 0.1
ROOM = (Decimal("1.2"), Decimal("1.6"))  # an asset's cap, in cycles of the most that one may be
LOCKOUT_S = 960.0  # a quarter of an hour, and a little for its end to be noticed


def draw(plan: Plan) -> None:
    """Into this plan."""
    if plan.benign or plan.fatal:
        return
    rng = random.Random(f"limits {plan.seed}")
    draws = (_daily_loss, _order_rate, _asset_caps, _crashes, _words, _start, _public, _reads)
    for drawn in draws:
        if rng.random() < SELDOM:
            drawn(plan, rng)
    plan.timed.sort()


def _daily_loss(plan: Plan, rng: random.Random) -> None:
    """A day's loss is soon reached: what is there is gone before the third leg, or moves away."""
    plan.risk["max_daily_loss"] = Decimal(rng.choice(("0.05", "0.3", "1")))
    plan.risk["breaker_failures"] = 1_000
    plan.rates["fill_share"] = rng.choice((0.3, 0.7))
    plan.plant_ms *= rng.choice((0.3, 0.5))
    plan.timed += [(rng.uniform(0.5, plan.seconds), "market_gap") for _ in range(8)]


def _order_rate(plan: Plan, rng: random.Random) -> None:
    plan.risk["order_rate_per_s"] = rng.choice((0.3, 1.0, 2.0))


def _asset_caps(plan: Plan, rng: random.Random) -> None:
    most = plan.scan["max_notional_per_cycle"] * rng.choice(ROOM)
    assets = rng.sample(sorted(plan.balances), rng.choice((1, 2)))
    plan.risk["asset_caps"] = {one: (most / USD[one]).quantize(Decimal("1e-8")) for one in assets}


def _crashes(plan: Plan, rng: random.Random) -> None:
    plan.risk["max_crashes"] = 2
    plan.kills = rng.choice((2, 3, 4))


def _words(plan: Plan, rng: random.Random) -> None:
    """A lockout lasts until after the end: it comes late. Others come any time."""
    plan.restarted = True  # a key that is not good for a start ends it
    for name in rng.sample(("word_key", "word_nonce", "word_limit", "word_limit"), 3):
        plan.timed.append((rng.uniform(0.5, plan.seconds), name))
    if rng.random() < 0.5:
        plan.timed.append((rng.uniform(0.7, 0.95) * plan.seconds, "word_lockout"))


def _start(plan: Plan, rng: random.Random) -> None:
    """Faults of calls strike from the first question of the first life on."""
    del rng
    plan.early = plan.restarted = True


def _public(plan: Plan, rng: random.Random) -> None:
    plan.early = plan.restarted = True
    plan.kills = max(plan.kills, rng.choice((1, 2)))
    names = rng.sample(sorted(PUBLIC_CALLS), rng.choice((1, 2, 4)))
    plan.rates |= {name: PUBLIC_CALLS[name] * rng.uniform(0.3, 1.0) for name in names}


def _reads(plan: Plan, rng: random.Random) -> None:
    plan.early = plan.restarted = True
    plan.rates |= {name: most * rng.uniform(0.2, 1.0) for name, most in READ_CALLS.items()}


class Operator(Orders):
    """An operator, of whom it is remembered whether a word of theirs has yet to be heeded."""

    def __init__(self, data_dir: Path, venue: str) -> None:
        super().__init__(data_dir, venue)
        self.resumed_ns = 0
        self.now_ns: Callable[[], int] = int
        self.on_resume: Callable[[], None] = lambda: None

    def resume(self, how: Resume = Resume.GO_ON) -> None:
        """As the command does it."""
        self.resumed_ns = self.now_ns()
        self.on_resume()
        super().resume(how)

    @property
    def waits(self) -> bool:
        """Whether the last word has not been heeded yet."""
        return self._resume.exists()


def words_of(world: World) -> dict[str, Callable[[], bool]]:
    """What happens at a time: the venue's next answer to an order is one of these words."""
    rng = random.Random(f"words {world.plan.seed}")

    def arm(name: str) -> Callable[[], bool]:
        def armed() -> bool:
            world.swarm.words.append(rng.choice(WORDS[name]))
            return True

        return armed

    return {name: arm(name) for name in WORDS}
