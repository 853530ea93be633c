"""The sandbox as a process whose books change so often: `python -m tests.soak.exchange RATE SEED`.

Prices move as in the `volatile` profile; how often makers change their sizes is chosen so that
all books together change in about RATE messages a second. Tells its addresses as one line; each
line that it hears, `{"asset": "BTC", "amount": "-0.03"}`, moves money into the account that trades,
or out of it, and is answered by whether it did. Ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from decimal import Decimal

from arbit.config.venue import SANDBOX_KEY
from arbit.sandbox.exchange import Exchange, Refused
from arbit.sandbox.market import Market
from arbit.sandbox.options import SandboxOptions
from arbit.sandbox.profiles import Profile, load
from arbit.sandbox.server import SandboxServer
from tests.bench.processes import tell

TICK_NS = 5_000_000  # what has changed is told so often
TRIED_TICKS = 400
SLOWER = (0.03, 0.06, 0.125, 0.25, 0.4, 0.6, 1.0, 4.0)  # than the profile's makers


def profile_of(rate: float, seed: int) -> Profile:
    """The slowest profile with so many messages a second, or the fastest there is."""
    fast = 0
    for step in (4, 2, 1):  # SLOWER has eight entries
        if messages_per_s(_slower(load("volatile"), SLOWER[fast + step]), seed) >= rate:
            fast += step
    return _slower(load("volatile"), SLOWER[fast])


def _slower(profile: Profile, factor: float) -> Profile:
    """Makers change their sizes, and takers come, more seldom by this factor."""
    return replace(
        profile,
        listings=tuple(
            replace(
                one,
                makers=tuple(replace(m, refresh_ms=m.refresh_ms * factor) for m in one.makers),
                taker_every_ms=one.taker_every_ms * max(1.0, factor / 2),
            )
            for one in profile.listings
        ),
    )


def messages_per_s(profile: Profile, seed: int) -> float:
    """How many messages its changes make: one a book in each tick."""
    market, told = Market(profile, seed), 0
    for tick in range(1, TRIED_TICKS + 1):
        told += len({change.symbol for change in market.advance(tick * TICK_NS)})
    return told * 1e9 / (TRIED_TICKS * TICK_NS)


async def serve(rate: float, seed: int) -> None:
    """Until standard input ends."""
    options = SandboxOptions(
        taker_fee_bps=Decimal(1), tier="pro", idle_close_s=0.0, connects_per_window=10_000
    )
    async with SandboxServer(profile_of(rate, seed), seed, options=options) as sandbox:
        tell(sandbox.addresses)
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            tell({"moved": move(sandbox.exchange, **json.loads(line))})


def move(exchange: Exchange, asset: str, amount: str) -> bool:
    """Money in or, below zero, out; whether there was as much to take."""
    known = exchange.account_of(SANDBOX_KEY)
    if known is None:
        return False
    wanted, now_ns = Decimal(amount), exchange.now_ns
    try:
        if wanted > 0:
            exchange.deposit(known, asset, wanted, now_ns)
        else:
            exchange.withdraw(known, asset, -wanted, now_ns)
    except Refused:
        return False
    return True


if __name__ == "__main__":
    asyncio.run(serve(*json.loads(sys.argv[1])))
