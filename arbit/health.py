"""Judges in what state a venue is: a table of rules, of which the first that holds is told.

Pure: who calls gathers the facts and says the time. `Standing` tells a new state only once it has
held for as long as its rule demands, so that a state does not flap; `Minutes` remembers the last
hour by the minute, so that a reason can be told with how often it was met.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from arbit.domain.book import Disbelief
from arbit.domain.health import Health, Judged
from arbit.domain.refusal import RefusalCode

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_MIN = 60
MUTE_S = 5.0  # so long without a believable triangle: a reconnect takes less
BUSY_S = 60.0  # a cycle was begun no longer ago than that: it trades
LONGEST_AWAY_S = 10.0  # whatever comes and goes: what has not held for so long is over
FEW = 0.5  # less than this share of the books believed is told
NAMED = 3
_WRONG = frozenset({Disbelief.DIVERGED, Disbelief.CHECKSUM, Disbelief.CROSSED})
_CLOSED = frozenset({Disbelief.VENUE_STATUS, Disbelief.MARKET_STATUS})
_HALTS = frozenset({RefusalCode.KILL_SWITCH, RefusalCode.BREAKER})


@dataclass(frozen=True, slots=True)
class Facts:
    """What a venue is judged by, now. Words are empty where there is nothing to tell.

    `broken` is why its run ended by itself, `starts` why no cycle may begin yet, `leaves` why none
    may any more. `stops` is the gate's own answer: code and words of what keeps every new cycle
    from beginning; with `halted` nothing at all may leave. `blind_s` is since when no triangle has
    had three believable books. `reasons` are the watched books' own, by symbol, of
    those that have one; `polled` those that come over REST although a stream is wanted. `open`
    cycles are under way, the last one began `begun_s` ago (None: none did). `edge` says how near
    the market came.
    """

    books: int
    blind_s: float
    reasons: Mapping[str, Disbelief] = field(default_factory=dict)
    polled: Sequence[str] = ()
    broken: str = ""
    starts: str = ""
    leaves: str = ""
    stops: tuple[RefusalCode, str] | None = None
    halted: bool = False
    probing: bool = False
    open: int = 0
    begun_s: float | None = None
    edge: str = "no triangle was seen yet"


Look = Callable[[Facts], str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row. `look` says in words that it holds, empty when it does not.

    The state is told once it has held for `after_s` seconds.
    """

    health: Health
    guard: str
    look: Look
    after_s: float = 0.0


def _stopped(facts: Facts, code: RefusalCode) -> str:
    return facts.stops[1] if facts.stops is not None and facts.stops[0] is code else ""


def _halted(code: RefusalCode) -> Look:
    return lambda facts: _stopped(facts, code) if facts.halted else ""


def _guard(code: RefusalCode) -> Look:
    return lambda facts: _stopped(facts, code)


def _with_reasons(facts: Facts, wanted: frozenset[Disbelief]) -> str:
    found = [symbol for symbol, reason in facts.reasons.items() if reason in wanted]
    counts = Counter(facts.reasons[symbol].value for symbol in found)
    reasons = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    return f"{_names(found)} ({reasons})" if found else ""


def _names(symbols: Sequence[str]) -> str:
    more = f" and {len(symbols) - NAMED} more" if len(symbols) > NAMED else ""
    return ", ".join(symbols[:NAMED]) + more


def _mute(facts: Facts) -> str:
    if facts.blind_s < MUTE_S:
        return ""
    told = _with_reasons(facts, frozenset(Disbelief)) or "all of them have grown old"
    return f"no triangle has had three believable books for {facts.blind_s:.0f} s: {told}"


def _closed(facts: Facts) -> str:
    shut = sum(reason in _CLOSED for reason in facts.reasons.values())
    if not facts.books or shut < facts.books:
        return ""
    return "the venue says that none of the watched markets trades"


def _diverged(facts: Facts) -> str:
    told = _with_reasons(facts, _WRONG)
    return f"not the venue's own books: {told}" if told else ""


def _polled(facts: Facts) -> str:
    if not facts.polled:
        return ""
    share = 100 * len(facts.polled) / max(1, facts.books)
    return f"{share:.0f} % of the books come over REST: {_names(facts.polled)}"


def _few(facts: Facts) -> str:
    lacking = [symbol for symbol, reason in facts.reasons.items() if reason not in _CLOSED]
    if not facts.books or len(lacking) / facts.books <= 1 - FEW:
        return ""
    told = _with_reasons(facts, frozenset(Disbelief) - _CLOSED)
    return f"{len(lacking)} of {facts.books} books are not believed: {told}"


def _trading(facts: Facts) -> str:
    if facts.open:
        return f"{facts.open} under way; {facts.edge}"
    if facts.begun_s is not None and facts.begun_s < BUSY_S:
        return f"the last one began {facts.begun_s:.0f} s ago; {facts.edge}"
    return ""


