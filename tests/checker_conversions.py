"""Conversions, for the checker: cycles of one to three legs that end in another asset.

Like the checker it imports nothing of `arbit`. Of each conversion it demands:
- its plan is one to three legs, each spending what the one before brings, none an asset twice;
- each leg was ordered at most once, as planned: no more, at no worse price, and of no more than the
  leg before really brought; an order on or back spends neither what it began with nor what it
  wants;
- it took of what it spends and brought what it wants, never the other way;
- its profit is nothing, and no result is closed for it;
- once closed, what it moved of its two ends is in the capital, once, but for what only brought
  back what trading had moved before; nothing of any other asset is, and nothing before it is over.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from tests.checker_late import Kept
from tests.checker_sums import EXACT, add, moved_by

ZERO = Decimal(0)
KINDS = {"convert", "rebalance", "sweep"}
MOST_LEGS = 3
Row = Mapping[str, Any]


def check_conversions(database: Kept, *, one_clock: bool = True) -> list[str]:
    """Every disagreement of conversions with their fills, their orders and the ledger.

    `one_clock` False says that the daemon's wall clock was set meanwhile: then times do not tell
    which cycles were open together, and only bounds are held of whose move each was.
    """
    lines = sorted(database.ledger, key=lambda line: line.get("n", 0))
    found = list(_strays(database, lines))
    for cycle_id, row in database.cycles.items():
        if row.get("kind") is not None:
            said = _Conversion(database, lines, row, one_clock=one_clock).findings()
            found += [f"conversion {cycle_id}: {one}" for one in said]
    return found


def _strays(database: Kept, lines: Sequence[Row]) -> Iterator[str]:
    """Lines of conversions that are none."""
    for ref in sorted({line["ref"] for line in lines if line["kind"] == "conversion"}):
        if database.cycles.get(ref, {}).get("kind") is None:
            yield f"ledger: {ref} is no conversion"


class _Conversion:
    """One of them, with all that is its own."""

    def __init__(self, database: Kept, lines: Sequence[Row], row: Row, *, one_clock: bool) -> None:
        self.database, self.lines, self.row = database, lines, row
        self.one_clock = one_clock
        self.cycle_id = row["cycle_id"]
        self.plan = json.loads(row["plan"])
        self.orders = [one for one in database.orders.values() if one["cycle_id"] == self.cycle_id]
        mine = {one["client_id"] for one in self.orders}
        self.fills = [one for one in database.fills.values() if one["client_id"] in mine]
        self.moved = _sum_of(self.fills)
        self.start, self.end = self.plan[0][2], self.plan[-1][3]

    def findings(self) -> Iterator[str]:
        """All of them."""
        yield from self._plan()
        yield from self._legs()
        yield from self._others()
        if self.row["state"] != "held":  # a late fill may have come: a person looks at it
            yield from self._moves()
        yield from self._books()

    def _plan(self) -> Iterator[str]:
        row, plan = self.row, self.plan
        assets = [leg[2] for leg in plan] + [self.end]
        chained = all(one[3] == two[2] for one, two in pairwise(plan))
        if not 1 <= len(plan) <= MOST_LEGS or not chained or len(set(assets)) != len(assets):
            yield f"its plan is no way from one asset to another: {assets}"
        if (row["path"], row["start_asset"]) != (">".join(assets), self.start):
            yield f"it says {row['path']} from {row['start_asset']}, its plan {assets}"
        if row["kind"] not in KINDS or row["loss_budget"] is None:
            yield f"it is a {row['kind']} that may cost {row['loss_budget']}"

    def _legs(self) -> Iterator[str]:
        seen = set()
        for order in (one for one in self.orders if one["purpose"] == "leg"):
            index = order["leg_index"]
            if index in seen or not 1 <= index <= len(self.plan):
                yield f"leg {index} was ordered twice, or is none: {order['client_id']}"
                continue
            seen.add(index)
            symbol, side, _, _, qty, limit, _ = self.plan[index - 1]
            ours, price = Decimal(order["qty"]), Decimal(order["limit_price"])
            worse = price > Decimal(limit) if side == "buy" else price < Decimal(limit)
            if (order["symbol"], order["side"]) != (symbol, side) or worse or ours > Decimal(qty):
                yield f"leg {index} is {order['side']} {ours} {order['symbol']} at {price}"
            if index > 1 and self.row["state"] != "held":
                brought = self._brought(index - 1)
                spends = ours if side == "sell" else EXACT.multiply(ours, price)
                if spends > brought:
                    yield f"leg {index} may spend {spends}, leg {index - 1} brought {brought}"

    def _brought(self, index: int) -> Decimal:
        """What a leg's order brought of what the next one spends."""
        ids = {
            o["client_id"] for o in self.orders if (o["purpose"], o["leg_index"]) == ("leg", index)
        }
        moved = _sum_of([one for one in self.fills if one["client_id"] in ids])
        return moved[self.plan[index - 1][3]]

    def _others(self) -> Iterator[str]:
        for order in self.orders:
            if order["purpose"] == "unwind" and order["spend"] in (self.start, self.end):
                yield f"{order['client_id']} goes on or back, and spends {order['spend']}"

    def _moves(self) -> Iterator[str]:
        spent, received = self.moved[self.start], self.moved[self.end]
        if spent > 0 or received < 0:
            yield f"it moved {spent} {self.start} and {received} {self.end}"
        if self.row["state"] == "done" and not (spent < 0 < received):
            yield f"it is done, with {spent} {self.start} and {received} {self.end}"

    # --- the books -------------------------------------------------------------------------------

    def _books(self) -> Iterator[str]:
        mine = [line for line in self.lines if line["ref"] == self.cycle_id]
        if any(line["kind"] == "result" for line in mine) or Decimal(self.row["profit"]):
            yield f"it has a profit of {self.row['profit']}"
        booked: dict[str, list[Decimal]] = defaultdict(list)
        for line in mine:
            if line["kind"] == "conversion" and line["book"] == "capital":
                booked[line["asset"]].append(EXACT.minus(Decimal(line["amount"])))
        if not self.row["ended_ns"]:
            if booked:
                yield "it is not over, and moved capital"
            return
        for asset, amounts in booked.items():
            if asset not in (self.start, self.end) or len(amounts) > 1:
                yield f"it moved capital of {asset} {len(amounts)} times"
        for asset in (self.start, self.end) if self.row["state"] != "held" else ():
            yield from self._own(asset, booked[asset][0] if booked[asset] else ZERO)

    def _own(self, asset: str, own: Decimal) -> Iterator[str]:
        """What is booked as the owner's is what is left once trading has its own back."""
        moved = self.moved[asset]
        if not min(moved, ZERO) <= own <= max(moved, ZERO):
            yield f"{own} {asset} is the owner's of {moved}"
            return
        if self.one_clock and self._alone():
            before = self._before(asset)
            back = ZERO
            if before * moved < 0:  # only what brings it nearer to zero, and no further
                back = moved if abs(moved) <= abs(before) else EXACT.minus(before)
            if add(own, back) != moved:
                yield f"{own} {asset} is the owner's of {moved}, trading had moved {before}"

    def _before(self, asset: str) -> Decimal:
        """How far trading had moved the asset before this conversion did."""
        found = EXACT.minus(self.moved[asset])
        for line in self.lines[: self._closed_at()]:
            if line["asset"] == asset and line["book"] in ("trading", "fees"):
                found = add(found, EXACT.minus(Decimal(line["amount"])))
        return found

    def _closed_at(self) -> int:
        """Where in the ledger it was closed: at its own line, or after its last trade."""
        trades, last = {one["trade_id"] for one in self.fills}, 0
        for index, line in enumerate(self.lines):
            if (line["ref"], line["kind"]) == (self.cycle_id, "conversion"):
                return index
            last = index + 1 if line["ref"] in trades else last
        return last

    def _alone(self) -> bool:
        """Whether no other cycle may have been open when it was closed."""
        ours = self.row
        for cycle_id, other in self.database.cycles.items():
            before = 0 < other["ended_ns"] <= ours["started_ns"]
            after = other["started_ns"] >= ours["ended_ns"]
            if cycle_id != self.cycle_id and not before and not after:
                return False
        return True


def _sum_of(fills: Sequence[Row]) -> dict[str, Decimal]:
    """What these fills of the database moved, by asset, their fees included."""
    moved: dict[str, Decimal] = defaultdict(Decimal)
    for fill in fills:
        for asset, amount in moved_by(fill).items():
            moved[asset] = add(moved[asset], amount)
    return moved
