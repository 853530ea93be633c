"""The accounts and their books: balances, orders, trades and ledger entries.

``Books.apply`` is the only place where they change, and it takes a record of the event log: what
runs live and what is replayed after a restart is the same code.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Generic, TypeVar

from arbit.sandbox.journal import Record
from arbit.sandbox.orders import ZERO, LedgerEntry, Trade, VenueOrder

HISTORY: Final = 200_000  # orders, trades and ledger entries remembered, each, per account
DAY_NS: Final = 86_400 * 1_000_000_000
VOLUME_NS: Final = 30 * DAY_NS

MARKET: Final = "@market"  # the other side of every trade
FEES: Final = "@fees"
OUTSIDE: Final = "@outside"  # where deposits come from and withdrawals go to

Kept = TypeVar("Kept")


class History(Generic[Kept]):
    """The newest ``limit`` items by id, in order of arrival."""

    def __init__(self, limit: int = HISTORY) -> None:
        self._items: dict[str, Kept] = {}
        self._limit = limit

    def add(self, key: str, item: Kept) -> None:
        """Remember an item, and forget the oldest when there are too many."""
        self._items[key] = item
        if len(self._items) > self._limit:
            del self._items[next(iter(self._items))]

    def get(self, key: str) -> Kept | None:
        """The item of this id, if remembered."""
        return self._items.get(key)

    def newest_first(self) -> Iterator[Kept]:
        """Every item, the last one first."""
        return reversed(self._items.values())

    def __iter__(self) -> Iterator[Kept]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)


@dataclass(slots=True)
class Account:
    """One customer. ``balances`` are totals; a hold is the part of a total that orders keep."""

    name: str
    balances: dict[str, Decimal] = field(default_factory=dict)
    open_orders: dict[str, VenueOrder] = field(default_factory=dict)
    holds: dict[str, tuple[str, Decimal]] = field(default_factory=dict)  # order id: asset, amount
    closed: History[VenueOrder] = field(default_factory=History)
    trades: History[Trade] = field(default_factory=History)
    ledgers: History[LedgerEntry] = field(default_factory=History)
    dead_man_ns: int | None = None  # wall time at which every open order is cancelled
    traded_usd: deque[tuple[int, Decimal]] = field(default_factory=deque)
    _volume_usd: Decimal = ZERO

    def balance(self, asset: str) -> Decimal:
        """Total of an asset."""
        return self.balances.get(asset, ZERO)

    def hold(self, asset: str) -> Decimal:
        """What open orders keep of an asset."""
        return sum((amount for held, amount in self.holds.values() if held == asset), ZERO)

    def available(self, asset: str) -> Decimal:
        """What a new order may spend."""
        return self.balance(asset) - self.hold(asset)

    def order(self, order_id: str) -> VenueOrder | None:
        """An open or ended order by the venue's id."""
        return self.open_orders.get(order_id) or self.closed.get(order_id)

    def open_by_client_id(self, client_id: str) -> VenueOrder | None:
        """The open order with this client id; there is at most one."""
        for order in self.open_orders.values():
            if client_id and order.client_id == client_id:
                return order
        return None

    def volume_usd(self, now_ns: int) -> Decimal:
        """What it traded in the last 30 days, in USD at the listed value of the quote asset."""
        while self.traded_usd and now_ns - self.traded_usd[0][0] > VOLUME_NS:
            self._volume_usd -= self.traded_usd.popleft()[1]
        return self._volume_usd

    def count_volume(self, at_ns: int, usd: Decimal) -> None:
        """Add a trade to the 30-day volume."""
        self.traded_usd.append((at_ns, usd))
        self._volume_usd += usd


