"""Bugs planted on purpose: the fuzz must find each, or it could not find the next real one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from arbit.domain.book import Source
from arbit.domain.errors import FrameError
from arbit.domain.triangle import Side
from arbit.venues.ccxt import kraken_books
from arbit.venues.kraken import reads, resolve, rest_orders
from arbit.venues.kraken import session as public_session
from arbit.venues.kraken.parse import WireBook
from arbit.venues.kraken.private.parse import parse
from arbit.venues.kraken.private.session import PrivateSession
from arbit.venues.kraken.session import KrakenSession
from arbit.venues.kraken.statuses import Statuses
from tests.fuzz import planted_alpaca as bent
from tests.patches import Sets


@dataclass(frozen=True, slots=True)
class Planted:
    """`kind` is the block that must find it, within `blocks` of them."""

    name: str
    kind: str
    plant: Callable[[Sets], None]
    blocks: int = 12


def _value_error_gets_out(sets: Sets) -> None:
    """The public parser knows only the decoder's own errors."""
    module: Any = public_session
    good = module.parse

    def bent(payload: bytes) -> Any:
        try:
            return good(payload)
        except FrameError:
            msgspec.json.decode(payload)
            raise ValueError("a level that makes no sense") from None

    sets(public_session, "parse", bent)


def _checksum_not_looked_at(sets: Sets) -> None:
    sets(KrakenSession, "_agrees", lambda _self, _book, _expected: True)


def _point_not_looked_at(sets: Sets) -> None:
    sets(public_session, "habit_of", lambda _wire, _before: None)


def _unknown_symbol_kills(sets: Sets) -> None:
    book = KrakenSession._book

    def bent(self: KrakenSession, wire: WireBook, now_ns: int, *, snapshot: bool) -> None:
        assert self._subs[wire.symbol].symbol
        book(self, wire, now_ns, snapshot=snapshot)

    sets(KrakenSession, "_book", bent)


def _unknown_market_kills(sets: Sets) -> None:
    market = Statuses.market

    def bent(self: Statuses, socket: int, symbol: str, status: Any) -> None:
        assert symbol in self._words
        market(self, socket, symbol, status)

    sets(Statuses, "market", bent)


def _broken_is_believed(sets: Sets) -> None:
    """A book that failed its checksum is shown all the same."""
    mismatch = KrakenSession._mismatch

    def bent(self: KrakenSession, sub: Any, detail: str, now_ns: int) -> None:
        mismatch(self, sub, detail, now_ns)
        if sub.book is not None:
            self._sink.put(sub.book, seen_ns=now_ns, confirmed_ns=now_ns, source=Source.WS)

    sets(KrakenSession, "_mismatch", bent)


def _never_asked_again(sets: Sets) -> None:
    sets(KrakenSession, "_resubscribe", lambda _self, _subs, _now_ns: None)


def _unread_frame_is_no_gap(sets: Sets) -> None:
    frame = PrivateSession.frame

    def bent(self: PrivateSession, payload: bytes, now_ns: int, wall_ns: int) -> None:
        with contextlib.suppress(FrameError):
            parse(payload)
            frame(self, payload, now_ns, wall_ns)

    sets(PrivateSession, "frame", bent)


def _private_error_gets_out(sets: Sets) -> None:
    def bent(self: PrivateSession, _why: str) -> None:
        raise KeyError(self.why)

    sets(PrivateSession, "_gap", bent)


def _list_for_a_side(sets: Sets) -> None:
    def bent(word: Any) -> Side:
        if word not in {"buy", "sell"}:
            raise FrameError("no side")
        return Side(word)

    sets(reads, "side_of", bent)
    sets(resolve, "side_of", bent)


def _acceptance_guessed(sets: Sets) -> None:
    """Any id anywhere in a reply is taken for the order's."""

    def bent(result: Any) -> str:
        ids = result.get("txid") if isinstance(result, dict) else None
        return str(ids[0]) if ids else ""

    sets(rest_orders, "accepted_id", bent)


def _ccxt_book_lost_in_silence(sets: Sets) -> None:
    """A number that is none gets past whoever would disbelieve its book."""
    units = kraken_books.units

    def bent(value: Any, decimals: int) -> int:
        try:
            return units(value, decimals)
        except (TypeError, ValueError):
            raise AttributeError("no number") from None

    sets(kraken_books, "units", bent)


ALL = (
    Planted(
        "a ValueError gets out of the public parser", "live public feed", _value_error_gets_out
    ),
    Planted("no checksum is looked at", "live public feed", _checksum_not_looked_at),
    Planted(
        "where the point stands is not looked at", "live public feed", _point_not_looked_at, 60
    ),
    Planted("an unknown symbol kills the feed", "live public feed", _unknown_symbol_kills),
    Planted("an unknown market kills the feed", "live public feed", _unknown_market_kills),
    Planted("a book that failed is believed", "live public feed", _broken_is_believed),
    Planted("a lost book is never asked for again", "live public feed", _never_asked_again),
    Planted("an unread private frame is no gap", "live private gateway", _unread_frame_is_no_gap),
    Planted(
        "an error gets out of the private stream", "live private gateway", _private_error_gets_out
    ),
    Planted("a list in the place of a side", "doors", _list_for_a_side, 60),
    Planted("an acceptance is guessed", "doors", _acceptance_guessed, 60),
    Planted("an error gets out of alpaca's books", "live alpaca books", bent.value_error_gets_out),
    Planted("alpaca's rest is not heeded", "live alpaca books", bent.rest_not_heeded),
    Planted("an unread update is no gap", "live alpaca account", bent.unread_update_is_no_gap),
    Planted("a reckoned fee is a stated one", "live alpaca account", bent.fee_is_the_venues_word),
    Planted("any 422 is a refusal", "alpaca doors", bent.any_422_is_a_refusal, 60),
    Planted("ccxt's book is lost in silence", "live ccxt client", _ccxt_book_lost_in_silence),
)
