"""A cycle's states, and the values that name one. A conversion is a cycle that ends elsewhere."""

from __future__ import annotations

import enum

from arbit.domain.states import StateTable


class Policy(enum.StrEnum):
    """How the three legs are sent."""

    SEQUENTIAL = "sequential"  # each from what the one before really delivered
    PARALLEL = "parallel"  # all at once, from inventory


class CycleState(enum.StrEnum):
    """Where a cycle stands."""

    READY = "ready"
    LEG_1 = "leg_1"
    LEG_2 = "leg_2"
    LEG_3 = "leg_3"
    LEGS = "legs"
    RESOLVING = "resolving"
    UNWINDING = "unwinding"
    DONE = "done"
    FLAT = "flat"  # nothing traded at all
    UNWOUND = "unwound"  # something fell short; what was bought went on or home
    HELD = "held"  # something could not be brought home: listed, and an operator's to decide

    @property
    def over(self) -> bool:
        """No order of this cycle will be sent any more."""
        return self in _OVER


_OVER = frozenset({CycleState.DONE, CycleState.FLAT, CycleState.UNWOUND, CycleState.HELD})


class CycleHappening(enum.StrEnum):
    """What can happen to a cycle."""

    START = "start"
    START_PARALLEL = "start_parallel"
    NEXT_LEG = "next_leg"
    COMPLETE = "complete"
    NOTHING = "nothing"  # no order of it has traded
    SHORT = "short"  # a leg fell short, was refused, or cannot be sent
    DOUBT = "doubt"  # an order of it is UNKNOWN
    BACK_TO_LEG_1 = "back_to_leg_1"
    BACK_TO_LEG_2 = "back_to_leg_2"
    BACK_TO_LEG_3 = "back_to_leg_3"
    BACK_TO_LEGS = "back_to_legs"
    BACK_TO_UNWINDING = "back_to_unwinding"
    HOME = "home"  # everything is where it should be, dust apart
    STUCK = "stuck"  # no way home within the loss budget, or none allowed
    KILL = "kill"
    LATE_FILL = "late_fill"


_S, _H = CycleState, CycleHappening
CYCLE_TABLE: StateTable[CycleState, CycleHappening] = StateTable(
    "cycle",
    _S.READY,
    {
        (_S.READY, _H.START): _S.LEG_1,
        (_S.READY, _H.START_PARALLEL): _S.LEGS,
        (_S.READY, _H.NOTHING): _S.FLAT,
        (_S.READY, _H.KILL): _S.FLAT,
        (_S.LEG_1, _H.NEXT_LEG): _S.LEG_2,
        (_S.LEG_1, _H.COMPLETE): _S.DONE,  # a conversion may have one leg, or two
        (_S.LEG_1, _H.NOTHING): _S.FLAT,
        (_S.LEG_1, _H.SHORT): _S.UNWINDING,
        (_S.LEG_1, _H.DOUBT): _S.RESOLVING,
        (_S.LEG_1, _H.KILL): _S.HELD,
        (_S.LEG_2, _H.NEXT_LEG): _S.LEG_3,
        (_S.LEG_2, _H.COMPLETE): _S.DONE,
        (_S.LEG_2, _H.SHORT): _S.UNWINDING,
        (_S.LEG_2, _H.DOUBT): _S.RESOLVING,
        (_S.LEG_2, _H.KILL): _S.HELD,
        (_S.LEG_3, _H.COMPLETE): _S.DONE,
        (_S.LEG_3, _H.SHORT): _S.UNWINDING,
        (_S.LEG_3, _H.DOUBT): _S.RESOLVING,
        (_S.LEG_3, _H.KILL): _S.HELD,
        (_S.LEGS, _H.COMPLETE): _S.DONE,
        (_S.LEGS, _H.NOTHING): _S.FLAT,
        (_S.LEGS, _H.SHORT): _S.UNWINDING,
        (_S.LEGS, _H.DOUBT): _S.RESOLVING,
        (_S.LEGS, _H.KILL): _S.HELD,
        (_S.RESOLVING, _H.BACK_TO_LEG_1): _S.LEG_1,
        (_S.RESOLVING, _H.BACK_TO_LEG_2): _S.LEG_2,
        (_S.RESOLVING, _H.BACK_TO_LEG_3): _S.LEG_3,
        (_S.RESOLVING, _H.BACK_TO_LEGS): _S.LEGS,
        (_S.RESOLVING, _H.BACK_TO_UNWINDING): _S.UNWINDING,
        (_S.RESOLVING, _H.KILL): _S.HELD,
        (_S.UNWINDING, _H.HOME): _S.UNWOUND,
        (_S.UNWINDING, _H.STUCK): _S.HELD,
        (_S.UNWINDING, _H.DOUBT): _S.RESOLVING,
        (_S.UNWINDING, _H.KILL): _S.HELD,
        # A late fill always wins: what a finished cycle is found to own is held, and listed.
        (_S.DONE, _H.LATE_FILL): _S.HELD,
        (_S.FLAT, _H.LATE_FILL): _S.HELD,
        (_S.UNWOUND, _H.LATE_FILL): _S.HELD,
        (_S.HELD, _H.LATE_FILL): _S.HELD,
    },
)
