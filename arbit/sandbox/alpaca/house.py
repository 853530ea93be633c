"""Alpaca's rules over the sandbox's exchange: what is taken, what it costs, and when it is posted.

A trade's fee is taken at once from the asset received, at the tier's rate rounded to nine
decimals, and is on neither order nor fill. It is posted later as an activity: ``CFEE`` for a coin,
``FEE`` for USD. What is spent is ``price * qty`` to the last digit. Client order ids are unique
for ever.

To the log's records (see ``sandbox.journal``) it adds one kind:

``fees``     a fee is posted: ``activity`` (id), ``asset``, ``amount``, ``date`` (the trades' UTC
             day), ``trades`` (ids of the trades that it stands for). It moves no balance: the
             trades did.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from arbit.sandbox.accounts import Account, Books
from arbit.sandbox.alpaca import words
from arbit.sandbox.alpaca.answers import bad_parameter, forbidden, unprocessable
from arbit.sandbox.alpaca.books import HouseBooks, PendingFee
from arbit.sandbox.alpaca.ids import Uuids
from arbit.sandbox.alpaca.keys import made_up_keys
from arbit.sandbox.alpaca.listing import CASH
from arbit.sandbox.alpaca.matching import HouseHooks, HouseMatcher
from arbit.sandbox.exchange import Exchange
from arbit.sandbox.ids import Ids
from arbit.sandbox.instruments import Instrument
from arbit.sandbox.journal import EventLog
from arbit.sandbox.keys import ApiKey
from arbit.sandbox.market import Market, Pair
from arbit.sandbox.matching import Matcher, plain
from arbit.sandbox.orders import OrderRequest, VenueOrder
from arbit.sandbox.rules import MAX_COST

NS: Final = 1_000_000_000
LEAST_COST: Final = Decimal(10)
MOST_COST: Final = Decimal(200_000)
MAX_CLIENT_ID: Final = 128
MAX_OPEN: Final = 500
TIFS: Final = ("gtc", "ioc")
SIDES: Final = ("buy", "sell")


@dataclass(slots=True)
class FeePosting:
    """When fees are posted. Faults change ``daily`` and ``held``."""

    after_s: float = 20.0
    daily: bool = False  # one for each asset and day, instead of one for each trade
    held: bool = False


class House(Exchange):
    """The exchange with Alpaca's rules. An accepted order meets its book at the next ``tick``."""

    make_books: Callable[[], Books] = HouseBooks
    make_keys: Callable[[], dict[str, ApiKey]] = staticmethod(made_up_keys)
    make_ids: Callable[[int], Ids] = Uuids
    make_matcher: Callable[..., Matcher] = HouseMatcher

    def __init__(
        self,
        market: Market,
        log: EventLog,
        *,
        taker_fee_bps: Decimal | None = None,
        balances: Mapping[str, Decimal] | None = None,
        start_ns: int = 0,
        posting: FeePosting | None = None,
    ) -> None:
        self.posting = posting or FeePosting()
        super().__init__(
            market, log, taker_fee_bps=taker_fee_bps, balances=balances, start_ns=start_ns
        )
        self.hooks = HouseHooks()

    @property
    def house_books(self) -> HouseBooks:
        """The books, with what only this house keeps."""
        if not isinstance(self.books, HouseBooks):
            raise TypeError("another house's books")
        return self.books

    @property
    def uuids(self) -> Uuids:
        """The maker of ids."""
        if not isinstance(self._matcher.ids, Uuids):
            raise TypeError("another house's ids")
        return self._matcher.ids

    def tick(self, now_ns: int) -> None:
        """Match what was accepted, and post the fees that are due."""
        super().tick(now_ns)
        if not self.posting.held:
            self.post_fees(now_ns, int(self.posting.after_s * NS))

    def post_fees(self, now_ns: int, older_ns: int = 0) -> int:
        """Post the fees of trades at least ``older_ns`` old; returns how many activities.

        Posted daily, everything of an asset and a day goes together, when its oldest is due.
        """
        self._move_to(now_ns)
        posted = 0
        for name, desk in self.house_books.desks.items():
            if not desk.pending or next(iter(desk.pending.values())).at_ns > now_ns - older_ns:
                continue
            for group in self._groups(list(desk.pending.values()), now_ns - older_ns):
                self._post(name, group)
                posted += 1
        return posted

    def _groups(self, pending: list[PendingFee], until_ns: int) -> list[list[PendingFee]]:
        if not self.posting.daily:
            return [[fee] for fee in pending if fee.at_ns <= until_ns]
        groups: dict[tuple[str, str], list[PendingFee]] = {}
        for fee in pending:
            groups.setdefault((fee.asset, words.day_of(fee.at_ns)), []).append(fee)
        return [group for group in groups.values() if group[0].at_ns <= until_ns]

    def _post(self, account: str, group: list[PendingFee]) -> None:
        books = self.house_books
        day = words.day_of(group[0].at_ns)
        record = self.log.write(
            "fees",
            self.now_ns,
            account,
            activity=f"{day.replace('-', '')}000000000::"
            + self.uuids.activity(books.fees_posted + 1),
            asset=group[0].asset,
            amount=plain(sum((fee.amount for fee in group), Decimal(0))),
            date=day,
            trades=[fee.trade_id for fee in group],
        )
        books.apply(record)

    def _admit(
        self, account: Account, request: OrderRequest, now_ns: int
    ) -> tuple[VenueOrder, str, Decimal]:
        """The order as it would be, and what it holds; raises ``Denied``."""
        pair = self.market.pairs.get(request.symbol)
        if pair is None:
            raise unprocessable(f'asset "{request.symbol}" not found')
        if pair.status != "online":
            raise unprocessable(f"asset {request.symbol} is not active")
        _check_words(request)
        _check_numbers(request, pair.instrument)
        client_id = request.client_id or self.uuids.client(self.books.orders_taken + 1)
        if client_id in self.house_books.desk(account.name).client_ids:
            raise bad_parameter("client_order_id must be unique")
        _check_cost(request, pair)
        if len(account.open_orders) >= MAX_OPEN:
            raise forbidden("too many open orders")
        _check_wash(account, request)
        order = VenueOrder(
            order_id="",
            account=account.name,
            client_id=client_id,
            userref=0,
            symbol=request.symbol,
            side=request.side,
            qty=request.qty,
            price=request.price,
            tif=request.tif,
            fee_in="base" if request.side == "buy" else "quote",
            stp=request.stp,
            opened_ns=now_ns,
        )
        asset, amount = self._matcher.hold_of(order, account)
        free = account.available(asset)
        if amount > free:
            asked, there = words.text_of(amount), words.text_of(free)
            raise forbidden(
                f"insufficient balance for {asset} (requested: {asked}, available: {there})",
                available=there,
                balance=words.text_of(account.balance(asset)),
                symbol=asset,
            )
        return order, asset, amount

    def _charge_cancel(self, account: Account, order: VenueOrder, now_ns: int) -> None:
        """A cancel is a request like any other here."""


