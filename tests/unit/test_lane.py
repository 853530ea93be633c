from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from arbit.agenda import MAX_AGENDA, Agenda
from arbit.domain.book import Disbelief, Source
from arbit.domain.market import MarketStatus
from arbit.domain.plan import UnfitReason
from arbit.lane import RETRY_SIZE_NS
from tests.unit.fitness.scene import MS, SECOND, SYMBOLS, Scene, market


def test_the_agenda_runs_in_order_of_time_and_then_of_entry() -> None:
    agenda, done = Agenda(), list[tuple[str, int]]()

    def note(name: str) -> Callable[[int], None]:
        return lambda now_ns: done.append((name, now_ns))

    for name, when_ns in (("late", 30), ("first", 10), ("second", 10)):
        agenda.at(when_ns, note(name))
    assert agenda.next_ns == 10
    agenda.run(29)
    assert done == [("first", 29), ("second", 29)]
    agenda.run(30)
    assert done[-1] == ("late", 30)
    assert agenda.next_ns is None


def test_the_agenda_is_bounded_and_says_so() -> None:
    agenda = Agenda()
    entered = [agenda.at(n, lambda _: None) for n in range(MAX_AGENDA + 1)]

    assert entered.count(False) == 1
    assert entered[-1] is False


def test_a_gap_that_stays_goes_all_the_way_down_the_funnel() -> None:
    scene = Scene()
    scene.quiet()
    scene.gap()
    scene.turn()
    assert scene.funnel == {"raw": 1, "gross": 1, "net": 1, "fits": 1, "survives": 0, "filled": 0}
    scene.pass_ms(60)
    assert scene.funnel["survives"] == 1
    scene.pass_ms(120)

    assert scene.funnel == dict.fromkeys(scene.funnel, 1)
    assert scene.trial.profit == {"USD": Decimal(50)}  # the budget is 1000, the gap 5 %


def test_a_gap_below_the_hurdle_is_gross_and_nothing_is_sized() -> None:
    scene = Scene(fee="0.02")
    scene.quiet()
    scene.gap()
    scene.turn()
    scene.pass_ms(1_000)

    assert (scene.funnel["gross"], scene.funnel["net"], scene.trial.cycles) == (1, 0, 0)
    assert scene.lane.unfit == {}


def test_one_episode_is_tried_once_however_often_it_shows() -> None:
    scene = Scene()
    scene.quiet()
    for step in range(100):
        scene.gap(bid=f"10.5{step % 7}")
        scene.turn()
        scene.pass_ms(7)
    scene.pass_ms(1_000)

    assert (scene.funnel["fits"], scene.trial.cycles) == (1, 1)


def test_what_does_not_fit_says_why_and_is_sized_again_after_a_pause_only() -> None:
    scene = Scene(budget="0.0001")
    scene.quiet()
    for _ in range(20):
        scene.gap()
        scene.turn()
        scene.now_ns += RETRY_SIZE_NS // 5

    assert scene.lane.unfit == {UnfitReason.NO_BUDGET.value: 4}
    assert scene.funnel["fits"] == 0


def test_a_market_that_may_not_be_traded_is_not_traded_on_paper_either() -> None:
    scene = Scene()
    scene.markets["ETH/BTC"] = market("ETH/BTC", status=MarketStatus.POST_ONLY)
    scene.quiet()
    scene.gap()
    scene.turn()

    assert scene.funnel["net"] == 1
    assert scene.funnel["fits"] == scene.trial.cycles == 0
    assert scene.lane.unfit == {UnfitReason.NOT_TRADABLE.value: 1}


def test_the_edge_demanded_bounds_the_size_and_not_only_the_top_of_the_book() -> None:
    scene = Scene(min_edge="0.03")
    scene.quiet()
    scene.put("ETH/USD", [("10.5", "10"), ("10.01", "500")], [("10.6", "500")])
    scene.turn()
    scene.pass_ms(1_000)

    (cycle,) = scene.ended
    assert cycle.end == "done"
    assert 0 < cycle.spent <= 100  # the first level is worth 100 USD; the second pays 0.1 %
    assert cycle.profit >= Decimal("0.03") * cycle.spent


def test_a_gap_that_no_size_keeps_the_demanded_edge_of_does_not_fit() -> None:
    scene = Scene(min_edge="0.03")
    scene.quiet()
    scene.put("ETH/USD", [("10.5", "0.001"), ("10.01", "500")], [("10.6", "500")])
    scene.turn()

    assert (scene.funnel["net"], scene.funnel["fits"]) == (1, 0)
    assert scene.lane.unfit == {UnfitReason.BELOW_MIN_EDGE.value: 1}


