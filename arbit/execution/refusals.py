"""Counts what was refused, and tells of each code now and then."""

from __future__ import annotations

from arbit.domain.events import OrderRefused
from arbit.domain.refusal import RefusalCode, Refused
from arbit.execution.setup import MS, EngineSetup
from arbit.risk.kill_watch import KillWatch

TELL_NS = 10_000 * MS  # how often one refusal code is told of


class Refusals:
    """What this run refused; called with each refusal, which it hands back."""

    def __init__(self, setup: EngineSetup, kills: KillWatch) -> None:
        self._setup = setup
        self._kills = kills
        self._told_ns: dict[str, int] = {}
        self.counts: dict[str, int] = {}  # by code

    def __call__(self, refused: Refused) -> Refused:
        """Count it; tell of each code now and then, for the same one may come with every book.

        A kill is seen with the first that it refuses, and holds from then on.
        """
        if refused.code is RefusalCode.KILL_SWITCH:
            self._kills.look()
        code, now_ns = refused.code.value, self._setup.now_ns
        self.counts[code] = self.counts.get(code, 0) + 1
        if now_ns - self._told_ns.get(code, -TELL_NS) >= TELL_NS:
            self._told_ns[code] = now_ns
            self._setup.publish(OrderRefused(self._setup.venue, code, str(refused)))
        return refused
