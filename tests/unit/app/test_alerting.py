"""Alerts that break end nothing else, nor do they keep a process that is to end."""

from __future__ import annotations

import asyncio

import pytest

from arbit.app.alerts.alerting import Alerting
from arbit.config import Settings
from arbit.domain.events import AlertsChanged, Event
from tests.unit.venues.virtual import VirtualClock


async def test_alerts_that_break_just_as_they_are_to_end_keep_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told, ends = list[Event](), asyncio.Event()
    settings = Settings.model_validate({"alerts": {"webhook_url": "https://alerts.example/hook"}})
    alerting = Alerting(settings, VirtualClock(), told.append, lambda: 0.0)
    assert alerting._alerts is not None

    async def breaks() -> None:
        await ends.wait()
        raise ValueError("boom")

    async def run() -> None:
        async with asyncio.TaskGroup() as group:  # takes the cancelling for its own
            group.create_task(breaks())
            await asyncio.Event().wait()

    async def finish(_within_s: float) -> None:
        ends.set()

    monkeypatch.setattr(alerting._alerts, "run", run)
    monkeypatch.setattr(alerting._alerts, "finish", finish)
    async with asyncio.timeout(5), alerting.at_work():
        for _ in range(5):
            await asyncio.sleep(0)
    said = [one.detail for one in told if isinstance(one, AlertsChanged)]
    assert said == ["ExceptionGroup: they are taken up again in 60 s"]
