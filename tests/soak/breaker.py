"""The breaker over a day, by what it says: it trips and recovers as its table says, no sooner.

What each reason demands is written down here a second time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from arbit.config import RiskSettings
from arbit.domain.events import BreakerChanged

SECOND_NS = 1_000_000_000
# How long each reason rests at least, in s; None takes the setting, 0 waits for an operator.
RESTS_S: dict[str, int | None] = {
    "failures": None,
    "lockout": 900,
    "journal": 1,
    "recorder": None,
    "drift": 0,
    "held": 0,
    "overfill": 0,
    "unpriced": 0,
    "foreign": 0,
    "unresolved": 0,
    "halt": 0,
    "crashes": 0,
    "kill": 0,
}
HALTS = frozenset({"journal", "drift", "foreign", "unresolved", "halt", "crashes", "kill"})
STOPPED = frozenset({"reducing", "halted"})


class BreakerLog:
    """Collects what one account's breaker says, over all lives of its daemon."""

    def __init__(self, risk: RiskSettings, now_ns: Callable[[], int]) -> None:
        self._pause_s = risk.breaker_pause_s
        self._now_ns = now_ns
        self._state, self._reason = "active", ""
        self._tripped_ns = 0
        self._stopped_ns = 0  # when it last came to a stop: told again at a start, it is no other
        self._resumed_ns = -1
        self._starts = False
        self.trips: Counter[str] = Counter()
        self.recoveries: Counter[str] = Counter()
        self.violations: list[str] = []

    def resumed(self) -> None:
        """An operator says that it may go on."""
        self._resumed_ns = self._now_ns()

    def begun(self) -> None:
        """A daemon starts: what its breaker says first may be how it was."""
        self._starts = True

    def heard(self, event: BreakerChanged) -> None:
        """It has moved, or tells at a start how it was."""
        before, after = self._state, event.state
        if after in STOPPED:
            self._tripped(event)
        elif after == "probing" and before in STOPPED:
            self._probes()
        elif after == "active" and before != "active":
            asked = self._resumed_ns >= self._stopped_ns
            if before in STOPPED and not asked:
                self._say(f"from {before} ({self._reason}) to active, and nobody asked for it")
            self.recoveries["operator" if before in STOPPED or asked else "probe"] += 1
        self._state = after

    def _tripped(self, event: BreakerChanged) -> None:
        same = (event.state, event.reason) == (self._state, self._reason)
        if not same:
            self.trips[event.reason] += 1
        if self._state not in STOPPED:
            self._stopped_ns = self._now_ns()
        if event.reason not in RESTS_S:
            self._say(f"stopped for {event.reason!r}, which is no reason")
        elif event.reason in HALTS and event.state != "halted":
            self._say(f"{event.reason} only brought it to {event.state}")
        if not (same and self._starts):  # a restart neither shortens a rest nor begins it anew
            self._tripped_ns = self._now_ns()
        self._reason, self._starts = event.reason, False

    def _probes(self) -> None:
        rest_s = RESTS_S.get(self._reason, 0)
        rest_s = self._pause_s if rest_s is None else rest_s
        rested_s = (self._now_ns() - self._tripped_ns) / SECOND_NS
        if not rest_s:
            self._say(f"it probes after {self._reason}, which waits for an operator")
        elif rested_s < rest_s - 0.001:
            self._say(f"it probes {rested_s:.3f} s after {self._reason}, not after {rest_s} s")

    def _say(self, text: str) -> None:
        self.violations.append(f"[9] breaker: {text} (at {self._now_ns() / SECOND_NS:.3f} s)")
