"""The exchange's core: exact money, holds, matching, refusals. No sockets, no clock."""

import contextlib
import random
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from arbit.sandbox.book import ASK, BID
from arbit.sandbox.exchange import (
    Accepted,
    Account,
    BalanceChanged,
    Canceled,
    Exchange,
    Filled,
    Happened,
    Hooks,
    Opened,
    OrderRequest,
    Refused,
    Traded,
    VenueOrder,
)
from arbit.sandbox.journal import EventLog
from arbit.sandbox.keys import OTHER_KEY, TRADE_KEY
from arbit.sandbox.market import Market
from arbit.sandbox.orders import ZERO

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


@pytest.fixture
def desk() -> Desk:
    return Desk()


def half_up(amount: Decimal, decimals: int) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def expected(account: Account, opening: dict[str, Decimal]) -> dict[str, Decimal]:
    """Balances from nothing but the trades."""
    sums = dict(opening)
    for trade in account.trades:
        base, quote = trade.symbol.split("/")
        sign = 1 if trade.side == "buy" else -1
        sums[base] += sign * trade.qty
        sums[quote] -= sign * trade.cost
        sums[trade.fee_asset] -= trade.fee
    return sums


def test_a_wholly_filled_ioc_is_closed_and_every_event_comes_in_order(desk: Desk) -> None:
    order = desk.order(client_id="first")
    assert (order.status, order.filled, order.reason) == ("closed", Decimal("0.01"), "")
    assert desk.kinds() == [
        "Accepted",
        "Opened",
        "Traded",
        "BalanceChanged",
        "BalanceChanged",
        "Filled",
    ]


def test_an_ioc_beyond_the_limit_is_cancelled_with_what_it_got(desk: Desk) -> None:
    price, there = desk.level(ASK)
    desk.exchange.deposit(desk.main, "USD", Decimal(10_000_000), desk.now_ns)
    before = desk.main.balance("BTC")
    order = desk.order(qty=there + Decimal("0.001"), price=price)
    assert (order.status, order.filled) == ("canceled", there)
    assert order.reason
    assert desk.main.balance("BTC") == before + there
    last = desk.events[-1]
    assert isinstance(last, Canceled)
    assert last.cum_qty == there


def test_an_unfilled_ioc_is_cancelled_with_nothing_and_frees_its_hold(desk: Desk) -> None:
    order = desk.order(price=desk.level(BID)[0])
    assert (order.status, order.filled + order.cost + order.fee) == ("canceled", ZERO)
    assert desk.kinds() == ["Accepted", "Opened", "Canceled"]
    assert desk.main.available("USD") == desk.main.balance("USD") == 10_000


