"""A book frame on its way to one socket, through the faults that are about its symbol."""

import random
from dataclasses import dataclass, replace

from arbit.sandbox.book import ASK, BID
from arbit.sandbox.checksum import Level
from arbit.sandbox.faults import Fault, Faults
from arbit.sandbox.kraken.subscriptions import BookChannel
from arbit.sandbox.kraken.words import BookFrame
from arbit.sandbox.session import Session
from arbit.sandbox.stats import Stats


@dataclass(slots=True)
class Delivery:
    """Sends book frames, altered, withheld or doubled as the active faults say."""

    faults: Faults
    stats: Stats
    rng: random.Random

    def update(
        self, session: Session, channel: BookChannel, frame: BookFrame, text: str, now_ns: int
    ) -> None:
        """Send an update; ``text`` is the frame already written, for the usual case."""
        if not self.faults.active:
            self.stats.updates_sent += 1
            session.send(text, now_ns)
            return
        symbol, number = frame.pair.symbol, session.number
        if self._withheld(symbol, number):
            self.stats.frames_withheld += 1
            return
        altered = self._altered(frame, channel, number)
        self.stats.updates_sent += 1
        session.send(text if altered is frame else altered.text(), now_ns)
        doubled = self.faults.find("duplicate_snapshot", symbol, number)
        if doubled is not None:
            self._use(doubled)
            self.snapshot(session, channel.snapshot(), now_ns)

    def snapshot(self, session: Session, frame: BookFrame, now_ns: int) -> None:
        """Send a snapshot, unless the symbol is mute on this socket."""
        if self._muted(frame.pair.symbol, session.number):
            self.stats.frames_withheld += 1
            return
        self.stats.snapshots_sent += 1
        session.send(frame.text(), now_ns)

    def _use(self, fault: Fault) -> None:
        self.stats.faults_used += 1
        self.faults.use(fault)

    def subscribed(self, session: Session, symbol: str) -> None:
        """A new subscription: it ends a silence that was only until then."""
        mute = self.faults.find("mute_symbol", symbol, session.number)
        if mute is not None and mute.params["until_resubscribe"]:
            mute.healed.add((session.number, symbol))

    def _muted(self, symbol: str, number: int) -> bool:
        mute = self.faults.find("mute_symbol", symbol, number)
        if mute is None or (number, symbol) in mute.healed:
            return False
        self._use(mute)
        return True

    def _withheld(self, symbol: str, number: int) -> bool:
        if self._muted(symbol, number):
            return True
        drop = self.faults.find("drop_delta", symbol, number)
        if drop is None:
            return False
        drop.seen += 1
        if drop.seen < drop.number("nth"):
            return False
        drop.seen = 0
        self._use(drop)
        return True

    def _altered(self, frame: BookFrame, channel: BookChannel, number: int) -> BookFrame:
        symbol = frame.pair.symbol
        wrong = self.faults.find("wrong_checksum", symbol, number)
        if wrong is not None:
            self._use(wrong)
            frame = replace(frame, checksum=frame.checksum ^ (1 << self.rng.randrange(32)))
        corrupt = self.faults.find("corrupt_digit", symbol, number)
        if corrupt is None:
            return frame
        corrupted = self._corrupted(frame, channel, corrupt.text("field"))
        if corrupted is None:  # nothing here that the checksum covers: wait for a frame that has
            return frame
        self._use(corrupt)
        return corrupted

    def _corrupted(self, frame: BookFrame, channel: BookChannel, field: str) -> BookFrame | None:
        sides: dict[int, list[Level]] = {BID: list(frame.bids), ASK: list(frame.asks)}
        covered = [
            (side, index)
            for side, levels in sides.items()
            for index, level in enumerate(levels)
            if level[1] and channel.in_top_ten(side, level)
        ]
        if not covered:
            return None
        side, index = self.rng.choice(covered)
        price, qty = sides[side][index]
        if field == "price":
            sides[side][index] = (self._one_digit_off(price), qty)
        else:
            sides[side][index] = (price, self._one_digit_off(qty))
        return replace(frame, bids=tuple(sides[BID]), asks=tuple(sides[ASK]))

    def _one_digit_off(self, value: int) -> int:
        """Another value that differs in exactly one decimal digit and is not zero."""
        digits = str(value)
        place = self.rng.randrange(len(digits))
        others = [digit for digit in "123456789" if digit != digits[place]]
        return int(digits[:place] + self.rng.choice(others) + digits[place + 1 :])
