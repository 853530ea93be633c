"""Private frames as typed values. Pure: bytes in, a value or a FrameError out.

Amounts become exact Decimals straight from their digits. What a reply to a request says is kept in
three classes, so that nothing in between can be misread: accepted, refused in words, or odd.
Source: docs.kraken.com, spot WebSocket v2, channels executions and balances, method add_order;
shapes as recorded (shared data, kraken/v2_messages.ndjson).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from arbit.domain.errors import FrameError
from arbit.domain.triangle import Side
from arbit.venues.kraken.stamps import stamp_ns

MAX_TEXT = 300  # of the venue's words that we repeat
MAX_NAME = 128  # of an id or a name; Kraken's are much shorter
MOST_RATE = 1_000_000
MAX_DIGITS = 30  # before or after the point; no amount needs more
ENDS = frozenset({"filled", "canceled", "expired"})
_BROKEN = (
    msgspec.DecodeError,
    UnicodeDecodeError,
    RecursionError,
    ArithmeticError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class ExecFill:
    """One fill: `qty` in base units at `price`, `cost` in quote, fees as (asset, amount)."""

    exec_id: str
    qty: Decimal
    price: Decimal
    cost: Decimal
    fees: tuple[tuple[str, Decimal], ...]


@dataclass(frozen=True, slots=True)
class Execution:
    """One entry of the executions channel. Empty or None where it said nothing: it is sparse.

    `kind` is the venue's `exec_type`. `cum_qty` (base units) is final in an entry that `ends`.
    `rate_count` is how full the venue says the counter of the order's market is.
    """

    order_id: str
    kind: str
    client_id: str = ""
    symbol: str = ""
    side: Side | None = None
    qty: Decimal | None = None
    limit_price: Decimal | None = None
    cum_qty: Decimal | None = None
    fill: ExecFill | None = None
    reason: str = ""
    at_ns: int = 0
    rate_count: float | None = None

    @property
    def ends(self) -> bool:
        """Whether nothing more can happen to the order, by this entry."""
        return self.kind in ENDS


@dataclass(frozen=True, slots=True)
class Executions:
    """A message of the executions channel; `sequence` counts up by one."""

    entries: tuple[Execution, ...]
    sequence: int
    snapshot: bool


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """One asset's total now. `ref` names what moved it by `amount` less `fee`, `kind` says why.

    `ledger_id` is the id of the ledger's row, as REST lists it.
    """

    asset: str
    total: Decimal
    kind: str
    ref: str = ""
    amount: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    ledger_id: str = ""
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class Balances:
    """A message of the balances channel; `sequence` counts up by one."""

    rows: tuple[BalanceRow, ...]
    sequence: int
    snapshot: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request. `ok` is True, False with `error`, or None: it proves nothing.

    `odd` says what is wrong with one that proves nothing; `warnings` came with an acceptance.
    """

    method: str
    req_id: int | None
    ok: bool | None
    error: str = ""
    order_id: str = ""
    client_id: str = ""
    channel: str = ""
    odd: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping, with the venue's clock (UTC ns) in and out; None when not told."""

    req_id: int
    in_ns: int | None
    out_ns: int | None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The socket is alive."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Understood, or at least whole, and of no use here; `kind` is from a closed list."""

    kind: str


Message = Executions | Balances | Reply | Pong | Heartbeat | Ignored

IGNORED_CHANNELS = frozenset({"status", "book", "trade", "ticker", "ohlc", "level3", "instrument"})
METHODS = frozenset(
    {
        "add_order",
        "amend_order",
        "edit_order",
        "cancel_order",
        "cancel_all",
        "cancel_all_orders_after",
        "batch_add",
        "batch_cancel",
        "subscribe",
        "unsubscribe",
        "ping",
    }
)


class _WireFee(Struct):
    asset: str
    qty: Decimal


