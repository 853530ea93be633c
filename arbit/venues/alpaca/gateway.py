"""The one door to Alpaca: orders over REST, followed on `trade_updates` and by questions.

`run` owns the socket, the questions after a loss, the clock and every order's follower. An order
leaves once, whatever becomes of whoever waits for it: its follower belongs to `run`, not to the
caller. What an answer proves is said in `outcomes`; whatever proves nothing is looked for under our
own client id, a few times here and then by `resolve`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from arbit.domain.account import KeyDoubted
from arbit.domain.errors import FrameError, VenueError, VenueRefused, VenueUnreachable
from arbit.domain.events import VenueSaid
from arbit.domain.money import plain
from arbit.domain.order import OrderIntent, OrderState, Outcome, Remedy
from arbit.ports import AccountSink, Clock, Listener
from arbit.venues.account_stream import Keeper, KeeperParts, KeeperSetup
from arbit.venues.alpaca.http import Http, Keys, Lost, NeverLeft, said
from arbit.venues.alpaca.names import Listed
from arbit.venues.alpaca.orders_book import OrdersBook, differs
from arbit.venues.alpaca.outcomes import Verdict, judge
from arbit.venues.alpaca.parse_orders import order_of
from arbit.venues.alpaca.reads import AlpacaReads
from arbit.venues.alpaca.resolve import Resolver
from arbit.venues.alpaca.updates import SessionParts, UpdatesSession
from arbit.venues.clockoffset import OffsetTracker
from arbit.venues.dial import Dialer, PicowsDialer
from arbit.venues.following import Following, not_sent

MS = 1_000_000
SECOND_NS = 1_000 * MS
ORDER_S = 8.0  # our own request of an order is given up, and its connection closed, after this
# An order's deadline is no nearer: our own wait, and half a minute for what may then still be on
# its way or wait behind the venue's edge. See `resolve` and docs/decisions/0010.
LEAST_DEADLINE_MS = int(ORDER_S * 1_000) + 30_000
CLOSER_NS = 5 * SECOND_NS  # what the engine, and a better look at the clock, may take off it
# Waits before each question about an order that has left and whose end the stream has not told.
LOOKS_S = (0.4, 0.6, 1.0, 2.0, 3.0)
DEAF_LOOK = 2  # found over at this look or later: the stream should have told it long before
# So many requests are left to questions and cancellations; orders use what reads may not.
KEPT_FOR_QUESTIONS = 20
REQUESTS_AN_ORDER = 2  # itself, and a look at it where the stream is late
MAX_SEEN = 10_000
CLOCK_LOOK_S = 5.0
CLOCK_EVERY_NS = 120 * SECOND_NS
PINGS_A_WATCHDOG = 2
NO_CLOCK = "the venue's clock is not known well enough"
GONE = frozenset({404, 422})  # of a cancellation: nothing there to cancel any more
_WORD = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class AlpacaGatewaySetup:
    """Settings of the gateway. Times in ms. `ours` knows the client ids of any run of ours."""

    venue: str
    ws_url: str
    keys: Keys
    ours: Callable[[str], bool]
    deadline_ms: int = 2_000
    watchdog_ms: int = 2_500
    backoff_cap_ms: int = 15_000
    connects_per_10min: int = 30
    dial: Dialer | None = None  # replaces the WebSocket client (simulation)


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """The REST side: the client of the trading host, and what reads through it."""

    http: Http
    listed: Listed
    reader: AlpacaReads
    resolver: Resolver
    book: OrdersBook
    offsets: OffsetTracker


class AlpacaGateway:
    """`ports.OrderGateway` of one Alpaca account. Nothing is sent before `run` has a stream."""

    transport = "rest"

    def __init__(
        self,
        setup: AlpacaGatewaySetup,
        clock: Clock,
        parts: GatewayParts,
        sink: AccountSink,
        publish: Listener,
    ) -> None:
        # Asked once more right before an order leaves.
        self.forbid: Callable[[OrderIntent], str] = lambda _intent: ""
        self._setup = setup
        self._clock = clock
        self._parts = parts
        self._sink = sink
        self._publish = publish
        self._group: asyncio.TaskGroup | None = None
        self._deadline_ns = max(setup.deadline_ms, LEAST_DEADLINE_MS) * MS
        self._away_until_ns = 0
        self._away_why = ""
        self._trouble = ""  # words that put the key or the account in question
        self._seen: dict[str, None] = {}  # client ids that left in this run
        self._out: set[str] = set()  # those whose request is out now
        self._clock_ns = -CLOCK_EVERY_NS
        parts.resolver.travelling = self._out.__contains__
        self.following = Following(parts.book, clock, sink)
        self.session = UpdatesSession(
            SessionParts(
                venue=setup.venue,
                keys=setup.keys,
                names=parts.listed.names,
                book=parts.book,
                following=self.following,
                sink=sink,
                publish=publish,
                refused=self._doubt_key,
                good=self._key_is_good,
            )
        )
        ping_ms = max(1, setup.watchdog_ms // PINGS_A_WATCHDOG)
        self.keeper = Keeper(
            KeeperSetup(
                setup.ws_url, setup.watchdog_ms, setup.backoff_cap_ms, setup.connects_per_10min
            ),
            self.session,
            parts.book,
            KeeperParts(
                clock,
                setup.dial or PicowsDialer(ping_ms=ping_ms),
                parts.reader,
                sink,
                self._away_ns,
                parts.offsets.venue_ns,
                self._prepared,
            ),
        )

    async def run(self) -> None:
        """Keep the stream and the clock's offset, and follow orders, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for name, work in (
                    ("socket", self.keeper.keep_open()),
                    ("catch-up", self.keeper.catch_up()),
                    ("clock", self._know_time()),
                ):
                    group.create_task(work, name=f"{self._setup.venue}-private-{name}")
                self._group = group
                try:
                    await asyncio.Event().wait()
                finally:  # before the group ends: from here on nothing new is begun in it
                    self._group = None
        finally:
            self.following.lost("the gateway has stopped")

    # --- before an order -------------------------------------------------------------------------

    def unready(self) -> str:
        """Why no order can be sent now; empty when one can."""
        now_ns = self._clock.monotonic_ns()
        if self._group is None:
            return "the gateway does not run"
        if self._trouble:
            return self._trouble
        if away_ns := self._away_until_ns - now_ns if self._away_until_ns > now_ns else 0:
            why = self._away_why or "the venue's limits"
            return f"told to wait {-(-away_ns // SECOND_NS)} s more: {why}"
        if not self.session.whole:
            return f"account stream: {self.session.why}"
        if self._parts.offsets.now() is None:
            return NO_CLOCK
        if wait_ns := self._parts.http.budget.wait_ns(
            now_ns, reserved=True, cost=KEPT_FOR_QUESTIONS
        ):
            return f"the request limit has no room for {-(-wait_ns // SECOND_NS)} s more"
        return ""

    def room(self) -> int:
        """How many orders the request limit leaves room for, with a question about each.

        A cycle whose last legs would have to wait for the next minute must not begin; nor one that
        leaves no room to compare the books, which would stop all the others.
        """
        left = self._parts.http.budget.left(self._clock.monotonic_ns()) - KEPT_FOR_QUESTIONS
        return max(0, left // REQUESTS_AN_ORDER)

    def deadline_ns(self) -> int | None:
        """When an order sent now can no longer arrive (venue wall time); None while not known.

        Alpaca itself keeps no deadline: it is far enough away for our own request to be over.
        """
        venue_ns = self._parts.offsets.venue_ns()
        return None if venue_ns is None else venue_ns + self._deadline_ns

    # --- an order --------------------------------------------------------------------------------

    def send(self, intent: OrderIntent) -> Awaitable[Outcome]:
        """Send once and report; its follower is begun in this very call, and is not the caller's.

        An order that certainly never left is REJECTED with a reason that begins with "not sent".
        """
        client_id = intent.client_id
        if client_id in self._seen:
            words = "it was sent before: it is not sent again"
            return _said(Outcome(client_id, OrderState.UNKNOWN, reason=words))
        why = self.unready() or self._unsendable(intent) or self.following.full(client_id)
        if why or self._group is None:
            return not_sent(intent, why)
        self._seen[client_id] = None
        if len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        waiting = self.following.follow(intent)
        self._out.add(client_id)
        self._group.create_task(self._placed(intent), name=f"{self._setup.venue}-{client_id}")
        return waiting

    async def resolve(self, intent: OrderIntent, order_id: str = "") -> Outcome:
        """Ask what became of an UNKNOWN order: one round, from the reserved budget."""
        return await self._parts.resolver.ask(intent, order_id)

    async def cancel(self, client_id: str, order_id: str = "") -> None:
        """Ask for a cancellation. VenueError when it was not taken; the order's fate is asked.

        Alpaca cancels by its own id only, so that is asked for first where it is not known.
        """
        order_id = order_id or self._parts.book.order_id_of(client_id)
        if not order_id:
            order = await self._parts.resolver.find(client_id)
            if order is None or order.over:
                return
            order_id = order.order_id
        if not _WORD.fullmatch(order_id):
            raise VenueRefused(f"{order_id!r:.40} is no order's id", method="cancel")
        answer = await self._parts.http.ask("DELETE", f"/v2/orders/{order_id}", reserved=True)
        if not answer.ok and answer.status not in GONE:
            raise VenueUnreachable(f"cancel: {answer.status} {said(answer)}".strip())

    def _unsendable(self, intent: OrderIntent) -> str:
        """Why it cannot be sent; its deadline has to be as far away as `resolve` relies on."""
        venue_ns = self._parts.offsets.venue_ns()
        if venue_ns is None:
            return NO_CLOCK
        if intent.deadline_ns - venue_ns < LEAST_DEADLINE_MS * MS - CLOSER_NS:
            return "its deadline is so near that the request might outlive it"
        return unsendable(intent)

    async def _placed(self, intent: OrderIntent) -> None:
        """Send it, and follow it to its end or to where nobody can say."""
        client_id = intent.client_id
        try:
            words, remedy = await self._post(intent)
            self._out.discard(client_id)
            if self.following.intent(client_id) is not None:
                await self._watch(intent, words, remedy)
        finally:
            self._out.discard(client_id)
            self.following.unknown(client_id, "nobody follows it any more")

    async def _post(self, intent: OrderIntent) -> tuple[str, Remedy]:
        """Send it, in one request; why nothing is proved by the answer, where nothing is."""
        if why := self.forbid(intent) or self.unready() or self._unsendable(intent):
            self._refused(intent, Outcome(intent.client_id, _NO, reason=f"not sent: {why}"))
            return "", Remedy.NONE
        try:
            answer = await self._parts.http.ask(
                "POST", "/v2/orders", body=order_body(intent), reserved=True, within_s=ORDER_S
            )
        except NeverLeft as error:
            self._refused(intent, Outcome(intent.client_id, _NO, reason=f"not sent: {error}"))
            return "", Remedy.NONE
        except Lost as error:
            return str(error), Remedy.NONE
        verdict = judge(answer)
        if verdict.state is OrderState.ACKED:
            return self._acked(intent, verdict), Remedy.NONE
        self._heed(verdict)
        if verdict.state is OrderState.REJECTED:
            said_no = Outcome(intent.client_id, _NO, reason=verdict.words, remedy=verdict.remedy)
            self._refused(intent, said_no)
        return verdict.words, verdict.remedy

    def _acked(self, intent: OrderIntent, verdict: Verdict) -> str:
        """Take the accepted order in; why it is no acceptance of ours, empty when it is."""
        try:
            order = order_of(verdict.order, self._parts.listed.names)
        except FrameError as error:
            return str(error)
        if order.client_id != intent.client_id:
            return "the answer does not name our order"
        if why := differs(order, intent):
            return f"the venue's order is {why}"
        self.following.hear(self._parts.book.take(order))
        return ""

    def _refused(self, intent: OrderIntent, outcome: Outcome) -> None:
        """It was not placed, unless something has named the order all the same."""
        order_id = self.following.order_id_of(intent.client_id)
        if order_id:
            said_so = f"{outcome.reason}, yet it is {order_id}"
            outcome = replace(outcome, state=OrderState.UNKNOWN, order_id=order_id, reason=said_so)
        self.following.end(outcome)

    async def _watch(self, intent: OrderIntent, words: str, remedy: Remedy) -> None:
        """Look for its end a few times, while the stream does not tell it."""
        client_id, reason = intent.client_id, ""
        for look, wait_s in enumerate(LOOKS_S):
            await self._clock.sleep(wait_s)
            if self.following.intent(client_id) is None:
                return
            outcome = await self._parts.resolver.ask(intent)
            if self.following.intent(client_id) is None:
                return
            if outcome.state.over:
                self.following.end(replace(outcome, remedy=remedy))
                if look >= DEAF_LOOK and outcome.state is not OrderState.NEVER:
                    self.session.doubt("an order has ended, and the stream did not tell it")
                return
            reason = outcome.reason or "it is still open"
        self.following.unknown(client_id, f"{words}; {reason}" if words else reason, remedy)

    # --- what the venue asks for -----------------------------------------------------------------

    def _heed(self, verdict: Verdict) -> None:
        """Keep away for as long as it says, and doubt a key that it does not take."""
        self._publish(VenueSaid(self._setup.venue, verdict.words))
        if verdict.wait_s:
            until_ns = self._clock.monotonic_ns() + int(verdict.wait_s * SECOND_NS)
            if until_ns > self._away_until_ns:
                self._away_until_ns, self._away_why = until_ns, verdict.words
        if verdict.remedy is Remedy.HALT:
            self._doubt_key(verdict.words)
            self.session.doubt(verdict.words)  # the next socket tells whether the key is good

    def _doubt_key(self, words: str) -> None:
        if not self._trouble:
            self._sink(KeyDoubted(words))
        self._trouble = words

    def _key_is_good(self) -> None:
        self._trouble = ""

    def _away_ns(self, now_ns: int) -> int:
        return max(0, self._away_until_ns - now_ns)

    async def _prepared(self) -> str:
        """Before a socket is opened its events must be readable: the venue's names are asked."""
        await self._parts.listed.learn()
        return ""

    async def _know_time(self) -> None:
        """Ask for the venue's time now and then, oftener while it is not known; for ever."""
        while True:
            now_ns = self._clock.monotonic_ns()
            if self._parts.offsets.now() is None or now_ns - self._clock_ns >= CLOCK_EVERY_NS:
                try:
                    self._parts.offsets.take(await self._parts.reader.clock_offset())
                    self._clock_ns = now_ns
                except VenueError as error:
                    self._publish(VenueSaid(self._setup.venue, f"clock: {error}"))
            await self._clock.sleep(CLOCK_LOOK_S)


_NO = OrderState.REJECTED


def unsendable(intent: OrderIntent) -> str:
    """Why this order cannot be put into words; empty when it can."""
    if not _WORD.fullmatch(intent.client_id):
        return f"{intent.client_id!r:.40} is no client id"
    for amount in (intent.qty, intent.limit_price):
        if not amount.is_finite() or amount <= 0:
            return f"{amount} is no amount"
    return ""


def order_body(intent: OrderIntent) -> Mapping[str, str]:
    """`POST /v2/orders`: an immediate-or-cancel limit order, its numbers as exact text."""
    return {
        "symbol": intent.leg.symbol,
        "qty": plain(intent.qty),
        "side": intent.leg.side.value,
        "type": "limit",
        "time_in_force": "ioc",
        "limit_price": plain(intent.limit_price),
        "client_order_id": intent.client_id,
    }


async def _said(outcome: Outcome) -> Outcome:
    return outcome
