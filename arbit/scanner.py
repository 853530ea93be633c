"""Sees: which triangles there are, and what each is worth on the books as they stand.

The edge of a directed triangle is the product of its three conversion rates at the tops of the
books, minus one. Floats are enough here: nothing is sent at these numbers; sizing proves every
candidate again in exact arithmetic. Only triangles that a touched symbol belongs to are looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from arbit.books import BookCache
from arbit.domain.book import Disbelief
from arbit.domain.histogram import Histogram
from arbit.domain.market import Market
from arbit.domain.samples import EdgeSamples
from arbit.domain.triangle import Leg, Side, Triangle


def discover(markets: Mapping[str, Market]) -> list[Triangle]:
    """Every triangle among these markets, each once, in a fixed order.

    A triangle is three markets that join three assets pairwise. Its direction and start asset
    are arbitrary here (`Triangle.starting_at`, `reversed`).
    """
    joined: dict[str, dict[str, list[Market]]] = defaultdict(lambda: defaultdict(list))
    for symbol in sorted(markets):
        market = markets[symbol]
        if market.base != market.quote:
            joined[market.base][market.quote].append(market)
            joined[market.quote][market.base].append(market)
    found: list[Triangle] = []
    for a in sorted(joined):
        for b in sorted(other for other in joined[a] if other > a):
            for c in sorted(other for other in joined[b] if other > b and other in joined[a]):
                found += _walks(a, (joined[a][b], joined[b][c], joined[c][a]))
    return found


def _walks(start: str, sides: tuple[Sequence[Market], ...]) -> Iterable[Triangle]:
    for one in sides[0]:
        for two in sides[1]:
            for three in sides[2]:
                first = Leg.through(one, start)
                second = Leg.through(two, first.receive)
                third = Leg.through(three, second.receive)
                yield Triangle((first, second, third))


def why_not_tradable(triangle: Triangle, markets: Mapping[str, Market]) -> str | None:
    """The first reason why a leg's market cannot be traded; None when all three can."""
    for symbol in triangle.symbols:
        reason = markets[symbol].why_not_tradable()
        if reason is not None:
            return reason
    return None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A directed triangle that shows a positive raw edge, or an open episode, in this scan.

    `edge` is the gross edge as a fraction on the last-known tops; `why_not` is the reason not to
    believe one of its books, None when the edge is real; `net` is what is left after fees, None
    when a fee is unknown.
    """

    directed: int
    edge: float
    net: float | None
    why_not: Disbelief | None
    oldest_ns: int


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old a leg's confirmation may be, and how far apart those of three legs. Nanoseconds."""

    max_age_ns: int
    max_skew_ns: int


