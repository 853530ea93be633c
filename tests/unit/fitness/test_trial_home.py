from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from arbit.domain.book import Disbelief
from arbit.fitness.trial import (
    HOME_ATTEMPTS,
    HOME_WAIT_NS,
    Course,
    CycleEnd,
)
from arbit.venues.paper import NO_FEE
from tests.unit.fitness.cycles import course, ready, started
from tests.unit.fitness.scene import MS

D = Decimal


def test_a_second_leg_that_finds_nothing_brings_the_first_one_home_at_a_loss() -> None:
    scene = ready()
    cycle = started(scene)
    scene.put("ETH/BTC", [("0.1099", "500")], [("0.11", "500")])
    scene.pass_ms(1_000)

    assert cycle.end is CycleEnd.UNWOUND
    assert scene.trial.profit == {"USD": D("-0.1")}  # 1 BTC bought at 100, sold at 99.9
    assert scene.balance_changes() == scene.accounted()


def test_a_third_leg_that_falls_short_sells_the_rest_at_what_the_book_gives() -> None:
    scene = ready()
    cycle = started(scene)
    scene.pass_ms(120)
    scene.put("ETH/USD", [("10.5", "6"), ("10.46", "500")], [("10.6", "500")])
    scene.pass_ms(1_000)

    assert cycle.end is CycleEnd.UNWOUND
    # Six at 10.5; the rest at 10.46, for the six are taken and the real book never noticed.
    assert scene.trial.profit == {"USD": D(6) * D("10.5") + D(4) * D("10.46") - 100}
    assert scene.balance_changes() == scene.accounted()


def test_what_a_partial_second_leg_left_goes_home_by_its_own_market() -> None:
    scene = ready()
    cycle = started(scene)
    scene.put("ETH/BTC", [("0.0999", "500")], [("0.1", "4")])
    scene.pass_ms(1_000)

    # 0.4 BTC became 4 ETH and 42 USD; the other 0.6 BTC came home at 99.9.
    assert cycle.end is CycleEnd.UNWOUND
    assert scene.trial.profit == {"USD": D(42) + D("0.6") * D("99.9") - 100}
    assert scene.balance_changes() == scene.accounted()


def test_what_cannot_come_home_is_held_and_its_cost_is_in_the_profit() -> None:
    scene = ready()
    cycle = started(scene)
    scene.pass_ms(60)
    for symbol in ("BTC/USD", "ETH/BTC"):
        scene.cache.disbelieve(symbol, Disbelief.DISCONNECTED)
    scene.pass_ms(HOME_WAIT_NS / MS - 1)
    waited = cycle.end
    scene.pass_ms(1_000)

    assert (waited, cycle.end) == (None, CycleEnd.HELD)
    assert scene.trial.ends[CycleEnd.HELD] == 1
    assert scene.trial.profit == {"USD": D(-100)}
    assert scene.trial.residuals == {"BTC": D(1)}
    assert (cycle.orders, cycle.attempts) == (2, {})  # nothing is sent without a book
    assert scene.balance_changes() == scene.accounted()


def test_what_waits_for_its_book_goes_home_when_the_book_is_back() -> None:
    scene = ready(max_concurrent=1)
    cycle = started(scene)
    scene.pass_ms(60)
    for symbol in ("BTC/USD", "ETH/BTC"):
        scene.cache.disbelieve(symbol, Disbelief.DISCONNECTED)
    scene.pass_ms(5_000)
    assert scene.trial.start(course(scene), scene.now_ns) is None  # it is under way all the while
    scene.put("BTC/USD", [("99", "50")], [("100", "50")])
    scene.pass_ms(1_000)

    assert cycle.end is CycleEnd.UNWOUND
    assert scene.trial.profit == {"USD": D(-1)}
    assert scene.balance_changes() == scene.accounted()


def test_an_order_home_that_finds_nothing_is_tried_again_a_pause_later_and_then_held() -> None:
    scene = ready(latency_ms=60)
    cycle = started(scene)
    scene.put("ETH/BTC", [("0.1099", "500")], [("0.11", "500")])
    scene.pass_ms(120)  # leg one filled, leg two did not: the first order home is under way
    orders = []
    for _ in range(5):
        scene.put("BTC/USD", [("90", "50")], [("100", "50")])  # gone when the order arrives ...
        scene.pass_ms(60)
        orders.append(cycle.orders)
        scene.put("BTC/USD", [("99", "50")], [("100", "50")])  # ... and back for the next try
        scene.pass_ms(190)

    assert cycle.end is CycleEnd.HELD
    assert cycle.attempts == {"BTC": HOME_ATTEMPTS}
    assert orders == [3, 4, 5, 5, 5]  # one try in each 250 ms, however soon the last one failed
    assert scene.balance_changes() == scene.accounted()


