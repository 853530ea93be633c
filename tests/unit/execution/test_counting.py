"""Balances first, counts next, lists last: what a look costs, and what none of it may miss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from arbit.config import RateTier
from arbit.domain.account import AccountStreamBack, AccountStreamLost, Flow, TradeSeen
from arbit.domain.errors import VenueUnreachable
from arbit.domain.records import Batch, Flag
from arbit.execution.audit import Auditor
from arbit.execution.counting import COUNTED, EVERY_NS, HEARD, LAG_NS
from arbit.risk.breaker import BreakerState, Reason
from arbit.sandbox import limits
from arbit.venues.clockoffset import OffsetTracker
from arbit.venues.kraken.budgets import RequestBudget
from arbit.venues.kraken.reads import KrakenReads
from tests.unit.execution.happenings import audit, balanced, by_hand, incidents, pass_time
from tests.unit.execution.world import Script, ScriptedVenue, World, usual_settings
from tests.unit.venues.kraken.books_of_account import ASSETS, PAIRS, Public

D = Decimal
SECOND_NS = 1_000_000_000
LONG_S = EVERY_NS / SECOND_NS + 1


def end_cleanly(world: World) -> None:
    """What an orderly end leaves when all of the run was heard."""
    assert world.auditor.settled
    now_ns = world.clock.wall_ns()
    world.journal.write(Batch(flags=(Flag(HEARD, str(now_ns), now_ns),)))


def settled(world: World) -> bool:
    """Whether the next start could do without lists."""
    return world.auditor.settled


async def ended(*, cleanly: bool = True) -> World:
    """A run that traded, found its books equal, and is over since a minute."""
    world = World()
    async with world.running():
        await world.auditor.begin(0, first=False)
        world.auditor(AccountStreamBack())
        await world.trade()
        if cleanly:
            await audit(world)
            end_cleanly(world)
    await world.clock.advance(60)
    world.venue.listings = world.venue.countings = 0
    return world


async def start_again(before: World, **risk: Any) -> World:
    """The next start, until it has recovered."""
    world = World(before=before, epoch="00001", settings=usual_settings(**risk))
    async with world.running():
        await world.recover()
    return world


def cost_nothing(world: World) -> None:
    """Whatever somebody did, it adds up to nothing: equal balances do not show it."""
    assert all(world.ledger.wallet(a) == b for a, b in world.venue.balances_.items())


# --- a start -----------------------------------------------------------------------------------


async def test_a_start_after_a_clean_end_lists_nothing() -> None:
    second = await start_again(await ended())
    assert (second.venue.listings, second.venue.countings) == (0, 1)
    assert second.breaker.state() is BreakerState.ACTIVE


async def test_a_start_after_a_cut_lists_what_may_not_have_been_heard() -> None:
    second = await start_again(await ended(cleanly=False))
    assert second.venue.listings == 1
    second.agrees()


async def test_trades_that_cancel_out_while_nobody_listened_are_found_at_the_start() -> None:
    first = await ended()
    before = dict(first.venue.balances_)
    by_hand(first)
    by_hand(first, "T-back")
    first.venue.balances_ |= before  # the second gave back what the first had cost
    first.venue.flows.clear()
    await first.clock.advance(60)
    cost_nothing(first)
    second = await start_again(first)
    assert second.breaker.reason is Reason.FOREIGN
    assert incidents(second) == ["foreign", "foreign"]


async def test_flows_that_cancel_out_while_nobody_listened_are_booked_at_the_start() -> None:
    first = await ended()
    at_ns = first.clock.wall_ns()
    first.venue.flows += [
        Flow("L-in", "USD", D(500), "deposit", at_ns),
        Flow("L-out", "USD", D(-500), "withdrawal", at_ns + 1),
    ]
    await first.clock.advance(60)
    cost_nothing(first)
    second = await start_again(first)
    assert {p.ref for p in second.journal.postings if p.kind == "flow"} == {"L-in", "L-out"}
    balanced(second)
    again = await start_again(second)
    assert again.venue.listings == second.venue.listings == 1, "what is booked is counted"


async def test_a_trade_of_ours_that_a_flow_balances_is_booked_at_the_start() -> None:
    first = await ended()
    sold = first.venue._trade(first.venue.sent[0], D("0.01"), "T-late", Script())
    first.venue.trades.append(sold)
    for number, (asset, amount) in enumerate(sold.moves("BTC", "USD")):
        back = Flow(f"L-{number}", asset, -amount, "adjustment", first.clock.wall_ns())
        first.venue.flows.append(back)
        first.venue.balances_[asset] -= amount
    await first.clock.advance(60)
    cost_nothing(first)
    second = await start_again(first)
    assert "T-late" in second.journal.trades
    second.agrees()


async def test_an_older_journal_that_says_nothing_of_all_this_lists_as_before() -> None:
    first = await ended()
    first.journal.flags.clear()
    assert (await start_again(first)).venue.listings == 1


async def test_a_restored_backup_is_found_out_although_balances_are_what_they_were() -> None:
    first = await ended()
    kept = dict(first.venue.balances_)
    by_hand(first)  # what came after the backup, as if it were nobody's
    first.venue.balances_ |= kept
    first.venue.flows.clear()
    await first.clock.advance(3_600)
    assert "foreign" in incidents(await start_again(first))


# --- at work -----------------------------------------------------------------------------------


async def listening(world: World) -> None:
    await world.auditor.begin(0, first=False)
    world.auditor(AccountStreamBack())
    await audit(world)
    world.venue.listings = world.venue.countings = 0


async def test_equal_balances_are_one_question_and_a_difference_is_listed() -> None:
    world = World()
    async with world.running():
        await listening(world)
        await world.trade()
        for _ in range(3):
            await audit(world)
        assert (world.venue.listings, world.venue.countings) == (0, 0)
        world.venue.balances_["USD"] += 50
        world.venue.flows.append(Flow("L-1", "USD", D(50), "deposit", world.clock.wall_ns()))
        await audit(world)
        assert world.venue.listings == 1
        balanced(world)


@pytest.mark.parametrize("early", [True, False])
async def test_every_ten_minutes_what_cancels_out_is_found_by_its_count(early: bool) -> None:
    world = World()
    async with world.running():
        await listening(world)
        await pass_time(world, LONG_S, 10)
        now_ns = world.clock.wall_ns()
        at_ns = now_ns - LAG_NS - SECOND_NS if early else now_ns - SECOND_NS
        world.venue.flows += [
            Flow("L-in", "BTC", D(1), "deposit", at_ns),
            Flow("L-out", "BTC", D(-1), "withdrawal", at_ns),
        ]
        await audit(world)
        assert (world.venue.countings, world.venue.listings) == (1, int(early))
        await pass_time(world, LONG_S, 10)  # the newest is left for the next time
        await audit(world)
        assert world.venue.listings == 1
        assert {p.ref for p in world.journal.postings if p.kind == "flow"} == {"L-in", "L-out"}


async def test_trading_stops_when_nobody_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(*_: object) -> Any:
        raise VenueUnreachable("no answer")

    world = World()
    async with world.running():
        await listening(world)
        monkeypatch.setattr(ScriptedVenue, "counts", silent)
        await pass_time(world, LONG_S, 10)
        with pytest.raises(VenueUnreachable):
            await world.auditor.reconcile()
        assert world.auditor.overdue() != "", "equal balances alone are no look any more"


async def test_a_gap_while_orders_left_lists_what_was_not_heard() -> None:
    world = World()
    async with world.running():
        await listening(world)
        world.auditor(AccountStreamLost("gone"))
        await world.trade()
        world.auditor(AccountStreamBack())
        assert not settled(world)
        await audit(world)
        assert world.venue.listings == 1
        assert settled(world)
        await audit(world)
        assert world.venue.listings == 1


async def test_a_strangers_trade_is_listed_although_it_is_told_and_even_if_it_fails_at_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(settings=usual_settings(halt_on_foreign_orders=False))

    async def silent(*_: object) -> Any:
        raise VenueUnreachable("no answer")

    async with world.running():
        await listening(world)
        await world.trade()
        await audit(world)
        before = dict(world.venue.balances_)
        trade = by_hand(world)
        world.venue.balances_ |= before
        world.venue.flows.clear()
        world.auditor(TradeSeen(trade))
        assert not settled(world)
        with monkeypatch.context() as patch:
            patch.setattr(ScriptedVenue, "flows_since", silent)
            with pytest.raises(VenueUnreachable):
                await world.auditor.reconcile()
        await audit(world)
        assert world.venue.listings == 1
        assert incidents(world) == ["foreign"]


async def test_what_an_operator_accepts_is_listed_first() -> None:
    world = World()
    async with world.running():
        await listening(world)
        world.auditor.accept_balances = True
        await audit(world)
        assert world.venue.listings == 1
        assert world.auditor.overdue() == "", "and the word is used up"


# --- what it costs -----------------------------------------------------------------------------


class Metered:
    """The venue's REST side on the starter tier: its own counter, and ours that waits for it."""

    def __init__(self, venue: ScriptedVenue) -> None:
        self.venue, self.clock = venue, venue.clock
        starter = limits.TIERS["starter"]
        self.counter = limits.Counters(starter.rest_max, starter.rest_per_s)
        self.budget = RequestBudget(RateTier.STARTER)
        self.spent = 0

    async def ask(
        self, name: str, params: Mapping[str, str] | None = None, *, reserved: bool = False
    ) -> Any:
        cost = limits.REST_COSTS.get(name, 1)
        while wait_ns := self.budget.wait_ns(cost, self.clock.now_ns, reserved=reserved):
            await self.clock.sleep(wait_ns / SECOND_NS)
        self.budget.spend(cost, self.clock.now_ns)
        assert self.counter.take("key", cost, self.clock.now_ns), "the venue says no"
        self.spent += cost
        return getattr(self, f"_{name.lower()}")(params or {})

    def _openorders(self, _: Mapping[str, str]) -> Any:
        return {"open": {}}

    def _balanceex(self, _: Mapping[str, str]) -> Any:
        return {a: {"balance": str(b)} for a, b in self.venue.balances_.items()}

    def _queryorders(self, params: Mapping[str, str]) -> Any:
        return {one: {"cl_ord_id": "", "oflags": "fcib"} for one in params["txid"].split(",")}

    def _tradeshistory(self, params: Mapping[str, str]) -> Any:
        assert params["consolidate_taker"] == "false"
        rows = {
            t.trade_id: (t.at_ns, {"ordertxid": t.order_id, "pair": t.symbol} | row_of(t))
            for t in self.venue.trades
        }
        return paged("trades", rows, params)

    def _ledgers(self, params: Mapping[str, str]) -> Any:
        rows = {}
        for trade in self.venue.trades:
            for number, (asset, amount) in enumerate(trade.moves(*trade.symbol.split("/"))):
                row = {"type": "trade", "asset": asset, "amount": f"{amount:f}", "fee": "0"}
                row |= {"refid": trade.trade_id, "time": seconds(trade.at_ns)}
                rows[f"L-{trade.trade_id}-{number}"] = (trade.at_ns, row)
        kind = params.get("type", "all")
        kept = {ref: one for ref, one in rows.items() if kind in {"all", one[1]["type"]}}
        return paged("ledger", kept, params)


