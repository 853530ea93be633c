"""Asks again, while an account is traded, whether its key may be traded with.

Once an hour, and when the venue has put the key in question. The judgement is the one of a start.
From the answer on that a key fails it nothing new begins, whoever resumes, until it has passed
again. Trading halts, as for a key that the venue refuses, once the cycles that are open have ended,
or have had their time: a halt in the middle of one would strand what it holds. An answer that
cannot be had, or that says too little, proves nothing: it is told once, and asked for ever more
patiently. A question waits for a moment without open cycles, and for its turn within the venue's
limits behind all that must not wait.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from arbit.domain.account import AccountEvent, AccountUnfit, AccountUntold, KeyDoubted
from arbit.domain.errors import VenueError
from arbit.execution.engine import Engine
from arbit.execution.setup import MS, EngineSetup
from arbit.execution.works import Pad
from arbit.ports import AccountSink
from arbit.risk.breaker import BreakerState, Reason

LOOK_S = 1.0
EVERY_NS = 3_600_000 * MS  # how often a key that nobody doubts is asked about
APART_NS = 60_000 * MS  # between a question and the next one, whatever asks for it
LONGEST_NS = 900_000 * MS  # between two that were not answered, at most
PATIENCE_NS = 600_000 * MS  # a quiet moment is waited for no longer than this
ENDING_NS = 120_000 * MS  # what cycles that are open get to end, once the key was found unfit
MOST_FAILURES = 10  # more of them make no pause longer
KEY_KIND = "key"  # the incident that tells what might be better about a key

KeyQuestion = Callable[[], Awaitable[Sequence[str]]]


class KeyWatch:
    """Watches one key. `ask` hands back what there is to say of it that is new.

    It raises AccountUnfit, with the reason, for a key that may not be traded with, and when the
    venue does not say AccountUntold or another VenueError. `sink` hears of the former.
    """

    def __init__(
        self, setup: EngineSetup, engine: Engine, sink: AccountSink, ask: KeyQuestion
    ) -> None:
        self._setup = setup
        self._engine = engine
        self._sink = sink
        self._ask_venue = ask
        self._asked_ns = setup.now_ns  # a start has just asked
        self._due_ns = setup.now_ns + EVERY_NS
        self._failures = 0
        self._stopped = False  # trading was stopped for the key at the last look
        self._doubt = ""
        self._halts_ns = 0  # when trading halts for the key at the latest; 0: it need not
        self.questions = 0

    def doubt(self) -> str:
        """Why the key may not be traded with, as far as was asked; empty when it may."""
        return self._doubt

    def has_told(self, event: AccountEvent) -> bool:
        """Whether it is the venue's refusal of the key, for which trading was halted already."""
        if not isinstance(event, KeyDoubted) or not event.why:
            return False
        return event.why in self._doubt and self._halted_for

    async def run(self) -> None:
        """Ask whenever it is time to, until cancelled."""
        self._stopped = self._is_stopped
        while True:
            await self._setup.clock.sleep(LOOK_S)
            self._look()
            self._halt()
            if self._due(self._setup.now_ns):
                await self._ask()

    @property
    def _is_stopped(self) -> bool:
        halted = self._setup.breaker.state() is BreakerState.HALTED
        return halted and (bool(self._doubt) or self._setup.breaker.reason is Reason.HALT)

    @property
    def _halted_for(self) -> bool:
        """The breaker was halted by these very words: one incident of them is enough."""
        breaker = self._setup.breaker
        same = breaker.reason is Reason.HALT and breaker.detail in self._doubt
        return breaker.state() is BreakerState.HALTED and bool(breaker.detail) and same

    def _look(self) -> None:
        """The venue has refused the key: why? An operator has resumed: is it good again?"""
        stopped, before = self._is_stopped, self._stopped
        self._stopped = stopped
        if stopped != before and (stopped or self._doubt):
            self._due_ns = min(self._due_ns, self._asked_ns + APART_NS)

    def _due(self, now_ns: int) -> bool:
        if now_ns < self._due_ns:
            return False
        return not self._engine.open_cycles or now_ns >= self._due_ns + PATIENCE_NS

    async def _ask(self) -> None:
        self.questions += 1
        try:
            notes = await self._ask_venue()
        except AccountUntold as untold:
            self._unanswered(str(untold))
            return
        except AccountUnfit as unfit:
            self._doubt = str(unfit)  # nothing new begins
            self._halts_ns = self._halts_ns or self._setup.now_ns + ENDING_NS
            self._halt()
        except VenueError as error:
            self._unanswered(f"the venue does not say what the key may do: {error}")
            return
        else:
            self._doubt, self._halts_ns = "", 0
            for note in notes:
                self._tell(note)
        self._failures, self._asked_ns = 0, self._setup.now_ns
        self._due_ns = self._asked_ns + EVERY_NS

    def _halt(self) -> None:
        """Halt for a key that was found unfit, once no cycle is open or its time is over.

        One that only may more than before ends a cycle as ever. One that may not trade is refused
        by the venue with the next order, which halts at once.
        """
        waits = self._engine.open_cycles > 0 and self._setup.now_ns < self._halts_ns
        if not self._halts_ns or waits:
            return
        self._halts_ns = 0
        if not self._halted_for:
            self._sink(KeyDoubted(self._doubt))
        self._stopped = self._is_stopped  # by that very answer, which is no reason to ask again

    def _unanswered(self, why: str) -> None:
        if not self._failures:
            self._tell(f"{why}; it is asked again")
        self._asked_ns = self._setup.now_ns
        self._due_ns = self._asked_ns + min(APART_NS << self._failures, LONGEST_NS)
        self._failures = min(self._failures + 1, MOST_FAILURES)

    def _tell(self, said: str) -> None:
        pad = Pad()
        self._engine.settling.incident(pad, KEY_KIND, said)
        self._engine.keeper.write(pad)
