"""Matching with Alpaca's prices: exact costs, and a fee in the asset received.

Rates are those of the first tier (0 to 100 000 USD in 30 days): 25 bps for who takes, 15 bps for
who made the price. An account that trades more would pay less; here it stays on the first tier
unless another rate is set. How the venue rounds a fee is not documented: half up is assumed.
"""

from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Decimal
from typing import Final

from arbit.sandbox.accounts import Account
from arbit.sandbox.alpaca.listing import DECIMALS
from arbit.sandbox.faults import Faults
from arbit.sandbox.instruments import Instrument
from arbit.sandbox.matching import Hooks, Matcher, plain
from arbit.sandbox.order_faults import FaultyHooks
from arbit.sandbox.orders import ZERO, VenueOrder

BPS: Final = Decimal(10_000)
TAKER_BPS: Final = Decimal(25)
MAKER_BPS: Final = Decimal(15)
UNIT: Final = Decimal(1).scaleb(-DECIMALS)
CENT: Final = Decimal("0.01")
ROUNDINGS: Final = {"half_up": ROUND_HALF_UP, "down": ROUND_DOWN, "up": ROUND_UP}
REJECTED: Final = "rejected by the venue"


class HouseHooks(Hooks):
    """Where faults reach into this house's matching; this one only defers to the next tick."""

    def accept_delay_ns(self, order: VenueOrder) -> int:
        """An order is answered as accepted before it meets its book."""
        del order
        return 1

    def fee_beyond(self, order: VenueOrder) -> Decimal:
        """What a fee takes beyond the tier's rate, in bps."""
        del order
        return ZERO

    def fee_rounding(self) -> str:
        """How a fee is rounded."""
        return ROUND_HALF_UP

    def booked(self, cost: Decimal) -> Decimal:
        """What the books make of a trade's cost."""
        return cost

    def stated(self, cash: Decimal) -> Decimal:
        """What the account shows of its cash."""
        return cash

    def blocked(self) -> bool:
        """Whether the account says that it may not trade."""
        return False

    def rejects(self, order: VenueOrder) -> bool:
        """Whether the engine rejects an order that was accepted."""
        del order
        return False


class FaultyHouseHooks(FaultyHooks, HouseHooks):
    """This house's matching, bent."""

    def __init__(self, faults: Faults, steps: dict[str, Decimal]) -> None:
        super().__init__(faults, steps)
        self._all = faults

    def accept_delay_ns(self, order: VenueOrder) -> int:
        """How long the order waits for its book, a tick at least."""
        return max(super().accept_delay_ns(order), 1)

    def fee_beyond(self, order: VenueOrder) -> Decimal:
        """What a fee takes beyond the tier's rate, in bps."""
        fault = self._use("fee_extra", order)
        return ZERO if fault is None else Decimal(str(fault.number("bps")))

    def fee_rounding(self) -> str:
        """How a fee is rounded."""
        fault = self._all.find("fee_rounding")
        return ROUND_HALF_UP if fault is None else ROUNDINGS[fault.text("mode")]

    def booked(self, cost: Decimal) -> Decimal:
        """What the books make of a trade's cost."""
        fault = self._all.find("cost_rounding")
        if fault is None:
            return cost
        unit = Decimal(1).scaleb(-int(fault.number("decimals")))
        return cost.quantize(unit, ROUNDINGS[fault.text("mode")])

    def stated(self, cash: Decimal) -> Decimal:
        """What the account shows of its cash."""
        fault = self._all.find("cash_in_cents")
        return cash if fault is None else cash.quantize(CENT, ROUNDINGS[fault.text("mode")])

    def blocked(self) -> bool:
        """Whether the account says that it may not trade."""
        return self._all.find("account_blocked") is not None

    def rejects(self, order: VenueOrder) -> bool:
        """Whether the engine rejects an order that was accepted."""
        return self._use("order_rejected", order) is not None


class HouseMatcher(Matcher):
    """The matching engine with this house's prices."""

    @property
    def house(self) -> HouseHooks:
        """Its hooks."""
        return self.hooks if isinstance(self.hooks, HouseHooks) else HouseHooks()

    def match(self, order: VenueOrder) -> None:
        """Bring an accepted order to its book, unless it is rejected."""
        if self.house.rejects(order):
            self.end(order, "rejected", REJECTED)
        else:
            super().match(order)

    def hold_of(self, order: VenueOrder, account: Account) -> tuple[str, Decimal]:
        """What is left of an order at its limit, to the last digit; its fee needs no hold."""
        del account
        base, quote = order.symbol.split("/")
        return (quote, order.left * order.price) if order.side == "buy" else (base, order.left)

    def _price(
        self,
        order: VenueOrder,
        listed: Instrument,
        amounts: tuple[Decimal, Decimal],
        *,
        maker: bool,
    ) -> tuple[Decimal, Decimal, str]:
        """Cost, fee, and the asset of the fee: the one received."""
        qty, price = amounts
        bps = self.fees.flat_bps
        if bps is None:
            bps = MAKER_BPS if maker else TAKER_BPS
        rate = (bps + self.house.fee_beyond(order)) / BPS
        cost = qty * price
        received, code = (
            (qty, listed.base.code)
            if order.side == "buy"
            else (self.house.booked(cost), listed.quote.code)
        )
        return cost, (received * rate).quantize(UNIT, self.house.fee_rounding()), code

    def _moves(
        self,
        order: VenueOrder,
        listed: Instrument,
        amounts: tuple[Decimal, Decimal, Decimal],
        fee_asset: str,
    ) -> list[list[str]]:
        """What a trade of (quantity, cost, fee) does: all of it, unless costs are rounded."""
        qty, cost, fee = amounts[0], self.house.booked(amounts[1]), amounts[2]
        sign = 1 if order.side == "buy" else -1
        moved = {listed.base.code: sign * qty, listed.quote.code: -sign * cost}
        return [
            [asset, plain(amount), plain(fee if asset == fee_asset else ZERO)]
            for asset, amount in moved.items()
        ]

    def _cap(
        self,
        order: VenueOrder,
        account: Account,
        amounts: tuple[Decimal, Decimal, Decimal],
        fee_asset: str,
    ) -> tuple[Decimal, Decimal]:
        """As they are: a hold covers what is spent, and the fee comes from what is received."""
        del order, account, fee_asset
        return amounts[1], amounts[2]
