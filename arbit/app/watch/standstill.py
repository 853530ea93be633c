"""Notices that the loop has just stood still: a stopped process, a long call, a sleeping machine.

What waited meanwhile is older than the time it is stamped with on arrival. So for a moment after a
standstill nothing is believed, until what waited has been read; and what was read by then is not
believed before it is proved anew.
"""

from __future__ import annotations

from collections.abc import Callable

MS = 1_000_000
STALL_NS = 500 * MS  # the pulse beats every 50 ms: later than this, the loop stood still
BLIND_NS = 250 * MS  # after that nothing is looked at until what waited has been read


class Standstill:
    """One loop's beat, in monotonic time. Before `begin` nothing is known to stand still.

    `over` is told when one is: nobody knows how old that is which was stamped since that time.
    """

    def __init__(self, over: Callable[[int], None] = lambda _since_ns: None) -> None:
        self._over = [over]
        self._beat_ns = 0
        self._since_ns = 0  # the last beat before the one that is not over yet
        self._blind_until_ns = 0

    def tell(self, over: Callable[[int], None]) -> None:
        """Another one who is told when it is over."""
        self._over.append(over)

    @property
    def beat_ns(self) -> int:
        """When the loop came round last; 0 before it began."""
        return self._beat_ns

    def begin(self, now_ns: int) -> None:
        """From now on the loop beats."""
        self._beat_ns = now_ns

    def beat(self, now_ns: int) -> bool:
        """The loop has come round again. False when nothing may be believed yet."""
        if self._stood_still(now_ns):
            self._since_ns = self._since_ns or self._beat_ns
            self._blind_until_ns = now_ns + BLIND_NS
        self._beat_ns = now_ns
        if now_ns < self._blind_until_ns:
            return False
        if self._since_ns:
            for over in self._over:
                over(self._since_ns)
            self._since_ns = 0
        return True

    def blind(self, now_ns: int) -> bool:
        """Whether books are older than their stamps: for whoever acts between two beats."""
        return self._since_ns > 0 or self._stood_still(now_ns)

    def _stood_still(self, now_ns: int) -> bool:
        return self._beat_ns > 0 and now_ns - self._beat_ns > STALL_NS
