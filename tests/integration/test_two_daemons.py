"""Two daemons on one account of one exchange, each with a data folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.live_desk import Daemon, Exchange, FirstDaemon, arbit, one_clear_line

TWIN = "another daemon trades this account"


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    with Exchange(tmp_path / "exchange") as running:
        yield running


def folder(tmp_path: Path, name: str) -> Path:
    (tmp_path / name).mkdir(exist_ok=True)
    return tmp_path / name


def daemon(exchange: Exchange, at: Path, locks: Path) -> Daemon:
    quick = {"ARBIT_LOCK_DIR": str(locks), "ARBIT_RISK__GRACE_S": "2"}  # halted in mid-cycle
    return FirstDaemon(at, "sandbox", **quick, **exchange.addresses("sandbox"))


def halted(one: Daemon) -> str:
    """Wait until it has halted for a foreigner; in which words."""
    one.wait_for("breaker_changed", state="halted", reason="foreign")
    return str(one.events("breaker_changed", state="halted")[0]["detail"])


def test_the_second_is_refused_before_it_touches_its_own_folder(
    exchange: Exchange, tmp_path: Path
) -> None:
    one, two, locks = folder(tmp_path, "one"), folder(tmp_path, "two"), tmp_path / "locks"
    with daemon(exchange, one, locks) as first:
        first.wait_for("cycle_ended")
        with daemon(exchange, two, locks) as second:
            assert second.ended() == 2
            one_clear_line(second.only_line(), f"process {first.pid} ", str(one / "var"))
        left = {path.relative_to(two).parts[:2] for path in two.rglob("*")}
        assert left <= {("var",), ("var", "logs")}  # its log is the one thing that it may leave
        assert first.stop() == 0
    with daemon(exchange, two, locks) as second:  # the account is free again
        second.wait_for("cycle_ended")


def test_with_no_lock_between_them_each_halts_at_the_others_first_order(
    exchange: Exchange, tmp_path: Path
) -> None:
    """On two machines nothing but the exchange tells one of the other."""
    one, two = folder(tmp_path, "one"), folder(tmp_path, "two")
    with daemon(exchange, one, tmp_path / "locks-1") as first:
        first.wait_for("cycle_ended")
        assert arbit(one, "pause", "sandbox").returncode == 0
        with daemon(exchange, two, tmp_path / "locks-2") as second:
            assert TWIN in halted(first), "by an order, not by an audit"
            assert second.events("breaker_changed") == [], "the first has sent it nothing"
            assert arbit(two, "pause", "sandbox").returncode == 0
            second.wait_for("order_refused", code="venue_paused")
            assert arbit(one, "resume", "sandbox").returncode == 0
            assert TWIN in halted(second), "by the first order that it hears of"
            runs = {str(row["cl_ord_id"])[:7] for row in exchange.records("accept")}
            assert len(runs) == 2, "both have traded"
            assert second.stop() == 3
            assert second.report["breaker"] == "halted"
