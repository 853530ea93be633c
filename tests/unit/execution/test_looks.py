"""What a look at the account holds back while it lasts, and what it tells, corrects and accepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal

import pytest

from arbit.domain.account import AccountStreamBack, AccountStreamLost, Flow
from arbit.risk.breaker import BreakerState, Reason
from tests.unit.execution.happenings import (
    audit,
    auditing,
    incidents,
    open_sol,
    over,
    pass_time,
    refusal,
)
from tests.unit.execution.test_homing import REJECT, sol, stuck
from tests.unit.execution.test_rounding import DIGITS, hear, lists
from tests.unit.execution.world import Script, ScriptedVenue, World

D = Decimal
__all__ = ["sol"]


class SlowVenue(ScriptedVenue):
    """Lists take as long as the venue's request counter makes them wait."""

    slow_s = 0.0

    async def flows_since(self, since_ns: int) -> Sequence[Flow]:
        if self.slow_s:
            await self.clock.sleep(self.slow_s)
        return await super().flows_since(since_ns)


class SlowWorld(World):
    venue_of = SlowVenue


def settled(world: World) -> bool:
    """Whether the next start could do without lists."""
    return world.auditor.settled


async def begun(world: World) -> World:
    """The account is opened, and its stream is whole."""
    await world.auditor.begin(0, first=False)
    world.auditor(AccountStreamBack())
    return world


async def test_a_look_that_was_asked_for_holds_new_cycles_back_also_while_it_lasts() -> None:
    world = SlowWorld()
    async with world.running():
        await begun(world)
        assert refusal(world) == ""
        await over(world)
        world.auditor(AccountStreamLost("cut"))
        world.auditor(AccountStreamBack())
        assert isinstance(world.venue, SlowVenue)
        world.venue.slow_s = 200.0
        with auditing(world):
            await pass_time(world, 60, 1)
            assert refusal(world) == "audit"
            await pass_time(world, 300, 1)
            assert refusal(world) == ""
            await over(world)


async def test_nothing_begins_while_a_difference_is_being_looked_into() -> None:
    """Lists may take minutes; what has gone may be somebody else's doing."""
    world = SlowWorld()
    async with world.running():
        await begun(world)
        assert isinstance(world.venue, SlowVenue)
        world.venue.slow_s = 100.0
        world.venue.balances_["USD"] -= 5_000
        with auditing(world):
            await pass_time(world, 70, 1)
            assert world.breaker.state() is BreakerState.ACTIVE
            assert refusal(world) == "audit"
            await pass_time(world, 400, 1)
        assert world.breaker.reason is Reason.DRIFT


async def test_a_drift_that_stays_is_told_once() -> None:
    world = World()
    async with world.running():
        await begun(world)
        world.venue.balances_["USD"] -= 5_000
        with auditing(world):
            await pass_time(world, 1_200, 1)
            assert incidents(world) == ["drift"]
            world.venue.balances_["USD"] -= 1
            await pass_time(world, 200, 1)
            assert incidents(world) == ["drift", "drift"], "another one is news"


async def test_an_operators_word_books_what_is_less_than_a_unit_too() -> None:
    """Else it is looked into every minute, for ever, and no start is without lists."""
    world = World()
    async with world.running():
        world.venue.digits_ = dict(DIGITS)
        await begun(world)
        world.venue.balances_["USD"] += D("0.005")
        await audit(world)
        assert incidents(world) == []
        assert not world.auditor.settled
        world.auditor.accept_balances = True
        await audit(world)
        assert world.ledger.drift("USD", world.venue.balances_["USD"]) == 0
        await audit(world)
    assert settled(world)
    assert incidents(world) == ["accepted"]


async def test_the_list_corrects_what_the_stream_told_with_more_digits() -> None:
    world = World()
    async with world.running():
        world.venue.digits_ = dict(DIGITS)
        await begun(world)
        for number in range(4):
            known = len(world.venue.trades)
            world.engine.take(world.plan(f"{100 + number}.731"), world.clock.now_ns)
            await over(world)
            fresh = world.venue.trades[known:]
            rows, exact = lists(world, *fresh), list[Flow]()
            for trade in fresh:
                moved: dict[str, Decimal] = {}
                for asset, amount in trade.moves(*trade.symbol.split("/")):
                    moved[asset] = moved.get(asset, D(0)) + amount
                mine = [row for row in rows if row.trade_id == trade.trade_id]
                exact += [replace(row, amount=moved[row.asset]) for row in mine]
            hear(world, exact)
            world.auditor.round_off()
            await pass_time(world, 2)
            await audit(world)
            assert world.breaker.state() is BreakerState.ACTIVE, world.breaker.detail
        drifts = {a: world.ledger.drift(a, world.venue.balances_[a]) for a in DIGITS}
    assert set(drifts.values()) == {0}


@pytest.mark.usefixtures("sol")
async def test_half_way_through_a_detour_no_more_is_sold_than_the_venue_surely_keeps() -> None:
    """No market of the plan has the asset: another one says how many digits are kept of it."""
    world = World(Script(), REJECT)
    open_sol(world)
    for name, one in world.sights.markets.items():
        kept = 1 if "SOL" in name else 8
        world.sights.markets[name] = replace(one, base_digits=kept, quote_digits=8)
    async with world.running():
        stuck(world)
        await over(world)
    bought = next(one for one in world.venue.trades if one.symbol == "SOL/BTC")
    got, fee = bought.qty.quantize(D("0.1"), ROUND_DOWN), dict(bought.fees)["SOL"]
    surely = got - fee.quantize(D("0.1"), ROUND_CEILING)
    spent = [one.most_spent for one in world.venue.sent if one.leg.spend == "SOL"]
    assert spent
    assert all(one <= surely for one in spent)


async def test_to_resume_alone_is_answered_by_another_look_at_once() -> None:
    """Nothing begins on books that are known to be wrong, and nobody waits a minute to hear so."""
    world = World()
    async with world.running():
        await begun(world)
        world.venue.balances_["USD"] -= 5_000
        with auditing(world):
            await pass_time(world, 100, 1)
            assert incidents(world) == ["drift"]
            world.breaker.resume()
            assert refusal(world) == "audit"
            await pass_time(world, 10, 1)
        assert incidents(world) == ["drift", "drift"]
        assert world.breaker.reason is Reason.DRIFT
