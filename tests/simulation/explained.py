"""Whether every digit that trading moved has a cause: of some seeds, when they are over."""

from __future__ import annotations

from pathlib import Path

from arbit.app.reports.explaining import explain_all
from arbit.domain.attribution import added
from arbit.domain.records import Book
from arbit.ledger import FLOW, OPENING
from arbit.persistence.reading import accounts, read_account

EVERY = 10  # seeds: a report reads every row


def unexplained(path: Path) -> list[str]:
    """What of a database's accounts no cycle and no line accounts for, in words."""
    found = []
    for account in accounts(path):
        recorded = read_account(path, account)
        explained = explain_all(recorded)
        rests = {name: one.rest for name, one in explained.cycles.items() if one.rest}
        wallet = added(
            (one.asset, one.amount)
            for one in recorded.postings
            if one.book is Book.WALLET and one.kind not in {OPENING, FLOW}
        )
        if rests:
            found.append(f"{account}: lines leave a rest: {rests}")
        if explained.unexplained:
            found.append(f"{account}: not explained: {sorted(explained.unexplained)}")
        if explained.moved != wallet:
            found.append(f"{account}: cycles moved {explained.moved}, the books {wallet}")
    return found
