"""Planted bugs of what orders cost, and of the figures that are told of it; see `saboteurs`."""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: ANN001, ANN202  # a patch has the shape of what it replaces
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from arbit.app.trade.history import Snapshots
from arbit.app.trade.sights import DeskSights
from arbit.app.watch.venue import Desk
from arbit.domain.market import Market
from arbit.domain.refusal import RefusalCode
from arbit.domain.triangle import Side
from arbit.execution import unwind
from arbit.execution.engine import Engine
from arbit.execution.fee_table import FeeTable
from arbit.execution.fee_watch import FeeWatch
from arbit.execution.sending import Sender
from arbit.execution.settling import Settling
from arbit.risk import checks
from arbit.risk.gate import Gate
from tests.patches import Sets
from tests.simulation.saboteurs import bug

BOUNDLESS = Decimal(10) ** 9


def _without_budget(sets: Sets) -> None:
    real = unwind.look
    sets(unwind, "look", lambda cycle, budget, around: real(cycle, BOUNDLESS, around))


def _sent_as(sets: Sets, other: Callable[[Any, Market], Any]) -> None:
    """What leaves is another order than the one approved, and its envelope is not asked."""
    real = Sender.send

    def send(self, work, purpose, drafts):
        changed = [other(one, self._setup.markets[one.leg.symbol]) for one in drafts]
        return real(self, work, purpose, changed)

    sets(Sender, "send", send)
    sets(checks, "inside", lambda *a: None)


def _sold_for_less(one: Any, market: Market, part: str) -> Any:
    """A leg, its limit at this part of what it was where it sells; on tick."""
    tick = market.price_increment
    if one.leg.side is Side.BUY or tick is None:
        return one
    return replace(one, limit_price=one.limit_price * Decimal(part) // tick * tick)


@bug("a cycle is brought home whatever it costs", seeds=[37])
def home_at_any_loss(sets: Sets) -> None:
    _without_budget(sets)


@bug("a cycle is brought home whatever it costs, at any price", seeds=[37])
def home_any_loss_any_price(sets: Sets) -> None:
    _without_budget(sets)
    sets(checks, "near_top", lambda *a: None)
    sets(unwind, "SLACK", Decimal("0.05"))


@bug("a sale leaves at a limit one per cent below the one that was approved")
def legs_one_percent_worse(sets: Sets) -> None:
    _sent_as(sets, lambda one, market: _sold_for_less(one, market, "0.99"))


@bug("an order of a leg is one lot more than was approved")
def legs_one_lot_more(sets: Sets) -> None:
    _sent_as(sets, lambda one, market: replace(one, qty=one.qty + market.qty_increment))


@bug("what sales bring at their limits is not weighed: a plan may lose there")
def planned_at_a_loss(sets: Sets) -> None:
    real = Engine.take

    def take(self, plan, now_ns):
        markets = self.setup.markets
        legs = (_sold_for_less(one, markets[one.leg.symbol], "0.997") for one in plan.legs)
        return real(self, replace(plan, legs=tuple(legs)), now_ns)

    sets(Engine, "take", take)


@bug("a dearer fee is doubted, and the venue is never asked", seeds=[41])
def fees_never_reread(sets: Sets) -> None:
    sets(FeeWatch, "_due", lambda self, now_ns: False)


@bug("cycles begin while the venue's fees are doubtful", seeds=[26])
def doubtful_fees_traded_on(sets: Sets) -> None:
    real = Gate._waits

    def waits(self):
        refused = real(self)
        return None if refused is not None and refused.code is RefusalCode.FEES else refused

    sets(Gate, "_waits", waits)


@bug("the venue's answer of other fees stays unknown to the desk", seeds=[41])
def fees_not_passed_on(sets: Sets) -> None:
    sets(Desk, "reckon", lambda self, fees: None)


@bug("what fills took is forgotten as soon as the venue says less", seeds=[364])
def realised_fees_disbelieved(sets: Sets) -> None:
    real = FeeTable._fee

    def fee(self, symbol):
        self._taken.clear()
        return real(self, symbol)

    sets(FeeTable, "_fee", fee)


@bug("ways home are priced with the fees of before", seeds=[26])
def ways_home_at_old_fees(sets: Sets) -> None:
    sets(FeeTable, "_raise", lambda self: None)


@bug("the counter of incidents counts each twice", seeds=[10])
def incidents_counted_twice(sets: Sets) -> None:
    real = Settling.incident

    def incident(self, pad, kind, detail, record=None):
        real(self, pad, kind, detail, record)
        self.incidents[kind] += 1

    sets(Settling, "incident", incident)


def _told_as(sets: Sets, other: Callable[[Decimal], Decimal]) -> None:
    """Where there is a figure, it is another one."""
    real = Settling._in_reference

    def in_reference(self, moved):
        value = real(self, moved)
        return None if value is None else other(value)

    sets(Settling, "_in_reference", in_reference)


@bug("what a cycle earned in the reference asset is a figure of its own")
def profit_ref_off(sets: Sets) -> None:
    _told_as(sets, lambda value: abs(value) * 3 + 1)


@bug("what a cycle lost counts as earned")
def profit_ref_unsigned(sets: Sets) -> None:
    _told_as(sets, abs)


@bug("what a cycle earned is counted without the price of its asset")
def profit_ref_unpriced(sets: Sets) -> None:
    sets(Settling, "_in_reference", lambda self, moved: sum(moved.values(), Decimal(0)))


@bug("what a cycle lost is not counted at all")
def profit_ref_of_losses_untold(sets: Sets) -> None:
    real = Settling._in_reference

    def in_reference(self, moved):
        value = real(self, moved)
        return None if value is None or value < 0 else value

    sets(Settling, "_in_reference", in_reference)


@bug(
    "a price is known from then on only if somebody asked for it while its book was believed",
    seeds=[193],
)
def last_price_as_asked(sets: Sets) -> None:
    asked: dict[tuple[int, str], Decimal] = {}

    def in_reference(self, asset, now_ns):
        del now_ns
        price = self._desk.budget.price(asset)
        if price is not None:
            asked[id(self), asset] = price
        return price

    def last_price(self, asset):
        return self._desk.budget.price(asset) or asked.get((id(self), asset))

    sets(DeskSights, "in_reference", in_reference)
    sets(DeskSights, "last_price", last_price)


@bug("what the gate refused since the last look is in no row when it ends", seeds=[0])
def last_refusals_not_kept(sets: Sets) -> None:
    real = Snapshots.take

    def take(self, why):
        real(self, why)
        if why == "end":
            self.note_refusals = lambda: None

    sets(Snapshots, "take", take)
