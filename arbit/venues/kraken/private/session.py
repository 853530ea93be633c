"""One private socket as pure bookkeeping: bytes and times in, account events and requests out.

It never waits and never reads a clock. Every message of the two private channels carries a number;
when one is missing, or cannot be read, something happened on the account that we do not know. Then
the stream counts as lost, everything in flight is UNKNOWN, and it is whole again only after what
was missed has been asked for (`caught_up`).
Source: docs.kraken.com, spot WebSocket v2, channels executions and balances.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from arbit.domain.account import AccountStreamBack, AccountStreamLost, BalanceSeen, Flow
from arbit.domain.errors import FrameError
from arbit.domain.events import VenueSaid
from arbit.domain.money import EXACT
from arbit.ports import AccountSink, Listener
from arbit.venues.account_stream import StreamCounts
from arbit.venues.following import Following
from arbit.venues.kraken.private.orders_book import OrdersBook
from arbit.venues.kraken.private.parse import (
    BalanceRow,
    Balances,
    Executions,
    Pong,
    Reply,
    parse,
)
from arbit.venues.kraken.private.sequence import Arrived, Sequences

MS = 1_000_000
MAX_GAPS = 3  # on one connection; then a new one, with new snapshots, is the better answer
CHANNELS = ("executions", "balances")


@dataclass(frozen=True, slots=True)
class SessionParts:
    """What a session tells. `replied` takes the answers to orders, `pong` a pong's four times.

    The four are ours sent, venue in, venue out, ours received, all wall time (ns). `refused` hears
    the venue's words when it refuses the stream itself, `rated` how full it says the counter of a
    market is, at a monotonic time.
    """

    venue: str
    book: OrdersBook
    following: Following
    sink: AccountSink
    publish: Listener
    replied: Callable[[Reply], None]
    pong: Callable[[int, int, int, int], None]
    refused: Callable[[str], None]
    rated: Callable[[str, float, int], None] = lambda _symbol, _level, _now_ns: None
    counts: StreamCounts = field(default_factory=StreamCounts)


class PrivateSession:
    """The account's stream over any number of sockets, one at a time.

    `why` says why the stream is not whole, empty when it is. `broken` is set when the socket had
    better be replaced.
    """

    def __init__(self, parts: SessionParts) -> None:
        self._parts = parts
        self.counts = parts.counts
        self._send: Callable[[bytes], None] | None = None
        self._sequences = Sequences()
        self._subscribed: set[str] = set()
        self._asked: dict[int, str] = {}
        self._last_id = 0
        self._gaps_here = 0
        self._caught_up = 0
        self._losses = 1  # the stream begins as one that is lost
        self._ping: tuple[int, int, int] | None = None  # request, sent monotonic, sent wall
        self.heard_ns = 0
        self.opened_ns = 0
        self.why = "not connected yet"
        self.broken = ""

    @property
    def write(self) -> Callable[[bytes], None] | None:
        """Where requests go; None without a socket that holds both subscriptions."""
        return self._send if self.subscribed else None

    @property
    def whole(self) -> bool:
        """Whether everything that happened on the account is known."""
        return not self.why

    @property
    def subscribed(self) -> bool:
        """Whether a socket is open and the venue accepted both subscriptions."""
        return self._send is not None and len(self._subscribed) == len(CHANNELS)

    @property
    def missed(self) -> int:
        """The number of the last loss that has not been made up for; 0 when none."""
        return self._losses if self._losses != self._caught_up else 0

    def opened(self, send: Callable[[bytes], None], token: str, now_ns: int) -> None:
        """A socket is open: subscribe to the account's events."""
        self._send = send
        self._sequences = Sequences()
        self._subscribed.clear()
        self._asked.clear()
        self._gaps_here = 0
        self._ping = None
        self.broken = ""
        self.heard_ns = self.opened_ns = now_ns
        orders = {"snap_orders": True, "snap_trades": True, "order_status": True}
        self._subscribe("executions", token, {**orders, "ratecounter": True})
        self._subscribe("balances", token, {"snapshot": True})

    def lost(self, why: str) -> None:
        """The socket is gone, or mute: what happens on the account is not heard."""
        self._send = None
        self._subscribed.clear()
        self._ping = None
        self._lose(why)

    def caught_up(self, loss: int) -> None:
        """What was missed up to this loss has been asked for, and told."""
        if loss == self._losses and self.subscribed:
            self._caught_up = loss
            self.why = ""
            self._parts.sink(AccountStreamBack())

    def ping(self, now_ns: int, wall_ns: int) -> None:
        """Ask for the venue's time, one question at once."""
        if self._ping is None and self._send is not None:
            self._last_id += 1
            self._ping = (self._last_id, now_ns, wall_ns)
            self._send(b'{"method":"ping","req_id":%d}' % self._last_id)

    def silence_ns(self, now_ns: int) -> int:
        """For how long nothing at all was heard; there is a heartbeat every second."""
        return now_ns - self.heard_ns

    def lag_ns(self, now_ns: int) -> int:
        """For how long a ping has waited for its answer."""
        return now_ns - self._ping[1] if self._ping is not None else 0

    def frame(self, payload: bytes, now_ns: int, wall_ns: int) -> None:
        """One message. Never raises for anything the venue may send."""
        counts = self.counts
        counts.frames += 1
        self.heard_ns = now_ns
        try:
            message = parse(payload)
        except FrameError as error:
            counts.bad_frames += 1
            self._gap(f"a frame that cannot be read: {error}")
            return
        match message:
            case Executions():
                arrived = self._sequences.take(
                    "executions", message.sequence, snapshot=message.snapshot
                )
                self._parts.following.hear(self._parts.book.take(message.entries))
                self._rated(message, now_ns)
                self._arrived(arrived, f"executions {message.sequence}")
            case Balances():
                arrived = self._sequences.take(
                    "balances", message.sequence, snapshot=message.snapshot
                )
                if arrived is not Arrived.AGAIN:
                    self._balances(message)
                self._arrived(arrived, f"balances {message.sequence}")
            case Reply():
                self._reply(message)
            case Pong():
                self._pong(message, wall_ns)
            case _:
                counts.ignored += 1

    def _rated(self, message: Executions, now_ns: int) -> None:
        """How full the venue says the counters are, where it says so."""
        for entry in message.entries:
            symbol = entry.symbol or self._parts.book.symbol_of(entry.order_id)
            if entry.rate_count is not None and symbol:
                self._parts.rated(symbol, entry.rate_count, now_ns)

    def _balances(self, message: Balances) -> None:
        for row in message.rows:
            seen = BalanceSeen(row.asset, row.total, row.kind, row.ref, row.amount, _entry(row))
            self._parts.sink(seen)

    def _arrived(self, arrived: Arrived, which: str) -> None:
        if arrived is Arrived.GAP:
            self._gap(f"something before {which} did not arrive")
        elif arrived is Arrived.AGAIN:
            self.counts.repeated += 1

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
        self._parts.following.lost(f"account stream: {why}")
        if was_whole:
            self.counts.losses += 1
            self._parts.sink(AccountStreamLost(why))

    def _reply(self, reply: Reply) -> None:
        asked = self._asked.pop(reply.req_id, "") if reply.req_id is not None else ""
        if reply.method == "add_order":
            self._parts.replied(reply)
        elif asked and reply.method == "subscribe":
            if reply.ok and reply.channel in ("", asked):
                self._subscribed.add(asked)
                return
            said = reply.error or reply.odd or f"subscribed to {reply.channel}, not to {asked}"
            self.broken = f"{asked}: {said}"
            self._parts.refused(said)
        if not reply.ok:
            self.counts.refusals += 1
            self._parts.publish(VenueSaid(self._parts.venue, reply.error or reply.odd))

    def _pong(self, pong: Pong, wall_ns: int) -> None:
        if self._ping is None or pong.req_id != self._ping[0]:
            return
        sent_wall_ns, self._ping = self._ping[2], None
        if pong.in_ns is not None and pong.out_ns is not None:
            self._parts.pong(sent_wall_ns, pong.in_ns, pong.out_ns, wall_ns)

    def _subscribe(self, channel: str, token: str, wanted: Mapping[str, object]) -> None:
        self._last_id += 1
        self._asked[self._last_id] = channel
        params = {"channel": channel, **wanted, "token": token}
        request = {"method": "subscribe", "params": params, "req_id": self._last_id}
        if self._send is not None:
            self._send(json.dumps(request, separators=(",", ":")).encode())


def _entry(row: BalanceRow) -> Flow | None:
    """The ledger's row of a trade, as REST lists it."""
    if row.kind != "trade" or not row.ledger_id or not row.ref:
        return None
    net = EXACT.subtract(row.amount, row.fee)
    return Flow(row.ledger_id, row.asset, net, row.kind, row.at_ns, trade_id=row.ref)
