from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from arbit.domain.book import Disbelief, Level, OrderBook, Source
from arbit.domain.errors import VenueUnreachable
from arbit.domain.events import Event, FeedCounts, VenueSaid
from arbit.venues.confirm import MAX_WINDOWS, Confirmer, QuietBooks
from tests.unit.venues.virtual import SECOND, ScriptedReader, Sink, VirtualClock, book, levels

PAIR = "BTC/USD"
MAX_AGE_NS = 3 * SECOND


@dataclass
class Scene:
    clock: VirtualClock = field(default_factory=VirtualClock)
    sink: Sink = field(default_factory=Sink)
    counts: FeedCounts = field(default_factory=FeedCounts)
    dead: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reader = ScriptedReader(self.clock)
        self.books = QuietBooks(
            self.sink,
            max_age_ns=MAX_AGE_NS,
            counts=self.counts,
            diverged=lambda symbol, _: self.dead.append(symbol),
        )
        self.confirmer = Confirmer("v", self.books, self.reader, self.clock, self.told)

    def told(self, event: Event) -> None:
        self.events.append(event)

    def put(self, made: OrderBook, source: Source = Source.WS) -> None:
        now_ns = self.clock.now_ns
        self.books.put(made, seen_ns=now_ns, confirmed_ns=now_ns, source=source)

    def venue_shows(self, bid: str, ask: str, qty: str = "0.500") -> None:
        self.reader.answer[PAIR] = (levels((bid, qty)), levels((ask, qty)))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.confirmer.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_book_that_proves_itself_is_never_asked_about(scene: Scene) -> None:
    async with scene.running():
        for _ in range(20):
            scene.put(book(PAIR, 1000, 1001))
            await scene.clock.advance(0.5)
    assert scene.reader.asked == []


async def test_a_quiet_book_equal_at_the_venue_stays_young_for_thirty_seconds(scene: Scene) -> None:
    scene.put(book(PAIR, 1000, 1001))
    scene.venue_shows("100.0", "100.1")
    scene.reader.delay_s = 0.2
    oldest_ns = 0
    async with scene.running():
        for _ in range(300):
            await scene.clock.advance(0.1)
            oldest_ns = max(oldest_ns, scene.clock.now_ns - scene.sink.confirmed[PAIR])
    assert oldest_ns < MAX_AGE_NS
    assert scene.counts.confirmations >= 10
    assert scene.dead == []
    assert len(scene.reader.asked) <= 30


async def test_a_confirmation_counts_from_the_sending_of_the_question(scene: Scene) -> None:
    scene.put(book(PAIR, 1000, 1001))
    scene.venue_shows("100.0", "100.1")
    scene.reader.wait_s, scene.reader.delay_s = 0.5, 0.7
    started_ns = scene.clock.now_ns
    look = asyncio.create_task(scene.confirmer.look())
    await scene.clock.advance(2)
    assert await look
    assert scene.sink.confirmed[PAIR] == started_ns + SECOND // 2


async def test_an_answer_older_than_the_book_held_neither_confirms_nor_doubts_it(
    scene: Scene,
) -> None:
    ours = book(PAIR, 1000, 1001)
    scene.put(ours)
    scene.venue_shows("100.2", "100.3")
    scene.reader.delay_s = 1.0
    look = asyncio.create_task(scene.confirmer.look())
    await scene.clock.advance(0.3)
    scene.put(book(PAIR, 1002, 1003))  # the venue answered from here
    await scene.clock.advance(0.3)
    scene.put(book(PAIR, 1004, 1005))
    young_ns = scene.clock.now_ns
    await scene.clock.advance(1)
    assert await look
    assert scene.sink.confirmed[PAIR] == young_ns
    assert scene.sink.calls == [("put", PAIR)] * 3
    assert scene.dead == []


