"""Account activities: fills as they are recorded, fees as they are posted, cash in and out.

A fill's id is ``<stamp>::<execution id>``, the execution id being the one that the stream of trade
updates gave. A fee has a day and no moment: ``CFEE`` for a coin (``symbol``, negative ``qty``),
``FEE`` for USD (negative ``net_amount``). ``after`` and ``until`` go by when an activity was
entered, ``date`` by its day. Newest first unless ``direction=asc``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from arbit.sandbox.accounts import Account
from arbit.sandbox.alpaca.answers import unprocessable
from arbit.sandbox.alpaca.assets import asset_id
from arbit.sandbox.alpaca.books import FeePosted
from arbit.sandbox.alpaca.house import House
from arbit.sandbox.alpaca.listing import CASH
from arbit.sandbox.alpaca.stamps import moment_of
from arbit.sandbox.alpaca.views import usd_price
from arbit.sandbox.alpaca.words import Body, activity_stamp, day_of, stamp, text_of
from arbit.sandbox.orders import ZERO, LedgerEntry, Trade

PAGE_MOST: Final = 100
KINDS: Final = ("FILL", "CFEE", "FEE", "CSD", "CSW")
CATEGORIES: Final[dict[str, tuple[str, ...]]] = {
    "": KINDS,
    "trade_activity": ("FILL",),
    "non_trade_activity": ("CFEE", "FEE", "CSD", "CSW"),
}


@dataclass(frozen=True, slots=True)
class Activity:
    """One activity before it is text; ``at_ns`` is when it was entered."""

    kind: str
    id: str
    at_ns: int
    body: Body


Entered = Trade | FeePosted | LedgerEntry


@dataclass(frozen=True, slots=True)
class Asked:
    """The times asked for; ``day`` is "" for any."""

    after_ns: int
    until_ns: int
    day: str

    def is_after(self, one: Entered) -> bool:
        """Whether it was entered after the time asked for."""
        return one.at_ns > self.after_ns

    def covers(self, one: Entered) -> bool:
        """Whether it is of the times asked for."""
        day = one.date if isinstance(one, FeePosted) else day_of(one.at_ns) if self.day else ""
        return self.after_ns < one.at_ns <= self.until_ns and (not self.day or self.day == day)


class Activities:
    """The list of one account's activities. ``visible`` is where a fault makes reads lag."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.visible: Callable[[object, int], bool] = lambda _, __: True

    def page(
        self, account: Account, kinds: str, query: Mapping[str, str], now_ns: int
    ) -> list[Body]:
        """What ``GET /v2/account/activities[/KINDS]`` shows; raises ``Denied``."""
        wanted = [one for one in kinds.upper().split(",") if one]
        for kind in wanted:
            if kind not in KINDS:
                raise unprocessable(f"invalid activity type {kind}")
        category = query.get("category", "")
        if category not in CATEGORIES or (category and wanted):
            raise unprocessable("invalid category")
        size = query.get("page_size", str(PAGE_MOST))
        if not size.isdecimal() or not 1 <= int(size) <= PAGE_MOST:
            raise unprocessable(f"page_size must be between 1 and {PAGE_MOST}")
        found = self._found(account, wanted or list(CATEGORIES[category]), query, now_ns)
        token = query.get("page_token", "")
        if token:
            places = [place for place, one in enumerate(found) if one.id == token]
            if not places:
                raise unprocessable("invalid page_token")
            found = found[places[0] + 1 :]
        return [one.body for one in found[: int(size)]]

    def _found(
        self, account: Account, wanted: list[str], query: Mapping[str, str], now_ns: int
    ) -> list[Activity]:
        asked = Asked(
            -1 if (after := moment_of(query, "after")) is None else after,
            now_ns if (until := moment_of(query, "until")) is None else until,
            query.get("date", "")[:10],
        )
        direction = query.get("direction", "desc")
        if direction not in ("asc", "desc"):
            raise unprocessable(f"invalid direction {direction}")
        found = self._all(account, wanted, asked, now_ns)
        found.sort(key=lambda one: one.at_ns)
        return found if direction == "asc" else found[::-1]

    def _all(
        self, account: Account, wanted: list[str], asked: Asked, now_ns: int
    ) -> list[Activity]:
        """Oldest first. What is out of the time asked for is not made into text first."""
        found: list[Activity] = []
        if "FILL" in wanted:
            trades = takewhile(asked.is_after, account.trades.newest_first())
            shown = [one for one in trades if asked.covers(one) and self.visible(one, now_ns)]
            found += [_fill(account, trade) for trade in reversed(shown)]
        if "CFEE" in wanted or "FEE" in wanted:
            posted = self._house.house_books.desk(account.name).posted
            recent = takewhile(asked.is_after, posted.newest_first())
            fees = [one for one in recent if asked.covers(one) and self.visible(one, now_ns)]
            found += [self._fee(fee) for fee in reversed(fees) if kind_of(fee) in wanted]
        if "CSD" in wanted or "CSW" in wanted:
            flows = [one for one in account.ledgers if one.type != "trade" and asked.covers(one)]
            found += [one for one in map(_flow, flows) if one.kind in wanted]
        return found

    def _fee(self, fee: FeePosted) -> Activity:
        kind = kind_of(fee)
        body: Body = {"id": fee.activity_id, "activity_type": kind, "date": fee.date}
        if kind == "FEE":
            body |= {"net_amount": text_of(-fee.amount), "description": "Crypto transaction fee"}
        else:
            body |= {
                "net_amount": "0",
                "description": "Coin Pair Transaction Fee (Non USD)",
                "symbol": fee.asset + CASH,
                "qty": text_of(-fee.amount),
                "price": text_of(usd_price(self._house.market, fee.asset)),
            }
        return Activity(kind, fee.activity_id, fee.at_ns, body | {"status": "executed"})


