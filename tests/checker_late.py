"""Cycles, and fees that the exchange takes with a fill and states later, for the checker.

Like the checker it imports nothing of `arbit`. Of late fees it demands:
- a fill's fee is in the database as it was reckoned, within its slack of what was taken;
- each such fill has one row that waits or is stated, with the same figures;
- each fee that was stated is kept as the exchange logged it, once, and none is invented; one that
  is not kept yet may only be of fills that still wait;
- what is booked of each asset is what was reckoned less what was stated.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol

from tests.checker_sums import EXACT, add, moved_by, nonzero

ZERO = Decimal(0)
ACCEPTED = "accepted:"
Rows = dict[str, dict[str, Any]]


class Kept(Protocol):
    """What the daemon wrote for one account (`checker.Database`)."""

    fills: Rows
    orders: Rows
    cycles: Rows
    ledger: list[dict[str, Any]]
    late: Rows
    posted: Rows


def fees_differ(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Whether the database's fee of a fill is another than the exchange took."""
    fees = {asset: Decimal(amount) for asset, amount in json.loads(ours["fees"])}
    charged = {theirs["fee_asset"]: Decimal(theirs["fee"])} if Decimal(theirs["fee"]) else {}
    slack = Decimal(ours.get("fee_slack") or 0)
    assets = fees.keys() | charged.keys()
    off = [abs(EXACT.subtract(fees.get(a, ZERO), charged.get(a, ZERO))) for a in assets]
    same = len(assets) <= 1 if slack else fees == charged
    if same and all(by <= slack for by in off):
        return []
    return [f"fill {theirs['trade_id']}: {charged} there, {fees} here"]


def slack_of(database: Kept, asset: str) -> Decimal:
    """By how much the balance may differ while fees wait: by them, and by what costs were rounded.

    The latter can be told, and is booked, once nothing waits.
    """
    total = ZERO
    for row in database.late.values():
        if row["asset"] == asset and not row["ref"]:
            total = add(total, Decimal(row["slack"]))
    for fill in database.fills.values() if total else ():
        slack = Decimal(fill.get("fee_slack") or 0)
        if slack and fill["symbol"].endswith(f"/{asset}") and Decimal(fill["cost"]) % slack:
            total = add(total, slack)
    return total


