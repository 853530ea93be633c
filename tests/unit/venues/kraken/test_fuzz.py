"""Whatever the bytes: a value or a FrameError, and a session that goes on."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arbit.domain.errors import FrameError
from arbit.sandbox.poison import shapes
from arbit.venues.kraken.parse import (
    Ack,
    BookMessage,
    Heartbeat,
    Ignored,
    Instruments,
    Pong,
    Refusal,
    SystemStatus,
    Top,
    parse,
)
from tests.unit.venues.kraken.desk import OTHER, PAIR, Desk
from tests.unit.venues.kraken.wire import Reference, digits, instruments, reply, system

VALUES = (BookMessage, Heartbeat, Pong, SystemStatus, Ack, Refusal, Instruments, Top, Ignored)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**63, max_value=2**80)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["BTC/USD", "online", "snapshot", "update", "subscribe", "pong", "book"])
)
keys = st.sampled_from(
    [
        *("channel", "type", "data", "symbol", "bids", "asks", "price", "qty", "checksum"),
        *("method", "success", "error", "req_id", "result", "pairs", "assets", "status"),
        *("system", "bid", "ask", "depth", "price_precision", "qty_precision", "cost_min"),
    ]
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=12,
)
channels = st.sampled_from(
    ["book", "status", "instrument", "ticker", "heartbeat", "trade", "weather", 7, None]
)
levels = st.lists(
    st.fixed_dictionaries({"price": scalars, "qty": scalars}, optional={"extra": scalars}),
    max_size=3,
)
entries = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from([PAIR, OTHER, "NO/SUCH"]) | scalars,
        "bids": levels | scalars,
        "asks": levels | scalars,
        "checksum": st.integers() | scalars,
    }
)
near_frames = st.fixed_dictionaries(
    {"channel": channels},
    optional={
        "type": st.sampled_from(["snapshot", "update"]) | scalars,
        "data": st.lists(entries, max_size=3) | trees,
        "method": scalars,
        "error": scalars,
    },
)


def as_bytes(tree: Any) -> bytes:
    return json.dumps(tree, separators=(",", ":")).encode()


@pytest.mark.untraced
@given(payload=st.binary(max_size=200) | trees.map(as_bytes) | near_frames.map(as_bytes))
@settings(max_examples=600, deadline=None)
@example(payload=b'{"channel":"book","type":"update","data":[{"symbol":"A","checksum":1e400}]}')
@example(
    payload=b'{"channel":"ticker","data":[{"symbol":"A","bid":1e9999999999999999999,"ask":1}]}'
)
@example(payload=b'{"channel":"ticker","data":[{"symbol":"A","bid":"sNaN","ask":1}]}')
@example(payload=b'{"method":"pong","req_id":' + b"9" * 5_000 + b"}")
@example(payload=b'{"channel":"book","data":[{"symbol":"\\ud800","checksum":1}],"type":"update"}')
@example(payload=b'{"channel":"\\ud800"}')
@example(payload=b"[" * 100_000)
@example(payload=b'{"channel":"instrument","data":{"pairs":[{"symbol":"A","qty_min":"x"}]}}')
def test_any_bytes_are_a_value_or_a_frame_error(payload: bytes) -> None:
    try:
        message = parse(payload)
    except FrameError:
        return
    assert isinstance(message, VALUES)


@pytest.mark.untraced
@given(payloads=st.lists(st.binary(max_size=60) | near_frames.map(as_bytes), max_size=8))
@settings(max_examples=300, deadline=None)
def test_no_sequence_of_frames_hurts_a_session(payloads: list[bytes]) -> None:
    desk = Desk().live()
    desk.hear(*payloads)
    desk.tick(after_ms=20_000)
    for symbol in desk.symbols:  # it still works: a good snapshot heals whatever was said
        desk.session.lost(desk.sub(symbol).reason, desk.now_ns)
    desk.open()
    desk.hear(system("online"), instruments("update", BTC_USD="online", ETH_USD="online"))
    desk.hear(*(reference.again() for reference in desk.venue.values()))
    assert desk.session.live == 2
    assert [desk.reason(symbol) for symbol in desk.symbols] == [None, None]


def mutated(good: bytes, chance: random.Random) -> bytes:
    """The frame with a few bytes removed, doubled, swapped or replaced."""
    made = bytearray(good)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(made))
        kind = chance.randrange(4)
        if kind == 0:
            del made[at]
        elif kind == 1:
            made.insert(at, made[at])
        elif kind == 2:
            made[at] = chance.randrange(256)
        else:
            made[at : at + 1] = chance.choice([b"null", b"1e400", b'"', b"[", b"}", b"-1", b"\xff"])
    return bytes(made)


@pytest.mark.untraced
def test_twenty_thousand_mutated_frames_never_raise_and_never_show_an_unproved_book() -> None:
    chance = random.Random(20_260_707)
    desk = Desk().live()
    good = [
        desk.venue[OTHER].again(),
        system("online"),
        instruments("update", NO_SUCH="online"),
        reply("subscribe", success=False, error="no", symbol="NO/SUCH"),
    ]
    for turn in range(20_000):
        reference = desk.venue[PAIR]
        qty = f"{turn + 1}.000"
        frame = reference.update([("100.0", qty)])
        if turn % 5 == 0:
            desk.hear(mutated(chance.choice(good), chance))
        if turn % 3 == 0:
            desk.hear(mutated(frame, chance))
        else:
            desk.hear(frame)
        if desk.reason() is None:
            bids, asks = _tops(desk)
            # A frame that lost its name or its channel is a lost update: shown by the next frame.
            assert bids[0] in (bare(("100.0", qty)), bare(("100.0", f"{turn}.000")))
            assert (bids[1:], asks) == (
                [bare(row) for row in reference.best_bids[1:3]],
                [bare(row) for row in reference.best_asks[:3]],
            )
        else:
            desk.tick(after_ms=16_000)
            desk.hear(reference.again())
    assert desk.counts.verified > 10_000
    assert desk.counts.failed + desk.counts.bad_frames > 5_000


def bare(row: tuple[str, str]) -> tuple[str, str]:
    """What the venue's checksum covers of a level: its digits, but not where the point stands."""
    return digits(row[0]).rstrip("0"), digits(row[1]).rstrip("0")


def _tops(desk: Desk) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    view = desk.cache.last_known(PAIR)
    assert view is not None
    bids = [bare((str(level.price), str(level.qty))) for level in view.bids[:3]]
    return bids, [bare((str(level.price), str(level.qty))) for level in view.asks[:3]]


@pytest.mark.parametrize("shape", shapes(PAIR))
def test_every_poison_of_the_sandbox_costs_at_most_the_symbol_it_names(shape: str) -> None:
    poison = shapes(PAIR)[shape]
    payload = poison.encode() if isinstance(poison, str) else poison
    desk = Desk().live()
    desk.hear(payload)
    assert desk.reason(OTHER) is None
    if desk.reason() is not None:
        desk.tick(after_ms=100)
        desk.hear(desk.venue[PAIR].again())
    assert desk.reason() is None
    reference = Reference(OTHER)
    desk.hear(reference.snapshot())
    assert desk.session.live == 2
