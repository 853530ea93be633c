"""The Alpaca feed over real sockets, against what the sandbox's Alpaca can do to it."""

from __future__ import annotations

from functools import partial

import pytest

from arbit.domain.book import Disbelief, Source
from arbit.domain.errors import UserError
from arbit.domain.events import (
    BookDisbelieved,
    FeedDisconnected,
    StreamBack,
    StreamStale,
    VenueSaid,
)
from arbit.sandbox.server import SandboxServer
from arbit.venues.alpaca import link, listing
from arbit.venues.alpaca.http import Keys
from tests.integration.alpaca_feed_rig import BTC, ETH, KEYS, Options, Rig, beside, rigged

pytestmark = pytest.mark.unstalled

SECRET = "a-wrong-secret"  # made up


def doubted(rig: Rig) -> set[str]:
    return {event.symbol for event in rig.of(BookDisbelieved)}


async def test_when_the_market_freezes_every_book_is_the_venues_own() -> None:
    async with rigged() as rig:
        before = rig.truth()
        await rig.until(lambda: rig.truth() != before, "the market has moved")
        await rig.until(lambda: rig.feed.counts.verified > 200, "a few hundred messages")
        await rig.freeze_and_agree()
        assert len(rig.symbols) == 10
        assert rig.feed.counts.divergences == rig.feed.counts.bad_frames == 0
        assert rig.feed.counts.resyncs == rig.feed.counts.reconnects == 0
        assert doubted(rig) == set()


async def test_quiet_books_are_confirmed_over_rest_and_stay_believed() -> None:
    async with rigged() as rig:
        await rig.freeze_and_agree()
        confirmed = rig.feed.counts.confirmations
        await rig.until(lambda: rig.feed.counts.confirmations > confirmed + 25, "confirmations")
        assert [rig.why_not(symbol) for symbol in rig.symbols] == [None] * 10


async def test_a_reset_replaces_a_book_without_a_doubt() -> None:
    async with rigged() as rig:
        sent = rig.sandbox.stats.snapshots_sent
        rig.fault("book_reset", symbol=BTC, times=5)
        await rig.until(lambda: rig.sandbox.stats.snapshots_sent >= sent + 5, "resets")
        await rig.freeze_and_agree()
        assert doubted(rig) == set()
        assert rig.feed.counts.ignored == 0


async def test_a_crossed_book_is_disbelieved_at_once_and_healed() -> None:
    async with rigged() as rig:
        rig.fault("crossed_book", symbol=BTC)
        await rig.until(lambda: rig.feed.counts.failed == 1, "it is seen")
        assert rig.feed.counts.by_symbol_failed == {BTC: 1}
        took_s = await rig.until(lambda: rig.reason() is None, "healed")
        assert took_s < 1.0
        await rig.freeze_and_agree()
        assert {event.reason for event in rig.of(BookDisbelieved)} == {Disbelief.CROSSED}
        assert doubted(rig) == {BTC}


async def test_lost_changes_are_found_when_nothing_mends_them() -> None:
    async with rigged() as rig:
        rig.fault("drop_delta", symbol="*", times=40)
        await rig.until(lambda: rig.sandbox.stats.frames_withheld >= 40, "dropped")
        rig.sandbox.market.freeze()
        assert not rig.true()
        took_s = await rig.until(lambda: rig.true() and rig.all_live(), "found and mended")
        assert took_s < 8.0
        assert rig.feed.counts.divergences + rig.feed.counts.failed > 0
        assert rig.feed.counts.connects == 1


def withheld(rig: Rig, enough: int) -> bool:
    return rig.sandbox.stats.frames_withheld >= enough


async def test_lost_changes_of_a_busy_market_are_found_too() -> None:
    async with rigged() as rig:
        for _ in range(20):
            rig.fault("drop_delta", symbol=BTC, times=5)
            enough = rig.sandbox.stats.frames_withheld + 5
            await rig.until(partial(withheld, rig, enough), "dropped")
            if rig.feed.counts.divergences + rig.feed.counts.failed:
                break
        await rig.until(
            lambda: rig.feed.counts.divergences + rig.feed.counts.failed > 0, "one is found"
        )
        assert doubted(rig) == {BTC}
        await rig.freeze_and_agree()


async def test_a_stuck_book_is_found_by_rest_and_a_mute_one_by_its_quotes() -> None:
    async with rigged() as rig:
        rig.fault("stuck_book", symbol=BTC)
        rig.fault("mute_symbol", symbol=ETH)
        await rig.until(lambda: doubted(rig) >= {BTC, ETH}, "both are doubted")
        said = {event.symbol: event.detail for event in rig.of(BookDisbelieved)}
        assert "its quotes say" in said[ETH]
        assert "venue" in said[BTC]
        rig.sandbox.faults.clear()
        await rig.freeze_and_agree()


async def test_quotes_that_are_off_do_not_end_what_rest_proves_for_long() -> None:
    async with rigged() as rig:
        rig.fault("quote_off", symbol=BTC, bps=30)
        await rig.until(lambda: doubted(rig) == {BTC}, "doubted")
        rig.sandbox.faults.clear()
        await rig.freeze_and_agree()


