"""The venue's balances beside the ledger's, and whether they are those of a spot account."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from arbit.domain.account import Balance
from arbit.domain.money import EXACT, ZERO, plain
from arbit.ledger import Ledger


def differences(
    ledger: Ledger, balances: Mapping[str, Balance]
) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """What the venue has beyond the ledger, by asset: all of it, and what is more than rounding.

    What is only off in digits that the venue does not keep is rounding. As much as fees may differ
    by that the venue has not stated yet is no difference (decision 0009).
    """
    off: dict[str, Decimal] = {}
    found: dict[str, Decimal] = {}
    for asset in sorted({*ledger.assets, *balances}):
        balance = balances.get(asset, Balance(ZERO))
        by, slack = ledger.drift(asset, balance.total), ledger.slack(asset)
        if abs(by) > slack:
            off[asset] = by
            nearest = ledger.wallet(asset)
            if slack:
                nearest = EXACT.add(nearest, slack if by > 0 else EXACT.minus(slack))
            if not balance.agrees(nearest):
                found[asset] = by
    return off, found


def owed(balances: Mapping[str, Balance]) -> str:
    """Balances below zero, in words; empty when there is none.

    An account that trades only what it has cannot owe: it was given margin, or somebody else's
    debt is booked here. No flow that the venue lists explains that away.
    """
    below = {asset: one.total for asset, one in sorted(balances.items()) if one.total < 0}
    told = ", ".join(f"{plain(total)} {asset}" for asset, total in below.items())
    return f"the account owes money, which a spot account cannot: {told}" if told else ""
