"""The private REST face: ``POST /0/private/<name>``, signed, HTTP 200 whatever the answer.

A call goes through four stages, and a fault may act between any two of them (see ``Gate``)::

    receive   the body is parsed; order and cancel requests are logged
    before    the gate may answer in the exchange's place, or make it wait: nothing was accepted
    answer    key, signature, nonce, permission, rate counter, then the exchange
    after     the gate may withhold, delay or spoil the reply: what was accepted stays accepted

Sources: Kraken's REST introduction (signature, nonce, always HTTP 200) and its API reference.
Assumed: which check comes first when a request fails several.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import parse_qsl

from aiohttp import web

from arbit.sandbox.exchange import Exchange
from arbit.sandbox.keys import ApiKey
from arbit.sandbox.kraken.names import Names
from arbit.sandbox.kraken.private_orders import OrderCalls
from arbit.sandbox.kraken.private_reads import ReadCalls
from arbit.sandbox.kraken.words import compact
from arbit.sandbox.limits import REST_COSTS, Counters
from arbit.sandbox.orders import Refused
from arbit.sandbox.wallclock import WallClock

UNKNOWN_METHOD: Final = "EGeneral:Unknown method"
INVALID_KEY: Final = "EAPI:Invalid key"
INVALID_SIGNATURE: Final = "EAPI:Invalid signature"
INVALID_NONCE: Final = "EAPI:Invalid nonce"
BAD_REQUEST: Final = "EAPI:Bad request"
REST_RATE: Final = "EAPI:Rate limit exceeded"
DENIED: Final = "EGeneral:Permission denied"
MAX_FIELDS: Final = 100
ORDER_CALLS: Final = ("AddOrder", "CancelOrder", "CancelAll", "CancelAllOrdersAfter")

PERMISSIONS: Final[dict[str, tuple[str, ...]]] = {
    "AddOrder": ("modify-trades",),
    "CancelOrder": ("modify-trades", "close-trades"),
    "CancelAll": ("modify-trades", "close-trades"),
    "CancelAllOrdersAfter": ("modify-trades", "close-trades"),
    "QueryOrders": ("query-open-trades", "query-closed-trades"),
    "OpenOrders": ("query-open-trades",),
    "ClosedOrders": ("query-closed-trades",),
    "TradesHistory": ("query-open-trades", "query-closed-trades"),
    "QueryTrades": ("query-open-trades", "query-closed-trades"),
    "Ledgers": ("query-ledger",),
    "Balance": ("query-funds",),
    "BalanceEx": ("query-funds",),
    "TradeVolume": ("query-funds",),
    "GetWebSocketsToken": ("create-ws-token",),
    "GetApiKeyInfo": (),
}
"""Any one of these opens the call (Kraken's guide to API keys); an empty list needs none."""


@dataclass(frozen=True, slots=True)
class Call:
    """A private request as it came in."""

    name: str
    key: str
    signature: str
    body: bytes
    fields: Mapping[str, str]
    received_ns: int

    @property
    def is_order(self) -> bool:
        """Whether it places or cancels."""
        return self.name in ORDER_CALLS


class Gate(Protocol):
    """Where faults act on private calls. A response instead of None is sent in place of ours."""

    async def before(self, call: Call, request: web.Request) -> web.StreamResponse | None:
        """Before anything is checked or accepted."""

    async def after(
        self, call: Call, answer: dict[str, object], request: web.Request
    ) -> web.StreamResponse | None:
        """After the exchange has done what it does, before the reply leaves."""


class OpenGate:
    """No faults."""

    async def before(self, call: Call, request: web.Request) -> web.StreamResponse | None:
        """Let it in."""
        del call, request
        return None

    async def after(
        self, call: Call, answer: dict[str, object], request: web.Request
    ) -> web.StreamResponse | None:
        """Let it out."""
        del call, answer, request
        return None


class PrivateFace:
    """Answers private calls from the exchange. ``gate`` and ``reads`` are open to faults."""

    def __init__(self, exchange: Exchange, clock: WallClock) -> None:
        self.exchange = exchange
        self.gate: Gate = OpenGate()
        self.counters = Counters(exchange.tier.rest_max, exchange.tier.rest_per_s)
        self._clock = clock
        names = Names(exchange.market)
        self.orders = OrderCalls(exchange, names)
        self.reads = ReadCalls(exchange, names)
        self._calls: dict[str, Callable[[ApiKey, Mapping[str, str], int], object]] = {
            **self.orders.calls(),
            **self.reads.calls(),
        }

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """The whole way of one HTTP request."""
        body = await request.read()
        name = request.match_info["name"]
        call = self.receive(name, request.headers, body, self._clock.wall_ns())
        early = await self.gate.before(call, request)
        if early is not None:
            return early
        answer = self.answer(call, self._clock.wall_ns())
        late = await self.gate.after(call, answer, request)
        if late is not None:
            return late
        return web.Response(text=compact(answer), content_type="application/json")

    def receive(self, name: str, headers: Mapping[str, str], body: bytes, now_ns: int) -> Call:
        """Parse a request and, when it places or cancels, log it before any check."""
        key = headers.get("API-Key", "")
        kind = headers.get("Content-Type", "")
        call = Call(name, key, headers.get("API-Sign", ""), body, parse(body, kind), now_ns)
        if call.is_order:
            said = call.fields.get
            told = {
                "method": name,
                "order_id": said("txid", ""),
                "cl_ord_id": said("cl_ord_id", ""),
                "pair": said("pair", ""),
                "side": said("type", ""),
                "qty": said("volume", ""),
                "price": said("price", ""),
                "tif": said("timeinforce", ""),
                "deadline": said("deadline", ""),
                "validate": said("validate", ""),
            }
            self.exchange.received(self._account_name(key), "rest", told, now_ns)
        return call

    def answer(self, call: Call, now_ns: int) -> dict[str, object]:
        """The JSON answer: an error in the venue's words, or a result."""
        try:
            key = self._admit(call, now_ns)
            return {"error": [], "result": self._calls[call.name](key, call.fields, now_ns)}
        except Refused as refused:
            if call.is_order:
                client_id = call.fields.get("cl_ord_id", "")
                name = self._account_name(call.key)
                self.exchange.turn_down(name, client_id, refused, now_ns)
            else:
                self.exchange.refusals[refused.words] += 1
            return {"error": [refused.words]}

    def _admit(self, call: Call, now_ns: int) -> ApiKey:
        """The key of a call that may go on; raises ``Refused``."""
        if call.name not in self._calls:
            raise Refused(UNKNOWN_METHOD)
        key = self.exchange.keys.get(call.key)
        if key is None or key.revoked:
            raise Refused(INVALID_KEY)
        nonce = call.fields.get("nonce", "")
        if not key.signed(f"/0/private/{call.name}", nonce, call.body, call.signature):
            raise Refused(INVALID_SIGNATURE)
        if not re.fullmatch(r"[0-9]{1,20}", nonce) or int(nonce) >= 1 << 64:
            raise Refused(INVALID_NONCE)
        if not self.exchange.use_nonce(key, int(nonce), now_ns):
            raise Refused(INVALID_NONCE)
        wanted = PERMISSIONS[call.name]
        if wanted and not any(key.may(permission) for permission in wanted):
            raise Refused(DENIED)
        if not self.counters.take(key.key, REST_COSTS.get(call.name, 1), now_ns):
            raise Refused(REST_RATE)
        return key

    def _account_name(self, key: str) -> str:
        known = self.exchange.keys.get(key)
        return "" if known is None else known.account


def parse(body: bytes, content_type: str) -> dict[str, str]:
    """A form or a JSON object as text by name; empty when it is neither."""
    try:
        text = body.decode()
        if "json" in content_type.lower():
            return _flat(json.loads(text, parse_float=str, parse_int=str))
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except (ValueError, RecursionError):
        return {}


def _flat(value: object) -> dict[str, str]:
    """A JSON object's values as a form would carry them."""
    if not isinstance(value, dict):
        return {}
    return {str(name): _text(one) for name, one in list(value.items())[:MAX_FIELDS]}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(_text(one) for one in value)
    return "" if value is None else str(value)
