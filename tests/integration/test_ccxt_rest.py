from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from arbit.clock import SystemClock
from arbit.domain.errors import (
    BrokenRule,
    FrameError,
    VenueError,
    VenueRefused,
    VenueUnreachable,
)
from arbit.sandbox.server import SandboxServer
from arbit.venues.ccxt.catalog import KrakenCatalog, UnifiedCatalog
from arbit.venues.ccxt.client import RestClient
from arbit.venues.ccxt.reader import KrakenReader, UnifiedReader
from arbit.venues.ccxt.settings import CcxtSettings

pytestmark = pytest.mark.unstalled


def settings(url: str, **changes: Any) -> CcxtSettings:
    told: dict[str, Any] = {
        "rest_url": url,
        "rest_calls_per_s": 200.0,
        "rest_timeout_ms": 600,
        "rest_tries": 2,
    }
    return CcxtSettings("sandbox", **(told | changes))


@pytest.fixture
async def server() -> AsyncIterator[SandboxServer]:
    async with SandboxServer("calm", 3) as running:
        running.market.freeze()
        yield running


@pytest.fixture
async def client(server: SandboxServer) -> AsyncIterator[RestClient]:
    async with RestClient(settings(server.rest_url), SystemClock(1)) as made:
        yield made


async def test_the_catalog_lists_the_venues_own_digits(client: RestClient) -> None:
    market = (await KrakenCatalog(client).markets())["BTC/USD"]
    assert (market.base, market.quote) == ("BTC", "USD")
    assert market.price_increment is not None
    assert market.taker_fee is not None


async def test_both_readers_agree_with_the_venue_about_every_top(
    server: SandboxServer, client: RestClient
) -> None:
    own = KrakenReader(client, KrakenCatalog(client))
    unified = UnifiedReader(client)
    tops = await own.tops()
    assert tops == await unified.tops()
    books: Any = server.control.state(1)["books"]
    for symbol, (bid, ask) in tops.items():
        assert str(bid) == books[symbol]["bids"][0][0]
        assert str(ask) == books[symbol]["asks"][0][0]


async def test_both_readers_agree_about_depth_best_levels_first(client: RestClient) -> None:
    own = await KrakenReader(client, KrakenCatalog(client)).depth("BTC/USD", 10)
    unified = await UnifiedReader(client).depth("BTC/USD", 10)
    assert tuple(own[0]) == tuple(unified[0])
    assert tuple(own[1]) == tuple(unified[1])
    assert own[0][0].price > own[0][-1].price
    assert own[1][0].price < own[1][-1].price
    assert len(own[0]) == 10


async def test_the_unified_catalog_knows_the_same_markets(client: RestClient) -> None:
    own = await KrakenCatalog(client).markets()
    unified = await UnifiedCatalog(client).markets()
    assert set(unified) == set(own)
    assert unified["BTC/USD"].qty_min == own["BTC/USD"].qty_min
    assert unified["BTC/USD"].taker_fee == own["BTC/USD"].taker_fee


async def test_both_catalogs_tell_the_ladder_of_fees(client: RestClient) -> None:
    own = (await KrakenCatalog(client).ladders())["BTC/USD"]
    unified = (await UnifiedCatalog(client).ladders())["BTC/USD"]
    assert unified.steps == own.steps[:1], "what ccxt has of tiers is of another time"
    assert [step.volume for step in own.steps[:3]] == [0, 10_000, 50_000]
    assert own.steps[0].maker is not None


async def test_a_market_that_is_not_listed_is_refused_without_asking(client: RestClient) -> None:
    reader = KrakenReader(client, KrakenCatalog(client))
    await reader.tops()
    asked = client.asked
    with pytest.raises(VenueRefused, match="NO/SUCH"):
        await reader.depth("NO/SUCH", 10)
    assert client.asked == asked


@pytest.mark.parametrize(
    ("fault", "params", "error", "questions"),
    [
        ("rest_down", {}, VenueUnreachable, 2),
        ("rest_down", {"status": 503}, VenueUnreachable, 2),
        ("rest_down", {"status": 429}, VenueUnreachable, 2),
        ("rest_down", {"status": 504}, VenueUnreachable, 2),
        ("rest_slow", {"delay_ms": 5000}, VenueUnreachable, 2),
        ("rest_html", {}, VenueUnreachable, 2),
        ("rest_error", {"error": "EService:Unavailable"}, VenueUnreachable, 2),
        ("rest_error", {"error": "EGeneral:Temporary lockout"}, VenueUnreachable, 2),
        ("rest_error", {"error": "EQuery:Unknown asset pair"}, VenueRefused, 1),
        ("rest_error", {"error": "EGeneral:Permission denied"}, VenueRefused, 1),
    ],
)
async def test_every_failure_of_a_question_is_an_error_of_ours_tried_a_bounded_number_of_times(
    server: SandboxServer,
    client: RestClient,
    fault: str,
    params: dict[str, Any],
    error: type[VenueError],
    questions: int,
) -> None:
    server.faults.set(fault, **params)
    with pytest.raises(error) as caught:
        await KrakenCatalog(client).markets()
    assert client.asked == questions
    assert caught.value.__cause__ is None
    assert "ccxt" not in type(caught.value).__module__.split(".")


async def test_a_refused_connection_is_unreachable() -> None:
    async with RestClient(settings("http://127.0.0.1:1"), SystemClock(1)) as client:
        with pytest.raises(VenueUnreachable):
            await KrakenCatalog(client).markets()


async def test_a_passing_failure_is_forgiven_by_the_second_try(
    server: SandboxServer, client: RestClient
) -> None:
    server.faults.set("rest_error", error="EService:Busy", times=1)
    assert await KrakenCatalog(client).markets()
    assert client.asked == 2


async def test_an_answer_without_a_result_is_a_domain_error(client: RestClient) -> None:
    catalog = KrakenCatalog(client)
    answer = await client.ask("publicGetTime", {})
    with pytest.raises(FrameError):
        await client.ask("parse_order_book", answer.body)
    assert await catalog.markets()


async def test_a_closed_client_answers_no_more(server: SandboxServer) -> None:
    client = RestClient(settings(server.rest_url), SystemClock(1))
    await KrakenCatalog(client).markets()
    await client.close()
    await client.close()
    with pytest.raises(BrokenRule):
        await KrakenCatalog(client).markets()
