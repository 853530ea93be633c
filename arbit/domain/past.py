"""The last run of an account, as the database remembers it when no daemon is there to be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LastSeen:
    """What history says of a run's market: its last state, and the best gap with its hurdle.

    Times are wall nanoseconds, 0 where there is none; edges are in bps.
    """

    state: str = ""
    detail: str = ""
    state_ns: int = 0
    path: str = ""
    edge_bps: float | None = None
    hurdle_bps: float | None = None
    edge_ns: int = 0


@dataclass(frozen=True, slots=True)
class PastRun:
    """One account's last run. `how` is a `RunEnd`, empty where nobody wrote its end down.

    `cycles` and `conversions` are counts by end; `open_cycles` are those that the next start takes
    up. `breaker` is the flag's text. `incidents` are the last ones, as (wall ns, kind, detail).
    """

    account: str
    command: str
    version: str
    started_ns: int
    ended_ns: int
    how: str
    cycles: Mapping[str, int] = field(default_factory=dict)
    conversions: Mapping[str, int] = field(default_factory=dict)
    orders: int = 0
    open_cycles: int = 0
    breaker: str = ""
    incidents: Sequence[tuple[int, str, str]] = ()
    seen: LastSeen = LastSeen()
