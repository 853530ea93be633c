from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from arbit.domain.book import Disbelief
from arbit.domain.order import Fill, OrderEnd, OrderIntent, OrderReport
from arbit.domain.triangle import Side
from arbit.fitness.trial import (
    HOME_ATTEMPTS,
    HOME_WAIT_NS,
    Course,
    CycleEnd,
    PaperCycle,
    Trial,
    TrialSetup,
)
from arbit.venues.paper import INSUFFICIENT_FUNDS, NO_FEE
from tests.unit.fitness.scene import MS, Scene

D = Decimal


def course(scene: Scene, qty: str = "1", limits: Sequence[str] = ("100", "0.1", "10.5")) -> Course:
    one, two, three = (D(limit) for limit in limits)
    fee = next(iter(scene.fees.values()))
    return Course(scene.triangle, D(qty), (one, two, three), (fee, fee, fee))


def ready(
    *,
    fee: str = "0",
    latency_ms: int = 60,
    balances: Mapping[str, str] | None = None,
    max_concurrent: int = 4,
) -> Scene:
    """A scene with a gap in which the lane has no budget: cycles are started by the test."""
    scene = Scene(
        fee=fee,
        latency_ms=latency_ms,
        balances=balances,
        max_concurrent=max_concurrent,
        budget="0",
    )
    scene.quiet()
    scene.gap()
    return scene


def started(scene: Scene, given: Course | None = None) -> PaperCycle:
    cycle = scene.trial.start(given or course(scene), scene.now_ns)
    assert cycle is not None
    return cycle


def test_three_legs_that_fill_are_done_and_earn_what_the_prices_say() -> None:
    scene = ready()
    cycle = started(scene)
    scene.pass_ms(1_000)

    assert cycle.end is CycleEnd.DONE
    assert scene.trial.profit == {"USD": D(5)}  # 100 USD -> 1 BTC -> 10 ETH -> 105 USD
    assert scene.trial.residuals == {}
    assert scene.balance_changes() == scene.accounted() == {"USD": D(5)}


def test_each_leg_takes_one_latency_and_the_next_starts_when_it_is_done() -> None:
    scene = ready(latency_ms=60)
    cycle = started(scene)
    ends = []
    for _ in range(3):
        scene.pass_ms(59.999)
        ends.append(cycle.leg)
        scene.pass_ms(0.001)
        ends.append(cycle.leg)

    assert ends == [0, 1, 1, 2, 2, 3]
    assert scene.now_ns - cycle.started_ns == 180 * MS
    assert cycle.end is CycleEnd.DONE


def test_without_latency_a_cycle_needs_no_time_and_still_ends() -> None:
    scene = ready(latency_ms=0)
    cycle = started(scene)
    scene.pass_ms(0)

    assert cycle.end is CycleEnd.DONE


def test_fees_are_paid_in_what_each_leg_receives() -> None:
    scene = ready(fee="0.01")
    cycle = started(scene)
    scene.pass_ms(1_000)

    # 0.99 BTC buys 9.9 ETH, 9.801 of them arrive and sell for 102.9105 less one percent.
    assert cycle.profit == D("101.881395") - 100
    assert scene.balance_changes() == scene.accounted()


def test_nothing_filled_is_flat_and_costs_nothing() -> None:
    scene = ready()
    cycle = started(scene, course(scene, limits=("99.99999", "0.1", "10.5")))
    scene.pass_ms(1_000)

    assert cycle.end is CycleEnd.FLAT
    assert scene.balance_changes() == scene.accounted() == {}


def test_a_first_leg_that_is_refused_at_once_is_a_flat_cycle_with_its_reason() -> None:
    scene = ready(balances={"USD": "50"})
    cycle = started(scene)

    assert cycle.end is CycleEnd.FLAT
    assert scene.trial.in_flight == 0
    assert scene.trial.refusals == {INSUFFICIENT_FUNDS: 1}
    assert scene.trial.cycles == 1
    assert scene.trial.next_due_ns is None


def test_a_first_leg_filled_in_part_goes_on_with_that_part() -> None:
    scene = ready()
    scene.put("BTC/USD", [("99.9", "50")], [("100", "0.4")])
    cycle = started(scene)
    scene.pass_ms(1_000)

    assert cycle.end is CycleEnd.UNWOUND  # not what was planned, though nothing is left behind
    assert scene.trial.profit == {"USD": D(2)}  # 40 USD -> 0.4 BTC -> 4 ETH -> 42 USD
    assert scene.balance_changes() == scene.accounted()


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


def test_no_leg_is_larger_than_sizing_found_depth_for() -> None:
    # Leg one sells better than its limit, so there is more to spend than was planned.
    scene = ready(balances={"ETH": "10"})
    triangle = scene.triangle.starting_at("ETH")
    scene.put("ETH/USD", [("10.5", "500")], [("10.6", "500")])
    scene.put("BTC/USD", [("99.9", "50")], [("100", "1")])
    limits = (D(10), D(100), D("0.09"))
    scene.put("ETH/BTC", [("0.0999", "500")], [("0.1", "500")])
    planned = Course(triangle, D(10), limits, (D(0), D(0), D(0)), (D(10), D(1), D(1)))
    assert [leg.side for leg in triangle.legs[:2]] == [Side.SELL, Side.BUY]
    sent: list[OrderIntent] = []
    place = scene.exchange.place

    def spy(intent: OrderIntent, now_ns: int) -> OrderReport | None:
        sent.append(intent)
        return place(intent, now_ns)

    desk = _Spied(scene, spy)
    trial = Trial(
        TrialSetup(
            desk,
            scene.markets,
            lambda symbol, now_ns: scene.cache.fresh(symbol, now_ns, 10_000 * MS),
            scene.ended.append,
            1,
        )
    )
    trial.start(planned, scene.now_ns)
    for _ in range(8):
        scene.now_ns += 60 * MS
        trial.pump(scene.now_ns)

    assert [intent.qty for intent in sent[:2]] == [D(10), D(1)]  # 105 USD would have paid for 1.05