def test_a_gap_that_first_does_not_fit_may_fit_later() -> None:
    scene = Scene()
    scene.quiet()
    scene.gap(qty="0.00005")
    scene.turn()
    assert scene.funnel["fits"] == 0
    scene.now_ns += RETRY_SIZE_NS
    scene.gap()
    scene.turn()

    assert scene.funnel["fits"] == 1


def test_a_gap_gone_at_the_look_after_the_latency_has_not_survived() -> None:
    scene = Scene(latency_ms=60)
    scene.quiet()
    scene.gap()
    scene.turn()
    scene.pass_ms(59)
    scene.quiet()
    scene.turn()
    scene.pass_ms(1_000)

    assert (scene.funnel["fits"], scene.funnel["survives"], scene.funnel["filled"]) == (1, 0, 0)


def test_a_gap_on_a_book_doubted_at_the_look_has_not_survived() -> None:
    scene = Scene(latency_ms=60)
    scene.quiet()
    scene.gap()
    scene.turn()
    scene.pass_ms(30)
    scene.cache.disbelieve("BTC/USD", Disbelief.CHECKSUM)
    scene.turn()
    scene.pass_ms(30)

    assert (scene.funnel["fits"], scene.funnel["survives"]) == (1, 0)


def test_a_gap_too_small_to_trade_at_the_look_has_not_survived() -> None:
    scene = Scene(latency_ms=60)
    scene.quiet()
    scene.gap()
    scene.turn()
    scene.pass_ms(30)
    scene.gap(qty="0.00005")
    scene.turn()
    scene.pass_ms(30)

    assert (scene.funnel["fits"], scene.funnel["survives"]) == (1, 0)


def polled(scene: Scene) -> None:
    """The three books with a gap, as a REST poll brings them."""
    scene.put("BTC/USD", [("99.9", "50")], [("100", "50")], Source.REST)
    scene.put("ETH/BTC", [("0.0999", "500")], [("0.1", "500")], Source.REST)
    scene.put("ETH/USD", [("10.5", "500")], [("10.6", "500")], Source.REST)
    scene.turn()


def test_a_polled_gap_has_survived_only_when_a_later_poll_shows_it_too() -> None:
    scene = Scene(latency_ms=60)
    polled(scene)
    scene.pass_ms(700)  # the look after the latency has only the poll that showed the gap
    assert (scene.funnel["fits"], scene.funnel["survives"]) == (1, 0)
    polled(scene)
    scene.pass_ms(60)
    assert scene.funnel["survives"] == 1


def test_a_polled_gap_that_the_next_poll_does_not_show_has_not_survived() -> None:
    scene = Scene(latency_ms=60)
    scene.trial.closed = True
    polled(scene)
    scene.pass_ms(700)
    scene.put("ETH/USD", [("9.99", "500")], [("10.1", "500")], Source.REST)
    scene.turn()
    scene.pass_ms(60)

    assert (scene.funnel["fits"], scene.funnel["survives"]) == (1, 0)
    assert len(scene.reported) == 1  # nothing more is waited for
    assert scene.lane.idle


def test_a_polled_gap_that_no_later_poll_comes_for_has_not_survived() -> None:
    scene = Scene(latency_ms=60, max_age_ms=3_000)
    polled(scene)
    scene.pass_ms(20_000)

    assert (scene.funnel["fits"], scene.funnel["survives"]) == (1, 0)
    assert scene.lane.idle


def test_three_filled_legs_prove_the_gap_was_there_though_it_blinked_at_the_look() -> None:
    scene = Scene(latency_ms=60)
    scene.quiet()
    scene.gap()
    scene.turn()
    scene.pass_ms(59)
    scene.gap(bid="10")  # at the very moment of the look there is no gap ...
    scene.turn()
    scene.pass_ms(2)
    assert scene.funnel["survives"] == 0
    scene.gap()  # ... but the third leg finds its price
    scene.turn()
    scene.pass_ms(1_000)

    assert scene.ended[0].end == "done"
    assert scene.funnel["survives"] >= scene.funnel["filled"] >= 1


def test_the_first_leg_meets_the_book_of_its_own_moment_not_the_one_that_was_seen() -> None:
    scene = Scene(latency_ms=60)
    scene.quiet()
    scene.gap()
    scene.turn()
    scene.now_ns += 30 * MS
    scene.put("BTC/USD", [("104", "50")], [("105", "50")])
    scene.turn()
    scene.pass_ms(1_000)

    assert [cycle.end for cycle in scene.ended] == ["flat"]
    assert scene.balance_changes() == {}


