"""The native feed with its questions over REST beside it: quiet books, dead streams, outages."""

from __future__ import annotations

import asyncio

import pytest

from arbit.domain.book import Disbelief, Source
from arbit.domain.events import FeedConnected, StreamBack, StreamStale
from arbit.sandbox.server import SandboxOptions
from tests.integration.kraken_feed_rig import BTC, ETH, Options, Rig, nothing_untrue, rigged

pytestmark = pytest.mark.unstalled

TRIO = ("BTC/USD", "ETH/BTC", "ETH/USD")
ASKING = Options(symbols=TRIO, rest=True, max_book_age_ms=1_200)


def source(rig: Rig, symbol: str) -> Source:
    return rig.cache.source[rig.cache.index(symbol)]


async def test_quiet_books_equal_at_the_venue_are_confirmed_and_counted_on() -> None:
    frozen = Options(
        symbols=TRIO, rest=True, max_book_age_ms=1_200, sandbox=SandboxOptions(frozen=True)
    )
    async with rigged(frozen) as rig:
        verified, evaluations = rig.feed.counts.verified, rig.witness.evaluations
        for _ in range(40):
            await asyncio.sleep(0.1)
            assert rig.believed() == set(TRIO)
        assert rig.feed.counts.verified == verified == 3
        assert rig.feed.counts.confirmations >= 6
        assert rig.feed.counts.resyncs == 0
        await nothing_untrue(rig, at_least=evaluations + 100)


async def test_a_symbol_gone_silent_whose_venue_book_moved_is_found_dead_and_resynced() -> None:
    async with rigged(ASKING) as rig:
        rig.sandbox.faults.set("mute_symbol", symbol=BTC, until_resubscribe=True)
        await rig.until(lambda: rig.feed.counts.divergences > 0, "found dead")
        await rig.until(lambda: rig.why_not(BTC) is None, "resynced")
        assert len(rig.of(FeedConnected)) == 1
        await rig.until(lambda: source(rig, BTC) is Source.WS, "on its stream again")
        await nothing_untrue(rig)


async def test_while_rest_is_down_quiet_books_grow_old_and_busy_ones_go_on() -> None:
    async with rigged(ASKING) as rig:
        rig.sandbox.faults.set("rest_down")
        rig.sandbox.market.freeze(BTC)
        await rig.until(lambda: rig.why_not(BTC) is Disbelief.STALE, "nobody confirms it")
        assert rig.why_not(ETH) is None
        assert rig.reason(BTC) is None
        rig.sandbox.faults.clear()
        await rig.until(lambda: rig.why_not(BTC) is None, "confirmed again")
        assert rig.feed.counts.resyncs == 0
        await nothing_untrue(rig)


async def test_when_the_stream_is_refused_rest_feeds_the_books_until_it_is_back() -> None:
    async with rigged(ASKING) as rig:
        rig.sandbox.faults.set("refuse_connects")
        rig.sandbox.faults.set("close")
        await rig.until(lambda: bool(rig.of(StreamStale)), "told that it is stale")
        await rig.until(
            lambda: all(source(rig, symbol) is Source.REST for symbol in TRIO), "fed over REST"
        )
        assert rig.feed.counts.rest_fallbacks == 3
        assert rig.feed.counts.rest_books >= 3
        await rig.until(lambda: rig.believed() == set(TRIO), "believed over REST")
        rig.sandbox.faults.clear()
        await rig.until(
            lambda: all(source(rig, symbol) is Source.WS for symbol in TRIO), "on the stream"
        )
        await rig.until(lambda: bool(rig.of(StreamBack)), "told that it is back")
        back = {symbol for event in rig.of(StreamBack) for symbol in event.symbols}
        assert back == set(TRIO)
        await nothing_untrue(rig)


async def test_with_neither_stream_nor_rest_nothing_is_believed_and_both_come_back() -> None:
    async with rigged(ASKING) as rig:
        for fault in ("rest_down", "refuse_connects", "close"):
            rig.sandbox.faults.set(fault)
        await rig.until(lambda: not rig.believed(), "nothing believed")
        await asyncio.sleep(2.0)
        evaluations = rig.witness.evaluations
        await asyncio.sleep(0.5)
        assert rig.witness.evaluations == evaluations
        rig.sandbox.faults.clear()
        await rig.until(lambda: rig.believed() == set(TRIO), "back")
        await nothing_untrue(rig)
