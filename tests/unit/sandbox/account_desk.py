"""A desk over one synthetic market: accounts, orders and what is expected of them."""

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from arbit.sandbox.book import ASK
from arbit.sandbox.exchange import (
    Account,
    Exchange,
    Happened,
    OrderRequest,
    Refused,
    VenueOrder,
)
from arbit.sandbox.journal import EventLog
from arbit.sandbox.keys import TRADE_KEY
from arbit.sandbox.market import Market

START = 1_790_000_000_000_000_000
S = 1_000_000_000
SYMBOL = "BTC/USD"


class Desk:
    """An exchange, its main account, and a wall clock that steps a millisecond a call."""

    def __init__(self, profile: str = "calm", seed: int = 7, **options: Any) -> None:
        self.market = Market(profile, seed)
        self.exchange = Exchange(self.market, EventLog(), start_ns=START, **options)
        self.now_ns = START
        self.events: list[Happened] = []
        self.exchange.listeners.append(self.events.append)
        self.main = self.account(TRADE_KEY)

    def account(self, key: str) -> Account:
        account = self.exchange.account_of(key)
        assert account is not None
        return account

    def level(self, side: int, rank: int = 0, symbol: str = SYMBOL) -> tuple[Decimal, Decimal]:
        listed = self.market.pairs[symbol].instrument
        price, qty = self.market.book(symbol).top(side, rank + 1)[rank]
        return Decimal(listed.price_text(price)), Decimal(listed.qty_text(qty))

    def ask(self, **changes: Any) -> OrderRequest:
        asked: dict[str, Any] = {
            "symbol": SYMBOL,
            "side": "buy",
            "qty": Decimal("0.01"),
            "price": self.level(ASK)[0],
            "tif": "ioc",
        }
        return OrderRequest(**(asked | changes))

    def order(self, account: Account | None = None, **changes: Any) -> VenueOrder:
        self.now_ns += 1_000_000
        return self.exchange.add_order(account or self.main, self.ask(**changes), self.now_ns)

    def words(self, account: Account | None = None, **changes: Any) -> str:
        with pytest.raises(Refused) as refused:
            self.order(account, **changes)
        return refused.value.words

    def kinds(self) -> list[str]:
        kinds = [type(event).__name__ for event in self.events]
        self.events.clear()
        return kinds

    def play(self, seconds: float) -> None:
        self.now_ns += int(seconds * S)
        self.exchange.tick(self.now_ns)
        self.market.advance(self.now_ns - START)


def half_up(amount: Decimal, decimals: int) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def cut_off(amount: Decimal, decimals: int) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-decimals), ROUND_DOWN)


def expected(desk: Desk, account: Account, opening: dict[str, Decimal]) -> dict[str, Decimal]:
    """Balances from nothing but the trades, each of its amounts cut off where the asset ends."""
    sums, decimals = dict(opening), {asset.code: asset.decimals for asset in desk.market.assets}
    for trade in account.trades:
        base, quote = trade.symbol.split("/")
        sign = 1 if trade.side == "buy" else -1
        sums[base] += sign * cut_off(trade.qty, decimals[base])
        sums[quote] -= sign * cut_off(trade.cost, decimals[quote])
        sums[trade.fee_asset] -= cut_off(trade.fee, decimals[trade.fee_asset])
    return sums
