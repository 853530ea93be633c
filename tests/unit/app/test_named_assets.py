"""An asset that a bound names is one that the venue lists, or it is said."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from arbit.app.trade.named_assets import refuse_misspelt, unlisted
from arbit.config import InventorySettings, RiskSettings, Settings
from arbit.config.inventory import Wanted
from arbit.domain.errors import UserError
from tests.unit.sizing_world import MARKETS

D = Decimal


def said(asset_caps: dict[str, Decimal] | None = None, **inventory: Any) -> Settings:
    return Settings(
        risk=RiskSettings(asset_caps=asset_caps or {}), inventory=InventorySettings(**inventory)
    )


def test_an_asset_in_other_letters_than_the_venues_is_a_line_that_says_how_it_is_spelt() -> None:
    settings = said({"Eth": D(1)}, caps={"btc": Wanted(D(1)), "BTC": Wanted(D(1))})
    with pytest.raises(UserError) as caught:
        refuse_misspelt(settings, "kraken", MARKETS)
    assert str(caught.value).splitlines() == [
        "ARBIT_RISK__ASSET_CAPS=Eth: expected ETH, as kraken spells it",
        "ARBIT_INVENTORY__CAPS=btc: expected BTC, as kraken spells it",
    ]


def test_an_asset_of_another_venue_is_no_mistake_and_is_told() -> None:
    settings = said(
        targets={"BTC": Wanted(D(1))},
        reserve_amount={"DOGE": D(1)},
        reserve_percent={"USD": D(1), "XMR": D(1)},
    )
    refuse_misspelt(settings, "kraken", MARKETS)
    assert unlisted(settings, "kraken", MARKETS) == [
        "ARBIT_INVENTORY__RESERVE_AMOUNT names DOGE, which no market of kraken has",
        "ARBIT_INVENTORY__RESERVE_PERCENT names XMR, which no market of kraken has",
    ]
    assert unlisted(said(), "kraken", MARKETS) == []
