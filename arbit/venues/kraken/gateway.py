"""The one door to Kraken: orders over its private WebSocket or over REST, and the account's stream.

`run` owns the socket, the questions after a loss and the token. An order goes the way that was set
when the gateway was made, and is never sent a second time by any way. What the venue asks for by
its refusals (to wait, for how long) is kept before anything new is sent.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from arbit.config import OrderTransport
from arbit.domain.account import ClockOffset, KeyDoubted
from arbit.domain.errors import VenueError, VenueRefused
from arbit.domain.events import VenueSaid
from arbit.domain.order import OrderIntent, OrderState, Outcome, Remedy
from arbit.ports import AccountReader, AccountSink, Clock, Listener
from arbit.venues.account_stream import Keeper, KeeperParts, KeeperSetup
from arbit.venues.clockoffset import OffsetTracker
from arbit.venues.dial import Dialer, PicowsDialer
from arbit.venues.following import HEAR_MS, Following, not_sent
from arbit.venues.kraken.budgets import EngineBudget, RequestBudget, cancel_cost
from arbit.venues.kraken.outcomes import Verdict, judge
from arbit.venues.kraken.private.orders_book import OrdersBook
from arbit.venues.kraken.private.session import PrivateSession, SessionParts
from arbit.venues.kraken.private.token import Token, TokenKeeper
from arbit.venues.kraken.private.ws_orders import WsOrders

MS = 1_000_000
SECOND_NS = 1_000 * MS
RESOLVE_COST = 3  # one question about an order, of open and of closed ones
# The venue takes a deadline no closer than this (docs.kraken.com, "add order"), seen from where it
# arrives; so much more is for its way there, and over REST for the wait until the key's turn comes.
LEAST_MS = {OrderTransport.WS: 500 + 250, OrderTransport.REST: 2_000 + 250 + 750}
MOST_MS = 59_000
MAX_SENT = 1_000  # remembered for the cost of their cancellation
CLOCK_LOOK_S = 5.0
NO_CLOCK = "the venue's clock is not known well enough"
NOT_FOR_THIS = "EGeneral:Permission denied"  # says that the key may not do one thing, no more


class Resolves(Protocol):
    """Finds out what became of an order, one round of questions a call."""

    def ask(self, intent: OrderIntent, order_id: str = "") -> Awaitable[Outcome]:
        """Never raises a VenueError."""
        ...


class SendsOverRest(Protocol):
    """Orders over REST."""

    def send(self, intent: OrderIntent) -> Awaitable[Outcome]:
        """Send once, and find out what became of it."""
        ...

    def cancel(self, client_id: str, order_id: str = "") -> Awaitable[None]:
        """Ask for a cancellation. VenueError when it was not taken."""
        ...


@dataclass(frozen=True, slots=True)
class KrakenGatewaySetup:
    """Settings of the gateway. Times in ms. `ours` knows the client ids of any run of ours.

    `margin_ms` bounds how long past its deadline an order's end is listened for.
    """

    venue: str
    transport: OrderTransport
    ws_url: str
    ours: Callable[[str], bool]
    deadline_ms: int = 2_000
    margin_ms: int = 6_000
    watchdog_ms: int = 2_500
    backoff_cap_ms: int = 15_000
    connects_per_10min: int = 30
    dial: Dialer | None = None  # replaces the WebSocket client (simulation)


@dataclass(frozen=True, slots=True)
class RestParts:
    """The REST side: questions, orders, and what both share with the socket.

    `away_ns` is how long (from a monotonic time) the venue wants no request at all.
    """

    reader: AccountReader
    resolver: Resolves
    orders: SendsOverRest
    token: Callable[[], Awaitable[Token]]
    requests: RequestBudget
    engine: EngineBudget
    offsets: OffsetTracker
    away_ns: Callable[[int], int] = field(default=lambda _now_ns: 0)


class KrakenGateway:
    """`ports.OrderGateway` of one Kraken account. Nothing is sent before `run` has a stream."""

    def __init__(
        self,
        setup: KrakenGatewaySetup,
        clock: Clock,
        rest: RestParts,
        sink: AccountSink,
        publish: Listener,
    ) -> None:
        self.transport = setup.transport.value
        # Asked right before a REST order leaves, which may be long after it was cleared.
        self.forbid: Callable[[OrderIntent], str] = lambda _intent: ""
        self._setup = setup
        self._clock = clock
        self._rest = rest
        self._publish = publish
        self._sink = sink
        self._over_ws = setup.transport is OrderTransport.WS
        self._hear_ns = min(setup.margin_ms, HEAR_MS) * MS
        self._deadline_ns = min(MOST_MS, max(setup.deadline_ms, LEAST_MS[setup.transport])) * MS
        self._away_until_ns = 0
        self._away_why = ""
        self._trouble = ""  # words that put the key or the account in question
        self._sent: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._book = OrdersBook(setup.ours)
        self.following = Following(self._book, clock, sink)
        self.orders = WsOrders(
            self.following, clock, self._hear_ns, self.judged, self._pair_is_full
        )
        self.tokens = TokenKeeper(self._new_token, clock, setup.backoff_cap_ms)
        self.session = PrivateSession(
            SessionParts(
                venue=setup.venue,
                book=self._book,
                following=self.following,
                sink=sink,
                publish=publish,
                replied=self.orders.reply,
                pong=rest.offsets.sample,
                refused=self._stream_refused,
                rated=rest.engine.told,
            )
        )
        self.keeper = Keeper(
            KeeperSetup(
                setup.ws_url, setup.watchdog_ms, setup.backoff_cap_ms, setup.connects_per_10min
            ),
            self.session,
            self._book,
            KeeperParts(
                clock,
                setup.dial or PicowsDialer(),
                rest.reader,
                sink,
                self._away_ns,
                rest.offsets.venue_ns,
                self.tokens.fresh,
            ),
        )

    async def run(self) -> None:
        """Keep the stream, the token and the clock's offset, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, work in (
                ("socket", self.keeper.keep_open()),
                ("catch-up", self.keeper.catch_up()),
                ("token", self.tokens.renew_on(lambda: self.session.subscribed)),
                ("clock", self._know_time()),
            ):
                group.create_task(work, name=f"{self._setup.venue}-private-{name}")

    # --- before an order -------------------------------------------------------------------------

    def unready(self) -> str:
        """Why no order can be sent now; empty when one can."""
        return self._unready(self._clock.monotonic_ns(), self._rest.offsets.now())

    def _unready(self, now_ns: int, offset: ClockOffset | None) -> str:
        away_ns = self._away_ns(now_ns)
        if away_ns:
            why = self._away_why or "the venue's limits"
            return f"told to wait {-(-away_ns // SECOND_NS)} s more: {why}"
        if self._trouble:
            return self._trouble
        if self._over_ws and not self.session.whole:
            return f"account stream: {self.session.why}"
        if self._over_ws and not self.tokens.current(now_ns):
            return self.tokens.why or "the token has expired"
        if offset is None:
            return NO_CLOCK
        if not self._rest.requests.may(RESOLVE_COST, now_ns, reserved=True):
            return "the request counter has no room to ask what becomes of an order"
        return ""

    def deadline_ns(self) -> int | None:
        """The venue deadline of an order sent now (venue wall time), None while it is unknown.

        It is never closer than the venue takes, nor than its way there.
        """
        venue_ns = self._rest.offsets.venue_ns()
        return None if venue_ns is None else venue_ns + self._deadline_ns

    # --- an order --------------------------------------------------------------------------------

    def send(self, intent: OrderIntent) -> Awaitable[Outcome]:
        """Send once, in this very call (over REST: when the key's turn comes), and report.

        An order that certainly never left is REJECTED with a reason that begins with "not sent".
        """
        now_ns = self._clock.monotonic_ns()
        offset = self._rest.offsets.now()
        why = self._unready(now_ns, offset)
        if why or offset is None:
            return not_sent(intent, why or NO_CLOCK)
        if not self._over_ws:
            self._remember(intent, now_ns)
            return self._over_rest(intent)
        write, symbol = self.session.write, intent.leg.symbol
        if write is None:
            return not_sent(intent, "no socket")
        if not self._rest.engine.may(symbol, 1, now_ns):
            return not_sent(intent, "the venue's order counter would be full")
        venue_ns = self._clock.wall_ns() + offset.offset_ns - offset.uncertainty_ns
        sent = self.orders.sent
        waiting = self.orders.send(intent, venue_ns, self.tokens.current(now_ns), write)
        if self.orders.sent > sent:
            self._rest.engine.spend(symbol, 1, now_ns)
            self._remember(intent, now_ns)
        return waiting

    async def resolve(self, intent: OrderIntent, order_id: str = "") -> Outcome:
        """Ask what became of an UNKNOWN order: one round, from the reserved budget."""
        return await self._rest.resolver.ask(intent, order_id)

    async def cancel(self, client_id: str, order_id: str = "") -> None:
        """Ask for a cancellation. VenueError when it was not sent; the order's fate is asked."""
        now_ns = self._clock.monotonic_ns()
        known = self._sent.get(client_id)
        if known is not None:
            symbol, sent_ns = known
            cost = cancel_cost((now_ns - sent_ns) / SECOND_NS)
            if not self._rest.engine.may(symbol, cost, now_ns, reserved=True):
                raise VenueRefused("cancel not sent: the order counter would be full")
            self._rest.engine.spend(symbol, cost, now_ns)
        write, token = self.session.write, self.tokens.current(now_ns)
        if self._over_ws and write is not None and token:
            self.orders.cancel(client_id, order_id, token, write)
            return
        await self._rest.orders.cancel(client_id, order_id)

    async def _over_rest(self, intent: OrderIntent) -> Outcome:
        """Over REST; the account's stream tells the end sooner than questions do, when it is up."""
        offset = self._rest.offsets.now()
        if self.session.whole and not self.following.full(intent.client_id) and offset is not None:
            venue_ns = self._clock.wall_ns() + offset.offset_ns - offset.uncertainty_ns
            wait_ns = max(0, intent.deadline_ns - venue_ns) + self._hear_ns
            return await self._raced(intent, wait_ns)
        return await self._rest.orders.send(intent)

    async def _raced(self, intent: OrderIntent, wait_ns: int) -> Outcome:
        told = self.following.follow(intent)
        self.following.within(intent.client_id, wait_ns)
        try:
            async with asyncio.TaskGroup() as group:
                asked = group.create_task(_awaited(self._rest.orders.send(intent)))
                await asyncio.wait({told, asked}, return_when=asyncio.FIRST_COMPLETED)
                if told.done() and told.result().state.over:
                    asked.cancel()  # its end is known; what is asked now is of no use
                    return told.result()
                outcome = await asked
        finally:
            order_id = self.following.order_id_of(intent.client_id)
            self.following.end(Outcome(intent.client_id, OrderState.UNKNOWN, order_id=order_id))
        if outcome.state is OrderState.REJECTED and order_id:
            said = f"{outcome.reason}, yet it is {order_id}"
            return Outcome(intent.client_id, OrderState.UNKNOWN, order_id=order_id, reason=said)
        return outcome

    def _remember(self, intent: OrderIntent, now_ns: int) -> None:
        self._sent[intent.client_id] = (intent.leg.symbol, now_ns)
        if len(self._sent) > MAX_SENT:
            self._sent.popitem(last=False)

    # --- what the venue asks for -----------------------------------------------------------------

    def judged(self, words: str, verdict: Verdict) -> None:
        """A refusal's verdict: keep away for as long as it says, renew what it does not take."""
        if verdict.remedy in {Remedy.BACK_OFF, Remedy.LOCKOUT}:
            until_ns = self._clock.monotonic_ns() + int(verdict.wait_s * SECOND_NS)
            if until_ns > self._away_until_ns:
                self._away_until_ns, self._away_why = until_ns, words
        if words == "EAPI:Invalid token":
            self.tokens.spoil()

    def judged_over_rest(self, words: str, verdict: Verdict) -> None:
        """The same for an answer over REST, of which nobody else tells; the key may be at fault."""
        self._publish(VenueSaid(self._setup.venue, words))
        self.judged(words, verdict)
        if verdict.remedy is Remedy.HALT and words not in {NOT_FOR_THIS, self._trouble}:
            self._trouble = words
            self.tokens.spoil()  # asked for anew, with pauses, until the key is good for one again
            self._sink(KeyDoubted(words))  # that it is good for a token again is no all-clear

    def _pair_is_full(self, symbol: str) -> None:
        self._rest.engine.fill(symbol, self._clock.monotonic_ns())

    async def _new_token(self) -> Token:
        token = await self._rest.token()
        self._trouble = ""  # the key was good enough for this
        return token

    def _stream_refused(self, words: str) -> None:
        self.judged(words, judge(words, self._clock.wall_ns() / SECOND_NS))

    def _away_ns(self, now_ns: int) -> int:
        return max(0, self._away_until_ns - now_ns, self._rest.away_ns(now_ns))

    async def _know_time(self) -> None:
        """Ask for the venue's time over REST while no pong tells it; for ever."""
        while True:
            if self._rest.offsets.now() is None and not self.session.subscribed:
                try:
                    self._rest.offsets.take(await self._rest.reader.clock_offset())
                except VenueError as error:
                    self._publish(VenueSaid(self._setup.venue, f"clock: {error}"))
            await self._clock.sleep(CLOCK_LOOK_S)


async def _awaited(work: Awaitable[Outcome]) -> Outcome:
    return await work
