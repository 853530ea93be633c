"""A start forgets nothing: neither what stopped trading, nor what was lost, nor what is open."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.config import Settings
from arbit.domain.account import ForeignOrder, VenueOrder
from arbit.domain.cycle import CycleState, Policy
from arbit.domain.errors import FrameError, VenueError, VenueUnreachable
from arbit.domain.records import JournalFailed
from arbit.execution.cycle import cycles_of
from arbit.execution.recovery import TRIES, TRY_S, recover
from arbit.risk.breaker import FLAG, BreakerState, Reason
from tests.unit.execution.happenings import (
    NO_ETH,
    only_cycle,
    over,
    pass_time,
    refusal,
    take,
)
from tests.unit.execution.world import START, Script, ScriptedVenue, World, usual_settings
from tests.unit.sizing_world import view

D = Decimal
REJECT = Script(shape="reject")
SILENT = Script(shape="lost_after", asks=10**6)
HAND = ForeignOrder(VenueOrder("O-F", "", "BTC/USD", open=True, filled_qty=D(0), at_ns=0))


def lasting(world: World) -> World:
    """Its breaker is kept by the journal, as the daemon's is."""
    world.breaker.persist = world.engine.keeper.note
    return world


async def cut_off(*scripts: Script, settings: Settings | None = None, cycles: int = 1) -> World:
    """A run that was gone half a second after its cycles began."""
    world = World(*scripts, settings=settings)
    async with world.running():
        for _ in range(cycles):
            assert take(world) is None
        await pass_time(world, 0.5)
    return world


# --- what stopped trading ----------------------------------------------------------------------


async def test_what_stops_trading_before_a_start_has_looked_is_not_undone_by_it() -> None:
    first = lasting(World())
    async with first.running():
        await first.trade()
    first.breaker.trip(Reason.FAILURES, "an earlier one, over and done with")
    first.breaker.resume()
    assert '"active"' in first.journal.flags[FLAG].value

    world = lasting(World(before=first, epoch="00001"))
    async with world.running():
        world.auditor(HAND)  # the account's stream is up before the books are
        await world.recover()
        assert (world.breaker.state(), world.breaker.reason) == (
            BreakerState.HALTED,
            Reason.FOREIGN,
        )
        assert refusal(world) == "breaker"
    assert '"halted"' in world.journal.flags[FLAG].value


async def test_an_operators_resume_before_a_start_has_looked_is_not_undone_by_it() -> None:
    first = lasting(World())
    first.breaker.trip(Reason.DRIFT, "off")
    world = lasting(World(before=first, epoch="00001"))
    assert world.breaker.state() is BreakerState.HALTED
    async with world.running():
        world.breaker.resume()
        await world.recover()
    assert world.breaker.state() is BreakerState.ACTIVE


async def test_a_start_beside_an_order_that_stays_unknown_halts_and_goes_on_asking() -> None:
    settings = usual_settings(max_resolve_s=20)
    first = await cut_off(SILENT, settings=settings)
    world = World(before=first, epoch="00001", settings=settings)
    async with world.running():
        await world.recover()
        assert world.engine.open_cycles == 1
        await pass_time(world, 5)
        assert world.breaker.state() is BreakerState.HALTED
        assert world.breaker.reason is Reason.UNRESOLVED
        assert refusal(world) == "breaker"

        world.venue.questions.clear()  # the venue answers at last
        await over(world)
        assert world.breaker.state() is BreakerState.HALTED, "an operator has been called for"
    assert world.end == "held"
    world.agrees()


async def test_a_start_remembers_what_happened_while_it_cancelled() -> None:
    """The journal is read again once the venue has answered: it may have learnt something."""
    first = await cut_off(Script(fraction=D("0.5")), Script(shape="lost_after"))
    world = World(before=first, epoch="00001")
    late = world.venue._trade(world.venue.sent[0], D("0.5"), "T-late", Script())
    world.venue.trades.append(late)
    asked = world.venue.open_orders

    async def told_meanwhile() -> list[VenueOrder]:
        world.engine.late(late)
        world.engine.past.clear()  # nothing but the journal remembers it
        return list(await asked())

    reader = world.venue
    async with world.running():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(reader), "open_orders", lambda _: told_meanwhile())
            await world.recover()
    assert only_cycle(world).state is CycleState.UNWOUND
    assert abs(world.venue.balances_["BTC"] - START["BTC"]) < D("0.01")
    world.agrees()


