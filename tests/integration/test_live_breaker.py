"""The breaker of `arbit live`: one venue's failures pause that venue alone, and are not forgotten.

Two exchanges run side by side: `sandbox`, and another sandbox that stands in for Kraken, with a key
of its own and the flag that real orders need. Their daemons share one data folder.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.checker import compare
from tests.integration.live_desk import REAL, Daemon, Exchange, arbit, rows, until

BURST = 10  # more than a busy machine fails of by itself
LONG = {"ARBIT_RISK__BREAKER_PAUSE_S": "3600"}
STEADY = {"ARBIT_RISK__BREAKER_FAILURES": "1000"}
TABLES = ("cycles", "orders", "fills", "ledger", "incidents", "flags", "leases")
SECOND_NS = 1_000_000_000
SECRET = base64.b64encode(
    b"sandbox trade secret, made up and public, sixty-four bytes long!!"
).decode()
KRAKEN = {
    "ARBIT_VENUES__KRAKEN__API_KEY": "sandbox-trade-key",
    "ARBIT_VENUES__KRAKEN__API_SECRET": SECRET,
}

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Desk:
    """One data folder, and the two exchanges that its daemons trade on."""

    folder: Path
    exchanges: dict[str, Exchange]

    def daemon(self, venue: str, *options: str, **settings: str) -> Daemon:
        """A daemon on real orders, as far as its exchange is one."""
        real = REAL if venue == "kraken" else ()
        addresses = self.exchanges[venue].addresses(venue)
        usual = {"ARBIT_RISK__BREAKER_FAILURES": str(BURST)}
        given = usual | KRAKEN | addresses | settings
        return Daemon(self.folder, venue, *real, *options, **given)

    @contextmanager
    def trading(self, venue: str, *options: str, **settings: str) -> Iterator[Daemon]:
        """One that has traded."""
        with self.daemon(venue, *options, **settings) as daemon:
            daemon.wait_until_it_trades()
            yield daemon

    def burst(self, venue: str) -> None:
        """So many orders in a row are turned down."""
        refusal = {"error": "EOrder:Invalid price", "method": "add_order", "times": BURST}
        self.exchanges[venue].fault("order_error", **refusal)

    def account(self, venue: str) -> str:
        """The account that trades for real there, as the database calls it."""
        sql = (
            "SELECT DISTINCT account FROM orders WHERE account LIKE ? AND account NOT LIKE '%paper'"
        )
        ((account,),) = rows(self.database, sql, f"{venue}:%")
        return str(account)

    def breaker(self, venue: str) -> dict[str, Any]:
        """The breaker's state as it is kept."""
        sql = "SELECT value FROM flags WHERE name='breaker' AND account=?"
        ((kept,),) = rows(self.database, sql, self.account(venue))
        found: dict[str, Any] = json.loads(kept)
        return found

    def begun(self, venue: str, since_ns: int) -> list[int]:
        """When each cycle began whose first order left after a wall time."""
        sql = (
            "SELECT min(sent_ns) AS began_ns FROM orders WHERE account=? AND purpose='leg' "
            "GROUP BY cycle_id HAVING began_ns > ? ORDER BY began_ns"
        )
        return [began_ns for (began_ns,) in rows(self.database, sql, self.account(venue), since_ns)]

    def rows_of(self, account: str) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of an account, by table."""
        sql = "SELECT * FROM {} WHERE account=?"
        return {table: rows(self.database, sql.format(table), account) for table in TABLES}

    @property
    def database(self) -> Path:
        """Where all accounts of the folder are kept."""
        return self.folder / "var" / "arbit.db"

    def agrees(self, venue: str) -> None:
        """The exchange's log and the account's rows say the same."""
        account = self.account(venue)
        assert compare(self.exchanges[venue].log, self.database, account) == []


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Exchange(tmp_path / "one", 1) as one, Exchange(tmp_path / "two", 2) as two:
        yield Desk(tmp_path, {"sandbox": one, "kraken": two})


def stopped(daemon: Daemon) -> int:
    """Wait for the burst's effect, told in one event; the wall time from which on it rests."""
    told = daemon.wait_for("breaker_changed", state="reducing", reason="failures")
    assert told["detail"].startswith(f"{BURST} failures")
    return time.time_ns()


def test_a_burst_of_failures_pauses_that_venue_and_the_other_goes_on(desk: Desk) -> None:
    with (
        desk.trading("sandbox", "--metrics-port", "0", **STEADY) as well,
        desk.trading("kraken", "--metrics-port", "0", **LONG) as failing,
    ):
        active, reducing = (
            f'arbit_breaker_state{{state="{state}",venue="kraken"}} 1.0'
            for state in ("active", "reducing")
        )
        until(lambda: failing.metric(active), "an active breaker on /metrics")
        desk.burst("kraken")
        stopped_ns = stopped(failing)
        until(lambda: failing.metric(reducing), "the breaker's state on /metrics")
        assert not failing.metric(active)
        failing.wait_for("order_refused", code="breaker")
        until(lambda: len(desk.begun("sandbox", stopped_ns)) >= 3, "cycles on the other venue")
        assert desk.begun("kraken", stopped_ns) == []
        assert desk.breaker("kraken")["state"] == "reducing"
        assert well.events("breaker_changed", reason="failures") == []
        assert well.metric('arbit_breaker_state{state="reducing",venue="sandbox"} 0.0')
        assert (well.stop(), failing.stop()) == (0, 0), well.said + failing.said
        assert failing.report["breaker"] == "reducing"
    desk.agrees("sandbox")
    desk.agrees("kraken")


