"""The independent checker: the exchange's own log against the daemon's database, digit by digit.

It imports nothing of `arbit` and shares no code with it. It reads two files alone: the event log
of the sandbox exchange (its format is in that log's module) and the SQLite database. Run it:
`python -m tests.checker LOG DATABASE [--account NAME] [--first-run]`; exit code 1 with findings.

What it demands, with the invariants of the house's reliability paper in brackets:
- the exchange's own log adds up: fills, flows and openings make its balances [1];
- the ledger's wallet equals the exchange's balance for every asset [2];
- every order on the wire was written first, with the same terms: market, side, quantity, price,
  immediate or cancel, the deadline to the millisecond, the fee in what it receives [3];
- no client id was accepted twice, or sent twice [4];
- every fill at the exchange is in the database, once, with every field equal, and the reverse [5];
- every order that is over has the state that its fills say; NEVER and REJECTED were not accepted
  [5, 6];
- every order accepted with our prefix has a row [16];
- the four books of the ledger add up to zero for each asset, and each trade's entries are what the
  trade moved [12];
- what the exchange rounded of each fill is booked as that, once;
- fees that the exchange states later: see `checker_late`;
- cycles that end in another asset: see `checker_conversions`.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.checker_conversions import check_conversions
from tests.checker_late import check_cycles, check_late, fees_differ, slack_of
from tests.checker_sums import EXACT, add, kept, moved_by, moves, nonzero
from tests.terms import asked_otherwise, taken_otherwise

OVER = {"filled", "partial", "empty", "rejected", "never"}
NOT_ACCEPTED = {"rejected", "never"}
PREFIX = "ab"
PLACES = {"addorder", "post /v2/orders"}  # what each house calls it


@dataclass(slots=True)
class Exchange:
    """What the exchange's log says of one account."""

    balances: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    opening: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    accepts: dict[str, dict[str, Any]] = field(default_factory=dict)  # by order id
    accepted_ids: Counter[str] = field(default_factory=Counter)
    requested: list[dict[str, Any]] = field(default_factory=list)
    fills: dict[str, dict[str, Any]] = field(default_factory=dict)
    ends: dict[str, dict[str, Any]] = field(default_factory=dict)
    flows: dict[str, dict[str, Any]] = field(default_factory=dict)
    posted: dict[str, dict[str, Any]] = field(default_factory=dict)  # fees stated later
    drifts: int = 0


@dataclass(slots=True)
class Database:
    """What the daemon wrote for one account."""

    orders: dict[str, dict[str, Any]]
    fills: dict[str, dict[str, Any]]
    cycles: dict[str, dict[str, Any]]
    ledger: list[dict[str, Any]]
    late: dict[str, dict[str, Any]] = field(default_factory=dict)
    posted: dict[str, dict[str, Any]] = field(default_factory=dict)


def read_log(path: Path) -> dict[str, Exchange]:
    """Every account of the log. ValueError when its lines are not numbered without a gap."""
    accounts: dict[str, Exchange] = defaultdict(Exchange)
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], 1):  # the last one is empty, or torn
        record = json.loads(line)
        if record["n"] != number:
            raise ValueError(f"{path}: line {number} says it is {record['n']}")
        take(accounts[record["account"]], record)
    accounts.pop("", None)
    return dict(accounts)


def take(exchange: Exchange, record: dict[str, Any]) -> None:
    """Count one record of the log."""
    kind = record["kind"]
    if kind in {"opening", "flow", "drift"}:
        asset, amount = record["asset"], Decimal(record["amount"])
        exchange.balances[asset] = add(exchange.balances[asset], amount)
        if kind == "opening":
            exchange.opening[asset] = add(exchange.opening[asset], amount)
        elif kind == "flow":
            exchange.flows[record["ledger"]] = record
        else:
            exchange.drifts += 1
    elif kind == "request" and record["method"].lower().replace("_", "") in PLACES:
        exchange.requested.append(record)
    elif kind == "accept":
        exchange.accepts[record["order_id"]] = record
        if record["cl_ord_id"]:
            exchange.accepted_ids[record["cl_ord_id"]] += 1
    elif kind == "fill":
        exchange.fills[record["trade_id"]] = record
        for asset, amount in kept(record):
            exchange.balances[asset] = add(exchange.balances[asset], amount)
    elif kind in {"end", "fees"}:
        kept_by = (exchange.ends, "order_id") if kind == "end" else (exchange.posted, "activity")
        kept_by[0][record[kept_by[1]]] = record


def read_database(path: Path, account: str) -> Database:
    """One account's rows."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:

        def rows(table: str) -> list[dict[str, Any]]:
            sql = f"SELECT * FROM {table} WHERE account=?"  # noqa: S608  our own names
            found = connection.execute(sql, (account,))
            return [dict(row) for row in found]

        return Database(
            orders={row["client_id"]: row for row in rows("orders")},
            fills={row["trade_id"]: row for row in rows("fills")},
            cycles={row["cycle_id"]: row for row in rows("cycles")},
            ledger=list(rows("ledger")),
            late={row["trade_id"]: row for row in rows("fee_pending")},
            posted={row["ref"]: row for row in rows("fee_posted")},
        )
    finally:
        connection.close()


def accounts_of(path: Path) -> list[str]:
    """The accounts that have orders or a ledger."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        sql = "SELECT account FROM ledger UNION SELECT account FROM orders"
        return sorted(row[0] for row in connection.execute(sql))
    finally:
        connection.close()


