"""Episodes: one gap is counted once, however many updates show it.

An episode of a directed triangle opens when its gross edge turns positive on the last-known books
and closes when the edge falls back to the level that opened it. It remembers the furthest stage
it reached and how long it lived, gross and net.

A gap can be gone before its outcome is known: the look after the latency, and the three orders of
a paper cycle, come later. Whoever is still to say something about an episode `hold`s it; it is
reported once it has closed and nobody holds it any more.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from arbit.scanner import NOISE, Scanner, Sighting

KEPT_LIFETIMES = 256  # per directed triangle; beyond that every second one is dropped


class Stage(enum.IntEnum):
    """The funnel, in order. Reaching one implies all before it.

    SURVIVES is the look after one latency: the same gap still open and a size still fits. FILLED
    is all three orders filled at their planned limits or better, which proves as much and more,
    even when the gap blinked at the very moment of that look.
    """

    RAW = 0
    GROSS = 1
    NET = 2
    FITS = 3
    SURVIVES = 4
    FILLED = 5


@dataclass(slots=True, eq=False)
class Episode:
    """One gap. Times are monotonic nanoseconds; a since of None means not at present.

    `believed_until_ns` is when its oldest leg, as last seen, grows too old to be believed.
    `tried` says that a size was found, `taken` that it was handed on to be traded.
    `holds` counts those who are still to say something about it (`Episodes.hold`).
    """

    directed: int
    opened_ns: int
    stage: Stage = Stage.RAW
    best: float = 0.0
    gross_since_ns: int | None = None
    net_since_ns: int | None = None
    believed_until_ns: int = 0
    gross_ns: int = 0
    net_ns: int = 0
    tried: bool = False
    taken: bool = False
    closed: bool = False
    holds: int = 0

    def reach(self, stage: Stage) -> None:
        """Remember that it came this far."""
        self.stage = max(self.stage, stage)


@dataclass(slots=True)
class History:
    """What the closed episodes of one directed triangle add up to."""

    episodes: int = 0
    lifetimes_ms: list[float] = field(default_factory=list)
    net_lifetimes_ms: list[float] = field(default_factory=list)

    def add(self, episode: Episode) -> None:
        """Add one that has closed, if it was ever real (gross on believable books)."""
        if episode.stage < Stage.GROSS:
            return
        self.episodes += 1
        _keep(self.lifetimes_ms, episode.gross_ns / 1e6)
        if episode.net_ns:
            _keep(self.net_lifetimes_ms, episode.net_ns / 1e6)


def _keep(values: list[float], value: float) -> None:
    if len(values) >= KEPT_LIFETIMES:
        del values[1::2]
    values.append(value)


class Episodes:
    """Every open episode of a scanner's triangles, and the history of the closed ones."""

    def __init__(
        self, scanner: Scanner, min_edge: float, on_closed: Callable[[Episode], None]
    ) -> None:
        self._scanner = scanner
        self._min_edge = min_edge + NOISE
        self._on_closed = on_closed
        self._open: dict[int, Episode] = {}
        self._awaited: list[Episode] = []
        self.history = [History() for _ in scanner.directed]
        self.reached = dict.fromkeys(Stage, 0)

    @property
    def open(self) -> int:
        """How many are open now."""
        return len(self._open)

    def see(self, sighting: Sighting, now_ns: int) -> Episode | None:
        """Open, update or close by one sighting; returns the episode while it stays open."""
        episode = self._open.get(sighting.directed)
        if sighting.edge <= NOISE:
            if episode is not None:
                self._close(episode, now_ns)
            return None
        if episode is None:
            episode = Episode(sighting.directed, now_ns)
            self._open[sighting.directed] = episode
            self._scanner.open[sighting.directed] = 1
            self.reached[Stage.RAW] += 1
        real = sighting.why_not is None
        _lapse(episode, now_ns)
        if real:
            episode.best = max(episode.best, sighting.edge)
            oldest_ns, freshness = sighting.oldest_ns, self._scanner.freshness
            episode.believed_until_ns = oldest_ns + freshness.max_age_ns
        net = real and sighting.net is not None and sighting.net > self._min_edge
        _count(episode, now_ns, gross=real, net=net)
        if real:
            self.reach(episode, Stage.NET if net else Stage.GROSS)
        return episode

    def reach(self, episode: Episode, stage: Stage) -> None:
        """The episode came this far; every stage up to it is counted once."""
        for step in Stage:
            if episode.stage < step <= stage:
                self.reached[step] += 1
        episode.reach(stage)

    def is_net(self, sighting: Sighting) -> bool:
        """True when this sighting is above the hurdle on believable books."""
        return (
            sighting.why_not is None and sighting.net is not None and sighting.net > self._min_edge
        )

    def hold(self, episode: Episode) -> None:
        """Its outcome is not all known yet: `release` follows."""
        episode.holds += 1

    def release(self, episode: Episode) -> None:
        """What was awaited has come; an episode that closed meanwhile is reported now."""
        episode.holds -= 1
        if episode.closed and not episode.holds and episode in self._awaited:
            self._awaited.remove(episode)
            self._on_closed(episode)

    def finish(self, now_ns: int) -> None:
        """The run is over: close what is open, report what was still awaited as far as it came."""
        for episode in list(self._open.values()):
            self._close(episode, now_ns)
        awaited, self._awaited = self._awaited, []
        for episode in awaited:
            self._on_closed(episode)

    def _close(self, episode: Episode, now_ns: int) -> None:
        _lapse(episode, now_ns)
        _count(episode, now_ns, gross=False, net=False)
        episode.closed = True
        del self._open[episode.directed]
        self._scanner.open[episode.directed] = 0
        self.history[episode.directed].add(episode)
        if episode.holds:
            self._awaited.append(episode)
        else:
            self._on_closed(episode)


def _lapse(episode: Episode, now_ns: int) -> None:
    """A book that grew too old since the last look stopped the clocks then, not now."""
    if episode.believed_until_ns < now_ns:
        _count(episode, episode.believed_until_ns, gross=False, net=False)


def _count(episode: Episode, now_ns: int, *, gross: bool, net: bool) -> None:
    """Start or stop the two clocks of an episode."""
    if gross and episode.gross_since_ns is None:
        episode.gross_since_ns = now_ns
    elif not gross and episode.gross_since_ns is not None:
        episode.gross_ns += now_ns - episode.gross_since_ns
        episode.gross_since_ns = None
    if net and episode.net_since_ns is None:
        episode.net_since_ns = now_ns
    elif not net and episode.net_since_ns is not None:
        episode.net_ns += now_ns - episode.net_since_ns
        episode.net_since_ns = None
