"""Which costs were not compared with the venue's balances yet: a start reads them from fills."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from arbit.domain.records import Batch, Rough
from tests.unit.persistence import made
from tests.unit.persistence.test_late_fees import journal_of

UNIT = Decimal("0.000000001")
TRADE = replace(made.trade("t1", "o1"), symbol="BTC/USD", fee_slack=UNIT, at_ns=10)
ROUGH = replace(TRADE, trade_id="t2", cost=Decimal("1.23456789012"), at_ns=20)
LATER = replace(ROUGH, trade_id="t3", at_ns=30)
OTHER = replace(ROUGH, trade_id="t4", symbol="ETH/BTC", at_ns=15)
STATED = replace(ROUGH, trade_id="t5", symbol="ETH/EUR", fee_slack=None)


@pytest.mark.parametrize("kind", ["sqlite", "memory"])
def test_costs_are_those_since_they_were_compared_last_by_asset(kind: str, tmp_path: Path) -> None:
    with journal_of(kind, tmp_path) as journal:
        order = made.order("o1", "c1")
        trades = (TRADE, ROUGH, LATER, OTHER, STATED)
        journal.write(Batch(cycles=(made.cycle("c1"),), orders=(order,), trades=trades))
        assert journal.recall().rough == {
            "USD": Rough(UNIT + UNIT, 3, 30),
            "BTC": Rough(UNIT, 1, 15),
        }
        compared = Rough(Decimal("0.000000007"), 0, 20)
        journal.write(Batch(flags=(compared.flag("USD", 99),)))
        assert journal.recall().rough == {
            "USD": Rough(Decimal("0.000000008"), 1, 30),
            "BTC": Rough(UNIT, 1, 15),
        }
        journal.write(Batch(flags=(Rough(Decimal(0), 0, 30).flag("USD", 99),)))
        assert journal.recall().rough["USD"] == Rough(Decimal(0), 0, 30)
