"""`arbit convert` and `arbit rebalance` as typed, against the sandbox over real sockets."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arbit.app.store import DATABASE, account_of, held_account
from arbit.clock import SystemClock
from arbit.config import load_settings
from tests.checker import compare
from tests.integration.live_desk import Exchange, folders, furnish
from tests.integration.typing_in import Run, typing_in

D = Decimal
TRIES = 5  # an order that fills or ends finds its price gone now and then; never so often
DUST = D("0.00000001")  # a lot of either


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A command as typed in a folder of its own: its code, what it said, and what it complained."""
    return typing_in(tmp_path, monkeypatch, capsys, folders(tmp_path))


def the_only(run: Run, *words: str, code: int = 0) -> dict[str, Any]:
    """The one report of a conversion as JSON."""
    left, said, complained = run(*words, "--venue", "sandbox", "--json")
    assert left == code, complained + said
    (report,) = json.loads(said)["reports"]
    assert isinstance(report, dict)
    return report


def test_a_dry_run_shows_direct_and_indirect_side_by_side_and_touches_nothing(
    run: Run, tmp_path: Path
) -> None:
    report = the_only(run, "convert", "1000", "USD", "ETH", "--dry-run")
    assert report["mode"] == "quote"
    assert [route["legs"] for route in report["routes"]] == [1, 2, 3]
    assert report["chosen"] == report["routes"][0]["path"] == "USD>ETH"
    assert report["better_bps"] == "0.00"
    assert report["done"] is None
    # Three legs cost more than two, and two more than one: here each pays the base tier.
    costs = [Decimal(route["cost_bps"]) for route in report["routes"]]
    assert 38 < costs[0] < costs[1] < costs[2] < 140
    assert not (tmp_path / "var").exists()


def test_a_dry_run_of_all_takes_paper_s_balance_and_tells_the_cap_beside_the_routes(
    run: Run,
) -> None:
    code, said, complained = run(
        *["convert", "all", "USD", "ETH", "--dry-run", "--venue", "sandbox", "--json"]
    )
    assert code == 3, complained
    told = json.loads(said)
    (report,) = told["reports"]
    assert report["amount"] == "10000"
    assert "all is the 10000 USD of ARBIT_SCAN__PAPER_BALANCES" in said
    assert len(report["routes"]) == 3
    assert report["refused"].startswith("ARBIT_RISK__MAX_EXPOSURE=3000: expected trading to move")
    assert report["refusal"]["code"] == "asset_cap"
    assert D(report["refusal"]["exposure"]) > D(report["refusal"]["cap"])
    assert (report["asked"], report["done"]) == (False, None)


