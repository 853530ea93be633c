"""The socket of trade updates in memory: real frames of the sandbox's stream to the real session.

No order leaves over it. Updates come twice, late and out of turn, or not at all, and nothing says
so: the stream has no number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from arbit.venues.dial import FrameHandler
from tests.simulation.loop import SECOND_NS, Process
from tests.simulation.wire import Line

if TYPE_CHECKING:
    from tests.simulation.alpaca.venue import AlpacaVenue

MS = 1_000_000
UPDATE = b'{"stream":"trade_updates"'
PINGED_S = 2.5  # the real socket pings by itself: a mute one is given up after so long
REFUSED = '{"stream":"authorization","data":{"status":"unauthorized","action":"authenticate"}}'


class Server:
    """What the sandbox's stream knows of a socket."""

    def __init__(self, line: UpdatesLine) -> None:
        self._line = line
        self.number = line.number

    def send(self, frame: str | bytes, now_ns: int) -> None:
        """A frame leaves the venue."""
        del now_ns
        self._line.tell(frame.encode() if isinstance(frame, str) else frame)

    def close(self, code: int, reason: str) -> None:
        """The venue closes it."""
        del code, reason
        self._line.abort()

    def release(self, now_ns: int) -> None:
        """Nothing is held back here."""


class UpdatesLine(Line):
    """One connection."""

    venue: AlpacaVenue

    def __init__(
        self, venue: AlpacaVenue, process: Process, handler: FrameHandler, number: int
    ) -> None:
        super().__init__(venue, process, handler, number)
        self.server = Server(self)
        self._muted = False

    @property
    def mute(self) -> bool:
        """Whether nothing passes any more, either way."""
        return self._muted

    @mute.setter
    def mute(self, muted: bool) -> None:
        self._muted = muted
        if muted:
            due_ns = self.venue.loop.now_ns + int(PINGED_S * SECOND_NS)
            self.venue.loop.at_ns(due_ns, self.lose, context=self.process.context)

    def send(self, payload: bytes) -> None:
        """A frame leaves the daemon."""
        if self.left or self.closing:
            return
        self._up_ns = max(self._up_ns, self.venue.loop.now_ns + self.venue.delay_ns())
        self.venue.at(self._up_ns, self._arrived, payload.decode())

    def tell(self, frame: bytes) -> None:
        """A frame leaves the venue: in order, unless a fault strikes it."""
        swarm = self.venue.swarm
        if self.closing or self.mute:
            return
        if not frame.startswith(UPDATE):
            self._put(frame)
        elif swarm.strikes("update_lost"):
            return
        elif swarm.strikes("update_late"):
            late_ns = swarm.rng.choice((5, 80, 700, 3_000, 12_000)) * MS
            self.venue.at(self.venue.loop.now_ns + late_ns, self._out_of_turn, frame)
        else:
            self._put(frame)
            if swarm.strikes("update_twice"):
                for _ in range(swarm.rng.randint(1, 3)):
                    self._put(frame)

    def _put(self, frame: bytes) -> None:
        self._down_ns = max(self._down_ns, self.venue.loop.now_ns + self.venue.delay_ns())
        self._goes(self._down_ns, self.hear, frame)

    def _out_of_turn(self, frame: bytes) -> None:
        if not (self.closing or self.mute):
            self._goes(self.venue.loop.now_ns + self.venue.delay_ns(), self.hear, frame)

    def _goes(self, when_ns: int, action: Callable[..., None], *args: Any) -> None:
        self.venue.loop.at_ns(when_ns, action, *args, context=self.process.context)

    def _arrived(self, text: str) -> None:
        if self.closing or self.mute:
            return
        if '"action":"auth"' in text and not self.venue.key_works():
            self._put(REFUSED.encode())
            return
        stream: Any = self.venue.stream
        stream.real.receive(self.server, text)
        self.venue.moved()
