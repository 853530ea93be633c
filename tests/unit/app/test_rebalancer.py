"""A traded account brings assets back by itself: slowly, and within a budget."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from arbit.app.trade.rebalancer import (
    AGAIN_NS,
    MAX_TRIES,
    SECOND_NS,
    SPENT,
    DaySpent,
    Rebalancer,
    RebalancerSetup,
)
from arbit.config import InventorySettings
from arbit.domain.cycle import Policy
from arbit.domain.events import ConversionEnded
from arbit.domain.records import CycleRecord, Flag, JournalFailed
from arbit.domain.refusal import RefusalCode, Refused
from arbit.domain.route import ConversionKind
from arbit.execution.converting import Delivered, begun
from arbit.persistence.memory import MemoryJournal
from tests.unit.execution.converting_world import Fine, found
from tests.unit.execution.world import World, usual_settings
from tests.unit.sizing_world import TRIANGLE
from tests.unit.venues.virtual import VirtualClock

D = Decimal


def world(**wanted: Any) -> World:
    """Two BTC are owned and one is wanted, unless a test wants otherwise."""
    usual: dict[str, Any] = {
        "targets": {"BTC": "1"},
        "rebalance": True,
        "rebalance_after_s": 60,
        "rebalance_every_s": 300,
    }
    inventory = InventorySettings.model_validate(usual | wanted)
    made = Fine(settings=usual_settings().model_copy(update={"inventory": inventory}))
    made.gate.unaudited = lambda *_: ""  # nobody audits here
    return made


def rebalancer_of(made: World, *, ready: bool = True) -> Rebalancer:
    budget = SimpleNamespace(price=made.sights.prices.get)
    desk: Any = SimpleNamespace(
        budget=budget,
        cache=SimpleNamespace(symbols=sorted(made.sights.books)),
        setup=SimpleNamespace(markets=made.sights.markets),
    )
    return Rebalancer(
        RebalancerSetup(
            settings=made.settings,
            desk=desk,
            engine=made.engine,
            ledger=made.ledger,
            view=made.sights.view,
            memory=made.journal.recall(),
            ready=lambda: ready,
        )
    )


@asynccontextmanager
async def at_work(made: World) -> Any:
    """It looks once a second while this is open."""
    one = rebalancer_of(made)
    async with made.running():
        task = asyncio.get_running_loop().create_task(one.run())
        try:
            yield one
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def pass_s(made: World, seconds: int) -> None:
    for _ in range(seconds):
        await made.clock.advance(1.0)


def ended(made: World) -> list[ConversionEnded]:
    return [event for event in made.events if isinstance(event, ConversionEnded)]


def spent_on(flags: Mapping[str, Flag]) -> Decimal:
    return D(flags[SPENT].value.split()[1])


async def test_what_stays_out_of_its_band_is_brought_back_once_and_its_cost_is_kept() -> None:
    made = world()
    async with at_work(made) as one:
        await pass_s(made, 59)
        assert ended(made) == []  # triangles have their chance first
        await pass_s(made, 10)
        assert one.moves == 1
        (event,) = ended(made)
        assert (event.path, event.kind, event.end) == ("BTC>USD", "rebalance", "done")
        assert made.ledger.wallet("BTC") == D(1)
        await pass_s(made, 600)
        assert len(ended(made)) == 1  # within its band there is nothing to do
    cost = spent_on(made.journal.recall().flags)
    assert cost == D(event.cost_ref) > 0


async def test_nothing_is_sent_unless_it_was_asked_for() -> None:
    made = world(rebalance=False)
    async with at_work(made):
        await pass_s(made, 120)
    assert ended(made) == []


async def test_it_rests_between_two_and_takes_the_other_asset_then() -> None:
    made = world(targets={"BTC": "1", "ETH": "20"})
    async with at_work(made):
        await pass_s(made, 70)
        assert [event.path for event in ended(made)] == ["BTC>USD"]  # out by more
        await pass_s(made, 280)
        assert len(ended(made)) == 1
        await pass_s(made, 40)
        assert [event.path for event in ended(made)][1:] == ["ETH>USD"]


@pytest.mark.untraced
async def test_the_budget_of_a_day_outlives_a_restart_and_ends_with_the_day() -> None:
    made = world(rebalance_cost_per_day="0.04")
    async with at_work(made) as one:
        await pass_s(made, 1_500)
        # A part of it each time, as long as that fits what is left; then nothing any more.
        assert 0 < spent_on(made.journal.recall().flags) <= D("0.04")
        count = len(ended(made))
        assert count
        assert "BTC" in one.advice.why_not
    async with at_work(made):
        await pass_s(made, 1_500)
        assert len(ended(made)) == count
        made.clock.now_ns += 86_400 * SECOND_NS
        await pass_s(made, 200)
        assert len(ended(made)) > count


async def test_nothing_is_done_beside_an_open_cycle_or_before_recovery_is_over() -> None:
    made = world(rebalance_after_s=0)
    one = rebalancer_of(made)
    async with made.running():
        assert one.look(0) is not None
        one = rebalancer_of(made)
        made.engine.works["open"] = SimpleNamespace()  # type: ignore[assignment]  # none is looked at
        assert one.look(AGAIN_NS) is None
        made.engine.works.clear()
        assert rebalancer_of(made, ready=False).look(2 * AGAIN_NS) is None


async def test_after_a_refusal_it_looks_again_a_while_later() -> None:
    made = world(rebalance_after_s=0, rebalance_cost_bps="1")
    one = rebalancer_of(made)
    async with made.running():
        assert one.look(SECOND_NS) is None
        assert "bps, more than 1" in one.advice.why_not["BTC"]
        made.sights.books.clear()
        assert one.look(AGAIN_NS) is None
        assert "bps" in one.advice.why_not["BTC"]  # not looked at yet
        assert one.look(2 * AGAIN_NS) is None
        assert "no route" in one.advice.why_not["BTC"]


async def test_a_book_that_is_not_believed_prices_nothing() -> None:
    made = world(rebalance_after_s=0)
    made.sights.blind |= set(made.sights.books)
    one = rebalancer_of(made)
    async with made.running():
        assert one.look(SECOND_NS) is None


async def test_what_it_costs_must_be_kept_before_it_is_sent() -> None:
    class Full(MemoryJournal):
        def write(self, batch: Any) -> None:
            raise JournalFailed("disk is full")

    spent = DaySpent(Full(), VirtualClock(), {})
    assert not spent.keep(D(1))
    assert spent.left(D(1)) == D(1)  # what was not sent has cost nothing


async def test_while_one_is_under_way_all_that_it_may_cost_is_kept_for_whoever_restarts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = world()
    seen: list[tuple[Decimal, Decimal]] = []

    def looked(*_: object) -> str:  # the last that is asked before the order leaves
        for work in made.engine.works.values():
            budget = work.cycle.record.loss_budget
            price = made.sights.prices[work.cycle.start]
            assert budget is not None
            assert price is not None
            seen.append((spent_on(made.journal.recall().flags), budget * price))
        return ""

    monkeypatch.setattr(made.engine.keeper, "ok", looked)
    async with at_work(made):
        await pass_s(made, 70)
    assert ended(made)
    assert seen
    assert all(kept >= most > 0 for kept, most in seen)


def test_a_flag_that_cannot_be_read_is_a_day_that_is_over() -> None:
    spent = DaySpent(MemoryJournal(), VirtualClock(), {SPENT: Flag(SPENT, "today much", 0)})
    assert spent.left(D(5)) == D(5)


def test_a_triangle_that_earns_what_is_short_is_worth_what_that_would_cost() -> None:
    made = world(targets={"USD": "20000"})
    plan: Any = SimpleNamespace(profit=D(10))
    assert rebalancer_of(made).restoring(TRIANGLE, plan) == D("0.05")  # at 50 bps
    made = world(targets={"USD": "10000"})
    assert rebalancer_of(made).restoring(TRIANGLE, plan) == 0


def test_what_may_only_gain_gives_no_day_more_to_spend_even_if_it_never_ends() -> None:
    journal = MemoryJournal()
    spent = DaySpent(journal, VirtualClock(), {})
    assert spent.keep(D("0.3"))
    assert spent.keep(D("-0.8"))
    again = DaySpent(journal, VirtualClock(), journal.recall().flags)
    assert (spent.left(D(1)), again.left(D(1))) == (D("0.7"), D("0.7"))
    spent.settle(D("-0.8"), D("-0.8"))
    assert spent.left(D(1)) == D("0.7")
    spent.settle(D("-0.8"), D("0.1"))
    assert spent.left(D(1)) == D("0.6")


async def test_what_the_gate_refuses_is_done_otherwise_on_the_same_books() -> None:
    """The adviser knows no cap of trading's: its first choice, into ETH, is refused by the gate."""
    made = world(targets={"BTC": "1", "ETH": "40"}, rebalance_after_s=0, rebalance_cost_bps="200")
    risk = made.settings.risk.model_copy(update={"asset_caps": {"ETH": D(1)}})
    refused: list[str] = []
    real = made.engine.convert

    def convert(conversion: Any, *rest: Any) -> Any:
        said = real(conversion, *rest)
        refused.extend([] if said is None else [f"{conversion.path} {said.code.value}"])
        return said

    vars(made.engine)["convert"] = convert
    object.__setattr__(made.gate._room, "risk", risk)
    async with at_work(made):
        await pass_s(made, 2)
        assert refused == ["BTC>ETH asset_cap", "BTC>ETH>USD asset_cap"]
        assert [event.path for event in ended(made)] == ["BTC>USD"]


