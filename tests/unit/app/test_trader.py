"""A stop while recovery goes on: nothing begins afterwards, and no clean end is claimed."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from arbit.app.trade import trader as room
from arbit.app.trade.trader import Trader
from arbit.domain.records import Batch, JournalBusy, Memory
from arbit.domain.triangle import Leg, Side
from arbit.execution.recovery import STARTS
from arbit.ledger import Ledger
from arbit.persistence.memory import MemoryJournal
from tests.unit.venues.virtual import VirtualClock, settle


class Parts:
    """As much of a trader as starts and stops; its recovery ends when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.journal = VirtualClock(), MemoryJournal()
        self.recovered = asyncio.Event()
        self.engine = SimpleNamespace(
            closed=True,
            open_cycles=0,
            setup=SimpleNamespace(venue_ns=None),
            keeper=SimpleNamespace(unwritten=0),
        )
        self.engine.close = lambda: setattr(self.engine, "closed", True)
        monkeypatch.setattr(room, "recover", self._recover)
        self.trader = object.__new__(Trader)
        self.trader.__dict__.update(
            engine=self.engine,
            memory=Memory(),
            ledger=Ledger(),
            setup=SimpleNamespace(clock=self.clock, journal=self.journal, reader=None),
            auditor=SimpleNamespace(
                untold=False,
                run=asyncio.Event().wait,
                round_off=lambda: None,
                behind=False,
                settled=False,
                unlooked=False,
                quiet=True,
            ),
            learning=SimpleNamespace(rest=lambda: (), keep_now_and_then=lambda *_: None),
            started=False,
            recover_only=False,
            recovered=0,
            _stopping=False,
        )

    async def _recover(self, *_: Any, untold: bool) -> list[Any]:
        del untold
        await self.recovered.wait()
        return []

    def begin(self, work: Any) -> asyncio.Task[Any]:
        return asyncio.get_running_loop().create_task(work)


async def test_what_recovery_opens_while_it_drains_stays_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = Parts(monkeypatch)
    going = parts.begin(parts.trader._go_on())
    parts.engine.open_cycles = 1  # taken up from before, and on its way home
    draining = parts.begin(parts.trader.drain(20.0))
    await settle()
    parts.recovered.set()
    await settle()
    assert parts.trader.started
    assert parts.engine.closed, "nothing new may begin any more"
    parts.engine.open_cycles = 0
    await parts.clock.advance(0.1)
    assert await draining == ""
    assert parts.journal.flags[STARTS].value == "", "all of it was over: a clean end"
    going.cancel()


async def test_without_a_stop_recovery_opens_it(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = Parts(monkeypatch)
    going = parts.begin(parts.trader._go_on())
    parts.recovered.set()
    await settle()
    assert not parts.engine.closed
    going.cancel()


async def test_a_recovery_that_is_not_over_is_no_clean_end(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = Parts(monkeypatch)
    going = parts.begin(parts.trader._go_on())
    await settle()
    assert "recovery was not over" in await parts.trader.drain(20.0)
    assert parts.journal.flags == {}
    going.cancel()


async def test_a_clean_end_waits_for_another_daemons_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts, busy = Parts(monkeypatch), [True]
    parts.trader.started = True
    write = parts.journal.write

    def beside_another(batch: Batch) -> None:
        if busy[0]:
            raise JournalBusy("another program holds the database")
        write(batch)

    monkeypatch.setattr(parts.journal, "write", beside_another)
    draining = parts.begin(parts.trader.drain(20.0))
    await parts.clock.advance(0.9)
    assert not draining.done()
    busy[0] = False
    await parts.clock.advance(0.1)
    assert await draining == ""
    assert parts.journal.flags[STARTS].value == ""


async def test_an_end_waits_for_what_the_last_trade_moved_to_be_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts, looks = Parts(monkeypatch), []
    parts.trader.started = True
    auditor: Any = parts.trader.auditor
    auditor.unlooked, auditor.quiet = True, False
    auditor.round_off = lambda: looks.append(auditor.quiet)
    draining = parts.begin(parts.trader.drain(20.0))
    await parts.clock.advance(0.9)
    assert not draining.done()
    auditor.quiet = True
    await parts.clock.advance(0.1)
    assert await draining == ""
    assert looks[-1] is True


@pytest.mark.parametrize(
    ("unlooked", "waiting", "costs", "times"),
    [(True, 1, False, 1), (True, 0, False, 0), (False, 1, False, 0), (False, 0, True, 1)],
)
async def test_an_end_looks_once_at_the_balances_where_fees_or_costs_were_only_reckoned(
    monkeypatch: pytest.MonkeyPatch, *, unlooked: bool, waiting: int, costs: bool, times: int
) -> None:
    parts, looks = Parts(monkeypatch), []
    parts.trader.started = True
    auditor: Any = parts.trader.auditor
    auditor.unlooked = unlooked
    parts.trader.__dict__["ledger"] = SimpleNamespace(fees_waiting=waiting, costs_wait=costs)

    async def reconcile() -> None:
        looks.append(True)

    auditor.reconcile = reconcile
    draining = parts.begin(parts.trader.drain(20.0))
    await parts.clock.advance(10)
    assert await draining == ""
    assert len(looks) == times


async def test_a_start_waits_for_the_books_of_a_way_home_and_of_what_it_is_worth() -> None:
    """What ends before anybody prices it counts as a loss that nobody can price."""
    clock, believed, priced = VirtualClock(), set[str](), set[str]()
    legs = [SimpleNamespace(leg=Leg("BTC/USDT", Side.BUY, "USDT", "BTC"))]
    trader = object.__new__(Trader)
    trader.__dict__.update(
        memory=SimpleNamespace(cycles=[SimpleNamespace(ended_ns=0, plan=legs)]),
        setup=SimpleNamespace(clock=clock),
        sights=SimpleNamespace(
            view=lambda symbol, _: symbol if symbol in believed else None,
            last_price=lambda asset: 1 if asset in priced else None,
        ),
    )
    waiting = asyncio.get_running_loop().create_task(trader._books_believed())
    await clock.advance(1)
    believed.add("BTC/USDT")
    priced.add("BTC")
    await clock.advance(1)
    assert not waiting.done()
    priced.add("USDT")
    await clock.advance(1)
    assert waiting.done()

    priced.clear()
    waiting = asyncio.get_running_loop().create_task(trader._books_believed())
    await clock.advance(9)
    assert not waiting.done()
    await clock.advance(2)
    assert waiting.done(), "but not for ever"
