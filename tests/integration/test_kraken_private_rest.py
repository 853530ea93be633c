"""Signed REST by the real client library: exact reads, orders sent once, replies by the letter."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from arbit.config import RateTier, Settings
from arbit.domain.account import AccountUnfit
from arbit.domain.errors import VenueError, VenueRefused, VenueUnreachable
from arbit.domain.order import OrderState, Remedy
from arbit.domain.triangle import Side
from arbit.sandbox.keys import (
    MAIN,
    OTHER_SECRET,
    READONLY_KEY,
    READONLY_SECRET,
    TRADE_KEY,
    TRADE_SECRET,
    WITHDRAW_KEY,
    WITHDRAW_SECRET,
)
from arbit.venues.kraken.keyfacts import judged
from tests.integration.kraken_rest_rig import BTC, Kept, Shelf, refusals, rest_rig
from tests.unit.venues.kraken.test_outcomes import TABLE

pytestmark = pytest.mark.unstalled

HOUR_NS = 3_600 * 1_000_000_000


async def test_an_account_is_read_as_the_exchange_keeps_it() -> None:
    async with rest_rig() as rig:
        await rig.send(rig.intent())
        account = rig.sandbox.exchange.books.account(MAIN)
        balances = await rig.reads.balances()
        assert {asset: one.total for asset, one in balances.items()} == account.balances
        assert rig.reads.names.unlisted == set()
        fees = await rig.reads.fees([BTC, "ETH/BTC"])
        assert fees == {BTC: Decimal("0.004"), "ETH/BTC": Decimal("0.004")}
        assert await rig.reads.open_orders() == []
        offset = await rig.reads.clock_offset()
        assert abs(offset.offset_ns) <= offset.uncertainty_ns
        judged(await rig.reads.key(), Settings().venues["sandbox"], rig.clock.wall_ns())
        assert refusals(rig.sandbox) == []


async def test_all_trades_and_flows_are_read_over_several_pages() -> None:
    async with rest_rig() as rig:
        exchange, account = rig.sandbox.exchange, rig.sandbox.exchange.books.account(MAIN)
        begin_ns = rig.clock.wall_ns()
        for number in range(55):
            exchange.deposit(account, "USD", Decimal("0.25"), begin_ns + number * 1_000_000)
        sent = [await rig.send(rig.intent()) for _ in range(3)]
        listed = await rig.reads.flows_since(begin_ns)
        flows = [one for one in listed if not one.trade_id]
        assert len(flows) == 55
        assert {(one.asset, one.amount, one.kind) for one in flows} == {
            ("USD", Decimal("0.25"), "deposit")
        }
        trades = await rig.reads.trades_since(begin_ns)
        assert {one.trade_id for one in listed} - {""} == {one.trade_id for one in trades}
        assert sorted(trades, key=lambda one: one.trade_id) == sorted(
            (trade for outcome in sent for trade in outcome.trades), key=lambda one: one.trade_id
        )


@pytest.mark.parametrize("side", list(Side))
async def test_an_order_is_told_to_the_last_digit_with_its_fee_in_what_it_receives(
    side: Side,
) -> None:
    async with rest_rig() as rig:
        outcome = await rig.send(rig.intent(side))
        assert outcome.state is OrderState.FILLED
        rig.check(outcome)
        received = "BTC" if side is Side.BUY else "USD"
        assert {asset for trade in outcome.trades for asset, _ in trade.fees} == {received}
        assert {trade.client_id for trade in outcome.trades} == {outcome.client_id}


async def test_partly_filled_and_not_filled_at_all_are_told_apart() -> None:
    async with rest_rig() as rig:
        rig.sandbox.faults.set("fill_share", share=0.5)
        partial, empty = await rig.send(rig.intent()), await rig.send(rig.intent(far=True))
        assert (partial.state, empty.state) == (OrderState.PARTIAL, OrderState.EMPTY)
        rig.check(partial)
        rig.check(empty)


@pytest.mark.parametrize(
    ("fault", "params"),
    [
        ("order_silent", {"when": "after"}),
        ("order_reset", {"when": "after"}),
        ("order_truncated", {}),
        ("order_html", {"when": "after"}),
        *(
            ("order_status", {"status": status, "when": "after"})
            for status in (400, 403, 404, 408, 422, 429, 500, 502, 503, 504, 520, 524, 530)
        ),
        *(
            ("order_odd", {"shape": shape})
            for shape in (
                *("no_id", "empty_id", "two_ids", "null_result", "list_result", "empty_object"),
                *("other_order", "descr_text", "warning", "several_errors", "error_and_result"),
                "number_error",
            )
        ),
        ("order_error", {"error": "EService:Timeout", "accepted": True}),
        ("order_error", {"error": "EService:Unavailable", "accepted": True}),
        ("order_error", {"error": "EGeneral:Internal error", "accepted": True}),
        ("order_error", {"error": "Something:New", "accepted": True}),
    ],
)
async def test_a_reply_that_proves_nothing_is_unknown_until_questions_find_the_order(
    fault: str, params: dict[str, Any]
) -> None:
    async with rest_rig() as rig:
        await rig.reads.learn()
        rig.sandbox.faults.set(fault, method="AddOrder", **params)
        intent = rig.intent()
        outcome = await rig.send(intent)
        assert outcome.state is OrderState.UNKNOWN
        assert outcome.reason
        assert "<" not in outcome.reason
        rig.rest._away_until_ns = 0  # what the venue asked to wait is another test's
        found = await rig.resolved(intent)
        assert found.state is OrderState.FILLED
        rig.check(found)


@pytest.mark.parametrize(
    ("fault", "params"),
    [
        ("order_silent", {"when": "before"}),
        ("order_reset", {"when": "before"}),
        ("order_status", {"status": 502, "when": "before"}),
    ],
)
async def test_an_order_that_never_arrived_is_never_and_not_before_its_deadline(
    fault: str, params: dict[str, Any]
) -> None:
    async with rest_rig() as rig:
        await rig.reads.learn()
        rig.sandbox.faults.set(fault, method="AddOrder", **params)
        intent = rig.intent(ms=2_300)
        assert (await rig.send(intent)).state is OrderState.UNKNOWN
        assert (await rig.resolver.ask(intent)).state is OrderState.UNKNOWN
        found = await rig.resolved(intent)
        assert found.state is OrderState.NEVER
        assert rig.clock.wall_ns() > intent.deadline_ns
        assert rig.true_order(intent.client_id) is None


async def test_an_order_that_arrives_late_is_found_or_refused_by_its_deadline_never_lost() -> None:
    async with rest_rig() as rig:
        await rig.reads.learn()
        for delay_ms in (700, 2_400):
            rig.sandbox.faults.set("order_late", method="AddOrder", delay_ms=delay_ms)
            intent = rig.intent(ms=2_300)
            assert (await rig.send(intent)).state is OrderState.UNKNOWN
            found = await rig.resolved(intent)
            true = rig.true_order(intent.client_id)
            assert (found.state is OrderState.NEVER) == (true is None)


async def test_while_reads_lag_an_order_stays_unknown_and_is_found_in_the_end() -> None:
    async with rest_rig() as rig:
        rig.sandbox.faults.set("read_lag", lag_ms=900)
        intent = rig.intent(ms=6_000)  # far enough for a machine that stops for a moment
        outcome = await rig.send(intent)
        if not outcome.state.over:
            outcome = await rig.resolved(intent, outcome.order_id)
        assert outcome.state is OrderState.FILLED
        rig.check(outcome)


async def test_every_text_of_the_venue_ends_an_order_as_the_table_says() -> None:
    async with rest_rig() as rig:
        await rig.reads.learn()
        for words, state, remedy in TABLE:
            rig.sandbox.faults.set("order_error", error=words, method="AddOrder")
            rig.rest._away_until_ns = 0  # no waiting here
            rig.engine._pairs.clear()
            outcome = await rig.send(rig.intent())
            assert (outcome.state, outcome.remedy) == (state, remedy), words
            assert words in outcome.reason


async def test_what_cannot_be_accepted_in_time_does_not_leave() -> None:
    async with rest_rig() as rig:
        await rig.reads.learn()
        before = rig.rest.calls
        for bent in (
            rig.intent(ms=1_900),
            rig.intent(ms=2_200),  # when it arrives it is too close
            rig.intent(ms=70_000),
            replace(rig.intent(), deadline_ns=0),
            replace(rig.intent(), qty=Decimal(0)),
            replace(rig.intent(), limit_price=Decimal("NaN")),
            replace(rig.intent(), leg=replace(rig.intent().leg, symbol="NO/SUCH")),
        ):
            outcome = await rig.send(bent)
            assert outcome.state is OrderState.REJECTED
            assert outcome.reason.startswith("not sent")
        rig.orders.stop = lambda _intent: "kill switch"
        assert "kill switch" in (await rig.send(rig.intent())).reason
        assert rig.rest.calls == before


async def test_the_same_order_is_not_sent_twice_whoever_asks() -> None:
    async with rest_rig() as rig:
        intent = rig.intent()
        assert (await rig.send(intent)).state is OrderState.FILLED
        assert (await rig.send(intent)).state is OrderState.UNKNOWN
        assert rig.true_order(intent.client_id) is not None  # it looks for a second one


async def test_requests_of_a_key_arrive_one_by_one_in_the_order_of_their_nonces() -> None:
    async with rest_rig() as rig:
        await asyncio.gather(*(rig.reads.rest.post("Balance", {}) for _ in range(8)))
        assert refusals(rig.sandbox) == []


async def test_a_restart_with_the_clock_set_back_an_hour_is_not_refused() -> None:
    kept = Kept()
    async with rest_rig(kept=kept) as first:
        await first.reads.key()
        async with rest_rig(kept=kept, on=first.sandbox) as second:
            second.clock.set_ns = -HOUR_NS
            await second.reads.key()
            assert refusals(first.sandbox) == []


async def test_another_program_on_the_same_key_is_called_by_its_name() -> None:
    async with rest_rig() as rig:
        await rig.reads.key()
        key = rig.sandbox.exchange.keys[TRADE_KEY]
        key.last_nonce = rig.clock.wall_ns()  # somebody counts in nanoseconds
        with pytest.raises(VenueRefused, match="Invalid nonce"):
            await rig.reads.key()
        words, verdict = rig.heard[-1]
        assert verdict.remedy is Remedy.HALT
        assert "another program uses this API key" in words
        assert (await rig.send(rig.intent(ms=20_000))).remedy is Remedy.HALT


@pytest.mark.parametrize(
    ("key", "secret", "why"),
    [
        (WITHDRAW_KEY, WITHDRAW_SECRET, "may withdraw"),
        (READONLY_KEY, READONLY_SECRET, "create and modify orders"),
    ],
)
async def test_an_unfit_key_is_refused_in_one_line(key: str, secret: str, why: str) -> None:
    async with rest_rig(key, secret) as rig:
        facts = await rig.reads.key()
        with pytest.raises(AccountUnfit, match=why):
            judged(facts, Settings().venues["sandbox"], rig.clock.wall_ns())


async def test_a_wrong_or_revoked_key_is_refused_and_not_asked_again() -> None:
    async with rest_rig(TRADE_KEY, OTHER_SECRET) as rig:
        with pytest.raises(VenueRefused, match="EAPI:Invalid signature"):
            await rig.reads.balances()
        assert rig.rest.calls == 1
        assert rig.heard[0][1].remedy is Remedy.HALT
    async with rest_rig() as rig:
        rig.sandbox.faults.set("key_revoked")
        with pytest.raises(VenueRefused, match="EAPI:Invalid key"):
            await rig.reads.balances()
        assert rig.rest.calls == 1


async def test_the_counters_of_the_lowest_rank_are_never_exceeded() -> None:
    async with rest_rig(tier=RateTier.STARTER) as rig:
        asked = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                for _ in range(100):
                    await rig.reads.balances()
                    asked += 1
        assert asked == 9
        intent = rig.intent()
        assert (await rig.send(intent)).state is OrderState.FILLED  # from what is kept for it
        assert refusals(rig.sandbox) == []


async def test_five_starts_in_a_row_stay_within_one_counter() -> None:
    kept, shelf, asked = Kept(), Shelf(), 0
    async with rest_rig(tier=RateTier.STARTER, kept=kept, shelf=shelf) as first:
        for _ in range(5):  # each is cut off, without an end of its own
            async with rest_rig(
                tier=RateTier.STARTER, kept=kept, shelf=shelf, on=first.sandbox
            ) as rig:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        for _ in range(9):
                            await rig.reads.rest.ask("Balance")
                            asked += 1
        assert 9 <= asked < 15
        assert refusals(first.sandbox) == []


async def test_a_question_waiting_for_room_holds_up_no_order() -> None:
    async with rest_rig(tier=RateTier.STARTER) as rig:
        await rig.reads.learn()
        for _ in range(9):
            await rig.reads.balances()
        waiting = asyncio.ensure_future(rig.reads.trades_since(0))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        assert (await rig.send(rig.intent())).state is OrderState.FILLED
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_after_a_lockout_nothing_leaves_for_a_quarter_of_an_hour() -> None:
    async with rest_rig() as rig:
        await rig.reads.learn()
        rig.sandbox.faults.set("order_error", error="EGeneral:Temporary lockout", method="AddOrder")
        outcome = await rig.send(rig.intent())
        assert (outcome.state, outcome.remedy) == (OrderState.REJECTED, Remedy.LOCKOUT)
        calls = rig.rest.calls
        assert "not sent" in (await rig.send(rig.intent())).reason
        with pytest.raises(VenueError, match="wants no request"):
            await rig.reads.balances()
        assert rig.rest.calls == calls
        assert rig.rest.wait_ns(rig.clock.monotonic_ns()) > 890 * 1_000_000_000


async def test_reads_are_asked_again_and_orders_are_not() -> None:
    async with rest_rig() as rig:
        await rig.reads.learn()
        rig.sandbox.faults.set("order_reset", when="before", method="BalanceEx")
        assert await rig.reads.balances()
        rig.sandbox.faults.set("order_reset", when="before", method="AddOrder", times=9)
        before = rig.rest.calls
        assert (await rig.send(rig.intent())).state is OrderState.UNKNOWN
        assert rig.rest.calls == before + 1


async def test_nobody_there_is_unreachable_and_says_so_without_a_body() -> None:
    async with rest_rig() as rig:
        await rig.reads.learn()
        rig.sandbox.faults.set("order_html", method="BalanceEx", times=9)
        with pytest.raises(VenueError) as error:
            await rig.reads.balances()
        assert "<" not in str(error.value)
        rig.sandbox.faults.clear()
        rig.sandbox.faults.set("order_status", status=503, method="BalanceEx", times=9)
        with pytest.raises(VenueUnreachable, match="503"):
            await rig.reads.balances()


async def test_a_rehearsal_is_checked_by_the_venue_and_places_nothing() -> None:
    async with rest_rig() as rig:
        assert await rig.orders.rehearse(rig.intent(ms=20_000)) == ""
        assert await rig.orders.rehearse(rig.intent(qty="0.00000001", ms=20_000)) == (
            "EOrder:Order minimum not met"
        )
        account = rig.sandbox.exchange.books.account(MAIN)
        assert not account.open_orders
        assert not list(account.closed)


async def test_neither_secret_nor_signature_nor_body_is_ever_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with rest_rig() as rig:
            await rig.reads.balances()
            await rig.send(rig.intent())
    assert TRADE_SECRET not in caplog.text
    assert TRADE_KEY not in caplog.text
    assert "API-Sign" not in caplog.text
    assert "cl_ord_id" not in caplog.text


async def test_cancelling_what_is_gone_is_no_error_and_asks_the_venue() -> None:
    async with rest_rig() as rig:
        intent = rig.intent()
        outcome = await rig.send(intent)
        await rig.orders.cancel(intent.client_id)
        await rig.orders.cancel(intent.client_id, outcome.order_id)
        assert refusals(rig.sandbox) == ["EOrder:Unknown order"]
