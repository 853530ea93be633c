"""The market data stream: who reads which books and quotes, and what each is sent, tick by tick.

One connection a key over all locations, and as many order books and quotes as the plan allows.
After each tick a client gets one array with all that changed for it. There is no sequence number,
no checksum and no heartbeat: that is how the venue is.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from arbit.sandbox.alpaca import keys, words
from arbit.sandbox.alpaca.delivery import BookDelivery
from arbit.sandbox.alpaca.garbage import garbage
from arbit.sandbox.book import ASK, BID
from arbit.sandbox.keys import ApiKey
from arbit.sandbox.market import BookChange, Pair
from arbit.sandbox.scene import Scene
from arbit.sandbox.session import Session

MS: Final = 1_000_000
AUTH_WITHIN_NS: Final = 10_000 * MS
POLICY: Final = 1008
CHANNELS: Final = ("trades", "quotes", "orderbooks", "bars", "updatedBars", "dailyBars")
FREE_LIMITS: Final[dict[str, int]] = {"orderbooks": 10, "quotes": 30, "trades": 30}


@dataclass(slots=True)
class Client:
    """One socket. Times on the server's monotonic clock."""

    session: Session
    since_ns: int
    key: ApiKey | None = None
    wanted: dict[str, dict[str, None]] = field(
        default_factory=lambda: {channel: {} for channel in CHANNELS}
    )
    late: list[tuple[int, str, str]] = field(default_factory=list)  # due, symbol, stale message

    def reads(self, channel: str, symbol: str) -> bool:
        """Whether it has subscribed."""
        return symbol in self.wanted[channel]


