"""In what state one venue is, in a word, and why: what an operator sees, whoever asks."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Health(enum.StrEnum):
    """How a venue is. Closed: metric labels. The first that holds, in this order, is told."""

    HALTED = "halted"  # nothing may be sent: kill switch, breaker, or the run broke
    MUTE = "mute"  # no triangle has three books that may be believed
    DIVERGED = "diverged"  # a book is not the venue's own
    BLOCKED = "blocked"  # books are there, and a guard lets no new cycle begin
    DEGRADED = "degraded"  # it goes on with less: books polled over REST, or too few of them
    TRADING = "trading"  # a cycle is open, or was a moment ago
    HEALTHY = "healthy"  # all is well, and there is no edge


@dataclass(frozen=True, slots=True)
class Judged:
    """One judgement. `guard` is the rule's word (closed), `detail` says more in plain words."""

    health: Health
    guard: str
    detail: str

    def words(self) -> str:
        """`blocked (venue_paused): ...`."""
        by = f" ({self.guard})" if self.guard else ""
        return f"{self.health.value}{by}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Nearest:
    """The triangle that came nearest to its hurdle within a while. Edges in bps, gross of fees.

    `demanded_bps` is the net edge that is wanted: a part of the hurdle that no fee is.
    """

    path: str
    edge_bps: float
    hurdle_bps: float
    demanded_bps: float

    @property
    def gap_bps(self) -> float:
        """What is missing to the hurdle; zero or less where it was reached."""
        return self.hurdle_bps - self.edge_bps

    @property
    def fee_percent(self) -> float | None:
        """How much of what is missing would not be missing without fees; None where nothing is."""
        if self.gap_bps <= 0:
            return None
        without = max(0.0, self.demanded_bps - self.edge_bps)
        return 100.0 * (self.gap_bps - without) / self.gap_bps

    def words(self) -> str:
        """`best edge 4.1 bps, hurdle 121.0 bps, fees are 96 % of the gap`."""
        said = f"best edge {self.edge_bps:.1f} bps ({self.path}), hurdle {self.hurdle_bps:.1f} bps"
        share = self.fee_percent
        if share is None:
            return f"{said}: it was reached"
        return f"{said}, fees are {int(round(share, 1))} % of the gap"
