"""The gate to the last figure: what it approves, claims and holds, and where a cap is reached."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from arbit.domain.cycle import CycleState, Policy
from arbit.domain.records import Book, CycleRecord, PlannedRecord, Posting, Purpose
from arbit.domain.refusal import Refused
from arbit.domain.triangle import Leg, Side
from arbit.ledger import Reach
from arbit.risk.envelope import Allowance, Approved
from tests.unit.execution.world import FEE, START, World
from tests.unit.risk.gate_world import (
    BACK,
    HOME,
    MS,
    approved,
    home,
    limits,
    record,
    review,
    told,
)

D = Decimal
COLLAR = D("1.03")  # usual_settings has a collar of 300 bps
WITH_FEE = 1 + FEE


def worst(world: World) -> dict[str, Reach]:
    return {asset: world.ledger.worst(asset) for asset in START}


# --- what is approved ----------------------------------------------------------------------------


def test_an_approval_is_the_plan_with_its_budget_and_its_end() -> None:
    world = World(settings=limits(deadline_ms=2_000, resolve_margin_ms=1_500))
    plan = world.plan()
    assert approved(world, plan) == Approved(
        cycle_id="c1",
        purpose=Purpose.LEG,
        allowances=tuple(
            Allowance(one.leg.symbol, one.leg.side, one.qty, one.limit_price) for one in plan.legs
        ),
        loss_budget=plan.start_in / 10,  # 1000 bps
        expires_ns=world.clock.now_ns + 3 * 3_500 * MS,
    )
    assert {asset: world.ledger.held(asset) for asset in START} == {
        "USD": plan.legs[0].worst_spend,
        "BTC": D(0),
        "ETH": D(0),
    }


def test_an_order_home_is_approved_for_as_long_as_its_deadline() -> None:
    world = World(settings=limits(deadline_ms=2_000))
    orders = [(HOME, "1", "99"), (BACK, "0.5", "101")]
    assert home(world, *orders) == Approved(
        cycle_id="c1",
        purpose=Purpose.UNWIND,
        allowances=(
            Allowance("BTC/USD", Side.SELL, D(1), D(99)),
            Allowance("BTC/USD", Side.BUY, D("0.5"), D(101)),
        ),
        loss_budget=D(10),
        expires_ns=world.clock.now_ns + 2_000 * MS,
    )


# --- how far it may reach ------------------------------------------------------------------------


def test_legs_in_turn_claim_what_leg_1_spends_with_its_fee_and_what_each_brings() -> None:
    """A sell may fill better than its limit by as much as the collar; a fee may come elsewhere."""
    world = World()
    plan = world.plan()
    approved(world, plan)
    first, middle, last = plan.legs
    gross = max(last.expected_receive + last.fee, last.qty * last.limit_price)
    assert worst(world) == {
        "USD": Reach(-first.worst_spend * WITH_FEE, gross * COLLAR),
        "BTC": Reach(high=first.qty),
        "ETH": Reach(high=middle.qty),
    }


def test_legs_at_once_claim_what_each_spends_too_and_hold_it() -> None:
    world = World(policy=Policy.PARALLEL)
    plan = world.plan()
    approved(world, plan)
    first, middle, last = plan.legs
    gross = max(last.expected_receive + last.fee, last.qty * last.limit_price)
    assert worst(world) == {
        "USD": Reach(-first.worst_spend * WITH_FEE, gross * COLLAR),
        "BTC": Reach(-middle.worst_spend * WITH_FEE, first.qty),
        "ETH": Reach(-last.worst_spend * WITH_FEE, middle.qty),
    }
    assert {asset: world.ledger.held(asset) for asset in START} == {
        "USD": first.worst_spend,
        "BTC": middle.worst_spend,
        "ETH": last.worst_spend,
    }


def test_a_sell_that_walks_into_a_better_level_claims_what_that_brings() -> None:
    """Expected above its limit: the expectation before its fee is what the collar comes on."""
    world = World()
    plan = world.plan()
    last = plan.legs[2]
    better = replace(last, expected_receive=last.worst_receive * 2, fee=D(7))
    changed = replace(plan, legs=(plan.legs[0], plan.legs[1], better))
    approved(world, changed)
    assert world.ledger.worst("USD").high == (better.expected_receive + 7) * COLLAR


@pytest.mark.parametrize("policy", list(Policy))
def test_a_cycle_that_is_adopted_claims_what_its_plan_says(policy: Policy) -> None:
    world = World()
    plan = world.plan()
    first, middle, last = plan.legs
    world.gate.adopt(record(plan, policy))
    parallel = policy is Policy.PARALLEL
    assert worst(world) == {
        "USD": Reach(
            -first.qty * first.limit_price * WITH_FEE, last.qty * last.limit_price * COLLAR
        ),
        "BTC": Reach(-middle.qty * middle.limit_price * WITH_FEE if parallel else D(0), first.qty),
        "ETH": Reach(-last.qty * WITH_FEE if parallel else D(0), middle.qty),
    }


def test_an_adopted_cycle_that_starts_with_a_sell_spends_its_quantity() -> None:
    world = World()
    one = PlannedRecord(HOME, D(1), D(100), FEE)
    two = PlannedRecord(Leg("ETH/USD", Side.BUY, "USD", "ETH"), D(9), D(11), FEE)
    three = PlannedRecord(Leg("ETH/BTC", Side.SELL, "ETH", "BTC"), D(9), D("0.1"), FEE)
    world.gate.adopt(CycleRecord("c1", Policy.SEQUENTIAL, CycleState.LEG_1, (one, two, three), 0))
    assert worst(world) == {
        "BTC": Reach(-WITH_FEE, D("0.9") * COLLAR),
        "USD": Reach(high=100 * COLLAR),
        "ETH": Reach(high=D(9)),
    }


@pytest.mark.parametrize(
    ("order", "usd", "btc"),
    [
        ((HOME, "2", "99"), Reach(high=198 * COLLAR), Reach(low=D(-2))),
        ((BACK, "2", "101"), Reach(low=D(-202)), Reach(high=D(2))),
    ],
)
def test_an_order_home_claims_what_it_may_move_both_ways(
    order: tuple[Leg, str, str], usd: Reach, btc: Reach
) -> None:
    world = World()
    world.ledger.claim("c1", {})
    assert isinstance(home(world, order), Approved)
    assert worst(world) == {"USD": usd, "BTC": btc, "ETH": Reach()}


def test_orders_home_together_claim_both() -> None:
    world = World()
    world.ledger.claim("c1", {})
    assert isinstance(home(world, (HOME, "2", "99"), (HOME, "1", "98")), Approved)
    assert world.ledger.worst("USD") == Reach(high=(198 + 98) * COLLAR)
    assert world.ledger.worst("BTC") == Reach(low=D(-3))


# --- caps ----------------------------------------------------------------------------------------


def test_a_cap_refuses_beyond_its_last_digit_and_tells_by_how_much() -> None:
    world = World(settings=limits(asset_caps={"BTC": D("1.4")}))
    plan = world.plan()
    said = {"asset": "BTC", "exposure": format(plan.legs[0].qty, "f"), "cap": "1.4"}
    assert told(review(world, plan)) == ("asset_cap", said)


def test_a_cap_without_end_is_told_in_ten_digits_and_held_to_its_last() -> None:
    world = World(settings=limits(max_exposure=D("99.7")))
    world.sights.prices["BTC"] = D(2104)  # 99.7 / 2104 has no last digit
    code, said = told(review(world, world.plan()))
    cap = D(said["cap"])
    assert (code, len(said["cap"])) == ("asset_cap", len("0.04738593155"))
    assert cap < D("99.7") / 2104 < cap + D("1e-10"), "rounded down"


def position(world: World, amount: str) -> None:
    """So much BTC was left behind by a cycle that is over."""
    books = ((Book.WALLET, D(amount)), (Book.TRADING, -D(amount)))
    world.ledger.apply(Posting("T", "trade", book, "BTC", moved, 0) for book, moved in books)


@pytest.mark.parametrize(
    ("left", "order", "room"),
    [
        # What is left of BTC is at its cap of 2: nearer to zero is allowed, further is not.
        ("2", (HOME, "1", "99"), True),
        ("2", (BACK, "0.001", "101"), False),
        ("-2", (BACK, "1", "101"), True),
        ("-2", (HOME, "0.001", "99"), False),
        ("2", (HOME, "4", "99"), True),  # to the cap on the other side
        ("2", (HOME, "4.001", "99"), False),
        ("0", (BACK, "2", "101"), True),
        ("0", (BACK, "2.001", "101"), False),
        ("3", (HOME, "0.5", "99"), True),  # beyond the cap already, and on its way back
        ("-3", (BACK, "0.5", "101"), True),
        ("3", (BACK, "0.001", "101"), False),
    ],
)
def test_an_order_home_may_bring_an_asset_nearer_to_zero_and_to_its_cap_beyond(
    left: str, order: tuple[Leg, str, str], room: bool
) -> None:
    world = World(settings=limits(asset_caps={"BTC": D(2)}))
    position(world, left)
    world.ledger.claim("c1", {})
    leg, qty, limit = order
    assert world.gate.has_room(leg, D(qty), D(limit), "c1", world.clock.now_ns) is room
    answer = home(world, order)
    assert isinstance(answer, Approved if room else Refused)
    if not room:
        assert told(answer)[0] == "asset_cap"
        assert world.ledger.worst("BTC") == Reach(D(left), D(left)), "nothing was claimed"


def test_an_asset_without_a_price_has_no_room() -> None:
    world = World()
    del world.sights.prices["BTC"]
    assert not world.gate.has_room(BACK, D(1), D(101), "c1", world.clock.now_ns)
