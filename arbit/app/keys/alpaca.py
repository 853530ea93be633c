"""`arbit keys:check` at Alpaca: what that venue can tell of an account. Nothing is sent.

It does not tell what a key may do, and has no order that is checked and not placed: both are said.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

from arbit.app.keys.report import (
    Found,
    KeyCheck,
    KeysReport,
    balances_shown,
    market_check,
    some,
)
from arbit.app.keys.rows import NOT_TOLD, clock_row, key_there, tier_row
from arbit.app.private.alpaca import AlpacaReal, alpaca_side
from arbit.app.private.parts import Around
from arbit.app.store import account_of
from arbit.app.watch.build import Reached, listed, reach, watched
from arbit.app.watch.child import SandboxChild
from arbit.app.watch.feeds import AlpacaHosts, rest_side
from arbit.app.watch.watchlist import Watchlist
from arbit.clock import SystemClock
from arbit.config import AlpacaPlan, Settings, venue_key
from arbit.domain.account import AccountUnfit
from arbit.domain.errors import VenueRefused
from arbit.domain.fees import hurdle_bps
from arbit.domain.market import Market
from arbit.persistence.memory import MemoryJournal
from arbit.venues.alpaca.account import keys_of
from arbit.venues.alpaca.keyfacts import ACCOUNT_WORDS, NOTE, refuse_unfit
from arbit.venues.alpaca.probe import TAKEN, probe
from arbit.venues.alpaca.rate import DATA_PER_MIN
from arbit.venues.clockoffset import off_clock

BESIDE = "taken by another connection of this account (a daemon that runs, say), so not looked at"
UNREHEARSED = "cannot be rehearsed here"
UNTOLD = ("may withdraw", "addresses it works from", "expires")


class AlpacaKeysCheck:
    """One check of one account's key."""

    def __init__(self, settings: Settings, venue: str, *, balances: bool = False) -> None:
        """`balances` says that amounts are asked for, and shown."""
        self._settings = settings
        self._balances = balances
        self._clock = SystemClock()
        self._venue = settings.venue(venue)

    async def __call__(self) -> KeysReport:
        """Ask everything. UserError for no key or a wrong one, VenueUnreachable without answers."""
        venue = self._venue
        keys_of(venue)
        async with AsyncExitStack() as stack:
            reached = await reach(venue, stack, self._child)
            rest = rest_side(venue, reached.at, self._clock)
            stack.push_async_callback(rest.client.close)
            markets = await listed(venue, rest)
            watch = watched(self._settings, venue, markets)
            around = Around(self._clock, MemoryJournal(), lambda _: None, rest)
            side = await alpaca_side(self._settings, venue, reached.at, around, stack)
            report = KeysReport(venue.name, notes=[NOTE])
            report.checks.append(key_there(account_of(venue, real=True)))
            report.checks += [KeyCheck(one, NOT_TOLD, Found.UNTOLD) for one in UNTOLD]
            try:
                await self._offset(side, report)
                await self._account(side, report)
                await self._held(side, report)
            except AccountUnfit as error:
                report.reasons.append(str(error))
            except VenueRefused as error:
                report.reasons.append(f"the venue refuses this API key: {error.text}")
            await self._data(rest.client, reached, watch, report)
            fees = await side.reader.fees(watch.symbols)
            self._markets(watch, markets, fees, report)
            report.fit = not report.reasons
            return report

    def _child(self) -> SandboxChild:
        return SandboxChild("calm", 1, taker_fee_bps=self._venue.taker_fee_bps)

    async def _account(self, side: AlpacaReal, report: KeysReport) -> None:
        body, answer = await side.side.http.question("/v2/account")
        if isinstance(body, Mapping):
            report.told += [f"{what}: {_word(body.get(name))}" for name, what in ACCOUNT_WORDS]
        left = "" if answer.remaining is None else f", {answer.remaining} left of this minute's"
        report.told.append(f"orders and questions: {side.side.http.budget.most} a minute{left}")
        refuse_unfit(body)

    async def _held(self, side: AlpacaReal, report: KeysReport) -> None:
        """How many assets there are; which and how much is for nobody's terminal unasked."""
        balances = await side.reader.balances()
        held = {asset for asset, one in balances.items() if one.total}
        report.told.append(f"assets held: {len(held)}")
        if self._balances:
            report.balances = balances_shown(balances)
        if not held.intersection(self._settings.scan.start_assets):
            report.notes.append("nothing is held that a cycle may start in")

    async def _offset(self, side: AlpacaReal, report: KeysReport) -> None:
        offset = await side.reader.clock_offset()
        report.offset_ms = round(offset.offset_ns / 1e6, 1)
        report.uncertainty_ms = round(offset.uncertainty_ns / 1e6, 1)
        report.checks.append(clock_row(offset))
        if why := off_clock(offset):
            report.reasons.append(why)

    async def _data(
        self, client: Any, reached: Reached, watch: Watchlist, report: KeysReport
    ) -> None:
        """The market data host: what its limit says of the plan, and whether its stream opens."""
        if isinstance(client, AlpacaHosts):
            path = f"/v1beta3/crypto/{self._venue.alpaca_data_location}/latest/orderbooks"
            _, answer = await client.data.question(path, {"symbols": ",".join(watch.symbols[:1])})
            self._plan(answer.remaining, report)
        why = await probe(reached.at.ws_url, keys_of(self._venue), self._clock)
        taken = why.startswith(f"{TAKEN} ")
        report.told.append(
            f"market data stream: {BESIDE if taken else why or 'opens, and takes the key'}"
        )
        if why and not taken:  # a check beside a daemon says nothing against its key
            report.reasons.append(f"market data stream: {why}")

    def _plan(self, remaining: int | None, report: KeysReport) -> None:
        said = self._venue.alpaca_plan
        if remaining is None:
            report.told.append(f"market data plan: not told; {said} is reckoned with")
            return
        seen = AlpacaPlan.PAID if remaining > DATA_PER_MIN["free"] else AlpacaPlan.FREE
        report.told.append(f"market data plan: {seen} by its limit ({remaining} requests left)")
        if seen is not said:
            key = venue_key(self._venue.name, "alpaca_plan")
            report.notes.append(f"{key}={said}, but the venue's limit is that of the {seen} plan")

    def _markets(
        self,
        watch: Watchlist,
        markets: Mapping[str, Market],
        fees: Mapping[str, Decimal],
        report: KeysReport,
    ) -> None:
        report.checks.append(tier_row(fees, None))
        bad = {}
        for symbol in watch.symbols:
            market = markets[symbol]
            why = market.why_not_tradable()
            if why is not None:
                bad[symbol] = why
            report.markets.append(market_check(market, fees.get(symbol), why or UNREHEARSED))
        report.bad_markets = [
            f"{symbol} ({why.removeprefix(f'{symbol}: ')})" for symbol, why in bad.items()
        ]
        if not any(bad.keys().isdisjoint(triangle.symbols) for triangle in watch.triangles):
            report.reasons.append(f"no watched triangle can be traded: {some(report.bad_markets)}")
        if fees:
            hurdle = hurdle_bps([max(fees.values())] * 3, self._settings.scan.min_edge_bps)
            report.hurdle_bps = f"{hurdle:.1f}"
        if watch.said:
            report.notes.append(watch.said)


def _word(value: object) -> str:
    """A field of the account as it was told; a stranger's text is cut short."""
    match value:
        case None:
            return "not told"
        case bool():
            return "yes" if value else "no"
        case _:
            return f"{value!s:.40}"
