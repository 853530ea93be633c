"""Takes the turn: what the books say now, into what is worth doing about it. One lane a venue.

Synchronous and driven from outside with the time, so that sockets, recordings and simulated time
all run the same code. A turn looks at every triangle whose books were touched since the last one.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from arbit.books import BookCache
from arbit.domain.book import BookView, Disbelief
from arbit.domain.market import Market
from arbit.domain.refusal import Refused
from arbit.domain.triangle import Triangle
from arbit.fitness.episodes import Episode, Episodes, Stage
from arbit.fitness.trial import Course, CycleEnd, PaperCycle, Trial
from arbit.scanner import Scanner, why_not_tradable
from arbit.sizing import Plan, SizeLimits, Unfit, UnfitReason, size

RETRY_SIZE_NS = 20_000_000  # a triangle that did not fit is sized again no sooner than this
LOOK_AGAIN_NS = 50_000_000  # how often a look after the latency asks for a later polled book
MAX_AGENDA = 100_000
SMALLER_SIZES = 8  # halvings tried for a size that keeps the edge demanded
# Reasons that go away when an independent look confirms the book in question.
_MENDED_BY_A_LOOK = frozenset({Disbelief.STALE, Disbelief.SKEW})


class Agenda:
    """Things to do at a time, run in order of time and then of entry."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Callable[[int], None]]] = []
        self._entered = 0

    def at(self, when_ns: int, action: Callable[[int], None]) -> bool:
        """Do `action(now_ns)` from `when_ns` on. False (not entered) when the agenda is full."""
        if len(self._heap) >= MAX_AGENDA:
            return False
        self._entered += 1
        heapq.heappush(self._heap, (when_ns, self._entered, action))
        return True

    def run(self, now_ns: int) -> None:
        """Do everything that is due."""
        while self._heap and self._heap[0][0] <= now_ns:
            _, _, action = heapq.heappop(self._heap)
            action(now_ns)

    @property
    def next_ns(self) -> int | None:
        """When the next thing is due; None when there is none."""
        return self._heap[0][0] if self._heap else None


@dataclass(frozen=True, slots=True)
class LaneSetup:
    """What a lane needs beside its books. Fees are fractions by symbol; missing means unknown."""

    markets: Mapping[str, Market]
    fees: Mapping[str, Decimal]
    budgets: Callable[[str], Decimal | None]
    max_age_ns: int
    latency_ns: int
    min_cost: Mapping[str, Decimal]
    max_slippage_bps: Decimal | None = None
    min_edge: Decimal = Decimal(0)