async def test_a_start_whose_journal_cannot_be_read_begins_nothing() -> None:
    world = World()

    def broken() -> object:
        raise JournalFailed("damaged")

    world.journal.recall = broken  # type: ignore[method-assign,assignment]  # it cannot be read
    with pytest.raises(JournalFailed):
        await recover(world.setup, world.engine, world.auditor, world.venue)
    assert world.venue.sent == []


# --- what was lost -----------------------------------------------------------------------------


async def lose(world: World, *, hold: bool = False) -> None:
    """A cycle that is brought home for a little money, or left where it is at a worse price."""
    books = dict(world.sights.books)
    assert take(world) is None
    world.sights.books["ETH/BTC"] = NO_ETH
    if hold:
        world.sights.blind = {"BTC/USD", "ETH/BTC", "ETH/USD"}
        world.sights.prices["BTC"] = D(99)
    await over(world)
    world.sights.books, world.sights.blind = books, set()


@pytest.mark.parametrize(("end", "least"), [("unwound", "0.4"), ("held", "1.9")])
@pytest.mark.parametrize("most", ["0.3", "100"])
async def test_a_days_loss_counts_over_a_restart_however_its_cycle_ended(
    end: str, least: str, most: str
) -> None:
    settings = usual_settings(max_daily_loss=D(most))
    first = lasting(World(Script(), REJECT, settings=settings))
    async with first.running():
        await lose(first, hold=end == "held")
    assert first.end == end
    assert -(only_cycle(first).profit_ref or 0) >= D(least)

    world = World(before=first, epoch="00001", settings=settings)
    assert world.day.loss(world.clock.wall_ns()) == first.day.loss(first.clock.wall_ns())
    async with world.running():
        await world.recover()
        if end == "held":
            assert refusal(world) == "breaker"
            world.breaker.resume()
        assert refusal(world) == ("daily_loss" if most == "0.3" else "")


async def test_the_loss_of_a_cycle_that_a_start_ended_counts_too() -> None:
    settings = usual_settings(max_daily_loss=D("0.3"))
    first = await cut_off(Script(), SILENT, settings=settings)
    first.venue.questions.clear()
    world = World(before=first, epoch="00001", settings=settings)
    world.sights.books["ETH/USD"] = view("ETH/USD", [], [("10.20", "50")])  # back, at a loss
    async with world.running():
        await world.recover()
        assert only_cycle(world).state is CycleState.UNWOUND
        world.sights.books = dict(first.sights.books)
        assert refusal(world) == "daily_loss"


@pytest.mark.parametrize("fee_asset", ["", "KFEE"])
async def test_a_real_loss_counts_also_where_a_fee_was_taken_in_what_nobody_prices(
    fee_asset: str,
) -> None:
    home = Script(fee_asset=fee_asset)
    world = World(home, REJECT, home, settings=usual_settings(max_daily_loss=D("0.01")))
    async with world.running():
        await lose(world)
        assert world.end == "unwound"
        assert only_cycle(world).profit < 0
        assert world.day.loss(world.clock.wall_ns()) > D("0.05")
        unpriced = Reason.UNPRICED if fee_asset else None
        assert world.breaker.reason is unpriced
        world.breaker.resume()
        assert refusal(world) == "daily_loss"


async def test_a_loss_that_nobody_can_price_lets_nothing_new_begin() -> None:
    world = World(Script(fee_asset="KFEE"))
    async with world.running():
        await world.trade()
        assert only_cycle(world).profit > 0, "as far as anybody can say"
        assert only_cycle(world).profit_ref is None, "nobody can say whether it is one"
        assert not world.journal.recall().profit_ref_by_day
        assert world.breaker.state() is BreakerState.REDUCING
        assert world.breaker.reason is Reason.UNPRICED
        assert "-0.0001 KFEE" in world.breaker.detail
        assert refusal(world) == "breaker"


async def held_with(prices: dict[str, Decimal]) -> World:
    """A cycle whose second leg is refused, and no way home; these are all the prices there are."""
    world = World(Script(), REJECT, settings=usual_settings(unwind_budget_bps=D(0)))
    async with world.running():
        assert take(world) is None
        world.sights.prices = prices
        world.sights.books["ETH/BTC"] = NO_ETH
        await over(world)
    assert world.end == "held"
    return world


async def test_what_nobody_prices_and_came_in_stops_nothing() -> None:
    world = await held_with({"USD": D(1)})
    assert world.breaker.reason is Reason.HELD
    spent = world.venue.sent[0].most_spent
    assert only_cycle(world).profit_ref == -spent, "what was paid counts, what it bought does not"


# --- what is open ------------------------------------------------------------------------------


