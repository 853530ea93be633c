"""The end of a seed: the independent checker over the venue's log and the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import checker
from tests.simulation.judge import RATE_WORDS, both_books

if TYPE_CHECKING:
    from tests.wiresim.world import WireWorld


def judge(world: WireWorld) -> None:
    """Everything that can be said once it is over."""
    books = both_books(world.venue.exchange.log.records, world.folder)
    if isinstance(books, str):
        world.watch.say(2, books)
        return
    exchange, database = books
    one_clock = not world.plan.skew_s and not world.jumps
    for said in checker.check(exchange, database, one_clock=one_clock):
        world.watch.say(2, said)
    for asset, left in world.venue.exchange.totals().items():
        if left:
            world.watch.say(1, f"the venue's own books of {asset} are off by {left}")
    taken = {record["cl_ord_id"] for record in exchange.requested}
    for client_id in taken - set(world.watch.sent):
        world.watch.say(4, f"the venue was asked for {client_id}, which never left")
    for words, count in world.venue.exchange.refusals.items():
        if world.plan.benign and any(word in words for word in RATE_WORDS):
            world.watch.say(22, f"{words} ({count} times) although nothing went wrong")
