"""An account's history as files that tax tools take: every change of a balance is in one row.

Rows add up to the ledger, by asset and to the last digit, or nothing is written. What a venue or
an asset is called never becomes a formula in a spreadsheet.
"""

from __future__ import annotations

import csv
import enum
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from arbit.app.reports.explaining import ACCEPTED, kind_of
from arbit.app.reports.report import one_account
from arbit.domain.attribution import added
from arbit.domain.errors import UserError
from arbit.domain.money import plain
from arbit.domain.recorded import Recorded
from arbit.domain.records import Book, Posting
from arbit.domain.triangle import Side
from arbit.domain.walk import WIDE
from arbit.ledger import COST, FEE, FLOW, LATE_FEE, OPENING, ROUNDING, TRADE

FIRST_YEAR, LAST_YEAR = 2009, 2100
FORMULA = ("=", "+", "-", "@", *"\uff1d\uff0b\uff0d\uff20")  # wide ones are reckoned, too
REWARDS = frozenset({"staking", "reward", "earn", "dividend", "interest", "INT", "DIV"})
Amount = tuple[str, Decimal]  # of an asset; never negative


class Format(enum.StrEnum):
    """Which tool the file is for."""

    CSV = "csv"
    KOINLY = "koinly"
    COINTRACKING = "cointracking"


class What(enum.StrEnum):
    """What a row is."""

    TRADE = "trade"
    OPENING = "opening"  # what was there when arbit first looked
    TRANSFER = "transfer"
    REWARD = "reward"
    FEE = "fee"  # one that a trade took in yet another asset, or that was stated later
    ROUNDING = "rounding"
    UNEXPLAINED = "unexplained"  # accepted by the operator as it was


@dataclass(frozen=True, slots=True)
class Entry:
    """One row before it has a format. `at_ns` is UTC; `group` is the cycle of a trade."""

    at_ns: int
    what: What
    sent: Amount | None
    received: Amount | None
    fee: Amount | None = None
    ref: str = ""
    group: str = ""
    note: str = ""

    def moves(self) -> Iterator[tuple[str, Decimal]]:
        """What it does to balances: positive comes in."""
        if self.received is not None:
            yield self.received
        for out in (self.sent, self.fee):
            if out is not None:
                yield out[0], WIDE.minus(out[1])


@dataclass(frozen=True, slots=True)
class Exported:
    """A file's text, how many rows it has, and how it begins, whatever the account."""

    account: str
    text: str
    rows: int
    mark: str


def export(data_dir: Path, account: str | None, kind: Format, year: int | None) -> Exported:
    """The account's history, or one UTC year of it. UserError when it cannot be read or trusted."""
    recorded = one_account(data_dir, account)
    rows = entries(recorded, year)
    wrong = differences(recorded, rows, year)
    if wrong:
        said = ", ".join(f"{plain(amount)} {asset}" for asset, amount in wrong.items())
        raise UserError(f"{data_dir}: rows and ledger differ by {said}: `arbit db check` says more")
    head, made = _FORMATS[kind]
    text = _text(kind, head, (row for one in rows for row in made(one, recorded)))
    return Exported(recorded.account, text, text.count("\n") - 1, _text(kind, head, ()))


def entries(recorded: Recorded, year: int | None = None) -> list[Entry]:
    """Every change of a balance, oldest first."""
    found = [*_trades(recorded), *_others(recorded)]
    inside = _inside(year)
    return sorted((one for one in found if inside(one.at_ns)), key=lambda one: (one.at_ns, one.ref))


def differences(
    recorded: Recorded, rows: Iterable[Entry], year: int | None = None
) -> dict[str, Decimal]:
    """What the rows say less than the ledger, by asset: nothing, or they are wrong."""
    inside = _inside(year)
    booked = (
        (one.asset, one.amount)
        for one in recorded.postings
        if one.book is Book.WALLET and inside(one.at_ns)
    )
    told = ((asset, WIDE.minus(much)) for one in rows for asset, much in one.moves())
    return added(booked, told)


