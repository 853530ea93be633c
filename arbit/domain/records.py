"""What is written down: rows of the journal as plain values, and the batch that is one commit."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from arbit.domain.cycle import CycleState, Policy
from arbit.domain.errors import ArbitError
from arbit.domain.learned import Learned
from arbit.domain.money import EXACT, ZERO, is_multiple, plain
from arbit.domain.order import OrderIntent, OrderState, Trade
from arbit.domain.route import ConversionKind
from arbit.domain.shadow import ShadowBatch
from arbit.domain.triangle import Leg
from arbit.domain.walk import LegWalk


class JournalFailed(ArbitError):
    """The journal could not write or read: nothing of the batch is kept, and nothing may trade."""


class JournalBusy(JournalFailed):
    """Another daemon of the folder was writing: the same batch may be kept a moment later."""


class Purpose(enum.StrEnum):
    """What an order is for."""

    LEG = "leg"
    UNWIND = "unwind"


class RunEnd(enum.StrEnum):
    """How a run on an account ended; its row says nothing while it goes on."""

    CLEAN = "clean"  # everything of it was over
    STOPPED = "stopped"  # told to, with something open or not yet found out: the next start's
    BROKEN = "broken"  # by itself, for a reason that it told
    HARD = "hard"  # without a word: killed, or told twice to stop


class Book(enum.StrEnum):
    """The books of the ledger. For each asset, all four add up to zero at any time."""

    WALLET = "wallet"  # what we own
    CAPITAL = "capital"  # what was put in, taken out, and earned
    TRADING = "trading"  # what trades moved and no result has closed yet
    FEES = "fees"


OF_TRADES = frozenset({"trade", "fee", "rounding"})  # kinds of postings whose ref is a trade


@dataclass(frozen=True, slots=True)
class Posting:
    """One side of a double entry. `ref` ties its sides: the id of a trade, flow or cycle."""

    ref: str
    kind: str
    book: Book
    asset: str
    amount: Decimal
    at_ns: int


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """One order as it is kept. Times are wall nanoseconds; 0 means not yet.

    `leg_index` is 1 to 3 for a leg, 0 for an unwind; `attempt` counts orders for the same step.
    `hold_asset`/`hold_amount` are what it can spend at most, the fee included.
    """

    intent: OrderIntent
    cycle_id: str
    purpose: Purpose
    leg_index: int
    attempt: int
    transport: str
    state: OrderState
    hold_asset: str
    hold_amount: Decimal
    order_id: str = ""
    reason: str = ""
    sent_ns: int = 0
    ended_ns: int = 0


@dataclass(frozen=True, slots=True)
class PlannedRecord:
    """One leg of a cycle's plan, as recovery needs it."""

    leg: Leg
    qty: Decimal
    limit_price: Decimal
    fee_rate: Decimal


@dataclass(frozen=True, slots=True)
class CycleRecord:
    """One cycle as it is kept. `resumes` is the state that RESOLVING returns to, if it is that.

    Its plan is three legs that end where they begin, unless it is a conversion (`kind`): that has
    one to three legs, ends in another asset, and may cost at most `loss_budget` of what it spends.

    `profit` is in the start asset, `profit_ref` in the reference currency. That is None when
    something left that our own books could not price and the rest earned: nobody knows whether it
    is a profit. Where the rest lost too, it is the least that was lost. A conversion moves
    the owner's capital: its `profit` is zero, and `profit_ref` is what it cost (negative) or gained
    against the middle prices. `detail` says in words how it ended; `prices` are the unwind's four.
    """

    cycle_id: str
    policy: Policy
    state: CycleState
    plan: tuple[PlannedRecord, ...]
    started_ns: int
    ended_ns: int = 0
    resumes: CycleState | None = None
    profit: Decimal = ZERO
    profit_ref: Decimal | None = None
    detail: str = ""
    prices: Mapping[str, str] = field(default_factory=dict)
    kind: ConversionKind | None = None
    loss_budget: Decimal | None = None

    @property
    def start_asset(self) -> str:
        """What the cycle pays first, and wants back unless it is a conversion."""
        return self.plan[0].leg.spend

    @property
    def end_asset(self) -> str:
        """What the cycle wants at last."""
        return self.plan[-1].leg.receive

    @property
    def path(self) -> str:
        """`USD>BTC>ETH>USD`."""
        return ">".join([one.leg.spend for one in self.plan] + [self.end_asset])


@dataclass(frozen=True, slots=True)
class Ended:
    """How a cycle of a triangle ended, and when (wall nanoseconds): what its path rests for."""

    path: str
    state: CycleState
    ended_ns: int


@dataclass(frozen=True, slots=True)
class Incident:
    """Something an operator should know of, whatever else was done about it."""

    kind: str
    detail: str
    at_ns: int
    cycle_id: str = ""
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class Flag:
    """A named state that outlives the process: breaker, nonce, cool-down, baseline."""

    name: str
    value: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class LateFee:
    """What a venue took of one trade and has not stated yet: `guess` of `asset`, as we reckoned it.

    Its own figure may differ by `slack` either way; `gross` is what the fee was taken of. `ref` is
    the posted fee that stated it, or the flow by which an operator accepted it; empty while it
    waits. `at_ns` is the trade's.
    """

    trade_id: str
    symbol: str
    asset: str
    guess: Decimal
    slack: Decimal
    gross: Decimal
    at_ns: int
    ref: str = ""


