"""Keeps ccxt's receive loop alive, and hears what ccxt hears.

ccxt runs its message handlers in done-callbacks. An exception there is told to nobody: the loop is
never rescheduled, and every watcher waits until a keep-alive fires some 18 s later (measured). So
each client's `handle_message` is wrapped: a frame that raises is counted, and the loop goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from arbit.domain.events import FeedCounts
from arbit.ports import Clock
from arbit.venues.ccxt import loader

# What a frame of an unforeseen shape was seen to raise in ccxt's handlers: a missing field, a null
# where a number should be, text that is no JSON (both JSON parsers raise a ValueError), a number
# that is none, nesting without end. ccxt's own BaseError is added when the classes are known:
# handlers of error frames (Alpaca's, for one) raise it.
FRAME_ERRORS: tuple[type[Exception], ...] = (
    LookupError,
    TypeError,
    AttributeError,
    ValueError,
    ArithmeticError,
    RecursionError,
    AssertionError,
)


CONTENT = (1, 2)  # the opcodes of text and binary frames (RFC 6455); the others go on as they are


class SocketListener(Protocol):
    """Who is told about every frame of a socket."""

    def heard(self, size: int) -> None:
        """A frame of `size` characters or bytes arrived."""
        ...

    def choked(self, data: object) -> None:
        """The last frame, with this data, raised in ccxt's handler, and was left out."""
        ...


class GuardedSockets:
    """A mixin before any ccxt.pro exchange class: every socket it makes is guarded."""

    socket_listener: SocketListener
    retired = False  # True from the moment its books are given up, while it is being closed

    def client(self, url: str) -> Any:
        """The factory of sockets, one a URL."""
        above: Any = super()
        made = above.client(url)
        if "handle_message" not in vars(made):
            made.handle_message = self._guarded(made.handle_message)
        return made

    def _guarded(self, handle: Callable[[Any], None]) -> Callable[[Any], None]:
        caught = (*FRAME_ERRORS, loader.errors().BaseError)
        listener = self.socket_listener

        def guarded(message: Any) -> None:
            if self.retired and message.type in CONTENT:
                return
            data = message.data
            listener.heard(len(data) if isinstance(data, str | bytes) else 0)
            try:
                handle(message)
            except caught:
                listener.choked(data)

        return guarded


def guarded_class(base: Any, *mixins: type) -> Any:
    """`base` with the guard (and other mixins, first ones first) before it."""
    return type(f"Guarded{base.__name__.title()}", (*mixins, GuardedSockets, base), {})


class Pulse:
    """When any socket of an exchange was last heard; counts frames into the feed's totals.

    `on_first` is called at the first frame of a life: the socket is open and speaks. `on_choked`
    is called with the data of a frame that nobody could read.
    """

    def __init__(self, clock: Clock, counts: FeedCounts, on_first: Callable[[], None]) -> None:
        self._clock = clock
        self._counts = counts
        self._on_first = on_first
        self.on_choked: Callable[[object], None] = lambda _: None
        self.frames = 0  # of this life
        self.heard_ns = 0
        self.begin()

    def begin(self) -> None:
        """A new life: silence is counted from now."""
        self.frames = 0
        self.heard_ns = self._clock.monotonic_ns()

    def heard(self, size: int) -> None:
        """A frame arrived."""
        self.heard_ns = self._clock.monotonic_ns()
        if self.frames == 0:
            self._on_first()
        self.frames += 1
        self._counts.frames += 1
        self._counts.bytes += size

    def choked(self, data: object) -> None:
        """A frame raised."""
        self._counts.bad_frames += 1
        self.on_choked(data)

    def silent_ns(self) -> int:
        """How long nothing at all has been heard."""
        return self._clock.monotonic_ns() - self.heard_ns
