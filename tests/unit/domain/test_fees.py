from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.domain.fees import (
    Fee,
    FeeSource,
    break_even_fee_bps,
    demanded,
    hurdle_bps,
    kept,
)

D = Decimal


@pytest.mark.parametrize(
    ("bps", "hurdle"),
    [
        (40, "121.0"),
        (35, "105.7"),
        (24, "72.3"),
        (22, "66.3"),
        (18, "54.2"),
        (10, "30.1"),
        (0, "0.0"),
    ],
)
def test_the_hurdle_of_three_taker_legs_is_the_published_figure(bps: int, hurdle: str) -> None:
    assert f"{hurdle_bps([D(bps) / 10_000] * 3):.1f}" == hurdle


def test_legs_with_different_fees_multiply() -> None:
    fees = [D("0.004"), D("0.004"), D("0.002")]  # two taker legs and a stable one at 20
    assert kept(fees) == D("0.996") * D("0.996") * D("0.998")
    assert f"{hurdle_bps(fees):.1f}" == "100.7"


def test_a_wanted_net_edge_raises_the_hurdle() -> None:
    assert hurdle_bps([D(0)] * 3, D(5)) == 5
    assert f"{hurdle_bps([D('0.004')] * 3, D(5)):.2f}" == "126.03"


def test_at_the_break_even_fee_the_hurdle_is_the_edge() -> None:
    for edge in (0.28, 3.33, 121.0, 500.0):
        fee = Decimal(break_even_fee_bps(edge)) / 10_000
        assert float(hurdle_bps([fee] * 3)) == pytest.approx(edge, rel=1e-9)


@pytest.mark.parametrize("edge", [0.0, -1.83, -10_000.0])
def test_an_edge_that_is_not_positive_pays_no_fee(edge: float) -> None:
    assert break_even_fee_bps(edge) == 0.0


def test_a_fee_knows_its_bps_and_its_source() -> None:
    fee = Fee(D("0.0026"), FeeSource.LADDER)
    assert fee.bps == 26
    assert fee.source.value == "published ladder"


def test_the_dearest_fee_decides_what_is_demanded_of_a_gap() -> None:
    said = demanded([D("0.0010"), D("0.0040"), D("0.0025")], D(0))
    assert "up to 40 bps a leg" in said
    assert "a gap of 121.0 bps" in said
    assert "a gap of 126.0 bps" in demanded([D("0.004")], D(5))


def test_where_no_fee_is_known_nothing_is_promised() -> None:
    assert demanded([], D(5)) == "no fee is known: nothing can be traded"
