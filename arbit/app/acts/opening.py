"""Opens a venue for one command and closes it again, whatever happens in between."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from decimal import Decimal
from typing import Any, TypeVar

from arbit.app.acts.opened import Access, Ask, Known, Opened
from arbit.app.private.sides import Around, Real, real_side, refuse_untradable
from arbit.app.private.traders import trader_of
from arbit.app.store import account_of, held_account, nonces_of, open_journal
from arbit.app.trade.history import Snapshots, recording
from arbit.app.trade.named_assets import refuse_misspelt
from arbit.app.trade.trader import Trader
from arbit.app.trade.watching import Telemetry
from arbit.app.watch.build import Reached, RunParts, build_run, listed, reach
from arbit.app.watch.child import SandboxChild
from arbit.app.watch.feeds import rest_side
from arbit.app.watch.venue import VenueRun
from arbit.app.watch.watchlist import watch_markets
from arbit.clock import run_epoch
from arbit.config import Settings, VenueSettings
from arbit.domain.account import AccountUnfit
from arbit.domain.errors import ArbitError, UserError, VenueError, VenueRefused, first_of
from arbit.domain.records import RunEnd
from arbit.persistence.journal import SqliteJournal
from arbit.persistence.locks import AccountHeld
from arbit.ports import Clock, Journal
from arbit.telemetry.hub import Hub

TOLD_S = 2.0  # until the work has heard of what ended

T = TypeVar("T")

Wanted = Callable[[Known], Iterable[str]]  # the markets whose books a command needs, best first


class Opening:
    """Opens a venue for one command and closes it again, whatever happens in between."""

    def __init__(self, settings: Settings, ask: Ask, clock: Clock) -> None:
        self._settings = settings
        self._ask = ask
        self._clock = clock
        self._venue = settings.venue(ask.venue)

    async def __call__(
        self, wanted: Wanted, work: Callable[[Opened], Coroutine[Any, Any, T]]
    ) -> T | None:
        """Do the work with the venue open; None when a signal ended it.

        UserError without a key or beside a daemon, AccountUnfit, VenueError.
        """
        if self._ask.access is not Access.QUOTED:
            refuse_untradable(self._venue)
        async with AsyncExitStack() as stack:
            hub = Telemetry(self._settings, self._clock).hub
            journal = self._journal(stack)
            opened, side = await self._open(wanted, stack, journal, hub)
            try:
                done = await self._at_work(opened, side, work, hub)
            except BaseExceptionGroup as several:
                raise first_of(several) from None
            if isinstance(journal, SqliteJournal):
                journal.ending = RunEnd.STOPPED if opened.left else RunEnd.CLEAN
            if isinstance(done, ArbitError):
                raise done
            return done

    def _journal(self, stack: AsyncExitStack) -> Journal | None:
        """Where the account is held, and its journal. UserError in one line beside a daemon."""
        settings, venue, ask = self._settings, self._venue, self._ask
        if ask.access is Access.QUOTED:
            return None
        account = account_of(venue, real=True)
        try:
            if ask.access is Access.READ:
                clock, command = self._clock, ask.command
                kept = nonces_of(settings, venue, account, clock, command, passing=False)
                return stack.enter_context(kept)
            stack.enter_context(held_account(settings, venue, account, self._clock))
            held = open_journal(settings.data_dir, account, self._clock, ask.command)
            return stack.enter_context(held)
        except AccountHeld as error:
            raise UserError(f"{error}; stop it first, then {ask.command}") from None

    async def _open(
        self, wanted: Wanted, stack: AsyncExitStack, journal: Journal | None, hub: Hub
    ) -> tuple[Opened, Real | None]:
        settings, venue, clock = self._settings, self._venue, self._clock
        reached = await reach(venue, stack, self._child)
        rest = rest_side(venue, reached.at, clock)
        stack.push_async_callback(rest.client.close)
        markets = await listed(venue, rest)
        refuse_misspelt(settings, venue.name, markets)
        side, around, owned = None, None, dict[str, Decimal]()
        if journal is not None:
            around = Around(clock, journal, hub.publish, rest)
            side = await real_side(settings, venue, reached.at, around, stack)
            owned = await _owned(side)
        known = Known(markets, owned)
        symbols = _within(venue, wanted(known))
        fees = None
        if side is not None:
            fees = await side.admitted(symbols)
            markets = side.keeping(markets)
        run = build_run(
            RunParts(
                settings=settings,
                venue=venue,
                watch=watch_markets(venue, markets, symbols, fees),
                markets=markets,
                reached=Reached(reached.at, reached.companion),
                rest=rest,
                clock=clock,
                publish=hub.publish,
            )
        )
        trader = None
        if side is not None and around is not None and self._ask.access is Access.TRADED:
            trader = self._trader(run, side, around)
        notes = [] if side is None else list(dict.fromkeys(side.notes))
        return Opened(settings, venue, clock, run, known, trader, journal, notes), side

    def _trader(self, run: VenueRun, side: Real, around: Around) -> Trader:
        """As in a lane of `live`, but that nothing the lane sees is taken."""
        account = account_of(self._venue, real=True)
        trader = trader_of(self._settings, account, run, side, around, run_epoch())
        trader.rebalances = False  # what is sent is the command's alone
        return trader

    async def _at_work(
        self,
        opened: Opened,
        side: Real | None,
        work: Callable[[Opened], Coroutine[Any, Any, T]],
        hub: Hub,
    ) -> T | ArbitError | None:
        """Books, account and history beside the work; what breaks one of them breaks it off."""
        async with AsyncExitStack() as stack:
            beside = [_fed(opened)]
            trader = opened.trader
            if trader is not None and side is not None:
                name = str(trader.setup.account)
                kept = recording(self._settings, self._venue.name, name, hub, self._clock)
                recorder = await stack.enter_async_context(kept)
                recorder.on_failing = trader.history_failing
                snapshots = Snapshots(recorder, trader, self._clock)
                hub.listen(snapshots)
                beside += [trader.run(), side.run(), snapshots.run()]
            return await self._unless_stopped(opened, work(opened), beside)

    async def _unless_stopped(
        self,
        opened: Opened,
        work: Coroutine[Any, Any, T],
        beside: Sequence[Coroutine[Any, Any, None]],
    ) -> T | ArbitError | None:
        """What the work comes to; None when a signal came first. What is open ends in either case.

        A second signal ends the process: the next start recovers, as after any hard end.
        """
        stop = asyncio.Event()
        with _signals(stop):
            async with asyncio.TaskGroup() as group:
                others = [group.create_task(one) for one in beside]
                doing = group.create_task(_said(work))
                others.append(group.create_task(_set(stop)))
                await asyncio.wait({doing, others[-1]}, return_when=asyncio.FIRST_COMPLETED)
                if opened.trader is not None:  # the end is clean whatever the work came to
                    left = await opened.trader.drain(self._settings.risk.grace_s)
                    opened.left.extend(filter(None, [left]))
                    if opened.trader.engine.conversions:  # what was begun is told, signal or not
                        await asyncio.wait({doing}, timeout=TOLD_S)
                for task in (*others, doing):
                    task.cancel()
        return None if doing.cancelled() else doing.result()

    def _child(self) -> SandboxChild:
        ask, venue = self._ask, self._venue
        if ask.access is Access.QUOTED:
            return SandboxChild(ask.profile, ask.seed, taker_fee_bps=venue.taker_fee_bps)
        return SandboxChild(
            ask.profile,
            ask.seed,
            state=self._settings.data_dir / venue.name,
            taker_fee_bps=venue.taker_fee_bps,
            tier=venue.rate_tier.value,
        )


async def _fed(opened: Opened) -> None:
    """Books, until cancelled. VenueError when they end."""
    await opened.run.run()
    raise VenueError(f"{opened.venue.name}: {opened.run.failure or 'the feed ended'}")


async def _said(work: Coroutine[Any, Any, T]) -> T | ArbitError:
    """What the work comes to, or the mistake that it met: that ends nothing else untimely."""
    try:
        return await work
    except ArbitError as error:
        return error


async def _set(stop: asyncio.Event) -> None:
    await stop.wait()


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """The first one asks to stop in order; the next one is as if nobody heeded it."""
    loop, heeded = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)

    def unheed() -> None:
        for number in heeded:
            with suppress(NotImplementedError):
                loop.remove_signal_handler(number)

    def asked() -> None:
        stop.set()
        unheed()

    for number in heeded:
        with suppress(NotImplementedError):  # Windows has no such handlers
            loop.add_signal_handler(number, asked)
    try:
        yield
    finally:
        unheed()


async def _owned(side: Real) -> dict[str, Decimal]:
    """What the account owns and is not held. AccountUnfit for a key that the venue refuses."""
    try:
        balances = await side.reader.balances()
    except VenueRefused as error:
        raise AccountUnfit(f"the venue refuses this API key: {error.text}") from None
    return {asset: one.total - one.held for asset, one in balances.items() if one.total > 0}


def _within(venue: VenueSettings, symbols: Iterable[str]) -> list[str]:
    """As many of these as may be watched, the first ones; whole, for they come in their order."""
    return list(dict.fromkeys(symbols))[: venue.max_symbols]
