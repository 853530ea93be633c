"""Orders over REST through the gateway, with the account's stream beside them and without it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from arbit.config import OrderTransport, RiskSettings
from arbit.domain.errors import UserError
from arbit.domain.order import OrderState
from arbit.domain.triangle import Side
from arbit.sandbox.keys import OTHER_SECRET
from arbit.venues.following import HEAR_MS
from tests.integration.kraken_gateway_rig import Options, gatewayed

pytestmark = pytest.mark.unstalled

REST = Options(transport=OrderTransport.REST)


async def test_orders_end_as_the_exchange_ended_them_and_the_stream_tells_it() -> None:
    async with gatewayed(REST) as rig:
        await rig.until(lambda: rig.gateway.session.whole, "the stream as well")
        asked = rig.side.rest.calls
        outcomes = [
            await rig.order(Side.BUY),
            await rig.order(Side.SELL),
            await rig.order(Side.BUY, off="0.9"),
        ]
        assert [one.state.value for one in outcomes] == ["filled", "filled", "empty"]
        for outcome in outcomes:
            rig.check(outcome)
        assert rig.side.rest.calls - asked < 3 * 3  # AddOrder, and at most one look each


async def test_without_a_stream_the_questions_find_the_end() -> None:
    async with gatewayed(REST, ready=False) as rig:
        rig.sandbox.faults.set("refuse_connects", status=503)
        rig.sandbox.faults.set("close", code=1006)
        await rig.until(lambda: not rig.gateway.session.whole, "no stream")
        await rig.ready()
        for side in Side:
            rig.check(await rig.order(side))


SHAPES: list[tuple[str, dict[str, Any], set[str]]] = [
    ("order_reset", {"when": "before"}, {"never"}),
    ("order_reset", {"when": "after"}, {"filled"}),
    ("order_truncated", {}, {"filled"}),
    ("order_html", {"when": "after"}, {"filled"}),
    ("order_status", {"status": 502, "when": "after"}, {"filled"}),
    ("order_odd", {"shape": "no_id"}, {"filled"}),
    ("order_odd", {"shape": "descr_text"}, {"filled"}),
    ("order_error", {"error": "EService:Timeout", "accepted": True}, {"filled"}),
    ("order_error", {"error": "EOrder:Insufficient funds"}, {"rejected"}),
]
# To be told to slow down is to wait: once is enough.
SLOW_DOWN = ("order_status", {"status": 429, "when": "before"}, {"never"}, True)


@pytest.mark.parametrize(
    ("fault", "params", "ends", "stream"),
    [*((*shape, stream) for shape in SHAPES for stream in (False, True)), SLOW_DOWN],
)
async def test_a_reply_that_proves_nothing_is_never_misread(
    fault: str, params: dict[str, Any], ends: set[str], stream: bool
) -> None:
    async with gatewayed(REST) as rig:
        if stream:
            await rig.until(lambda: rig.gateway.session.whole, "the stream as well")
        else:
            rig.sandbox.faults.set("exec_mute")
        rig.sandbox.faults.set(fault, face="rest", method="AddOrder", **params)
        intent = rig.intent()
        outcome = await rig.sent_off(intent)
        assert outcome.state is OrderState.UNKNOWN or outcome.state.value in ends
        settled = await rig.settled(intent, outcome)
        assert settled.state.value in ends
        rig.check(settled)


async def test_a_deadline_shorter_than_rest_takes_is_the_users_error() -> None:
    with pytest.raises(UserError, match="2000"):
        async with gatewayed(Options(transport=OrderTransport.REST, deadline_ms=1_999)):
            raise AssertionError("it was made all the same")


async def test_reads_that_lag_five_seconds_never_make_an_accepted_order_never() -> None:
    margin_ms = RiskSettings().resolve_margin_ms  # what a user has who sets nothing
    async with gatewayed(Options(transport=OrderTransport.REST, margin_ms=margin_ms)) as rig:
        rig.sandbox.faults.set("exec_mute")
        rig.sandbox.faults.set("read_lag", lag_ms=5_000)
        rig.sandbox.faults.set("order_reset", face="rest", method="AddOrder", when="after")
        intent = rig.intent()
        outcome = await rig.sent_off(intent)
        assert outcome.state is OrderState.UNKNOWN
        await asyncio.sleep(4.1)  # by then a short margin would be over, and the lag is not
        settled = await rig.settled(intent, outcome, most_s=0.6)
        assert settled.state is OrderState.FILLED
        rig.check(settled)


async def test_an_order_that_is_not_answered_keeps_the_keys_turn_no_longer_than_it_can_matter() -> (
    None
):
    async with gatewayed(REST) as rig:
        await rig.side.reader.learn()
        rig.sandbox.faults.set("exec_mute")
        rig.sandbox.faults.set("order_silent", face="rest", method="AddOrder", when="after")
        intent = rig.intent()
        sent = asyncio.ensure_future(rig.sent_off(intent))
        await asyncio.sleep(0.1)
        await rig.side.reader.balances()  # waits for the turn, though not for a timeout of 8 s
        offset = rig.side.reader.offsets.now()
        assert offset is not None
        over_ms = (rig.clock.wall_ns() + offset.offset_ns - intent.deadline_ns) / 1e6
        assert 0 < over_ms < HEAR_MS + 1_000
        settled = await rig.settled(intent, await sent)
        assert settled.state is OrderState.FILLED
        rig.check(settled)


async def test_a_wrong_secret_makes_nothing_ready_and_is_said_in_the_venues_words() -> None:
    async with gatewayed(Options(secret=OTHER_SECRET), ready=False) as rig:
        await rig.until(lambda: "EAPI:Invalid signature" in rig.gateway.unready(), "the words")
        await asyncio.sleep(0.5)
        assert rig.gateway.deadline_ns() is not None or rig.gateway.unready()
