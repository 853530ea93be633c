"""A lane that sees several gaps at once: what is tried, in which order, and what waits."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from arbit.config import RotationSettings
from arbit.domain.plan import Plan, UnfitReason
from arbit.domain.refusal import RefusalCode, Refused
from arbit.lane import Lane
from arbit.rotation import Rotation, Verdict
from tests.choosing.planted import Gap, Planted, Scene
from tests.choosing.play import LATENCY_MS, Play
from tests.unit.fitness.scene import MS

D = Decimal
NAMES = {f"USD>A{n}>B{n}>USD": n for n in range(12)}


class Table:
    """Three triangles of 20, 40 and 30 bps, and a hand that takes what a test lets it."""

    def __init__(self, **settings: object) -> None:
        planted = tuple(
            Planted(n, bps, 500, 0.9, 0.9, 40.0, 1.0) for n, bps in enumerate((20, 40, 30))
        )
        rotation = Rotation(RotationSettings.model_validate(settings))
        self.play = Play(
            Scene(0, against=False, planted=planted, rounds=(), restarts=frozenset()),
            lambda _: rotation,
        )
        self.rotation = rotation
        self.planted = planted
        self.tried: list[int] = []
        self.answer: Callable[[Plan], Refused | None] = lambda _: None
        self.lane.take = self._take
        self.now_ns = self.play.now_ns

    @property
    def lane(self) -> Lane:
        return self.play.lane

    def _take(self, plan: Plan, now_ns: int) -> Refused | None:
        self.tried.append(NAMES[plan.triangle.path])
        return self.answer(plan)

    def show(self, *numbers: int, after_ms: int = 0) -> None:
        """Gaps of these open, or show again, and the lane takes a turn."""
        self.pass_ms(after_ms)
        self.play.show(
            [
                Gap(one, one.net_bps, survives=True, fills=True)
                for one in self.planted
                if one.number in numbers
            ]
        )
        self.lane.turn(self.now_ns)

    def pass_ms(self, milliseconds: int) -> None:
        self.now_ns += milliseconds * MS
        self.play.now_ns = self.now_ns


def busy(_: Plan) -> Refused:
    return Refused(RefusalCode.CONCURRENCY, {"open": "1"})


def test_the_best_of_those_that_fit_in_one_turn_is_tried_first() -> None:
    table = Table()
    table.show(0, 1, 2)
    assert table.tried == [1, 2, 0]
    (choice,) = table.rotation.choices
    assert [one.verdict for one in choice.ranked] == [Verdict.TAKEN] * 3


def test_a_single_one_is_tried_whatever_is_known_of_the_others() -> None:
    table = Table()
    table.rotation.odds.attempted("USD>A1>B1>USD", None)
    table.show(0)
    assert table.tried == [0]


def test_a_place_that_becomes_free_goes_to_the_best_that_waited_not_to_what_moved_last() -> None:
    table = Table()
    table.answer = busy
    table.show(1, 2)
    table.answer = lambda _: None
    table.show(0, after_ms=25)
    assert table.tried == [1, 2, 1, 2, 0]


def test_what_was_refused_for_itself_does_not_wait() -> None:
    table = Table()
    table.answer = lambda _: Refused(RefusalCode.ASSET_CAP, {})
    table.show(1)
    table.show(0, after_ms=25)
    assert table.tried == [1, 0]


def test_a_gap_that_closed_meanwhile_does_not_wait_any_more() -> None:
    table = Table()
    table.answer = busy
    table.show(1)
    table.pass_ms(25)
    table.play.close([Gap(table.planted[1], 40.0, survives=True, fills=True)])
    table.lane.turn(table.now_ns)
    table.show(0)
    assert table.tried == [1, 0]


def test_what_loses_on_its_record_is_left_alone_and_still_looked_at_after_the_latency() -> None:
    table = Table(losing_after=5)
    path = "USD>A1>B1>USD"
    for _ in range(8):
        table.rotation.odds.attempted(path, D("0.01"))
    before = table.rotation.odds.of(path, D(0))
    table.show(1)
    table.show(1, after_ms=LATENCY_MS)
    assert table.tried == []
    after = table.rotation.odds.of(path, D(0))
    assert after.cycles == before.cycles
    assert after.survive > before.survive
    assert table.rotation.choices[0].ranked[0].verdict is Verdict.LOSING


def test_a_gap_that_was_taken_is_not_counted_by_the_look_but_by_its_cycle() -> None:
    table = Table()
    table.show(1)
    table.pass_ms(LATENCY_MS)
    table.lane.turn(table.now_ns)
    assert table.rotation.odds.take_changed(9) == ()
    table.answer = busy
    table.show(0)
    table.pass_ms(LATENCY_MS)
    table.lane.turn(table.now_ns)
    (learned,) = table.rotation.odds.take_changed(9)
    assert (learned.path, learned.survived, learned.gone) == ("USD>A0>B0>USD", D(1), D(0))


def test_a_book_below_the_liquidity_floor_does_not_fit_and_says_so() -> None:
    table = Table(liquidity_floor=D(501))  # their first book holds 500 USD
    table.rotation.price = lambda asset: D(1) if asset == "USD" else D(100)
    table.show(1)
    assert table.tried == []
    assert table.lane.unfit == {UnfitReason.BELOW_LIQUIDITY_FLOOR.value: 1}


def test_after_one_was_begun_the_next_is_sized_from_what_is_left() -> None:
    table, spent = Table(), list[Decimal]()

    table.answer = lambda plan: spent.append(plan.start_in)
    table.play.budget = lambda: D(600) - sum(spent, D(0))
    table.show(1, 2)
    assert len(spent) == 2
    assert spent[0] > 490
    assert spent[1] <= 600 - spent[0]
