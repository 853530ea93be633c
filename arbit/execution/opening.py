"""The first look at an account that is new to us: what is there is what was put in."""

from __future__ import annotations

from collections.abc import Mapping

from arbit.domain.account import Balance
from arbit.domain.records import Flag
from arbit.execution.keeper import Keeper
from arbit.execution.works import Pad
from arbit.ledger import Ledger, opening

OPENED = "opened"  # the flag that keeps when the account was opened


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
