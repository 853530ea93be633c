from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable

from arbit.domain.errors import BrokenRule
from arbit.domain.order import OrderState
from arbit.ports import OrderGateway
from arbit.venues import paper
from arbit.venues.paper_gateway import PaperGateway
from tests.unit.venues.paper_books import LATENCY_NS, D, exchange, order, usual_books


class VirtualClock:
    """Time that moves only when everybody waits, to the earliest who wakes."""

    def __init__(self, *, wakes_early_ns: int = 0) -> None:
        self.now_ns = 1_000
        self.early_ns = wakes_early_ns
        self.naps = 0

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return self.now_ns

    def jitter(self) -> float:
        return 0.0

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        raise NotImplementedError(f"nobody asked to be called at {when_ns} with {callback}")

    async def sleep(self, seconds: float) -> None:
        self.naps += 1
        wake_ns = self.now_ns + round(seconds * 1e9)
        early_ns, self.early_ns = self.early_ns, 0
        await asyncio.sleep(0)
        self.now_ns = max(self.now_ns, wake_ns - early_ns)


async def test_the_gateway_waits_out_the_latency_and_reports() -> None:
    clock = VirtualClock()
    gateway: OrderGateway = PaperGateway(exchange(usual_books()), clock)

    report = await gateway.send(order("1", "100"))

    assert report.state is OrderState.FILLED
    assert [(one.qty, one.cost) for one in report.trades] == [(D(1), D(100))]
    assert clock.now_ns == 1_000 + LATENCY_NS


async def test_a_refusal_takes_as_long_as_any_other_answer() -> None:
    clock = VirtualClock()

    report = await PaperGateway(exchange(usual_books()), clock).send(order("1", "100.05"))

    assert (report.state, report.reason) == (OrderState.REJECTED, paper.OFF_TICK)
    assert clock.now_ns == 1_000 + LATENCY_NS


async def test_a_timer_that_wakes_early_is_sent_back_to_sleep() -> None:
    clock = VirtualClock(wakes_early_ns=3)

    report = await PaperGateway(exchange(usual_books()), clock).send(order("1", "100"))

    assert report.state is OrderState.FILLED
    assert clock.naps == 2


async def test_orders_sent_side_by_side_each_get_their_own_report() -> None:
    gateway = PaperGateway(exchange(usual_books()), VirtualClock())
    intents = [order("0.5", "100", client_id=name) for name in "abc"]

    async with asyncio.timeout(5):
        reports = await asyncio.gather(*(gateway.send(intent) for intent in intents))

    assert [report.client_id for report in reports] == [one.client_id for one in intents]
    assert [one.state for one in reports] == [
        OrderState.FILLED,
        OrderState.FILLED,
        OrderState.EMPTY,
    ]


async def test_a_cancelled_send_leaves_its_order_to_meet_the_book() -> None:
    venue = exchange(usual_books())
    gateway = PaperGateway(venue, VirtualClock())
    async with asyncio.TaskGroup() as tasks:
        sent = gateway.send(order("0.5", "100", client_id="a"))
        assert inspect.iscoroutine(sent)
        sending = tasks.create_task(sent)
        await asyncio.sleep(0)
        sending.cancel()

    report = await gateway.send(order("0.1", "100", client_id="b"))

    assert report.state is OrderState.FILLED
    assert venue.balances["USD"] == D(1000) - 50 - 10


async def test_a_report_that_somebody_else_took_is_a_bug_and_no_silence() -> None:
    venue = exchange(usual_books())

    async def thief() -> None:  # runs while the order is on its way
        venue.due(10**12)

    sending = PaperGateway(venue, VirtualClock()).send(order("1", "100"))
    outcome, _ = await asyncio.gather(sending, thief(), return_exceptions=True)

    assert isinstance(outcome, BrokenRule)
    assert "taken by somebody else" in str(outcome)
