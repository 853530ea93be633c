"""What an order asked for on the wire, against what had been written of it: for the checker.

Like the checker it imports nothing of `arbit`. A request is compared with its row field by field on
either face of the exchange, an acceptance as the exchange understood it: there the asset that pays
the fee is told, which on the wire has another name on each face.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

MS_NS = 1_000_000
SECOND_NS = 1_000 * MS_NS
OLDER = {"BTC": "XBT", "DOGE": "XDG"}  # how REST spells an asset
KINDS = ("", "X", "Z")  # and what REST may put before it
STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")

Record = Mapping[str, Any]


def asked_otherwise(request: Record, row: Record) -> list[str]:
    """Each term of a request that is not what was written, in words."""
    if request["method"].startswith("POST "):
        return _told(request, "sent", _at_alpaca(request, row))
    meant_ns = int(row["deadline_ns"]) // MS_NS * MS_NS  # the wire has milliseconds, rounded down
    stated_ns = stamp_ns(request["deadline"])
    terms = {
        "face": (request["face"], row["transport"]),
        "pair": (request["pair"] in spellings(row["symbol"], request["face"]), True),
        "side": (request["side"], row["side"]),
        "qty": (number(request["qty"]), Decimal(row["qty"])),
        "price": (number(request["price"]), Decimal(row["limit_price"])),
        "tif": (request["tif"], "ioc" if request["face"] == "ws" else "IOC"),
        "deadline": (stated_ns, meant_ns or "one"),
    }
    return _told(request, "sent", terms)


def _at_alpaca(request: Record, row: Record) -> Mapping[str, tuple[object, object]]:
    """There an order has no deadline and one spelling, and its fee is what it receives."""
    return {
        "face": (request["face"], row["transport"]),
        "pair": (request["pair"], row["symbol"]),
        "side": (request["side"], row["side"]),
        "qty": (number(request["qty"]), Decimal(row["qty"])),
        "price": (number(request["price"]), Decimal(row["limit_price"])),
        "tif": (request["tif"], "ioc"),
    }


def taken_otherwise(accept: Record, row: Record) -> list[str]:
    """Each term of an acceptance that is not what was written, in words."""
    base = row["symbol"].partition("/")[0]
    terms = {
        "symbol": (accept["symbol"], row["symbol"]),
        "side": (accept["side"], row["side"]),
        "qty": (number(accept["qty"]), Decimal(row["qty"])),
        "price": (number(accept["price"]), Decimal(row["limit_price"])),
        "tif": (accept["tif"], "ioc"),
        "fee_in": (accept["fee_in"], "base" if row["receive"] == base else "quote"),
        "receive": (row["receive"] == base, row["side"] == "buy"),
    }
    return _told(accept, "accepted", terms)


def _told(record: Record, how: str, terms: Mapping[str, tuple[object, object]]) -> list[str]:
    return [
        f"{record['cl_ord_id']}: {how} with {name} {record.get(name)!r}, written was {wanted}"
        for name, (said, wanted) in terms.items()
        if said != wanted
    ]


def spellings(symbol: str, face: str) -> set[str]:
    """The names of a pair that a face takes for this symbol."""
    if face == "ws":
        return {symbol}
    base, quote = (OLDER.get(one, one) for one in symbol.split("/"))
    return {f"{x}{base}{z}{quote}" for x in KINDS for z in KINDS}


def number(text: str) -> Decimal | None:
    """An amount of the log; None when it is none."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def stamp_ns(text: str) -> int | None:
    """Nanoseconds since 1970 of a time of the wire; None when there is none."""
    found = STAMP.fullmatch(text)
    if found is None:
        return None
    whole = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    return int(whole.timestamp()) * SECOND_NS + int((found[2] or "0").ljust(9, "0"))
