"""What `arbit live` shows: limits and the honest sentence first, then how it goes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from arbit.app.golive.gate import shadow_lines
from arbit.app.trade.told import LiveReport, Preamble
from arbit.app.trade.trader import Trader
from arbit.app.trade.unread import has_room, say, tell, turn_away
from arbit.app.watch.venue import VenueRun

SHOWN_HELD = 3
MODES = {
    "paper": "PAPER: no order leaves this machine",
    "sandbox": "SANDBOX: our own exchange, made-up money",
    "live": "LIVE: real orders, real money",
}


class LiveSilence:
    """Shows nothing: for `--json`."""

    every_s = 3600.0

    def preamble(self, said: Preamble) -> None:
        """Nothing."""

    def refresh(self, run: VenueRun, trader: Trader, elapsed_s: float) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


class LivePlain:
    """Plain lines, for pipes, logs and service managers."""

    every_s = 5.0

    def __init__(self) -> None:
        self._venues: set[str] = set()

    def preamble(self, said: Preamble) -> None:
        """Limits, fees and the honest sentence."""
        self._venues.add(said.venue)
        for line in preamble_lines(said):
            say(line)

    def refresh(self, run: VenueRun, trader: Trader, elapsed_s: float) -> None:
        """One line, which names its lane when there are several."""
        whose = f"{run.desk.setup.venue.name}  " if len(self._venues) > 1 else ""
        say(f"{whose}{elapsed_s:.0f} s  {progress_line(run, trader)}")

    def end(self) -> None:
        """Nothing more; the reports follow."""


class LiveTerminal:
    """A table a lane, redrawn a few times a second, gone when the run is over.

    A terminal that stands still or has gone away is not waited for.
    """

    every_s = 0.25

    def __init__(self) -> None:
        self._console = Console()
        self._live = Live(console=self._console, transient=True, auto_refresh=False)
        self._tables: dict[str, Table] = {}
        self._gone = False

    def preamble(self, said: Preamble) -> None:
        """Limits, fees and the honest sentence stay above the tables."""
        with self._there():
            for line in preamble_lines(said):
                self._console.print(line, highlight=False)
            self._live.start()

    def refresh(self, run: VenueRun, trader: Trader, elapsed_s: float) -> None:
        """Draw anew."""
        name = run.desk.setup.venue.name
        table = Table(title=f"{name}  {elapsed_s:.0f} s", title_justify="left")
        table.add_column("what")
        table.add_column("now", justify="right")
        for what, value in progress(run, trader).items():
            table.add_row(what, value)
        self._tables[name] = table
        with self._there():
            if not self._gone and has_room(sys.__stdout__ or sys.stdout):
                self._live.update(Group(*self._tables.values()), refresh=True)

    def end(self) -> None:
        """Give the terminal back."""
        with self._there():
            self._live.stop()

    @contextlib.contextmanager
    def _there(self) -> Iterator[None]:
        """While it is there; from then on nothing is drawn."""
        try:
            yield
        except OSError:
            self._gone = True
            turn_away(sys.__stdout__ or sys.stdout)


def preamble_lines(said: Preamble) -> list[str]:
    """What is said before anything is traded."""
    lines = [f"{said.venue}: {said.money or MODES[said.mode]}"]
    if said.synthetic:
        lines.append("SYNTHETIC MARKET: no price here is real")
    lines += [f"  {name}: {value}" for name, value in said.limits.items()]
    by_fee: dict[str, int] = {}
    for fee in said.fees.values():
        by_fee[fee] = by_fee.get(fee, 0) + 1
    lines += [f"  taker fee {fee} on {count} markets" for fee, count in sorted(by_fee.items())]
    return [*lines, said.sentence, *(f"warning: {one}" for one in said.warnings)]


def progress(run: VenueRun, trader: Trader) -> dict[str, str]:
    """How it goes, in a few words each."""
    engine = trader.engine
    best = max(run.desk.scanner.best, default=float("-inf"))
    refused = sorted(engine.refusals.items(), key=lambda item: -item[1])[:3]
    held = trader.held()
    return {
        "state": state_of(trader),
        "best gross edge": f"{best * 1e4:.2f} bps" if best > float("-inf") else "none yet",
        "fees": trader.fee_words,
        "cycles": words(engine.ends) or "none",
        "open": str(engine.open_cycles),
        **({"HELD": "; ".join(held[-SHOWN_HELD:])} if held else {}),
        "orders": str(engine.orders),
        "refused": words(dict(refused)) or "nothing",
        "profit": words({asset: f"{amount:f}" for asset, amount in engine.profit.items()}) or "-",
        **({"shadow run": shadow} if (shadow := trader.golive()) else {}),
    }


def state_of(trader: Trader) -> str:
    """The breaker's state; before the start is over, what it waits for."""
    if trader.started:
        return trader.breaker.state().value
    if open_now := trader.engine.open_cycles:
        return f"recovering (cycles of before are ended: {open_now})"
    return "recovering (the venue is asked what became of before, as fast as its limits let)"


def progress_line(run: VenueRun, trader: Trader) -> str:
    """The same in one line."""
    return "; ".join(f"{name} {value}" for name, value in progress(run, trader).items())


def words(counts: Mapping[str, object]) -> str:
    """`done 3, flat 1`."""
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def show(report: LiveReport) -> None:
    """The report for a reader."""
    lines = [
        f"{report.venue} ({report.account}): {report.ended} after {report.seconds:.1f} s",
        f"cycles: {words(report.cycles) or 'none'}; orders {report.orders}",
        f"taken up from before: {report.recovered}; left open: {report.open_cycles}",
        *(f"HELD, for you to look at: {one}" for one in report.held),
        f"refused: {words(report.refusals) or 'nothing'}",
        f"profit: {words(report.profit) or 'none'}",
        f"balances: {words(report.balances) or 'none'}",
        f"breaker: {report.breaker}" + (f" ({report.breaker_why})" if report.breaker_why else ""),
    ]
    if report.shadow:
        lines += shadow_lines(report.shadow)
    if report.failure:
        lines.append(f"broken off: {report.failure}")
    for line in lines:
        tell(line)
