"""The doors between rooms, as Protocols. Nothing here does anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from arbit.domain.account import (
    AccountEvent,
    Balance,
    ClockOffset,
    Counts,
    Flow,
    KeyFacts,
    VenueOrder,
)
from arbit.domain.book import BookView, Disbelief, Integrity, Level, OrderBook, Source
from arbit.domain.events import Event, FeedCounts
from arbit.domain.fee_ladder import FeeLadder
from arbit.domain.market import Market
from arbit.domain.order import OrderIntent, Outcome, Trade
from arbit.domain.records import Batch, LateFee, Memory, PostedFee
from arbit.domain.walk import LegWalk
from arbit.domain.wallet import WalletLook


class Clock(Protocol):
    """The only source of time and chance."""

    def monotonic_ns(self) -> int:
        """Monotonic nanoseconds: for ages, timeouts and order of events."""
        ...

    def wall_ns(self) -> int:
        """UTC nanoseconds since 1970: for records and venue deadlines only."""
        ...

    def jitter(self) -> float:
        """A number in [0, 1) from the process's own seeded source."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        """Run `callback` at monotonic `when_ns`; the returned function cancels it."""
        ...


class BookSink(Protocol):
    """Where feeds hand their books. Synchronous; never raises for a known symbol."""

    def put(self, book: OrderBook, *, seen_ns: int, confirmed_ns: int, source: Source) -> None:
        """This book is verified as of `confirmed_ns`; its symbol is touched."""
        ...

    def disbelieve(self, symbol: str, reason: Disbelief) -> None:
        """Stop believing the symbol's book until the next `put`."""
        ...

    def confirm(self, symbol: str, confirmed_ns: int, *, depth: bool = False) -> None:
        """An independent look agreed with the book held: its top is that young again.

        With `depth` the look compared the levels behind the top as well.
        """
        ...

    def set_status(self, symbol: str, reason: Disbelief | None) -> None:
        """MARKET_STATUS or VENUE_STATUS while the market does not trade, None when it does."""
        ...


class MarketFeed(Protocol):
    """Verified books of one venue."""

    integrity: Integrity
    counts: FeedCounts

    async def run(self, symbols: Sequence[str]) -> None:
        """Feed the sink with these symbols until cancelled. Never returns silently."""
        ...

    async def confirm(self, symbols: Sequence[str]) -> None:
        """Take an independent look at these symbols now (a candidate's legs), within limits."""
        ...

    def doubt_since(self, since_ns: int) -> None:
        """What came since then may have waited to be read: it is to be looked at."""
        ...

    def states(self) -> Mapping[str, str]:
        """Each connection's state in a word, for the screen."""
        ...

    def orderbook_stream(self, symbols: Sequence[str]) -> AsyncIterator[BookView]:
        """An async iterator of verified books: for scripts and tests, beside `run`."""
        ...


class MarketCatalog(Protocol):
    """What a venue lists, with increments, minima, status and its published ladder's fees."""

    async def markets(self) -> Mapping[str, Market]:
        """Every listed market by symbol. VenueUnreachable when nobody answers."""
        ...

    async def ladders(self) -> Mapping[str, FeeLadder]:
        """The published fee ladder of each market that has one that makes sense."""
        ...


