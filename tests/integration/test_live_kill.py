"""The kill switch with cycles in the air: held, listed, and not gone on with by itself."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from arbit.app.trade.told import LiveReport
from arbit.cli.live_screen import show
from tests.checker import compare
from tests.integration.live_desk import Daemon, Exchange, arbit, rows, until

WHILE_S = 1.5
# Each order held in vain is a failure: enough of them would stop what the test waits for.
PATIENT = {"ARBIT_RISK__BREAKER_FAILURES": "1000"}


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    with Exchange(tmp_path / "exchange") as running:
        yield running


def second_leg_out(exchange: Exchange) -> str:
    """A second leg that is out: its cycle has traded, whatever becomes of it."""
    while not (order := exchange.hold_an_order()).partition("-")[2].startswith("2"):
        exchange.let_go(order)
    return order


def left_since(exchange: Exchange, daemon: Daemon, since_ns: int) -> list[object]:
    """Orders that came in after a wall time, and were not on their way already."""
    sent = dict(rows(daemon.database, "SELECT client_id, sent_ns FROM orders"))
    came = [one["cl_ord_id"] for one in exchange.orders(since_ns)]
    return [one for one in came if sent.get(one, since_ns + 1) > since_ns]


def test_open_cycles_are_held_and_listed_and_only_an_operators_word_goes_on(
    exchange: Exchange, tmp_path: Path
) -> None:
    settings = exchange.addresses("sandbox") | PATIENT
    with Daemon(tmp_path, "sandbox", **settings) as daemon:
        daemon.wait_for("cycle_ended")
        order = second_leg_out(exchange)
        told = arbit(tmp_path, "kill").stdout
        assert f"told process {daemon.pid} " in told
        killed_ns = time.time_ns()
        daemon.wait_for("kill_changed", state="on")
        seen_ns = exchange.all_arrived()
        exchange.let_go(order)
        daemon.wait_for("breaker_changed", state="halted", reason="kill")
        until(lambda: daemon.events("cycle_ended", end="held"), "the end of what was open")
        assert exchange.orders(seen_ns) == left_since(exchange, daemon, killed_ns) == []

        assert "is off" in arbit(tmp_path, "unkill").stdout
        daemon.wait_for("order_refused", code="breaker")
        time.sleep(WHILE_S)
        assert exchange.orders(seen_ns) == [], "an unkill alone begins nothing"
        assert left_since(exchange, daemon, killed_ns) == []
        seen = [(one["state"], bool(one["detail"])) for one in daemon.events("kill_changed")]
        assert seen == [("on", True), ("off", False)]

        assert arbit(tmp_path, "resume", "sandbox").returncode == 0
        until(lambda: exchange.orders(seen_ns), "an order after the resume")
        assert daemon.stop() == 0, daemon.said

        sql = "SELECT cycle_id, path FROM cycles WHERE state='held'"
        held = rows(daemon.database, sql)
        assert held
        assert len(daemon.report["held"]) == len(held) == daemon.report["cycles"]["held"]
        for (cycle_id, path), line in zip(sorted(held), sorted(daemon.report["held"]), strict=True):
            assert line.startswith(f"{cycle_id} {path}: ")
            assert line.endswith(" left behind (kill switch)")
        assert any(re.search(r": -?[\d.]+ \w+", line) for line in daemon.report["held"])
    assert compare(exchange.log, daemon.database) == []


def test_a_stop_of_a_killed_daemon_lists_what_is_held_with_its_order_still_out(
    exchange: Exchange, tmp_path: Path
) -> None:
    addresses = exchange.addresses("sandbox")
    with Daemon(tmp_path, "sandbox", ARBIT_RISK__GRACE_S="0", **addresses) as daemon:
        daemon.wait_for("cycle_ended")
        order = exchange.hold_an_order()
        assert arbit(tmp_path, "kill").returncode == 0
        sql = "SELECT count(*) FROM cycles WHERE state='held' AND ended_ns=0"
        until(lambda: rows(daemon.database, sql) != [(0,)], "a cycle that is held")
        assert daemon.stop() == 3, daemon.said
        (line,) = [one for one in daemon.report["held"] if order in one]
        assert line.endswith(f"; not known yet what became of {order}")
        assert daemon.report["open_cycles"] >= 1
    exchange.let_go(order)
    with Daemon(tmp_path, "sandbox", "--recover-only", **addresses) as following:
        assert following.ended() == 3, following.said
        assert any(line.startswith(order[2:].split("-")[0]) for line in following.report["held"])
        assert following.report["breaker"] == "halted", "nobody has resumed since the kill"
    assert compare(exchange.log, daemon.database) == []


def test_the_screen_lists_what_is_held(capsys: pytest.CaptureFixture[str]) -> None:
    line = "00000a USD>BTC>ETH>USD: 0.001 BTC left behind (kill switch)"
    show(LiveReport("sandbox", "sandbox:sandbox:k", "sandbox", synthetic=True, held=[line]))
    assert f"HELD, for you to look at: {line}\n" in capsys.readouterr().out
