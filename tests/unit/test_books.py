from __future__ import annotations

import pytest

from arbit.books import BookCache
from arbit.domain.book import Disbelief, OrderBook, Source
from tests.unit.fitness.scene import MS, START, book

AGE = 3_000 * MS


def watched(*symbols: str) -> BookCache:
    cache = BookCache()
    cache.watch(symbols or ("BTC/USD",), START)
    return cache


def put(cache: BookCache, made: OrderBook, at_ns: int = START) -> None:
    cache.put(made, seen_ns=at_ns, confirmed_ns=at_ns, source=Source.WS)


def good(symbol: str = "BTC/USD") -> OrderBook:
    return book(symbol, [("99", "1")], [("100", "2")])


def test_before_its_first_book_a_symbol_is_not_believed() -> None:
    cache = watched()

    assert cache.why_not("BTC/USD", START, AGE) is Disbelief.NO_BOOK
    assert cache.last_known("BTC/USD") is None
    assert cache.fresh("BTC/USD", START, AGE) is None


def test_a_book_that_was_put_is_believed_with_its_rates() -> None:
    cache = watched()
    put(cache, good())

    assert cache.why_not("BTC/USD", START, AGE) is None
    assert cache.rates == [99.0, 0.01]
    view = cache.fresh("BTC/USD", START, AGE)
    assert view is not None
    assert str(view.bids[0].price) == "99.00000"


def test_watching_twice_changes_nothing() -> None:
    cache = watched()
    put(cache, good())
    cache.watch(["BTC/USD", "ETH/USD"], START)

    assert cache.symbols == ["BTC/USD", "ETH/USD"]
    assert cache.why_not("BTC/USD", START, AGE) is None
    assert cache.why_not("ETH/USD", START, AGE) is Disbelief.NO_BOOK


def test_a_symbol_that_is_not_watched_is_an_error() -> None:
    with pytest.raises(KeyError):
        watched().index("DOGE/USD")


def test_age_counts_from_the_confirmation_and_the_limit_itself_is_still_young() -> None:
    cache = watched()
    put(cache, good())

    assert cache.why_not("BTC/USD", START + AGE, AGE) is None
    assert cache.why_not("BTC/USD", START + AGE + 1, AGE) is Disbelief.STALE


def test_a_confirmed_book_is_believable_again() -> None:
    cache = watched()
    put(cache, good())
    late = START + 2 * AGE
    assert cache.fresh("BTC/USD", late, AGE) is None
    cache.take_touched()

    cache.confirm("BTC/USD", late - 1)

    view = cache.fresh("BTC/USD", late, AGE)
    assert view is not None
    assert (view.seen_ns, view.confirmed_ns) == (START, late - 1)
    assert cache.take_touched() == [0]


def test_an_older_look_does_not_make_a_book_older() -> None:
    cache = watched()
    put(cache, good())
    cache.take_touched()
    cache.confirm("BTC/USD", START - 1)

    assert cache.confirmed_ns == [START]
    assert cache.take_touched() == []


def test_a_confirmation_does_not_mend_a_book_that_is_disbelieved() -> None:
    cache = watched()
    put(cache, good())
    cache.disbelieve("BTC/USD", Disbelief.CHECKSUM)
    cache.confirm("BTC/USD", START + 5)

    assert cache.why_not("BTC/USD", START + 5, AGE) is Disbelief.CHECKSUM


def test_disbelief_lasts_until_the_next_verified_book_and_keeps_the_last_rates() -> None:
    cache = watched()
    put(cache, good())
    cache.disbelieve("BTC/USD", Disbelief.CHECKSUM)

    assert cache.reason == [Disbelief.CHECKSUM]
    assert cache.rates == [99.0, 0.01]
    assert cache.last_known("BTC/USD") is not None
    put(cache, good())
    assert cache.reason == [None]


@pytest.mark.parametrize(
    ("made", "flaw"),
    [
        (book("BTC/USD", [("100", "1")], [("100", "1")]), Disbelief.CROSSED),
        (book("BTC/USD", [("101", "1")], [("100", "1")]), Disbelief.CROSSED),
        (book("BTC/USD", [], [("100", "1")]), Disbelief.ONE_SIDED),
        (book("BTC/USD", [("99", "1")], []), Disbelief.ONE_SIDED),
        (book("BTC/USD", [], []), Disbelief.ONE_SIDED),
        (book("BTC/USD", [("0", "1")], [("100", "1")]), Disbelief.BAD_FRAME),
        (book("BTC/USD", [("0", "1")], [("0", "1")]), Disbelief.BAD_FRAME),
    ],
)
def test_a_book_that_is_no_market_is_kept_and_not_believed(
    made: OrderBook, flaw: Disbelief
) -> None:
    cache = watched()
    put(cache, made)

    assert cache.why_not("BTC/USD", START, AGE) is flaw
    assert cache.last_known("BTC/USD") is not None
    put(cache, good())
    assert cache.why_not("BTC/USD", START, AGE) is None


