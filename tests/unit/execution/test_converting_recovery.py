"""A conversion after any end of its process: found out, booked once, and ended on or back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbit.domain.cycle import CycleState
from arbit.domain.records import Book, CycleRecord
from arbit.domain.route import ConversionKind
from arbit.ledger import CONVERSION
from arbit.risk.breaker import BreakerState
from tests.checker_conversions import check_conversions
from tests.unit.execution.converting_world import RICH, Wide, capital_moves, database_of, found
from tests.unit.execution.happenings import (
    SOL_MARKETS,
    balanced,
    kept_cycles,
    only_cycle,
    pass_time,
    take,
)
from tests.unit.execution.sights import ONLINE
from tests.unit.execution.test_converting_allowed import at_once
from tests.unit.execution.world import Script
from tests.unit.sizing_world import view

D = Decimal
STEP_S = 0.005  # half a reply: every await of a conversion is cut at once
SHAPES = st.sampled_from(
    [
        Script(),
        Script(fraction=D("0.4")),
        Script(fraction=D(0)),
        Script(shape="reject"),
        Script(shape="lost_before", asks=2),
        Script(shape="lost_after", asks=2),
        Script(fraction=D("0.4"), shape="lost_after", asks=1, pieces=2),
    ]
)
ENDS = pytest.mark.parametrize(("end", "legs"), [("BTC", 1), ("ETH", 2), ("SOL", 3)])


@pytest.fixture(autouse=True)
def _sol(monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue of these tests fills SOL's markets, too."""
    for name, one in SOL_MARKETS.items():
        monkeypatch.setitem(ONLINE, name, one)


async def cut_off(world: Wide, after_s: float, end: str, legs: int, budget: Decimal = RICH) -> None:
    """Begin a conversion, and be gone in the middle of it."""
    async with world.running():
        conversion = found(world, "USD", end, "150", legs)
        now_ns = world.clock.now_ns
        assert world.engine.convert(conversion, ConversionKind.CONVERT, budget, now_ns) is None
        for _ in range(round(after_s / STEP_S)):
            await world.clock.advance(STEP_S)


async def begun_again(before: Wide, epoch: str = "00001") -> Wide:
    """The next start of the same account, after its recovery."""
    world = Wide(before=before, epoch=epoch)
    async with world.running():
        await world.recover()
    return world


def settled(world: Wide) -> CycleRecord:
    """The conversion is over, its books are right, and nothing stays in between."""
    world.agrees()
    balanced(world)
    record = only_cycle(world)
    (cycle,) = kept_cycles(world)
    assert record.ended_ns > 0
    ids = [intent.client_id for intent in world.venue.sent]
    assert len(ids) == len(set(ids))
    assert not record.profit
    moved = cycle.moved()
    goals = {one: amount for one in cycle.goals if (amount := moved.get(one, D(0)))}
    assert capital_moves(world) == goals
    lines = [one for one in world.journal.postings if one.kind == CONVERSION]
    assert len(lines) == 2 * len(goals)
    for asset in cycle.goals:
        assert world.ledger.deviation(asset) == 0
        assert world.ledger.held(asset) == 0
    return record


@ENDS
@pytest.mark.parametrize("shape", ["ok", "reject", "lost_before", "lost_after"])
@pytest.mark.parametrize("leg", [0, 1, 2])
async def test_a_conversion_cut_off_is_ended_by_the_next_start_on_or_back(
    end: str, legs: int, shape: str, leg: int
) -> None:
    scripts = [Script(), Script(), Script()]
    scripts[leg] = Script(shape=shape, asks=1)
    for steps in range(0, 3 * legs + 1, 3):
        first = Wide(*scripts)
        await cut_off(first, steps * STEP_S, end, legs)
        second = await begun_again(first)
        record = settled(second)
        assert record.state in {CycleState.DONE, CycleState.UNWOUND, CycleState.FLAT}
        assert second.breaker.state() is BreakerState.ACTIVE


@pytest.mark.untraced
@settings(max_examples=30, deadline=None)
@given(st.lists(SHAPES, min_size=3, max_size=5), st.integers(0, 60), st.integers(0, 12))
async def test_cut_off_twice_wherever_it_is_nothing_is_lost_or_sent_twice(
    scripts: list[Script], first_cut: int, second_cut: int
) -> None:
    for name, one in SOL_MARKETS.items():
        ONLINE.setdefault(name, one)
    first = Wide(*scripts)
    await cut_off(first, first_cut * STEP_S, "SOL", 3)
    second = Wide(before=first, epoch="00001")
    async with second.running():
        for cycle in kept_cycles(second):
            if not cycle.record.ended_ns:
                second.engine.adopt(cycle, cycle.record.loss_budget or D(0))
        for _ in range(second_cut):
            await second.clock.advance(STEP_S)
    third = await begun_again(second, "00002")
    record = settled(third)
    assert check_conversions(database_of(third)) == []
    if record.state is CycleState.UNWOUND:
        left = {one: third.ledger.deviation(one) for one in ("BTC", "ETH")}
        assert all(abs(amount) < D("0.02") for amount in left.values()), left


