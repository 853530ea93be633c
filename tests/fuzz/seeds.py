"""What is harmed: frames and bodies that a venue has sent, by kind.

Recorded ones are read in place, where they are; the sandbox makes the others, in memory and the
same ones each time: an account that trades, and a market that is watched.
"""

from __future__ import annotations

import functools
import json
import os
import random
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from arbit.sandbox.faults import Faults
from arbit.sandbox.kraken.delivery import Delivery
from arbit.sandbox.kraken.stream import StreamFace
from arbit.sandbox.stats import Stats
from tests.fuzz import alpaca
from tests.simulation.loop import SECOND_NS, Process, SimLoop
from tests.simulation.plan import Plan
from tests.simulation.rest import HEADERS
from tests.simulation.swarm import Swarm
from tests.simulation.venue import SimVenue

BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "data"
DATA = Path(os.environ.get("SHARED_DATA", BESIDE))
RECORDED = {
    "public": ("kraken/book-btcusd-ethusd-d10-2026-07-07.ndjson", "kraken/v2_messages.ndjson"),
    "private": ("kraken/v2_messages.ndjson",),
    "binance": ("binance/triangle-btc-eth-usdt-2025-08-31.ndjson",),
}
LISTING = "kraken/asset_pairs-2021-04-17.json"
ALPACA = "alpaca/rest_bodies.json"
MOST_LINES = 400  # of one recording
MOST_LINE = 8_000
CLIENT_ID = "abfuzz00-11"
PRIVATE_CALLS: dict[str, dict[str, str]] = {
    "BalanceEx": {},
    "TradeVolume": {"pair": "XXBTZUSD,XETHZUSD"},
    "OpenOrders": {"trades": "true"},
    "ClosedOrders": {"trades": "true"},
    "TradesHistory": {"ofs": "0"},
    "Ledgers": {"ofs": "0"},
    "GetApiKeyInfo": {},
    "GetWebSocketsToken": {},
}
ONE_ORDER = ("QueryOrders", "ManyOrders", "QueryTrades", "AddOrder", "CancelOrder")
ERRORS = (
    *("EOrder:Insufficient funds", "EService:Unavailable", "EAPI:Invalid nonce"),
    *("EGeneral:Invalid arguments:price", "EService: Throttled: 1790000007", "WDatabase:No change"),
    *("EAPI:Rate limit exceeded", "EGeneral:Temporary lockout", "ESomething:New"),
)


def missing() -> list[str]:
    """The recordings that are not there; without them there is less to harm."""
    named = [name for names in RECORDED.values() for name in names] + [LISTING, ALPACA]
    return sorted({name for name in named if not (DATA / name).is_file()})