class Tally:
    """Counts of evaluations since the start; read by reports and metrics."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self.from_ws = 0
        self.from_rest = 0
        self.refused: dict[Disbelief, int] = dict.fromkeys(Disbelief, 0)
        self.staleness_ms = [Histogram(STALENESS_MS) for _ in symbols]

    @property
    def evaluations(self) -> int:
        """Evaluations on three believable books."""
        return self.from_ws + self.from_rest


_NO_PEAK = (0.0, 0, 0.0, 0.0)  # what is left of one unit after fees, the triangle, both its edges
NOISE = 1e-12  # an edge this small is what float products leave of exact parity
STALENESS_MS = (
    *(1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 150.0, 200.0, 250.0, 350.0, 500.0, 750.0),
    *(1_000.0, 2_000.0, 3_000.0, 5_000.0, 10_000.0, 30_000.0, 60_000.0, 300_000.0),
)


class Scanner:
    """Evaluates the triangles of one venue. `kept[t]` is prod(1 - fee) of triangle t, or None.

    Directed triangle 2t is `triangles[t]`, 2t + 1 the same walked the other way. `open` flags the
    directed triangles that must be reported even when their edge is gone (an open episode).
    """

    def __init__(
        self,
        cache: BookCache,
        triangles: Sequence[Triangle],
        kept: Sequence[float | None],
        freshness: Freshness,
    ) -> None:
        self._cache = cache
        self.freshness = freshness
        self._kept = list(kept)
        self._shares = _shares(kept)
        self._peak = _NO_PEAK
        self.directed = [way for t in triangles for way in (t, t.reversed())]
        self.open = bytearray(len(self.directed))
        self.best = [float("-inf")] * len(self.directed)
        self.samples = EdgeSamples(len(self.directed))
        self.tally = Tally(cache.symbols)
        self._rows = [self._row(t, triangle) for t, triangle in enumerate(triangles)]
        self._by_symbol: list[list[int]] = [[] for _ in cache.symbols]
        for t, triangle in enumerate(triangles):
            for symbol in triangle.symbols:
                self._by_symbol[cache.index(symbol)].append(t)

    def reckon(self, kept: Sequence[float | None]) -> None:
        """From now on this is left of each triangle after its fees, as at the start."""
        self._kept[:] = kept
        self._shares = _shares(kept)

    def scan(self, touched: Sequence[int], now_ns: int) -> list[Sighting]:
        """Evaluate every triangle of the touched symbols at `now_ns` (monotonic)."""
        cache, tally, samples, shares = self._cache, self.tally, self.samples, self._shares
        rates, confirmed, reasons = cache.rates, cache.confirmed_ns, cache.reason
        from_rest, is_open, best = cache.from_rest, self.open, self.best
        max_age_ns, max_skew_ns = self.freshness.max_age_ns, self.freshness.max_skew_ns
        sightings, peak = list[Sighting](), self._peak
        for row in self._touching(touched):
            way, a, b, c, i, j, k = row
            there = rates[a] * rates[b] * rates[c] - 1.0
            back = rates[a ^ 1] * rates[b ^ 1] * rates[c ^ 1] - 1.0
            one, two, three = confirmed[i], confirmed[j], confirmed[k]
            oldest, leg = (one, i) if one <= two else (two, j)
            if three < oldest:
                oldest, leg = three, k
            tally.staleness_ms[leg].observe((now_ns - oldest) / 1e6)
            why = reasons[i] or reasons[j] or reasons[k]
            if why is None:
                if now_ns - oldest > max_age_ns:
                    why = Disbelief.STALE
                elif max(one, two, three) - oldest > max_skew_ns:
                    why = Disbelief.SKEW
            if why is None:
                if from_rest[i] or from_rest[j] or from_rest[k]:
                    tally.from_rest += 1
                else:
                    tally.from_ws += 1
                if there > best[way]:
                    best[way] = there
                if back > best[way + 1]:
                    best[way + 1] = back
                samples.add(way, there)
                samples.add(way + 1, back)
                left = (1.0 + max(there, back)) * shares[way >> 1]
                peak = (left, way >> 1, there, back) if left > peak[0] else peak
            else:
                tally.refused[why] += 1
            if there > NOISE or is_open[way]:
                sightings.append(self._sighting(way, there, why, oldest))
            if back > NOISE or is_open[way + 1]:
                sightings.append(self._sighting(way + 1, back, why, oldest))
        self._peak = peak
        return sightings

    def take_peak(self) -> tuple[float, float, int] | None:
        """What came nearest to its hurdle since the last call, on believable books.

        Net of fees and gross, as fractions, and which directed triangle; None when nothing was
        seen whose fees are known.
        """
        (left, t, there, back), self._peak = self._peak, _NO_PEAK
        if not left:
            return None
        return left - 1.0, max(there, back), 2 * t + (back > there)

    def edge_now(self, directed: int, now_ns: int) -> Sighting:
        """One directed triangle on the books as they stand, without counting an evaluation."""
        way, a, b, c, i, j, k = self._rows[directed // 2]
        rates, flip = self._cache.rates, directed & 1
        edge = rates[a ^ flip] * rates[b ^ flip] * rates[c ^ flip] - 1.0
        ages = [self._cache.confirmed_ns[leg] for leg in (i, j, k)]
        reasons = self._cache.reason
        why = reasons[i] or reasons[j] or reasons[k]
        if why is None and now_ns - min(ages) > self.freshness.max_age_ns:
            why = Disbelief.STALE
        if why is None and max(ages) - min(ages) > self.freshness.max_skew_ns:
            why = Disbelief.SKEW
        return self._sighting(way + flip, edge, why, min(ages))

    def observe_all(self, now_ns: int) -> int:
        """Observe every triangle's staleness, so that an outage shows even when nothing moves.

        Returns how many triangles have three believable books now.
        """
        confirmed, tally, reasons = self._cache.confirmed_ns, self.tally, self._cache.reason
        oldest_ns = now_ns - self.freshness.max_age_ns
        believable = 0
        for _, _, _, _, i, j, k in self._rows:
            leg = min((i, j, k), key=confirmed.__getitem__)
            tally.staleness_ms[leg].observe((now_ns - confirmed[leg]) / 1e6)
            sound = not (reasons[i] or reasons[j] or reasons[k])
            believable += sound and confirmed[leg] >= oldest_ns
        return believable

    def _touching(self, touched: Sequence[int]) -> Iterable[tuple[int, ...]]:
        if len(touched) == 1:
            return [self._rows[t] for t in self._by_symbol[touched[0]]]
        wanted = {t for symbol in touched for t in self._by_symbol[symbol]}
        return [self._rows[t] for t in sorted(wanted)]

    def _sighting(self, way: int, edge: float, why: Disbelief | None, oldest_ns: int) -> Sighting:
        kept = self._kept[way // 2]
        net = None if kept is None else (1.0 + edge) * kept - 1.0
        return Sighting(way, edge, net, why, oldest_ns)

    def _row(self, t: int, triangle: Triangle) -> tuple[int, int, int, int, int, int, int]:
        i, j, k = (self._cache.index(symbol) for symbol in triangle.symbols)
        a, b, c = (
            2 * index + (leg.side is Side.BUY)
            for index, leg in zip((i, j, k), triangle.legs, strict=True)
        )
        return 2 * t, a, b, c, i, j, k


def _shares(kept: Sequence[float | None]) -> list[float]:
    """What fees leave of each triangle; nothing where one of them is unknown."""
    return [share or 0.0 for share in kept]
