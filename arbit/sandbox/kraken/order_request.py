"""What a private WebSocket request asks for, checked field by field."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from arbit.sandbox import rules
from arbit.sandbox.kraken.private_orders import parse_stamp
from arbit.sandbox.orders import OrderRequest

MS: Final = 1_000_000
WS_LEAST_NS: Final = 500 * MS
WS_DEFAULT_NS: Final = 5_000 * MS


def order_request(params: Mapping[str, Any], now_ns: int) -> OrderRequest:
    """What add_order asks for; raises ``Refused`` for words and numbers that are none."""
    if params.get("order_type") != "limit":
        raise rules.invalid("ordertype")
    deadline = params.get("deadline")
    deadline_ns = now_ns + WS_DEFAULT_NS
    if deadline is not None:
        stamp = parse_stamp(deadline) if isinstance(deadline, str) else None
        if stamp is None:
            raise rules.invalid("deadline")
        deadline_ns = stamp
        rules.check_deadline_bounds(deadline_ns, now_ns, WS_LEAST_NS)
    preference = params.get("fee_preference", "")
    if preference not in ("", "base", "quote"):
        raise rules.invalid("fee_preference")
    return OrderRequest(
        symbol=str(params.get("symbol", "")),
        side=str(params.get("side", "")),
        qty=_amount(params.get("order_qty"), "volume"),
        price=_amount(params.get("limit_price"), "price"),
        tif=str(params.get("time_in_force", "gtc")).lower(),
        client_id=str(params.get("cl_ord_id", "")),
        userref=whole(params.get("order_userref")) or 0,
        fee_in=preference,
        deadline_ns=deadline_ns,
        validate=params.get("validate") is True,
        stp=str(params.get("stp_type", "cancel_newest")),
    )


def _amount(value: object, name: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        raise rules.invalid(name)
    return Decimal(value)


def whole(value: object) -> int | None:
    """A whole number; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
