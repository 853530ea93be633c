"""`arbit rebalance` at a venue that is open: what it tells of what is refused and done instead."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from arbit.app.acts.opened import Access, Ask
from arbit.app.acts.rebalance import Rebalance, RebalanceTold
from arbit.app.trade.rebalancer import MAX_TRIES
from arbit.domain.refusal import RefusalCode
from tests.unit.app.test_rebalancer import pass_s, rebalancer_of, refusing, world
from tests.unit.execution.world import World

D = Decimal
ASK = Ask("sandbox", Access.TRADED, "rebalance")


async def nothing() -> None:
    """All is there already."""


async def yes() -> bool:
    """No cycle is under way."""
    return True


async def no() -> bool:
    """One always is."""
    return False


def opened_of(made: World, *, traded: bool = True) -> Any:
    """As much of a venue that is open as the command looks at."""
    trader = SimpleNamespace(ledger=made.ledger, rebalancer=rebalancer_of(made))
    owned = {asset: made.ledger.wallet(asset) for asset in made.ledger.assets}
    return SimpleNamespace(
        settings=made.settings,
        clock=made.clock,
        known=SimpleNamespace(owned=owned),
        trader=trader if traded else None,
        notes=[],
        books=lambda: made.sights.books,
        markets=made.sights.markets,
        fees=made.fees,
        price=made.sights.prices.get,
        recovered=nothing,
        believed=nothing,
        calm=yes,
    )


async def told_by(made: World, *, traded: bool = True) -> RebalanceTold:
    """The report of the command, and that each move was shown before it was sent."""
    shown: list[int] = []
    command = Rebalance(made.settings, ASK, lambda told: shown.append(len(told.moves)))
    async with made.running():
        opened = opened_of(made, traded=traded)
        going = asyncio.get_running_loop().create_task(command.at(opened))
        for _ in range(120):
            await pass_s(made, 1)
            if going.done():
                break
        told = await going
    assert shown == list(range(1, len(told.moves) + 1))
    return told


async def test_what_is_out_of_its_band_is_brought_back_and_told() -> None:
    made = world()
    told = await told_by(made)
    (move,) = told.moves
    assert move.done is not None
    assert (move.path, move.done.end, move.instead) == ("BTC>USD", "done", False)
    assert not told.failed
    assert [one.owned for one in (*told.stands, *told.after)] == ["2", "1"]


async def test_what_the_gate_refuses_is_told_and_done_otherwise() -> None:
    made = world(targets={"BTC": "1", "ETH": "40"}, rebalance_cost_bps="200")
    risk = made.settings.risk.model_copy(update={"asset_caps": {"ETH": D(1)}})
    object.__setattr__(made.gate._room, "risk", risk)
    told = await told_by(made)
    first, second, third = told.moves[:3]
    assert [one.path for one in (first, second, third)] == ["BTC>ETH", "BTC>ETH>USD", "BTC>USD"]
    assert [one.instead for one in (first, second, third)] == [True, True, False]
    assert first.refusal["code"] == "asset_cap"
    assert third.done is not None


@pytest.mark.parametrize(
    ("code", "tries"), [(RefusalCode.ASSET_CAP, MAX_TRIES), (RefusalCode.KILL_SWITCH, 1)]
)
async def test_so_many_moves_are_tried_and_no_more(code: RefusalCode, tries: int) -> None:
    made = world(rebalance_cost_bps="200")
    asked = refusing(made, code)
    told = await told_by(made)
    assert len(asked) == len(told.moves) == tries
    assert told.failed
    assert [one.instead for one in told.moves] == [True] * (tries - 1) + [False]


async def test_where_nothing_is_sent_the_next_move_is_told() -> None:
    made = world()
    told = await told_by(made, traded=False)
    (move,) = told.moves
    assert (move.path, move.done, told.after) == ("BTC>USD", None, [])


async def test_while_cycles_never_end_nothing_is_moved_and_what_is_out_says_why() -> None:
    made = world()
    opened = opened_of(made)
    opened.calm = no
    async with made.running():
        told = await Rebalance(made.settings, ASK, lambda _: None).at(opened)
    assert (told.moves, told.failed) == ([], True)
    assert told.why_not == {"BTC": "cycles are under way without a pause (arbit pause VENUE first)"}
