"""Asking a gate: worlds with limits of their own, reviews, orders home, and what was refused."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from arbit.config import InventorySettings, Settings
from arbit.domain.cycle import CycleState, Policy
from arbit.domain.plan import Plan
from arbit.domain.records import CycleRecord, PlannedRecord
from arbit.domain.refusal import Refused
from arbit.domain.triangle import Leg, Side
from arbit.risk.envelope import Approved
from tests.unit.execution.world import World, usual_settings

D = Decimal
MS = 1_000_000
HOME = Leg("BTC/USD", Side.SELL, "BTC", "USD")
BACK = Leg("BTC/USD", Side.BUY, "USD", "BTC")


def limits(scan: dict[str, Any] | None = None, **risk: Any) -> Settings:
    settings = usual_settings(**risk)
    changed = settings.scan.model_copy(update=scan or {})
    return settings.model_copy(update={"scan": changed})


def wanting(risk: dict[str, Any] | None = None, **inventory: Any) -> Settings:
    """The usual limits, and bounds of what is owned."""
    settings = usual_settings(**(risk or {}))
    return settings.model_copy(update={"inventory": InventorySettings(**inventory)})


def review(world: World, plan: Plan | None = None, cycle_id: str = "c1") -> Approved | Refused:
    return world.gate.review(plan or world.plan(), cycle_id, world.clock.now_ns)


def approved(world: World, plan: Plan | None = None, cycle_id: str = "c1") -> Approved:
    answer = review(world, plan, cycle_id)
    assert isinstance(answer, Approved), answer
    return answer


def told(answer: Approved | Refused | None) -> tuple[str, dict[str, str]]:
    assert isinstance(answer, Refused), answer
    return answer.code.value, dict(answer.figures)


def home(world: World, *orders: tuple[Leg, str, str], cycle_id: str = "c1") -> Approved | Refused:
    wanted = [(leg, D(qty), D(limit)) for leg, qty, limit in orders or [(HOME, "1", "99")]]
    return world.gate.review_unwind(wanted, cycle_id, D(10), world.clock.now_ns)


def record(plan: Plan, policy: Policy = Policy.SEQUENTIAL, **changes: Any) -> CycleRecord:
    one, two, three = (PlannedRecord(o.leg, o.qty, o.limit_price, o.fee_rate) for o in plan.legs)
    made = CycleRecord("c1", policy, CycleState.DONE, (one, two, three), 0)
    return replace(made, **changes)
