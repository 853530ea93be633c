"""Books that are cut, and books that become finer."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arbit.domain.book import Disbelief
from arbit.venues.alpaca.levels import KeptBook
from arbit.venues.alpaca.wire import WireLevel
from tests.unit.venues.alpaca.desk import PAIR, Desk
from tests.unit.venues.alpaca.stream import BIDS, book

RESYNC = [("unsubscribe", [PAIR]), ("subscribe", [PAIR])]


def test_levels_cut_away_are_not_mistaken_for_known_ones_and_a_hollow_book_is_asked_for() -> None:
    desk = Desk(depth=10)
    desk.open()
    asks = [(str(200 + n), "1") for n in range(150)]
    desk.say(book(PAIR, BIDS, asks, whole=True))
    desk.say(book(PAIR, [], [("349.5", "1"), ("250.5", "1")]))  # beyond what is kept, and within
    kept = [price for price, _ in desk.held()[1]]
    assert len(kept) == 100
    assert max(kept) == 298
    desk.say(book(PAIR, [], [(price, "0") for price, _ in asks[:88]]))
    assert desk.reason() is None
    desk.forget()
    desk.say(book(PAIR, [], [(price, "0") for price, _ in asks[88:92]]))
    assert desk.reason() is Disbelief.NO_BOOK
    assert desk.asked() == RESYNC


def test_what_lies_beyond_a_cut_does_not_become_the_next_level_at_any_precision() -> None:
    desk = Desk(depth=10)
    desk.open()
    asks = [(str(200 + n), "1") for n in range(150)]
    desk.say(book(PAIR, BIDS, asks, whole=True))
    desk.say(book(PAIR, [], [(price, "0") for price, _ in asks[:10]]))
    desk.say(book(PAIR, [], [("349.5", "1")]))
    assert [price for price, _ in desk.held()[1]][-1] == 299
    desk.say(book(PAIR, [], [("250.125", "1"), ("299.001", "1")]))
    held = [price for price, _ in desk.held()[1]]
    assert Decimal("250.125") in held
    assert held[-1] == 299


def test_a_number_beyond_what_exact_views_keep_is_refused() -> None:
    kept = KeptBook(PAIR, 10, (9, 9))
    for price, qty in (("1e17", "1"), ("1", "1e17")):
        with pytest.raises(ValueError, match="beyond any price"):
            kept.replace([WireLevel(Decimal(price), Decimal(qty))], [])
