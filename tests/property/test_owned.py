"""What is owned stays below its cap and beyond its reserve, told by the venue's own log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbit.config import InventorySettings, Settings
from arbit.config.inventory import Wanted
from arbit.domain.account import Flow
from arbit.domain.cycle import Policy
from arbit.domain.plan import SizeLimits
from arbit.domain.records import Batch
from arbit.domain.route import ConversionKind
from arbit.ledger import flow
from arbit.risk.room import Room
from arbit.routing import Around, route
from tests.property.nasty_acts import AS_FOUND, acts, taken
from tests.unit.execution.nasty import Act, EuroWorld
from tests.unit.execution.world import START, usual_settings

D = Decimal


# --- whatever is traded --------------------------------------------------------------------------

ACTS = acts(
    places=3,
    fee_in=st.sampled_from(["received", "received", "spent"]),
    match_s=st.sampled_from([0.0, 0.002, 0.3]),
    gap_s=st.sampled_from([0.002, 0.2]),
)


@dataclass(frozen=True)
class Turn:
    """A plan of at most `most`, money that comes or goes before it, and time that passes after.

    `share` of what is free goes when it is negative, so much of what was there at first comes.
    `into` is what a tenth of what may be spent of the asset is then converted into, if anything.
    """

    most: int
    wait_s: float
    asset: str
    share: Decimal
    moved_bps: int
    into: str = ""


TURNS = st.builds(
    Turn,
    most=st.sampled_from([60, 150, 150]),
    wait_s=st.sampled_from([0.0, 0.0, 0.01, 0.3, 4.0]),
    asset=st.sampled_from(["USD", "BTC", "ETH"]),
    share=st.sampled_from([D(0), D(0), D("-0.1"), D("-0.9"), D("0.02"), D("0.5")]),
    moved_bps=st.sampled_from([0, 0, 0, -300, 300]),
    into=st.sampled_from(["", "", "USD", "BTC", "ETH"]),
)
# A plan of 150 USD owns 1.5 BTC, 15 ETH and some 10 USD more at most, and starts with 150 USD.
BOUNDS = st.fixed_dictionaries(
    {
        "caps": st.fixed_dictionaries(
            {},
            optional={
                "BTC": st.sampled_from([Wanted(D("3.5")), Wanted(D(510), "USD")]),
                "ETH": st.sampled_from([Wanted(D("45.5")), Wanted(D(61))]),
                "USD": st.sampled_from([Wanted(D(10_012)), Wanted(D(10_170))]),
                "EUR": st.sampled_from([Wanted(D(0)), Wanted(D(100))]),
            },
        ),
        "reserve_amount": st.fixed_dictionaries(
            {},
            optional={
                "USD": st.sampled_from([D(9_840), D(9_600), D("9999.99")]),
                "BTC": st.sampled_from([D("0.4"), D(1)]),
                "ETH": st.sampled_from([D(14), D(29)]),
            },
        ),
    }
)


@given(
    acts=st.lists(ACTS, min_size=1, max_size=12),
    turns=st.lists(TURNS, min_size=2, max_size=5),
    bounds=BOUNDS,
    policy=st.sampled_from(list(Policy)),
)
@settings(max_examples=25, phases=AS_FOUND, deadline=None)
def test_nothing_traded_puts_an_asset_past_its_cap_or_spends_a_reserve(
    acts: list[Act], turns: list[Turn], bounds: dict[str, Any], policy: Policy
) -> None:
    world = bounded(acts, policy, bounds)
    asyncio.run(traded(world, turns))
    assert findings(world) == []


def bounded(acts: list[Act], policy: Policy, bounds: Mapping[str, Any]) -> EuroWorld:
    told: Settings = usual_settings(policy=policy, max_exposure=D(100_000))
    told = told.model_copy(update={"inventory": InventorySettings(**bounds)})
    return EuroWorld(*acts, settings=told)


async def traded(world: EuroWorld, turns: list[Turn]) -> None:
    tells_ends(world)
    async with world.running():
        await turned(world, turns, "a")
        await world.settle()
    assert_equal_books(world)


@given(
    acts=st.lists(ACTS, min_size=1, max_size=12),
    runs=st.lists(st.lists(TURNS, min_size=1, max_size=3), min_size=2, max_size=3),
    bounds=BOUNDS,
    policy=st.sampled_from(list(Policy)),
)
@settings(max_examples=12, phases=AS_FOUND, deadline=None)
def test_nor_do_runs_that_end_in_the_middle_and_others_that_take_over(
    acts: list[Act], runs: list[list[Turn]], bounds: dict[str, Any], policy: Policy
) -> None:
    first = bounded(acts, policy, bounds)
    asyncio.run(cut_off(first, acts, runs))
    assert findings(first) == []


async def cut_off(world: EuroWorld, acts: list[Act], runs: list[list[Turn]]) -> None:
    for number, turns in enumerate(runs):
        if number:
            settings_, epoch = world.settings, f"0000{number}"
            world = EuroWorld(*acts[number:], settings=settings_, before=world, epoch=epoch)
        tells_ends(world)
        async with world.running():
            if number:
                await world.recover()
            await turned(world, turns, str(number))
        await world.clock.advance(3.0)
    last = EuroWorld(settings=world.settings, before=world, epoch="0000z")
    tells_ends(last)
    async with last.running():
        await last.recover()
        await last.settle()
        await last.auditor.reconcile()
    assert_equal_books(last)


def tells_ends(world: EuroWorld) -> None:
    """The venue's log also says when a cycle was over."""
    release = world.ledger.release

    def over(cycle_id: str) -> None:
        release(cycle_id)
        world.nasty.log.append({"kind": "over", "cycle": cycle_id})

    world.ledger.release = over  # type: ignore[method-assign]  # it listens