async def test_at_one_look_so_many_moves_are_tried_and_no_more() -> None:
    made = world(rebalance_after_s=0, rebalance_cost_bps="200")
    paths = refusing(made, RefusalCode.ASSET_CAP)
    async with at_work(made):
        await pass_s(made, 20)
    assert len(paths) == MAX_TRIES
    assert len(set(paths)) == MAX_TRIES, "none of them twice"


async def test_trading_has_its_turn_between_two_tries() -> None:
    """Each try is advice and two commits: together they would hold up what came meanwhile."""
    made = world(rebalance_after_s=0, rebalance_cost_bps="200")
    paths, turns, loop = (
        refusing(made, RefusalCode.ASSET_CAP),
        list[int](),
        asyncio.get_event_loop(),
    )
    refuse = made.engine.convert

    def convert(*wanted: Any) -> Any:
        loop.call_soon(lambda: turns.append(len(paths)))
        return refuse(*wanted)

    vars(made.engine)["convert"] = convert
    async with at_work(made):
        await pass_s(made, 20)
    assert turns == [1, 2, 3, 4]


async def test_no_other_move_is_tried_once_a_cycle_is_under_way() -> None:
    made = world(rebalance_after_s=0, rebalance_cost_bps="200")
    paths, loop = refusing(made, RefusalCode.ASSET_CAP), asyncio.get_event_loop()
    refuse, works = made.engine.convert, made.engine.works
    open_one: Any = SimpleNamespace()

    def convert(*wanted: Any) -> Any:
        loop.call_soon(lambda: works.update(c1=open_one))
        return refuse(*wanted)

    vars(made.engine)["convert"] = convert
    async with at_work(made):
        for _ in range(20):
            await pass_s(made, 1)
            works.clear()
    assert len(paths) == 1