async def test_what_it_may_cost_is_remembered() -> None:
    dear = view("ETH/BTC", [("0.0990", "50")], [("0.104", "100")])  # the way on costs seven more
    first = Wide(Script(), Script(shape="lost_before"))
    await cut_off(first, 0.1, "ETH", 2, budget=D("1.3"))
    assert only_cycle(first).loss_budget == D("1.3")
    second = Wide(before=first, epoch="00001")
    second.sights.books["ETH/BTC"] = dear
    second.sights.books.pop("SOL/BTC")
    async with second.running():
        await second.recover()

    record = only_cycle(second)
    assert record.prices["chosen"] == "reverse"
    assert record.state is CycleState.UNWOUND
    second.agrees()


@ENDS
async def test_one_whose_last_leg_had_filled_is_done(end: str, legs: int) -> None:
    first = Wide()
    await cut_off(first, 2 * STEP_S * (legs - 1) + STEP_S, end, legs)
    assert len(first.venue.sent) == legs
    assert only_cycle(first).ended_ns == 0
    second = await begun_again(first)
    assert settled(second).state is CycleState.DONE


async def test_a_conversion_killed_in_mid_air_is_held_and_closed_by_the_next_start() -> None:
    first = Wide(Script(), Script(shape="lost_after", asks=10**6))
    async with first.running():
        conversion = found(first, "USD", "ETH", "150", 2)
        first.engine.convert(conversion, ConversionKind.CONVERT, RICH, first.clock.now_ns)
        await first.clock.advance(0.5)
        (first.data_dir / "KILL").touch()
        await first.clock.advance(0.5)
    record = only_cycle(first)
    assert record.state is CycleState.HELD
    assert record.ended_ns == 0

    first.venue.questions.clear()
    second = await begun_again(first)
    assert settled(second).state is CycleState.HELD
    assert second.engine.open_cycles == 0


async def test_a_late_fill_of_a_conversion_that_is_over_is_booked_and_held() -> None:
    world = Wide(Script(fraction=D("0.5")))
    async with world.running():
        conversion = found(world, "USD", "BTC", "150", 1)
        world.engine.convert(conversion, ConversionKind.CONVERT, RICH, world.clock.now_ns)
        await world.clock.advance(0.5)
        assert only_cycle(world).state is CycleState.DONE
        late = world.venue._trade(world.venue.sent[0], D("0.25"), "T-late", Script())
        world.venue.trades.append(late)
        assert world.engine.late(late)

    assert only_cycle(world).state is CycleState.HELD
    assert world.ledger.deviation("BTC") == D("0.25") * D("0.999")
    assert sum(one.amount for one in world.journal.postings if one.book is Book.WALLET)
    world.agrees()


async def test_what_conversions_cost_counts_in_the_days_loss_of_the_next_start_too() -> None:
    first = Wide()
    await cut_off(first, 0.2, "BTC", 1)
    assert only_cycle(first).state is CycleState.DONE
    second = Wide(before=first, epoch="00001")
    now_ns = first.clock.wall_ns()
    assert second.day.loss(now_ns) == first.day.loss(now_ns) > 0


async def test_what_a_cycle_found_beside_it_had_moved_before_is_not_taken_for_a_debt() -> None:
    nothing = Script(shape="lost_after", asks=2, fraction=D(0))
    first = Wide(Script(), nothing, Script(shape="lost_after", asks=1), settings=at_once(2))
    async with first.running():
        assert take(first) is None
        await pass_time(first, 0.05, 0.01)
        assert first.ledger.deviation("BTC") > 1
        back, now_ns = found(first, "BTC", "USD", "1", 1), first.clock.now_ns
        assert first.engine.convert(back, ConversionKind.REBALANCE, RICH, now_ns) is None
    second = Wide(before=first, epoch="00001", settings=at_once(2))
    async with second.running():
        await second.recover()

    cycle, conversion = kept_cycles(second)
    assert (cycle.state, conversion.state) == (CycleState.UNWOUND, CycleState.DONE)
    assert capital_moves(second) == conversion.moved()
    assert second.ledger.deviation("USD") == 0
    assert second.ledger.deviation("BTC") == cycle.has("BTC")
    balanced(second)
