"""The market: fair values, makers and takers on one clock, one book a pair.

Deterministic: the same profile and seed give the same events at the same virtual times. There is
no IO, no wall clock and no ambient chance here; whoever drives it passes the time in.
"""

import heapq
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from arbit.sandbox import profiles
from arbit.sandbox.book import (
    ASK,
    BID,
    SIDE_NAMES,
    Book,
    Fill,
    Incoming,
    Order,
    Submission,
)
from arbit.sandbox.instruments import PAIR_STATUSES, SYSTEM_STATUSES, Instrument
from arbit.sandbox.makers import MS, Maker, delay_ns
from arbit.sandbox.prices import Prices
from arbit.sandbox.profiles import Listing, Profile

TAKER_REACH_BPS = 6.0  # how far beyond the top a taker is ready to pay


class BookChange(NamedTuple):
    """A level's new total after an event: ``qty`` 0 means the level is gone."""

    symbol: str
    side: str  # "bid" or "ask"
    price: int
    qty: int
    at_ns: int


@dataclass(slots=True)
class Tape:
    """What has traded on a pair since the market began, in the pair's integer units."""

    first: int = 0
    last: int = 0
    last_qty: int = 0
    low: int = 0
    high: int = 0
    volume: int = 0
    turnover: int = 0  # price units times quantity units
    trades: int = 0

    def add(self, price: int, qty: int) -> None:
        """Count one trade."""
        self.first = self.first or price
        self.last, self.last_qty = price, qty
        self.low = min(self.low or price, price)
        self.high = max(self.high, price)
        self.volume += qty
        self.turnover += price * qty
        self.trades += 1


@dataclass(slots=True)
class Pair:
    """A listed pair at run time."""

    listing: Listing
    instrument: Instrument
    book: Book
    makers: list[Maker] = field(default_factory=list)
    tape: Tape = field(default_factory=Tape)
    status: str = "online"
    frozen: bool = False
    changed_ns: int = 0  # in market time
    scale: int = 1  # integer price units in one unit of quote

    @property
    def symbol(self) -> str:
        """The v2 symbol, for example ``BTC/USD``."""
        return self.instrument.symbol


_Action = Callable[[], None]


def _ignore(_: Pair, __: Fill) -> None:
    """Nobody listens."""


