"""Witnesses hear everything in order, and cannot hurt whoever tells them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from arbit.clock import SystemClock
from arbit.domain.events import Event, VenueSaid
from arbit.telemetry.hub import MAX_A_TURN, MAX_QUEUED, Hub


class Turns:
    """A loop of our own: what was asked to run soon, run on demand."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []
        self.reported: list[Exception] = []

    def soon(self, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def run(self) -> int:
        turns = 0
        while self.waiting:
            turns += 1
            try:
                self.waiting.pop(0)()
            except ZeroDivisionError as error:  # as an event loop would report it
                self.reported.append(error)
        return turns


def said(number: int) -> Event:
    return VenueSaid("kraken", str(number))


def numbers(heard: list[Event]) -> list[int]:
    return [int(event.text) for event in heard if isinstance(event, VenueSaid)]


def fails_at(number: int, heard: list[Event]) -> Callable[[Event], None]:
    def listener(event: Event) -> None:
        if numbers([event]) == [number]:
            raise ZeroDivisionError
        heard.append(event)

    return listener


def test_everybody_hears_everything_in_order_and_only_in_a_later_turn() -> None:
    turns = Turns()
    first: list[Event] = []
    second: list[Event] = []
    hub = Hub(turns.soon)
    hub.listen(first.append)
    hub.listen(second.append)
    for number in range(5):
        hub.publish(said(number))
    assert first == []
    assert turns.run() == 1
    assert numbers(first) == numbers(second) == [0, 1, 2, 3, 4]


def test_a_witness_that_raises_is_dropped_and_counted_and_the_others_miss_nothing() -> None:
    turns = Turns()
    before: list[Event] = []
    broken: list[Event] = []
    after: list[Event] = []
    hub = Hub(turns.soon)
    hub.listen(before.append)
    hub.listen(fails_at(1, broken))
    hub.listen(after.append)
    for number in range(4):
        hub.publish(said(number))
    turns.run()
    assert numbers(before) == [0, 1, 2, 3]
    assert numbers(broken) == [0]
    assert numbers(after) == [0, 1, 2, 3]
    assert hub.dropped_listeners == len(turns.reported) == 1


def test_every_witness_may_raise_at_the_same_event() -> None:
    turns = Turns()
    hub = Hub(turns.soon)
    for _ in range(3):
        hub.listen(fails_at(0, []))
    hub.publish(said(0))
    turns.run()
    hub.publish(said(1))
    turns.run()
    assert hub.dropped_listeners == 3


def test_a_witness_may_publish_without_an_endless_turn() -> None:
    turns = Turns()
    heard: list[Event] = []
    hub = Hub(turns.soon)

    def echo(event: Event) -> None:
        heard.append(event)
        if len(heard) < 5:
            hub.publish(event)

    hub.listen(echo)
    hub.publish(said(7))
    assert turns.run() == 5
    assert numbers(heard) == [7] * 5


def test_a_turn_is_bounded_and_so_is_the_queue() -> None:
    turns = Turns()
    heard: list[Event] = []
    hub = Hub(turns.soon)
    hub.listen(heard.append)
    for number in range(MAX_QUEUED + 3):
        hub.publish(said(number))
    assert hub.lost_events == 3
    assert hub.published == MAX_QUEUED + 3
    assert turns.run() == MAX_QUEUED // MAX_A_TURN
    assert len(heard) == MAX_QUEUED


async def test_on_a_real_loop_the_publisher_never_sees_the_witness_fail() -> None:
    loop = asyncio.get_running_loop()
    reported: list[object] = []
    loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
    heard: list[Event] = []
    hub = Hub(loop.call_soon)
    hub.listen(fails_at(0, []))
    hub.listen(heard.append)
    hub.publish(said(0))
    hub.publish(said(1))
    await hub.heard(SystemClock())
    assert numbers(heard) == [0, 1]
    assert [type(error) for error in reported] == [ZeroDivisionError]


async def test_waiting_to_be_heard_ends_even_if_nobody_runs_the_turns() -> None:
    hub = Hub(lambda _: None)
    hub.publish(said(0))
    await asyncio.wait_for(hub.heard(SystemClock()), timeout=30)
    assert hub.lost_events == 0
