"""``GET /v2/orders``: which orders are listed, in which order."""

from collections.abc import Callable, Mapping
from typing import Final

from arbit.sandbox.accounts import Account
from arbit.sandbox.alpaca.answers import unprocessable
from arbit.sandbox.alpaca.stamps import moment_of
from arbit.sandbox.orders import VenueOrder

LIMIT_DEFAULT: Final = "50"
LIMIT_MOST: Final = 500
STATUSES: Final = ("open", "closed", "all")


def listed_orders(
    account: Account, query: Mapping[str, str], visible: Callable[[VenueOrder], bool]
) -> list[VenueOrder]:
    """Newest submission first unless ``direction=asc``; raises ``Denied``.

    ``after`` and ``until`` are exclusive and go by the time of submission. ``nested`` changes
    nothing: orders of crypto have no legs.
    """
    status = query.get("status", "open")
    if status not in STATUSES:
        raise unprocessable(f"invalid status {status}")
    limit = query.get("limit", LIMIT_DEFAULT)
    if not limit.isdecimal() or not 1 <= int(limit) <= LIMIT_MOST:
        raise unprocessable(f"limit must be between 1 and {LIMIT_MOST}")
    direction = query.get("direction", "desc")
    if direction not in ("asc", "desc"):
        raise unprocessable(f"invalid direction {direction}")
    after, until = moment_of(query, "after"), moment_of(query, "until")
    symbols = {one.replace("/", "") for one in query.get("symbols", "").split(",") if one}
    found = [
        order
        for order in _of_status(account, status)
        if visible(order)
        and (after is None or order.opened_ns > after)
        and (until is None or order.opened_ns < until)
        and (not symbols or order.symbol.replace("/", "") in symbols)
        and query.get("side", order.side) == order.side
    ]
    found.sort(key=lambda order: order.opened_ns, reverse=direction == "desc")
    return found[: int(limit)]


def _of_status(account: Account, status: str) -> list[VenueOrder]:
    standing, ended = list(account.open_orders.values()), list(account.closed)
    if status == "open":
        return standing
    return ended if status == "closed" else ended + standing