class _WireExecution(Struct):
    order_id: str
    exec_type: str
    cl_ord_id: str | None = None
    symbol: str = ""
    side: Literal["buy", "sell"] | None = None
    order_qty: Decimal | None = None
    limit_price: Decimal | None = None
    exec_id: str = ""
    last_qty: Decimal | None = None
    last_price: Decimal | None = None
    cost: Decimal | None = None
    fees: list[_WireFee] | None = None
    cum_qty: Decimal | None = None
    reason: str = ""
    timestamp: str = ""
    ratecount: Any = None  # asked for by `ratecounter`; the field's name is assumed (that of v1)


class _WireBalance(Struct):
    asset: str
    balance: Decimal
    type: str = ""
    ref_id: str = ""
    ledger_id: str = ""
    amount: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    timestamp: str = ""


class _ExecutionsFrame(Struct):
    type: Literal["snapshot", "update"]
    data: list[_WireExecution]
    sequence: int


class _BalancesFrame(Struct):
    type: Literal["snapshot", "update"]
    data: list[_WireBalance]
    sequence: int


_whole = msgspec.json.Decoder()
_head = msgspec.json.Decoder(dict[str, Raw])
_text = msgspec.json.Decoder(str)
_any = msgspec.json.Decoder(dict[str, Any])
_executions = msgspec.json.Decoder(_ExecutionsFrame)
_balances = msgspec.json.Decoder(_BalancesFrame)


def parse(payload: bytes) -> Message:
    """One frame as a value. FrameError for anything else, whatever the bytes are."""
    try:
        _whole.decode(payload)  # what we do not read, too: a frame with a stain on it is none
        fields = _head.decode(payload)
        if "channel" in fields:
            return _channel(_text.decode(fields["channel"]), payload)
        return _reply(_any.decode(payload))
    except _BROKEN as error:
        said = str(error)[:MAX_TEXT]
        raise FrameError(f"not a private Kraken v2 frame: {said}") from None


def wall_ns(stamp: object) -> int | None:
    """An RFC 3339 moment in UTC as nanoseconds since 1970; None for anything else."""
    try:
        return stamp_ns(stamp) if isinstance(stamp, str) else None
    except FrameError:
        return None


def _channel(channel: str, payload: bytes) -> Message:
    if channel == "heartbeat":
        return Heartbeat()
    if channel == "executions":
        frame = _executions.decode(payload)
        entries = tuple(_execution(wire) for wire in frame.data)
        return Executions(entries, frame.sequence, frame.type == "snapshot")
    if channel == "balances":
        told = _balances.decode(payload)
        snapshot = told.type == "snapshot"
        rows = tuple(_balance(wire, snapshot=snapshot) for wire in told.data)
        return Balances(rows, told.sequence, snapshot)
    return Ignored(channel if channel in IGNORED_CHANNELS else "unknown channel")


def _execution(wire: _WireExecution) -> Execution:
    client_id = wire.cl_ord_id or ""
    if not wire.order_id or not wire.exec_type:
        raise ValueError("an execution without an order or a kind")
    for name in (wire.order_id, wire.exec_type, client_id, wire.symbol, wire.exec_id):
        if len(name) > MAX_NAME:
            raise ValueError("a name of an execution is too long")
    return Execution(
        order_id=wire.order_id,
        kind=wire.exec_type,
        client_id=client_id,
        symbol=wire.symbol,
        side=Side(wire.side) if wire.side else None,
        qty=_amount(wire.order_qty),
        limit_price=_amount(wire.limit_price),
        cum_qty=_amount(wire.cum_qty),
        fill=_fill(wire) if wire.exec_type == "trade" else None,
        reason=wire.reason[:MAX_TEXT],
        at_ns=wall_ns(wire.timestamp) or 0,
        rate_count=_rate_count(wire.ratecount),
    )


