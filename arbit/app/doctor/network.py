"""Looks over the network: at the configured venues alone, and at history's server.

Nothing is sent that changes anything. Where no venue is configured nothing is contacted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

from arbit.app.doctor.report import Ask, Found, fails, skips, warns, well
from arbit.app.loop import run_on_best_loop
from arbit.app.private.sides import Around, real_side
from arbit.app.store import account_of, nonces_of
from arbit.app.watch.build import listed, reach
from arbit.app.watch.child import SandboxChild
from arbit.app.watch.feeds import KRAKEN_WS_URL, AlpacaHosts, RestSide, rest_side
from arbit.config import SANDBOXES, SPEAKS_ALPACA, SPEAKS_KRAKEN, Settings, VenueSettings, venue_key
from arbit.domain.account import AccountUnfit, ClockOffset
from arbit.domain.errors import BrokenRule, UserError, VenueError
from arbit.domain.market import Market
from arbit.persistence.locks import AccountHeld
from arbit.persistence.sinks import history_schema
from arbit.ports import Clock
from arbit.venues.alpaca.reads import clock_offset
from arbit.venues.clockoffset import off_clock
from arbit.venues.dial import PicowsDialer
from arbit.venues.kraken.reads import public_offset

NOTHING = "no venue is configured: nothing is contacted"
OFFLINE = "--no-network"
WITHIN_S = 40.0
DRIFTS_NS = 1_000_000_000
SET_CLOCK = "set the clock: sudo timedatectl set-ntp true (or start chronyd or ntpd)"
UNREACHED = "see that its host is reached from here (DNS, firewall, proxy), or unset what names it"


def configured(settings: Settings, venue: str = "") -> list[VenueSettings]:
    """The venues that something was said of, and the one that was named.

    A sandbox without an address is our own child: nothing is there to be reached before it runs.
    """
    bare = Settings.model_validate({})
    named = {*settings.default_venues, *([venue] if venue else [])}
    found = []
    for name in dict.fromkeys([*settings.venues, *settings.default_venues, *filter(None, [venue])]):
        one = settings.venue(name)
        if name in SANDBOXES and not one.rest_url:
            continue
        if name in named or one != bare.venue(name):
            found.append(one)
    return found


def check_venues(ask: Ask) -> Iterator[Found]:
    """Each configured venue answers, by a clock that is as ours, and takes the key that is set."""
    if ask.settings is None:
        return
    venues = configured(ask.settings, ask.venue)
    if not venues:
        yield well(NOTHING)
    elif not ask.network:
        yield skips(OFFLINE, ", ".join(one.name for one in venues))
    else:
        yield from run_on_best_loop(_all(ask, ask.settings, venues))


async def _all(ask: Ask, settings: Settings, venues: list[VenueSettings]) -> list[Found]:
    found: list[Found] = []
    for venue in venues:
        before = len(found)
        try:
            async with asyncio.timeout(WITHIN_S):
                async for one in _looks(ask, settings, venue):
                    found.append(one)  # noqa: PERF401  what was found before it took too long stays
        except TimeoutError:
            found.append(fails(f"no answer within {WITHIN_S:g} s", UNREACHED, venue.name))
        except VenueError as error:
            found.append(fails(str(error), UNREACHED, venue.name))
        except UserError as error:
            fix = "correct what is set of it (ARBIT_VENUES__...): arbit config show tells that"
            found.append(fails(str(error), fix, venue.name))
        if len(found) == before:
            raise BrokenRule(f"doctor: nothing was said of {venue.name}")
    return found


async def _looks(ask: Ask, settings: Settings, venue: VenueSettings) -> AsyncIterator[Found]:
    async with AsyncExitStack() as stack:
        reached = await reach(venue, stack, _no_child)
        rest = rest_side(venue, reached.at, ask.clock)
        stack.push_async_callback(rest.client.close)
        began_ns = ask.clock.monotonic_ns()
        markets = await listed(venue, rest)
        took_ms = (ask.clock.monotonic_ns() - began_ns) / 1e6
        yield well(f"lists {len(markets)} markets, in {took_ms:.0f} ms", venue.name)
        yield await _stream(venue, reached.at.ws_url)
        yield await _clock(venue, rest, ask.clock)
        yield await _key(ask, settings, venue, rest, markets)


def _no_child() -> SandboxChild:
    raise BrokenRule("doctor: a sandbox of our own is not reached over the network")


class _Deaf:
    """Hears a socket and heeds nothing of it."""

    def on_frame(self, payload: bytes) -> None:
        """Nothing."""

    def on_drained(self) -> None:
        """Nothing."""

    def on_lost(self, why: str) -> None:
        """Nothing."""


async def _stream(venue: VenueSettings, ws_url: str) -> Found:
    """Its WebSocket opens."""
    name = f"{venue.name} stream"
    if not venue.ws_enabled:
        return skips(f"{venue_key(venue.name, 'ws_enabled')}=false", name)
    url = ws_url or (KRAKEN_WS_URL if venue.name in SPEAKS_KRAKEN else "")
    if not url:
        return skips("its address is ccxt's own affair", name)
    try:
        connection = await PicowsDialer()(url, _Deaf())
    except VenueError as error:
        fix = "let WebSockets through (firewall, proxy), or poll: "
        return fails(str(error), f"{fix}{venue_key(venue.name, 'ws_enabled')}=false", name)
    connection.close()
    return well(f"{url} opens", name)


async def _clock(venue: VenueSettings, rest: RestSide, clock: Clock) -> Found:
    """Our clock against the venue's."""
    name = f"{venue.name} clock"
    offset = await _offset(venue, rest, clock)
    if offset is None:
        return skips("its time is not asked: it is only measured", name)
    if why := off_clock(offset):
        return fails(why, SET_CLOCK, name)
    seen = f"{offset.offset_ns / 1e6:+.0f} ms, give or take {offset.uncertainty_ns / 1e6:.0f} ms"
    if abs(offset.offset_ns) - offset.uncertainty_ns > DRIFTS_NS:
        return warns(seen, SET_CLOCK, name)
    return well(seen, name)


