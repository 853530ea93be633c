"""A day of every command: no secret in anything that is told, nobody contacted unasked."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from arbit.cli import app
from arbit.sandbox.server import SandboxServer
from tests.integration.cli_desk import Desk
from tests.security.day import ALONE, OTHER, Day, day_of
from tests.security.hearing import NotOut, hearing
from tests.simulation.canaries import by_chance, spellings

EVERYWHERE = "0.0.0.0"  # noqa: S104  to be refused
NOBODY = (
    "shadow",
    "report",
    "export",
    "status",
    "why",
    "pause",
    "resume",
    "kill",
    "unkill",
    "config",
    "db",
)
OF_THE_VENUE = ("fitness", "keys:check", "markets", "triangles", "plan", "convert", "rebalance")
# With which codes, where not with 0 alone: a market moved, no daemon, no evidence, no receiver.
MAY_END = defaultdict(
    lambda: {0},
    convert={0, 3},
    rebalance={0, 3},
    status={1},
    why={1},
    doctor={1},
    shadow={3},
    **{"alerts:test": {4}},
)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    for name in ("work", "home", "tmp"):
        (tmp_path / name).mkdir()
    return Desk(tmp_path)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return day_of(tmp_path_factory.mktemp("day"))


def commands() -> Iterator[str]:
    root = typer.main.get_command(app)
    for name, command in getattr(root, "commands", {}).items():
        inner = getattr(command, "commands", None)
        yield from (f"{name} {below}" for below in inner) if inner else [name]


def test_every_command_was_typed_and_ended_as_it_should(day: Day) -> None:
    missing = {one for one in commands() if not any(name.startswith(one) for name in day.codes)}
    assert missing == ALONE
    odd = {name: code for name, code in day.codes.items() if code not in MAY_END[name.split()[0]]}
    assert odd == {}, [day.told[f"{name}: stderr"][-2_000:].decode() for name in odd]
    assert {"door", "metrics"} <= day.told.keys()


def test_a_crash_would_leave_no_core(day: Day) -> None:
    resource = pytest.importorskip("resource", reason="there are no such limits here")
    assert day.codes
    assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0


def test_no_secret_is_in_anything_that_was_told_or_left(day: Day) -> None:
    found = []
    parts = {name: (one.encode(), [*spellings(one.encode())]) for name, one in day.secrets.items()}
    for where, text in day.written():
        for name, (secret, spelt) in parts.items():
            seen = [one for one in spelt if one in text]
            seen = [one for one in seen if not (one.isdigit() and by_chance(one, secret, text))]
            found += [f"{name} is in {where}: {one!r}" for one in seen[:1]]
    assert found == []


def test_a_canary_that_gets_out_is_found(day: Day) -> None:
    day.told["planted"] = day.secrets["its secret"].encode().hex().encode()
    try:
        with pytest.raises(AssertionError, match="its secret is in planted"):
            test_no_secret_is_in_anything_that_was_told_or_left(day)
    finally:
        del day.told["planted"]


def test_only_configured_places_are_contacted(day: Day) -> None:
    contacted = {name: places for name, places in day.contacted.items() if places}
    strangers = {name: places - day.venue - day.receivers for name, places in contacted.items()}
    assert {name: places for name, places in strangers.items() if places} == {}
    assert {name for name in contacted if name.startswith(NOBODY)} == set()
    for name in day.codes:
        if name.startswith(OF_THE_VENUE):
            assert day.contacted[name] & day.venue, name
            assert not day.contacted[name] & day.receivers, name
    live, alerts = next(n for n in day.codes if n.startswith("live")), "alerts:test"
    assert day.contacted[live] == day.venue | day.receivers
    assert day.contacted[alerts] == day.receivers
    # The doctor sees whether each venue can be reached of which something is set: here, their keys.
    set_up = {"api.kraken.com", "paper-api.alpaca.markets"}
    for name, names in day.named.items():
        assert names <= {"127.0.0.1", OTHER} | (
            set_up if name.startswith("doctor") else set()
        ), name
    assert day.heard.started == []
    sockets = {Path(one).name for one in day.heard.files}
    assert all(one.endswith(".sock") for one in sockets), sockets


def test_what_listens_is_on_loopback_unless_it_is_said_twice(day: Day) -> None:
    probed = {"::1"}  # whether the machine has that protocol is looked at by a library
    opened = {name: {host for host, _ in bound} - probed for name, bound in day.bound.items()}
    assert {name.split()[0] for name, hosts in opened.items() if hosts} >= {"fitness", "live"}
    for name, hosts in opened.items():
        allowed = OTHER if name.startswith("fitness") else "127.0.0.1"
        assert hosts <= {allowed}, name


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.0.2.1", "", OTHER])
def test_another_address_for_metrics_is_refused_before_anything_listens(
    desk: Desk, host: str
) -> None:
    env = {"ARBIT_METRICS_HOST": host, "ARBIT_METRICS_PORT": "0"}
    with hearing() as heard:
        done = desk.within("live", "--venue", "sandbox", "--secs", "1", **env)
    assert done.returncode == 2
    assert done.stderr.startswith(f"arbit: ARBIT_METRICS_HOST={host}: expected 127.0.0.1, ::1 or ")
    assert len(done.stderr.splitlines()) == 1
    assert (heard.bound, heard.started) == (set(), [])


def test_the_sandbox_has_no_option_for_an_address(desk: Desk) -> None:
    done = desk.within("sandbox", "--host", EVERYWHERE)
    assert done.returncode == 2
    assert "--host" in done.stderr


async def test_the_sandbox_listens_on_loopback_alone() -> None:
    for face in ("kraken", "alpaca"):
        with hearing() as heard:
            async with SandboxServer("calm", 1, face=face):
                pass
        assert {host for host, _ in heard.bound} == {"127.0.0.1"}


def test_a_connection_to_somebody_else_is_heard_and_goes_nowhere() -> None:
    with hearing() as heard:
        with socket.socket() as one, pytest.raises(NotOut):
            one.connect(("192.0.2.1", 443))
        with pytest.raises(NotOut):
            socket.getaddrinfo("stats.example.org", 443)
    assert heard.places == {("192.0.2.1", 443)}
    assert heard.names == {"stats.example.org"}
