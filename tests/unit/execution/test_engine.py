from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbit.domain.cycle import CycleState, Policy
from arbit.domain.events import CycleEnded, IncidentSeen
from arbit.domain.order import OrderState, Remedy
from arbit.domain.refusal import RefusalCode, Refused
from arbit.risk.breaker import BreakerState, Reason
from arbit.risk.kill import kill
from tests.unit.execution.world import START, Script, World, usual_settings

D = Decimal
POLICIES = pytest.mark.parametrize("policy", list(Policy))


@POLICIES
async def test_three_filled_legs_are_done_and_every_book_agrees(policy: Policy) -> None:
    world = World(policy=policy)
    async with world.running():
        await world.trade()

    assert world.end == "done"
    assert len(world.venue.sent) == 3
    world.agrees()
    assert world.engine.profit["USD"] > 0


async def test_an_order_is_durable_before_its_bytes_leave() -> None:
    world = World()
    async with world.running():
        await world.trade()

    assert world.venue.written_first


@POLICIES
async def test_nothing_filled_is_flat_and_costs_nothing(policy: Policy) -> None:
    nothing = Script(fraction=D(0))
    world = World(nothing, nothing, nothing, policy=policy)
    async with world.running():
        await world.trade()

    assert world.end == "flat"
    assert world.venue.balances_ == START
    world.agrees()


async def test_the_next_leg_is_sized_from_what_really_arrived() -> None:
    world = World(Script(fraction=D("0.5")))
    async with world.running():
        await world.trade()

    first, second, third = world.venue.sent
    received = world.trades_of(first.client_id)[0].qty * (1 - D("0.001"))
    assert second.most_spent <= received
    assert third.qty <= world.trades_of(second.client_id)[0].qty * (1 - D("0.001"))
    assert world.end == "done"
    world.agrees()


@pytest.mark.parametrize("shape", ["lost_before", "lost_after"])
@pytest.mark.parametrize("leg", [0, 1, 2])
@POLICIES
async def test_a_lost_reply_is_resolved_by_question_and_never_sent_again(
    shape: str, leg: int, policy: Policy
) -> None:
    scripts = [Script(), Script(), Script()]
    scripts[leg] = Script(shape=shape, asks=3)
    world = World(*scripts, policy=policy)
    async with world.running():
        await world.trade()

    assert world.engine.open_cycles == 0
    ids = [intent.client_id for intent in world.venue.sent]
    assert len(ids) == len(set(ids))
    world.agrees()


async def test_an_order_that_never_was_is_asked_for_rarely_and_again_the_moment_it_counts() -> None:
    world = World(Script(shape="lost_before", asks=10**6))
    async with world.running():
        world.engine.take(world.plan(), world.clock.now_ns)
        await world.clock.advance(30)

    (intent,) = world.venue.sent
    counts_ns = intent.deadline_ns + world.setup.settings.resolve_margin_ms * 10**6
    asked_s = [(at_ns - counts_ns) / 1e9 for at_ns in world.venue.asked_ns]
    before, after = [s for s in asked_s if s < 0], [s for s in asked_s if s >= 0]
    assert len(before) <= 3  # each costs a starter's counter a fifth
    assert 0 < after[0] < 0.1
    assert 0.5 < after[1] - after[0] < 0.7
    assert len(after) < 12  # a venue that does not answer is not stormed


@pytest.mark.parametrize("leg", [0, 1, 2])
@POLICIES
async def test_a_refused_leg_ends_flat_or_goes_home(leg: int, policy: Policy) -> None:
    scripts = [Script(), Script(), Script()]
    scripts[leg] = Script(shape="reject")
    world = World(*scripts, policy=policy)
    async with world.running():
        await world.trade()

    expected = "flat" if leg == 0 and policy is Policy.SEQUENTIAL else "unwound"
    assert world.end == expected
    world.agrees()


async def test_all_four_prices_of_an_unwinding_are_kept() -> None:
    world = World(Script(), Script(shape="reject"))
    async with world.running():
        await world.trade()

    (cycle,) = world.journal.cycles.values()
    assert {"complete", "reverse", "alternative", "hold", "chosen"} <= set(cycle.prices)
    assert cycle.state is CycleState.UNWOUND


async def test_when_no_way_home_fits_the_budget_the_position_is_held_and_told() -> None:
    world = World(Script(), Script(shape="reject"), settings=usual_settings(unwind_budget_bps=D(0)))
    world.sights.books = {
        name: book for name, book in world.sights.books.items() if name != "ETH/BTC"
    } | {"ETH/BTC": world.sights.books["ETH/BTC"]}
    async with world.running():
        plan = world.plan()
        assert world.engine.take(plan, world.clock.now_ns) is None
        world.sights.blind = {"ETH/BTC", "ETH/USD"}
        for _ in range(600):
            await world.clock.advance(0.1)

    assert world.end == "held"
    assert any(one.kind == "held" for one in world.journal.incidents)
    assert world.breaker.state() is BreakerState.REDUCING
    world.agrees()


