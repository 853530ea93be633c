"""Private REST calls that place and cancel, and the tokens and facts of a key.

Shapes from Kraken's API reference (Add Order, Cancel Order, Cancel All, Cancel All Orders After,
Get WebSockets Token, Get API Key Info). Limit orders only, GTC or IOC.

``GetApiKeyInfo``: the reference gives the field names in camel case and the permission words used
in ``keys.py``; times are texts of Unix seconds, "0" for none, and the nonce a text. What an
unrestricted key shows as ``iban`` is made up.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from arbit.sandbox import rules
from arbit.sandbox.accounts import Account
from arbit.sandbox.exchange import Exchange
from arbit.sandbox.keys import TOKEN_LIFE_S, ApiKey
from arbit.sandbox.kraken.names import Names
from arbit.sandbox.orders import OrderRequest, Refused
from arbit.sandbox.wallclock import rfc3339

NS: Final = 1_000_000_000
CREATED_S: Final = 1_700_000_000  # when the made-up keys were made
PLAIN_NUMBER: Final = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
WHOLE: Final = re.compile(r"-?[0-9]{1,10}")
INT32: Final = 1 << 31
TRUE: Final = ("true", "1")
STAMP: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)

Fields = Mapping[str, str]
Handler = Callable[[ApiKey, Fields, int], object]


def parse_stamp(text: str) -> int | None:
    """Wall nanoseconds of an RFC 3339 time with up to nanoseconds; None when it is not one."""
    found = STAMP.fullmatch(text)
    if found is None:
        return None
    zone = "+00:00" if found[3] == "Z" else found[3]
    try:
        moment = datetime.fromisoformat(found[1] + zone)
    except ValueError:
        return None
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution * 1_000_000)
    return seconds * NS + int((found[2] or "0").ljust(9, "0"))


class OrderCalls:
    """The calls that change something."""

    def __init__(self, exchange: Exchange, names: Names) -> None:
        self._exchange = exchange
        self._names = names

    def calls(self) -> dict[str, Handler]:
        """The handlers by the venue's names."""
        return {
            "AddOrder": self._add,
            "CancelOrder": self._cancel,
            "CancelAll": self._cancel_all,
            "CancelAllOrdersAfter": self._cancel_all_after,
            "GetWebSocketsToken": self._token,
            "GetApiKeyInfo": self._key_info,
        }

    def pair_of(self, fields: Fields) -> str | None:
        """The v2 symbol of the pair that a call names, if it names one."""
        pair = self._names.pair(fields.get("pair", ""))
        return None if pair is None else pair.symbol

    def _account(self, key: ApiKey) -> Account:
        return self._exchange.books.account(key.account)

    def _add(self, key: ApiKey, fields: Fields, now_ns: int) -> object:
        request = self._request(fields, now_ns)
        order = self._exchange.add_order(self._account(key), request, now_ns)
        listed = self._exchange.market.pairs[order.symbol].instrument
        price = listed.price_text(int(order.price.scaleb(listed.price_precision)))
        qty = listed.qty_text(int(order.qty.scaleb(listed.qty_precision)))
        text = f"{order.side} {qty} {listed.altname} @ limit {price}"
        reply: dict[str, object] = {"descr": {"order": text}}
        if order.order_id:
            reply["txid"] = [order.order_id]
        return reply

    def _request(self, fields: Fields, now_ns: int) -> OrderRequest:
        """What is asked for; raises ``Refused`` for words and numbers that are none."""
        pair = self._names.pair(fields.get("pair", ""))
        if pair is None:
            raise Refused(rules.UNKNOWN_PAIR)
        if fields.get("ordertype") != "limit":
            raise rules.invalid("ordertype")
        deadline_ns = parse_stamp(fields["deadline"]) if fields.get("deadline") else None
        if fields.get("deadline") and deadline_ns is None:
            raise rules.invalid("deadline")
        rules.check_deadline_bounds(deadline_ns, now_ns, rules.REST_DEADLINE_LEAST_NS)
        return OrderRequest(
            symbol=pair.symbol,
            side=fields.get("type", ""),
            qty=_number(fields, "volume"),
            price=_number(fields, "price"),
            tif=fields.get("timeinforce", "gtc").lower(),
            client_id=fields.get("cl_ord_id", ""),
            userref=_userref(fields),
            fee_in=_fee_side(fields.get("oflags", "")),
            deadline_ns=deadline_ns,
            validate=fields.get("validate", "").lower() in TRUE,
            stp=fields.get("stptype", "cancel-newest").replace("-", "_"),
        )

    def _cancel(self, key: ApiKey, fields: Fields, now_ns: int) -> object:
        order_id, client_id = fields.get("txid") or None, fields.get("cl_ord_id") or None
        if order_id is None and client_id is None:
            raise rules.invalid("txid")
        done = self._exchange.cancel(
            self._account(key), order_id=order_id, client_id=client_id, now_ns=now_ns
        )
        return {"count": len(done)}

    def _cancel_all(self, key: ApiKey, _: Fields, now_ns: int) -> object:
        return {"count": self._exchange.cancel_all(self._account(key), now_ns)}

    def _cancel_all_after(self, key: ApiKey, fields: Fields, now_ns: int) -> object:
        text = fields.get("timeout", "")
        if not re.fullmatch(r"[0-9]{1,6}", text):
            raise rules.invalid("timeout")
        at_ns, fires_ns = self._exchange.cancel_all_after(self._account(key), int(text), now_ns)
        fires = "0" if fires_ns is None else _to_the_second(fires_ns)
        return {"currentTime": _to_the_second(at_ns), "triggerTime": fires}

    def _token(self, key: ApiKey, _: Fields, now_ns: int) -> object:
        token = self._exchange.tokens.issue(key, now_ns)
        return {"token": token.text, "expires": TOKEN_LIFE_S}

    def _key_info(self, key: ApiKey, _: Fields, now_ns: int) -> object:
        return {
            "apiKeyName": key.key,
            "apiKey": key.key,
            "nonce": str(key.last_nonce),
            "nonceWindow": 0,
            "permissions": sorted(key.rights),
            "iban": "AA00 N84G 0000 0000",
            "validUntil": "0",
            "queryFrom": "0",
            "queryTo": "0",
            "createdTime": str(CREATED_S),
            "modifiedTime": str(CREATED_S),
            "ipAllowlist": list(key.ip_allowlist),
            "lastUsed": str(now_ns // NS),
        }


def _number(fields: Fields, name: str) -> Decimal:
    """A plain positive number; an exponent or a sign is refused, as are more than 18 places."""
    text = fields.get(name, "")
    if not PLAIN_NUMBER.fullmatch(text):
        raise rules.invalid(name)
    return Decimal(text)


def _userref(fields: Fields) -> int:
    text = fields.get("userref", "") or "0"
    if not WHOLE.fullmatch(text) or not -INT32 <= int(text) < INT32:
        raise rules.invalid("userref")
    return int(text)


def _fee_side(oflags: str) -> str:
    """Which asset the flags ask the fee in; ``post`` and ``viqc`` are not played here."""
    flags = {flag.strip() for flag in oflags.split(",") if flag.strip()}
    if not flags <= {"fcib", "fciq", "nompp"} or {"fcib", "fciq"} <= flags:
        raise rules.invalid("oflags")
    if "fcib" in flags:
        return "base"
    return "quote" if "fciq" in flags else ""


def _to_the_second(wall_ns: int) -> str:
    return rfc3339(wall_ns)[:19] + "Z"