def _trades(recorded: Recorded) -> Iterator[Entry]:
    orders = {one.intent.client_id: one for one in recorded.orders}
    for trade in recorded.trades:
        order = orders.get(trade.client_id)
        base, _, quote = trade.symbol.partition("/")
        if order is not None:
            leg = order.intent.leg
            base = leg.symbol_base
            quote = leg.spend if base == leg.receive else leg.receive
        buys = trade.side is Side.BUY
        got, paid = (base, trade.qty), (quote, trade.cost)
        fees = list(added(trade.fees).items())
        taken = [one for one in fees if one[1] > 0]
        first = taken[0] if taken else None
        one = Entry(
            at_ns=trade.at_ns,
            what=What.TRADE,
            sent=paid if buys else got,
            received=got if buys else paid,
            fee=first,
            ref=trade.trade_id,
            group="" if order is None else order.cycle_id,
            note=f"{trade.side.value} {trade.symbol}",
        )
        yield one
        for other in fees:
            if other != first:
                said = f"{trade.trade_id}:{other[0]}"
                yield replace(_moved(trade.at_ns, What.FEE, other, said), group=one.group)


def _moved(at_ns: int, what: What, fee: Amount, ref: str) -> Entry:
    """A fee of its own: taken, or given back."""
    asset, amount = fee
    return _one_way(at_ns, what, (asset, WIDE.minus(amount)), ref)


def _one_way(at_ns: int, what: What, moved: Amount, ref: str, note: str = "") -> Entry:
    asset, amount = moved
    if amount < 0:
        return Entry(at_ns, what, (asset, WIDE.minus(amount)), None, ref=ref, note=note)
    return Entry(at_ns, what, None, (asset, amount), ref=ref, note=note)


def _others(recorded: Recorded) -> Iterator[Entry]:
    """What no trade says. Last digits are one row for a day and an asset: they are many."""
    digits: dict[tuple[What, str, str], list[Posting]] = {}
    for one in recorded.postings:
        if one.book is not Book.WALLET or one.kind in (TRADE, FEE):
            continue
        what, note = _what(one, recorded.transfers)
        if one.kind in _DIGITS:
            digits.setdefault((what, one.asset, _date(one.at_ns)[:10]), []).append(one)
        else:
            yield _one_way(one.at_ns, what, (one.asset, one.amount), one.ref, note)
    for (what, asset, day), some in digits.items():
        amount = added((asset, one.amount) for one in some).get(asset, Decimal(0))
        if amount:
            note = f"{len(some)} times: {_what(some[0], recorded.transfers)[1]}"
            at_ns = max(one.at_ns for one in some)
            yield _one_way(at_ns, what, (asset, amount), f"{what.value}:{day}:{asset}", note)


def _what(one: Posting, transfers: Mapping[str, str]) -> tuple[What, str]:
    if one.kind == FLOW:
        word = kind_of(one, transfers)
        if word == ACCEPTED:
            return What.UNEXPLAINED, "not explained by the venue, accepted as it was"
        return (What.REWARD if word in REWARDS else What.TRANSFER), word
    return _KINDS.get(one.kind, (What.UNEXPLAINED, one.kind))


_KINDS = {
    OPENING: (What.OPENING, "what was there when arbit first looked"),
    LATE_FEE: (What.FEE, "a fee was stated later, otherwise than reckoned"),
    ROUNDING: (What.ROUNDING, "the venue rounded last digits"),
    COST: (What.ROUNDING, "the venue rounded last digits"),
}
_DIGITS = frozenset({LATE_FEE, ROUNDING, COST})


def _inside(year: int | None) -> Callable[[int], bool]:
    if year is None:
        return lambda _at_ns: True
    first = int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 10**9
    last = int(datetime(year + 1, 1, 1, tzinfo=UTC).timestamp()) * 10**9
    return lambda at_ns: first <= at_ns < last


# --- formats -----------------------------------------------------------------------------------

