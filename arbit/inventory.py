"""Says how each asset stands: what is owned, wanted, kept back for good, and the most there may be.

Pure: it reads the ledger and the settings, and is given prices. The gate, sizing's budget, the
ways home and rebalancing all ask here, so that there is one reckoning of a reserve and of a cap.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, Context, Decimal

from arbit.config import InventorySettings
from arbit.config.inventory import band_of
from arbit.domain.money import EXACT, ZERO
from arbit.domain.stand import Stand
from arbit.ledger import Ledger

_PERCENT = Decimal(100)
_UP = Context(prec=60, rounding=ROUND_CEILING)  # a reserve is never a digit too small


def reserve_of(amount: Decimal, percent: Decimal, capital: Decimal) -> Decimal:
    """What is never spent of an asset of which `capital` was put in and earned: the larger of both.

    It may be more than there is (after a withdrawal): then nothing of it may be spent.
    """
    if not percent or capital <= 0:
        return amount
    return max(amount, _UP.divide(_UP.multiply(capital, percent), _PERCENT))


class Inventory:
    """One account's assets against what their owner wants. It changes nothing."""

    def __init__(
        self,
        settings: InventorySettings,
        ledger: Ledger,
        price: Callable[[str], Decimal | None] = lambda _: None,
    ) -> None:
        """`price` is reference units for one unit of an asset; None while nobody can say.

        `named` are the assets that a setting names.
        """
        said = self.settings = settings
        self.named = frozenset(
            (*said.targets, *said.caps, *said.reserve_amount, *said.reserve_percent)
        )
        self._ledger = ledger
        self._price = price

    @property
    def assets(self) -> tuple[str, ...]:
        """Every asset that is owned, or that a setting names, in alphabetical order."""
        return tuple(sorted({*self._ledger.assets, *self.named}))

    def reserve(self, asset: str) -> Decimal:
        """How much of the asset is never spent, in its units."""
        said = self.settings
        percent = said.reserve_percent.get(asset, ZERO)
        amount = said.reserve_amount.get(asset, ZERO)
        return reserve_of(amount, percent, self._ledger.capital(asset)) if percent else amount

    def spendable(self, asset: str) -> Decimal:
        """What may be spent of it now: what is free beyond the reserve; never below zero.

        Beside a reserve not what cycles have in hand either: their ways home may spend it yet.
        """
        free, reserve = self._ledger.free(asset), self.reserve(asset)
        kept = EXACT.add(reserve, self._ledger.promised(asset)) if reserve else ZERO
        return max(EXACT.subtract(free, kept), ZERO)

    def capped(self, asset: str) -> bool:
        """Whether a cap was set for the asset."""
        return asset in self.settings.caps

    def cap(self, asset: str, price: Decimal | None) -> Decimal | None:
        """The most that may be owned, in its units, at a price of it.

        None when no cap was set (see `capped`), and when one in the reference currency cannot be
        reckoned: then nothing may add to the asset.
        """
        cap = self.settings.caps.get(asset)
        return None if cap is None else cap.units(price)

    def state(self, asset: str) -> Stand:
        """How the asset stands now."""
        price, said = self._price(asset), self.settings
        wanted, cap = said.targets.get(asset), self.cap(asset, price)
        target = None if wanted is None else wanted.units(price)
        low = high = None
        if target is not None:
            low, high = band_of(target, said.band_percent)
            low = max(low, min(self.reserve(asset), target))
            high = high if cap is None else min(high, max(cap, target))
        return Stand(
            asset=asset,
            owned=self._ledger.wallet(asset),
            settled=self._ledger.settled(asset),
            spendable=self.spendable(asset),
            reserve=self.reserve(asset),
            target=target,
            low=low,
            high=high,
            cap=cap,
            price=price,
        )

    def states(self) -> tuple[Stand, ...]:
        """Every asset, in alphabetical order."""
        return tuple(self.state(asset) for asset in self.assets)
