"""The places for cycles that all lanes of one command share, beside those of each venue.

Two caps hold over every lane together: how many cycles are under way, and what they started with.
Where lanes want the last place they take turns: it is kept for the one that was served longest
ago, for as long as that one goes on asking. Synchronous and told the time, so that the same
questions in the same order are always answered the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.errors import BrokenRule
from arbit.domain.money import EXACT, ZERO, plain
from arbit.domain.refusal import RefusalCode, Refused

# A lane that has not asked for so long does not want its turn any more: a moving market has it ask
# every 20 ms, and the gap that it asked for is seldom there after half a second.
PATIENCE_NS = 500_000_000
# Who found no room in so long waits for a cycle that does not end (an order is UNKNOWN): others
# may pass, once each, before it is waited for again.
LONGEST_NS = 10_000_000_000


@dataclass(frozen=True, slots=True)
class InUse:
    """What a lane has under way: cycles, and what they started with (reference units)."""

    cycles: int
    notional: Decimal


@dataclass(slots=True)
class Seat:
    """One lane's part in the places. `in_use` is read at each question: nothing is counted twice.

    `served` grows with each turn, over all lanes; `wanted_ns` is when it last went away empty.
    """

    lane: str
    in_use: Callable[[], InUse]
    joined: int
    served: int = 0
    wanted_ns: int | None = None
    since_ns: int = 0  # since when it has gone on asking
    wanted: Decimal = ZERO  # reference units

    def waits(self, now_ns: int) -> bool:
        """Whether it still wants the place that it did not get."""
        return self.wanted_ns is not None and now_ns - self.wanted_ns <= PATIENCE_NS

    @property
    def order(self) -> tuple[int, int]:
        """Who was served longest ago comes first; of those that never were, who joined first."""
        return self.served, self.joined


class Slots:
    """Places for `cycles` cycles that start with `notional` reference units at most, together.

    A `notional` of None is not looked at: what one cycle may start with bounds it.
    """

    def __init__(self, cycles: int, notional: Decimal | None = None) -> None:
        self._cycles = cycles
        self._notional = notional
        self._seats: dict[str, Seat] = {}
        self._turns = 0
        self._joined = 0

    def join(self, lane: str, in_use: Callable[[], InUse]) -> None:
        """A lane takes part from now on; it may have cycles under way, found at its start.

        BrokenRule for one that takes part already.
        """
        if lane in self._seats:
            raise BrokenRule(f"slots: {lane} takes part already")
        self._joined += 1
        self._seats[lane] = Seat(lane, in_use, self._joined)

    def leave(self, lane: str) -> None:
        """A lane is over: its turn passes, and what it left behind takes nobody's place."""
        self._seats.pop(lane, None)

    def ask(self, lane: str, stake: Decimal, now_ns: int) -> Refused | None:
        """Whether this lane may begin a cycle of that stake (reference units) at `now_ns`.

        None is a yes, and its turn: the cycle is begun in the same synchronous turn. To be asked
        last of all rules, for a lane that goes away empty has places kept for it. BrokenRule for a
        lane that does not take part.
        """
        seat = self._seats.get(lane)
        if seat is None:
            raise BrokenRule(f"slots: {lane} does not take part")
        used = [one.in_use() for one in self._seats.values()]
        refused = self._full(used, [stake])
        if refused is None:
            refused = self._turn_of_others(seat, used, stake, now_ns)
        if refused is None:
            self._turns += 1
            seat.served, seat.wanted_ns = self._turns, None
        elif self._notional is None or stake <= self._notional:
            self._waits_on(seat, stake, now_ns)
        return refused

    def _waits_on(self, seat: Seat, stake: Decimal, now_ns: int) -> None:
        """It goes away empty; where it has for too long, its turn passes."""
        if not seat.waits(now_ns):
            seat.since_ns = now_ns
        elif now_ns - seat.since_ns > LONGEST_NS:
            self._turns += 1
            seat.served, seat.since_ns = self._turns, now_ns
        seat.wanted_ns, seat.wanted = now_ns, stake

    def _turn_of_others(
        self, seat: Seat, used: Iterable[InUse], stake: Decimal, now_ns: int
    ) -> Refused | None:
        """It must leave room for everybody who waits and was served longer ago."""
        ahead = [
            one
            for one in self._seats.values()
            if one is not seat and one.order < seat.order and one.waits(now_ns)
        ]
        if not ahead or self._full(used, [stake, *(one.wanted for one in ahead)]) is None:
            return None
        first = min(ahead, key=lambda one: one.order)
        return Refused(RefusalCode.LANE_TURN, {"turn": first.lane})

    def _full(self, used: Iterable[InUse], more: list[Decimal]) -> Refused | None:
        """What is exceeded by so many more cycles of these stakes."""
        cycles, notional, wanted = 0, ZERO, ZERO
        for one in used:
            cycles, notional = cycles + one.cycles, EXACT.add(notional, one.notional)
        for stake in more:
            wanted = EXACT.add(wanted, stake)
        if cycles + len(more) > self._cycles:
            said = {"open": str(cycles), "most": str(self._cycles)}
            return Refused(RefusalCode.TOTAL_CYCLES, said)
        if self._notional is not None and EXACT.add(notional, wanted) > self._notional:
            said = {"open": f"{notional:.2f}", "wanted": f"{wanted:.2f}"}
            return Refused(RefusalCode.TOTAL_NOTIONAL, said | {"most": plain(self._notional)})
        return None
