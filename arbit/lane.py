"""Takes the turn: what the books say now, into what is worth doing about it. One lane a venue.

Synchronous and driven from outside with the time, so that sockets, recordings and simulated time
all run the same code. A turn looks at every triangle whose books were touched since the last one,
gathers those that fit, and tries them in the order that `rotation` puts them in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from arbit.agenda import Agenda
from arbit.books import BookCache
from arbit.config import RotationSettings
from arbit.domain.book import BookView, Disbelief
from arbit.domain.market import Market
from arbit.domain.money import EXACT, ONE
from arbit.domain.refusal import RefusalCode, Refused
from arbit.domain.triangle import Triangle
from arbit.fitness.episodes import Episode, Episodes, Stage
from arbit.fitness.trial import Course, CycleEnd, PaperCycle, Trial
from arbit.rotation import Candidate, Rotation, Verdict, Weighed, turn_back
from arbit.scanner import Scanner, why_not_tradable
from arbit.sizing import Plan, SizeLimits, Unfit, UnfitReason, size

RETRY_SIZE_NS = 20_000_000  # a triangle that did not fit is sized again no sooner than this
LOOK_AGAIN_NS = 50_000_000  # how often a look after the latency asks for a later polled book
SMALLER_SIZES = 8  # halvings tried for a size that keeps the edge demanded
# What is over once another cycle is: then the best of those that waited is tried, not the newest.
_FOR_WANT_OF_ROOM = frozenset(
    {
        RefusalCode.CONCURRENCY,
        RefusalCode.START_BUDGET,
        RefusalCode.TOTAL_CYCLES,
        RefusalCode.TOTAL_NOTIONAL,
        RefusalCode.LANE_TURN,
    }
)
# Reasons that go away when an independent look confirms the book in question.
_MENDED_BY_A_LOOK = frozenset({Disbelief.STALE, Disbelief.SKEW})


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
    rotation: Rotation = field(default_factory=lambda: Rotation(RotationSettings()))


class Lane:
    """The deciding middle of one venue.

    `take` is handed each plan that may be traded for real, once an episode unless it refuses;
    `room` says which share of a plan the owner's bounds have room for (all of it, without any).
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
        self.rotation = setup.rotation
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
        self.room: Callable[[Plan, int], Decimal] = lambda _plan, _now_ns: ONE
        self.books_moved: Callable[[str, int], None] | None = None
        self._next_try: dict[int, int] = {}
        self._waiting: dict[int, Episode] = {}  # fit, and refused: seen with the next that fits
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
        self._learn(cycle)
        self.episodes.release(episode)

    def _learn(self, cycle: PaperCycle) -> None:
        """What a paper cycle says of the odds; one that was broken off says nothing."""
        path, odds = cycle.course.triangle.path, self.rotation.odds
        if cycle.end is CycleEnd.FLAT:
            odds.looked(path, survived=False)
        elif cycle.end is CycleEnd.DONE:
            odds.attempted(path, None)
        elif cycle.end in {CycleEnd.UNWOUND, CycleEnd.HELD}:
            odds.attempted(path, EXACT.divide(EXACT.minus(cycle.profit), cycle.spent))

    def _look_again(self, now_ns: int) -> None:
        """See every open episode as of now: a book may have grown too old without a word."""
        for way, flag in enumerate(self.scanner.open):
            if flag:
                self.episodes.see(self.scanner.edge_now(way, now_ns), now_ns)

    def _look(self, touched: Sequence[int], now_ns: int) -> None:
        if not touched or self._closed:
            return
        fitting: list[tuple[Episode, Candidate]] = []
        for sighting in self.scanner.scan(touched, now_ns):
            episode = self.episodes.see(sighting, now_ns)
            if episode is None:
                continue
            if self.episodes.is_net(sighting):
                candidate = self._candidate(episode, now_ns)
                if candidate is not None:
                    fitting.append((episode, candidate))
            elif sighting.why_not in _MENDED_BY_A_LOOK and (sighting.net or 0.0) > 0.0:
                self.on_candidate(self.scanner.directed[sighting.directed].symbols)
        if fitting:
            self._choose([*fitting, *self._still_waiting(fitting, now_ns)], now_ns)

    def _candidate(self, episode: Episode, now_ns: int) -> Candidate | None:
        """Above the hurdle: does it fit depth and minima? None when it does not, or need not."""
        way = episode.directed
        done = episode.tried and (self.take is None or episode.taken)
        if done or now_ns < self._next_try.get(way, 0):
            return None
        plan = self._size(self.scanner.directed[way], now_ns)
        if isinstance(plan, Unfit):
            self._note_unfit(way, plan, now_ns)
            return None
        view = self.cache.fresh(plan.legs[0].leg.symbol, now_ns, self._setup.max_age_ns)
        return Candidate(way, plan, turn_back(plan.legs[0], view) if view else ONE)

    def _note_unfit(self, way: int, unfit: Unfit, now_ns: int) -> None:
        self.unfit[unfit.reason.value] = self.unfit.get(unfit.reason.value, 0) + 1
        self._next_try[way] = now_ns + RETRY_SIZE_NS

    def _still_waiting(
        self, fitting: Sequence[tuple[Episode, Candidate]], now_ns: int
    ) -> Iterator[tuple[Episode, Candidate]]:
        """What was refused for want of room and is still there."""
        seen = {candidate.way for _, candidate in fitting}
        for way, episode in sorted(self._waiting.items()):
            if episode.closed or episode.taken:
                del self._waiting[way]
            elif way not in seen and self.episodes.is_net(self.scanner.edge_now(way, now_ns)):
                candidate = self._candidate(episode, now_ns)
                if candidate is not None:
                    yield episode, candidate

    def _choose(self, fitting: Sequence[tuple[Episode, Candidate]], now_ns: int) -> None:
        """Try what fits, the best first; what one takes the next cannot have."""
        episodes = {candidate.way: episode for episode, candidate in fitting}
        ranked = self.rotation.rank([candidate for _, candidate in fitting], now_ns)
        begun = False
        for place, weighed in enumerate(ranked):
            way = weighed.candidate.way
            plan: Plan | Unfit = weighed.candidate.plan
            if begun:  # funds are held for what was begun in this turn
                plan = self._size(self.scanner.directed[way], now_ns)
            if isinstance(plan, Unfit):
                self._note_unfit(way, plan, now_ns)
                ranked[place] = weighed.became(Verdict.GONE, plan.detail)
                continue
            ranked[place] = self._try(episodes[way], weighed, plan, now_ns)
            begun = begun or episodes[way].taken
        self.rotation.note(ranked, now_ns)

    def _try(self, episode: Episode, weighed: Weighed, plan: Plan, now_ns: int) -> Weighed:
        """Let it be traded, and look whether it is there after our latency."""
        told = self._hand_over(episode, weighed, plan, now_ns)
        if episode.tried:
            return told
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
                episode.taken = True
                told = told.became(Verdict.TAKEN)
        return told

    def _hand_over(self, episode: Episode, weighed: Weighed, plan: Plan, now_ns: int) -> Weighed:
        """Let it be traded; a refusal may be over while the gap is still there."""
        if self.take is None or episode.taken:
            return weighed
        way = episode.directed
        if weighed.losing:
            if not episode.tried:
                self.rotation.odds.passed_by(weighed.path)
            self._next_try[way] = now_ns + RETRY_SIZE_NS
            return weighed.became(Verdict.LOSING)
        refused = self.take(plan, now_ns)
        if refused is None:
            episode.taken = True
            return weighed.became(Verdict.TAKEN)
        self._next_try[way] = now_ns + RETRY_SIZE_NS
        if refused.code in _FOR_WANT_OF_ROOM:
            self._waiting[way] = episode
        return weighed.became(Verdict.REFUSED, str(refused))

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
        if not episode.taken:  # what was taken is told by its cycle: our order may have closed it
            path = self.scanner.directed[episode.directed].path
            self.rotation.odds.looked(path, survived=episode.stage >= Stage.SURVIVES)
        self.episodes.release(episode)

    def _polled_before(self, way: int, due_ns: int) -> bool:
        cache = self.cache
        legs = (cache.index(symbol) for symbol in self.scanner.directed[way].symbols)
        return any(cache.from_rest[i] and cache.confirmed_ns[i] < due_ns for i in legs)

    def _still_fits(self, way: int, now_ns: int) -> bool:
        if not self.episodes.is_net(self.scanner.edge_now(way, now_ns)):
            return False
        found = self._size(self.scanner.directed[way], now_ns)
        return isinstance(found, Plan) or found.reason is UnfitReason.NO_ROOM  # ours may fill it

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
        return self._sized(triangle, views, now_ns)

    def _sized(
        self, triangle: Triangle, views: Mapping[str, BookView], now_ns: int
    ) -> Plan | Unfit:
        """The same on these books, within the room that the owner's bounds leave."""
        most = self._setup.budgets(triangle.start) or Decimal(0)
        for _ in range(SMALLER_SIZES):
            plan = size(triangle, views, self._setup.markets, self._setup.fees, self._limits(most))
            if isinstance(plan, Unfit):
                return plan
            share = self.room(plan, now_ns)
            if share <= 0:
                return Unfit(UnfitReason.NO_ROOM, f"{triangle.path}: caps or reserves leave none")
            if share >= 1 and plan.profit_at_limits >= self._demand(plan):
                return self._liquid(plan, views)
            most = plan.start_in * share if share < 1 else plan.start_in / 2
        return Unfit(
            UnfitReason.BELOW_MIN_EDGE, f"{triangle.path}: no size keeps the edge demanded"
        )

    def _liquid(self, plan: Plan, views: Mapping[str, BookView]) -> Plan | Unfit:
        """The plan, unless one of its books is below the liquidity floor."""
        for leg in plan.legs:
            view = views[leg.leg.symbol]
            thin = self.rotation.thin(leg, view, self._setup.max_slippage_bps)
            if thin:
                return Unfit(UnfitReason.BELOW_LIQUIDITY_FLOOR, thin)
        return plan

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
