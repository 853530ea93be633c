"""A key's rights change while it is traded: asked again, it is judged as at a start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from arbit.app.live.lane import LiveOptions
from arbit.app.live.run import LiveRun
from arbit.app.private.parts import Real
from arbit.app.private.sides import Around, real_side
from arbit.app.trade import key_watch
from arbit.app.watch.feeds import Addresses
from arbit.cli.live_screen import LiveSilence
from arbit.clock import SystemClock
from arbit.config import Override, Settings, load_settings
from arbit.domain.account import AccountEvent, AccountUnfit, KeyDoubted
from arbit.domain.errors import VenueRefused
from arbit.persistence.memory import MemoryJournal
from arbit.risk.breaker import BreakerState, Reason
from arbit.sandbox.server import SandboxOptions, SandboxServer
from tests.integration.live_desk import UNHINDERED, folders
from tests.integration.server_thread import at

pytestmark = pytest.mark.unstalled

GUARD_S = 30.0
OF_BOTH: dict[str, list[tuple[str, dict[str, Any], str]]] = {
    "sandbox": [
        ("key_rights", {"more": "withdraw-funds"}, "may withdraw"),
        ("key_rights", {"more": "view-prices"}, "a permission we do not know"),
        ("key_rights", {"less": "close-trades"}, "may not cancel and close orders"),
        ("key_revoked", {}, "the venue refuses this API key: EAPI:Invalid key"),
    ],
    "sandbox-alpaca": [
        ("account_blocked", {}, "the account is blocked from trading"),
        ("key_revoked", {}, "the venue refuses this API key: 401"),
    ],
}


class Desk:
    """A venue's private side, on an exchange of its own."""

    def __init__(self, sandbox: SandboxServer, side: Real) -> None:
        self.sandbox, self.side = sandbox, side


@asynccontextmanager
async def desk(venue: str) -> AsyncIterator[Desk]:
    face = "alpaca" if venue == "sandbox-alpaca" else "kraken"
    options = SandboxOptions(tier="pro", frozen=True)
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(
            SandboxServer("calm", 7, face=face, options=options)
        )
        told = sandbox.addresses
        reached = Addresses(told["rest"], told["ws"], private_ws_url=told.get("private_ws", ""))
        around = Around(SystemClock(), MemoryJournal(), lambda _: None)
        settings = Settings()
        side = await real_side(settings, settings.venue(venue), reached, around, stack)
        yield Desk(sandbox, side)


@pytest.mark.parametrize("venue", OF_BOTH)
async def test_what_changed_at_the_venue_is_found_and_what_is_good_again_too(venue: str) -> None:
    async with desk(venue) as one:
        await one.side.key_again()
        assert not await one.side.key_again(), "what was said of it is not said again"
        for fault, params, why in OF_BOTH[venue]:
            one.sandbox.faults.set(fault, **params)
            with pytest.raises(AccountUnfit, match=why):
                await one.side.key_again()
            one.sandbox.faults.clear()
            assert not await one.side.key_again()


@pytest.mark.parametrize(
    ("venue", "fault", "params"),
    [
        ("sandbox", "order_error", {"error": "EAPI:Bad request", "method": "GetApiKeyInfo"}),
        ("sandbox-alpaca", "rest_down", {"status": 404, "path": "account"}),
    ],
)
async def test_words_that_are_not_of_the_key_prove_nothing(
    venue: str, fault: str, params: dict[str, Any]
) -> None:
    async with desk(venue) as one:
        one.sandbox.faults.set(fault, **params)
        with pytest.raises(VenueRefused):
            await one.side.key_again()


async def test_a_question_counts_in_the_keys_own_budget() -> None:
    async with desk("sandbox") as one:
        reader: Any = one.side.reader
        before = reader.rest.budget.level(reader.rest.clock.monotonic_ns())
        await one.side.key_again()
        after = reader.rest.budget.level(reader.rest.clock.monotonic_ns())
        assert 0.5 < after - before <= 1


async def test_a_daemon_halts_within_its_hour_once_its_key_may_withdraw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_watch, "EVERY_NS", 200_000_000)
    monkeypatch.setattr(key_watch, "LOOK_S", 0.05)
    async with SandboxServer("calm", 7, options=SandboxOptions(tier="pro")) as sandbox:
        told = folders(tmp_path) | UNHINDERED | at(sandbox, "sandbox")
        given = [Override("test", key, text) for key, text in told.items()]
        settings = load_settings(None, {}, given)
        options = LiveOptions(("sandbox",), seconds=10 * GUARD_S)
        run = LiveRun(settings, options, SystemClock(), LiveSilence())
        (lane,) = run.lanes
        going = asyncio.create_task(run())
        async with asyncio.timeout(GUARD_S):
            while lane.trader is None or not lane.trader.started:
                await asyncio.sleep(0.01)
            watch, breaker = lane.trader.key_watch, lane.trader.breaker
            assert watch is not None
            while not watch.questions:
                await asyncio.sleep(0.01)
            assert (breaker.state(), watch.doubt()) == (BreakerState.ACTIVE, "")
            sandbox.faults.set("key_rights", more="withdraw-funds")
            while breaker.state() is not BreakerState.HALTED:
                await asyncio.sleep(0.01)
            assert breaker.reason is Reason.HALT
            assert "may withdraw" in breaker.detail == watch.doubt()
            assert lane.trader.gate.key_doubted() == watch.doubt(), "nothing begins, once resumed"
            audited: list[AccountEvent] = []
            other = KeyDoubted("EAPI:Invalid key")
            with monkeypatch.context() as patched:
                patched.setattr(lane.trader, "auditor", audited.append)
                for one in (KeyDoubted(watch.doubt()), other):
                    lane.trader.account_event(one)
            assert audited == [other], "what it was halted for is no second incident"
            lane.leave()
            await going
