"""Records to rows and back. A row that cannot be read is a JournalFailed, never a guess."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from arbit.domain.book import Level
from arbit.domain.cycle import CycleState, Policy
from arbit.domain.learned import Learned
from arbit.domain.order import OrderIntent, OrderState, Trade
from arbit.domain.records import (
    CycleRecord,
    Flag,
    Incident,
    LateFee,
    OrderRecord,
    PlannedRecord,
    PostedFee,
    PostedState,
    Posting,
    Purpose,
    Transfer,
)
from arbit.domain.route import MAX_LEGS, ConversionKind
from arbit.domain.triangle import Leg, Side
from arbit.domain.walk import LegWalk, Seen
from arbit.persistence.types import money_of, money_text

Row = Mapping[str, Any]


def cycle_row(account: str, record: CycleRecord) -> dict[str, object]:
    """A cycle as it is kept."""
    return {
        "account": account,
        "cycle_id": record.cycle_id,
        "policy": record.policy.value,
        "state": record.state.value,
        "path": record.path,
        "start_asset": record.start_asset,
        "plan": json.dumps([_planned_json(one) for one in record.plan]),
        "started_ns": record.started_ns,
        "ended_ns": record.ended_ns,
        "resumes": record.resumes.value if record.resumes else None,
        "profit": money_text(record.profit),
        "profit_ref": None if record.profit_ref is None else money_text(record.profit_ref),
        "detail": clean(record.detail),
        "prices": json.dumps(dict(record.prices)) if record.prices else "{}",
        "kind": record.kind.value if record.kind else None,
        "loss_budget": None if record.loss_budget is None else money_text(record.loss_budget),
    }


def cycle_of(row: Row) -> CycleRecord:
    """The cycle that a row keeps."""
    kind = ConversionKind(row["kind"]) if row["kind"] else None
    return CycleRecord(
        cycle_id=row["cycle_id"],
        policy=Policy(row["policy"]),
        state=CycleState(row["state"]),
        plan=_plan_of(row["plan"], kind),
        started_ns=row["started_ns"],
        ended_ns=row["ended_ns"],
        resumes=CycleState(row["resumes"]) if row["resumes"] else None,
        profit=money_of(row["profit"]),
        profit_ref=None if row["profit_ref"] is None else money_of(row["profit_ref"]),
        detail=row["detail"],
        prices=json.loads(row["prices"]),
        kind=kind,
        loss_budget=None if row["loss_budget"] is None else money_of(row["loss_budget"]),
    )


def learned_row(account: str, one: Learned) -> dict[str, object]:
    """What was learned of a triangle, as it is kept."""
    return {
        "account": account,
        "path": one.path,
        "survived": money_text(one.survived),
        "gone": money_text(one.gone),
        "filled": money_text(one.filled),
        "failed": money_text(one.failed),
        "lost": money_text(one.lost),
    }


def learned_of(row: Row) -> Learned:
    """What a row says was learned of a triangle."""
    return Learned(
        path=row["path"],
        survived=money_of(row["survived"]),
        gone=money_of(row["gone"]),
        filled=money_of(row["filled"]),
        failed=money_of(row["failed"]),
        lost=money_of(row["lost"]),
    )


def order_row(account: str, record: OrderRecord) -> dict[str, object]:
    """An order as it is kept."""
    intent = record.intent
    return {
        "account": account,
        "client_id": intent.client_id,
        "cycle_id": record.cycle_id,
        "purpose": record.purpose.value,
        "leg_index": record.leg_index,
        "attempt": record.attempt,
        "symbol": intent.leg.symbol,
        "side": intent.leg.side.value,
        "spend": intent.leg.spend,
        "receive": intent.leg.receive,
        "qty": money_text(intent.qty),
        "limit_price": money_text(intent.limit_price),
        "fee_rate": money_text(intent.fee_rate),
        "deadline_ns": intent.deadline_ns,
        "transport": record.transport,
        "state": record.state.value,
        "hold_asset": record.hold_asset,
        "hold_amount": money_text(record.hold_amount),
        "order_id": clean(record.order_id),
        "reason": clean(record.reason),
        "sent_ns": record.sent_ns,
        "ended_ns": record.ended_ns,
    }


def order_of(row: Row) -> OrderRecord:
    """The order that a row keeps."""
    leg = Leg(row["symbol"], Side(row["side"]), row["spend"], row["receive"])
    intent = OrderIntent(
        client_id=row["client_id"],
        leg=leg,
        qty=money_of(row["qty"]),
        limit_price=money_of(row["limit_price"]),
        fee_rate=money_of(row["fee_rate"]),
        deadline_ns=row["deadline_ns"],
    )
    return OrderRecord(
        intent=intent,
        cycle_id=row["cycle_id"],
        purpose=Purpose(row["purpose"]),
        leg_index=row["leg_index"],
        attempt=row["attempt"],
        transport=row["transport"],
        state=OrderState(row["state"]),
        hold_asset=row["hold_asset"],
        hold_amount=money_of(row["hold_amount"]),
        order_id=row["order_id"],
        reason=row["reason"],
        sent_ns=row["sent_ns"],
        ended_ns=row["ended_ns"],
    )


def trade_row(account: str, trade: Trade) -> dict[str, object]:
    """A trade as it is kept."""
    return {
        "account": account,
        "trade_id": clean(trade.trade_id),
        "order_id": clean(trade.order_id),
        "client_id": trade.client_id,
        "symbol": trade.symbol,
        "side": trade.side.value,
        "qty": money_text(trade.qty),
        "price": money_text(trade.price),
        "cost": money_text(trade.cost),
        "fees": json.dumps([[asset, money_text(fee)] for asset, fee in trade.fees]),
        "at_ns": trade.at_ns,
        "fee_slack": None if trade.fee_slack is None else money_text(trade.fee_slack),
    }


def trade_of(row: Row) -> Trade:
    """The trade that a row keeps."""
    return Trade(
        trade_id=row["trade_id"],
        order_id=row["order_id"],
        client_id=row["client_id"],
        symbol=row["symbol"],
        side=Side(row["side"]),
        qty=money_of(row["qty"]),
        price=money_of(row["price"]),
        cost=money_of(row["cost"]),
        fees=tuple((asset, money_of(fee)) for asset, fee in json.loads(row["fees"])),
        at_ns=row["at_ns"],
        fee_slack=None if row["fee_slack"] is None else money_of(row["fee_slack"]),
    )


def late_fee_row(account: str, fee: LateFee) -> dict[str, object]:
    """A trade's fee that waits, or was stated, as it is kept."""
    return {
        "account": account,
        "trade_id": clean(fee.trade_id),
        "symbol": fee.symbol,
        "asset": clean(fee.asset),
        "guess": money_text(fee.guess),
        "slack": money_text(fee.slack),
        "gross": money_text(fee.gross),
        "at_ns": fee.at_ns,
        "ref": clean(fee.ref),
    }


