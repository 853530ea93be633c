"""Notices that the loop has just stood still: a stopped process, a long call, a sleeping machine.

What waited meanwhile is older than the time it is stamped with on arrival. So for a moment after a
standstill nothing is believed, until what waited has been read.
"""

from __future__ import annotations

MS = 1_000_000
STALL_NS = 500 * MS  # the pulse beats every 50 ms: later than this, the loop stood still
BLIND_NS = 250 * MS  # after that nothing is looked at until what waited has been read


class Standstill:
    """One loop's beat, in monotonic time. Before `begin` nothing is known to stand still."""

    def __init__(self) -> None:
        self._beat_ns = 0
        self._blind_until_ns = 0

    def begin(self, now_ns: int) -> None:
        """From now on the loop beats."""
        self._beat_ns = now_ns

    def beat(self, now_ns: int) -> bool:
        """The loop has come round again. False when nothing may be believed yet."""
        if self.blind(now_ns):
            self._blind_until_ns = max(self._blind_until_ns, self._until(now_ns))
        self._beat_ns = now_ns
        return now_ns >= self._blind_until_ns

    def blind(self, now_ns: int) -> bool:
        """Whether books are older than their stamps: for whoever acts between two beats."""
        return now_ns < self._blind_until_ns or self._stood_still(now_ns)

    def _stood_still(self, now_ns: int) -> bool:
        return self._beat_ns > 0 and now_ns - self._beat_ns > STALL_NS

    def _until(self, now_ns: int) -> int:
        return now_ns + BLIND_NS if self._stood_still(now_ns) else 0
