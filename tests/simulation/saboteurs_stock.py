"""Planted bugs of what is owned: caps, reserves, conversions. See `stock` for who watches.

They show in seeds that have such settings. Each names one in which it is caught, and after that
all that may show it: few others can.
"""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: ANN001, ANN202  # a patch has the shape of what it replaces
from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from arbit import inventory, rebalancing
from arbit.app.trade import rebalancer
from arbit.execution import settling, steps
from arbit.execution.asking import Asking
from arbit.execution.engine import Engine
from arbit.inventory import Inventory
from arbit.ledger import Ledger
from arbit.risk import checks
from arbit.risk.budgets import Cooldown
from arbit.risk.paths import Paths
from arbit.risk.room import Room
from tests.patches import Sets
from tests.simulation import narrow, stock
from tests.simulation.saboteurs import ALL, bug

__all__ = ("ALL",)
LAST = 1_000


def shown(first: int, rest: int = stock.OF, every: int = stock.EVERY) -> tuple[int, ...]:
    """Where to look: in the first, then in each of these seeds."""
    begins = stock.FIRST + (rest - stock.FIRST) % every
    return first, *range(begins, LAST, every)


@bug("nobody asks what an asset's cap is", seeds=shown(137))
def inventory_caps_ignored(sets: Sets) -> None:
    sets(Room, "_within_owned", lambda *_: None)


@bug("what is in flight does not count against an asset's cap", seeds=shown(65))
def cap_ignored_in_flight(sets: Sets) -> None:
    def most_owned(self, asset, extra=None, beside=""):
        return self.wallet(asset) + (extra.top if beside else 0)

    sets(Ledger, "most_owned", most_owned)


@bug("a cap is one of what trading moved: what was put in does not count", seeds=shown(65))
def cap_of_what_moved(sets: Sets) -> None:
    real = Ledger.most_owned

    def most_owned(self, asset, extra=None, beside=""):
        return real(self, asset, extra, beside) - self.capital(asset)

    sets(Ledger, "most_owned", most_owned)


@bug(
    "cycles are sized from all that is free, and the gate lets them spend the reserve",
    seeds=shown(49),
)
def reserve_spent_by_a_cycle(sets: Sets) -> None:
    sets(Inventory, "spendable", lambda self, asset: max(self._ledger.free(asset), Decimal(0)))


@bug("a way home spends the reserve", seeds=shown(273, 17, narrow.EVERY))
def reserve_spent_by_a_way_home(sets: Sets) -> None:
    def payable(self, cycle_id, asset):
        return self.ledger.free(asset) + self.ledger.held_by(cycle_id, asset)

    sets(Room, "home_funds", lambda *_: None)
    sets(Room, "payable", payable)


@bug("a reserve that is a share is none", seeds=shown(137))
def reserve_share_forgotten(sets: Sets) -> None:
    sets(inventory, "reserve_of", lambda amount, _percent, _capital: amount)


@bug(
    "what a cycle has in hand for its way home is anybody's to spend",
    seeds=shown(785, 17, narrow.EVERY),
)
def promised_to_nobody(sets: Sets) -> None:
    sets(Ledger, "promised", lambda *_args, **_named: Decimal(0))


# --- conversions ---------------------------------------------------------------------------------


@bug("an order of a conversion that nobody answered for is sent again", seeds=shown(201))
def conversion_resent(sets: Sets) -> None:
    real = Asking.ask_later

    def ask_later(self, work, client_id):
        order = work.cycle.order(client_id)
        if work.cycle.record.kind is None or order is None:
            real(self, work, client_id)
            return

        async def again():
            self._ended(await self._setup.gateway.send(order.record.intent))

        self._tasks.spawn(again())  # type: ignore[no-untyped-call]  # as patches are

    sets(Asking, "ask_later", ask_later)


@bug(
    "what a conversion has in between is forgotten by recovery: it is said to be home",
    seeds=shown(281),
)
def remainder_forgotten(sets: Sets) -> None:
    real = steps.resumed

    def resumed(cycle, markets):
        step = real(cycle, markets)
        if cycle.record.kind is None or step.commands != (steps.PlanUnwind(),):
            return step
        return steps.unwound(step.cycle, home=True, detail="as it is")

    sets(steps, "resumed", resumed)


@bug("conversions that are open are not taken up by recovery", seeds=shown(97))
def conversion_not_adopted(sets: Sets) -> None:
    real = Engine.adopt

    def adopt(self, cycle, budget):
        if cycle.record.kind is None:
            real(self, cycle, budget)

    sets(Engine, "adopt", adopt)


@bug("a conversion may cost whatever it costs", seeds=shown(105))
def conversion_over_budget(sets: Sets) -> None:
    sets(checks, "cost", lambda *_: None)


@bug("every start begins the day's cost of rebalances anew", seeds=shown(97, 33, narrow.EVERY))
def day_of_rebalances_forgotten(sets: Sets) -> None:
    sets(rebalancer, "_read", lambda _flag: ("", Decimal(0)))


@bug("what rebalances cost does not count", seeds=shown(97, 33, narrow.EVERY))
def rebalances_cost_nothing(sets: Sets) -> None:
    sets(rebalancer.DaySpent, "left", lambda _self, budget: budget)


@bug("what there is too much of is bought, and what there is too little of sold", seeds=shown(217))
def rebalanced_the_wrong_way(sets: Sets) -> None:
    real = rebalancing.advise

    def advise(stands, *rest):  # noqa: ANN002  as patches are
        mirrored = [
            one if one.target is None else replace(one, settled=2 * one.target - one.settled)
            for one in stands
        ]
        return real(mirrored, *rest)

    sets(rebalancer, "advise", advise)


@bug("a conversion's move is booked as trading's, not as the owner's", seeds=shown(49))
def conversion_is_trading(sets: Sets) -> None:
    sets(settling, "own_part", lambda _before, _moved: Decimal(0))


# --- rests ---------------------------------------------------------------------------------------


@bug("every start begins with triangles that have rested", seeds=shown(185, 57, narrow.EVERY))
def rests_forgotten(sets: Sets) -> None:
    sets(Paths, "recall", lambda *_: None)


@bug(
    "a triangle rests as long after a cycle that went wrong as after one that did not",
    seeds=shown(49),
)
def no_longer_rest(sets: Sets) -> None:
    sets(Cooldown, "LONGER", 1)
