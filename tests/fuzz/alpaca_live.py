"""Alpaca's feed and gateway alive among harmed frames: in virtual time, and on real sockets.

Books there carry no checksum, so a lie that is told well may be believed for a while. What must
hold: what tells of no book changes none; no frame is more than a resync or a new socket; and what
REST and quotes hold against the books makes them the venue's own again. Of an account's orders
all that is told is true, or a harmed frame has said it; none is ever sent twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pydantic import SecretStr

from arbit.config import VenueSettings
from arbit.domain.account import AccountEvent, TradeSeen
from arbit.domain.book import Disbelief
from arbit.domain.order import OrderIntent, OrderState, Outcome, Trade, total
from arbit.domain.triangle import Leg, Side
from arbit.venues.alpaca.account import AccountAround, AccountAt, OrderTimes, account_side
from arbit.venues.alpaca.http import Answer, Lost
from arbit.venues.dial import FrameHandler
from tests.fuzz.alpaca import MARKET, UPDATES
from tests.fuzz.live import MOST_BURST, Scene, exact
from tests.fuzz.parsers import Wrong
from tests.fuzz.private_live import Tap
from tests.fuzz.questions import asyncio_task
from tests.integration.alpaca_feed_rig import Options, Rig, rigged
from tests.simulation.clock import SimClock
from tests.unit.venues.alpaca import desk, stream, venue

PROVED = 10  # levels a side that REST is held against
TICK_MS = 300.0
TICKS = 400  # two minutes: the longest pauses, and a look of REST after each
READY_S = 150.0  # a minute's requests may be used up, and a pause follows
REST_S = 4.0
RESOLVE_S = 60
OVER = frozenset({OrderState.FILLED, OrderState.PARTIAL, OrderState.EMPTY})
PRICE, QTY = Decimal(100), Decimal("0.5")
ACCOUNT = frozenset({"trade_updates", "authorization", "listening"})


# --- the session of the books --------------------------------------------------------------------


class Books:
    """A session at its desk, and a venue that answers what it asks."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.desk = desk.Desk().live()
        self.recent: deque[bytes] = deque(maxlen=20)
        self.lied = False

    def live(self) -> None:
        """The market moves, a little."""
        rng, made = self.scene.rng, self.desk.venue[self.scene.rng.choice(self.desk.symbols)]
        price, size = f"{rng.uniform(90, 99.8):.1f}", f"{rng.uniform(0, 3):.4f}"
        said = stream.frame(made.change([(price, size)], [("101.5", size)]))
        self.recent.append(said)
        self.desk.hear(said, stream.frame(made.quote()))

    def hear(self, payload: bytes) -> None:
        """A harmed frame."""
        before = self.untrue()
        self.desk.hear(payload)
        self.lied |= tells_of_a_book(payload)
        if not self.lied and self.untrue() != before:
            raise Wrong(f"a frame that tells of no book has changed one: {payload!r:.100}")

    def untrue(self) -> list[str]:
        """Books that are believed, and not the venue's, as deep as anything is proved."""
        made = self.desk
        return [
            symbol
            for symbol in made.symbols
            if made.reason(symbol) is None and _top(made.held(symbol)) != _top(made.told(symbol))
        ]

    def recover(self) -> None:
        """Whatever was believed, all ends as the venue's own."""
        made = self.desk
        for _ in range(TICKS):
            self._answer()
            made.tick(TICK_MS)
            if made.session.ending is not None:
                made.session.lost(Disbelief.DISCONNECTED, made.now_ns)
                made.open()
            for symbol in made.symbols:
                made.hear(stream.frame(made.venue[symbol].quote()))
                if made.reason(symbol) is None:
                    made.look(symbol, TICK_MS)
            if made.session.live == len(made.symbols) and not self.untrue():
                break
        else:
            raise Wrong(f"not the venue's books after {TICKS} ticks: {self.untrue()}")
        self.lied = False
        made.forget()

    def _answer(self) -> None:
        """Whole books of what was subscribed to, and the state of the subscriptions."""
        made, asked = self.desk, list(self.desk.sent)
        made.sent.clear()
        for one in asked:
            if one["action"] not in {"auth", "subscribe", "unsubscribe"}:
                raise Wrong(f"a request that nobody meant: {one!r:.100}")
            if one["action"] == "subscribe":
                made.hear(stream.subscribed(made.symbols, made.symbols))
                for symbol in one["orderbooks"]:
                    made.hear(stream.frame(made.venue[symbol].whole()))


def _top(sides: tuple[list[tuple[Decimal, Decimal]], ...]) -> list[list[tuple[Decimal, Decimal]]]:
    return [side[:PROVED] for side in sides]


def tells_of_a_book(payload: bytes) -> bool:
    """Whether a book could be told by it, however it is read."""
    found = exact(payload)
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        return False
    return any(isinstance(one, dict) and one.get("T") == "o" for one in found)


def play_books(scene: Scene) -> None:
    """A session's life. Wrong with the first finding."""
    books, heard = Books(scene), 0
    while heard < scene.frames:
        for _ in range(min(scene.rng.randint(1, MOST_BURST), scene.frames - heard)):
            books.live()
            books.hear(scene.harm(books.recent, MARKET))
            heard += 1
        books.recover()


