"""What the engine's parts are given, and who owns their tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from arbit.config import RiskSettings
from arbit.domain.account import AccountId
from arbit.domain.book import BookView
from arbit.domain.cycle import Policy
from arbit.domain.errors import BrokenRule
from arbit.domain.learned import Learned
from arbit.domain.market import Market
from arbit.execution.cycle import Cycle
from arbit.execution.fee_table import FeeTable
from arbit.execution.ids import Ids
from arbit.ledger import Ledger
from arbit.ports import Clock, Journal, Listener, OrderGateway
from arbit.risk.breaker import Breaker
from arbit.risk.gate import Gate
from arbit.risk.kill import KillSwitch

MS = 1_000_000


@dataclass(frozen=True, slots=True)
class EngineSetup:
    """What the engine is given. `view` is a symbol's believable book at a monotonic time.

    `venue_clock` is the venue's wall time, None while it is not known; None for ours (paper).
    `fees_posted_every_ns` is how often it is asked for fees that it states later, while any wait.
    `taught` is what a cycle that is over has taught, to be kept in the commit that ends it.
    """

    account: AccountId
    settings: RiskSettings
    policy: Policy
    gate: Gate
    breaker: Breaker
    kill: KillSwitch
    ledger: Ledger
    journal: Journal
    gateway: OrderGateway
    markets: Mapping[str, Market]
    fees: FeeTable
    view: Callable[[str, int], BookView | None]
    in_reference: Callable[[str], Decimal | None]
    clock: Clock
    ids: Ids
    publish: Listener
    venue_clock: Callable[[], int | None] | None = None
    fees_posted_every_ns: int = 600_000 * MS
    taught: Callable[[Cycle], Sequence[Learned]] = lambda _: ()

    @property
    def now_ns(self) -> int:
        """Monotonic time."""
        return self.clock.monotonic_ns()

    @property
    def venue_ns(self) -> int | None:
        """The venue's wall time; None while it is not known."""
        return self.clock.wall_ns() if self.venue_clock is None else self.venue_clock()

    @property
    def venue(self) -> str:
        """The venue's name, for events."""
        return self.account.venue


class Tasks:
    """Every task of the engine has this owner, and lives no longer than `owned`."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None

    @property
    def owned(self) -> bool:
        """Whether a task could be begun now."""
        return self._group is not None

    async def own(self, forever: Coroutine[Any, Any, None]) -> None:
        """Run `forever`, and every task spawned meanwhile, until cancelled or one breaks."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await forever
            finally:
                self._group = None

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin a task. BrokenRule when nobody owns it."""
        if self._group is None:
            work.close()
            raise BrokenRule("engine: it is not running")
        self._group.create_task(work)