def recorded(kind: str) -> list[bytes]:
    """Frames of the recordings of this kind; none where they are absent."""
    found: list[bytes] = []
    for name in RECORDED[kind]:
        if (DATA / name).is_file():
            lines = (DATA / name).read_bytes().splitlines()
            step = max(1, len(lines) // MOST_LINES)
            found += [line for line in lines[::step] if 0 < len(line) <= MOST_LINE]
    return found


@functools.cache
def corpus() -> dict[str, list[bytes]]:
    """Every kind's frames or bodies; REST bodies under the name of their call."""
    made = _of_the_sandbox()
    for kind in RECORDED:
        made[kind] = recorded(kind) + made.get(kind, [])
    if (DATA / LISTING).is_file():
        body = json.loads((DATA / LISTING).read_bytes())
        pairs = list(body["result"].items())
        for start in range(0, 60, 6):
            few = {"error": [], "result": dict(pairs[start : start + 6])}
            made["AssetPairs"].append(json.dumps(few).encode())
    made["alpaca"], made["alpaca assets"] = _alpaca(), [ALPACA_ASSETS]
    made |= alpaca.seeds()
    made["config"] = [line.encode() for line in CONFIG]
    made["binance"] = made["binance"] or [BINANCE]
    return made


CONFIG = (
    "ARBIT_METRICS_PORT=9109\nARBIT_VENUES__KRAKEN__API_KEY=abc\n# a comment\n",
    'ARBIT_VENUES__KRAKEN={"depth": 25, "watchdog_ms": 2500}\n',
    "ARBIT_RISK__DEADLINE_MS=2000\nARBIT_RISK__MAX_DAILY_LOSS=10.5\nARBIT_SCAN__MIN_EDGE_BPS=5\n",
    "export ARBIT_SCAN__START_ASSETS=USD,EUR\nARBIT_SCAN__TRIANGLES=auto\n",
    'ARBIT_SCAN={"min_edge_bps": 3, "start_assets": ["USD"], "max_notional_per_cycle": "100"}\n',
)
ALPACA_ASSETS = (
    b'[{"id":"1","class":"crypto","exchange":"CRYPTO","symbol":"BTC/USD","name":"Bitcoin","status":'
    b'"active","tradable":true,"min_order_size":"0.0001","min_trade_increment":"0.000000001",'
    b'"price_increment":"0.01"}]'
)
BINANCE = (
    b'{"frame":{"stream":"ethbtc@depth5@100ms","data":{"bids":[["0.0301","1.5"],["0.03","2"]],'
    b'"asks":[["0.0302","1"],["0.0303","4.25"]]}},"received_ns":1756600000000000000}'
)


def _alpaca() -> list[bytes]:
    if not (DATA / ALPACA).is_file():
        return [b'{"orderbooks":{"BTC/USD":{"a":[{"p":65033.3,"s":0.5}],"b":[{"p":65000,"s":1}]}}}']
    bodies = json.loads((DATA / ALPACA).read_bytes())
    return [
        json.dumps(body["httpResponse"]).encode()
        for name, body in bodies.items()
        if isinstance(body, dict) and "httpResponse" in body and not name.startswith("_")
    ]


class _Ear:
    """A client's socket as the sandbox's faces see it, and as a frame handler: it only listens."""

    def __init__(self) -> None:
        self.number = 1
        self.closing = False
        self.heard: list[bytes] = []

    def send(self, frame: str | bytes, now_ns: int, *, is_pong: bool = False) -> None:
        """A public frame."""
        del now_ns, is_pong
        self.heard.append(frame.encode() if isinstance(frame, str) else frame)

    def close(self, code: int, reason: str) -> None:
        """Nobody closes it."""

    def release(self, now_ns: int) -> None:
        """Nothing is held back."""

    def on_frame(self, payload: bytes) -> None:
        """A private frame."""
        self.heard.append(payload)

    def on_drained(self) -> None:
        """Nothing waits for this."""

    def on_lost(self, why: str) -> None:
        """It stays open."""


def still_venue(seed: int = 0) -> SimVenue:
    """The sandbox's exchange in memory, on a loop of its own, without faults."""
    plan = Plan(seed, benign=True, seconds=10.0, latency_ms=1.0, jitter_ms=0.0, weather_hz=1.0)
    return SimVenue(SimLoop(SECOND_NS), plan, Swarm({}, random.Random(seed)))


def _of_the_sandbox() -> dict[str, list[bytes]]:
    venue = still_venue()
    made: dict[str, list[bytes]] = {"private": _private(venue), "public": _public(venue)}
    for name in ("Assets", "AssetPairs", "Ticker", "SystemStatus", "Time"):
        made[name] = [_body(venue.public(name))]
    made["Depth"] = [_body(venue._public.answer("Depth", {"pair": "XXBTZUSD", "count": "10"}))]
    for name, fields in PRIVATE_CALLS.items():
        made[name] = [_body(_asked(venue, name, fields))]
    made |= _of_one_order(venue)
    refusals = [_body({"error": [words]}) for words in ERRORS]
    for name in (*PRIVATE_CALLS, *ONE_ORDER):
        made[name] = made[name] * 4 + refusals
    return made


def _of_one_order(venue: SimVenue) -> dict[str, list[bytes]]:
    """What is told of the order that was sold from, as if it were the only one; and of all."""
    closed = _asked(venue, "ClosedOrders", {"trades": "true"})["result"]["closed"]
    order_id = next(one for one, row in closed.items() if row["cl_ord_id"] == CLIENT_ID)
    wanted = {"txid": order_id, "trades": "true"}
    trades = ",".join(closed[order_id]["trades"])
    accepted = {"descr": {"order": "sell 0.02 XBTUSD @ limit"}, "txid": [order_id]}
    many = {"txid": ",".join(closed), "trades": "true"}
    return {
        "QueryOrders": [_body(_asked(venue, "QueryOrders", wanted))],
        "ManyOrders": [_body(_asked(venue, "QueryOrders", many))],
        "ClosedOrders": [
            _body(_asked(venue, "ClosedOrders", {"cl_ord_id": CLIENT_ID, "trades": "true"}))
        ],
        "QueryTrades": [_body(_asked(venue, "QueryTrades", {"txid": trades}))],
        "AddOrder": [_body({"error": [], "result": accepted})],
        "CancelOrder": [_body({"error": [], "result": {"count": 1}})],
    }


def _body(answer: Any) -> bytes:
    return json.dumps(answer).encode()


def _asked(venue: SimVenue, name: str, fields: dict[str, str]) -> Any:
    """A signed question's answer; the nonce is the venue's own time, which moves."""
    run_for(venue.loop, 0.01)
    sent = urlencode({**fields, "nonce": str(venue.clock.wall_ns())}).encode()
    call = venue.face.receive(name, HEADERS, sent, venue.clock.wall_ns())
    return venue.face.answer(call, venue.clock.wall_ns())


def run_for(loop: SimLoop, seconds: float) -> None:
    """Let virtual time pass."""
    over: list[bool] = []
    loop.at_ns(loop.now_ns + int(seconds * SECOND_NS), over.append, True)
    loop.run(lambda: bool(over))


def _private(venue: SimVenue) -> list[bytes]:
    """A subscribed account that buys, sells, and is refused."""
    ear = _Ear()
    line = venue.open_line(Process(1), ear)
    token = _asked(venue, "GetWebSocketsToken", {})["result"]["token"]

    def say(message: dict[str, Any]) -> None:
        line.send(json.dumps(message).encode())
        run_for(venue.loop, 0.1)

    for number, channel in enumerate(("executions", "balances"), 1):
        params = {"channel": channel, "snap_orders": True, "snap_trades": True, "token": token}
        say({"method": "subscribe", "params": params, "req_id": number})
    say({"method": "ping", "req_id": 9})
    for number, (side, qty) in enumerate((("buy", 0.01), ("sell", 0.02), ("buy", 900), ("buy", 0))):
        book = venue.market.pairs["BTC/USD"].book
        listed = venue.market.pairs["BTC/USD"].instrument
        price = float(listed.price_text(book.top(1 if side == "buy" else 0, 3)[-1][0]))
        params = {"order_type": "limit", "side": side, "order_qty": qty, "symbol": "BTC/USD"}
        params |= {"limit_price": price, "time_in_force": "ioc", "token": token}
        params |= {"cl_ord_id": f"abfuzz00-1{number}"}
        say({"method": "add_order", "params": params, "req_id": 20 + number})
    say({"method": "cancel_order", "params": {"cl_ord_id": ["x"], "token": token}, "req_id": 40})
    return ear.heard


def _public(venue: SimVenue) -> list[bytes]:
    """A subscribed watcher of a market that moves."""
    ear, faults, clock = _Ear(), Faults(), venue.clock
    delivery = Delivery(faults, Stats(), random.Random(1))
    face = StreamFace(venue.market, delivery, clock, 60.0)  # type: ignore[arg-type]  # it asks for no more
    face.join(ear)  # type: ignore[arg-type]  # a session in all it asks for
    for params in (
        {"channel": "instrument", "snapshot": True},
        {"channel": "book", "symbol": ["BTC/USD", "ETH/USD"], "depth": 10, "snapshot": True},
        {"channel": "book", "symbol": ["NO/SUCH"], "depth": 10},
        {"channel": "ticker", "symbol": ["BTC/USD"]},
    ):
        request = {"method": "subscribe", "params": params, "req_id": 3}
        face.receive(ear, json.dumps(request).encode().decode())  # type: ignore[arg-type]  # as above
    face.receive(ear, '{"method":"ping","req_id":4}')  # type: ignore[arg-type]  # as above
    venue.planter.shift("BTC/USD", 5.0)
    face.publish({"BTC/USD": None, "ETH/USD": None})
    for _ in range(20):
        run_for(venue.loop, 0.5)
        face.publish({"BTC/USD": None, "ETH/USD": None})
        face.tick()
    return ear.heard
