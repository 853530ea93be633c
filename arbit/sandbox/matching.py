"""Matching accepted orders on the market's books, and settling what they trade.

The order of things for every change: the record is written to the log, then it takes effect on
the books, then the listeners hear of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from arbit.sandbox.accounts import Account, Books
from arbit.sandbox.book import ASK, BID, Fill, Incoming
from arbit.sandbox.book import Order as Resting
from arbit.sandbox.ids import Ids
from arbit.sandbox.instruments import Instrument
from arbit.sandbox.journal import EventLog
from arbit.sandbox.market import Market, Pair
from arbit.sandbox.orders import (
    ZERO,
    BalanceChanged,
    Canceled,
    Filled,
    Happened,
    Opened,
    Trade,
    Traded,
    VenueOrder,
)
from arbit.sandbox.rules import TRADE_DIGITS, Fees, kept, money, money_up

IOC_ENDED: Final = "IOC order not wholly filled"  # words assumed
SELF_TRADE: Final = "Self trade prevention"  # words assumed
BOOK_SIDES: Final = {"buy": BID, "sell": ASK}


class Hooks:
    """Where faults reach into matching; this one does nothing. Assign a child to ``hooks``."""

    def accept_delay_ns(self, order: VenueOrder) -> int:
        """How long after acceptance the order is matched; it can be cancelled meanwhile."""
        del order
        return 0

    def fill_share(self, order: VenueOrder) -> Decimal:
        """The share (0 to 1) that an IOC order fills of what the book would give it."""
        del order
        return Decimal(1)

    def overfill(self, order: VenueOrder) -> Decimal:
        """A quantity traded beyond the order's own, once it is wholly filled; 0 for none."""
        del order
        return ZERO

    def fee_asset(self, order: VenueOrder) -> str:
        """Another asset that pays the fee, or "" for base or quote as agreed."""
        del order
        return ""


