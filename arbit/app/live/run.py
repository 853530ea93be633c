"""Runs `arbit live`: a lane a venue, side by side, none of which can end or hold up another."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from arbit.app.golive.gate import capped
from arbit.app.live.lane import LaneAround, LiveLane, LiveOptions
from arbit.app.live.start_gate import StartGate
from arbit.app.loop import run_on_best_loop
from arbit.app.measure.fitness import check_names
from arbit.app.trade.told import LiveReport, LiveScreen
from arbit.app.trade.wallet import wallet_watched
from arbit.app.trade.watching import Telemetry
from arbit.clock import SystemClock
from arbit.config import Settings
from arbit.domain.errors import BrokenRule, UserError, first_of
from arbit.ports import Clock
from arbit.risk.slots import Slots

STOPPED_HARD = 130
HANG_UP = "SIGHUP"  # Windows has none


class LiveRun:
    """One command: its lanes, what they share, and the signals that end them.

    Until every lane is ready none of them trades, and whatever is wrong with one ends the command.
    From then on each is on its own: one that breaks says so in its report, and the others go on.
    """

    def __init__(
        self, settings: Settings, options: LiveOptions, clock: Clock, screen: LiveScreen
    ) -> None:
        self._settings = settings = capped(settings, options.cap)
        self._options = options
        self._clock = clock
        self._screen = screen
        self._signals = 0
        self._gate = StartGate(len(options.venues))
        self.lanes = [self._lane(name) for name in options.venues]

    def _lane(self, name: str) -> LiveLane:
        return LiveLane(self._settings, self._options, self._clock, self._screen, name)

    async def __call__(self) -> list[LiveReport]:
        """Trade on every venue until each is over; a report of each, in the order they were named.

        UserError, AccountUnfit or VenueError for what keeps one of them from starting.
        """
        venues = self._options.venues
        _refuse_twice([self._settings.venue(name).name for name in venues])
        check_names(self._settings, venues)
        for lane in self.lanes:
            lane.admitted()
        self._heed_signals()
        async with AsyncExitStack() as stack:
            telemetry = Telemetry(self._settings, self._clock, daemon=True)
            await stack.enter_async_context(telemetry.serve())
            watched = wallet_watched(self._settings, telemetry.hub, self._clock)
            await stack.enter_async_context(watched)
            around = LaneAround(telemetry, self._screen, self._gate, _slots_of(self._settings))
            try:
                async with asyncio.TaskGroup() as group:
                    for lane in self.lanes:
                        group.create_task(self._supervised(lane, around), name=lane.name)
            except BaseExceptionGroup as several:
                raise first_of(several) from None
            finally:
                self._screen.end()
            return [_report_of(lane) for lane in self.lanes]

    async def _supervised(self, lane: LiveLane, around: LaneAround) -> None:
        """One lane until it is over. Once lanes trade, the error of one is no other's."""
        try:
            await lane(around)
        except Exception as several:
            alone = len(self.lanes) == 1
            if alone or not self._gate.is_open:
                raise
            lane.broke(first_of(several))

    def _heed_signals(self) -> None:
        """The first asks to stop in order; the second stops at once, which recovery makes safe.

        A terminal that goes away may say so twice: that asks for no more than an end in order, and
        for nothing where we were started not to heed it (nohup).
        """
        loop = asyncio.get_running_loop()
        heeded: dict[int, Callable[[], None]] = dict.fromkeys(
            (signal.SIGINT, signal.SIGTERM), self._signalled
        )
        hang_up = getattr(signal, HANG_UP, None)
        if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:
            heeded[hang_up] = self._stop_all
        for number, heed in heeded.items():
            with contextlib.suppress(NotImplementedError):  # Windows has no such handlers
                loop.add_signal_handler(number, heed)

    def _signalled(self) -> None:
        self._signals += 1
        if self._signals > 1:
            try:
                for lane in self.lanes:
                    lane.stopped_hard()
            finally:
                os._exit(STOPPED_HARD)
        self._stop_all()

    def _stop_all(self) -> None:
        """Every lane at once, those too that wait for another's start."""
        for lane in self.lanes:
            lane.leave()
        self._gate.open()


def _refuse_twice(venues: Sequence[str]) -> None:
    for name in venues:
        if venues.count(name) > 1:
            raise UserError(f"--venue {name}: expected each venue once, it is named twice")


def _slots_of(settings: Settings) -> Slots:
    """The places of all lanes: as many as one venue may have, unless another number is set."""
    cycles = settings.risk.max_total_cycles or settings.scan.max_concurrent_cycles
    return Slots(cycles, settings.risk.max_total_notional)


def _report_of(lane: LiveLane) -> LiveReport:
    if lane.report is None:
        raise BrokenRule(f"live: the lane of {lane.name} ended without a report")
    return lane.report


def run_live(settings: Settings, options: LiveOptions, screen: LiveScreen) -> list[LiveReport]:
    """The whole command on real time."""

    async def main() -> list[LiveReport]:
        return await LiveRun(settings, options, SystemClock(), screen)()

    return run_on_best_loop(main())
