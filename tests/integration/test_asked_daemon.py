"""A daemon that trades, asked at its door: how it is, why, to stop, and to convert on its books."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arbit.app.door import asking
from tests.checker import compare
from tests.integration.live_desk import Daemon, Exchange, folders, rows, until
from tests.integration.typing_in import Run, typing_in

D = Decimal
NOBODY = 65_534
TARGETS = {"ARBIT_INVENTORY__TARGETS": "ETH=2.9", "ARBIT_INVENTORY__BAND_PERCENT": "1"}


@dataclass(frozen=True, slots=True)
class Desk:
    """A daemon at work, its exchange and its folder; and one on paper, for which nothing pays."""

    folder: Path
    exchange: Exchange
    daemon: Daemon
    quiet: Daemon

    @property
    def door(self) -> Path:
        """Its socket."""
        (found,) = (self.folder / "var").glob("*.sock")
        return found


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """One for all tests of this file, which leave it trading; its folder's name is short."""
    folder = Path(tempfile.mkdtemp(prefix="ar"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        exchange = stack.enter_context(Exchange(folder / "exchange"))
        settings = exchange.addresses("sandbox") | TARGETS
        daemon = stack.enter_context(Daemon(folder, "sandbox", **settings))
        (folder / "quiet").mkdir()
        dear = ("--dry-run", "--fee-bps", "40", "--min-edge-bps", "10")
        quiet = stack.enter_context(Daemon(folder / "quiet", "sandbox", *dear, **settings))
        daemon.wait_until_it_trades()
        yield Desk(folder, exchange, daemon, quiet)


HANGS = """
import socket, sys, time
calls = [socket.socket(socket.AF_UNIX) for _ in range(6)]
for call in calls:
    call.connect(sys.argv[1])
    call.sendall(b'{"ask"')
print("there", flush=True)
time.sleep(60)
"""
ASKS = f"""
import os, socket, sys
call = socket.socket(socket.AF_UNIX)
os.setuid({NOBODY})
try:
    call.connect(sys.argv[1])
except PermissionError:
    sys.exit("no way in")
try:
    call.sendall(b'{{"ask": "status"}}\\n')
except BrokenPipeError:
    pass
sys.exit(call.recv(1000).decode())
"""


@pytest.fixture
def run(desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A command as typed beside the daemon: its code, what it said, and what it complained."""
    return typing_in(desk.folder, monkeypatch, capsys, folders(desk.folder))


def the_only(run: Run, *words: str) -> dict[str, Any]:
    """What one command says of the only account, as JSON."""
    code, said, complained = run(*words, "--json")
    assert code == 0, complained + said
    (found,) = json.loads(said)["accounts"]
    assert isinstance(found, dict)
    return found


def trading(run: Run) -> dict[str, Any]:
    """Its status while it trades. It rests for a moment when its books must be compared first."""
    told = list[dict[str, Any]]()

    def trades() -> bool:
        told.append(the_only(run, "status"))
        return bool(told[-1]["state"] == "trading")

    until(trades, "a daemon that trades")
    return told[-1]


def test_status_tells_what_it_is_doing(run: Run, desk: Desk) -> None:
    told = trading(run)
    assert told["running"] is True
    assert told["pid"] == desk.daemon.pid
    assert told["account"].startswith("sandbox:sandbox:")
    assert told["believed"] > 0
    assert told["cycles"]
    assert told["orders"] >= sum(told["cycles"].values())
    assert told["decided_ago_s"] < 5
    assert D(told["balances"]["USD"]) > 0

    def reads_the_same() -> bool:
        code, said, _ = run("status")
        assert code == 0
        assert f"process {desk.daemon.pid}" in said
        return said.startswith("sandbox: TRADING for ")

    until(reads_the_same, "the same for a person")


def test_without_an_edge_it_says_so_and_what_stands_in_between(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.quiet.wait_for("health_changed", state="healthy")
    run = typing_in(desk.folder / "quiet", monkeypatch, capsys, folders(desk.folder / "quiet"))
    until(lambda: the_only(run, "why")["best_edge_bps"] is not None, "an edge")
    told = the_only(run, "why")
    assert (told["state"], told["guard"]) == ("healthy", "no_edge")
    assert told["hurdle_bps"] == pytest.approx(131.0, abs=0.5)
    assert told["best_edge_bps"] < told["hurdle_bps"]
    gap = told["hurdle_bps"] - told["best_edge_bps"]
    without = max(0.0, 10 - told["best_edge_bps"])
    assert told["fees_percent"] == pytest.approx(100 * (gap - without) / gap, abs=0.2)
    assert f"fees are {int(told['fees_percent'])} % of the gap" in told["sentence"]
    desk.quiet.kill()


def test_why_tells_how_near_it_came_what_was_refused_and_what_was_chosen(run: Run) -> None:
    told = the_only(run, "why")
    assert told["best_edge_bps"] > told["hurdle_bps"] == pytest.approx(3.0, abs=0.01)
    assert told["best_path"].count(">") == 3
    assert told["fees_percent"] is None, "it was reached"
    until(lambda: any("taken" in words for words in the_only(run, "why")["choices"]), "a choice")
    until(lambda: the_only(run, "why")["stops"] == [], "a moment in which nothing stops it")
    code, said, _ = run("why")
    assert code == 0
    assert "refusals in the last hour: " in said
    assert "at your fees (up to 1 bps a leg)" in said


def test_a_pause_and_a_kill_tell_what_the_daemon_makes_of_them(run: Run, desk: Desk) -> None:
    _, said, _ = run("pause", "sandbox")
    assert "sandbox: the daemon answers: blocked (venue_paused), " in said
    told = the_only(run, "why")
    assert told["stops"] == ["paused by an operator (arbit resume sandbox)"]
    _, said, _ = run("kill")
    assert "sandbox: the daemon answers: halted (kill_switch), " in said
    assert the_only(run, "status")["killed"].endswith("KILL")
    desk.daemon.wait_for("health_changed", state="halted")
    _, said, _ = run("resume", "sandbox")
    assert "halted (kill_switch)" in said, "the kill stands"
    assert "BUT THE KILL SWITCH IS ON" in said
    _, said, _ = run("unkill")
    assert "; trading begins with `arbit resume all` alone" in said
    assert "sandbox: the daemon answers: halted (breaker), " in said
    _, said, _ = run("resume", "sandbox")
    assert "sandbox: the daemon answers: " in said
    assert "halted" not in said
    trading(run)
    assert list((desk.folder / "var").glob("resume.*")) == [], "it was taken before it was told"


def test_a_conversion_is_carried_out_by_the_daemon_on_its_own_books(run: Run, desk: Desk) -> None:
    def converted() -> dict[str, Any]:
        code, said, complained = run("convert", "250", "USD", "ETH", "--json", "--venue", "sandbox")
        assert code in {0, 3}, complained
        (report,) = json.loads(said)["reports"]
        found: dict[str, Any] = report["done"] or {}
        return found

    until(lambda: converted().get("end") == "done", "a conversion that goes through")
    where = "SELECT path FROM cycles WHERE kind='convert' AND state='done'"
    assert rows(desk.daemon.database, where)
    assert desk.daemon.events("conversion_ended", kind="convert", end="done")

    code, said, _ = run("convert", "250", "USD", "ETH", "--dry-run", "--venue", "sandbox")
    assert code == 0
    assert "nothing was sent" in said
    assert "asked of the daemon" in said
    for wrong, complaint in (
        (("1000000", "USD", "ETH"), "expected at most"),
        (("1", "USD", "NONE"), "NONE: no market of sandbox has it"),
    ):
        code, said, complained = run("convert", *wrong, "--venue", "sandbox")
        assert (code, said) == (2, "")
        assert complaint in complained


def test_a_rebalance_goes_by_the_daemons_own_targets(run: Run, desk: Desk) -> None:
    code, said, complained = run("rebalance", "--json", "--venue", "sandbox")
    assert code in {0, 3}, complained
    told = json.loads(said)
    assert [one["asset"] for one in told["stands"]] == ["ETH"]
    assert told["mode"] == "sandbox"
    sent = [move for move in told["moves"] if move["done"]]
    kept = rows(desk.daemon.database, "SELECT count(*) FROM cycles WHERE kind='rebalance'")
    assert kept[0][0] == len(sent)


def test_callers_that_hang_stop_or_storm_do_not_keep_it_from_trading(run: Run, desk: Desk) -> None:
    door = str(desk.door)
    stopped = subprocess.Popen([sys.executable, "-c", HANGS, door], stdout=subprocess.PIPE)
    with stopped, contextlib.ExitStack() as stack:
        stack.callback(stopped.kill)
        assert stopped.stdout is not None
        stopped.stdout.readline()
        stopped.send_signal(signal.SIGSTOP)
        before = len(desk.daemon.events("cycle_ended"))
        for number in range(100):  # each is hung up on without having heard its answer
            with socket.socket(socket.AF_UNIX) as call:
                call.connect(door)
                call.sendall(b'{"ask": "why"}\n' if number % 2 else b"\x00garbage\n")
        until(lambda: len(desk.daemon.events("cycle_ended")) > before, "a cycle in the storm")
        trading(run)
    assert desk.daemon.events("incident_seen", kind="door") == []


def test_a_stranger_is_refused_though_the_file_lets_him_in(desk: Desk) -> None:
    if os.geteuid() != 0:
        pytest.skip("another user's question needs root")

    def asked() -> str:
        words = [sys.executable, "-c", ASKS, str(desk.door)]
        told = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
        return told.stderr.strip()

    desk.folder.chmod(0o711)
    (desk.folder / "var").chmod(0o711)
    assert asked() == "no way in"
    desk.door.chmod(0o666)
    assert json.loads(asked()) == {"refused": "expected the user 0 that runs this daemon"}
    desk.door.chmod(0o600)


def test_at_last_the_books_are_the_exchanges_and_the_database_tells_of_the_run(
    run: Run, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = desk.door
    monkeypatch.setattr(asking, "SHORT_S", 0.2)
    desk.daemon.signal(signal.SIGSTOP)
    code, said, _ = run("status")
    assert code == 1
    assert "A DAEMON RUNS AND DOES NOT ANSWER: process" in said
    assert "no answer within 0.2 s" in said
    desk.daemon.signal(signal.SIGCONT)
    assert desk.daemon.stop() == 0
    assert not door.exists()
    assert compare(desk.exchange.log, desk.daemon.database) == []
    code, said, _ = run("why")
    assert code == 1
    assert "NO DAEMON RUNS" in said
    assert "(clean)" in said
    assert "last state, at " in said
    assert "best gap of that run: " in said
    assert "conversions: done" in said
