"""A generated Kraken book session: true checksums, the sandbox's own market, made before the clock.

One message for each event of the market, as a real venue sends them: 1.9 levels a message on
average here, 1.4 in the recording of 2026-07-07.
"""

from __future__ import annotations

from dataclasses import dataclass

from arbit.sandbox.kraken.rest import RestFace
from arbit.sandbox.kraken.subscriptions import BookChannel
from arbit.sandbox.kraken.words import instrument_frame
from arbit.sandbox.market import Market
from arbit.sandbox.wallclock import WallClock
from tests.bench.wire import text_frame

MS = 1_000_000
BASE_MS = 1_767_225_600_000  # 2026-01-01: message k is stamped k milliseconds later


@dataclass(frozen=True, slots=True)
class Tape:
    """What a venue sends: snapshots by symbol, then updates as (symbol, encoded message)."""

    market: Market
    depth: int
    instruments: str
    rest: RestFace
    snapshots: dict[str, bytes]
    updates: list[tuple[str, bytearray]]

    @property
    def mean_bytes(self) -> float:
        """Mean size of an update on the wire."""
        return sum(len(frame) for _, frame in self.updates) / len(self.updates)


def record(profile: str, seed: int, depth: int, count: int) -> Tape:
    """Play the market until it has told `count` book updates."""
    market = Market(profile, seed)
    channels = {
        symbol: BookChannel(pair.instrument, depth, pair.book, BASE_MS * MS)
        for symbol, pair in market.pairs.items()
    }
    snapshots = {s: channel.snapshot().text().encode() for s, channel in channels.items()}
    instruments = instrument_frame("snapshot", market.assets, list(market.pairs.values()))
    updates: list[tuple[str, bytearray]] = []
    while len(updates) < count:
        for symbol in dict.fromkeys(change.symbol for change in market.step()):
            at_ms = BASE_MS + len(updates)
            frame = channels[symbol].publish(at_ms * MS)
            if frame is not None:
                updates.append((symbol, text_frame(frame.text().encode())))
    # REST answers with the opening books: equal to the snapshots for whoever asks before the play.
    rest = RestFace(Market(profile, seed), WallClock())
    return Tape(market, depth, instruments, rest, snapshots, updates)