def kind_of(fee: FeePosted) -> str:
    """The type of a fee's activity."""
    return "FEE" if fee.asset == CASH else "CFEE"


def _fill(account: Account, trade: Trade) -> Activity:
    order = account.order(trade.order_id)
    until_then, total = trade.qty, trade.qty
    if order is not None:
        total, until_then = order.qty, ZERO
        for one in order.trades:
            until_then += one.qty
            if one.trade_id == trade.trade_id:
                break
    left = max(total - until_then, ZERO)
    activity_id = f"{activity_stamp(trade.at_ns)}::{trade.trade_id}"
    body: Body = {
        "id": activity_id,
        "activity_type": "FILL",
        "transaction_time": stamp(trade.at_ns),
        "type": "partial_fill" if left else "fill",
        "price": text_of(trade.price),
        "qty": text_of(trade.qty),
        "side": trade.side,
        "symbol": trade.symbol,
        "leaves_qty": text_of(left),
        "order_id": trade.order_id,
        "cum_qty": text_of(until_then),
        "order_status": "partially_filled" if left else "filled",
        "swap_rate": "1",
    }
    return Activity("FILL", activity_id, trade.at_ns, body)


def _flow(entry: LedgerEntry) -> Activity:
    """Money in or out; that a coin's transfer looks like this too is made up."""
    kind = "CSD" if entry.amount > 0 else "CSW"
    activity_id = f"{activity_stamp(entry.at_ns)}::{asset_id(entry.ledger_id)}"
    day = day_of(entry.at_ns)
    body: Body = {"id": activity_id, "activity_type": kind, "date": day}
    if entry.asset == CASH:
        body |= {"net_amount": text_of(entry.amount)}
    else:
        body |= {"net_amount": "0", "symbol": entry.asset + CASH, "qty": text_of(entry.amount)}
    return Activity(kind, activity_id, entry.at_ns, body | {"status": "executed"})