# --- the account ---------------------------------------------------------------------------------


class Exchange(venue.Venue):
    """The unit tests' venue, that fills, cancels, refuses, or whose answer is lost, by chance."""

    def __init__(self, clock: SimClock, scene: Scene) -> None:
        wall: Any = clock
        super().__init__(wall)
        self.scene = scene
        self.left: Counter[str] = Counter()
        self.recent: deque[bytes] = deque(maxlen=20)
        self.on_post = self.posted_to

    async def dial(self, url: str, handler: FrameHandler) -> venue.Line:
        """With a tap, to know what was said."""
        return await super().dial(url, Tap(handler, self.recent))

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        reserved: bool = False,
        within_s: float | None = None,
    ) -> Answer:
        """Answered after ten milliseconds."""
        sent_ns = self.clock.monotonic_ns()
        await self.clock.sleep(0.005)
        said = await super().ask(method, path, params=params, body=body)
        await self.clock.sleep(0.005)
        return replace(said, sent_ns=sent_ns, heard_ns=self.clock.monotonic_ns())

    def posted_to(self, body: dict[str, Any]) -> venue.Reply:
        """What becomes of an order."""
        client_id, chance = body["client_order_id"], self.scene.rng.random()
        self.left[client_id] += 1
        if chance < 0.1:
            words = "insufficient balance for USD (requested: 50, available: 1)"
            return venue.answer(403, {"code": 40310000, "message": words})
        said = self.accept(body)
        if chance < 0.3:
            self.tell(client_id, "canceled")
            return said
        self.fill_row(client_id, f"E-{client_id}", body["qty"], body["limit_price"])
        self.tell(client_id, "fill", (f"E-{client_id}", body["qty"], body["limit_price"]))
        return Lost("the reply is lost") if chance < 0.4 else said


class Trading:
    """A gateway, what it was asked, what it told, and what is true."""

    def __init__(self, scene: Scene, *, broken: bool) -> None:
        self.scene = scene
        self.broken = broken
        clock = SimClock(scene.loop, scene.rng)
        self.venue = Exchange(clock, scene)
        self.told: list[AccountEvent] = []
        self.said: list[bytes] = []
        self.intents: dict[str, OrderIntent] = {}
        self.waiting: dict[str, Any] = {}
        key, secret = SecretStr(venue.KEY), SecretStr(venue.SECRET)
        self.gateway = account_side(
            VenueSettings(name="alpaca", api_key=key, api_secret=secret),
            AccountAt("http://venue", "ws://venue/stream"),
            OrderTimes(2_000, 6_000),
            AccountAround(
                clock=clock,
                sink=self.told.append,
                publish=lambda _event: None,
                ours=lambda client_id: client_id.startswith("abf"),
                dial=self.venue.dial,
                http=self.venue,
            ),
        ).gateway
        self.task = asyncio_task(scene.loop, self.gateway.run())

    def order(self) -> None:
        """Send one, when one can be sent."""
        deadline_ns = self.gateway.deadline_ns()
        if self.gateway.unready() or deadline_ns is None or not self.gateway.room():
            return
        side = Side.BUY if len(self.intents) % 2 else Side.SELL
        spent = ("USD", "BTC") if side is Side.BUY else ("BTC", "USD")
        leg = Leg("BTC/USD", side, *spent)
        client_id = f"abf{len(self.intents):05d}-11"
        intent = OrderIntent(client_id, leg, QTY, PRICE, Decimal("0.0025"), deadline_ns)
        self.intents[client_id] = intent
        sent = self.scene.inside(lambda: self.gateway.send(intent))
        self.waiting[client_id] = asyncio_task(self.scene.loop, sent)

    def hear(self, payload: bytes) -> None:
        """A harmed frame arrives on the open line."""
        session = self.gateway.session
        if not self.venue.lines or not self.venue.line.open:
            return
        whole, handler = session.whole, self.venue.line.handler
        self.said.append(payload)
        self.scene.inside(lambda: handler.on_frame(payload))
        self.scene.no_unheard()
        if whole and exact(payload) is None and session.whole:
            raise Wrong("a frame that nobody could read, and the stream counts as whole")

    def check(self) -> None:
        """Nothing sent twice, no trade made up; what has ended, has ended so."""
        twice = [client_id for client_id, times in self.venue.left.items() if times > 1]
        if twice or not set(self.venue.left) <= set(self.intents):
            raise Wrong(f"sent twice, or by nobody: {twice or sorted(self.venue.left)[:3]}")
        for event in self.told:
            if isinstance(event, TradeSeen):
                self._true_trade(event.trade)
        self.told.clear()
        for client_id, task in list(self.waiting.items()):
            if task.done():
                del self.waiting[client_id]
                self._ended(self.intents[client_id], task.result())
        self.scene.alive(self.task)

    def _ended(self, intent: OrderIntent, outcome: Outcome) -> None:
        if outcome.state is OrderState.UNKNOWN:
            outcome = self._resolved(intent, outcome)
        for trade in outcome.trades:
            self._true_trade(trade)
        order = self.venue.orders.get(intent.client_id)
        if outcome.state in OVER:
            filled = total(trade.qty for trade in outcome.trades)
            true = order is not None and Decimal(order["filled_qty"]) == filled
        else:
            true = order is None
        if not true and not self._somebody_said(intent.client_id, outcome.order_id):
            raise Wrong(f"{intent.client_id} is told {outcome.state.value}, the venue: {order}")

    def _resolved(self, intent: OrderIntent, first: Outcome) -> Outcome:
        """The end, by question: the answers are good ones. A lie may have named another order."""
        order_id = first.order_id if self.broken else ""
        for _ in range(RESOLVE_S):
            task = asyncio_task(self.scene.loop, self.gateway.resolve(intent, order_id))
            if not self.scene.run_until(task.done, 60.0):
                raise Wrong(f"{intent.client_id}: no answer to a question")
            outcome: Outcome = task.result()
            if outcome.state is not OrderState.UNKNOWN:
                return outcome
            self.scene.run_for(1.0)
        if self._somebody_said(intent.client_id):
            return first  # what a lie contradicts stays in doubt, and is an operator's
        raise Wrong(f"{intent.client_id} stays unknown: {outcome.reason:.200}")

    def _true_trade(self, trade: Trade) -> None:
        """The exchange has it so, or a harmed frame said it; its fee is our reckoning."""
        if trade.fee_slack is None:
            raise Wrong(f"a fee that is taken for the venue's word: {trade}")
        exec_id = trade.trade_id
        if any(one["id"].endswith(f"::{exec_id}") for one in self.venue.fills) and (
            (trade.qty, trade.price) == (QTY, PRICE)
        ):
            return
        if not self._somebody_said(exec_id, trade.order_id):
            raise Wrong(f"a trade that nobody made: {trade}")

    def _somebody_said(self, *names: str) -> bool:
        """Whether a harmed frame that an account could be told by names one of these."""
        spoken = [name.encode() for name in names if name]
        return not self.broken and any(name in payload for payload in self.said for name in spoken)

    def recover(self) -> None:
        """Orders can be sent again, in time."""
        if not self.scene.run_until(lambda: not self.gateway.unready(), READY_S, 0.2):
            raise Wrong(f"not ready again after {READY_S} s: {self.gateway.unready()}")
        self.check()


