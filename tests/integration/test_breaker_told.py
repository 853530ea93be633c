"""A breaker that trips, over sockets: event, metric, log line and alert, once each."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.alert_receiver import Receiver, certificate, receiving
from tests.integration.live_desk import Daemon, Exchange, rows, until

BURST = 10


@contextmanager
def receiver_in_a_thread(folder: Path) -> Iterator[Receiver]:
    """It listens while open."""
    started, box = threading.Event(), list[Receiver]()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def main() -> None:
        async with receiving(folder) as receiver:
            box.append(receiver)
            started.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    try:
        assert started.wait(10)
        yield box[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()


def test_a_trip_is_told_in_every_way_once(tmp_path: Path) -> None:
    with receiver_in_a_thread(tmp_path) as receiver, Exchange(tmp_path / "venue") as exchange:
        settings = exchange.addresses("sandbox") | {
            "ARBIT_RISK__BREAKER_FAILURES": str(BURST),
            "ARBIT_RISK__BREAKER_PAUSE_S": "3600",
            "ARBIT_ALERTS__WEBHOOK_URL": receiver.url("/canary-of-the-hook"),
            "ARBIT_ALERTS__DEADMAN_URL": receiver.url("/canary-of-the-dead-man"),
            "ARBIT_ALERTS__DEADMAN_EVERY_S": "5",
            "ARBIT_ALERTS__ALLOW_PRIVATE": "127.0.0.1",
            "ARBIT_ALERTS__CA_FILE": str(certificate(tmp_path, "127.0.0.1")),
            "ARBIT_ALERTS__REPEAT_AFTER_S": "86400",
        }
        with Daemon(tmp_path, "sandbox", "--metrics-port", "0", **settings) as daemon:
            daemon.wait_until_it_trades()
            refusal = {"error": "EOrder:Invalid price", "method": "add_order", "times": BURST}
            exchange.fault("order_error", **refusal)
            event = daemon.wait_for("breaker_changed", state="reducing", reason="failures")
            alerts = [f'arbit_alerts_sent_total{{receiver="webhook"}} {n}.0' for n in range(1, 9)]
            until(lambda: any(map(daemon.metric, alerts)), "an alert that was sent", daemon.lines)
            tripped = 'arbit_breaker_changes_total{state="reducing",venue="sandbox"} 1.0'
            until(lambda: daemon.metric(tripped), "a trip on the page", daemon.lines)
            until(lambda: told(receiver), "the alert of the trip", daemon.lines)
            until(lambda: pinged(receiver), "a ping of the dead man's switch", daemon.lines)
            assert daemon.stop() == 0
            said = daemon.said
        assert daemon.events("breaker_changed", state="reducing") == [event]
        kept = [json.loads(line) for line in log_of(tmp_path).splitlines()]
        assert [one for one in kept if one["event"] == "breaker_changed"] == [event]
        (alert,) = told(receiver)
        assert (alert["severity"], alert["state"]) == ("critical", "reducing")
        assert alert["run"] == event["run"]
        assert "canary" not in said + log_of(tmp_path)
    ended = [one for one in kept if one["event"] == "order_ended"]
    assert {one["client_id"] for one in ended} <= orders_of(daemon.database)
    assert all(one["run"] in one["client_id"] for one in ended)


def pinged(receiver: Receiver) -> bool:
    """Whether the dead man's address was asked."""
    return any(line.startswith("GET /canary-of-the-dead-man ") for line, _ in receiver.requests)


def told(receiver: Receiver) -> list[dict[str, Any]]:
    """Alerts of the breaker that it took."""
    return [body for _, body in receiver.requests if body and body["event"] == "breaker_changed"]


def log_of(folder: Path) -> str:
    """The log file."""
    return (folder / "var" / "logs" / "arbit.log").read_text("utf-8")


def orders_of(database: Path) -> set[Any]:
    """Every client id that was written down."""
    return {client_id for (client_id,) in rows(database, "SELECT client_id FROM orders")}
