"""Conversions of processes over real sockets: a stop in the middle, a daemon's own rebalances."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arbit.app.store import DATABASE
from tests.checker import compare
from tests.integration.live_desk import (
    GUARD_S,
    Daemon,
    Exchange,
    environment,
    folders,
    furnish,
    rows,
    until,
)

D = Decimal


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with Exchange(tmp_path_factory.mktemp("exchange")) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One account has one database."""
    return tmp_path_factory.mktemp("desk")


def typed(exchange: Exchange, folder: Path, *words: str) -> subprocess.Popen[str]:
    """A command at work, its report as JSON."""
    furnish(folder)
    return subprocess.Popen(
        [sys.executable, "-m", "arbit", *words, "--venue", "sandbox", "--json"],
        cwd=folder,
        env=environment(**folders(folder), **exchange.addresses("sandbox")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def report_of(process: subprocess.Popen[str], *, code: int = 0) -> dict[str, Any]:
    said, complained = process.communicate(timeout=GUARD_S)
    assert process.returncode == code, complained + said
    assert "Traceback" not in complained
    found: dict[str, Any] = json.loads(said)
    return found


def agrees(exchange: Exchange, folder: Path) -> None:
    """Nothing was sent twice, and the checker agrees with every digit."""
    sent = Counter(str(one["cl_ord_id"]) for one in exchange.records("accept"))
    assert set(sent.values()) <= {1}
    assert compare(exchange.log, folder / "var" / DATABASE) == []


def test_a_stop_in_mid_conversion_ends_it_in_order_and_sends_nothing_twice(
    exchange: Exchange, folder: Path
) -> None:
    before = len(exchange.orders())
    held: list[str] = []
    holding = threading.Thread(target=lambda: held.append(exchange.hold_an_order()))
    holding.start()
    process = typed(exchange, folder, "convert", "200", "EUR", "XRP")  # by way of a third asset
    holding.join(GUARD_S)
    process.send_signal(signal.SIGTERM)
    exchange.let_go(held[0])
    (told,) = report_of(process, code=process.wait(GUARD_S))["reports"]
    assert process.returncode in {0, 3}, "told, whatever it came to"
    assert told["done"]["end"] in {"done", "unwound", "flat"}, told
    assert len(exchange.orders()) > before
    ((open_,),) = rows(folder / "var" / DATABASE, "SELECT count(*) FROM cycles WHERE ended_ns=0")
    assert open_ == 0
    sql = "SELECT ended_how FROM runs ORDER BY token DESC LIMIT 1"
    assert rows(folder / "var" / DATABASE, sql) == [("clean",)]
    agrees(exchange, folder)


def test_a_daemon_brings_an_asset_back_into_its_band_within_its_budget(
    exchange: Exchange, folder: Path
) -> None:
    wanted = {
        "ARBIT_INVENTORY__TARGETS": "ETH=2.97",
        "ARBIT_INVENTORY__BAND_PERCENT": "0.5",
        "ARBIT_INVENTORY__REBALANCE": "true",
        "ARBIT_INVENTORY__REBALANCE_AFTER_S": "0",
        "ARBIT_INVENTORY__REBALANCE_EVERY_S": "1",
        "ARBIT_INVENTORY__REBALANCE_COST_PER_DAY": "0.5",
        "ARBIT_SCAN__MIN_EDGE_BPS": "1000",  # no cycle comes between
    }
    with Daemon(folder, "sandbox", **exchange.addresses("sandbox"), **wanted) as running:
        # The last of two legs may find its price gone and come by a dearer one: unwound.
        until(lambda: D("2.97") <= eth(folder) <= D("2.97") * D("1.005"), "ETH in its band")
        done = running.wait_for("conversion_ended", kind="rebalance")
        assert running.stop() == 0, running.said
    assert str(done["path"]).startswith("ETH>")
    sql = "SELECT profit_ref, loss_budget FROM cycles WHERE kind='rebalance'"
    costs = rows(folder / "var" / DATABASE, sql)
    assert costs
    assert sum(-D(cost) for cost, _ in costs) <= D("0.5")
    assert D("2.97") <= eth(folder) <= D("2.97") * D("1.005")
    agrees(exchange, folder)


def eth(folder: Path) -> Decimal:
    """What the ledger says is owned."""
    owned = "SELECT amount FROM ledger WHERE book='wallet' AND asset='ETH'"
    return sum((D(amount) for (amount,) in rows(folder / "var" / DATABASE, owned)), D(0))
