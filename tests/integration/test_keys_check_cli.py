"""`arbit keys:check` as its user runs it: one verdict, the right exit code, no secret shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from arbit.sandbox.keys import (
    MAIN,
    OTHER_SECRET,
    READONLY_KEY,
    READONLY_SECRET,
    TRADE_KEY,
    TRADE_SECRET,
    WITHDRAW_KEY,
    WITHDRAW_SECRET,
)
from arbit.sandbox.server import SandboxServer
from tests.integration.cli_desk import Desk, sandboxes_of, strict_json

LEGS = "BTC/USD,ETH/BTC,ETH/USD"


@pytest.fixture
async def venue() -> AsyncIterator[SandboxServer]:
    async with SandboxServer("calm", 7) as running:
        yield running


def at(server: SandboxServer, key: str = TRADE_KEY, secret: str = TRADE_SECRET) -> dict[str, str]:
    """The sandbox that runs already, as settings name it."""
    return {
        "ARBIT_VENUES__SANDBOX__REST_URL": server.rest_url,
        "ARBIT_VENUES__SANDBOX__WS_URL": server.ws_url,
        "ARBIT_VENUES__SANDBOX__API_KEY": key,
        "ARBIT_VENUES__SANDBOX__API_SECRET": secret,
    }


def test_a_fit_key_is_fit_and_every_market_was_rehearsed(desk: Desk) -> None:
    done = desk.arbit("keys:check", "--venue", "sandbox", "--symbols", LEGS, "--json")
    assert done.returncode == 0, done.stderr
    report = strict_json(done.stdout)
    assert report["fit"] is True
    assert report["verdict"].startswith("fit to trade on sandbox")
    assert {one["symbol"]: one["rehearsal"] for one in report["markets"]} == dict.fromkeys(
        LEGS.split(","), "would be taken"
    )
    for one in report["markets"]:
        assert one["status"] == "online"
        assert all(one[name] for name in ("qty_min", "cost_min", "price_increment", "fee_bps"))
    assert float(report["hurdle_bps"]) > 100
    assert abs(report["offset_ms"]) <= report["uncertainty_ms"]
    assert "withdraw-funds" not in report["permissions"]
    assert TRADE_SECRET not in done.stdout + done.stderr
    assert TRADE_KEY not in done.stdout + done.stderr
    assert sandboxes_of(desk) == []


async def test_nothing_is_ordered_and_no_balance_is_shown(desk: Desk, venue: SandboxServer) -> None:
    done = await asyncio.to_thread(
        desk.arbit, "keys:check", "--venue", "sandbox", "--symbols", LEGS, **at(venue)
    )
    assert done.returncode == 0, done.stderr
    assert "Verdict: fit to trade" in done.stdout
    account = venue.exchange.books.account(MAIN)
    assert not account.open_orders
    assert not list(account.closed)
    assert venue.exchange.refusals.total() == 0
    assert "10000" not in done.stdout


@pytest.mark.parametrize(
    ("key", "secret", "why"),
    [
        (WITHDRAW_KEY, WITHDRAW_SECRET, "may withdraw"),
        (READONLY_KEY, READONLY_SECRET, "create and modify orders"),
        (TRADE_KEY, OTHER_SECRET, "EAPI:Invalid signature"),
    ],
)
async def test_an_unfit_key_is_refused_with_its_reason(
    desk: Desk, venue: SandboxServer, key: str, secret: str, why: str
) -> None:
    arguments = ("keys:check", "--venue", "sandbox", "--symbols", LEGS, "--json")
    done = await asyncio.to_thread(desk.arbit, *arguments, **at(venue, key, secret))
    assert done.returncode == 3, done.stderr
    report = strict_json(done.stdout)
    assert report["fit"] is False
    assert why in report["verdict"]
    assert {one["rehearsal"] for one in report["markets"]} == {"not rehearsed"}
    assert secret not in done.stdout + done.stderr


async def test_a_market_that_does_not_trade_is_told_and_the_others_still_count(
    desk: Desk, venue: SandboxServer
) -> None:
    venue.faults.set("pair_status", symbol="ETH/BTC", status="cancel_only")
    done = await asyncio.to_thread(
        desk.arbit, "keys:check", "--venue", "sandbox", "--symbols", LEGS, "--json", **at(venue)
    )
    told = {one["symbol"]: one["rehearsal"] for one in strict_json(done.stdout)["markets"]}
    assert "cancel_only" in told["ETH/BTC"]
    assert told["BTC/USD"] == "would be taken"


@pytest.mark.parametrize(("off_s", "way"), [(8, "behind"), (-8, "ahead of")])
async def test_a_clock_far_off_the_venues_is_refused_by_the_check_and_by_a_start(
    desk: Desk, venue: SandboxServer, off_s: int, way: str
) -> None:
    venue._clock._wall_start += off_s * 1_000_000_000
    arguments = ("--venue", "sandbox", "--symbols", LEGS, "--json")
    done = await asyncio.to_thread(desk.arbit, "keys:check", *arguments, **at(venue))
    assert done.returncode == 3, done.stderr
    report = strict_json(done.stdout)
    assert report["fit"] is False
    assert f"s {way} the venue's" in report["verdict"]
    run = await asyncio.to_thread(desk.arbit, "live", *arguments, "--secs", "5", **at(venue))
    assert run.returncode == 3, run.stdout
    (line,) = [one for one in run.stderr.splitlines() if "our clock is" in one]
    assert f"s {way} the venue's" in line


@pytest.mark.parametrize(
    ("env", "arguments", "said"),
    [
        ({}, (), "ARBIT_VENUES__KRAKEN__API_KEY"),
        (
            {"ARBIT_VENUES__KRAKEN__API_KEY": "not-a-real-key"},
            (),
            "ARBIT_VENUES__KRAKEN__API_",
        ),
        (
            {
                "ARBIT_VENUES__KRAKEN__API_KEY": "not-a-real-key",
                "ARBIT_VENUES__KRAKEN__API_SECRET": "no-base64!",
            },
            (),
            "base64",
        ),
        ({}, ("--symbols", LEGS, "--triangles", "auto"), "--symbols and --triangles"),
        ({}, ("--venue", "binance"), "keys are checked for kraken and sandbox"),
    ],
)
def test_a_users_mistake_is_one_clear_line(
    desk: Desk, env: dict[str, str], arguments: tuple[str, ...], said: str
) -> None:
    done = desk.arbit("keys:check", *arguments, **env)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "no-base64!" not in done.stderr


def test_a_venue_that_is_not_there_is_unreachable(desk: Desk) -> None:
    done = desk.arbit(
        "keys:check",
        ARBIT_VENUES__KRAKEN__REST_URL="http://127.0.0.1:1",
        ARBIT_VENUES__KRAKEN__PRIVATE_WS_URL="ws://127.0.0.1:1",
        ARBIT_VENUES__KRAKEN__API_KEY=TRADE_KEY,
        ARBIT_VENUES__KRAKEN__API_SECRET=TRADE_SECRET,
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert TRADE_SECRET not in done.stdout + done.stderr