async def test_a_top_replaced_before_the_question_left_does_not_confirm(scene: Scene) -> None:
    scene.put(book(PAIR, 1000, 1001))
    scene.venue_shows("100.0", "100.1")
    scene.reader.wait_s, scene.reader.delay_s = 1.0, 0.5
    look = asyncio.create_task(scene.confirmer.look())
    await scene.clock.advance(0.2)
    scene.put(book(PAIR, 1002, 1003))
    await scene.clock.advance(3)
    assert await look
    assert ("confirm", PAIR) not in scene.sink.calls


async def test_a_moved_venue_and_a_silent_stream_are_found_dead_at_the_second_look(
    scene: Scene,
) -> None:
    scene.put(book(PAIR, 1000, 1001))
    scene.venue_shows("100.4", "100.5")
    async with scene.running():
        await scene.clock.advance(1.8)
        assert len(scene.reader.asked) == 1
        assert scene.dead == []
        await scene.clock.advance(1.3)
    assert scene.dead == [PAIR]
    assert ("confirm", PAIR) not in scene.sink.calls


async def test_two_unequal_looks_within_a_second_are_one_look(scene: Scene) -> None:
    scene.put(book(PAIR, 1000, 1001))
    await scene.clock.advance(0.1)
    scene.venue_shows("100.4", "100.5")
    await scene.confirmer.look()
    await scene.clock.advance(0.9)
    await scene.confirmer.look()
    assert scene.dead == []
    await scene.clock.advance(0.2)
    await scene.confirmer.look()
    assert scene.dead == [PAIR]


async def test_an_update_between_two_unequal_looks_proves_the_stream_alive(scene: Scene) -> None:
    scene.put(book(PAIR, 1000, 1001))
    scene.venue_shows("100.4", "100.5")
    for _ in range(5):
        await scene.confirmer.look()
        await scene.clock.advance(1.5)
        scene.put(book(PAIR, 1000, 1001))
    assert scene.dead == []


async def test_an_update_during_an_unequal_look_proves_the_stream_alive(scene: Scene) -> None:
    scene.put(book(PAIR, 1000, 1001))
    scene.venue_shows("100.4", "100.5")
    scene.reader.delay_s = 0.5
    for _ in range(4):
        look = asyncio.create_task(scene.confirmer.look())
        await scene.clock.advance(0.1)
        scene.put(book(PAIR, 1000, 1001))
        await scene.clock.advance(1.5)
        await look
    assert scene.dead == []


async def test_an_unequal_look_during_which_the_stream_spoke_does_not_count(scene: Scene) -> None:
    scene.put(book(PAIR, 1000, 1001))
    scene.venue_shows("100.4", "100.5")
    scene.reader.delay_s = 0.5
    spoken = asyncio.create_task(scene.confirmer.look())
    await scene.clock.advance(0.1)
    scene.put(book(PAIR, 1000, 1001))
    await scene.clock.advance(1.5)
    await spoken
    for expected in ([], [PAIR]):
        look = asyncio.create_task(scene.confirmer.look())
        await scene.clock.advance(1.5)
        await look
        assert scene.dead == expected


async def test_an_equal_look_forgives_an_unequal_one(scene: Scene) -> None:
    scene.put(book(PAIR, 1000, 1001))
    for bid, ask in (("100.4", "100.5"), ("100.0", "100.1"), ("100.4", "100.5")):
        scene.venue_shows(bid, ask)
        await scene.confirmer.look()
        await scene.clock.advance(1.5)
    assert scene.dead == []


async def test_a_disbelieved_book_is_neither_asked_about_nor_confirmed(scene: Scene) -> None:
    scene.put(book(PAIR, 1000, 1001))
    scene.venue_shows("100.0", "100.1")
    scene.books.disbelieve(PAIR, Disbelief.CHECKSUM)
    async with scene.running():
        await scene.clock.advance(10)
    assert scene.reader.asked == []
    assert scene.counts.confirmations == 0


