"""Carries a conversion out: hands it to the engine, waits for its end, and says what it moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from arbit.app.trader import Trader
from arbit.domain.cycle import CycleState
from arbit.domain.money import EXACT, ZERO, plain
from arbit.domain.route import Conversion, ConversionKind
from arbit.execution.cycle import Cycle
from arbit.ports import Clock

STEP_S = 0.02
NOT_YET = "conversions cannot be sent yet"


@dataclass(slots=True)
class Done:
    """What a conversion moved, in exact text. `left` is what stayed in between."""

    cycle_id: str
    end: str
    spent: str
    received: str
    whole: bool
    left: Mapping[str, str] = field(default_factory=dict)
    detail: str = ""


async def carry_out(
    trader: Trader, clock: Clock, conversion: Conversion, kind: ConversionKind, budget: Decimal
) -> Done | str:
    """Send it, and wait until it is over; in words why it was refused.

    `budget` is what it may lose at worst, in units of what it spends.
    """
    convert = getattr(trader.engine, "convert", None)
    if convert is None:
        return NOT_YET
    before = set(trader.engine.works) | set(trader.engine.past)
    refused = convert(conversion, kind, budget, clock.monotonic_ns())
    if refused is not None:
        return str(refused)
    fresh = [one for one in (*trader.engine.works, *trader.engine.past) if one not in before]
    while any(one in trader.engine.works for one in fresh):
        await clock.sleep(STEP_S)
    return done_of(trader.engine.past[fresh[0]], conversion)


def done_of(cycle: Cycle, conversion: Conversion) -> Done:
    """What it moved."""
    moved = cycle.moved()
    spent = EXACT.minus(moved.pop(conversion.start, ZERO))
    received = moved.pop(conversion.end, ZERO)
    return Done(
        cycle_id=cycle.cycle_id,
        end=cycle.state.value,
        spent=plain(spent.normalize()),
        received=plain(received.normalize()),
        whole=cycle.state is CycleState.DONE,
        left={asset: plain(amount) for asset, amount in sorted(moved.items()) if amount},
        detail=cycle.record.detail,
    )
