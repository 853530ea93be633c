"""Orders through the Alpaca gateway on real sockets, against the exchange's own truth."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from arbit.domain.account import (
    FEE_POSTED,
    AccountStreamBack,
    AccountStreamLost,
    Flow,
    ForeignOrder,
    KeyDoubted,
)
from arbit.domain.order import OrderState, Remedy
from arbit.domain.triangle import Side
from arbit.sandbox.server import SandboxOptions
from tests.integration.alpaca_gateway_rig import BTC, GUARD_S, UNIT, gatewayed

pytestmark = pytest.mark.unstalled


async def test_orders_end_as_the_exchange_ended_them() -> None:
    async with gatewayed() as rig:
        asked = rig.side.http.asked
        outcomes = [
            await rig.order(Side.BUY),
            await rig.order(Side.SELL),
            await rig.order(off="0.9"),
        ]
        assert [one.state.value for one in outcomes] == ["filled", "filled", "empty"]
        for outcome in outcomes:
            rig.check(outcome)
        assert rig.side.http.asked - asked == 3  # no look was needed: the stream told it
        assert {one.trade_id for one in rig.trades} == {
            one.trade_id for outcome in outcomes for one in outcome.trades
        }


async def test_a_part_of_an_order_may_fill() -> None:
    async with gatewayed() as rig:
        rig.sandbox.faults.set("fill_share", share=0.5)
        outcome = await rig.order()
        assert outcome.state is OrderState.PARTIAL
        rig.check(outcome)


async def test_refusals_are_told_apart() -> None:
    async with gatewayed() as rig:
        plain = rig.intent()
        refused = [
            (plain, replace(plain, qty=Decimal("0.0001")), "cost basis", Remedy.NONE),
            (plain, replace(plain, qty=Decimal("1.5")), "insufficient balance", Remedy.RESYNC),
            (plain, replace(plain, limit_price=Decimal("60000.0000001")), "increment", Remedy.NONE),
        ]
        for number, (_, intent, words, remedy) in enumerate(refused):
            outcome = await rig.sent_off(replace(intent, client_id=f"abrig02{number}-11"))
            assert outcome.state is OrderState.REJECTED, outcome
            assert words in outcome.reason
            assert outcome.remedy is remedy
            rig.check(outcome)


async def test_a_wash_trade_is_refused_for_its_own_reason() -> None:
    async with gatewayed() as rig:
        resting = rig.intent(Side.SELL, off="0.95")
        body = {
            "symbol": BTC,
            "side": "sell",
            "type": "limit",
            "time_in_force": "gtc",
            "qty": "0.01",
            "limit_price": f"{resting.limit_price:f}",
            "client_order_id": "web-1",
        }
        answer = await rig.side.http.ask("POST", "/v2/orders", body=body)
        assert answer.ok, answer.body
        outcome = await rig.order(Side.BUY, off="1.2")
        assert outcome.state is OrderState.REJECTED
        assert "wash trade" in outcome.reason
        assert "against" in outcome.reason
        await rig.until(lambda: any(isinstance(one, ForeignOrder) for one in rig.told), "told")
        (foreign,) = [one.order for one in rig.told if isinstance(one, ForeignOrder)]
        assert (foreign.client_id, foreign.open, foreign.symbol) == ("web-1", True, BTC)
        (listed,) = await rig.side.reader.open_orders()
        assert listed.client_id == "web-1"
        assert (await rig.side.reader.balances())["BTC"].held == Decimal("0.01")
        await rig.gateway.cancel("web-1")
        assert await rig.side.reader.open_orders() == []


SHAPES: list[tuple[str, dict[str, Any]]] = [
    ("order_reset", {"when": "after"}),
    ("order_truncated", {}),
    ("order_html", {"when": "after"}),
    ("order_status", {"status": 504, "when": "after"}),
    ("order_odd", {"shape": "no_id"}),
    ("order_denied", {"status": 504, "message": "backend request timeout", "accepted": True}),
]
FOUND = [
    *((*shape, mute) for shape in SHAPES for mute in (False, True)),
    ("order_silent", {"when": "after"}, False),  # the stream does not wait for the reply
    ("order_late", {"delay_ms": 300}, False),
]


@pytest.mark.parametrize(
    ("fault", "params", "mute"), FOUND, ids=lambda one: one if isinstance(one, str) else None
)
async def test_a_reply_that_proves_nothing_is_never_misread(
    fault: str, params: dict[str, Any], mute: bool
) -> None:
    async with gatewayed() as rig:
        if mute:
            rig.sandbox.faults.set("exec_mute")
        rig.sandbox.faults.set(fault, face="rest", method="POST", **params)
        intent = rig.intent()
        settled = await rig.settled(intent, await rig.sent_off(intent))
        assert settled.state is OrderState.FILLED
        rig.check(settled)


@pytest.mark.parametrize(
    ("fault", "params"),
    [("order_reset", {"when": "before"}), ("order_status", {"status": 500, "when": "before"})],
)
async def test_an_order_that_never_arrived_never_will_be_once_its_request_cannot(
    fault: str, params: dict[str, Any]
) -> None:
    async with gatewayed() as rig:
        rig.sandbox.faults.set(fault, face="rest", method="POST", **params)
        intent = rig.intent()
        sending = asyncio.ensure_future(rig.sent_off(intent))
        asked = rig.side.http.asked
        await rig.until(lambda: rig.side.http.asked > asked + 1, "sent, and a first look")
        settled = await rig.settled(rig.overdue(intent), await rig.gateway.resolve(intent))
        assert settled.state is OrderState.NEVER
        sending.cancel()
        rig.check(settled)


async def test_an_order_of_the_same_id_is_found_and_not_sent_again() -> None:
    async with gatewayed() as rig:
        intent = rig.intent()
        body = {
            "symbol": BTC,
            "side": "buy",
            "type": "limit",
            "time_in_force": "ioc",
            "qty": f"{intent.qty:f}",
            "limit_price": f"{intent.limit_price:f}",
        }
        first = await rig.side.http.ask(
            "POST", "/v2/orders", body={**body, "client_order_id": intent.client_id}
        )
        assert first.ok, first.body
        outcome = await rig.sent_off(intent)
        assert outcome.state is OrderState.FILLED
        rig.check(outcome)
        assert len(rig.true_orders()) == 1


async def test_a_key_that_is_withdrawn_halts_and_comes_back() -> None:
    async with gatewayed() as rig:
        rig.sandbox.faults.set("key_revoked")
        outcome = await rig.order()
        assert (outcome.state, outcome.remedy) == (OrderState.REJECTED, Remedy.HALT)
        await rig.until(lambda: any(isinstance(one, KeyDoubted) for one in rig.told), "doubted")
        assert rig.gateway.unready()
        rig.sandbox.faults.clear("key_revoked")
        await rig.ready()
        rig.check(await rig.order())


async def test_a_lost_stream_comes_back_with_what_was_missed() -> None:
    async with gatewayed() as rig:
        rig.sandbox.faults.set("exec_mute")
        first = await rig.order()  # found by a look; the stream did not tell it
        assert first.state is OrderState.FILLED
        rig.sandbox.faults.clear("exec_mute")
        rig.sandbox.faults.set("close", code=1006)
        await rig.until(lambda: any(isinstance(one, AccountStreamLost) for one in rig.told), "lost")
        await rig.until(
            lambda: sum(isinstance(one, AccountStreamBack) for one in rig.told) == 2, "back"
        )
        assert {one.trade_id for one in rig.trades} >= {one.trade_id for one in first.trades}
        rig.check(await rig.order(Side.SELL))


async def test_updates_come_twice_and_swapped_and_as_text_or_bytes() -> None:
    async with gatewayed() as rig:
        rig.sandbox.faults.set("exec_duplicate")
        rig.check(await rig.order())
        rig.sandbox.faults.clear("exec_duplicate")
        rig.sandbox.faults.set("exec_reorder")
        rig.check(await rig.order(Side.SELL))
        rig.sandbox.faults.clear("exec_reorder")
        rig.sandbox.faults.set("updates_text")
        rig.check(await rig.order())


async def test_an_order_that_the_engine_rejects_has_traded_nothing() -> None:
    async with gatewayed() as rig:
        rig.sandbox.faults.set("order_rejected")
        outcome = await rig.order()
        assert (outcome.state, outcome.trades) == (OrderState.REJECTED, ())


async def test_the_account_is_read_to_the_last_digit_and_posted_fees_are_told() -> None:
    async with gatewayed(options=SandboxOptions(frozen=True, fees_post_after_s=0.0)) as rig:
        reader, account = rig.side.reader, rig.sandbox.exchange.account_of("SANDBOXALPACATRADEKEY")
        assert account is not None
        venue_ns = reader.offsets.venue_ns()
        assert venue_ns is not None
        before_ns = venue_ns - 1_000_000_000  # its clock is known to half a question's way
        outcomes = [await rig.order(side, qty="0.012345678") for side in Side]
        balances = await reader.balances()
        for asset in ("BTC", "USD"):
            assert balances[asset].total == account.balance(asset)
        trades = await reader.trades_since(before_ns)
        assert trades == sorted(
            (one for outcome in outcomes for one in outcome.trades),
            key=lambda one: (one.at_ns, one.trade_id),
        )
        posted: list[Flow] = []
        async with asyncio.timeout(GUARD_S):
            while len(posted) < len(trades):  # they are posted with the exchange's next tick
                await asyncio.sleep(0.02)
                flows = await reader.flows_since(before_ns)
                posted = [one for one in flows if one.kind == FEE_POSTED]
        assert [one.asset for one in posted] == [one.fees[0][0] for one in trades]
        for flow, trade in zip(posted, trades, strict=True):
            assert abs(-flow.amount - trade.fees[0][1]) <= UNIT
        counts = await reader.counts(before_ns, before_ns + 3_600_000_000_000)
        assert (counts.trades, counts.flows) == (len(trades), 0)
        fees = await rig.side.admitted([BTC])
        assert fees == {BTC: Decimal("0.0025")}


async def test_reads_that_lag_never_make_an_accepted_order_never() -> None:
    async with gatewayed(margin_ms=2_000) as rig:
        rig.sandbox.faults.set("exec_mute")
        rig.sandbox.faults.set("read_lag", lag_ms=1_500)
        rig.sandbox.faults.set("order_reset", face="rest", method="POST", when="after")
        intent = rig.intent()
        outcome = await rig.sent_off(intent)
        settled = await rig.settled(rig.overdue(intent), outcome)
        assert settled.state is OrderState.FILLED
        rig.check(settled)


async def test_too_many_requests_is_a_refusal_that_is_waited_out() -> None:
    async with gatewayed() as rig:
        rig.sandbox.faults.set("rate_limited", path="/v2/orders")
        outcome = await rig.order()
        assert (outcome.state, outcome.remedy) == (OrderState.REJECTED, Remedy.BACK_OFF)
        assert rig.gateway.unready().startswith("told to wait")
        assert (await rig.order()).reason.startswith("not sent: told to wait")
        assert rig.true_orders() == {}
