"""The gateway within the venue's counters: its own count, and the venue's word."""

from __future__ import annotations

from typing import Any

import pytest

from arbit.domain.errors import VenueRefused
from arbit.domain.order import OrderState
from tests.unit.venues.kraken.private import words
from tests.unit.venues.kraken.private.venue import Line, Scene

MINE = "abq1w2e1-11"


async def test_the_pairs_counter_is_never_filled_by_orders() -> None:
    scene = Scene()
    async with scene.running():
        scene.venue.on_order = fills_once_each()
        said = [
            (await scene.gateway.send(scene.intent(f"abq1w2e{number}-11"))).reason
            for number in range(60)
        ]
        assert len(scene.venue.orders) < 60
        assert said[-1] == "not sent: the venue's order counter would be full"


async def test_a_pairs_counter_that_the_venue_calls_full_is_full() -> None:
    scene = Scene()
    async with scene.running():
        scene.venue.on_order = lambda line, one: line.say(
            words.no(one["req_id"], "EOrder:Rate limit exceeded")
        )
        assert (await scene.gateway.send(scene.intent())).state is OrderState.REJECTED
        await scene.clock.advance(6)  # by then the wait it asks for is over
        assert scene.gateway.unready() == ""
        again = await scene.gateway.send(scene.intent("abq1w2e2-11"))
        assert again.reason == "not sent: the venue's order counter would be full"


async def test_what_the_stream_says_of_a_pairs_counter_is_believed() -> None:
    scene = Scene()
    async with scene.running():
        (subscribed,) = [
            one["params"]
            for one in scene.venue.requests
            if one["method"] == "subscribe" and one["params"]["channel"] == "executions"
        ]
        assert subscribed["ratecounter"] is True
        opening = words.opening("O1", MINE)
        scene.venue.line.executions(opening)
        for odd in ('"59"', "null", "true", "-1", "[59]"):
            scene.venue.line.executions(words.live("O1")[:-1] + f',"ratecount":{odd}}}')
        now_ns = scene.clock.monotonic_ns()
        assert scene.engine.may("BTC/USD", 1, now_ns)
        scene.venue.line.executions(words.live("O1")[:-1] + ',"ratecount":58.5}')
        assert scene.gateway.unready() == ""
        assert not scene.engine.may("BTC/USD", 1, now_ns, reserved=True)


def fills_once_each() -> Any:
    count = iter(range(1_000))

    def fill(line: Line, request: dict[str, Any]) -> None:
        number = next(count)
        line.executions(
            words.opening(f"O{number}", request["params"]["cl_ord_id"]),
            words.ending(f"O{number}", cum_qty="0"),
        )

    return fill


async def test_no_order_leaves_without_room_to_ask_what_becomes_of_it() -> None:
    scene = Scene()
    async with scene.running():
        scene.requests.fill(scene.clock.monotonic_ns())
        assert "no room to ask" in scene.gateway.unready()
        await scene.clock.advance(60)
        assert scene.gateway.unready() == ""


async def test_cancelling_costs_by_age_and_goes_over_the_socket() -> None:
    scene = Scene()
    async with scene.running():
        scene.gateway.send(scene.intent())
        await scene.gateway.cancel(MINE)
        await scene.gateway.cancel(MINE, "O1")
        asked = [one["params"] for one in scene.venue.requests if one["method"] == "cancel_order"]
        assert [one.get("cl_ord_id") or one.get("order_id") for one in asked] == [[MINE], ["O1"]]
        for _ in range(5):
            await scene.gateway.cancel(MINE)
        with pytest.raises(VenueRefused, match="cancel not sent"):
            await scene.gateway.cancel(MINE)
        assert scene.rest.cancelled == []
        scene.venue.line.cut()
        await scene.gateway.cancel("ab-old", "O3")
        assert scene.rest.cancelled == [("ab-old", "O3")]
