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
STEP_NS = 50_000_000  # more than this apart from what both ends allow: a clock was set
FAR_NS = 5 * SECOND_NS  # beyond this our clock is wrong, not drifting
DRIFT = 10_000  # clocks may part by one ten-thousandth of what has passed since


class OffsetTracker:
    """The best recent sample. `now` is None while the clocks are not known well enough.

    A sample is worth nothing once our own wall clock was set: that is seen at once, because the
    monotonic clock does not move with it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: deque[ClockOffset] = deque(maxlen=KEPT)
        self._best: ClockOffset | None = None
        self._base_ns = 0  # our wall clock minus our monotonic one, at the oldest sample kept

    def sample(self, sent_ns: int, in_ns: int, out_ns: int, got_ns: int) -> None:
        """A reply: our wall times of sending and getting, the venue's of taking in and answering.

        What makes no sense (an answer before its question) is left out. A step of either clock
        makes everything before it worthless.
        """
        if got_ns < sent_ns or out_ns < in_ns:
            return
        low, high = out_ns - got_ns, in_ns - sent_ns
        low, high = min(low, high), max(low, high)
        now_ns = self._clock.monotonic_ns()
        self.take(ClockOffset((low + high) // 2, (high - low) // 2 + 1, now_ns))

    def take(self, offset: ClockOffset) -> None:
        """A sample measured elsewhere, just now."""
        best = self.now()
        if best is None or abs(offset.offset_ns - best.offset_ns) > (
            STEP_NS + offset.uncertainty_ns + best.uncertainty_ns
        ):
            self._samples.clear()
            self._base_ns = self._base()
        self._samples.append(offset)
        self._best = self._least_uncertain(self._clock.monotonic_ns())

    def now(self) -> ClockOffset | None:
        """The least uncertain sample that is not too old; None when there is none good enough.

        Its uncertainty has grown since it was measured.
        """
        if abs(self._base() - self._base_ns) > STEP_NS:
            return None
        now_ns = self._clock.monotonic_ns()
        best = self._best
        if best is None or now_ns - best.measured_ns > TOO_OLD_NS:
            best = self._best = self._least_uncertain(now_ns)
        if best is None:
            return None
        grown_ns = best.uncertainty_ns + max(0, now_ns - best.measured_ns) // DRIFT
        if grown_ns > TOO_UNCERTAIN_NS:
            return None
        return ClockOffset(best.offset_ns, grown_ns, best.measured_ns)

    def _least_uncertain(self, now_ns: int) -> ClockOffset | None:
        """Of what is young enough. Which one it is does not change with time: all grow alike."""
        young = (one for one in self._samples if now_ns - one.measured_ns <= TOO_OLD_NS)
        return min(
            young,
            key=lambda one: one.uncertainty_ns - one.measured_ns // DRIFT,
            default=None,
        )

    def _base(self) -> int:
        return self._clock.wall_ns() - self._clock.monotonic_ns()

    def venue_ns(self) -> int | None:
        """The venue's wall time now; None while the clocks are not known well enough."""
        best = self.now()
        return None if best is None else self._clock.wall_ns() + best.offset_ns


def off_clock(offset: ClockOffset) -> str:
    """Why our clock is too far off the venue's to trade by, in words; empty when it is not.

    Deadlines follow the venue's clock, but what is written down, and what a person reads beside the
    venue's own pages, follows ours.
    """
    far_ns = abs(offset.offset_ns)
    if far_ns - offset.uncertainty_ns <= FAR_NS:
        return ""
    way = "behind" if offset.offset_ns > 0 else "ahead of"
    far_s, give_s = far_ns / SECOND_NS, offset.uncertainty_ns / SECOND_NS
    return (
        f"our clock is {far_s:.1f} s {way} the venue's (give or take {give_s:.1f} s): set it, "
        f"{FAR_NS // SECOND_NS} s are the most"
    )
