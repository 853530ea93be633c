"""A market as its venue states it: increments, minima, status. A missing fact stays missing."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from decimal import Decimal


class MarketStatus(enum.StrEnum):
    """What a venue lets one do on a market. Only ONLINE trades; UNKNOWN is never guessed away."""

    ONLINE = "online"
    CANCEL_ONLY = "cancel_only"
    POST_ONLY = "post_only"
    LIMIT_ONLY = "limit_only"
    REDUCE_ONLY = "reduce_only"
    MAINTENANCE = "maintenance"
    DELISTED = "delisted"
    WORK_IN_PROGRESS = "work_in_progress"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, word: str | None) -> MarketStatus:
        """The venue's word as a status; an absent or new word is UNKNOWN, hence not tradable."""
        try:
            return cls(word) if word is not None else cls.UNKNOWN
        except ValueError:
            return cls.UNKNOWN


@dataclass(frozen=True, slots=True)
class Market:
    """One listed pair.

    Prices are quote units for one base unit. `price_decimals` and `qty_decimals` are the digits
    on the wire; `price_increment` and `qty_increment` are what an order must be a multiple of,
    which is not the same thing. `qty_min` is in base units, `cost_min` in quote units;
    `sell_cost_min` is for a sell, where the venue asks less of one (None: the same).
    `taker_fee` is a fraction (0.004 = 40 bps). `base_digits` and `quote_digits` are the decimals
    that the venue's balances keep of either asset. None means the venue did not say.
    """

    symbol: str
    base: str
    quote: str
    price_decimals: int | None = None
    qty_decimals: int | None = None
    price_increment: Decimal | None = None
    qty_increment: Decimal | None = None
    qty_min: Decimal | None = None
    cost_min: Decimal | None = None
    taker_fee: Decimal | None = None
    status: MarketStatus = MarketStatus.UNKNOWN
    base_digits: int | None = None
    quote_digits: int | None = None
    sell_cost_min: Decimal | None = None

    def digits_of(self, asset: str) -> int | None:
        """How many decimals the venue's balances keep of the base or the quote asset."""
        return {self.base: self.base_digits, self.quote: self.quote_digits}.get(asset)

    def least_cost(self, *, sells: bool) -> Decimal | None:
        """The least that an order of this side may be worth, in quote units."""
        return self.sell_cost_min if sells and self.sell_cost_min is not None else self.cost_min

    def why_not_tradable(self) -> str | None:
        """The first fact that is missing or forbids trading, in words; None when tradable."""
        if self.status is not MarketStatus.ONLINE:
            return f"{self.symbol}: status is {self.status.value}"
        for name in ("price_increment", "qty_increment", "qty_min", "cost_min"):
            if getattr(self, name) is None:
                return f"{self.symbol}: the venue gave no {name}"
        return None
