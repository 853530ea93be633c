"""Planted bugs of what is owned: caps, reserves, conversions. See `stock` for who watches.

They show in seeds that have such settings: `sabotage --start 49`.
"""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: ANN001, ANN202  # a patch has the shape of what it replaces
from __future__ import annotations

from decimal import Decimal

from arbit import inventory
from arbit.inventory import Inventory
from arbit.ledger import Ledger
from arbit.risk.room import Room
from tests.patches import Sets
from tests.simulation.saboteurs import bug


@bug("nobody asks what an asset's cap is")
def inventory_caps_ignored(sets: Sets) -> None:
    sets(Room, "_within_owned", lambda *_: None)


@bug("what is in flight does not count against an asset's cap")
def cap_ignored_in_flight(sets: Sets) -> None:
    def most_owned(self, asset, extra=None):
        del extra
        return self.wallet(asset)

    sets(Ledger, "most_owned", most_owned)


@bug("a cap is one of what trading moved: what was put in does not count")
def cap_of_what_moved(sets: Sets) -> None:
    real = Ledger.most_owned

    def most_owned(self, asset, extra=None):
        return real(self, asset, extra) - self.capital(asset)

    sets(Ledger, "most_owned", most_owned)


@bug("cycles are sized from all that is free, and the gate lets them spend the reserve")
def reserve_spent_by_a_cycle(sets: Sets) -> None:
    sets(Inventory, "spendable", lambda self, asset: max(self._ledger.free(asset), Decimal(0)))


@bug("a way home spends the reserve")
def reserve_spent_by_a_way_home(sets: Sets) -> None:
    sets(Room, "home_funds", lambda *_: None)


@bug("a reserve that is a share is none")
def reserve_share_forgotten(sets: Sets) -> None:
    sets(inventory, "reserve_of", lambda amount, _percent, _capital: amount)
