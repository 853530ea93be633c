"""How a book is written is a habit of the venue, or chance, which must not cost it for good."""

from __future__ import annotations

from tests.unit.venues.kraken.desk import PAIR, Desk
from tests.unit.venues.kraken.wire import book_frame, crc, entry, reply

BIDS = [(f"{99 - i}.5", f"{i + 1}.125") for i in range(5)]
ASKS = [(f"{100 + i}.5", f"{i + 1}.625") for i in range(5)]
MIXED = [("99.5", "2.5"), *BIDS[1:]]


def live(desk: Desk) -> bool:
    """Whether the book is believed now."""
    return bool(desk.session.live)


def answer(desk: Desk) -> int:
    """Consent to what was last asked, with a snapshot that is right; how many were sent."""
    last, book = desk.sent[-1], {"channel": "book", "symbol": PAIR, "depth": 10}
    if last["method"] == "unsubscribe":
        desk.hear(reply("unsubscribe", req_id=last["req_id"], result=book))
        desk.tick(after_ms=100)
        last = desk.sent[-1]
    if last["method"] != "subscribe":
        return 0
    desk.hear(reply("subscribe", req_id=last["req_id"], result={**book, "snapshot": True}))
    desk.hear(book_frame("snapshot", entry(PAIR, MIXED, ASKS, crc(MIXED, ASKS))))
    return 1


def test_levels_that_were_written_alike_by_chance_do_not_cost_the_book_for_good() -> None:
    desk = Desk(symbols=(PAIR,), depth=10).open()
    desk.hear(book_frame("snapshot", entry(PAIR, BIDS, ASKS, crc(BIDS, ASKS))))
    assert live(desk)
    desk.hear(book_frame("update", entry(PAIR, [("99.5", "2.5")], [], crc(MIXED, ASKS))))
    assert not live(desk), "as it was never written before it may be another number"
    snapshots = 0
    for _ in range(10):
        for _ in range(100):
            desk.tick(after_ms=100)
        snapshots += answer(desk)
        if live(desk):
            break
    assert live(desk)
    assert snapshots >= 2, "once may be the fault that the habit is there to notice"
