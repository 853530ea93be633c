"""An account's history: fills, and everything else that moved a balance, page by page.

Source: docs.alpaca.markets, "Account activities": at most 100 rows a page, the next page begins
after the row named by `page_token`. A fill's id is `YYYYMMDDHHMMSSmmm::<execution id>`, its second
part the id under which `trade_updates` told it. What is no trade often has a day and no time, and
any of its fields may be null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from arbit.domain.account import FEE_POSTED, Flow
from arbit.domain.errors import FrameError, VenueUnreachable
from arbit.domain.money import ZERO
from arbit.domain.triangle import Side
from arbit.venues.alpaca.http import Http
from arbit.venues.alpaca.names import Listed, Names
from arbit.venues.alpaca.parse_orders import Execution
from arbit.venues.alpaca.stamps import day_ns, rfc3339, stamp_ns
from arbit.venues.answers import amount_of, object_of, positive, side_of, text_of

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS
PAGE = 100
MAX_PAGES = 100
FILL = "FILL"
# Fees of crypto trades, posted at the end of the day (docs.alpaca.markets, "Crypto fees").
FEES = frozenset({"CFEE", "FEE"})
NOT_DONE = frozenset({"canceled", "pending", "queued", "rejected"})  # moved nothing
USD = "USD"
_STAMP = re.compile(r"(\d{8})(\d{9})", re.ASCII)
LOOK_BACK_NS = SECOND_NS  # whether `after` leaves out its own moment is not told
# A row that names only its day may have happened at any moment of it, in whichever zone it is.
DAY_NS = 36 * HOUR_NS


@dataclass(frozen=True, slots=True)
class FillRow:
    """A fill as the history lists it: of which order, on which market, and the execution."""

    order_id: str
    symbol: str
    side: Side
    fill: Execution


class Activities:
    """Asks for the history of one account. VenueError when it cannot be had whole."""

    def __init__(self, http: Http, listed: Listed) -> None:
        self._http = http
        self._listed = listed

    async def fills(
        self, since_ns: int, *, order_id: str = "", reserved: bool = False
    ) -> Sequence[FillRow]:
        """Every fill from this venue wall time on, oldest first.

        With `order_id` those of that order, whatever the account's owner traded beside it.
        """
        names = await self._listed.learn()
        asked = {"after": rfc3339(since_ns - LOOK_BACK_NS)}
        rows = await self._pages(f"/v2/account/activities/{FILL}", asked, reserved=reserved)
        wanted = [row for row in rows.values() if order_id == row.get("order_id") or not order_id]
        found = [fill_of(row, names) for row in wanted]
        return [one for one in found if one.fill.at_ns >= since_ns]

    async def flows(self, since_ns: int) -> Sequence[Flow]:
        """Everything but fills from this venue wall time on, oldest first.

        What names only its day is among them whatever day that is: it may have been entered since.
        """
        names = await self._listed.learn()
        asked = {
            "after": rfc3339(since_ns - DAY_NS - LOOK_BACK_NS),
            "category": "non_trade_activity",
        }
        rows = await self._pages("/v2/account/activities", asked)
        found: list[Flow] = []
        for ref, row in rows.items():
            done = str(row.get("status")) not in NOT_DONE
            if done and row.get("activity_type") != FILL:
                at_ns, exact = when(row)
                if at_ns >= since_ns or not exact:
                    found += flows_of(ref, row, at_ns, names)
        return sorted(found, key=lambda one: (one.at_ns, one.ref))

    async def _pages(
        self, path: str, asked: Mapping[str, str], *, reserved: bool = False
    ) -> dict[str, Mapping[str, Any]]:
        """Every row, oldest first, by its id; or an error."""
        rows: dict[str, Mapping[str, Any]] = {}
        page = {**asked, "direction": "asc", "page_size": str(PAGE)}
        for _ in range(MAX_PAGES):
            body, _answer = await self._http.question(path, page, reserved=reserved)
            if not isinstance(body, list):
                raise FrameError("activities: the answer is no list")
            fresh = {text_of(object_of(one, "an activity"), "id"): one for one in body}
            if len(body) >= PAGE and not fresh.keys() - rows.keys():
                raise FrameError("activities: the same page twice")
            rows |= fresh
            if len(body) < PAGE:
                return rows
            page["page_token"] = next(reversed(fresh))
        raise VenueUnreachable(f"activities: more than {MAX_PAGES * PAGE} rows")


def fill_of(row: Any, names: Names) -> FillRow:
    """A row of FILL. FrameError when it cannot be believed, or is of no crypto market."""
    told = object_of(row, "a fill")
    exec_id = text_of(told, "id").partition("::")[2]
    if not exec_id:
        raise FrameError(f"a fill's id is {told['id']!r:.60}")
    return FillRow(
        order_id=text_of(told, "order_id"),
        symbol=names.symbol(told.get("symbol")),
        side=side_of(told.get("side")),
        fill=Execution(
            exec_id=exec_id,
            qty=positive(told, "qty"),
            price=positive(told, "price"),
            at_ns=stamp_ns(told.get("transaction_time")),
        ),
    )


def flows_of(ref: str, row: Mapping[str, Any], at_ns: int, names: Names) -> list[Flow]:
    """What one row moved: cash (`net_amount`), an asset (`qty` of `symbol`), both, or nothing.

    Its `symbol` names a position (`ETHUSD` is all the ETH there is), not the market of a trade: a
    posted fee does not tell which that was.
    """
    kind = text_of(row, "activity_type")
    cash, qty = _amount(row, "net_amount"), _amount(row, "qty")
    symbol = row.get("symbol")
    named = symbol if isinstance(symbol, str) else ""
    kind = FEE_POSTED if kind in FEES else kind
    moved = []
    if cash:
        moved.append((ref, USD, cash))
    if qty and named:
        moved.append((f"{ref}:qty" if cash else ref, names.asset(named), qty))
    return [Flow(one, asset, amount, kind, at_ns) for one, asset, amount in moved]


def when(row: Mapping[str, Any]) -> tuple[int, bool]:
    """A row's venue wall time, and whether it is more than the day's begin.

    The stamp that an id begins with is read as UTC. Of a recorded fill it was New York's, hours
    earlier: what comes in within the first hours of an account that is new to us may then be taken
    for older than it, which shows as a difference.
    """
    for name in ("transaction_time", "created_at"):
        if row.get(name):
            return stamp_ns(row[name]), True
    found = _STAMP.fullmatch(text_of(row, "id").partition("::")[0])
    if found is not None and found[2].strip("0"):
        clock = f"{found[2][:2]}:{found[2][2:4]}:{found[2][4:6]}.{found[2][6:]}Z"
        return stamp_ns(f"{_day(found[1])}T{clock}"), True
    if row.get("date"):
        return day_ns(row["date"]), False
    if found is None:
        raise FrameError(f"an activity without a time: {row['id']!r:.60}")
    return day_ns(_day(found[1])), False


def _day(digits: str) -> str:
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"


def _amount(row: Mapping[str, Any], name: str) -> Decimal:
    value = row.get(name)
    return ZERO if value is None or value == "" else amount_of(value, name)