def test_an_order_home_does_not_reach_for_levels_far_from_any_market() -> None:
    scene = ready()
    started(scene)
    scene.put("ETH/BTC", [("0.1099", "500")], [("0.11", "500")])
    scene.put("BTC/USD", [("99.9", "50"), ("20", "500")], [("100", "50")])
    scene.pass_ms(120)  # the order home is under way
    scene.put("BTC/USD", [("20", "500")], [("100", "50")])
    scene.pass_ms(60)
    assert scene.exchange.balances["BTC"] == D(2)  # nothing was given away at 20
    scene.put("BTC/USD", [("99.5", "50")], [("100", "50")])
    scene.pass_ms(1_000)

    assert scene.trial.profit == {"USD": D("-0.5")}


def test_dust_is_not_waited_for() -> None:
    scene = ready()
    cycle = started(scene, course(scene, qty="1.00001"))
    scene.markets["ETH/BTC"] = replace(scene.markets["ETH/BTC"], qty_increment=D("0.1"))
    scene.pass_ms(60)
    scene.cache.disbelieve("BTC/USD", Disbelief.DISCONNECTED)
    scene.pass_ms(120)

    assert cycle.end is CycleEnd.DONE
    assert scene.trial.residuals == {"BTC": D("0.00001")}


def test_an_asset_that_cannot_go_home_does_not_keep_the_other_one_from_it() -> None:
    scene = ready()
    cycle = started(scene)
    scene.put("ETH/BTC", [("0.0999", "500")], [("0.1", "4")])  # 0.6 BTC stay behind
    scene.pass_ms(120)
    scene.cache.disbelieve("BTC/USD", Disbelief.DISCONNECTED)  # BTC cannot go home
    scene.put("ETH/USD", [("9", "500")], [("10.6", "500")])  # leg 3 finds nothing at its limit
    for _ in range(20):
        scene.pass_ms(2_000)
        scene.put("ETH/USD", [("9", "500")], [("10.6", "500")])

    assert cycle.end is CycleEnd.HELD
    assert scene.trial.residuals == {"BTC": D("0.6")}
    assert scene.trial.profit == {"USD": D(36) - 100}  # the 4 ETH did come home, at 9
    assert cycle.attempts == {"ETH": 1}


def test_an_order_home_that_is_refused_at_once_is_not_sent_again() -> None:
    scene = ready()
    cycle = started(scene)
    scene.put("ETH/BTC", [("0.1099", "500")], [("0.11", "500")])
    scene.fees.pop("BTC/USD")  # the venue would refuse whatever is sent on this market
    scene.pass_ms(1_000)

    assert (cycle.end, cycle.orders) == (CycleEnd.HELD, 3)
    assert scene.trial.refusals == {NO_FEE: 1}


def test_dust_is_no_incident_but_is_counted_as_left_over() -> None:
    scene = ready()
    cycle = started(scene, course(scene, limits=("100", "0.1", "10.5"), qty="1.00001"))
    coarse = replace(scene.markets["ETH/BTC"], qty_increment=D("0.1"))
    scene.markets["ETH/BTC"] = coarse
    scene.pass_ms(1_000)

    assert cycle.end is CycleEnd.DONE
    assert scene.trial.residuals == {"BTC": D("0.00001")}
    assert scene.balance_changes() == scene.accounted()


@pytest.mark.parametrize(("cost_min", "end"), [("50", CycleEnd.HELD), ("100.01", CycleEnd.UNWOUND)])
def test_a_quote_asset_left_behind_is_held_when_it_is_worth_an_order(
    cost_min: str, end: CycleEnd
) -> None:
    # ETH > USD > BTC > ETH: what leg one brings is USD, which is the base of no market.
    scene = ready(balances={"ETH": "10"})
    triangle = scene.triangle.starting_at("ETH")
    scene.put("ETH/USD", [("10", "500")], [("10.6", "500")])
    cycle = started(scene, Course(triangle, D(10), (D(10), D(100), D("0.1")), (D(0), D(0), D(0))))
    scene.pass_ms(60)
    scene.markets["ETH/USD"] = replace(scene.markets["ETH/USD"], cost_min=D(cost_min))
    for symbol in ("BTC/USD", "ETH/USD"):
        scene.cache.disbelieve(symbol, Disbelief.DISCONNECTED)
    scene.pass_ms(60)
    assert (cycle.end is end) is (end is CycleEnd.UNWOUND)  # dust is not waited for
    scene.pass_ms(HOME_WAIT_NS / MS + 1_000)

    assert cycle.end is end
    assert scene.trial.residuals == {"USD": D(100)}


def test_a_cycle_whose_three_legs_filled_is_done_though_its_dust_is_still_going_home() -> None:
    scene = ready()
    cycle = started(scene, course(scene, qty="1.01"))
    scene.markets["ETH/BTC"] = replace(scene.markets["ETH/BTC"], qty_increment=D(1))
    scene.pass_ms(180)
    assert (cycle.leg, cycle.end, cycle.going_home) == (3, None, True)
    scene.trial.finish()

    assert cycle.end is CycleEnd.DONE
    assert scene.trial.residuals == {"BTC": D("0.01")}
    assert scene.balance_changes() == scene.accounted()