def _check_words(request: OrderRequest) -> None:
    if request.side not in SIDES:
        raise unprocessable("invalid side")
    if request.tif not in TIFS:
        raise unprocessable("invalid crypto time_in_force")
    if len(request.client_id) > MAX_CLIENT_ID:
        raise bad_parameter("client_order_id must be no more than 128 characters")


def _check_numbers(request: OrderRequest, listed: Instrument) -> None:
    """Increments and the smallest order; which words refuse them is assumed."""
    step = Decimal(listed.qty_step).scaleb(-listed.qty_precision)
    tick = Decimal(listed.price_tick).scaleb(-listed.price_precision)
    for name, amount, grid in (("qty", request.qty, step), ("limit_price", request.price, tick)):
        if not amount.is_finite() or not 0 < amount < MAX_COST:
            raise unprocessable(f"invalid {name} {amount}")
        if amount % grid:
            raise unprocessable(f"invalid {name} {amount}: increment is {words.text_of(grid)}")
    least = Decimal(listed.qty_min).scaleb(-listed.qty_precision)
    if request.qty < least:
        raise unprocessable(f"qty must be >= minimal size of order {words.text_of(least)}")


def _check_cost(request: OrderRequest, pair: Pair) -> None:
    """A buy for USD has a floor of ten dollars; no order is above 200 000."""
    cost = request.qty * request.price
    if request.side == "buy" and pair.instrument.quote.code == CASH and cost < LEAST_COST:
        raise forbidden("cost basis must be >= minimal amount of order 10")
    if cost * Decimal(str(pair.instrument.quote.usd)) > MOST_COST:
        raise forbidden("cost basis must be <= maximal amount of order 200000")


def _check_wash(account: Account, request: OrderRequest) -> None:
    """An open order of the other side that this one could trade with blocks it."""
    for order in account.open_orders.values():
        if order.symbol != request.symbol or order.side == request.side:
            continue
        buy, sell = (
            (request.price, order.price) if request.side == "buy" else (order.price, request.price)
        )
        if buy >= sell:
            raise forbidden(
                "potential wash trade detected. use complex orders",
                existing_order_id=order.order_id,
                reject_reason="opposite side limit order exists",
            )