_S = Health
# What the gate says of any new cycle, in its own order, and for how long it must hold: what a
# gateway or an audit says is often over by itself between two looks.
GUARDS: Mapping[RefusalCode, float] = {
    RefusalCode.BREAKER: 0.0,
    RefusalCode.GATEWAY_NOT_READY: 2.0,
    RefusalCode.JOURNAL: 0.0,
    RefusalCode.VENUE_PAUSED: 0.0,
    RefusalCode.AUDIT: 2.0,
    RefusalCode.FEES: 2.0,
    RefusalCode.DAILY_LOSS: 0.0,
}
RULES: tuple[Rule, ...] = (
    Rule(_S.HALTED, "broken", lambda facts: facts.broken),
    *(Rule(_S.HALTED, code.value, _halted(code)) for code in RefusalCode if code in _HALTS),
    Rule(_S.BLOCKED, RefusalCode.MARKET_STATUS.value, _closed, 1.0),
    Rule(_S.MUTE, "books", _mute),
    Rule(_S.DIVERGED, "books", _diverged, 3.0),
    Rule(_S.BLOCKED, "start", lambda facts: facts.starts),
    Rule(_S.BLOCKED, RefusalCode.DRAINING.value, lambda facts: facts.leaves),
    *(Rule(_S.BLOCKED, code.value, _guard(code), after_s) for code, after_s in GUARDS.items()),
    Rule(_S.BLOCKED, "gate", lambda facts: "" if facts.stops is None else ": ".join(facts.stops)),
    Rule(_S.DEGRADED, "rest", _polled, 5.0),
    Rule(_S.DEGRADED, "books", _few, 5.0),
    Rule(
        _S.DEGRADED,
        RefusalCode.BREAKER.value,
        lambda facts: "one cycle may show whether it is well again" if facts.probing else "",
    ),
    Rule(_S.TRADING, "", _trading),
    Rule(_S.HEALTHY, "no_edge", lambda facts: facts.edge, 1.0),
)


def judged(facts: Facts) -> tuple[Rule, Judged]:
    """The first rule that holds, and what it tells. The last one always does."""
    for rule in RULES:
        detail = rule.look(facts)
        if detail:
            return rule, Judged(rule.health, rule.guard, detail)
    last = RULES[-1]
    return last, Judged(last.health, last.guard, "nothing is known yet")


class Standing:
    """The state that is told: it changes once another has held for as long as its rule demands."""

    def __init__(self) -> None:
        self.told: Judged | None = None
        self.since_ns = 0
        self._next: Rule | None = None
        self._next_ns = 0
        self._held_ns = 0  # when the told state was last judged

    def judge(self, facts: Facts, now_ns: int) -> Judged | None:
        """Take a look at monotonic `now_ns`; the new state when it is another one, else None."""
        rule, found = judged(facts)
        told = self.told
        if told is not None and (found.health, found.guard) == (told.health, told.guard):
            self.told, self._next, self._held_ns = found, None, now_ns
            return None
        if self._next is not rule:
            self._next, self._next_ns = rule, now_ns
        held = now_ns - self._next_ns >= rule.after_s * SECOND_NS
        gone = now_ns - self._held_ns >= LONGEST_AWAY_S * SECOND_NS
        if told is not None and not (held or gone):
            return None
        self.told, self._next = found, None
        self.since_ns = self._held_ns = now_ns
        return found


class Minutes:
    """Counts by name of the last hour, by the minute: no more than that is ever kept."""

    def __init__(self) -> None:
        self._minutes: deque[tuple[int, Counter[str]]] = deque(maxlen=HOUR_MIN)
        self._seen: dict[str, int] = {}

    def note(self, totals: Mapping[str, int], now_ns: int) -> None:
        """Running totals as they are at monotonic `now_ns`: what is more than before counts now."""
        for name, total in totals.items():
            more = total - self._seen.get(name, 0)
            if more > 0:
                self._seen[name] = total
                self._at(now_ns)[name] += more

    def within(self, now_ns: int, minutes: int = HOUR_MIN) -> dict[str, int]:
        """What was counted in the last so many minutes, the most frequent first."""
        first = now_ns // MINUTE_NS - minutes + 1
        found: Counter[str] = Counter()
        for minute, counts in self._minutes:
            if minute >= first:
                found.update(counts)
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def _at(self, now_ns: int) -> Counter[str]:
        minute = now_ns // MINUTE_NS
        if not self._minutes or self._minutes[-1][0] != minute:
            self._minutes.append((minute, Counter()))
        return self._minutes[-1][1]


@dataclass(frozen=True, slots=True)
class Peak:
    """What came nearest to its hurdle: `net` and `edge` are fractions, `way` a directed triangle.

    `net` is what is left after fees.
    """

    net: float
    edge: float
    way: int


class Peaks:
    """The peak of each of the last minutes."""

    def __init__(self) -> None:
        self._minutes: deque[tuple[int, Peak]] = deque(maxlen=HOUR_MIN)

    def note(self, peak: Peak | None, now_ns: int) -> None:
        """What was seen since the last call; None when nothing was."""
        if peak is None:
            return
        minute = now_ns // MINUTE_NS
        if self._minutes and self._minutes[-1][0] == minute:
            if peak.net > self._minutes[-1][1].net:
                self._minutes[-1] = (minute, peak)
            return
        self._minutes.append((minute, peak))

    def within(self, now_ns: int, minutes: int) -> Peak | None:
        """The highest of the last so many minutes; None when nothing was seen."""
        first = now_ns // MINUTE_NS - minutes + 1
        seen = [peak for minute, peak in self._minutes if minute >= first]
        return max(seen, key=lambda peak: peak.net, default=None)


def counted(counts: Mapping[str, int], most: int = 6) -> str:
    """`edge 12, cooldown 3`; the most frequent ones."""
    shown = [f"{name} {count}" for name, count in list(counts.items())[:most]]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
