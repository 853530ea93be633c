"""Paper as an order gateway: waits out the latency, then tells what became of the order.

It has no network to fail, so nothing is ever UNKNOWN while it runs. After a restart it remembers
nothing: an order that was on its way then has never been, and the ledger's balances stand.
"""

from __future__ import annotations

from collections.abc import Awaitable

from arbit.domain.errors import BrokenRule
from arbit.domain.money import EXACT
from arbit.domain.order import OrderIntent, OrderReport, OrderState, Outcome, Trade
from arbit.ports import Clock
from arbit.venues.paper import PaperExchange


class PaperGateway:
    """`ports.OrderGateway` on paper.

    It alone calls `due`; orders sent side by side find each other's reports here.
    """

    transport = "paper"

    def __init__(self, exchange: PaperExchange, clock: Clock) -> None:
        self._exchange = exchange
        self._clock = clock
        self._waiting: set[str] = set()
        self._reports: dict[str, OrderReport] = {}

    def unready(self) -> str:
        """Paper is always ready."""
        return ""

    def deadline_ns(self) -> int:
        """Paper has no deadline."""
        return 0

    def send(self, intent: OrderIntent) -> Awaitable[Outcome]:
        """Place the order now, once; what is awaited tells what became of it, a refusal included.

        Whoever stops waiting does not recall the order: it meets the book with the next pump.
        """
        sent_ns = self._clock.monotonic_ns()
        refused = self._exchange.place(intent, sent_ns)
        if refused is None:
            self._waiting.add(intent.client_id)
        return self._outcome(intent, sent_ns, refused)

    async def resolve(self, intent: OrderIntent, order_id: str = "") -> Outcome:
        """What a restart has forgotten was never placed; an order on its way is still open."""
        open_still = self._exchange.due_of(intent.client_id) is not None
        state = OrderState.ACKED if open_still else OrderState.NEVER
        return Outcome(intent.client_id, state, order_id=order_id)

    async def cancel(self, client_id: str, order_id: str = "") -> None:
        """An order that meets the book within a latency cannot be outrun: nothing is done."""

    async def _outcome(
        self, intent: OrderIntent, sent_ns: int, refused: OrderReport | None
    ) -> Outcome:
        """Wait until the order has met the book, or its refusal would have come back."""
        client_id = intent.client_id
        await self._wait_until(sent_ns + self._exchange.latency_ns)
        if refused is not None:
            return _told(refused, self._clock.wall_ns())
        try:
            self._pump()
            while (again_ns := self._exchange.due_of(client_id)) is not None:
                await self._wait_until(again_ns)
                self._pump()
            if client_id not in self._reports:
                raise BrokenRule(f"paper: the report of {client_id} was taken by somebody else")
            return _told(self._reports[client_id], self._clock.wall_ns())
        finally:
            self._waiting.discard(client_id)
            self._reports.pop(client_id, None)

    def _pump(self) -> None:
        for report in self._exchange.due(self._clock.monotonic_ns()):
            if report.intent.client_id in self._waiting:
                self._reports[report.intent.client_id] = report

    async def _wait_until(self, when_ns: int) -> None:
        """Sleep until then; a timer that wakes early is sent back to sleep."""
        while (left_ns := when_ns - self._clock.monotonic_ns()) > 0:
            await self._clock.sleep(left_ns / 1e9)


def _told(report: OrderReport, wall_ns: int) -> Outcome:
    """The report as an outcome; all that an order filled is one trade."""
    intent, fill = report.intent, report.fill
    if fill is None:
        return Outcome(intent.client_id, report.end, reason=report.reason)
    order_id = f"paper-{intent.client_id}"
    trade = Trade(
        trade_id=f"{order_id}-1",
        order_id=order_id,
        client_id=intent.client_id,
        symbol=intent.leg.symbol,
        side=intent.leg.side,
        qty=fill.base_qty,
        price=EXACT.divide(fill.quote_qty, fill.base_qty),
        cost=fill.quote_qty,
        fees=((fill.fee_asset, fill.fee),) if fill.fee else (),
        at_ns=wall_ns,
    )
    return Outcome(
        client_id=intent.client_id,
        state=report.end,
        trades=(trade,),
        order_id=order_id,
        reason=report.reason,
        filled_qty=fill.base_qty,
    )
