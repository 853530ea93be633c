"""Private frames written by hand: text out, nothing shared with what reads them."""

from __future__ import annotations

from decimal import Decimal

from arbit.domain.order import OrderIntent
from arbit.domain.triangle import Leg, Side

STAMP = "2026-11-24T12:00:00.123456Z"
DEADLINE_NS = 1_764_000_002_000_000_000


def intent(client_id: str = "abq1w2e1-11", side: Side = Side.BUY, qty: str = "0.5") -> OrderIntent:
    spend, receive = ("USD", "BTC") if side is Side.BUY else ("BTC", "USD")
    return OrderIntent(
        client_id=client_id,
        leg=Leg("BTC/USD", side, spend, receive),
        qty=Decimal(qty),
        limit_price=Decimal("50000.1"),
        fee_rate=Decimal("0.004"),
        deadline_ns=DEADLINE_NS,
    )


def ours(client_id: str) -> bool:
    return client_id.startswith("ab")


def opening(order_id: str, client_id: str = "", qty: str = "0.5", symbol: str = "BTC/USD") -> str:
    named = f'"cl_ord_id":"{client_id}",' if client_id else ""
    return (
        f'{{"order_id":"{order_id}",{named}"symbol":"{symbol}","order_qty":{qty},"cum_cost":0,'
        f'"time_in_force":"IOC","exec_type":"pending_new","side":"buy","order_type":"limit",'
        f'"limit_price":50000.1,"order_status":"pending_new","timestamp":"{STAMP}"}}'
    )


def live(order_id: str) -> str:
    return (
        f'{{"timestamp":"{STAMP}","order_status":"new","exec_type":"new","order_userref":0,'
        f'"order_id":"{order_id}"}}'
    )


def trade(
    order_id: str, exec_id: str, qty: str = "0.2", client_id: str = "", symbol: str = "BTC/USD"
) -> str:
    named = f'"cl_ord_id":"{client_id}",' if client_id else ""
    return (
        f'{{"order_id":"{order_id}",{named}"exec_id":"{exec_id}","exec_type":"trade",'
        f'"trade_id":7,"symbol":"{symbol}","side":"buy","last_qty":{qty},"last_price":50000.0,'
        f'"liquidity_ind":"t","cost":{Decimal(qty) * 50000},"order_status":"partially_filled",'
        f'"timestamp":"{STAMP}","fees":[{{"asset":"BTC","qty":0.00080}}]}}'
    )


def ending(order_id: str, kind: str = "canceled", cum_qty: str = "0.5") -> str:
    return (
        f'{{"timestamp":"{STAMP}","order_status":"{kind}","exec_type":"{kind}",'
        f'"cum_qty":{cum_qty},"cum_cost":0.0,"avg_price":0.0,"reason":"IOC",'
        f'"order_id":"{order_id}"}}'
    )


def executions(*entries: str, sequence: int = 1, kind: str = "update") -> bytes:
    return (
        f'{{"channel":"executions","type":"{kind}","data":[{",".join(entries)}],'
        f'"sequence":{sequence}}}'
    ).encode()


def balance(asset: str, total: str, sequence: int = 1, kind: str = "update") -> bytes:
    return (
        f'{{"channel":"balances","type":"{kind}","data":[{{"asset":"{asset}","balance":{total},'
        f'"amount":-1.5,"fee":0.25,"type":"trade","ref_id":"TREF-1","ledger_id":"L-1"}}],'
        f'"sequence":{sequence}}}'
    ).encode()


def yes(req_id: int, order_id: str = "OAAAAA", client_id: str = "") -> bytes:
    named = f',"cl_ord_id":"{client_id}"' if client_id else ""
    return (
        f'{{"method":"add_order","req_id":{req_id},"result":{{"order_id":"{order_id}"{named}}},'
        f'"success":true,"time_in":"{STAMP}","time_out":"{STAMP}"}}'
    ).encode()


def no(req_id: int, words: str) -> bytes:
    return (
        f'{{"error":"{words}","method":"add_order","req_id":{req_id},"success":false,'
        f'"time_in":"{STAMP}","time_out":"{STAMP}"}}'
    ).encode()
