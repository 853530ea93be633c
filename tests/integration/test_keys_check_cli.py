"""`arbit keys:check` as its user runs it: one verdict, the right exit code, no secret shown."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from arbit.domain.account import AccountId, Mode
from arbit.persistence.lease import Lease
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
from tests.integration.server_thread import served

LEGS = "BTC/USD,ETH/BTC,ETH/USD"


@pytest.fixture
def venue() -> Iterator[SandboxServer]:
    """It lives in a thread beside the commands, which are this process's own."""
    with served() as running:
        yield running


def at(server: SandboxServer, key: str = TRADE_KEY, secret: str = TRADE_SECRET) -> dict[str, str]:
    """The sandbox that runs already, as settings name it."""
    return {
        "ARBIT_VENUES__SANDBOX__REST_URL": server.rest_url,
        "ARBIT_VENUES__SANDBOX__WS_URL": server.ws_url,
        "ARBIT_VENUES__SANDBOX__API_KEY": key,
        "ARBIT_VENUES__SANDBOX__API_SECRET": secret,
        "ARBIT_VENUES__SANDBOX__RATE_TIER": "pro",
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


def test_nothing_is_ordered_and_no_balance_is_shown_unasked(
    desk: Desk, venue: SandboxServer
) -> None:
    account = venue.exchange.books.account(MAIN)
    account.balances["USD"] = Decimal("98765.4321")
    arguments = ("keys:check", "--venue", "sandbox", "--symbols", LEGS)
    done = desk.within(*arguments, **at(venue))
    assert done.returncode == 0, done.stderr
    assert "Verdict: fit to trade" in done.stdout
    assert not account.open_orders
    assert not list(account.closed)
    assert venue.exchange.refusals.total() == 0
    assert "98765" not in done.stdout
    asked = desk.within(*arguments, "--balances", **at(venue))
    assert "balance: 98765.4321 USD" in asked.stdout
    told = strict_json(desk.within(*arguments, "--json", **at(venue)).stdout)
    assert told["balances"] == {}


def test_each_thing_that_was_looked_at_has_a_row_and_what_is_made_of_it(
    desk: Desk, venue: SandboxServer
) -> None:
    code, report = checked(desk, venue, "--symbols", LEGS)
    assert code == 0
    rows = {one["what"]: (one["found"], one["verdict"]) for one in report["checks"]}
    account = str(AccountId.of_key("sandbox", Mode.SANDBOX, TRADE_KEY))
    assert rows.pop("API key") == (f"set, account {account}", "ok")
    assert rows.pop("may withdraw") == ("no", "ok")
    assert rows.pop("may use the WebSocket interface") == ("yes", "ok")
    assert rows.pop("nonce window") == ("0", "ok")
    assert rows.pop("addresses it works from") == ("any", "note")
    assert rows.pop("expires") == ("never", "ok")
    assert rows.pop("may do more") == ("no", "ok")
    assert rows.pop("clock")[1] == "ok"
    fee, verdict = rows.pop("fee tier")
    assert (fee, verdict) == ("40 bps at most, from 0 of 30-day volume; 35 bps from 10000", "ok")
    assert {what.split()[0] for what in rows} == {"may"}
    assert set(rows.values()) == {("yes", "ok")}


@pytest.mark.parametrize(
    ("key", "secret", "why"),
    [
        (WITHDRAW_KEY, WITHDRAW_SECRET, "may withdraw"),
        (READONLY_KEY, READONLY_SECRET, "create and modify orders"),
        (TRADE_KEY, OTHER_SECRET, "EAPI:Invalid signature"),
    ],
)
def test_an_unfit_key_is_refused_with_its_reason(
    desk: Desk, venue: SandboxServer, key: str, secret: str, why: str
) -> None:
    arguments = ("keys:check", "--venue", "sandbox", "--symbols", LEGS, "--json")
    done = desk.within(*arguments, **at(venue, key, secret))
    assert done.returncode == 3, done.stderr
    report = strict_json(done.stdout)
    assert report["fit"] is False
    assert why in report["verdict"]
    assert {one["rehearsal"] for one in report["markets"]} == {"not rehearsed"}
    assert secret not in done.stdout + done.stderr


def checked(
    desk: Desk, venue: SandboxServer, *arguments: str, **env: str
) -> tuple[int, dict[str, Any]]:
    """The exit code and the report."""
    words = ("keys:check", "--venue", "sandbox", *arguments, "--json")
    done = desk.within(*words, **at(venue) | env)
    assert done.returncode in {0, 3}, done.stderr
    return done.returncode, strict_json(done.stdout)


def test_one_bad_leg_of_the_only_triangle_is_unfit_and_named(
    desk: Desk, venue: SandboxServer
) -> None:
    venue.faults.set("pair_status", symbol="ETH/BTC", status="cancel_only")
    code, report = checked(desk, venue, "--symbols", LEGS)
    assert (code, report["fit"]) == (3, False)
    told = {one["symbol"]: one["rehearsal"] for one in report["markets"]}
    assert "cancel_only" in told["ETH/BTC"]
    assert told["BTC/USD"] == "would be taken"
    why = "no watched triangle can be traded: ETH/BTC (status is cancel_only)"
    assert report["verdict"] == f"not fit to trade on sandbox: {why}"


def test_a_bad_market_beside_whole_triangles_is_named_and_the_others_are_fit(
    desk: Desk, venue: SandboxServer
) -> None:
    venue.faults.set("pair_status", symbol="ETH/BTC", status="cancel_only")
    code, report = checked(desk, venue)
    assert (code, report["fit"]) == (0, True)
    assert report["verdict"].startswith("fit to trade on sandbox: ")
    assert report["verdict"].endswith("not to be traded: ETH/BTC (status is cancel_only)")
    assert report["bad_markets"] == ["ETH/BTC (status is cancel_only)"]


def test_a_market_whose_rehearsal_is_refused_is_a_bad_one(desk: Desk, venue: SandboxServer) -> None:
    venue.faults.set(
        "order_error", symbol="ETH/USD", method="AddOrder", error="EOrder:Cost minimum not met"
    )
    code, report = checked(desk, venue, "--symbols", LEGS)
    assert code == 3
    assert "ETH/USD (EOrder:Cost minimum not met)" in report["verdict"]


@pytest.mark.parametrize(
    "words",
    ["EGeneral:Permission denied", "EAPI:Invalid key", "ETrade:User Locked"],
)
def test_what_one_rehearsal_says_of_the_key_is_unfit_whatever_the_others_say(
    desk: Desk, venue: SandboxServer, words: str
) -> None:
    venue.faults.set("order_error", method="AddOrder", error=words, skip=1)
    code, report = checked(desk, venue, "--symbols", LEGS)
    assert (code, report["fit"]) == (3, False)
    assert report["verdict"].endswith(f"the venue refuses this API key: {words}")
    told = {one["rehearsal"] for one in report["markets"]}
    assert told == {"would be taken", words, "not rehearsed"}, "nothing more is asked"


def live(desk: Desk, venue: SandboxServer, folder: str) -> None:
    """A start and its end; the next one's nonces are ahead of the clock by a minute."""
    done = desk.within(
        *("live", "--venue", "sandbox", "--recover-only", "--json", "--data-dir", folder),
        **at(venue),
    )
    assert done.returncode == 0, done.stderr


def test_nonces_go_on_from_where_the_daemon_left_them_and_back(
    desk: Desk, venue: SandboxServer
) -> None:
    for _ in range(2):
        live(desk, venue, "var")
    nonces = venue.exchange.keys[TRADE_KEY]
    assert nonces.last_nonce > time.time_ns() // 1_000 + 30_000_000, "ahead of the clock"
    code, report = checked(desk, venue, "--symbols", LEGS)
    assert (code, report["fit"]) == (0, True), report["verdict"]
    live(desk, venue, "var")
    assert "EAPI:Invalid nonce" not in venue.exchange.refusals
    told = desk.arbit("db", "check", "--json")
    assert "(live, " in next(iter(strict_json(told.stdout)["runs"].values()))


def test_a_refused_nonce_is_no_bad_key(desk: Desk, venue: SandboxServer) -> None:
    for _ in range(2):
        live(desk, venue, "var")
    code, report = checked(desk, venue, "--symbols", LEGS, ARBIT_DATA_DIR="elsewhere")
    assert (code, report["fit"]) == (3, False)
    assert "the venue refuses our nonce (EAPI:Invalid nonce)" in report["verdict"]
    assert "says nothing of the key itself" in report["verdict"]
    assert "refuses this API key" not in report["verdict"]
    assert not (desk.work / "elsewhere").exists()


def test_a_key_that_a_daemon_uses_is_not_asked_about_beside_it(
    desk: Desk, venue: SandboxServer
) -> None:
    live(desk, venue, "var")
    asked = len(venue.exchange.log.records)
    account = str(AccountId.of_key("sandbox", Mode.SANDBOX, TRADE_KEY))
    with Lease(desk.work / "var", desk.work / "var" / "arbit.db", account, time.time_ns()):
        done = desk.within("keys:check", "--venue", "sandbox", "--symbols", LEGS, **at(venue))
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"is traded by process {os.getpid()} " in done.stderr
    assert "nothing was asked" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert len(venue.exchange.log.records) == asked


@pytest.mark.parametrize(("off_s", "way"), [(8, "behind"), (-8, "ahead of")])
def test_a_clock_far_off_the_venues_is_refused_by_the_check_and_by_a_start(
    desk: Desk, venue: SandboxServer, off_s: int, way: str
) -> None:
    venue._clock._wall_start += off_s * 1_000_000_000
    arguments = ("--venue", "sandbox", "--symbols", LEGS, "--json")
    done = desk.within("keys:check", *arguments, **at(venue))
    assert done.returncode == 3, done.stderr
    report = strict_json(done.stdout)
    assert report["fit"] is False
    assert f"s {way} the venue's" in report["verdict"]
    run = desk.within("live", *arguments, "--secs", "5", **at(venue))
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
        ({}, ("--venue", "binance"), "keys are checked for alpaca, kraken, sandbox and sand"),
    ],
)
def test_a_users_mistake_is_one_clear_line(
    desk: Desk, env: dict[str, str], arguments: tuple[str, ...], said: str
) -> None:
    done = desk.within("keys:check", *arguments, **env)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "no-base64!" not in done.stderr


