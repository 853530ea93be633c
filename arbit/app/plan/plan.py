"""`arbit plan`: break-even at the account's own fees, how near the market came, and the next step.

With a key the account's own fees and volume are asked for, and nothing else; without one, beside a
daemon that has the key, and where the venue does not tell, the published ladder stands in and is
named. Nothing is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal

from arbit.app.loop import run_on_best_loop
from arbit.app.plan.facts import Facts, facts_of
from arbit.app.plan.planning import Account, PlanRow, Seen, StepRow, rows_of, steps_of, verdict
from arbit.app.plan.triangles import why_not
from arbit.app.private.kraken import kraken_side, refusal
from arbit.app.private.parts import Around
from arbit.app.store import HISTORY, account_of, nonces_of
from arbit.app.watch.assumptions import fee_words
from arbit.app.watch.build import watched
from arbit.app.watch.watchlist import fee_of
from arbit.clock import SystemClock
from arbit.config import SPEAKS_ALPACA, SPEAKS_KRAKEN, Settings, VenueSettings, venue_key
from arbit.domain.errors import UserError, VenueRefused
from arbit.domain.fee_ladder import FeeLadder, Standing
from arbit.domain.fees import Fee, FeeSource
from arbit.domain.money import ZERO, plain
from arbit.domain.triangle import Triangle
from arbit.persistence.bests import BestGap, best_gaps, served_best_gaps
from arbit.persistence.locks import AccountHeld
from arbit.ports import Clock


@dataclass(frozen=True, slots=True)
class PlanTold:
    """The plan. `volume` is of thirty days, in `currency`, empty where nobody told it.

    `verdict` is a few sentences, `notes` say what was reckoned with.
    """

    venue: str
    market: str
    volume: str
    currency: str
    triangles: Sequence[PlanRow]
    steps: Sequence[StepRow]
    verdict: Sequence[str]
    notes: Sequence[str]


def run_plan(settings: Settings, venue: str) -> PlanTold:
    """Ask the venue, and history. UserError for wrong settings, VenueError without an answer."""
    return run_on_best_loop(Planner(settings, venue, SystemClock())())


class Planner:
    """One plan of one venue."""

    def __init__(self, settings: Settings, venue: str, clock: Clock) -> None:
        self._settings = settings
        self._name = venue
        self._clock = clock
        self._notes: list[str] = []

    async def __call__(self) -> PlanTold:
        """Ask, reckon, and say."""
        async with AsyncExitStack() as stack:
            facts = await facts_of(self._settings, self._name, self._clock, stack)
            watch = watched(self._settings, facts.venue, facts.markets)
            standing = await self._standing(facts, watch.symbols)
        fees = self._fees(facts, watch.symbols, standing)
        volume = self._volume(facts, fees, standing)
        least, placed = self._settings.scan.min_edge_bps, standing is None and volume is not None
        account = Account(fees, facts.ladders, volume or ZERO, least, placed)
        seen = await self._seen(watch.triangles)
        reasons = {
            one: why_not(one, facts.markets, fees, self._settings.scan) for one in watch.triangles
        }
        rows = rows_of(reasons, account, seen)
        bests = [row.best_bps for row in rows if row.best_bps is not None and not row.why_not]
        steps = steps_of(account, max(bests, default=None))
        currency = account.ladder.currency if account.ladder is not None else ""
        return PlanTold(
            venue=self._name,
            market=facts.market,
            volume="" if volume is None else plain(volume),
            currency=currency,
            triangles=rows,
            steps=steps,
            verdict=verdict(self._name, rows, steps, currency),
            notes=[*fee_words(fees), *self._notes, *filter(None, [watch.said])],
        )

    async def _standing(self, facts: Facts, symbols: Sequence[str]) -> Standing | None:
        """The account's own fees and volume; None, with a note, where the ladder must do."""
        venue = facts.venue
        if venue.name not in SPEAKS_KRAKEN:
            self._notes.append(_untold(venue))
            return None
        if venue.api_key is None or venue.api_secret is None:
            key = venue_key(venue.name, "api_key")
            self._notes.append(
                f"no key is set ({key}): the published ladder's first step, volume taken as none"
            )
            return None
        try:
            return await self._asked(facts, symbols)
        except AccountHeld as held:
            self._notes.append(f"{held}; the account was not asked: the published ladder is used")
        except VenueRefused as error:
            said = refusal(error.text)
            self._notes.append(f"{said}; the published ladder is used instead of its fees")
        return None

    async def _asked(self, facts: Facts, symbols: Sequence[str]) -> Standing:
        venue, clock = facts.venue, self._clock
        account = account_of(venue, real=True)
        async with AsyncExitStack() as stack:
            kept = nonces_of(self._settings, venue, account, clock, "plan")
            around = Around(clock, stack.enter_context(kept), lambda _: None)
            side = await kraken_side(self._settings, venue, facts.reached.at, around, stack)
            return await side.reader.standing(symbols)

    def _fees(
        self, facts: Facts, symbols: Sequence[str], standing: Standing | None
    ) -> dict[str, Fee]:
        """What the user states, else the account's own, else the published ladder's first step."""
        found = {}
        for symbol in symbols:
            fee = fee_of(facts.venue, facts.markets[symbol], None)
            if standing is not None and (fee is None or fee.source is FeeSource.LADDER):
                own = standing.fees.get(symbol)
                fee = None if own is None else Fee(own, FeeSource.ACCOUNT)
            if fee is not None:
                found[symbol] = fee
        return found

    def _volume(
        self, facts: Facts, fees: Mapping[str, Fee], standing: Standing | None
    ) -> Decimal | None:
        """The volume behind the fees: as it was told, else that of the step they are of."""
        if standing is not None:
            return standing.volume
        stated = {fee.rate for fee in fees.values() if fee.source is FeeSource.OVERRIDE}
        ladders = {facts.ladders[symbol] for symbol in fees if symbol in facts.ladders}
        if len(stated) != 1 or len(ladders) != 1:
            return None
        return _step_of(ladders.pop(), stated.pop())

    async def _seen(self, triangles: Sequence[Triangle]) -> dict[frozenset[str], Seen]:
        """The best gap of each triangle, whichever way round it was walked, by its markets."""
        server = self._settings.history_url
        try:
            if server is None:
                found = best_gaps(self._settings.data_dir / HISTORY, self._name)
            else:
                found = await served_best_gaps(server.get_secret_value(), self._name)
        except UserError as error:
            self._notes.append(f"no gaps seen are reckoned with: {error}")
            return {}
        by_path = {one.path: one for one in found}
        return {
            frozenset(triangle.symbols): seen
            for triangle in triangles
            if (seen := _widest(triangle, by_path)) is not None
        }


def _widest(triangle: Triangle, by_path: Mapping[str, BestGap]) -> Seen | None:
    """Of both directions, from whichever asset they began with then."""
    ways = [
        way.starting_at(leg.spend).path
        for way in (triangle, triangle.reversed())
        for leg in way.legs
    ]
    found = [by_path[path] for path in ways if path in by_path]
    if not found:
        return None
    best = max(found, key=lambda one: one.best_bps)
    return Seen(best.best_bps, sum(one.gaps for one in found), best.at_ns)


def _step_of(ladder: FeeLadder, rate: Decimal) -> Decimal | None:
    """The volume at which a ladder's taker fee is this one."""
    return next((step.volume for step in ladder.steps if step.taker == rate), None)


def _untold(venue: VenueSettings) -> str:
    key = venue_key(venue.name, "taker_fee_bps")
    if venue.name in SPEAKS_ALPACA:
        return f"Alpaca tells no account's fees: the ladder's first step, unless {key} says yours"
    return (
        f"accounts of {venue.name} are not asked: what ccxt states of its fees, unless {key} does"
    )
