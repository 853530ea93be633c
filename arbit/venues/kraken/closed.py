"""A venue that is closed by its sockets' word alone: the word that it is open again was lost.

Kraken states the engine's status when a socket opens and when it changes, and there is no asking
for it there. Whoever misses the one frame that says `online` would stay away for as long as the
socket lives. So while a socket says that the venue does not trade, REST is asked as well; where it
says twice in a row that it does, that socket is left for a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from arbit.domain.errors import VenueError
from arbit.ports import Clock
from arbit.venues.kraken.statuses import Statuses
from arbit.venues.looks import LookingReader

LOOK_S = 5.0
SAID = "closed by this socket's word, open by REST's"


class Renewable(Protocol):
    """A socket that can be left for a new one."""

    @property
    def number(self) -> int:
        """What its words are kept under."""
        ...

    def renew(self, why: str) -> None:
        """Leave it."""
        ...


class ClosedByWord:
    """Looks every few seconds while some socket's word is against the venue; asks nothing else."""

    def __init__(
        self,
        statuses: Statuses,
        reader: LookingReader,
        clock: Clock,
        sockets: Callable[[], list[Renewable]],
    ) -> None:
        self._statuses = statuses
        self._reader = reader
        self._clock = clock
        self._sockets = sockets
        self._doubted: frozenset[int] = frozenset()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """One look. A failed one proves nothing."""
        stopped = self._statuses.stopped_by
        if not stopped:
            self._doubted = stopped
            return
        try:
            online = (await self._reader.look_status()).online
        except VenueError:
            return
        still = stopped & self._statuses.stopped_by if online else frozenset()
        twice, self._doubted = still & self._doubted, still
        for socket in self._sockets():
            if socket.number in twice:
                socket.renew(SAID)
