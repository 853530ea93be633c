"""The circuit breaker of one venue: what stops it, how far, and what brings it back.

`RULES` says for each reason how far it stops trading and whether time alone may bring it back. A
venue that rests comes back through one probe: a single cycle, after which it is active again or
rests for twice as long. Everything else waits for an operator (`arbit resume VENUE`), and nothing
lesser stands in for one. The state is a flag in the journal, so a restart finds it as it was.
"""

from __future__ import annotations

import enum
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from arbit.config import RiskSettings
from arbit.domain.events import BreakerChanged
from arbit.domain.records import Flag
from arbit.domain.states import StateTable
from arbit.ports import Clock, Listener

SECOND_NS = 1_000_000_000
LONGEST_REST_S = 3_600
LOCKOUT_S = 15 * 60  # Kraken's temporary lockout (its REST documentation)
MAX_NOTED = 1_000
FLAG = "breaker"


class BreakerState(enum.StrEnum):
    """How much a venue may do."""

    ACTIVE = "active"
    REDUCING = "reducing"  # orders that bring cycles home, and nothing new
    PROBING = "probing"  # one cycle, to see whether it is well again
    HALTED = "halted"  # nothing at all


class BreakerHappening(enum.StrEnum):
    """What moves it."""

    REDUCE = "reduce"
    HALT = "halt"
    RESTED = "rested"
    WELL = "well"
    RESUME = "resume"


_S, _H = BreakerState, BreakerHappening
BREAKER_TABLE: StateTable[BreakerState, BreakerHappening] = StateTable(
    "breaker",
    _S.ACTIVE,
    {
        (_S.ACTIVE, _H.REDUCE): _S.REDUCING,
        (_S.ACTIVE, _H.HALT): _S.HALTED,
        (_S.REDUCING, _H.REDUCE): _S.REDUCING,
        (_S.REDUCING, _H.HALT): _S.HALTED,
        (_S.REDUCING, _H.RESTED): _S.PROBING,
        (_S.PROBING, _H.WELL): _S.ACTIVE,
        (_S.PROBING, _H.REDUCE): _S.REDUCING,
        (_S.PROBING, _H.HALT): _S.HALTED,
        (_S.HALTED, _H.REDUCE): _S.HALTED,
        (_S.HALTED, _H.HALT): _S.HALTED,
        (_S.HALTED, _H.RESTED): _S.PROBING,
        (_S.REDUCING, _H.RESUME): _S.ACTIVE,
        (_S.PROBING, _H.RESUME): _S.ACTIVE,
        (_S.HALTED, _H.RESUME): _S.ACTIVE,
    },
)


class Reason(enum.StrEnum):
    """Why a venue was stopped. Closed: metric labels."""

    FAILURES = "failures"
    LOCKOUT = "lockout"
    JOURNAL = "journal"
    RECORDER = "recorder"  # history could not be kept for a while
    DRIFT = "drift"
    HELD = "held"
    OVERFILL = "overfill"
    UNPRICED = "unpriced"  # a loss that no limit can count
    FOREIGN = "foreign"
    UNRESOLVED = "unresolved"
    HALT = "halt"  # the key or the account is at fault
    CRASHES = "crashes"
    KILL = "kill"  # the kill switch was on: to switch it off is no word to go on


@dataclass(frozen=True, slots=True)
class Rule:
    """How far a reason stops the venue; `rest_s` 0 waits for an operator, else a probe follows.

    None takes the rest from the settings.
    """

    happening: BreakerHappening
    rest_s: int | None


RULES: Mapping[Reason, Rule] = {
    Reason.FAILURES: Rule(_H.REDUCE, None),
    Reason.LOCKOUT: Rule(_H.REDUCE, LOCKOUT_S),
    Reason.JOURNAL: Rule(_H.HALT, 1),  # and not before it works again: see journal_works
    Reason.RECORDER: Rule(_H.REDUCE, None),
    Reason.DRIFT: Rule(_H.HALT, 0),
    Reason.HELD: Rule(_H.REDUCE, 0),
    Reason.OVERFILL: Rule(_H.REDUCE, 0),
    Reason.UNPRICED: Rule(_H.REDUCE, 0),
    Reason.FOREIGN: Rule(_H.HALT, 0),
    Reason.UNRESOLVED: Rule(_H.HALT, 0),
    Reason.HALT: Rule(_H.HALT, 0),
    Reason.CRASHES: Rule(_H.HALT, 0),
    Reason.KILL: Rule(_H.HALT, 0),
}
_SEVERITY = (_S.ACTIVE, _S.PROBING, _S.REDUCING, _S.HALTED)


