"""An event loop whose time is a number: it jumps to the next timer when nothing is ready.

Whatever runs belongs to a `Process` (the daemon, one life of it) or to nobody (the venue, the
world). A killed process never runs again: each of its resumes goes through a handle of this loop,
and handles of the dead are dropped. Threads have no place here and raise.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from asyncio import events
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any

SECOND_NS = 1_000_000_000
SELDOM = 255  # so many handles between two looks at whether it hangs


class SimCrash(KeyboardInterrupt):
    """A kill inside a synchronous turn. Tasks and handles let this class through at once."""


class Deadlock(Exception):
    """Nothing is ready and no timer will ever make it so."""


class Process:
    """One life of the daemon: what it ran, where it may be killed, and what dies with it.

    `ticks` counts resumes and seam points alike, `points` the seams alone (each side of a commit
    and of a send). `kill_tick` or `kill_point` 0 means never.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.alive = True
        self.frozen = False
        self.ticks = 0
        self.points = 0
        self.kill_tick = 0
        self.kill_point = 0
        self.killed_at = ""
        self.parked: deque[_Handle] = deque()
        self.tasks: list[asyncio.Task[Any]] = []
        self.on_death: list[Callable[[], None]] = []
        self.context = copy_context()
        self.context.run(OWNER.set, self)

    def point(self, name: str) -> None:
        """A seam: the process may die here, in the middle of a turn."""
        if not self.alive:
            raise SimCrash(f"process {self.number} is dead")
        self.points += 1
        self.ticks += 1
        if self.points == self.kill_point or self.ticks == self.kill_tick:
            self.die(name)
            raise SimCrash(name)

    def die(self, where: str) -> None:
        """Kill -9: nothing of it runs any more, and what the kernel would close is closed."""
        if not self.alive:
            return
        self.alive = False
        self.killed_at = where
        for action in self.on_death:
            action()


OWNER: ContextVar[Process | None] = ContextVar("owner", default=None)


def _nothing() -> None:
    """What a cancelled handle would call back."""


class _Handle(asyncio.TimerHandle):
    """asyncio's own, less what it asks a loop that is being debugged; this one never is.

    A seed makes some thirty thousand of them.
    """

    __slots__ = ()

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
        when_ns: int = 0,
    ) -> None:
        self._context = copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._when = when_ns / SECOND_NS
        self._repr = self._source_traceback = None

    def cancel(self) -> None:
        self._cancelled = True
        self._callback, self._args = _nothing, ()


class _Task(asyncio.Task[Any]):
    """A task that sets hold in the order of its making: a group cancels its tasks out of a set, and
    an address in memory is another in each process."""

    def __init__(self, work: Any, *, loop: SimLoop, **kwargs: Any) -> None:
        self._number = next(loop.made)  # asked for while the task is made
        super().__init__(work, loop=loop, **kwargs)

    def __hash__(self) -> int:
        return self._number


