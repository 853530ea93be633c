"""What watches fees: its own figures, and that each planted bug of theirs is caught."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.sandbox.orders import Trade
from tests.simulation import saboteurs_costs
from tests.simulation.fees import rate_in, taken
from tests.simulation.plan import plan_of
from tests.simulation.runner import workshop
from tests.simulation.sabotage import hunt
from tests.simulation.saboteurs import ALL
from tests.simulation.world import World

D = Decimal


def fill(fee: str, asset: str) -> Trade:
    amounts = (D("0.5"), D(60_000), D(30_000), D(fee))
    return Trade("T", 1, "main", "O", "ab", "BTC/USD", "buy", *amounts, asset, False, 1, ())


@pytest.mark.parametrize(("fee", "asset"), [("0.00045", "BTC"), ("27.00", "USD")])
def test_a_fee_is_a_share_of_its_own_side(fee: str, asset: str) -> None:
    assert taken(fill(fee, asset))[0] == D("0.0009")


@pytest.mark.parametrize(
    ("told", "rate"),
    [
        ({"error": [], "result": {"fees": {"A": {"fee": "0.0900"}}}}, D("0.0009")),
        ({"error": ["EService:Busy"], "result": {"fees": {"A": {"fee": "0.0900"}}}}, None),
        ({"error": [], "result": {"fees": {}}}, None),
        ({"error": [], "result": {"fees": {"A": {"fee": None}}}}, None),
        ({"error": []}, None),
        ([], None),
    ],
)
def test_what_an_answer_says_of_fees(told: object, rate: Decimal | None) -> None:
    assert rate_in(told) == rate


def test_a_seed_whose_fees_change_is_doubted_told_and_trades_on() -> None:
    with workshop() as disk:
        world = World(41, disk, plan_of(41))
        result = world.run()
    trader = world.lives[-1].trader
    assert result.violations == []
    assert world.watch.fees.doubted
    assert trader is not None
    assert trader.fee_watch.questions


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        ("fees_never_reread", 41),
        ("doubtful_fees_traded_on", 41),
        ("fees_not_passed_on", 41),
        ("realised_fees_disbelieved", 364),
        ("ways_home_at_old_fees", 26),
    ],
)
def test_a_planted_bug_of_fees_is_caught(name: str, seed: int) -> None:
    assert saboteurs_costs.__doc__
    assert hunt(ALL[name], [seed]).seeds
