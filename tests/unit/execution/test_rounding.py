"""What the venue's ledger rounds of our trades: booked once, to the last digit, and no more."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbit.domain.account import AccountStreamBack, AccountStreamLost, BalanceSeen, Flow
from arbit.domain.order import OrderState, Trade
from arbit.domain.records import Book, JournalFailed, Posting
from arbit.domain.triangle import Side
from arbit.execution.cycle import Cycle, WorkingOrder
from arbit.execution.rounding import rounded
from arbit.ledger import Ledger, trade_postings
from arbit.risk.breaker import BreakerState, Reason
from tests.unit.execution.happenings import audit, pass_time, take
from tests.unit.execution.world import Script, World
from tests.unit.persistence import made

D = Decimal
DIGITS = {"USD": 2, "BTC": 4, "ETH": 4}
MODES = (ROUND_DOWN, ROUND_HALF_UP, ROUND_FLOOR, ROUND_CEILING)


def cut(amount: Decimal, asset: str, mode: str = ROUND_DOWN) -> Decimal:
    return amount.quantize(D(1).scaleb(-DIGITS[asset]), mode)


def rows_of(trade: Trade, *modes: str) -> list[Flow]:
    """The venue's ledger of a trade: base and quote, each amount and fee rounded by itself."""
    base, quote = trade.symbol.split("/")
    chosen = iter(modes or (ROUND_DOWN,) * 4)
    sign, fees = (1 if trade.side is Side.BUY else -1), dict(trade.fees)
    found = []
    for asset, moved in ((base, sign * trade.qty), (quote, -sign * trade.cost)):
        fee = cut(fees.get(asset, D(0)), asset, next(chosen))
        amount = cut(moved, asset, next(chosen)) - fee
        ref = f"L-{trade.trade_id}-{asset}"
        named = (ref, asset, amount, "trade", trade.at_ns)
        found.append(Flow(*named, trade_id=trade.trade_id, digits=DIGITS[asset]))
    return found


def lists(world: World, *trades: Trade) -> list[Flow]:
    """The venue keeps less of these trades than they state, and lists what it keeps."""
    found = []
    for trade in trades:
        base, quote = trade.symbol.split("/")
        for row in rows_of(trade):
            stated = sum(a for asset, a in trade.moves(base, quote) if asset == row.asset)
            world.venue.balances_[row.asset] += row.amount - stated
            found.append(row)
    world.venue.flows += found
    return found


def roundings(world: World) -> list[Posting]:
    return [one for one in world.journal.postings if one.kind == "rounding"]


def balanced(world: World) -> None:
    world.ledger.check()
    for asset, amount in world.venue.balances_.items():
        assert world.ledger.wallet(asset) == amount, asset


async def traded(*scripts: Script) -> World:
    """A world that has traded odd amounts once, of which the venue keeps less."""
    world = World(*scripts)
    async with world.running():
        world.engine.take(world.plan("149.337717"), world.clock.now_ns)
        await pass_time(world, 5)
    assert not world.engine.open_cycles
    assert len(world.venue.trades) == 3
    return world


# --- pure ----------------------------------------------------------------------------------------


def test_a_recorded_trade_is_rounded_to_what_a_balance_keeps() -> None:
    """A cost of 10.12445 and a fee of 0.04051 (recorded frames), with four decimals kept."""
    sale = Trade(
        "T1", "O1", "", "BTC/USD", Side.SELL, D("0.00016"), D("63377.2"), D("10.12445"),
        (("USD", D("0.04051")),), 5,
    )  # fmt: skip
    ours = {"BTC": D("-0.00016"), "USD": D("10.08394")}
    for amount, fee, off in (
        ("10.1244", "0.0405", "-0.00004"),
        ("10.1245", "0.0405", "0.00006"),
        ("10.1244", "0.0406", "-0.00014"),
    ):
        net = D(amount) - D(fee)
        row = Flow("L1", "USD", net, "trade", 5, trade_id="T1", digits=4)
        found = rounded([row], {"T1": ours}, {"USD": 4})
        assert found.settled == {"L1"}
        assert [(one.book, one.amount) for one in found.postings] == [
            (Book.WALLET, D(off)),
            (Book.CAPITAL, -D(off)),
        ]
        assert {(one.ref, one.kind, one.asset) for one in found.postings} == {
            ("T1", "rounding", "USD")
        }
    assert sale.moves("BTC", "USD")[1][1] - sale.fees[0][1] == ours["USD"]


@pytest.mark.parametrize(
    ("off", "is_rounding"),
    [("0.000199", True), ("-0.000199", True), ("0.0002", False), ("-0.0002", False), ("5", False)],
)
def test_a_unit_of_the_last_digit_for_each_figure_is_no_rounding_any_more(
    off: str, is_rounding: bool
) -> None:
    row = Flow("L1", "USD", D(10) + D(off), "trade", 5, trade_id="T1")
    found = rounded([row], {"T1": {"USD": D(10)}}, {"USD": 4})
    assert bool(found.postings) is bool(found.settled) is is_rounding


