"""What an account did in a while: results, why less came than expected, and where balances went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from arbit.app.loop import run_on_best_loop
from arbit.app.reports.explaining import Explained, Outside, Reconciled, explain_all, reconcile
from arbit.app.reports.report_wallets import wallet_json
from arbit.app.store import DATABASE, HISTORY
from arbit.clock import SystemClock
from arbit.domain.attribution import Amounts, Attribution, Cause, added
from arbit.domain.errors import UserError
from arbit.domain.money import ZERO, plain
from arbit.domain.recorded import Recorded
from arbit.domain.records import CycleRecord
from arbit.domain.walk import WIDE
from arbit.persistence.reading import accounts, read_account
from arbit.persistence.wallets import WalletChange, served_wallet_changes, wallet_changes

DAY_NS = 86_400 * 10**9
MAX_WORST = 10  # cycles that are told one by one
MAX_POINTS = 2_000  # of one line of a plot


@dataclass(frozen=True, slots=True)
class Results:
    """Cycles that began with one asset; all amounts are in it, at the marks of each decision.

    `gained` and `lost` are what cycles earned, `brought` counts what they left in other assets too:
    `at_tops` less what was `planned` (depth, fees) less every cause's `shortfall` is `brought`.
    `by_leg` are shortfalls by leg and cause. `unvalued` are shortfalls that have no mark, by asset.
    """

    start: str
    cycles: int
    conversions: int
    gained: Decimal
    lost: Decimal
    at_tops: Decimal
    planned: Mapping[Cause, Decimal]
    expected: Decimal
    shortfall: Mapping[Cause, Decimal]
    by_leg: Mapping[tuple[int, Cause], Decimal]
    brought: Decimal
    unvalued: Amounts

    @property
    def profit(self) -> Decimal:
        """What cycles earned."""
        return WIDE.add(self.gained, self.lost)


@dataclass(frozen=True, slots=True)
class Told:
    """One cycle in short. `causes` are its shortfalls in the start asset."""

    cycle_id: str
    path: str
    end: str
    ended_ns: int
    start: str
    expected: Decimal
    brought: Decimal
    causes: Mapping[Cause, Decimal]


@dataclass(frozen=True, slots=True)
class Report:
    """One account's. Times are wall nanoseconds; counts are of what ended or happened since."""

    account: str
    from_ns: int
    until_ns: int
    ends: Mapping[str, int]
    conversions: Mapping[str, int]
    open_cycles: int
    orders: Mapping[str, int]
    trades: int
    incidents: Mapping[str, int]
    profit_ref: Decimal
    unpriced: int  # cycles whose result nobody could price
    not_explained: int
    results: Sequence[Results]
    worst: Sequence[Told]
    balances: Sequence[Reconciled]
    outside: Sequence[Outside]
    fees_waiting: int
    curves: Mapping[str, Sequence[tuple[int, Decimal]]] = field(default_factory=dict)
    wallets: Sequence[WalletChange] = ()  # on chains: nobody's in particular, and in no sum


def one_account(data_dir: Path, asked: str | None) -> Recorded:
    """The rows of the account that is meant. UserError names what there is when that is unclear."""
    path = data_dir / DATABASE
    known = accounts(path)
    if not known:
        raise UserError(f"{path}: no account has traded yet")
    if asked is None and len(known) == 1:
        return read_account(path, known[0])
    if asked not in known:
        given = "--account" if asked is None else f"--account {asked}"
        raise UserError(f"{given}: expected one of {', '.join(known)}")
    return read_account(path, asked)


def report_of(
    data_dir: Path, asked: str | None, days: int, history_url: str | None = None
) -> Report:
    """The report of the account that is meant, so many days back; 0 is all. UserError as above.

    History is read from the server at `history_url`, else from its file.
    """
    recorded, now_ns = one_account(data_dir, asked), SystemClock().wall_ns()
    from_ns = max(0, now_ns - days * DAY_NS) if days else 0
    if history_url is None:
        wallets = wallet_changes(data_dir / HISTORY, from_ns)
    else:
        wallets = run_on_best_loop(served_wallet_changes(history_url, from_ns))
    return replace(report(recorded, from_ns, now_ns), wallets=wallets)


def report(recorded: Recorded, from_ns: int, now_ns: int) -> Report:
    """What is told of `recorded` since `from_ns`."""
    explained = explain_all(recorded)
    ended = [one for one in recorded.cycles if one.ended_ns and one.ended_ns >= from_ns]
    own = [one for one in ended if one.kind is None]
    starts = dict.fromkeys(one.start_asset for one in ended)
    priced = [one.profit_ref for one in ended if one.profit_ref is not None]
    return Report(
        account=recorded.account,
        from_ns=from_ns,
        until_ns=now_ns,
        ends=Counter(one.state.value for one in own),
        conversions=Counter(one.state.value for one in ended if one.kind is not None),
        open_cycles=sum(not one.ended_ns for one in recorded.cycles),
        orders=Counter(one.state.value for one in recorded.orders if one.sent_ns >= from_ns),
        trades=sum(one.at_ns >= from_ns for one in recorded.trades),
        incidents=Counter(one.kind for one in recorded.incidents if one.at_ns >= from_ns),
        profit_ref=_sum(priced),
        unpriced=len(ended) - len(priced),
        not_explained=sum(one.cycle_id in explained.unexplained for one in ended),
        results=[_results(start, ended, explained) for start in starts],
        worst=_worst(ended, explained),
        balances=reconcile(recorded.postings, recorded.transfers, from_ns),
        outside=[one for one in explained.outside if one.at_ns >= from_ns],
        fees_waiting=sum(not one.ref for one in recorded.late_fees),
        curves={start: _curve(start, own) for start in starts},
    )


