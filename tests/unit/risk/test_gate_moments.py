"""The gate asks of this very moment and for this very cycle, and of nothing else."""

from __future__ import annotations

from decimal import Decimal

from arbit.domain.book import BookView
from arbit.domain.records import Book, Posting, Purpose
from arbit.ledger import Reach
from arbit.risk.breaker import Reason
from arbit.risk.envelope import Approved
from arbit.risk.gate import Gate
from tests.unit.execution.sights import FixedSights
from tests.unit.execution.world import START, World
from tests.unit.risk.gate_world import BACK, HOME, approved, home, record, review, told

D = Decimal


class Watched(FixedSights):
    """Sights that keep for which moment they were asked."""

    def __init__(self, world: World) -> None:
        super().__init__(world.clock)
        self.books, self.markets = dict(world.sights.books), world.sights.markets
        self.asked: list[tuple[str, int]] = []

    def view(self, symbol: str, now_ns: int) -> BookView | None:
        self.asked.append(("view", now_ns))
        return super().view(symbol, now_ns)

    def in_reference(self, asset: str, now_ns: int) -> Decimal | None:
        self.asked.append(("price", now_ns))
        return super().in_reference(asset, now_ns)


def watched(world: World) -> Watched:
    """The world's gate looks through these from now on."""
    sights = Watched(world)
    object.__setattr__(world.gate._setup, "sights", sights)
    object.__setattr__(world.gate._room, "sights", sights)
    object.__setattr__(world.gate._fit, "sights", sights)
    return sights


def moments(sights: Watched) -> tuple[set[str], set[int]]:
    """What was asked since the last time, and for which moments."""
    kinds, times = {kind for kind, _ in sights.asked}, {now_ns for _, now_ns in sights.asked}
    sights.asked.clear()
    return kinds, times


def test_every_question_about_books_and_prices_is_about_now() -> None:
    world = World()
    plan = world.plan()
    sights = watched(world)
    now_ns = world.clock.now_ns
    both = {"view", "price"}
    envelope = approved(world, plan)
    assert moments(sights) == (both, {now_ns})
    assert isinstance(home(world), Approved)
    assert moments(sights) == (both, {now_ns})
    assert world.gate.has_room(BACK, D(1), D(101), "c2", now_ns)
    assert moments(sights) == ({"price"}, {now_ns})
    intent = plan.legs[0].intent("ab000001-11")
    assert world.gate.clear(intent, envelope, intent.most_spent, now_ns) is None
    assert moments(sights) == ({"view"}, {now_ns})
    assert world.gate.stops(Purpose.LEG, "BTC/USD") == ""
    assert moments(sights) == ({"view"}, {now_ns})


def test_what_is_held_and_claimed_is_its_cycles_and_goes_with_it() -> None:
    world = World()
    approved(world, cycle_id="c7")
    world.ledger.release("c1")
    assert world.ledger.held("USD") > 0
    world.ledger.release("c7")
    world.gate.adopt(record(world.plan(), cycle_id="c8"))
    assert world.ledger.worst("BTC") != Reach()
    world.ledger.release("c8")
    for asset in START:
        assert world.ledger.held(asset) == 0
        assert world.ledger.worst(asset) == Reach()


def test_an_order_home_is_inside_its_own_cycles_claim_and_nobody_elses() -> None:
    world = World()
    wide = {"BTC": Reach(D(-5), D(5)), "USD": Reach(D(-900), D(900))}
    world.ledger.claim("c1", wide)
    assert isinstance(home(world, cycle_id="c1"), Approved)
    assert world.ledger.worst("BTC") == wide["BTC"], "nothing on top"
    world.ledger.claim("c2", {})
    assert isinstance(home(world, cycle_id="c2"), Approved)
    assert world.ledger.worst("BTC") == Reach(D(-6), D(5))


def test_room_is_looked_for_inside_the_cycles_own_claim() -> None:
    world = World()
    world.ledger.claim("c1", {"BTC": Reach(D(-49), D(0))})  # its cap is 50, at 100 each
    world.ledger.claim("c2", {})
    now_ns = world.clock.now_ns
    assert world.gate.has_room(HOME, D(3), D(99), "c1", now_ns)
    assert not world.gate.has_room(HOME, D(3), D(99), "c2", now_ns)


def test_a_gate_that_nobody_audits_waits_for_nobody() -> None:
    world = World()
    gate = Gate(world.gate._setup)
    assert gate.unaudited() == gate.fees_doubted() == ""
    assert isinstance(gate.review(world.plan(), "c1", world.clock.now_ns), Approved)
    gate.finished(record(world.plan()), went_wrong=False, now_ns=world.clock.now_ns)


def test_a_cycle_that_only_comes_home_has_sent_nothing_yet_and_is_no_probe() -> None:
    world = World()
    assert isinstance(home(world), Approved)
    slot = world.gate._open["c1"]
    assert (slot.owed, slot.probes, slot.sent) == (3.0, False, False)
    world.ledger.release("c1")
    assert isinstance(review(world, cycle_id="c2"), Approved)
    assert world.gate._open["c2"].sent is False


def test_while_reducing_no_new_cycle_is_reviewed_and_an_order_home_is() -> None:
    world = World()
    world.breaker.trip(Reason.HELD, "something is left")
    assert told(review(world)) == (
        "breaker",
        {"state": "reducing", "why": world.breaker.detail},
    )
    assert world.ledger.held("USD") == 0
    assert isinstance(home(world), Approved)


def test_what_only_comes_nearer_to_zero_needs_no_price() -> None:
    """Nobody can say how large its cap is, and it does not matter: there will be less of it."""
    world = World()
    books = ((Book.WALLET, D(2)), (Book.TRADING, D(-2)))
    world.ledger.apply(Posting("T", "trade", book, "BTC", moved, 0) for book, moved in books)
    del world.sights.prices["BTC"]
    now_ns = world.clock.now_ns
    assert world.gate.has_room(HOME, D(2), D(99), "c1", now_ns)
    assert not world.gate.has_room(HOME, D("2.001"), D(99), "c1", now_ns)
    assert not world.gate.has_room(BACK, D("0.001"), D(101), "c1", now_ns)


def test_an_order_that_begins_a_cycle_waits_for_the_operator_and_no_other_does() -> None:
    world = World()
    assert world.gate.stops(Purpose.LEG, "BTC/USD", begins=True) == ""
    (world.data_dir / "pause.sandbox").touch()
    paused = "venue_paused: venue sandbox"
    assert world.gate.stops(Purpose.LEG, "BTC/USD", begins=True) == paused
    assert world.gate.stops(Purpose.LEG, "BTC/USD", begins=False) == ""
    assert world.gate.stops(Purpose.LEG, "BTC/USD") == "", "nothing begins unless it is said"
    assert world.gate.stops(Purpose.UNWIND, "BTC/USD", begins=False) == ""
