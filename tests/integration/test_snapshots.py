"""Snapshots in a real database: after a partial, a cycle and a conversion, each what books say."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from arbit.app.trade.history import Snapshots
from arbit.domain.cycle import CycleState
from arbit.domain.events import ConversionEnded, CycleEnded, Event, OrderEnded
from arbit.domain.records import Book, Purpose
from arbit.domain.route import ConversionKind
from arbit.persistence.recorder import Recorder
from arbit.persistence.sinks import open_sink
from tests.unit.execution.converting_world import Fine, came_to, convert, found
from tests.unit.execution.world import Script

D = Decimal
READ = "SELECT why, asset, wallet FROM inventory_snapshots ORDER BY n"
ALL, HALF = Script(), Script(fraction=D("0.5"))


class Kept:
    """A world whose snapshots go into a database, and its books whenever one was taken."""

    def __init__(self, path: Path, *scripts: Script) -> None:
        self.world = Fine(*scripts)
        self._path = path
        self._books: list[dict[str, Decimal]] = []
        self._venue: list[dict[str, Decimal]] = []
        self.ends: list[str] = []  # what was told of orders and cycles, in its order
        object.__setattr__(self.world.setup, "publish", self._heard)

    async def __aenter__(self) -> Fine:
        self._recorder = Recorder(await open_sink(None, self._path), "s:test", self.world.clock)
        trader: Any = SimpleNamespace(ledger=self.world.ledger, auditor=self.world.auditor)
        self._taken = Snapshots(self._recorder, trader, self.world.clock)
        return self.world

    async def __aexit__(self, *_: object) -> None:
        self._taken.take("end")
        await self._recorder.finish()

    def _heard(self, event: Event) -> None:
        if isinstance(event, OrderEnded):
            self.ends.append(event.state)
        elif isinstance(event, CycleEnded | ConversionEnded):
            self.ends.append(event.end)
        before = self._recorder.queued
        self._taken(event)
        if self._recorder.queued > before:
            ledger = self.world.ledger
            self._books.append({one: ledger.wallet(one) for one in ledger.assets})
            self._venue.append(dict(self.world.venue.balances_))

    def whys(self) -> list[str]:
        """Why each was taken, once it is sure that every one tells what was owned then.

        By the ledger, by the venue, and the last by the postings that the journal has kept.
        """
        with contextlib.closing(sqlite3.connect(self._path)) as database:
            rows = database.execute(READ).fetchall()
        told = list(_by_look(rows))
        assert told[:-1] == self._books
        assert told[:-1] == self._venue
        sums: dict[str, Decimal] = {}
        for one in self.world.journal.postings:
            if one.book is Book.WALLET:
                sums[one.asset] = sums.get(one.asset, D(0)) + one.amount
        assert told[-1] == sums == self.world.venue.balances_
        return [why for why, asset, _ in rows if asset == "USD"]


def _by_look(rows: list[Any]) -> Iterator[dict[str, Decimal]]:
    look: dict[str, Decimal] = {}
    for _, asset, wallet in rows:
        if asset in look:
            yield look
            look = {}
        look[asset] = D(wallet)
    yield look


async def test_the_inventory_is_told_after_each_partial_cycle_and_rebalance(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "history.db", ALL, HALF)
    async with kept as world, world.running():
        await world.trade()
        wanted = found(world, "USD", "BTC", "150", 1)
        came_to(await convert(world, wanted, ConversionKind.REBALANCE))
    assert kept.whys() == ["partial", "cycle", "rebalance", "end"]
    assert len({tuple(one.items()) for one in kept._books}) == 3, "each changed what is owned"


async def test_it_is_told_after_each_partial_on_the_way_home_too(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "history.db", ALL, HALF, HALF, HALF)
    async with kept as world, world.running():
        await world.trade()
    home = [one for one in world.journal.orders.values() if one.purpose is Purpose.UNWIND]
    partial = [one for one in home if one.state.value == "partial"]
    assert partial, "an order home filled in part"
    assert kept.ends[-1] == CycleState.UNWOUND.value
    assert kept.whys() == [*["partial"] * (1 + len(partial)), "cycle", "end"]


@pytest.mark.parametrize("kind", list(ConversionKind))
async def test_it_is_told_after_each_conversion_and_its_partials(
    tmp_path: Path, kind: ConversionKind
) -> None:
    """One that fills, and one whose second leg fills in part and goes on or back by other ways."""
    kept = Kept(tmp_path / "history.db", ALL, ALL, HALF)
    async with kept as world, world.running():
        came_to(await convert(world, found(world, "USD", "BTC", "100", 1), kind))
        came_to(await convert(world, found(world, "USD", "ETH", "100", 2), kind))
    partials = kept.ends.count("partial")
    assert partials >= 1
    assert kept.whys() == [kind.value, *["partial"] * partials, kind.value, "end"]


async def test_what_filled_in_part_and_was_learned_by_a_question_is_told_too(
    tmp_path: Path,
) -> None:
    kept = Kept(tmp_path / "history.db", ALL, Script(fraction=D("0.5"), shape="lost_after"))
    async with kept as world, world.running():
        await world.trade()
    assert "partial" in kept.ends
    assert kept.whys() == ["partial", "cycle", "end"]