def test_one_trade_is_made_for_each_price_level(desk: Desk) -> None:
    levels = [desk.level(ASK, rank) for rank in range(3)]
    desk.exchange.deposit(desk.main, "USD", Decimal(10_000_000), desk.now_ns)
    order = desk.order(qty=sum(qty for _, qty in levels), price=levels[-1][0])
    assert [(trade.price, trade.qty) for trade in order.trades] == levels
    assert order.cost == sum(trade.cost for trade in order.trades)


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("fee_in", ["base", "quote", ""])
def test_cost_and_fee_are_rounded_half_up_and_move_the_balances_exactly(
    desk: Desk, side: str, fee_in: str
) -> None:
    opening = dict(desk.main.balances)
    price = desk.level(ASK if side == "buy" else BID)[0]
    order = desk.order(side=side, fee_in=fee_in, price=price, qty=Decimal("0.00712345"))
    (trade,) = order.trades
    assert trade.cost == half_up(trade.qty * trade.price, 4)
    in_base = (fee_in or ("quote" if side == "buy" else "base")) == "base"
    rate = Decimal("0.004")
    assert trade.fee_asset == ("BTC" if in_base else "USD")
    assert trade.fee == (
        half_up(trade.qty * rate, 10) if in_base else half_up(trade.cost * rate, 4)
    )
    assert desk.main.balances == expected(desk.main, opening)
    entries = [desk.main.ledgers.get(ledger_id) for ledger_id in trade.ledger_ids]
    assert [entry.asset for entry in entries if entry] == ["BTC", "USD"]
    assert all(entry.balance == desk.main.balance(entry.asset) for entry in entries if entry)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_happens_trades_add_up_and_nothing_is_made_or_lost(seed: int) -> None:
    desk = Desk("volatile", seed)
    rng = random.Random(seed)
    accounts = [desk.main, desk.account(OTHER_KEY)]
    opening = {account.name: dict(account.balances) for account in accounts}
    for _ in range(400):
        account, symbol = rng.choice(accounts), rng.choice(list(desk.market.pairs))
        side = rng.choice(["buy", "sell"])
        price, there = desk.level(rng.choice([ASK, BID]), rng.randrange(3), symbol)
        listed = desk.market.pairs[symbol].instrument
        step = Decimal(listed.qty_step).scaleb(-listed.qty_precision)
        qty = (there * rng.choice([1, 2, 3]) / rng.choice([1, 5, 20]) // step) * step
        with contextlib.suppress(Refused):
            desk.order(
                account,
                symbol=symbol,
                side=side,
                price=price,
                qty=qty,
                tif=rng.choice(["ioc", "ioc", "gtc"]),
                fee_in=rng.choice(["", "base", "quote"]),
                stp=rng.choice(["cancel_newest", "cancel_oldest", "cancel_both"]),
            )
        desk.play(rng.choice([0.01, 0.5, 2.0]))
        assert all(amount >= 0 for one in accounts for amount in one.balances.values())
        assert all(one.available(code) >= 0 for one in accounts for code in one.balances)
        assert not any(desk.exchange.totals().values())
    assert sum(len(account.trades) for account in accounts) > 100
    assert any(trade.maker for account in accounts for trade in account.trades)
    for account in accounts:
        assert account.balances == expected(account, opening[account.name])
        desk.exchange.cancel_all(account, desk.now_ns)
        assert not account.holds


def test_an_unexplained_drift_shows_in_the_totals(desk: Desk) -> None:
    opening = dict(desk.main.balances)
    desk.order()
    desk.exchange.drift(desk.main, "USD", Decimal("-0.0001"), desk.now_ns)
    assert desk.exchange.totals()["USD"] == Decimal("-0.0001")
    assert desk.main.balances != expected(desk.main, opening)


def test_an_order_for_all_there_is_never_overdraws_the_account() -> None:
    for symbol in ("DOGE/USD", "XRP/USD", "SOL/USD"):
        desk = Desk()
        price = desk.level(ASK, 8, symbol)[0]
        listed = desk.market.pairs[symbol].instrument
        step = Decimal(listed.qty_step).scaleb(-listed.qty_precision)
        qty = desk.main.balance("USD") / price // step * step
        order = desk.order(symbol=symbol, qty=qty, price=price, fee_in="base")
        assert order.filled > 0
        assert desk.main.balance("USD") >= 0
        assert not any(desk.exchange.totals().values())


def test_a_hold_covers_the_limit_price_and_the_fee_in_the_asset_spent(desk: Desk) -> None:
    resting = desk.order(tif="gtc", price=Decimal("50000.0"), fee_in="quote")
    assert desk.main.hold("USD") == Decimal(500) + Decimal(2)
    desk.order(tif="gtc", price=Decimal("40000.0"), fee_in="base")
    assert desk.main.hold("USD") == Decimal(902)
    desk.order(side="sell", tif="gtc", price=Decimal("90000.0"), fee_in="base")
    assert desk.main.hold("BTC") == Decimal("0.01004")
    desk.exchange.cancel(desk.main, order_id=resting.order_id, client_id=None, now_ns=desk.now_ns)
    assert desk.main.hold("USD") == Decimal(400)
    assert desk.words(qty=Decimal("0.2"), price=Decimal("48001.0"), fee_in="base") == (
        "EOrder:Insufficient funds"
    )


def test_a_resting_order_is_filled_by_the_market_as_a_maker(desk: Desk) -> None:
    price = desk.level(BID)[0] + Decimal("0.1")
    order = desk.order(tif="gtc", price=price)
    assert order.status == "open"
    for _ in range(600):
        desk.play(0.5)
        if not order.is_open:
            break
    assert order.status == "closed"
    assert all(trade.maker and trade.price == price for trade in order.trades)
    rate = Decimal("0.0025")
    assert [trade.fee for trade in order.trades] == [
        half_up(trade.cost * rate, 4) for trade in order.trades
    ]
    assert desk.kinds()[-1] == "Filled"


def test_a_resting_order_shows_in_the_book_and_leaves_it_when_cancelled(desk: Desk) -> None:
    price = desk.level(BID)[0] + Decimal("0.1")
    order = desk.order(tif="gtc", price=price, client_id="resting")
    assert desk.level(BID) == (price, Decimal("0.01"))
    done = desk.exchange.cancel(desk.main, order_id=None, client_id="resting", now_ns=desk.now_ns)
    assert [one.order_id for one in done] == [order.order_id]
    assert desk.level(BID)[0] < price
    assert (order.status, order.reason) == ("canceled", "User requested")


def test_book_changes_of_outside_orders_are_told_even_by_a_frozen_market(desk: Desk) -> None:
    desk.market.freeze()
    price = desk.level(BID)[0] + Decimal("0.1")
    desk.order(tif="gtc", price=price)
    changes = desk.market.advance(1)
    assert [(one.symbol, one.side) for one in changes] == [(SYMBOL, "bid")]
    assert desk.market.advance(2) == []


def test_two_accounts_can_trade_with_each_other(desk: Desk) -> None:
    other = desk.account(OTHER_KEY)
    price = desk.level(BID)[0] + Decimal("0.1")
    resting = desk.order(other, tif="gtc", price=price)
    taking = desk.order(side="sell", price=price)
    assert (resting.status, taking.status) == ("closed", "closed")
    assert resting.trades[0].maker
    assert not taking.trades[0].maker
    assert not any(desk.exchange.totals().values())


@pytest.mark.parametrize(
    ("stp", "resting_status", "taking_status"),
    [
        ("cancel_newest", "open", "canceled"),
        ("cancel_oldest", "canceled", "closed"),
        ("cancel_both", "canceled", "canceled"),
    ],
)
def test_an_account_never_trades_with_itself(
    desk: Desk, stp: str, resting_status: str, taking_status: str
) -> None:
    price, _ = desk.level(BID)
    resting = desk.order(tif="gtc", price=price + Decimal("0.1"))
    taking = desk.order(side="sell", price=price, stp=stp)
    assert (resting.status, taking.status) == (resting_status, taking_status)
    assert not resting.trades


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"symbol": "BTC/XYZ"}, "EQuery:Unknown asset pair"),
        ({"side": "hold"}, "EGeneral:Invalid arguments:type"),
        ({"tif": "fok"}, "EGeneral:Invalid arguments:timeinforce"),
        ({"stp": "cancel"}, "EGeneral:Invalid arguments:stptype"),
        ({"fee_in": "usd"}, "EGeneral:Invalid arguments:oflags"),
        ({"qty": Decimal("0.010000001")}, "EGeneral:Invalid arguments:volume"),
        ({"qty": Decimal(0)}, "EGeneral:Invalid arguments:volume"),
        ({"qty": Decimal("NaN")}, "EGeneral:Invalid arguments:volume"),
        ({"qty": Decimal("0.01" + "0" * 40 + "1")}, "EGeneral:Invalid arguments:volume"),
        ({"price": Decimal("60000.05")}, "EOrder:Tick size check failed"),
        ({"symbol": "SOL/USD", "price": Decimal("148.0001")}, "EOrder:Tick size check failed"),
        ({"qty": Decimal("0.00000001")}, "EOrder:Order minimum not met"),
        ({"price": Decimal("0.1")}, "EOrder:Cost minimum not met"),
        ({"qty": Decimal(1)}, "EOrder:Insufficient funds"),
        ({"qty": Decimal(10) ** 9, "price": Decimal(10) ** 9}, "EOrder:Insufficient funds"),
        ({"side": "sell", "qty": Decimal("0.11")}, "EOrder:Insufficient funds"),
        ({"deadline_ns": START}, "EService:Deadline elapsed"),
        ({"client_id": "x" * 19}, "EGeneral:Invalid arguments:cl_ord_id"),
        ({"client_id": "a b"}, "EGeneral:Invalid arguments:cl_ord_id"),
        ({"client_id": "a", "userref": 1}, "EGeneral:Invalid arguments:cl_ord_id"),
    ],
)
def test_a_wrong_order_is_refused_in_the_venues_words(
    desk: Desk, changes: dict[str, Any], words: str
) -> None:
    before = dict(desk.main.balances)
    assert desk.words(**changes) == words
    assert desk.exchange.refusals == {words: 1}
    assert desk.exchange.log.records[-1]["kind"] == "refuse"
    assert (desk.main.balances, desk.main.holds, desk.events) == (before, {}, [])


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("cancel_only", "EService:Market in cancel_only mode"),
        ("post_only", "EService:Market in post_only mode"),
        ("maintenance", "EService:Unavailable"),
        ("work_in_progress", "EService:Unavailable"),
        ("delisted", "EQuery:Unknown asset pair"),
    ],
)
def test_a_pairs_mode_decides_what_it_takes(desk: Desk, status: str, words: str) -> None:
    resting = desk.order(tif="gtc", price=Decimal("50000.0"), client_id="mine")
    desk.market.set_status(SYMBOL, status)
    assert desk.words() == words
    desk.exchange.cancel(desk.main, order_id=None, client_id="mine", now_ns=desk.now_ns)
    assert not resting.is_open
    desk.market.set_status(SYMBOL, "limit_only")
    assert desk.order().status == "closed"


