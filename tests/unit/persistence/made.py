"""Made-up rows, and a journal to put them in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from arbit.domain.cycle import CycleState, Policy
from arbit.domain.order import OrderIntent, OrderState, Trade
from arbit.domain.records import (
    Batch,
    CycleRecord,
    OrderRecord,
    PlannedRecord,
    Posting,
    Purpose,
)
from arbit.domain.triangle import Leg, Side
from arbit.ledger import trade_postings
from arbit.persistence.journal import SqliteJournal
from arbit.persistence.lease import Lease
from arbit.persistence.migrate import upgrade

D = Decimal
ACCOUNT = "kraken:live:0123456789ab"
OTHER = "sandbox:sandbox:fedcba987654"
BUY = Leg("BTC/USD", Side.BUY, "USD", "BTC")
PLAN = (
    PlannedRecord(BUY, D("0.00100000"), D("50000.0"), D("0.0040")),
    PlannedRecord(Leg("ETH/BTC", Side.BUY, "BTC", "ETH"), D("0.0160"), D("0.0620"), D("0.004")),
    PlannedRecord(Leg("ETH/USD", Side.SELL, "ETH", "USD"), D("0.0160"), D("3100.00"), D("0.004")),
)
DAY_NS = 86_400 * 1_000_000_000
NOON_NS = 20_000 * DAY_NS + DAY_NS // 2  # 2024-10-04, 12:00 UTC


def cycle(
    name: str,
    state: CycleState = CycleState.LEG_1,
    *,
    ended_ns: int = 0,
    profit_ref: Decimal | None = None,
) -> CycleRecord:
    return CycleRecord(
        cycle_id=name,
        policy=Policy.SEQUENTIAL,
        state=state,
        plan=PLAN,
        started_ns=NOON_NS - 5,
        ended_ns=ended_ns,
        resumes=CycleState.LEG_2 if state is CycleState.RESOLVING else None,
        profit=D("-0.010"),
        profit_ref=profit_ref,
        detail="café; 'quoted'",
        prices={"reverse": "-0.10"},
    )


def order(name: str, cycle_id: str, state: OrderState = OrderState.SENT) -> OrderRecord:
    return OrderRecord(
        intent=OrderIntent(name, BUY, D("0.00100000"), D("50000.0"), D("0.0040"), NOON_NS),
        cycle_id=cycle_id,
        purpose=Purpose.LEG,
        leg_index=1,
        attempt=2,
        transport="ws",
        state=state,
        hold_asset="USD",
        hold_amount=D("50.200000"),
        order_id=f"OID-{name}",
        reason="said so",
        sent_ns=NOON_NS - 3,
        ended_ns=NOON_NS if state.over else 0,
    )


def trade(name: str, client_id: str, qty: str = "0.00100000") -> Trade:
    return Trade(
        trade_id=name,
        order_id=f"OID-{client_id}",
        client_id=client_id,
        symbol="BTC/USD",
        side=Side.BUY,
        qty=D(qty),
        price=D("50000.0"),
        cost=D(qty) * 50_000,
        fees=(("USD", D("0.20")), ("KFEE", D("0.0000000000000000001"))),
        at_ns=NOON_NS - 2,
    )


def booked(one: Trade) -> tuple[Posting, ...]:
    return trade_postings(one, "BTC", "USD")


def a_cycle(number: int) -> Batch:
    """A cycle of one filled order, whole in every table and at peace with `arbit db check`."""
    name, client = f"c{number:04d}", f"o{number:04d}"
    fill = trade(f"t{number:04d}", client)
    return Batch(
        cycles=(cycle(name, CycleState.HELD, ended_ns=NOON_NS, profit_ref=D("-0.01")),),
        orders=(order(client, name, OrderState.FILLED),),
        trades=(fill,),
        postings=booked(fill),
    )


@contextmanager
def opened(folder: Path, account: str = ACCOUNT) -> Iterator[SqliteJournal]:
    """A journal on `folder/arbit.db`, under a lease of its own."""
    path = folder / "arbit.db"
    upgrade(path)
    with Lease(folder, path, account, NOON_NS, command="test") as lease:
        journal = SqliteJournal(path, account, lease.token)
        try:
            yield journal
        finally:
            journal.close()
