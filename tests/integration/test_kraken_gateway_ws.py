"""Orders over the private WebSocket, on real sockets: what is said of each is what became of it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from arbit.config import RiskSettings
from arbit.domain.account import (
    AccountStreamBack,
    AccountStreamLost,
    BalanceSeen,
    ForeignOrder,
)
from arbit.domain.order import OrderState
from arbit.domain.triangle import Side
from arbit.sandbox.book import ASK
from arbit.sandbox.keys import TRADE_KEY
from arbit.sandbox.orders import OrderRequest
from tests.integration.kraken_gateway_rig import BTC, Options, Rig, gatewayed

pytestmark = pytest.mark.unstalled

UNSETTLED = {OrderState.UNKNOWN, OrderState.ACKED}

# VENUES.md 3.8, as the text alone is to be read.
REFUSALS = (
    *("EOrder:Insufficient funds", "EOrder:Insufficient margin", "EOrder:Order minimum not met"),
    *("EOrder:Cost minimum not met", "EOrder:Tick size check failed", "EOrder:Invalid price"),
    *("EOrder:Invalid price:Invalid price argument", "EOrder:Invalid order"),
    *("EOrder:Orders limit exceeded", "EOrder:Rate limit exceeded"),
    *("EOrder:Domain rate limit exceeded", "EOrder:Positions limit exceeded"),
    *("EOrder:Scheduled orders limit exceeded", "EOrder:Trading agreement required"),
    *("EOrder:Post only order", "EOrder:Cannot open position", "EGeneral:Invalid arguments"),
    *("EGeneral:Invalid arguments:volume", "EGeneral:Invalid arguments:volume minimum not met"),
    *("EGeneral:Invalid arguments:price", "EGeneral:Invalid arguments:ordertype"),
    *("EGeneral:Invalid arguments:cl_ord_id", "EGeneral:Temporary lockout"),
    *("EGeneral:Permission denied", "EGeneral:Too many requests", "EService:Deadline elapsed"),
    *("EService:Market in cancel_only mode", "EService:Market in post_only mode"),
    *("EService:Market in limit_only mode", "EService: Throttled: 1700000000"),
    *("EService:Throttled", "EAPI:Invalid key", "EAPI:Invalid signature", "EAPI:Invalid nonce"),
    *("EAPI:Rate limit exceeded", "EQuery:Unknown asset pair", "EAccount:Invalid permissions"),
    *("ETrade:User Locked", "EBM:limit exceeded:CAL"),
)
PROVE_NOTHING = (
    *("EOrder:Unknown order", "EGeneral:Internal error", "EGeneral:Internal error:123"),
    *("EGeneral:Unknown method", "EService:Unavailable", "EService:Busy", "EService:Timeout"),
    *("EAPI:Feature disabled", "EAPI:Invalid token", "EAPI:Bad request", "EQuery:Unknown asset"),
    *("EQuery:Invalid asset pair", "EAuth:Rate limit exceeded", "EAuth:Too many requests"),
    *("EAuth:Account temporary disabled", "EAuth:Account unconfirmed", "ETrade:Invalid request"),
    *("ESession:Invalid session", "EDatabase:Internal error", "WDatabase:No change"),
    *("EOrder:Insufficient funds:", "EOrder:insufficient funds", "not an error of theirs", "E"),
)


def open_again(rig: Rig) -> None:
    """Forget what the venue asked us to wait for: the test knows what it made it say."""
    rig.gateway._away_until_ns = 0
    rig.gateway._rest.engine._pairs.clear()


async def test_orders_end_as_the_exchange_ended_them_to_the_last_digit() -> None:
    async with gatewayed() as rig:
        bought = await rig.order(Side.BUY)
        sold = await rig.order(Side.SELL)
        missed = await rig.order(Side.BUY, off="0.9")
        rig.sandbox.faults.set("fill_share", symbol=BTC, share=0.5)
        part = await rig.order(Side.BUY)
        refused = await rig.order(Side.BUY, qty="1000000")
        outcomes = (bought, sold, missed, part, refused)
        assert [one.state.value for one in outcomes] == [
            *("filled", "filled", "empty", "partial", "rejected")
        ]
        for outcome in outcomes:
            rig.check(outcome)
        account = rig.sandbox.exchange.account_of(TRADE_KEY)
        assert account is not None
        assert {one.trade_id for one in rig.trades} == {one.trade_id for one in account.trades}

        def balances() -> dict[str, Decimal]:
            return {one.asset: one.total for one in rig.told if isinstance(one, BalanceSeen)}

        await rig.until(
            lambda: all(
                balances().get(asset) == account.balance(asset) for asset in ("BTC", "USD")
            ),
            "balances as the exchange has them",
        )
        assert not [one for one in rig.told if isinstance(one, ForeignOrder | AccountStreamLost)]


async def test_what_rest_lists_of_an_order_is_what_the_stream_told_fill_by_fill() -> None:
    async with gatewayed() as rig:
        exchange = rig.sandbox.exchange
        account = exchange.account_of(TRADE_KEY)
        assert account is not None
        exchange.deposit(account, "USD", Decimal(10**7), rig.clock.wall_ns())
        began_ns = rig.clock.wall_ns()
        there = rig.sandbox.market.book(BTC).top(ASK, 3)
        places = rig.sandbox.market.pairs[BTC].instrument.qty_precision
        qty = Decimal(sum(units for _, units in there)).scaleb(-places)
        intent = rig.intent(Side.BUY, qty=str(qty), off="1.05")
        told = await rig.sent_off(intent)
        assert len(told.trades) == 3
        rig.check(told)
        assert (await rig.gateway.resolve(intent)).trades == told.trades
        assert (await rig.gateway.resolve(intent, told.order_id)).trades == told.trades
        listed = await rig.side.reader.trades_since(began_ns)
        assert {one.trade_id for one in listed} == {one.trade_id for one in told.trades}


@pytest.mark.parametrize(
    ("fault", "params", "ends"),
    [
        ("order_silent", {"when": "before"}, {"never"}),
        ("order_silent", {"when": "after"}, {"filled"}),
        ("order_late", {"delay_ms": 300}, {"filled"}),
        ("order_late", {"delay_ms": 2_600}, {"never", "rejected"}),
        ("order_late", {"delay_ms": 2_600, "reply": True}, {"never", "rejected"}),
        ("order_reset", {"when": "before"}, {"never"}),
        ("order_reset", {"when": "after"}, {"filled"}),
        ("order_truncated", {}, {"filled"}),
        *(
            ("order_odd", {"shape": shape}, {"filled"})
            for shape in (
                *("no_id", "empty_id", "two_ids", "null_result", "list_result", "empty_object"),
                *("other_order", "descr_text", "warning", "several_errors", "error_and_result"),
                "number_error",
            )
        ),
        ("order_error", {"error": "EService:Busy", "accepted": True}, {"filled"}),
        ("order_error", {"error": "EService:Busy"}, {"never"}),
    ],
)
async def test_a_reply_that_proves_nothing_is_never_misread(
    fault: str, params: dict[str, Any], ends: set[str]
) -> None:
    async with gatewayed(Options(deadline_ms=1_000)) as rig:
        rig.sandbox.faults.set(fault, face="ws", method="add_order", **params)
        intent = rig.intent()
        outcome = await rig.sent_off(intent)
        true = rig.true_orders().get(intent.client_id)
        assert outcome.state in UNSETTLED or outcome.state.value in ends
        if true is None:
            assert outcome.state in {OrderState.UNKNOWN, OrderState.REJECTED}
        settled = await rig.settled(intent, outcome)
        assert settled.state.value in ends
        rig.check(settled)
        await rig.ready()
        rig.check(await rig.order(Side.SELL))


@pytest.mark.parametrize("accepted", [False, True])
async def test_every_error_string_is_read_by_its_text(accepted: bool) -> None:
    async with gatewayed() as rig:
        for words in PROVE_NOTHING if accepted else (*REFUSALS, *PROVE_NOTHING):
            open_again(rig)
            await rig.ready()
            rig.sandbox.faults.set(
                "order_error", face="ws", method="add_order", error=words, accepted=accepted
            )
            outcome = await rig.order(Side.SELL, qty="0.0001")
            if words in REFUSALS:
                assert (outcome.state, outcome.reason) == (OrderState.REJECTED, words)
            elif accepted:  # the stream may have told the truth before the words came
                assert outcome.state in {OrderState.UNKNOWN, OrderState.FILLED}, words
            else:
                assert (outcome.state, outcome.reason) == (OrderState.UNKNOWN, words)


@pytest.mark.parametrize("fault", ["exec_duplicate", "exec_reorder", "exec_early", "exec_batch"])
async def test_events_repeated_reordered_early_or_batched_change_no_end(fault: str) -> None:
    async with gatewayed() as rig:
        rig.sandbox.faults.set(fault)
        # Out of order is a gap, and the venue's counters bound how often it can be made up for.
        for number in range(2 if fault == "exec_reorder" else 6):
            await rig.ready()
            side = (Side.BUY, Side.SELL)[number % 2]
            intent = rig.intent(side)
            settled = await rig.settled(intent, await rig.sent_off(intent))
            assert settled.state is OrderState.FILLED
            rig.check(settled)
        ids = [one.trade_id for one in rig.trades]
        if fault in {"exec_early", "exec_batch"}:
            assert len(ids) == len(set(ids))


@pytest.mark.parametrize("skip", [0, 1, 2])
async def test_a_lost_event_is_noticed_and_made_up_for(skip: int) -> None:
    async with gatewayed() as rig:
        rig.sandbox.faults.set("exec_gap", skip=skip)
        intents = [rig.intent(Side.BUY)]
        outcomes = [await rig.sent_off(intents[0])]
        await rig.ready()
        intents.append(rig.intent(Side.SELL))
        outcomes.append(await rig.sent_off(intents[1]))
        for intent, outcome in zip(intents, outcomes, strict=True):
            settled = await rig.settled(intent, outcome)
            assert settled.state is OrderState.FILLED
            rig.check(settled)
        await rig.ready()
        kinds = [type(one) for one in rig.told]
        assert kinds.count(AccountStreamLost) + 1 == kinds.count(AccountStreamBack) > 1
        account = rig.sandbox.exchange.account_of(TRADE_KEY)
        assert account is not None
        assert {one.trade_id for one in rig.trades} == {one.trade_id for one in account.trades}


@pytest.mark.parametrize(
    ("fault", "params"),
    [("close", {"code": 1006}), ("close", {"code": 1001}), ("half_open", {}), ("mute_socket", {})],
)
async def test_a_dead_socket_is_noticed_and_what_it_missed_is_told(
    fault: str, params: dict[str, Any]
) -> None:
    async with gatewayed() as rig:
        rig.sandbox.faults.set(fault, **params)
        await rig.until(lambda: rig.gateway.unready() != "", "the loss is noticed")
        assert [one for one in rig.told if isinstance(one, AccountStreamLost)]
        exchange = rig.sandbox.exchange
        account = exchange.account_of(TRADE_KEY)
        assert account is not None
        mine = rig.intent(Side.BUY)
        request = OrderRequest(BTC, "buy", mine.qty, mine.limit_price, "ioc", "abold001-11")
        missed = exchange.add_order(account, request, rig.clock.wall_ns())
        rig.sandbox.faults.clear()
        await rig.ready()
        assert isinstance(rig.told[-1], AccountStreamBack | BalanceSeen)
        wanted = {one.trade_id for one in missed.trades}
        await rig.until(lambda: wanted <= {one.trade_id for one in rig.trades}, "missed trades")
        rig.check(await rig.order(Side.SELL))


async def test_an_order_on_a_mute_socket_is_unknown_and_then_known() -> None:
    async with gatewayed(Options(deadline_ms=1_000)) as rig:
        rig.sandbox.faults.set("mute_socket")
        intent = rig.intent()
        outcome = await rig.sent_off(intent)
        assert outcome.state is OrderState.UNKNOWN
        rig.sandbox.faults.clear()
        rig.check(await rig.settled(intent, outcome))


async def test_a_silent_account_channel_leaves_an_order_unknown_and_the_questions_find_it() -> None:
    async with gatewayed(Options(deadline_ms=1_000)) as rig:
        rig.sandbox.faults.set("exec_mute")
        intent = rig.intent()
        outcome = await rig.sent_off(intent)
        assert outcome.state is OrderState.UNKNOWN
        settled = await rig.settled(intent, outcome)
        assert settled.state is OrderState.FILLED
        rig.check(settled)


async def test_an_expired_token_costs_one_order_and_is_renewed() -> None:
    async with gatewayed() as rig:
        first = rig.gateway.tokens.current(rig.clock.monotonic_ns())
        rig.sandbox.faults.set(
            "order_error", face="ws", method="add_order", error="EAPI:Invalid token"
        )
        outcome = await rig.order()
        assert outcome.state is OrderState.UNKNOWN
        assert "token" in rig.gateway.unready()
        await rig.ready()
        assert rig.gateway.tokens.current(rig.clock.monotonic_ns()) != first
        rig.check(await rig.order())


async def test_every_connection_has_a_token_of_its_own() -> None:
    async with gatewayed() as rig:
        first = rig.gateway.tokens.current(rig.clock.monotonic_ns())
        rig.sandbox.faults.set("token_expired")
        rig.sandbox.faults.set("close", code=1006)
        await rig.until(lambda: rig.gateway.unready() != "", "the loss is noticed")
        await rig.ready()
        assert rig.gateway.tokens.current(rig.clock.monotonic_ns()) != first
        rig.check(await rig.order())


async def test_somebody_elses_order_is_told() -> None:
    async with gatewayed() as rig:
        rig.sandbox.faults.set("foreign_order")
        await rig.until(lambda: any(isinstance(one, ForeignOrder) for one in rig.told), "foreign")
        await rig.until(lambda: any(not one.client_id for one in rig.trades), "and its trade")


async def test_an_overfill_and_a_fee_in_a_third_asset_are_told_as_they_are() -> None:
    async with gatewayed() as rig:
        rig.sandbox.faults.set("overfill", symbol=BTC)
        intent = rig.intent()
        over = await rig.settled(intent, await rig.sent_off(intent))
        assert over.filled_qty is not None
        assert over.filled_qty > intent.qty
        rig.check(over)
        rig.sandbox.faults.set("fee_third", symbol=BTC)
        other = await rig.order()
        assert {asset for trade in other.trades for asset, _ in trade.fees} == {"USDT"}
        rig.check(other)


async def test_a_cancel_races_a_fill_and_either_way_the_order_adds_up() -> None:
    async with gatewayed() as rig:
        rig.sandbox.faults.set("match_delay", symbol=BTC, delay_ms=400, times=3)
        for _ in range(3):
            intent = rig.intent()
            waiting = asyncio.ensure_future(rig.gateway.send(intent))
            await asyncio.sleep(0.1)
            await rig.gateway.cancel(intent.client_id)
            outcome = await rig.settled(intent, await waiting)
            rig.check(outcome)
        await rig.gateway.cancel("abnobody-11")
        await rig.gateway.cancel("abnobody-11", "ONOSUC-HORDE-R00000")
        rig.check(await rig.order())


async def test_orders_side_by_side_are_told_apart() -> None:
    async with gatewayed() as rig:
        sides = (Side.BUY, Side.SELL) * 4
        outcomes = await asyncio.gather(*(rig.order(side, qty="0.001") for side in sides))
        for outcome in outcomes:
            assert outcome.state is OrderState.FILLED
            rig.check(outcome)


async def test_reads_that_lag_five_seconds_never_make_an_accepted_order_never() -> None:
    margin_ms = RiskSettings().resolve_margin_ms  # what a user has who sets nothing
    async with gatewayed(Options(deadline_ms=1_000, margin_ms=margin_ms)) as rig:
        rig.sandbox.faults.set("read_lag", lag_ms=5_000)
        rig.sandbox.faults.set("order_reset", face="ws", method="add_order", when="after")
        intent = rig.intent()
        outcome = await rig.sent_off(intent)
        assert outcome.state is OrderState.UNKNOWN
        await asyncio.sleep(2.3)  # by then a short margin would be over, and the lag is not
        settled = await rig.settled(intent, outcome, most_s=0.6)
        assert settled.state is OrderState.FILLED
        rig.check(settled)


async def test_a_revoked_key_is_no_stream_and_no_storm() -> None:
    async with gatewayed() as rig:
        rig.sandbox.faults.set("key_revoked")
        rig.sandbox.faults.set("close", code=1006)
        await rig.until(lambda: "EAPI:Invalid key" in rig.gateway.unready(), "the venue's words")
        connects = rig.gateway.session.counts.connects
        await asyncio.sleep(2)
        assert rig.gateway.session.counts.connects - connects < 8
        rig.sandbox.faults.clear()
        await rig.ready()
