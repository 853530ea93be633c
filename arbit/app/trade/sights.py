"""What the risk gate and the unwinding see of a venue: the desk's books, markets and prices."""

from __future__ import annotations

from decimal import Decimal

from arbit.app.watch.venue import Desk
from arbit.domain.book import BookView, Integrity
from arbit.domain.market import Market

MS = 1_000_000


class DeskSights:
    """`risk.checks.Sights` over a desk."""

    def __init__(self, desk: Desk, integrity: Integrity) -> None:
        self._desk = desk
        self._max_age_ns = desk.setup.venue.max_book_age_ms * MS
        self.integrity = integrity

    def view(self, symbol: str, now_ns: int) -> BookView | None:
        """The book, if it may be believed at monotonic `now_ns`: not right after a standstill."""
        if symbol not in self._desk.cache.symbols or self._desk.standstill.blind(now_ns):
            return None
        return self._desk.cache.fresh(symbol, now_ns, self._max_age_ns)

    def confirmed_ns(self, symbol: str) -> int:
        """When the book was last confirmed, monotonic."""
        return self._desk.cache.confirmed_ns[self._desk.cache.index(symbol)]

    def from_rest(self, symbol: str) -> bool:
        """Whether the book was polled."""
        return bool(self._desk.cache.from_rest[self._desk.cache.index(symbol)])

    def market(self, symbol: str) -> Market | None:
        """The market as the venue states it now."""
        return self._desk.setup.markets.get(symbol)

    def in_reference(self, asset: str, now_ns: int) -> Decimal | None:
        """Reference units for one unit of the asset, from own believable books."""
        del now_ns  # the desk's own clock
        return self._desk.budget.price(asset)

    def last_price(self, asset: str) -> Decimal | None:
        """The same, or what it was when it was last known: for what is over already.

        Whether anybody asked for it then or not: what is held is priced by nobody while it waits.
        """
        budget = self._desk.budget
        return budget.price(asset) or budget.last_price(asset)