def test_an_engine_in_maintenance_neither_takes_nor_cancels(desk: Desk) -> None:
    resting = desk.order(tif="gtc", price=Decimal("50000.0"))
    desk.market.set_system("maintenance")
    assert desk.words() == "EService:Unavailable"
    with pytest.raises(Refused, match="EService:Unavailable"):
        desk.exchange.cancel(
            desk.main, order_id=resting.order_id, client_id=None, now_ns=desk.now_ns
        )
    assert resting.is_open


def test_a_client_id_must_be_unique_among_open_orders_only(desk: Desk) -> None:
    desk.order(client_id="again")
    desk.order(client_id="again")  # the first has ended: no idempotency for IOC
    desk.order(client_id="rests", tif="gtc", price=Decimal("50000.0"))
    assert desk.words(client_id="rests") == "EGeneral:Invalid arguments:cl_ord_id"
    assert desk.order(desk.account(OTHER_KEY), client_id="rests").status == "closed"


def test_validate_checks_everything_and_places_nothing(desk: Desk) -> None:
    assert desk.words(validate=True, qty=Decimal(1)) == "EOrder:Insufficient funds"
    order = desk.order(validate=True)
    assert order.order_id == ""
    assert not desk.main.open_orders
    assert not desk.main.holds
    assert not len(desk.main.closed)
    assert desk.events == []


