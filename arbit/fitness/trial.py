"""Paper cycles: what an opportunity would have become, leg by leg, one latency after the other.

A cycle sends its first leg when the opportunity is seen; each next leg is sized from what the one
before really delivered, and never above what sizing found depth for. When a leg falls short, what
is held goes home to the start asset through the market that joins the two, at whatever the book
gives; what no book takes stays behind and is reported as held. The profit counts every cycle, those
that went wrong above all.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Protocol

from arbit.domain.book import BookView, Level
from arbit.domain.market import Market
from arbit.domain.money import EXACT, ONE, ZERO, ceil_to, floor_to
from arbit.domain.order import OrderIntent, OrderReport, OrderState
from arbit.domain.triangle import Leg, Side, Triangle

HOME_ATTEMPTS = 3  # orders that try to bring one held asset home
HOME_SLIPPAGE = Decimal("0.005")  # how far beyond the price it needs an order home may trade
HOME_PAUSE_NS = 250_000_000  # between two tries, and between two looks for a book
HOME_WAIT_NS = 30_000_000_000  # how long a book that is not believable is waited for
# What an amount pays for is rounded down: one digit up would be an order beyond our funds.
_DOWN = Context(prec=60, rounding=ROUND_FLOOR)


class CycleEnd(enum.StrEnum):
    """How a paper cycle ended."""

    DONE = "done"  # three legs filled
    FLAT = "flat"  # nothing filled at all
    UNWOUND = "unwound"  # a later leg fell short; everything came home
    HELD = "held"  # something could not be brought home
    UNFINISHED = "unfinished"  # the run ended first: neither profit nor loss is known


class Desk(Protocol):
    """The paper exchange, as seen from here."""

    def place(self, intent: OrderIntent, now_ns: int) -> OrderReport | None:
        """Take an order; a report at once only when it is refused."""
        ...

    def due(self, now_ns: int) -> Sequence[OrderReport]:
        """Every order whose time has come, executed."""
        ...

    def books_moved(self, symbol: str, now_ns: int) -> None:
        """The symbol's book changed: forget what was taken of levels that are gone."""
        ...

    @property
    def next_due_ns(self) -> int | None:
        """When the next order is executed; None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Course:
    """A cycle as sizing planned it: the triangle, the first quantity, a limit price a leg.

    `most` is the largest quantity of each leg, in base units; None leaves that to the funds.
    """

    triangle: Triangle
    first_qty: Decimal
    limits: tuple[Decimal, Decimal, Decimal]
    fees: tuple[Decimal, Decimal, Decimal]
    most: tuple[Decimal, Decimal, Decimal] | None = None


@dataclass(slots=True)
class PaperCycle:
    """One cycle in flight or ended. Amounts of the start asset unless said otherwise.

    `leg` counts the planned legs that delivered anything, `short` says that one of them fell short.
    `attempts` counts the orders that tried to bring each held asset home.
    """

    number: int
    course: Course
    started_ns: int
    leg: int = 0
    orders: int = 0
    spent: Decimal = Decimal(0)
    returned: Decimal = Decimal(0)
    going_home: bool = False
    short: bool = False
    end: CycleEnd | None = None
    holdings: dict[str, Decimal] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    home_since_ns: int = 0
    next_try_ns: int = 0

    @property
    def profit(self) -> Decimal:
        """What came back minus what was spent; holdings count nothing."""
        return EXACT.subtract(self.returned, self.spent)

    def book(self, report: OrderReport) -> None:
        """Move what one order moved."""
        leg = report.intent.leg
        start = self.course.triangle.start
        if leg.spend == start:
            self.spent = EXACT.add(self.spent, report.spent)
        else:
            _add(self.holdings, leg.spend, EXACT.minus(report.spent))
        if leg.receive == start:
            self.returned = EXACT.add(self.returned, report.received)
        else:
            _add(self.holdings, leg.receive, report.received)

    def home_leg(self, asset: str) -> Leg | None:
        """The leg that turns a held asset into the start asset; None where there is none."""
        first, _, last = self.course.triangle.legs
        for leg in (last, first.reversed()):
            if leg.spend == asset:
                return leg
        return None


@dataclass(frozen=True, slots=True)
class TrialSetup:
    """What cycles need: the markets' increments and minima, and a symbol's believable book.

    `view(symbol, now_ns)` is None while the book is not believed.
    """

    desk: Desk
    markets: Mapping[str, Market]
    view: Callable[[str, int], BookView | None]
    on_end: Callable[[PaperCycle], None]
    max_concurrent: int


class Trial:
    """All paper cycles of a lane. Synchronous: `pump` is called when time has passed.

    `closed` is set from outside when no new cycle may begin.
    """

    def __init__(self, setup: TrialSetup) -> None:
        self._setup = setup
        self._in_flight: dict[str, PaperCycle] = {}
        self._waiting: list[PaperCycle] = []  # for a book, or for the time of the next try
        self._started = 0
        self.closed = False
        self._over = False
        self.skipped_busy = 0
        self.refusals: dict[str, int] = {}
        self.ends = dict.fromkeys(CycleEnd, 0)
        self.profit: dict[str, Decimal] = {}
        self.residuals: dict[str, Decimal] = {}
        self.unfinished: dict[str, Decimal] = {}

    @property
    def in_flight(self) -> int:
        """How many cycles are under way: with an order out, or waiting to send one home."""
        return len(self._in_flight) + len(self._waiting)

    @property
    def cycles(self) -> int:
        """How many cycles have ended."""
        return sum(self.ends.values())

    @property
    def next_due_ns(self) -> int | None:
        """When `pump` has something to do."""
        if self._over:
            return None
        times = [cycle.next_try_ns for cycle in self._waiting]
        due_ns = self._setup.desk.next_due_ns
        return min(times if due_ns is None else [*times, due_ns], default=None)

    def start(self, course: Course, now_ns: int) -> PaperCycle | None:
        """Send the first leg. None when closed, or when as many cycles as allowed are in flight."""
        if self.closed:
            return None
        if self.in_flight >= self._setup.max_concurrent:
            self.skipped_busy += 1
            return None
        self._started += 1
        cycle = PaperCycle(self._started, course, now_ns)
        self._send(cycle, course.triangle.legs[0], course.first_qty, course.limits[0], now_ns)
        return cycle

    def books_moved(self, symbol: str, now_ns: int) -> None:
        """The symbol's book changed."""
        self._setup.desk.books_moved(symbol, now_ns)

    def pump(self, now_ns: int) -> None:
        """Execute what is due and let each cycle take its next step."""
        if self._over:
            return
        for report in self._setup.desk.due(now_ns):
            self._take(report, now_ns)
        ready = [cycle for cycle in self._waiting if cycle.next_try_ns <= now_ns]
        self._waiting = [cycle for cycle in self._waiting if cycle.next_try_ns > now_ns]
        for cycle in ready:
            self._bring_home(cycle, now_ns)

    def finish(self) -> None:
        """The run is over: what is still under way is UNFINISHED, its stake told by itself.

        It is neither profit nor loss: nobody knows what the next legs would have brought.
        """
        self.closed = self._over = True
        under_way = [*self._in_flight.values(), *self._waiting]
        self._in_flight, self._waiting = {}, []
        for cycle in under_way:
            if cycle.leg == len(cycle.course.triangle.legs) and not cycle.short:
                self._end(cycle, 0)  # its legs are filled; only a rest of them was going home
                continue
            cycle.end = CycleEnd.UNFINISHED
            self.ends[cycle.end] += 1
            _add(self.unfinished, cycle.course.triangle.start, cycle.profit)
            for asset, amount in cycle.holdings.items():
                _add(self.unfinished, asset, amount)
            self._setup.on_end(cycle)

    def _take(self, report: OrderReport, now_ns: int) -> None:
        cycle = self._in_flight.pop(report.intent.client_id)
        cycle.book(report)
        if report.end is OrderState.REJECTED:
            self.refusals[report.reason] = self.refusals.get(report.reason, 0) + 1
        if cycle.going_home:
            if (
                report.end is OrderState.REJECTED
            ):  # refused at once; the same would be refused again
                cycle.attempts[report.intent.leg.spend] = HOME_ATTEMPTS
            self._bring_home(cycle, now_ns)
            return
        if report.end is not OrderState.FILLED:
            cycle.short = True
        if report.received <= 0:
            self._bring_home(cycle, now_ns)
        elif cycle.leg == 2:
            cycle.leg = 3
            self._bring_home(cycle, now_ns)
        else:
            cycle.leg += 1
            self._next_leg(cycle, report.received, now_ns)

    def _next_leg(self, cycle: PaperCycle, funds: Decimal, now_ns: int) -> None:
        leg = cycle.course.triangle.legs[cycle.leg]
        limit = cycle.course.limits[cycle.leg]
        most = cycle.course.most
        qty = self._quantity(leg, funds, limit, most[cycle.leg] if most is not None else None)
        if qty is None:
            cycle.short = True
            self._bring_home(cycle, now_ns)
        else:
            self._send(cycle, leg, qty, limit, now_ns)

    def _bring_home(self, cycle: PaperCycle, now_ns: int) -> None:
        """Send what is held back to the start asset; end the cycle when nothing more can be.

        A try is spent only against a believable book, and never two in a breath; a book that does
        not come back within `HOME_WAIT_NS` is given up.
        """
        if not cycle.going_home:
            cycle.going_home, cycle.home_since_ns = True, now_ns
        blind = False
        for asset, amount in sorted(cycle.holdings.items()):
            leg = cycle.home_leg(asset)
            tried = cycle.attempts.get(asset, 0)
            if leg is None or amount <= 0 or tried >= HOME_ATTEMPTS:
                continue
            view = self._setup.view(leg.symbol, now_ns)
            if view is None:  # dust is not worth waiting for
                blind = blind or self._is_more_than_dust(cycle, asset, now_ns)
            order = self._home_order(leg, amount, view)
            if order is None:
                continue
            if tried and now_ns < cycle.next_try_ns:
                self._waiting.append(cycle)
                return
            cycle.attempts[asset] = tried + 1
            cycle.next_try_ns = now_ns + HOME_PAUSE_NS
            self._send(cycle, leg, *order, now_ns)
            return
        if blind and now_ns - cycle.home_since_ns < HOME_WAIT_NS:
            cycle.next_try_ns = now_ns + HOME_PAUSE_NS
            self._waiting.append(cycle)
        else:
            self._end(cycle, now_ns)

    def _home_order(
        self, leg: Leg, amount: Decimal, view: BookView | None
    ) -> tuple[Decimal, Decimal] | None:
        """The quantity and limit that turn `amount` home on this book; None when too small."""
        tick = self._setup.markets[leg.symbol].price_increment
        levels = view.facing(leg.side) if view is not None else ()
        if tick is None or not levels:
            return None
        limit = _price_for(leg, amount, levels, tick)
        qty = self._quantity(leg, amount, limit)
        return None if qty is None else (qty, limit)

    def _quantity(
        self, leg: Leg, funds: Decimal, limit: Decimal, most: Decimal | None = None
    ) -> Decimal | None:
        """The whole lots that `funds` pay for at the limit price; None when below the minima."""
        market = self._setup.markets[leg.symbol]
        step, least = market.qty_increment, market.qty_min
        cost = market.least_cost(sells=leg.side is Side.SELL)
        if step is None or least is None or cost is None:
            return None
        qty = floor_to(funds if leg.side is Side.SELL else _DOWN.divide(funds, limit), step)
        qty = qty if most is None else min(qty, most)
        return qty if qty > 0 and qty >= least and EXACT.multiply(qty, limit) >= cost else None

    def _send(self, cycle: PaperCycle, leg: Leg, qty: Decimal, limit: Decimal, now_ns: int) -> None:
        cycle.orders += 1
        fees = {one.symbol: fee for one, fee in _fees(cycle.course)}
        intent = OrderIntent(f"P{cycle.number}-{cycle.orders}", leg, qty, limit, fees[leg.symbol])
        self._in_flight[intent.client_id] = cycle
        refused = self._setup.desk.place(intent, now_ns)
        if refused is not None:
            self._take(refused, now_ns)

    def _end(self, cycle: PaperCycle, now_ns: int) -> None:
        left = {asset: amount for asset, amount in cycle.holdings.items() if amount > 0}
        if cycle.spent == 0:
            cycle.end = CycleEnd.FLAT
        elif cycle.leg == 3 and not cycle.short:
            cycle.end = CycleEnd.DONE
        else:
            held = any(self._is_more_than_dust(cycle, asset, now_ns) for asset in left)
            cycle.end = CycleEnd.HELD if held else CycleEnd.UNWOUND
        self.ends[cycle.end] += 1
        start = cycle.course.triangle.start
        _add(self.profit, start, cycle.profit)
        for asset, amount in left.items():
            _add(self.residuals, asset, amount)
        self._setup.on_end(cycle)

    def _is_more_than_dust(self, cycle: PaperCycle, asset: str, now_ns: int) -> bool:
        """True unless the way home is known to take no order as small as this."""
        leg, amount = cycle.home_leg(asset), cycle.holdings[asset]
        if leg is None:
            return True
        market = self._setup.markets[leg.symbol]
        if market.qty_increment is None or market.qty_min is None or market.cost_min is None:
            return True
        view = self._setup.view(leg.symbol, now_ns)
        levels = view.facing(leg.side) if view is not None else ()
        if levels:
            return self._quantity(leg, amount, levels[0].price) is not None
        if leg.side is Side.SELL:
            return floor_to(amount, market.qty_increment) >= max(
                market.qty_min, market.qty_increment
            )
        return amount >= market.cost_min


def _price_for(leg: Leg, amount: Decimal, levels: Sequence[Level], tick: Decimal) -> Decimal:
    """A limit that lets `amount` of `leg.spend` go home even if the book moves a little meanwhile.

    `HOME_SLIPPAGE` beyond the level that completes the amount (the deepest displayed when depth is
    short), on tick. Not simply the deepest: far levels are often far from any market.
    """
    left, price = amount, levels[0].price
    for level in levels:
        price = level.price
        taken = level.qty if leg.side is Side.SELL else EXACT.multiply(level.qty, price)
        left = EXACT.subtract(left, taken)
        if left <= 0:
            break
    if leg.side is Side.SELL:
        return max(floor_to(EXACT.multiply(price, ONE - HOME_SLIPPAGE), tick), tick)
    return ceil_to(EXACT.multiply(price, ONE + HOME_SLIPPAGE), tick)


def _add(amounts: dict[str, Decimal], asset: str, amount: Decimal) -> None:
    amounts[asset] = EXACT.add(amounts.get(asset, ZERO), amount)


def _fees(course: Course) -> list[tuple[Leg, Decimal]]:
    return list(zip(course.triangle.legs, course.fees, strict=True))
