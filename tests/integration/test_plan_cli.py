"""`arbit markets`, `triangles` and `plan` over real sockets, as their user meets them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from arbit.app.store import account_of, held_account
from arbit.clock import SystemClock
from arbit.config import load_settings
from arbit.persistence.migrate import upgrade
from arbit.sandbox.keys import OTHER_SECRET, TRADE_KEY
from arbit.sandbox.server import SandboxServer
from tests.integration.server_thread import at, served
from tests.integration.typing_in import Run, typing_in

NOWHERE = "http://127.0.0.1:1"
LEGS = "BTC/USD,ETH/BTC,ETH/USD"
PATH = "USD>BTC>ETH>USD"


@pytest.fixture(scope="module")
def kraken() -> Iterator[SandboxServer]:
    with served() as running:
        yield running


@pytest.fixture(scope="module")
def alpaca() -> Iterator[SandboxServer]:
    with served("alpaca") as running:
        yield running


@pytest.fixture
def typed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kraken: SandboxServer,
) -> Run:
    public = {
        name: value for name, value in at(kraken, "kraken").items() if name.endswith("REST_URL")
    }
    ours = {"ARBIT_LOCK_DIR": str(tmp_path / "locks"), "ARBIT_VENUES__SANDBOX__RATE_TIER": "pro"}
    return typing_in(tmp_path, monkeypatch, capsys, {**at(kraken, "sandbox"), **public, **ours})


def told(typed: Run, *words: str) -> dict[str, Any]:
    code, out, err = typed(*words, "--json")
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def seen(folder: Path, *rows: tuple[str, str, str, float]) -> None:
    """A history with these gaps: account, path, stage, bps."""
    path = folder / "var" / "history.db"
    path.parent.mkdir()
    upgrade(path)
    sql = (
        "INSERT INTO opportunities (account, path, stage, best_bps, gross_ms, net_ms, at_ns) "
        "VALUES (?, ?, ?, ?, 1, 0, 7)"
    )
    with closing(sqlite3.connect(path)) as history, history:
        history.executemany(sql, rows)


@pytest.mark.parametrize("venue", ["sandbox", "kraken"])
def test_markets_have_their_limits_increments_and_both_fees(typed: Run, venue: str) -> None:
    found = told(typed, "markets", "--venue", venue)
    assert found["market"] == ("synthetic" if venue == "sandbox" else "live")
    by = {one["symbol"]: one for one in found["markets"]}
    assert len(by) > 10
    assert by["BTC/USD"] == {
        "symbol": "BTC/USD",
        "status": "online",
        "qty_min": "0.00006",
        "cost_min": "0.5",
        "price_increment": "0.1",
        "qty_increment": "0.00000001",
        "taker_bps": "40",
        "maker_bps": "25",
        "fee_from": "published ladder",
        "why_not": "",
    }
    assert by["USDT/USD"]["taker_bps"] == "20"
    _, out, _ = typed("markets", "--venue", venue, "--symbols", "ETH/BTC,BTC/USD")
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["ETH/BTC", "BTC/USD"]


def test_triangles_have_their_hurdle_and_say_why_not(
    typed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = told(typed, "triangles", "--venue", "sandbox")
    by = {one["path"]: one for one in found["triangles"]}
    assert by[PATH] == {
        "path": PATH,
        "symbols": LEGS.split(","),
        "hurdle_bps": 120.97,
        "watched": True,
        "why_not": "",
    }
    assert by["USD>USDT>BTC>USD"]["hurdle_bps"] == 100.68
    monkeypatch.setenv("ARBIT_VENUES__SANDBOX__TRIANGLES", LEGS)
    monkeypatch.setenv("ARBIT_SCAN__START_ASSETS", "EUR")
    found = told(typed, "triangles", "--venue", "sandbox", "--fee-bps", "0")
    first, *others = found["triangles"]
    assert (first["watched"], first["hurdle_bps"], set(first["symbols"])) == (
        True,
        0.0,
        set(LEGS.split(",")),
    )
    assert "START_ASSETS" in first["why_not"]
    assert len(others) == len(by) - 1
    assert not any(one["watched"] for one in others)
    code, out, _ = typed("triangles", "--venue", "sandbox")
    assert code == 0
    assert "1 watched" in out
    assert "reckoned with: taker fee 40 bps" in out


def test_a_plan_uses_the_accounts_own_fees_and_volume(typed: Run) -> None:
    plan = told(typed, "plan", "--venue", "sandbox")
    assert (plan["market"], plan["volume"], plan["currency"]) == ("synthetic", "0.0000", "USD")
    assert "taker fee 40 bps (account) on 14 markets" in plan["notes"]
    row = next(one for one in plan["triangles"] if one["path"] == PATH)
    assert (row["hurdle_bps"], row["next_hurdle_bps"]) == (120.97, 105.74)
    assert (row["best_bps"], row["short_bps"], row["gaps"], row["why_not"]) == (None, None, 0, "")
    assert plan["steps"][0] == {
        "volume": "10000",
        "taker_bps": "35",
        "hurdle_bps": 105.74,
        "missing": "10000",
        "cost": "40",
        "within": None,
    }
    assert "fitness --venue sandbox --persist" in plan["verdict"][0]


def test_without_a_key_the_published_ladder_stands_in_and_is_named(typed: Run) -> None:
    plan = told(typed, "plan", "--venue", "kraken")
    assert plan["volume"] == ""
    assert "taker fee 40 bps (published ladder) on 14 markets" in plan["notes"]
    assert any("ARBIT_VENUES__KRAKEN__API_KEY" in note for note in plan["notes"])
    assert plan["steps"][-1]["cost"] == "13930"


def test_a_key_that_may_not_ask_is_told_of_and_does_not_stop_the_plan(
    typed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARBIT_VENUES__SANDBOX__API_KEY", TRADE_KEY)
    monkeypatch.setenv("ARBIT_VENUES__SANDBOX__API_SECRET", OTHER_SECRET)
    plan = told(typed, "plan", "--venue", "sandbox")
    assert any("refuses" in note for note in plan["notes"])
    assert plan["triangles"][0]["hurdle_bps"] == 100.68


def test_beside_a_daemon_that_has_the_key_the_account_is_left_alone(
    typed: Run, kraken: SandboxServer
) -> None:
    settings, clock = load_settings(None), SystemClock()
    venue = settings.venue("sandbox")
    asked = kraken.exchange.keys[TRADE_KEY].last_nonce
    with held_account(settings, venue, account_of(venue, real=True), clock):
        plan = told(typed, "plan", "--venue", "sandbox")
    assert kraken.exchange.keys[TRADE_KEY].last_nonce == asked
    assert any("the account was not asked" in note for note in plan["notes"])
    assert "taker fee 40 bps (published ladder) on 14 markets" in plan["notes"]


def test_the_widest_gap_of_history_is_held_against_the_hurdle(typed: Run, tmp_path: Path) -> None:
    seen(
        tmp_path,
        ("sandbox:fitness", PATH, "gross", 4.1),
        ("sandbox:live:ab", "BTC>USD>ETH>BTC", "net", 7.25),  # the other way, from elsewhere
        ("sandbox:fitness", PATH, "raw", 900.0),  # books that nobody believed
        ("sandbox-alpaca:fitness", PATH, "net", 800.0),  # another venue
    )
    plan = told(typed, "plan", "--venue", "sandbox")
    first = plan["triangles"][0]
    assert (first["path"], first["best_bps"], first["gaps"], first["best_ns"]) == (PATH, 7.25, 2, 7)
    assert first["short_bps"] == pytest.approx(113.72)
    assert plan["verdict"][0] == (
        f"{PATH}: the widest of 2 gaps was 7.25 bps, 113.7 short of its hurdle of 121.0 bps"
    )
    assert "would lose those fees" in plan["verdict"][1]
    assert plan["steps"][0]["within"] is False
    code, out, _ = typed("plan", "--venue", "sandbox", "--fee-bps", "2")
    assert code == 0
    assert "above its hurdle of 6.0" in out
    assert "the steps of fees above" not in out


def test_history_that_cannot_be_read_is_a_note(typed: Run, tmp_path: Path) -> None:
    folder = tmp_path / "var"
    folder.mkdir()
    (folder / "history.db").write_bytes(b"no database at all" * 100)
    plan = told(typed, "plan", "--venue", "sandbox")
    assert any("no gaps seen are reckoned with" in note for note in plan["notes"])


def test_alpaca_tells_no_tier_so_that_the_fee_you_state_is_its_step(
    typed: Run, alpaca: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in at(alpaca, "sandbox-alpaca").items():
        monkeypatch.setenv(name, value)
    plan = told(typed, "plan", "--venue", "sandbox-alpaca")
    assert plan["triangles"][0]["hurdle_bps"] == 75.38
    assert any("Alpaca tells no account's fees" in note for note in plan["notes"])
    assert plan["steps"][-1]["volume"] == "100000000"
    plan = told(typed, "plan", "--venue", "sandbox-alpaca", "--fee-bps", "20")
    assert plan["volume"] == "500000"
    assert plan["steps"][0]["taker_bps"] == "18"
    assert plan["triangles"][0]["next_hurdle_bps"] == 54.19
    found = told(typed, "markets", "--venue", "sandbox-alpaca")
    assert {one["taker_bps"] for one in found["markets"]} == {"25"}
    assert told(typed, "triangles", "--venue", "sandbox-alpaca")["triangles"]


@pytest.mark.parametrize("command", ["markets", "triangles", "plan"])
def test_a_venue_that_is_not_there_is_one_line_and_code_4(
    typed: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("ARBIT_VENUES__KRAKEN__REST_URL", NOWHERE)
    code, out, err = typed(command, "--venue", "kraken")
    assert (code, out) == (4, "")
    (line,) = err.splitlines()
    assert line.startswith("arbit: kraken could not be reached: ")


@pytest.mark.parametrize("command", ["markets", "triangles", "plan"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--venue", "Kra ken"], "--venue 'Kra ken': expected"),
        (["--venue", "nosuchvenue"], "nosuchvenue"),
        (["--symbols", "BTCUSD"], "--symbols"),
        (["--symbols", "NOPE/USD"], "NOPE/USD"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(
    typed: Run, command: str, words: list[str], said: str
) -> None:
    code, out, err = typed(command, *words)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert said in line
