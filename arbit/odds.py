"""Knows the odds of a triangle: will its gap last until our order is there, will all legs fill.

Two chances a directed triangle, each estimated from what happened to it and what happened to all:

    mean of all  m = (a + successes of all) / (a + b + observations of all)
    its chance   p = (w x m + its successes) / (w + its observations)

`a` and `b` are the stated prior (below), `w` is `prior_weight`. So an unknown triangle is taken
for an average one, and each observation of its own moves it away from that. In doubt its next `k`
(`losing_doubt`) cycles are taken to fill:

    at best      q = (w x m + its successes + k) / (w + its observations + k)

Decision 0013 has the reasons. Chances are decimals of six digits; nothing here reads a clock or
rolls a die.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from arbit.config import RotationSettings
from arbit.domain.learned import Learned
from arbit.domain.money import EXACT, ONE, ZERO

# Half of the gaps that fit are gone by the time an order arrives, until we know better.
SURVIVE_PRIOR = (Decimal(2), Decimal(2))
# Nine cycles in ten fill: about what it takes to break even on a gap that pays at all.
FILL_PRIOR = (Decimal(9), Decimal(1))
MOST_LOST = Decimal(
    "0.05"
)  # of its start, for a cycle that failed: what is held is worth something
MAX_PATHS = 10_000
_DIGITS = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Chances:
    """What is expected of a triangle. `survive` and `fill` are between 0 and 1, as `lost` is.

    `lost` is the share of its start that a cycle loses when it fails. `cycles` says how many of its
    own the estimate knows. `fill_at_best` is what `fill` would be if its next few cycles filled.
    """

    survive: Decimal
    fill: Decimal
    lost: Decimal
    cycles: Decimal = ZERO
    filled: Decimal = ZERO
    fill_at_best: Decimal = ONE


class _Seen(NamedTuple):
    """So many of so many."""

    hits: Decimal
    of: Decimal


class Odds:
    """What was learned of every triangle of a lane, by path."""

    def __init__(self, settings: RotationSettings) -> None:
        self._settings = settings
        self._by_path: dict[str, Learned] = {}
        self._changed: dict[str, None] = {}
        self._passed_by: dict[str, None] = {}
        self._all = Learned("")

    def load(self, learned: Iterable[Learned]) -> None:
        """Begin with what an earlier run has learned; what this one knows already stays."""
        for one in learned:
            if one.path not in self._by_path and len(self._by_path) < MAX_PATHS:
                self._put(one)
                del self._changed[one.path]  # it is kept already

    def of(self, path: str, turn_back: Decimal) -> Chances:
        """What to expect of this triangle now.

        `turn_back` is what going back after its first leg would lose, as a share of its start: what
        a failure is taken to cost until failures have told.
        """
        one, everybody = self._by_path.get(path) or Learned(path), self._all
        weight = self._settings.prior_weight
        looks, cycles = _Seen(one.survived, one.looks), _Seen(one.filled, one.cycles)
        all_looks = _Seen(everybody.survived, everybody.looks)
        all_cycles = _Seen(everybody.filled, everybody.cycles)
        lost = EXACT.fma(weight, turn_back, one.lost)
        doubt = self._settings.losing_doubt
        at_best = _Seen(EXACT.add(cycles.hits, doubt), EXACT.add(cycles.of, doubt))
        mean_fill = _mean(FILL_PRIOR, all_cycles)
        return Chances(
            survive=_shrunk(_mean(SURVIVE_PRIOR, all_looks), looks, weight),
            fill=_shrunk(mean_fill, cycles, weight),
            lost=_rounded(EXACT.divide(lost, EXACT.add(weight, one.failed))),
            cycles=one.cycles,
            filled=one.filled,
            fill_at_best=_shrunk(mean_fill, at_best, weight),
        )

    def looked(self, path: str, *, survived: bool) -> None:
        """A gap that was not traded was looked at again after our latency."""
        one = self._known(path)
        if one is not None:
            looked = one.looked(survived=survived)
            if looked.looks > self._settings.memory:
                looked = looked.looks_halved()
                if path in self._passed_by:
                    del self._passed_by[path]
                    looked = looked.cycles_halved()
            self._put(looked)

    def attempted(self, path: str, lost: Decimal | None) -> None:
        """A cycle of it traded and is over: None when all legs filled, else the share it lost."""
        self.looked(path, survived=True)
        one = self._known(path)
        if one is not None:
            bounded = None if lost is None else min(max(lost, ZERO), MOST_LOST)
            ended = one.ended(bounded)
            full = ended.cycles > self._settings.memory
            self._put(ended.cycles_halved() if full else ended)

    def passed_by(self, path: str) -> None:
        """A gap was left alone for the record of its triangle: in time it gets another chance.

        When what is known of its gaps is next halved, for `looked` hears of those too. These counts
        are kept, so that no number of restarts puts it off.
        """
        if path in self._by_path:
            self._passed_by[path] = None

    def take_changed(self, most: int) -> tuple[Learned, ...]:
        """What has changed since it was taken last, at most so many, the oldest change first."""
        paths = [path for path, _ in zip(self._changed, range(most), strict=False)]
        for path in paths:
            del self._changed[path]
        return tuple(self._by_path[path] for path in paths)

    def give_back(self, learned: Iterable[Learned]) -> None:
        """These could not be kept: they are still to be."""
        self._changed.update(dict.fromkeys(one.path for one in learned))

    def _known(self, path: str) -> Learned | None:
        """What is known of it; None when so many are known that no other is learned of."""
        one = self._by_path.get(path)
        room = len(self._by_path) < MAX_PATHS
        return one if one is not None else Learned(path) if room else None

    def _put(self, one: Learned) -> None:
        before = self._by_path.get(one.path) or Learned(one.path)
        self._by_path[one.path] = one
        self._changed[one.path] = None
        self._all = Learned(
            "",
            survived=_moved(self._all.survived, before.survived, one.survived),
            gone=_moved(self._all.gone, before.gone, one.gone),
            filled=_moved(self._all.filled, before.filled, one.filled),
            failed=_moved(self._all.failed, before.failed, one.failed),
        )


def _mean(prior: tuple[Decimal, Decimal], everybody: _Seen) -> Decimal:
    """The mean of all at the top of this file."""
    yes, no = prior
    return EXACT.divide(EXACT.add(yes, everybody.hits), EXACT.add(yes + no, everybody.of))


def _shrunk(mean: Decimal, own: _Seen, weight: Decimal) -> Decimal:
    """Its chance, at the top of this file."""
    chance = EXACT.divide(EXACT.fma(weight, mean, own.hits), EXACT.add(weight, own.of))
    return _rounded(chance)


def _moved(total: Decimal, before: Decimal, now: Decimal) -> Decimal:
    return EXACT.add(total, EXACT.subtract(now, before))


def _rounded(chance: Decimal) -> Decimal:
    return min(ONE, EXACT.quantize(chance, _DIGITS))
