"""Every table. Each row carries its account; money is exact text; times are nanoseconds (UTC).

The journal owns cycles, orders, fills, ledger, fee_pending, fee_posted, incidents, flags, leases,
learned, walks, transfers, shadow_setups, shadow_hours and runs; the recorder owns triangles,
opportunities, inventory_snapshots, wallet_snapshots and venue_status.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, Table, Text

from arbit.persistence.types import Money

metadata = MetaData()
# SQLite counts rows by INTEGER alone; PostgreSQL wants BIGINT for as many.
_Count = BigInteger().with_variant(Integer, "sqlite")


def _account(*, key: bool = False) -> Column[str]:
    return Column("account", Text, primary_key=key, nullable=False)


def _text(name: str, *, key: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=False)


def _whole(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


cycles = Table(
    "cycles",
    metadata,
    _account(key=True),
    _text("cycle_id", key=True),
    _text("policy"),
    _text("state"),
    _text("path"),
    _text("start_asset"),
    _text("plan"),
    _whole("started_ns"),
    _whole("ended_ns"),
    Column("resumes", Text),
    Column("profit", Money, nullable=False),
    Column("profit_ref", Money),
    _text("detail"),
    _text("prices"),
    Column("kind", Text),
    Column("loss_budget", Money),
    Index("cycles_by_end", "account", "ended_ns"),
)
orders = Table(
    "orders",
    metadata,
    _account(key=True),
    _text("client_id", key=True),
    _text("cycle_id"),
    _text("purpose"),
    _whole("leg_index"),
    _whole("attempt"),
    _text("symbol"),
    _text("side"),
    _text("spend"),
    _text("receive"),
    Column("qty", Money, nullable=False),
    Column("limit_price", Money, nullable=False),
    Column("fee_rate", Money, nullable=False),
    _whole("deadline_ns"),
    _text("transport"),
    _text("state"),
    _text("hold_asset"),
    Column("hold_amount", Money, nullable=False),
    _text("order_id"),
    _text("reason"),
    _whole("sent_ns"),
    _whole("ended_ns"),
    Index("orders_by_cycle", "account", "cycle_id"),
    Index("orders_by_state", "account", "state"),
    Index("orders_by_venue_id", "account", "order_id"),
)
fills = Table(
    "fills",
    metadata,
    _account(key=True),
    _text("trade_id", key=True),
    _text("order_id"),
    _text("client_id"),
    _text("symbol"),
    _text("side"),
    Column("qty", Money, nullable=False),
    Column("price", Money, nullable=False),
    Column("cost", Money, nullable=False),
    _text("fees"),
    _whole("at_ns"),
    Column("fee_slack", Money),
    Index("fills_by_order", "account", "client_id"),
)
ledger = Table(
    "ledger",
    metadata,
    Column("n", _Count, primary_key=True, autoincrement=True),
    _account(),
    _text("ref"),
    _text("kind"),
    _text("book"),
    _text("asset"),
    Column("amount", Money, nullable=False),
    _whole("at_ns"),
    Index("ledger_by_account", "account"),
    Index("ledger_by_ref", "account", "ref"),
)
fee_pending = Table(
    "fee_pending",
    metadata,
    _account(key=True),
    _text("trade_id", key=True),
    _text("symbol"),
    _text("asset"),
    Column("guess", Money, nullable=False),
    Column("slack", Money, nullable=False),
    Column("gross", Money, nullable=False),
    _whole("at_ns"),
    _text("ref"),
    Index("fee_pending_by_ref", "account", "ref"),
)
fee_posted = Table(
    "fee_posted",
    metadata,
    _account(key=True),
    _text("ref", key=True),
    _text("symbol"),
    _text("asset"),
    Column("fee", Money, nullable=False),
    _whole("at_ns"),
    _text("state"),
)
incidents = Table(
    "incidents",
    metadata,
    Column("n", _Count, primary_key=True, autoincrement=True),
    _account(),
    _text("kind"),
    _text("detail"),
    _text("cycle_id"),
    _text("client_id"),
    _whole("at_ns"),
)
flags = Table(
    "flags",
    metadata,
    _account(key=True),
    _text("name", key=True),
    _text("value"),
    _whole("at_ns"),
)
learned = Table(
    "learned",
    metadata,
    _account(key=True),
    _text("path", key=True),
    Column("survived", Money, nullable=False),
    Column("gone", Money, nullable=False),
    Column("filled", Money, nullable=False),
    Column("failed", Money, nullable=False),
    Column("lost", Money, nullable=False),
)
walks = Table(
    "walks",
    metadata,
    _account(key=True),
    _text("cycle_id", key=True),
    Column("leg_index", BigInteger, primary_key=True, autoincrement=False),
    _text("seen", key=True),
    _text("levels"),
)
transfers = Table(
    "transfers",
    metadata,
    _account(key=True),
    _text("ref", key=True),
    _text("kind"),
)
shadow_setups = Table(
    "shadow_setups",
    metadata,
    _account(key=True),
    _text("setup", key=True),
    _text("key"),
    _text("version"),
    _text("terms"),
    _whole("latency_ms"),
    Column("notional", Money, nullable=False),
    _text("fees"),
)
shadow_hours = Table(
    "shadow_hours",
    metadata,
    _account(key=True),
    _text("setup", key=True),
    Column("hour_ns", BigInteger, primary_key=True, autoincrement=False),
    _whole("watched_ns"),
    _whole("episodes"),
    Column("net", Money, nullable=False),
    Column("worst", Money, nullable=False),
    Column("stake", Money, nullable=False),
)
leases = Table(
    "leases",
    metadata,
    _account(key=True),
    _whole("token"),
    _text("holder"),
    _whole("taken_ns"),
)
runs = Table(
    "runs",
    metadata,
    _account(key=True),
    Column("token", BigInteger, primary_key=True, autoincrement=False),
    _text("version"),
    _text("command"),
    _whole("started_ns"),
    _whole("ended_ns"),
    _text("ended_how"),
)
triangles = Table(
    "triangles",
    metadata,
    Column("n", _Count, primary_key=True, autoincrement=True),
    _account(),
    _text("path"),
    _text("symbols"),
    Column("hurdle_bps", Float, nullable=False),
    _whole("at_ns"),
)
opportunities = Table(
    "opportunities",
    metadata,
    Column("n", _Count, primary_key=True, autoincrement=True),
    _account(),
    _text("path"),
    _text("stage"),
    Column("best_bps", Float, nullable=False),
    Column("gross_ms", Float, nullable=False),
    Column("net_ms", Float, nullable=False),
    _whole("at_ns"),
)
inventory_snapshots = Table(
    "inventory_snapshots",
    metadata,
    Column("n", _Count, primary_key=True, autoincrement=True),
    _account(),
    _text("why"),
    _text("asset"),
    Column("wallet", Money, nullable=False),
    Column("held", Money, nullable=False),
    Column("exposure", Money, nullable=False),
    _whole("at_ns"),
)
wallet_snapshots = Table(
    "wallet_snapshots",
    metadata,
    Column("n", _Count, primary_key=True, autoincrement=True),
    _account(),
    _text("asset"),
    Column("total", Money, nullable=False),
    Column("held", Money, nullable=False),
    _whole("at_ns"),
    Column("kind", Text),  # of an asset on a chain; none of what a venue said
    Column("contract", Text),
    Column("block", BigInteger),
)
venue_status = Table(
    "venue_status",
    metadata,
    Column("n", _Count, primary_key=True, autoincrement=True),
    _account(),
    _text("subject"),
    _text("status"),
    _text("detail"),
    _whole("at_ns"),
)
