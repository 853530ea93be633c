"""The supervisor of one venue: what breaks is told, and breaks nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from decimal import Decimal

import pytest

from arbit.app.watch.standstill import STALL_NS
from arbit.app.watch.venue import Desk, DeskSetup, RunSetup, VenueRun
from arbit.app.watch.watchlist import watchlist
from arbit.clock import SystemClock
from arbit.config import Settings
from arbit.domain.book import BookView, Integrity, Source
from arbit.domain.errors import UserError, VenueUnreachable
from arbit.domain.events import Event, FeedCounts, VenueFailed
from arbit.domain.fees import Fee, FeeSource
from tests.unit.fitness.scene import SYMBOLS, book, markets_of

D = Decimal


class Feed:
    """A feed whose test says what happens in it."""

    integrity = Integrity.NONE

    def __init__(self, act: Callable[[], Awaitable[None]]) -> None:
        self.counts = FeedCounts()
        self._act = act
        self.doubted: list[int] = []

    async def run(self, symbols: Sequence[str]) -> None:
        await self._act()
        await asyncio.Event().wait()

    async def confirm(self, symbols: Sequence[str]) -> None:
        """Nobody to ask."""

    def doubt_since(self, since_ns: int) -> None:
        self.doubted.append(since_ns)

    def states(self) -> Mapping[str, str]:
        return {}

    def orderbook_stream(self, symbols: Sequence[str]) -> AsyncIterator[BookView]:
        raise NotImplementedError


def desk_of(heard: list[Event]) -> Desk:
    settings, markets = Settings(), markets_of(*SYMBOLS)
    venue = settings.venue("sandbox").model_copy(update={"taker_fee_bps": D(10)})
    watch = watchlist(venue, markets, settings.scan.start_assets, D(0))

    def note(event: Event, /) -> None:
        heard.append(event)

    return Desk(
        DeskSetup(
            venue=venue,
            scan=settings.scan,
            watch=watch,
            markets=markets,
            publish=note,
            clock_ns=SystemClock().monotonic_ns,
            simulate=True,
        )
    )


def show(desk: Desk, now_ns: int) -> None:
    for symbol, bid, ask in (
        ("BTC/USD", "100", "101"),
        ("ETH/BTC", "0.1", "0.11"),
        ("ETH/USD", "10", "11"),
    ):
        made = book(symbol, [(bid, "1")], [(ask, "1")])
        desk.cache.put(made, seen_ns=now_ns, confirmed_ns=now_ns, source=Source.WS)


async def nothing() -> None:
    """A feed that never says a word."""


def run_of(
    heard: list[Event],
    act: Callable[[], Awaitable[None]] = nothing,
    companion: Callable[[], Awaitable[None]] | None = None,
) -> VenueRun:
    setup = RunSetup("synthetic", companion=companion)
    return VenueRun(desk_of(heard), Feed(act), SystemClock(seed=1), setup)


def test_another_fee_counts_at_once_in_edges_hurdles_and_sizes() -> None:
    desk = desk_of([])
    watch, lane = desk.setup.watch, desk.lane
    show(desk, 1)

    def kept() -> float:
        seen = desk.scanner.edge_now(0, 1)
        assert seen.net is not None
        return (1 + seen.net) / (1 + seen.edge)

    assert kept() == pytest.approx(0.999**3)
    assert watch.listed[0].hurdle_bps == pytest.approx(30.06, abs=0.01)
    desk.reckon({symbol: Fee(D("0.004"), FeeSource.ACCOUNT) for symbol in SYMBOLS[:2]})
    desk.reckon({SYMBOLS[2]: Fee(D("0.005"), FeeSource.REALISED)})
    assert kept() == pytest.approx(0.996**2 * 0.995)
    assert watch.listed[0].hurdle_bps == pytest.approx(131.1, abs=0.1)
    assert lane._setup.fees == dict(zip(SYMBOLS, map(D, ("0.004", "0.004", "0.005")), strict=True))
    assert "taker fee 50 bps (realised) on 1 markets" in desk._assumptions()


async def test_a_feed_that_breaks_ends_its_run_which_says_so_in_the_report() -> None:
    heard: list[Event] = []

    async def act() -> None:
        raise VenueUnreachable("nobody is there")

    run = run_of(heard, act)
    async with asyncio.timeout(10):
        await run.run()
    assert run.failure == "VenueUnreachable: nobody is there"
    assert VenueFailed("sandbox", run.failure) in heard
    report = run.report()
    assert report.failure == run.failure
    assert "broke off" in report.verdict
    assert report.as_dict()["failure"] == run.failure


async def test_a_bug_in_the_lane_ends_the_run_instead_of_looking_like_a_lost_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = run_of([])

    def bug(_: int) -> None:
        raise ArithmeticError("a bug of ours")

    monkeypatch.setattr(run.desk.lane, "turn", bug)
    async with asyncio.timeout(10):
        await run.run()
    run.drained()  # the socket may still call: nothing happens any more
    assert run.failure == "ArithmeticError: a bug of ours"
    assert run.report().failure == run.failure


async def test_a_users_mistake_found_by_the_feed_is_raised_as_it_is() -> None:
    async def act() -> None:
        raise UserError("symbol 'X' is not listed")

    with pytest.raises(UserError, match="is not listed"):
        async with asyncio.timeout(10):
            await run_of([], act).run()


async def test_a_companion_that_ends_breaks_the_run_off() -> None:
    async def companion() -> None:
        raise VenueUnreachable("the sandbox exchange ended by itself (exit code 9)")

    run = run_of([], companion=companion)
    async with asyncio.timeout(10):
        await run.run()
    assert "exit code 9" in run.failure


async def test_after_the_loop_stood_still_nothing_is_looked_at_for_a_moment() -> None:
    run = run_of([])
    clock = SystemClock()
    now_ns = clock.monotonic_ns()
    turned: list[int] = []
    run.desk.standstill.begin(now_ns)
    run._turn(turned.append, now_ns + STALL_NS)
    assert len(turned) == 1  # late, but not as late as that
    run._turn(turned.append, now_ns + 2 * STALL_NS + 1)
    run._turn(turned.append, now_ns + 2 * STALL_NS + 2)
    assert len(turned) == 1  # blind: what waited is older than its stamp
    assert run.desk.standstill.blind(now_ns + 2 * STALL_NS + 2)
    run._turn(turned.append, now_ns + 3 * STALL_NS)
    assert len(turned) == 2


async def test_what_was_read_after_the_loop_stood_still_is_stale_until_it_is_proved_anew() -> None:
    run = run_of([])
    cache, began_ns = run.desk.cache, SystemClock().monotonic_ns()
    awake_ns = began_ns + 4 * STALL_NS
    symbol = cache.symbols[0]
    run.desk.standstill.begin(began_ns)
    cache.confirm(symbol, awake_ns)  # read before the first beat
    run._turn(lambda _now_ns: None, awake_ns + 1)
    cache.confirm(symbol, awake_ns + 2)  # and after it
    over_ns = awake_ns + 1 + STALL_NS // 2
    assert run.desk.standstill.blind(over_ns)  # until the beat that ends it
    run._turn(lambda _now_ns: None, over_ns)
    assert not run.desk.standstill.blind(over_ns)
    max_age_ns = run.desk.setup.venue.max_book_age_ms * 1_000_000
    assert run.desk.cache.confirmed_ns[0] == began_ns - max_age_ns
    assert isinstance(run.feed, Feed)
    assert run.feed.doubted == [began_ns], "so that it has them looked at"
    cache.confirm(symbol, over_ns)
    run._turn(lambda _now_ns: None, over_ns + 1)
    assert cache.confirmed_ns[0] == over_ns


async def test_whoever_acts_before_the_next_turn_knows_that_the_loop_stood_still() -> None:
    run = run_of([])
    run.desk.standstill.begin(1)
    assert not run.desk.standstill.blind(1 + STALL_NS)
    assert run.desk.standstill.blind(2 + STALL_NS)


async def test_a_run_that_is_stopped_in_time_has_not_failed() -> None:
    run = run_of([])
    task = asyncio.ensure_future(run.run())
    await asyncio.sleep(0)
    show(run.desk, SystemClock().monotonic_ns())
    run.drained()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    report = run.report()
    assert not report.failure
    assert report.evaluations == 1


def test_a_decision_lasts_from_the_first_frames_receipt_to_the_end_of_its_turn() -> None:
    run = run_of([])
    run.desk.standstill.begin(SystemClock().monotonic_ns())
    now_ns = SystemClock().monotonic_ns()
    show(run.desk, now_ns - 20_000_000)  # the first of them waited
    show(run.desk, now_ns)
    run.drained()
    assert run.decisions_ms.count == 1
    assert run.decisions_ms.total >= 20
    run.drained()
    assert run.decisions_ms.count == 1, "nothing had arrived"
