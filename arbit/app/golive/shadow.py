"""A dry run keeps what it shows: how long it watched, and what each gap that survived brought.

What its own rebalances cost is taken off that. Beside the trading turn. What an hour brought is one
row; a second after an episode or a rebalance ended, or fifteen without one, it is written down.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from arbit import __version__
from arbit.app.store import DATABASE
from arbit.app.trade.health import LaneHealth
from arbit.config import InventorySettings, Settings, VenueSettings
from arbit.domain.account import AccountId, Mode
from arbit.domain.money import EXACT, ZERO, plain
from arbit.domain.records import Batch, JournalFailed
from arbit.domain.route import ConversionKind
from arbit.domain.shadow import HOUR_NS, Evidence, ShadowBatch, ShadowHour, ShadowSetup
from arbit.execution.cycle import Cycle
from arbit.persistence import shadow
from arbit.ports import Clock, Journal
from arbit.risk.golive import BACK_NS, Terms, Verdict, judge

LOOK_S = 1.0
EVERY_NS = 15_000_000_000
PULSE_NS = 1_500_000_000  # a pulse stands for no more time than this
KEPT_HOURS = 24 * 30  # longer than evidence counts, so that a refusal can say how old it is
_OF_SCAN = (
    *("start_assets", "reference_currency", "min_edge_bps", "max_slippage_bps"),
    "max_concurrent_cycles",
)
_OF_RISK = (
    *("policy", "collar_bps", "unwind_budget_bps", "cooldown_ms"),
    *("allow_rest_books", "allow_unproved_books"),
)
_OF_VENUE = (
    *("name", "effective_feed", "rest_url", "ws_url", "data_url", "min_notional", "book_depth"),
    *("max_book_age_ms", "max_skew_ms", "symbols", "triangles", "alpaca_data_location"),
)
_OF_REBALANCES = (
    *("band_percent", "rebalance_cost_bps", "rebalance_cost_per_day"),
    *("rebalance_after_s", "rebalance_every_s"),
)


def paper_of(venue: VenueSettings) -> str:
    """The account that a dry run of this venue trades on."""
    return str(AccountId(venue.name, Mode.PAPER))


def key_of(venue: VenueSettings) -> str:
    """The fingerprint of the API key that is set; empty without one."""
    if venue.api_key is None:
        return ""
    return AccountId.of_key(venue.name, Mode.LIVE, venue.api_key.get_secret_value()).key


def terms_of(
    settings: Settings,
    venue: VenueSettings,
    fees: Mapping[str, Decimal] | None = None,
    measured_ms: int = 0,
) -> Terms:
    """With what real orders would be sent on these settings."""
    told: dict[str, object] = {
        "scan": {name: str(getattr(settings.scan, name)) for name in _OF_SCAN},
        "risk": {name: str(getattr(settings.risk, name)) for name in _OF_RISK},
        "venue": {name: str(getattr(venue, name)) for name in _OF_VENUE},
        "rotation": settings.rotation.model_dump_json(),
    }
    if settings.inventory.rebalance:
        told["inventory"] = _rebalancing(settings.inventory)
    return Terms(
        key=key_of(venue),
        version=__version__,
        terms=_fingerprint(told),
        latency_ms=settings.scan.latency_ms,
        notional=settings.scan.max_notional_per_cycle,
        fees=fees,
        measured_ms=measured_ms,
    )


def _rebalancing(wanted: InventorySettings) -> Mapping[str, object]:
    """What decides on orders of its own that bring assets back: they cost."""
    targets = {asset: str(one) for asset, one in sorted(wanted.targets.items())}
    return {"targets": targets} | {name: str(getattr(wanted, name)) for name in _OF_REBALANCES}


def setup_of(settings: Settings, venue: VenueSettings, fees: Mapping[str, Decimal]) -> ShadowSetup:
    """With what a dry run of these settings trades on paper."""
    terms = terms_of(settings, venue)
    told = {
        "key": terms.key,
        "version": terms.version,
        "terms": terms.terms,
        "latency_ms": str(terms.latency_ms),
        "notional": plain(terms.notional),
        "fees": {symbol: plain(fee) for symbol, fee in sorted(fees.items())},
    }
    return ShadowSetup(
        name=_fingerprint(told),
        key=terms.key,
        version=terms.version,
        terms=terms.terms,
        latency_ms=terms.latency_ms,
        notional=terms.notional,
        fees=dict(fees),
    )


def _fingerprint(told: Mapping[str, object]) -> str:
    text = json.dumps(told, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(slots=True)
class _Pulses:
    """How far the lane had come at the last look."""

    at_ns: int
    pulses: int
    sighted: int


class ShadowKeeper:
    """Keeps the evidence of one dry run. `kept` is what earlier ones have left."""

    def __init__(
        self, health: LaneHealth, journal: Journal, clock: Clock, kept: Evidence, terms: Terms
    ) -> None:
        trader = health.trader
        desk = trader.setup.desk.setup
        self._health = health
        self._journal = journal
        self._clock = clock
        self._kept = kept
        self._terms = terms
        self.setup = setup_of(trader.setup.settings, desk.venue, desk.watch.rates)
        self._hours = {one.hour_ns: one for one in kept.hours if one.setup == self.setup.name}
        self._unwritten: dict[int, ShadowHour] = {}
        self._forgot_ns = -1  # in which hour what is old was forgotten last
        self._hurries = False  # an episode is not written down yet
        self._written_ns = clock.monotonic_ns()
        self._pulses = self._now()
        trader.engine.on_end = self.ended
        trader.engine.on_conversion = self.converted

    async def apart(self) -> None:
        """Look once a second, until cancelled; then all of it is written down."""
        try:
            while True:
                await self._clock.sleep(LOOK_S)
                self.look()
        finally:
            self.look()
            self._write()

    def ended(self, cycle: Cycle) -> None:
        """A cycle is over: what one that traded brought counts, whatever it was.

        One that found nothing left when its first order arrived has not survived our latency, and
        cost nothing. What nobody can price is counted as if all of it were lost.
        """
        if not cycle.traded:
            return
        self._put(self._hour().plus(self._net(cycle), self._stake(cycle)))
        self._hurries = True

    def converted(self, cycle: Cycle) -> None:
        """A conversion is over: what a rebalance cost counts in its hour, and is no episode.

        One that gained by the middle prices has earned nothing. What its owner converts is his own
        act, and no part of what is traded. What nobody can price counts as an episode's does.
        """
        if cycle.record.kind is not ConversionKind.REBALANCE or not cycle.traded:
            return
        net = self._net(cycle)
        if net < 0:
            self._put(self._hour().less(net))
            self._hurries = True

    def look(self) -> None:
        """Count the time since the last look, and write down what is due."""
        before, now = self._pulses, self._now()
        if now.pulses > before.pulses:
            self._pulses = now
            sighted = now.sighted - before.sighted
            passed_ns = (now.at_ns - before.at_ns) * sighted // (now.pulses - before.pulses)
            watched_ns = min(passed_ns, sighted * PULSE_NS)
            if watched_ns > 0 and self._decides():
                self._put(self._hour().watched(watched_ns))
        due = now.at_ns - self._written_ns >= EVERY_NS
        if self._unwritten and (due or self._hurries):
            self._write()

    @property
    def evidence(self) -> Evidence:
        """All that is kept of this account's dry runs, as of now."""
        others = tuple(one for one in self._kept.hours if one.setup != self.setup.name)
        setups = {**self._kept.setups, self.setup.name: self.setup}
        hours = (*others, *self._hours.values())
        return Evidence(setups, hours, self._kept.latest_ns, self._kept.problem)

    def verdict(self) -> Verdict:
        """How far it is from letting real orders leave, on this run's own terms."""
        return judge(self.evidence, self._terms, self._clock.wall_ns())

    def words(self) -> str:
        """The same in a few words, without the bound: that takes long."""
        mine = self._hours.values()
        hours = sum(one.watched_ns for one in mine) / HOUR_NS
        net = sum((one.net for one in mine), ZERO)
        return f"{hours:.1f} h, {sum(one.episodes for one in mine)} episodes, net {net:.4f}"

    def _decides(self) -> bool:
        """Whether a gap would be taken now."""
        return not self._health.waits() and self._health.stops() is None

    def _now(self) -> _Pulses:
        lane = self._health.run_of.desk.lane
        return _Pulses(self._clock.monotonic_ns(), lane.pulses, lane.sighted_pulses)

    def _hour(self) -> ShadowHour:
        wall_ns = self._clock.wall_ns()
        hour_ns = wall_ns - wall_ns % HOUR_NS
        return self._hours.get(hour_ns, ShadowHour(self.setup.name, hour_ns))

    def _put(self, hour: ShadowHour) -> None:
        self._hours[hour.hour_ns] = self._unwritten[hour.hour_ns] = hour

    def _net(self, cycle: Cycle) -> Decimal:
        """What it brought, ways home included; all that it started with as lost, unpriced."""
        brought = cycle.record.profit_ref
        return EXACT.minus(self._stake(cycle)) if brought is None else brought

    def _stake(self, cycle: Cycle) -> Decimal:
        """What it started with, in reference units; the most one may where nobody can price it."""
        first = cycle.record.plan[0]
        spent = first.qty
        if first.leg.spend != first.leg.symbol_base:
            spent = EXACT.multiply(first.qty, first.limit_price)
        price = self._health.trader.sights.last_price(first.leg.spend)
        return self.setup.notional if price is None else EXACT.multiply(spent, price)

    def _write(self) -> None:
        """In one commit. What a journal does not take now is written with the next.

        Hours that have not begun are of a clock that was wrong, and go. One that is set right by
        no more than the judge lets pass may step back over an hour's start: what that hour has lost
        already was lost, and stays.
        """
        wall_ns = self._clock.wall_ns()
        since_ns, until_ns = wall_ns - KEPT_HOURS * HOUR_NS, wall_ns + BACK_NS
        self._hours = {at: one for at, one in self._hours.items() if since_ns <= at <= until_ns}
        hours = tuple(one for at, one in self._unwritten.items() if at in self._hours)
        hour_ns = wall_ns - wall_ns % HOUR_NS
        batch = ShadowBatch(self.setup, hours)
        if hour_ns != self._forgot_ns:
            batch = ShadowBatch(self.setup, hours, since_ns, until_ns)
        self._written_ns = self._clock.monotonic_ns()
        try:
            self._journal.write(Batch(shadow=batch))
        except JournalFailed:  # the keeper of cycles finds the same, and tells it
            return
        self._unwritten.clear()
        self._hurries, self._forgot_ns = False, hour_ns


def keeper_of(
    settings: Settings, health: LaneHealth, journal: Journal, clock: Clock
) -> ShadowKeeper:
    """The keeper of a dry run, with what earlier ones have left. UserError for a bad database."""
    venue = health.run_of.desk.setup.venue
    kept = shadow.read(settings.data_dir / DATABASE, paper_of(venue))
    fees = health.run_of.desk.setup.watch.rates
    return ShadowKeeper(health, journal, clock, kept, terms_of(settings, venue, fees))
