"""What the planted market holds, and what must come of it. Reckoned by hand, not by the program.

The fee is 25 bps everywhere, taken of what is received: a leg keeps 0.9975. The cycle begins and
ends in USD. The three books, once the gap is planted (price x quantity, best first):

    BTC/USD  asks 50000.0 x 0.0150   50010.0 x 1.0000               lot 0.0001  tick 0.1
    ETH/BTC  asks 0.05000 x 0.300    0.05010 x 0.100    0.05100 x 5.000   lot 0.001  tick 0.00001
    ETH/USD  bids 2540.00 x 0.250    2535.00 x 5.000                lot 0.001   tick 0.01

The gap at the tops, before fees: 2540 / (50000 x 0.05) = 1.016, 160 bps.

How large. At the worst prices that are reached (50010, 0.0501, 2535) a round still pays:
0.9975^3 x 2535 / (50010 x 0.0501) = 1.0042. So it is worth taking ETH/BTC down to its second level
(0.400 ETH); the third is 200 bps away, beyond the 50 bps that a leg may reach. Then:

    leg 3   sells what 0.400 ETH leave after the fee: 0.400 x 0.9975 = 0.399 ETH, in whole lots.
            0.250 x 2540 + 0.149 x 2535 = 635 + 377.715 = 1012.715 USD; the fee of it is 2.5317875;
            it brings 1010.1832125 USD. Its limit is 2535.00.
    leg 2   buys 0.400 ETH: 0.300 x 0.05 + 0.100 x 0.0501 = 0.015 + 0.00501 = 0.02001 BTC.
            At its limit, 0.05010, it could cost 0.02004 BTC.
    leg 1   must bring 0.02004 BTC after the fee. 0.0200 lots bring 0.01995: too few. 0.0201 bring
            0.0201 x 0.9975 = 0.02004975. They cost 0.0150 x 50000 + 0.0051 x 50010 =
            750 + 255.051 = 1005.051 USD. Its limit is 50010.0.

    profit              1010.1832125 - 1005.051 = 5.1322125 USD
    at the limits       0.399 x 2535 x 0.9975 - 0.0201 x 50010 = 1008.9363375 - 1005.201 = 3.7353375
    what is left over   0.02004975 - 0.02001 = 0.00003975 BTC
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

VENUE = "sandbox"
FEE = Decimal("0.0025")
START_USD = Decimal(10_000)
PATH = "USD>BTC>ETH>USD"
GROSS_BPS = 160.0
START_IN = Decimal("1005.051")
PROFIT = Decimal("5.1322125")
PROFIT_AT_LIMITS = Decimal("3.7353375")
WALLET = {"USD": Decimal("10005.1322125"), "BTC": Decimal("0.00003975")}


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it must be sent, and as a sized leg must be: exact, in the market's own units."""

    symbol: str
    side: str
    qty: Decimal
    limit: Decimal

    def __str__(self) -> str:
        return f"{self.side} {self.qty} {self.symbol} at {self.limit}"


ORDERS = (
    Order("BTC/USD", "buy", Decimal("0.0201"), Decimal("50010.0")),
    Order("ETH/BTC", "buy", Decimal("0.400"), Decimal("0.05010")),
    Order("ETH/USD", "sell", Decimal("0.399"), Decimal("2535.00")),
)
# Each trade: market, quantity, price, and what the venue takes of what was received.
TRADES = (
    ("BTC/USD", Decimal("0.0150"), Decimal("50000.0"), Decimal("0.0000375")),
    ("BTC/USD", Decimal("0.0051"), Decimal("50010.0"), Decimal("0.00001275")),
    ("ETH/BTC", Decimal("0.300"), Decimal("0.05000"), Decimal("0.00075")),
    ("ETH/BTC", Decimal("0.100"), Decimal("0.05010"), Decimal("0.00025")),
    ("ETH/USD", Decimal("0.250"), Decimal("2540.00"), Decimal("1.5875")),
    ("ETH/USD", Decimal("0.149"), Decimal("2535.00"), Decimal("0.9442875")),
)

Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Planted:
    """One market: its facts, its book before the gap, and the bids that open it."""

    symbol: str
    price_digits: int
    qty_digits: int
    tick: str
    lot: str
    bids: Rows
    asks: Rows
    opens: Rows = ()


MARKETS = (
    Planted(
        *("BTC/USD", 1, 4, "0.1", "0.0001"),
        bids=(("49990.0", "1.0000"), ("49980.0", "2.0000")),
        asks=(("50000.0", "0.0150"), ("50010.0", "1.0000")),
    ),
    Planted(
        *("ETH/BTC", 5, 3, "0.00001", "0.001"),
        bids=(("0.04990", "5.000"),),
        asks=(("0.05000", "0.300"), ("0.05010", "0.100"), ("0.05100", "5.000")),
    ),
    Planted(
        *("ETH/USD", 2, 3, "0.01", "0.001"),
        bids=(("2499.00", "5.000"),),
        asks=(("2541.00", "5.000"),),
        opens=(("2540.00", "0.250"), ("2535.00", "5.000")),
    ),
)
# A book that must not be believed: a bid that is not there, under the checksum of the true book.
FALSE_SYMBOL, FALSE_BID = "ETH/USD", ("2560.00", "9.000")


def book_of(symbol: str) -> tuple[Rows, Rows]:
    """Bids and asks as they must be held once the gap is open."""
    one = next(market for market in MARKETS if market.symbol == symbol)
    return (*one.opens, *one.bids), one.asks