@pytest.mark.parametrize(("most", "code"), [(1, "concurrency"), (2, "")])
async def test_a_cycle_that_a_start_adopted_counts_as_open(most: int, code: str) -> None:
    usual = usual_settings()
    scan = usual.scan.model_copy(update={"max_concurrent_cycles": most})
    settings = usual.model_copy(update={"scan": scan})
    first = await cut_off(Script(), Script(shape="lost_after", asks=4), settings=settings)
    world = World(before=first, epoch="00001", settings=settings)
    async with world.running():
        (cycle,) = world.memory.cycles
        adopt(world)
        world.gate.resolved(unknown_of(world))  # it is the slot that is asked about here
        assert cycle.state is CycleState.LEG_2
        assert refusal(world) == code
        await over(world)
        assert refusal(world) == ""


@pytest.mark.parametrize("policy", list(Policy))
async def test_a_cycle_that_a_start_adopted_may_still_move_as_far_as_its_plan_says(
    policy: Policy,
) -> None:
    silent = [SILENT] * (3 if policy is Policy.PARALLEL else 1)
    first = World(*silent, settings=usual_settings(policy=policy), policy=policy)
    async with first.running():
        assert take(first) is None
        ((_, before),) = first.ledger._claims.items()
    world = World(before=first, epoch="00001", settings=first.settings, policy=policy)
    async with world.running():
        adopt(world)
        ((_, after),) = world.ledger._claims.items()
        assert set(after) == set(before) == {"USD", "BTC", "ETH"}
        assert all(after[asset].high >= reach.high > 0 for asset, reach in before.items())
        assert all(after[asset].low <= reach.low for asset, reach in before.items())
        assert after["USD"].low < -149
        world.venue.questions.clear()
        await over(world)
    assert world.ledger.exposure("ETH") < 1
    world.agrees()


@pytest.mark.parametrize(("cap", "code"), [("2", "asset_cap"), ("4", "")])
async def test_a_new_cycle_beside_an_adopted_one_keeps_the_caps_for_both(
    cap: str, code: str
) -> None:
    settings = usual_settings(asset_caps={"BTC": D(cap)})
    first = await cut_off(SILENT, settings=settings)
    world = World(before=first, epoch="00001", settings=settings)
    async with world.running():
        adopt(world)
        world.gate.resolved(unknown_of(world))
        assert refusal(world) == code


def adopt(world: World) -> None:
    """What a start does with the cycles that it finds, without waiting for their ends."""
    for cycle in cycles_of(world.memory):
        world.engine.adopt(cycle, cycle.stake)


def unknown_of(world: World) -> str:
    """The only order that is unknown."""
    (client_id,) = world.gate.unknown
    return client_id


async def test_what_came_in_is_no_profit_where_nobody_prices_what_was_paid() -> None:
    world = await held_with({"BTC": D(100)})
    assert only_cycle(world).profit < 0
    assert only_cycle(world).profit_ref is None
    assert not world.journal.recall().profit_ref_by_day
    assert [one.kind for one in world.journal.incidents if one.kind == "unpriced"]


# --- a start that is told nothing -----------------------------------------------------------------


@pytest.mark.parametrize("why", [VenueUnreachable("no route"), FrameError("no JSON")])
async def test_a_start_that_the_venue_never_answers_fails_with_its_last_words_and_sends_nothing(
    why: VenueError, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, asked = World(), []

    async def silent(_: ScriptedVenue) -> list[VenueOrder]:
        asked.append(world.clock.now_ns)
        raise why

    monkeypatch.setattr(ScriptedVenue, "open_orders", silent)
    async with world.running():
        with pytest.raises(type(why), match=str(why)):
            await world.recover()
    assert len(asked) == TRIES
    assert asked[-1] - asked[0] == (TRIES - 1) * TRY_S * 1_000_000_000
    assert world.venue.sent == []


async def test_where_no_stream_tells_a_start_takes_no_order_of_ours_for_somebody_elses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = await cut_off(SILENT)
    mine = first.venue.sent[0].client_id
    sent_ns = first.clock.wall_ns()
    order = VenueOrder(f"O-{mine}", mine, "BTC/USD", open=True, filled_qty=D(0), at_ns=sent_ns)

    async def still(_: ScriptedVenue) -> list[VenueOrder]:
        return [order]  # a cancel that the venue has taken and not carried out yet

    monkeypatch.setattr(ScriptedVenue, "open_orders", still)
    first.venue.questions.clear()
    world = World(before=first, epoch="00001")
    world.auditor._opened_ns = 1  # as a trader knows it from its journal
    async with world.running():
        await world.recover(untold=True)
    assert not [one for one in world.journal.incidents if one.kind == "foreign"]
    assert world.breaker.reason is Reason.UNRESOLVED