def test_the_engine_counter_lets_sixty_orders_through_and_drains_one_a_second(
    desk: Desk,
) -> None:
    low = Decimal("50000.0")
    for _ in range(60):
        desk.exchange.add_order(desk.main, desk.ask(price=low), START)
    with pytest.raises(Refused, match="EOrder:Rate limit exceeded"):
        desk.exchange.add_order(desk.main, desk.ask(price=low), START)
    desk.exchange.add_order(desk.main, desk.ask(symbol="BTC/EUR", price=low), START)
    desk.exchange.add_order(desk.main, desk.ask(price=low), START + S)
    assert desk.exchange.refusals["EOrder:Rate limit exceeded"] == 1


@pytest.mark.parametrize(("age_s", "cost"), [(0, 8), (7, 6), (12, 5), (30, 4), (60, 2), (100, 1)])
def test_a_cancel_costs_more_the_younger_the_order(desk: Desk, age_s: int, cost: int) -> None:
    order = desk.order(tif="gtc", price=Decimal("50000.0"))
    now_ns = desk.now_ns + age_s * S
    before = desk.exchange.engine_level(desk.main, SYMBOL, now_ns)
    desk.exchange.cancel(desk.main, order_id=order.order_id, client_id=None, now_ns=now_ns)
    assert desk.exchange.engine_level(desk.main, SYMBOL, now_ns) == before + cost