def row_of(trade: Any) -> dict[str, Any]:
    return {
        "type": trade.side.value,
        "vol": f"{trade.qty:f}",
        "price": f"{trade.price:f}",
        "cost": f"{trade.cost:f}",
        "fee": "0",
        "time": seconds(trade.at_ns),
    }


def seconds(at_ns: int) -> str:
    return f"{D(at_ns) / SECOND_NS:.9f}"


def paged(key: str, rows: Mapping[str, tuple[int, Any]], params: Mapping[str, str]) -> Any:
    """A list as the venue pages it: what is in the window, newest first, fifty at a time."""
    after_ns = int(D(params["start"]) * SECOND_NS)
    until_ns = int(D(params.get("end", "9000000000")) * SECOND_NS)
    inside = [(ref, row) for ref, (at_ns, row) in rows.items() if after_ns < at_ns <= until_ns]
    begin = int(params.get("ofs", "0"))
    return {key: dict(inside[::-1][begin : begin + 50]), "count": len(inside)}


class Names(Public):
    """Public lists in which codes and names are the same."""

    async def ask(self, method: str, *_: Any) -> Any:
        answer = await super().ask(method)
        if method == "publicGetAssets":
            names = {a: {"altname": a, "decimals": 10} for a in ("USD", "BTC", "ETH")}
            return replace(answer, body={"error": [], "result": ASSETS | names})
        usd = PAIRS["XXBTZUSD"] | {"altname": "ETHUSD", "wsname": "ETH/USD"}
        usd |= {"base": "XETH"}
        return replace(answer, body={"error": [], "result": PAIRS | {"XETHZUSD": usd}})


