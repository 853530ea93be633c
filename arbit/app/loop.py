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
    _leave_no_core()
    with asyncio.Runner(loop_factory=_factory()) as runner:
        return runner.run(_heeding_sigterm(main))


def _leave_no_core() -> None:
    """What a crash would write down of our memory has the keys in it."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no such limits
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, most))


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
