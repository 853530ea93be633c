from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from arbit.domain.order import Fill, OrderIntent, OrderReport, OrderState
from arbit.domain.triangle import Side
from arbit.fitness.trial import (
    Course,
    CycleEnd,
    PaperCycle,
    Trial,
    TrialSetup,
)
from arbit.venues.paper import INSUFFICIENT_FUNDS
from tests.unit.fitness.cycles import course, ready, started
from tests.unit.fitness.scene import MS, Scene

D = Decimal


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
        cycle.book(OrderReport(intent, OrderState.FILLED, 0, Fill(fine, fine * 10, D(0), "USDX")))

    assert cycle.holdings == {"BTC": D("0.246913578024691357802469135780246912")}


def test_an_amount_pays_for_no_more_than_it_is_worth() -> None:
    scene = ready()
    leg = scene.triangle.legs[1]
    funds = D("0.0999999999999999999999999999999")  # rounds to 0.1 at 28 digits
    assert scene.trial._quantity(leg, funds, D("0.1")) == D("0.99999")