def tells_nothing(payload: bytes) -> bool:
    """Whether nothing of an account could be told by this frame, however it is read."""
    found = exact(payload)
    return not isinstance(found, dict) or str(found.get("stream")) not in ACCOUNT


def play_account(scene: Scene) -> None:
    """A gateway's life among harmed frames. Wrong with the first finding."""
    trading = Trading(scene, broken=scene.rng.random() < 0.5)
    scene.run_for(1.0)
    trading.recover()
    heard = 0
    while heard < scene.frames:
        for _ in range(min(scene.rng.randint(1, MOST_BURST), scene.frames - heard)):
            if scene.rng.random() < 0.5:
                trading.order()
            scene.run_for(scene.rng.choice((0.001, 0.006, 0.012, 0.05)))
            payload = scene.harm(trading.venue.recent, UPDATES)
            heard += 1
            if not trading.broken or tells_nothing(payload):
                trading.hear(payload)
        trading.recover()
        scene.run_for(REST_S)
        trading.check()
    scene.run_for(60.0)
    trading.check()
    if trading.waiting:
        raise Wrong(f"nobody was told the end of {sorted(trading.waiting)[:3]}")
    trading.task.cancel()


# --- real sockets --------------------------------------------------------------------------------

A_LIFE = 10
TOGETHER = 5


def play_loopback(scene: Scene) -> None:
    """The real feed on the sandbox's own server, which says harmed frames in between."""
    heard = 0
    while heard < scene.frames:
        frames = min(A_LIFE, scene.frames - heard)
        asyncio.run(_played(scene, frames))
        heard += frames


async def _played(scene: Scene, frames: int) -> None:
    async with rigged(Options(symbols=("BTC/USD", "ETH/BTC", "ETH/USD"))) as rig:
        heard = 0
        while heard < frames:
            recent = _whole_books(rig)
            for _ in range(min(TOGETHER, frames - heard)):
                heard += 1
                _say(rig, scene.harm(recent, MARKET))
            await asyncio.sleep(0.05)
            await rig.live()
        await rig.freeze_and_agree()


def _say(rig: Rig, payload: bytes) -> None:
    """To every client, after what is on its way: text where it is text."""
    text: str | bytes
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = payload
    for client in list(rig.sandbox.alpaca.stream.clients.values()):
        client.session.send(text, 0)


def _whole_books(rig: Rig) -> list[bytes]:
    """The venue's books as it might say them now."""
    books: Any = rig.sandbox.control.state(5, None)["books"]
    at = "2099-01-01T00:00:00Z"
    return [
        stream.frame(stream.book(one, books[one]["bids"], books[one]["asks"], whole=whole, at=at))
        for one in rig.symbols
        for whole in (False, True)
    ]
