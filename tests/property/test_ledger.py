"""Whatever is entered, in any order: every asset's books add up, and exposure hides nothing."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from arbit.domain.account import Flow
from arbit.domain.order import Trade
from arbit.domain.records import Book, Posting
from arbit.domain.triangle import Side
from arbit.ledger import Ledger, Reach, flow, opening, result, trade_postings

D = Decimal
ASSETS = ("USD", "BTC", "ETH", "KFEE")
CYCLES = ("", "c1", "c2", "c3")
amounts = st.decimals("0.00000001", "1000000", places=8)
signed = st.decimals("-1000000", "1000000", places=8)
trades = st.builds(
    Trade,
    trade_id=st.just("T"),
    order_id=st.just("O"),
    client_id=st.just("x"),
    symbol=st.sampled_from(["BTC/USD", "ETH/BTC", "ETH/USD"]),
    side=st.sampled_from(list(Side)),
    qty=amounts,
    price=amounts,
    cost=amounts,
    fees=st.lists(st.tuples(st.sampled_from(ASSETS), amounts), max_size=2).map(tuple),
    at_ns=st.just(1),
)
reaches = st.dictionaries(
    st.sampled_from(ASSETS), st.builds(Reach, amounts.map(lambda one: -one), amounts), max_size=3
)
doings = st.one_of(
    st.tuples(st.just("trade"), trades, st.sampled_from(CYCLES)),
    st.tuples(st.just("flow"), signed, st.sampled_from(ASSETS)),
    st.tuples(st.just("result"), signed, st.sampled_from(ASSETS)),
    st.tuples(st.just("claim"), reaches, st.sampled_from(CYCLES[1:])),
    st.tuples(st.just("hold"), amounts, st.sampled_from(CYCLES[1:])),
    st.tuples(st.just("release"), st.none(), st.sampled_from(CYCLES[1:])),
)


class Kept:
    """The ledger under test, and what a reader of the postings alone would add up."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.postings: list[Posting] = []
        self.enter(tuple(p for asset in ASSETS for p in opening(asset, D(1_000), 0)))

    def enter(self, entry: tuple[Posting, ...], cycle_id: str = "") -> None:
        self.ledger.apply(entry, cycle_id)
        self.postings += entry

    def do(self, what: str, value: object, where: str) -> None:
        if isinstance(value, Trade):
            base, quote = value.symbol.split("/")
            self.enter(trade_postings(value, base, quote), where)
        elif isinstance(value, Decimal) and what == "flow":
            self.enter(flow(Flow("L", where, value, "deposit", 1)))
        elif isinstance(value, Decimal) and what == "result":
            self.enter(result("c", where, value, 1))
        elif isinstance(value, Decimal):
            self.ledger.hold(where, "USD", value)
        elif isinstance(value, dict):
            self.ledger.claim(where, value)
        else:
            self.ledger.release(where)

    def sums(self) -> dict[tuple[Book, str], Decimal]:
        found: dict[tuple[Book, str], Decimal] = {}
        for one in self.postings:
            found[one.book, one.asset] = found.get((one.book, one.asset), D(0)) + one.amount
        return found


@given(st.lists(doings, max_size=25))
@settings(max_examples=200)
def test_books_add_up_after_every_entry_and_are_the_sum_of_their_postings(
    done: list[tuple[str, object, str]],
) -> None:
    kept = Kept()
    for what, value, where in done:
        kept.do(what, value, where)
        kept.ledger.check()
    sums = kept.sums()
    again = Ledger(sums)
    for asset in ASSETS:
        for book in Book:
            assert kept.ledger.sum_of(book, asset) == sums.get((book, asset), D(0))
        assert again.wallet(asset) == kept.ledger.wallet(asset)
        assert again.deviation(asset) == kept.ledger.deviation(asset)


@given(st.lists(doings, max_size=25))
@settings(max_examples=200)
def test_exposure_is_never_less_than_what_has_been_moved(
    done: list[tuple[str, object, str]],
) -> None:
    kept = Kept()
    ledger = kept.ledger
    for what, value, where in done:
        kept.do(what, value, where)
        for asset in ASSETS:
            assert ledger.exposure(asset) >= abs(ledger.deviation(asset))


@given(st.lists(doings, max_size=25))
@settings(max_examples=100)
def test_once_every_cycle_is_over_nothing_is_held_or_claimed(
    done: list[tuple[str, object, str]],
) -> None:
    kept = Kept()
    for what, value, where in done:
        kept.do(what, value, where)
    for cycle_id in CYCLES[1:]:
        kept.ledger.release(cycle_id)
    for asset in ASSETS:
        assert kept.ledger.held(asset) == 0
        assert kept.ledger.free(asset) == kept.ledger.wallet(asset)
        assert kept.ledger.exposure(asset) == abs(kept.ledger.deviation(asset))
