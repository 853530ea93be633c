"""The WebSocket v2 face: who is subscribed to what, and what each is sent, tick by tick."""

from collections import deque
from dataclasses import dataclass, field

from arbit.sandbox.faults import ANY
from arbit.sandbox.kraken import words
from arbit.sandbox.kraken.delivery import Delivery
from arbit.sandbox.kraken.private_stream import PrivateStream
from arbit.sandbox.kraken.requests import Ping, Refused, Wanted, peek, read
from arbit.sandbox.kraken.subscriptions import BookChannel
from arbit.sandbox.market import Market, Pair
from arbit.sandbox.poison import poison_frame
from arbit.sandbox.session import Session
from arbit.sandbox.wallclock import WallClock

MS = 1_000_000
HEARTBEAT_NS = 1_000 * MS
CONNECTION_ID_BASE = 6_447_481_662_169_000_000

BookKey = tuple[str, int]


@dataclass(slots=True)
class Client:
    """One socket's subscriptions. Times on the server's monotonic clock."""

    session: Session
    since_ns: int
    books: dict[BookKey, None] = field(default_factory=dict)
    tickers: dict[str, str] = field(default_factory=dict)  # symbol -> event trigger
    instruments: bool = False
    late: deque[tuple[int, BookKey, str]] = field(default_factory=deque)
    next_heartbeat_ns: int = 0  # 0 until the first subscription

    @property
    def subscribed(self) -> bool:
        """Whether anything at all is subscribed."""
        return bool(self.books or self.tickers or self.instruments)


