"""Planted bugs of what is owned: caps, reserves, conversions. See `stock` for who watches.

They show in seeds that have such settings: `sabotage --start 49`.
"""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: ANN001, ANN202  # a patch has the shape of what it replaces
from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from arbit import inventory, rebalancing
from arbit.app import rebalancer
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
from tests.simulation.saboteurs import bug


@bug("nobody asks what an asset's cap is")
def inventory_caps_ignored(sets: Sets) -> None:
    sets(Room, "_within_owned", lambda *_: None)


@bug("what is in flight does not count against an asset's cap")
def cap_ignored_in_flight(sets: Sets) -> None:
    def most_owned(self, asset, extra=None, beside=""):
        return self.wallet(asset) + (extra.top if beside else 0)

    sets(Ledger, "most_owned", most_owned)


@bug("a cap is one of what trading moved: what was put in does not count")
def cap_of_what_moved(sets: Sets) -> None:
    real = Ledger.most_owned

    def most_owned(self, asset, extra=None, beside=""):
        return real(self, asset, extra, beside) - self.capital(asset)

    sets(Ledger, "most_owned", most_owned)


@bug("cycles are sized from all that is free, and the gate lets them spend the reserve")
def reserve_spent_by_a_cycle(sets: Sets) -> None:
    sets(Inventory, "spendable", lambda self, asset: max(self._ledger.free(asset), Decimal(0)))


@bug("a way home spends the reserve")
def reserve_spent_by_a_way_home(sets: Sets) -> None:
    def payable(self, cycle_id, asset):
        return self.ledger.free(asset) + self.ledger.held_by(cycle_id, asset)

    sets(Room, "home_funds", lambda *_: None)
    sets(Room, "payable", payable)


@bug("a reserve that is a share is none")
def reserve_share_forgotten(sets: Sets) -> None:
    sets(inventory, "reserve_of", lambda amount, _percent, _capital: amount)


# --- conversions ---------------------------------------------------------------------------------


@bug("an order of a conversion that nobody answered for is sent again")
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


@bug("what a conversion has in between is forgotten by recovery: it is said to be home")
def remainder_forgotten(sets: Sets) -> None:
    real = steps.resumed

    def resumed(cycle, markets):
        step = real(cycle, markets)
        if cycle.record.kind is None or step.commands != (steps.PlanUnwind(),):
            return step
        return steps.unwound(step.cycle, home=True, detail="as it is")

    sets(steps, "resumed", resumed)


@bug("conversions that are open are not taken up by recovery")
def conversion_not_adopted(sets: Sets) -> None:
    real = Engine.adopt

    def adopt(self, cycle, budget):
        if cycle.record.kind is None:
            real(self, cycle, budget)

    sets(Engine, "adopt", adopt)


@bug("a conversion may cost whatever it costs")
def conversion_over_budget(sets: Sets) -> None:
    sets(checks, "cost", lambda *_: None)


@bug("every start begins the day's cost of rebalances anew")
def day_of_rebalances_forgotten(sets: Sets) -> None:
    sets(rebalancer, "_read", lambda _flag: ("", Decimal(0)))


@bug("what rebalances cost does not count")
def rebalances_cost_nothing(sets: Sets) -> None:
    sets(rebalancer.DaySpent, "left", lambda _self, budget: budget)


@bug("what there is too much of is bought, and what there is too little of sold")
def rebalanced_the_wrong_way(sets: Sets) -> None:
    real = rebalancing.advise

    def advise(stands, *rest):  # noqa: ANN002  as patches are
        mirrored = [
            one if one.target is None else replace(one, settled=2 * one.target - one.settled)
            for one in stands
        ]
        return real(mirrored, *rest)

    sets(rebalancer, "advise", advise)


@bug("a conversion's move is booked as trading's, not as the owner's")
def conversion_is_trading(sets: Sets) -> None:
    sets(settling, "own_part", lambda _before, _moved: Decimal(0))


# --- rests ---------------------------------------------------------------------------------------


@bug("every start begins with triangles that have rested")
def rests_forgotten(sets: Sets) -> None:
    sets(Paths, "recall", lambda *_: None)


@bug("a triangle rests as long after a cycle that went wrong as after one that did not")
def no_longer_rest(sets: Sets) -> None:
    sets(Cooldown, "LONGER", 1)
