"""Stands before real orders: judges what dry runs have shown, at each start, and tells it.

What is let pass without evidence is a closed list (`exempt`), and nothing else: whoever speaks to
an exchange under a real venue's name is taken for trading real money, wherever it is reached.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from arbit.app.golive.shadow import paper_of, terms_of
from arbit.app.store import DATABASE
from arbit.app.watch.feeds import AlpacaHosts, RestSide
from arbit.config import SANDBOXES, SPEAKS_ALPACA, AlpacaHost, Settings, VenueSettings
from arbit.domain.account import AccountId, AccountUnfit
from arbit.domain.errors import BrokenRule, FrameError, VenueRefused, VenueUnreachable
from arbit.domain.money import plain
from arbit.domain.records import Memory
from arbit.persistence import shadow
from arbit.ports import Clock
from arbit.risk.golive import (
    LEAST_EPISODES,
    LEAST_HOURS,
    MOST_DAYS,
    Verdict,
    judge,
)
from arbit.venues.ccxt.client import RestClient

OVERRIDE = "override"  # the incident that tells of one
UNPROVEN = "no shadow run has earned: what an earlier run left open is ended, and nothing begins"
DAY_NS = 86_400_000_000_000
LOOKS = 3  # round trips that are timed: the least of them is the least that an order takes
_ADDRESSES = ("rest_url", "data_url", "ws_url", "private_ws_url")
_ALPACA_PAPER = {None, "https://paper-api.alpaca.markets"}
_ALPACA_PAPER_WS = {None, "wss://paper-api.alpaca.markets/stream"}


class NotProven(AccountUnfit):
    """No dry run has shown that real orders may be expected to earn: the text is the evidence."""

    def __init__(self, venue: str, account: str, verdict: Verdict, reference: str) -> None:
        self.told = told_of(venue, account, verdict, reference)
        super().__init__("\n".join(refusal_lines(self.told)))


@dataclass(frozen=True, slots=True)
class ShadowTold:
    """What dry runs of a venue have shown, as text. Amounts are in `reference` units.

    `fees_compared` says that the account's own fees are known; without, they are at the start.
    """

    venue: str
    account: str
    allowed: bool
    missing: tuple[str, ...]
    watched_h: float
    episodes: int
    active_hours: int
    net: str
    mean: str | None
    bound: str | None
    reference: str
    age_h: float | None
    left_out: tuple[str, ...] = ()
    fees_compared: bool = True
    exempt: str = ""


@dataclass(frozen=True, slots=True)
class GoLive:
    """Who asks to send real orders, and with what. `cap` is the override's, None without one.

    `left_open` says that an earlier run left something open, which is ended whatever is found here.
    """

    settings: Settings
    venue: VenueSettings
    account: AccountId
    fees: Mapping[str, Decimal]
    rest: RestSide
    clock: Clock
    cap: Decimal | None = None
    left_open: bool = False


@dataclass(frozen=True, slots=True)
class Admission:
    """Real orders may be sent: why, in a line. `overridden` without the evidence.

    With `refused` those alone that end what is open; it is to be raised when that is done.
    """

    line: str
    overridden: bool = False
    refused: NotProven | None = None


def exempt(venue: VenueSettings) -> str:
    """Why no real money can move there, in words; empty where it can.

    The sandbox, when it is our own child or on this very machine; and Alpaca's paper account, when
    it is reached at Alpaca's own addresses of it.
    """
    if venue.name in SANDBOXES:
        said = [url for field in _ADDRESSES if (url := getattr(venue, field))]
        return "the sandbox's money is made up" if all(map(_loopback, said)) else ""
    at_paper = venue.alpaca_host is AlpacaHost.PAPER and venue.rest_url in _ALPACA_PAPER
    if venue.name in SPEAKS_ALPACA and at_paper and venue.private_ws_url in _ALPACA_PAPER_WS:
        return "the money of Alpaca's paper account is made up"
    return ""


def _loopback(url: str) -> bool:
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def capped(settings: Settings, cap: Decimal | None) -> Settings:
    """These settings, with no cycle and no sum of cycles under way above the override's cap."""
    if cap is None:
        return settings
    total = settings.risk.max_total_notional
    scan = settings.scan.model_copy(
        update={"max_notional_per_cycle": min(cap, settings.scan.max_notional_per_cycle)}
    )
    risk = settings.risk.model_copy(
        update={"max_total_notional": cap if total is None else min(cap, total)}
    )
    return settings.model_copy(update={"scan": scan, "risk": risk})


