"""What a session asks of the venue: numbered requests, and which symbols each was about."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

SYMBOLS_PER_REQUEST = 100
MAX_REMEMBERED = 256  # a venue that never answers must not grow our memory


class Asks:
    """The requests of one socket. Without a socket they are numbered and go nowhere."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._send: Callable[[bytes], None] | None = None
        self._about: dict[int, tuple[str, ...]] = {}
        self._last_id = 0
        self.answered = False  # whether this socket has answered anything that was asked on it

    @property
    def is_open(self) -> bool:
        """Whether there is a socket to ask on."""
        return self._send is not None

    def opened(self, send: Callable[[bytes], None]) -> None:
        """A new socket: nothing is asked on it yet."""
        self._send = send
        self.answered = False
        self._about.clear()

    def closed(self) -> None:
        """The socket is gone."""
        self._send = None

    def about(self, request_id: int | None) -> Sequence[str]:
        """The symbols a request named; none when it is unknown or long ago."""
        return self._about.get(request_id or 0, ())

    def subscribe(self, symbols: Sequence[str]) -> dict[str, int]:
        """Ask for these books, a hundred at a time; the number of each symbol's request."""
        asked: dict[str, int] = {}
        for part in _parts(symbols):
            request_id = self._ask("subscribe", {**self._book(part), "snapshot": True})
            asked.update(dict.fromkeys(part, request_id))
            self._about[request_id] = tuple(part)
            if len(self._about) > MAX_REMEMBERED:
                del self._about[next(iter(self._about))]
        return asked

    def unsubscribe(self, symbols: Sequence[str]) -> None:
        """Give these books up. The depth is part of a subscription's name (channel book)."""
        for part in _parts(symbols):
            self._ask("unsubscribe", self._book(part))

    def instruments(self) -> int:
        """Ask for every market's facts and their changes."""
        return self._ask("subscribe", {"channel": "instrument", "snapshot": True})

    def no_instruments(self) -> None:
        """Give the instrument channel up."""
        self._ask("unsubscribe", {"channel": "instrument"})

    def ping(self) -> int:
        """Ask for a sign of life."""
        request_id = self._take_id()
        if self._send is not None:
            self._send(b'{"method":"ping","req_id":%d}' % request_id)
        return request_id

    def _book(self, symbols: Sequence[str]) -> dict[str, object]:
        return {"channel": "book", "symbol": list(symbols), "depth": self._depth}

    def _ask(self, method: str, params: dict[str, object]) -> int:
        request_id = self._take_id()
        if self._send is not None:
            request = {"method": method, "params": params, "req_id": request_id}
            self._send(json.dumps(request, separators=(",", ":")).encode())
        return request_id

    def _take_id(self) -> int:
        self._last_id += 1
        return self._last_id


def _parts(symbols: Sequence[str]) -> list[Sequence[str]]:
    return [
        symbols[start : start + SYMBOLS_PER_REQUEST]
        for start in range(0, len(symbols), SYMBOLS_PER_REQUEST)
    ]