def test_an_asset_that_a_bound_misspells_is_told_before_anything_is_planned(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARBIT_RISK__ASSET_CAPS", "Eth=1")
    code, said, complained = run(
        *["convert", "10", "USD", "BTC", "--dry-run", "--venue", "sandbox"]
    )
    assert (code, said) == (2, "")
    said = "arbit: ARBIT_RISK__ASSET_CAPS=Eth: expected ETH, as sandbox spells it"
    assert complained.splitlines() == [said]


def test_what_is_typed_is_done_and_the_checker_agrees_with_every_digit(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(tmp_path)
    with Exchange(tmp_path / "exchange", profile="calm") as exchange:
        for name, value in exchange.addresses("sandbox").items():
            monkeypatch.setenv(name, value)
        buying = converted(run, "convert", "500", "USD", "BTC")
        bought = buying["done"]
        assert D("499") < D(bought["spent"]) <= D(500)

        code, said, complained = run("convert", "1000000", "USD", "BTC", "--venue", "sandbox")
        assert (code, said) == (2, "")
        assert "1000000 USD: expected at most 9500" in complained

        dear = the_only(run, "convert", "100", "USD", "BTC", "--max-cost-bps", "0.01", code=3)
        assert "more than 0.01 (--max-cost-bps)" in dear["refused"]

        trifle = converted(run, "convert", "15", "USD", "XRP")
        little = trifle["done"]
        swept, reports = sweep_until_it_trades(run, "XRP")
        # A way of several orders may leave a rest of what it goes through.
        ways = (one["chosen"].split(">") for one in (buying, trifle))
        between = {asset for way in ways for asset in way[1:-1]}
        assert set(reports) <= between, "of all that is owned there is no other dust"
        assert D("0.99") * D(little["received"]) <= D(swept["done"]["spent"])
        assert D(14) < D(swept["done"]["received"]) < D(16)

        monkeypatch.setenv("ARBIT_INVENTORY__TARGETS", "ETH=2.9,BTC=0.1")
        monkeypatch.setenv("ARBIT_INVENTORY__BAND_PERCENT", "1")
        assert any(rebalanced(run) for _ in range(TRIES)), "none of them moved anything"
    kinds = rows(tmp_path, "SELECT kind FROM cycles ORDER BY started_ns")
    assert list(dict.fromkeys(kinds)) == ["convert", "sweep", "rebalance"]
    assert compare(exchange.log, tmp_path / "var" / DATABASE) == []


def converted(run: Run, *words: str) -> dict[str, Any]:
    """The report of a conversion that was done; typed again where the price ran away."""
    for _ in range(TRIES):
        code, said, complained = run(*words, "--venue", "sandbox", "--json")
        (report,) = json.loads(said)["reports"]
        end = report["done"]["end"]
        assert (code, end) in {(0, "done"), (3, "flat")}, complained + said
        if end == "done":
            assert isinstance(report, dict)
            return report
    raise AssertionError(f"{TRIES} conversions and nothing traded: {report}")


def rebalanced(run: Run) -> bool:
    """Whether anything moved: never away from its target, nor past it.

    A way of several orders may leave of what it goes through what is less than a lot.
    """
    code, said, complained = run("rebalance", "--venue", "sandbox", "--json")
    told = json.loads(said)
    assert code in {0, 3}, complained  # a move may find its price gone
    ends = [move["done"] and move["done"]["end"] for move in told["moves"]]
    assert set(ends) <= {"done", "unwound", "flat"}, told["moves"]
    before, after = (
        {one["asset"]: D(one["owned"]) for one in told[when]} for when in ("stands", "after")
    )
    assert D("0.099") <= after["BTC"] <= before["BTC"] + DUST
    assert D("2.87") <= after["ETH"] <= before["ETH"] + DUST
    return after != before


def sweep_until_it_trades(run: Run, asset: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A sweep's report of one asset, and those of the others; typed again where the price ran."""
    asked = ("convert", "--sweep", "USD", "--below", "20", "--venue", "sandbox", "--json")
    for _ in range(TRIES):
        code, said, complained = run(*asked)
        # The last of several legs may come by another way: unwound.
        assert code in {0, 3}, complained
        reports = {report["start"]: report for report in json.loads(said)["reports"]}
        swept = reports.pop(asset)
        if swept["done"]["end"] != "flat":
            return swept, reports
    raise AssertionError(f"{TRIES} sweeps and nothing traded: {swept}")


def rows(folder: Path, query: str) -> list[Any]:
    """The first column of what the database says."""
    with closing(sqlite3.connect(folder / "var" / DATABASE)) as database:
        return [row[0] for row in database.execute(query)]


@pytest.mark.parametrize("command", ["convert 10 USD BTC", "rebalance"])
def test_beside_a_daemon_on_the_same_account_it_refuses_in_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("ARBIT_INVENTORY__TARGETS", "BTC=0.1")
    monkeypatch.setenv("ARBIT_VENUES__SANDBOX__REST_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ARBIT_VENUES__SANDBOX__WS_URL", "ws://127.0.0.1:9")
    settings = load_settings()
    venue = settings.venue("sandbox")
    with held_account(settings, venue, account_of(venue, real=True), SystemClock()):
        code, said, complained = run(*command.split(), "--venue", "sandbox")
    assert (code, said) == (2, "")
    assert complained.count("\n") == 1
    assert f"is traded by process {os.getpid()}" in complained
    assert "stop it first" in complained
    assert not (tmp_path / "var").exists()
