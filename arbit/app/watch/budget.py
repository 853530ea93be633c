"""How much of an asset one cycle may start with, priced from our own books or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from arbit.books import BookCache
from arbit.config import ScanSettings
from arbit.domain.book import BookView
from arbit.domain.market import Market


class Budget:
    """The start budget by asset: the paper balance, and the notional cap where it can be priced.

    An asset without a free paper balance has no budget. Nor has one that none of our markets
    prices in the reference currency (it is noted in `unpriced`), or whose pricing book is not
    believable now: the cap could not be kept. `available` tells what of an asset is free.
    """

    def __init__(
        self,
        scan: ScanSettings,
        cache: BookCache,
        markets: Mapping[str, Market],
        clock_ns: Callable[[], int],
        max_age_ns: int,
        available: Callable[[str], Decimal],
    ) -> None:
        self._scan = scan
        self._available = available
        self._cache = cache
        self._clock_ns = clock_ns
        self._max_age_ns = max_age_ns
        self._prices = _pricing(cache, markets, scan.reference_currency)
        self.unpriced: set[str] = set()

    def __call__(self, asset: str) -> Decimal | None:
        """The most a cycle may start with, in units of `asset`; None when it may not start."""
        balance = self._available(asset)
        if balance <= 0:
            return None
        if asset != self._scan.reference_currency and asset not in self._prices:
            self.unpriced.add(asset)
            return None
        price = self.price(asset)
        return min(balance, self._scan.max_notional_per_cycle / price) if price else None

    def price(self, asset: str) -> Decimal | None:
        """Reference units for one unit of `asset`, or None when no believable book says."""
        return self._valued(asset, self._believed)

    def last_price(self, asset: str) -> Decimal | None:
        """The same from the tops last verified, believable now or not: for what is over already.

        None when none was since the start, or no market joins the two.
        """
        return self._valued(asset, self._cache.last_middle)

    def _believed(self, symbol: str) -> Decimal | None:
        return _middle(self._cache.fresh(symbol, self._clock_ns(), self._max_age_ns))

    def _valued(self, asset: str, middle_of: Callable[[str], Decimal | None]) -> Decimal | None:
        if asset == self._scan.reference_currency:
            return Decimal(1)
        for symbol, inverted in self._prices.get(asset, ()):
            middle = middle_of(symbol)
            if middle is not None:
                return 1 / middle if inverted else middle
        return None


def _pricing(
    cache: BookCache, markets: Mapping[str, Market], reference: str
) -> dict[str, list[tuple[str, bool]]]:
    found: dict[str, list[tuple[str, bool]]] = {}
    for symbol in cache.symbols:
        market = markets.get(symbol)
        if market is not None and market.quote == reference:
            found.setdefault(market.base, []).append((symbol, False))
        elif market is not None and market.base == reference:
            found.setdefault(market.quote, []).append((symbol, True))
    return found


def _middle(view: BookView | None) -> Decimal | None:
    if view is None or not view.bids or not view.asks:
        return None
    return (view.bids[0].price + view.asks[0].price) / 2
