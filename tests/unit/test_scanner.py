from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import pytest

from arbit.books import BookCache
from arbit.domain.book import Disbelief, Source
from arbit.domain.market import Market
from arbit.domain.triangle import Side
from arbit.scanner import Freshness, Scanner, discover, why_not_tradable
from arbit.venues.ccxt.kraken_rest import parse_listing
from tests.unit.fitness.scene import MS, SECOND, START, Scene, book, market, markets_of

DATA = Path(os.environ.get("SHARED_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
ASSET_PAIRS = DATA / "kraken" / "asset_pairs-2021-04-17.json"


def test_a_triangle_is_found_once_whatever_the_order_of_the_markets() -> None:
    names = ["ETH/USD", "BTC/USD", "ETH/BTC"]
    found = discover(markets_of(*names))

    assert len(found) == 1
    assert discover(markets_of(*reversed(names))) == found
    assert sorted(found[0].symbols) == sorted(names)


def test_parallel_markets_between_two_assets_make_triangles_of_their_own() -> None:
    markets = markets_of("BTC/USD", "ETH/BTC", "ETH/USD")
    markets["ETH/USD.M"] = Market("ETH/USD.M", "ETH", "USD")
    markets["USD/BTC"] = Market("USD/BTC", "USD", "BTC")

    assert len(discover(markets)) == 4


def test_two_markets_of_one_pair_are_no_triangle_and_a_market_with_itself_is_none() -> None:
    markets = markets_of("BTC/USD", "ETH/BTC")
    markets["BTC/USD.M"] = Market("BTC/USD.M", "BTC", "USD")
    markets["USD/USD"] = Market("USD/USD", "USD", "USD")

    assert discover(markets) == []


@pytest.mark.skipif(not ASSET_PAIRS.exists(), reason=f"no recorded data at {DATA}")
def test_the_recorded_asset_pairs_hold_584_triangles_and_none_is_tradable() -> None:
    listing = parse_listing(json.loads(ASSET_PAIRS.read_bytes()))
    markets = listing.markets
    triangles = discover(markets)
    reasons = [why_not_tradable(triangle, markets) for triangle in triangles]

    assert len(markets) + len(listing.skipped) == 304  # the skipped ones are dark pools
    assert len(listing.skipped) == 11
    assert len(triangles) == 584
    assert len({frozenset(triangle.symbols) for triangle in triangles}) == 584
    # This old body has no status at all, which is never guessed away; each reason names its leg.
    for triangle, reason in zip(triangles, reasons, strict=True):
        assert reason == f"{triangle.symbols[0]}: status is unknown"


def test_tradability_names_the_first_fact_that_is_missing() -> None:
    markets = markets_of("BTC/USD", "ETH/BTC", "ETH/USD")
    (triangle,) = discover(markets)
    assert why_not_tradable(triangle, markets) is None
    markets["ETH/USD"] = market("ETH/USD", cost_min=None)
    assert why_not_tradable(triangle, markets) == "ETH/USD: the venue gave no cost_min"


def test_both_directions_are_evaluated_at_the_side_of_the_book_they_trade_with() -> None:
    scene = Scene()
    scene.put("BTC/USD", [("63501.6", "1")], [("63501.7", "1")])
    scene.put("ETH/BTC", [("0.02791", "1")], [("0.02793", "1")])
    scene.put("ETH/USD", [("1774.12", "1")], [("1774.44", "1")])
    scene.turn()

    there = Fraction("1774.12") / Fraction("0.02793") / Fraction("63501.7") - 1
    back = Fraction("63501.6") * Fraction("0.02791") / Fraction("1774.44") - 1
    assert [leg.side for leg in scene.triangle.legs] == [Side.BUY, Side.BUY, Side.SELL]
    assert scene.scanner.best == pytest.approx([float(there), float(back)], abs=1e-12)
    assert scene.scanner.directed[1].path == "USD>ETH>BTC>USD"


def crowd() -> tuple[BookCache, Scanner, list[str]]:
    """Two triangles that share BTC/USD, and one that shares nothing with either."""
    names = ["BTC/USD", "ETH/BTC", "ETH/USD", "XRP/BTC", "XRP/USD", "A/B", "B/C", "A/C"]
    cache = BookCache()
    cache.watch(names, START)
    triangles = discover(markets_of(*names))
    assert len(triangles) == 3
    scanner = Scanner(cache, triangles, [1.0] * 3, Freshness(3 * SECOND, 3 * SECOND))
    for name in names:
        made = book(name, [("1", "1")], [("1.1", "1")])
        cache.put(made, seen_ns=START, confirmed_ns=START, source=Source.WS)
    cache.take_touched()
    return cache, scanner, names


@pytest.mark.parametrize(
    ("touched", "evaluations"),
    [(["ETH/USD"], 1), (["BTC/USD"], 2), (["A/B"], 1), (["ETH/USD", "XRP/USD", "A/C"], 3)],
)
def test_a_touched_symbol_evaluates_its_own_triangles_each_once_and_no_others(
    touched: list[str], evaluations: int
) -> None:
    cache, scanner, _ = crowd()
    scanner.scan([cache.index(symbol) for symbol in touched], START)

    assert scanner.tally.evaluations == evaluations


def test_a_triangle_touched_on_three_legs_at_once_is_evaluated_once() -> None:
    cache, scanner, _ = crowd()
    scanner.scan([cache.index(symbol) for symbol in ("A/B", "B/C", "A/C")], START)

    assert scanner.tally.evaluations == 1


@pytest.mark.parametrize("reason", [why for why in Disbelief if why not in ("stale", "skew")])
def test_no_evaluation_uses_a_book_that_has_a_reason(reason: Disbelief) -> None:
    scene = Scene()
    scene.quiet()
    scene.gap()
    scene.cache.disbelieve("ETH/BTC", reason)
    scene.turn()

    assert scene.scanner.tally.evaluations == 0
    assert scene.scanner.tally.refused[reason] == 1
    assert scene.scanner.best == [float("-inf")] * 2
    assert scene.scanner.samples.median(0) is None


def test_no_evaluation_uses_a_book_past_its_age_and_a_confirmed_one_counts_again() -> None:
    scene = Scene(max_age_ms=3_000, max_skew_ms=60_000)
    scene.quiet()
    scene.turn()
    scene.now_ns += 3_000 * MS
    scene.gap()
    scene.turn()
    assert scene.scanner.tally.evaluations == 2  # 3,000 ms are still young enough

    scene.now_ns += 1
    scene.gap()
    scene.turn()
    assert scene.scanner.tally.evaluations == 2
    assert scene.scanner.tally.refused[Disbelief.STALE] == 1

    scene.cache.confirm("BTC/USD", scene.now_ns)
    scene.turn()
    assert scene.scanner.tally.refused[Disbelief.STALE] == 2  # one leg is still too old
    scene.cache.confirm("ETH/BTC", scene.now_ns)
    scene.turn()
    assert scene.scanner.tally.evaluations == 3


def test_legs_confirmed_too_far_apart_are_not_one_market() -> None:
    scene = Scene(max_age_ms=3_000, max_skew_ms=500)
    scene.quiet()
    scene.now_ns += 500 * MS
    scene.gap()
    scene.turn()
    assert scene.scanner.tally.evaluations == 1
    scene.now_ns += 1
    scene.gap()
    scene.turn()

    assert scene.scanner.tally.refused[Disbelief.SKEW] == 1


def test_evaluations_are_counted_by_source() -> None:
    scene = Scene()
    scene.quiet()
    scene.turn()
    scene.put("ETH/USD", [("9.99", "1")], [("10", "1")], Source.REST)
    scene.turn()
    scene.put("ETH/USD", [("9.99", "1")], [("10", "1")], Source.RECORDED)
    scene.turn()

    assert (scene.scanner.tally.from_ws, scene.scanner.tally.from_rest) == (2, 1)


@pytest.mark.parametrize("polled", ["BTC/USD", "ETH/BTC", "ETH/USD"])
def test_one_polled_leg_makes_it_an_evaluation_from_rest(polled: str) -> None:
    scene = Scene()
    scene.quiet()
    scene.put(polled, [("9.99", "1")], [("10", "1")], Source.REST)
    scene.turn()

    assert (scene.scanner.tally.from_ws, scene.scanner.tally.from_rest) == (0, 1)


def test_staleness_is_that_of_the_oldest_leg_and_is_observed_when_refused_too() -> None:
    scene = Scene(max_age_ms=3_000)
    scene.quiet()
    scene.now_ns += 10 * SECOND
    scene.gap()
    scene.turn()

    tally, cache = scene.scanner.tally, scene.cache
    oldest = tally.staleness_ms[cache.index("BTC/USD")]
    assert (oldest.count, oldest.total) == (1, 10_000.0)
    assert tally.staleness_ms[cache.index("ETH/USD")].count == 0


def test_an_outage_shows_in_the_staleness_though_nothing_moves() -> None:
    scene = Scene()
    scene.quiet()
    scene.turn()
    for _ in range(5):
        scene.now_ns += SECOND
        scene.lane.pulse(scene.now_ns)

    observed = scene.scanner.tally.staleness_ms[scene.cache.index("BTC/USD")]
    assert (observed.count, observed.total) == (6, 15_000.0)


def test_without_a_fee_there_is_no_net_edge() -> None:
    cache = BookCache()
    names = ("BTC/USD", "ETH/BTC", "ETH/USD")
    cache.watch(names, START)
    scanner = Scanner(cache, discover(markets_of(*names)), [None], Freshness(SECOND, SECOND))
    for name, bid, ask in zip(names, ("99", "0.09", "10.5"), ("100", "0.1", "11"), strict=True):
        made = book(name, [(bid, "1")], [(ask, "1")])
        cache.put(made, seen_ns=START, confirmed_ns=START, source=Source.WS)
    sightings = scanner.scan(cache.take_touched(), START)

    assert sightings
    assert all(sighting.net is None for sighting in sightings)


def test_the_nearest_to_its_hurdle_is_told_once_and_not_the_highest() -> None:
    cache, scanner, _ = crowd()
    scanner.reckon([0.99, 0.999, None])  # in the order of the triangles: A/B/C, then BTC's two
    assert scanner.take_peak() is None, "nothing was looked at"
    dear = scanner.directed[0].symbols
    cheap = scanner.directed[2].symbols
    for number, name in enumerate((*dear, *cheap)):
        bid = "1.005" if number == 0 else "1.002" if number == len(dear) else "1"
        made = book(name, [(bid, "1")], [("1.1", "1")])
        cache.put(made, seen_ns=START, confirmed_ns=START, source=Source.WS)
    scanner.scan(cache.take_touched(), START)
    seen = scanner.take_peak()
    assert seen is not None
    net, edge, way = seen
    assert way // 2 == 1, "fees leave more of it"
    assert edge == pytest.approx(scanner.edge_now(way, START).edge)
    assert net == pytest.approx(scanner.edge_now(way, START).net)
    assert scanner.take_peak() is None


def test_looking_at_one_triangle_agrees_with_the_scan_and_counts_nothing() -> None:
    scene = Scene(fee="0.001")
    scene.quiet()
    scene.gap()
    scene.scanner.open[0] = scene.scanner.open[1] = 1
    scanned = scene.scanner.scan(scene.cache.take_touched(), scene.now_ns)

    looked = [scene.scanner.edge_now(way, scene.now_ns) for way in (0, 1)]
    assert looked == scanned
    assert scene.scanner.tally.evaluations == 1


@pytest.mark.parametrize("flaw", ["stale", "skew", "checksum"])
def test_looking_at_one_triangle_gives_the_reason_that_the_scan_gives(flaw: str) -> None:
    scene = Scene(max_age_ms=3_000, max_skew_ms=1_000)
    scene.quiet()
    if flaw == "checksum":
        scene.cache.disbelieve("BTC/USD", Disbelief.CHECKSUM)
    else:
        scene.now_ns += {"stale": 3_001, "skew": 2_000}[flaw] * MS
    scene.gap()
    sighting, *_ = scene.scanner.scan(scene.cache.take_touched(), scene.now_ns)

    assert sighting.why_not is Disbelief(flaw)
    assert scene.scanner.edge_now(0, scene.now_ns).why_not is Disbelief(flaw)
