"""A daemon waits for a command that only asks, and for no other daemon."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from arbit.app.store import account_of, held_account, hold_account
from arbit.clock import SystemClock
from arbit.config import Settings, load_settings
from arbit.persistence.locks import AccountHeld

GUARD_S = 15.0


def settings_of(folder: Path) -> Settings:
    told = {
        "ARBIT_DATA_DIR": str(folder / "var"),
        "ARBIT_LOCK_DIR": str(folder / "locks"),
        "ARBIT_VENUES__KRAKEN__API_KEY": "a-key-made-up",
        "ARBIT_VENUES__KRAKEN__API_SECRET": "c2VjcmV0IG1hZGUgdXA=",
    }
    return load_settings(None, told)


async def test_who_only_asks_is_waited_for_and_no_other_daemon(tmp_path: Path) -> None:
    settings, clock = settings_of(tmp_path), SystemClock()
    venue = settings.venue("kraken")
    account = account_of(venue, real=True)
    async with AsyncExitStack() as mine:
        with held_account(settings, venue, account, clock, asks=True):
            start = asyncio.create_task(hold_account(mine, settings, venue, account, clock))
            done, _ = await asyncio.wait({start}, timeout=0.3)
            assert not done
        await asyncio.wait_for(start, GUARD_S)
        async with AsyncExitStack() as another:
            with pytest.raises(AccountHeld):
                await asyncio.wait_for(
                    hold_account(another, settings, venue, account, clock), GUARD_S
                )
