"""What the gate and the settling see of a desk."""

from __future__ import annotations

from decimal import Decimal

from arbit.app.trade.sights import DeskSights
from arbit.domain.book import Disbelief, Integrity, Source
from tests.unit.app.test_venue_run import desk_of
from tests.unit.fitness.scene import book

D = Decimal


def test_what_a_cycle_holds_has_a_price_although_its_feed_was_lost_before_anybody_asked() -> None:
    desk = desk_of([])
    sights, now_ns = DeskSights(desk, Integrity.NONE), desk.setup.clock_ns()
    made = book("BTC/USD", [("49990", "1")], [("50010", "1")])
    desk.cache.put(made, seen_ns=now_ns, confirmed_ns=now_ns, source=Source.WS)
    desk.cache.disbelieve("BTC/USD", Disbelief.DISCONNECTED)
    assert sights.in_reference("BTC", now_ns) is None, "nothing new may be priced by it"
    assert sights.last_price("BTC") == 50_000
    assert sights.last_price("ETH") is None


def test_a_book_that_is_believed_prices_what_is_over_as_it_prices_what_begins() -> None:
    desk = desk_of([])
    sights, now_ns = DeskSights(desk, Integrity.NONE), desk.setup.clock_ns()
    made = book("BTC/USD", [("49990.1", "1")], [("50010.2", "1")])
    desk.cache.put(made, seen_ns=now_ns, confirmed_ns=now_ns, source=Source.WS)
    assert sights.last_price("BTC") == sights.in_reference("BTC", now_ns) == D("50000.15")
