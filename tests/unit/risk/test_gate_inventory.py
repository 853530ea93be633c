"""What may be owned at most, and what is never spent: the gate holds both, whatever goes on."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from arbit.config.inventory import Wanted
from arbit.domain.account import Flow
from arbit.domain.cycle import Policy
from arbit.domain.order import OrderIntent
from arbit.domain.records import Book, Posting
from arbit.domain.refusal import Refused
from arbit.domain.route import Conversion, ConversionKind
from arbit.domain.triangle import Leg, Side
from arbit.ledger import Reach, flow
from arbit.risk.envelope import Approved
from tests.unit.execution.world import World
from tests.unit.risk.gate_world import BACK, HOME, approved, home, record, review, told, wanting

D = Decimal
ON = Leg("ETH/BTC", Side.BUY, "BTC", "ETH")


def deposit(world: World, asset: str, amount: str) -> None:
    world.ledger.apply(flow(Flow(f"F-{asset}-{amount}", asset, D(amount), "deposit", 0)))


def moved(world: World, asset: str, amount: str, cycle_id: str = "c1") -> None:
    """As a trade of the cycle would."""
    sides = ((Book.WALLET, D(amount)), (Book.TRADING, -D(amount)))
    postings = [Posting("t", "trade", book, asset, one, 0) for book, one in sides]
    world.ledger.apply(postings, cycle_id)


def sent(world: World, index: int, envelope: Approved) -> str:
    """What the last look says of a leg of the usual plan; empty when it may leave."""
    intent = world.plan().legs[index].intent(f"o{index}")
    refused = world.gate.clear(intent, envelope, D(10_000), world.clock.now_ns)
    return "" if refused is None else refused.code.value


# --- caps on what is owned ------------------------------------------------------------------------


def test_a_cap_counts_what_is_owned_and_all_that_is_on_its_way_at_its_worst() -> None:
    world = World(settings=wanting(caps={"BTC": Wanted(D("3.5"))}))
    approved(world)
    code, figures = told(review(world, cycle_id="c2"))
    assert code == "inventory_cap"
    assert figures == {"asset": "BTC", "owned": "4.994", "cap": "3.5"}


def test_a_cap_holds_to_its_last_digit() -> None:
    assert isinstance(review(World(settings=wanting(caps={"BTC": Wanted(D("3.497"))}))), Approved)
    below = World(settings=wanting(caps={"BTC": Wanted(D("3.49699999"))}))
    assert told(review(below))[0] == "inventory_cap"


def test_a_cap_in_the_reference_currency_follows_the_price() -> None:
    world = World(settings=wanting(caps={"BTC": Wanted(D(350), "USD")}))
    assert isinstance(review(world), Approved)
    world.ledger.release("c1")
    world.sights.prices["BTC"] = D(101)
    assert told(review(world, cycle_id="c2"))[0] == "inventory_cap"


def test_a_stake_that_comes_back_is_not_counted_as_if_it_had_never_gone() -> None:
    world = World(settings=wanting(caps={"USD": Wanted(D(10_015))}))
    assert world.plan().legs[2].worst_receive > D(150), "as much comes in"
    assert isinstance(review(world), Approved)


def test_parallel_legs_come_in_before_others_have_gone_out() -> None:
    told_so = wanting({"policy": Policy.PARALLEL}, caps={"USD": Wanted(D(10_015))})
    assert told(review(World(settings=told_so)))[0] == "inventory_cap"


def test_a_deposit_beyond_the_cap_stops_what_adds_and_nothing_that_takes_away() -> None:
    world = World(settings=wanting(caps={"BTC": Wanted(D(4))}))
    deposit(world, "BTC", "3")
    assert told(review(world))[0] == "inventory_cap"
    assert isinstance(home(world), Approved), "selling some of it"
    assert world.gate.has_room(HOME, D(1), D(99), "c9", world.clock.now_ns)
    assert not world.gate.has_room(BACK, D(1), D(101), "c9", world.clock.now_ns)


def test_a_leg_that_would_add_to_what_a_deposit_has_put_past_its_cap_is_not_sent() -> None:
    world = World(settings=wanting(caps={"ETH": Wanted(D(50))}))
    envelope = approved(world)
    assert sent(world, 0, envelope) == ""
    assert sent(world, 1, envelope) == ""
    deposit(world, "ETH", "10")
    assert sent(world, 1, envelope) == "inventory_cap"


def test_what_others_may_still_bring_counts_when_a_leg_leaves_after_a_deposit() -> None:
    world = World(settings=wanting(caps={"ETH": Wanted(D(70))}))
    other, envelope = approved(world), approved(world, cycle_id="c2")
    assert sent(world, 1, other) == ""
    deposit(world, "ETH", "20")
    assert sent(world, 1, envelope) == "inventory_cap", "the other's order may be out"
    moved(world, "ETH", "14", "c1")
    assert sent(world, 1, envelope) == "inventory_cap", "or have filled"
    world.ledger.release("c1")
    moved(world, "ETH", "-14", "c1")
    assert sent(world, 1, envelope) == ""


def test_a_stake_that_had_gone_before_a_restart_is_not_counted_as_if_it_came_on_top() -> None:
    world = World(settings=wanting(caps={"USD": Wanted(D(10_015))}))
    moved(world, "USD", "-150", "")
    world.gate.adopt(record(world.plan()), {"USD": D(-150)})
    assert world.ledger.settled("USD") == D(10_000)
    assert D(10_000) <= world.ledger.most_owned("USD") <= D(10_015)


def test_what_comes_back_to_where_its_cycle_began_is_let_in_past_the_cap() -> None:
    world = World(settings=wanting(caps={"USD": Wanted(D(10_015))}))
    envelope = approved(world)
    moved(world, "USD", "-150.3")
    moved(world, "BTC", "1.4985")
    deposit(world, "USD", "500")
    assert sent(world, 2, envelope) == ""
    assert world.gate.has_room(HOME, D("1.4"), D(100), "c1", world.clock.now_ns)


def test_a_way_home_through_an_asset_past_its_cap_has_no_room() -> None:
    world = World(settings=wanting(caps={"ETH": Wanted(D(50))}))
    approved(world)
    moved(world, "BTC", "1.4985")
    now_ns = world.clock.now_ns
    assert world.gate.has_room(ON, D(14), D("0.1"), "c1", now_ns)
    deposit(world, "ETH", "10")
    assert not world.gate.has_room(ON, D(14), D("0.1"), "c1", now_ns)
    assert told(home(world, (ON, "14", "0.1")))[0] == "inventory_cap"


def test_nothing_adds_to_an_asset_whose_cap_nobody_can_reckon() -> None:
    world = World(settings=wanting(caps={"ETH": Wanted(D(5000), "USD")}))
    envelope = approved(world)
    del world.sights.prices["ETH"]
    assert sent(world, 1, envelope) == "unpriced"


def test_a_cap_of_an_asset_that_the_cycle_does_not_touch_says_nothing() -> None:
    world = World(settings=wanting(caps={"EUR": Wanted(D(0)), "DOGE": Wanted(D(0), "USD")}))
    assert isinstance(review(world), Approved)


# --- reserves -------------------------------------------------------------------------------------


def test_a_cycle_spends_what_is_beyond_the_reserve_and_a_fee_on_top_of_it() -> None:
    world = World()
    needed = world.plan().legs[0].worst_spend * D("1.001")
    exact = World(settings=wanting(reserve_amount={"USD": D(10_000) - needed}))
    assert isinstance(review(exact), Approved)
    more = World(settings=wanting(reserve_amount={"USD": D("10000.0001") - needed}))
    code, figures = told(review(more))
    assert code == "reserve"
    assert figures["asset"] == "USD"
    assert D(figures["needed"]) == D(figures["spendable"]) + D("0.0001")
    assert D(figures["reserve"]) == D("10000.0001") - needed


def test_what_is_not_there_at_all_is_called_funds_and_not_reserve() -> None:
    world = World(settings=wanting(reserve_amount={"USD": D(9_000)}))
    world.ledger.hold("somebody", "USD", D(9_999))
    assert told(review(world))[0] == "funds"


def test_holds_of_others_come_before_the_reserve() -> None:
    world = World(settings=wanting(reserve_amount={"USD": D(9_500)}))
    for number in range(3):
        approved(world, cycle_id=f"c{number}")
    assert told(review(world, cycle_id="c4"))[0] == "reserve"


@pytest.mark.parametrize(("asset", "kept"), [("BTC", "1"), ("ETH", "20")])
def test_parallel_legs_go_only_when_every_one_is_funded_beyond_its_reserve(
    asset: str, kept: str
) -> None:
    settings = wanting({"policy": Policy.PARALLEL}, reserve_amount={asset: D(kept)})
    code, figures = told(review(World(settings=settings)))
    assert (code, figures["asset"]) == ("reserve", asset)
    alone = wanting({"policy": Policy.SEQUENTIAL}, reserve_amount={asset: D(kept)})
    assert isinstance(review(World(settings=alone)), Approved)


def test_a_way_home_spends_what_its_cycle_has_and_of_the_rest_no_reserve() -> None:
    world = World(settings=wanting(reserve_amount={"BTC": D(3), "USD": D(9_900)}))
    moved(world, "BTC", "1")
    now_ns = world.clock.now_ns
    assert not world.gate.has_room(HOME, D(1), D(99), "c1", now_ns), "nobody holds it"
    world.ledger.hold("c1", "BTC", D(1))
    assert world.gate.has_room(HOME, D(1), D(99), "c1", now_ns)
    assert not world.gate.has_room(HOME, D("1.00000001"), D(99), "c1", now_ns)
    assert world.gate.has_room(BACK, D("0.99"), D(101), "c1", now_ns)
    assert not world.gate.has_room(BACK, D("0.991"), D(101), "c1", now_ns)
    assert told(home(world, (BACK, "0.991", "101")))[0] == "reserve"


def test_without_a_reserve_a_way_home_is_not_asked_what_is_there() -> None:
    world = World(settings=wanting(reserve_amount={"ETH": D(1)}))
    assert world.gate.has_room(BACK, D(20), D(101), "c9", world.clock.now_ns)


def test_what_may_be_spent_is_what_is_free_beyond_the_reserve_and_never_less_than_nothing() -> None:
    world = World(settings=wanting(reserve_amount={"USD": D(9_000), "BTC": D(5)}))
    world.ledger.hold("c1", "USD", D(300))
    inventory = world.gate._room.inventory
    assert inventory.spendable("USD") == D(700)
    assert inventory.spendable("BTC") == D(0)
    assert inventory.spendable("ETH") == D(30)
    payable = world.gate.payable
    assert (payable("c9", "USD"), payable("c9", "BTC")) == (D(700), D(0))
    assert payable("c1", "USD") == D(1_000), "and what it holds itself"


def test_a_way_home_leaves_what_other_cycles_have_in_hand_for_theirs() -> None:
    world = World(settings=wanting(reserve_amount={"USD": D(9_000)}))
    world.ledger.claim("c1", {})
    moved(world, "USD", "400")  # which it does not hold
    assert world.gate.payable("c9", "USD") == D(1_000)
    assert world.gate.payable("c1", "USD") == D(1_400)


# --- the claim behind a cap -----------------------------------------------------------------------


def test_the_peak_of_a_claim_is_what_may_be_there_at_once() -> None:
    world = World()
    approved(world)
    claim = world.ledger._claims["c1"]["USD"]
    assert claim.peak is not None
    assert D(0) < claim.peak < D(20) < claim.high
    assert world.ledger.most_owned("USD") == D(10_000) + claim.peak
    assert world.ledger.most_owned("BTC") == D("3.497")


def test_a_claim_that_is_stretched_keeps_its_peak_apart() -> None:
    world = World()
    approved(world)
    beyond = {"USD": Reach(D(0), D(0), D(7))}
    peak = world.ledger._claims["c1"]["USD"].top
    before = world.ledger._claims["c1"]["USD"]
    world.ledger.stretch("c1", beyond)
    after = world.ledger._claims["c1"]["USD"]
    assert (after.low, after.high) == (before.low, before.high)
    assert after.top == peak + 7


def test_an_order_is_counted_at_what_a_sell_may_bring_beyond_its_limit() -> None:
    world = World(settings=wanting(caps={"BTC": Wanted(D("2.2"))}))
    sale = Leg("ETH/BTC", Side.SELL, "ETH", "BTC")
    envelope = approved(World())
    now_ns = world.clock.now_ns
    allowed = replace(
        envelope.allowances[0], symbol="ETH/BTC", side=Side.SELL, max_qty=D(9), worst_price=D(0)
    )
    envelope = replace(envelope, allowances=(allowed,))
    for qty, code in (("1.94", ""), ("1.95", "inventory_cap")):  # three per cent are the collar
        intent = OrderIntent("o", sale, D(qty), D("0.1"), D(0))
        refused = world.gate.clear(intent, envelope, D(10), now_ns)
        assert ("" if refused is None else refused.code.value) == code
        assert refused is None or isinstance(refused, Refused)


# --- conversions ---------------------------------------------------------------------------------


def bought(world: World) -> Conversion:
    """USD into BTC, as leg 1 of the usual plan would."""
    one, *_ = world.plan().legs
    return Conversion((one,), one.worst_spend, one.expected_receive, one.worst_receive)


def convert(world: World) -> Approved | Refused:
    kind, now_ns = ConversionKind.CONVERT, world.clock.now_ns
    return world.gate.review_conversion(bought(world), kind, "v1", D(10), now_ns)


def test_a_conversion_spends_what_is_beyond_the_reserve_to_its_last_digit() -> None:
    needed = World().plan().legs[0].worst_spend
    exact = World(settings=wanting(reserve_amount={"USD": D(10_000) - needed}))
    assert isinstance(convert(exact), Approved)
    more = World(settings=wanting(reserve_amount={"USD": D("10000.0001") - needed}))
    assert told(convert(more))[0] == "reserve"


def test_a_conversion_puts_nothing_past_its_cap() -> None:
    assert isinstance(convert(World(settings=wanting(caps={"BTC": Wanted(D("3.497"))}))), Approved)
    assert told(convert(World(settings=wanting(caps={"BTC": Wanted(D("3.49"))}))))[0] == (
        "inventory_cap"
    )
    past = World(settings=wanting(caps={"USD": Wanted(D(1))}))
    assert isinstance(convert(past), Approved), "it takes of what is past its cap"


# --- how large a plan may be ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "bounds",
    [
        {"caps": {"BTC": Wanted(D("3.1"))}},
        {"caps": {"ETH": Wanted(D(400), "USD")}},
        {"caps": {"BTC": Wanted(D("2.9")), "USD": Wanted(D(10_005))}},
        {"reserve_amount": {"USD": D("9900.5")}},
        {"reserve_percent": {"USD": D(99)}},
    ],
)
def test_what_is_too_large_for_a_bound_is_approved_at_the_share_that_fits(
    bounds: dict[str, Any],
) -> None:
    world = World(settings=wanting(**bounds))
    plan, now_ns = world.plan(), world.clock.now_ns
    assert isinstance(review(world, plan), Refused)
    for _ in range(5):
        share = world.gate._room.share(plan, now_ns)
        if share >= 1:
            break
        plan = world.plan(str(plan.start_in * share))
    assert D(40) < plan.start_in < D(140)
    assert isinstance(review(world, plan), Approved)


@pytest.mark.parametrize(
    ("bounds", "share"),
    [
        ({}, D(1)),
        ({"caps": {"BTC": Wanted(D(9))}, "reserve_amount": {"ETH": D(30)}}, D(1)),
        ({"caps": {"BTC": Wanted(D(2))}}, D(0)),
        ({"caps": {"BTC": Wanted(D(1))}}, D(0)),
        ({"reserve_amount": {"USD": D(10_001)}}, D(0)),
        ({"caps": {"DOGE": Wanted(D(0))}}, D(1)),
    ],
)
def test_a_plan_has_all_the_room_or_none(bounds: dict[str, Any], share: Decimal) -> None:
    world = World(settings=wanting(**bounds))
    assert world.gate._room.share(world.plan(), world.clock.now_ns) == share


def test_there_is_no_room_below_a_cap_that_nobody_can_reckon() -> None:
    world = World(settings=wanting(caps={"BTC": Wanted(D(10**6), "USD")}))
    plan = world.plan()
    del world.sights.prices["BTC"]
    assert world.gate._room.share(plan, world.clock.now_ns) == 0


def test_below_a_cap_that_follows_a_price_sizing_leaves_room_for_it_to_move() -> None:
    world = World(settings=wanting(caps={"ETH": Wanted(D(400), "USD")}))
    now_ns, price = world.clock.now_ns, world.sights.prices["ETH"]
    plan = world.plan()
    share = world.gate._room.share(plan, now_ns)
    assert D(30) + plan.legs[1].qty * share == pytest.approx(D(400) / price * D("0.97"))
    plan = world.plan(str(plan.start_in * share))
    envelope = approved(world, plan)
    world.sights.prices["ETH"] = price * D("1.02")
    refused = world.gate.clear(plan.legs[1].intent("o1"), envelope, D(10_000), now_ns)
    assert refused is None


def test_what_would_be_refused_is_told_and_nothing_is_kept_for_it() -> None:
    capped, free = World(settings=wanting(caps={"BTC": Wanted(D(2))})), World()
    kind, now_ns = ConversionKind.CONVERT, capped.clock.now_ns
    refused = capped.gate.would_refuse(bought(capped), kind, D(10), now_ns)
    assert refused == convert(capped)
    assert told(refused)[0] == "inventory_cap"
    left = free.gate._rate.left(now_ns)
    assert free.gate.would_refuse(bought(free), kind, D(10), now_ns) is None
    assert (free.gate._open, free.gate._rate.left(now_ns)) == ({}, left)
    assert free.ledger.held("USD") == free.ledger.exposure("BTC") == 0
    assert isinstance(convert(free), Approved)