@pytest.mark.parametrize("code", [RefusalCode.BREAKER, RefusalCode.CONCURRENCY])
async def test_where_nothing_may_begin_no_other_move_is_tried(code: RefusalCode) -> None:
    made = world(rebalance_after_s=0, rebalance_cost_bps="200")
    paths = refusing(made, code)
    async with at_work(made):
        await pass_s(made, 20)
    assert len(paths) == 1
    assert spent_on(made.journal.recall().flags) == 0


def refusing(made: World, code: RefusalCode) -> list[tuple[str, Decimal]]:
    """What is asked of an engine that refuses everything so."""
    asked: list[tuple[str, Decimal]] = []

    def convert(conversion: Any, *_: Any) -> Refused:
        asked.append((conversion.path, conversion.spend))
        return Refused(code, {"asset": "USD", "cap": "1", "exposure": "2"})

    vars(made.engine)["convert"] = convert
    return asked


async def test_a_restart_goes_on_with_the_rest_that_was_begun() -> None:
    made = world(targets={"BTC": "1", "ETH": "20"})
    async with at_work(made):
        await pass_s(made, 70)
        assert len(ended(made)) == 1
    async with at_work(made):
        await pass_s(made, 285)
        assert len(ended(made)) == 1, "the rest of 300 s is not over"
        await pass_s(made, 20)
        assert len(ended(made)) == 1 + 1


@pytest.mark.parametrize(
    ("ago_s", "rests_s"),
    [(100, 200), (299, 1), (300, 0), (10_000, 0), (-500, 300)],  # a clock may have been set back
)
async def test_what_is_left_of_a_rest_is_never_more_than_all_of_it(
    ago_s: int, rests_s: int
) -> None:
    made = world(rebalance_after_s=0)
    made.journal.cycles["r"] = rebalance(made, made.clock.wall_ns() - ago_s * SECOND_NS)
    one = rebalancer_of(made)
    async with made.running():
        now_ns = made.clock.monotonic_ns()
        if rests_s:
            assert one.look(now_ns + rests_s * SECOND_NS - 1) is None
        assert one.look(now_ns + rests_s * SECOND_NS) is not None


async def test_a_rebalance_that_a_restart_found_open_begins_a_rest() -> None:
    made = world(rebalance_after_s=0)
    made.journal.cycles["r"] = rebalance(made, 0)
    one, now_ns = rebalancer_of(made), made.clock.monotonic_ns()
    async with made.running():
        assert one.look(now_ns + 300 * SECOND_NS - 1) is None
        assert one.look(now_ns + 300 * SECOND_NS) is not None


def rebalance(made: World, ended_ns: int) -> CycleRecord:
    """One of an earlier run; 0 is still open."""
    legs = found(made, "BTC", "USD", "0.5", 1).legs
    record = begun("r", legs, Policy.SEQUENTIAL, 1, ConversionKind.REBALANCE, D(1))
    return replace(record, ended_ns=ended_ns)


async def test_two_rebalances_are_never_under_way_at_once() -> None:
    made = world(rebalance_after_s=0)
    one = rebalancer_of(made)
    async with made.running():
        move = one.look(made.clock.monotonic_ns())
        assert move is not None
        first = asyncio.get_running_loop().create_task(one.make(move))
        await asyncio.sleep(0)
        assert await one.make(move) == "another rebalance is under way"
        await pass_s(made, 30)
        assert isinstance(await first, Delivered)
