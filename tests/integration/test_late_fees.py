"""Real daemons at our own Alpaca, whose fees are taken at once and stated later.

The independent checker compares its log with the database, digit by digit.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from arbit.sandbox.options import SandboxOptions
from arbit.sandbox.server import SandboxServer
from tests.checker import compare
from tests.integration.cli_desk import Desk
from tests.integration.test_alpaca_cli import NAME, at

RUN = ("live", "--venue", NAME, "--json", "--fee-bps", "2")


def serving(state: Path) -> SandboxServer:
    options = SandboxOptions(state=state, taker_fee_bps=Decimal(2), fees_post_after_s=3600.0)
    return SandboxServer("volatile", 1, face="alpaca", options=options)


async def run(desk: Desk, venue: SandboxServer, *options: str) -> str:
    done = await asyncio.to_thread(desk.arbit, *RUN, *options, **at(venue))
    assert "Traceback" not in done.stderr
    return done.stdout


def rows(desk: Desk, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(desk.work / "var" / "arbit.db")) as database:
        return database.execute(sql).fetchall()


def agrees(desk: Desk, state: Path) -> None:
    assert compare(state / "alpaca-events.ndjson", desk.work / "var" / "arbit.db") == []


async def test_fees_wait_over_an_end_and_a_start_and_the_books_end_exact(
    desk: Desk, tmp_path: Path
) -> None:
    state = tmp_path / "venue"
    async with serving(state) as venue:
        venue.faults.set("fee_rounding", mode="down")
        venue.faults.set("fees_daily")
        assert '"breaker": "active"' in await run(desk, venue, "--cycles", "3")
        ((waiting,),) = rows(desk, "SELECT count(*) FROM fee_pending WHERE ref=''")
        assert isinstance(waiting, int)
        assert rows(desk, "SELECT count(*) FROM fills") == [(waiting,)], "each waits for its fee"
        agrees(desk, state)
        assert 0 < venue.alpaca.exchange.post_fees(venue._clock.wall_ns()) < waiting
        assert '"breaker": "active"' in await run(desk, venue, "--cycles", "1")
        assert rows(desk, "SELECT DISTINCT state FROM fee_posted") == [("fits",)]
        assert rows(desk, "SELECT count(*) FROM fee_pending WHERE ref<>''") == [(waiting,)]
        assert rows(desk, "SELECT kind FROM incidents") == []
        agrees(desk, state)
