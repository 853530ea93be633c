"""Over hundreds of cycles, partial fills and ways home, every digit of the account has a cause."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal

import pytest

from arbit.app.reports.explaining import Explained, explain_all, reconcile
from arbit.domain.account import Flow
from arbit.domain.attribution import Cause, added
from arbit.domain.recorded import Recorded
from arbit.domain.records import Book, Posting
from arbit.domain.walk import WIDE
from arbit.ledger import flow, opening
from arbit.persistence.memory import MemoryJournal
from arbit.risk.breaker import BreakerState, Reason
from tests.unit.execution.converting_world import Fine, convert, found
from tests.unit.execution.happenings import pass_time
from tests.unit.execution.late_world import LateWorld
from tests.unit.execution.world import START, Script, World

D = Decimal
FRACTIONS = [D(1)] * 6 + [D("0.5"), D("0.31"), D("0.07"), D(0)]
CYCLES = 200


def scripts(rng: random.Random) -> list[Script]:
    """How the venue treats the next orders: whole, in part, not at all, refused, late, dearer."""
    made = []
    for _ in range(8):
        shape = rng.choice(["ok"] * 9 + ["reject"])
        fee_asset = rng.choice([""] * 9 + ["KFEE"])
        made.append(
            Script(rng.choice(FRACTIONS), shape, pieces=rng.randint(1, 3), fee_asset=fee_asset)
        )
    return made


def recorded(journal: MemoryJournal) -> Recorded:
    return Recorded(
        account="test:sandbox:k",
        cycles=tuple(journal.cycles.values()),
        orders=tuple(journal.orders.values()),
        trades=tuple(journal.trades.values()),
        walks=tuple(journal.walks.values()),
        postings=tuple(journal.postings),
        late_fees=tuple(journal.late_fees.values()),
        transfers={one.ref: one.kind for one in journal.transfers.values()},
    )


def changed(balances: dict[str, Decimal]) -> dict[str, Decimal]:
    """What the venue's account has more than at first."""
    return added(balances.items(), ((asset, WIDE.minus(amount)) for asset, amount in START.items()))


def no_rest(found: Explained) -> Counter[str]:
    """Every cycle is explained without a rest; how often each cause was found."""
    assert found.unexplained == {}
    causes: Counter[str] = Counter()
    for one in found.cycles.values():
        assert one.rest == {}
        causes.update({line.cause.value for line in one.lines})
        left = one.value(one.expected)
        for cause in Cause:
            left = WIDE.subtract(left, one.value(one.shortfall(cause)))
        assert left == one.value(one.moved)
    return causes


async def traded(world: World, count: int) -> None:
    """So many cycles, one after the other, whatever becomes of each."""
    rng = random.Random(7)
    for _ in range(count):
        world.venue.scripts[:] = scripts(rng)
        await world.trade()
        world.breaker.resume()


@pytest.mark.untraced
async def test_two_hundred_cycles_add_up_to_the_account_to_the_last_decimal() -> None:
    world = World()
    async with world.running():
        await traded(world, CYCLES)
    told = explain_all(recorded(world.journal))
    assert len(told.cycles) == CYCLES
    ends = Counter(one.state.value for one in world.journal.cycles.values())
    assert ends["unwound"] > 20
    assert ends["done"] > 20
    causes = no_rest(told)
    assert min(causes[cause] for cause in ("partial", "latency", "fee", "rounding")) > 0
    assert told.moved == changed(world.venue.balances_)


async def test_conversions_that_fall_short_and_go_on_or_back_add_up_too() -> None:
    world, rng = Fine(), random.Random(11)
    async with world.running():
        for number in range(30):
            start, end = (("USD", "ETH"), ("ETH", "USD"), ("BTC", "ETH"))[number % 3]
            amount = {"USD": "150", "ETH": "0.5", "BTC": "0.02"}[start]
            legs = 2 if number % 2 else 1
            world.venue.scripts[:] = scripts(rng)
            await convert(world, found(world, start, end, amount, legs))
            world.breaker.resume()
    told = explain_all(recorded(world.journal))
    no_rest(told)
    assert len(told.cycles) > 20
    ends = Counter(one.state.value for one in world.journal.cycles.values())
    assert min(ends["done"], ends["unwound"]) > 1
    assert told.moved == changed(world.venue.balances_)
    for one in told.cycles.values():  # at their own prices nothing is gained or lost
        assert abs(one.value(one.at_tops)) < D("1e-20")