@dataclass(slots=True)
class Matcher:
    """The matching engine behind ``Exchange``; ``now_ns`` is the wall time it was last told."""

    market: Market
    books: Books
    log: EventLog
    fees: Fees
    ids: Ids
    hooks: Hooks = field(default_factory=Hooks)
    listeners: list[Callable[[Happened], None]] = field(default_factory=list)
    now_ns: int = 0
    resting: dict[str, Resting] = field(default_factory=dict)  # by order id

    def match(self, order: VenueOrder) -> None:
        """Bring an accepted order to its book; what is left of it rests or ends."""
        order.status = "open"
        self.emit(Opened(order.account, order, self.now_ns))
        pair = self.market.pairs[order.symbol]
        units = self._wanted_units(order, pair)
        while units:
            incoming = Incoming(
                order.account,
                BOOK_SIDES[order.side],
                to_units(order.price, pair.instrument.price_precision),
                units,
                rests=order.tif == "gtc",
                tag=order.order_id,
                avoid_own=True,
            )
            submission = self.market.take(order.symbol, incoming)
            self._settle(order, pair, submission.fills)
            if submission.resting is not None:
                self.resting[order.order_id] = submission.resting
            if submission.blocked is None or not self._meets_itself(order, submission.blocked):
                break
            units -= sum(fill.qty for fill in submission.fills)
        if order.is_open and order.tif == "ioc":
            self._finish(order)

    def on_fill(self, pair: Pair, fill: Fill) -> None:
        """The market traded with a customer's resting order."""
        name = fill.maker
        order = self.books.account(name).open_orders.get(fill.tag)
        if order is None:
            return
        self._trade(order, pair, fill, maker=True)
        if order.left == ZERO:
            self.end(order, "closed", "")

    def end(self, order: VenueOrder, status: str, reason: str) -> None:
        """End an open order and take it out of the book; harmless when it has ended already."""
        if not order.is_open:
            return
        resting = self.resting.pop(order.order_id, None)
        if resting is not None:
            self.market.cancel(order.symbol, resting)
        record = self.log.write(
            "end",
            self.now_ns,
            order.account,
            order_id=order.order_id,
            cl_ord_id=order.client_id,
            status=status,
            filled=str(order.filled),
            reason=reason,
        )
        self.books.apply(record)
        name, totals = order.account, (order.filled, order.cost, order.fee)
        if status == "closed":
            self.emit(Filled(name, order, *totals, self.now_ns))
        else:
            self.emit(Canceled(name, order, status, *totals, reason, self.now_ns))

    def hold_of(self, order: VenueOrder, account: Account) -> tuple[str, Decimal]:
        """The asset and the amount that what is left of an order may need at its limit."""
        listed = self.market.pairs[order.symbol].instrument
        spent, amount = listed.base, order.left
        if order.side == "buy":
            spent = listed.quote
            amount = money_up(order.left * order.price, spent.decimals)
        if (order.fee_in == "quote") == (order.side == "buy"):
            rate = self.fees.rate(listed, account.volume_usd(self.now_ns), maker=False)
            amount += money_up(amount * rate, spent.decimals)
        return spent.code, amount

    def emit(self, happened: Happened) -> None:
        """Tell everybody."""
        for listener in self.listeners:
            listener(happened)

    def _wanted_units(self, order: VenueOrder, pair: Pair) -> int:
        """What to match, less when a fault lets an IOC fill only in part."""
        listed = pair.instrument
        units = to_units(order.left, listed.qty_precision)
        share = self.hooks.fill_share(order) if order.tif == "ioc" else Decimal(1)
        if share >= 1:
            return units
        price = to_units(order.price, listed.price_precision)
        there = min(units, pair.book.reachable(BOOK_SIDES[order.side], price))
        return int(there * share) // listed.qty_step * listed.qty_step

    def _meets_itself(self, order: VenueOrder, blocking: Resting) -> bool:
        """Self-trade prevention; True when the incoming order may go on."""
        if order.stp != "cancel_newest":
            own = self.books.account(order.account).open_orders.get(blocking.tag)
            if own is not None:
                self.end(own, "canceled", SELF_TRADE)
        if order.stp != "cancel_oldest":
            self.end(order, "canceled", SELF_TRADE)
        return order.is_open

    def _finish(self, order: VenueOrder) -> None:
        """An IOC order is done: wholly filled, or the rest of it is cancelled."""
        if order.left == ZERO:
            self.end(order, "closed", "")
        else:
            self.end(order, "canceled", IOC_ENDED)

    def _settle(self, order: VenueOrder, pair: Pair, fills: list[Fill]) -> None:
        """One trade for each price level that was matched."""
        levels: dict[int, int] = {}
        for fill in fills:
            levels[fill.price] = levels.get(fill.price, 0) + fill.qty
        for price, qty in levels.items():
            self._trade(order, pair, Fill(price, qty, ""), maker=False)
        if order.left > ZERO:
            return
        beyond = self.hooks.overfill(order)
        if beyond > ZERO and levels:
            listed = pair.instrument
            last = Decimal(list(levels)[-1]).scaleb(-listed.price_precision)
            self._write_trade(order, pair, (beyond, last), maker=False, capped=False)
        self.end(order, "closed", "")

    def _trade(self, order: VenueOrder, pair: Pair, fill: Fill, *, maker: bool) -> None:
        listed = pair.instrument
        qty = Decimal(fill.qty).scaleb(-listed.qty_precision)
        price = Decimal(fill.price).scaleb(-listed.price_precision)
        self._write_trade(order, pair, (qty, price), maker=maker, capped=True)

    def _write_trade(
        self,
        order: VenueOrder,
        pair: Pair,
        amounts: tuple[Decimal, Decimal],
        *,
        maker: bool,
        capped: bool,
    ) -> None:
        """Price a trade of (quantity, price), write it down, and let it take effect."""
        qty, price = amounts
        listed, books = pair.instrument, self.books
        account = books.account(order.account)
        cost, fee, fee_asset = self._price(order, listed, amounts, maker=maker)
        if capped:
            cost, fee = self._cap(order, account, (qty, cost, fee), fee_asset)
        moves = self._moves(order, listed, (qty, cost, fee), fee_asset)
        counted = ZERO if listed.flat_fee else cost * Decimal(str(listed.quote.usd))
        record = self.log.write(
            "fill",
            self.now_ns,
            order.account,
            trade_id=self.ids.trade(books.trades_made + 1),
            order_id=order.order_id,
            cl_ord_id=order.client_id,
            symbol=order.symbol,
            side=order.side,
            qty=plain(qty),
            price=plain(price),
            cost=plain(cost),
            fee=plain(fee),
            fee_asset=fee_asset,
            maker=maker,
            usd=plain(counted),
            ledgers=[self.ids.ledger(books.entries_made + n) for n in range(1, len(moves) + 1)],
            moves=moves,
        )
        books.apply(record)
        if order.is_open:
            account.holds[order.order_id] = self.hold_of(order, account)
        trade = account.trades.get(record["trade_id"])
        if trade is not None:
            self._tell(order, account, trade)

    def _price(
        self,
        order: VenueOrder,
        listed: Instrument,
        amounts: tuple[Decimal, Decimal],
        *,
        maker: bool,
    ) -> tuple[Decimal, Decimal, str]:
        """Cost, fee, and the asset of the fee."""
        qty, price = amounts
        cost = money(qty * price, listed.quote.decimals + TRADE_DIGITS)
        volume = self.books.account(order.account).volume_usd(self.now_ns)
        rate = self.fees.rate(listed, volume, maker=maker)
        third = self.hooks.fee_asset(order)
        known = {asset.code: asset for asset in self.market.assets}
        if third in known and third not in (listed.base.code, listed.quote.code):
            worth = Decimal(str(listed.quote.usd)) / Decimal(str(known[third].usd))
            return cost, money(cost * rate * worth, known[third].decimals + TRADE_DIGITS), third
        if order.fee_in == "base":
            return cost, money(qty * rate, listed.base.decimals + TRADE_DIGITS), listed.base.code
        return cost, money(cost * rate, listed.quote.decimals + TRADE_DIGITS), listed.quote.code

    def _moves(
        self,
        order: VenueOrder,
        listed: Instrument,
        amounts: tuple[Decimal, Decimal, Decimal],
        fee_asset: str,
    ) -> list[list[str]]:
        """What a trade of (quantity, cost, fee) does to the ledger: asset, amount and fee.

        Base, quote, and the fee's own asset if it is neither, with each asset's own decimals.
        """
        qty, cost, fee = amounts
        bought = order.side == "buy"
        base, quote = listed.base.code, listed.quote.code
        moved = {base: qty if bought else -qty, quote: -cost if bought else cost}
        decimals = {asset.code: asset.decimals for asset in self.market.assets}

        def row(asset: str) -> list[str]:
            figures = (moved.get(asset, ZERO), fee if asset == fee_asset else ZERO)
            return [asset, *(plain(kept(one, decimals[asset])) for one in figures)]

        return [row(asset) for asset in dict.fromkeys((base, quote, fee_asset))]

    def _cap(
        self,
        order: VenueOrder,
        account: Account,
        amounts: tuple[Decimal, Decimal, Decimal],
        fee_asset: str,
    ) -> tuple[Decimal, Decimal]:
        """Cost and fee, not above what the order and nobody else may spend.

        The hold covers both before rounding; rounding trade by trade can exceed it by parts of
        the last decimal, and a balance must never be negative.
        """
        qty, cost, fee = amounts
        base, quote = order.symbol.split("/")
        spent = quote if order.side == "buy" else base
        own = account.holds.get(order.order_id, (spent, ZERO))[1]
        room = max(account.available(spent) + own, ZERO)
        if order.side == "buy":
            cost = min(cost, room)
            room -= cost
        else:
            room -= qty
        if fee_asset == spent:
            fee = min(fee, max(room, ZERO))
        return cost, fee

    def _tell(self, order: VenueOrder, account: Account, trade: Trade) -> None:
        name, at_ns = account.name, trade.at_ns
        self.emit(Traded(name, order, trade, order.filled, order.cost, at_ns))
        for ledger_id in trade.ledger_ids:
            entry = account.ledgers.get(ledger_id)
            if entry is not None:
                self.emit(BalanceChanged.of(name, entry))


def to_units(amount: Decimal, precision: int) -> int:
    """An amount that is on the grid, in units of ``10**-precision``."""
    return int(amount.scaleb(precision))


def plain(amount: Decimal) -> str:
    """A decimal without an exponent, every digit kept."""
    return f"{amount:f}"
