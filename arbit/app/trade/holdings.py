"""What metrics show of each asset: owned, exposed, kept back, wanted and at most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from arbit.domain.market import Market
from arbit.domain.readings import HoldingReading
from arbit.inventory import Inventory
from arbit.ledger import Ledger

MOST = 200  # assets on a page: an account may have been sent any number of others


class Holdings:
    """The assets that may have a gauge: those of watched markets, and those that settings name."""

    def __init__(
        self,
        inventory: Inventory,
        ledger: Ledger,
        symbols: Iterable[str],
        markets: Mapping[str, Market],
    ) -> None:
        self._inventory = inventory
        self._ledger = ledger
        found = {
            asset for s in symbols if s in markets for asset in (markets[s].base, markets[s].quote)
        }
        self._named = inventory.named
        self._may = found | self._named

    def __call__(self) -> tuple[HoldingReading, ...]:
        """Each asset that is owned or named, the named ones first."""
        owned = [asset for asset in self._inventory.assets if asset in self._may]
        shown = sorted(owned, key=lambda asset: (asset not in self._named, asset))[:MOST]
        return tuple(self._reading(asset) for asset in shown)

    def _reading(self, asset: str) -> HoldingReading:
        stand = self._inventory.state(asset)
        return HoldingReading(
            asset=asset,
            owned=float(stand.owned),
            exposure=float(self._ledger.exposure(asset)),
            reserve=float(stand.reserve),
            target=None if stand.target is None else float(stand.target),
            cap=None if stand.cap is None else float(stand.cap),
        )
