"""Looks whether the kill switch was turned, by whoever and however: says so once, and halts.

To switch it off lets nothing go on: the breaker is halted as soon as the switch is seen on, and an
operator's `resume` alone closes it.
"""

from __future__ import annotations

from arbit.domain.events import KillChanged
from arbit.ports import Listener
from arbit.risk.breaker import Breaker, Reason
from arbit.risk.kill import KillSwitch

ON, OFF = "on", "off"
WAITS = "waits"  # off since an earlier run, and not resumed yet


class KillWatch:
    """One venue's. Whoever sees the switch on asks for a look, so that no kill is overlooked.

    A start that finds the switch on is told, or that nobody has resumed since it was; one that
    finds it off is nothing new.
    """

    def __init__(self, venue: str, kill: KillSwitch, breaker: Breaker, publish: Listener) -> None:
        self._venue = venue
        self._kill = kill
        self._breaker = breaker
        self._publish = publish
        self._said = ""  # nothing was looked at yet

    def look(self) -> bool:
        """Whether it is on. Say it where it is another than at the last look, and then halt."""
        on = self._kill.on()
        word = ON if on else self._off()
        if word != self._said:
            quiet = word == OFF and not self._said
            self._said = word
            why = self._kill.why() if on else ""
            if not quiet:
                self._publish(KillChanged(self._venue, word, why))
            if on:  # after it is told: this is the first word of it
                self._breaker.trip(Reason.KILL, f"killed by {why}")
        return on

    def _off(self) -> str:
        before = self._said in {"", WAITS} and self._breaker.reason is Reason.KILL
        return WAITS if before else OFF
