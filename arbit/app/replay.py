"""Replays a recording through the same books, scanner and funnel, at its recorded times.

Nothing is asked over a network: a quiet book simply grows old. What the recording lacks (fees,
increments, minima) is assumed out loud: every assumption is printed and part of the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from arbit.app.venue import Desk, DeskSetup
from arbit.app.watchlist import Watchlist, watchlist
from arbit.config import Settings, VenueSettings
from arbit.domain.book import Source
from arbit.domain.errors import FrameError, RecordingError
from arbit.domain.events import FeedCounts
from arbit.domain.market import Market, MarketStatus
from arbit.fitness.report import Report
from arbit.ports import Listener
from arbit.tape.binance import book_of
from arbit.tape.reader import Format, RecordedFrame, format_of, frames
from arbit.venues.kraken.parse import (
    Ack,
    BookMessage,
    Instruments,
    Message,
    WireBook,
    parse,
)
from arbit.venues.kraken.session import KrakenSession, SessionSetup, book_for

SECOND_NS = 1_000_000_000
# Entry-tier taker fees as the venues published them; used only for a recording, and said aloud.
PUBLISHED_TAKER_BPS = {Format.KRAKEN: Decimal(40), Format.BINANCE: Decimal(10)}
KRAKEN_DEPTHS = (10, 25, 100, 500, 1000)
PROGRESS_EVERY = 500


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """The recording, whether paper trades it, and who is told."""

    path: Path
    simulate: bool
    publish: Listener
    on_progress: Callable[[int], None] = lambda _: None


@dataclass(slots=True)
class Survey:
    """What a first look through a recording finds: markets at the wire's precision, and depth."""

    markets: dict[str, Market] = field(default_factory=dict)
    stated: set[str] = field(default_factory=set)
    depth: int = 10
    first_ns: int | None = None
    error: RecordingError | None = None

    def add(self, symbol: str, price_decimals: int, qty_decimals: int) -> None:
        """A symbol was seen with this many digits."""
        known = self.markets.get(symbol)
        if known is not None and symbol not in self.stated:
            price_decimals = max(price_decimals, known.price_decimals or 0)
            qty_decimals = max(qty_decimals, known.qty_decimals or 0)
        if symbol not in self.stated:
            self.markets[symbol] = _assumed(symbol, price_decimals, qty_decimals)


def replay(settings: Settings, options: ReplayOptions) -> tuple[Report, RecordingError | None]:
    """The report of a recording, and the error that cut it short, if one did.

    UserError when the file cannot be opened or is in no format we know.
    """
    kind = format_of(options.path)
    survey = _survey(options.path, kind)
    venue = _venue(settings, kind)
    watch = watchlist(venue, survey.markets, settings.scan.start_assets, settings.scan.min_edge_bps)
    player = _Player(settings, options, kind, survey, watch)
    error = player.play()
    return player.report(), error


def _venue(settings: Settings, kind: Format) -> VenueSettings:
    """The recorded venue's settings, with its published fee where the user gave none."""
    venue = settings.venue(kind.value)
    if venue.taker_fee_bps is None:
        venue = venue.model_copy(update={"taker_fee_bps": PUBLISHED_TAKER_BPS[kind]})
    return venue


