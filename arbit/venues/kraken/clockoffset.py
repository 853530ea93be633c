"""The venue's clock against ours, from the stamps of its pongs and replies.

A reply carries when the venue took the request in and when it answered. The offset lies between
what the two ends allow; half of what they leave open is the uncertainty.
"""

from __future__ import annotations

from collections import deque

from arbit.domain.account import ClockOffset
from arbit.ports import Clock

SECOND_NS = 1_000_000_000
KEPT = 32
TOO_OLD_NS = 600 * SECOND_NS
TOO_UNCERTAIN_NS = SECOND_NS
STEP_NS = 2 * SECOND_NS


class OffsetTracker:
    """The best recent sample. `now` is None while the clocks are not known well enough."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: deque[ClockOffset] = deque(maxlen=KEPT)

    def sample(self, sent_ns: int, in_ns: int, out_ns: int, got_ns: int) -> None:
        """A reply: our wall times of sending and getting, the venue's of taking in and answering.

        What makes no sense (an answer before its question) is left out. A step of either clock
        makes everything before it worthless.
        """
        if got_ns < sent_ns or out_ns < in_ns:
            return
        low, high = out_ns - got_ns, in_ns - sent_ns
        low, high = min(low, high), max(low, high)
        fresh = ClockOffset((low + high) // 2, (high - low) // 2 + 1, self._clock.monotonic_ns())
        best = self.now()
        if best is not None and abs(fresh.offset_ns - best.offset_ns) > (
            STEP_NS + fresh.uncertainty_ns + best.uncertainty_ns
        ):
            self._samples.clear()
        self._samples.append(fresh)

    def take(self, offset: ClockOffset) -> None:
        """A sample measured elsewhere."""
        self._samples.append(offset)

    def now(self) -> ClockOffset | None:
        """The least uncertain sample that is not too old; None when there is none good enough."""
        now_ns = self._clock.monotonic_ns()
        young = [one for one in self._samples if now_ns - one.measured_ns <= TOO_OLD_NS]
        best = min(young, key=lambda one: one.uncertainty_ns, default=None)
        return None if best is None or best.uncertainty_ns > TOO_UNCERTAIN_NS else best

    def venue_ns(self) -> int | None:
        """The venue's wall time now; None while the clocks are not known well enough."""
        best = self.now()
        return None if best is None else self._clock.wall_ns() + best.offset_ns
