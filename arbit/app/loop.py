"""Which event loop runs us: uvloop where it exists, the standard one elsewhere (Windows)."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_on_best_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end. Ctrl-C and SIGTERM cancel `main`, which may still return what it has."""
    with asyncio.Runner(loop_factory=_factory()) as runner:
        return runner.run(_heeding_sigterm(main))


async def _heeding_sigterm(main: Coroutine[Any, Any, T]) -> T:
    """A service manager's stop is a person's Ctrl-C."""
    task = asyncio.current_task()
    if task is not None:
        with contextlib.suppress(NotImplementedError):  # Windows has no such handlers
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await main


def _factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