async def test_the_kill_switch_lets_nothing_leave_any_more_and_holds_what_is_open() -> None:
    world = World(Script(), Script(shape="lost_after"))
    async with world.running():
        assert world.engine.take(world.plan(), world.clock.now_ns) is None
        await world.clock.advance(0.5)
        kill(world.data_dir)
        sent = len(world.venue.sent)
        for _ in range(100):
            await world.clock.advance(0.1)
        refused = world.engine.take(world.plan(), world.clock.now_ns)

    assert len(world.venue.sent) == sent == 2
    assert world.end == "held"
    assert isinstance(refused, Refused)
    assert refused.code is RefusalCode.KILL_SWITCH
    world.agrees()


async def test_a_kill_between_the_commit_and_the_bytes_stops_the_bytes() -> None:
    world = World()
    write = world.journal.write

    def write_then_kill(batch: object) -> None:
        write(batch)  # type: ignore[arg-type]  # what the engine writes
        kill(world.data_dir)

    world.journal.write = write_then_kill  # type: ignore[method-assign]  # a file appears meanwhile
    async with world.running():
        world.engine.take(world.plan(), world.clock.now_ns)
        await world.clock.advance(1.0)

    assert world.venue.sent == []
    (order,) = world.journal.orders.values()
    assert order.state is OrderState.REJECTED
    assert "kill switch" in order.reason


async def test_an_order_that_waited_for_its_turn_is_held_to_what_the_breaker_says_by_then() -> None:
    world = World(Script(), Script(shape="reject"), Script(shape="lost_after", asks=10**6))
    async with world.running():
        world.engine.take(world.plan(), world.clock.now_ns)
        leg = world.venue.sent[0]
        assert world.engine.forbids(leg) == ""
        await world.clock.advance(0.5)
        home = world.venue.sent[-1]
        assert "-0" in home.client_id

        world.breaker.trip(Reason.HELD, "something was left behind")
        assert world.engine.forbids(leg) == "breaker: state reducing, why something was left behind"
        assert world.engine.forbids(home) == ""
        assert world.engine.forbids(replace(leg, client_id="abnobody1-11")).startswith("breaker")
        world.breaker.trip(Reason.DRIFT, "a satoshi")
        assert world.engine.forbids(home).startswith("breaker: state halted")
        world.breaker.resume()
        kill(world.data_dir)
        assert world.engine.forbids(home).startswith("kill_switch")


async def test_a_cycle_whose_first_order_waits_does_not_begin_after_a_pause_or_a_stop() -> None:
    world = World(Script(), Script(shape="reject"), Script(shape="lost_after", asks=10**6))
    async with world.running():
        world.engine.take(world.plan(), world.clock.now_ns)
        await world.clock.advance(0.5)
        first, second, home = world.venue.sent[0], world.venue.sent[1], world.venue.sent[-1]

        (world.data_dir / "pause.sandbox").touch()
        assert world.engine.forbids(first).startswith("venue_paused")
        assert world.engine.forbids(second) == "", "what has begun goes on"
        (world.data_dir / "pause.sandbox").unlink()
        assert world.engine.forbids(first) == ""
        world.engine.close()
        assert world.engine.forbids(first).startswith("draining")
        assert world.engine.forbids(second) == world.engine.forbids(home) == ""


async def test_without_the_journal_nothing_leaves() -> None:
    world = World()
    world.journal.fails = "the disk is full"
    async with world.running():
        world.engine.take(world.plan(), world.clock.now_ns)
        await world.clock.advance(1.0)
        assert world.venue.sent == []
        assert world.breaker.state() is BreakerState.HALTED
        world.journal.fails = ""
        await world.clock.advance(1.0)
        assert world.breaker.state() is BreakerState.PROBING
        await world.trade()

    assert world.engine.ends["done"] == 1
    world.agrees()


async def test_a_fill_that_cannot_be_written_is_kept_and_written_later() -> None:
    world = World()
    async with world.running():
        assert world.engine.take(world.plan(), world.clock.now_ns) is None
        world.journal.fails = "the disk is full"
        for _ in range(50):
            await world.clock.advance(0.1)
        assert len(world.venue.sent) == 1
        world.journal.fails = ""
        for _ in range(400):
            await world.clock.advance(0.1)

    assert world.engine.open_cycles == 0
    world.agrees()


async def test_a_late_fill_is_booked_told_and_held() -> None:
    world = World(Script(fraction=D(0)))
    async with world.running():
        await world.trade()
        intent = world.venue.sent[0]
        late = world.venue._trade(intent, D("0.1"), "T-late", Script())
        world.venue.trades.append(late)
        assert world.engine.late(late)
        assert world.engine.late(late), "the second time it is known"

    (order,) = world.journal.orders.values()
    (cycle,) = world.journal.cycles.values()
    assert (order.state, cycle.state) == (OrderState.PARTIAL, CycleState.HELD)
    assert [one.kind for one in world.journal.incidents] == ["late_fill"]
    world.agrees()


