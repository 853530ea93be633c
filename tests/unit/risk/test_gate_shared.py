"""Gates of two lanes that share places: what counts there, and that the other rules come first."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from arbit.app.live.run import _slots_of
from arbit.config import RiskSettings, ScanSettings, Settings
from arbit.domain.cycle import CycleState
from arbit.domain.route import ConversionKind
from arbit.risk.envelope import Approved
from arbit.risk.slots import Slots
from tests.unit.execution.converting_world import RICH, Fine, found
from tests.unit.execution.world import World
from tests.unit.risk.gate_world import approved, home, limits, record, review, told

D = Decimal


def two(slots: Slots) -> tuple[World, World]:
    """Worlds of two accounts, at venues of two names."""
    one, other = World(settings=limits()), World(settings=limits())
    gate = other.gate
    gate._setup = replace(gate._setup, venue=other.settings.venue("kraken"))
    for world in (one, other):
        world.gate.share(slots)
    return one, other


def over(world: World) -> None:
    """Its cycle ended as planned, and nothing is held or claimed for it."""
    world.ledger.release("c1")
    world.gate.finished(record(world.plan()), went_wrong=False, now_ns=world.clock.now_ns)


def test_cycles_of_both_count_and_the_end_of_one_makes_room() -> None:
    one, other = two(Slots(1))
    approved(one)
    assert told(review(other)) == ("total_cycles", {"open": "1", "most": "1"})
    over(one)
    approved(other)


def test_what_cycles_of_both_started_with_counts_in_the_reference_currency() -> None:
    one, other = two(Slots(9, D(200)))
    stake = one.plan().legs[0].worst_spend * (one.sights.in_reference("USD", 0) or D(0))
    assert D(100) < stake < D(200)
    approved(one)
    code, said = told(review(other))
    assert (code, said) == (
        "total_notional",
        {"open": f"{stake:.2f}", "wanted": f"{stake:.2f}", "most": "200"},
    )
    over(one)
    approved(other)


def test_the_last_place_is_kept_for_the_one_whose_turn_it_is() -> None:
    one, other = two(Slots(1))
    approved(one)
    review(other)
    over(one)
    assert told(review(one)) == ("lane_turn", {"turn": "kraken"})
    approved(other)


def test_no_place_is_kept_for_a_cycle_that_another_rule_refuses() -> None:
    one, other = two(Slots(1))
    approved(one)
    other.ledger.hold("elsewhere", "USD", D(9_990))
    assert told(review(other))[0] == "funds"
    over(one)
    approved(one)


def test_nothing_is_held_or_claimed_where_there_is_no_place() -> None:
    one, other = two(Slots(1))
    approved(one)
    free = other.ledger.free("USD")
    review(other)
    assert other.ledger.free("USD") == free
    assert not any(other.ledger.beyond_claim("c1", {}))


def test_orders_home_need_no_place() -> None:
    one, other = two(Slots(1))
    approved(one)
    home(other)
    assert told(review(one, cycle_id="c2"))[0] == "total_cycles"


def test_a_cycle_found_at_a_start_takes_its_place_with_what_it_started_with() -> None:
    one, other = two(Slots(9, D(200)))
    one.gate.adopt(record(one.plan(), state=CycleState.LEG_2))
    first = one.plan().legs[0]
    said = told(review(other))[1]
    assert said["open"] == f"{first.qty * first.limit_price:.2f}"


def test_one_that_nothing_prices_counts_as_the_most_that_one_may_start_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = two(Slots(9, D(1_100)))
    monkeypatch.setattr(one.sights, "in_reference", lambda *_: None)
    one.gate.adopt(record(one.plan(), state=CycleState.LEG_2))
    assert told(review(other))[1]["open"] == "1000.00"


def test_unless_another_number_is_set_all_lanes_have_as_many_places_as_one_venue() -> None:
    usual = Settings(scan=ScanSettings(max_concurrent_cycles=3))
    assert _slots_of(usual)._cycles == 3
    more = RiskSettings(max_total_cycles=7, max_total_notional=D(900))
    slots = _slots_of(Settings(risk=more))
    assert (slots._cycles, slots._notional) == (7, D(900))


@pytest.mark.parametrize("kind", list(ConversionKind))
def test_a_conversion_that_finds_no_shared_place_keeps_nothing(kind: ConversionKind) -> None:
    one, other = two(Slots(1))
    other.sights.markets = Fine().sights.markets
    conversion = found(other, "USD", "BTC", "150", 1)
    now_ns, free = other.clock.now_ns, other.ledger.free("USD")
    approved(one)
    answer = other.gate.review_conversion(conversion, kind, "c1", RICH, now_ns)
    assert told(answer) == ("total_cycles", {"open": "1", "most": "1"})
    assert other.ledger.free("USD") == free
    assert other.ledger.exposure("BTC") == 0
    over(one)
    assert isinstance(other.gate.review_conversion(conversion, kind, "c1", RICH, now_ns), Approved)
    assert other.ledger.free("USD") < free
