"""What each error of Alpaca's market data stream asks for, as data.

Source: docs.alpaca.markets, "Real-time Crypto Data" and "WebSocket Stream" (errors).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Remedy(enum.StrEnum):
    """What to do about an error."""

    IGNORE = "ignore"  # nothing of ours is lost by it
    RECONNECT = "reconnect"  # this socket is of no more use
    WAIT = "wait"  # the venue still counts a connection that is gone: come back later
    STOP = "stop"  # no later attempt can end otherwise


@dataclass(frozen=True, slots=True)
class Code:
    """An error's remedy, and for the user what it means and what to look at."""

    remedy: Remedy
    meaning: str


CODES: dict[int, Code] = {
    400: Code(Remedy.RECONNECT, "it did not understand a request"),
    401: Code(Remedy.RECONNECT, "a request before the key was accepted"),
    402: Code(Remedy.STOP, "it does not accept the key: is it the key id and secret of this host?"),
    403: Code(Remedy.IGNORE, "the key is accepted already"),
    404: Code(Remedy.RECONNECT, "the key came too late"),
    405: Code(
        Remedy.STOP,
        "more symbols than the plan allows (the free plan: 10 order books, 30 quotes): "
        "set max_symbols to what yours allows",
    ),
    406: Code(
        Remedy.WAIT,
        "the plan allows one connection, and another one is open: one of ours that broke, which it "
        "will notice, or another program with this key",
    ),
    407: Code(Remedy.RECONNECT, "we read too slowly"),
    408: Code(Remedy.STOP, "this key may not use this stream"),
    409: Code(Remedy.STOP, "the plan of this key does not include this stream"),
    500: Code(Remedy.RECONNECT, "an error of its own"),
}
REFUSED_KEY = 402
UNKNOWN = Code(Remedy.RECONNECT, "an error that is new to us")


def code_of(number: int) -> Code:
    """The row of a code; one that is new costs the socket and no more."""
    return CODES.get(number, UNKNOWN)