async def admit(asked: GoLive) -> Admission:
    """Let real orders through, or raise NotProven with the evidence. VenueError without an answer.

    Asked at each start, before anything is sent.
    """
    venue, settings = asked.venue, asked.settings
    if why := exempt(venue):
        said = "" if venue.name in SANDBOXES else f"no shadow run is asked for: {why}"
        return Admission(said)
    path, account = settings.data_dir / DATABASE, str(asked.account)
    now_ns = asked.clock.wall_ns()
    evidence = shadow.read(path, paper_of(venue), (account,))
    orders_ms = shadow.order_latency_ms(path, account, now_ns - MOST_DAYS * DAY_NS)
    verdict = judge(evidence, terms_of(settings, venue, asked.fees, orders_ms), now_ns)
    if verdict.allowed:  # what is refused already needs no look at the network
        measured_ms = max(orders_ms, await round_trip_ms(asked.rest, asked.clock))
        verdict = judge(evidence, terms_of(settings, venue, asked.fees, measured_ms), now_ns)
    reference = settings.scan.reference_currency
    if verdict.allowed:
        told = told_of(venue.name, account, verdict, reference)
        return Admission(f"shadow run: {short(told)}")
    if asked.cap is None:
        refused = NotProven(venue.name, account, verdict, reference)
        if asked.left_open:
            return Admission(UNPROVEN, refused=refused)
        raise refused
    return Admission(
        f"the shadow run is overridden: at most {plain(asked.cap)} {reference} a cycle and at "
        f"once; missing: {'; '.join(verdict.missing)}",
        overridden=True,
    )


def left_open(memory: Memory) -> bool:
    """Whether an earlier run left something open: no gate may stand before its end."""
    ends = [one.ended_ns for one in memory.cycles] + [one.ended_ns for one in memory.orders]
    return not all(ends)


async def round_trip_ms(rest: RestSide, clock: Clock) -> int:
    """The least time that a question to the venue takes now, rounded up.

    From when it leaves: what waits for its turn within the venue's limits is no latency.
    """
    took_ns = []
    for _ in range(LOOKS):
        try:
            took_ns.append(await _took_ns(rest, clock))
        except (VenueRefused, VenueUnreachable, FrameError) as error:
            raise VenueUnreachable(f"how far the venue is could not be measured: {error}") from None
    return -(-min(took_ns) // 1_000_000)


async def _took_ns(rest: RestSide, clock: Clock) -> int:
    client = rest.client
    if isinstance(client, AlpacaHosts):
        _, answer = await client.trading.question("/v2/clock")
        return answer.heard_ns - answer.sent_ns
    if isinstance(client, RestClient):
        found = await client.ask("publicGetTime")
        return clock.monotonic_ns() - found.sent_ns
    raise BrokenRule("golive: nobody knows how to time this venue's answers")


def told_of(
    venue: str, account: str, verdict: Verdict, reference: str, *, fees_compared: bool = True
) -> ShadowTold:
    """A verdict as it is told."""
    return ShadowTold(
        venue=venue,
        account=account,
        allowed=verdict.allowed,
        missing=verdict.missing,
        watched_h=round(verdict.watched_s / 3600, 2),
        episodes=verdict.episodes,
        active_hours=verdict.active_hours,
        net=f"{verdict.net:.6f}",
        mean=None if verdict.mean is None else f"{verdict.mean:.6f}",
        bound=None if verdict.bound is None else f"{verdict.bound:.6f}",
        reference=reference,
        age_h=None if verdict.age_s is None else math.ceil(verdict.age_s / 360) / 10,
        left_out=verdict.left_out,
        fees_compared=fees_compared,
    )


def short(told: ShadowTold) -> str:
    """In one line."""
    words = f"{told.watched_h:.1f} of {LEAST_HOURS} h, {told.episodes} of {LEAST_EPISODES} episodes"
    if told.mean is None:
        lost = f", net {told.net} {told.reference}" if Decimal(told.net) else ""
        return f"{words}, nothing earned yet{lost}"
    return (
        f"{words} in {told.active_hours} hours, net {told.net} {told.reference}: {told.mean} each, "
        f"lower 90 % bound {told.bound}"
    )


def evidence_lines(told: ShadowTold) -> list[str]:
    """What is there, what is missing, and what does not count, a line each."""
    age = "" if told.age_h is None else f", the newest at most {told.age_h:.1f} h old"
    lines = [f"  shadow run: {short(told)}{age}"]
    lines += [f"  missing: {one}" for one in told.missing]
    lines += [f"  does not count: {one}" for one in told.left_out]
    return lines


def shadow_lines(told: Mapping[str, Any]) -> list[str]:
    """What a report tells of it, for a person."""
    verdict = "real orders would be let through" if told["allowed"] else "real orders are refused"
    return [*evidence_lines(ShadowTold(**told)), f"  so far {verdict} (arbit shadow)"]


def refusal_lines(told: ShadowTold) -> list[str]:
    """A refusal, with what to do about it."""
    refused = "real orders are refused: no shadow run shows that this account may expect to earn"
    gather = f"arbit live --venue {told.venue} --dry-run"
    recover = f"arbit live --venue {told.venue} --i-accept-real-orders --recover-only"
    return [
        f"{told.venue}: {refused}",
        *evidence_lines(told),
        f"  to gather evidence: {gather} (for {LEAST_HOURS} h; it counts for {MOST_DAYS} days)",
        "  at your own risk, within a cap: --override-shadow-run --max-notional 50",
        f"  to end what an earlier run left open: {recover} (it begins nothing)",
    ]