Row = Sequence[str]
_CSV = (
    "date_utc",
    "type",
    "sent_amount",
    "sent_asset",
    "received_amount",
    "received_asset",
    "fee_amount",
    "fee_asset",
    "venue",
    "account",
    "cycle",
    "reference",
    "note",
)
# Koinly's universal template: amounts without the fee, which it takes beside them.
_KOINLY = (
    "Date",
    "Sent Amount",
    "Sent Currency",
    "Received Amount",
    "Received Currency",
    "Fee Amount",
    "Fee Currency",
    "Net Worth Amount",
    "Net Worth Currency",
    "Label",
    "Description",
    "TxHash",
)
# CoinTracking's own columns, and the optional transaction id: amounts include the fee, which is
# said for information alone; one in yet another asset is a row of its own.
_COINTRACKING = (
    "Type",
    "Buy Amount",
    "Buy Currency",
    "Sell Amount",
    "Sell Currency",
    "Fee",
    "Fee Currency",
    "Exchange",
    "Trade-Group",
    "Comment",
    "Date",
    "Tx-ID",
)


def _csv_rows(one: Entry, recorded: Recorded) -> list[Row]:
    moved = (*_told(one.sent), *_told(one.received), *_told(one.fee))
    whose = (recorded.venue, recorded.account, one.group, one.ref, one.note)
    return [(_date(one.at_ns), one.what.value, *moved, *whose)]


def _koinly_rows(one: Entry, recorded: Recorded) -> list[Row]:
    label = ""
    if one.what in (What.FEE, What.ROUNDING):
        label = "cost" if one.sent is not None else "fee refund"
    elif one.what is What.REWARD and one.received is not None:
        label = "reward"
    moved = (*_told(one.sent), *_told(one.received), *_told(one.fee))
    said = " ".join(filter(None, (recorded.venue, one.note, one.group)))
    return [(f"{_date(one.at_ns)} UTC", *moved, "", "", label, said, one.ref)]


def _cointracking_rows(one: Entry, recorded: Recorded) -> list[Row]:
    sent, received, fee = one.sent, one.received, one.fee
    extra: list[Row] = []
    if fee is not None:
        if received is not None and received[0] == fee[0] and received[1] >= fee[1]:
            received = (fee[0], WIDE.subtract(received[1], fee[1]))
        elif sent is not None and sent[0] == fee[0]:
            sent = (fee[0], WIDE.add(sent[1], fee[1]))
        else:
            alone = Entry(one.at_ns, What.FEE, fee, None, None, f"{one.ref}:fee", one.group)
            extra, fee = _cointracking_rows(alone, recorded), None
    moved = (*_told(received), *_told(sent), *_told(fee))
    whose = (recorded.venue, one.group, one.note, _date(one.at_ns), one.ref)
    return [(_cointracking_type(one), *moved, *whose), *extra]


def _cointracking_type(one: Entry) -> str:
    if one.what is What.TRADE:
        return "Trade"
    comes = one.received is not None
    if one.what in (What.FEE, What.ROUNDING):
        return "Income (non taxable)" if comes else "Other Fee"
    if one.what is What.REWARD and comes:
        return "Reward / Bonus"
    return "Deposit" if comes else "Withdrawal"


_FORMATS: Mapping[Format, tuple[Row, Callable[[Entry, Recorded], list[Row]]]] = {
    Format.CSV: (_CSV, _csv_rows),
    Format.KOINLY: (_KOINLY, _koinly_rows),
    Format.COINTRACKING: (_COINTRACKING, _cointracking_rows),
}


def _text(kind: Format, head: Row, rows: Iterable[Row]) -> str:
    into = io.StringIO(newline="")
    every = kind is Format.COINTRACKING
    writer = csv.writer(
        into, quoting=csv.QUOTE_ALL if every else csv.QUOTE_MINIMAL, lineterminator="\n"
    )
    writer.writerow(head)
    writer.writerows([_cell(one) for one in row] for row in rows)
    return into.getvalue()


def _cell(text: str) -> str:
    """One line without a formula in it: what a spreadsheet would reckon stays what it is.

    Nor does it end a cell where a semicolon does: what follows it would be a cell of its own.
    """
    line = "".join(one if one.isprintable() and one != ";" else " " for one in text)
    return f"'{line}" if line.lstrip().startswith(FORMULA) else line


def _told(amount: Amount | None) -> tuple[str, str]:
    return ("", "") if amount is None else (plain(amount[1]), amount[0])


def _date(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // 10**9, UTC):%Y-%m-%d %H:%M:%S}"
