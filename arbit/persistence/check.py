"""Whether a database agrees with itself: what `arbit db check` asks."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from arbit.domain.errors import BrokenRule
from arbit.domain.money import EXACT, ZERO, plain
from arbit.domain.order import OrderState
from arbit.domain.records import OF_TRADES, Book, PostedState
from arbit.persistence import rows
from arbit.persistence.journal import connect
from arbit.persistence.locks import EPOCH
from arbit.persistence.migrate import quick_check
from arbit.persistence.types import money_of

LATE_FEE = "late_fee"  # the kind of a posting: what a posted fee took otherwise than reckoned


@dataclass(slots=True)
class Checked:
    """What was found. `wallets` are the balances by account and asset, as exact text.

    `runs` say of each account's last run when it began, and when and how it ended.
    """

    findings: list[str] = field(default_factory=list)
    wallets: dict[str, dict[str, str]] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


def check(path: Path) -> Checked:
    """Look at every row, as of one moment. UserError when the file is missing or damaged."""
    quick_check(path)
    checked = Checked()
    with contextlib.closing(connect(path, busy_ms=1_000)) as connection:

        def each(table: str) -> Iterator[dict[str, Any]]:
            found = connection.execute(f"SELECT * FROM {table}")  # noqa: S608  names are ours
            for row in found:
                checked.counts[table] = checked.counts.get(table, 0) + 1
                yield row

        try:
            connection.execute("BEGIN")  # a daemon may write meanwhile: look at one moment of it
            cycles = _cycles(checked, each("cycles"))
            trades: set[Key] = set()
            filled = _fills(checked, each("fills"), trades)
            _orders(checked, each("orders"), cycles, filled)
            lines: dict[Key, Decimal] = {}
            _ledger(checked, each("ledger"), trades, lines)
            _late_fees(checked, (each("fee_pending"), each("fee_posted")), lines)
            _walks(checked, each("walks"), cycles)
            _runs(checked, each("runs"))
        except sqlite3.Error as error:
            checked.findings.append(f"the database cannot be read any further: {error}")
    return checked


Key = tuple[str, str]


def _cycles(checked: Checked, found: Iterator[dict[str, Any]]) -> set[Key]:
    known = set()
    for row in found:
        known.add((row["account"], row["cycle_id"]))
        try:
            record = rows.cycle_of(row)
        except (BrokenRule, ValueError, KeyError, TypeError) as error:
            checked.findings.append(f"cycle {row['cycle_id']}: cannot be read: {error}")
            continue
        if record.state.over != (record.ended_ns > 0):
            checked.findings.append(f"cycle {record.cycle_id}: {record.state.value}, not closed")
    return known


def _fills(
    checked: Checked, found: Iterator[dict[str, Any]], trades: set[Key]
) -> dict[Key, Decimal]:
    """Quantities by order; every trade's id goes into `trades`."""
    filled: dict[Key, Decimal] = {}
    for row in found:
        trades.add((row["account"], row["trade_id"]))
        try:
            trade = rows.trade_of(row)
        except (BrokenRule, ValueError, KeyError, TypeError) as error:
            checked.findings.append(f"fill {row['trade_id']}: cannot be read: {error}")
            continue
        key = (row["account"], trade.client_id)
        filled[key] = EXACT.add(filled.get(key, ZERO), trade.qty)
    return filled


def _orders(
    checked: Checked,
    found: Iterator[dict[str, Any]],
    cycles: set[Key],
    filled: dict[Key, Decimal],
) -> None:
    known = set()
    for row in found:
        key = (row["account"], row["client_id"])
        known.add(key)
        if (row["account"], row["cycle_id"]) not in cycles:
            checked.findings.append(f"order {row['client_id']}: its cycle is missing")
        try:
            record = rows.order_of(row)
        except (BrokenRule, ValueError, KeyError, TypeError) as error:
            checked.findings.append(f"order {row['client_id']}: cannot be read: {error}")
            continue
        wrong = _disagrees(record.state, record.intent.qty, filled.get(key, ZERO))
        if wrong:
            checked.findings.append(f"order {row['client_id']}: {wrong}")
    for account, client_id in sorted(set(filled) - known):
        checked.findings.append(f"fills of {client_id} ({account}): their order is missing")