def test_a_venue_that_is_not_there_is_unreachable(desk: Desk) -> None:
    done = desk.within(
        "keys:check",
        ARBIT_VENUES__KRAKEN__REST_URL="http://127.0.0.1:1",
        ARBIT_VENUES__KRAKEN__PRIVATE_WS_URL="ws://127.0.0.1:1",
        ARBIT_VENUES__KRAKEN__API_KEY=TRADE_KEY,
        ARBIT_VENUES__KRAKEN__API_SECRET=TRADE_SECRET,
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert TRADE_SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("more", "admitted", "why"),
    [
        ("withdraw-funds", "", "may withdraw"),
        ("earn-funds", "earn-funds", "no use for (earn-funds)"),
        ("view-prices", "", "do not know (view-prices)"),
        ("view-prices", "view-prices", ""),
    ],
)
def test_a_start_passes_the_same_judgement_on_a_key_as_the_check(
    desk: Desk, venue: SandboxServer, more: str, admitted: str, why: str
) -> None:
    venue.exchange.keys[TRADE_KEY].permissions |= {more}
    env = at(venue) | {"ARBIT_VENUES__SANDBOX__ADMIT_PERMISSIONS": admitted}
    arguments = ("--venue", "sandbox", "--symbols", LEGS)
    check = desk.within("keys:check", *arguments, "--json", **env)
    start = desk.within("live", *arguments, "--recover-only", "--json", **env)
    assert check.returncode == start.returncode == (3 if why else 0), start.stderr
    assert why in strict_json(check.stdout)["verdict"]
    assert why in start.stderr
    assert venue.exchange.books.orders_taken == 0


def test_several_venues_are_checked_under_one_verdict(desk: Desk, venue: SandboxServer) -> None:
    venue.exchange.keys[TRADE_KEY].permissions -= {"close-trades"}
    arguments = ("keys:check", "--venue", "sandbox", "--venue", "sandbox-alpaca", "--json")
    done = desk.within(*arguments, **at(venue))
    assert done.returncode == 3, done.stderr
    told = strict_json(done.stdout)
    assert (told["fit"], told["verdict"]) == (False, "not fit to trade on sandbox")
    assert {name: one["fit"] for name, one in told["venues"].items()} == {
        "sandbox": False,
        "sandbox-alpaca": True,
    }


def test_a_venues_words_move_no_cursor_and_are_no_markup(desk: Desk, venue: SandboxServer) -> None:
    words = "EOrder:[bold]No\x1b[2J\rFIT[/nothing]"
    venue.faults.set("order_error", symbol="ETH/USD", method="AddOrder", error=words)
    done = desk.within("keys:check", "--venue", "sandbox", "--symbols", LEGS, **at(venue))
    assert done.returncode == 3
    assert "EOrder:[bold]No[2JFIT[/nothing]" in done.stdout.replace("\n", "")
    assert "\x1b" not in done.stdout
