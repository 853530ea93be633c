"""Hands a socket's messages on in slices: what one venue has to say in a burst holds up no other.

All lanes share one loop. A burst (a market that jumps, a socket that stood still, a venue gone mad)
would be read and decoded in one go, as long as it takes; instead so much of it is handed on in one
turn of the loop, and the others have theirs in between. What waits is bounded: beyond that the
socket is not read, and the venue feels it as it would of any slow reader.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

MESSAGES = 32  # handed on in one turn: about a millisecond's work
BYTES = 32 * 1024  # or so much: one large message counts for many
HELD_BYTES = 512 * 1024  # that wait before the socket is read no further


class Hearer(Protocol):
    """Who hears the messages."""

    def on_frame(self, payload: bytes) -> None:
        """One whole message."""
        ...

    def on_drained(self) -> None:
        """Every message that had arrived has been handed over."""
        ...


class Slices:
    """The messages of one socket on their way to `hearer`, in order.

    `read` is told to stop reading the socket, and to go on. A small burst passes through at once.
    `broken` is told of a message that its hearer could not take: what follows it would be believed
    without it, so nothing more is handed on.
    """

    def __init__(
        self, hearer: Hearer, read: Callable[[bool], None], broken: Callable[[], None]
    ) -> None:
        self._hearer = hearer
        self._read = read
        self._broken = broken
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._stopped = False
        self._scheduled = False
        self._messages, self._bytes = MESSAGES, BYTES

    def take(self, payload: bytes) -> None:
        """One more: hand it on if this turn has room, else keep it for the next."""
        if self._held or self._messages <= 0 or self._bytes <= 0:
            self._held.append(payload)
            self._held_bytes += len(payload)
            if self._held_bytes > HELD_BYTES and not self._stopped:
                self._stopped = True
                self._read(False)
            self._later()
        else:
            self._hand_on(payload)

    def drained(self) -> None:
        """The socket has no more for now."""
        if not self._held:
            self._messages, self._bytes = MESSAGES, BYTES
            self._hearer.on_drained()

    def flush(self) -> None:
        """The socket is gone: what it said before comes first."""
        while self._held:
            self._hand_on(self._held.popleft())

    def drop(self) -> None:
        """Nobody hears any more."""
        self._held.clear()

    def _hand_on(self, payload: bytes) -> None:
        self._messages -= 1
        self._bytes -= len(payload)
        try:
            self._hearer.on_frame(payload)
        except BaseException:
            self.drop()
            self._broken()
            raise

    def _later(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """The next slice."""
        self._scheduled = False
        self._messages, self._bytes = MESSAGES, BYTES
        try:
            while self._held and self._messages > 0 and self._bytes > 0:
                payload = self._held.popleft()
                self._held_bytes -= len(payload)
                self._hand_on(payload)
        finally:
            if self._held:
                self._later()
        if not self._held:
            self._held_bytes = 0
            if self._stopped:
                self._stopped = False
                self._read(True)
            self.drained()