def check(
    exchange: Exchange, database: Database, *, settled: bool = True, one_clock: bool = True
) -> list[str]:
    """Every disagreement, in words. `settled` False allows orders that are not over yet.

    `one_clock` False says that the two sides' clocks differ, so that times prove no order.
    """
    return [
        *check_once(exchange),
        *check_written_first(exchange, database, one_clock=one_clock),
        *check_fills(exchange, database),
        *check_orders(exchange, database, settled=settled),
        *check_ledger(exchange, database, settled=settled),
        *check_rounding(exchange, database, settled=settled),
        *check_cycles(database, settled=settled),
        *check_conversions(database, one_clock=one_clock),
        *check_late(exchange.posted, database, exchange.fills),
        *(check_costs(exchange, database) if settled else ()),
    ]


def check_once(exchange: Exchange) -> list[str]:
    """Nothing was accepted or sent twice under one id."""
    found = [f"{one}: accepted {n} times" for one, n in exchange.accepted_ids.items() if n > 1]
    sent = Counter(r["cl_ord_id"] for r in exchange.requested if is_ours(r["cl_ord_id"]))
    return found + [f"{one}: sent {count} times" for one, count in sent.items() if count > 1]


def check_written_first(
    exchange: Exchange, database: Database, *, one_clock: bool = True
) -> list[str]:
    """Each request of ours has a row with the same terms, and was taken with the same."""
    found = []
    for request in exchange.requested:
        client_id = request["cl_ord_id"]
        if not is_ours(client_id) or request.get("validate") in {"true", True}:
            continue
        row = database.orders.get(client_id)
        if row is None:
            found.append(f"{client_id}: on the wire, but not in the database")
            continue
        found += asked_otherwise(request, row)
        if one_clock and row["sent_ns"] and int(request["at"]) < int(row["sent_ns"]):
            found.append(f"{client_id}: on the wire before it was written")
    for accept in exchange.accepts.values():
        if is_ours(accept["cl_ord_id"]) and accept["cl_ord_id"] in database.orders:
            found += taken_otherwise(accept, database.orders[accept["cl_ord_id"]])
    return found


def check_fills(exchange: Exchange, database: Database) -> list[str]:
    """The exchange's fills and the database's are the same set, field by field."""
    mine = {
        trade_id: fill
        for trade_id, fill in exchange.fills.items()
        if is_ours(exchange.accepts[fill["order_id"]]["cl_ord_id"])
    }
    found = [f"fill {one}: lost" for one in sorted(set(mine) - set(database.fills))]
    found += [f"fill {one}: invented" for one in sorted(set(database.fills) - set(mine))]
    for trade_id in sorted(set(mine) & set(database.fills)):
        theirs, ours = mine[trade_id], database.fills[trade_id]
        pairs = [
            (theirs["symbol"], ours["symbol"]),
            (theirs["side"], ours["side"]),
            (theirs["order_id"], ours["order_id"]),
            (theirs["cl_ord_id"], ours["client_id"]),
            (Decimal(theirs["qty"]), Decimal(ours["qty"])),
            (Decimal(theirs["price"]), Decimal(ours["price"])),
            (Decimal(theirs["cost"]), Decimal(ours["cost"])),
        ]
        found += fees_differ(theirs, ours)
        found += [f"fill {trade_id}: {a} there, {b} here" for a, b in pairs if a != b]
    return found


def check_orders(exchange: Exchange, database: Database, *, settled: bool) -> list[str]:
    """Each order's state is what the exchange says became of it."""
    ids = [order["cl_ord_id"] for order in exchange.accepts.values()]
    unknown = [one for one in ids if is_ours(one) and one not in database.orders]
    found = [f"{one}: accepted, but not in the database" for one in unknown]
    # It was answered as taken, and the engine turned it down then.
    turned_down = (one for one, end in exchange.ends.items() if end["status"] == "rejected")
    rejected = {exchange.accepts[one]["cl_ord_id"] for one in turned_down}
    filled: dict[str, Decimal] = defaultdict(Decimal)
    for fill in exchange.fills.values():
        client_id = exchange.accepts[fill["order_id"]]["cl_ord_id"]
        filled[client_id] = add(filled[client_id], Decimal(fill["qty"]))
    for client_id, row in database.orders.items():
        state, qty = row["state"], Decimal(row["qty"])
        if state not in OVER:
            if settled:
                found.append(f"{client_id}: {state}, not resolved")
            continue
        accepted = exchange.accepted_ids[client_id] > 0 and client_id not in rejected
        if state in NOT_ACCEPTED and accepted:
            found.append(f"{client_id}: {state}, but the exchange accepted it")
        if state not in NOT_ACCEPTED and not accepted:
            found.append(f"{client_id}: {state}, but the exchange never accepted it")
        done = filled[client_id]
        said = "filled" if done >= qty else "partial" if done else "empty"
        if accepted and state not in NOT_ACCEPTED and state != said:
            found.append(f"{client_id}: {state}, but {done} of {qty} filled")
    return found


