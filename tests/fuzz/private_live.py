"""The real gateway, its socket and its REST in memory, trading while it hears harmed frames.

The sandbox's exchange knows what truly happened. In a scene of `broken` frames (no JSON, or
nothing that an account could be told by) all that the gateway tells is that, to the last digit. In
the other scenes a frame may be a lie that is told well; then whatever the gateway tells must at
least have been said by somebody, and be found out by question where it asks.
"""

from __future__ import annotations

from collections import Counter, deque
from decimal import Decimal
from typing import Any

from pydantic import SecretStr

from arbit.config import RateTier
from arbit.config.venue import VenueSettings
from arbit.domain.account import AccountEvent, TradeSeen
from arbit.domain.events import Event
from arbit.domain.order import OrderIntent, OrderState, Outcome, Trade, total
from arbit.domain.triangle import Leg, Side
from arbit.sandbox.book import ASK, BID
from arbit.sandbox.keys import TRADE_KEY, TRADE_SECRET
from arbit.venues.dial import Connection, FrameHandler
from arbit.venues.kraken.private.parts import OrderTimes, PrivateAround, PrivateAt, private_side
from tests.fuzz.live import MOST_BURST, Scene, exact
from tests.fuzz.parsers import Wrong
from tests.fuzz.questions import NoStore, asyncio_task
from tests.fuzz.seeds import still_venue
from tests.simulation.clock import SimClock
from tests.simulation.loop import Process
from tests.simulation.rest import PrivateDoor, PublicDoor
from tests.simulation.wire import Dial

SYMBOL = "BTC/USD"
QTY = Decimal("0.0005")
RECOVERY_S = 2.0
STORM_RECOVERY_S = 90.0  # the pauses of a back-off, and the venue's counters
REST_S, LONG_REST_S = 0.5, 20.0  # the second one after a loss: its questions cost
ROUNDS_COST = 8  # of two rounds of questions after losses
RESOLVE_S = 20.0
OVER = frozenset({OrderState.FILLED, OrderState.PARTIAL, OrderState.EMPTY})
ACCOUNT = frozenset({"executions", "balances"})


class Tap:
    """Hears what the keeper hears, and passes it on."""

    def __init__(self, handler: FrameHandler, recent: deque[bytes]) -> None:
        self.handler = handler
        self.recent = recent

    def on_frame(self, payload: bytes) -> None:
        """A good frame."""
        if b'"pong"' not in payload or len(self.recent) < 4:  # of which there are too many
            self.recent.append(payload)
        self.handler.on_frame(payload)

    def on_drained(self) -> None:
        """As it is."""
        self.handler.on_drained()

    def on_lost(self, why: str) -> None:
        """As it is."""
        self.handler.on_lost(why)


class Tapped(Dial):
    """The simulation's dialer, with a tap on each line. `handler` hears the newest one."""

    def __init__(self, venue: Any, process: Process, sleep: Any) -> None:
        super().__init__(venue, process, sleep)
        self.recent: deque[bytes] = deque(maxlen=40)
        self.handler: FrameHandler | None = None

    async def __call__(self, url: str, handler: FrameHandler) -> Connection:
        """Dial."""
        made = await super().__call__(url, Tap(handler, self.recent))
        self.handler = handler
        return made