def check_late(
    told: Mapping[str, Mapping[str, Any]], database: Kept, taken: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Every disagreement of late fees: `told` are the exchange's statements, `taken` its fills."""
    return [
        *_check_waiting(database),
        *_check_posted(told, database),
        *_check_sums(database, taken),
    ]


def _check_waiting(database: Kept) -> list[str]:
    """Each fill with a reckoned fee has a row of its own, with the same figures."""
    found = []
    for trade_id, fill in database.fills.items():
        fees = json.loads(fill["fees"])
        if fill.get("fee_slack") is None or not fees:
            continue
        row = database.late.get(trade_id)
        wanted = (fees[0][0], Decimal(fees[0][1]), Decimal(fill["fee_slack"]), fill["symbol"])
        if row is None:
            found.append(f"fee of {trade_id}: it does not wait, nor was it stated")
        elif (row["asset"], Decimal(row["guess"]), Decimal(row["slack"]), row["symbol"]) != wanted:
            found.append(f"fee of {trade_id}: {wanted} in the fill, {row} waits")
    return found


def _check_posted(told: Mapping[str, Mapping[str, Any]], database: Kept) -> list[str]:
    """What the exchange stated and what is kept of it are the same."""
    found = []
    for ref, row in database.posted.items():
        said = told.get(ref)
        if said is None:
            found.append(f"posted fee {ref}: invented")
        elif (said["asset"], Decimal(said["amount"])) != (row["asset"], Decimal(row["fee"])):
            found.append(f"posted fee {ref}: {said['amount']} there, {row['fee']} here")
        elif row["state"] != "fits" and all(one in database.fills for one in said["trades"]):
            found.append(f"posted fee {ref}: it is of our fills, and {row['state']}")
    for ref, said in told.items():
        closed = [one for one in said["trades"] if database.late.get(one, {}).get("ref")]
        if ref not in database.posted and closed and not _more_waits(database, said["asset"]):
            found.append(f"posted fee {ref}: lost")
    return found


def _more_waits(database: Kept, asset: str) -> bool:
    """Whether any fee of the asset still waits: nearly equal ones may be taken for each other."""
    return any(row["asset"] == asset and not row["ref"] for row in database.late.values())


def _check_sums(database: Kept, taken: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What was booked of each asset is what was stated; once nothing waits, what was taken."""
    booked: dict[str, Decimal] = defaultdict(Decimal)
    stated: dict[str, Decimal] = defaultdict(Decimal)
    for line in database.ledger:
        if line["kind"] == "late_fee" and line["book"] == "wallet":
            booked[line["asset"]] = add(booked[line["asset"]], Decimal(line["amount"]))
    for row in database.posted.values():
        if row["state"] == "fits":
            stated[row["asset"]] = add(stated[row["asset"]], EXACT.minus(Decimal(row["fee"])))
    truth: dict[str, Decimal] = defaultdict(Decimal)
    found, accepted = list[str](), set[str]()
    for trade_id, row in database.late.items():
        asset, guess = row["asset"], Decimal(row["guess"])
        if row["ref"].startswith(ACCEPTED):
            accepted.add(asset)
        elif row["ref"]:
            stated[asset] = add(stated[asset], guess)
            fee = Decimal(taken[trade_id]["fee"]) if trade_id in taken else ZERO
            truth[asset] = add(truth[asset], EXACT.subtract(guess, fee))
            if row["ref"] not in database.posted:
                found.append(f"fee of {trade_id}: {row['ref']} is not kept")
    if nonzero(stated) != nonzero(booked):
        found.append(f"late fees: {nonzero(stated)} reckoned too much, {nonzero(booked)} booked")
    sure = [one for one in truth if one not in accepted and not _more_waits(database, one)]
    return found + [
        f"late fees of {asset}: {truth[asset]} there, {booked[asset]} booked"
        for asset in sure
        if truth[asset] != booked[asset]
    ]


def check_cycles(database: Kept, *, settled: bool) -> list[str]:
    """Each closed cycle's profit is what its fills moved of the start asset."""
    found = []
    cycle_of = {client_id: row["cycle_id"] for client_id, row in database.orders.items()}
    moved: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for fill in database.fills.values():
        cycle_id = cycle_of.get(fill["client_id"], "")
        for asset, amount in moved_by(fill).items():
            moved[cycle_id, asset] = add(moved[cycle_id, asset], amount)
    for cycle_id, row in database.cycles.items():
        if not row["ended_ns"]:
            if settled:
                found.append(f"cycle {cycle_id}: {row['state']}, not over")
            continue
        if row.get("kind") is not None:
            continue  # a conversion earns nothing: see `checker_conversions`
        earned = moved[cycle_id, row["start_asset"]]
        if row["state"] != "held" and Decimal(row["profit"]) != earned:
            found.append(f"cycle {cycle_id}: profit {row['profit']}, its fills say {earned}")
    return found + check_results(database)


def check_results(database: Kept) -> list[str]:
    """What closed cycles earned is in the capital, once and to the last digit."""
    closed: dict[str, Decimal] = defaultdict(Decimal)
    for line in database.ledger:
        if line["kind"] == "result" and line["book"] == "capital":
            closed[line["ref"]] = add(closed[line["ref"]], Decimal(line["amount"]))
    return [
        f"cycle {cycle_id}: profit {row['profit']}, closed with {EXACT.minus(closed[cycle_id])}"
        for cycle_id, row in database.cycles.items()
        if row["ended_ns"] and Decimal(row["profit"]) != EXACT.minus(closed[cycle_id])
    ]
