"""One leg of a cycle as a ladder of integers: what each level of depth costs and brings, a lot.

Sizing asks the same few questions of three legs many times over. Here they are whole numbers:
quantities in lots, amounts of an asset in one common unit for the two legs that touch it. Nothing
is ever rounded on the way in; the unit is simply small enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal

from arbit.domain.book import Level
from arbit.domain.triangle import Leg, Side

_WIDE = Context(prec=400)  # moving a decimal point must never cost a digit


@dataclass(frozen=True, slots=True)
class LegFacts:
    """All that sizing knows of one leg, complete and sane.

    `levels` are those the order would trade with, best first. `tick` and `cost_min` are in quote
    units, `lot` and `qty_min` in base units, `fee` is a fraction of what the leg receives.
    """

    leg: Leg
    levels: tuple[Level, ...]
    tick: Decimal
    lot: Decimal
    qty_min: Decimal
    cost_min: Decimal
    fee: Decimal


def decimal_digits(values: Iterable[Decimal]) -> int:
    """How many digits after the point the longest of these finite numbers is written with."""
    digits, before = 0, None
    for value in values:
        if before is not None and value.same_quantum(before):  # a book's values mostly are
            continue
        before = value
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and -exponent > digits:
            digits = -exponent
    return digits


def in_units(value: Decimal, digits: int) -> int:
    """The value as whole units of 10**-digits; what is finer is cut off."""
    return int(value.scaleb(digits, _WIDE))


@dataclass(frozen=True, slots=True)
class _Digits:
    """How fine the units of one leg must be to hold its amounts exactly."""

    base: int
    price: int
    fee: int
    spend: int
    receive: int

    @classmethod
    def of(cls, facts: LegFacts) -> _Digits:
        base = max(decimal_digits(x.qty for x in facts.levels), decimal_digits([facts.lot]))
        price = max(decimal_digits(x.price for x in facts.levels), decimal_digits([facts.tick]))
        fee = decimal_digits([facts.fee])
        if facts.leg.side is Side.BUY:
            return cls(base, price, fee, spend=base + price, receive=base + fee)
        return cls(base, price, fee, spend=base, receive=base + price + fee)


class Ladder:
    """One leg's rungs, best first: a rung is a level that adds at least one whole lot.

    By rung: `price`; `cap`, the lots down to here; `low`, the fewest lots that meet the minima
    with the limit here; `pay` and `get`, what one lot costs and brings net of the fee with the
    limit here. A level whose price is off tick is left out: no limit could reach it and no more.
    """

    __slots__ = (
        "_depth",
        "_get_unit",
        "_gross",
        "_lot",
        "_pay_unit",
        "_price",
        "cap",
        "facts",
        "get",
        "low",
        "pay",
        "price",
        "qty_low",
    )

    def __init__(self, facts: LegFacts, digits: _Digits, spend: int, receive: int) -> None:
        self.facts = facts
        self.price: list[Decimal] = []
        self.cap: list[int] = []
        self.low: list[int] = []
        self.pay: list[int] = []
        self.get: list[int] = []
        self._price: list[int] = []
        self._depth: list[int] = []  # base units above the rung
        self._gross: list[int] = []  # what those trade for, in quote units
        self._lot = in_units(facts.lot, digits.base)
        fine = decimal_digits([facts.qty_min, facts.lot])
        self.qty_low = max(1, -(-in_units(facts.qty_min, fine) // in_units(facts.lot, fine)))
        keep = 10**digits.fee - in_units(facts.fee, digits.fee)
        self._pay_unit: int = 10 ** (spend - digits.spend)
        self._get_unit: int = keep * 10 ** (receive - digits.receive)
        self._fill(digits)

    def _fill(self, digits: _Digits) -> None:
        facts, lot = self.facts, self._lot
        tick = in_units(facts.tick, digits.price)
        fine = max(decimal_digits([facts.cost_min]), digits.base + digits.price)
        cost_min = in_units(facts.cost_min, fine)
        lot_worth = lot * 10 ** (fine - digits.base - digits.price)
        buys = facts.leg.side is Side.BUY
        depth = gross = lots = 0
        for level in facts.levels:
            price = in_units(level.price, digits.price)
            if price <= 0 or price % tick:
                continue
            qty = in_units(level.qty, digits.base)
            cap = (depth + qty) // lot
            if cap > lots:
                self.price.append(level.price)
                self.cap.append(cap)
                self.low.append(max(self.qty_low, -(-cost_min // (lot_worth * price))))
                self.pay.append(lot * (price if buys else 1) * self._pay_unit)
                self.get.append(lot * (1 if buys else price) * self._get_unit)
                self._price.append(price)
                self._depth.append(depth)
                self._gross.append(gross)
                lots = cap
            depth += qty
            gross += qty * price

    def expected_pay(self, lots: int, rung: int) -> int:
        """What `lots` that reach `rung` cost when each level is paid its own price."""
        if self.facts.leg.side is Side.SELL:
            return lots * self.pay[rung]
        return self._walk(lots, rung) * self._pay_unit

    def expected_get(self, lots: int, rung: int) -> int:
        """What `lots` that reach `rung` bring, net, when each level pays its own price."""
        if self.facts.leg.side is Side.BUY:
            return lots * self.get[rung]
        return self._walk(lots, rung) * self._get_unit

    def _walk(self, lots: int, rung: int) -> int:
        return self._gross[rung] + (lots * self._lot - self._depth[rung]) * self._price[rung]

    def rung_of(self, lots: int, deepest: int) -> int:
        """The rung that `lots` reach, knowing that they do not go below `deepest`."""
        while deepest and self.cap[deepest - 1] >= lots:
            deepest -= 1
        return deepest

    def fewest(self, needed: int, deepest: int) -> tuple[int, int] | None:
        """The fewest lots that bring `needed` and meet the minima, and the rung they reach.

        Looks upwards from `deepest`; None when nothing down to there will do.
        """
        rung, lots = deepest, self._at_least(needed, deepest)
        while rung:
            fewer = self._at_least(needed, rung - 1)
            if fewer > self.cap[rung - 1]:
                lots = max(lots, self.cap[rung - 1] + 1)
                break
            rung, lots = rung - 1, fewer
        return (lots, rung) if lots <= self.cap[rung] else None

    def _at_least(self, needed: int, rung: int) -> int:
        return max(self.low[rung], -(-needed // self.get[rung]))


def ladders_of(facts: Sequence[LegFacts]) -> tuple[tuple[Ladder, ...], int]:
    """The ladders of a cycle's legs, and the digits of the start asset's unit.

    Leg n receives what leg n + 1 spends, and the last receives what the first spends; each such
    asset is counted in one unit, fine enough for both.
    """
    digits = [_Digits.of(leg) for leg in facts]
    scales = [max(leg.spend, digits[i - 1].receive) for i, leg in enumerate(digits)]
    following = [*scales[1:], scales[0]]
    ladders = tuple(
        Ladder(leg, fine, spend, receive)
        for leg, fine, spend, receive in zip(facts, digits, scales, following, strict=True)
    )
    return ladders, scales[0]
