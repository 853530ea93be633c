"""Replays a recording through the same books, scanner and funnel, at its recorded times.

Nothing is asked over a network: a quiet book simply grows old. What the recording lacks (fees,
increments, minima) is assumed out loud: every assumption is printed and part of the report.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from arbit.app.measure.survey import Survey, survey_of
from arbit.app.watch.venue import Desk, DeskSetup
from arbit.app.watch.watchlist import Watchlist, watchlist
from arbit.config import ScanSettings, Settings, VenueSettings
from arbit.domain.book import Source
from arbit.domain.errors import FrameError, RecordingError
from arbit.domain.events import BookBelieved, Event, FeedCounts
from arbit.fitness.report import Report
from arbit.ports import Listener
from arbit.tape.binance import book_of
from arbit.tape.reader import Format, RecordedFrame, format_of, frames
from arbit.venues.backoff import RETRY_CAP_NS
from arbit.venues.kraken.checksum import WINDOW
from arbit.venues.kraken.session import KrakenSession, SessionSetup

SECOND_NS = 1_000_000_000
# Entry-tier taker fees as the venues published them; used only for a recording, and said aloud.
PUBLISHED_TAKER_BPS = {Format.KRAKEN: Decimal(40), Format.BINANCE: Decimal(10)}
PROGRESS_EVERY = 500


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """The recording, whether paper trades it, and who is told."""

    path: Path
    simulate: bool
    publish: Listener
    on_progress: Callable[[int], None] = lambda _: None


def replay(settings: Settings, options: ReplayOptions) -> tuple[Report, RecordingError | None]:
    """The report of a recording, and the error that cut it short, if one did.

    UserError when the file cannot be opened or is in no format we know.
    """
    kind = format_of(options.path)
    survey = survey_of(options.path, kind)
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


def _scan(settings: Settings, survey: Survey) -> tuple[ScanSettings, list[str]]:
    """The scan settings, with a recorded start asset standing in for a reference nobody recorded.

    Only for a recording, where no market can be added, and said aloud: a live venue refuses.
    """
    scan = settings.scan
    assets = {asset for market in survey.markets.values() for asset in (market.base, market.quote)}
    stand_in = next((asset for asset in scan.start_assets if asset in assets), None)
    if scan.reference_currency in assets or stand_in is None:
        return scan, []
    note = (
        f"{stand_in} stands in for {scan.reference_currency}, one for one, where limits are "
        "reckoned: the recording has no market that prices it"
    )
    return scan.model_copy(update={"reference_currency": stand_in}), [note]


@dataclass(slots=True)
class _Spoiled:
    """Frames that could not be used, and the line of the first."""

    frames: int = 0
    first_line: int = 0

    def add(self, line_number: int) -> None:
        self.frames += 1
        self.first_line = self.first_line or line_number


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
        scan, stands_in = _scan(settings, survey)
        self._notes = [*_assumptions(settings, kind, survey, venue), *stands_in]
        self._resynced = 0
        self._not_understood, self._failed = _Spoiled(), _Spoiled()
        self._desk = Desk(
            DeskSetup(
                venue=venue,
                scan=scan,
                watch=_all_symbols(watch, survey),
                markets=survey.markets,
                publish=options.publish,
                clock_ns=lambda: self._now_ns,
                simulate=options.simulate,
                proved_levels=WINDOW if kind is Format.KRAKEN else None,
                rotation=settings.rotation,
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
        """What was seen up to where the reading stopped; what was still under way is unfinished.

        A recording has no later: looks and orders due after its last frame are not made up.
        """
        self._desk.lane.finish(self._now_ns)
        notes = [*self._notes, *self._spoiled_words()]
        seconds = (self._now_ns - self._started_ns) / SECOND_NS
        return self._desk.report("recorded", self._counts, seconds, notes)

    def _spoiled_words(self) -> list[str]:
        said = []
        for spoiled, what in (
            (self._not_understood, "could not be understood and was passed over"),
            (self._failed, "failed the venue's checksum: its book was dropped until a snapshot"),
        ):
            if spoiled.frames:
                more = f" (and {spoiled.frames - 1} more)" if spoiled.frames > 1 else ""
                said.append(f"the frame in line {spoiled.first_line}{more} {what}")
        return said

    def _open_session(self) -> KrakenSession:
        setup = SessionSetup(
            venue=self._kind.value,
            depth=self._survey.depth,
            sink=self._desk.cache,
            publish=self._hear,
            counts=self._counts,
            learn=self._desk.learn,
            source=Source.RECORDED,
        )
        session = KrakenSession(setup, self._desk.cache.symbols, self._now_ns)
        session.opened(lambda _: None, self._now_ns)
        return session

    def _take(self, frame: RecordedFrame) -> None:
        if self._session is not None:
            self._take_kraken(self._session, frame)
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

    def _take_kraken(self, session: KrakenSession, frame: RecordedFrame) -> None:
        counts = self._counts
        bad, failed = counts.bad_frames, counts.failed
        if frame.fields.get("type") == "snapshot":
            self._expect(session)
        session.frame(frame.payload, self._now_ns)
        counts.resyncs = self._resynced  # nobody answers what a replay asks: only these took place
        if counts.bad_frames > bad:
            self._not_understood.add(frame.line_number)
        if counts.failed > failed:
            self._failed.add(frame.line_number)

    def _hear(self, event: Event) -> None:
        """What the session says: a dropped book that came back is a resync of the recorder's."""
        self._resynced += isinstance(event, BookBelieved)
        self._options.publish(event)

    def _expect(self, session: KrakenSession) -> None:
        """A snapshot is next: whatever was given up is waited for again, without any pause."""
        session.tick(self._now_ns + RETRY_CAP_NS)

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
    if not survey.received:
        said.append("frames without a receive time arrived at the venue's own time, in file order")
    if kind is Format.BINANCE:
        said.append("books without checksum or sequence: believed as recorded")
    return said
