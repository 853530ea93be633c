"""A start after any end: everything in flight is found out, booked once, and ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbit.domain.account import Flow, KeyDoubted, TradeSeen, VenueOrder
from arbit.domain.cycle import CycleState, Policy
from arbit.domain.order import OrderState
from arbit.domain.records import Batch, JournalFailed
from arbit.domain.refusal import RefusalCode
from arbit.execution.audit import AUDITED
from arbit.execution.counting import COUNTED
from arbit.execution.recovery import STARTS, note_start
from arbit.risk.breaker import BreakerState
from tests.unit.execution.test_engine import SCRIPTS
from tests.unit.execution.world import Script, World, usual_settings
from tests.unit.venues.virtual import SECOND

D = Decimal


OF_A_START = {AUDITED, COUNTED, STARTS}


def rows(world: World) -> tuple[object, ...]:
    journal = world.journal
    flags = {name: f.value for name, f in journal.flags.items() if name not in OF_A_START}
    return (
        dict(journal.cycles),
        dict(journal.orders),
        dict(journal.trades),
        list(journal.postings),
        list(journal.incidents),
        flags,
    )


async def cut_off(world: World, after_s: float, cycles: int = 1) -> None:
    """Trade, and be gone in the middle of it."""
    async with world.running():
        for _ in range(cycles):
            world.engine.take(world.plan(), world.clock.now_ns)
        await world.clock.advance(after_s)


@pytest.mark.parametrize("shape", ["ok", "reject", "lost_before", "lost_after"])
@pytest.mark.parametrize("policy", list(Policy))
async def test_a_run_cut_off_right_after_its_order_left_is_found_out(
    shape: str, policy: Policy
) -> None:
    first = World(Script(shape=shape), policy=policy)
    await cut_off(first, 0.0)
    assert first.venue.sent

    second = World(before=first, epoch="00001", policy=policy)
    async with second.running():
        await second.recover()

    assert second.engine.open_cycles == 0
    second.agrees()
    assert second.breaker.state() is BreakerState.ACTIVE


async def test_nothing_planned_before_the_restart_is_sent_after_it() -> None:
    first = World(Script(), Script(shape="lost_after"))
    await cut_off(first, 0.5)
    second = World(before=first, epoch="00001")
    async with second.running():
        await second.recover()

    legs = [i.client_id for i in second.venue.sent if "-0" not in i.client_id]
    assert len(legs) == 2, "the third leg is gone; only orders home may follow"
    (cycle,) = second.journal.cycles.values()
    assert cycle.state is CycleState.UNWOUND
    second.agrees()


async def test_a_cycle_killed_in_mid_air_is_closed_by_the_next_start() -> None:
    first = World(Script(), Script(shape="lost_after", asks=10**6))
    async with first.running():
        first.engine.take(first.plan(), first.clock.now_ns)
        await first.clock.advance(0.5)
        (first.data_dir / "KILL").touch()
        await first.clock.advance(0.5)
    (cycle,) = first.journal.cycles.values()
    assert cycle.state is CycleState.HELD
    assert cycle.ended_ns == 0

    first.venue.questions.clear()
    second = World(before=first, epoch="00001")
    async with second.running():
        await second.recover()
    (cycle,) = second.journal.cycles.values()
    assert cycle.state is CycleState.HELD
    assert cycle.ended_ns > 0
    assert second.engine.open_cycles == 0
    second.agrees()


@pytest.mark.parametrize(("kind", "amount"), [("deposit", D(500)), ("withdrawal", D(-500))])
async def test_money_moved_meanwhile_is_booked_once_and_trading_goes_on(
    kind: str, amount: Decimal
) -> None:
    first = World()
    async with first.running():
        await first.trade()
        await first.auditor.reconcile()
    first.venue.flows.append(Flow("L1", "USD", amount, kind, first.clock.now_ns + 1))
    first.venue.balances_["USD"] += amount
    await first.clock.advance(1.0)
    for epoch in ("00001", "00002"):
        later = World(before=first, epoch=epoch)
        async with later.running():
            await later.recover()
        assert later.breaker.state() is BreakerState.ACTIVE
        later.agrees()
    assert [p.ref for p in first.journal.postings if p.kind == "flow"] == ["L1", "L1"]


async def test_a_satoshi_that_nothing_explains_halts() -> None:
    first = World()
    async with first.running():
        await first.trade()
    first.venue.balances_["BTC"] += D("0.00000001")
    second = World(before=first, epoch="00001")
    async with second.running():
        await second.recover()

    assert second.breaker.state() is BreakerState.HALTED
    assert "0.00000001 BTC" in second.breaker.detail


async def test_a_stream_may_tell_trades_while_the_journal_cannot_be_read() -> None:
    world = World()
    async with world.running():
        await world.trade()
        trade = replace(world.venue.trades[0], trade_id="T-new")

        def broken(_: object) -> frozenset[str]:
            raise JournalFailed("damaged")

        world.journal.known_trades = broken  # type: ignore[method-assign,assignment]  # it cannot be read
        world.auditor(TradeSeen(trade))

    assert world.auditor._wanted, "asked about again when it can be"
    assert len(world.journal.trades) == 3


async def test_a_trade_of_somebody_else_halts() -> None:
    first = World()
    async with first.running():
        await first.trade()
        intent = first.venue.sent[0]
        foreign = first.venue._trade(intent, D("0.1"), "T-foreign", Script())
        first.venue.trades.append(replace(foreign, client_id="", order_id="O-foreign"))
        await first.clock.advance(5.0)
        going = asyncio.get_running_loop().create_task(first.auditor.reconcile())
        await first.clock.advance(10.0)
        await going

    assert first.breaker.state() is BreakerState.HALTED
    assert any(one.kind == "foreign" for one in first.journal.incidents)


@pytest.mark.parametrize("untold", [True, False])
async def test_where_no_stream_tells_what_is_open_a_start_asks_for_it(*, untold: bool) -> None:
    first = World()
    async with first.running():
        await first.trade()
    second = World(before=first, epoch="00001")
    second.venue.still_open.append(VenueOrder("O-x", "", "BTC/USD", True, D(0), 1))
    async with second.running():
        await second.recover(untold=untold)
    assert any(one.kind == "foreign" for one in second.journal.incidents) is untold


@pytest.mark.parametrize("untold", [True, False])
async def test_a_start_on_an_old_copy_brings_nothing_home_where_it_is_told_of_the_past(
    *, untold: bool
) -> None:
    first = World(Script(shape="lost_after"))
    await cut_off(first, 0.0)
    second = World(before=first, epoch="00001")
    sent = len(second.venue.sent)
    lost = first.venue._trade(first.venue.sent[0], D("0.1"), "T-lost", Script())
    second.venue.trades.append(replace(lost, client_id="abzzzzz1-21", order_id="O-lost"))
    second.auditor._opened_ns = 1  # as a trader knows it from its journal
    async with second.running():
        await second.recover(untold=untold)
    assert second.breaker.state() is BreakerState.HALTED
    assert (len(second.venue.sent) == sent) is untold


async def test_a_key_in_question_halts_until_an_operator_resumes() -> None:
    first = World()
    first.breaker.persist = first.engine.keeper.note
    async with first.running():
        first.auditor(KeyDoubted("another program uses this API key"))
        refused = first.engine.take(first.plan(), first.clock.now_ns)
    assert refused is not None
    assert refused.code is RefusalCode.BREAKER
    second = World(before=first, epoch="00001")
    assert second.breaker.state() is BreakerState.HALTED
    assert second.breaker.detail == "another program uses this API key"
    await second.clock.advance(86_400)
    assert second.breaker.state() is BreakerState.HALTED, "time alone brings nothing back"
    assert second.breaker.resume()
    assert second.breaker.state() is BreakerState.ACTIVE


async def test_our_own_open_orders_are_cancelled_before_anything_else() -> None:
    first = World()
    async with first.running():
        await first.trade()
    mine = first.venue.sent[0].client_id
    order = VenueOrder("O-1", mine, "BTC/USD", open=True, filled_qty=D(0), at_ns=0)
    first.venue.still_open.append(order)
    second = World(before=first, epoch="00001")
    async with second.running():
        await second.recover()

    assert first.venue.cancelled == [mine]
    assert first.venue.still_open == []


async def test_too_many_starts_without_a_clean_end_stay_halted() -> None:
    world = World(settings=usual_settings(max_crashes=3))
    for number in range(4):
        later = World(before=world, epoch=f"0000{number}", settings=world.settings)
        flag = note_start(later.setup, later.memory)
        later.journal.write(Batch(flags=(flag,)))
        halted = later.breaker.state() is BreakerState.HALTED
        assert halted is (number >= 3)


async def test_starts_count_although_the_clock_was_set_back_between_them() -> None:
    world = World(settings=usual_settings(max_crashes=2))
    halted = []
    for number, wall_s in enumerate((10_000, 10_004, 7_410, 10_025)):
        later = World(before=world, epoch=f"0000{number}", settings=world.settings)
        later.clock.now_ns = wall_s * SECOND
        flag = note_start(later.setup, later.memory)
        later.journal.write(Batch(flags=(flag,)))
        halted.append(later.breaker.state() is BreakerState.HALTED)
    assert halted == [False, False, True, True]


@pytest.mark.untraced
@given(
    scripts=st.lists(SCRIPTS, min_size=1, max_size=10),
    policy=st.sampled_from(list(Policy)),
    cuts=st.lists(st.sampled_from([0.0, 0.005, 0.02, 0.03, 0.5, 3.2, 8.0]), min_size=1, max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_however_often_it_is_cut_off_nothing_is_lost_doubled_or_sent_again(
    scripts: list[Script], policy: Policy, cuts: list[float]
) -> None:
    asyncio.run(_however_often(scripts, policy, cuts))


async def _however_often(scripts: list[Script], policy: Policy, cuts: list[float]) -> None:
    world = World(*scripts, settings=usual_settings(policy=policy, max_crashes=100))
    for number, after_s in enumerate(cuts):
        await cut_off(world, after_s, cycles=2)
        world = World(before=world, epoch=f"0000{number + 1}", policy=policy)
    async with world.running():
        await world.recover()
    assert world.engine.open_cycles == 0
    world.agrees()
    for order in world.journal.orders.values():
        assert order.state.over
        assert order.state is not OrderState.UNKNOWN

    before = rows(world)
    again = World(before=world, epoch="0000z", policy=policy)
    async with again.running():
        await again.recover()
    assert rows(again) == before, "recovering twice changes nothing"
