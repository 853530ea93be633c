"""What the gate approves: an envelope that every order sent for it must fit into."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.records import Purpose
from arbit.domain.triangle import Side


@dataclass(frozen=True, slots=True)
class Allowance:
    """One order that may be sent: at most `max_qty` base units, at `worst_price` or better."""

    symbol: str
    side: Side
    max_qty: Decimal
    worst_price: Decimal


@dataclass(frozen=True, slots=True)
class Approved:
    """The gate's permission for one cycle, or for one order home. Made in `gate` alone.

    `loss_budget` is in the start asset; after `expires_ns` (monotonic) nothing may be sent for it.
    """

    cycle_id: str
    purpose: Purpose
    allowances: tuple[Allowance, ...]
    loss_budget: Decimal
    expires_ns: int
