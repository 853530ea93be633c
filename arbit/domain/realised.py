"""What a fill really cost, as a rate that can be held against the one reckoned with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.money import EXACT, ZERO, ceil_to
from arbit.domain.order import Trade

TOLERANCE = Decimal("0.00001")  # 0.1 bp of the trade: less is no change of a fee
PRICE_OFF = Decimal("0.02")  # of a fee in a third asset: our books price it about so well
MOST = Decimal("0.1")  # of the trade, as settings have it: what is more is reckoned as this
COARSEST = -2  # no asset is kept to less than hundredths: `1` or `1E+9` only lacks its zeros
STEP = Decimal("0.00000001")  # rates are kept to a ten-thousandth of a basis point


@dataclass(frozen=True, slots=True)
class Realised:
    """A fee as a fraction of what was traded; by rounding it may be off by `slack` either way."""

    rate: Decimal
    slack: Decimal = TOLERANCE

    @property
    def surely(self) -> Decimal:
        """What it is at least."""
        return EXACT.subtract(self.rate, self.slack)

    def dearer(self, rate: Decimal) -> bool:
        """Whether it is surely more than this."""
        return self.surely > rate

    def cheaper(self, rate: Decimal) -> bool:
        """Whether it is surely less than this."""
        return self.rate < EXACT.subtract(rate, self.slack)


def realised(
    trade: Trade, base: str, quote: str, price: Callable[[str], Decimal | None]
) -> Realised | None:
    """The fees of a trade together, each as a share of what it was taken of.

    `price` is a common price of one unit of an asset. None where nobody can say, as nobody prices
    the asset that a fee was taken in. Without any fee it is 0, and never more than `MOST`: so much
    is a mistake, but no cycle survives it, and it must stop them like any dearer fee.
    """
    if trade.qty <= 0 or trade.cost <= 0:
        return None
    rate, slack = ZERO, TOLERANCE
    for asset, amount in trade.fees:
        gross = _gross(trade, base, quote, asset, price)
        if gross is None:
            return None
        share, exponent = EXACT.divide(amount, gross), amount.as_tuple().exponent
        rate = EXACT.add(rate, share)
        if isinstance(exponent, int):  # the venue rounds to the digits that it states
            unit = Decimal(1).scaleb(min(exponent, COARSEST))
            slack = EXACT.add(slack, EXACT.divide(unit, gross))
        if asset not in (base, quote):
            slack = EXACT.add(slack, EXACT.multiply(share, PRICE_OFF))
    if rate > MOST:
        surely = min(EXACT.subtract(rate, slack), MOST)
        return Realised(MOST, EXACT.subtract(MOST, surely))
    return Realised(ceil_to(rate, STEP), slack)


def _gross(
    trade: Trade, base: str, quote: str, asset: str, price: Callable[[str], Decimal | None]
) -> Decimal | None:
    """What was traded, in units of this asset."""
    if asset == base:
        return trade.qty
    if asset == quote:
        return trade.cost
    other, own = price(asset), price(quote)
    if not other or not own or other < 0 or own < 0:
        return None
    return EXACT.divide(EXACT.multiply(trade.cost, own), other)