@pytest.mark.parametrize(("price", "decimals"), [(10**400, 2), (1, 400), (1, 200), (10**200, 2)])
def test_a_price_that_no_float_can_hold_is_no_crash_and_no_infinity(
    price: int, decimals: int
) -> None:
    cache = watched()
    put(cache, good())
    made = OrderBook("BTC/USD", depth=10, price_decimals=decimals, qty_decimals=0)
    made.replace([(price, 1, b"")], [(price + 1, 1, b"")])
    put(cache, made)

    assert cache.why_not("BTC/USD", START, AGE) is Disbelief.BAD_FRAME
    assert cache.rates == [99.0, 0.01]


def test_a_market_that_does_not_trade_is_not_believed_until_it_does() -> None:
    cache = watched()
    put(cache, good())
    cache.set_status("BTC/USD", Disbelief.MARKET_STATUS)
    put(cache, good())  # books go on in maintenance

    assert cache.why_not("BTC/USD", START, AGE) is Disbelief.MARKET_STATUS
    cache.set_status("BTC/USD", None)
    assert cache.why_not("BTC/USD", START, AGE) is None


def test_the_stream_s_own_reason_comes_before_the_status() -> None:
    cache = watched()
    put(cache, good())
    cache.set_status("BTC/USD", Disbelief.VENUE_STATUS)
    cache.disbelieve("BTC/USD", Disbelief.DISCONNECTED)
    assert cache.reason == [Disbelief.DISCONNECTED]
    cache.set_status("BTC/USD", None)
    assert cache.reason == [Disbelief.DISCONNECTED]


def test_everything_that_changes_belief_touches_the_symbol_once_in_order() -> None:
    woken: list[int] = []
    cache = BookCache(lambda: woken.append(1))
    cache.watch(["A/B", "C/D", "E/F"], START)
    put(cache, good("E/F"))
    put(cache, good("A/B"))
    put(cache, good("E/F"))
    cache.disbelieve("C/D", Disbelief.REFUSED)

    assert cache.take_touched() == [0, 1, 2]
    assert woken == [1]
    assert cache.take_touched() == []
    cache.set_status("C/D", Disbelief.MARKET_STATUS)
    assert cache.take_touched() == [1]
    assert woken == [1, 1]


def test_a_view_stays_what_it_was_when_the_book_goes_on() -> None:
    cache = watched()
    made = good()
    put(cache, made)
    before = cache.last_known("BTC/USD")
    made.apply([(9_950_000, 100_000, b"")], [])
    put(cache, made, START + 1)
    after = cache.last_known("BTC/USD")

    assert before is not None
    assert after is not None
    assert (str(before.bids[0].price), str(after.bids[0].price)) == ("99.00000", "99.50000")
    assert cache.last_known("BTC/USD") is after  # made once


def test_the_source_of_each_book_is_remembered() -> None:
    cache = watched()
    cache.put(good(), seen_ns=START, confirmed_ns=START, source=Source.REST)

    assert cache.from_rest == [True]
    view = cache.last_known("BTC/USD")
    assert view is not None
    assert view.source is Source.REST


def test_what_waited_to_be_read_is_stale_until_it_is_proved_anew() -> None:
    cache = watched("BTC/USD", "ETH/USD")
    put(cache, good(), START)
    put(cache, good("ETH/USD"), START + AGE)
    cache.confirm("ETH/USD", START + AGE + MS, depth=True)
    assert cache.last_known("ETH/USD") is not None
    cache.take_touched()
    cache.doubt(START + 5 * MS, START + 5 * MS - AGE)

    now_ns = START + 6 * MS
    assert cache.why_not("BTC/USD", now_ns, AGE) is None  # proved before: as old as it was
    assert cache.why_not("ETH/USD", now_ns, AGE) is Disbelief.STALE
    assert not cache.deep("ETH/USD", now_ns, AGE)
    view = cache.last_known("ETH/USD")
    assert view is not None
    assert view.seen_ns == view.confirmed_ns == START + 5 * MS - AGE
    assert list(cache.take_touched()) == [1]
    cache.confirm("ETH/USD", now_ns)
    assert cache.why_not("ETH/USD", now_ns, AGE) is None
