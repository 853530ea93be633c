"""What a plan reckons: hurdles now and at the next step, and what is said of them."""

from __future__ import annotations

from decimal import Decimal

from arbit.app.plan.planning import Account, Seen, rows_of, steps_of, verdict
from arbit.domain.fee_ladder import FeeLadder, FeeStep
from arbit.domain.fees import Fee, FeeSource
from arbit.domain.market import Market
from arbit.domain.triangle import Triangle, triangle_of

NAMES = ("A/USD", "B/A", "B/USD")
MARKETS = {
    one: Market(one, base, quote)
    for one in (*NAMES, "C/A", "C/USD")
    for base, quote in [one.split("/")]
}
LADDER = FeeLadder(
    (FeeStep(Decimal(0), Decimal("0.004")), FeeStep(Decimal(1000), Decimal("0.001")))
)
ONE: Triangle = triangle_of(NAMES, MARKETS)
OTHER: Triangle = triangle_of(("A/USD", "C/A", "C/USD"), MARKETS)


def account(
    source: FeeSource = FeeSource.LADDER, volume: int = 0, *, placed: bool = False
) -> Account:
    rate = LADDER.at(Decimal(volume)).taker
    fees = dict.fromkeys(NAMES, Fee(rate, source))
    return Account(fees, dict.fromkeys(MARKETS, LADDER), Decimal(volume), Decimal(0), placed=placed)


def test_a_triangle_with_a_fee_nobody_states_has_no_hurdle_and_comes_last() -> None:
    rows = rows_of({OTHER: "C/A: nobody states its fee", ONE: ""}, account(), {})
    assert [(row.path, row.hurdle_bps) for row in rows] == [(ONE.path, 120.97), (OTHER.path, None)]
    assert rows[0].next_hurdle_bps == 30.06


def test_a_stated_fee_stays_unless_it_is_the_ladders_own() -> None:
    (row,) = rows_of({ONE: ""}, account(FeeSource.OVERRIDE), {})
    assert (row.hurdle_bps, row.next_hurdle_bps) == (120.97, None)
    assert steps_of(account(FeeSource.OVERRIDE), None) == []
    (row,) = rows_of({ONE: ""}, account(FeeSource.OVERRIDE, placed=True), {})
    assert row.next_hurdle_bps == 30.06


def test_at_the_top_of_the_ladder_there_is_no_next_step() -> None:
    (row,) = rows_of({ONE: ""}, account(volume=1000), {})
    assert (row.hurdle_bps, row.next_hurdle_bps) == (30.06, None)
    assert steps_of(account(volume=1000), 5.0) == []


def test_the_words_follow_the_widest_gap() -> None:
    ladder = account()

    def said(best: float | None) -> str:
        seen = {} if best is None else {frozenset(NAMES): Seen(best, 3, 1)}
        rows = rows_of({ONE: ""}, ladder, seen)
        return " | ".join(verdict("kraken", rows, steps_of(ladder, best), "USD"))

    assert "history holds no gap to compare" in said(None)
    assert "117.0 short of its hurdle of 121.0 bps" in said(4.0)
    assert "still 26.1 above the widest gap seen: trading for the sake of it would" in said(4.0)
    assert "which the widest gap seen would have passed" in said(31.0)
    assert "above its hurdle of 121.0" in said(130.0)
    assert "1,000 USD of trading in thirty days away, about 4 USD of fees" in said(None)


def test_where_nothing_can_be_traded_that_is_the_verdict() -> None:
    rows = rows_of({ONE: "A/USD: status is delisted"}, account(), {})
    assert verdict("kraken", rows, [], "USD") == [
        "no watched triangle can be traded: A/USD: status is delisted"
    ]
