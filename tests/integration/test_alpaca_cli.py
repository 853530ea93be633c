"""Alpaca as its user meets it: every command, quick and to the end, against one of our own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing

import pytest

from arbit.app.keys.alpaca import AlpacaKeysCheck
from arbit.app.measure.fitness import FitnessOptions, FitnessRun
from arbit.app.watch.venue import VenueRun
from arbit.clock import SystemClock
from arbit.config import load_settings
from arbit.domain.errors import UserError
from arbit.sandbox.server import SandboxServer
from tests.integration.cli_desk import Desk, sandboxes_of, strict_json
from tests.integration.test_fitness_cli import assert_one_clear_line

NAME = "sandbox-alpaca"
PREFIX = "ARBIT_VENUES__SANDBOX_ALPACA__"
KEY, SECRET = "SANDBOXALPACATRADEKEY", "sandbox-alpaca-secret-made-up-and-public"


class SilentScreen:
    """Shows nothing."""

    every_s = 3600.0

    def begin(self, runs: Sequence[VenueRun]) -> None:
        """Nothing."""

    def refresh(self, elapsed_s: float) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


@pytest.fixture
async def venue() -> AsyncIterator[SandboxServer]:
    async with SandboxServer("volatile", 1, face="alpaca") as running:
        yield running


def at(server: SandboxServer) -> dict[str, str]:
    """The sandbox that runs already, as settings name it."""
    reached = server.addresses
    return {
        f"{PREFIX}REST_URL": reached["rest"],
        f"{PREFIX}DATA_URL": reached["data"],
        f"{PREFIX}WS_URL": reached["ws"],
        f"{PREFIX}PRIVATE_WS_URL": reached["private_ws"],
    }


def test_cycles_are_traded_to_the_end_and_the_database_agrees(desk: Desk) -> None:
    """No flag, no key, no network: one line, and the books are the venue's."""
    arguments = ("--profile", "volatile", "--fee-bps", "2", "--cycles", "3", "--json")
    done = desk.arbit("live", "--venue", NAME, *arguments)
    assert done.returncode == 0, done.stderr
    report = strict_json(done.stdout)
    assert (report["mode"], report["synthetic"], report["breaker"]) == ("sandbox", True, "active")
    assert (report["failure"], report["open_cycles"]) == ("", 0)
    assert sum(count for end, count in report["cycles"].items() if end != "flat") >= 3
    assert SECRET not in done.stdout + done.stderr
    checked = desk.arbit("db", "check")
    assert checked.returncode == 0, checked.stdout
    assert "0 findings" in checked.stdout
    with closing(sqlite3.connect(desk.work / "var" / "arbit.db")) as database:
        (accounts,) = database.execute("select count(distinct account) from orders").fetchone()
    assert accounts == 1
    assert sandboxes_of(desk) == []


async def test_paper_on_its_books_needs_no_account_there(desk: Desk, venue: SandboxServer) -> None:
    """A dry run opens no stream of orders and asks nothing of the account."""
    arguments = ("live", "--venue", NAME, "--dry-run", "--fee-bps", "1", "--cycles", "1", "--json")
    done = await asyncio.to_thread(desk.arbit, *arguments, **at(venue))
    assert done.returncode == 0, done.stderr
    report = strict_json(done.stdout)
    assert report["mode"] == "paper"
    assert report["orders"] >= 1
    assert venue.stats.connects == 1  # books alone: the stream of orders was never opened
    assert not venue.exchange.books.account("main").closed


def test_two_venues_are_measured_side_by_side(desk: Desk) -> None:
    venues = ("--venue", "sandbox", "--venue", NAME)
    done = desk.arbit("fitness", *venues, "--simulate", "--secs", "1", "--json")
    assert done.returncode == 0, done.stderr
    reports = strict_json(done.stdout)["venues"]
    assert [one["venue"] for one in reports] == ["sandbox", NAME]
    books = reports[1]["books"]
    assert (books["failed"], books["rest_fallbacks"]) == (0, 0)
    assert books["verified"] > 0


async def test_what_alpaca_tells_of_a_key_is_told_and_what_it_does_not_tell_too(
    desk: Desk, venue: SandboxServer
) -> None:
    done = await asyncio.to_thread(desk.arbit, "keys:check", "--venue", NAME, **at(venue))
    assert done.returncode == 0, done.stderr
    for words in (
        "may withdraw",
        "account: ACTIVE",
        "crypto: ACTIVE",
        "trading blocked: no",
        "assets held: ",
        "market data plan: free",
        "market data stream: opens, and takes the key",
        "Alpaca does not tell what a key may do",
        f"Verdict: fit to trade on {NAME}",
    ):
        assert words in done.stdout, words
    assert "10000" not in done.stdout
    assert "balance: " not in done.stdout
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.unstalled
async def test_a_check_beside_a_daemon_finds_no_fault_in_the_key_for_its_place_and_leaves_it_that(
    venue: SandboxServer,
) -> None:
    settings = load_settings(None, at(venue))
    reader = FitnessRun(
        settings,
        FitnessOptions((NAME,), simulate=False, seconds=None),
        SystemClock(),
        SilentScreen(),
    )
    reading = asyncio.create_task(reader())
    try:
        async with asyncio.timeout(10.0):
            while not reader.runs or not reader.runs[0].feed.counts.verified:
                await asyncio.sleep(0.02)
        report = await AlpacaKeysCheck(settings, NAME)()
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    assert report.fit, report.verdict
    (stream,) = [line for line in report.told if line.startswith("market data stream")]
    assert "taken by another connection of this account" in stream
    assert reader.runs[0].feed.counts.reconnects == 0


async def test_a_wrong_key_is_one_line_that_names_both_settings(
    desk: Desk, venue: SandboxServer
) -> None:
    wrong = at(venue) | {f"{PREFIX}API_SECRET": "another-secret-altogether"}
    done = await asyncio.to_thread(desk.arbit, "live", "--venue", NAME, "--cycles", "1", **wrong)
    assert_one_clear_line(done, f"{PREFIX}API_KEY and {PREFIX}API_SECRET", "401")
    assert "another-secret" not in done.stderr


@pytest.mark.unstalled
@pytest.mark.parametrize("command", ["fitness", "keys:check"])
async def test_neither_does_another_command_go_on_with_it(
    venue: SandboxServer, command: str
) -> None:
    wrong = at(venue) | {f"{PREFIX}API_SECRET": "another-secret-altogether"}
    settings = load_settings(None, wrong)
    options = FitnessOptions((NAME,), simulate=False, seconds=1.0)
    run = FitnessRun(settings, options, SystemClock(), SilentScreen())
    check = AlpacaKeysCheck(settings, NAME)
    with pytest.raises(UserError, match=f"{PREFIX}API_KEY and {PREFIX}API_SECRET.* 401"):
        await (run() if command == "fitness" else check())


def test_without_a_key_nothing_is_begun(desk: Desk) -> None:
    wanted = "ARBIT_VENUES__ALPACA__API_KEY: expected the key id of an account, none is set"
    assert_one_clear_line(desk.arbit("fitness", "--venue", "alpaca", "--secs", "1"), wanted)