class Market:
    """A seeded synthetic market in virtual nanoseconds, of a profile or of one known by name.

    ``advance(to_ns)`` plays everything up to a time and returns the level changes; ``step()``
    plays exactly one event. Raises ``ValueError`` for an unknown profile, ``KeyError`` for an
    unknown symbol.
    """

    def __init__(self, profile: str | Profile, seed: int) -> None:
        self.profile = profile if isinstance(profile, Profile) else profiles.load(profile)
        self.seed = seed
        self.now_ns = 0
        self.system = "online"
        self.frozen = False
        self.on_tagged_fill: Callable[[Pair, Fill], None] = _ignore
        self._rng = random.Random(seed)
        self._sequence = itertools.count()
        self._queue: list[tuple[int, int, _Action]] = []
        self._held_ns = 0  # time spent frozen, which the market has not lived
        self._changed: dict[str, Pair] = {}
        listings = self.profile.listings
        known = {a.code: a for one in listings for a in (one.instrument.base, one.instrument.quote)}
        self.assets = tuple(known[code] for code in sorted(known))
        self.prices = Prices(self.assets, self.profile.weather, self._rng)
        self.pairs: dict[str, Pair] = {}
        self._watchers: dict[str, list[tuple[Pair, Maker]]] = {code: [] for code in known}
        for listing in listings:
            self._open(listing)
        self._begin()

    def book(self, symbol: str) -> Book:
        """The live book of a pair."""
        return self.pairs[symbol].book

    def advance(self, to_ns: int) -> list[BookChange]:
        """Play all events up to ``to_ns`` (same clock as ever, frozen or not).

        What outside orders have changed since comes first, in a frozen market too.
        """
        target = to_ns - self._held_ns
        changes = self._take_changes()
        if self.frozen:
            self._held_ns += max(0, target - self.now_ns)
            return changes
        while self._queue and self._queue[0][0] <= target:
            changes += self.step()
        self.now_ns = max(self.now_ns, target)
        return changes

    def step(self) -> list[BookChange]:
        """Play the next event, whenever it is, and return the levels that it changed."""
        self.now_ns, _, action = heapq.heappop(self._queue)
        action()
        return self._take_changes()

    def _take_changes(self) -> list[BookChange]:
        """The levels changed since the last call."""
        if not self._changed:
            return []
        changes = [
            BookChange(symbol, SIDE_NAMES[side], price, pair.book.qty_at(side, price), self.now_ns)
            for symbol, pair in self._changed.items()
            for side, price in pair.book.take_touched()
        ]
        self._changed.clear()
        return changes

    def freeze(self, symbol: str | None = None) -> None:
        """Stop the whole market, or one pair while the others go on."""
        if symbol is None:
            self.frozen = True
        else:
            self.pairs[symbol].frozen = True

    def thaw(self, symbol: str | None = None) -> None:
        """Let it go on from where it stood; a thawed pair catches up at its makers' next look."""
        if symbol is None:
            self.frozen = False
        else:
            self.pairs[symbol].frozen = False

    def skip(self, idle_ns: int) -> None:
        """Leave out outside time, for a host that was asleep and will not catch up."""
        self._held_ns += idle_ns

    def set_status(self, symbol: str, status: str) -> None:
        """Set a pair's status; ``ValueError`` when the venue has no such word."""
        if status not in PAIR_STATUSES:
            raise ValueError(f"unknown pair status {status!r}: expected one of {PAIR_STATUSES}")
        self.pairs[symbol].status = status

    def set_system(self, status: str) -> None:
        """Set the engine's status; ``ValueError`` when the venue has no such word."""
        if status not in SYSTEM_STATUSES:
            raise ValueError(f"unknown system status {status!r}: expected one of {SYSTEM_STATUSES}")
        self.system = status

    def submit_ioc(self, symbol: str, owner: str, side: int, price: int, qty: int) -> Submission:
        """Match an outside limit IOC order now; its changes come with the next ``advance``."""
        return self.take(symbol, Incoming(owner, side, price, qty))

    def take(self, symbol: str, incoming: Incoming) -> Submission:
        """Match an outside order now; its changes come with the next ``advance``."""
        pair = self.pairs[symbol]
        submission = pair.book.take(incoming)
        self._record(pair, submission.fills)
        return submission

    def cancel(self, symbol: str, order: Order) -> None:
        """Take an outside order out of the book."""
        pair = self.pairs[symbol]
        pair.book.cancel(order)
        self._record(pair, [])

    def _open(self, listing: Listing) -> None:
        pair = Pair(listing, listing.instrument, Book())
        pair.scale = 10**listing.instrument.price_precision
        self.pairs[pair.symbol] = pair
        for index, spec in enumerate(listing.makers):
            maker = Maker(f"maker-{index}", spec, pair.instrument, self._fair_units(pair))
            pair.makers.append(maker)
            self._watchers[pair.instrument.base.code].append((pair, maker))
            self._watchers[pair.instrument.quote.code].append((pair, maker))
            maker.requote(pair.book, self._fair_units(pair), self._rng)
        bid, ask = pair.book.best(BID) or 0, pair.book.best(ASK) or 0
        pair.tape.add(
            (bid + ask) // 2 // pair.instrument.price_tick * pair.instrument.price_tick, 1
        )
        pair.book.take_touched()

    def _begin(self) -> None:
        weather = self.profile.weather
        self._repeat(1e3 / weather.market_hz, self._market_moves)
        for known in self.assets:
            self._repeat(1e3 / weather.asset_hz, partial(self._asset_moves, known.code))
        if weather.shock_every_s:
            self._repeat(weather.shock_every_s * 1e3, self._shock)
        for pair in self.pairs.values():
            self._repeat(pair.listing.taker_every_ms, partial(self._taker, pair))
            for maker in pair.makers:
                if maker.spec.refresh_ms:
                    self._repeat(maker.spec.refresh_ms, partial(self._refresh, pair, maker))

    def _repeat(self, mean_ms: float, action: _Action) -> None:
        """Do ``action`` again and again, at exponential intervals."""

        def act_and_repeat() -> None:
            action()
            self._at(int(self._rng.expovariate(1.0 / mean_ms) * MS) + 1, act_and_repeat)

        self._at(int(self._rng.expovariate(1.0 / mean_ms) * MS) + 1, act_and_repeat)

    def _at(self, delay: int, action: _Action) -> None:
        heapq.heappush(self._queue, (self.now_ns + delay, next(self._sequence), action))

    def _fair_units(self, pair: Pair) -> float:
        listed = pair.instrument
        return self.prices.fair(listed.base.code, listed.quote.code) * pair.scale

    def _market_moves(self) -> None:
        self.prices.move_market(self.now_ns)
        for code in self.prices.coins:
            self._tell_makers(code)

    def _asset_moves(self, code: str) -> None:
        self.prices.move_asset(code, self.now_ns)
        self._tell_makers(code)

    def _shock(self) -> None:
        self._tell_makers(self.prices.shock(self.now_ns))

    def _tell_makers(self, code: str) -> None:
        """Every maker of this asset's pairs will look again, each after its own delay."""
        for pair, maker in self._watchers[code]:
            if not maker.pending:
                maker.pending = True
                delay = delay_ns(maker.spec.reaction, self._rng)
                self._at(delay, partial(self._react, pair, maker))

    def _react(self, pair: Pair, maker: Maker) -> None:
        maker.pending = False
        if not pair.frozen:
            self._record(pair, maker.requote(pair.book, self._fair_units(pair), self._rng))

    def _refresh(self, pair: Pair, maker: Maker) -> None:
        if not pair.frozen:
            self._record(pair, maker.refresh(pair.book, self._rng))

    def _taker(self, pair: Pair) -> None:
        """Somebody wants in or out now, and pays a few levels for it."""
        side = self._rng.choice((BID, ASK))
        other = ASK if side == BID else BID
        top = pair.book.top(other, 1)
        scale = math.exp(self._rng.gauss(0.0, 1.0))
        if pair.frozen or not top:
            return
        price, resting = top[0]
        step = pair.instrument.qty_step
        qty = max(int(resting * scale) // step, 1) * step
        reach = int(price * TAKER_REACH_BPS * 1e-4)
        limit = price + reach if side == BID else max(1, price - reach)
        submission = pair.book.submit("taker", side, limit, qty, rests=False)
        self._record(pair, submission.fills)

    def _record(self, pair: Pair, fills: list[Fill]) -> None:
        if pair.book.touched:
            self._changed[pair.symbol] = pair
            pair.changed_ns = self.now_ns
        for fill in fills:
            pair.tape.add(fill.price, fill.qty)
            if fill.tag:
                self.on_tagged_fill(pair, fill)
