"""Assets and pairs as the venue lists them, with its four ways of naming one thing.

A pair has a REST id (``XXBTZUSD``), an altname (``XBTUSD``), a v1 name (``XBT/USD``) and a v2
symbol (``BTC/USD``). Prices and quantities are integers at the pair's precision everywhere in
the sandbox; ``price_tick`` and ``qty_step`` are the increments in those same integer units, and
a tick may be coarser than the precision.
"""

from dataclasses import dataclass
from typing import Final

TAKER_LADDER: Final[tuple[tuple[int, str], ...]] = (
    (0, "0.40"),
    (10_000, "0.35"),
    (50_000, "0.24"),
    (100_000, "0.22"),
    (250_000, "0.20"),
    (500_000, "0.18"),
    (1_000_000, "0.16"),
    (2_500_000, "0.14"),
    (5_000_000, "0.12"),
    (10_000_000, "0.10"),
)
"""30-day volume in USD and the taker fee in percent from there on (venue's list of 2025-11)."""

MAKER_LADDER: Final[tuple[tuple[int, str], ...]] = (
    (0, "0.25"),
    (10_000, "0.20"),
    (50_000, "0.14"),
    (100_000, "0.12"),
    (250_000, "0.10"),
    (500_000, "0.08"),
    (1_000_000, "0.06"),
    (2_500_000, "0.04"),
    (5_000_000, "0.02"),
    (10_000_000, "0.00"),
)
"""30-day volume in USD and the maker fee in percent from there on."""

FLAT_LADDER: Final[tuple[tuple[int, str], ...]] = ((0, "0.20"),)
"""Stablecoin and FX pairs have a flat schedule of their own."""

PAIR_STATUSES: Final = (
    "online",
    "cancel_only",
    "delisted",
    "limit_only",
    "maintenance",
    "post_only",
    "reduce_only",
    "work_in_progress",
)
SYSTEM_STATUSES: Final = ("online", "cancel_only", "post_only", "maintenance")


@dataclass(frozen=True, slots=True)
class Asset:
    """One asset: ``code`` is the v2 name, ``rest_id`` and ``altname`` the older ones."""

    code: str
    rest_id: str
    altname: str
    decimals: int
    display_decimals: int
    usd: float
    kind: str  # "fiat", "stable" or "crypto"

    @property
    def pegged(self) -> bool:
        """True for money that hardly moves: fiat and stablecoins."""
        return self.kind != "crypto"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One pair with its rules. Integers are in units of the pair's own precision."""

    symbol: str
    base: Asset
    quote: Asset
    rest_id: str
    altname: str
    wsname: str
    price_precision: int
    qty_precision: int
    price_tick: int
    qty_step: int
    qty_min: int
    cost_min: str
    cost_precision: int
    rest_status_listed: bool = True

    @property
    def flat_fee(self) -> bool:
        """True when both sides are money, so the flat schedule applies."""
        return self.base.pegged and self.quote.pegged

    @property
    def taker_ladder(self) -> tuple[tuple[int, str], ...]:
        """Volume steps and taker fee in percent."""
        return FLAT_LADDER if self.flat_fee else TAKER_LADDER

    @property
    def maker_ladder(self) -> tuple[tuple[int, str], ...]:
        """Volume steps and maker fee in percent."""
        return FLAT_LADDER if self.flat_fee else MAKER_LADDER

    def price_text(self, price: int) -> str:
        """The wire's token for an integer price, zero-padded to the precision."""
        return pad(price, self.price_precision)

    def qty_text(self, qty: int) -> str:
        """The wire's token for an integer quantity, zero-padded to the precision."""
        return pad(qty, self.qty_precision)


def pad(value: int, precision: int) -> str:
    """Write a non-negative integer of ``10**-precision`` units as a decimal, every digit kept."""
    if precision == 0:
        return str(value)
    digits = str(value).rjust(precision + 1, "0")
    return f"{digits[:-precision]}.{digits[-precision:]}"


def asset(code: str, usd: float, kind: str = "crypto", names: tuple[str, str] = ("", "")) -> Asset:
    """Make an asset; ``names`` are (REST id, altname) where they differ from the code."""
    decimals, display = (4, 2) if kind == "fiat" else (8, 4) if kind == "stable" else (10, 5)
    return Asset(code, names[0] or code, names[1] or code, decimals, display, usd, kind)


MAJORS: Final[dict[str, Asset]] = {
    known.code: known
    for known in (
        asset("USD", 1.0, "fiat", ("ZUSD", "USD")),
        asset("EUR", 1.0842, "fiat", ("ZEUR", "EUR")),
        asset("GBP", 1.2731, "fiat", ("ZGBP", "GBP")),
        asset("USDT", 0.9996, "stable"),
        asset("USDC", 1.0, "stable"),
        asset("BTC", 63_501.0, "crypto", ("XXBT", "XBT")),
        asset("ETH", 3_374.0, "crypto", ("XETH", "ETH")),
        asset("SOL", 148.2, "crypto"),
        asset("XRP", 0.5312, "crypto", ("XXRP", "XRP")),
        asset("LTC", 71.3, "crypto", ("XLTC", "LTC")),
        asset("DOGE", 0.1284, "crypto", ("XXDG", "XDG")),
        asset("ADA", 0.4417, "crypto"),
    )
}

# The venue did not rename these when it introduced the X/Z-less ids, or named them early.
REST_ID_EXCEPTIONS: Final[dict[str, str]] = {
    "USDT/USD": "USDTZUSD",
    "DOGE/USD": "XDGUSD",
    "DOGE/EUR": "XDGEUR",
}

COST_MIN: Final[dict[str, tuple[str, int]]] = {
    "USD": ("0.5", 5),
    "EUR": ("0.5", 5),
    "GBP": ("0.5", 5),
    "USDT": ("0.5", 8),
    "USDC": ("0.5", 8),
    "BTC": ("0.00002", 10),
    "ETH": ("0.0002", 10),
}


@dataclass(frozen=True, slots=True)
class Digits:
    """Precisions and increments of a pair; ticks and steps in units of the precision."""

    price: int
    qty: int = 8
    tick: int = 1
    step: int = 1


def instrument(
    base: Asset, quote: Asset, digits: Digits, *, rest_status_listed: bool
) -> Instrument:
    """Make a pair with the venue's naming habits and a minimum worth about four dollars."""
    symbol = f"{base.code}/{quote.code}"
    legacy = base.rest_id[0] in "XZ" and quote.rest_id[0] in "XZ" and len(base.rest_id) == 4
    altname = base.altname + quote.altname
    rest_id = REST_ID_EXCEPTIONS.get(symbol, base.rest_id + quote.rest_id if legacy else altname)
    cost_min, cost_precision = COST_MIN[quote.code]
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote,
        rest_id=rest_id,
        altname=altname,
        wsname=f"{base.altname}/{quote.altname}",
        price_precision=digits.price,
        qty_precision=digits.qty,
        price_tick=digits.tick,
        qty_step=digits.step,
        qty_min=_round_minimum(4.0 / base.usd, digits),
        cost_min=cost_min,
        cost_precision=cost_precision,
        rest_status_listed=rest_status_listed,
    )


def _round_minimum(qty: float, digits: Digits) -> int:
    """One significant digit, as the venue lists its minima, and a whole number of steps."""
    units = max(int(qty * 10**digits.qty), digits.step)
    power = int(10 ** (len(str(units)) - 1))
    return max(units // power * power // digits.step, 1) * digits.step