def test_the_open_orders_of_a_pair_are_limited_by_the_tier(desk: Desk) -> None:
    for _ in range(60):
        desk.play(1.0)
        desk.order(tif="gtc", price=Decimal("5000.0"), qty=Decimal("0.001"))
    desk.play(5.0)
    assert desk.words(price=Decimal("5000.0"), qty=Decimal("0.001")) == (
        "EOrder:Orders limit exceeded"
    )


def test_cancelling_what_is_not_open_is_refused_and_logged(desk: Desk) -> None:
    done = desk.order(client_id="done")
    for order_id, client_id in ((done.order_id, None), (None, "done"), ("O", None)):
        with pytest.raises(Refused, match="EOrder:Unknown order"):
            desk.exchange.cancel(
                desk.main, order_id=order_id, client_id=client_id, now_ns=desk.now_ns
            )
    theirs = desk.order(desk.account(OTHER_KEY), tif="gtc", price=Decimal("50000.0"))
    with pytest.raises(Refused, match="EOrder:Unknown order"):
        desk.exchange.cancel(
            desk.main, order_id=theirs.order_id, client_id=None, now_ns=desk.now_ns
        )
    assert theirs.is_open


def test_the_dead_mans_switch_cancels_once_and_zero_disarms_it(desk: Desk) -> None:
    low = Decimal("50000.0")
    first = desk.order(tif="gtc", price=low)
    theirs = desk.order(desk.account(OTHER_KEY), tif="gtc", price=low)
    desk.exchange.cancel_all_after(desk.main, 60, desk.now_ns)
    desk.exchange.cancel_all_after(desk.main, 0, desk.now_ns)
    desk.play(61)
    assert first.is_open
    _, fires_ns = desk.exchange.cancel_all_after(desk.main, 60, desk.now_ns)
    assert fires_ns == desk.now_ns + 60 * S
    desk.play(59)
    assert first.is_open
    desk.play(1)
    assert (first.status, theirs.status) == ("canceled", "open")
    second = desk.order(tif="gtc", price=low)
    desk.play(120)
    assert second.is_open
    with pytest.raises(Refused, match="timeout"):
        desk.exchange.cancel_all_after(desk.main, 86_401, desk.now_ns)


def test_deposits_and_withdrawals_are_ledger_entries(desk: Desk) -> None:
    entry = desk.exchange.deposit(desk.main, "USD", Decimal("12.34567"), desk.now_ns)
    assert (entry.type, entry.amount, entry.balance) == (
        "deposit",
        Decimal("12.3457"),
        Decimal("10012.3457"),
    )
    entry = desk.exchange.withdraw(desk.main, "USD", Decimal(10_000), desk.now_ns)
    assert (entry.type, entry.balance) == ("withdrawal", Decimal("12.3457"))
    assert desk.kinds() == ["BalanceChanged", "BalanceChanged"]
    with pytest.raises(Refused, match="EFunding:Insufficient funds"):
        desk.exchange.withdraw(desk.main, "USD", Decimal(13), desk.now_ns)
    with pytest.raises(ValueError, match="no asset"):
        desk.exchange.deposit(desk.main, "XYZ", Decimal(1), desk.now_ns)
    assert not any(desk.exchange.totals().values())


def test_a_flat_fee_holds_for_every_pair_and_both_sides() -> None:
    desk = Desk(taker_fee_bps=Decimal("1.5"))
    order = desk.order()
    assert order.fee == half_up(order.cost * Decimal("0.00015"), 4)
    order = desk.order(symbol="EUR/USD", qty=Decimal(100), price=desk.level(ASK, 0, "EUR/USD")[0])
    assert order.fee == half_up(order.cost * Decimal("0.00015"), 4)
    with pytest.raises(ValueError, match="taker fee"):
        Desk(taker_fee_bps=Decimal(-1))


def test_the_ladders_fee_falls_with_thirty_days_volume_and_flat_pairs_do_not_count() -> None:
    desk = Desk(balances={"USD": Decimal(1_000_000)})
    euro = desk.level(ASK, 0, "EUR/USD")[0]
    assert desk.order(symbol="EUR/USD", qty=Decimal(100), price=euro).fee > 0
    assert desk.main.volume_usd(desk.now_ns) == 0
    while desk.main.volume_usd(desk.now_ns) < 10_000:
        assert desk.order(qty=Decimal("0.05"), price=desk.level(ASK, 5)[0]).filled > 0
    order = desk.order()
    assert order.fee == half_up(order.cost * Decimal("0.0035"), 4)
    assert desk.main.volume_usd(desk.now_ns + 31 * 86_400 * S) == 0


