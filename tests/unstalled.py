"""Real time in which a stall of the machine does not pass: what waits is not hurried by load.

A test over real sockets asks whether a feed finds a dead socket within three seconds, or whether an
order of two seconds' life arrives. On a loaded machine the process itself may not run for half a
second, and then the answer says something about the machine. On this loop time goes on for what
the process works (its processor time) and for as long as it asked to wait, and for nothing else;
asyncio's timers, the daemon's clock and the sandbox's clock all show that time. So every bound
keeps its meaning: it is a bound on what we do. Nothing here is faster than real time.

A test module has it by `pytestmark = pytest.mark.unstalled`. It is only for what lives in one
process: beside another one, whose time is real, the two clocks would part.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
import time
from types import SimpleNamespace

from arbit import clock
from arbit.sandbox import wallclock
from tests.patches import replaced

LONGEST_WAIT_S = 0.02  # of one wait, so that a stall within it counts no more than that
LATE_NS = 2_000_000  # so late any system wakes who waits


class UnstalledTime:
    """Monotonic and wall time, as `time` has them, without what the machine took away."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._now_ns = time.monotonic_ns()
        self._wall_from_ns = time.time_ns() - self._now_ns
        self._worked_ns, self._real_ns = time.process_time_ns(), time.monotonic_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back."""
        with self._guard:
            return self._worked()

    def time_ns(self) -> int:
        """Nanoseconds since 1970: right when this was made, and behind by every stall since."""
        return self._wall_from_ns + self.monotonic_ns()

    def waited(self, passed_ns: int) -> None:
        """Waiting is over: it counts for this much, whatever was worked meanwhile elsewhere."""
        with self._guard:
            self._worked_ns, self._real_ns = time.process_time_ns(), time.monotonic_ns()
            self._now_ns += passed_ns

    def _worked(self) -> int:
        worked_ns, real_ns = time.process_time_ns(), time.monotonic_ns()
        # Threads side by side work more than time passes.
        self._now_ns += min(worked_ns - self._worked_ns, real_ns - self._real_ns)
        self._worked_ns, self._real_ns = worked_ns, real_ns
        return self._now_ns


class _Waits(selectors.DefaultSelector):
    """Waits in short steps, each of which counts for little longer than it was asked to be."""

    def __init__(self, passes: UnstalledTime) -> None:
        super().__init__()
        self._passes = passes

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        asked_s = LONGEST_WAIT_S if timeout is None else min(max(timeout, 0.0), LONGEST_WAIT_S)
        self._passes.monotonic_ns()  # the work until now
        began_ns = time.monotonic_ns()
        found = super().select(asked_s)
        self._passes.waited(min(time.monotonic_ns() - began_ns, int(asked_s * 1e9) + LATE_NS))
        return found


class UnstalledLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop on that time; while it runs, the daemon and the sandbox are on it too."""

    def __init__(self) -> None:
        self.passes = UnstalledTime()
        super().__init__(_Waits(self.passes))

    def time(self) -> float:
        """Seconds, for asyncio's timers."""
        return self.passes.monotonic_ns() / 1e9

    def run_forever(self) -> None:
        """Run, with this time in the place of the real one."""
        shown = SimpleNamespace(monotonic_ns=self.passes.monotonic_ns, time_ns=self.passes.time_ns)
        with replaced(((clock, "time", shown), (wallclock, "time", shown))):
            super().run_forever()
