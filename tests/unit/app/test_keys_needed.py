"""Alpaca lets nobody in without a key: whoever needs one says so before anything is contacted."""

from __future__ import annotations

from typing import Any

import pytest

from arbit.app.keys.alpaca import AlpacaKeysCheck
from arbit.app.live.lane import LiveLane, LiveOptions
from arbit.app.private.sides import refuse_untradable
from arbit.app.watch.feeds import Addresses, rest_side
from arbit.cli.live_screen import LiveSilence
from arbit.clock import SystemClock
from arbit.config import Settings
from arbit.domain.account import Mode
from arbit.domain.errors import UserError

BARE = Settings()
KEY_IS_MISSING = "ARBIT_VENUES__ALPACA__API_KEY: expected the key id of an account, none is set"


def alpaca(**given: Any) -> Settings:
    keys = {"api_key": "PKMADEUP", "api_secret": "made-up!"}
    return Settings.model_validate({"venues": {"alpaca": {**keys, **given}}})


def lane(settings: Settings, name: str = "alpaca", **options: Any) -> LiveLane:
    return LiveLane(settings, LiveOptions((name,), **options), SystemClock(), LiveSilence(), name)


def test_books_are_not_asked_for_without_a_key() -> None:
    with pytest.raises(UserError, match=KEY_IS_MISSING):
        rest_side(BARE.venue("alpaca"), Addresses(), SystemClock())


async def test_a_key_is_not_checked_without_one() -> None:
    with pytest.raises(UserError, match=KEY_IS_MISSING):
        await AlpacaKeysCheck(BARE, "alpaca")()


def test_no_order_goes_anywhere_without_a_key_or_without_a_word() -> None:
    with pytest.raises(UserError, match=KEY_IS_MISSING):
        lane(BARE, real=True).admitted()
    assert lane(alpaca()).admitted().mode is Mode.PAPER
    assert lane(alpaca(), real=True, dry=True).admitted().mode is Mode.PAPER
    assert lane(BARE, "sandbox-alpaca").admitted().mode is Mode.SANDBOX


def test_the_paper_account_of_alpaca_is_no_paper_of_ours_and_another_than_the_live_one() -> None:
    paper = lane(alpaca(), real=True).admitted()
    live = lane(alpaca(alpaca_host="live", api_key="AKMADEUP"), real=True).admitted()
    assert (paper.mode, live.mode) == (Mode.LIVE, Mode.LIVE)
    assert str(paper) != str(live)


@pytest.mark.parametrize("where", ["us-1", "eu-1"])
def test_orders_are_refused_where_the_books_are_another_places(where: str) -> None:
    settings = alpaca(alpaca_data_location=where)
    key = f"ARBIT_VENUES__ALPACA__ALPACA_DATA_LOCATION={where}"
    with pytest.raises(UserError, match=f"{key}: expected us for real orders"):
        lane(settings, real=True).admitted()
    assert lane(settings, real=True, dry=True).admitted().mode is Mode.PAPER
    refuse_untradable(alpaca().venue("alpaca"))
