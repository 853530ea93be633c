"""The private socket in memory: real frames of the real gateway to the sandbox's own private face.

A `Line` is one connection: its client side is what the daemon's dialer returns, its server side
what the sandbox knows as a session. Frames arrive late, in order, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from arbit.domain.errors import VenueUnreachable
from arbit.sandbox.wallclock import rfc3339
from arbit.venues.dial import Connection, FrameHandler
from tests.simulation.loop import Process

if TYPE_CHECKING:
    from tests.simulation.venue import SimVenue


class Line:
    """One socket. `closing` and `number` are what the sandbox's private stream looks at."""

    def __init__(
        self, venue: SimVenue, process: Process, handler: FrameHandler, number: int
    ) -> None:
        self.venue = venue
        self.process = process
        self.handler = handler
        self.number = number
        self.closing = False  # the server's side
        self.left = False  # the client's side
        self.mute = False
        self._up_ns = 0
        self._down_ns = 0

    # --- the client's side: a `Connection` ------------------------------------------------------

    def send(self, payload: bytes) -> None:
        """A frame leaves. Orders are looked at as they leave, before anything can go wrong."""
        if self.left or self.closing:
            return
        message = json.loads(payload, parse_float=Decimal)
        is_order = message.get("method") in {"add_order", "cancel_order"}
        if is_order:
            self.process.point("send-before")
            self.venue.leaves(self.process, message)
        self._up_ns = max(self._up_ns, self.venue.loop.now_ns + self.venue.delay_ns())
        self.venue.at(self._up_ns, self._arrive, message)
        if is_order:
            self.process.point("send-after")

    def close(self) -> None:
        """The client goes."""
        if not self.left:
            self.left = True
            self.venue.at(self.venue.loop.now_ns + self.venue.delay_ns(), self._gone)

    def hear(self, payload: bytes) -> None:
        """A frame has arrived at the daemon."""
        if not self.left:
            self.venue.on_hear(self, payload)
            self.handler.on_frame(payload)

    def lose(self) -> None:
        """The socket is found to be gone."""
        if not self.left:
            self.left = True
            self.handler.on_lost("connection lost")

    # --- the server's side ----------------------------------------------------------------------

    def say(self, text: str) -> None:
        """A frame leaves the venue."""
        if self.closing or self.mute:
            return
        self._down_ns = max(self._down_ns, self.venue.loop.now_ns + self.venue.delay_ns())
        self.venue.loop.at_ns(self._down_ns, self.hear, text.encode(), context=self.process.context)

    def abort(self) -> None:
        """The venue, or the world between, cuts it."""
        if not self.closing:
            self._gone()
            self._down_ns = max(self._down_ns, self.venue.loop.now_ns + self.venue.delay_ns())
            self.venue.loop.at_ns(self._down_ns, self.lose, context=self.process.context)

    def _gone(self) -> None:
        self.closing = True
        self.venue.stream.leave(self)  # type: ignore[arg-type]  # a session in all it asks for
        self.venue.lines.pop(self.number, None)

    def _arrive(self, message: dict[str, Any]) -> None:
        if self.closing or self.mute:
            return
        if message.get("method") == "ping":
            now = rfc3339(self.venue.clock.wall_ns())
            req_id = message.get("req_id")
            self.say(f'{{"method":"pong","req_id":{req_id},"time_in":"{now}","time_out":"{now}"}}')
        elif self.venue.stream.wants(message):
            self.venue.stream.receive(self, message)  # type: ignore[arg-type]  # as above
            self.venue.moved()


class _ClientSide:
    """A line as the daemon holds it: to it, `abort` and `close` are the same."""

    def __init__(self, line: Line) -> None:
        self.send: Callable[[bytes], None] = line.send
        self.close: Callable[[], None] = line.close
        self.abort: Callable[[], None] = line.close


class Dial:
    """The daemon's dialer."""

    def __init__(self, venue: SimVenue, process: Process, sleep: Any) -> None:
        self._venue = venue
        self._process = process
        self._sleep = sleep

    async def __call__(self, url: str, handler: FrameHandler) -> Connection:
        await self._sleep(self._venue.delay_ns() * 2 / 1e9)
        if self._venue.swarm.strikes("dial_refused"):
            raise VenueUnreachable(f"{url}: connection refused")
        line = self._venue.open_line(self._process, handler)
        return _ClientSide(line)
