"""The daemon's own parts, from feed to journal, put together around the planted venue.

Nothing here stands in for a part that is under test: books come through the Kraken feed, orders
leave through the Kraken gateway, and what happens is kept in a SQLite file of the newest schema.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from arbit.app.doctor_known import answers
from arbit.app.doctor_known.account import NoQuestions, PlantedAccount
from arbit.app.doctor_known.seen import Seen, WitnessedSink, levels_of
from arbit.app.doctor_known.venue import PRIVATE, PUBLIC, WAY_S, PlantedVenue
from arbit.app.doctor_known.virtual import VirtualClock, VirtualLoop
from arbit.app.private.parts import Forward, Ours
from arbit.app.reports.database import check_database
from arbit.app.store import DATABASE, account_of, open_journal
from arbit.app.trade.trader import Trader, TraderSetup
from arbit.app.watch.build import SYNTHETIC, watched
from arbit.app.watch.feeds import proved_levels
from arbit.app.watch.venue import Desk, DeskSetup, RunSetup, VenueRun
from arbit.config import OrderTransport, Settings
from arbit.domain.errors import ArbitError, BrokenRule, first_of
from arbit.domain.market import Market, MarketStatus
from arbit.domain.plan import Plan
from arbit.domain.records import RunEnd
from arbit.domain.refusal import Refused
from arbit.persistence.journal import SqliteJournal
from arbit.persistence.reading import read_account
from arbit.risk.kill import KILL_FILE
from arbit.venues.clockoffset import OffsetTracker
from arbit.venues.kraken.budgets import EngineBudget, RequestBudget
from arbit.venues.kraken.feed import KrakenFeed, KrakenFeedSetup, Surroundings
from arbit.venues.kraken.gateway import KrakenGateway, KrakenGatewaySetup, RestParts
from arbit.venues.kraken.private.token import Token

STEP_S = 0.05
READY_S, CYCLE_S, AFTER_S, GRACE_S = 20.0, 10.0, 2.5, 20.0
EPOCH = "known"
TOKEN_LIFE_S = 900


@dataclass(frozen=True, slots=True)
class _Parts:
    """The pipeline, put together."""

    venue: PlantedVenue
    clock: VirtualClock
    sink: WitnessedSink
    run: VenueRun
    gateway: KrakenGateway
    trader: Trader
    folder: Path


def settings_of(folder: Path) -> Settings:
    """Settings of its own: whatever the user has set changes no answer."""
    return Settings.model_validate(
        {
            "venues": {answers.VENUE: {"book_depth": 10}},
            "scan": {"start_assets": ("USD",), "max_notional_per_cycle": Decimal(5_000)},
            "data_dir": folder,
            "lock_dir": folder,
        }
    )


def play(folder: Path) -> Seen:
    """The whole of it, in virtual time; its database is made in this folder."""
    seen = Seen()
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        if not isinstance(loop, VirtualLoop):
            raise BrokenRule("the self-test runs on a loop of its own")
        loop.set_exception_handler(lambda _, told: seen.broke.append(_words(told)))
        runner.run(_whole(folder, VirtualClock(loop), seen))
    try:
        seen.findings = list(check_database(folder).findings)
        account = account_of(settings_of(folder).venue(answers.VENUE), real=True)
        seen.recorded = read_account(folder / DATABASE, str(account))
    except ArbitError as error:
        seen.findings.append(str(error))
    return seen


async def _whole(folder: Path, clock: VirtualClock, seen: Seen) -> None:
    """An error that nobody expected is a finding, too: `gather` hands it back as a value."""
    (found,) = await asyncio.gather(_play(folder, clock, seen), return_exceptions=True)
    if isinstance(found, BaseExceptionGroup):
        found = first_of(found)
    if isinstance(found, ArbitError):
        seen.stuck = str(found)
    elif isinstance(found, BaseException):
        seen.broke.append(f"{type(found).__name__}: {found}")


async def _play(folder: Path, clock: VirtualClock, seen: Seen) -> None:
    settings = settings_of(folder)
    account = account_of(settings.venue(answers.VENUE), real=True)
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal(folder, account, clock, "doctor"))
        parts = _built(settings, clock, journal, seen)
        async with asyncio.TaskGroup() as group:
            works = (parts.venue.run, parts.run.run, parts.gateway.run, parts.trader.run)
            tasks = [group.create_task(work()) for work in works]
            await _directed(parts, seen)
            for task in tasks:
                task.cancel()
        journal.ending = RunEnd.STOPPED if seen.left or seen.stuck else RunEnd.CLEAN


def _built(settings: Settings, clock: VirtualClock, journal: SqliteJournal, seen: Seen) -> _Parts:
    venue, venue_settings = PlantedVenue(clock), settings.venue(answers.VENUE)
    reader, sink = PlantedAccount(venue), Forward()
    gateway = _gateway(venue, reader, journal, clock, sink, seen)
    markets = {one.symbol: _market(one) for one in answers.MARKETS}
    fees = dict.fromkeys(markets, answers.FEE)
    desk = Desk(
        DeskSetup(
            venue=venue_settings,
            scan=settings.scan,
            watch=watched(settings, venue_settings, markets, fees),
            markets=markets,
            publish=seen.events.append,
            clock_ns=clock.monotonic_ns,
            simulate=False,
            proved_levels=proved_levels(venue_settings),
            rotation=settings.rotation,
        )
    )
    books = WitnessedSink(desk.cache, seen)
    around = Surroundings(None, markets, desk.learn, venue.dial)
    setup = KrakenFeedSetup(answers.VENUE, PUBLIC, depth=venue_settings.book_depth)
    feed = KrakenFeed(setup, books, clock, seen.events.append, around)
    run = VenueRun(desk, feed, clock, RunSetup(SYNTHETIC))
    feed.on_drained = run.drained
    trader = Trader(
        TraderSetup(
            settings=settings,
            account=account_of(venue_settings, real=True),
            desk=desk,
            integrity=feed.integrity,
            journal=journal,
            gateway=gateway,
            reader=reader,
            clock=clock,
            publish=seen.events.append,
            epoch=EPOCH,
            data_dir=settings.data_dir,
            venue_clock=clock.wall_ns,
        )
    )
    sink.to, gateway.forbid = trader.account_event, trader.engine.forbids
    venue.on_leave = lambda name: None if journal.find(name) else seen.unknown.append(name)
    desk.funds = trader.inventory.spendable
    desk.lane.take = _noted(trader.take, seen)
    return _Parts(venue, clock, books, run, gateway, trader, settings.data_dir)


def _gateway(
    venue: PlantedVenue,
    reader: PlantedAccount,
    journal: SqliteJournal,
    clock: VirtualClock,
    sink: Forward,
    seen: Seen,
) -> KrakenGateway:
    """The real one; its token is the venue's, and nothing is asked over REST."""

    async def token() -> Token:
        return Token("planted", TOKEN_LIFE_S)

    tier = Settings.model_validate({}).venue(answers.VENUE).rate_tier
    setup = KrakenGatewaySetup(
        answers.VENUE, OrderTransport.WS, PRIVATE, Ours(journal), dial=venue.dial
    )
    rest = RestParts(
        reader=reader,
        resolver=NoQuestions(),
        orders=NoQuestions(),
        token=token,
        requests=RequestBudget(tier),
        engine=EngineBudget(tier),
        offsets=OffsetTracker(clock),
    )
    return KrakenGateway(setup, clock, rest, sink, seen.events.append)