def test_what_is_not_known_stays_as_it_is() -> None:
    row = Flow("L1", "USD", D("10.0000"), "trade", 5, trade_id="T1")
    assert rounded([row], {}, {"USD": 4}).settled == frozenset()  # not a trade of ours, or not yet
    assert rounded([row], {"T1": {"USD": D("10.00001")}}, {}).settled == frozenset()
    exact = rounded([row], {"T1": {"USD": D(10)}}, {"USD": 4})
    assert not exact.postings
    assert exact.settled == {"L1"}


odd = st.decimals("0.0000001", "1000", places=9)


@given(
    qty=odd,
    cost=odd,
    fee=odd,
    side=st.sampled_from(Side),
    fee_in=st.sampled_from(["BTC", "USD"]),
    modes=st.lists(st.sampled_from(MODES), min_size=4, max_size=4),
)
def test_however_the_venue_rounds_the_wallet_is_what_its_ledger_says(
    qty: Decimal, cost: Decimal, fee: Decimal, side: Side, fee_in: str, modes: list[str]
) -> None:
    fees = ((fee_in, fee),)
    trade = Trade("T1", "O1", "", "BTC/USD", side, qty, D(1), cost, fees, 5)
    ledger = Ledger()
    ledger.apply(trade_postings(trade, "BTC", "USD"))
    ours = {"T1": {asset: ledger.wallet(asset) for asset in ("BTC", "USD")}}
    rows = rows_of(trade, *modes)
    found = rounded(rows, ours, DIGITS)
    ledger.apply(found.postings)
    ledger.check()
    assert found.settled == {row.ref for row in rows}
    assert {row.asset: ledger.wallet(row.asset) for row in rows} == {
        row.asset: row.amount for row in rows
    }
    deviation = {asset: ledger.deviation(asset) for asset in ("BTC", "USD")}
    assert deviation == ours["T1"], "what was rounded is no position of trading"


# --- audits --------------------------------------------------------------------------------------


async def test_an_audit_books_what_was_rounded_once_and_asks_nothing_more_for_it() -> None:
    world = await traded()
    lists(world, *world.venue.trades)
    async with world.running():
        await audit(world)
        balanced(world)
        assert world.breaker.state() is BreakerState.ACTIVE
        before = roundings(world)
        assert {one.ref for one in before} == {one.trade_id for one in world.venue.trades}
        await audit(world)
    assert roundings(world) == before
    later = World(before=world, epoch="00001")
    async with later.running():
        await later.recover()
    assert roundings(later) == before
    balanced(later)


async def test_a_run_that_was_cut_off_before_it_booked_it_leaves_it_to_the_next() -> None:
    first = await traded()
    lists(first, *first.venue.trades)
    for epoch in ("00001", "00002"):
        later = World(before=first, epoch=epoch)
        async with later.running():
            await later.recover()
        balanced(later)
        assert later.breaker.state() is BreakerState.ACTIVE
    per_asset = [(one.ref, one.asset) for one in roundings(first) if one.book is Book.WALLET]
    assert len(per_asset) == len(set(per_asset)) > 0


async def test_many_cycles_do_not_drift() -> None:
    world = World()
    async with world.running():
        for number in range(12):
            known = len(world.venue.trades)
            world.engine.take(world.plan(f"{100 + number}.731"), world.clock.now_ns)
            await pass_time(world, 5)
            lists(world, *world.venue.trades[known:])
            if number % 4 == 3:
                await audit(world)
                balanced(world)
    assert world.breaker.state() is BreakerState.ACTIVE
    assert world.engine.ends == {"done": 12}


async def test_rows_that_come_five_seconds_late_are_no_drift() -> None:
    world = await traded()
    late = lists(world, *world.venue.trades)
    world.venue.flows.clear()
    async with world.running():
        looking = asyncio.ensure_future(world.auditor.reconcile())
        await world.clock.advance(4)  # a second of quiet came before
        world.venue.flows += late
        await world.clock.advance(4)
        await looking
    balanced(world)
    assert world.breaker.state() is BreakerState.ACTIVE


async def test_a_unit_more_than_rounding_is_drift() -> None:
    world = await traded()
    rows = lists(world, *world.venue.trades)
    spot = next(n for n, row in enumerate(rows) if row.asset == "USD")
    world.venue.flows[spot] = replace(rows[spot], amount=rows[spot].amount + D("0.1000"))
    world.venue.balances_["USD"] += D("0.1000")
    async with world.running():
        await audit(world)
    assert world.breaker.reason is Reason.DRIFT
    assert "USD" in world.breaker.detail
    assert rows[spot].trade_id not in {
        one.ref for one in roundings(world) if one.asset == "USD"
    }, "nothing of it is called rounding"


