"""Snapshots in a real database: after a partial, a cycle and a rebalance, each what books say."""

from __future__ import annotations

import contextlib
import sqlite3
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from arbit.app.history import Snapshots
from arbit.domain.events import Event
from arbit.domain.records import Book
from arbit.domain.route import ConversionKind
from arbit.persistence.recorder import Recorder
from arbit.persistence.sinks import open_sink
from tests.unit.execution.converting_world import Fine, came_to, convert, found
from tests.unit.execution.world import Script

D = Decimal
READ = "SELECT why, asset, wallet FROM inventory_snapshots ORDER BY n"


async def test_the_inventory_is_told_after_each_partial_cycle_and_rebalance(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    world = Fine(Script(), Script(fraction=D("0.5")))
    recorder = Recorder(await open_sink(None, path), "sandbox:test", world.clock)
    trader: Any = SimpleNamespace(ledger=world.ledger, auditor=world.auditor)
    taken = Snapshots(recorder, trader, world.clock)
    books: list[dict[str, Decimal]] = []  # as they were whenever something was told

    def heard(event: Event) -> None:
        before = recorder.queued
        taken(event)
        if recorder.queued > before:
            books.append({one: world.ledger.wallet(one) for one in world.ledger.assets})

    object.__setattr__(world.setup, "publish", heard)
    async with world.running():
        await world.trade()
        wanted = found(world, "USD", "BTC", "150", 1)
        came_to(await convert(world, wanted, ConversionKind.REBALANCE))
    taken.take("end")
    await recorder.finish()

    with contextlib.closing(sqlite3.connect(path)) as database:
        rows = database.execute(READ).fetchall()
    assert [why for why, asset, _ in rows if asset == "USD"] == [
        "partial",
        "cycle",
        "rebalance",
        "end",
    ]
    kept: list[dict[str, Decimal]] = []
    for _, asset, wallet in rows:
        if not kept or asset in kept[-1]:
            kept.append({})
        kept[-1][asset] = D(wallet)
    assert kept[:-1] == books
    sums: dict[str, Decimal] = {}
    for one in world.journal.postings:
        if one.book is Book.WALLET:
            sums[one.asset] = sums.get(one.asset, D(0)) + one.amount
    assert kept[-1] == sums == world.venue.balances_
    assert len({tuple(one.items()) for one in kept[:-1]}) == 3, "each changed what is owned"
