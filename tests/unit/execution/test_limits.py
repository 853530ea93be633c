"""Limits where they bind: orders home, cycles found at a start, and a meter that sees a breach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from arbit.config import Settings
from arbit.domain.cycle import Policy
from arbit.domain.refusal import RefusalCode, Refused
from arbit.execution import steps
from arbit.risk import checks
from arbit.risk.breaker import BreakerState, Reason
from arbit.risk.envelope import Approved
from arbit.risk.room import Room
from tests.unit.execution.nasty import Act, EuroWorld, NastyWorld
from tests.unit.execution.world import START, World, usual_settings

D = Decimal
POLICIES = pytest.mark.parametrize("policy", list(Policy))
EMPTY = Act(fraction=D(0))


def limited(scan: dict[str, Any] | None = None, **risk: Any) -> Settings:
    settings = usual_settings(**risk)
    return settings.model_copy(update={"scan": settings.scan.model_copy(update=scan or {})})


# --- before leg 1 --------------------------------------------------------------------------------

BETTER = {"BTC/USD": D("100.10"), "ETH/BTC": D("0.0995"), "ETH/USD": D("10.17")}


def topped(world: World, symbol: str) -> Decimal:
    """A better level than the planned one appears; how far the limit is from it, in bps."""
    book, price = world.sights.books[symbol], BETTER[symbol]
    bid, ask = replace(book.bids[0], price=price), replace(book.asks[0], price=price)
    if symbol == "ETH/USD":  # the leg that sells
        world.sights.books[symbol] = replace(book, bids=(bid, *book.bids))
        return (1 - book.bids[0].price / price) * 10_000
    world.sights.books[symbol] = replace(book, asks=(ask, *book.asks))
    return (book.asks[0].price / price - 1) * 10_000


@POLICIES
@pytest.mark.parametrize("symbol", list(BETTER))
@pytest.mark.parametrize("beyond", [True, False])
async def test_a_limit_too_far_from_its_top_is_refused_before_leg_1_whichever_leg_it_is(
    symbol: str, policy: Policy, beyond: bool
) -> None:
    probe = World()
    away_bps = topped(probe, symbol)
    most = away_bps.quantize(D("0.0001")) + (D("-0.0001") if beyond else D("0.0001"))
    world = NastyWorld(settings=limited({"max_slippage_bps": most}, policy=policy))
    plan = world.plan()
    topped(world, symbol)
    async with world.running():
        refused = world.engine.take(plan, world.clock.now_ns)
        await world.settle()

    assert (isinstance(refused, Refused) and refused.code is RefusalCode.SLIPPAGE) is beyond
    assert (world.nasty.log == []) is beyond, "nothing reached the venue, not even leg 1"
    assert world.meter().findings == []


# --- a cycle -------------------------------------------------------------------------------------


@POLICIES
@pytest.mark.parametrize("asset", ["USD", "BTC", "ETH"])
async def test_a_cap_that_the_worst_case_just_reaches_is_enough_and_a_digit_less_is_not(
    asset: str, policy: Policy
) -> None:
    """Leg 3 sells two per cent above its limit before leg 1 has paid anything (parallel)."""
    probe = World(policy=policy)
    plan = probe.plan()
    assert isinstance(probe.gate.review(plan, "c1", probe.clock.now_ns), Approved)
    worst = probe.ledger.exposure(asset)
    acts = [Act(match_s=0.3), Act(match_s=0.3), Act(better=D("0.02"))]
    for cap, fits in ((worst, True), (worst - D("0.00000001"), False)):
        world = NastyWorld(*acts, settings=limited(asset_caps={asset: cap}, policy=policy))
        async with world.running():
            refused = world.engine.take(plan, world.clock.now_ns)
            await world.settle()
        assert (refused is None) is fits
        assert bool(world.nasty.log) is fits
        meter = world.meter()
        assert meter.findings == []
        if fits:
            assert meter.most[asset] >= worst * D("0.96"), "it was nearly used up"
        world.agrees()


# --- what is left --------------------------------------------------------------------------------


@POLICIES
@pytest.mark.parametrize("leg", [0, 1, 2])
async def test_what_a_leg_traded_too_much_goes_home_and_is_no_done_cycle(
    leg: int, policy: Policy
) -> None:
    acts = [Act(), Act(), Act()]
    acts[leg] = Act(over_lots=60)
    world = NastyWorld(*acts, policy=policy)
    async with world.running():
        await world.trade()

    assert world.end == "unwound"
    for asset in ("BTC", "ETH"):
        assert abs(world.ledger.deviation(asset)) < D("0.002")
    world.agrees()


async def test_a_late_fill_of_leg_1_while_leg_3_is_out_goes_home() -> None:
    world = NastyWorld(Act(fraction=D("0.5"), late_lots=200), Act(), Act(match_s=0.5))
    async with world.running():
        await world.trade()

    assert world.end == "unwound"
    assert any(one.kind == "late_fill" for one in world.journal.incidents)
    assert world.ledger.deviation("BTC") < D("0.002")
    world.agrees()


# --- orders home ---------------------------------------------------------------------------------


async def test_a_way_home_through_another_asset_is_taken_when_it_pays_best() -> None:
    world = EuroWorld(Act(), Act(), EMPTY, settings=limited())
    async with world.running():
        await world.trade()

    assert world.end == "unwound"
    (cycle,) = world.journal.cycles.values()
    assert cycle.prices["chosen"] == "alternative"
    assert {intent.leg.symbol for intent in world.venue.sent[3:]} == {"ETH/EUR", "EUR/USD"}
    assert world.meter().findings == []
    world.agrees()


@pytest.mark.parametrize("why", ["its own cap", "no price"])
async def test_no_way_home_moves_an_asset_further_than_its_cap(why: str) -> None:
    caps = {"EUR": D(20)} if why == "its own cap" else {}
    world = EuroWorld(Act(), Act(), EMPTY, settings=limited(asset_caps=caps))
    if why == "no price":
        del world.sights.prices["EUR"]
    async with world.running():
        await world.trade()

    assert world.end == "unwound", "another way is there"
    assert {intent.leg.symbol for intent in world.venue.sent[3:]} == {"ETH/USD"}
    assert world.meter().findings == []
    world.agrees()


async def test_a_book_that_moved_our_way_buys_no_more_than_the_cap_on_the_way_home() -> None:
    """Half of leg 2 is left when ETH costs a third less: all of it would be beyond the cap."""
    world = NastyWorld(Act(), Act(fraction=D("0.5"), gap_s=0.3))
    plan = world.plan()
    world = NastyWorld(
        *(Act(), Act(fraction=D("0.5"), gap_s=0.3)),
        settings=limited(asset_caps={"ETH": plan.legs[1].qty * D("1.05")}),
    )
    async with world.running():
        assert world.engine.take(plan, world.clock.now_ns) is None
        await world.clock.advance(0.1)
        world.moved(-3300, ["ETH/BTC"])
        await world.settle()

    assert world.end == "unwound"
    assert world.meter(max_slippage_bps=None).findings == []
    world.agrees()


async def test_what_is_on_its_way_home_counts_for_the_next_cycle() -> None:
    world = EuroWorld(
        *(Act(), Act(), EMPTY, Act(match_s=0.5)), settings=limited(asset_caps={"EUR": D(200)})
    )
    async with world.running():
        await world.trade(seconds=0.4)
        assert world.venue.sent[-1].leg.symbol == "ETH/EUR"
        assert world.ledger.exposure("EUR") >= world.venue.sent[-1].most_received
        await world.settle()
    assert world.ledger.exposure("EUR") < 1
    world.agrees()


# --- a start -------------------------------------------------------------------------------------


async def test_a_cycle_found_at_a_start_is_one_of_those_that_may_be_open() -> None:
    """Its books are not believed yet and the start waits no longer: it still has its slot."""
    one = limited({"max_concurrent_cycles": 1}, max_resolve_s=20)
    first = NastyWorld(Act(), Act(match_s=0.2), settings=one)
    async with first.running():
        assert first.engine.take(first.plan(), first.clock.now_ns) is None
        await first.clock.advance(0.05)
    second = NastyWorld(settings=one, before=first, epoch="00001")
    plan = second.plan()
    second.sights.blind = {"ETH/BTC", "ETH/USD", "BTC/USD"}
    async with second.running():
        await second.recover()
        assert second.engine.open_cycles == 1
        assert second.breaker.state() is BreakerState.REDUCING
        second.breaker.resume()  # whatever an operator says
        second.sights.blind = set()
        refused = second.engine.take(plan, second.clock.now_ns)
        await second.settle()

    assert isinstance(refused, Refused)
    assert refused.code is RefusalCode.CONCURRENCY
    assert second.meter().findings == []
    second.agrees()


# --- what a cycle earned -------------------------------------------------------------------------


@POLICIES
@pytest.mark.parametrize("fee_in", ["received", "spent", "KFEE"])
async def test_a_profit_is_what_the_venue_moved_with_every_fee_in_it(
    fee_in: str, policy: Policy
) -> None:
    world = NastyWorld(*[Act(fee_in=fee_in)] * 12, policy=policy)
    async with world.running():
        await world.trade()

    (cycle,) = world.journal.cycles.values()
    after = world.venue.balances_
    moved = {asset: amount - START.get(asset, D(0)) for asset, amount in after.items()}
    assert cycle.profit == moved["USD"] == world.engine.profit["USD"]
    if "KFEE" in moved:  # no book of ours prices it, and it may be worth more than was earned
        assert cycle.profit_ref is None
    else:
        prices = world.sights.prices
        assert cycle.profit_ref == sum(prices[asset] * much for asset, much in moved.items())
    assert world.meter().findings == []
    world.agrees()


async def test_a_gap_that_pays_before_fees_and_not_after_is_no_plan_and_no_order() -> None:
    world = World()
    plan = world.plan()
    gross = plan.profit + sum(leg.fee * world.sights.prices[leg.fee_asset] for leg in plan.legs)
    assert gross > plan.profit > 0
    cost = replace(plan, profit_at_limits=plan.profit_at_limits - gross)  # what dearer fees leave
    async with world.running():
        refused = world.engine.take(cost, world.clock.now_ns)
    assert isinstance(refused, Refused)
    assert refused.code is RefusalCode.EDGE
    assert world.venue.sent == []


async def test_a_loss_counts_for_the_day_though_a_fee_of_it_has_no_price() -> None:
    world = NastyWorld(*[Act(fee_in="KFEE")] * 2, EMPTY, settings=limited(max_daily_loss=D(0)))
    async with world.running():
        plan = world.plan()
        assert world.engine.take(plan, world.clock.now_ns) is None
        await world.clock.advance(0.01)
        world.moved(-500)
        await world.settle()
        assert world.engine.profit["USD"] < 0
        world.moved(0)
        assert world.breaker.reason is Reason.UNPRICED
        world.breaker.resume()
        refused = world.engine.take(plan, world.clock.now_ns)
    assert isinstance(refused, Refused)
    assert refused.code is RefusalCode.DAILY_LOSS
    assert any(one.kind == "unpriced" for one in world.journal.incidents)


# --- a meter that sees a breach ------------------------------------------------------------------


def allow(*_: object, **__: object) -> None:
    """A rule that never refuses."""


class Countless(dict[str, Any]):
    """Open cycles that nobody counts."""

    def __len__(self) -> int:
        return 0


def uncounted(world: NastyWorld, patch: pytest.MonkeyPatch) -> None:
    world.gate._open = Countless()


def as_planned(world: NastyWorld, patch: pytest.MonkeyPatch) -> None:
    """The next leg as it was planned, whatever has arrived."""
    patch.setattr(steps, "_funded_leg", lambda cycle, index, _: steps._planned_leg(cycle, index))
    patch.setattr(checks, "inside", allow)


def caps_of_a_cycle(world: NastyWorld, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Room, "caps", allow)


def caps_on_the_way_home(world: NastyWorld, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Room, "home_caps", allow)


def notional(world: NastyWorld, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checks, "notional", allow)


def slippage(world: NastyWorld, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checks, "slippage", allow)


Disable = Callable[[NastyWorld, pytest.MonkeyPatch], None]
HALF = Act(fraction=D("0.5"))
GUARDS: list[tuple[Disable, Settings, list[Act], str]] = [
    (caps_of_a_cycle, limited(max_exposure=D(200)), [], "USD in USD 299"),
    (caps_of_a_cycle, limited(asset_caps={"BTC": D("1.6")}), [], "BTC 2."),
    (caps_on_the_way_home, limited(asset_caps={"EUR": D(20)}), [Act(), Act(), EMPTY], "EUR 1"),
    (notional, limited({"max_notional_per_cycle": D(110)}), [], "notional 149"),
    (uncounted, limited({"max_concurrent_cycles": 1}), [], "cycles 2"),
    (slippage, limited({"max_slippage_bps": D(5)}), [], "slippage 9.99"),
    (as_planned, limited(), [HALF], "BTC beyond delivery 0."),
]


@pytest.mark.parametrize("disabled", [False, True], ids=["kept", "patched away"])
@pytest.mark.parametrize(
    ("guard", "told", "acts", "word"), GUARDS, ids=lambda one: getattr(one, "__name__", "")
)
async def test_the_meter_finds_what_each_guard_is_there_for(
    guard: Disable,
    told: Settings,
    acts: list[Act],
    word: str,
    disabled: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = [replace(act, match_s=0.3) for act in [*acts, *[Act()] * 12]]
    world = EuroWorld(*slow, settings=told)
    plan = world.plan()
    if guard is slippage:
        book = world.sights.books["BTC/USD"]
        world.sights.books["BTC/USD"] = replace(
            book, asks=(replace(book.asks[0], price=D("100.10")), *book.asks)
        )
    if disabled:
        guard(world, monkeypatch)
    async with world.running():
        for _ in range(1 if acts else 2):
            world.engine.take(plan, world.clock.now_ns)
        await world.settle()

    found = world.meter().findings
    assert found == [] or disabled
    assert any(word in one for one in found) or not disabled, found
