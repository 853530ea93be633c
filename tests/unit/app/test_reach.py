"""Where a venue is reached: whole sets of addresses, or none of them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from arbit.app.watch.build import Reached, listed, reach
from arbit.app.watch.child import SandboxChild
from arbit.app.watch.feeds import Addresses
from arbit.config import Settings
from arbit.domain.errors import (
    FrameError,
    UserError,
    VenueError,
    VenueRefused,
    VenueUnreachable,
)

WHOLE = {
    "rest_url": "http://127.0.0.1:1",
    "data_url": "http://127.0.0.1:2",
    "ws_url": "ws://127.0.0.1:3/v1beta3/crypto/us",
    "private_ws_url": "ws://127.0.0.1:4/stream",
}


def no_child() -> SandboxChild:
    raise AssertionError("a server was started")


async def reached(name: str, **given: Any) -> Reached:
    venue = Settings.model_validate({"venues": {name: given}}).venue(name)
    async with AsyncExitStack() as stack:
        return await reach(venue, stack, no_child)


@pytest.mark.parametrize(("host", "name"), [("paper", "paper-api"), ("live", "api")])
async def test_alpaca_has_a_host_for_each_account_and_one_for_data(host: str, name: str) -> None:
    assert (await reached("alpaca", alpaca_host=host)).at == Addresses(
        rest_url=f"https://{name}.alpaca.markets",
        ws_url="wss://stream.data.alpaca.markets/v1beta3/crypto/us",
        data_url="https://data.alpaca.markets",
        private_ws_url=f"wss://{name}.alpaca.markets/stream",
    )


async def test_the_books_of_another_place_are_another_stream() -> None:
    at = (await reached("alpaca", alpaca_data_location="eu-1")).at
    assert at.ws_url == "wss://stream.data.alpaca.markets/v1beta3/crypto/eu-1"


@pytest.mark.parametrize("name", ["alpaca", "sandbox-alpaca"])
async def test_a_whole_set_of_addresses_is_taken_as_it_is(name: str) -> None:
    assert (await reached(name, **WHOLE)).at == Addresses(
        WHOLE["rest_url"], WHOLE["ws_url"], WHOLE["data_url"], WHOLE["private_ws_url"]
    )


@pytest.mark.parametrize("missing", WHOLE)
@pytest.mark.parametrize("name", ["alpaca", "sandbox-alpaca"])
async def test_a_part_of_the_addresses_is_one_line_that_names_what_is_not_set(
    name: str, missing: str
) -> None:
    part = {field: url for field, url in WHOLE.items() if field != missing}
    with pytest.raises(UserError) as caught:
        await reached(name, **part)
    said, prefix = str(caught.value), f"ARBIT_VENUES__{name.upper().replace('-', '_')}__"
    assert "expected all four or none" in said
    assert said.endswith(f"unset: {prefix}{missing.upper()}")
    assert "\n" not in said


@pytest.mark.parametrize(("missing", "given"), [("WS_URL", "rest_url"), ("REST_URL", "ws_url")])
async def test_half_an_address_of_our_own_kraken_is_never_completed_by_krakens(
    missing: str, given: str
) -> None:
    with pytest.raises(
        UserError, match=f"both or neither.*unset: ARBIT_VENUES__SANDBOX__{missing}"
    ):
        await reached("sandbox", **{given: WHOLE[given]})


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (VenueRefused("302"), "alpaca does not say what it lists: 302"),
        (FrameError("/v2/assets: no list"), "alpaca: /v2/assets: no list"),
        (VenueUnreachable("GET /v2/assets: 500"), "alpaca could not be reached: GET /v2/assets"),
    ],
)
async def test_whose_list_of_markets_there_is_none_of_is_said(
    error: VenueError, words: str
) -> None:
    class Silent:
        async def markets(self) -> Any:
            raise error

    rest: Any = SimpleNamespace(catalog=Silent())
    with pytest.raises(type(error), match=f"^{words}"):
        await listed(Settings.model_validate({}).venue("alpaca"), rest)