class Breaker:
    """One venue's breaker. Times are wall nanoseconds where they must survive a restart."""

    def __init__(
        self,
        venue: str,
        settings: RiskSettings,
        clock: Clock,
        publish: Listener,
        persist: Callable[[Flag], None] = lambda _: None,
    ) -> None:
        self._venue = venue
        self._settings = settings
        self._clock = clock
        self._publish = publish
        self.persist = persist
        self.changes: dict[str, int] = {}  # as they were told, by the state it went to
        self._state = _S.ACTIVE
        self._failures: deque[int] = deque(maxlen=MAX_NOTED)
        self._rested_at_ns = 0  # 0: an operator must resume
        self._trips = 0
        self._journal_fails = False  # no rest is over before it works again
        self.reason: Reason | None = None
        self.detail = ""

    def state(self) -> BreakerState:
        """As of now: a rest that is over has become a probe."""
        resting = self._state in {_S.REDUCING, _S.HALTED} and self._rested_at_ns > 0
        if resting and not self._journal_fails and self._clock.wall_ns() >= self._rested_at_ns:
            self._move(_H.RESTED)
        return self._state

    def note_failure(self, kind: str, now_ns: int) -> None:
        """A reject, a lost reply or the like at monotonic `now_ns`; enough of them trip."""
        self._failures.append(now_ns)
        window_ns = self._settings.breaker_window_s * SECOND_NS
        while self._failures and now_ns - self._failures[0] > window_ns:
            self._failures.popleft()
        if self._state is _S.PROBING or len(self._failures) >= self._settings.breaker_failures:
            count = len(self._failures)
            self._failures.clear()
            self.trip(Reason.FAILURES, f"{count} failures, the last one: {kind}")

    def trip(self, reason: Reason, detail: str) -> None:
        """Stop as the reason's rule says; never to a lesser degree than it is stopped already."""
        rule = RULES[reason]
        journal = reason is Reason.JOURNAL
        self._journal_fails = self._journal_fails or journal
        following = BREAKER_TABLE.after(self.state(), rule.happening)
        resting = self._state in {_S.REDUCING, _S.HALTED}
        operator_waits = resting and self._rested_at_ns == 0
        worse = _SEVERITY.index(following) > _SEVERITY.index(self._state)
        if operator_waits and (journal or not worse):
            return  # an operator is called for already: a rest must not undo that
        self._trips += 1
        rest_s = self._settings.breaker_pause_s if rule.rest_s is None else rule.rest_s
        rest_s = min(rest_s * 2 ** min(self._trips - 1, 10), max(LONGEST_REST_S, rest_s))
        until_ns = self._clock.wall_ns() + rest_s * SECOND_NS
        must_wait = rule.rest_s == 0 or operator_waits
        self._rested_at_ns = 0 if must_wait else max(until_ns, self._rested_at_ns)
        self.reason, self.detail = reason, detail[:500]
        self._move(rule.happening)

    def journal_works(self) -> None:
        """The journal keeps again what it is given: what stopped for it may go on, once rested."""
        self._journal_fails = False
        self.state()

    def note_end(self, *, went_wrong: bool) -> None:
        """The probe's cycle has ended: well, and the venue is back; wrong, and it rests longer."""
        if self._state is not _S.PROBING:
            return
        if went_wrong:
            self.trip(Reason.FAILURES, "the probe's cycle had to be brought home")
            return
        self._trips = 0
        self._move(_H.WELL)

    def resume(self) -> bool:
        """An operator says go. False when it was active anyway."""
        if self._state is _S.ACTIVE:
            return False
        self._trips = 0
        self._failures.clear()
        self._move(_H.RESUME)
        return True

    def restore(self, flag: Flag | None) -> None:
        """Be as the journal remembers, and tell of it. A flag that cannot be read halts."""
        if flag is None:
            return
        try:
            told = json.loads(flag.value)
            self._state = BreakerState(told["state"])
            self.reason = Reason(told["reason"]) if told["reason"] else None
            self.detail = str(told["detail"])
            self._rested_at_ns, self._trips = int(told["rested_at_ns"]), int(told["trips"])
        except (ValueError, KeyError, TypeError, OverflowError):
            self._state, self.reason = _S.HALTED, Reason.HALT
            self.detail, self._rested_at_ns = "the journal's note of it cannot be read", 0
        if self._state is _S.PROBING:  # the probe's cycle ended with the process
            now_ns = self._clock.wall_ns()  # a clock set back begins no rest anew
            self._rested_at_ns = min(self._rested_at_ns or now_ns, now_ns)
            self._state = _S.REDUCING
        elif self._rested_at_ns:  # nor does one last longer than any may: its clock was ahead
            longest_ns = max(LONGEST_REST_S, self._settings.breaker_pause_s) * SECOND_NS
            self._rested_at_ns = min(self._rested_at_ns, self._clock.wall_ns() + longest_ns)
        if self._state is not _S.ACTIVE:
            self._tell()

    def _move(self, happening: BreakerHappening) -> None:
        before = self._state
        self._state = BREAKER_TABLE.after(before, happening)
        if self._state is _S.ACTIVE:
            self.reason, self.detail, self._rested_at_ns = None, "", 0
        told = {
            "state": self._state.value,
            "reason": self.reason.value if self.reason else "",
            "detail": self.detail,
            "rested_at_ns": self._rested_at_ns,
            "trips": self._trips,
        }
        self.persist(Flag(FLAG, json.dumps(told), self._clock.wall_ns()))
        self._tell()

    def _tell(self) -> None:
        self.changes[self._state.value] = self.changes.get(self._state.value, 0) + 1
        reason = self.reason.value if self.reason else ""
        self._publish(BreakerChanged(self._venue, self._state.value, reason, self.detail))