async def _offset(venue: VenueSettings, rest: RestSide, clock: Clock) -> ClockOffset | None:
    if venue.name in SPEAKS_KRAKEN:
        return await public_offset(rest.client, clock)
    if isinstance(rest.client, AlpacaHosts):
        return await clock_offset(rest.client.trading)
    return None


async def _key(
    ask: Ask,
    settings: Settings,
    venue: VenueSettings,
    rest: RestSide,
    markets: dict[str, Market],
) -> Found:
    """What `live` would say of the key that is set: it may trade, and take nothing out."""
    name = f"{venue.name} key"
    if venue.name not in SPEAKS_KRAKEN | SPEAKS_ALPACA:
        return skips("this venue is not traded with", name)
    if venue.api_key is None or venue.api_secret is None:
        return skips("none is set: it can be measured, and traded on paper", name)
    account = account_of(venue, real=True)
    checks = f"arbit keys:check --venue {venue.name}"
    try:
        async with AsyncExitStack() as stack:
            kept = nonces_of(settings, venue, account, ask.clock, "doctor")
            journal = stack.enter_context(kept)
            around = Around(ask.clock, journal, lambda _: None, rest)
            reached = await reach(venue, stack, _no_child)
            side = await real_side(settings, venue, reached.at, around, stack)
            await side.admitted([*venue.symbols, *sorted(markets)][:1])
            notes = "; ".join(side.notes)
    except AccountHeld:
        return skips("a daemon has the account: it has judged the key (arbit status)", name)
    except AccountUnfit as error:
        return fails(str(error), f"{_mended(str(error), venue.name)}; then {checks}", name)
    if notes:
        return warns(notes, checks, name)
    return well(f"it may trade and not withdraw; {checks} tells all of it", name)


def _mended(why: str, venue: str) -> str:
    if "clock" in why:
        return SET_CLOCK
    key, secret = venue_key(venue, "api_key"), venue_key(venue, "api_secret")
    if "vouch" in why:
        return f"make a key without it, or vouch for it in {venue_key(venue, 'admit_permissions')}"
    if "withdraw" in why:
        return f"make a key there without the right to withdraw, and set {key} and {secret}"
    return f"correct the key's permissions there, or set {key} and {secret} to another"


def check_history_server(ask: Ask) -> Iterator[Found]:
    """The server that keeps history answers, and has this program's tables or none yet."""
    if ask.settings is None or ask.settings.history_url is None:
        return
    if not ask.network:
        yield skips(OFFLINE)
        return
    try:
        found = run_on_best_loop(history_schema(ask.settings.history_url.get_secret_value()))
    except UserError as error:
        install = "needs `pip install" in str(error)
        fix = (
            "python -m pip install 'arbit[postgres]'" if install else "start that server, or unset"
        )
        yield fails(str(error), fix if install else f"{fix} ARBIT_HISTORY_URL: a file is kept then")
        return
    yield well(f"it answers: {f'schema {found}' if found else 'no tables yet'}")