async def test_an_overfill_is_booked_as_it_is_and_stops_new_cycles() -> None:
    world = World(Script(over=D("0.01")))
    async with world.running():
        await world.trade()

    assert any(isinstance(e, IncidentSeen) and e.kind == "overfill" for e in world.events)
    assert world.breaker.state() is BreakerState.REDUCING
    world.agrees()


async def test_a_fee_in_another_asset_is_booked_where_it_was_taken() -> None:
    world = World(Script(fee_asset="KFEE"))
    async with world.running():
        await world.trade()

    assert world.ledger.wallet("KFEE") == D("-0.0001")
    assert any(one.kind == "fee" for one in world.journal.incidents)
    world.agrees()


async def test_a_parallel_leg_that_fails_has_the_others_cancelled() -> None:
    world = World(
        Script(shape="reject"), Script(), Script(shape="lost_after"), policy=Policy.PARALLEL
    )
    async with world.running():
        await world.trade()

    assert world.venue.sent[2].client_id in world.venue.cancelled
    world.agrees()


async def test_a_key_at_fault_halts_and_a_lockout_rests() -> None:
    for remedy, state in ((Remedy.HALT, "halted"), (Remedy.LOCKOUT, "reducing")):
        world = World(Script(shape="reject", remedy=remedy))
        async with world.running():
            await world.trade()
        assert world.breaker.state().value == state


async def test_an_order_that_stays_unknown_halts_and_blocks_its_assets() -> None:
    world = World(Script(shape="lost_after", asks=10**6), settings=usual_settings(max_resolve_s=20))
    async with world.running():
        assert world.engine.take(world.plan(), world.clock.now_ns) is None
        for _ in range(60):
            await world.clock.advance(0.1)
        refused = world.engine.take(world.plan(), world.clock.now_ns)
        assert isinstance(refused, Refused)
        assert refused.code is RefusalCode.UNRESOLVED
        for _ in range(400):
            await world.clock.advance(0.1)

    assert world.breaker.state() is BreakerState.HALTED
    assert world.engine.open_cycles == 1


async def test_after_close_nothing_new_begins() -> None:
    world = World()
    async with world.running():
        world.engine.close()
        refused = world.engine.take(world.plan(), world.clock.now_ns)

    assert isinstance(refused, Refused)
    assert refused.code is RefusalCode.DRAINING
    assert world.venue.sent == []


async def test_every_end_is_told_once() -> None:
    world = World()
    async with world.running():
        await world.trade()

    assert [e.end for e in world.events if isinstance(e, CycleEnded)] == ["done"]


FRACTIONS = st.sampled_from([D(0), D("0.001"), D("0.25"), D("0.5"), D("0.999"), D(1)])
SCRIPTS = st.builds(
    Script,
    fraction=FRACTIONS,
    shape=st.sampled_from(["ok", "ok", "ok", "reject", "lost_before", "lost_after"]),
    pieces=st.integers(1, 3),
    asks=st.integers(0, 4),
)


@pytest.mark.untraced
@given(
    scripts=st.lists(SCRIPTS, min_size=1, max_size=12),
    policy=st.sampled_from(list(Policy)),
    cycles=st.integers(1, 3),
)
@settings(max_examples=150, deadline=None)
def test_whatever_the_venue_does_the_books_agree_and_no_cap_is_passed(
    scripts: list[Script], policy: Policy, cycles: int
) -> None:
    asyncio.run(_whatever(scripts, policy, cycles))


async def _whatever(scripts: list[Script], policy: Policy, cycles: int) -> None:
    cap = D(400)
    world = World(*scripts, settings=usual_settings(policy=policy, max_exposure=cap))
    async with world.running():
        for _ in range(cycles):
            world.engine.take(world.plan(), world.clock.now_ns)
        for _ in range(1200):
            if not world.engine.open_cycles:
                break
            await world.clock.advance(0.1)
        assert world.engine.open_cycles == 0, world.engine.works
        world.agrees()
        await world.auditor.reconcile()
    assert world.breaker.state() is not BreakerState.HALTED
    prices = world.sights.prices
    for one in world.venue.accepted.values():
        for asset, price in prices.items():
            earned = max(D(0), world.engine.profit.get(asset, D(0)))
            moved = abs(one.balances[asset] - START[asset])
            assert (moved - earned) * price <= cap
        spent = one.intent.most_spent
        assert spent <= one.balances[one.intent.leg.spend]


async def test_what_the_venue_holds_for_its_owner_is_left_alone_while_it_holds_it() -> None:
    world = World()
    world.venue.held_["USD"] = START["USD"]
    await world.auditor.reconcile()
    assert world.ledger.free("USD") == 0
    world.venue.held_.clear()
    await world.auditor.reconcile()
    assert world.ledger.free("USD") == START["USD"]
