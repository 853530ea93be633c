"""The first look at an account that is new to us, and what an operator takes as it is."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from arbit.domain.account import FEE_POSTED, Balance, Flow
from arbit.domain.errors import VenueUnreachable
from arbit.domain.money import plain
from arbit.domain.records import Flag
from arbit.execution.keeper import Keeper
from arbit.execution.setup import MS, EngineSetup
from arbit.execution.works import Pad
from arbit.ledger import Ledger, opening
from arbit.ports import AccountReader

OPENED = "opened"  # the flag that keeps when the account was opened
UNSURE_NS = 2_000 * MS  # the venue's clock is known better than this
TRIES = 5  # how often an account is looked at where money moves


async def settled_balances(
    setup: EngineSetup, reader: AccountReader, *, untold: bool = False
) -> tuple[int, Mapping[str, Balance]]:
    """Balances, and a time of the venue's that everything in them is older than.

    Its clock is known to about a second. So nothing may have moved for a little longer: else nobody
    could say of what moved whether it is in these balances. VenueUnreachable when it always does.
    With `untold` the venue's flows tell of no trade, so trades are asked for as well.
    """
    for _ in range(TRIES):
        now_ns = setup.venue_ns
        if now_ns is None:
            raise VenueUnreachable("the venue's clock is not known: the account cannot be opened")
        surely_ns = now_ns - UNSURE_NS
        balances = await reader.balances()
        flows = await reader.flows_since(surely_ns)
        moved = [one.at_ns for one in flows if one.kind != FEE_POSTED]
        if untold:
            moved += [one.at_ns for one in await reader.trades_since(surely_ns)]
        if all(at_ns <= surely_ns for at_ns in moved):
            return surely_ns, balances
        await setup.clock.sleep(UNSURE_NS / 1e9)
    raise VenueUnreachable("money moves all the time: the account cannot be opened")


def open_account(
    ledger: Ledger, keeper: Keeper, balances: Mapping[str, Balance], venue_ns: int
) -> None:
    """Book these balances as they were at this time of the venue's."""
    pad = Pad()
    for asset, balance in sorted(balances.items()):
        postings = opening(asset, balance.total, venue_ns)
        ledger.apply(postings)
        pad.postings += postings
    ledger.keep_back({asset: one.held for asset, one in balances.items()})
    pad.flags[OPENED] = Flag(OPENED, str(venue_ns), venue_ns)
    keeper.write(pad)


def accepted(off: Mapping[str, Decimal], wall_ns: int, venue_ns: int) -> list[Flow]:
    """What an operator takes as it is, though nothing explains it, as flows of their own."""
    return [
        Flow(f"accepted:{wall_ns}:{asset}", asset, amount, "accepted", venue_ns)
        for asset, amount in off.items()
    ]


def amounts(off: Mapping[str, Decimal]) -> str:
    """How much of each asset, in words."""
    return ", ".join(f"{plain(by)} {asset}" for asset, by in off.items())
