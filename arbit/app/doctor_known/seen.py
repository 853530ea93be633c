"""What is seen on the way through the pipeline: witnesses that stand between two stages."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from arbit.app.doctor_known.answers import Order
from arbit.app.doctor_known.venue import Sent
from arbit.domain.book import BookView, Disbelief, OrderBook, Source
from arbit.domain.events import Event, FeedCounts, OrderSent
from arbit.domain.order import OrderIntent, Trade
from arbit.domain.plan import Plan
from arbit.domain.recorded import Recorded
from arbit.domain.refusal import Refused
from arbit.ports import BookSink

Levels = tuple[tuple[Decimal, Decimal], ...]
Sides = tuple[Levels, Levels]


@dataclass(slots=True)
class Seen:
    """Everything that the judge looks at. Empty (or None) where the pipeline never came so far."""

    told: dict[str, Sides] = field(default_factory=dict)  # by the feed, when the gap was open
    cached: dict[str, Sides] = field(default_factory=dict)
    counts: FeedCounts | None = None
    disbelieved: list[tuple[str, Disbelief]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    plans: list[tuple[Plan, Refused | None]] = field(default_factory=list)
    killed: Refused | None = None  # what the gate says while the kill switch is on
    asked_while_killed: bool = False
    unkilled: Refused | None = None  # what it says once that is off, and nobody has resumed
    unknown: list[str] = field(default_factory=list)  # whose bytes left before the journal had it
    arrived: list[Sent] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    venue_wallet: dict[str, Decimal] = field(default_factory=dict)
    ledger_wallet: dict[str, Decimal] = field(default_factory=dict)
    ledger_wrong: str = ""
    ends: dict[str, int] = field(default_factory=dict)
    profit: dict[str, Decimal] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    unfit: dict[str, int] = field(default_factory=dict)
    breaker: str = ""
    left: str = ""  # what the end in order left
    recorded: Recorded | None = None
    findings: list[str] = field(default_factory=list)  # of the check of the database
    stuck: str = ""
    broke: list[str] = field(default_factory=list)  # errors that nobody expected

    @property
    def sent(self) -> list[OrderSent]:
        """Every order that the engine says it sent, in order."""
        return [one for one in self.events if isinstance(one, OrderSent)]


class WitnessedSink:
    """A `BookSink` that hands everything on, and remembers what the feed told last."""

    def __init__(self, sink: BookSink, seen: Seen) -> None:
        self._sink = sink
        self._seen = seen
        self.books: dict[str, Sides] = {}

    def put(self, book: OrderBook, *, seen_ns: int, confirmed_ns: int, source: Source) -> None:
        """A verified book."""
        self.books[book.symbol] = levels_of(
            book.view(source=source, seen_ns=seen_ns, confirmed_ns=confirmed_ns)
        )
        self._sink.put(book, seen_ns=seen_ns, confirmed_ns=confirmed_ns, source=source)

    def disbelieve(self, symbol: str, reason: Disbelief) -> None:
        """One that is not."""
        self._seen.disbelieved.append((symbol, reason))
        self._sink.disbelieve(symbol, reason)

    def confirm(self, symbol: str, confirmed_ns: int, *, depth: bool = False) -> None:
        """A look agreed."""
        self._sink.confirm(symbol, confirmed_ns, depth=depth)

    def set_status(self, symbol: str, reason: Disbelief | None) -> None:
        """How the market is."""
        self._sink.set_status(symbol, reason)


def levels_of(view: BookView) -> Sides:
    """Both sides, best first."""
    bids = tuple((one.price, one.qty) for one in view.bids)
    return bids, tuple((one.price, one.qty) for one in view.asks)


def sent_order(event: OrderSent) -> Order:
    """What the engine says that it sent, as the answers word it."""
    return Order(event.symbol, event.side, Decimal(event.qty), Decimal(event.limit_price))


def order_of(intent: OrderIntent) -> Order:
    """The same of an intent."""
    leg = intent.leg
    return Order(leg.symbol, leg.side.value, intent.qty, intent.limit_price)
