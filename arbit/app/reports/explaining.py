"""All cycles of an account explained, and every change of its balances put to a name.

What a venue stated later than a trade is given back to the trade: its cycle's lines and the account
agree to the last digit, whenever they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import TypeVar

from arbit.attribution import Correction, Told, explain
from arbit.domain.attribution import Attribution, Cause, added
from arbit.domain.money import ZERO
from arbit.domain.order import Trade
from arbit.domain.recorded import Recorded
from arbit.domain.records import Book, CycleRecord, LateFee, OrderRecord, Posting
from arbit.domain.walk import WIDE, LegWalk
from arbit.ledger import COST, FLOW, LATE_FEE, OPENING, ROUNDING

_SHARES = Context(prec=28)  # of one fee that stands for several trades; the last takes the rest
NOBODYS = ""

One = TypeVar("One")


@dataclass(frozen=True, slots=True)
class Outside:
    """What moved a balance by trading, but in no cycle of ours: told later, and for no trade."""

    ref: str
    cause: Cause
    asset: str
    amount: Decimal  # positive came in
    at_ns: int


@dataclass(frozen=True, slots=True)
class Explained:
    """Every cycle of an account that moved anything or was decided on.

    `unexplained` are cycles of which nobody kept what was seen, with what they moved by asset.
    """

    cycles: Mapping[str, Attribution]
    unexplained: Mapping[str, Mapping[str, Decimal]]
    outside: Sequence[Outside]

    @property
    def moved(self) -> dict[str, Decimal]:
        """By asset, all that trading has moved: cycles and what stands outside of them."""
        return added(
            *(one.moved.items() for one in self.cycles.values()),
            *(one.items() for one in self.unexplained.values()),
            ((one.asset, one.amount) for one in self.outside),
        )


def explain_all(recorded: Recorded) -> Explained:
    """Every cycle, with what was told of its trades later."""
    corrections, outside = _corrections(recorded)
    orders = _by(recorded.orders, lambda one: one.cycle_id)
    walks = _by(recorded.walks, lambda one: one.cycle_id)
    trades = _by(recorded.trades, lambda one: one.client_id)
    cycles: dict[str, Attribution] = {}
    unexplained: dict[str, Mapping[str, Decimal]] = {}
    for record in recorded.cycles:
        told = _told(record, orders.get(record.cycle_id, []), trades, corrections)
        found = explain(_with_walks(told, walks.get(record.cycle_id, [])))
        if found is not None:
            cycles[record.cycle_id] = found
        else:
            unexplained[record.cycle_id] = _moved(told)
    return Explained(cycles, unexplained, outside)


def _told(
    record: CycleRecord,
    orders: Sequence[OrderRecord],
    trades: Mapping[str, Sequence[Trade]],
    corrections: Mapping[str, Sequence[Correction]],
) -> Told:
    names = [one.intent.client_id for one in orders]
    return Told(
        record=record,
        orders=orders,
        trades=[trade for name in names for trade in trades.get(name, ())],
        walks=(),
        corrections=[one for name in names for one in corrections.get(name, ())],
    )


def _with_walks(told: Told, walks: Sequence[LegWalk]) -> Told:
    return Told(told.record, told.orders, told.trades, walks, told.corrections)


def _moved(told: Told) -> dict[str, Decimal]:
    moves: list[tuple[str, Decimal]] = []
    legs = {one.intent.client_id: one.intent.leg for one in told.orders}
    for trade in told.trades:
        leg = legs[trade.client_id]
        base = leg.symbol_base
        moves += trade.moves(base, leg.spend if base == leg.receive else leg.receive)
    return added(moves, ((one.asset, one.amount) for one in told.corrections))


def _corrections(
    recorded: Recorded,
) -> tuple[dict[str, list[Correction]], list[Outside]]:
    """What was told later, by the order whose trade it is of; and what is of none."""
    owners = {one.trade_id: one.client_id for one in recorded.trades}
    late = _by((one for one in recorded.late_fees if one.ref), lambda one: one.ref)
    found: dict[str, list[Correction]] = {}
    outside: list[Outside] = []
    for posting in recorded.postings:
        if posting.book is not Book.WALLET or posting.kind not in (ROUNDING, LATE_FEE, COST):
            continue
        cause = Cause.FEE if posting.kind == LATE_FEE else Cause.ROUNDING
        for trade_id, amount in _shares(posting, late.get(posting.ref, [])):
            owner = owners.get(trade_id, NOBODYS)
            if owner:
                found.setdefault(owner, []).append(Correction(owner, cause, posting.asset, amount))
            elif amount:
                what = (posting.ref, cause, posting.asset, amount, posting.at_ns)
                outside.append(Outside(*what))
    return found, outside


def _shares(posting: Posting, late: Sequence[LateFee]) -> list[tuple[str, Decimal]]:
    """Of which trades this is, and how much of each: the shares add up to it exactly."""
    if posting.kind == ROUNDING:
        return [(posting.ref, posting.amount)]
    mine = [one for one in late if one.asset == posting.asset]
    if posting.kind == COST or not mine:
        return [(NOBODYS, posting.amount)]
    whole = ZERO
    for one in mine:
        whole = WIDE.add(whole, one.guess)
    found, left = [], posting.amount
    for one in mine[:-1]:
        share = _SHARES.divide(one.guess, whole) if whole else ZERO
        part = _SHARES.multiply(posting.amount, share)
        left = WIDE.subtract(left, part)
        found.append((one.trade_id, part))
    return [*found, (mine[-1].trade_id, left)]


# --- every change of a balance -----------------------------------------------------------------

ACCEPTED = "accepted"  # nothing explained it, and an operator took it as it is
FOREIGN = "trade"  # a trade that is not ours


@dataclass(frozen=True, slots=True)
class Reconciled:
    """One asset's balance from the first look to now: the parts add up to `closing`, exactly.

    `transfers` are by the word of whoever told of them; `unexplained` is what an operator accepted.
    """

    asset: str
    opening: Decimal
    fills: Decimal
    fees: Decimal
    rounding: Decimal
    transfers: Mapping[str, Decimal]
    unexplained: Decimal
    closing: Decimal


def reconcile(
    postings: Iterable[Posting], transfers: Mapping[str, str], from_ns: int = 0
) -> list[Reconciled]:
    """Each asset's changes from `from_ns` on by what they were; before that all is opening."""
    by_asset = _by((one for one in postings if one.book is Book.WALLET), lambda one: one.asset)
    return [
        _reconciled(asset, some, transfers, from_ns) for asset, some in sorted(by_asset.items())
    ]