def late_fee_of(row: Row) -> LateFee:
    """The fee that a row keeps."""
    return LateFee(
        trade_id=row["trade_id"],
        symbol=row["symbol"],
        asset=row["asset"],
        guess=money_of(row["guess"]),
        slack=money_of(row["slack"]),
        gross=money_of(row["gross"]),
        at_ns=row["at_ns"],
        ref=row["ref"],
    )


def posted_fee_row(account: str, fee: PostedFee) -> dict[str, object]:
    """A posted fee as it is kept."""
    return {
        "account": account,
        "ref": clean(fee.ref),
        "symbol": clean(fee.symbol),
        "asset": clean(fee.asset),
        "fee": money_text(fee.fee),
        "at_ns": fee.at_ns,
        "state": fee.state.value,
    }


def posted_fee_of(row: Row) -> PostedFee:
    """The posted fee that a row keeps."""
    return PostedFee(
        ref=row["ref"],
        symbol=row["symbol"],
        asset=row["asset"],
        fee=money_of(row["fee"]),
        at_ns=row["at_ns"],
        state=PostedState(row["state"]),
    )


def posting_row(account: str, posting: Posting) -> dict[str, object]:
    """A posting as it is kept."""
    return {
        "account": account,
        "ref": clean(posting.ref),
        "kind": posting.kind,
        "book": posting.book.value,
        "asset": clean(posting.asset),
        "amount": money_text(posting.amount),
        "at_ns": posting.at_ns,
    }


def incident_row(account: str, incident: Incident) -> dict[str, object]:
    """An incident as it is kept."""
    return {
        "account": account,
        "kind": incident.kind,
        "detail": clean(incident.detail),
        "cycle_id": incident.cycle_id,
        "client_id": incident.client_id,
        "at_ns": incident.at_ns,
    }


def flag_row(account: str, flag: Flag) -> dict[str, object]:
    """A flag as it is kept."""
    return {"account": account, "name": flag.name, "value": flag.value, "at_ns": flag.at_ns}


def walk_row(account: str, one: LegWalk) -> dict[str, object]:
    """What a leg was to trade with, as it is kept."""
    levels = [[money_text(level.price), money_text(level.qty)] for level in one.levels]
    return {
        "account": account,
        "cycle_id": one.cycle_id,
        "leg_index": one.leg_index,
        "seen": one.seen.value,
        "levels": json.dumps(levels),
    }


def walk_of(row: Row) -> LegWalk:
    """What a row says that a leg was to trade with."""
    levels = (Level(money_of(price), money_of(qty)) for price, qty in json.loads(row["levels"]))
    return LegWalk(row["cycle_id"], row["leg_index"], Seen(row["seen"]), tuple(levels))


def transfer_row(account: str, one: Transfer) -> dict[str, object]:
    """Why money came or went, as it is kept."""
    return {"account": account, "ref": clean(one.ref), "kind": clean(one.kind)}


def clean(text: str) -> str:
    """A venue's text, without the lone surrogates that no database takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _plan_of(text: str, kind: ConversionKind | None) -> tuple[PlannedRecord, ...]:
    """The legs of a plan; ValueError when they are not as many as its kind has."""
    plan = tuple(_planned_of(told) for told in json.loads(text))
    least, most = (3, 3) if kind is None else (1, MAX_LEGS)
    if not least <= len(plan) <= most:
        raise ValueError(f"a plan of {len(plan)} legs")
    return plan


def _planned_json(one: PlannedRecord) -> list[str]:
    leg = one.leg
    amounts = (one.qty, one.limit_price, one.fee_rate)
    return [leg.symbol, leg.side.value, leg.spend, leg.receive, *map(money_text, amounts)]


def _planned_of(told: list[str]) -> PlannedRecord:
    symbol, side, spend, receive, *amounts = told
    qty, limit, fee = map(money_of, amounts)
    return PlannedRecord(Leg(symbol, Side(side), spend, receive), qty, limit, fee)
