"""`arbit keys:check`: may this key be traded with, and would its orders be taken? Nothing is sent.

The only thing beyond reading is a rehearsal: orders with `validate`, which the venue checks and
never places (docs.kraken.com, "Add order").
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from decimal import Decimal

from arbit.app.keys.alpaca import AlpacaKeysCheck
from arbit.app.keys.report import KeysReport, balances_shown, market_check, some
from arbit.app.keys.rows import clock_row, key_there, kraken_rows, tier_row
from arbit.app.loop import run_on_best_loop
from arbit.app.private.kraken import KrakenReal, kraken_side, refusal
from arbit.app.private.parts import Around
from arbit.app.store import account_of, nonces_of
from arbit.app.watch.build import listed, reach, watched
from arbit.app.watch.child import SandboxChild
from arbit.app.watch.feeds import rest_side
from arbit.app.watch.watchlist import Watchlist
from arbit.clock import SystemClock
from arbit.config import SPEAKS_ALPACA, SPEAKS_KRAKEN, Settings, VenueSettings
from arbit.domain.account import AccountId, AccountUnfit
from arbit.domain.errors import UserError, VenueError, VenueRefused
from arbit.domain.fees import hurdle_bps
from arbit.domain.market import Market
from arbit.domain.money import ZERO, ceil_to
from arbit.domain.order import OrderIntent, Remedy
from arbit.domain.triangle import Leg
from arbit.persistence.locks import AccountHeld
from arbit.ports import Journal
from arbit.venues.clockoffset import off_clock
from arbit.venues.kraken.keyfacts import read_for
from arbit.venues.kraken.outcomes import judge
from arbit.venues.kraken.rest import RATE_EXCEEDED

MAX_REHEARSALS = 30  # markets rehearsed; each is a request
TAKEN, UNASKED = "would be taken", "not rehearsed"
TWICE = Decimal(2)
REHEARSAL_ID = "arbit-keys-check"
SECOND_NS = 1_000_000_000
DEADLINE_NS = 20 * SECOND_NS


class KeysCheck:
    """One check of one venue's key."""

    def __init__(self, settings: Settings, venue: str, *, balances: bool = False) -> None:
        """`balances` says that amounts are asked for, and shown."""
        self._settings = settings
        self._balances = balances
        self._clock = SystemClock()
        self._venue = settings.venue(venue)

    async def __call__(self) -> KeysReport:
        """Ask everything. UserError without a key, VenueUnreachable when nobody answers."""
        venue = self._venue
        if venue.name not in SPEAKS_KRAKEN:
            *most, last = sorted(SPEAKS_KRAKEN | SPEAKS_ALPACA)
            known = f"{', '.join(most)} and {last}"
            raise UserError(f"--venue {venue.name}: keys are checked for {known} so far")
        account = account_of(venue, real=True)
        async with AsyncExitStack() as stack:
            journal = self._nonces(account, stack)
            reached = await reach(venue, stack, lambda: self._child(venue))
            rest = rest_side(venue, reached.at, self._clock)
            stack.push_async_callback(rest.client.close)
            around = Around(self._clock, journal, lambda _: None)
            side = await kraken_side(self._settings, venue, reached.at, around, stack)
            markets = await listed(venue, rest)
            watch = watched(self._settings, venue, markets)
            return await self._report(side, watch, markets)

    def _nonces(self, account: AccountId, stack: AsyncExitStack) -> Journal:
        """Where the key's nonces are kept. UserError while a daemon uses them."""
        kept = nonces_of(self._settings, self._venue, account, self._clock, "keys:check")
        try:
            return stack.enter_context(kept)
        except AccountHeld as held:
            why = "a check beside it would use up its nonces, so nothing was asked: stop it first"
            raise UserError(f"{held}; {why}") from None

    def _child(self, venue: VenueSettings) -> SandboxChild:
        return SandboxChild("calm", 1, taker_fee_bps=venue.taker_fee_bps)

    async def _report(
        self, side: KrakenReal, watch: Watchlist, markets: Mapping[str, Market]
    ) -> KeysReport:
        report = KeysReport(self._venue.name)
        report.checks.append(key_there(account_of(self._venue, real=True)))
        fees: Mapping[str, Decimal] = {}
        try:
            await self._key(side, report)
            fees = await side.reader.fees(watch.symbols)
            if self._balances:
                report.balances = balances_shown(await side.reader.balances())
        except AccountUnfit as error:
            report.reasons.append(str(error))
        except VenueRefused as error:
            report.reasons.append(refusal(error.text))
        await self._offset(side, report)
        await self._markets(side, watch, markets, fees, report)
        dearest = max(fees, key=lambda symbol: fees[symbol], default="")
        report.checks.append(tier_row(fees, side.reader.tier(dearest)))
        if dearest:
            hurdle = hurdle_bps([fees[dearest]] * 3, self._settings.scan.min_edge_bps)
            report.hurdle_bps = f"{hurdle:.1f}"
        report.fit = not report.reasons
        return report

    async def _key(self, side: KrakenReal, report: KeysReport) -> None:
        facts = await side.reader.key()
        report.permissions = facts.named
        report.nonce_window, report.expires_ns = facts.nonce_window, facts.expires_ns
        report.ip_allowlist = len(facts.ip_allowlist)
        report.checks += kraken_rows(read_for(facts, self._venue), self._clock.wall_ns())
        side.judge(facts)
        report.notes += side.notes

    async def _offset(self, side: KrakenReal, report: KeysReport) -> None:
        offset = await side.reader.clock_offset()
        side.reader.offsets.take(offset)
        report.offset_ms = round(offset.offset_ns / 1e6, 1)
        report.uncertainty_ms = round(offset.uncertainty_ns / 1e6, 1)
        report.checks.append(clock_row(offset))
        if why := off_clock(offset):
            report.reasons.append(why)
        elif side.reader.offsets.now() is None:
            report.reasons.append("the venue's clock is not known to within a second")

    async def _markets(
        self,
        side: KrakenReal,
        watch: Watchlist,
        markets: Mapping[str, Market],
        fees: Mapping[str, Decimal],
        report: KeysReport,
    ) -> None:
        said = await self._rehearsals(side, watch, markets, fees, report)
        for symbol in watch.symbols:
            market, fee = markets[symbol], fees.get(symbol)
            report.markets.append(market_check(market, fee, said[symbol]))
        good = {symbol for symbol, words in said.items() if words == TAKEN}
        report.bad_markets = [
            f"{symbol} ({said[symbol].removeprefix(f'{symbol}: ')})"
            for symbol in watch.symbols
            if said[symbol] not in {TAKEN, UNASKED}
        ]
        if not report.reasons and not any(good.issuperset(t.symbols) for t in watch.triangles):
            named = some(report.bad_markets) or "none was rehearsed whole"
            report.reasons.append(f"no watched triangle can be traded: {named}")

    async def _rehearsals(
        self,
        side: KrakenReal,
        watch: Watchlist,
        markets: Mapping[str, Market],
        fees: Mapping[str, Decimal],
        report: KeysReport,
    ) -> dict[str, str]:
        """What is said of each market. Triangle by triangle: the first ones are rehearsed whole.

        What a rehearsal says of the key or the account is a reason not to trade at all.
        """
        said: dict[str, str] = {}
        asked = 0
        for symbol in dict.fromkeys(one for t in watch.triangles for one in t.symbols):
            market = markets[symbol]
            why = market.why_not_tradable()
            if why is None and fees and symbol not in fees:
                why = "the venue tells no fee of this account for it"
            if why is None and not report.reasons and asked < MAX_REHEARSALS:
                asked += 1
                why = await self._rehearse(side, market) or TAKEN
                if _of_the_key(why):
                    report.reasons.append(refusal(why))
            said[symbol] = why or UNASKED
        return said

    async def _rehearse(self, side: KrakenReal, market: Market) -> str | None:
        """A tiny order at a price far from any market, to be checked and not placed.

        Its fields are those of a real order. None when the venue would take it.
        """
        tick, lot = market.price_increment, market.qty_increment
        if tick is None or lot is None or market.qty_min is None or market.cost_min is None:
            return "its increments or minima are not told"
        venue_ns = side.reader.offsets.venue_ns()
        if venue_ns is None:
            return "the venue's clock is not known"
        price = ceil_to(tick * 1_000, tick)
        qty = ceil_to(max(market.qty_min, market.cost_min * TWICE / price), lot)
        intent = OrderIntent(
            client_id=REHEARSAL_ID,
            leg=Leg.through(market, market.quote),
            qty=qty,
            limit_price=price,
            fee_rate=ZERO,
            deadline_ns=venue_ns + DEADLINE_NS,
        )
        try:
            words = await side.rest_orders.rehearse(intent)
        except VenueError as error:
            return str(error)
        # Without the money for it, it would be taken all the same.
        return None if words in {"", "EOrder:Insufficient funds"} else words


def _of_the_key(words: str) -> bool:
    """Whether a refusal is of the key, its permissions or the account, and not of one order."""
    each = [one for one in words.split("; ") if one != RATE_EXCEEDED]
    return any(one.startswith("EAPI:") or judge(one).remedy is Remedy.HALT for one in each)


def run_keys_check(settings: Settings, venue: str, *, balances: bool = False) -> KeysReport:
    """The whole command on real time."""
    check = AlpacaKeysCheck if venue in SPEAKS_ALPACA else KeysCheck
    return run_on_best_loop(check(settings, venue, balances=balances)())