def stale_candidate(flaw: str) -> list[Sequence[str]]:
    scene = Scene(max_age_ms=3_000, max_skew_ms=1_000 if flaw == "skew" else 60_000)
    asked: list[Sequence[str]] = []
    scene.lane.on_candidate = asked.append
    scene.quiet()
    scene.turn()
    scene.now_ns += 2 * SECOND if flaw == "skew" else 4 * SECOND
    if flaw == "fees":
        scene.gap(bid="9.999")
    else:
        scene.gap()
    scene.turn()
    assert scene.funnel["gross"] == 0
    return asked


def test_a_candidate_that_is_only_too_old_asks_for_an_independent_look() -> None:
    assert stale_candidate("age") == [("BTC/USD", "ETH/BTC", "ETH/USD")]


def test_a_candidate_whose_legs_are_too_far_apart_asks_for_a_look_as_well() -> None:
    assert stale_candidate("skew") == [("BTC/USD", "ETH/BTC", "ETH/USD")]


def test_an_old_triangle_without_an_edge_asks_for_nothing() -> None:
    assert stale_candidate("fees") == []


def test_nothing_touched_means_nothing_evaluated() -> None:
    scene = Scene()
    scene.quiet()
    scene.turn()
    before = scene.scanner.tally.evaluations
    for _ in range(50):
        scene.now_ns += MS
        scene.turn()

    assert scene.scanner.tally.evaluations == before
    assert scene.lane.turns == 51


def test_a_lane_knows_when_it_has_something_to_do_next() -> None:
    scene = Scene(latency_ms=60)
    due = [scene.lane.next_due_ns]
    scene.quiet()
    scene.gap()
    scene.turn()
    due.append(scene.lane.next_due_ns)
    seen_ns = scene.now_ns
    scene.pass_ms(1_000)
    due.append(scene.lane.next_due_ns)

    assert due == [None, seen_ns + 60 * MS, None]


def test_a_turn_after_the_end_does_no_harm() -> None:
    scene = Scene(latency_ms=60)
    scene.quiet()
    scene.gap()
    scene.turn()
    scene.finish()
    funnel = scene.funnel
    scene.pass_ms(500)
    scene.turn()

    assert scene.funnel == funnel
    assert len(scene.reported) == 1


def test_a_book_whose_top_alone_was_confirmed_is_looked_at_before_it_is_sized_on() -> None:
    scene = Scene(max_age_ms=3_000)
    asked: list[str] = []
    scene.lane.on_candidate = asked.extend
    scene.quiet()
    scene.gap()
    later_ns = scene.now_ns + 4 * SECOND
    for symbol in SYMBOLS:
        scene.cache.confirm(symbol, later_ns)
    scene.now_ns = later_ns
    scene.lane.turn(later_ns)
    assert scene.funnel["fits"] == 0
    assert sorted(set(asked)) == sorted(SYMBOLS)
    assert scene.lane.unfit == {"depth_unproved": 1}
    again_ns = later_ns + SECOND
    for symbol in SYMBOLS:
        scene.cache.confirm(symbol, again_ns, depth=True)
    scene.lane.turn(again_ns)
    assert scene.funnel["fits"] == 1


def test_a_plan_is_made_as_small_as_the_room_that_the_owners_bounds_leave() -> None:
    scene = Scene()
    scene.lane.room = lambda plan, _: min(Decimal(1), Decimal(100) / plan.start_in)
    scene.quiet()
    scene.gap()
    scene.turn()
    scene.pass_ms(1_000)
    (cycle,) = scene.ended
    assert Decimal(99) < cycle.spent <= Decimal(100)


def test_where_there_is_no_room_nothing_is_tried_and_it_is_said() -> None:
    scene = Scene()
    scene.lane.room = lambda _plan, _now_ns: Decimal(0)
    scene.quiet()
    scene.gap()
    scene.turn()
    assert scene.lane.unfit == {UnfitReason.NO_ROOM.value: 1}
    assert (scene.funnel["fits"], scene.trial.cycles) == (0, 0)


def test_a_gap_has_survived_though_what_was_begun_has_used_up_the_room() -> None:
    scene = Scene()
    scene.quiet()
    scene.gap()
    scene.turn()
    scene.lane.room = lambda _plan, _now_ns: Decimal(0)
    scene.pass_ms(60)
    assert scene.funnel["survives"] == 1