class BookReader(Protocol):
    """Questions about books, asked over REST: independent of the stream, rate-limited."""

    async def tops(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        """Best bid and ask of every market, in one call."""
        ...

    async def depth(self, symbol: str, depth: int) -> tuple[Sequence[Level], Sequence[Level]]:
        """Bids and asks of one market, best first."""
        ...


class OrderGateway(Protocol):
    """The one door through which an order leaves."""

    transport: str  # "ws", "rest" or "paper": fixed for an order, and kept with it

    def unready(self) -> str:
        """Why no order can be sent now; empty when one can."""
        ...

    def deadline_ns(self) -> int | None:
        """The venue deadline of an order sent now (venue wall time); 0 on paper.

        None while the venue's clock is not known well enough.
        """
        ...

    def send(self, intent: OrderIntent) -> Awaitable[Outcome]:
        """Send once, in this very call, and report what became of the order.

        Never retried, never raises but for cancellation, which does not recall the order. The
        outcome is over, or UNKNOWN a while after its deadline without proof. An
        order that certainly never left is REJECTED.
        """
        ...

    def resolve(self, intent: OrderIntent, order_id: str = "") -> Awaitable[Outcome]:
        """Ask what became of an UNKNOWN order: one round of questions, from a reserved budget.

        Open, then closed orders by client id, then their trades. ACKED when it is still open,
        NEVER when two answers after its deadline and a margin did not know it, UNKNOWN otherwise.
        """
        ...

    def cancel(self, client_id: str, order_id: str = "") -> Awaitable[None]:
        """Ask the venue to cancel it, and return (or raise VenueError) within a gateway's own time.

        Whatever is answered, or is not, `resolve` tells what became of the order.
        """
        ...


Known = Callable[[Sequence[str]], frozenset[str]]


def nothing_known(trade_ids: Sequence[str]) -> frozenset[str]:
    """No trade is known yet."""
    del trade_ids
    return frozenset()


class AccountReader(Protocol):
    """Questions about an account. Reads only; VenueRefused and VenueUnreachable are raised."""

    async def balances(self) -> Mapping[str, Balance]:
        """Every asset with a balance."""
        ...

    async def fees(self, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        """The account's own taker fee of each market, as a fraction."""
        ...

    async def open_orders(self) -> Sequence[VenueOrder]:
        """Every open order of the account, ours or not."""
        ...

    async def trades_since(self, since_ns: int, known: Known = nothing_known) -> Sequence[Trade]:
        """Every trade of the account from venue wall time `since_ns` on, oldest first.

        Those that `known` knows by their ids are left out, and cost no further question.
        """
        ...

    async def flows_since(self, since_ns: int) -> Sequence[Flow]:
        """Everything that moved a balance from `since_ns` on, and every fee posted since.

        Oldest first. What a trade moved names it: its own row says the same, and is booked instead
        if it is ours. A trade whose fee is reckoned (`Trade.fee_slack`) has no rows: it says all
        there is. A posted fee (`account.FEE_POSTED`) moved no balance: it says what was paid for
        trades before it.
        """
        ...

    async def counts(self, after_ns: int, until_ns: int) -> Counts:
        """How much happened after one venue wall time and until another, without listing it.

        Posted fees (`account.FEE_POSTED`) are no flows here: they move no balance, and their time
        may be only a day's. Only what moved a balance without a trade counts as a flow.
        """
        ...

    async def key(self) -> KeyFacts:
        """What the key may do."""
        ...

    async def clock_offset(self) -> ClockOffset:
        """The venue's clock against ours, asked anew."""
        ...


class AccountSink(Protocol):
    """Where an account's stream tells what happens on it. Synchronous; never raises."""

    def __call__(self, event: AccountEvent, /) -> None:
        """Take it in."""
        ...


class Journal(Protocol):
    """What must survive. One account's rows; each write is one durable transaction."""

    def write(self, batch: Batch) -> None:
        """Keep the batch for good, or raise JournalFailed and keep nothing of it."""
        ...

    def recall(self) -> Memory:
        """What a start needs to know. JournalFailed when it cannot be read."""
        ...

    def known_trades(self, trade_ids: Sequence[str]) -> frozenset[str]:
        """Which of these trades are kept already."""
        ...

    def known_flows(self, refs: Sequence[str]) -> frozenset[str]:
        """Which of these flows, posted fees among them, are kept already."""
        ...

    def stated_fees(self) -> tuple[Sequence[LateFee], Sequence[PostedFee]]:
        """The newest late fees that were stated, and what was posted for them or fits nothing."""
        ...

    def counts(self, after_ns: int, until_ns: int) -> Counts:
        """How many trades and flows of this while (venue wall times) are kept.

        One that was kept long after it happened may be left out.
        """
        ...

    def wallet_moves(self, trade_ids: Sequence[str]) -> Mapping[str, Mapping[str, Decimal]]:
        """What is posted to the wallet for these trades, by trade and asset, rounding included.

        Those that are not kept are left out.
        """
        ...

    def walks_of(self, cycle_id: str) -> Sequence[LegWalk]:
        """What the legs of this cycle were to trade with, as it was seen."""
        ...

    def find(self, order: str) -> Memory | None:
        """The cycle that sent this order (its client id or the venue's id), with all that is its.

        None when no cycle of ours did.
        """
        ...


class WalletReader(Protocol):
    """Looks at what is owned on a chain. Reads only."""

    async def read(self) -> WalletLook:
        """One look at everything. WalletUnread when it comes to nothing, within a bounded time."""
        ...


class Listener(Protocol):
    """A witness of events. It must not block; if it raises it is counted and dropped."""

    def __call__(self, event: Event, /) -> None:
        """Take note."""
        ...
