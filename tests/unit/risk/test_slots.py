"""The places that lanes share: caps over all of them, and turns where several want the last."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from functools import partial

import pytest

from arbit.domain.errors import BrokenRule
from arbit.domain.refusal import Refused
from arbit.risk.slots import PATIENCE_NS, InUse, Slots

D = Decimal
MS = 1_000_000
PAIR = ("kraken", "alpaca")


class Desk:
    """Lanes that begin and end cycles, and the time."""

    def __init__(self, *lanes: str, cycles: int = 1, notional: Decimal | None = None) -> None:
        self.slots = Slots(cycles, notional)
        self.open: dict[str, list[Decimal]] = {lane: [] for lane in lanes}
        self.now_ns = 1_000 * MS
        for lane in lanes:
            self.slots.join(lane, partial(self.in_use, lane))

    def in_use(self, lane: str) -> InUse:
        return InUse(len(self.open[lane]), sum(self.open[lane], D(0)))

    def asks(self, lane: str, stake: str = "100", *, after_ms: int = 1) -> str:
        """What it is told; when it is a yes, the cycle begins."""
        self.now_ns += after_ms * MS
        answer = self.slots.ask(lane, D(stake), self.now_ns)
        if isinstance(answer, Refused):
            return answer.code.value
        self.open[lane].append(D(stake))
        return "begun"

    def ends(self, lane: str) -> None:
        self.open[lane].pop(0)


def test_no_more_cycles_are_under_way_than_all_lanes_together_may_have() -> None:
    desk = Desk(*PAIR, cycles=3)
    answers = [desk.asks(lane) for lane in ("kraken", "kraken", "alpaca", "kraken")]
    assert answers == ["begun", "begun", "begun", "total_cycles"]


def test_what_cycles_started_with_is_bounded_over_all_lanes() -> None:
    desk = Desk(*PAIR, cycles=9, notional=D(250))
    assert [desk.asks("kraken"), desk.asks("alpaca")] == ["begun", "begun"]
    assert desk.asks("kraken", "50.01") == "total_notional"
    desk = Desk(*PAIR, cycles=9, notional=D(250))
    assert [desk.asks(lane, stake) for lane, stake in zip(PAIR, ("200", "50"), strict=True)] == [
        "begun",
        "begun",
    ]


def test_a_refusal_tells_its_figures() -> None:
    desk = Desk(*PAIR, cycles=2, notional=D(250))
    desk.asks("kraken", "200")
    desk.now_ns += MS
    answer = desk.slots.ask("alpaca", D(60), desk.now_ns)
    assert str(answer) == "total_notional: open 200.00, wanted 60.00, most 250"
    desk.asks("alpaca", "50")
    assert str(desk.slots.ask("kraken", D(1), desk.now_ns)) == "total_cycles: open 2, most 2"


def test_lanes_that_want_the_last_place_take_turns() -> None:
    desk = Desk(*PAIR)
    assert desk.asks("kraken") == "begun"
    assert desk.asks("alpaca") == "total_cycles"
    desk.ends("kraken")
    assert str(desk.slots.ask("kraken", D(100), desk.now_ns)) == "lane_turn: turn alpaca"
    assert desk.asks("alpaca") == "begun"
    desk.ends("alpaca")
    assert desk.asks("alpaca") == "lane_turn"  # the other has been waiting since
    assert desk.asks("kraken") == "begun"


def test_a_lane_that_asks_seldom_begins_at_its_second_question_however_often_the_other_asks() -> (
    None
):
    for seed in range(20):
        rng, desk, told = random.Random(seed), Desk(*PAIR), ["begun"]
        for step in range(4_000):
            if step % 100 == 99:
                told.append(desk.asks("alpaca", after_ms=2))
                assert "begun" in told[-2:], f"seed {seed}: {told}"
            else:
                desk.asks("kraken", after_ms=2)
            for lane, cycles in desk.open.items():
                if cycles and rng.random() < 0.1:
                    desk.ends(lane)


@pytest.mark.parametrize("lanes", [2, 3, 5])
def test_no_lane_takes_the_last_place_twice_while_another_goes_on_asking(lanes: int) -> None:
    names = [f"lane{number}" for number in range(lanes)]
    for seed in range(20):
        rng, desk = random.Random(seed), Desk(*names, cycles=2)
        took_last: Counter[tuple[str, str]] = Counter()  # from whom, who
        waiting: set[str] = set()
        for _ in range(600):
            for name in rng.sample(names, lanes):
                if desk.asks(name, after_ms=1) != "begun":
                    waiting.add(name)
                    continue
                waiting.discard(name)
                for other in names:
                    took_last.pop((name, other), None)
                if sum(map(len, desk.open.values())) == 2:
                    took_last.update((other, name) for other in waiting)
                    assert max(took_last.values(), default=0) <= 1, f"seed {seed}: {took_last}"
            for name in names:
                if desk.open[name] and rng.random() < 0.3:
                    desk.ends(name)


def test_a_lane_that_does_not_ask_holds_up_nobody() -> None:
    desk = Desk("kraken", "alpaca", "quiet")
    for _ in range(5):
        assert desk.asks("kraken") == "begun"
        desk.ends("kraken")


def test_a_lane_that_has_stopped_asking_loses_its_turn_after_a_while() -> None:
    desk = Desk(*PAIR)
    desk.asks("kraken")
    desk.asks("alpaca")
    desk.ends("kraken")
    patience_ms = PATIENCE_NS // MS
    assert desk.asks("kraken", after_ms=patience_ms) == "lane_turn"
    assert desk.asks("kraken", after_ms=1) == "begun"


def test_a_place_is_kept_for_a_turn_only_where_there_is_no_other() -> None:
    desk = Desk(*PAIR, cycles=2)
    desk.asks("kraken")
    desk.asks("kraken")
    assert desk.asks("alpaca") == "total_cycles"
    desk.open["kraken"].clear()
    assert desk.asks("kraken") == "begun"
    assert desk.asks("kraken") == "lane_turn"
    assert desk.asks("alpaca") == "begun"


def test_small_cycles_of_one_lane_do_not_eat_up_what_a_large_one_waits_for() -> None:
    desk = Desk(*PAIR, cycles=9, notional=D(300))
    desk.asks("kraken", "100")
    assert desk.asks("alpaca", "250") == "total_notional"
    assert desk.asks("kraken", "10") == "lane_turn"
    desk.ends("kraken")
    assert desk.asks("kraken", "60") == "lane_turn"
    assert desk.asks("kraken", "50") == "begun"
    assert desk.asks("alpaca", "250") == "begun"


def test_what_could_never_be_begun_is_waited_for_by_nobody() -> None:
    desk = Desk(*PAIR, cycles=9, notional=D(300))
    assert desk.asks("kraken", "300.01") == "total_notional"
    assert desk.asks("alpaca", "300") == "begun"  # though the other would be served first


def test_cycles_found_at_a_start_take_places() -> None:
    desk = Desk(*PAIR, cycles=2)
    desk.open["kraken"] = [D(100), D(100), D(100)]
    assert desk.asks("alpaca") == "total_cycles"


def test_a_lane_that_is_over_holds_up_nobody_any_more() -> None:
    desk = Desk(*PAIR)
    desk.asks("kraken")
    assert desk.asks("alpaca") == "total_cycles"
    desk.slots.leave("kraken")
    assert desk.asks("alpaca") == "begun"
    desk.slots.leave("alpaca")
    desk.slots.leave("alpaca")


def test_a_lane_takes_part_once_and_asks_only_then() -> None:
    desk = Desk("kraken")
    with pytest.raises(BrokenRule, match="kraken takes part already"):
        desk.slots.join("kraken", lambda: InUse(0, D(0)))
    with pytest.raises(BrokenRule, match="alpaca does not take part"):
        desk.slots.ask("alpaca", D(1), desk.now_ns)


def test_who_waits_for_a_cycle_that_does_not_end_lets_the_others_pass_once_each() -> None:
    desk = Desk(*PAIR, cycles=9, notional=D(1_000))
    assert desk.asks("alpaca", "200") == "begun"  # and its order is UNKNOWN from then on
    began: list[int] = []
    for step in range(1_500):  # half a minute
        assert desk.asks("kraken", "900", after_ms=10) == "total_notional"
        if desk.asks("alpaca", "50", after_ms=10) == "begun":
            desk.open["alpaca"].pop()  # this one ends
            began.append(step)
    assert len(began) == 2
    assert began[1] - began[0] >= 500
