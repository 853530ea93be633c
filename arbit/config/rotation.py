"""Which of several triangles is tried first, and which is left alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from arbit.config.fields import AMOUNTS, Amount, AmountByAsset, setting, within


class RotationSettings(BaseModel):
    """How triangles are chosen among. How long one rests after a cycle is `risk.cooldown_ms`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prior_weight: Annotated[Decimal, within(1, 1000)] = setting(
        Decimal(2),
        "for how many observations of its own the mean of all triangles counts with each",
        unit="observations",
        why="three cycles of its own say more than all others; heavier learns later",
    )
    memory: Annotated[int, within(20, 100_000)] = setting(
        1000,
        "observations of a triangle after which what is older counts for half",
        unit="observations",
        why="markets change; a thousand tell a fill chance to a hundredth or two",
    )
    losing_after: Annotated[int, within(0, 10_000)] = setting(
        5,
        "cycles after which a triangle that loses on its record is left alone; "
        "0 never leaves one alone",
        unit="cycles",
        why="fewer are chance, more are dear. Tried again once `memory` gaps of it have gone by",
        expect="a whole number from 0 to 10000 cycles, at most half of memory",
    )
    losing_doubt: Annotated[Decimal, within(0, 1000)] = setting(
        Decimal(3),
        "how many more cycles a triangle is taken to fill before it is said to lose on its record; "
        "0 goes by the record alone",
        unit="cycles",
        why="bad luck at first would cost a good one its place; more pays longer for the bad ones",
    )
    margin_percent: Annotated[Decimal, within(0, 1000)] = setting(
        Decimal(5),
        "by how much another triangle must be better to displace the one that stands first",
        unit="%",
        why="two that are worth the same would take turns with every update of a book",
    )
    hold_ms: Annotated[int, within(0, 3_600_000)] = setting(
        1000,
        "how long a triangle that was first stands first, when it shows again",
        unit="ms",
        why="as long as it rests after a cycle; what was first a minute ago is one of many",
    )
    liquidity_floor: Amount = setting(
        Decimal(0),
        "value that each leg's book must hold within `max_slippage_bps` of its top, on the side "
        "that is traded with",
        unit="reference units",
        why="0: sizing takes no more than is there; raise it where thin books are bait",
        expect="a number from 0 to 1e12 reference units",
    )
    start_budgets: AmountByAsset = setting(
        {},
        "most that cycles under way may have started with together, by start asset",
        unit="units of each asset",
        why="empty: `max_concurrent_cycles` times `max_notional_per_cycle` is the most",
        expect=AMOUNTS,
    )

    @field_validator("losing_after")
    @classmethod
    def _is_remembered(cls, cycles: int, info: ValidationInfo) -> int:
        if cycles * 2 > info.data.get("memory", 2 * cycles):  # older cycles count for half
            raise ValueError("losing_after")
        return cycles
