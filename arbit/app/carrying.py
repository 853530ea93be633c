"""Carries a conversion out: begins it, and waits for what it comes to."""

from __future__ import annotations

from decimal import Decimal

from arbit.domain.refusal import Refused
from arbit.domain.route import Conversion, ConversionKind
from arbit.execution.converting import Delivered, delivered
from arbit.execution.cycle import Cycle
from arbit.execution.engine import Engine

LOOK_S = 0.02


async def carried_out(
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
