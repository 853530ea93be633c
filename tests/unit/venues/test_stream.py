from __future__ import annotations

import asyncio
import gc

import pytest

from arbit.domain.book import BookView, Disbelief, Source
from arbit.domain.errors import UserError
from arbit.venues.stream import MAX_STREAMS, BookStream, StreamTap
from tests.unit.venues.virtual import Sink, book

A, B = "BTC/USD", "ETH/USD"


def tapped() -> tuple[StreamTap, Sink]:
    sink = Sink()
    return StreamTap(sink), sink


def put(tap: StreamTap, symbol: str, bid: int, ask: int) -> None:
    tap.put(book(symbol, bid, ask), seen_ns=7, confirmed_ns=7, source=Source.WS)


async def read(stream: BookStream) -> BookView:
    async with asyncio.timeout(5):
        return await anext(stream)


async def test_a_stream_gives_the_books_that_were_put_after_it_was_opened() -> None:
    tap, sink = tapped()
    put(tap, A, 1, 2)
    stream = tap.stream([A])
    put(tap, A, 1000, 1001)
    view = await read(stream)
    assert (str(view.bids[0].price), str(view.asks[0].price)) == ("100.0", "100.1")
    assert sink.calls == [("put", A), ("put", A)]


async def test_a_waiting_reader_is_woken() -> None:
    tap, _ = tapped()
    stream = tap.stream([A])
    waiting = asyncio.create_task(read(stream))
    await asyncio.sleep(0)
    put(tap, A, 1000, 1001)
    assert (await waiting).symbol == A


async def test_a_slow_reader_gets_the_newest_of_each_symbol_and_nothing_piles_up() -> None:
    tap, _ = tapped()
    stream = tap.stream([A, B])
    for bid in range(1000, 2000):
        put(tap, A, bid, bid + 1)
    put(tap, B, 50, 51)
    first, second = await read(stream), await read(stream)
    assert (first.symbol, str(first.bids[0].price)) == (A, "199.9")
    assert second.symbol == B
    assert stream.conflated == 999


async def test_a_book_that_lost_belief_before_it_was_read_does_not_come_out() -> None:
    tap, _ = tapped()
    stream = tap.stream([A, B])
    put(tap, A, 1000, 1001)
    put(tap, B, 1000, 1001)
    tap.disbelieve(A, Disbelief.CHECKSUM)
    assert (await read(stream)).symbol == B


async def test_crossed_books_and_markets_that_do_not_trade_do_not_come_out() -> None:
    tap, _ = tapped()
    stream = tap.stream([A, B])
    put(tap, A, 1001, 1000)
    tap.set_status(B, Disbelief.MARKET_STATUS)
    put(tap, B, 1000, 1001)
    tap.set_status(B, None)
    put(tap, B, 1002, 1003)
    assert str((await read(stream)).bids[0].price) == "100.2"


async def test_other_symbols_are_not_in_the_stream() -> None:
    tap, _ = tapped()
    stream = tap.stream([A])
    put(tap, B, 1000, 1001)
    put(tap, A, 1000, 1001)
    assert (await read(stream)).symbol == A


async def test_a_closed_stream_ends() -> None:
    tap, _ = tapped()
    stream = tap.stream([A])
    stream.close()
    assert [view async for view in stream] == []


def test_the_number_of_streams_is_bounded_and_dropped_ones_make_room() -> None:
    tap, _ = tapped()
    held = [tap.stream([A]) for _ in range(MAX_STREAMS)]
    with pytest.raises(UserError, match="at most"):
        tap.stream([A])
    held.clear()
    gc.collect()
    assert tap.stream([A]).symbols == {A}