async def test_a_book_lost_while_the_question_was_out_is_not_confirmed(scene: Scene) -> None:
    scene.put(book(PAIR, 1000, 1001))
    scene.venue_shows("100.0", "100.1")
    scene.reader.delay_s = 0.5
    look = asyncio.create_task(scene.confirmer.look())
    await scene.clock.advance(0.1)
    scene.books.disbelieve(PAIR, Disbelief.CHECKSUM)
    await scene.clock.advance(1)
    await look
    assert ("confirm", PAIR) not in scene.sink.calls


async def test_a_candidate_is_confirmed_by_its_own_depth_quantities_included(scene: Scene) -> None:
    scene.put(book(PAIR, 1000, 1001, qty=512))
    scene.venue_shows("100.0", "100.1", qty="0.512")
    await scene.clock.advance(2)
    await scene.confirmer.confirm([PAIR, PAIR])
    assert scene.reader.asked == [PAIR]
    assert scene.counts.confirmations == 1
    assert ("deep", PAIR) in scene.sink.calls


async def test_another_quantity_at_the_same_price_does_not_confirm_a_candidate(
    scene: Scene,
) -> None:
    scene.put(book(PAIR, 1000, 1001, qty=512))
    scene.venue_shows("100.0", "100.1", qty="0.513")
    await scene.clock.advance(2)
    await scene.confirmer.confirm([PAIR])
    assert scene.counts.confirmations == 0


@pytest.mark.parametrize(
    ("stated", "equal"), [("2.059", True), ("2.060", True), ("2.061", False), ("2.058", False)]
)
async def test_a_quantity_cut_to_three_decimals_is_compared_in_three_decimals(
    scene: Scene, stated: str, equal: bool
) -> None:
    ours = OrderBook(PAIR, depth=10, price_decimals=1, qty_decimals=8)
    ours.replace([(1000, 205_934_567, b"")], [(1001, 205_934_567, b"")])
    scene.put(ours)
    scene.venue_shows("100.0", "100.1", qty=stated)
    await scene.clock.advance(2)
    await scene.confirmer.confirm([PAIR])
    assert (scene.counts.confirmations == 1) is equal


async def test_an_unreachable_venue_confirms_nothing_is_told_once_and_asked_less_often(
    scene: Scene,
) -> None:
    scene.put(book(PAIR, 1000, 1001))
    scene.reader.error = VenueUnreachable("nobody there")
    async with scene.running():
        await scene.clock.advance(60)
    assert scene.counts.confirmations == 0
    assert [type(event) for event in scene.events] == [VenueSaid]
    assert len(scene.reader.asked) < 15


async def test_a_rest_fed_book_is_never_found_dead(scene: Scene) -> None:
    scene.put(book(PAIR, 1000, 1001), source=Source.REST)
    scene.venue_shows("100.4", "100.5")
    for _ in range(3):
        await scene.confirmer.look()
        await scene.clock.advance(1.5)
    assert scene.dead == []


def test_open_questions_are_bounded(scene: Scene) -> None:
    scene.put(book(PAIR, 1000, 1001))
    opened = [scene.books.open_window() for _ in range(MAX_WINDOWS)]
    assert all(window is not None for window in opened)
    assert scene.books.open_window() is None
    assert opened[0] is not None
    scene.books.close_window(opened[0])
    assert scene.books.open_window() is not None


def ladder(*bid_qtys: int) -> OrderBook:
    made = OrderBook(PAIR, depth=25, price_decimals=1, qty_decimals=8)
    bids = [(1000 - at, qty, b"") for at, qty in enumerate(bid_qtys)]
    made.replace(bids, [(1001, 50_000_000, b"")])
    return made


def rungs(*qtys: str) -> tuple[Level, ...]:
    return levels(*((f"{100 - at / 10:.1f}", qty) for at, qty in enumerate(qtys)))


async def judged(scene: Scene, ours: OrderBook, bids: tuple[Level, ...], looks: int = 1) -> Scene:
    scene.put(ours)
    scene.reader.answer[PAIR] = (bids, levels(("100.1", "0.500")))
    for _ in range(looks):
        await scene.clock.advance(2)
        await scene.confirmer.confirm([PAIR])
    return scene


