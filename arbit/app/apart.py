"""Runs what serves the operator beside what trades: whatever breaks in it, trading goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from arbit.domain.events import IncidentSeen
from arbit.ports import Listener

Work = Callable[[], Coroutine[Any, Any, None]]


async def apart(venue: str, name: str, work: Work, publish: Listener) -> None:
    """Run it until it is over. An error of ours ends it alone, and is told once.

    No `except` is needed for that: `gather` hands the error back as a value.
    """
    (found,) = await asyncio.gather(work(), return_exceptions=True)
    if isinstance(found, Exception):
        publish(IncidentSeen(venue, name, f"it has ended: {type(found).__name__}: {found}"[:500]))