@given(
    qtys=st.lists(odd, min_size=1, max_size=3),
    fee=st.decimals("0", "0.00000009", places=11),
    modes=st.lists(st.sampled_from(MODES), min_size=4, max_size=4),
)
def test_the_next_leg_spends_no_more_than_the_venue_keeps_however_it_rounds(
    qtys: list[Decimal], fee: Decimal, modes: list[str]
) -> None:
    trades = [
        replace(made.trade(f"t{n}", "o1"), qty=qty, cost=qty * 7, fees=(("BTC", fee),))
        for n, qty in enumerate(qtys)
    ]
    first = WorkingOrder(made.order("o1", "c1", OrderState.FILLED), tuple(trades))
    cycle = Cycle(made.cycle("c1"), (first,))
    kept = sum(rows_of(trade, *modes)[0].amount for trade in trades)
    sure = cycle.surely("BTC", DIGITS["BTC"])
    assert sure <= kept
    assert cut(sure, "BTC") == sure, "an order for all of it needs no digit more"
    assert cycle.has("BTC") - sure < 2 * len(trades) * D("0.0001")
    assert cycle.surely("BTC", None) == cycle.has("BTC")


@pytest.mark.parametrize("home", [False, True])
async def test_a_leg_and_a_way_home_are_sized_from_what_the_venue_surely_keeps(home: bool) -> None:
    world = World(Script(fraction=D("0.5")), Script(shape="reject" if home else "ok"))
    for name, one in world.sights.markets.items():
        world.sights.markets[name] = replace(one, base_digits=1, quote_digits=1)
    async with world.running():
        assert take(world) is None
        await pass_time(world, 10)
    bought = world.venue.trades[0]
    fee = dict(bought.fees)["BTC"]
    surely = bought.qty.quantize(D("0.1"), ROUND_DOWN) - fee.quantize(D("0.1"), ROUND_CEILING)
    spends = [sent for sent in world.venue.sent[1:] if sent.leg.spend == "BTC"]
    assert len(spends) == 1 + home
    for sent in spends:
        assert surely - D("0.1") < sent.most_spent <= surely


# --- the account's stream ------------------------------------------------------------------------


def hear(world: World, rows: list[Flow]) -> None:
    """The stream tells each row when it is made; it does not say how many decimals are kept."""
    for row in rows:
        told = replace(row, digits=None)
        world.auditor(BalanceSeen(row.asset, D(0), "trade", row.trade_id, row.amount, told))


async def test_what_the_stream_tells_is_booked_without_a_question_and_not_again_from_a_list() -> (
    None
):
    world = World()
    async with world.running():
        world.venue.digits_ = dict(DIGITS)
        await audit(world)  # which says how many decimals the venue keeps of each asset
        audits = world.auditor.audits
        assert take(world) is None
        await pass_time(world, 5)
        rows = lists(world, *world.venue.trades)
        hear(world, rows)
        world.auditor.round_off()
        balanced(world)
        assert world.auditor.audits == audits
        before = roundings(world)
        assert before
        hear(world, rows)  # told again, after a reconnection say
        world.auditor.round_off()
        await audit(world)
    assert roundings(world) == before
    assert world.breaker.state() is BreakerState.ACTIVE
    balanced(world)


@pytest.mark.parametrize("why", ["nothing", "lost", "deaf", "digits", "orders"])
async def test_a_run_is_behind_while_not_all_of_its_orders_was_heard_and_booked(why: str) -> None:
    world = World()
    auditor = world.auditor
    if why != "deaf":
        auditor(AccountStreamBack())
    async with world.running():
        world.venue.digits_ = {} if why == "digits" else dict(DIGITS)
        await pass_time(world, 2)
        await audit(world)
        assert not auditor.behind
        if why != "orders":
            assert take(world) is None
            await pass_time(world, 5)
            hear(world, lists(world, *world.venue.trades))
        if why == "lost":
            auditor(AccountStreamLost("gone"))
            auditor(AccountStreamBack())
        auditor.round_off()
        assert auditor.behind is (why in {"lost", "deaf", "digits"})
        world.venue.digits_ = dict(DIGITS)
        await audit(world)
        balanced(world)
        assert not auditor.behind


async def test_rows_of_a_trade_that_is_not_posted_yet_wait_for_it() -> None:
    world = World(Script(), Script(shape="lost_after", asks=3))
    async with world.running():
        world.venue.digits_ = dict(DIGITS)
        await audit(world)
        assert take(world) is None
        hear(world, lists(world, *world.venue.trades))
        world.auditor.round_off()
        assert roundings(world) == []
        known = len(world.venue.trades)
        await pass_time(world, 30)
        hear(world, lists(world, *world.venue.trades[known:]))
        world.auditor.round_off()
        balanced(world)


async def test_what_cannot_be_looked_up_now_is_booked_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    async with world.running():
        world.venue.digits_ = dict(DIGITS)
        await audit(world)
        assert take(world) is None
        await pass_time(world, 5)
        hear(world, lists(world, *world.venue.trades))
        with monkeypatch.context() as patch:
            patch.setattr(world.journal, "wallet_moves", broken)
            world.auditor.round_off()
        assert roundings(world) == []
        world.auditor.round_off()
        balanced(world)


def broken(_: object) -> None:
    raise JournalFailed("damaged")
