"""The checker's rules about conversions, on what the engine wrote, and on the same with one lie."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from arbit.domain.records import Posting
from arbit.domain.route import ConversionKind
from tests.checker import Database
from tests.checker_conversions import check_conversions
from tests.checker_late import check_cycles
from tests.unit.execution import converting_world as worlds
from tests.unit.execution.happenings import NO_ETH, SOL_MARKETS, over, take
from tests.unit.execution.sights import ONLINE
from tests.unit.execution.world import Script, usual_settings

D = Decimal


async def _three_legs() -> Database:
    world = worlds.Wide(Script(fraction=D("0.5")))
    async with world.running():
        await worlds.convert(world, worlds.found(world, "USD", "SOL", "150", 3))
    return worlds.database_of(world)


async def _back() -> Database:
    world = worlds.Fine(Script(), Script(fraction=D(0)))
    async with world.running():
        conversion = worlds.found(world, "USD", "ETH", "150", 2)
        world.engine.convert(conversion, ConversionKind.CONVERT, D(5), world.clock.now_ns)
        world.sights.books["ETH/BTC"] = NO_ETH
        await over(world)
    return worlds.database_of(world)


async def _pays_back(amount: str) -> Database:
    """A cycle was held with some BTC; then it is sold, or more than it."""
    risk = usual_settings(unwind_budget_bps=D(1))
    world = worlds.Fine(Script(), Script(fraction=D(0)), settings=risk)
    async with world.running():
        assert take(world) is None
        world.sights.books["ETH/BTC"] = NO_ETH
        await over(world)
        world.breaker.resume()
        await world.clock.advance(1)
        await worlds.convert(world, worlds.found(world, "BTC", "USD", amount, 1))
    return worlds.database_of(world)


@pytest.fixture(scope="module", name="made")
def _made() -> dict[str, Database]:
    for name, one in SOL_MARKETS.items():
        ONLINE[name] = one
    try:
        return {
            "three": asyncio.run(_three_legs()),
            "back": asyncio.run(_back()),
            "more": asyncio.run(_pays_back("1.8")),
            "less": asyncio.run(_pays_back("0.5")),
        }
    finally:
        for name in SOL_MARKETS:
            del ONLINE[name]


def the(database: Database) -> dict[str, Any]:
    """Its only conversion."""
    (row,) = [row for row in database.cycles.values() if row["kind"]]
    return row


@pytest.mark.parametrize("name", ["three", "back", "more", "less"])
def test_what_the_engine_wrote_agrees(made: dict[str, Database], name: str) -> None:
    assert check_conversions(made[name]) == []
    assert check_cycles(made[name], settled=True) == []
    assert the(made[name])["ended_ns"]


def _lines(database: Database, kind: str = "conversion") -> list[dict[str, Any]]:
    return [one for one in database.ledger if one["kind"] == kind]


def _all_is_the_owners(database: Database) -> None:
    """What trading had moved is not paid back first."""
    moved = {"trading": D("-1.8"), "capital": D("1.8")}
    for line in _lines(database):
        if line["asset"] == "BTC":
            line["amount"] = str(moved[line["book"]])


def _nothing_is_the_owners(database: Database) -> None:
    database.ledger = [one for one in database.ledger if one["kind"] != "conversion"]


def _one_end_alone(database: Database) -> None:
    end = the(database)["path"].rpartition(">")[2]
    database.ledger = [
        one for one in database.ledger if one["kind"] != "conversion" or one["asset"] != end
    ]


def _twice(database: Database) -> None:
    database.ledger += copy.deepcopy(_lines(database))


def _of_another_asset(database: Database) -> None:
    more = Posting(the(database)["cycle_id"], "conversion", "capital", "BTC", D(1), 0)  # type: ignore[arg-type]  # a word as it stands in the file
    database.ledger.append({"n": 10**6, **{name: getattr(more, name) for name in more.__slots__}})


def _a_profit(database: Database) -> None:
    the(database)["profit"] = "-75"


def _of_no_conversion(database: Database) -> None:
    the(database)["kind"] = None


def _too_large_a_leg(database: Database) -> None:
    row = the(database)
    plan = json.loads(row["plan"])
    plan[1][4] = "1000"
    row["plan"] = json.dumps(plan)
    for order in database.orders.values():
        if order["leg_index"] == 2:
            order["qty"] = "999"


def _beyond_the_plan(database: Database) -> None:
    for order in database.orders.values():
        if order["leg_index"] == 1:
            order["qty"] = str(D(order["qty"]) * 3)


def _a_leg_again(database: Database) -> None:
    again = dict(next(one for one in database.orders.values() if one["leg_index"] == 1))
    database.orders["ab-again"] = again | {"client_id": "ab-again"}


def _moved_before_it_was_over(database: Database) -> None:
    the(database)["ended_ns"] = 0


def _home_from_the_start(database: Database) -> None:
    for order in database.orders.values():
        if order["purpose"] == "unwind":
            order["spend"] = "USD"


LIES: dict[str, tuple[str, Callable[[Database], None], str]] = {
    "paid back as capital": ("more", _all_is_the_owners, "is the owner's of"),
    "not booked": ("three", _nothing_is_the_owners, "0 SOL is the owner's"),
    "not booked, pays back": ("more", _nothing_is_the_owners, "0 BTC is the owner's"),
    "one end": ("three", _one_end_alone, "0 SOL is the owner's"),
    "twice": ("back", _twice, "moved capital of USD 2 times"),
    "in between": ("three", _of_another_asset, "moved capital of BTC"),
    "profit": ("three", _a_profit, "a profit of -75"),
    "a cycle": ("three", _of_no_conversion, "is no conversion"),
    "too large": ("three", _too_large_a_leg, "leg 2 may spend"),
    "beyond": ("three", _beyond_the_plan, "leg 1 is buy"),
    "again": ("three", _a_leg_again, "leg 1 was ordered twice"),
    "open": ("three", _moved_before_it_was_over, "not over, and moved capital"),
    "home": ("back", _home_from_the_start, "goes on or back, and spends USD"),
}


@pytest.mark.parametrize("name", sorted(LIES))
def test_each_lie_is_found(made: dict[str, Database], name: str) -> None:
    which, lie, said = LIES[name]
    database = copy.deepcopy(made[which])
    lie(database)
    assert any(said in one for one in check_conversions(database)), check_conversions(database)