class Trading:
    """A gateway, what it was asked, what it told, and what is true."""

    def __init__(self, scene: Scene, *, broken: bool) -> None:
        self.scene = scene
        self.broken = broken
        self.venue = still_venue()
        scene.loop = self.venue.loop
        self.clock = SimClock(scene.loop, scene.rng)
        self.told: list[AccountEvent] = []
        self.events: deque[Event] = deque(maxlen=50)
        self.left: Counter[str] = Counter()
        self.intents: dict[str, OrderIntent] = {}
        self.waiting: dict[str, Any] = {}
        self.said: list[bytes] = []  # harmed frames of which something may have been believed
        self.venue.on_leave = lambda _, message: self._leaves(message)
        process = Process(1)
        self.dial = Tapped(self.venue, process, self.clock.sleep)
        side = private_side(
            VenueSettings(
                name="sandbox",
                rate_tier=RateTier.PRO,
                api_key=SecretStr(TRADE_KEY),
                api_secret=SecretStr(TRADE_SECRET),
                private_ws_url="ws://venue/private",
            ),
            PrivateAt(),
            OrderTimes(deadline_ms=800, margin_ms=600),
            PrivateAround(
                clock=self.clock,
                nonces=NoStore(),
                public=PublicDoor(self.venue, self.clock.sleep),
                sink=self.told.append,
                publish=self.events.append,
                ours=lambda client_id: client_id.startswith("abf"),
                dial=self.dial,
            ),
        )
        door: Any = side.rest
        door._exchange = PrivateDoor(self.venue, process, side.rest)
        self.gateway, self.requests = side.gateway, side.rest.budget
        self.task = asyncio_task(scene.loop, self.gateway.run())

    def _leaves(self, message: dict[str, Any]) -> None:
        if message["method"] in {"add_order", "AddOrder"}:
            self.left[message["params"]["cl_ord_id"]] += 1

    # --- what is done ----------------------------------------------------------------------------

    def order(self) -> None:
        """Send one, when one can be sent."""
        deadline_ns = self.gateway.deadline_ns()
        if self.gateway.unready() or deadline_ns is None:
            return
        side = Side.BUY if len(self.intents) % 2 else Side.SELL
        pair = self.venue.market.pairs[SYMBOL]
        level = pair.book.top(ASK if side is Side.BUY else BID, 1)[0]
        spent = ("USD", "BTC") if side is Side.BUY else ("BTC", "USD")
        intent = OrderIntent(
            f"abf{len(self.intents):05d}-11",
            Leg(SYMBOL, side, *spent),
            QTY,
            Decimal(pair.instrument.price_text(level[0])),
            Decimal("0.004"),
            deadline_ns,
        )
        self.intents[intent.client_id] = intent
        sent = self.scene.inside(lambda: self.gateway.send(intent))
        self.waiting[intent.client_id] = asyncio_task(self.scene.loop, sent)

    def hear(self, payload: bytes) -> None:
        """A harmed frame arrives on the open line."""
        whole, session = self.gateway.session.whole, self.gateway.session
        handler = self.dial.handler
        if handler is None:
            return
        self.said.append(payload)
        self.scene.inside(lambda: handler.on_frame(payload))
        self.scene.no_unheard()
        if whole and exact(payload) is None and session.whole:
            raise Wrong("a frame that nobody could read, and the stream counts as whole")

    # --- what is checked -------------------------------------------------------------------------

    def check(self) -> None:
        """Nothing sent twice, no trade made up; what has ended, has ended so."""
        twice = [client_id for client_id, times in self.left.items() if times > 1]
        if twice or not set(self.left) <= set(self.intents):
            raise Wrong(f"sent twice, or by nobody: {twice or sorted(self.left)[:3]}")
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
            outcome = self._resolved(intent, outcome.order_id if self.broken else "")
        for trade in outcome.trades:
            self._true_trade(trade)
        order = next(
            (one for one in self.venue.account.closed if one.client_id == intent.client_id), None
        )
        if outcome.state in OVER:
            filled = total(trade.qty for trade in outcome.trades)
            true = order is not None and order.filled == filled
        else:
            true = order is None
        if not true and not self._somebody_said(intent.client_id, outcome.order_id):
            raise Wrong(f"{intent.client_id} is told {outcome.state.value}, the venue: {order}")

    def _resolved(self, intent: OrderIntent, order_id: str) -> Outcome:
        """The end, by question: the answers are good ones."""
        for _ in range(int(RESOLVE_S)):
            task = asyncio_task(self.scene.loop, self.gateway.resolve(intent, order_id))
            if not self.scene.run_until(task.done, 60.0):
                raise Wrong(f"{intent.client_id}: no answer to a question")
            outcome: Outcome = task.result()
            if outcome.state is not OrderState.UNKNOWN:
                return outcome
            self.scene.run_for(1.0)
        raise Wrong(f"{intent.client_id} stays unknown: {outcome.reason:.200}")

    def _true_trade(self, trade: Trade) -> None:
        """The exchange has it so, or a harmed frame said all of it."""
        for one in self.venue.account.trades:
            if one.order_id == trade.order_id and (one.qty, one.price, one.cost, one.side) == (
                *(trade.qty, trade.price, trade.cost, trade.side.value),
            ):
                return
        if not self._somebody_said(trade.trade_id, trade.order_id):
            raise Wrong(f"a trade that nobody made: {trade}")

    def _somebody_said(self, *names: str) -> bool:
        """Whether a harmed frame that an account could be told by names one of these."""
        spoken = [name.encode() for name in names if name]
        return not self.broken and any(name in payload for payload in self.said for name in spoken)

    def recover(self) -> None:
        """Orders can be sent again, in time; questions wait for room in the venue's counter."""
        room_ns = self.requests.wait_ns(ROUNDS_COST, self.clock.monotonic_ns())
        limit_s = RECOVERY_S + room_ns / 1e9 if not self.scene.storm else STORM_RECOVERY_S
        if not self.scene.run_until(lambda: not self.gateway.unready(), limit_s):
            raise Wrong(f"not ready again after {limit_s} s: {self.gateway.unready()}")
        self.check()

    def rest(self, losses: int) -> None:
        """As long as the questions after a loss need to be forgotten by the venue's counters."""
        lost = self.gateway.session.counts.losses > losses
        self.scene.run_for(LONG_REST_S if lost else REST_S)
        self.check()


def tells_nothing(payload: bytes) -> bool:
    """Whether nothing of an account could be told by this frame, however it is read."""
    frame = exact(payload)
    if not isinstance(frame, dict):
        return True
    return (
        "method" not in frame and "error" not in frame and str(frame.get("channel")) not in ACCOUNT
    )


def play(scene: Scene) -> None:
    """A gateway's life among harmed frames. Wrong with the first finding."""
    trading = Trading(scene, broken=scene.rng.random() < 0.5)
    scene.run_for(0.1)
    trading.recover()
    heard = 0
    while heard < scene.frames:
        losses = trading.gateway.session.counts.losses
        for _ in range(min(scene.rng.randint(1, MOST_BURST), scene.frames - heard)):
            if scene.rng.random() < 0.5:
                trading.order()
            scene.run_for(scene.rng.choice((0.0001, 0.001, 0.003, 0.02)))
            payload = scene.harm(trading.dial.recent, "private")
            heard += 1
            if not trading.broken or tells_nothing(payload):
                trading.hear(payload)
        trading.recover()
        trading.rest(losses)
    scene.run_for(5.0)
    trading.check()
    _nothing_missed(trading)
    trading.task.cancel()


def _nothing_missed(trading: Trading) -> None:
    """Nobody waits for ever, and nothing is held for ever."""
    if trading.waiting:
        raise Wrong(f"nobody was told the end of {sorted(trading.waiting)[:3]}")