class DataStream:
    """All clients of the data stream. Synchronous: sessions queue what is sent."""

    def __init__(self, scene: Scene, known: Mapping[str, ApiKey]) -> None:
        self.clients: dict[int, Client] = {}
        self._scene = scene
        self._faults = scene.faults
        self._keys = known
        self._delivery = BookDelivery(scene)
        self._held: dict[str, int] = {}  # keys whose old socket is not reaped yet, and until when
        self._tops: dict[str, tuple[words.Level, words.Level]] = {}

    def join(self, session: Session, headers: Mapping[str, str]) -> None:
        """A new socket; with keys in the headers of its upgrade it is authenticated at once."""
        now_ns = self._now()
        client = self.clients[session.number] = Client(session, now_ns)
        session.last_words = words.stream_error(407)
        self._say(client, words.success("connected"))
        if keys.KEY_HEADER in headers:
            self._authenticate(
                client, headers.get(keys.KEY_HEADER), headers.get(keys.SECRET_HEADER)
            )
        fault = self._faults.find("close", connection=session.number)
        if fault is not None and fault.params["on_connect"]:
            session.close(int(fault.number("code")), fault.text("reason"))
            self._faults.use(fault)

    def leave(self, session: Session) -> None:
        """A socket is gone; its place is free at once, unless a fault holds it."""
        client = self.clients.pop(session.number)
        fault = self._faults.find("slow_reap", connection=session.number)
        if client.key is not None and fault is not None:
            self._held[client.key.key] = self._now() + int(fault.number("reap_ms") * MS)
            self._faults.use(fault)

    def receive(self, session: Session, text: str) -> None:
        """Answer one request."""
        client = self.clients[session.number]
        self._scene.stats.requests += 1
        message = _object(text)
        action = message.get("action")
        if action == "auth":
            self._authenticate(client, message.get("key"), message.get("secret"))
        elif action not in ("subscribe", "unsubscribe"):
            self._error(client, 400)
        elif client.key is None:
            self._error(client, 401)
        else:
            self._subscription(client, message, subscribing=action == "subscribe")

    def publish(self, changes: Iterable[BookChange]) -> None:
        """Send each client one array of what changed in what it reads: books first, then quotes."""
        by_symbol: dict[str, list[BookChange]] = {}
        for change in changes:
            by_symbol.setdefault(change.symbol, []).append(change)
        if not by_symbol or not self.clients:
            return
        at = words.stamp(self._scene.clock.wall_ns())
        moved = {symbol: self._moved_top(symbol) for symbol in by_symbol}
        for client in list(self.clients.values()):
            messages: list[str] = []
            for symbol, found in by_symbol.items():
                if client.reads("orderbooks", symbol):
                    messages += self._delivery.update(client.session, self._pair(symbol), found, at)
            for symbol, top in moved.items():
                if top is not None and client.reads("quotes", symbol):
                    messages += self._delivery.quote(client.session, self._pair(symbol), top, at)
            if messages:
                self._say(client, f"[{','.join(messages)}]")

    def tick(self) -> None:
        """What is due by time: late snapshots, delayed frames, garbage, who never authenticated."""
        now_ns = self._now()
        for client in list(self.clients.values()):
            for entry in [one for one in client.late if one[0] <= now_ns]:
                client.late.remove(entry)
                if client.reads("orderbooks", entry[1]):
                    self._say(client, f"[{entry[2] or self._whole(entry[1])}]")
            client.session.release(now_ns)
            if client.key is None and now_ns - client.since_ns >= AUTH_WITHIN_NS:
                self._error(client, 404, close=True)
        if self._faults.active:
            self._at_once()

    def _authenticate(self, client: Client, key: object, secret: object) -> None:
        if client.key is not None:
            self._error(client, 403)
            return
        fault = self._faults.find("auth_error", connection=client.session.number)
        if fault is not None:
            self._faults.use(fault)
            self._say(client, words.stream_error(int(fault.number("code")), fault.text("msg")))
            client.session.close(POLICY, "")
            return
        found = keys.find(self._keys, key, secret)
        if found is None:
            self._error(client, 402, close=True)
        elif self._taken(found.key):
            self._error(client, 406, close=True)
        else:
            client.key = found
            self._say(client, words.success("authenticated"))

    def _taken(self, key: str) -> bool:
        """Whether the one connection of a key is in use, or seems to be."""
        if self._held.get(key, 0) > self._now():
            return True
        return any(one.key is not None and one.key.key == key for one in self.clients.values())

    def _subscription(
        self, client: Client, message: dict[str, object], *, subscribing: bool
    ) -> None:
        asked = self._asked(message)
        fault = self._faults.find("subscribe_error", connection=client.session.number)
        if asked is None:
            self._error(client, 400)
            return
        if subscribing and fault is not None:
            self._faults.use(fault)
            self._say(client, words.stream_error(int(fault.number("code")), fault.text("msg")))
            return
        if subscribing and self._too_many(client, asked):
            self._error(client, 405)
            return
        fresh = [one for one in asked["orderbooks"] if not client.reads("orderbooks", one)]
        for channel, symbols in asked.items():
            held = client.wanted[channel]
            if subscribing:
                held.update(dict.fromkeys(symbols))
            else:
                client.wanted[channel] = {one: None for one in held if one not in symbols}
        self._count(subscribing=subscribing)
        state = {channel: list(client.wanted[channel]) for channel in CHANNELS}
        self._say(client, words.compact([{"T": "subscription", **state}]))
        if subscribing:
            for symbol in fresh:
                self._snapshot(client, symbol)

    def _asked(self, message: dict[str, object]) -> dict[str, list[str]] | None:
        """The symbols of each channel; None when the request makes no sense."""
        asked: dict[str, list[str]] = {}
        for channel in CHANNELS:
            symbols = message.get(channel, [])
            if not isinstance(symbols, list):
                return None
            if not all(isinstance(one, str) and self._listed(one) for one in symbols):
                return None
            asked[channel] = symbols
        return asked

    def _listed(self, symbol: str) -> bool:
        return symbol in self._scene.market.pairs

    def _too_many(self, client: Client, asked: dict[str, list[str]]) -> bool:
        if self._scene.options.plan != "free":
            return False
        return any(
            len({**client.wanted[channel], **dict.fromkeys(asked[channel])}) > most
            for channel, most in FREE_LIMITS.items()
        )

    def _count(self, *, subscribing: bool) -> None:
        if subscribing:
            self._scene.stats.subscriptions += 1
        else:
            self._scene.stats.unsubscriptions += 1

    def _snapshot(self, client: Client, symbol: str) -> None:
        self._delivery.subscribed(client.session, symbol)
        number = client.session.number
        late = self._faults.find("late_snapshot", symbol, number)
        if late is not None:
            stale = self._whole(symbol) if late.params["stale"] else ""
            due_ns = self._now() + int(late.number("delay_ms") * MS)
            client.late.append((due_ns, symbol, stale))
            self._faults.use(late)
        elif not self._delivery.muted(symbol, number):
            self._scene.stats.snapshots_sent += 1
            self._say(client, f"[{self._whole(symbol)}]")

    def _whole(self, symbol: str) -> str:
        at = words.stamp(self._scene.clock.wall_ns())
        return self._delivery.whole(self._pair(symbol), at)

    def _pair(self, symbol: str) -> Pair:
        return self._scene.market.pairs[symbol]

    def _moved_top(self, symbol: str) -> tuple[words.Level, words.Level] | None:
        """The best levels, if they are not those of the last time."""
        book = self._pair(symbol).book
        bids, asks = book.top(BID, 1), book.top(ASK, 1)
        if not bids or not asks:
            return None
        top = (bids[0], asks[0])
        if self._tops.get(symbol) == top:
            return None
        self._tops[symbol] = top
        return top

    def _at_once(self) -> None:
        """Error frames and garbage."""
        for fault in [one for one in self._faults.active if one.kind.name == "stream_error"]:
            text = words.stream_error(int(fault.number("code")), fault.text("msg"))
            for client in self.clients.values():
                if fault.hits_connection(client.session.number):
                    self._say(client, text)
                    if fault.params["close"]:
                        client.session.close(POLICY, "")
            self._faults.use(fault)
        for fault in [one for one in self._faults.active if one.kind.name == "garbage"]:
            sent = False
            for client in self.clients.values():
                aimed = [one for one in client.wanted["orderbooks"] if fault.hits_symbol(one)]
                if aimed and fault.hits_connection(client.session.number):
                    frame = garbage(fault.text("shape"), fault.seen, aimed[0])
                    client.session.send(frame, self._now())
                    sent = True
            if sent:
                fault.seen += 1
                self._faults.use(fault)

    def _error(self, client: Client, code: int, *, close: bool = False) -> None:
        self._scene.stats.bad_requests += 1
        self._say(client, words.stream_error(code))
        if close:
            client.session.close(POLICY, "")

    def _say(self, client: Client, text: str) -> None:
        client.session.send(text, self._now())

    def _now(self) -> int:
        return self._scene.clock.elapsed_ns()


@dataclass(frozen=True, slots=True)
class Greeted:
    """The stream as one socket meets it: with the headers that the socket came with."""

    stream: DataStream
    headers: Mapping[str, str]

    def join(self, session: Session) -> None:
        """A new socket."""
        self.stream.join(session, self.headers)

    def leave(self, session: Session) -> None:
        """It is gone."""
        self.stream.leave(session)

    def receive(self, session: Session, text: str) -> None:
        """It said something."""
        self.stream.receive(session, text)


def _object(text: str) -> dict[str, object]:
    """A JSON object, or an empty one where there is none."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}
