"""Accounts: whose money it is, what a venue says of it, and what happens on it unasked."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from arbit.domain.errors import VenueError
from arbit.domain.money import EXACT, ZERO
from arbit.domain.order import Trade

# The kind of a flow that moves no balance: a fee that was taken with a trade and is stated later.
FEE_POSTED = "fee"


class Mode(enum.StrEnum):
    """What kind of money moves. Rows of one mode are never read by another."""

    LIVE = "live"
    PAPER = "paper"
    SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True)
class AccountId:
    """Every stored row carries it: venue, mode and key. `key` is a fingerprint, never the key."""

    venue: str
    mode: Mode
    key: str = ""

    @classmethod
    def of_key(cls, venue: str, mode: Mode, api_key: str) -> AccountId:
        """The account that this API key opens."""
        return cls(venue, mode, hashlib.sha256(api_key.encode()).hexdigest()[:12])

    def __str__(self) -> str:
        return ":".join(part for part in (self.venue, self.mode.value, self.key) if part)


@dataclass(frozen=True, slots=True)
class Balance:
    """What the venue says of one asset: all of it, and what it holds for open orders.

    `digits` is how many decimals the venue states of it, where it keeps (or may keep) more; None
    means that it states all there is. `coarse`: no row of its ledger tells what that cuts off, so
    that equal within a unit is all that can be asked.
    """

    total: Decimal
    held: Decimal = ZERO
    digits: int | None = None
    coarse: bool = False

    @property
    def unit(self) -> Decimal:
        """One of its last stated decimal; zero where it states all there is."""
        return ZERO if self.digits is None else Decimal(1).scaleb(-self.digits)

    @property
    def free(self) -> Decimal:
        """What a new order could spend."""
        return EXACT.subtract(self.total, self.held)

    def agrees(self, amount: Decimal) -> bool:
        """Whether it is this amount, as far as the venue states it.

        What it cuts off is less than one unit of its last decimal, now and when we first looked.
        """
        if self.digits is None:
            return amount == self.total
        return abs(EXACT.subtract(amount, self.total)) < self.unit


@dataclass(frozen=True, slots=True)
class Flow:
    """Money that came or went without an order: a deposit, a withdrawal, an adjustment.

    `ref` is the venue's ledger id, unique in the account; `amount` is net of its fee and positive
    when it came in; `at_ns` is the venue's wall time. `trade_id` names the trade that moved it, if
    one did: what it moved is booked from here when the trade is not ours, and what the venue
    rounded of it when it is. `digits` is how many decimals the venue's ledger keeps of the asset.

    Of the kind `FEE_POSTED` it moved nothing: the venue took it with the trades, and states now
    what it took (`amount`, negative, of the asset that paid). It stands for one trade or for
    several; `symbol` names their market where the venue says so, and `at_ns` may be only the day's.
    """

    ref: str
    asset: str
    amount: Decimal
    kind: str
    at_ns: int
    trade_id: str = ""
    digits: int | None = None
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many trades an account had in a while, and how many other movements of its balances."""

    trades: int
    flows: int


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue lists it. `client_id` is empty when whoever sent it gave none."""

    order_id: str
    client_id: str
    symbol: str
    open: bool
    filled_qty: Decimal
    at_ns: int


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What a key may do. None means that the venue did not say.

    `named` are the permissions in the venue's own words; `nonce_window` is in the venue's unit.
    """

    query_funds: bool | None
    query_orders: bool | None
    query_ledger: bool | None
    trade: bool | None
    cancel: bool | None
    stream: bool | None
    withdraw: bool | None
    nonce_window: int | None = None
    expires_ns: int | None = None
    ip_allowlist: tuple[str, ...] = ()
    named: tuple[str, ...] = ()


# What a key should be: it asks and trades, and takes nothing out.
TRADING_KEY = KeyFacts(
    query_funds=True,
    query_orders=True,
    query_ledger=True,
    trade=True,
    cancel=True,
    stream=True,
    withdraw=False,
)


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """The venue's clock minus ours, give or take `uncertainty_ns`, at monotonic `measured_ns`."""

    offset_ns: int
    uncertainty_ns: int
    measured_ns: int


@dataclass(frozen=True, slots=True)
class TradeSeen:
    """A fill arrived on the account's stream, for an order of ours or of somebody else."""

    trade: Trade


@dataclass(frozen=True, slots=True)
class BalanceSeen:
    """The stream stated an asset's total. `ref` names the trade or the flow that moved it.

    `kind` is the venue's word for why: `trade`, `deposit`, `withdrawal`, ..., or `snapshot`. `row`
    is the venue's ledger's own row of it, if it was of a trade.
    """

    asset: str
    total: Decimal
    kind: str
    ref: str = ""
    amount: Decimal = ZERO
    row: Flow | None = None


@dataclass(frozen=True, slots=True)
class ForeignOrder:
    """An order on this account that we did not send."""

    order: VenueOrder


@dataclass(frozen=True, slots=True)
class AccountStreamLost:
    """Nothing is heard of the account until `AccountStreamBack`; what is missed is asked for."""

    why: str


@dataclass(frozen=True, slots=True)
class AccountStreamBack:
    """The account's stream is whole again, and what was missed has been asked for."""


@dataclass(frozen=True, slots=True)
class KeyDoubted:
    """The venue's words put the key or the account in question: an operator has to look."""

    why: str


AccountEvent = (
    TradeSeen | BalanceSeen | ForeignOrder | AccountStreamLost | AccountStreamBack | KeyDoubted
)


class AccountUnfit(VenueError):
    """The account or its key must not be traded with; the text says why in one line."""


class AccountUntold(AccountUnfit):
    """The venue does not say, or not yet, what has to be known of the account or its key.

    Nothing starts on that. What is traded already is not stopped for it: nothing was found.
    """


@dataclass(frozen=True, slots=True)
class Standing:
    """What one reading of the account found: balances by asset, and when it was asked (wall)."""

    balances: Mapping[str, Balance] = field(default_factory=dict)
    at_ns: int = 0
