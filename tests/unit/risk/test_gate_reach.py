"""How far the gate lets each asset be moved: what a cycle claims, adopted or new, and a way home.

Sums are done here by hand, leg by leg, and not by the gate's own functions.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from arbit.config import Settings
from arbit.domain.cycle import CycleState, Policy
from arbit.domain.order import OrderIntent
from arbit.domain.records import Book, CycleRecord, PlannedRecord, Posting
from arbit.domain.refusal import RefusalCode, Refused
from arbit.domain.triangle import Leg, Side
from arbit.ledger import Reach
from arbit.risk.breaker import BreakerState, Reason
from arbit.risk.envelope import Approved
from tests.unit.execution.world import START, World, usual_settings

D = Decimal
RATE = D("0.001")
COLLAR = D("1.03")  # the settings' three hundred bps
SELL_BTC = Leg("BTC/USD", Side.SELL, "BTC", "USD")
BUY_BTC = SELL_BTC.reversed()
SELL_ETH = Leg("ETH/USD", Side.SELL, "ETH", "USD")
BUY_ETH = Leg("ETH/BTC", Side.BUY, "BTC", "ETH")


def limits(scan: dict[str, Any] | None = None, **risk: Any) -> Settings:
    settings = usual_settings(**risk)
    changed = settings.scan.model_copy(update=scan or {})
    return settings.model_copy(update={"scan": changed})


def found_at_a_restart(policy: Policy) -> CycleRecord:
    """200 USD buy 2 BTC, which buy 20 ETH, which sell for 210 USD at their limits."""
    rows = (
        PlannedRecord(BUY_BTC, D(2), D(100), RATE),
        PlannedRecord(BUY_ETH, D(20), D("0.1"), RATE),
        PlannedRecord(SELL_ETH, D(20), D("10.5"), RATE),
    )
    return CycleRecord("old", policy, CycleState.LEG_1, rows, 0)


def moved(world: World, cycle_id: str, asset: str, amount: str) -> None:
    world.ledger.apply(
        (
            Posting("T", "trade", Book.WALLET, asset, D(amount), 1),
            Posting("T", "trade", Book.TRADING, asset, -D(amount), 1),
        ),
        cycle_id,
    )


# --- what a cycle claims -------------------------------------------------------------------------


def test_a_cycle_in_a_row_may_pay_its_first_leg_and_receive_each() -> None:
    """What legs 2 and 3 spend is what the ones before them brought."""
    world = World()
    world.gate.adopt(found_at_a_restart(Policy.SEQUENTIAL))
    assert world.ledger.worst("USD") == Reach(D("-200.2"), D(210) * COLLAR)
    assert world.ledger.worst("BTC") == Reach(high=D(2))
    assert world.ledger.worst("ETH") == Reach(high=D(20))


def test_parallel_legs_may_pay_each_what_none_has_brought_yet() -> None:
    world = World()
    world.gate.adopt(found_at_a_restart(Policy.PARALLEL))
    assert world.ledger.worst("USD") == Reach(D("-200.2"), D(210) * COLLAR)
    assert world.ledger.worst("BTC") == Reach(D("-2.002"), D(2))
    assert world.ledger.worst("ETH") == Reach(D("-20.02"), D(20))
    world.ledger.release("old")
    assert world.ledger.worst("BTC") == Reach()


@pytest.mark.parametrize("policy", list(Policy))
def test_a_new_cycle_claims_the_same_way(policy: Policy) -> None:
    world = World(settings=limits(policy=policy))
    plan = world.plan("20")
    assert isinstance(world.gate.review(plan, "c1", world.clock.now_ns), Approved)
    first, second, third = plan.legs
    gross = max(third.expected_receive + third.fee, third.qty * third.limit_price)
    out = {one.leg.spend: -one.worst_spend * (1 + one.fee_rate) for one in plan.legs}
    if policy is Policy.SEQUENTIAL:
        out |= {"BTC": D(0), "ETH": D(0)}
    assert world.ledger.worst("USD") == Reach(out["USD"], gross * COLLAR)
    assert world.ledger.worst("BTC") == Reach(out["BTC"], first.qty)
    assert world.ledger.worst("ETH") == Reach(out["ETH"], second.qty)
    held = {one.leg.spend: one.worst_spend for one in plan.legs}
    for asset in START:
        wanted = held[asset] if policy is Policy.PARALLEL or asset == "USD" else D(0)
        assert world.ledger.held(asset) == wanted


def test_legs_in_a_row_need_no_funds_but_the_firsts() -> None:
    world = World()
    for asset in ("BTC", "ETH"):
        world.ledger.hold("somebody", asset, START[asset])
    assert isinstance(world.gate.review(world.plan(), "c1", world.clock.now_ns), Approved)


# --- slots and tokens ----------------------------------------------------------------------------


def test_an_adopted_cycle_takes_a_slot_and_keeps_three_orders() -> None:
    world = World(settings=limits({"max_concurrent_cycles": 1}))
    world.gate.adopt(found_at_a_restart(Policy.SEQUENTIAL))
    refused = world.gate.review(world.plan("20"), "c2", world.clock.now_ns)
    assert refused == Refused(RefusalCode.CONCURRENCY, {"open": "1"})

    scarce = World(settings=limits(order_rate_per_s=0.8, max_exposure=D(50_000)))
    scarce.gate.adopt(found_at_a_restart(Policy.SEQUENTIAL))  # eight tokens, three of them its own
    refused = scarce.gate.review(scarce.plan("20"), "c2", scarce.clock.now_ns)
    assert refused == Refused(RefusalCode.RATE_BUDGET, {"left": "5.0"})


def test_a_cycle_that_a_way_home_opens_keeps_three_orders_under_its_own_name() -> None:
    world = World(settings=limits(order_rate_per_s=0.8))
    home = [(SELL_BTC, D(1), D(99))]
    assert isinstance(world.gate.review_unwind(home, "old", D(1), world.clock.now_ns), Approved)
    assert isinstance(world.gate.review_unwind(home, "old", D(1), world.clock.now_ns), Approved)
    refused = world.gate.review(world.plan("20"), "c2", world.clock.now_ns)
    assert refused == Refused(RefusalCode.RATE_BUDGET, {"left": "5.0"})
    over = CycleRecord("old", Policy.SEQUENTIAL, CycleState.UNWOUND, ROWS, 0)
    world.gate.finished(over, went_wrong=False, now_ns=world.clock.now_ns)
    assert isinstance(world.gate.review(world.plan("20"), "c2", world.clock.now_ns), Approved)


def test_no_cycle_begins_that_the_venues_own_limit_has_no_room_to_end() -> None:
    world, room = World(), [5.0]
    world.gate.room = lambda: room[0]
    refused = world.gate.review(world.plan("20"), "c1", world.clock.now_ns)
    assert refused == Refused(RefusalCode.RATE_BUDGET, {"left": "5.0"})
    room[0] = 6.0
    assert isinstance(world.gate.review(world.plan("20"), "c1", world.clock.now_ns), Approved)
    room[0] = 11.0  # six of these are for the one that is open
    refused = world.gate.review(world.plan("20"), "c2", world.clock.now_ns)
    assert refused == Refused(RefusalCode.RATE_BUDGET, {"left": "5.0"})


ROWS = found_at_a_restart(Policy.SEQUENTIAL).plan


def test_each_order_that_leaves_is_one_less_that_is_kept_down_to_none() -> None:
    """Thirteen tokens; a cycle keeps six. What it has sent is no longer kept, and never less."""
    world = World(settings=limits(order_rate_per_s=1.3, max_exposure=D(50_000)))
    plan = world.plan("20")
    envelope = world.gate.review(plan, "c1", world.clock.now_ns)
    assert isinstance(envelope, Approved)
    intent = plan.legs[0].intent("ab000001-11")
    lefts = []
    for _ in range(8):
        refused = world.gate.clear(intent, envelope, intent.most_spent, world.clock.now_ns)
        assert refused is None
        slots = world.gate._open.values()
        lefts.append(world.gate._rate.left(world.clock.now_ns) - sum(slot.owed for slot in slots))
    assert lefts == [7, 7, 7, 7, 7, 7, 6, 5]


# --- a way home ----------------------------------------------------------------------------------


def test_a_way_home_claims_what_it_may_move_beyond_what_is_claimed() -> None:
    world = World(settings=limits(max_exposure=D(50_000)))
    world.ledger.claim("c1", {"BTC": Reach(high=D(1)), "USD": Reach(low=D(-100))})
    moved(world, "c1", "BTC", "1")
    moved(world, "c1", "USD", "-100")
    orders = [(SELL_BTC, D("1.5"), D(99)), (BUY_ETH, D(5), D("0.1"))]
    answer = world.gate.review_unwind(orders, "c1", D(1), world.clock.now_ns)
    assert isinstance(answer, Approved)
    # BTC: one came in, then at worst 1.5 and 0.5 leave; USD: 100 left, at best 152.955 come back.
    assert world.ledger.worst("BTC") == Reach(D(-1), D(1))
    assert world.ledger.worst("USD") == Reach(D(-100), D("1.5") * 99 * COLLAR - 100)
    assert world.ledger.worst("ETH") == Reach(high=D(5))


def test_two_orders_home_of_one_asset_count_together() -> None:
    world = World(settings=limits(asset_caps={"BTC": D("1.9")}))
    one = (SELL_BTC, D(1), D(99))
    assert isinstance(world.gate.review_unwind([one], "c1", D(1), world.clock.now_ns), Approved)
    again = World(settings=limits(asset_caps={"BTC": D("1.9")}))
    refused = again.gate.review_unwind([one, one], "c1", D(1), again.clock.now_ns)
    assert refused == Refused(
        RefusalCode.ASSET_CAP, {"asset": "BTC", "exposure": "2", "cap": "1.9"}
    )
    assert again.ledger.worst("BTC") == Reach(), "a refusal claims nothing"
    both_in = World(settings=limits(asset_caps={"BTC": D("1.9")}))
    bought = (BUY_BTC, D(1), D(100))
    refused = both_in.gate.review_unwind([bought, bought], "c1", D(1), both_in.clock.now_ns)
    assert isinstance(refused, Refused)
    assert refused.figures["exposure"] == "2"


@pytest.mark.parametrize(
    ("left", "leg", "qty", "room"),
    [
        ("5", SELL_BTC, "5", True),  # nearer to zero, though it is beyond the cap now
        ("5", SELL_BTC, "6", True),  # and through it, as far as the cap
        ("5", SELL_BTC, "6.001", False),
        ("5", BUY_BTC, "0.001", False),
        ("-5", BUY_BTC, "5", True),
        ("-5", BUY_BTC, "6", True),
        ("-5", BUY_BTC, "6.001", False),
        ("-5", SELL_BTC, "0.001", False),
        ("0", SELL_BTC, "1", True),
        ("0", SELL_BTC, "1.001", False),
        ("0", BUY_BTC, "1", True),
        ("0", BUY_BTC, "1.001", False),
        ("0.5", SELL_BTC, "1.5", True),
        ("0.5", SELL_BTC, "1.501", False),
    ],
)
def test_a_way_home_may_go_nearer_to_zero_from_anywhere_and_away_from_it_to_the_cap(
    left: str, leg: Leg, qty: str, room: bool
) -> None:
    world = World(settings=limits(asset_caps={"BTC": D(1)}, max_exposure=D(50_000)))
    moved(world, "", "BTC", left)
    now_ns = world.clock.now_ns
    assert world.gate.has_room(leg, D(qty), D(100), "c1", now_ns) is room


def test_a_cap_of_less_than_a_unit_holds_too() -> None:
    world = World(settings=limits(asset_caps={"BTC": D("0.5")}))
    now_ns = world.clock.now_ns
    assert world.gate.has_room(SELL_BTC, D("0.5"), D(100), "c1", now_ns)
    assert not world.gate.has_room(SELL_BTC, D("0.501"), D(100), "c1", now_ns)


def test_orders_home_leave_while_the_venue_is_probed_too() -> None:
    world = World()
    world.breaker.trip(Reason.LOCKOUT, "locked out")
    world.clock.now_ns += 901 * 1_000_000_000
    assert world.breaker.state() is BreakerState.PROBING
    home = [(SELL_BTC, D(1), D(99))]
    envelope = world.gate.review_unwind(home, "old", D(1), world.clock.now_ns)
    assert isinstance(envelope, Approved)
    intent = OrderIntent("ab000001-u1", SELL_BTC, D(1), D(99), D(0))
    assert world.gate.clear(intent, envelope, D(1), world.clock.now_ns) is None


def test_a_way_home_towards_zero_asks_for_no_price() -> None:
    """A cap in an asset that nothing prices now keeps no position from being closed."""
    world = World(settings=limits(max_exposure=D(50_000)))
    moved(world, "", "BTC", "1")
    del world.sights.prices["BTC"]
    assert world.gate.has_room(SELL_BTC, D(1), D(100), "c1", world.clock.now_ns)
    assert not world.gate.has_room(BUY_BTC, D(1), D(100), "c1", world.clock.now_ns)


def test_room_is_counted_from_the_cycles_own_claim() -> None:
    world = World(settings=limits(asset_caps={"BTC": D(1)}, max_exposure=D(50_000)))
    world.ledger.claim("c1", {"BTC": Reach(low=D(-1))})
    now_ns = world.clock.now_ns
    assert world.gate.has_room(SELL_BTC, D(1), D(100), "c1", now_ns), "it is claimed already"
    assert not world.gate.has_room(SELL_BTC, D(1), D(100), "c2", now_ns)