def assert_equal_books(world: EuroWorld) -> None:
    for asset, amount in world.nasty.balances_.items():
        assert world.ledger.wallet(asset) == amount, asset


async def turned(world: EuroWorld, turns: list[Turn], run: str) -> None:
    books, markets = world.sights.books, world.sights.markets
    for number, turn in enumerate(turns):
        money(world, turn, f"L-{run}-{number}")
        taken(world, turn.most, turn.moved_bps)
        if turn.into not in {"", turn.asset}:
            spend = world.gate._room.inventory.spendable(turn.asset) / 10
            around = Around(books, markets, world.fees)
            best = route(turn.asset, turn.into, around, SizeLimits(spend)).best
            if best is not None:
                kind, now_ns = ConversionKind.CONVERT, world.clock.now_ns
                world.engine.convert(best, kind, best.spend / 10, now_ns)
        await world.clock.advance(turn.wait_s)


def money(world: EuroWorld, turn: Turn, ref: str) -> None:
    """It comes or goes: at the venue, and in our books at once."""
    base = START[turn.asset] if turn.share > 0 else max(world.ledger.free(turn.asset), D(0))
    amount = (base * turn.share).quantize(D("1e-8"))
    if not amount:
        return
    world.nasty.balances_[turn.asset] += amount
    postings = flow(Flow(ref, turn.asset, amount, "deposit", world.clock.wall_ns()))
    world.ledger.apply(postings)
    world.journal.write(Batch(postings=postings))
    world.nasty.log.append({"kind": "flow", "asset": turn.asset, "amount": f"{amount}"})


@dataclass
class Account:
    """The venue's balances as its log goes on, and what each open cycle has brought of them."""

    owned: dict[str, Decimal] = field(default_factory=lambda: dict(START))
    came: dict[str, Decimal] = field(default_factory=dict)  # deposits
    came_at: dict[str, int] = field(default_factory=dict)
    went_at: dict[str, int] = field(default_factory=dict)
    brought: dict[str, dict[str, Decimal]] = field(default_factory=dict)

    def rest(self, asset: str) -> Decimal:
        """What is there without what open cycles have brought."""
        mine = sum((max(one.get(asset, D(0)), D(0)) for one in self.brought.values()), D(0))
        return self.owned.get(asset, D(0)) - mine


def findings(world: EuroWorld) -> list[str]:
    """Each trade that put an asset past its cap, or that was paid from a reserve."""
    account, sent, found = Account(), dict[str, int](), list[str]()
    for at, record in enumerate(world.nasty.log):
        match record["kind"]:
            case "flow":
                asset, amount = record["asset"], D(record["amount"])
                account.owned[asset] += amount
                account.came[asset] = account.came.get(asset, D(0)) + max(amount, D(0))
                (account.came_at if amount > 0 else account.went_at)[asset] = at
            case "request" if record["method"] == "add_order":
                sent[record["cl_ord_id"]] = at
            case "over":
                account.brought.pop(record["cycle"], None)
            case "fill":
                found += _filled(world, account, record, sent[record["cl_ord_id"]])
    return found


