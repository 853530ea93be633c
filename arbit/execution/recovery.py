"""A start: everything in flight is found out and ended before anything new begins.

Running it twice changes nothing the second time: what is over stays over, a trade is booked once,
and an order that could not be resolved is asked about again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from arbit.domain.account import ForeignOrder, TradeSeen
from arbit.domain.errors import FrameError, VenueError, VenueUnreachable
from arbit.domain.money import BPS, EXACT
from arbit.domain.records import Flag, Memory
from arbit.execution.audit import AUDITED, LOOK_BACK_NS, Auditor
from arbit.execution.counting import COUNTED, HEARD
from arbit.execution.cycle import Cycle, cycles_of
from arbit.execution.engine import Engine
from arbit.execution.ids import ours
from arbit.execution.setup import EngineSetup
from arbit.ports import AccountReader
from arbit.risk.breaker import Reason

STEP_S = 0.05
TRIES, TRY_S = 10, 3.0
ASKS = 20  # how often the venue is asked at a start before we give up
SECOND_NS = 1_000_000_000
CLOCKS_APART_NS = 2 * SECOND_NS  # what we take for the venue's time may be off by less
CRASH_WINDOW_NS = 600 * SECOND_NS
STARTS = "starts"

Answer = TypeVar("Answer")


async def recover(
    setup: EngineSetup,
    engine: Engine,
    auditor: Auditor,
    reader: AccountReader,
    *,
    untold: bool = False,
) -> Sequence[Cycle]:
    """Cancel what of ours is open, resolve what is unknown, end or bring home what was begun.

    Returns the cycles that were found open. The engine must be running, the breaker restored.
    VenueError when the venue does not answer at all. What is still open after `max_resolve_s` goes
    on, and nothing new begins until an operator says so. `untold` says that the venue's stream does
    not begin with open orders and the last trades: before anything goes home both are asked for.
    """
    engine.keeper.note(note_start(setup, setup.journal.recall()))
    await _cancel_ours(setup, reader)
    if untold:
        await _asked(setup, lambda: _told_of_orders(auditor, reader))
    memory = setup.journal.recall()  # the account was heard meanwhile: late fills are in it
    found = [cycle for cycle in cycles_of(memory) if not cycle.record.ended_ns]
    if untold and found:
        await _asked(setup, lambda: _told_of_others(setup, auditor, reader, _last_ns(memory)))
    for cycle in found:
        budget = cycle.record.loss_budget
        if budget is None:
            budget = EXACT.multiply(cycle.stake, setup.settings.unwind_budget_bps / BPS)
        engine.adopt(cycle, budget)
    waits = setup.settings.max_resolve_s / STEP_S
    while engine.open_cycles and waits > 0:
        waits -= 1
        await setup.clock.sleep(STEP_S)
    if engine.open_cycles:
        said = f"{engine.open_cycles} cycles of an earlier run are still open"
        unknown = any(work.cycle.unknown_orders for work in engine.works.values())
        # What is known may still go home; either way nothing new begins.
        setup.breaker.trip(Reason.UNRESOLVED if unknown else Reason.HELD, said)
    first = not memory.sums and not memory.orders
    audited_ns = _last_ns(memory)
    counted_ns = _time_of(memory, COUNTED) or audited_ns
    listed = bool(found) or not _all_booked(memory)

    def begin() -> Awaitable[None]:
        return auditor.begin(audited_ns, first=first, counted_ns=counted_ns, listed=listed)

    await _asked(setup, begin)
    return found


async def _told_of_orders(auditor: Auditor, reader: AccountReader) -> None:
    """Tell the auditor of open orders that are somebody else's."""
    for order in await reader.open_orders():
        if not ours(order.client_id):
            auditor(ForeignOrder(order))


async def _told_of_others(
    setup: EngineSetup, auditor: Auditor, reader: AccountReader, since_ns: int
) -> None:
    """Tell the auditor of trades under our ids that this journal knows nothing of.

    It is an old copy then, or another daemon's account: what a cycle here would bring home may be
    gone long ago.
    """
    journal = setup.journal
    since_ns = max(0, since_ns - LOOK_BACK_NS)
    for trade in await reader.trades_since(since_ns, journal.known_trades):
        if ours(trade.client_id) and journal.find(trade.client_id) is None:
            auditor(TradeSeen(trade))


def _last_ns(memory: Memory) -> int:
    """When the books last agreed; for a journal that does not say, when it last learnt anything."""
    known_ns = min(memory.last_trade_ns or memory.last_flow_ns, memory.last_flow_ns)
    return _time_of(memory, AUDITED) or known_ns


def _time_of(memory: Memory, flag: str) -> int:
    kept = memory.flags.get(flag)
    return int(kept.value) if kept is not None and kept.value.isdigit() else 0


def _all_booked(memory: Memory) -> bool:
    """Whether all that our trades did was heard and booked, what the venue rounded of them too.

    It was when the books agreed after the last trade, and at an end that says so.
    """
    agreed_ns = _time_of(memory, AUDITED)
    until_ns = max(agreed_ns - CLOCKS_APART_NS, _time_of(memory, HEARD))
    return agreed_ns > 0 and memory.last_trade_ns < until_ns


async def _asked(setup: EngineSetup, ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """A start is worth some patience: the venue is asked again before it is given up.

    Also when what it said made no sense: that is no refusal, and the next answer may.
    """
    why: VenueError = VenueUnreachable("nobody was asked")
    for _ in range(TRIES):
        try:
            return await ask()
        except (VenueUnreachable, FrameError) as error:
            why = error
        await setup.clock.sleep(TRY_S)
    raise why


async def _cancel_ours(setup: EngineSetup, reader: AccountReader) -> None:
    """Our own orders that are still open: asked to be cancelled, and seen to be gone."""
    for _ in range(ASKS):
        found = await _asked(setup, reader.open_orders)
        mine = [order for order in found if ours(order.client_id)]
        if not mine:
            return
        for order in mine:
            try:
                await setup.gateway.cancel(order.client_id, order.order_id)
            except VenueError:
                continue
        await setup.clock.sleep(STEP_S * 4)
    setup.breaker.trip(Reason.UNRESOLVED, "orders of ours stay open although cancelled")


def note_start(setup: EngineSetup, memory: Memory) -> Flag:
    """This start, remembered until a clean end; too many of them in ten minutes halt."""
    now_ns = setup.clock.wall_ns()
    flag = memory.flags.get(STARTS)
    told = [int(text) for text in (flag.value if flag else "").split(",") if text.isdigit()]
    # Those that seem yet to come count, too: the clock was set back. A clean end forgets them.
    recent = [at_ns for at_ns in told if now_ns - at_ns < CRASH_WINDOW_NS]
    if len(recent) >= setup.settings.max_crashes:
        setup.breaker.trip(Reason.CRASHES, f"{len(recent)} starts without a clean end in 10 min")
    kept = [*recent, now_ns][-1000:]
    return Flag(STARTS, ",".join(map(str, kept)), now_ns)


def note_clean_end(wall_ns: int) -> Flag:
    """A clean end: earlier starts count no more."""
    return Flag(STARTS, "", wall_ns)