class StreamFace:
    """All v2 clients of one market. Synchronous: sessions queue what is sent."""

    def __init__(self, market: Market, delivery: Delivery, clock: WallClock, idle_s: float) -> None:
        self.clients: dict[int, Client] = {}
        self._market = market
        self._delivery = delivery
        self._faults = delivery.faults
        self._stats = delivery.stats
        self._clock = clock
        self._idle_ns = int(idle_s * 1000) * MS
        self._channels: dict[BookKey, BookChannel] = {}
        self._readers: dict[BookKey, dict[int, Client]] = {}
        self._keys: dict[str, list[BookKey]] = {}
        self._tops: dict[str, tuple[object, ...]] = {}
        self.private: PrivateStream | None = None

    def join(self, session: Session) -> None:
        """A new socket: it is told the engine's status at once."""
        now_ns = self._clock.elapsed_ns()
        self.clients[session.number] = Client(session, now_ns)
        session.send(self._status(session.number), now_ns)
        if self.private is not None:
            self.private.join(session)
        fault = self._faults.find("close", connection=session.number)
        if fault is not None and fault.params["on_connect"]:
            session.close(int(fault.number("code")), fault.text("reason"))
            self._faults.use(fault)

    def leave(self, session: Session) -> None:
        """A socket is gone, and its subscriptions with it."""
        client = self.clients.pop(session.number)
        if self.private is not None:
            self.private.leave(session)
        for key in list(client.books):
            self._forget_book(client, key)

    def receive(self, session: Session, text: str) -> None:
        """Answer one request; a bad one gets the venue's words and hurts nobody."""
        client, now_ns = self.clients[session.number], self._clock.wall_ns()
        self._stats.requests += 1
        if self.private is not None:
            message = peek(text)
            if self.private.wants(message):
                client.since_ns = self._clock.elapsed_ns()
                client.next_heartbeat_ns = client.next_heartbeat_ns or client.since_ns
                self.private.receive(session, message)
                return
        try:
            request = read(text)
        except Refused as refused:
            self._stats.bad_requests += 1
            reply = words.Reply(refused.method, refused.req_id, now_ns)
            self._send(client, reply.refused(refused.error, self._clock.wall_ns()))
            return
        if isinstance(request, Ping):
            pong = words.Reply("pong", request.req_id, now_ns).pong(self._clock.wall_ns())
            session.send(pong, self._clock.elapsed_ns(), is_pong=True)
        elif request.channel == "instrument":
            self._instrument(client, request, now_ns)
        else:
            for symbol in request.symbols:
                self._one_symbol(client, request, symbol, now_ns)

    def broadcast_status(self) -> None:
        """Tell every socket the engine's new state."""
        for client in self.clients.values():
            self._send(client, self._status(client.session.number))

    def broadcast_pairs(self, pairs: list[Pair]) -> None:
        """Tell instrument subscribers which pairs changed."""
        text = words.instrument_frame("update", (), pairs)
        for client in self.clients.values():
            if client.instruments:
                self._send(client, text)

    def publish(self, symbols: dict[str, None]) -> None:
        """Send what changed in these books to whoever reads them: one frame a book and depth."""
        now_ns, wall_ns = self._clock.elapsed_ns(), self._clock.wall_ns()
        for symbol in symbols:
            for key in self._keys.get(symbol, ()):
                self._publish_book(key, now_ns, wall_ns)
            if symbol in self._tops:
                self._publish_ticker(self._market.pairs[symbol], wall_ns)

    def tick(self) -> None:
        """What is due by time: heartbeats, late snapshots, delayed frames, poison, idle sockets."""
        now_ns = self._clock.elapsed_ns()
        if self.private is not None:
            self.private.tick()
        for client in self.clients.values():
            if client.next_heartbeat_ns and now_ns >= client.next_heartbeat_ns:
                client.next_heartbeat_ns = now_ns + HEARTBEAT_NS
                self._stats.heartbeats_sent += 1
                self._send(client, words.HEARTBEAT)
            if client.late:
                self._send_late(client, now_ns)
            client.session.release(now_ns)
            self._close_idle(client, now_ns)
        if self._faults.active:
            self._poison(now_ns)

    def _status(self, number: int) -> str:
        return words.status(self._market.system, CONNECTION_ID_BASE + number)

    def _send(self, client: Client, text: str) -> None:
        client.session.send(text, self._clock.elapsed_ns())

    def _instrument(self, client: Client, request: Wanted, in_ns: int) -> None:
        reply = words.Reply(request.method, request.req_id, in_ns)
        subscribing = request.method == "subscribe"
        error = self._refusal(client, request, ANY)
        if client.instruments == subscribing:
            error = error or (words.ALREADY if subscribing else words.NOT_SUBSCRIBED)
        if error:
            self._send(client, reply.refused(error, self._clock.wall_ns()))
            return
        client.instruments = subscribing
        result: dict[str, object] = {"channel": "instrument"}
        if subscribing:
            result["snapshot"] = request.snapshot
            result["warnings"] = ["tick_size is deprecated, use price_increment"]
        self._send(client, reply.done(result, self._clock.wall_ns()))
        self._count(client, subscribing=subscribing)
        if subscribing and request.snapshot:
            pairs = self._market.pairs.values()
            self._send(client, words.instrument_frame("snapshot", self._market.assets, pairs))

    def _one_symbol(self, client: Client, request: Wanted, symbol: str, in_ns: int) -> None:
        reply = words.Reply(request.method, request.req_id, in_ns)
        error = self._refusal(client, request, symbol)
        if error:
            self._send(client, reply.refused(error, self._clock.wall_ns(), symbol))
            return
        subscribing = request.method == "subscribe"
        result: dict[str, object] = {"channel": request.channel}
        if request.channel == "book":
            result["depth"] = request.depth
        elif subscribing:
            result["event_trigger"] = request.trigger
        if subscribing:
            result["snapshot"] = request.snapshot
        result["symbol"] = symbol
        self._send(client, reply.done(result, self._clock.wall_ns()))
        self._count(client, subscribing=subscribing)
        if request.channel == "book" and subscribing:
            self._read_book(client, (symbol, request.depth), snapshot=request.snapshot)
        elif request.channel == "book":
            self._forget_book(client, (symbol, request.depth))
        elif subscribing:
            self._read_ticker(client, symbol, request)
        else:
            del client.tickers[symbol]

    def _refusal(self, client: Client, request: Wanted, symbol: str) -> str | None:
        """The venue's reason to refuse, or None."""
        if request.channel != "instrument":
            if symbol not in self._market.pairs:
                return words.pair_unknown(symbol)
            held = (
                (symbol, request.depth) in client.books
                if request.channel == "book"
                else symbol in client.tickers
            )
            if held and request.method == "subscribe":
                return words.ALREADY
            if not held and request.method == "unsubscribe":
                return words.NOT_SUBSCRIBED
        fault = self._faults.find("refuse_subscribe", symbol, client.session.number)
        if fault is None or request.method == "unsubscribe":
            return None
        if fault.text("channel") not in (ANY, request.channel):
            return None
        self._faults.use(fault)
        return fault.text("error") or words.pair_unknown(symbol)

    def _count(self, client: Client, *, subscribing: bool) -> None:
        if subscribing:
            self._stats.subscriptions += 1
        else:
            self._stats.unsubscriptions += 1
        client.since_ns = self._clock.elapsed_ns()
        client.next_heartbeat_ns = client.next_heartbeat_ns or client.since_ns + HEARTBEAT_NS

    def _read_book(self, client: Client, key: BookKey, *, snapshot: bool) -> None:
        now_ns, wall_ns = self._clock.elapsed_ns(), self._clock.wall_ns()
        channel = self._channels.get(key)
        if channel is None:
            pair = self._market.pairs[key[0]]
            channel = BookChannel(pair.instrument, key[1], pair.book, wall_ns)
            self._channels[key] = channel
            self._readers[key] = {}
            self._keys.setdefault(key[0], []).append(key)
        else:  # bring the others up to date first: the snapshot is the picture they all hold
            self._publish_book(key, now_ns, wall_ns)
        client.books[key] = None
        self._delivery.subscribed(client.session, key[0])
        self._readers[key][client.session.number] = client
        if not snapshot:
            return
        late = self._faults.find("late_snapshot", key[0], client.session.number)
        if late is None:
            self._delivery.snapshot(client.session, channel.snapshot(), now_ns)
            return
        stale = channel.snapshot().text() if late.params["stale"] else ""
        client.late.append((now_ns + int(late.number("delay_ms") * MS), key, stale))
        self._faults.use(late)

    def _send_late(self, client: Client, now_ns: int) -> None:
        due = [entry for entry in client.late if entry[0] <= now_ns]
        for entry in due:
            client.late.remove(entry)
            _, key, stale = entry
            if key not in client.books:
                continue
            if stale:
                self._send(client, stale)
            else:
                self._delivery.snapshot(client.session, self._channels[key].snapshot(), now_ns)

    def _forget_book(self, client: Client, key: BookKey) -> None:
        del client.books[key]
        del self._readers[key][client.session.number]
        if not self._readers[key]:
            del self._readers[key], self._channels[key]
            self._keys[key[0]].remove(key)

    def _publish_book(self, key: BookKey, now_ns: int, wall_ns: int) -> None:
        channel = self._channels[key]
        frame = channel.publish(wall_ns)
        if frame is None:
            return
        text = frame.text()
        for client in self._readers[key].values():
            self._delivery.update(client.session, channel, frame, text, now_ns)

    def _read_ticker(self, client: Client, symbol: str, request: Wanted) -> None:
        pair = self._market.pairs[symbol]
        client.tickers[symbol] = request.trigger
        self._tops.setdefault(symbol, _top_and_trades(pair))
        if request.snapshot:
            self._send(client, words.ticker_frame("snapshot", pair, self._clock.wall_ns()))

    def _publish_ticker(self, pair: Pair, wall_ns: int) -> None:
        symbol = pair.symbol
        before, after = self._tops[symbol], _top_and_trades(pair)
        if before == after:
            return
        readers = [client for client in self.clients.values() if symbol in client.tickers]
        if not readers:
            del self._tops[symbol]
            return
        self._tops[symbol] = after
        traded = before[-1] != after[-1]
        text = words.ticker_frame("update", pair, wall_ns)
        for client in readers:
            if traded or client.tickers[symbol] == "bbo":
                self._send(client, text)

    def _poison(self, now_ns: int) -> None:
        for fault in [fault for fault in self._faults.active if fault.kind.name == "poison"]:
            sent = False
            for client in self.clients.values():
                symbols = [key[0] for key in client.books if fault.hits_symbol(key[0])]
                if symbols and fault.hits_connection(client.session.number):
                    frame = poison_frame(fault.text("shape"), fault.seen, symbols[0])
                    client.session.send(frame, now_ns)
                    sent = True
            if sent:
                fault.seen += 1
                self._faults.use(fault)

    def _close_idle(self, client: Client, now_ns: int) -> None:
        """The venue closes sockets that subscribe to nothing for a while."""
        if client.subscribed:
            client.since_ns = now_ns
        elif self._idle_ns and now_ns - client.since_ns >= self._idle_ns:
            if not client.session.closing:
                self._stats.idle_clients_closed += 1
            client.session.close(1000, "")


def _top_and_trades(pair: Pair) -> tuple[object, ...]:
    return words.top_of(pair, 0), words.top_of(pair, 1), pair.tape.trades
