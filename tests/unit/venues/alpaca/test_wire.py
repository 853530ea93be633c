"""Whatever the bytes: messages or a FrameError, and a session that goes on."""

from __future__ import annotations

import json
import random
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arbit.domain.errors import FrameError
from arbit.sandbox.alpaca.garbage import SHAPES, frames
from arbit.venues.alpaca.levels import KeptBook
from arbit.venues.alpaca.wire import (
    BookMessage,
    Broken,
    Ignored,
    Message,
    Quote,
    Refused,
    Subscribed,
    Success,
    WireLevel,
    parse,
)
from tests.unit.venues.alpaca.desk import OTHER, PAIR, Desk
from tests.unit.venues.alpaca.stream import STAMP, Reference, error, frame, quote, subscribed

KINDS = (BookMessage, Quote, Success, Subscribed, Refused, Ignored, Broken)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**63, max_value=2**80)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from([PAIR, STAMP, "connected", "authenticated", "o", "q", "error"])
)
keys = st.sampled_from([*("T", "S", "t", "b", "a", "r", "p", "s", "bp", "ap", "code", "msg")])
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=12,
)
levels = st.lists(st.fixed_dictionaries({"p": scalars, "s": scalars}), max_size=3)
books = st.fixed_dictionaries(
    {"T": st.just("o"), "S": st.sampled_from([PAIR, OTHER, "NO/SUCH"])},
    optional={"b": levels | trees, "a": levels | trees, "t": scalars, "r": st.booleans()},
)
others = st.fixed_dictionaries(
    {"T": st.sampled_from(["q", "success", "subscription", "error", "t", "weather", 7])},
    optional=dict.fromkeys(("S", "bp", "ap", "code", "msg", "orderbooks"), scalars),
)
payloads = st.one_of(
    st.binary(max_size=60),
    st.lists(books | others | trees, max_size=4).map(lambda tree: json.dumps(tree).encode()),
    trees.map(lambda tree: json.dumps(tree).encode()),
)


@settings(max_examples=150, deadline=None)
@given(payloads)
@example(b"")
@example(b"[" * 50_000)
@example(b'[{"T":"o","S":"BTC/USD","b":[{"p":1e999999,"s":1}]}]')
@example(b'[{"T":"o","S":"\\ud800"}]')
@example(b'[{"T":"q","S":"BTC/USD","bp":"sNaN","ap":1}]')
def test_any_bytes_are_messages_or_a_domain_error(payload: bytes) -> None:
    try:
        found = parse(payload)
    except FrameError:
        return
    assert all(isinstance(one, KINDS) for one in found)


@pytest.mark.untraced
@settings(max_examples=40, deadline=None)
@given(st.lists(payloads, max_size=4))
def test_a_session_goes_on_after_anything_and_holds_no_crossed_book(hostile: list[bytes]) -> None:
    desk = Desk().live()
    desk.hear(*hostile)
    for _ in range(3):
        desk.tick(after_ms=700)
    if desk.session.ending is None:
        for _ in range(60):  # more than the longest pause
            desk.tick(after_ms=300)
            desk.hear(*(frame(one.whole()) for one in desk.venue.values()))
        assert desk.session.live == 2
        assert [desk.held(symbol) for symbol in desk.symbols] == [
            desk.told(symbol) for symbol in desk.symbols
        ]


@pytest.mark.parametrize("shape", SHAPES)
def test_each_of_the_sandboxs_odd_frames_costs_a_resync_at_most(shape: str) -> None:
    odd = frames(PAIR)[shape]
    desk = Desk().live()
    desk.hear(odd if isinstance(odd, bytes) else odd.encode())
    desk.hear(*(frame(one.whole()) for one in desk.venue.values()))
    assert desk.session.live == 2
    assert desk.held() == desk.told()


def only(payload: bytes) -> Message:
    (found,) = parse(payload)
    return found


def test_every_message_of_the_protocol_is_read() -> None:
    assert only(b'[{"T":"success","msg":"connected"}]') == Success("connected")
    assert only(error(405, "symbol limit exceeded")) == Refused(405, "symbol limit exceeded")
    assert only(subscribed([PAIR], [OTHER])) == Subscribed([PAIR], [OTHER])
    found = only(frame(quote(PAIR, "1.50", "1e-7")))
    assert isinstance(found, Quote)
    assert (str(found.bp), found.ap, found.as_) == ("1.50", Decimal("1E-7"), Decimal("1.5"))
    for kind in ("t", "b", "u", "d"):
        assert only(f'[{{"T":"{kind}","S":"{PAIR}"}}]'.encode()) == Ignored(kind)
    assert parse(b"[]") == []


def test_numbers_keep_the_digits_they_were_written_with() -> None:
    text = '{"p":63501.60,"s":0.015499},{"p":1.7e-7,"s":3},{"p":"63405","s":"0.897117"}'
    found = only(f'[{{"T":"o","S":"{PAIR}","t":"{STAMP}","b":[{text}],"r":true}}]'.encode())
    assert isinstance(found, BookMessage)
    assert found.b is not None
    assert [str(level.p) for level in found.b] == ["63501.60", "1.7E-7", "63405"]
    assert (found.r, found.a) == (True, None)


def test_a_frame_or_a_side_beyond_any_size_is_refused() -> None:
    many = b"[" + b",".join([b'{"T":"t"}'] * 20_001) + b"]"
    with pytest.raises(FrameError, match="20001 messages"):
        parse(many)
    rows = ",".join(['{"p":1,"s":1}'] * 20_001)
    found = only(f'[{{"T":"o","S":"{PAIR}","t":"{STAMP}","b":[{rows}]}}]'.encode())
    assert isinstance(found, Broken)
    assert found.of_a_book


@pytest.mark.parametrize("seed", range(3))
def test_a_book_equals_the_reference_after_a_thousand_changes_of_any_precision(seed: int) -> None:
    chance = random.Random(seed)
    desk = Desk().open()
    venue = desk.venue[PAIR] = Reference(PAIR)
    desk.say(venue.whole())
    for _ in range(1_000):
        decimals = chance.choice((1, 1, 1, 2, 5))
        size = chance.choice(("0", "0", "1.5", "0.000000001", "1e-7", "20"))
        price = f"{chance.uniform(98, 98.9):.{decimals}f}"
        if chance.random() < 0.5:
            desk.say(venue.change([(price, size)]))
        else:
            desk.say(venue.change((), [(f"{float(price) + 3:.{decimals}f}", size)]))
        if chance.random() < 0.01:
            desk.say(venue.whole())
    assert desk.state().value == "live"
    assert [side[:10] for side in desk.held()] == [side[:10] for side in desk.told()]


def test_numbers_that_would_not_fit_together_are_refused_and_the_book_is_as_before() -> None:
    kept = KeptBook(PAIR, 10)
    kept.replace([WireLevel(Decimal("1e17"), Decimal(1))], [])
    before = kept.book
    for price, qty in (("1e-20", "1"), ("2e24", "1"), ("1", "1e25")):
        with pytest.raises(ValueError, match=r"fit|quantity|beyond|decimals"):
            kept.update([WireLevel(Decimal(price), Decimal(qty))], [])
        assert kept.book is before
        assert kept.book.bids.keys == [-(10**17)]
