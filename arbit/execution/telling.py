"""What is told of an order at work: that it left, what it filled, that it is called off."""

from __future__ import annotations

from arbit.domain.events import CancelAsked, OrderFilled, OrderSent
from arbit.domain.money import plain
from arbit.domain.order import Trade
from arbit.domain.records import OrderRecord


def sent(venue: str, record: OrderRecord) -> OrderSent:
    """Its bytes leave."""
    intent = record.intent
    return OrderSent(
        venue=venue,
        symbol=intent.leg.symbol,
        side=intent.leg.side.value,
        qty=plain(intent.qty),
        limit_price=plain(intent.limit_price),
        purpose=record.purpose.value,
        cycle_id=record.cycle_id,
        client_id=intent.client_id,
    )


def filled(venue: str, cycle_id: str, record: OrderRecord, trade: Trade) -> OrderFilled:
    """A trade of it is booked."""
    return OrderFilled(
        venue=venue,
        symbol=trade.symbol,
        side=trade.side.value,
        qty=plain(trade.qty),
        price=plain(trade.price),
        fees=tuple(f"{plain(amount)} {asset}" for asset, amount in trade.fees),
        trade_id=trade.trade_id,
        cycle_id=cycle_id,
        client_id=record.intent.client_id,
    )


def cancelling(venue: str, record: OrderRecord) -> CancelAsked:
    """The venue is asked to cancel it."""
    return CancelAsked(venue, record.intent.leg.symbol, record.cycle_id, record.intent.client_id)
