"""What a daemon says of itself: how it is (`arbit status`), and why it trades or not (`why`)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from arbit import __version__
from arbit.app.trade.health import LATELY_MIN, LaneHealth
from arbit.domain.health import Judged
from arbit.domain.money import plain
from arbit.domain.readings import ReceiverReading
from arbit.health import counted

SECOND_NS = 1_000_000_000
LINES = 6  # of choices


@dataclass(frozen=True, slots=True)
class StatusTold:
    """How one daemon is. Amounts are exact text by asset; `refusals` are of the last hour by code.

    `state`, `guard` and `detail` are a `Judged`, told for `since_s` seconds now. `alerts` are the
    fields of a `ReceiverReading` for each receiver that the whole process tells of trouble.
    """

    venue: str
    account: str
    mode: str
    synthetic: bool
    running: bool = True
    pid: int = 0
    version: str = ""
    state: str = ""
    guard: str = ""
    detail: str = ""
    since_s: float = 0.0
    up_s: float = 0.0
    decided_ago_s: float | None = None
    killed: str = ""
    paused: bool = False
    breaker: str = ""
    breaker_why: str = ""
    books: int = 0
    believed: int = 0
    polled: int = 0
    feeds: Mapping[str, str] = field(default_factory=dict)
    open_cycles: int = 0
    cycles: Mapping[str, int] = field(default_factory=dict)
    conversions: Mapping[str, int] = field(default_factory=dict)
    orders: int = 0
    refusals: Mapping[str, int] = field(default_factory=dict)
    profit: Mapping[str, str] = field(default_factory=dict)
    balances: Mapping[str, str] = field(default_factory=dict)
    held: Sequence[str] = ()
    alerts: Sequence[Mapping[str, Any]] = ()
    shadow: str = ""


@dataclass(frozen=True, slots=True)
class WhyTold:
    """Why one daemon trades or does not. Edges in bps; counts are of the last hour by name.

    `best_edge_bps` came nearest to its hurdle in the last `minutes`. `fees_percent` is how much of
    the gap to the hurdle would not be there without fees. `stops` is everything that keeps new
    cycles from beginning now. `choices` are the last ones in words.
    """

    venue: str
    account: str
    mode: str
    running: bool = True
    state: str = ""
    guard: str = ""
    detail: str = ""
    sentence: str = ""
    best_edge_bps: float | None = None
    best_path: str = ""
    hurdle_bps: float | None = None
    fees_percent: float | None = None
    minutes: int = LATELY_MIN
    refusals: Mapping[str, int] = field(default_factory=dict)
    unfit: Mapping[str, int] = field(default_factory=dict)
    disbelieved: Mapping[str, int] = field(default_factory=dict)
    stops: Sequence[str] = ()
    choices: Sequence[str] = ()
    feeds: Mapping[str, str] = field(default_factory=dict)
    fees: str = ""
    alerts: Sequence[Mapping[str, Any]] = ()


def status_of(
    health: LaneHealth, now_ns: int, receivers: Iterable[ReceiverReading] = ()
) -> StatusTold:
    """How a lane is at monotonic `now_ns`."""
    run, trader = health.run_of, health.trader
    desk, engine, told = run.desk, trader.engine, health.told
    cache, max_age_ns = desk.cache, desk.setup.venue.max_book_age_ms * 1_000_000
    account, ago_s = trader.setup.account, run.decided_ago_s(now_ns)
    return StatusTold(
        venue=desk.setup.venue.name,
        account=str(account),
        mode=account.mode.value,
        synthetic=run.market == "synthetic",
        pid=os.getpid(),
        version=__version__,
        state=told.health.value,
        guard=told.guard,
        detail=told.detail,
        since_s=round(health.since_s, 1),
        up_s=round(health.up_s, 1),
        decided_ago_s=None if ago_s is None else round(ago_s, 3),
        killed=trader.kill.why(),
        paused=trader.orders.paused(),
        breaker=trader.breaker.state().value,
        breaker_why=trader.breaker.detail,
        books=len(cache.symbols),
        believed=cache.believed(now_ns, max_age_ns),
        polled=sum(cache.from_rest),
        feeds=dict(run.feed.states()),
        open_cycles=engine.open_cycles,
        cycles=dict(engine.ends),
        conversions=dict(engine.conversions),
        orders=engine.orders,
        refusals=dict(health.lately().refusals),
        profit={asset: plain(amount) for asset, amount in engine.profit.items()},
        balances={asset: plain(amount) for asset, amount in trader.balances().items()},
        held=tuple(trader.held()),
        alerts=[asdict(one) for one in receivers],
        shadow=trader.golive(),
    )


def why_of(health: LaneHealth, now_ns: int, receivers: Iterable[ReceiverReading] = ()) -> WhyTold:
    """Why a lane trades or does not, at monotonic `now_ns`."""
    run, trader, told, lately = health.run_of, health.trader, health.told, health.lately()
    nearest, share = lately.nearest, None
    if nearest is not None and nearest.fee_percent is not None:
        share = round(nearest.fee_percent, 1)
    return WhyTold(
        venue=run.desk.setup.venue.name,
        account=str(trader.setup.account),
        mode=trader.setup.account.mode.value,
        state=told.health.value,
        guard=told.guard,
        detail=told.detail,
        sentence=lately.words(),
        best_edge_bps=None if nearest is None else round(nearest.edge_bps, 2),
        best_path="" if nearest is None else nearest.path,
        hurdle_bps=None if nearest is None else round(nearest.hurdle_bps, 2),
        fees_percent=share,
        refusals=dict(lately.refusals),
        unfit=dict(lately.unfit),
        disbelieved=dict(lately.disbelieved),
        stops=_stops(health),
        choices=_choices(health, now_ns),
        feeds=dict(run.feed.states()),
        fees=trader.fee_words,
        alerts=[asdict(one) for one in receivers],
    )


def _stops(health: LaneHealth) -> list[str]:
    """Everything that keeps new cycles from beginning, not the first of it alone."""
    trader, stops = health.trader, health.stops()
    killed, paused, breaker = trader.kill.why(), trader.orders.paused(), trader.breaker
    waits = health.waits()
    found = [
        f"killed by {killed}" if killed else "",
        f"breaker {breaker.state().value}: {breaker.detail}" if breaker.reason else "",
        f"paused by an operator (arbit resume {trader.setup.account.venue})" if paused else "",
        waits,
    ]
    said = [one for one in found if one]
    if stops is not None and stops[0].value not in {"kill_switch", "breaker", "venue_paused"}:
        said.append(f"{stops[0].value}: {stops[1]}")
    return said


def _choices(health: LaneHealth, now_ns: int) -> list[str]:
    """The last choices in words, the newest first; of what came out alike the newest alone."""
    found: dict[tuple[str, object], str] = {}
    for choice in reversed(health.run_of.desk.rotation.choices):
        ago_s = (now_ns - choice.at_ns) / SECOND_NS
        for one, words in zip(choice.ranked, choice.words(), strict=True):
            found.setdefault((one.path, one.verdict), f"{ago_s:.1f} s ago: {words}")
        if len(found) >= LINES:
            break
    return list(found.values())[:LINES]


def heard_of(health: LaneHealth, judged: Judged) -> dict[str, object]:
    """What a daemon answers to an operator who has just asked something of it by file."""
    trader = health.trader
    return {
        "venue": health.run_of.desk.setup.venue.name,
        "account": str(trader.setup.account),
        "pid": os.getpid(),
        "state": judged.health.value,
        "guard": judged.guard,
        "detail": judged.detail,
        "killed": trader.kill.why(),
        "paused": trader.orders.paused(),
        "breaker": trader.breaker.state().value,
        "open_cycles": trader.engine.open_cycles,
    }


def status_lines(told: StatusTold) -> list[str]:
    """The same for a person, one thing a line."""
    guard = f" ({told.guard})" if told.guard else ""
    money = " (made-up market)" if told.synthetic else ""
    lines = [
        f"{told.venue}: {told.state.upper()}{guard} for {_span(told.since_s)}: {told.detail}",
        f"  {told.mode}{money}, account {told.account}, process {told.pid} (arbit {told.version})",
        f"  books: {told.believed} of {told.books} believed, {told.polled} over REST; feeds: "
        + (", ".join(f"{name} {word}" for name, word in told.feeds.items()) or "none"),
        f"  in {_span(told.up_s)}: {told.orders} orders; cycles: {counted(told.cycles) or 'none'}"
        + (f"; conversions: {counted(told.conversions)}" if told.conversions else ""),
        f"  {told.open_cycles} under way",
        f"  refusals in the last hour: {counted(told.refusals) or 'none'}",
    ]
    if told.profit:
        lines.append("  profit: " + _amounts(told.profit))
    if told.shadow:
        lines.append(f"  {'shadow run so far: ' if told.mode == 'paper' else ''}{told.shadow}")
    if told.killed:
        lines.append(f"  KILLED by {told.killed}")
    if told.paused:
        lines.append(f"  paused (arbit resume {told.venue})")
    if told.breaker != "active":
        lines.append(f"  breaker {told.breaker}: {told.breaker_why}")
    lines += _alert_lines(told.alerts)
    return lines + [f"  held: {one}" for one in told.held]


def why_lines(told: WhyTold) -> list[str]:
    """The same for a person."""
    guard = f" ({told.guard})" if told.guard else ""
    lines = [f"{told.venue}: {told.state.upper()}{guard}", f"  {told.sentence}"]
    if told.detail and told.sentence not in told.detail:
        lines.insert(1, f"  {told.detail}")
    lines += [f"  stops new cycles: {one}" for one in told.stops]
    lines += _alert_lines(told.alerts)
    if told.disbelieved:
        lines.append(f"  triangles not looked at: {counted(told.disbelieved)} in the last hour")
    if told.fees:
        lines.append(f"  {told.fees}")
    if told.feeds:
        lines.append("  feeds: " + ", ".join(f"{name} {word}" for name, word in told.feeds.items()))
    lines += [f"  weighed {one}" for one in told.choices]
    return lines


def _alert_lines(alerts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of each receiver that does not take what it should."""
    return [_alert_line(one) for one in alerts if one["failing"] or one["undelivered"]]


def _alert_line(one: Mapping[str, Any]) -> str:
    how = "FAILS" if one["failing"] else "has failed"
    line = f"  ALERTS: {one['receiver']} {how} ({one['why']})"
    if one["undelivered"]:
        line += f": {one['undelivered']} critical undelivered"
    if one["oldest_s"] is not None:
        line += f", the oldest for {_span(one['oldest_s'])}"
    return line + (f"; {one['lost']} of them given up" if one["lost"] else "")


def _amounts(amounts: Mapping[str, str]) -> str:
    return ", ".join(f"{amount} {asset}" for asset, amount in amounts.items())


def _span(seconds: float) -> str:
    """`75 s`, `12 min`, `3 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3600:.0f} h"
