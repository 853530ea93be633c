"""Sends one alert to each receiver that is set, and asks the dead man's address once."""

from __future__ import annotations

from dataclasses import dataclass

from arbit.app.alerts.alerting import Ways
from arbit.app.loop import run_on_best_loop
from arbit.clock import SystemClock
from arbit.config import Settings
from arbit.domain.alert import Alert, Severity
from arbit.domain.errors import UserError
from arbit.ports import Clock
from arbit.telemetry.deadman import DEAD_MAN

TEST = "test"


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one delivery; `why` is empty when it arrived."""

    receiver: str
    arrived: bool
    why: str
    ms: float


async def alerts_test(settings: Settings, clock: Clock) -> list[Tried]:
    """Each in turn. UserError when none is set."""
    ways = Ways(settings.alerts)
    if not ways.receivers and ways.ping is None:
        raise UserError(
            "nobody is told of anything: expected ARBIT_ALERTS__DISCORD_URL, "
            "ARBIT_ALERTS__WEBHOOK_URL or ARBIT_ALERTS__DEADMAN_URL to be set"
        )
    said = "this is a test: nothing has happened"
    alert = Alert(TEST, Severity.INFO, TEST, TEST, TEST, said, at_ns=clock.wall_ns())
    found = []
    try:
        for name in (*ways.receivers, *([] if ways.ping is None else [DEAD_MAN])):
            began_ns = clock.monotonic_ns()
            deliver = ways.receivers.get(name)
            if deliver is not None:
                answer = await deliver(alert)
            elif ways.ping is not None:
                answer = await ways.ping()
            ms = (clock.monotonic_ns() - began_ns) / 1e6
            found.append(Tried(name, answer.arrived, answer.why, round(ms, 1)))
    finally:
        await ways.close()
    return found


def run_alerts_test(settings: Settings) -> list[Tried]:
    """The whole command on real time."""
    return run_on_best_loop(alerts_test(settings, SystemClock()))
