"""Why less came than expected: each cause alone, and no rest whatever happened."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from arbit.attribution import Correction, explain
from arbit.domain.attribution import Attribution, Cause
from arbit.domain.book import Level
from arbit.domain.cycle import Policy
from arbit.domain.order import OrderState
from arbit.domain.route import ConversionKind
from tests.unit.explained import BOOKS, FEE, LEGS, PLANNED, Made

D = Decimal


def explained(made: Made) -> Attribution:
    found = explain(made.told)
    assert found is not None
    assert found.rest == {}
    return found


def causes(found: Attribution) -> dict[tuple[int, str], dict[str, Decimal]]:
    """What each leg lost for each cause, by asset."""
    keys = {(one.leg, one.cause) for one in found.lines}
    return {(leg, cause.value): found.shortfall(cause, leg) for leg, cause in sorted(keys)}


def test_what_went_as_planned_needs_no_explanation() -> None:
    found = explained(Made().leg(1).leg(2).leg(3))
    assert found.lines == ()
    assert found.moved == found.expected
    spent = D("0.5") * 50_000 + D("0.1") * 50_010
    assert found.stake == spent
    got = (D(8) * 3_100 + D("1.85") * 3_099) * (1 - FEE)
    assert found.moved["USD"] == got - spent
    assert found.moved["BTC"] == D("0.6") * (1 - FEE) - (D(8) * D("0.06") + D("1.9") * D("0.0601"))


def test_depth_and_fees_that_were_known_are_told_beside_what_the_best_prices_promised() -> None:
    found = explained(Made().leg(1).leg(2).leg(3))
    assert found.planned_cost(Cause.DEPTH) == {
        "USD": D("0.1") * 10 + D("1.85"),
        "BTC": D("1.9") * D("0.0001"),
    }
    assert found.planned_cost(Cause.FEE) == {
        "BTC": D("0.6") * FEE,
        "ETH": D("9.9") * FEE,
        "USD": (D(8) * 3_100 + D("1.85") * 3_099) * FEE,
    }
    assert found.at_tops == {
        "USD": D("9.85") * 3_100 - D("0.6") * 50_000,
        "BTC": D("0.6") - D("9.9") * D("0.06"),
        "ETH": D("9.9") - D("9.85"),
    }


def test_a_price_across_the_spread_that_moved_before_the_order_left_is_spread_move() -> None:
    moved = tuple(Level(level.price + 5, level.qty) for level in BOOKS[0])
    found = explained(Made().leg(1, sent=moved).leg(2).leg(3))
    assert causes(found) == {(1, "spread_move"): {"USD": D("0.6") * 5}}


def test_less_behind_the_best_price_is_depth() -> None:
    thin = (Level(D(50_000), D("0.1")), Level(D(50_010), D(5)))
    found = explained(Made().leg(1, sent=thin).leg(2).leg(3))
    assert causes(found) == {(1, "depth"): {"USD": D("0.4") * 10}}


def test_other_fills_than_our_book_showed_are_latency_net_of_the_fee() -> None:
    worse = (Level(D(3_099), D("9.85")),)
    found = explained(Made().leg(1).leg(2).leg(3, fills=worse))
    assert causes(found) == {(3, "latency"): {"USD": D(8) * (1 - FEE)}}


def test_better_fills_are_a_shortfall_below_zero() -> None:
    better = (Level(D(49_990), D("0.6")),)
    found = explained(Made().leg(1, fills=better).leg(2).leg(3))
    assert causes(found) == {(1, "latency"): {"USD": -(D("0.5") * 10 + D("0.1") * 20)}}


def test_another_fee_than_reckoned_is_fee_in_whatever_asset() -> None:
    made = Made().leg(1).leg(2).leg(3)
    first, *others = made.trades
    made.trades = [replace(first, fees=(("KFEE", D("2.5")),)), *others]
    found = explained(made)
    assert causes(found) == {(1, "fee"): {"BTC": -(D("0.5") * FEE), "KFEE": D("2.5")}}
    assert found.unvalued(found.shortfall(Cause.FEE)) == {"KFEE": D("2.5")}


def test_a_cost_that_the_venue_rounded_is_rounding() -> None:
    made = Made().leg(1).leg(2).leg(3)
    first, *others = made.trades
    made.trades = [replace(first, cost=first.cost + D("0.004")), *others]
    assert causes(explained(made)) == {(1, "rounding"): {"USD": D("0.004")}}


def test_a_fee_posted_later_and_rounded_rows_are_their_trades() -> None:
    made = Made().leg(1).leg(2).leg(3)
    before = explained(made).moved
    made.corrections = [
        Correction("o2", Cause.FEE, "ETH", D("-0.000000001")),
        Correction("o3", Cause.ROUNDING, "USD", D("0.00004")),
    ]
    found = explained(made)
    assert causes(found) == {
        (2, "fee"): {"ETH": D("0.000000001")},
        (3, "rounding"): {"USD": D("-0.00004")},
    }
    assert found.moved["ETH"] == before["ETH"] - D("0.000000001")


def test_another_size_without_anything_missing_is_rounding() -> None:
    found = explained(Made().leg(1).leg(2).leg(3, qty=PLANNED[2] - D("0.01")))
    worth = D("0.01") * 3_099 * (1 - FEE)
    assert causes(found) == {(3, "rounding"): {"USD": worth, "ETH": D("-0.01")}}


def test_a_first_leg_that_bought_less_is_to_blame_for_all_that_followed() -> None:
    half = (Level(D(50_000), D("0.3")),)
    made = Made().leg(1, fills=half)
    found = explained(made.leg(2, qty=D("4.95")).leg(3, qty=D("4.9")))
    assert {key for key, _ in causes(found).items()} == {(1, "partial")}
    lost = found.value(found.shortfall(Cause.PARTIAL))
    assert lost == found.value(found.expected) - found.value(found.moved)


SOLD_BACK = LEGS[0].reversed()
BACK_AT = (Level(D(49_900), D("0.5976")),)


@pytest.mark.parametrize(
    ("sent", "state", "cause"),
    [
        (BOOKS[1], OrderState.EMPTY, "latency"),  # it was there, and was gone
        ((Level(D("0.061"), D(50)),), OrderState.EMPTY, "spread_move"),  # beyond our limit
        ((Level(D("0.06"), D(1)), Level(D("0.061"), D(50))), OrderState.EMPTY, "depth"),
        (BOOKS[1], OrderState.REJECTED, "partial"),  # it never came to trading
        (BOOKS[1], OrderState.NEVER, "partial"),
    ],
)
def test_what_an_order_home_loses_is_put_to_what_made_it_necessary(
    sent: tuple[Level, ...], state: OrderState, cause: str
) -> None:
    made = Made().leg(1).leg(2, sent=sent, fills=(), state=state).home(SOLD_BACK, BACK_AT)
    found = explained(made)
    home = {
        "BTC": D("0.5976"),
        "USD": -D("0.5976") * 49_900 * (1 - FEE),
    }
    if cause == "partial":
        without = explained(Made().leg(1).leg(2, sent=sent, fills=(), state=state))
        both = found.shortfall(Cause.PARTIAL)
        before = without.shortfall(Cause.PARTIAL)
        assert {asset: both[asset] - before[asset] for asset in home} == home
    else:
        assert causes(found)[2, cause] == home
    assert {one.leg for one in found.lines} == {2}
    assert found.value(home) > 0  # two fees and a hundred dollars a coin


def test_a_leg_that_was_not_sent_blames_itself_where_all_before_it_was_whole() -> None:
    found = explained(Made().leg(1).leg(2))
    assert causes(found) == {
        (3, "partial"): {
            "USD": (D(8) * 3_100 + D("1.85") * 3_099) * (1 - FEE),
            "ETH": -PLANNED[2],
        }
    }


def test_nothing_traded_is_all_that_was_expected() -> None:
    found = explained(Made().leg(1, fills=()))
    assert found.moved == {}
    assert found.shortfall(Cause.PARTIAL) == found.expected
    assert {one.leg for one in found.lines} == {1}


def test_of_parallel_legs_each_is_to_blame_for_itself() -> None:
    made = Made(policy=Policy.PARALLEL).leg(1, fills=()).leg(2).leg(3)
    found = explained(made.home(LEGS[0], (Level(D(50_020), D("0.6")),)))
    assert set(causes(found)) == {(1, "partial"), (1, "latency")}


def test_marks_price_a_triangle_so_that_the_middle_leg_has_the_whole_promise() -> None:
    found = explained(Made().leg(1).leg(2).leg(3))
    assert found.marks == {"USD": D(1), "BTC": D(50_000), "ETH": D(3_100)}
    assert found.value(found.at_tops) == D("9.9") * (3_100 - D("0.06") * 50_000)


def test_a_conversion_is_worth_what_it_was_decided_at() -> None:
    made = Made(
        legs=LEGS[:2],
        books=BOOKS[:2],
        planned=PLANNED[:2],
        limits=(D(50_010), D("0.0601")),
        kind=ConversionKind.CONVERT,
    )
    found = explained(made.leg(1).leg(2, fills=(Level(D("0.0602"), PLANNED[1]),)))
    assert found.marks == {"USD": D(1), "BTC": D(50_000), "ETH": D(3_000)}
    assert found.value(found.at_tops) == 0  # nothing is promised but the prices themselves
    assert causes(found) == {
        (2, "latency"): {"BTC": D(8) * D("0.0002") + D("1.9") * D("0.0001")},
    }
    assert round(found.bps(Cause.LATENCY), 2) == D("29.83")


def test_without_what_it_was_decided_on_a_cycle_is_not_explained() -> None:
    told = Made().leg(1).leg(2).leg(3).told
    assert explain(replace(told, walks=())) is None
