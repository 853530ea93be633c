"""Fit: what books, markets and a plan must satisfy before the gate lets anything begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from arbit.config import RiskSettings, ScanSettings, VenueSettings
from arbit.domain.money import EXACT
from arbit.domain.plan import Plan
from arbit.domain.records import CycleRecord
from arbit.domain.refusal import Refused
from arbit.domain.route import Conversion
from arbit.domain.triangle import Side
from arbit.risk import checks
from arbit.risk.checks import Sights


@dataclass(frozen=True, slots=True)
class Fit:
    """The rules about a venue's books and markets, in the order they are asked."""

    venue: VenueSettings
    scan: ScanSettings
    risk: RiskSettings
    sights: Sights

    def cycle(self, plan: Plan, now_ns: int) -> Refused | None:
        """A triangle: books of one moment, its edge, its size, each leg, and its prices."""
        sights, symbols = self.sights, plan.triangle.symbols
        refused = (
            self._seen(symbols, now_ns)
            or checks.skew(sights, symbols, self.venue.max_skew_ms)
            or checks.edge(plan, self.scan.min_edge_bps)
            or checks.notional(plan, sights, self.scan, now_ns)
        )
        for one in plan.legs:
            refused = (
                refused
                or checks.minima(sights, self.venue, one.leg, one.qty, one.limit_price, own=True)
                or checks.slippage(sights, one, self.scan.max_slippage_bps, now_ns)
            )
        return refused or checks.collar(plan, sights, self.risk.collar_bps, now_ns)

    def conversion(
        self, conversion: Conversion, loss_budget: Decimal, now_ns: int
    ) -> Refused | None:
        """A conversion: each leg near the top of its book, and all of it within its budget."""
        refused = self._seen(conversion.symbols, now_ns)
        for one in conversion.legs:
            refused = (
                refused
                or checks.minima(
                    self.sights, self.venue, one.leg, one.qty, one.limit_price, own=False
                )
                or checks.near_top(
                    self.sights, one.leg, one.limit_price, self.risk.collar_bps, now_ns
                )
            )
        return refused or checks.cost(conversion, self.sights, loss_budget, now_ns)

    def stake_of(self, record: CycleRecord, now_ns: int) -> Decimal:
        """What a cycle found at a restart starts with at worst, in reference units.

        The most that one may start with, where nobody prices it.
        """
        first = record.plan[0]
        price = self.sights.in_reference(first.leg.spend, now_ns)
        if price is None:
            return self.scan.max_notional_per_cycle
        sells = first.leg.side is Side.SELL
        spends = first.qty if sells else EXACT.multiply(first.qty, first.limit_price)
        return EXACT.multiply(spends, price)

    def _seen(self, symbols: Sequence[str], now_ns: int) -> Refused | None:
        sights = self.sights
        refused = checks.integrity(sights, self.risk) or checks.streamed(sights, self.risk, symbols)
        for symbol in symbols:
            refused = (
                refused or checks.status(sights, symbol) or checks.fresh(sights, symbol, now_ns)
            )
        return refused
