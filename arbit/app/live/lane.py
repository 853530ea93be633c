"""One lane of `arbit live`: one account, recovered first, then traded, then left in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from arbit.app.apart import Work
from arbit.app.golive.gate import Admission, GoLive, admit, left_open
from arbit.app.golive.shadow_lane import LaneShadow
from arbit.app.live.door_answers import DoorSetup, LaneDoor
from arbit.app.live.start_gate import StartGate
from arbit.app.private.own_fees import FeesAsked, own_fees
from arbit.app.private.sides import Around, Paper, Real, paper_side, real_side, refuse_untradable
from arbit.app.private.traders import trader_of
from arbit.app.store import account_of, hold_account, open_journal
from arbit.app.trade.health import LaneHealth
from arbit.app.trade.history import Snapshots, recording, watch
from arbit.app.trade.named_assets import refuse_misspelt
from arbit.app.trade.told import (
    LiveReport,
    LiveScreen,
    preamble_of,
    report_before,
    report_broken,
    report_of,
)
from arbit.app.trade.trader import Trader
from arbit.app.trade.watching import Telemetry
from arbit.app.watch.build import Reached, RunParts, build_run, listed, reach, watched
from arbit.app.watch.child import SandboxChild
from arbit.app.watch.feeds import rest_side
from arbit.app.watch.venue import VenueRun
from arbit.clock import run_epoch
from arbit.config import SANDBOXES, Settings, VenueSettings
from arbit.domain.account import AccountId
from arbit.domain.errors import BrokenRule, UserError, first_of
from arbit.domain.events import IncidentSeen, VenueFailed
from arbit.domain.money import EXACT, ONE
from arbit.domain.records import JournalFailed, RunEnd
from arbit.execution.cycle import SPARE
from arbit.persistence.journal import SqliteJournal
from arbit.ports import Clock, Listener
from arbit.risk.slots import Slots
from arbit.telemetry.hub import Hub

CHECK_S = 0.05


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """What the command line adds to the settings. Each venue gets a lane of its own.

    `real` says that orders may be sent; `dry` that they may not, and wins. `seconds` and `cycles`
    are each lane's own: cycles that traded, and the time from when its recovery is over; None runs
    on. `recover_only` ends what was in flight and begins nothing. `door` says that each lane
    answers at a socket beside the database. `cap` lets real orders leave without a shadow run, and
    bounds what cycles may start with, alone and together (reference units); None without.
    """

    venues: tuple[str, ...]
    real: bool = False
    dry: bool = False
    seconds: float | None = None
    cycles: int | None = None
    profile: str = "calm"
    seed: int = 1
    recover_only: bool = False
    door: bool = False
    cap: Decimal | None = None


Built = tuple[VenueRun, Trader, Paper | Real]
ExitCallback = Callable[[type[BaseException] | None, BaseException | None, object], None]


@dataclass(frozen=True, slots=True)
class LaneAround:
    """What the lanes of a command share: metrics, screen, how they begin, places for cycles."""

    telemetry: Telemetry
    screen: LiveScreen
    gate: StartGate
    slots: Slots


class LiveLane:
    """One venue's account in a command, from the first question to its report.

    Whatever breaks here is this lane's alone; `LiveRun` is its supervisor.
    """

    def __init__(
        self, settings: Settings, options: LiveOptions, clock: Clock, screen: LiveScreen, name: str
    ) -> None:
        self._settings = settings
        self._options = options
        self._clock = clock
        self._screen = screen
        self._stop = asyncio.Event()
        self._why = ""
        self._journal: SqliteJournal | None = None
        self.name = name
        self._epoch = ""
        self._admission = Admission("")
        self.trader: Trader | None = None
        self.report: LiveReport | None = None

    def admitted(self) -> AccountId:
        """The account it would trade, before anything is touched. UserError for one that cannot."""
        venue = self._settings.venue(self.name)
        return account_of(venue, real=self._is_real(venue))

    async def __call__(self, around: LaneAround) -> None:
        """Trade until told to stop, until the time or the cycles are up, or until it breaks.

        `report` says what came of it.
        """
        settings = self._settings
        venue = settings.venue(self.name)
        real = self._is_real(venue)
        async with AsyncExitStack() as stack:
            account = account_of(venue, real=real)
            await hold_account(stack, settings, venue, account, self._clock)
            journal = stack.enter_context(open_journal(settings.data_dir, account, self._clock))
            self._journal = journal
            stack.push(self._called_off(around.gate))
            hub = around.telemetry.lane_hub(self._begun())
            building = self._build(venue, hub.publish, stack, real=real)
            built = await self._unless_stopped(building)
            if built is None:
                around.gate.one_less()
                self._ends(RunEnd.STOPPED)
                self.report = report_before(settings, account, journal.recall(), self._clock)
                return
            self.report = await self._live(built, around, hub, stack)
        if self._admission.refused is not None:
            raise self._admission.refused

    async def _live(
        self, built: Built, around: LaneAround, hub: Hub, stack: AsyncExitStack
    ) -> LiveReport:
        """What is built: its history, its health and its trading, until it is over."""
        settings, (run, trader, side) = self._settings, built
        venue = run.desk.setup.venue
        self.trader = trader
        trader.share(around.slots)
        stack.callback(around.slots.leave, venue.name)
        recorder = await stack.enter_async_context(
            recording(settings, venue.name, str(trader.setup.account), hub, self._clock)
        )
        health = LaneHealth(run, trader, self._clock, hub.publish)
        shadow = LaneShadow(settings, health, self._admission, self._clock)
        around.telemetry.show_lane(run, trader, recorder, health)
        recorder.on_failing = trader.history_failing
        watch(recorder, run.desk.setup.watch)
        snapshots = Snapshots(recorder, trader, self._clock)
        hub.listen(snapshots)
        hub.listen(trader.shortfalls)
        for note in side.notes:
            hub.publish(IncidentSeen(venue.name, "key", note))
        await around.gate.ready()
        await shadow.tell(trader.setup.journal, hub.publish)
        self._screen.preamble(preamble_of(settings, trader, run, [*side.notes, *shadow.notes()]))
        started_ns = self._clock.monotonic_ns()
        door = DoorSetup(settings, health, self._clock, hub.publish, around.telemetry.receivers)
        beside = self._beside(snapshots, health, door) | shadow.beside(hub.publish)
        failure = await self._trade(run, trader, side, beside)
        seconds = (self._clock.monotonic_ns() - started_ns) / 1e9
        report = report_of(run, trader)
        report.seconds, report.ended, report.failure = round(seconds, 3), self._why, failure
        report.warnings = [*side.notes, *shadow.notes()]
        shadow.into(report)
        return report

    def _begun(self) -> str:
        """The epoch of this run: its order ids hold it, and its lines in the log say it."""
        self._epoch = run_epoch()
        return self._epoch

    def _called_off(self, gate: StartGate) -> ExitCallback:
        """A start that is called off before any lane traded has not broken: it never began."""

        def leaving(kind: type[BaseException] | None, *_: object) -> None:
            if kind is asyncio.CancelledError and not gate.is_open:
                self._ends(RunEnd.STOPPED)

        return leaving

    def _is_real(self, venue: VenueSettings) -> bool:
        """Whether orders go to a venue. UserError for one that cannot be traded."""
        options = self._options
        if options.dry or self._settings.dry_run:
            return False
        if not options.real and venue.name not in SANDBOXES:
            return False
        refuse_untradable(venue)
        return True

    async def _unless_stopped(self, building: Coroutine[Any, Any, Built]) -> Built | None:
        """What is built; None when a signal came first, and the building was broken off."""
        try:
            async with asyncio.TaskGroup() as group:
                work = group.create_task(building, name="start")
                stop = group.create_task(self._stop.wait(), name="stop")
                await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
                work.cancel()  # of no effect on one that is done
                stop.cancel()
        except BaseExceptionGroup as several:
            raise first_of(several) from None
        return None if work.cancelled() else work.result()

    async def _build(
        self, venue: VenueSettings, publish: Listener, stack: AsyncExitStack, *, real: bool
    ) -> Built:
        settings, journal = self._settings, self._journal
        if journal is None:
            raise BrokenRule("live: nothing is built before its journal is open")
        reached = await reach(venue, stack, lambda: self._child(venue, real=real))
        rest = rest_side(venue, reached.at, self._clock)
        stack.push_async_callback(rest.client.close)
        markets = await listed(venue, rest)
        refuse_misspelt(settings, venue.name, markets)
        around = Around(self._clock, journal, publish, rest)
        side: Paper | Real
        fees: Mapping[str, Decimal] | None = None
        symbols = watched(settings, venue, markets).symbols
        if real:
            side = await real_side(settings, venue, reached.at, around, stack)
            fees = await side.admitted(symbols)
            markets = side.keeping(markets)
        else:
            asks = FeesAsked(settings, venue, reached.at, rest, symbols, self._clock)
            fees, note = await own_fees(asks)
            self._admission = Admission(note)
        watch = watched(settings, venue, markets, fees)
        parts = RunParts(
            settings=settings,
            venue=venue,
            watch=watch,
            markets=markets,
            reached=Reached(reached.at, reached.companion),
            rest=rest,
            clock=self._clock,
            publish=publish,
        )
        run = build_run(parts)
        account = account_of(venue, real=real)
        if not real:
            side = paper_side(settings, run.desk, journal, self._clock)
        elif not self._options.recover_only:  # that begins nothing, and ends what is open
            cap, left = self._options.cap, left_open(journal.recall())
            asked = GoLive(settings, venue, account, watch.rates, rest, self._clock, cap, left)
            self._admission = await admit(asked)
        trader = trader_of(settings, account, run, side, around, self._epoch)
        trader.recover_only = self._options.recover_only or self._admission.refused is not None
        run.desk.funds = lambda asset: _startable(trader, settings, asset)
        run.desk.lane.take = trader.take
        return run, trader, side

    def _child(self, venue: VenueSettings, *, real: bool) -> SandboxChild:
        """The sandbox's server; it keeps its account's state when it is traded with."""
        options = self._options
        if not real:
            return SandboxChild(options.profile, options.seed)
        return SandboxChild(
            options.profile,
            options.seed,
            state=self._settings.data_dir / venue.name,
            taker_fee_bps=venue.taker_fee_bps,
            tier=venue.rate_tier.value,
        )

    def _beside(self, snapshots: Snapshots, health: LaneHealth, door: DoorSetup) -> dict[str, Work]:
        """What goes on beside the trading, and cannot hurt it."""
        beside: dict[str, Work] = {"snapshots": snapshots.run, "health": health.apart}
        if self._options.door:
            beside["door"] = LaneDoor(door).apart
        return beside

    async def _trade(
        self, run: VenueRun, trader: Trader, side: Paper | Real, beside: Mapping[str, Work]
    ) -> str:
        """Everything at once until it is over; returns what broke, if anything did."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(run.run(), name="feed"),
                    group.create_task(trader.run(), name="trader"),
                    group.create_task(side.run(), name="account"),
                    group.create_task(self._show(run, trader), name="screen"),
                    *(group.create_task(work(), name=name) for name, work in beside.items()),
                ]
                await self._until_over(run, trader)
                for task in tasks:
                    task.cancel()
        except Exception as several:  # noqa: BLE001  the supervisor: told in the report
            error = first_of(several)
            if isinstance(error, UserError):
                raise error from None
            self._why = "broken"
            self._ends(RunEnd.BROKEN)
            failure = f"{type(error).__name__}: {error}"
            trader.setup.publish(VenueFailed(self.name, failure))
            return failure
        if run.failure:
            self._ends(RunEnd.BROKEN)
        return run.failure

    async def _until_over(self, run: VenueRun, trader: Trader) -> None:
        """Wait for a reason to stop, then let open cycles end within the grace.

        Time counts from when recovery is over: with hardly any, it is all that is done.
        """
        while not (trader.started or self._stop.is_set() or run.ended_ns is not None):
            await self._clock.sleep(CHECK_S)
        began_ns, options = self._clock.monotonic_ns(), self._options
        while not self._why:
            if self._stop.is_set():
                self._why = "stopped"
            elif trader.recover_only and trader.started:
                self._why = "recovered"
            elif options.seconds is not None and (
                self._clock.monotonic_ns() - began_ns > options.seconds * 1e9
            ):
                self._why = "time is up"
            elif options.cycles is not None and _traded(trader) >= options.cycles:
                self._why = "cycles are done"
            elif run.ended_ns is not None:
                self._why = "the feed ended"
            await self._clock.sleep(CHECK_S)
        run.close()
        left = await trader.drain(self._settings.risk.grace_s)
        self._ends(RunEnd.STOPPED if left else RunEnd.CLEAN)
        if left:
            self._why += f"; {left}"

    def leave(self) -> None:
        """Begin nothing new, and end in order."""
        self._stop.set()

    def stopped_hard(self) -> None:
        """The process ends at once: the row of this run says so, if it still can."""
        self._ends(RunEnd.HARD)
        if self._journal is not None:
            with contextlib.suppress(JournalFailed):
                self._journal.end_run(self._clock.wall_ns())

    def broke(self, error: BaseException) -> None:
        """It was broken off by this: its report says what, whatever else there is to say."""
        why = f"{type(error).__name__}: {error}"
        self._ends(RunEnd.BROKEN)
        if self.report is None:
            account = self.admitted() if self.trader is None else self.trader.setup.account
            self.report = report_broken(account, self.trader)
        self.report.failure = self.report.failure or why

    def _ends(self, how: RunEnd) -> None:
        """For the row of this run; one that breaks off by itself has no part in that."""
        if self._journal is not None:
            self._journal.ending = how

    async def _show(self, run: VenueRun, trader: Trader) -> None:
        began_ns = self._clock.monotonic_ns()
        while True:
            await self._clock.sleep(self._screen.every_s)
            elapsed_s = (self._clock.monotonic_ns() - began_ns) / 1e9
            self._screen.refresh(run, trader, elapsed_s)


def _startable(trader: Trader, settings: Settings, asset: str) -> Decimal:
    """What a cycle could start with: what may be spent, of an asset that cycles may start in.

    A little is left over: the venue rounds what it holds for an order up. Where a reserve is kept
    so is a fee, for a venue may take it on top of what is spent.
    """
    if asset not in settings.scan.start_assets:
        return Decimal(0)
    free, left = trader.inventory.spendable(asset), trader.gate.paths.left(asset)
    free = EXACT.multiply(free if left is None else min(free, left), ONE - SPARE)
    if not trader.inventory.reserve(asset):
        return free
    dearest = max(trader.engine.setup.fees.rates.values(), default=Decimal(0))
    return EXACT.divide(free, ONE + dearest)


def _traded(trader: Trader) -> int:
    """Cycles that ended and had traded."""
    return trader.engine.cycles - trader.engine.ends.get("flat", 0)
