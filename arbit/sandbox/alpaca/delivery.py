"""A book or quote message on its way to one socket, through the faults about its symbol."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from arbit.sandbox.alpaca import words
from arbit.sandbox.book import ASK, BID
from arbit.sandbox.faults import Fault
from arbit.sandbox.market import BookChange, Pair
from arbit.sandbox.scene import Scene
from arbit.sandbox.session import Session

ALL_LEVELS: Final = 100_000
BPS: Final = 10_000
SIDES: Final = {"bid": BID, "ask": ASK}

Top = tuple[words.Level, words.Level]


@dataclass(frozen=True, slots=True)
class BookDelivery:
    """Makes the messages, altered or withheld as the active faults say."""

    scene: Scene

    def whole(self, pair: Pair, at: str) -> str:
        """The book as it is, every level of it."""
        bids, asks = pair.book.top(BID, ALL_LEVELS), pair.book.top(ASK, ALL_LEVELS)
        return words.book_message(pair.instrument, bids, asks, at, whole=True)

    def update(
        self, session: Session, pair: Pair, changes: Iterable[BookChange], at: str
    ) -> list[str]:
        """The messages that tell one socket of these changes: one, none, or one and a reset."""
        levels: tuple[dict[int, int], dict[int, int]] = ({}, {})
        for change in changes:
            levels[SIDES[change.side]][change.price] = change.qty
        stats, number = self.scene.stats, session.number
        if self.scene.faults.active and self._withheld(pair.symbol, number):
            stats.frames_withheld += 1
            return []
        reset = None
        if self.scene.faults.active:
            self._cross(pair, levels[BID], number)
            reset = self.scene.faults.find("book_reset", pair.symbol, number)
        stats.updates_sent += 1
        bids, asks = levels[BID].items(), levels[ASK].items()
        messages = [words.book_message(pair.instrument, bids, asks, at, whole=False)]
        if reset is not None:
            self._use(reset)
            stats.snapshots_sent += 1
            messages.append(self.whole(pair, at))
        return messages

    def quote(self, session: Session, pair: Pair, top: Top, at: str) -> list[str]:
        """The message of a new best bid and ask, or none."""
        faults, number = self.scene.faults, session.number
        stuck = faults.find("stuck_book", pair.symbol, number)
        if stuck is not None and not stuck.params["quotes"]:
            return []
        (bid, bid_qty), (ask, ask_qty) = top
        off = faults.find("quote_off", pair.symbol, number)
        if off is not None:
            self._use(off)
            bid, ask = (int(one * (BPS + off.number("bps"))) // BPS for one in (bid, ask))
        quote = words.quote_message(pair.instrument, (bid, bid_qty), (ask, ask_qty), at)
        return [quote]

    def subscribed(self, session: Session, symbol: str) -> None:
        """A new subscription: it ends a silence that was only until then."""
        mute = self.scene.faults.find("mute_symbol", symbol, session.number)
        if mute is not None and mute.params["until_resubscribe"]:
            mute.healed.add((session.number, symbol))

    def muted(self, symbol: str, number: int) -> bool:
        """Whether book messages of the symbol are not sent to this socket."""
        mute = self.scene.faults.find("mute_symbol", symbol, number)
        if mute is None or (number, symbol) in mute.healed:
            return False
        self._use(mute)
        return True

    def _withheld(self, symbol: str, number: int) -> bool:
        if self.muted(symbol, number):
            return True
        stuck = self.scene.faults.find("stuck_book", symbol, number)
        if stuck is not None:
            self._use(stuck)
            return True
        drop = self.scene.faults.find("drop_delta", symbol, number)
        if drop is None:
            return False
        drop.seen += 1
        if drop.seen < drop.number("nth"):
            return False
        drop.seen = 0
        self._use(drop)
        return True

    def _cross(self, pair: Pair, bids: dict[int, int], number: int) -> None:
        """Put a bid above the best ask into an update."""
        crossed = self.scene.faults.find("crossed_book", pair.symbol, number)
        asks = pair.book.top(ASK, 1)
        if crossed is None or not asks:
            return
        tick = pair.instrument.price_tick
        beyond = int(asks[0][0] * crossed.number("bps")) // BPS // tick + 1
        bids[asks[0][0] + beyond * tick] = asks[0][1]
        self._use(crossed)

    def _use(self, fault: Fault) -> None:
        self.scene.stats.faults_used += 1
        self.scene.faults.use(fault)
