"""Conversions as the engine carries them out: what begins one, and what it came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.cycle import CycleState, Policy
from arbit.domain.events import ConversionEnded, CycleEnded
from arbit.domain.money import EXACT, ZERO, plain
from arbit.domain.plan import PlannedLeg
from arbit.domain.records import CycleRecord, PlannedRecord
from arbit.domain.route import ConversionKind
from arbit.domain.walk import LegWalk, Seen
from arbit.execution.cycle import Cycle
from arbit.execution.works import Told, Work
from arbit.risk.envelope import Approved


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a conversion came to.

    `spent` is what left of the asset it began with, `received` what arrived of the one it wants,
    both with every fee taken. `cost_ref` is what it cost against the middle prices (reference
    units; negative where it gained), None where nobody can say. `left` is what it has, or owes, of
    any other asset, in words; empty when nothing. `orders` left for it in all.
    """

    cycle_id: str
    kind: ConversionKind
    path: str
    end: CycleState
    spent: Decimal
    received: Decimal
    cost_ref: Decimal | None
    left: str
    detail: str
    orders: int


def begun(
    cycle_id: str,
    legs: Sequence[PlannedLeg],
    policy: Policy,
    started_ns: int,
    kind: ConversionKind | None = None,
    loss_budget: Decimal | None = None,
) -> CycleRecord:
    """The record of a cycle, or of a conversion, that begins with these legs."""
    return CycleRecord(
        cycle_id=cycle_id,
        policy=policy,
        state=CycleState.READY,
        plan=tuple(PlannedRecord(leg.leg, leg.qty, leg.limit_price, leg.fee_rate) for leg in legs),
        started_ns=started_ns,
        kind=kind,
        loss_budget=loss_budget,
    )


def opened(
    record: CycleRecord, legs: Sequence[PlannedLeg], approved: Approved, told: Told | None = None
) -> Work:
    """The work of a cycle that begins; what its legs were decided on is kept with its order."""
    budget, legs_as = approved.loss_budget, approved.purpose
    work = Work(Cycle(record), approved, budget, told=told, legs_as=legs_as)
    for index, leg in enumerate(legs, start=1):
        work.pad.walks.append(LegWalk(record.cycle_id, index, Seen.DECIDED, leg.walk))
    return work


def delivered(cycle: Cycle) -> Delivered:
    """What a conversion that is over came to."""
    record, moved = cycle.record, cycle.moved()
    start, end = cycle.goals
    gained = record.profit_ref
    return Delivered(
        cycle_id=record.cycle_id,
        kind=record.kind or ConversionKind.CONVERT,
        path=record.path,
        end=record.state,
        spent=EXACT.minus(moved.get(start, ZERO)),
        received=moved.get(end, ZERO),
        cost_ref=None if gained is None else EXACT.minus(gained),
        left=cycle.left_behind(),
        detail=record.detail,
        orders=len(cycle.orders),
    )


def told_of(venue: str, cycle: Cycle) -> CycleEnded | ConversionEnded:
    """What is told of a cycle that is over."""
    record = cycle.record
    if record.kind is None:
        return CycleEnded(
            venue=venue,
            path=record.path,
            end=record.state.value,
            profit=plain(record.profit),
            asset=record.start_asset,
            detail=record.detail,
            cycle_id=record.cycle_id,
        )
    found = delivered(cycle)
    return ConversionEnded(
        venue=venue,
        path=record.path,
        kind=record.kind.value,
        end=record.state.value,
        spent=plain(found.spent),
        received=plain(found.received),
        cost_ref="" if found.cost_ref is None else plain(found.cost_ref),
        detail=record.detail,
        cycle_id=record.cycle_id,
    )
