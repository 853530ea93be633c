"""A watch that runs beside the engine of a test's world."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from tests.unit.execution.world import World
from tests.unit.venues.virtual import settle


@asynccontextmanager
async def beside(
    world: World, watch: Callable[[], Coroutine[Any, Any, None]]
) -> AsyncIterator[None]:
    """Both run while this is open."""
    async with world.running():
        task = asyncio.get_running_loop().create_task(watch())
        await settle()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
