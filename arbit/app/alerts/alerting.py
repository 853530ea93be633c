"""Alerts and the dead man's switch of a run, put together from the settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from arbit.config import AlertSettings, Settings
from arbit.domain.alert import Answer, Deliver, Severity
from arbit.domain.errors import first_of
from arbit.domain.events import AlertsChanged, Event
from arbit.domain.readings import AlertCounts, ReceiverReading
from arbit.ports import Clock
from arbit.telemetry.alerts import Alerts, Manners
from arbit.telemetry.alerts_courier import ALERTS, LOST, Courier
from arbit.telemetry.deadman import DEAD_MAN, DeadMan
from arbit.telemetry.logs_clean import Redactor
from arbit.telemetry.webhook import Webhook, Wire, trusting
from arbit.telemetry.webhook_address import Allowed, SystemLookup
from arbit.telemetry.webhook_bodies import to_discord, to_webhook

DISCORD, WEBHOOK = "discord", "webhook"
LAST_S = 3.5  # how long an end waits for what is on its way: one delivery, and a little
AGAIN_S = 60.0  # after a fault of our own
NS = 1_000_000_000

Decided = Callable[[], float | None]
Tell = Callable[[Event], None]


class Ways:
    """Every way out that is set: receivers by name, and the dead man's address.

    UserError for a file of certificates that is none. Nothing is made where no address is set.
    """

    def __init__(self, alerts: AlertSettings) -> None:
        self._webhooks: list[Webhook] = []
        self.receivers: dict[str, Deliver] = {}
        self.ping: Callable[[], Awaitable[Answer]] | None = None
        urls = (alerts.discord_url, alerts.webhook_url, alerts.deadman_url)
        discord, webhook, dead_man = ("" if one is None else one.get_secret_value() for one in urls)
        if not (discord or webhook or dead_man):
            return
        wire = Wire(
            timeout_s=alerts.timeout_ms / 1e3,
            allowed=Allowed(alerts.allow_private),
            trust=trusting(alerts.ca_file),
        )
        if discord:
            self.receivers[DISCORD] = to_discord(self._to(discord, wire))
        if webhook:
            self.receivers[WEBHOOK] = to_webhook(self._to(webhook, wire))
        if dead_man:
            asked, method = self._to(dead_man, wire), alerts.deadman_method.upper()
            self.ping = lambda: asked(method, None)

    async def close(self) -> None:
        """Let go of every connection, soon."""
        for webhook in self._webhooks:
            await webhook.close()

    def _to(self, url: str, wire: Wire) -> Webhook:
        webhook = Webhook(url, replace(wire, lookup=SystemLookup()))  # one asks at a time
        self._webhooks.append(webhook)
        return webhook


class Alerting:
    """What a run tells persons, and the service that waits for a sign of life.

    With no address set it does nothing at all. `tell` hears how receivers do; `decided_ago_s` says
    how old the oldest last decision is. UserError for a file of certificates that is none.
    """

    def __init__(
        self, settings: Settings, clock: Clock, tell: Tell, decided_ago_s: Decided
    ) -> None:
        alerts, self._clock, self._tell = settings.alerts, clock, tell
        self._ways = Ways(alerts)
        couriers = [Courier(*one, clock, tell) for one in self._ways.receivers.items()]
        self._alerts = Alerts(manners_of(settings), clock, couriers) if couriers else None
        self._dead_man: DeadMan | None = None
        self._over = False
        if self._ways.ping is not None:
            self._dead_man = DeadMan(
                self._ways.ping,
                decided_ago_s,
                clock,
                tell,
                every_s=alerts.deadman_every_s,
                max_age_s=alerts.deadman_max_age_s,
            )

    def witness(self, run: str = "") -> Tell | None:
        """A listener for a hub of this run; None where nobody is told."""
        return None if self._alerts is None else self._alerts.witness(run)

    def counts(self) -> AlertCounts:
        """What became of alerts and pings so far."""
        counts = AlertCounts() if self._alerts is None else self._alerts.counts()
        pings: Mapping[str, int] = {} if self._dead_man is None else dict(self._dead_man.pings)
        return replace(counts, pings=pings)

    def receivers(self) -> list[ReceiverReading]:
        """How each receiver does, the dead man's too."""
        told = [] if self._alerts is None else self._alerts.receivers()
        return told if self._dead_man is None else [*told, self._dead_man.reading()]

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Tell while open; at the end, what is on its way has a few seconds to arrive."""
        try:
            async with AsyncExitStack() as stack:
                stack.push_async_callback(self._ways.close)
                group = await stack.enter_async_context(asyncio.TaskGroup())
                tasks = [
                    group.create_task(self._kept_up(name, one.run))
                    for name, one in ((ALERTS, self._alerts), (DEAD_MAN, self._dead_man))
                    if one is not None
                ]
                try:
                    yield
                finally:
                    if self._alerts is not None:
                        await self._alerts.finish(LAST_S)
                    self._over = True
                    for task in tasks:
                        task.cancel()
        except BaseExceptionGroup as several:
            raise first_of(several) from None

    async def _kept_up(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Whatever is wrong with alerts is told in the log, and ends nothing else."""
        while True:
            try:
                await run()
            except Exception as error:  # noqa: BLE001  the supervisor: trading goes on
                said = f"{type(error).__name__}: they are taken up again in {AGAIN_S:g} s"
                self._tell(AlertsChanged(ALERTS, name, LOST, 0, said))
            if self._over:  # a group whose task breaks swallows the cancelling that comes with it
                return
            await self._clock.sleep(AGAIN_S)


def manners_of(settings: Settings) -> Manners:
    """How much is told, as the settings say it."""
    alerts = settings.alerts
    return Manners(
        least=Severity[alerts.min_severity.upper()],
        repeat_after_ns=alerts.repeat_after_s * NS,
        per_minute=alerts.per_minute,
        amounts=alerts.amounts,
        redact=Redactor(settings.secrets()),
    )