@pytest.mark.parametrize("killed", [False, True])
def test_an_open_breaker_is_still_open_after_a_restart_and_comes_back_by_a_probe(
    desk: Desk, *, killed: bool
) -> None:
    rest_s = 4
    settings = {"ARBIT_RISK__BREAKER_PAUSE_S": str(rest_s)}
    with desk.trading("kraken", **settings) as first:
        desk.burst("kraken")
        stopped_ns = stopped(first)
        if killed:
            first.kill()
        else:
            assert first.stop() == 0, first.said
    rested_ns = desk.breaker("kraken")["rested_at_ns"]
    assert 0 < rested_ns - stopped_ns <= rest_s * SECOND_NS
    with desk.daemon("kraken", **settings) as second:
        told = second.wait_for("breaker_changed")
        assert (told["state"], told["reason"]) == ("reducing", "failures")
        second.wait_for("breaker_changed", state="probing")
        until(lambda: desk.begun("kraken", rested_ns), "the probe's cycle")
        until(lambda: len(second.events("breaker_changed")) > 2, "what became of the probe")
        after = second.events("breaker_changed")[2]
        if after["state"] != "active":  # an honest market: the probe's cycle had to come home
            assert (after["state"], after["reason"]) == ("reducing", "failures")
            again_ns = desk.breaker("kraken")["rested_at_ns"]
            assert again_ns - rested_ns >= 2 * rest_s * SECOND_NS
        assert second.stop() == 0, second.said
    assert desk.begun("kraken", stopped_ns)[0] >= rested_ns
    desk.agrees("kraken")


def test_after_a_restart_an_operator_closes_what_would_rest_for_longer(desk: Desk) -> None:
    with desk.trading("kraken", **LONG) as first:
        desk.burst("kraken")
        stopped_ns = stopped(first)
        assert first.stop() == 0, first.said
    with desk.daemon("kraken", "--metrics-port", "0", **LONG) as second:
        told = second.wait_for("breaker_changed")
        assert (told["state"], told["reason"]) == ("reducing", "failures")
        second.wait_for("order_refused", code="breaker")
        assert second.metric('arbit_breaker_state{state="reducing",venue="kraken"} 1.0')
        assert desk.begun("kraken", stopped_ns) == []
        assert arbit(desk.folder, "resume", "kraken").returncode == 0
        resumed_ns = time.time_ns()
        second.wait_for("breaker_changed", state="active")
        until(lambda: len(desk.begun("kraken", resumed_ns)) >= 3, "cycles after the resume")
        assert second.stop() == 0, second.said
    desk.agrees("kraken")


def but_for_a_question(kept: Mapping[str, Rows]) -> dict[str, Rows]:
    """Without what asking once for the account's own fees leaves: who asked, and its counters."""
    asked = {"nonce", "requests"}
    rest = {table: found for table, found in kept.items() if table not in {"leases", "runs"}}
    return rest | {"flags": [one for one in kept["flags"] if one[1] not in asked]}


def test_a_paper_account_in_the_same_folder_never_sees_their_rows(desk: Desk) -> None:
    with desk.trading("sandbox", **STEADY) as beside:
        with desk.trading("kraken", **LONG) as real:
            order = desk.exchanges["kraken"].hold_an_order()
            desk.burst("kraken")
            stopped(real)
            real.kill()  # with an open breaker, and an order on its way
        desk.exchanges["kraken"].let_go(order)
        account = desk.account("kraken")
        before = but_for_a_question(desk.rows_of(account))
        assert before["flags"] != []
        open_cycles = "SELECT count(*) FROM cycles WHERE account=? AND ended_ns=0"
        assert rows(desk.database, open_cycles, account) != [(0,)]
        with desk.daemon("kraken", "--dry-run", "--cycles", "1") as paper:
            assert paper.ended() == 0, paper.said
        assert but_for_a_question(desk.rows_of(account)) == before
        report = paper.report
        assert (report["account"], report["mode"]) == ("kraken:paper", "paper")
        assert (report["recovered"], report["breaker"]) == (0, "active")
        assert sum(report["cycles"].values()) >= 1
        checked = json.loads(arbit(desk.folder, "db", "check", "--json").stdout)
        assert checked["wallets"]["kraken:paper"] == report["balances"]
        with desk.daemon("kraken", "--recover-only", **LONG) as again:
            assert again.ended() == 0, again.said
        assert again.report["recovered"] >= 1
        assert again.report["breaker"] == "reducing"
        assert beside.stop() == 0, beside.said
    desk.agrees("kraken")
    desk.agrees("sandbox")