def check_ledger(exchange: Exchange, database: Database, *, settled: bool) -> list[str]:
    """The wallet equals the exchange's balance, and the books add up, for every asset."""
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for line in database.ledger:
        key, amount = (line["book"], line["asset"]), Decimal(line["amount"])
        sums[key] = add(sums[key], amount)
        totals[line["asset"]] = add(totals[line["asset"]], amount)
    found = [f"ledger: the books of {a} are off by {left}" for a, left in totals.items() if left]
    for asset in sorted(set(totals) | set(exchange.balances)) if settled else ():
        ours, theirs = sums["wallet", asset], exchange.balances[asset]
        if abs(EXACT.subtract(ours, theirs)) > slack_of(database, asset):
            found.append(f"balance of {asset}: {theirs} there, {ours} here")
    return found + check_entries(database)


def posted(database: Database, *kinds: str) -> dict[str, dict[str, Decimal]]:
    """What the ledger's lines of these kinds did to the wallet, by ref and asset."""
    found: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for line in database.ledger:
        if line["kind"] in kinds and line["book"] == "wallet":
            entry = found[line["ref"]]
            entry[line["asset"]] = add(entry[line["asset"]], Decimal(line["amount"]))
    return found


def check_entries(database: Database) -> list[str]:
    """The ledger's entries of each trade are what the trade moved."""
    lines = posted(database, "trade", "fee")
    return [
        f"ledger: {trade_id} is posted as {dict(lines[trade_id])}"
        for trade_id, fill in database.fills.items()
        if nonzero(moved_by(fill)) != nonzero(lines[trade_id])
    ]


def check_rounding(exchange: Exchange, database: Database, *, settled: bool) -> list[str]:
    """What the exchange kept of each fill and what the fill states differ by what is booked."""
    booked = posted(database, "rounding")
    found = [f"rounding of {one}: no such fill" for one in set(booked) - set(database.fills)]
    for trade_id in sorted(set(exchange.fills) & set(database.fills)):
        fill, off = exchange.fills[trade_id], defaultdict[str, Decimal](Decimal)
        for asset, amount in (*kept(fill), *((a, EXACT.minus(b)) for a, b in moves(fill))):
            off[asset] = add(off[asset], amount)
        if database.fills[trade_id].get("fee_slack") is not None:
            continue  # no row tells it: see `check_costs`
        there, here = nonzero(off), nonzero(booked[trade_id])
        if here != there and (settled or here):
            found.append(f"rounding of {trade_id}: {there} there, {here} here")
    return found


def check_costs(exchange: Exchange, database: Database) -> list[str]:
    """Of trades whose costs nothing but the balance tells: what was rounded is booked, in all."""
    left: dict[str, Decimal] = defaultdict(Decimal)
    for trade_id in set(exchange.fills) & set(database.fills):
        if database.fills[trade_id].get("fee_slack") is not None:
            fill = exchange.fills[trade_id]
            for asset, amount in (*kept(fill), *((a, EXACT.minus(b)) for a, b in moves(fill))):
                left[asset] = add(left[asset], amount)
    for amounts in posted(database, "cost").values():
        for asset, amount in amounts.items():
            left[asset] = add(left[asset], EXACT.minus(amount))
    return [
        f"costs of {asset}: {by} is not booked"
        for asset, by in nonzero(left).items()
        if not slack_of(database, asset)
    ]


def is_ours(client_id: str) -> bool:
    """Whether a client id is the daemon's."""
    return client_id.startswith(PREFIX) and "-" in client_id


def compare(log: Path, database: Path, account: str = "", *, settled: bool = True) -> list[str]:
    """Every disagreement between the two files. `account` is the database's name of it.

    The exchange's account is the one whose orders carry our ids, or the only one that traded.
    """
    exchanges = read_log(log)
    names = [account] if account else [n for n in accounts_of(database) if ":sandbox:" in n]
    if len(names) != 1:
        return [f"expected one sandbox account in {database}, found {names}"]
    rows = read_database(database, names[0])
    busy = {name: one for name, one in exchanges.items() if one.requested or one.fills}
    chosen = busy or exchanges
    if not chosen:
        return ["the exchange's log knows no account"]
    return check(next(iter(chosen.values())), rows, settled=settled)


def main() -> int:
    """Print every finding; 1 when there is one."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("log", type=Path)
    parser.add_argument("database", type=Path)
    parser.add_argument("--account", default="")
    parser.add_argument("--unsettled", action="store_true")
    options = parser.parse_args()
    found = compare(options.log, options.database, options.account, settled=not options.unsettled)
    for line in found:
        sys.stdout.write(line + "\n")
    if not found:
        fills = sum(len(one.fills) for one in read_log(options.log).values())
        sys.stdout.write(f"agree: {fills} fills at the exchange, no difference\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
