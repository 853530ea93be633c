"""What the gate is given, and what it keeps of a cycle that is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from arbit.config import RiskSettings, ScanSettings, VenueSettings
from arbit.domain.cycle import Policy
from arbit.inventory import Inventory
from arbit.ledger import Ledger
from arbit.ports import Clock
from arbit.risk.breaker import Breaker
from arbit.risk.budgets import DayBook
from arbit.risk.checks import Sights
from arbit.risk.kill import KillSwitch, Orders


@dataclass(slots=True)
class Slot:
    """An open cycle. `owed` is how many orders are still kept for it in the rate's bucket.

    `stake` is what it started with, in reference units; `home` the asset it comes back to.
    """

    owed: float
    stake: Decimal
    probes: bool = False  # it was reviewed while the breaker was probing
    sent: bool = False
    home: str = ""


@dataclass(frozen=True, slots=True)
class GateSetup:
    """What the gate asks. The callables say why not, in words, or nothing at all."""

    venue: VenueSettings
    scan: ScanSettings
    risk: RiskSettings
    policy: Policy
    ledger: Ledger
    sights: Sights
    breaker: Breaker
    kill: KillSwitch
    orders: Orders
    day: DayBook
    clock: Clock
    gateway_unready: Callable[[], str]
    journal_fails: Callable[[], str]
    inventory: Inventory | None = None  # without one, nothing is wanted of what is owned
    start_budgets: Mapping[str, Decimal] = field(default_factory=dict)
