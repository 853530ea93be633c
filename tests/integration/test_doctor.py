"""`arbit doctor` looks at the program, its settings, ports, the clock and the venues."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from arbit.app.doctor import network, packages, run
from arbit.app.doctor_known.judge import Wrong
from arbit.clock import SystemClock
from arbit.sandbox.keys import WITHDRAW_KEY, WITHDRAW_SECRET
from arbit.sandbox.server import SandboxServer
from tests.integration.cli_desk import Desk
from tests.integration.doctor_desk import data_of, examined, found, is_well
from tests.integration.server_thread import at, served

Patch = pytest.MonkeyPatch
THIEF = {
    "ARBIT_VENUES__SANDBOX__API_KEY": WITHDRAW_KEY,
    "ARBIT_VENUES__SANDBOX__API_SECRET": WITHDRAW_SECRET,
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: Patch, request: pytest.FixtureRequest) -> None:
    """The self-test has tests of its own: here it is not waited for."""
    if "whole" not in request.fixturenames:
        monkeypatch.setattr(run, "known_answers", lambda _: [])


@pytest.fixture
def venue() -> Iterator[SandboxServer]:
    with served() as running:
        yield running


@pytest.fixture
def whole() -> None:
    """Asked for by a test that wants the self-test, too."""


def test_a_fresh_folder_is_well_and_nothing_is_made_or_contacted(
    desk: Desk, whole: None, monkeypatch: Patch
) -> None:
    monkeypatch.delattr(network, "run_on_best_loop")  # the one way to the network
    code, findings = examined(desk)
    assert code == 0
    assert {one["verdict"] for one in findings} <= {"pass", "skipped"}
    told = {one["check"]: one["seen"] for one in findings}
    assert told["venue"] == "no venue is configured: nothing is contacted"
    assert "to the last decimal" in told["self-test"]
    assert desk.strays() == []
    assert not (desk.work / "var").exists()


def test_a_person_reads_a_line_for_each_check_and_its_fix_below(desk: Desk) -> None:
    data = data_of(desk)
    data.chmod(0o777)
    done = desk.within("doctor")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    at_line = next(i for i, line in enumerate(lines) if line.startswith("FAIL    data folder: "))
    assert lines[at_line + 1] == f"        fix: chmod 700 {data}"
    assert lines[-1].startswith("NOT WELL: ")


def test_a_venue_that_is_well_is_well(desk: Desk, venue: SandboxServer) -> None:
    code, findings = examined(desk, **at(venue, "sandbox"))
    assert code == 0
    mine = {one["subject"]: one for one in findings if one["check"] == "venue"}
    key = mine.pop("sandbox key")
    assert {name: one["verdict"] for name, one in mine.items()} == dict.fromkeys(
        ("sandbox", "sandbox stream", "sandbox clock"), "pass"
    )
    assert (key["verdict"], key["fix"]) == ("warn", "arbit keys:check --venue sandbox")
    assert "from any address" in key["seen"]
    assert not venue.exchange.books.account("main").open_orders


def test_a_venue_that_speaks_alpaca_is_well(desk: Desk) -> None:
    with served("alpaca") as running:
        code, findings = examined(desk, **at(running, "sandbox-alpaca"))
    mine = {one["subject"]: one for one in findings if one["check"] == "venue"}
    key = mine.pop("sandbox-alpaca key")
    assert (code, {one["verdict"] for one in mine.values()}) == (0, {"pass"})
    assert {"sandbox-alpaca", "sandbox-alpaca stream", "sandbox-alpaca clock"} == mine.keys()
    assert (key["verdict"], "does not tell" in key["seen"]) == ("warn", True)


def test_without_network_a_configured_venue_is_left_alone(desk: Desk, venue: SandboxServer) -> None:
    code, findings = examined(desk, "--no-network", **at(venue, "sandbox"))
    assert code == 0
    (mine,) = [one for one in findings if one["check"] == "venue"]
    assert (mine["verdict"], mine["seen"]) == ("skipped", "--no-network")
    assert venue.stats.requests == 0


def test_a_venue_that_cannot_be_is_a_mistake_of_the_option(desk: Desk) -> None:
    done = desk.within("doctor", "--venue", "KRA KEN")
    assert (done.returncode, done.stdout) == (2, "")
    assert "KRA KEN" in done.stderr


def test_a_port_that_is_used(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = found(desk, "metrics port", ARBIT_METRICS_PORT=port)
        assert told["verdict"] == "fail"
        assert f"127.0.0.1:{port}" in told["seen"]
        assert f"'sport = :{port}'" in told["fix"]
        assert "ARBIT_METRICS_PORT" in told["fix"]
    assert is_well(desk, "metrics port", ARBIT_METRICS_PORT=port)


def test_a_key_that_may_withdraw(desk: Desk, venue: SandboxServer) -> None:
    told = found(desk, "venue", **(at(venue, "sandbox") | THIEF))
    assert (told["verdict"], told["subject"]) == ("fail", "sandbox key")
    assert "withdraw" in told["seen"]
    assert "make a key there without the right to withdraw" in told["fix"]
    assert "arbit keys:check --venue sandbox" in told["fix"]
    assert WITHDRAW_SECRET not in str(told)


def test_a_clock_that_is_off(desk: Desk, venue: SandboxServer, monkeypatch: Patch) -> None:
    real = SystemClock.wall_ns
    monkeypatch.setattr(SystemClock, "wall_ns", lambda self: real(self) + 60 * 10**9)
    _, findings = examined(desk, **at(venue, "sandbox"))
    bad = {one["subject"]: one for one in findings if one["verdict"] == "fail"}
    told = bad["sandbox clock"]
    assert "ahead of the venue's" in told["seen"]
    assert told["fix"].startswith("set the clock: sudo timedatectl set-ntp true")


def test_a_date_that_cannot_be_true(desk: Desk, monkeypatch: Patch) -> None:
    monkeypatch.setattr(SystemClock, "wall_ns", lambda _: 0)
    assert found(desk, "clock")["fix"].startswith("set the clock: ")


def test_a_venue_that_nobody_answers_for(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    told = found(
        desk,
        "venue",
        ARBIT_VENUES__SANDBOX__REST_URL=f"http://127.0.0.1:{port}",
        ARBIT_VENUES__SANDBOX__WS_URL=f"ws://127.0.0.1:{port}",
    )
    assert told["verdict"] == "fail"
    assert "DNS, firewall, proxy" in told["fix"]


def test_settings_that_are_not_valid(desk: Desk) -> None:
    told = found(desk, "settings", ARBIT_SCAN__LATENCY_MS="soon")
    assert "ARBIT_SCAN__LATENCY_MS=soon: expected" in told["seen"]
    assert "correct this line" in told["fix"]
    _, findings = examined(desk, ARBIT_SCAN__LATENCY_MS="soon")
    verdicts = {one["check"]: one["verdict"] for one in findings}
    assert (verdicts["database"], verdicts["self-test"]) == ("skipped", "pass")


@pytest.mark.parametrize(
    ("version", "verdict", "said"),
    [
        ("", "fail", "msgspec is missing"),
        ("0.1.0", "fail", "msgspec 0.1.0 (expected"),
        ("0.22.99", "warn", "msgspec 0.22.99 (tested with"),
    ],
)
def test_a_package_that_is_not_as_asked_for(
    desk: Desk, monkeypatch: Patch, version: str, verdict: str, said: str
) -> None:
    real = packages.there
    monkeypatch.setattr(
        packages, "there", lambda name: version if name == "msgspec" else real(name)
    )
    told = found(desk, "packages")
    assert told["verdict"] == verdict
    assert said in told["seen"]
    assert told["fix"].startswith("python -m pip install")


def test_a_history_server_that_does_not_answer(desk: Desk) -> None:
    pytest.importorskip("asyncpg")
    told = found(
        desk, "history server", ARBIT_HISTORY_URL="postgresql://arbit:hidden@127.0.0.1:1/arbit"
    )
    assert "unset ARBIT_HISTORY_URL" in told["fix"]
    assert "hidden" not in str(told)


def test_a_program_whose_answers_are_wrong(desk: Desk, monkeypatch: Patch) -> None:
    wrong = [Wrong("sizing", "expected 1, found 2"), Wrong("ledger", "off")]
    monkeypatch.setattr(run, "known_answers", lambda _: wrong)
    told = found(desk, "self-test")
    assert (told["verdict"], told["subject"]) == ("fail", "sizing")
    assert told["seen"] == "sizing: expected 1, found 2 (and after it: ledger)"
    assert "trade nothing with this copy" in told["fix"]
