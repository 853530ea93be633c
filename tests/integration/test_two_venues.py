"""Two venues in one process, a lane each: what happens to one is none of the other's business.

Two exchanges run side by side: `sandbox`, and another sandbox that stands in for Kraken, with a key
of its own and the flag that real orders need.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from arbit.cli import main
from tests.checker import compare
from tests.integration.live_desk import (
    GUARD_S,
    REAL,
    UNHINDERED,
    Daemon,
    Exchange,
    arbit,
    environment,
    folders,
    one_clear_line,
    rows,
    until,
)

HISTORY = "SELECT count(*) FROM inventory_snapshots WHERE account=?"
BOTH = ("sandbox", "kraken")
SECRET = base64.b64encode(
    b"sandbox trade secret, made up and public, sixty-four bytes long!!"
).decode()
KEY = {
    "ARBIT_VENUES__KRAKEN__API_KEY": "sandbox-trade-key",
    "ARBIT_VENUES__KRAKEN__API_SECRET": SECRET,
    "ARBIT_RISK__BREAKER_FAILURES": "1000",
}


# The daemon itself, with a bug in the engine of one venue once a cycle of it is over.
PLANTED = """
import asyncio
from arbit.execution.engine import Engine

real = Engine.run

async def broken(self):
    while self.setup.account.venue != "kraken" or not self.ends:
        await self.setup.clock.sleep(0.01)
    raise ZeroDivisionError("planted")

async def run(self):
    async with asyncio.TaskGroup() as group:
        group.create_task(real(self))
        group.create_task(broken(self))

Engine.run = run
from arbit.cli import main
main()
"""


@dataclass(frozen=True)
class Desk:
    """One data folder, and the two exchanges that its daemon trades on."""

    folder: Path
    exchanges: dict[str, Exchange]

    def settings(self) -> dict[str, str]:
        found = dict(KEY)
        for venue, exchange in self.exchanges.items():
            found |= exchange.addresses(venue)
        return found

    def both(self, *options: str, **settings: str) -> Daemon:
        """One process on both, with real orders as far as they are ones."""
        options = ("--venue", "kraken", *REAL, *options)
        return Daemon(self.folder, "sandbox", *options, **self.settings() | settings)

    @property
    def database(self) -> Path:
        return self.folder / "var" / "arbit.db"

    def over(self, venue: str, since_ns: int = 0) -> int:
        """Cycles of a venue's account that ended after a wall time."""
        sql = "SELECT count(*) FROM cycles WHERE account LIKE ? AND ended_ns > ?"
        ((count,),) = rows(self.database, sql, f"{venue}:%", since_ns)
        return int(count)

    def goes_on(self, venue: str) -> None:
        """Wait until it has ended three more cycles."""
        now_ns = time.time_ns()
        until(lambda: self.over(venue, now_ns) >= 3, f"cycles on {venue}")

    def account(self, venue: str) -> str:
        sql = "SELECT DISTINCT account FROM orders WHERE account LIKE ?"
        ((account,),) = rows(self.database, sql, f"{venue}:%")
        return str(account)

    def agrees(self, venue: str) -> None:
        assert compare(self.exchanges[venue].log, self.database, self.account(venue)) == []

    def ended_how(self, venue: str) -> str:
        sql = "SELECT ended_how FROM runs WHERE account LIKE ? ORDER BY token DESC LIMIT 1"
        ((how,),) = rows(self.database, sql, f"{venue}:%")
        return str(how)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Exchange(tmp_path / "one", 1) as one, Exchange(tmp_path / "two", 2) as two:
        yield Desk(tmp_path, {"sandbox": one, "kraken": two})


def lanes(daemon: Daemon) -> dict[str, dict[str, Any]]:
    """The reports of a run, by venue."""
    return {one["venue"]: one for one in daemon.report["lanes"]}


def trade_both(daemon: Daemon) -> None:
    for venue in BOTH:
        daemon.wait_for("cycle_ended", venue=venue)


def test_both_trade_side_by_side_and_each_has_books_history_and_metrics_of_its_own(
    desk: Desk,
) -> None:
    with desk.both("--metrics-port", "0") as daemon:
        trade_both(daemon)
        for venue in BOTH:
            line = f'arbit_breaker_state{{state="active",venue="{venue}"}} 1.0'
            until(partial(daemon.metric, line), line)
        assert daemon.stop() == 0, daemon.said
    told = lanes(daemon)
    assert list(told) == ["sandbox", "kraken"]
    for venue in BOTH:
        assert told[venue]["ended"] == "stopped"
        assert (told[venue]["failure"], told[venue]["open_cycles"]) == ("", 0)
        assert sum(told[venue]["cycles"].values()) == desk.over(venue) > 0
        assert desk.ended_how(venue) == "clean"
        desk.agrees(venue)
        sql = "SELECT count(*) FROM cycles WHERE account=?"
        assert rows(desk.folder / "var" / "history.db", HISTORY, desk.account(venue)) != [(0,)]
        assert rows(desk.database, sql, desk.account(venue)) != [(0,)]


def test_cycles_are_counted_for_each_and_the_quicker_one_does_not_end_the_other(
    desk: Desk,
) -> None:
    with desk.both("--cycles", "3") as daemon:
        assert daemon.ended() == 0, daemon.said
    for report in lanes(daemon).values():
        assert report["ended"] == "cycles are done"
        assert sum(report["cycles"].values()) - report["cycles"].get("flat", 0) >= 3