def _rate_count(value: object) -> float | None:
    """A counter's level; anything else in its place is passed over, it is only of use."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < MOST_RATE else None


def _fill(wire: _WireExecution) -> ExecFill:
    """A trade entry that leaves anything of its fill unsaid is no trade that we could book."""
    qty, price, cost = (_amount(one) for one in (wire.last_qty, wire.last_price, wire.cost))
    if not wire.exec_id or not qty or not price or cost is None or wire.fees is None:
        raise ValueError(f"a trade of {wire.order_id} that is not whole")
    fees = []
    for fee in wire.fees:
        if not 0 < len(fee.asset) <= MAX_NAME:
            raise ValueError(f"a fee of {wire.order_id} in no asset")
        fees.append((fee.asset, _exact(fee.qty)))
    return ExecFill(wire.exec_id, qty, price, cost, tuple(fees))


def _balance(wire: _WireBalance, *, snapshot: bool) -> BalanceRow:
    for name in (wire.asset, wire.type, wire.ref_id, wire.ledger_id):
        if len(name) > MAX_NAME:
            raise ValueError("a name of a balance is too long")
    if not wire.asset:
        raise ValueError("a balance of no asset")
    kind = "snapshot" if snapshot else wire.type or "unknown"
    ref = wire.ref_id or wire.ledger_id
    return BalanceRow(
        asset=wire.asset,
        total=_exact(wire.balance),
        kind=kind,
        ref=ref,
        amount=_exact(wire.amount),
        fee=_exact(wire.fee),
        ledger_id=wire.ledger_id,
        at_ns=wall_ns(wire.timestamp) or 0,
    )


def _amount(value: Decimal | None) -> Decimal | None:
    if value is not None and _exact(value) < 0:
        raise ValueError(f"{value} is below zero")
    return value


def _exact(value: Decimal) -> Decimal:
    """The value, when it is a number that arithmetic keeps exact."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError(f"{value} is no number")  # noqa: TRY004 - a bad amount, not a bad call
    if exponent < -MAX_DIGITS or (value and value.adjusted() > MAX_DIGITS) or exponent > MAX_DIGITS:
        raise ValueError(f"{str(value)[:MAX_NAME]} is out of range")
    return value


def _reply(fields: dict[str, Any]) -> Message:
    method, req_id = fields.get("method", ""), fields.get("req_id")
    if not isinstance(req_id, int) or isinstance(req_id, bool):
        req_id = None
    if not isinstance(method, str) or not (method or "error" in fields):
        raise FrameError("neither a channel nor a method")
    if method == "pong":
        return Pong(req_id or 0, wall_ns(fields.get("time_in")), wall_ns(fields.get("time_out")))
    if method and method not in METHODS:
        return Ignored("unknown method")
    success, error = fields.get("success"), fields.get("error")
    if success is False and isinstance(error, str) and error and fields.get("result") is None:
        return Reply(method, req_id, ok=False, error=error[:MAX_TEXT])
    if success is not True or error:
        said = f"success {success!r}, error {str(error)[:MAX_NAME]!r}"
        return Reply(method, req_id, ok=None, odd=f"an answer that is neither yes nor no: {said}")
    return _accepted(method, req_id, fields.get("result"))


def _accepted(method: str, req_id: int | None, result: object) -> Reply:
    """A yes, which for an order must name it."""
    told = result if isinstance(result, dict) else {}
    order_id, client_id = told.get("order_id", ""), told.get("cl_ord_id") or ""
    if method == "add_order":
        if not isinstance(order_id, str) or not 0 < len(order_id) <= MAX_NAME:
            return Reply(method, req_id, ok=None, odd="accepted, without an order id")
        if not isinstance(client_id, str):
            return Reply(method, req_id, ok=None, odd="accepted, with a client id that is none")
    warned = told.get("warning") or told.get("warnings") or []
    warnings = tuple(str(one)[:MAX_TEXT] for one in warned[:8]) if isinstance(warned, list) else ()
    channel = told.get("channel", "")
    return Reply(
        method,
        req_id,
        ok=True,
        order_id=order_id if isinstance(order_id, str) else "",
        client_id=client_id if isinstance(client_id, str) else "",
        channel=channel if isinstance(channel, str) else "",
        warnings=warnings,
    )