class Books:
    """Every account, and the three that absorb the other side: market, fees, outside.

    Whatever one gains another loses, so that each asset sums to zero over all of them (see
    ``totals``), unless a fault put something in or took it out unexplained.
    """

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.absorbers = {name: Account(name) for name in (MARKET, FEES, OUTSIDE)}
        self.orders_taken = 0
        self.trades_made = 0
        self.entries_made = 0
        self.flows_made = 0
        self._do: dict[str, Callable[[Account, Record], None]] = {
            "opening": self._opening,
            "accept": self._accept,
            "fill": self._fill,
            "end": self._end,
            "flow": self._flow,
            "drift": self._drift,
        }

    def account(self, name: str) -> Account:
        """The account of this name, made when it is new."""
        return self.accounts.setdefault(name, Account(name))

    def apply(self, record: Record) -> None:
        """Let a record of the log take effect; records of other kinds change nothing here."""
        action = self._do.get(record["kind"])
        if action is not None:
            action(self.account(record["account"]), record)

    def totals(self) -> dict[str, Decimal]:
        """Sum of each asset over every account there is; always zero without a drift fault."""
        sums: dict[str, Decimal] = {}
        for account in (*self.accounts.values(), *self.absorbers.values()):
            for asset, amount in account.balances.items():
                sums[asset] = sums.get(asset, ZERO) + amount
        return sums

    def _move(self, account: Account, asset: str, amount: Decimal, other: str) -> Decimal:
        """Move ``amount`` from the absorber ``other`` to the account; returns the new balance."""
        absorber = self.absorbers[other]
        absorber.balances[asset] = absorber.balance(asset) - amount
        account.balances[asset] = account.balance(asset) + amount
        return account.balances[asset]

    def _opening(self, account: Account, record: Record) -> None:
        self._move(account, record["asset"], Decimal(record["amount"]), OUTSIDE)

    def _accept(self, account: Account, record: Record) -> None:
        self.orders_taken += 1
        order = VenueOrder(
            order_id=record["order_id"],
            account=account.name,
            client_id=record["cl_ord_id"],
            userref=record["userref"],
            symbol=record["symbol"],
            side=record["side"],
            qty=Decimal(record["qty"]),
            price=Decimal(record["price"]),
            tif=record["tif"],
            fee_in=record["fee_in"],
            stp=record["stp"],
            opened_ns=record["at"],
        )
        account.open_orders[order.order_id] = order

    def _fill(self, account: Account, record: Record) -> None:
        self.trades_made += 1
        trade = Trade(
            trade_id=record["trade_id"],
            number=self.trades_made,
            account=account.name,
            order_id=record["order_id"],
            client_id=record["cl_ord_id"],
            symbol=record["symbol"],
            side=record["side"],
            qty=Decimal(record["qty"]),
            price=Decimal(record["price"]),
            cost=Decimal(record["cost"]),
            fee=Decimal(record["fee"]),
            fee_asset=record["fee_asset"],
            maker=record["maker"],
            at_ns=record["at"],
            ledger_ids=tuple(record["ledgers"]),
        )
        account.trades.add(trade.trade_id, trade)
        account.count_volume(trade.at_ns, Decimal(record["usd"]))
        order = account.order(trade.order_id)
        if order is not None:
            order.filled += trade.qty
            order.cost += trade.cost
            order.fee += trade.fee
            order.trades.append(trade)
        self._post(account, trade, record.get("moves") or _exact_moves(trade))

    def _post(self, account: Account, trade: Trade, moves: list[list[str]]) -> None:
        """The ledger entries of a trade, each (asset, amount, fee)."""
        for ledger_id, (asset, moved, charged) in zip(trade.ledger_ids, moves, strict=True):
            amount, fee = Decimal(moved), Decimal(charged)
            self._move(account, asset, amount, MARKET)
            balance = self._move(account, asset, -fee, FEES)
            self._enter(
                account,
                LedgerEntry(
                    ledger_id, trade.trade_id, trade.at_ns, "trade", asset, amount, fee, balance
                ),
            )

    def _end(self, account: Account, record: Record) -> None:
        order = account.open_orders.pop(record["order_id"], None)
        account.holds.pop(record["order_id"], None)
        if order is None:
            return
        order.status = record["status"]
        order.reason = record["reason"]
        order.closed_ns = record["at"]
        account.closed.add(order.order_id, order)

    def _flow(self, account: Account, record: Record) -> None:
        self.flows_made += 1
        asset, amount = record["asset"], Decimal(record["amount"])
        balance = self._move(account, asset, amount, OUTSIDE)
        self._enter(
            account,
            LedgerEntry(
                record["ledger"],
                record["ref"],
                record["at"],
                record["type"],
                asset,
                amount,
                ZERO,
                balance,
            ),
        )

    def _drift(self, account: Account, record: Record) -> None:
        asset = record["asset"]
        account.balances[asset] = account.balance(asset) + Decimal(record["amount"])

    def _enter(self, account: Account, entry: LedgerEntry) -> None:
        self.entries_made += 1
        account.ledgers.add(entry.ledger_id, entry)


def _exact_moves(trade: Trade) -> list[list[str]]:
    """The ledger entries of a trade in a log that does not say them: it moved what it states."""
    base, quote = trade.symbol.split("/")
    sign = 1 if trade.side == "buy" else -1
    moved = {base: sign * trade.qty, quote: -sign * trade.cost}
    return [
        [asset, str(moved.get(asset, ZERO)), str(trade.fee if asset == trade.fee_asset else ZERO)]
        for asset in dict.fromkeys((base, quote, trade.fee_asset))
    ]
