"""One venue, built and run: its feed, its books, its lane and the clockwork between them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from arbit.app.watch.assumptions import fee_words, polling_words
from arbit.app.watch.budget import Budget
from arbit.app.watch.standstill import Standstill
from arbit.app.watch.watchlist import Watchlist
from arbit.books import BookCache
from arbit.config import RotationSettings, ScanSettings, VenueSettings
from arbit.domain.errors import UserError, first_of
from arbit.domain.events import EpisodeEnded, FeedCounts, PaperCycleEnded, VenueFailed
from arbit.domain.fees import Fee
from arbit.domain.histogram import Histogram
from arbit.domain.market import Market
from arbit.domain.money import BPS, plain
from arbit.fitness.episodes import Episode, Episodes
from arbit.fitness.report import Listed, Report, Subject, judge
from arbit.fitness.trial import PaperCycle, Trial, TrialSetup
from arbit.lane import Lane, LaneSetup
from arbit.ports import Clock, Listener, MarketFeed
from arbit.rotation import Rotation
from arbit.scanner import Freshness, Scanner, why_not_tradable
from arbit.venues.kraken.parse import Instrument
from arbit.venues.paper import PaperExchange

MS = 1_000_000
PULSE_S = 0.05
SECOND_NS = 1_000 * MS
MAX_CANDIDATES = 64
_ROTATION = RotationSettings()
DECISIONS_MS = tuple(0.01 * 2.0 ** (step / 2) for step in range(29))  # 10 us to 164 ms


@dataclass(frozen=True, slots=True)
class DeskSetup:
    """What the deciding side of one venue is built from; the same live, recorded or simulated.

    `proved_levels` is how deep the venue's checksum reaches; None where it offers none.
    """

    venue: VenueSettings
    scan: ScanSettings
    watch: Watchlist
    markets: dict[str, Market]
    publish: Listener
    clock_ns: Callable[[], int]
    simulate: bool
    proved_levels: int | None = None
    rotation: RotationSettings = _ROTATION


class Desk:
    """The deciding side of one venue: books, scanner, episodes, paper, and the lane over them.

    `markets` is shared and kept current by `learn`, so that sizing sees a changed increment at
    once. Synchronous: whoever owns the time calls the lane.
    """

    def __init__(self, setup: DeskSetup) -> None:
        self.setup = setup
        max_age_ns = setup.venue.max_book_age_ms * MS
        self.cache = BookCache(proved_levels=setup.proved_levels)
        self.cache.watch(setup.watch.symbols, setup.clock_ns())
        self.scanner = Scanner(
            self.cache,
            setup.watch.triangles,
            [setup.watch.kept(triangle) for triangle in setup.watch.triangles],
            Freshness(max_age_ns, setup.venue.max_skew_ms * MS),
        )
        self.episodes = Episodes(
            self.scanner, float(setup.scan.min_edge_bps / BPS), self._episode_ended
        )
        self.exchange = self._exchange(max_age_ns) if setup.simulate else None
        self.standstill = Standstill(
            lambda since_ns: self.cache.doubt(since_ns, since_ns - max_age_ns)
        )
        self.funds: Callable[[str], Decimal] | None = None  # what is free, when trading for real
        self.budget = Budget(
            setup.scan, self.cache, setup.markets, setup.clock_ns, max_age_ns, self._free
        )
        self.rotation = Rotation(setup.rotation)
        self.rotation.price = self.budget.price
        self.trial = None if self.exchange is None else self._trial(self.exchange, max_age_ns)
        self.lane = Lane(
            LaneSetup(
                markets=setup.markets,
                fees=setup.watch.rates,
                budgets=self.budget,
                max_age_ns=max_age_ns,
                latency_ns=setup.scan.latency_ms * MS,
                min_cost=setup.venue.min_notional,
                max_slippage_bps=setup.scan.max_slippage_bps,
                min_edge=setup.scan.min_edge_bps / BPS,
                rotation=self.rotation,
            ),
            self.cache,
            self.scanner,
            self.episodes,
            self.trial,
        )

    def learn(self, pair: Instrument) -> None:
        """The venue stated a market anew: what it says replaces what we knew."""
        known = self.setup.markets.get(pair.symbol)
        if known is not None:
            self.setup.markets[pair.symbol] = _merged(known, pair)

    def reckon(self, fees: Mapping[str, Fee]) -> None:
        """These taker fees are paid from now on: edges, hurdles and sizes follow at once."""
        watch = self.setup.watch
        watch.reckon(fees, self.setup.scan.min_edge_bps)
        self.scanner.reckon([watch.kept(triangle) for triangle in watch.triangles])

    def report(
        self, market: str, counts: FeedCounts, seconds: float, notes: Sequence[str]
    ) -> Report:
        """The report of a run that is over."""
        subject = Subject(
            venue=self.setup.venue.name,
            market=market,
            symbols=len(self.setup.watch.symbols),
            listed=[self._relisted(listed) for listed in self.setup.watch.listed],
            counts=counts,
            assumptions=(*notes, *self._assumptions()),
        )
        lane = self.lane
        report = judge(subject, seconds, self.scanner, self.episodes, lane.unfit, self.trial)
        return report.seen_for(lane.sighted_pulses / lane.pulses if lane.pulses else None)

    def _relisted(self, listed: Listed) -> Listed:
        """Tradability as the venue stated it last: a status that REST left out may have come."""
        reason = why_not_tradable(listed.triangle, self.setup.markets)
        return replace(listed, why_not_tradable=reason)

    def _assumptions(self) -> list[str]:
        scan = self.setup.scan
        return [
            *fee_words(self.setup.watch.fees),
            f"latency {scan.latency_ms} ms for each leg, there and back",
            *filter(None, [self.setup.watch.said]),
            *polling_words(self.setup.venue, len(self.setup.watch.symbols)),
            *(
                f"no cycle starts in {asset}: no market of this venue prices it in "
                f"{scan.reference_currency} (ARBIT_SCAN__REFERENCE_CURRENCY)"
                for asset in sorted(self.budget.unpriced)
            ),
        ]

    def _free(self, asset: str) -> Decimal:
        """What a cycle could start with: what paper has left, or would have without trading."""
        if asset not in self.setup.scan.start_assets:
            return Decimal(0)
        if self.funds is not None:
            return self.funds(asset)
        if self.exchange is not None:
            return self.exchange.available(asset)
        return self.setup.scan.paper_balances.get(asset, Decimal(0))

    def _exchange(self, max_age_ns: int) -> PaperExchange:
        return PaperExchange(
            self.cache,
            self.setup.markets,
            self.setup.watch.rates,
            self.setup.scan.paper_balances,
            latency_ns=self.setup.scan.latency_ms * MS,
            max_age_ns=max_age_ns,
        )

    def _trial(self, exchange: PaperExchange, max_age_ns: int) -> Trial:
        return Trial(
            TrialSetup(
                desk=exchange,
                markets=self.setup.markets,
                view=lambda symbol, now_ns: self.cache.fresh(symbol, now_ns, max_age_ns),
                on_end=self._cycle_ended,
                max_concurrent=self.setup.scan.max_concurrent_cycles,
            )
        )

    def _cycle_ended(self, cycle: PaperCycle) -> None:
        self.lane.cycle_ended(cycle)
        triangle = cycle.course.triangle
        end = cycle.end.value if cycle.end is not None else ""
        self.setup.publish(
            PaperCycleEnded(
                self.setup.venue.name, triangle.path, end, plain(cycle.profit), triangle.start
            )
        )

    def _episode_ended(self, episode: Episode) -> None:
        self.setup.publish(
            EpisodeEnded(
                venue=self.setup.venue.name,
                path=self.scanner.directed[episode.directed].path,
                stage=episode.stage.name.lower(),
                best_bps=episode.best * float(BPS),
                gross_ms=episode.gross_ns / MS,
                net_ms=episode.net_ns / MS,
            )
        )


def _merged(known: Market, pair: Instrument) -> Market:
    stated = {
        name: value
        for name in (
            *("price_decimals", "qty_decimals", "price_increment", "qty_increment"),
            *("qty_min", "cost_min"),
        )
        if (value := getattr(pair, name)) is not None
    }
    return replace(known, status=pair.status, **stated)


@dataclass(frozen=True, slots=True)
class RunSetup:
    """How a venue is run.

    `market` is synthetic or live; `linger_ns` is how long to stay awake after news; `companion` is
    awaited beside the feed and raises when the run must end.
    """

    market: str
    linger_ns: int = 0
    companion: Callable[[], Awaitable[None]] | None = None


class VenueRun:
    """A desk driven by a live feed, and the supervisor of both.

    One turn when a buffer is drained, a pulse for the rest. Whatever breaks here ends this venue
    alone: `failure` says what it was, the other venues go on, and the report says it too.
    """

    def __init__(self, desk: Desk, feed: MarketFeed, clock: Clock, setup: RunSetup) -> None:
        self.desk = desk
        self.feed = feed
        self.market = setup.market
        self.failure = ""
        self.decisions_ms = Histogram(DECISIONS_MS)  # a frame's receipt to the end of its turn
        self.decided_ns: int | None = None  # when the last turn about news of a book was over
        self.started_ns = 0
        self.closed_ns: int | None = None
        self.ended_ns: int | None = None
        self._clock = clock
        self._wanted: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._cancel_timer: Callable[[], None] | None = None
        self._timer_ns: int | None = None
        self._setup = setup
        self._broken: Exception | None = None
        self._break = asyncio.Event()
        self._awake_until_ns = 0
        self._awake = False
        desk.lane.on_candidate = self._candidate
        desk.standstill.tell(feed.doubt_since)

    def drained(self) -> None:
        """Everything that had arrived is in the books: take a turn."""
        now_ns, first_ns = self._clock.monotonic_ns(), self.desk.cache.first_ns
        self._turn(self.desk.lane.turn, now_ns)
        if first_ns is not None and self._broken is None:
            self.decided_ns = self._clock.monotonic_ns()
            self.decisions_ms.observe((self.decided_ns - first_ns) / MS)
        if self._setup.linger_ns:
            self._awake_until_ns = now_ns + self._setup.linger_ns
            if not self._awake:
                self._awake = True
                asyncio.get_running_loop().call_soon(self._stay_awake)

    def decided_ago_s(self, now_ns: int) -> float | None:
        """How long ago the last turn about news of a book was over; None before the first."""
        if self.decided_ns is None:
            return None
        return max(0.0, (now_ns - self.decided_ns) / SECOND_NS)

    def _turn(self, turn: Callable[[int], None], now_ns: int) -> None:
        """Take a turn unless the loop has just stood still; a turn that raises ends this run.

        It is called from inside the WebSocket client, which would take an error of ours for the
        venue's and redial for ever.
        """
        if not self.desk.standstill.beat(now_ns) or self._broken is not None:
            return
        try:
            turn(now_ns)
            self._arm()
        except Exception as error:  # noqa: BLE001  the supervisor's own: told, and the run ends
            self._broken = error
            self._break.set()

    def _stay_awake(self) -> None:
        """Go round the loop without sleeping: waking up costs more than deciding does."""
        self._awake = self._clock.monotonic_ns() < self._awake_until_ns
        if self._awake:
            asyncio.get_running_loop().call_soon(self._stay_awake)

    def soon(self) -> None:
        """A book was touched: take a turn in the next round of the loop, with all that came."""
        asyncio.get_running_loop().call_soon(self.drained)

    async def run(self) -> None:
        """Feed and decide until cancelled or broken; a user's mistake alone is raised."""
        self.started_ns = self._clock.monotonic_ns()
        self.desk.standstill.begin(self.started_ns)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.feed.run(self.desk.setup.watch.symbols))
                group.create_task(self._pulse())
                group.create_task(self._confirm_candidates())
                group.create_task(self._raise_what_broke())
                if self._setup.companion is not None:
                    group.create_task(_awaited(self._setup.companion()))
        except Exception as several:  # noqa: BLE001  the supervisor: one venue ends no other
            error = first_of(several)
            if isinstance(error, UserError):
                raise error from None
            self.failure = f"{type(error).__name__}: {error}"
            self.desk.setup.publish(VenueFailed(self.desk.setup.venue.name, self.failure))
        finally:
            self.ended_ns = self._clock.monotonic_ns()

    def close(self) -> None:
        """The measuring is over; only paper cycles under way go on."""
        self.closed_ns = self._clock.monotonic_ns()
        self.desk.lane.close()

    async def _raise_what_broke(self) -> None:
        await self._break.wait()
        if self._broken is not None:
            raise self._broken

    def report(self, notes: Sequence[str] = ()) -> Report:
        """Close every episode and judge."""
        now_ns = self.ended_ns or self._clock.monotonic_ns()
        measured_until_ns = self.closed_ns or now_ns
        if self._broken is None:
            self.desk.lane.finish(now_ns)
        seconds = (measured_until_ns - self.started_ns) / SECOND_NS
        report = self.desk.report(self.market, self.feed.counts, seconds, notes)
        return report.broken_off(self.failure) if self.failure else report

    async def _pulse(self) -> None:
        """Take the turns that no buffer asked for, and look at everything once a second."""
        next_ns = self._clock.monotonic_ns() + SECOND_NS
        while True:
            await self._clock.sleep(PULSE_S)
            now_ns = self._clock.monotonic_ns()
            if now_ns >= next_ns:
                next_ns = now_ns + SECOND_NS
                self._turn(self.desk.lane.pulse, now_ns)
            else:
                self._turn(self.desk.lane.turn, now_ns)

    async def _confirm_candidates(self) -> None:
        """An independent look at the legs of a triangle that would pay but for a book's age."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            symbols, self._wanted = list(self._wanted), {}
            await self.feed.confirm(symbols)

    def _candidate(self, symbols: Sequence[str]) -> None:
        if len(self._wanted) < MAX_CANDIDATES:
            self._wanted.update(dict.fromkeys(symbols))
            self._wake.set()

    def _arm(self) -> None:
        """Wake for the next paper fill or latency check, to the millisecond."""
        due_ns = self.desk.lane.next_due_ns
        if due_ns == self._timer_ns:
            return
        if self._cancel_timer is not None:
            self._cancel_timer()
            self._cancel_timer = None
        self._timer_ns = due_ns
        if due_ns is not None:
            self._cancel_timer = self._clock.call_at(due_ns, self._timer)

    def _timer(self) -> None:
        self._timer_ns = None
        self._cancel_timer = None
        self.drained()


async def _awaited(awaitable: Awaitable[None]) -> None:
    await awaitable
