"""The run over lanes, its lanes injected: how they start together, and part in trouble."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from arbit.app.live.lane import LaneAround, LiveLane, LiveOptions
from arbit.app.live.run import LiveRun
from arbit.app.live.start_gate import StartGate
from arbit.app.trade.told import LiveReport
from arbit.clock import SystemClock
from arbit.config import Override, Settings, load_settings
from arbit.domain.account import AccountUnfit
from arbit.domain.errors import UserError

Act = Callable[[LaneAround], Awaitable[None]]


class Screen:
    """Remembers that it was ended."""

    every_s = 3600.0

    def __init__(self) -> None:
        self.ended = 0

    def preamble(self, said: object) -> None: ...

    def refresh(self, run: object, trader: object, elapsed_s: float) -> None: ...

    def end(self) -> None:
        self.ended += 1


class Lane(LiveLane):
    """One whose test says what it does once every lane is ready, and what while it starts."""

    starts: Act
    trades: Act
    traded = False
    called_off = False

    async def __call__(self, around: LaneAround) -> None:
        try:
            await self.starts(around)
            await around.gate.ready()
        except asyncio.CancelledError:
            self.called_off = True
            raise
        self.traded = True
        await self.trades(around)
        self.report = LiveReport(self.name, f"{self.name}:paper", "paper", synthetic=True)


async def nothing(_: LaneAround) -> None:
    """It is well."""


class Run(LiveRun):
    """A run of such lanes; its signals are calls of the test's."""

    def _lane(self, name: str) -> Lane:
        lane = Lane(self._settings, self._options, self._clock, self._screen, name)
        lane.starts = lane.trades = nothing
        return lane

    def _heed_signals(self) -> None: ...

    def lane(self, name: str) -> Lane:
        (found,) = (lane for lane in self.lanes if lane.name == name)
        assert isinstance(found, Lane)
        return found


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(None, {}, [Override("test", "ARBIT_DATA_DIR", str(tmp_path / "var"))])


def run_of(settings: Settings, *venues: str) -> tuple[Run, Screen]:
    screen = Screen()
    return Run(settings, LiveOptions(venues, dry=True), SystemClock(), screen), screen


async def test_reports_come_in_the_order_in_which_the_venues_were_named(settings: Settings) -> None:
    run, screen = run_of(settings, "sandbox", "kraken")
    late = asyncio.Event()

    async def waits(_: LaneAround) -> None:
        await late.wait()

    async def frees(_: LaneAround) -> None:
        late.set()

    run.lane("sandbox").trades, run.lane("kraken").trades = waits, frees
    reports = await run()
    assert [report.venue for report in reports] == ["sandbox", "kraken"]
    assert screen.ended == 1


@pytest.mark.parametrize("error", [UserError("no key"), AccountUnfit("may withdraw")])
async def test_what_keeps_one_from_starting_ends_the_command_before_another_trades(
    settings: Settings, error: Exception
) -> None:
    run, screen = run_of(settings, "sandbox", "kraken")

    async def refuses(_: LaneAround) -> None:
        await asyncio.sleep(0)
        raise error

    run.lane("kraken").starts = refuses
    with pytest.raises(type(error), match=str(error)):
        await run()
    assert not run.lane("sandbox").traded
    assert run.lane("sandbox").called_off
    assert screen.ended == 1


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), UserError("odd"), OSError("disk")])
async def test_once_lanes_trade_the_error_of_one_is_told_and_no_others(
    settings: Settings, error: Exception
) -> None:
    run, _ = run_of(settings, "sandbox", "kraken")
    broken = asyncio.Event()

    async def breaks(_: LaneAround) -> None:
        broken.set()
        raise ExceptionGroup("several", [error])

    async def goes_on(_: LaneAround) -> None:
        await broken.wait()
        for _turn in range(20):
            await asyncio.sleep(0)

    run.lane("kraken").trades, run.lane("sandbox").trades = breaks, goes_on
    sandbox, kraken = await run()
    assert (sandbox.failure, sandbox.venue) == ("", "sandbox")
    assert kraken.failure == f"{type(error).__name__}: {error}"
    assert (kraken.venue, kraken.ended) == ("kraken", "broken")


async def test_what_breaks_after_a_report_was_made_is_added_to_it(settings: Settings) -> None:
    run, _ = run_of(settings, "sandbox", "kraken")

    async def breaks_late(_: LaneAround) -> None:
        lane = run.lane("kraken")
        lane.report = LiveReport("kraken", "kraken:paper", "paper", synthetic=False, orders=7)
        raise OSError("its files do not close")

    run.lane("kraken").trades = breaks_late
    _, kraken = await run()
    assert (kraken.orders, kraken.failure) == (7, "OSError: its files do not close")


async def test_a_lane_alone_raises_what_it_always_raised(settings: Settings) -> None:
    run, _ = run_of(settings, "sandbox")

    async def breaks(_: LaneAround) -> None:
        raise UserError("a market that is none")

    run.lane("sandbox").trades = breaks
    with pytest.raises(UserError, match="a market that is none"):
        await run()


async def test_a_stop_while_one_still_starts_lets_the_others_end(settings: Settings) -> None:
    run, _ = run_of(settings, "sandbox", "kraken")

    async def slow(around: LaneAround) -> None:
        run._signalled()
        await run.lane("kraken")._stop.wait()

    run.lane("kraken").starts = slow
    async with asyncio.timeout(60):
        reports = await run()
    assert len(reports) == 2
    assert run.lane("sandbox")._stop.is_set()


@pytest.mark.parametrize(
    ("venues", "said"),
    [
        (("sandbox", "kraken", "sandbox"), "--venue sandbox: expected each venue once"),
        (("sandbox", "nosuch"), "nosuch"),
        (("sandbox", "NO"), "venue 'NO'"),
    ],
)
async def test_names_are_looked_at_before_anything_begins(
    settings: Settings, venues: tuple[str, ...], said: str
) -> None:
    run, screen = run_of(settings, *venues)
    with pytest.raises(UserError, match=said):
        await run()
    assert not any(lane.traded for lane in run.lanes if isinstance(lane, Lane))
    assert screen.ended == 0
    assert not settings.data_dir.exists()


async def test_the_gate_opens_for_all_at_once() -> None:
    gate, through = StartGate(3), list[int]()

    async def goes(number: int) -> None:
        await gate.ready()
        through.append(number)

    async with asyncio.TaskGroup() as group:
        group.create_task(goes(1))
        group.create_task(goes(2))
        await asyncio.sleep(0)
        assert (through, gate.is_open) == ([], False)
        gate.one_less()  # one that was stopped before it was ready
    assert sorted(through) == [1, 2]
