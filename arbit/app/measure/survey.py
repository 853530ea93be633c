"""A first look through a recording: which markets it holds, at which precision and depth.

Increments and minima come from the recording's own instrument messages where it has them; where it
has none they are assumed from the digits on the wire, and the replay says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from arbit.domain.errors import FrameError, RecordingError
from arbit.domain.market import Market, MarketStatus
from arbit.tape.binance import book_of
from arbit.tape.reader import Format, frames
from arbit.venues.kraken.parse import (
    Ack,
    BookMessage,
    Instrument,
    Instruments,
    Message,
    WireBook,
    parse,
)
from arbit.venues.kraken.session import book_for

KRAKEN_DEPTHS = (10, 25, 100, 500, 1000)


@dataclass(slots=True)
class Survey:
    """What was found. `markets` are those whose books were recorded, and no others.

    `stated` names the markets whose increments the recording itself states. `received` says
    whether frames carry the time they were received, else the venue's own times stand in.
    """

    markets: dict[str, Market] = field(default_factory=dict)
    stated: set[str] = field(default_factory=set)
    depth: int = 10
    first_ns: int | None = None
    received: bool = True
    error: RecordingError | None = None

    def add(self, symbol: str, price_decimals: int, qty_decimals: int) -> None:
        """A book of this symbol was seen, with this many digits."""
        known = self.markets.get(symbol)
        if known is not None:
            price_decimals = max(price_decimals, known.price_decimals or 0)
            qty_decimals = max(qty_decimals, known.qty_decimals or 0)
        self.markets[symbol] = _assumed(symbol, price_decimals, qty_decimals)


def survey_of(path: Path, kind: Format) -> Survey:
    """Look through the whole recording; an error in it ends the look and is kept."""
    survey = Survey()
    stated: dict[str, Market] = {}
    try:
        for frame in frames(path):
            survey.first_ns = survey.first_ns or frame.at_ns
            survey.received = survey.received and frame.received
            if kind is Format.KRAKEN:
                _look_at_kraken(survey, stated, frame.payload)
            else:
                _look_at_binance(survey, frame.fields)
    except RecordingError as error:
        survey.error = error  # met again, and reported, when the frames are played
    survey.stated = stated.keys() & survey.markets.keys()
    survey.markets.update({symbol: stated[symbol] for symbol in survey.stated})
    return survey


def _look_at_kraken(survey: Survey, stated: dict[str, Market], payload: bytes) -> None:
    try:
        message: Message = parse(payload)
        for wire in _snapshots(message):
            book = book_for(wire, survey.depth)
            survey.add(wire.symbol, book.price_decimals, book.qty_decimals)
            deepest = max(len(wire.bids), len(wire.asks))
            survey.depth = max(survey.depth, _offered_depth(deepest))
    except (FrameError, ValueError):
        return  # counted when the frame is played
    if isinstance(message, Instruments):
        for pair in message.pairs:
            stated.setdefault(pair.symbol, _as_stated(pair))  # later changes are played in time
    elif isinstance(message, Ack) and message.depth:
        survey.depth = max(survey.depth, message.depth)


def _look_at_binance(survey: Survey, fields: Mapping[str, Any]) -> None:
    try:
        book = book_of(fields)
    except FrameError:
        return  # named, with its line, when the frame is played
    survey.add(book.symbol, book.price_decimals, book.qty_decimals)


def _snapshots(message: Message) -> Iterator[WireBook]:
    if isinstance(message, BookMessage) and message.type == "snapshot":
        yield from message.data


def _offered_depth(levels: int) -> int:
    return next((depth for depth in KRAKEN_DEPTHS if depth >= levels), KRAKEN_DEPTHS[-1])


def _as_stated(pair: Instrument) -> Market:
    return Market(
        symbol=pair.symbol,
        base=pair.base,
        quote=pair.quote,
        price_decimals=pair.price_decimals,
        qty_decimals=pair.qty_decimals,
        price_increment=pair.price_increment,
        qty_increment=pair.qty_increment,
        qty_min=pair.qty_min,
        cost_min=pair.cost_min,
        status=pair.status,
    )


def _assumed(symbol: str, price_decimals: int, qty_decimals: int) -> Market:
    base, _, quote = symbol.partition("/")
    return Market(
        symbol=symbol,
        base=base,
        quote=quote,
        price_decimals=price_decimals,
        qty_decimals=qty_decimals,
        price_increment=Decimal(1).scaleb(-price_decimals),
        qty_increment=Decimal(1).scaleb(-qty_decimals),
        qty_min=Decimal(0),
        cost_min=Decimal(0),
        status=MarketStatus.ONLINE,
    )
