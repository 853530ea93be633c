"""What a lane learns of its triangles: fed by cycles as they end, kept where cycles are kept.

Nothing is written for it alone while a cycle is under way: what was learned rides in the commit
that ends a cycle, in the one that ends a run, and now and then, when nothing is under way, in one
of its own. What a crash loses is counts of gaps since.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from arbit.domain.cycle import CycleState
from arbit.domain.learned import Learned
from arbit.domain.money import EXACT
from arbit.domain.order import OrderState
from arbit.domain.records import Batch, Incident, JournalFailed
from arbit.execution.cycle import Cycle
from arbit.odds import MAX_PATHS, Odds
from arbit.ports import Journal
from arbit.risk.paths import WENT_WRONG

RIDERS = 8  # rows that ride in the commit of a cycle
AT_ONCE = 200  # rows of a commit of its own
EVERY_NS = 600 * 10**9
MAX_UNWATCHED = 1_000  # triangles that are watched no more and remembered all the same


class Learning:
    """The odds of one account's lane, taught and kept."""

    def __init__(
        self,
        odds: Odds,
        learned: Iterable[Learned],
        journal: Journal,
        now_ns: int,
        watched: Collection[str] | None = None,
    ) -> None:
        """`learned` is what earlier runs have kept; `watched` are the paths of now (None: all).

        Of triangles that are watched no more the best known are kept, for markets come back; the
        others are forgotten, or they would take the places of those that are watched.
        """
        self._odds = odds
        self._journal = journal
        self._next_ns = now_ns + EVERY_NS
        kept, self._forgotten = _kept(learned, watched)
        odds.load(kept)

    def ended(self, cycle: Cycle) -> tuple[Learned, ...]:
        """A cycle is over: what it teaches, to be kept in the same commit.

        One that a restart cut off teaches nothing of the market, nor does a conversion.
        """
        if cycle.record.kind is None and not cycle.recovering:
            self._teach(cycle)
        return self._odds.take_changed(RIDERS)

    def rest(self) -> tuple[Learned, ...]:
        """All that is not kept yet, for the commit that ends a run."""
        return self._odds.take_changed(MAX_PATHS)

    def keep_now_and_then(self, now_ns: int, wall_ns: int) -> None:
        """To be called often, while no cycle is under way: each ten minutes keep what gaps taught.

        One small commit, if there is anything to keep or to forget; where it fails, it is tried
        again.
        """
        if now_ns < self._next_ns:
            return
        self._next_ns = now_ns + EVERY_NS
        learned, forgotten = self._odds.take_changed(AT_ONCE), self._forgotten[:AT_ONCE]
        if not learned and not forgotten:
            return
        said = f"what was learned of {len(forgotten)} triangles is forgotten: watched no more"
        told = (Incident("learned", said, wall_ns),) if forgotten else ()
        try:
            self._journal.write(Batch(learned=learned, forgotten=forgotten, incidents=told))
        except JournalFailed:  # the keeper finds the same with what matters more
            self._odds.give_back(learned)
        else:
            self._forgotten = self._forgotten[AT_ONCE:]

    def _teach(self, cycle: Cycle) -> None:
        path, state = cycle.record.path, cycle.state
        first = cycle.leg_order(1)
        if state is CycleState.DONE:
            self._odds.attempted(path, None)
        elif state in WENT_WRONG and cycle.traded:
            lost = EXACT.divide(EXACT.minus(cycle.record.profit), cycle.stake)
            self._odds.attempted(path, lost)
        elif first is not None and first.record.state is OrderState.EMPTY:
            self._odds.looked(path, survived=False)


def _kept(
    learned: Iterable[Learned], watched: Collection[str] | None
) -> tuple[list[Learned], tuple[str, ...]]:
    """What is remembered, what is watched first; and the paths of what is not."""
    known = list(learned)
    now = [one for one in known if watched is None or one.path in watched]
    others = [one for one in known if watched is not None and one.path not in watched]
    others.sort(key=lambda one: (-one.cycles, -one.looks, one.path))
    forgotten = tuple(one.path for one in others[MAX_UNWATCHED:])
    return [*now, *others[:MAX_UNWATCHED]], forgotten