def test_one_venues_end_is_told_and_the_other_goes_on_and_ends_in_order(desk: Desk) -> None:
    with desk.both(ARBIT_RISK__GRACE_S="2") as daemon:
        trade_both(daemon)
        desk.exchanges["kraken"].kill()
        daemon.wait_for("feed_disconnected", venue="kraken")
        desk.goes_on("sandbox")
        assert daemon.running
        assert daemon.stop() == 0, daemon.said
    told = lanes(daemon)
    assert told["sandbox"]["ended"] == "stopped"
    assert desk.ended_how("sandbox") == "clean"
    assert told["kraken"]["ended"].startswith("stopped")
    desk.agrees("sandbox")


def test_a_bug_in_one_lane_ends_that_lane_alone_and_the_exit_code_says_so(
    desk: Desk,
) -> None:
    """The daemon itself, with a bug planted in the trader of one venue by its name."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", PLANTED, "live", "--venue", "sandbox", "--venue", "kraken"),
            *(*REAL, "--fee-bps", "1", "--json", "--log-json"),
        ],
        cwd=desk.folder,
        env=environment(**folders(desk.folder) | UNHINDERED | desk.settings()),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: _has(desk, "kraken"), "the end of the broken lane")
        desk.goes_on("sandbox")
        process.send_signal(signal.SIGTERM)
        out, error = process.communicate(timeout=GUARD_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1, error
    assert "Traceback" not in error
    told = {one["venue"]: one for one in json.loads(out)["lanes"]}
    assert told["kraken"]["failure"] == "ZeroDivisionError: planted"
    assert (told["sandbox"]["failure"], told["sandbox"]["ended"]) == ("", "stopped")
    assert desk.ended_how("sandbox") == "clean"
    assert '"event": "venue_failed"' in error
    desk.agrees("sandbox")


def _has(desk: Desk, venue: str) -> bool:
    try:
        return desk.ended_how(venue) == "broken"
    except Exception:  # noqa: BLE001  the database is being made
        return False


def test_a_burst_of_failures_a_pause_and_a_kill_are_one_lanes_own(desk: Desk) -> None:
    with desk.both(ARBIT_RISK__BREAKER_FAILURES="10", ARBIT_RISK__BREAKER_PAUSE_S="3600") as daemon:
        trade_both(daemon)
        desk.exchanges["kraken"].fault(
            "order_error", error="EOrder:Invalid price", method="add_order", times=10
        )
        daemon.wait_for("breaker_changed", venue="kraken", state="reducing")
        desk.goes_on("sandbox")
        assert arbit(desk.folder, "pause", "sandbox").returncode == 0
        daemon.wait_for("order_refused", venue="sandbox", code="venue_paused")
        assert arbit(desk.folder, "resume", "all").returncode == 0
        desk.goes_on("kraken")
        assert "told process" in arbit(desk.folder, "kill", "kraken").stdout
        daemon.wait_for("order_refused", venue="kraken", code="kill_switch")
        desk.goes_on("sandbox")
        assert daemon.events("breaker_changed", venue="sandbox") == []
        assert daemon.stop() == 3, daemon.said  # the kill has halted one of them
    for venue in BOTH:
        desk.agrees(venue)


def test_a_second_signal_stops_both_at_once_and_the_next_start_finds_everything_out(
    desk: Desk,
) -> None:
    with desk.both(ARBIT_RISK__GRACE_S="60") as daemon:
        trade_both(daemon)
        orders = {venue: desk.exchanges[venue].hold_an_order() for venue in BOTH}
        daemon.signal(signal.SIGINT)
        daemon.signal(signal.SIGINT)
        assert daemon.ended() == 130
    assert {desk.ended_how(venue) for venue in BOTH} == {"hard"}
    for venue, order in orders.items():
        desk.exchanges[venue].let_go(order)
    with desk.both("--recover-only") as following:
        assert following.ended() == 0, following.said
    for venue, report in lanes(following).items():
        assert report["recovered"] >= 1, venue
        assert report["open_cycles"] == 0
        desk.agrees(venue)


@pytest.mark.parametrize(
    ("options", "settings", "said"),
    [
        (("--venue", "sandbox"), {}, ("--venue sandbox", "named twice")),
        (("--venue", "nosuch"), {}, ("nosuch",)),
        (("--venue", "Not-A Name"), {}, ("Not-A Name",)),
        (
            ("--venue", "kraken", "--i-accept-real-orders"),
            {"ARBIT_VENUES__KRAKEN__API_KEY": ""},
            ("ARBIT_VENUES__KRAKEN__API_KEY",),
        ),
    ],
)
def test_what_cannot_be_is_one_clear_line_and_nothing_is_started(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    settings: dict[str, str],
    said: tuple[str, ...],
) -> None:
    for name in [name for name in os.environ if name.startswith("ARBIT")]:
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    command = ["arbit", "live", "--venue", "sandbox", *options, "--fee-bps", "1", "--json"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as left:
        main()
    out, error = capsys.readouterr()
    assert (left.value.code, out) == (2, ""), error
    one_clear_line(error, *said)
    assert not (tmp_path / "var").exists()


def test_a_key_that_one_venue_refuses_ends_the_start_before_the_other_trades(desk: Desk) -> None:
    wrong = {"ARBIT_VENUES__KRAKEN__API_KEY": "a-key-of-nobody"}
    with desk.both(**wrong) as daemon:
        assert daemon.ended() == 3
    one_clear_line(daemon.lines[-1], "refuses this API key")
    assert desk.exchanges["sandbox"].orders() == []
    assert desk.ended_how("sandbox") == "stopped"
    assert rows(desk.database, "SELECT count(*) FROM cycles") == [(0,)]
