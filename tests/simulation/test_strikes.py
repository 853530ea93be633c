"""What is counted as a fault has struck something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from arbit.sandbox.book import ASK, BID
from tests.simulation.plan import TIMED_FAULTS, plan_of
from tests.simulation.rest import PrivateDoor
from tests.simulation.runner import run_seeds, workshop
from tests.simulation.swarm import Hit
from tests.simulation.world import World

NOBODY_THERE = ("line_cut", "line_mute", "feed_cut", "feed_mute", "feed_doubt", "stall")
PROCESSES = ("sigterm", "clock_back", "second_start", "token_expired")


@pytest.fixture
def world() -> Iterator[World]:
    """A seed's world before its daemon was ever started."""
    with workshop() as disk:
        one = World(3, disk, plan_of(3))
        one.swarm.on = True
        one.process.alive = False
        yield one
        one.watch.close()


def happen(world: World, name: str) -> int:
    """How often it is counted when its time comes."""
    before = sum(world.swarm.counts.values())
    world.mishaps._happen(name)
    return sum(world.swarm.counts.values()) - before


@pytest.mark.parametrize("name", [*NOBODY_THERE, *PROCESSES])
def test_what_finds_nobody_to_strike_is_not_counted(world: World, name: str) -> None:
    assert name in TIMED_FAULTS
    world.rng.random = lambda: 0.0  # type: ignore[method-assign]  # aimed at any market
    assert happen(world, name) == 0


@pytest.mark.parametrize("name", ["journal_full", "journal_locked", "operator_kill"])
def test_what_is_so_already_is_not_counted_again(world: World, name: str) -> None:
    world.mishaps._rng.random = lambda: 1.0  # type: ignore[method-assign]  # strikes at once
    assert [happen(world, name), happen(world, name)] == [1, 0]
    world.failing.unlock()


def test_a_withdrawal_of_more_than_there_is_is_not_counted(world: World) -> None:
    account = world.venue.account
    for asset in account.balances:
        account.balances[asset] = account.balances[asset] * 0
    assert happen(world, "withdrawal") == 0
    assert happen(world, "deposit") == 1


def test_reports_are_only_turned_round_where_two_wait() -> None:
    """Each time that it strikes, frames of more than one report leave, or leave last first."""
    asked: list[tuple[str, int]] = []

    def tend(world: World) -> None:
        stream, active = world.venue.stream, world.swarm.active
        flush, waiting = stream.flush, [0]

        def flushes() -> None:
            waiting[0] = sum(stream._entry(one) is not None for one in stream._news)
            flush()

        def asks(name: str) -> Hit | None:
            if name in {"exec_swap", "exec_batch"}:
                asked.append((name, waiting[0]))
            return active(name)

        stream.flush = flushes  # type: ignore[method-assign]  # to look on
        world.swarm.active = asks  # type: ignore[method-assign]  # as above

    for result in run_seeds([3, 4, 7], tend=tend):
        assert result.violations == []
    assert len(asked) > 50
    assert min(several for _, several in asked) >= 2


def test_a_lost_answer_is_lost_each_time_it_is_counted(world: World) -> None:
    """And about half of the questions never came to the venue."""
    world.swarm.rates = {"rest_lost": 0.5, "rest_reset": 0.5}
    asked, backs = list[str](), list[object]()
    face: Any = SimpleNamespace(
        receive=lambda name, *_: name, answer=lambda call, _: asked.append(call)
    )
    world.venue.face = face
    door = PrivateDoor(world.venue, world.process, None)  # type: ignore[arg-type]  # not asked
    back: Any = lambda _, value: backs.append(value)  # noqa: E731  to look on
    door._back = back  # type: ignore[method-assign]  # as above
    for _ in range(200):
        door._arrive("Balance", {}, None)  # type: ignore[arg-type]  # nobody waits for it
    struck = Counter[str]()
    for (name, _), count in world.swarm.counts.items():
        struck[name] += count
    resets = sum(isinstance(value, ConnectionResetError) for value in backs)
    assert len(backs) == 200 - struck["rest_lost"]
    assert resets == struck["rest_reset"]
    unheard = 200 - len(asked)
    assert 0.3 < unheard / (struck["rest_lost"] + resets) < 0.7


def test_a_fee_is_taken_in_an_asset_that_there_is_enough_of(world: World) -> None:
    world.swarm.rates = {"fee_third": 1.0}
    order: Any = SimpleNamespace(client_id="ab1", account="main")  # as much of one as is asked
    hooks = world.venue.exchange.hooks
    account, taken = world.venue.account, set()
    for asset in account.balances:
        account.balances[asset] = account.balances[asset] * (asset in {"EUR", "BTC"})
    for _ in range(50):
        taken.add(hooks.fee_asset(order))
    assert taken == {"EUR", "BTC"}
    account.balances.clear()
    assert hooks.fee_asset(order) == ""


def test_makers_come_back_where_crumbs_are_all_that_is_left(world: World) -> None:
    market, planter = world.venue.market, world.venue.planter
    book = market.pairs["EUR/USD"].book
    planter.refill()
    before = book.top(ASK, 5)
    planter.refill()
    assert book.top(ASK, 5) == before, "there is enough"
    for price, qty in before[:-1]:
        book.submit("taker", BID, price, qty, rests=False)
    (price, qty), *more = book.top(ASK, 5)
    book.submit("taker", BID, price, qty - 1, rests=False)
    assert not more
    planter.refill()
    assert len(book.top(ASK, 5)) > 1
