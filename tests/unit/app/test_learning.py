"""What cycles teach as they end, and where it is kept."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from arbit.app.trade.learning import AT_ONCE, EVERY_NS, MAX_UNWATCHED, RIDERS, Learning
from arbit.config import RotationSettings
from arbit.domain.cycle import CycleState
from arbit.domain.learned import Learned
from arbit.domain.records import Batch, Incident
from arbit.domain.route import ConversionKind
from arbit.execution.cycle import Cycle
from arbit.odds import MAX_PATHS, Odds
from arbit.persistence.memory import MemoryJournal
from tests.unit.execution.world import Script, World

D = Decimal
PATH = "USD>BTC>ETH>USD"
NOTHING = Script(fraction=D(0))


def teaching(world: World) -> Odds:
    """From now on cycles of this world teach."""
    odds = Odds(RotationSettings())
    learning = Learning(odds, [], world.journal, 0)
    world.engine.setup = replace(world.setup, taught=learning.ended)
    return odds


async def taught(*scripts: Script) -> Learned | None:
    """What the journal keeps when one cycle is over."""
    world = World(*scripts)
    teaching(world)
    async with world.running():
        await world.trade()
    return world.journal.learned.get(PATH)


async def test_a_cycle_that_filled_teaches_and_costs_no_commit_of_its_own() -> None:
    plain, taught_too = World(), World()
    teaching(taught_too)
    for world in (plain, taught_too):
        async with world.running():
            await world.trade()
    assert plain.journal.learned == {}
    assert taught_too.journal.learned == {PATH: Learned(PATH, survived=D(1), filled=D(1))}
    assert taught_too.journal.writes == plain.journal.writes


async def test_a_first_leg_in_vain_teaches_that_the_gap_was_gone() -> None:
    assert await taught(NOTHING) == Learned(PATH, gone=D(1))


async def test_a_cycle_that_fell_short_teaches_what_it_lost_of_its_start() -> None:
    world, ended = World(Script(), NOTHING), list[Cycle]()
    teaching(world)
    world.engine.on_end = ended.append
    async with world.running():
        await world.trade()
    (cycle,) = ended
    assert cycle.state is CycleState.UNWOUND
    learning = Learning(Odds(RotationSettings()), [], MemoryJournal(), 0)
    lost = D("-12.5") * cycle.stake / 1000  # had it lost so much
    (learned,) = learning.ended(replace(cycle, record=replace(cycle.record, profit=lost)))
    assert learned == Learned(PATH, survived=D(1), failed=D(1), lost=D("0.0125"))
    assert world.journal.learned[PATH].failed == 1


async def test_an_order_that_was_refused_teaches_nothing_of_the_market() -> None:
    assert await taught(Script(shape="reject")) is None


async def an_end() -> Cycle:
    world, ended = World(), list[Cycle]()
    world.engine.on_end = ended.append
    async with world.running():
        await world.trade()
    return ended[0]


async def test_neither_a_conversion_nor_what_a_restart_cut_off_teaches() -> None:
    cycle = await an_end()
    learning = Learning(Odds(RotationSettings()), [], MemoryJournal(), 0)
    assert learning.ended(replace(cycle, recovering=True)) == ()
    record = replace(cycle.record, kind=ConversionKind.CONVERT, loss_budget=D(1))
    assert learning.ended(replace(cycle, record=record)) == ()
    assert [one.filled for one in learning.ended(cycle)] == [1]


def test_what_gaps_taught_is_kept_each_ten_minutes_in_small_batches() -> None:
    journal, odds = MemoryJournal(), Odds(RotationSettings())
    learning = Learning(odds, [Learned("old", filled=D(3))], journal, 0)
    for n in range(AT_ONCE + 5):
        odds.looked(f"p{n:04}", survived=True)
    learning.keep_now_and_then(EVERY_NS - 1, 0)
    assert journal.writes == 0
    learning.keep_now_and_then(EVERY_NS, 0)
    assert (journal.writes, len(journal.learned)) == (1, AT_ONCE)
    learning.keep_now_and_then(EVERY_NS + 1, 0)
    assert journal.writes == 1
    learning.keep_now_and_then(EVERY_NS * 2, 0)
    assert (journal.writes, len(journal.learned)) == (2, AT_ONCE + 5)
    learning.keep_now_and_then(EVERY_NS * 3, 0)
    assert journal.writes == 2, "there is nothing new"


def test_what_could_not_be_kept_is_tried_again() -> None:
    journal, odds = MemoryJournal(), Odds(RotationSettings())
    learning = Learning(odds, [], journal, 0)
    odds.looked(PATH, survived=True)
    journal.fails = "disk full"
    learning.keep_now_and_then(EVERY_NS, 0)
    journal.fails = ""
    learning.keep_now_and_then(EVERY_NS * 2, 0)
    assert journal.learned == {PATH: Learned(PATH, survived=D(1))}


def test_the_end_of_a_run_keeps_all_of_it() -> None:
    odds = Odds(RotationSettings())
    for n in range(AT_ONCE + 5):
        odds.looked(f"p{n:04}", survived=True)
    assert len(Learning(odds, [], MemoryJournal(), 0).rest()) == AT_ONCE + 5


async def test_no_more_than_a_few_rows_ride_with_a_cycle() -> None:
    odds = Odds(RotationSettings())
    learning = Learning(odds, [], MemoryJournal(), 0)
    for n in range(50):
        odds.looked(f"p{n:04}", survived=True)
    assert len(learning.ended(await an_end())) == RIDERS


def test_of_what_is_watched_no_more_the_best_known_is_kept_and_the_rest_forgotten() -> None:
    journal, odds = MemoryJournal(), Odds(RotationSettings())
    gone = [Learned(f"p{n:05}", survived=D(n)) for n in range(MAX_UNWATCHED + 3)]
    one, dear = Learned(PATH), Learned("p", filled=D(1))
    journal.write(Batch(learned=(*gone, one, dear)))
    learning = Learning(odds, (*gone, one, dear), journal, 0, {PATH})
    odds.looked("p00003", survived=True)  # learned of once more: it is remembered again
    learning.keep_now_and_then(EVERY_NS, 7)
    assert len(journal.learned) == 1 + MAX_UNWATCHED + 1
    assert {PATH, "p", "p00003", "p00004"} <= journal.learned.keys()
    assert journal.learned.keys().isdisjoint({"p00000", "p00001", "p00002"})
    (told,) = journal.incidents
    assert told == Incident("learned", told.detail, 7)
    assert told.detail == "what was learned of 4 triangles is forgotten: watched no more"
    learning.keep_now_and_then(EVERY_NS * 2, 0)
    assert len(journal.incidents) == 1, "once"


def test_what_could_not_be_forgotten_is_forgotten_later() -> None:
    journal, odds = MemoryJournal(), Odds(RotationSettings())
    gone = [Learned(f"p{n:05}") for n in range(MAX_UNWATCHED + 1)]
    journal.write(Batch(learned=tuple(gone)))
    learning = Learning(odds, gone, journal, 0, {PATH})
    journal.fails = "disk full"
    learning.keep_now_and_then(EVERY_NS, 0)
    journal.fails = ""
    learning.keep_now_and_then(EVERY_NS * 2, 0)
    assert len(journal.learned) == MAX_UNWATCHED


def test_what_is_watched_is_remembered_before_what_is_not() -> None:
    odds = Odds(RotationSettings())
    gone = [Learned(f"a{n:05}", filled=D(5)) for n in range(MAX_PATHS)]
    Learning(odds, [*gone, Learned(PATH, filled=D(9))], MemoryJournal(), 0, {PATH})
    assert odds.of(PATH, D(0)).filled == 9
    odds.attempted("new", None)
    assert odds.of("new", D(0)).filled == 1, "there is room to learn of others"
