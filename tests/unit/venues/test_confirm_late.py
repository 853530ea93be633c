"""Books that were read late, after the process stood still, are looked at first of all."""

from __future__ import annotations

from tests.unit.venues.test_confirm import PAIR, Scene
from tests.unit.venues.virtual import book


async def test_what_waited_while_nobody_read_is_looked_at_at_once() -> None:
    scene = Scene()
    scene.put(book(PAIR, 1000, 1001))
    scene.venue_shows("100.0", "100.1")
    before_ns = scene.clock.now_ns
    async with scene.running():
        await scene.clock.advance(0.6)
        scene.put(book(PAIR, 1000, 1001))
        assert not scene.books.unproved(PAIR, scene.clock.now_ns)
        scene.books.doubt_since(scene.clock.now_ns)
        assert not scene.books.unproved(PAIR, scene.clock.now_ns), "nothing came since then"
        scene.books.doubt_since(before_ns)
        assert scene.books.unproved(PAIR, scene.clock.now_ns)
        await scene.clock.advance(0.5)
    assert len(scene.reader.asked) == 1
    assert scene.sink.confirmed[PAIR] > before_ns