class SimLoop(asyncio.BaseEventLoop):
    """Virtual time in integer nanoseconds. `step` runs one handle; `unhandled` collects errors."""

    def __init__(self, start_ns: int) -> None:
        super().__init__()
        self.now_ns = start_ns
        self.handles = 0
        self.jumps = 0
        self.unhandled: list[str] = []
        self.nobody = copy_context()
        self._soon: deque[_Handle] = deque()
        self._timers: list[tuple[int, int, _Handle]] = []
        self._entered = 0
        self.made = itertools.count()  # tasks
        self.set_task_factory(self._make_task)
        self.set_exception_handler(self._note)

    # --- what asyncio asks of a loop -----------------------------------------------------------

    def time(self) -> float:
        return self.now_ns / SECOND_NS

    get_debug = bool  # asked for each future and task: it never is

    def call_soon(  # type: ignore[override]  # the stub's TypeVarTuple
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = _Handle(self, callback, args, context)
        self._soon.append(handle)
        return handle

    def call_later(  # type: ignore[override]  # as above
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.at_ns(self.now_ns + round(delay * SECOND_NS), callback, *args, context=context)

    def call_at(  # type: ignore[override]  # as above
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.at_ns(round(when * SECOND_NS), callback, *args, context=context)

    def at_ns(
        self,
        when_ns: int,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run `callback` at a virtual time, in order of time and then of entry."""
        handle = _Handle(self, callback, args, context, when_ns)
        self._entered += 1
        heapq.heappush(self._timers, (when_ns, self._entered, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are skipped when their time comes."""

    def call_soon_threadsafe(  # type: ignore[override]  # whatever is asked, the answer is no
        self, *_: Any, **__: Any
    ) -> asyncio.Handle:
        raise RuntimeError("a thread in a simulation")

    def run_in_executor(self, *_: Any, **__: Any) -> Any:  # type: ignore[override]  # as above
        raise RuntimeError("a thread in a simulation")

    def __del__(self) -> None:
        """Nothing of the operating system's is held."""

    def _make_task(self, loop: asyncio.AbstractEventLoop, work: Any, **kwargs: Any) -> Any:
        task: asyncio.Task[Any] = _Task(work, loop=self, **kwargs)
        owner = OWNER.get()
        if owner is not None:
            owner.tasks.append(task)
            if len(owner.tasks) > 512:
                owner.tasks = [one for one in owner.tasks if not one.done()]
        return task

    def _note(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.unhandled.append(f"{context.get('message')}: {context.get('exception')!r}")

    # --- running -------------------------------------------------------------------------------

    def run(self, until: Callable[[], bool], seldom: Callable[[], bool] = bool) -> None:
        """Run handles until `until()` says so, or `seldom()`, which is asked now and then.

        Deadlock when nothing is left to run.
        """
        events._set_running_loop(self)
        step = self.step
        try:
            while not until():
                step()
                if not self.handles & SELDOM and seldom():
                    return
        finally:
            events._set_running_loop(None)

    def step(self) -> None:
        """Run one handle; when none is ready, jump to the next timer first."""
        soon = self._soon
        if not soon:
            self._jump()
        handle = soon.popleft()
        if handle._cancelled:
            return
        owner = handle._context.get(OWNER)
        if owner is not None:
            if not owner.alive:
                return
            if owner.frozen:
                owner.parked.append(handle)
                return
            owner.ticks += 1  # a resume, at which it may die instead
            if owner.ticks == owner.kill_tick:
                owner.die("resume")
                return
        self.handles += 1
        try:
            handle._context.run(handle._callback, *handle._args)
        except SimCrash:
            return
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  as asyncio's own handles do
            said = {"message": f"Exception in callback {handle!r}", "exception": error}
            self.call_exception_handler(said)

    def _jump(self) -> None:
        while self._timers:
            when_ns, _, handle = heapq.heappop(self._timers)
            if not handle._cancelled:
                if when_ns > self.now_ns:
                    self.now_ns = when_ns
                    self.jumps += 1
                self._soon.append(handle)
                return
        raise Deadlock(f"at {self.now_ns} ns")

    def freeze(self, process: Process) -> None:
        """Stop a process where it stands (SIGSTOP): what comes for it waits."""
        process.frozen = True

    def thaw(self, process: Process) -> None:
        """Let it go on, with everything that has come meanwhile, in order."""
        process.frozen = False
        parked, process.parked = process.parked, deque()
        self._soon.extend(parked)

    def bury(self, process: Process) -> None:
        """Let go of what a process left behind, without a word from it."""
        process.alive = False
        for task in process.tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own
                self._close(task.get_coro())
        process.tasks.clear()
        process.on_death.clear()
        process.parked.clear()

    def _close(self, work: Any) -> None:
        """End a coroutine for good. Its `finally` blocks may wait again, and meet closed doors."""
        events._set_running_loop(self)
        try:
            for _ in range(50):
                try:
                    work.close()
                except BaseException as error:  # noqa: BLE001  what it says now concerns nobody
                    del error
                else:
                    return
        finally:
            events._set_running_loop(None)
