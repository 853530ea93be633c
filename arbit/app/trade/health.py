"""Looks once a second at how a lane is, judges it, and remembers the last hour for `arbit why`.

Beside the trading turn, never inside it: a look reads what others keep, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from arbit.app.apart import apart
from arbit.app.trade.trader import Trader
from arbit.app.watch.venue import VenueRun
from arbit.config import Feed
from arbit.domain.book import Disbelief
from arbit.domain.events import HealthChanged
from arbit.domain.health import Judged, Nearest
from arbit.domain.money import BPS
from arbit.domain.refusal import RefusalCode, Refused
from arbit.health import Facts, Minutes, Peak, Peaks, Standing, counted
from arbit.ports import Clock, Listener
from arbit.risk.breaker import BreakerState

LOOK_S = 1.0
AGAIN_S = 10.0  # after an error of ours
LATELY_MIN = 10  # the best edge told is of so many minutes
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Lately:
    """What was met in the last hour, by name and how often. `nearest` is of the last minutes.

    `refusals` are the gate's codes, `unfit` why a gap above its hurdle did not fit, `disbelieved`
    why a triangle was not evaluated.
    """

    nearest: Nearest | None
    refusals: Mapping[str, int]
    unfit: Mapping[str, int]
    disbelieved: Mapping[str, int]

    def words(self) -> str:
        """One line: how near the market came, and what was refused."""
        said = "no triangle with known fees has had three believable books lately"
        if self.nearest is not None:
            said = self.nearest.words()
        if self.unfit:
            said += f"; above the hurdle but unfit: {counted(self.unfit)}"
        refused = counted(self.refusals) or "none"
        return f"{said}; refusals in the last hour: {refused}"


class LaneHealth:
    """How one lane is. `look` is called once a second; everything else only reads."""

    def __init__(self, run: VenueRun, trader: Trader, clock: Clock, publish: Listener) -> None:
        self.run_of, self.trader = run, trader
        self._clock = clock
        self._publish = publish
        self._standing = Standing()
        self._refusals, self._unfit, self._disbelieved = Minutes(), Minutes(), Minutes()
        self._peaks = Peaks()
        self._started_ns = self._sighted_ns = clock.monotonic_ns()
        self._sighted = run.desk.lane.sighted_pulses
        self._begun_ns: int | None = None
        self._ended = 0

    async def apart(self) -> None:
        """The same as `run`; after an error of ours it looks again: an old state is no state."""
        venue = self.run_of.desk.setup.venue.name
        while True:
            await apart(venue, "health", self.run, self._publish)
            await self._clock.sleep(AGAIN_S)

    async def run(self) -> None:
        """Look once a second, until cancelled."""
        while True:
            self.look()
            await self._clock.sleep(LOOK_S)

    def look(self) -> Judged:
        """Judge now; whoever listens hears of another state. The state that is told."""
        now_ns = self._clock.monotonic_ns()
        self._remember(now_ns)
        changed = self._standing.judge(self._facts(now_ns), now_ns)
        if changed is not None:
            venue = self.run_of.desk.setup.venue.name
            self._publish(HealthChanged(venue, changed.health.value, _told(changed)))
        return self.told

    @property
    def told(self) -> Judged:
        """The state that is told. Before the first look there is none: it is taken."""
        return self._standing.told or self.look()

    @property
    def since_s(self) -> float:
        """For how long it has been told, in seconds."""
        return (self._clock.monotonic_ns() - self._standing.since_ns) / SECOND_NS

    @property
    def up_s(self) -> float:
        """For how long it is looked at, in seconds."""
        return (self._clock.monotonic_ns() - self._started_ns) / SECOND_NS

    def lately(self) -> Lately:
        """The last hour."""
        now_ns = self._clock.monotonic_ns()
        return Lately(
            self._nearest(now_ns),
            self._refusals.within(now_ns),
            self._unfit.within(now_ns),
            self._disbelieved.within(now_ns),
        )

    # --- what is looked at -----------------------------------------------------------------------

    def _remember(self, now_ns: int) -> None:
        desk, engine = self.run_of.desk, self.trader.engine
        self._refusals.note(engine.refusals, now_ns)
        self._unfit.note(desk.lane.unfit, now_ns)
        refused = desk.scanner.tally.refused
        self._disbelieved.note({why.value: count for why, count in refused.items()}, now_ns)
        peak = desk.scanner.take_peak()
        self._peaks.note(None if peak is None else Peak(*peak), now_ns)
        if desk.lane.sighted_pulses != self._sighted:
            self._sighted, self._sighted_ns = desk.lane.sighted_pulses, now_ns
        ended = sum(engine.ends.values()) + sum(engine.conversions.values())
        if ended != self._ended or engine.open_cycles:
            self._ended, self._begun_ns = ended, now_ns

    def _facts(self, now_ns: int) -> Facts:
        desk, trader = self.run_of.desk, self.trader
        cache, stops = desk.cache, self.stops()
        code = None if stops is None else stops[0]
        state = trader.breaker.state()
        reasons: dict[str, Disbelief] = {
            symbol: reason
            for symbol, reason in zip(cache.symbols, cache.reason, strict=True)
            if reason is not None
        }
        polls = desk.setup.venue.effective_feed is Feed.REST  # then it is meant to
        pairs = zip(cache.symbols, cache.from_rest, strict=True)
        begun_ns = self._begun_ns
        return Facts(
            books=len(cache.symbols),
            blind_s=(now_ns - self._sighted_ns) / SECOND_NS,
            reasons=reasons,
            polled=[] if polls else [symbol for symbol, rest in pairs if rest],
            broken=self.run_of.failure,
            starts="" if trader.started else self.waits(),
            leaves=self.waits() if trader.started else "",
            stops=stops,
            halted=code is RefusalCode.KILL_SWITCH or state is BreakerState.HALTED,
            probing=state is BreakerState.PROBING,
            open=trader.engine.open_cycles,
            begun_s=None if begun_ns is None else (now_ns - begun_ns) / SECOND_NS,
            edge=self.lately().words(),
        )

    def stops(self) -> tuple[RefusalCode, str] | None:
        """What the gate says keeps every new cycle from beginning now: its code, and words."""
        found = self.trader.gate.stops_cycles()
        if found is None:
            return None
        if found.code is RefusalCode.VENUE_PAUSED:
            return found.code, f"an operator paused it (arbit resume {found.figures['venue']})"
        return found.code, _figures(found)

    def waits(self) -> str:
        """Why none may begin before the start is over, or while it leaves; empty when one may."""
        trader = self.trader
        if not trader.started:
            return "the start is not over: what was in flight is found out first"
        if trader.engine.closed:
            return "it only recovers" if trader.recover_only else "it leaves, and begins nothing"
        return ""

    def _nearest(self, now_ns: int) -> Nearest | None:
        peak = self._peaks.within(now_ns, LATELY_MIN)
        if peak is None:
            return None
        setup = self.run_of.desk.setup
        triangle, demanded = self.run_of.desk.scanner.directed[peak.way], setup.scan.min_edge_bps
        hurdle = setup.watch.hurdle(triangle, demanded)
        if hurdle is None:
            return None
        return Nearest(triangle.path, peak.edge * float(BPS), hurdle, float(demanded))


def _figures(refused: Refused) -> str:
    """What it looked at, in words."""
    return ", ".join(f"{name} {value}" for name, value in refused.figures.items())


def _told(judged: Judged) -> str:
    by = f"{judged.guard}: " if judged.guard else ""
    return f"{by}{judged.detail}"[:500]
