"""The venue's balances beside the ledger's, and whether they are those of a spot account.

Costs that the venue may have rounded (decision 0012) are settled here: only its balance tells.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from decimal import Decimal

from arbit.domain.account import Balance
from arbit.domain.money import EXACT, ZERO, plain
from arbit.execution.setup import EngineSetup
from arbit.execution.works import Pad
from arbit.ledger import Ledger, rounded_cost

ROUNDED = "costs"  # the first part of a posting's ref
MANY = 1_000  # trades whose costs were not compared, because fees waited all the time


def differences(
    ledger: Ledger, balances: Mapping[str, Balance]
) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """What the venue has beyond the ledger, by asset: all of it, and what is more than rounding.

    What is only off in digits that the venue does not keep is rounding. As much as fees may differ
    by that the venue has not stated yet is no difference (decision 0009), nor what it may have
    rounded of costs, nor, where its statement is all there is, less than a unit of that.
    """
    off: dict[str, Decimal] = {}
    found: dict[str, Decimal] = {}
    for asset in sorted({*ledger.assets, *balances}):
        balance = balances.get(asset, Balance(ZERO))
        by, slack = ledger.drift(asset, balance.total), ledger.slack(asset)
        if abs(by) > slack:
            nearest = ledger.wallet(asset)
            if slack:
                nearest = EXACT.add(nearest, slack if by > 0 else EXACT.minus(slack))
            agrees = balance.agrees(nearest)
            if not (agrees and balance.coarse):
                off[asset] = by
            if not agrees:
                found[asset] = by
    return off, found


def settle_costs(
    setup: EngineSetup,
    pad: Pad,
    balances: Mapping[str, Balance],
    found: Container[str],
) -> None:
    """Where the books agree, what is left of a difference was rounded of costs: book it.

    Of assets in `found` they do not agree. While fees of the asset wait nobody can tell which is
    which: it is left for later, but not for ever. Booked then, what those fees turn out to differ
    by is left of it: as much as their slacks. Of a coarse statement nobody ever can: nothing is
    booked, and what the costs may be off by stays allowed.
    """
    ledger, wall_ns = setup.ledger, setup.clock.wall_ns()
    for asset, rough in list(ledger.rough.items()):
        balance, left = balances.get(asset, Balance(ZERO)), ledger.fee_slack(asset)
        if asset in found or not (rough.count or rough.slack):
            continue
        if rough.count <= MANY and (left or balance.coarse):
            continue
        if balance.coarse:
            left = rough.slack
        else:
            off = ledger.drift(asset, balance.total)
            postings = rounded_cost(f"{ROUNDED}:{wall_ns}:{asset}", asset, off, wall_ns)
            ledger.apply(postings)
            pad.postings += postings
        flag = ledger.costs_compared(asset, left).flag(asset, wall_ns)
        pad.flags[flag.name] = flag


def owed(balances: Mapping[str, Balance]) -> str:
    """Balances below zero, in words; empty when there is none.

    An account that trades only what it has cannot owe: it was given margin, or somebody else's
    debt is booked here. No flow that the venue lists explains that away.
    """
    below = {asset: one.total for asset, one in sorted(balances.items()) if one.total < 0}
    told = ", ".join(f"{plain(total)} {asset}" for asset, total in below.items())
    return f"the account owes money, which a spot account cannot: {told}" if told else ""
