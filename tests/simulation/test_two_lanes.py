"""Two lanes share places: caps hold on both exchanges' logs, lanes take turns, accounts stay apart.

Also when the process is killed and started again in the middle.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import Any

import pytest

from arbit.app.store import DATABASE
from arbit.risk.slots import Seat, Slots
from tests.patches import Sets, patched
from tests.simulation.runner import workshop
from tests.simulation.two_lanes import TwoLanes, out_of_turn, together

SECONDS, KILLED_S = 12.0, 5.0
ROUGHLY = Decimal("1.01")  # what a cycle began with is reckoned at fixed prices


@contextmanager
def traded(seed: int = 1, **bounds: Any) -> Iterator[TwoLanes]:
    """Two lanes that had something to take all the time, and were killed once."""
    with workshop() as disk:
        world = TwoLanes(seed, disk, **bounds)
        world.run(SECONDS, KILLED_S)
        assert world.loop.unhandled == []
        assert [one.open_cycles for one in world.reports] == [0, 0]
        yield world


def accounts_apart(world: TwoLanes) -> None:
    """Each account's rows are of its own exchange, and its books are that exchange's."""
    with closing(sqlite3.connect(world.folder / DATABASE)) as database:
        asked = database.execute("SELECT account, client_id FROM orders").fetchall()
        ((open_,),) = database.execute("SELECT count(*) FROM cycles WHERE ended_ns=0").fetchall()
    assert open_ == 0
    ids = {lane: world.ids(lane) for lane in world.venues}
    accounts = {lane: str(trader.setup.account) for lane, trader in world.traders()}
    assert len(set(accounts.values())) == 2
    for lane, mine in ids.items():
        there = {client_id for account, client_id in asked if account == accounts[lane]}
        assert mine
        assert mine <= there
        assert not there & set().union(*(ids[other] for other in ids if other != lane))
    for lane, trader in world.traders():
        venue, ledger = world.venues[lane], trader.ledger
        for asset, amount in venue.account.balances.items():
            left = amount - ledger.wallet(asset)
            assert venue.agrees(asset, left, ledger.slack(asset)), f"{lane} {asset}: {left}"


@pytest.mark.parametrize(
    ("bounds", "code"),
    [
        ({"max_total_cycles": 1}, "total_cycles"),
        ({"max_total_cycles": 4, "max_total_notional": Decimal(300)}, "total_notional"),
    ],
)
def test_lanes_take_turns_at_the_last_place_and_no_cap_is_exceeded_over_a_kill(
    bounds: dict[str, Any], code: str
) -> None:
    with traded(**bounds) as world:
        spans = world.spans()
        cycles, usd = together(spans)
        assert cycles == 1
        assert usd <= Decimal(300) * ROUGHLY
        begun = Counter(one.lane for one in spans)
        assert min(begun.values()) > 8, begun
        for lane in world.venues:
            assert world.refusals[f"{lane} {code}"] > 8, "it wanted more than it got"
            assert world.refusals[f"{lane} lane_turn"] > 0, "the other's turn was kept"
        assert out_of_turn(world.asks) == []
        accounts_apart(world)


def test_with_room_for_both_they_are_under_way_at_once() -> None:
    with traded(max_total_cycles=4) as world:
        assert together(world.spans())[0] > 1
        accounts_apart(world)


def nobody_waits(sets: Sets) -> None:
    sets(Seat, "waits", lambda _self, _now_ns: False)


def each_lane_alone(sets: Sets) -> None:
    sets(Slots, "join", lambda *_: None)
    sets(Slots, "ask", lambda *_: None)


def test_a_lane_that_takes_the_last_place_again_and_again_is_seen() -> None:
    with patched(nobody_waits), traded(max_total_cycles=1) as world:
        assert out_of_turn(world.asks)


def test_lanes_that_do_not_know_of_each_other_are_seen() -> None:
    with patched(each_lane_alone), traded(max_total_cycles=1) as world:
        assert together(world.spans())[0] > 1