def _words(told: dict[str, Any]) -> str:
    """An error that a callback raised, as asyncio tells it."""
    error = told.get("exception")
    return f"{type(error).__name__}: {error}" if error is not None else str(told.get("message"))


def _market(one: answers.Planted) -> Market:
    base, _, quote = one.symbol.partition("/")
    return Market(
        symbol=one.symbol,
        base=base,
        quote=quote,
        price_decimals=one.price_digits,
        qty_decimals=one.qty_digits,
        price_increment=Decimal(one.tick),
        qty_increment=Decimal(one.lot),
        qty_min=Decimal(one.lot),
        cost_min=Decimal("0.0001"),
        status=MarketStatus.ONLINE,
    )


def _noted(
    take: Callable[[Plan, int], Refused | None], seen: Seen
) -> Callable[[Plan, int], Refused | None]:
    """The lane's way in, with a note of what went in and what was said."""

    def noted(plan: Plan, now_ns: int) -> Refused | None:
        said = take(plan, now_ns)
        seen.plans.append((plan, said))
        return said

    return noted


# --- the story ------------------------------------------------------------------------------------


async def _directed(parts: _Parts, seen: Seen) -> None:
    """Ready, the gap, the cycle, the end in order; then what is seen is written down."""
    engine, clock = parts.trader.engine, parts.clock
    ready = await _until(clock, lambda: _ready(parts), READY_S)
    if not ready:
        seen.stuck = _unready(parts)
    parts.venue.open_gap()
    await clock.sleep(WAY_S * 1.5)  # it is told, and no order has met a book yet
    _note_books(parts, seen)
    if ready:
        await _until(clock, lambda: engine.cycles > 0, CYCLE_S)
        await clock.sleep(AFTER_S)
        _ask_while_killed(parts, seen)
        seen.left = await parts.trader.drain(GRACE_S)
    _note_end(parts, seen)


