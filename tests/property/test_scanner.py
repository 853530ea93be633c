"""Discovery and edges against references that are slow and obviously right."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from arbit.books import BookCache
from arbit.domain.book import Disbelief, OrderBook, Source
from arbit.domain.market import Market
from arbit.domain.triangle import Side, Triangle
from arbit.scanner import Freshness, Scanner, discover
from tests.unit.fitness.scene import markets_of

ASSETS = st.sampled_from("ABCDEF")
MARKETS = st.lists(st.tuples(ASSETS, ASSETS), max_size=16).map(
    lambda pairs: {f"m{n}": Market(f"m{n}", base, quote) for n, (base, quote) in enumerate(pairs)}
)
SECOND = 1_000_000_000


def joins_pairwise(markets: tuple[Market, ...]) -> bool:
    pairs = {frozenset((market.base, market.quote)) for market in markets}
    assets = frozenset().union(*pairs)
    return len(pairs) == 3 and len(assets) == 3 and all(len(pair) == 2 for pair in pairs)


@given(MARKETS)
def test_discovery_finds_what_trying_all_threes_finds(markets: dict[str, Market]) -> None:
    expected = {
        frozenset(market.symbol for market in three)
        for three in combinations(markets.values(), 3)
        if joins_pairwise(three)
    }
    found = discover(markets)

    assert {frozenset(triangle.symbols) for triangle in found} == expected
    assert len(found) == len(expected)


@given(MARKETS)
def test_every_triangle_is_a_walk_both_ways(markets: dict[str, Market]) -> None:
    for triangle in discover(markets):
        for way in (triangle, triangle.reversed()):
            for leg, following in zip(way.legs, (*way.legs[1:], way.legs[0]), strict=True):
                market = markets[leg.symbol]
                bought = (market.quote, market.base)
                assert (leg.spend, leg.receive) == (
                    bought if leg.side is Side.BUY else bought[::-1]
                )
                assert leg.receive == following.spend


PRICE = st.integers(1, 10**9)
TOP = st.tuples(PRICE, st.integers(1, 10**6), st.integers(0, 8))


def exact_edge(triangle: Triangle, tops: dict[str, tuple[int, int, int]]) -> Fraction:
    product = Fraction(1)
    for leg in triangle.legs:
        bid, spread, decimals = tops[leg.symbol]
        unit = Fraction(1, 10**decimals)
        product *= 1 / ((bid + spread) * unit) if leg.side is Side.BUY else bid * unit
    return product - 1


@given(
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.lists(TOP, min_size=3, max_size=3),
)
def test_edges_are_those_of_exact_fractions(
    flipped: list[bool], tops: list[tuple[int, int, int]]
) -> None:
    straight = (("B", "A"), ("C", "B"), ("C", "A"))
    pairs = [way[::-1] if flip else way for way, flip in zip(straight, flipped, strict=True)]
    markets = {f"{b}/{q}": Market(f"{b}/{q}", b, q) for b, q in pairs}
    (triangle,) = discover(markets)
    at = dict(zip(markets, tops, strict=True))
    cache = BookCache()
    cache.watch(markets)
    scanner = Scanner(cache, [triangle], [0.99], Freshness(SECOND, SECOND))
    for symbol, (bid, spread, decimals) in at.items():
        book = OrderBook(symbol, depth=1, price_decimals=decimals, qty_decimals=0)
        book.replace([(bid, 1, b"")], [(bid + spread, 1, b"")])
        cache.put(book, seen_ns=0, confirmed_ns=0, source=Source.WS)
    sightings = {seen.directed: seen for seen in scanner.scan(cache.take_touched(), 0)}

    for way, directed in enumerate(scanner.directed):
        expected = exact_edge(directed, at)
        tolerance = 1e-14 * float(abs(expected) + 1)
        assert abs(scanner.best[way] - float(expected)) <= tolerance
        if expected > Fraction(1, 10**12):
            assert abs((sightings[way].net or 0) - float((1 + expected) * 99 / 100 - 1)) <= (
                tolerance
            )
        elif expected < 0:
            assert way not in sightings


REASONS = st.sampled_from([None, None, *(w for w in Disbelief if w not in ("stale", "skew"))])
LEG = st.tuples(REASONS, st.integers(0, 5 * SECOND))


@given(st.lists(LEG, min_size=3, max_size=3), st.integers(0, 5 * SECOND), st.integers(1, 4))
def test_an_evaluation_happens_exactly_when_three_books_may_be_believed(
    legs: list[tuple[Disbelief | None, int]], skew_ns: int, max_age_s: int
) -> None:
    symbols = ("B/A", "C/B", "C/A")
    markets = markets_of(*symbols)
    cache = BookCache()
    cache.watch(symbols)
    fresh = Freshness(max_age_s * SECOND, skew_ns)
    scanner = Scanner(cache, discover(markets), [1.0], fresh)
    now_ns = 5 * SECOND
    for symbol, (reason, at_ns) in zip(symbols, legs, strict=True):
        book = OrderBook(symbol, depth=1, price_decimals=0, qty_decimals=0)
        book.replace([(1, 1, b"")], [(2, 1, b"")])
        cache.put(book, seen_ns=at_ns, confirmed_ns=at_ns, source=Source.WS)
        if reason is not None:
            cache.disbelieve(symbol, reason)
    scanner.scan(cache.take_touched(), now_ns)

    times = [at_ns for _, at_ns in legs]
    believable = (
        all(reason is None for reason, _ in legs)
        and now_ns - min(times) <= fresh.max_age_ns
        and max(times) - min(times) <= skew_ns
    )
    assert scanner.tally.evaluations == int(believable)
    assert sum(scanner.tally.refused.values()) == int(not believable)