async def test_a_late_whole_book_that_is_stale_is_not_believed() -> None:
    async with rigged() as rig:
        rig.fault("late_snapshot", symbol=BTC, stale=True, delay_ms=400)
        rig.fault("crossed_book", symbol=BTC)
        await rig.until(lambda: rig.feed.counts.bad_frames > 0, "it comes too late")
        said = [event.detail for event in rig.of(BookDisbelieved)]
        assert any("came after a younger one" in detail for detail in said)
        await rig.freeze_and_agree()


async def test_frames_that_no_client_expects_cost_resyncs_and_nothing_else() -> None:
    async with rigged() as rig:
        rig.fault("garbage", symbol=BTC, shape="each", times=29)
        await rig.until(lambda: not rig.sandbox.faults.active, "every shape was sent")
        await rig.live()
        await rig.freeze_and_agree()
        assert rig.feed.counts.bad_frames > 10
        assert rig.feed.counts.connects == 1


async def test_a_place_that_is_not_free_yet_is_waited_for() -> None:
    async with rigged() as rig:
        rig.fault("slow_reap", reap_ms=1_200)
        rig.fault("close", code=1006)
        await rig.until(lambda: rig.feed.counts.refusals > 0, "406")
        assert any(event.text.startswith("406 ") for event in rig.of(VenueSaid))
        rig.sandbox.faults.clear()
        await rig.live()
        assert rig.feed.counts.refusals <= 3


async def test_a_second_client_of_one_key_waits_until_the_first_is_gone() -> None:
    async with rigged() as first, beside(first.sandbox) as second:
        second.start()
        await second.until(lambda: second.feed.counts.refusals > 0, "406")
        assert first.feed.counts.reconnects == 0
        await first.stop()
        await second.live()


@pytest.mark.parametrize("code", [407, 500])
async def test_a_slow_client_is_sent_away_and_comes_back(code: int) -> None:
    async with rigged() as rig:
        rig.fault("stream_error", code=code, msg="slow client", close=True)
        await rig.until(lambda: rig.feed.counts.reconnects == 1, "reconnect")
        assert rig.of(FeedDisconnected)[0].why.startswith(f"{code} slow client")
        await rig.freeze_and_agree()


@pytest.mark.parametrize("pongs", [False, True])
async def test_a_mute_socket_is_found_and_replaced(
    monkeypatch: pytest.MonkeyPatch, *, pongs: bool
) -> None:
    monkeypatch.setattr(link, "OWED_NS", 1_000_000_000)
    async with rigged() as rig:
        rig.fault("mute_socket", pongs=pongs, connection=1)
        await rig.until(lambda: rig.feed.counts.reconnects == 1, "dropped")
        await rig.freeze_and_agree()


async def test_while_the_stream_is_dead_rest_feeds_the_books_and_hands_them_back() -> None:
    async with rigged() as rig:
        rig.fault("refuse_connects")
        rig.fault("close", code=1006)
        await rig.until(
            lambda: rig.sources() == {Source.REST} and not any(rig.cache.reason), "REST feeds all"
        )
        moved = rig.held()
        await rig.until(
            lambda: all(moved[one] != rig.held()[one] for one in (BTC, ETH)), "it moves"
        )
        assert sum(len(event.symbols) for event in rig.of(StreamStale)) == 10
        rig.sandbox.faults.clear()
        await rig.freeze_and_agree()
        assert rig.of(StreamBack)
        assert rig.sandbox.stats.rest_calls < 60


async def test_a_wrong_key_ends_the_run_in_one_line_without_the_secret() -> None:
    async with (
        SandboxServer(face="alpaca") as sandbox,
        beside(sandbox, Options(keys=Keys(KEYS.key_id, SECRET))) as rig,
    ):
        with pytest.raises(
            UserError, match="402 auth failed: it does not accept the key"
        ) as caught:
            await rig.feed.run(rig.symbols)
        assert SECRET not in str(caught.value)
        assert "\n" not in str(caught.value)


async def test_a_plan_that_allows_fewer_books_than_were_thought_ends_the_run_in_one_line() -> None:
    async with SandboxServer("whole-venue", face="alpaca") as sandbox:
        some = tuple(sandbox.market.pairs)[:11]
        async with beside(sandbox, Options(symbols=some, plan="paid")) as rig:
            with pytest.raises(UserError, match=r"405 symbol limit exceeded: .* 10 order books"):
                await rig.feed.run(rig.symbols)


async def test_a_market_that_is_halted_is_known_from_the_listing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listing, "LOOK_S", 0.1)
    async with rigged() as rig:
        rig.fault("pair_status", symbol=BTC)
        await rig.until(lambda: rig.reason() is Disbelief.MARKET_STATUS, "halted")
        assert rig.reason(ETH) is None
        rig.sandbox.faults.clear()
        await rig.until(lambda: rig.reason() is None, "trading again")
