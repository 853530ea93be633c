"""The market without sockets: deterministic, never crossed, full of gaps that open and close."""

import random
from collections import defaultdict
from itertools import pairwise
from statistics import median

import pytest

from arbit.sandbox.book import ASK, BID, Book
from arbit.sandbox.market import BookChange, Market
from arbit.sandbox.profiles import PROFILE_NAMES

SECOND = 1_000_000_000
Leg = tuple[str, int]


def play(profile: str, seed: int, seconds: float, slices: int = 1) -> list[BookChange]:
    market = Market(profile, seed)
    changes: list[BookChange] = []
    for part in range(1, slices + 1):
        changes += market.advance(int(seconds * SECOND) * part // slices)
    return changes


def test_price_then_time_decides_who_trades() -> None:
    book = Book()
    book.submit("first", ASK, 101, 5, rests=True)
    book.submit("second", ASK, 101, 5, rests=True)
    book.submit("better", ASK, 100, 1, rests=True)
    fills = book.submit("taker", BID, 101, 8, rests=False).fills
    assert [(fill.maker, fill.price, fill.qty) for fill in fills] == [
        ("better", 100, 1),
        ("first", 101, 5),
        ("second", 101, 2),
    ]
    assert book.top(ASK, 5) == [(101, 3)]


def test_an_ioc_never_rests_and_never_pays_more_than_its_limit() -> None:
    book = Book()
    book.submit("maker", ASK, 100, 2, rests=True)
    book.submit("maker", ASK, 103, 2, rests=True)
    submission = book.submit("taker", BID, 102, 5, rests=False)
    assert sum(fill.qty for fill in submission.fills) == 2
    assert submission.resting is None
    assert book.best(BID) is None
    assert book.best(ASK) == 103


def test_a_quote_through_a_stale_quote_trades_and_the_rest_stays_uncrossed() -> None:
    book = Book()
    book.submit("slow", BID, 100, 3, rests=True)
    submission = book.submit("fast", ASK, 98, 5, rests=True)
    assert [(fill.price, fill.qty) for fill in submission.fills] == [(100, 3)]
    assert (book.best(BID), book.best(ASK)) == (None, 98)


def test_cancelling_twice_or_after_a_fill_changes_nothing() -> None:
    book = Book()
    order = book.submit("maker", BID, 50, 4, rests=True).resting
    assert order is not None
    book.submit("taker", ASK, 50, 4, rests=False)
    book.take_touched()
    book.cancel(order)
    assert book.take_touched() == []


def test_random_orders_agree_with_a_plain_reference_book() -> None:
    rng = random.Random(11)
    book = Book()
    resting: list[tuple[int, int, int]] = []  # side, price, qty in order of arrival
    for _ in range(3_000):
        side, price, qty = rng.choice((BID, ASK)), rng.randint(90, 110), rng.randint(1, 9)
        rests = rng.random() < 0.7
        fills = book.submit("any", side, price, qty, rests=rests).fills
        expected, left = [], qty
        rivals = [one for one in resting if one[0] != side]
        rivals.sort(key=lambda one: one[1] if side == BID else -one[1])
        for rival in rivals:
            if left and (rival[1] <= price if side == BID else rival[1] >= price):
                traded = min(left, rival[2])
                expected.append((rival[1], traded))
                place = resting.index(rival)
                resting[place : place + 1] = (
                    [] if traded == rival[2] else [(rival[0], rival[1], rival[2] - traded)]
                )
                left -= traded
        if left and rests:
            resting.append((side, price, left))
        assert [(fill.price, fill.qty) for fill in fills] == expected
    for side in (BID, ASK):
        totals: dict[int, int] = defaultdict(int)
        for one in resting:
            if one[0] == side:
                totals[one[1]] += one[2]
        assert book.top(side, 100) == sorted(totals.items(), reverse=side == BID)


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_the_same_seed_plays_the_same_market_and_another_seed_does_not(profile: str) -> None:
    seconds = 0.1 if profile == "whole-venue" else 2.0
    first = play(profile, 4, seconds)
    assert first == play(profile, 4, seconds)
    assert first != play(profile, 5, seconds)


def test_how_finely_time_is_sliced_does_not_matter() -> None:
    assert play("volatile", 9, 4.0) == play("volatile", 9, 4.0, slices=800)


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_no_book_is_crossed_or_locked_after_any_event(profile: str) -> None:
    market = Market(profile, 21)
    for _ in range(6_000):
        for symbol in {change.symbol for change in market.step()}:
            book = market.book(symbol)
            bid, ask = book.best(BID), book.best(ASK)
            assert bid is None or ask is None or bid < ask


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_the_changes_rebuild_every_book_in_whole_increments(profile: str) -> None:
    market = Market(profile, 8)
    held = {
        symbol: {"bid": dict(pair.book.top(BID, 1000)), "ask": dict(pair.book.top(ASK, 1000))}
        for symbol, pair in market.pairs.items()
    }
    for change in market.advance(2 * SECOND if profile != "whole-venue" else SECOND // 2):
        held[change.symbol][change.side][change.price] = change.qty
    for symbol, pair in market.pairs.items():
        for name, side in (("bid", BID), ("ask", ASK)):
            left = {price: qty for price, qty in held[symbol][name].items() if qty}
            assert left == dict(pair.book.top(side, 1000))
            assert all(price > 0 == price % pair.instrument.price_tick for price in left)
            assert all(qty % pair.instrument.qty_step == 0 for qty in left.values())


@pytest.mark.parametrize("profile", ["calm", "volatile"])
def test_every_pair_of_a_busy_profile_changes_several_times_a_second(profile: str) -> None:
    market = Market(profile, 7)
    seen: dict[str, list[int]] = defaultdict(list)
    for change in market.advance(10 * SECOND):
        seen[change.symbol].append(change.at_ns)
    assert set(seen) == set(market.pairs)
    for times in seen.values():
        moments = sorted(set(times))
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        assert median(gaps) < 0.120 * SECOND


def test_some_pairs_of_the_thin_profile_are_quiet_for_half_a_minute() -> None:
    market = Market("thin", 7)
    last: dict[str, int] = dict.fromkeys(market.pairs, 0)
    longest = dict.fromkeys(market.pairs, 0)
    for change in market.advance(60 * SECOND):
        longest[change.symbol] = max(longest[change.symbol], change.at_ns - last[change.symbol])
        last[change.symbol] = change.at_ns
    quiet = [symbol for symbol in longest if longest[symbol] > 30 * SECOND or not last[symbol]]
    assert 3 <= len(quiet) < len(market.pairs)


def test_the_whole_venue_is_large_busy_and_full_of_triangles() -> None:
    market = Market("whole-venue", 7)
    assert len(market.pairs) >= 600
    assert len(triangles(market)) // 2 > 1_000
    assert len({pair.instrument.rest_id for pair in market.pairs.values()}) == len(market.pairs)
    assert len(market.advance(SECOND)) > 3_000


def triangles(market: Market) -> list[tuple[Leg, Leg, Leg]]:
    """Every directed triangle: legs as (symbol, side of the book that one trades against)."""
    legs: dict[str, dict[str, Leg]] = defaultdict(dict)
    for symbol in market.pairs:
        base, quote = symbol.split("/")
        legs[base][quote] = (symbol, BID)
        legs[quote][base] = (symbol, ASK)
    return [
        (legs[a][b], legs[b][c], legs[c][a])
        for a in sorted(legs)
        for b in legs[a]
        for c in legs[b]
        if a < b and a < c and c in legs[a]
    ]


def edge_bps(market: Market, legs: tuple[Leg, Leg, Leg]) -> float:
    rate = 1.0
    for symbol, side in legs:
        best = market.book(symbol).best(side)
        if best is None:
            return -1e9
        price = best / market.pairs[symbol].scale
        rate *= price if side == BID else 1.0 / price
    return (rate - 1.0) * 1e4


def episodes(profile: str, seed: int, seconds: int) -> list[tuple[float, float]]:
    """Gaps that opened and closed: (lifetime in ms, best gross edge in bps)."""
    market = Market(profile, seed)
    found = triangles(market)
    on_symbol: dict[str, list[int]] = defaultdict(list)
    for index, legs in enumerate(found):
        for symbol, _ in legs:
            on_symbol[symbol].append(index)
    opened: dict[int, tuple[int, float]] = {}
    closed = []
    while market.now_ns < seconds * SECOND:
        symbols = {change.symbol for change in market.step()}
        for index in {index for symbol in symbols for index in on_symbol[symbol]}:
            edge = edge_bps(market, found[index])
            since, best = opened.get(index, (market.now_ns, 0.0))
            if edge > 0.0:
                opened[index] = (since, max(best, edge))
            elif opened.pop(index, None):
                closed.append(((market.now_ns - since) / 1e6, best))
    return closed


def test_a_calm_market_has_small_gaps_with_a_spread_of_lifetimes() -> None:
    gaps = episodes("calm", 7, 40)
    lifetimes = sorted(lifetime for lifetime, _ in gaps)
    edges = sorted(edge for _, edge in gaps)
    assert len(gaps) > 50
    assert lifetimes[len(gaps) // 10] < 20.0
    assert lifetimes[-len(gaps) // 10] > 100.0
    assert edges[len(gaps) // 2] < 15.0
    assert edges[-1] < 121.0


def test_a_volatile_market_crosses_the_retail_hurdle_rarely_but_really() -> None:
    gaps = episodes("volatile", 7, 40)
    beyond = [edge for _, edge in gaps if edge > 121.0]
    assert 1 <= len(beyond) < len(gaps) / 10
    assert max(beyond) > 150.0


def test_a_frozen_market_stands_still_and_goes_on_as_if_nothing_had_been() -> None:
    straight, paused = Market("calm", 5), Market("calm", 5)
    before = paused.advance(SECOND)
    paused.freeze()
    assert paused.advance(40 * SECOND) == []
    paused.thaw()
    assert before + paused.advance(41 * SECOND) == straight.advance(2 * SECOND)


def test_one_frozen_pair_is_quiet_while_the_others_go_on() -> None:
    market = Market("calm", 5)
    market.advance(SECOND)
    market.freeze("BTC/USD")
    symbols = {change.symbol for change in market.advance(4 * SECOND)}
    assert symbols == set(market.pairs) - {"BTC/USD"}
    market.thaw("BTC/USD")
    assert "BTC/USD" in {change.symbol for change in market.advance(6 * SECOND)}


def test_an_outside_ioc_trades_against_the_makers_and_its_changes_are_told() -> None:
    market = Market("calm", 5)
    ask = market.book("BTC/USD").top(ASK, 1)[0]
    submission = market.submit_ioc("BTC/USD", "visitor", BID, ask[0], ask[1])
    assert sum(fill.qty for fill in submission.fills) == ask[1]
    told = [change for change in market.step() if change.symbol == "BTC/USD"]
    assert BookChange("BTC/USD", "ask", ask[0], 0, told[0].at_ns) in told


def test_prices_stay_on_their_scale_for_ten_minutes() -> None:
    market = Market("thin", 13)
    before = {symbol: pair.book.best(BID) for symbol, pair in market.pairs.items()}
    queued = len(market._queue)
    market.advance(600 * SECOND)
    assert len(market._queue) < queued + len(market.pairs) * 4  # nothing piles up
    for symbol, pair in market.pairs.items():
        now, then = pair.book.best(BID), before[symbol]
        assert now is not None
        assert then is not None
        assert 0.5 < now / then < 2.0


def test_unknown_words_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown profile 'stormy'"):
        Market("stormy", 1)
    with pytest.raises(ValueError, match="unknown pair status"):
        Market("calm", 1).set_status("BTC/USD", "asleep")
    with pytest.raises(ValueError, match="unknown system status"):
        Market("calm", 1).set_system("asleep")