async def test_the_same_prices_at_other_quantities_keep_no_book_young(scene: Scene) -> None:
    scene.put(book(PAIR, 1000, 1001, qty=100_000))
    scene.venue_shows("100.0", "100.1", qty="0.001")
    async with scene.running():
        await scene.clock.advance(6)
    assert scene.counts.confirmations == 0
    assert scene.dead


async def test_a_look_at_tops_alone_says_nothing_of_depth(scene: Scene) -> None:
    scene.put(book(PAIR, 1000, 1001))
    scene.venue_shows("100.0", "100.1")
    await scene.clock.advance(2)
    await scene.confirmer.look()
    assert scene.counts.confirmations == 1
    assert ("deep", PAIR) not in scene.sink.calls


async def test_another_level_behind_an_equal_top_does_not_confirm_and_twice_is_dead(
    scene: Scene,
) -> None:
    ours = ladder(50_000_000, 20_000_000, 30_000_000)
    await judged(scene, ours, rungs("0.500", "0.200", "0.310"), looks=2)
    assert scene.counts.confirmations == 0
    assert scene.dead == [PAIR]


async def test_levels_deeper_than_ten_are_not_compared(scene: Scene) -> None:
    ours = ladder(*[50_000_000] * 11)
    await judged(scene, ours, rungs(*["0.500"] * 10, "0.900"))
    assert ("deep", PAIR) in scene.sink.calls


async def test_an_answer_shorter_than_what_we_hold_proves_no_depth(scene: Scene) -> None:
    await judged(scene, ladder(50_000_000, 20_000_000), rungs("0.500"))
    assert scene.counts.confirmations == 1
    assert ("deep", PAIR) not in scene.sink.calls


async def test_a_top_too_small_for_the_answers_digits_is_equal_to_zero(scene: Scene) -> None:
    await judged(scene, ladder(20_000, 100_000_000), rungs("0.000", "1.000"), looks=3)
    assert scene.dead == []
    assert ("deep", PAIR) in scene.sink.calls


@pytest.mark.parametrize("qty", ["1e5000", "1e999999", "NaN", "Infinity", "-1e1000"])
async def test_an_impossible_quantity_is_unequal_and_raises_nothing(scene: Scene, qty: str) -> None:
    await judged(scene, ladder(50_000_000), rungs(qty))
    assert scene.counts.confirmations == 0


async def test_an_older_book_that_came_while_the_question_was_out_is_not_made_young(
    scene: Scene,
) -> None:
    scene.put(book(PAIR, 1000, 1001), source=Source.REST)
    scene.venue_shows("100.0", "100.1")
    asked_ns = scene.clock.now_ns
    await scene.clock.advance(8)
    window = scene.books.open_window()
    assert window is not None
    look = await scene.reader.look_tops()
    older = book(PAIR, 980, 981)
    scene.books.put(older, seen_ns=look.sent_ns, confirmed_ns=asked_ns, source=Source.REST)
    assert scene.books.judge_tops(window, look) == (PAIR,)
    assert scene.sink.confirmed[PAIR] == asked_ns


async def test_no_question_is_spent_on_books_that_rest_feeds(scene: Scene) -> None:
    scene.put(book(PAIR, 1000, 1001), source=Source.REST)
    scene.venue_shows("100.0", "100.1")
    async with scene.running():
        await scene.clock.advance(20)
        await scene.confirmer.confirm([PAIR])
    assert scene.reader.asked == []


async def test_a_candidates_leg_that_proved_itself_lately_is_not_asked_about(scene: Scene) -> None:
    scene.put(book(PAIR, 1000, 1001))
    scene.venue_shows("100.0", "100.1")
    await scene.confirmer.confirm([PAIR])
    assert scene.reader.asked == []
    await scene.clock.advance(2)
    await scene.confirmer.look()  # its top is young now, its depth is not
    await scene.confirmer.confirm([PAIR])
    await scene.confirmer.confirm([PAIR])
    assert scene.reader.asked == ["*", PAIR]
