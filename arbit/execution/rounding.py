"""What the venue's ledger rounds of our trades, booked so that ours is its equal (decision 0007).

A trade states its cost and its fee with more decimals than a balance keeps; the venue's ledger has
a row for each asset that the trade moved, with the asset's own decimals. The difference is less
than one unit of the last of them for each figure of a row, and it is booked once. What is more than
that is no rounding: nothing is booked, and the balances will tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.account import Balance, Flow
from arbit.domain.money import EXACT, ZERO
from arbit.domain.records import Posting
from arbit.execution.works import Pad
from arbit.ledger import Ledger, rounding
from arbit.ports import Journal

FIGURES = 2  # of a row: what was moved, and the fee, which may be rounded to nothing
MAX_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Rounded:
    """What is to be booked, and the rows (by their refs) that it settles for good."""

    postings: tuple[Posting, ...]
    settled: frozenset[str]


def rounded(
    rows: Iterable[Flow], posted: Mapping[str, Mapping[str, Decimal]], digits: Mapping[str, int]
) -> Rounded:
    """Compare the ledger's rows of trades with what we posted for them, by trade and asset.

    Rows of a trade that is not posted (yet), or of an asset whose decimals are not known, stay as
    they are.
    """
    postings: list[Posting] = []
    settled: set[str] = set()
    for (trade_id, asset), group in _by_asset(rows).items():
        ours = posted.get(trade_id)
        if ours is None or asset not in digits:
            continue
        moved = ZERO
        for row in group:
            moved = EXACT.add(moved, row.amount)
        off = EXACT.subtract(moved, ours.get(asset, ZERO))
        if abs(off) < FIGURES * len(group) * Decimal(1).scaleb(-digits[asset]):
            postings += rounding(trade_id, asset, off, group[-1].at_ns)
            settled |= {row.ref for row in group}
    return Rounded(tuple(postings), frozenset(settled))


class Roundings:
    """The ledger's rows of trades, as heard or listed, until what was rounded of them is booked.

    The account's stream tells each row when it is made, the venue's list the same one later: a row
    counts once, by its ref. Rows of trades that are not ours find nothing posted, and are let go
    when the books agree.
    """

    def __init__(self, ledger: Ledger, journal: Journal) -> None:
        self._ledger = ledger
        self._journal = journal
        self._rows: dict[str, Flow] = {}
        self._settled: dict[str, None] = {}
        self._digits: dict[str, int] = {}
        self.pending = False  # rows of our trades are left that could not be booked

    def know(self, balances: Mapping[str, Balance]) -> None:
        """How many decimals the venue keeps of each asset."""
        told = {asset: one.digits for asset, one in balances.items()}
        self._digits |= {asset: digits for asset, digits in told.items() if digits is not None}

    def take(self, rows: Iterable[Flow]) -> None:
        """Rows of trades, ours or not."""
        for row in rows:
            if row.digits is not None:
                self._digits[row.asset] = row.digits
            listed = row.digits is not None  # the list is the authority: it may correct the stream
            if row.trade_id and (listed or row.ref not in self._settled):
                self._rows[row.ref] = row
        bound(self._rows)

    def book(self, pad: Pad) -> None:
        """Book what can be; JournalFailed when nobody can say what was posted."""
        if not self._rows:
            return
        trade_ids = {row.trade_id for row in self._rows.values()}
        posted = self._journal.wallet_moves(sorted(trade_ids))
        found = rounded(self._rows.values(), posted, self._digits)
        self._ledger.apply(found.postings)
        pad.postings += found.postings
        for ref in found.settled:
            del self._rows[ref]
            self._settled[ref] = None
        bound(self._settled)
        self.pending = any(row.trade_id in posted for row in self._rows.values())

    def agreed(self) -> None:
        """The books agree: nothing that is left here is of them."""
        self._rows.clear()
        self.pending = False


def bound(kept: dict[str, Flow] | dict[str, None]) -> None:
    """Forget the oldest of what is too many."""
    while len(kept) > MAX_ROWS:
        kept.pop(next(iter(kept)))


def _by_asset(rows: Iterable[Flow]) -> Mapping[tuple[str, str], Sequence[Flow]]:
    groups: dict[tuple[str, str], list[Flow]] = {}
    for row in rows:
        groups.setdefault((row.trade_id, row.asset), []).append(row)
    return groups