def _disagrees(state: OrderState, qty: Decimal, filled: Decimal) -> str:
    said = f"{state.value}, but {plain(filled)} of {plain(qty)} are filled"
    if not state.over:
        return f"{state.value}: not resolved"
    whole, some = filled >= qty, filled > 0
    agrees = {OrderState.FILLED: whole, OrderState.PARTIAL: some and not whole}
    return "" if agrees.get(state, not some) else said


def _ledger(
    checked: Checked,
    found: Iterator[dict[str, Any]],
    trades: set[Key],
    lines: dict[Key, Decimal],
) -> None:
    """Each line; what late fees took otherwise than reckoned is added up in `lines`."""
    sums: dict[tuple[str, str, str], Decimal] = {}
    for row in found:
        try:
            key = (row["account"], row["asset"], Book(row["book"]).value)
            amount = money_of(row["amount"])
        except (BrokenRule, ValueError) as error:
            checked.findings.append(f"ledger line {row['n']}: cannot be read: {error}")
            continue
        sums[key] = EXACT.add(sums.get(key, ZERO), amount)
        if row["kind"] == LATE_FEE and row["book"] == Book.WALLET.value:
            late = (row["account"], row["asset"])
            lines[late] = EXACT.add(lines.get(late, ZERO), amount)
        if row["kind"] in OF_TRADES and (row["account"], row["ref"]) not in trades:
            checked.findings.append(f"ledger line {row['n']}: its trade {row['ref']} is missing")
    totals: dict[Key, Decimal] = {}
    for (account, asset, book), amount in sums.items():
        totals[account, asset] = EXACT.add(totals.get((account, asset), ZERO), amount)
        if book == Book.WALLET.value:
            checked.wallets.setdefault(account, {})[asset] = plain(amount)
    for (account, asset), left in totals.items():
        if left:
            checked.findings.append(f"ledger of {account}: {asset} is off by {plain(left)}")


def _late_fees(
    checked: Checked,
    found: tuple[Iterator[dict[str, Any]], Iterator[dict[str, Any]]],
    lines: dict[Key, Decimal],
) -> None:
    """What was reckoned and what was posted differ, by asset, by what is booked."""
    posted: set[Key] = set()
    off: dict[Key, Decimal] = {asset: EXACT.minus(amount) for asset, amount in lines.items()}
    late_rows, posted_rows = found
    for row in posted_rows:
        try:
            fee = rows.posted_fee_of(row)
        except (BrokenRule, ValueError) as error:
            checked.findings.append(f"posted fee {row['ref']}: cannot be read: {error}")
            continue
        if fee.state is PostedState.FITS:
            posted.add((row["account"], fee.ref))
            asset = (row["account"], fee.asset)
            off[asset] = EXACT.subtract(off.get(asset, ZERO), fee.fee)
    for row in late_rows:
        try:
            late = rows.late_fee_of(row)
        except BrokenRule as error:
            checked.findings.append(f"fee of {row['trade_id']}: cannot be read: {error}")
            continue
        asset = (row["account"], late.asset)
        if (row["account"], late.ref) in posted:
            off[asset] = EXACT.add(off.get(asset, ZERO), late.guess)
        elif late.ref and not late.ref.startswith("accepted:"):
            checked.findings.append(f"fee of {late.trade_id}: {late.ref} was not posted")
    for (account, name), left in off.items():
        if left:
            said = f"late fees of {account}: {name} is booked {plain(left)} otherwise than posted"
            checked.findings.append(said)


def _walks(checked: Checked, found: Iterator[dict[str, Any]], cycles: set[Key]) -> None:
    for row in found:
        name = f"walk of {row['cycle_id']}, leg {row['leg_index']}"
        if (row["account"], row["cycle_id"]) not in cycles:
            checked.findings.append(f"{name}: its cycle is missing")
        try:
            rows.walk_of(row)
        except (BrokenRule, ValueError, KeyError, TypeError) as error:
            checked.findings.append(f"{name}: cannot be read: {error}")


def _runs(checked: Checked, found: Iterator[dict[str, Any]]) -> None:
    for row in sorted(found, key=lambda row: (row["account"], row["token"])):
        ended = f" to {_time(row['ended_ns'])}" if row["ended_ns"] else ""
        checked.runs[row["account"]] = (
            f"run {row['token']} ({row['command']}, {row['version']}) from "
            f"{_time(row['started_ns'])}{ended}: {row['ended_how'] or 'no end yet'}"
        )


def _time(wall_ns: int) -> str:
    return f"{EPOCH + timedelta(seconds=wall_ns // 1_000_000_000):%Y-%m-%d %H:%M:%S} UTC"
