"""Invariants looked at while a run goes on: at each request that leaves, each book believed.

What leaves is read off the bytes that the client library wrote; what is true is read off the
venue's own books and the committed rows. Numbers in brackets are the reliability paper's.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from arbit.app.store import DATABASE
from arbit.domain.book import OrderBook, Source
from arbit.sandbox.orders import Accepted, Happened
from tests.simulation.loop import SECOND_NS
from tests.wiresim.ends import MS
from tests.wiresim.net import Wire
from tests.wiresim.taps import Request
from tests.wiresim.truth import picture_of, top_of

if TYPE_CHECKING:
    from tests.wiresim.world import WireWorld

MAX_TOLD = 20
THOROUGH = 5  # of so many looks one compares every book with the truth
MOST_LAG_MS = 2_500 + 700  # a stream further behind is dropped: by the watchdog, at a pulse
PLAIN = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
NUMBERS = re.compile(r'"(order_qty|limit_price)":([^,}]*)')
ORDERS = frozenset({"AddOrder", "AddOrderBatch"})


class Unstrained:
    """What the finale asks of limits where none is drawn small."""

    spent = False
    room = True

    def waits_s(self) -> float:
        """How much longer than usual it may take to be ready."""
        return 0.0


class Watch:
    """Collects violations of one world."""

    def __init__(self, world: WireWorld) -> None:
        self._world = world
        self.violations: list[str] = []
        self.sent: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.restraint = Unstrained()
        self.orders = 0
        self.requests: Counter[str] = Counter()
        self.books = 0
        self._nonces: dict[str, int] = {}
        self._looks = 0
        self._well_ns: dict[str, int] = {}  # when a book was last one to trade on
        self.reader = sqlite3.connect(world.folder / DATABASE, isolation_level=None)
        self.reader.row_factory = sqlite3.Row

    def close(self) -> None:
        """Let go of the file."""
        self.reader.close()

    def say(self, number: int, text: str) -> None:
        """Invariant `number` does not hold."""
        if len(self.violations) < MAX_TOLD:
            at_s = self._world.loop.now_ns / SECOND_NS
            self.violations.append(f"[{number}] {text} (at {at_s:.6f} s)")

    # --- a request leaves ------------------------------------------------------------------------

    def leaves(self, wire: Wire, request: Request) -> None:
        """Its last byte is written."""
        if request.method != "WS":
            self.requests[request.name] += 1
            if request.private:
                self._nonce(request)
            if request.name in ORDERS:
                self._order(wire, self._over_rest(request))
            return
        message = json.loads(request.body)
        method = str(message.get("method"))
        self.requests[method] += 1
        if "order" in method and method not in {"add_order", "cancel_order"}:
            self.say(4, f"{method} leaves, which nobody sends")
        if method == "add_order":
            self._order(wire, self._over_ws(message, request.body))

    def _nonce(self, request: Request) -> None:
        text = request.fields.get("nonce", "")
        if not text.isdecimal() or int(text) <= self._nonces.get("", 0):
            self.say(24, f"{request.name}: nonce {text!r} after {self._nonces.get('', 0)}")
            return
        self._nonces[""] = int(text)

    def _over_ws(self, message: dict[str, Any], text: str) -> dict[str, str]:
        params = message["params"]
        raw = {name: digits.strip() for name, digits in NUMBERS.findall(text)}
        return {
            "client_id": str(params.get("cl_ord_id", "")),
            "symbol": str(params.get("symbol", "")),
            "side": str(params.get("side", "")),
            "qty": raw.get("order_qty", ""),
            "price": raw.get("limit_price", ""),
            "tif": str(params.get("time_in_force", "")),
            "kind": str(params.get("order_type", "")),
            "deadline": str(params.get("deadline", "")),
        }

    def _over_rest(self, request: Request) -> dict[str, str]:
        fields = request.fields
        if request.name != "AddOrder":
            self.say(4, f"{request.name} leaves, which nobody sends")
        return {
            "client_id": fields.get("cl_ord_id", ""),
            "symbol": self._world.venue.server.private.orders.pair_of(fields) or "",
            "side": fields.get("type", ""),
            "qty": fields.get("volume", ""),
            "price": fields.get("price", ""),
            "tif": fields.get("timeinforce", "").lower(),
            "kind": fields.get("ordertype", ""),
            "deadline": fields.get("deadline", ""),
        }

    def _order(self, wire: Wire, order: dict[str, str]) -> None:
        client_id = order["client_id"]
        self.orders += 1
        self.sent[client_id] += 1
        if not client_id:
            self.say(4, f"an order without a client id leaves: {order}")
        if self.sent[client_id] > 1:
            self.say(4, f"{client_id} is sent a second time")
        if wire.owner is not self._world.process:
            self.say(13, f"{client_id} is sent by a process that is not the one")
        self._shape(order)
        row = self.reader.execute("SELECT * FROM orders WHERE client_id=?", (client_id,)).fetchone()
        if row is None:
            self.say(3, f"{client_id} leaves, and no committed row knows it")
            return
        if not _same(order, row):
            self.say(3, f"{client_id} leaves as {order}, written as {dict(row)}")
        self._on_books(client_id, row["symbol"], rest=wire.speaks == "http")

    def _shape(self, order: dict[str, str]) -> None:
        pair = self._world.venue.market.pairs.get(order["symbol"])
        if pair is None or order["tif"] != "ioc" or order["kind"] != "limit":
            self.say(25, f"an order of another kind leaves: {order}")
            return
        listed = pair.instrument
        for name, decimals, step in (
            ("qty", listed.qty_precision, listed.qty_step),
            ("price", listed.price_precision, listed.price_tick),
        ):
            text = order[name]
            if not PLAIN.fullmatch(text):
                self.say(25, f"{order['client_id']}: {name} {text!r} is no plain decimal")
            elif Decimal(text).scaleb(decimals) % step or not Decimal(text):
                self.say(25, f"{order['client_id']}: {name} {text} is off its step")
        left_s = _seconds(order["deadline"]) - self._world.venue_wall_ns() / SECOND_NS
        skew_s = 0.1 + 3 * self._world.plan.latency_ms / 1e3
        if not -skew_s < left_s <= 60:
            self.say(6, f"{order['client_id']} leaves with a deadline {left_s:.3f} s away")

    # --- books -----------------------------------------------------------------------------------

    def believes(self, book: OrderBook, source: Source, confirmed_ns: int) -> None:
        """A book is put where decisions look, as of the time that is said with it."""
        self.books += 1
        said_ms = (self._world.loop.now_ns - confirmed_ns) // MS
        if book.flaw() is None:
            self._true(book, f"a book of {book.symbol} ({source.value})", said_ms)

    def _true(self, book: OrderBook, what: str, more_ms: int = 0, *, deep: bool = True) -> None:
        """The venue had it so, and no longer ago than a stream may be behind."""
        picture = picture_of(book)
        age_ns = self._world.venue.truth.age_ns(book.symbol, picture if deep else top_of(picture))
        if age_ns is None:
            self.say(8, f"{what} is believed that the venue never had")
        elif age_ns > (MOST_LAG_MS + more_ms) * MS:
            self.say(8, f"{what} is believed that was true {age_ns // MS} ms ago")

    def _on_books(self, client_id: str, symbol: str, *, rest: bool) -> None:
        life = self._world.life
        run = life.desk_run if life is not None else None
        if run is None:
            self.say(8, f"{client_id} leaves before there is a feed")
            return
        cache, now_ns = run.desk.cache, self._world.loop.now_ns
        max_age_ms = self._world.settings.venue("sandbox").max_book_age_ms
        why = cache.why_not(symbol, now_ns, max_age_ms * MS)
        book = cache._books[cache.index(symbol)]
        if why is not None and not (rest and self._lately(symbol)):
            self.say(8, f"{client_id} leaves on a book of {symbol} that is {why.value}")
        elif book is not None and why is None:
            deep = cache.deep(symbol, now_ns, max_age_ms * MS)
            self._true(book, f"{client_id} leaves on a book of {symbol}", max_age_ms, deep=deep)

    def looks(self) -> None:
        """Every book that is believed now is true, or was within its age.

        Which are is noted: an order over REST leaves a while after its decision.
        """
        life, now_ns = self._world.life, self._world.loop.now_ns
        run = life.desk_run if life is not None else None
        if run is None:
            return
        cache = run.desk.cache
        max_age_ms = self._world.settings.venue("sandbox").max_book_age_ms
        self._looks += 1
        for symbol, book in zip(cache.symbols, cache._books, strict=True):
            if book is None or cache.why_not(symbol, now_ns, max_age_ms * MS) is not None:
                continue
            self._well_ns[symbol] = now_ns
            if not self._looks % THOROUGH:
                deep = cache.deep(symbol, now_ns, max_age_ms * MS)
                self._true(book, f"a book of {symbol}", max_age_ms, deep=deep)

    def _lately(self, symbol: str) -> bool:
        """A request waits for a connection at most: two ways there and back, and our own looks."""
        plan = self._world.plan
        late_ms = 4 * (plan.latency_ms + plan.jitter_ms) + 60
        return self._world.loop.now_ns - self._well_ns.get(symbol, 0) < late_ms * MS

    # --- what the venue does ---------------------------------------------------------------------

    def happened(self, what: Happened) -> None:
        """Something happened on the account."""
        if not isinstance(what, Accepted) or not what.order.client_id:
            return
        client_id = what.order.client_id
        self.accepted[client_id] += 1
        if self.accepted[client_id] > 1:
            self.say(4, f"{client_id} is accepted a second time")
        if not self.sent[client_id]:
            self.say(4, f"{client_id} is accepted, and was never seen on the wire")
        sql = "SELECT state FROM orders WHERE client_id=?"
        row = self.reader.execute(sql, (client_id,)).fetchone()
        if row is None:
            self.say(16, f"{client_id} is accepted, and no row knows it")
        elif row["state"] in {"never", "rejected"}:
            self.say(6, f"{client_id} is accepted, and was called {row['state']}")


def _same(order: dict[str, str], row: sqlite3.Row) -> bool:
    try:
        return bool(
            row["state"] == "sent"
            and row["symbol"] == order["symbol"]
            and row["side"] == order["side"]
            and Decimal(row["qty"]) == Decimal(order["qty"])
            and Decimal(row["limit_price"]) == Decimal(order["price"])
        )
    except ArithmeticError:
        return False


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
