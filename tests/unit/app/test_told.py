"""What commands that convert say of a refusal, and of a better way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from arbit.app.acts.convert import Convert, ConvertAsk, ConvertTold, report_of
from arbit.app.acts.opened import Access, Ask
from arbit.app.acts.told import refusal_of, words_of
from arbit.config import InventorySettings, RiskSettings, Settings
from arbit.config.inventory import Wanted
from arbit.domain.errors import UserError
from arbit.domain.money import plain
from arbit.domain.plan import SizeLimits
from arbit.domain.refusal import RefusalCode, Refused
from arbit.routing import Around, Found, route
from tests.unit.test_rebalancing import BOOKS, MARKETS

D = Decimal
ASK = Ask("sandbox", Access.QUOTED, "convert")
MANY = D(3000) / 7  # its digits have no end


def refused(code: RefusalCode, **figures: Decimal | str) -> Refused:
    return Refused(
        code, {name: one if isinstance(one, str) else plain(one) for name, one in figures.items()}
    )


@pytest.mark.parametrize(
    ("settings", "why", "said"),
    [
        (
            Settings(risk=RiskSettings(max_exposure=D(3000))),
            refused(RefusalCode.ASSET_CAP, asset="ETH", exposure=D(2) * MANY, cap=MANY),
            (
                "ARBIT_RISK__MAX_EXPOSURE=3000: expected trading to move at most 428.57142 ETH, "
                "but it may be moved by 857.14286"
            ),
        ),
        (
            Settings(risk=RiskSettings(asset_caps={"ETH": D("0.50")})),
            refused(RefusalCode.ASSET_CAP, asset="ETH", exposure=D(2), cap=D("0.50")),
            (
                "ARBIT_RISK__ASSET_CAPS=ETH=0.5: expected trading to move at most 0.5 ETH, but it "
                "may be moved by 2"
            ),
        ),
        (
            Settings(inventory=InventorySettings(caps={"ETH": Wanted(D(3000), "USD")})),
            refused(RefusalCode.INVENTORY_CAP, asset="ETH", owned=D(429), cap=MANY),
            (
                "ARBIT_INVENTORY__CAPS=ETH=3000 USD: expected at most 428.57142 ETH to be owned, "
                "but it may be 429"
            ),
        ),
        (
            Settings(),
            refused(RefusalCode.FUNDS, asset="USD", needed=MANY, free=MANY),
            "funds: asset USD, needed 428.57143, free 428.57142",
        ),
        (
            Settings(),
            refused(RefusalCode.STALE_BOOK, symbol="ETH/USD", age_ms="NaN"),
            "stale_book: symbol ETH/USD, age_ms NaN",
        ),
    ],
)
def test_a_refusal_names_its_key_and_rounds_what_it_shows(
    settings: Settings, why: Refused, said: str
) -> None:
    assert words_of(why, settings) == said
    assert refusal_of(why, settings) == (said, {"code": why.code.value, **why.figures})


def test_what_is_no_refusal_of_the_gate_has_no_figures() -> None:
    assert refusal_of("the journal fails", Settings()) == ("the journal fails", {})


@pytest.mark.parametrize(
    ("better", "said"),
    [("0.0004", "less than 0.01"), ("0.0099", "less than 0.01"), ("0.01", "0.01"), ("3.5", "3.50")],
)
def test_what_is_hardly_better_is_not_said_to_be_better_by_nothing(better: str, said: str) -> None:
    around = Around(BOOKS, MARKETS, dict.fromkeys(MARKETS, D("0.001")))
    found = route("BTC", "USD", around, SizeLimits(D(1)))
    made = _Made({2: found.by_legs[2], 1: found.by_legs[1]}, D(better))
    told: Any = made
    report = report_of(ASK, told, ("BTC", "USD"), D(1))
    assert report.sentence == f"BTC>ETH>USD brings {said} bps more than the direct order"


class _Made(Found):
    """As if the way by ETH were better by so much."""

    def __init__(self, by_legs: Any, better: Decimal) -> None:
        super().__init__(by_legs)
        object.__setattr__(self, "_better", better)

    @property
    def best(self) -> Any:
        return self.by_legs[2]

    @property
    def better_bps(self) -> Any:
        return object.__getattribute__(self, "_better")


def test_all_of_what_paper_has_none_of_says_what_to_do() -> None:
    command = Convert(Settings(), ASK, ConvertAsk("USD", "XMR"), lambda _: None)
    unused: Any = None
    with pytest.raises(UserError, match=r"^all XMR: expected an amount.*PAPER_BALANCES has no XMR"):
        command._amount(unused, ConvertTold("sandbox", "quote"))