class _Spied:
    """The real paper exchange with a look at what is placed."""

    def __init__(self, scene: Scene, place: object) -> None:
        self._exchange = scene.exchange
        self._place = place

    def place(self, intent: OrderIntent, now_ns: int) -> OrderReport | None:
        assert callable(self._place)
        report = self._place(intent, now_ns)
        assert report is None or isinstance(report, OrderReport)
        return report

    def due(self, now_ns: int) -> Sequence[OrderReport]:
        return self._exchange.due(now_ns)

    def books_moved(self, symbol: str, now_ns: int) -> None:
        self._exchange.books_moved(symbol, now_ns)

    @property
    def next_due_ns(self) -> int | None:
        return self._exchange.next_due_ns


def test_no_more_cycles_are_under_way_than_allowed_and_the_others_are_counted() -> None:
    scene = ready(max_concurrent=2)
    outcomes = [scene.trial.start(course(scene), scene.now_ns) for _ in range(5)]

    assert [outcome is not None for outcome in outcomes] == [True, True, False, False, False]
    assert scene.trial.in_flight == 2
    assert scene.trial.skipped_busy == 3
    scene.pass_ms(1_000)
    assert scene.trial.in_flight == 0
    assert started(scene).end is None  # there is room again


def test_two_cycles_at_once_never_share_the_same_displayed_liquidity() -> None:
    scene = ready()
    scene.put("BTC/USD", [("99.9", "50")], [("100", "1")])
    first, second = started(scene), started(scene)
    scene.pass_ms(2_000)

    assert (first.end, second.end) == (CycleEnd.DONE, CycleEnd.FLAT)
    assert scene.balance_changes() == scene.accounted() == {"USD": D(5)}


def test_the_profit_counts_the_cycles_that_went_wrong() -> None:
    scene = ready()
    started(scene)
    scene.pass_ms(1_000)  # +5
    started(scene)
    scene.put("ETH/BTC", [("0.1099", "500")], [("0.11", "500")])
    scene.pass_ms(1_000)  # -0.1

    assert scene.trial.cycles == 2
    assert scene.trial.profit == {"USD": D("4.9")}


def test_a_run_that_ends_in_the_middle_loses_no_cycle() -> None:
    scene = ready()
    travelling, on_leg_two = started(scene), started(scene)
    scene.pass_ms(60)
    fresh = started(scene)
    scene.trial.finish()

    ends = {cycle.end for cycle in (travelling, on_leg_two, fresh)}
    assert ends == {CycleEnd.UNFINISHED}
    assert scene.trial.cycles == 3
    assert scene.trial.in_flight == 0
    assert scene.trial.profit == scene.trial.residuals == {}  # neither profit nor loss
    assert scene.trial.unfinished == {"USD": D(-200), "BTC": D(2)}
    assert scene.balance_changes() == scene.accounted()


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


def test_after_the_end_time_changes_nothing() -> None:
    scene = ready()
    started(scene)
    scene.trial.finish()
    scene.pass_ms(5_000)
    scene.trial.pump(scene.now_ns)

    assert scene.trial.next_due_ns is None
    assert scene.trial.cycles == 1
    assert scene.trial.start(course(scene), scene.now_ns) is None
    assert scene.balance_changes() == {}


def test_a_closed_trial_begins_nothing_and_finishes_what_it_began() -> None:
    scene = ready()
    cycle = started(scene)
    scene.lane.close()
    assert scene.trial.start(course(scene), scene.now_ns) is None
    idle = [scene.lane.idle]
    scene.pass_ms(1_000)
    idle.append(scene.lane.idle)

    assert cycle.end is CycleEnd.DONE
    assert idle == [False, True]
    assert scene.trial.skipped_busy == 0


def test_amounts_of_many_digits_are_added_without_rounding() -> None:
    leg = Scene().triangle.legs[0]
    fine = D("0.123456789012345678901234567890123456")
    cycle = PaperCycle(1, course(Scene()), 0)
    intent = OrderIntent("x", leg, D(1), D(100), D(0))
    for _ in range(2):
        cycle.book(OrderReport(intent, OrderEnd.FILLED, 0, Fill(fine, fine * 10, D(0), "USDX")))

    assert cycle.holdings == {"BTC": D("0.246913578024691357802469135780246912")}


def test_an_amount_pays_for_no_more_than_it_is_worth() -> None:
    scene = ready()
    leg = scene.triangle.legs[1]
    funds = D("0.0999999999999999999999999999999")  # rounds to 0.1 at 28 digits
    assert scene.trial._quantity(leg, funds, D("0.1")) == D("0.99999")
