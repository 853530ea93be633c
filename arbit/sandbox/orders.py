"""What a customer asks for, what the exchange keeps of it, and what happens to it.

Amounts are exact Decimals in whole units of their asset. Times are wall nanoseconds. Symbols and
assets are v2 names (``BTC/USD``, ``BTC``); the wire faces translate.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

ZERO: Final = Decimal(0)
OPEN_STATUSES: Final = ("pending", "open")


class Refused(ValueError):
    """The exchange says no, in the venue's ``words``, such as ``EOrder:Unknown order``.

    ``logged`` is true when the refusal is in the event log already (``Exchange.turn_down``).
    """

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words
        self.logged = False


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A limit order as asked for. ``price`` is in quote per base, ``qty`` in base."""

    symbol: str
    side: str  # "buy" or "sell"
    qty: Decimal
    price: Decimal
    tif: str  # "ioc" or "gtc"
    client_id: str = ""
    userref: int = 0
    fee_in: str = ""  # "base", "quote", or "" for the venue's default
    deadline_ns: int | None = None
    validate: bool = False
    stp: str = "cancel_newest"


@dataclass(frozen=True, slots=True)
class Trade:
    """One match at one price. ``number`` counts trades of the venue from 1."""

    trade_id: str
    number: int
    account: str
    order_id: str
    client_id: str
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    cost: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    at_ns: int
    ledger_ids: tuple[str, ...]


@dataclass(slots=True)
class VenueOrder:
    """An order that was accepted. ``fee`` sums the fees of its trades, whatever their asset."""

    order_id: str
    account: str
    client_id: str
    userref: int
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    tif: str
    fee_in: str  # "base" or "quote"
    stp: str
    opened_ns: int
    status: str = "pending"  # pending, open, closed, canceled, expired
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    fee: Decimal = ZERO
    reason: str = ""
    closed_ns: int = 0
    trades: list[Trade] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """True while it can still trade."""
        return self.status in OPEN_STATUSES

    @property
    def left(self) -> Decimal:
        """What has not traded yet; never negative, an overfill notwithstanding."""
        return max(self.qty - self.filled, ZERO)

    @property
    def average(self) -> Decimal:
        """Average price of its trades, 0 before the first."""
        return self.cost / self.filled if self.filled else ZERO


@dataclass(frozen=True, slots=True)
class Accepted:
    """The exchange took the order (``pending_new`` on the wire)."""

    account: str
    order: VenueOrder
    at_ns: int


@dataclass(frozen=True, slots=True)
class Opened:
    """The order is being matched, or rests (``new`` on the wire)."""

    account: str
    order: VenueOrder
    at_ns: int


@dataclass(frozen=True, slots=True)
class Traded:
    """A trade of the order, with its totals just after it."""

    account: str
    order: VenueOrder
    trade: Trade
    cum_qty: Decimal
    cum_cost: Decimal
    at_ns: int


@dataclass(frozen=True, slots=True)
class Filled:
    """The order has traded all of its quantity; its end."""

    account: str
    order: VenueOrder
    cum_qty: Decimal
    cum_cost: Decimal
    cum_fee: Decimal
    at_ns: int


@dataclass(frozen=True, slots=True)
class Canceled:
    """The order ended, at most partly filled (``status``: canceled or expired)."""

    account: str
    order: VenueOrder
    status: str
    cum_qty: Decimal
    cum_cost: Decimal
    cum_fee: Decimal
    reason: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One movement of one asset: the balance changed by ``amount - fee``, to ``balance``."""

    ledger_id: str
    ref_id: str  # the trade's id, or the flow's
    at_ns: int
    type: str  # trade, deposit, withdrawal
    asset: str
    amount: Decimal  # signed
    fee: Decimal
    balance: Decimal


@dataclass(frozen=True, slots=True)
class BalanceChanged:
    """One ledger entry: ``balance`` is the total after ``amount`` came and ``fee`` went."""

    account: str
    asset: str
    amount: Decimal  # signed
    fee: Decimal
    balance: Decimal
    type: str  # trade, deposit, withdrawal
    ref_id: str  # the trade's id, or the flow's
    ledger_id: str
    at_ns: int

    @classmethod
    def of(cls, account: str, entry: LedgerEntry) -> "BalanceChanged":
        """The event of a ledger entry."""
        return cls(
            account,
            entry.asset,
            entry.amount,
            entry.fee,
            entry.balance,
            entry.type,
            entry.ref_id,
            entry.ledger_id,
            entry.at_ns,
        )


OrderHappened = Accepted | Opened | Traded | Filled | Canceled
Happened = OrderHappened | BalanceChanged