def _results(start: str, ended: Iterable[CycleRecord], explained: Explained) -> Results:
    mine = [one for one in ended if one.start_asset == start]
    found = [explained.cycles[x.cycle_id] for x in mine if x.cycle_id in explained.cycles]
    unvalued = (
        one.unvalued(added((line.asset, line.amount) for line in one.lines)).items()
        for one in found
    )
    legs = {(line.leg, line.cause) for one in found for line in one.lines}
    return Results(
        start=start,
        cycles=sum(one.kind is None for one in mine),
        conversions=sum(one.kind is not None for one in mine),
        gained=_sum(one.profit for one in mine if one.profit > 0),
        lost=_sum(one.profit for one in mine if one.profit < 0),
        at_tops=_sum(one.value(one.at_tops) for one in found),
        planned={
            cause: _sum(one.value(one.planned_cost(cause)) for one in found)
            for cause in (Cause.DEPTH, Cause.FEE)
        },
        expected=_sum(one.value(one.expected) for one in found),
        shortfall={
            cause: _sum(one.value(one.shortfall(cause)) for one in found) for cause in Cause
        },
        by_leg={
            (leg, cause): _sum(one.value(one.shortfall(cause, leg)) for one in found)
            for leg, cause in sorted(legs)
        },
        brought=_sum(one.value(one.moved) for one in found),
        unvalued=added(*unvalued),
    )


def _worst(ended: Iterable[CycleRecord], explained: Explained) -> list[Told]:
    """The cycles that fell furthest short of what was expected, in parts of their stake."""

    def share(told: tuple[CycleRecord, Attribution]) -> Decimal:
        return sum((told[1].bps(cause) for cause in Cause), ZERO)

    pairs = [(x, explained.cycles[x.cycle_id]) for x in ended if x.cycle_id in explained.cycles]
    short = sorted((one for one in pairs if share(one) > 0), key=share, reverse=True)
    return [
        Told(
            cycle_id=record.cycle_id,
            path=record.path,
            end=record.state.value,
            ended_ns=record.ended_ns,
            start=record.start_asset,
            expected=one.value(one.expected),
            brought=one.value(one.moved),
            causes={cause: one.value(one.shortfall(cause)) for cause in Cause},
        )
        for record, one in short[:MAX_WORST]
    ]


def _curve(start: str, own: Iterable[CycleRecord]) -> list[tuple[int, Decimal]]:
    """What cycles have earned of an asset by and by; thinned out where it is long."""
    earned, points = ZERO, list[tuple[int, Decimal]]()
    for one in sorted(own, key=lambda one: one.ended_ns):
        if one.start_asset == start:
            earned = WIDE.add(earned, one.profit)
            points.append((one.ended_ns, earned))
    every = -(-len(points) // MAX_POINTS) or 1
    return points[::-1][::every][::-1]  # the last one stays


def as_json(told: Report) -> dict[str, Any]:
    """The report as JSON has it: amounts are text, to the last digit."""
    return {
        "account": told.account,
        "from_ns": told.from_ns,
        "until_ns": told.until_ns,
        "cycles": dict(told.ends),
        "conversions": dict(told.conversions),
        "open_cycles": told.open_cycles,
        "orders": dict(told.orders),
        "trades": told.trades,
        "incidents": dict(told.incidents),
        "profit_ref": plain(told.profit_ref),
        "unpriced_cycles": told.unpriced,
        "not_explained_cycles": told.not_explained,
        "fees_waiting": told.fees_waiting,
        "results": [_results_json(one) for one in told.results],
        "worst": [_told_json(one) for one in told.worst],
        "balances": [_balance_json(one) for one in told.balances],
        "outside_cycles": [
            {"ref": x.ref, "cause": x.cause.value, "asset": x.asset, "amount": plain(x.amount)}
            for x in told.outside
        ],
        "wallets": [wallet_json(one) for one in told.wallets],
    }


def _results_json(one: Results) -> dict[str, Any]:
    legs: dict[str, dict[str, str]] = {}
    for (leg, cause), amount in one.by_leg.items():
        legs.setdefault(str(leg), {})[cause.value] = plain(amount)
    return {
        "start": one.start,
        "cycles": one.cycles,
        "conversions": one.conversions,
        "gained": plain(one.gained),
        "lost": plain(one.lost),
        "profit": plain(one.profit),
        "at_tops": plain(one.at_tops),
        "planned": {cause.value: plain(amount) for cause, amount in one.planned.items()},
        "expected": plain(one.expected),
        "shortfall": {cause.value: plain(amount) for cause, amount in one.shortfall.items()},
        "shortfall_by_leg": legs,
        "brought": plain(one.brought),
        "shortfall_without_a_price": {name: plain(much) for name, much in one.unvalued.items()},
    }


def _told_json(one: Told) -> dict[str, Any]:
    return {
        "cycle": one.cycle_id,
        "path": one.path,
        "end": one.end,
        "ended_ns": one.ended_ns,
        "start": one.start,
        "expected": plain(one.expected),
        "brought": plain(one.brought),
        "shortfall": {cause.value: plain(amount) for cause, amount in one.causes.items()},
    }


def _balance_json(one: Reconciled) -> dict[str, Any]:
    return {
        "asset": one.asset,
        "opening": plain(one.opening),
        "fills": plain(one.fills),
        "fees": plain(one.fees),
        "rounding": plain(one.rounding),
        "transfers": {word: plain(amount) for word, amount in one.transfers.items()},
        "unexplained": plain(one.unexplained),
        "closing": plain(one.closing),
    }


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    found = ZERO
    for amount in amounts:
        found = WIDE.add(found, amount)
    return found