class _Player:
    """Walks through the frames and keeps the lane's time in step with them."""

    def __init__(
        self,
        settings: Settings,
        options: ReplayOptions,
        kind: Format,
        survey: Survey,
        watch: Watchlist,
    ) -> None:
        self._options = options
        self._survey = survey
        self._kind = kind
        self._now_ns = survey.first_ns or 1
        self._started_ns = self._now_ns
        self._next_pulse_ns = self._now_ns + SECOND_NS
        self._counts = FeedCounts()
        venue = _venue(settings, kind)
        self._notes = _assumptions(settings, kind, survey, venue)
        self._desk = Desk(
            DeskSetup(
                venue=venue,
                scan=settings.scan,
                watch=_all_symbols(watch, survey),
                markets=survey.markets,
                publish=options.publish,
                clock_ns=lambda: self._now_ns,
                simulate=options.simulate,
            )
        )
        self._session = self._open_session() if kind is Format.KRAKEN else None

    def play(self) -> RecordingError | None:
        """Every frame, in order; the error that stopped the reading, if one did."""
        try:
            for count, frame in enumerate(frames(self._options.path), 1):
                self._advance(frame.at_ns)
                self._take(frame)
                self._desk.lane.turn(self._now_ns)
                if count % PROGRESS_EVERY == 0:
                    self._options.on_progress(count)
        except RecordingError as error:
            return error
        return None

    def report(self) -> Report:
        """What was seen up to where the reading stopped."""
        self._desk.lane.finish(self._now_ns)
        seconds = (self._now_ns - self._started_ns) / SECOND_NS
        return self._desk.report("recorded", self._counts, seconds, self._notes)

    def _open_session(self) -> KrakenSession:
        setup = SessionSetup(
            venue=self._kind.value,
            depth=self._survey.depth,
            sink=self._desk.cache,
            publish=self._options.publish,
            counts=self._counts,
            learn=self._desk.learn,
            source=Source.RECORDED,
        )
        session = KrakenSession(setup, self._desk.cache.symbols, self._now_ns)
        session.opened(lambda _: None, self._now_ns)
        return session

    def _take(self, frame: RecordedFrame) -> None:
        if self._session is not None:
            self._session.tick(self._now_ns)
            self._session.frame(frame.payload, self._now_ns)
            return
        self._counts.frames += 1
        self._counts.bytes += len(frame.payload)
        try:
            book = book_of(frame.fields)
        except FrameError as error:
            self._counts.bad_frames += 1
            why = f"not a Binance partial-depth frame ({error})"
            raise RecordingError(str(self._options.path), frame.line_number, why) from None
        now_ns = self._now_ns
        self._desk.cache.put(book, seen_ns=now_ns, confirmed_ns=now_ns, source=Source.RECORDED)

    def _advance(self, at_ns: int) -> None:
        """Let recorded time pass: paper fills and pulses happen when they are due."""
        while True:
            due_ns = self._desk.lane.next_due_ns
            due_ns = self._next_pulse_ns if due_ns is None else min(due_ns, self._next_pulse_ns)
            if due_ns > at_ns:
                break
            self._now_ns = max(self._now_ns, due_ns)
            if due_ns >= self._next_pulse_ns:
                self._desk.lane.pulse(self._now_ns)
                self._next_pulse_ns = self._later_pulse(at_ns)
            else:
                self._desk.lane.turn(self._now_ns)
        self._now_ns = max(self._now_ns, at_ns)

    def _later_pulse(self, at_ns: int) -> int:
        """The next full second; a gap of hours in a recording costs one pulse, not thousands."""
        next_ns = self._next_pulse_ns + SECOND_NS
        behind = (at_ns - next_ns) // SECOND_NS
        return next_ns + behind * SECOND_NS if behind > 600 else next_ns


def _all_symbols(watch: Watchlist, survey: Survey) -> Watchlist:
    """Watch every recorded symbol, in a triangle or not: its checksums count all the same."""
    symbols = sorted({*watch.symbols, *survey.markets})
    return Watchlist(symbols, watch.triangles, watch.listed, watch.fees)


def _survey(path: Path, kind: Format) -> Survey:
    survey = Survey()
    try:
        for frame in frames(path):
            survey.first_ns = survey.first_ns or frame.at_ns
            if kind is Format.KRAKEN:
                _survey_kraken(survey, frame.payload)
            else:
                _survey_binance(survey, frame.fields)
    except RecordingError as error:
        survey.error = error  # met again, and reported, when the frames are played
    return survey


def _survey_kraken(survey: Survey, payload: bytes) -> None:
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
            survey.markets[pair.symbol] = Market(
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
            survey.stated.add(pair.symbol)
    elif isinstance(message, Ack) and message.depth:
        survey.depth = max(survey.depth, message.depth)


def _snapshots(message: Message) -> Iterator[WireBook]:
    if isinstance(message, BookMessage) and message.type == "snapshot":
        yield from message.data


def _offered_depth(levels: int) -> int:
    return next((depth for depth in KRAKEN_DEPTHS if depth >= levels), KRAKEN_DEPTHS[-1])


def _survey_binance(survey: Survey, fields: Mapping[str, Any]) -> None:
    try:
        book = book_of(fields)
    except FrameError:
        return  # named, with its line, when the frame is played
    survey.add(book.symbol, book.price_decimals, book.qty_decimals)


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


def _assumptions(
    settings: Settings, kind: Format, survey: Survey, venue: VenueSettings
) -> list[str]:
    said = []
    if settings.venue(kind.value).taker_fee_bps is None:
        said.append(
            f"taker fee {venue.taker_fee_bps} bps a leg: {kind.value}'s published entry tier, "
            "the recording has none (--fee-bps sets another)"
        )
    else:
        said.append(f"taker fee {venue.taker_fee_bps} bps a leg, as given")
    guessed = sorted(set(survey.markets) - survey.stated)
    if guessed:
        said.append(
            f"increments of {', '.join(guessed[:6])}{' ...' if len(guessed) > 6 else ''} from the "
            "digits on the wire, no minimum size or cost, always online: the recording has none"
        )
    if kind is Format.BINANCE:
        said.append("books without checksum or sequence: believed as recorded")
    return said
