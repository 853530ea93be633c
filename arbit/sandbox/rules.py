"""What the venue checks before it takes an order, in the venue's words, and what it charges.

Which check comes first is assumed: the venue does not document it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Decimal
from typing import Final

from arbit.sandbox.instruments import Instrument
from arbit.sandbox.market import Pair
from arbit.sandbox.orders import OrderRequest, Refused

NS: Final = 1_000_000_000
BPS: Final = Decimal(10_000)
PERCENT: Final = Decimal(100)
MAX_UNITS: Final = 10**18  # of a pair's precision: beyond any sane order

TRADE_DIGITS: Final = 1
"""A trade states its cost and its fee with so many more decimals than their asset is kept with.

Seen in recorded frames: a cost of 10.12445 USD and a fee of 0.04051 on the socket, four decimals in
the ledger and the balance. How the ledger gets there is assumed (see ``kept``).
"""

MAX_COST: Final = 10**15  # so that no sum needs more digits than a Decimal keeps
MAX_DIGITS: Final = 28

UNKNOWN_PAIR: Final = "EQuery:Unknown asset pair"
UNKNOWN_ORDER: Final = "EOrder:Unknown order"
UNAVAILABLE: Final = "EService:Unavailable"
DEADLINE_ELAPSED: Final = "EService:Deadline elapsed"
NO_FUNDS: Final = "EOrder:Insufficient funds"
ORDER_RATE: Final = "EOrder:Rate limit exceeded"
TOO_MANY_ORDERS: Final = "EOrder:Orders limit exceeded"
TICK: Final = "EOrder:Tick size check failed"
QTY_MIN: Final = "EOrder:Order minimum not met"
COST_MIN: Final = "EOrder:Cost minimum not met"

SIDES: Final = ("buy", "sell")
TIFS: Final = ("ioc", "gtc")
STPS: Final = ("cancel_newest", "cancel_oldest", "cancel_both")
FEE_SIDES: Final = ("", "base", "quote")
DEADLINE_MOST_NS: Final = 60 * NS
REST_DEADLINE_LEAST_NS: Final = 2 * NS

CLIENT_ID: Final = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    r"|[0-9a-fA-F]{32}|[A-Za-z0-9_-]{1,18}"
)
"""A UUID, its 32 digits, or free text of at most 18 characters (Kraken's guide to cl_ord_id)."""

SYSTEM_REFUSALS: Final[dict[str, str]] = {
    "maintenance": UNAVAILABLE,
    "cancel_only": "EService:Market in cancel_only mode",
    "post_only": "EService:Market in post_only mode",
}
PAIR_REFUSALS: Final[dict[str, str]] = {
    "cancel_only": "EService:Market in cancel_only mode",
    "post_only": "EService:Market in post_only mode",
    "reduce_only": "EService:Market in reduce_only mode",  # words assumed
    "maintenance": UNAVAILABLE,
    "work_in_progress": UNAVAILABLE,
    "delisted": UNKNOWN_PAIR,
}


def invalid(field: str) -> Refused:
    """The refusal of one argument."""
    return Refused(f"EGeneral:Invalid arguments:{field}")


@dataclass(frozen=True, slots=True)
class Units:
    """A request's price and quantity in the pair's integer units."""

    price: int
    qty: int


def check_deadline_bounds(deadline_ns: int | None, received_ns: int, least_ns: int) -> None:
    """Refuse a deadline nearer than ``least_ns`` or further than a minute from the receipt.

    One that has passed already is left to the engine (``EService:Deadline elapsed``).
    """
    if deadline_ns is None or deadline_ns <= received_ns:
        return
    if not least_ns <= deadline_ns - received_ns <= DEADLINE_MOST_NS:
        raise invalid("deadline")


def check_shape(request: OrderRequest) -> None:
    """Refuse words that the venue does not know."""
    if request.side not in SIDES:
        raise invalid("type")
    if request.tif not in TIFS:
        raise invalid("timeinforce")
    if request.stp not in STPS:
        raise invalid("stptype")
    if request.fee_in not in FEE_SIDES:
        raise invalid("oflags")
    if request.client_id and (request.userref or not CLIENT_ID.fullmatch(request.client_id)):
        raise invalid("cl_ord_id")


def check_numbers(request: OrderRequest, listed: Instrument) -> Units:
    """Refuse amounts off the pair's grid or below its minima; returns them as integers."""
    qty = _units(request.qty, listed.qty_precision)
    price = _units(request.price, listed.price_precision)
    if qty is None or qty % listed.qty_step:
        raise invalid("volume")
    if price is None or price % listed.price_tick:
        raise Refused(TICK)
    if qty < listed.qty_min:
        raise Refused(QTY_MIN)
    if request.qty * request.price < Decimal(listed.cost_min):
        raise Refused(COST_MIN)
    if request.qty * request.price >= MAX_COST:
        raise Refused(NO_FUNDS)
    return Units(price, qty)


def check_mode(system: str, pair: Pair) -> None:
    """Refuse an order that the engine's or the pair's mode does not allow."""
    words = SYSTEM_REFUSALS.get(system) or PAIR_REFUSALS.get(pair.status)
    if words is not None:
        raise Refused(words)


def _units(amount: Decimal, precision: int) -> int | None:
    """A positive amount in units of ``10**-precision``; None when it is off that grid."""
    if not amount.is_finite() or amount <= 0 or amount >= MAX_UNITS:
        return None
    if len(amount.as_tuple().digits) > MAX_DIGITS:
        return None
    scaled = amount.scaleb(precision)
    units = int(scaled)
    return units if units == scaled and units < MAX_UNITS else None


def money(amount: Decimal, decimals: int) -> Decimal:
    """Rounded half up to an asset's decimals."""
    return amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def kept(amount: Decimal, decimals: int) -> Decimal:
    """What a ledger and a balance keep of an amount: an asset's decimals, the rest is cut off."""
    return amount.quantize(Decimal(1).scaleb(-decimals), ROUND_DOWN)


def money_up(amount: Decimal, decimals: int) -> Decimal:
    """Rounded up to an asset's decimals."""
    return amount.quantize(Decimal(1).scaleb(-decimals), ROUND_UP)


@dataclass(frozen=True, slots=True)
class FeeStep:
    """Where an account stands on a fee ladder; fees in percent, volumes in USD."""

    fee: Decimal
    tier_volume: int
    next_fee: Decimal | None
    next_volume: int | None
    least: Decimal
    most: Decimal


class Fees:
    """What is charged: each pair's own ladder by 30-day volume, or one flat rate for all."""

    def __init__(self, flat_bps: Decimal | None) -> None:
        if flat_bps is not None and not 0 <= flat_bps < BPS:
            raise ValueError(f"taker fee is {flat_bps} bps: expected 0 to below {BPS}")
        self.flat_bps = flat_bps

    def step(self, listed: Instrument, volume_usd: Decimal, *, maker: bool) -> FeeStep:
        """The place on the ladder that holds at this volume."""
        if self.flat_bps is not None:
            percent = self.flat_bps / PERCENT
            return FeeStep(percent, 0, None, None, percent, percent)
        ladder = listed.maker_ladder if maker else listed.taker_ladder
        at = max(index for index, (volume, _) in enumerate(ladder) if volume_usd >= volume)
        above = ladder[at + 1] if at + 1 < len(ladder) else None
        return FeeStep(
            fee=Decimal(ladder[at][1]),
            tier_volume=ladder[at][0],
            next_fee=None if above is None else Decimal(above[1]),
            next_volume=None if above is None else above[0],
            least=Decimal(ladder[-1][1]),
            most=Decimal(ladder[0][1]),
        )

    def rate(self, listed: Instrument, volume_usd: Decimal, *, maker: bool) -> Decimal:
        """The fee as a share of what is traded."""
        return self.step(listed, volume_usd, maker=maker).fee / PERCENT


def starting_balances(
    codes: Mapping[str, object], wanted: Mapping[str, Decimal] | None
) -> dict[str, Decimal]:
    """Opening amounts of the listed assets; raises ``ValueError`` for one that is not listed."""
    chosen = DEFAULT_BALANCES if wanted is None else wanted
    if wanted is not None:
        for code, amount in wanted.items():
            if code not in codes:
                raise ValueError(f"no asset {code} in this profile")
            if not amount.is_finite() or amount < 0:
                raise ValueError(f"balance of {code} is {amount}: expected 0 or more")
    return {code: chosen.get(code, Decimal(0)) for code in codes}


DEFAULT_BALANCES: Final[dict[str, Decimal]] = {
    "USD": Decimal(10_000),
    "USDT": Decimal(10_000),
    "USDC": Decimal(10_000),
    "EUR": Decimal(10_000),
    "BTC": Decimal("0.1"),
    "ETH": Decimal(3),
}
