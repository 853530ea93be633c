"""Looks whether the kill switch was turned, by whoever and however, and says so once."""

from __future__ import annotations

from arbit.domain.events import KillChanged
from arbit.ports import Listener
from arbit.risk.kill import KillSwitch

ON, OFF = "on", "off"


class KillWatch:
    """One venue's. What stops trading without the breaker must be told to somebody as well.

    A start that finds the switch on is told; one that finds it off is nothing new.
    """

    def __init__(self, venue: str, kill: KillSwitch, publish: Listener) -> None:
        self._venue = venue
        self._kill = kill
        self._publish = publish
        self._on = False

    def look(self) -> None:
        """Say it where it is another than at the last look."""
        on = self._kill.on()
        if on is not self._on:
            self._on = on
            why = self._kill.why() if on else ""
            self._publish(KillChanged(self._venue, ON if on else OFF, why))