def kind_of(posting: Posting, transfers: Mapping[str, str]) -> str:
    """The word for why a flow came: what was kept with it, or for one of before `transfer`."""
    if posting.ref.startswith(f"{ACCEPTED}:"):
        return ACCEPTED
    return transfers.get(posting.ref, "transfer")


def _reconciled(
    asset: str, postings: Iterable[Posting], transfers: Mapping[str, str], from_ns: int
) -> Reconciled:
    sums: dict[str, Decimal] = {}
    flows: dict[str, Decimal] = {}
    closing = ZERO
    for one in postings:
        closing = WIDE.add(closing, one.amount)
        part = _PART.get(one.kind, "unexplained")
        if one.kind == OPENING or one.at_ns < from_ns:
            part = "opening"
        elif one.kind == FLOW and (word := kind_of(one, transfers)) != ACCEPTED:
            flows[word] = WIDE.add(flows.get(word, ZERO), one.amount)
            continue
        sums[part] = WIDE.add(sums.get(part, ZERO), one.amount)
    return Reconciled(
        asset=asset,
        opening=sums.get("opening", ZERO),
        fills=sums.get("fills", ZERO),
        fees=sums.get("fees", ZERO),
        rounding=sums.get("rounding", ZERO),
        transfers=flows,
        unexplained=sums.get("unexplained", ZERO),
        closing=closing,
    )


_PART = {
    "trade": "fills",
    "fee": "fees",
    LATE_FEE: "fees",
    ROUNDING: "rounding",
    COST: "rounding",
    FLOW: "unexplained",
}


def _by(things: Iterable[One], key: Callable[[One], str]) -> dict[str, list[One]]:
    found: dict[str, list[One]] = {}
    for one in things:
        found.setdefault(key(one), []).append(one)
    return found