async def _until(clock: VirtualClock, there: Callable[[], bool], within_s: float) -> bool:
    for _ in range(int(within_s / STEP_S)):
        if there():
            return True
        await clock.sleep(STEP_S)
    return there()


def _ready(parts: _Parts) -> bool:
    return not _unready(parts)


def _unready(parts: _Parts) -> str:
    cache, now_ns = parts.run.desk.cache, parts.clock.monotonic_ns()
    for one in answers.MARKETS:
        why = cache.why_not(one.symbol, now_ns, parts.run.desk.setup.venue.max_book_age_ms * 10**6)
        if why is not None:
            return f"the book of {one.symbol} is not believed: {why.value}"
    if not parts.trader.started:
        return "recovery is not over"
    return parts.gateway.unready()


def _note_books(parts: _Parts, seen: Seen) -> None:
    """What the feed told, and what the cache holds of it."""
    now_ns = parts.clock.monotonic_ns()
    seen.told = dict(parts.sink.books)
    for one in answers.MARKETS:
        view = parts.run.desk.cache.fresh(one.symbol, now_ns, 10**10)
        if view is not None:
            seen.cached[one.symbol] = levels_of(view)


def _ask_while_killed(parts: _Parts, seen: Seen) -> None:
    """The same plan once more, with the kill switch on: it must be refused for that.

    And once it is off, for nobody has resumed.
    """
    if not seen.plans:
        return
    kill = parts.folder / KILL_FILE
    kill.touch()
    try:
        seen.asked_while_killed = True
        seen.killed = parts.trader.take(seen.plans[0][0], parts.clock.monotonic_ns())
    finally:
        kill.unlink()
    if seen.killed is not None:
        seen.unkilled = parts.trader.take(seen.plans[0][0], parts.clock.monotonic_ns())
        parts.trader.breaker.resume()


def _note_end(parts: _Parts, seen: Seen) -> None:
    trader, lane = parts.trader, parts.run.desk.lane
    lane.finish(parts.clock.monotonic_ns())
    seen.counts = parts.run.feed.counts
    seen.arrived, seen.trades = list(parts.venue.orders), list(parts.venue.trades)
    seen.venue_wallet = {asset: much for asset, much in parts.venue.balances.items() if much}
    seen.ledger_wallet = trader.balances()
    seen.ends, seen.profit = dict(trader.engine.ends), dict(trader.engine.profit)
    seen.refusals, seen.unfit = dict(trader.engine.refusals), dict(lane.unfit)
    seen.breaker = trader.breaker.state().value
    try:
        trader.ledger.check()
    except BrokenRule as error:
        seen.ledger_wrong = str(error)
