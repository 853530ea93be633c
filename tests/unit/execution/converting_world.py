"""Conversions for the tests: found by routing on the standing books, carried out by the engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

from arbit.app.trade.conversion import carry_out
from arbit.domain.plan import SizeLimits
from arbit.domain.records import Book
from arbit.domain.refusal import Refused
from arbit.domain.route import Conversion, ConversionKind
from arbit.execution.converting import Delivered
from arbit.ledger import CONVERSION
from arbit.persistence import rows
from arbit.routing import Around, route
from tests.checker import Database
from tests.unit.execution.happenings import SOL_FEES, open_sol
from tests.unit.execution.world import FEES, Script, World

D = Decimal
RICH = D(1_000)  # a loss budget that never ends


class Fine(World):
    """A world whose markets have ticks fine enough for routes in every direction."""

    def __init__(self, *scripts: Script, **given: object) -> None:
        super().__init__(*scripts, **given)  # type: ignore[arg-type]  # those of a world
        self.refine()

    def refine(self) -> None:
        """Ticks of a ten-thousandth."""
        for name, one in self.sights.markets.items():
            self.sights.markets[name] = replace(one, price_increment=D("0.0001"))


class Wide(Fine):
    """One in which an asset outside the triangle is traded, too."""

    fees = FEES | SOL_FEES

    def refine(self) -> None:
        open_sol(self)
        super().refine()


def found(world: World, start: str, end: str, amount: str, legs: int) -> Conversion:
    """The best conversion of so many legs on the standing books."""
    around = Around(world.sights.books, world.sights.markets, world.fees)
    conversion = route(start, end, around, SizeLimits(D(amount))).by_legs[legs]
    assert isinstance(conversion, Conversion), conversion
    return conversion


async def convert(
    world: World,
    conversion: Conversion,
    kind: ConversionKind = ConversionKind.CONVERT,
    budget: Decimal = RICH,
    seconds: float = 120.0,
) -> Refused | Delivered:
    """Carry one out in virtual time."""
    going = asyncio.get_running_loop().create_task(
        carry_out(world.engine, conversion, kind, budget)
    )
    for _ in range(int(seconds * 10)):
        if going.done():
            return await going
        await world.clock.advance(0.1)
    going.cancel()
    raise AssertionError(f"still open: {world.engine.works}")


def code_of(answer: Refused | Delivered) -> str:
    """The code of a refusal."""
    assert isinstance(answer, Refused), answer
    return answer.code.value


def came_to(answer: Refused | Delivered) -> Delivered:
    """What a conversion came to, for it was not refused."""
    assert isinstance(answer, Delivered), answer
    return answer


def capital_moves(world: World) -> dict[str, Decimal]:
    """By asset, what conversions moved into the owner's capital (positive came in)."""
    return {
        one.asset: -one.amount
        for one in world.journal.postings
        if one.kind == CONVERSION and one.book is Book.CAPITAL
    }


def database_of(world: World) -> Database:
    """The journal's rows as they would stand in the file."""
    journal = world.journal
    ledger = [dict(rows.posting_row("a", one), n=n) for n, one in enumerate(journal.postings)]
    return Database(
        orders={name: dict(rows.order_row("a", one)) for name, one in journal.orders.items()},
        fills={name: dict(rows.trade_row("a", one)) for name, one in journal.trades.items()},
        cycles={name: dict(rows.cycle_row("a", one)) for name, one in journal.cycles.items()},
        ledger=ledger,
    )
