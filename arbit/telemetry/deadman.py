"""The dead man's switch: a service elsewhere hears from us while decisions are made, and only then.

When it hears nothing for a while it tells a person, who so learns of a process that has died, that
hangs, or that lives and hears nothing from its venue.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from arbit.domain.alert import Answer
from arbit.domain.events import AlertsChanged
from arbit.domain.readings import ReceiverReading
from arbit.ports import Clock
from arbit.telemetry.alerts_courier import ALERTS, DELIVERING, FAILING

NS = 1_000_000_000
DEAD_MAN = "deadman"
LOOK_S = 1.0
SENT, FAILED, WITHHELD = "sent", "failed", "withheld"

Ping = Callable[[], Awaitable[Answer]]


class DeadMan:
    """Asks an address every `every_s`, while the oldest last decision is younger than `max_age_s`.

    `decided_ago_s` says how old that is; None while a venue has never decided, or none is at work.
    A ping that fails is not repeated before the next is due: the service waits for longer than one.
    """

    def __init__(
        self,
        ping: Ping,
        decided_ago_s: Callable[[], float | None],
        clock: Clock,
        tell: Callable[[AlertsChanged], None],
        *,
        every_s: float,
        max_age_s: float,
    ) -> None:
        self._ping = ping
        self._decided_ago_s = decided_ago_s
        self._clock = clock
        self._tell = tell
        self._every_ns = round(every_s * NS)
        self._max_age_s = max_age_s
        self._failing = False
        self._why = ""
        self._withheld = False
        self.pings = {SENT: 0, FAILED: 0, WITHHELD: 0}

    def reading(self) -> ReceiverReading:
        """How the service does."""
        return ReceiverReading(DEAD_MAN, self._failing, self._why)

    async def run(self) -> None:
        """Ask, until cancelled. After a silence the first decision is told at once."""
        due_ns = self._clock.monotonic_ns()
        while True:
            if self._clock.monotonic_ns() >= due_ns and await self._once():
                due_ns = self._clock.monotonic_ns() + self._every_ns
            await self._clock.sleep(LOOK_S)

    async def _once(self) -> bool:
        """Whether it was asked, or failed to be: False while there is nothing to tell of."""
        age_s = self._decided_ago_s()
        if age_s is None or age_s > self._max_age_s:
            self.pings[WITHHELD] += not self._withheld  # each silence counts once
            self._withheld = True
            return False
        self._withheld = False
        answer = await self._ping()
        self.pings[SENT if answer.arrived else FAILED] += 1
        self._why = answer.why or self._why
        if answer.arrived is self._failing:
            self._failing = not answer.arrived
            state = FAILING if self._failing else DELIVERING
            self._tell(AlertsChanged(ALERTS, DEAD_MAN, state, 0, answer.why))
        return True