def _filled(world: EuroWorld, account: Account, record: dict[str, Any], sent_at: int) -> list[str]:
    cycle_id = world.journal.orders[record["cl_ord_id"]].cycle_id
    start = world.journal.cycles[cycle_id].start_asset
    brought = account.brought.setdefault(cycle_id, {})
    base, quote = record["symbol"].split("/")
    sign = 1 if record["side"] == "buy" else -1
    totals = {base: sign * D(record["qty"]), quote: -sign * D(record["cost"])}
    if totals.get(record["fee_asset"], D(0)) > 0:
        totals[record["fee_asset"]] -= D(record["fee"])
    else:  # on top, and not what was asked for: nobody has decided to spend it
        account.owned[record["fee_asset"]] -= D(record["fee"])
    found: list[str] = []
    said = world.settings.inventory
    for asset, amount in totals.items():
        before = account.rest(asset)
        account.owned[asset] = account.owned.get(asset, D(0)) + amount
        brought[asset] = brought.get(asset, D(0)) + amount
        owned, after = account.owned[asset], account.rest(asset)
        cap, reserve = said.caps.get(asset), said.reserve_amount.get(asset, D(0))
        most = None if cap is None else cap.units(world.sights.prices[asset])
        late = sent_at < account.came_at.get(asset, -1)
        home = asset == start and most is not None and owned - account.came.get(asset, D(0)) <= most
        if most is not None and amount > 0 and owned > most and not (late or home):
            found.append(f"{record['n']}: {owned} {asset}, cap {most}")
        gone = sent_at < account.went_at.get(asset, -1)  # it was there when it was sent
        if after < min(before, reserve) and reserve and not gone:
            found.append(f"{record['n']}: {after} {asset} left, reserve {reserve}")
    return found


# --- a checker that sees what it is there for ----------------------------------------------------


def allow(*_: object, **__: object) -> None:
    """A rule that never refuses."""


TWICE = [Turn(150, 0.0, "USD", D(0), 0)] * 2
BUGS: list[tuple[str, str, Policy, dict[str, Any], list[Act], list[Turn]]] = [
    ("_within_owned", "cap", Policy.SEQUENTIAL, {"caps": {"BTC": Wanted(D("3.5"))}}, [], TWICE),
    ("_owned", "cap", Policy.PARALLEL, {"caps": {"USD": Wanted(D(10_001))}}, [], TWICE),
    (
        "_adds",
        "cap",
        Policy.SEQUENTIAL,
        {"caps": {"ETH": Wanted(D("45.5"))}},
        [Act(gap_s=0.2)],
        [Turn(150, 0.1, "USD", D(0), 0), Turn(10, 2.0, "ETH", D("0.5"), 0)],
    ),
    (
        "_beyond_reserve",
        "reserve",
        Policy.SEQUENTIAL,
        {"reserve_amount": {"USD": D(9_840)}},
        [],
        TWICE,
    ),
    (
        "_beyond_reserve",
        "reserve",
        Policy.PARALLEL,
        {"reserve_amount": {"ETH": D(29)}},
        [Act(), Act(match_s=0.3), Act()],  # ETH is sold before any is bought
        TWICE,
    ),
]


@pytest.mark.parametrize("planted", [False, True], ids=["kept", "patched away"])
@pytest.mark.parametrize(
    ("rule", "word", "policy", "bounds", "acts", "turns"), BUGS, ids=lambda one: str(one)[:24]
)
def test_the_checker_sees_what_each_rule_is_there_for(
    rule: str,
    word: str,
    policy: Policy,
    bounds: dict[str, Any],
    acts: list[Act],
    turns: list[Turn],
    planted: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if planted:
        monkeypatch.setattr(Room, rule, allow)
    world = bounded(acts, policy, bounds)
    asyncio.run(traded(world, turns))
    found = findings(world)
    assert bool(found) is planted, found
    assert all(word in one for one in found)