async def run_of_300_fills() -> World:
    world = World()
    async with world.running():
        await world.auditor.begin(0, first=False)
        world.auditor(AccountStreamBack())
        while len(world.venue.trades) < 300:
            await world.trade()
    return world


async def second_start(first: World) -> tuple[Metered, float]:
    """What the venue's counter took of a start, and how long (in s) the start waited."""
    world = World(before=first, epoch="00001", settings=first.settings)
    rest = Metered(world.venue)
    reads = KrakenReads(rest, Names(), OffsetTracker(world.clock))  # type: ignore[arg-type]  # it asks as the real one does
    world.auditor = Auditor(world.setup, world.engine, reads)
    began_ns = world.clock.now_ns
    async with world.running():
        await world.recover()
        world.agrees()
    assert world.breaker.state() is BreakerState.ACTIVE
    return rest, (world.clock.now_ns - began_ns) / SECOND_NS


async def test_a_start_after_300_fills_on_the_starter_tier_costs_eight_points_and_no_wait() -> None:
    first = await run_of_300_fills()
    await audit(first)
    end_cleanly(first)
    await first.clock.advance(2)
    rest, waited_s = await second_start(first)
    assert len(first.venue.trades) >= 300
    assert rest.spent <= 8, "open orders, balances, and three counts of two points"
    assert waited_s < 10


async def test_what_such_a_start_would_cost_if_it_had_to_list_them() -> None:
    first = await run_of_300_fills()
    first.journal.flags.clear()
    rest, waited_s = await second_start(first)
    assert rest.spent > 40
    assert waited_s > 60, "the measure above can fail"


async def test_counting_goes_on_where_it_ended() -> None:
    first = await ended()
    second = await start_again(first)
    kept = int(second.journal.flags[COUNTED].value)
    assert 0 <= second.clock.wall_ns() - kept - LAG_NS < 2 * SECOND_NS
    assert second.auditor._counting.since_ns == kept