@pytest.mark.parametrize("together", [1, 3])
async def test_fees_posted_later_are_booked_into_the_fee_of_their_cycles(together: int) -> None:
    world = LateWorld()
    async with world.running():
        await traded(world, 30)
        before = explain_all(recorded(world.journal))
        trades = list(world.venue.trades)
        for asset in sorted({one.fees[0][0] for one in trades}):
            mine = [one for one in trades if one.fees[0][0] == asset]
            world.late.post(*(mine[n : n + together] for n in range(0, len(mine), together)))
        await pass_time(world, 5)
        await world.auditor.reconcile()
    told = explain_all(recorded(world.journal))
    no_rest(told)
    assert told.outside == []
    assert told.moved == changed(world.venue.balances_)
    others = [cause for cause in Cause if cause is not Cause.FEE]
    for cycle_id, one in told.cycles.items():
        was = before.cycles[cycle_id]
        assert all(one.shortfall(cause) == was.shortfall(cause) for cause in others)
    assert any(one.lines != before.cycles[name].lines for name, one in told.cycles.items())


def posted(ref: str, kind: str, amount: str, at_ns: int = 5) -> Posting:
    return Posting(ref, kind, Book.WALLET, "USD", D(amount), at_ns)


def test_every_change_of_a_balance_is_fill_fee_transfer_or_unexplained() -> None:
    postings = [
        *opening("USD", D(100), 1),
        posted("T1", "trade", "-50"),
        posted("T1", "fee", "-0.2"),
        posted("T1", "rounding", "0.00001"),
        posted("P1", "late_fee", "0.001"),
        posted("costs:9:USD", "cost", "-0.00000001"),
        posted("L1", "flow", "25"),
        posted("L2", "flow", "-5"),
        posted("L3", "flow", "1"),
        posted("accepted:7:USD", "flow", "-0.3"),
        posted("c1", "no such kind", "0.7"),
    ]
    (usd,) = reconcile(postings, {"L1": "deposit", "L2": "withdrawal"})
    assert usd.opening == 100
    assert usd.fills == -50
    assert usd.fees == D("-0.199")
    assert usd.rounding == D("0.00000999")
    assert usd.transfers == {"deposit": D(25), "withdrawal": D(-5), "transfer": D(1)}
    assert usd.unexplained == D("0.4")
    parts = [usd.opening, usd.fills, usd.fees, usd.rounding, usd.unexplained]
    assert sum([*parts, *usd.transfers.values()], D(0)) == usd.closing
    (later,) = reconcile(postings, {}, from_ns=6)
    assert (later.opening, later.closing) == (usd.closing, usd.closing)


async def test_a_flow_keeps_the_word_for_why_it_came() -> None:
    world = World()
    async with world.running():
        await world.recover()
        deposit = Flow("L9", "USD", D("12.5"), "deposit", world.clock.wall_ns())
        world.venue.flows.append(deposit)
        world.venue.balances_["USD"] += D("12.5")
        await world.auditor.reconcile()
    kept = recorded(world.journal)
    assert kept.transfers == {"L9": "deposit"}
    assert [one for one in kept.postings if one.ref == "L9"] == list(flow(deposit))


async def test_what_nothing_explains_stops_trading_and_stays_named_when_it_is_accepted() -> None:
    world = World()
    async with world.running():
        await world.recover()
        world.venue.balances_["USD"] -= D("0.37")
        await world.recover()
        assert world.breaker.reason is Reason.DRIFT
        assert world.breaker.state() is BreakerState.HALTED
        world.auditor.accept_balances = True
        await world.recover()
    kept = recorded(world.journal)
    (usd,) = [one for one in reconcile(kept.postings, kept.transfers) if one.asset == "USD"]
    assert usd.unexplained == D("-0.37")
    assert usd.transfers == {}
    assert usd.closing == world.venue.balances_["USD"]
