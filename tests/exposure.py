"""The exposure meter: how far trading stood out at the exchange, at every event of its own log.

It imports nothing of `arbit` and reads only the exchange's event log (its format is in that log's
module) and the limits that were set. What an open order may still do counts at its worst. Of a
cycle that is over, what it made of its start asset is its result and counts no longer; what it
left of others does. What the exchange trades beyond an order (too much, or after the order's end)
is nobody's doing: it moves balances, and is allowed for.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

ZERO, BPS, REFERENCE = Decimal(0), Decimal(10_000), "USD"
OURS = re.compile(r"ab([0-9a-z]{6,})-([0-3])[0-9a-z]{1,5}")  # cycle; leg, 0 for an order home
Record = Mapping[str, Any]
Told = tuple[int, Record, str, str]  # line, record, cycle, leg


def amounts() -> defaultdict[str, Decimal]:
    return defaultdict(Decimal)


@dataclass(frozen=True, slots=True)
class Limits:
    """What must hold; None is not measured. Amounts without an asset are in `REFERENCE`.

    `prices` are in it too, and `moved_bps` is how far they may have been from these when an order
    was decided on. `sequential`: an order spends what its cycle really has.
    """

    asset_caps: Mapping[str, Decimal] = field(default_factory=dict)
    max_exposure: Decimal | None = None
    max_notional: Decimal | None = None
    max_cycles: int | None = None
    max_slippage_bps: Decimal | None = None  # from the best price, where the log tells it (`top`)
    sequential: bool = False
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    moved_bps: Decimal = ZERO


class Order:
    """An accepted order of ours; `left` is what it may still trade, in base units."""

    def __init__(self, record: Record) -> None:
        self.base, self.quote = record["symbol"].split("/")
        self.buys = record["side"] == "buy"
        self.price, self.left = Decimal(record["price"]), Decimal(record["qty"])

    def reach(self) -> tuple[str, Decimal, str, Decimal]:
        """What it may still spend, and what that brings at its limit."""
        quote, base = (self.quote, self.left * self.price), (self.base, self.left)
        return (*quote, *base) if self.buys else (*base, *quote)


def _look_ahead(told: list[Told]) -> tuple[dict[str, int], dict[str, str]]:
    """The line with which each cycle ends, and the asset in which it starts."""
    last, start, ended = dict[str, int](), dict[str, str](), set[str]()
    for line, record, cycle, leg in told:
        kind, order_id = record["kind"], record.get("order_id", "")
        if cycle not in last or (kind in {"accept", "fill", "end"} and order_id not in ended):
            last[cycle] = line
        if kind == "end":
            ended.add(order_id)
        if kind == "accept" and leg in "13":  # leg 1 spends it, leg 3 brings it
            spent, _, brought, _ = Order(record).reach()
            start[cycle] = spent if leg == "1" else brought
    return last, start


class Meter:
    """`findings` of one log; `most` is the largest of everything that was measured."""

    def __init__(self, limits: Limits, records: Iterable[Record]) -> None:
        self.findings: list[str] = []
        self.most = amounts()
        self._limits = limits
        self._net, self._forced = amounts(), amounts()
        self._orders: dict[str, Order] = {}
        self._moved: dict[str, defaultdict[str, Decimal]] = {}  # by cycle that is open
        self._prices = {**limits.prices, REFERENCE: Decimal(1)}
        ours = [(n, r, OURS.fullmatch(r.get("cl_ord_id", ""))) for n, r in enumerate(records, 1)]
        told = [(line, record, found[1], found[2]) for line, record, found in ours if found]
        last, start = _look_ahead(told)
        for line, record, cycle, leg in told:
            if line <= last[cycle]:
                self._moved.setdefault(cycle, amounts())
                self._at_most(line, "cycles", Decimal(len(self._moved)), limits.max_cycles)
            if record["kind"] == "accept":
                self._accepted(line, record, cycle, leg, start.get(cycle, ""))
            elif record["kind"] == "fill":
                self._filled(record, cycle)
            elif record["kind"] == "end":
                self._orders[record["order_id"]].left = ZERO
            if "symbol" in record:
                for asset in (*record["symbol"].split("/"), record.get("fee_asset", REFERENCE)):
                    self._stands(line, asset)
            if line == last[cycle]:
                self._net[start.get(cycle, "")] -= self._moved.pop(cycle)[start.get(cycle, "")]

    def _accepted(self, line: int, record: Record, cycle: str, leg: str, start: str) -> None:
        order = self._orders[record["order_id"]] = Order(record)
        limits, (spent, amount, _, _) = self._limits, order.reach()
        if leg == "1" and limits.max_notional is not None:
            most = limits.max_notional * self._room(spent)
            self._at_most(line, "notional", amount * self._prices[spent], most)
        if leg != "0" and "top" in record:
            away = (order.price / Decimal(record["top"]) - 1) * (BPS if order.buys else -BPS)
            self._at_most(line, "slippage", away, limits.max_slippage_bps)
        if limits.sequential and leg != "1" and spent != start:
            has = self._moved[cycle][spent] + self._forced[spent]
            self._at_most(line, f"{spent} beyond delivery", amount - has, 0)

    def _filled(self, record: Record, cycle: str) -> None:
        order, qty = self._orders[record["order_id"]], Decimal(record["qty"])
        beyond = max(ZERO, qty - order.left) / qty
        order.left = max(ZERO, order.left - qty)
        cost, sign = Decimal(record["cost"]), 1 if order.buys else -1
        fee = (record["fee_asset"], -Decimal(record["fee"]))
        for asset, amount in ((order.base, qty * sign), (order.quote, -cost * sign), fee):
            self._net[asset] += amount
            self._forced[asset] += abs(amount) * beyond
            if cycle in self._moved:
                self._moved[cycle][asset] += amount

    def _stands(self, line: int, asset: str) -> None:
        low = high = self._net[asset]
        for order in self._orders.values():
            if order.left:
                spent, out, brought, into = order.reach()
                low, high = low - out * (spent == asset), high + into * (brought == asset)
        stands, limits = max(abs(low), abs(high)) - self._forced[asset], self._limits
        self._at_most(line, asset, stands, limits.asset_caps.get(asset))
        if limits.max_exposure is not None:
            worth = stands * self._prices.get(asset, Decimal("inf")) if stands > 0 else ZERO
            most = limits.max_exposure * self._room(asset)
            self._at_most(line, f"{asset} in {REFERENCE}", worth, most)

    def _room(self, asset: str) -> Decimal:
        return 1 + (ZERO if asset == REFERENCE else self._limits.moved_bps / BPS)

    def _at_most(self, line: int, what: str, amount: Decimal, most: Decimal | int | None) -> None:
        self.most[what] = max(self.most[what], amount)
        if most is not None and amount > most:
            self.findings.append(f"line {line}: {what} {amount:f}, at most {most}")