ROUGH = "costs:"  # and an asset: the flag that keeps until when its costs were compared


@dataclass(frozen=True, slots=True)
class Rough:
    """Costs of an asset that the venue may have rounded, unlike us: by `slack` in all, either way.

    `count` trades, the newest of them at `at_ns` (the venue's).
    """

    slack: Decimal = ZERO
    count: int = 0
    at_ns: int = 0

    @classmethod
    def of(cls, trade: Trade) -> Rough | None:
        """One trade's. None where the venue states what it booked.

        A venue that does not state the fee states no cost either: it is the product of quantity and
        price, which the venue may round to the increment that it rounds fees to (decision 0012).
        """
        unit = trade.fee_slack
        if unit is None:
            return None
        exact = not unit or is_multiple(trade.cost, unit)
        return cls(ZERO if exact else unit, 1, trade.at_ns)

    @classmethod
    def compared(cls, flag: Flag) -> Rough:
        """What was left when costs were compared last: of trades until that time."""
        at_ns, _, slack = flag.value.partition(" ")
        return cls(Decimal(slack), 0, int(at_ns))

    def plus(self, other: Rough) -> Rough:
        """Both together."""
        slack, count = EXACT.add(self.slack, other.slack), self.count + other.count
        return Rough(slack, count, max(self.at_ns, other.at_ns))

    def flag(self, asset: str, wall_ns: int) -> Flag:
        """How it is kept."""
        return Flag(f"{ROUGH}{asset}", f"{self.at_ns} {plain(self.slack)}", wall_ns)


def rough_costs(flags: Mapping[str, Flag], trades: Iterable[Trade]) -> dict[str, Rough]:
    """By asset, what was not compared with the venue's balances yet."""
    names = [name.removeprefix(ROUGH) for name in flags if name.startswith(ROUGH)]
    before = {asset: Rough.compared(flags[f"{ROUGH}{asset}"]) for asset in names}
    found = dict(before)
    for trade in trades:
        asset = trade.symbol.rpartition("/")[2]
        one = Rough.of(trade)
        if one is not None and one.at_ns > before.get(asset, Rough()).at_ns:
            found[asset] = found.get(asset, Rough()).plus(one)
    return found


class PostedState(enum.StrEnum):
    """What became of a posted fee."""

    WAITS = "waits"  # it fits no trade that waits for its fee; the next look may bring what it fits
    TOLD = "told"  # the same, and it was told
    FITS = "fits"  # it is booked


@dataclass(frozen=True, slots=True)
class PostedFee:
    """A fee as the venue posted it (`account.FEE_POSTED`), under its own id. `fee` is positive."""

    ref: str
    symbol: str
    asset: str
    fee: Decimal
    at_ns: int
    state: PostedState = PostedState.WAITS


@dataclass(frozen=True, slots=True)
class Transfer:
    """Why money came or went without an order: `kind` is the word of whoever told of the flow."""

    ref: str
    kind: str


@dataclass(frozen=True, slots=True)
class Batch:
    """One durable commit: all of it or nothing.

    Cycles, orders, flags, fees, what was learned, walks and transfers replace their own rows;
    trades, postings and incidents are only ever added. A trade id that is kept already fails it.
    `forgotten` are the paths of triangles of which nothing is remembered any more. `shadow` is
    what a dry run has seen.
    """

    cycles: tuple[CycleRecord, ...] = ()
    orders: tuple[OrderRecord, ...] = ()
    trades: tuple[Trade, ...] = ()
    postings: tuple[Posting, ...] = ()
    incidents: tuple[Incident, ...] = ()
    flags: tuple[Flag, ...] = ()
    late_fees: tuple[LateFee, ...] = ()
    posted_fees: tuple[PostedFee, ...] = ()
    learned: tuple[Learned, ...] = ()
    walks: tuple[LegWalk, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    forgotten: tuple[str, ...] = ()
    shadow: ShadowBatch | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What a start remembers of its account.

    `cycles` are those not closed, and the HELD as rows alone; `orders` and `trades` are all of the
    former's, and every order not over. `sums` are the ledger's, by book and asset.
    `profit_ref_by_day` sums cycles by UTC day (`2026-11-24`). `last_sent` are the newest orders,
    whatever became of them, as (symbol, wall time of sending). `late_fees` are those that wait;
    `rough` are costs that the venue may have rounded, by asset. `last_ends` are the newest cycles
    of triangles that are over, `learned` is what they and their gaps have taught.
    `last_rebalance_ns` is the wall time at which the newest rebalance ended, 0 without any.
    """

    cycles: tuple[CycleRecord, ...] = ()
    orders: tuple[OrderRecord, ...] = ()
    trades: tuple[Trade, ...] = ()
    sums: Mapping[tuple[Book, str], Decimal] = field(default_factory=dict)
    flags: Mapping[str, Flag] = field(default_factory=dict)
    profit_ref_by_day: Mapping[str, Decimal] = field(default_factory=dict)
    last_trade_ns: int = 0
    last_flow_ns: int = 0
    last_sent: tuple[tuple[str, int], ...] = ()
    late_fees: tuple[LateFee, ...] = ()
    rough: Mapping[str, Rough] = field(default_factory=dict)
    last_ends: tuple[Ended, ...] = ()
    learned: tuple[Learned, ...] = ()
    last_rebalance_ns: int = 0
