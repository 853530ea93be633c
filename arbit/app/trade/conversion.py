"""A conversion as commands tell of it: handed to the engine, waited for, and put into words."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.cycle import CycleState
from arbit.domain.money import plain
from arbit.domain.refusal import Refused
from arbit.domain.route import Conversion, ConversionKind
from arbit.execution.converting import Delivered, delivered
from arbit.execution.cycle import Cycle
from arbit.execution.engine import Engine

LOOK_S = 0.02


@dataclass(slots=True)
class Done:
    """What a conversion came to, in exact text.

    `whole` says that it ended as it was planned; `left` is what it left in between, in words;
    `cost` is what it cost in the reference currency, empty while nobody can say.
    """

    cycle_id: str
    end: str
    whole: bool
    spent: str
    received: str
    cost: str
    left: str
    detail: str
    orders: int


def done_of(found: Delivered) -> Done:
    """What it came to, as it is told."""
    return Done(
        cycle_id=found.cycle_id,
        end=found.end.value,
        whole=found.end is CycleState.DONE,
        spent=plain(found.spent.normalize()),
        received=plain(found.received.normalize()),
        cost="" if found.cost_ref is None else f"{found.cost_ref:.4f}",
        left=found.left,
        detail=found.detail,
        orders=found.orders,
    )


async def carry_out(
    engine: Engine, conversion: Conversion, kind: ConversionKind, loss_budget: Decimal
) -> Refused | Delivered:
    """Begin a conversion now and wait until it is over, however long that takes.

    The engine must be running. `loss_budget` is as `Engine.convert` has it. Who stops waiting stops
    nothing: the engine ends what it began, and its next start does where it could not.
    """
    over: list[Cycle] = []
    now_ns = engine.setup.now_ns
    refused = engine.convert(conversion, kind, loss_budget, now_ns, over.append)
    if refused is not None:
        return refused
    while not over:
        await engine.setup.clock.sleep(LOOK_S)
    return delivered(over[0])