def test_balances_can_be_chosen_and_must_be_of_listed_assets() -> None:
    desk = Desk(balances={"SOL": Decimal(5)})
    assert (desk.main.balance("SOL"), desk.main.balance("USD")) == (Decimal(5), ZERO)
    with pytest.raises(ValueError, match="no asset XYZ"):
        Desk(balances={"XYZ": Decimal(5)})
    with pytest.raises(ValueError, match="tier"):
        Desk(tier="gold")


class Trouble(Hooks):
    """Every hook at once, each off unless asked for."""

    def __init__(self) -> None:
        self.delay_ns = 0
        self.share = Decimal(1)
        self.beyond = Decimal(0)
        self.third = ""

    def accept_delay_ns(self, order: VenueOrder) -> int:
        return self.delay_ns

    def fill_share(self, order: VenueOrder) -> Decimal:
        return self.share

    def overfill(self, order: VenueOrder) -> Decimal:
        return self.beyond

    def fee_asset(self, order: VenueOrder) -> str:
        return self.third


@pytest.fixture
def trouble(desk: Desk) -> Trouble:
    hooks = Trouble()
    desk.exchange.hooks = hooks
    return hooks


def test_a_delayed_order_is_pending_until_due_and_a_cancel_can_win(
    desk: Desk, trouble: Trouble
) -> None:
    trouble.delay_ns = S
    late = desk.order()
    assert late.status == "pending"
    assert desk.kinds() == ["Accepted"]
    desk.play(0.9)
    assert late.status == "pending"
    desk.exchange.tick(desk.now_ns + S)
    assert not late.is_open
    lost = desk.order()
    desk.exchange.cancel(desk.main, order_id=lost.order_id, client_id=None, now_ns=desk.now_ns)
    desk.exchange.tick(desk.now_ns + 2 * S)
    assert (lost.status, lost.filled) == ("canceled", ZERO)


@pytest.mark.parametrize(("share", "filled"), [("0.5", "0.005"), ("0", "0")])
def test_an_ioc_can_be_made_to_fill_in_part_or_not_at_all(
    desk: Desk, trouble: Trouble, share: str, filled: str
) -> None:
    trouble.share = Decimal(share)
    order = desk.order()
    assert (order.status, order.filled) == ("canceled", Decimal(filled))


def test_an_overfill_is_booked_as_reported(desk: Desk, trouble: Trouble) -> None:
    trouble.beyond = Decimal("0.002")
    order = desk.order()
    assert (order.status, order.filled) == ("closed", Decimal("0.012"))
    assert desk.main.balance("BTC") == Decimal("0.112")
    assert not any(desk.exchange.totals().values())


def test_a_fee_in_a_third_asset_is_an_entry_of_its_own(desk: Desk, trouble: Trouble) -> None:
    trouble.third = "ETH"
    opening = dict(desk.main.balances)
    order = desk.order()
    (trade,) = order.trades
    assert (trade.fee_asset, len(trade.ledger_ids)) == ("ETH", 3)
    assert desk.main.balance("ETH") == 3 - trade.fee < 3
    assert desk.main.balances == expected(desk.main, opening)
    assert not any(desk.exchange.totals().values())


def test_events_carry_the_totals_of_their_moment(desk: Desk) -> None:
    levels = [desk.level(ASK, rank) for rank in range(2)]
    desk.exchange.deposit(desk.main, "USD", Decimal(10_000_000), desk.now_ns)
    order = desk.order(qty=levels[0][1] + levels[1][1], price=levels[1][0])
    traded = [event for event in desk.events if isinstance(event, Traded)]
    assert [event.cum_qty for event in traded] == [levels[0][1], order.qty]
    changed = [event for event in desk.events if isinstance(event, BalanceChanged)]
    assert changed[-1].balance == desk.main.balance("USD")
    assert isinstance(desk.events[1], Accepted)
    assert isinstance(desk.events[2], Opened)
    assert isinstance(desk.events[-1], Filled)
