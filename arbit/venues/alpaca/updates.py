"""The stream `trade_updates` as pure bookkeeping: bytes in, account events and requests out.

It never waits and never reads a clock. The stream has no number, no snapshot and no replay
(docs.alpaca.markets, "Websocket streaming"): a message that cannot be read, or a socket that was
lost, may have hidden anything. Then the stream counts as lost, and it is whole again only after
what was missed has been asked for (`caught_up`). Orders in flight are followed by questions
meanwhile. Frames are text at one host and binary at the other, with the same JSON in both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from arbit.domain.account import AccountStreamBack, AccountStreamLost
from arbit.domain.errors import FrameError
from arbit.domain.events import VenueSaid
from arbit.ports import AccountSink, Listener
from arbit.venues.account_stream import StreamCounts
from arbit.venues.alpaca.http import Keys, json_of
from arbit.venues.alpaca.names import Names
from arbit.venues.alpaca.orders_book import OrdersBook
from arbit.venues.alpaca.parse_orders import update_of
from arbit.venues.answers import object_of
from arbit.venues.following import Following

MAX_GAPS = 3  # on one connection; then a new one is the better answer
STREAM = "trade_updates"


@dataclass(frozen=True, slots=True)
class SessionParts:
    """What a session tells. `refused` hears the words when the key is refused, `good` when not."""

    venue: str
    keys: Keys
    names: Names
    book: OrdersBook
    following: Following
    sink: AccountSink
    publish: Listener
    refused: Callable[[str], None]
    good: Callable[[], None]
    counts: StreamCounts = field(default_factory=StreamCounts)


class UpdatesSession:
    """`account_stream.AccountSession` over any number of sockets, one at a time."""

    def __init__(self, parts: SessionParts) -> None:
        self._parts = parts
        self.counts = parts.counts
        self._send: Callable[[bytes], None] | None = None
        self._listening = False
        self._gaps_here = 0
        self._caught_up = 0
        self._losses = 1  # the stream begins as one that is lost
        self.opened_ns = 0
        self.why = "not connected yet"
        self.broken = ""

    @property
    def whole(self) -> bool:
        """Whether everything that happened on the account is known."""
        return not self.why

    @property
    def subscribed(self) -> bool:
        """Whether a socket is open and the venue listens for us."""
        return self._send is not None and self._listening

    @property
    def missed(self) -> int:
        """The number of the last loss that has not been made up for; 0 when none."""
        return self._losses if self._losses != self._caught_up else 0

    def opened(self, send: Callable[[bytes], None], token: str, now_ns: int) -> None:
        """A socket is open: say who we are."""
        del token  # the key itself opens it
        self._send = send
        self._listening = False
        self._gaps_here = 0
        self.broken = ""
        self.opened_ns = now_ns
        keys = self._parts.keys
        self._ask({"action": "auth", "key": keys.key_id, "secret": keys.secret})

    def lost(self, why: str) -> None:
        """The socket is gone, or mute: what happens on the account is not heard."""
        self._send = None
        self._listening = False
        self._lose(why)

    def doubt(self, why: str) -> None:
        """Something happened that the stream should have told of: a new socket is better."""
        if self.subscribed:
            self.broken = why
            self._lose(why)

    def caught_up(self, loss: int) -> None:
        """What was missed up to this loss has been asked for, and told."""
        if loss == self._losses and self.subscribed:
            self._caught_up = loss
            self.why = ""
            self._parts.sink(AccountStreamBack())

    def ping(self, now_ns: int, wall_ns: int) -> None:
        """The socket pings for itself (`dial.PicowsDialer`): the venue has no message for it."""

    def silence_ns(self, now_ns: int) -> int:
        """A quiet account says nothing for hours: silence proves nothing here."""
        del now_ns
        return 0

    def lag_ns(self, now_ns: int) -> int:
        """Nothing is asked that would be answered."""
        del now_ns
        return 0

    def frame(self, payload: bytes, now_ns: int, wall_ns: int) -> None:
        """One message. Never raises for anything the venue may send."""
        del now_ns, wall_ns
        self.counts.frames += 1
        try:
            told = object_of(json_of(payload, "the stream"), "the stream")
            self._take(told)
        except FrameError as error:
            self.counts.bad_frames += 1
            self._gap(f"a frame that cannot be read: {error}")

    def _take(self, told: Mapping[str, Any]) -> None:
        stream, data = told.get("stream"), told.get("data")
        if stream == STREAM:
            update = update_of(data, self._parts.names)
            fills = (update.fill,) if update.fill is not None else ()
            self._parts.following.hear(self._parts.book.take(update.order, fills))
        elif stream == "authorization":
            self._authorized(object_of(data, "authorization"))
        elif stream == "listening":
            self._listens(object_of(data, "listening"))
        elif isinstance(stream, str):
            self.counts.ignored += 1
        else:
            raise FrameError("the message is of no stream")

    def _authorized(self, data: Mapping[str, Any]) -> None:
        status = data.get("status")
        if status == "authorized":
            self._parts.good()
            self._ask({"action": "listen", "data": {"streams": [STREAM]}})
            return
        words = f"the venue refuses this API key on its stream: {status!r:.40}"
        self._refuse(words)
        self._parts.refused(words)

    def _listens(self, data: Mapping[str, Any]) -> None:
        streams = data.get("streams")
        if isinstance(streams, list) and STREAM in streams:
            self._listening = True
            return
        self._refuse(f"the venue does not listen for {STREAM}: {data.get('error')!r:.80}")

    def _refuse(self, words: str) -> None:
        self.counts.refusals += 1
        self.broken = words
        self._listening = False
        self._lose(words)
        self._parts.publish(VenueSaid(self._parts.venue, words))

    def _gap(self, why: str) -> None:
        self.counts.gaps += 1
        self._gaps_here += 1
        if self._gaps_here > MAX_GAPS:
            self.broken = why
        self._lose(why)

    def _lose(self, why: str) -> None:
        """From here on something may be missing; told once, until it is made up for."""
        was_whole, self.why = self.whole, why
        self._losses += 1
        if was_whole:
            self.counts.losses += 1
            self._parts.sink(AccountStreamLost(why))

    def _ask(self, request: Mapping[str, Any]) -> None:
        if self._send is not None:
            self._send(json.dumps(request, separators=(",", ":")).encode())