class Lane:
    """The deciding middle of one venue.

    `take` is handed each plan that may be traded for real, once an episode unless it refuses;
    `books_moved` is told of every symbol touched (paper keeps count of what it took).
    """

    def __init__(
        self,
        setup: LaneSetup,
        cache: BookCache,
        scanner: Scanner,
        episodes: Episodes,
        trial: Trial | None = None,
    ) -> None:
        self._setup = setup
        self.cache = cache
        self.scanner = scanner
        self.episodes = episodes
        self.trial = trial
        self.unfit: dict[str, int] = {}
        self.agenda = Agenda()
        self.turns = 0
        self._closed = False
        self.pulses = 0
        self.sighted_pulses = 0
        self.on_candidate: Callable[[Sequence[str]], None] = lambda _: None
        self.take: Callable[[Plan, int], Refused | None] | None = None
        self.books_moved: Callable[[str, int], None] | None = None
        self._next_try: dict[int, int] = {}
        self._cycle_of: dict[int, Episode] = {}

    def turn(self, now_ns: int) -> None:
        """Look at everything touched since the last turn, at monotonic `now_ns`."""
        self.turns += 1
        touched = self.cache.take_touched()
        if self.books_moved is not None:
            for symbol in touched:
                self.books_moved(self.cache.symbols[symbol], now_ns)
        if self.trial is not None:
            for symbol in touched:
                self.trial.books_moved(self.cache.symbols[symbol], now_ns)
            self.trial.pump(now_ns)
        self.agenda.run(now_ns)
        self._look(touched, now_ns)

    def pulse(self, now_ns: int) -> None:
        """Once a second: observe every triangle's staleness, and doubt what has grown old."""
        self.pulses += 1
        self.sighted_pulses += self.scanner.observe_all(now_ns) > 0
        self._look_again(now_ns)
        self.turn(now_ns)

    def close(self) -> None:
        """See nothing new and begin no cycle; those under way go on until `idle`."""
        self._closed = True
        if self.trial is not None:
            self.trial.closed = True

    @property
    def idle(self) -> bool:
        """True when no paper cycle is under way and no look after a latency is to come."""
        return self.next_due_ns is None

    def finish(self, now_ns: int) -> None:
        """The run is over: end every cycle where it stands, and close every episode."""
        self.close()
        self.turn(now_ns)
        self._look_again(now_ns)
        if self.trial is not None:
            self.trial.finish()
        self.episodes.finish(now_ns)

    @property
    def next_due_ns(self) -> int | None:
        """When `turn` has something to do even if no book moves."""
        times = [self.agenda.next_ns, self.trial.next_due_ns if self.trial else None]
        return min((time for time in times if time is not None), default=None)

    def cycle_ended(self, cycle: PaperCycle) -> None:
        """A paper cycle is over; its episode remembers when all three legs filled."""
        episode = self._cycle_of.pop(cycle.number, None)
        if episode is None:
            return
        if cycle.end is CycleEnd.DONE:
            self.episodes.reach(episode, Stage.FILLED)
        self.episodes.release(episode)

    def _look_again(self, now_ns: int) -> None:
        """See every open episode as of now: a book may have grown too old without a word."""
        for way, flag in enumerate(self.scanner.open):
            if flag:
                self.episodes.see(self.scanner.edge_now(way, now_ns), now_ns)

    def _look(self, touched: Sequence[int], now_ns: int) -> None:
        if not touched or self._closed:
            return
        for sighting in self.scanner.scan(touched, now_ns):
            episode = self.episodes.see(sighting, now_ns)
            if episode is None:
                continue
            if self.episodes.is_net(sighting):
                self._consider(episode, now_ns)
            elif sighting.why_not in _MENDED_BY_A_LOOK and (sighting.net or 0.0) > 0.0:
                self.on_candidate(self.scanner.directed[sighting.directed].symbols)

    def _consider(self, episode: Episode, now_ns: int) -> None:
        """Above the hurdle: does it fit depth and minima, and is it there after our latency?"""
        way = episode.directed
        done = episode.tried and (self.take is None or episode.taken)
        if done or now_ns < self._next_try.get(way, 0):
            return
        plan = self._size(self.scanner.directed[way], now_ns)
        if isinstance(plan, Unfit):
            self.unfit[plan.reason.value] = self.unfit.get(plan.reason.value, 0) + 1
            self._next_try[way] = now_ns + RETRY_SIZE_NS
            return
        self._hand_over(episode, plan, now_ns)
        if episode.tried:
            return
        episode.tried = True
        self.episodes.reach(episode, Stage.FITS)
        due_ns = now_ns + self._setup.latency_ns
        if self.agenda.at(due_ns, lambda at_ns: self._survive(episode, due_ns, at_ns)):
            self.episodes.hold(episode)
        if self.trial is not None:
            cycle = self.trial.start(_course(plan, self._setup.fees), now_ns)
            if cycle is not None and cycle.end is None:
                self._cycle_of[cycle.number] = episode
                self.episodes.hold(episode)

    def _hand_over(self, episode: Episode, plan: Plan, now_ns: int) -> None:
        """Let it be traded; a refusal may be over while the gap is still there."""
        if self.take is None or episode.taken:
            return
        if self.take(plan, now_ns) is None:
            episode.taken = True
        else:
            self._next_try[episode.directed] = now_ns + RETRY_SIZE_NS

    def _survive(self, episode: Episode, due_ns: int, now_ns: int) -> None:
        """The look after the latency. A gap that closed has not survived, whatever opened since.

        A polled book from before `due_ns` says nothing about that moment: the next poll is waited
        for, and where none comes in time the gap has not been seen to survive.
        """
        if not episode.closed and self._polled_before(episode.directed, due_ns):
            late = now_ns - due_ns > self._setup.max_age_ns
            if not late and self.agenda.at(
                now_ns + LOOK_AGAIN_NS, lambda at_ns: self._survive(episode, due_ns, at_ns)
            ):
                return
        elif not episode.closed and self._still_fits(episode.directed, now_ns):
            self.episodes.reach(episode, Stage.SURVIVES)
        self.episodes.release(episode)

    def _polled_before(self, way: int, due_ns: int) -> bool:
        cache = self.cache
        legs = (cache.index(symbol) for symbol in self.scanner.directed[way].symbols)
        return any(cache.from_rest[i] and cache.confirmed_ns[i] < due_ns for i in legs)

    def _still_fits(self, way: int, now_ns: int) -> bool:
        if not self.episodes.is_net(self.scanner.edge_now(way, now_ns)):
            return False
        return isinstance(self._size(self.scanner.directed[way], now_ns), Plan)

    def _size(self, triangle: Triangle, now_ns: int) -> Plan | Unfit:
        """The plan that earns most and, whatever its size, no less than the edge demanded."""
        why_not = why_not_tradable(triangle, self._setup.markets)
        if why_not is not None:
            return Unfit(UnfitReason.NOT_TRADABLE, why_not)
        max_age_ns = self._setup.max_age_ns
        shallow = [s for s in triangle.symbols if not self.cache.deep(s, now_ns, max_age_ns)]
        if shallow:
            self.on_candidate(shallow)
            return Unfit(UnfitReason.DEPTH_UNPROVED, ", ".join(shallow))
        views: dict[str, BookView] = {}
        for symbol in triangle.symbols:
            view = self.cache.fresh(symbol, now_ns, max_age_ns)
            if view is not None:
                views[symbol] = view
        most = self._setup.budgets(triangle.start) or Decimal(0)
        plan: Plan | Unfit = Unfit(UnfitReason.NO_BUDGET, f"no budget of {triangle.start}")
        for _ in range(SMALLER_SIZES):
            plan = size(triangle, views, self._setup.markets, self._setup.fees, self._limits(most))
            if isinstance(plan, Unfit) or plan.profit_at_limits >= self._demand(plan):
                return plan
            most = plan.start_in / 2
        return Unfit(
            UnfitReason.BELOW_MIN_EDGE, f"{triangle.path}: no size keeps the edge demanded"
        )

    def _limits(self, most: Decimal) -> SizeLimits:
        return SizeLimits(
            max_start=most,
            min_cost=self._setup.min_cost,
            max_slippage_bps=self._setup.max_slippage_bps,
        )

    def _demand(self, plan: Plan) -> Decimal:
        return self._setup.min_edge * plan.start_in


def _course(plan: Plan, fees: Mapping[str, Decimal]) -> Course:
    one, two, three = plan.legs
    return Course(
        Triangle((one.leg, two.leg, three.leg)),
        one.qty,
        (one.limit_price, two.limit_price, three.limit_price),
        (fees[one.leg.symbol], fees[two.leg.symbol], fees[three.leg.symbol]),
        (one.qty, two.qty, three.qty),
    )
