"""The venue of a simulation: the sandbox's exchange and faces, in memory and in virtual time."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from arbit.domain.book import Integrity
from arbit.sandbox.accounts import Account
from arbit.sandbox.exchange import Exchange
from arbit.sandbox.instruments import Instrument as Listed
from arbit.sandbox.journal import EventLog
from arbit.sandbox.keys import MAIN, ApiKey
from arbit.sandbox.kraken.private import PrivateFace
from arbit.sandbox.kraken.private_stream import PrivateStream
from arbit.sandbox.kraken.rest import RestFace
from arbit.sandbox.market import Market
from arbit.sandbox.orders import OrderRequest, Refused, Trade, VenueOrder
from arbit.sandbox.profiles import Profile
from arbit.venues.dial import FrameHandler
from tests.simulation import market as markets
from tests.simulation.clock import WALL_START_NS, VenueClock
from tests.simulation.feed import FeedServer
from tests.simulation.loop import Process, SimLoop
from tests.simulation.plan import Plan
from tests.simulation.rest import TrustingKey
from tests.simulation.swarm import Swarm, SwarmHooks
from tests.simulation.wire import Line

MS = 1_000_000
TICK_NS = 1 * MS


class SimVenue:
    """Owns the exchange and its time. `leaves` is told of every order as its bytes leave."""

    name = "sandbox"
    overcharged = 0  # fills that were taken more than any answer tells
    integrity = Integrity.CHECKSUM  # of its books, by the word of its feed

    def __init__(self, loop: SimLoop, plan: Plan, swarm: Swarm) -> None:
        self.loop = loop
        self.plan = plan
        self.swarm = swarm
        self.clock = VenueClock(loop)
        self.rng = random.Random(f"venue {plan.seed}")
        self.market = Market(self._profile(), plan.seed)
        self.exchange = self._exchange()
        self.exchange.hooks = self._hooks()
        self.exchange.keys = {name: _trusting(key) for name, key in self.exchange.keys.items()}
        self.planter = markets.Planter(self.market, random.Random(f"plants {plan.seed}"))
        self._open_faces()
        self.feed = FeedServer(self)
        self.lines: dict[int, Line] = {}
        self.last_nonce = self.nonces_back = 0  # the highest so far, and how often one was not
        self.rest_down_ns = 0  # until then REST answers nothing but that it is busy
        self.on_leave: Callable[[Process, dict[str, Any]], None] = lambda _p, _m: None
        self.on_answer: Callable[[Process, str, int, Any], None] = lambda _p, _n, _a, _t: None
        self.on_hear: Callable[[Line, bytes], None] = lambda _l, _f: None
        self._bodies: dict[str, Any] = {}
        self._numbers = 0
        self._start_ns = loop.now_ns
        self._next_ns = 0
        self._schedule()

    def _profile(self) -> Profile:
        """The markets that it lists."""
        return markets.profile(self.plan.weather_hz)

    def _exchange(self) -> Exchange:
        """The books of its accounts."""
        return Exchange(
            self.market,
            EventLog(None),
            taker_fee_bps=self.plan.fee_bps,
            tier=self.plan.tier,
            balances={asset: Decimal(much) for asset, much in self.plan.balances.items()},
            start_ns=WALL_START_NS + self.loop.now_ns,
        )

    def _hooks(self) -> SwarmHooks:
        """What bends its matching."""
        return SwarmHooks(
            self.swarm, lambda name, asset: self.exchange.books.account(name).available(asset)
        )

    def _open_faces(self) -> None:
        """Its wire."""
        wall: Any = self.clock
        self.face = PrivateFace(self.exchange, wall)
        self.face.reads.visible = self._visible
        self.face.reads.visible_trade = self._visible_trade
        faults: Any = self.swarm
        self.stream = PrivateStream(self.exchange, faults, wall, _say)
        self._public = RestFace(self.market, wall)

    @property
    def account(self) -> Account:
        """The account that is traded with."""
        return self.exchange.books.account(MAIN)

    def at(self, when_ns: int, callback: Callable[..., object], *args: Any) -> None:
        """Do it at a virtual time, as the venue's own doing."""
        self.loop.at_ns(when_ns, callback, *args, context=self.loop.nobody)

    def delay_ns(self) -> int:
        """One way's latency, drawn anew."""
        plan = self.plan
        return int((plan.latency_ms + plan.jitter_ms * self.rng.random()) * MS)

    def leaves(self, process: Process, message: dict[str, Any]) -> None:
        """An order or a cancellation leaves the daemon."""
        self.on_leave(process, message)

    def open_line(self, process: Process, handler: FrameHandler) -> Line:
        """A new private socket."""
        self._numbers += 1
        line = self._line(process, handler)
        self.lines[line.number] = line
        self.stream.join(line)  # type: ignore[arg-type]  # a session in all it asks for
        process.on_death.append(line.close)
        return line

    def _line(self, process: Process, handler: FrameHandler) -> Line:
        return Line(self, process, handler, self._numbers)

    def terms(self, message: dict[str, Any]) -> dict[str, Any]:
        """What an order that leaves asks for."""
        params = message["params"]
        if message["method"] == "add_order":
            return {
                "client_id": params["cl_ord_id"],
                "symbol": params["symbol"],
                "side": params["side"],
                "qty": params["order_qty"],
                "price": params["limit_price"],
            }
        return {
            "client_id": params["cl_ord_id"],
            "symbol": self.face.orders.pair_of(params) or "",
            "side": params["type"],
            "qty": Decimal(params["volume"]),
            "price": Decimal(params["price"]),
        }

    def least_cost(self, listed: Listed) -> Decimal | None:
        """The least that an order of this market must be worth, in its quote asset; if told."""
        return Decimal(listed.cost_min)

    def agrees(self, asset: str, left: Decimal, slack: Decimal) -> bool:
        """Whether books that differ by this are right: here nothing is ever stated later."""
        del asset, slack
        return not left

    def public(self, name: str) -> Any:
        """The body of a public question."""
        if name == "Time":
            return self._public.answer(name, {})
        if name not in self._bodies:
            self._bodies[name] = self._public.answer(name, {})
        return self._bodies[name]

    def relisted(self) -> None:
        """Some market has other increments now: the lists are made anew, every feed is told."""
        self._bodies.clear()
        self.feed.statuses()

    # --- time ------------------------------------------------------------------------------------

    def moved(self) -> None:
        """Something traded or changed now: books are told, what is due is looked at."""
        self._advance()
        self._schedule()

    def _tick(self) -> None:
        self._next_ns = 0
        self.exchange.tick(self.clock.wall_ns())
        self._advance()
        self.stream.tick()
        self._advance()
        self._schedule()

    def _advance(self) -> None:
        changes = self.market.advance(self.loop.now_ns - self._start_ns)
        if changes:
            self.feed.changed(dict.fromkeys(change.symbol for change in changes))

    def _schedule(self) -> None:
        """Wake at the next thing that is due: the market's, a delayed match, a late request."""
        due = [WALL_START_NS + self._start_ns + self.market._queue[0][0]]
        due += [one[0] for one in self.exchange._due[:1]]
        due += self._late()
        when_ns = max(min(due) - WALL_START_NS, self.loop.now_ns + 1)
        if not self._next_ns or when_ns < self._next_ns:
            self._next_ns = when_ns
            self.at(when_ns, self._tick_at, when_ns)

    def _late(self) -> list[int]:
        """When the next thing of its wire is due."""
        return [WALL_START_NS + one[0] for one in self.stream._late[:1]]

    def _tick_at(self, when_ns: int) -> None:
        if when_ns == self._next_ns:
            self._tick()

    # --- what happens on the account -------------------------------------------------------------

    def flow(self, asset: str, amount: Decimal) -> None:
        """A deposit, or a withdrawal of what is there."""
        now_ns = self.clock.wall_ns()
        if amount > 0:
            self.exchange.deposit(self.account, asset, amount, now_ns)
        else:
            try:
                self.exchange.withdraw(self.account, asset, -amount, now_ns)
            except Refused:
                return
        self.stream.flush()

    def foreign(self, symbol: str, side: str, qty: Decimal, client_id: str = "") -> None:
        """Somebody else trades on the account."""
        pair = self.market.pairs[symbol]
        level = pair.book.top(1 if side == "buy" else 0, 1)[0]
        price = Decimal(level[0]).scaleb(-pair.instrument.price_precision)
        request = OrderRequest(symbol, side, qty, price, "ioc", client_id=client_id)
        try:
            self.exchange.add_order(self.account, request, self.clock.wall_ns())
        except Refused:
            return
        self.stream.flush()
        self.moved()

    def _visible(self, order: VenueOrder, now_ns: int) -> bool:
        return now_ns - max(order.opened_ns, order.closed_ns) >= self._lag_ns()

    def _visible_trade(self, trade: Trade, now_ns: int) -> bool:
        return now_ns - trade.at_ns >= self._lag_ns()

    def _lag_ns(self) -> int:
        return self.plan.read_lag_ms * MS if self.swarm.on else 0


def _say(session: Any, text: str) -> None:
    session.say(text)


def _trusting(key: ApiKey) -> ApiKey:
    return TrustingKey(key.key, key.secret, key.account, key.permissions)
