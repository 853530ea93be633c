"""Every way in which a reply can be lost, bent or refused, and where in a cycle it can happen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from arbit.sandbox.order_kinds import ODD_SHAPES

# Kraken's error words (the table of the venue paper, part 3.8), with what each proves: True when
# an order refused with it was certainly not accepted.
WORDS: dict[str, bool] = {
    "EOrder:Insufficient funds": True,
    "EOrder:Insufficient margin": True,
    "EOrder:Order minimum not met": True,
    "EOrder:Cost minimum not met": True,
    "EOrder:Tick size check failed": True,
    "EOrder:Invalid price": True,
    "EOrder:Invalid price:Invalid price argument": True,
    "EOrder:Invalid order": True,
    "EOrder:Unknown order": False,
    "EOrder:Orders limit exceeded": True,
    "EOrder:Rate limit exceeded": True,
    "EOrder:Domain rate limit exceeded": True,
    "EOrder:Positions limit exceeded": True,
    "EOrder:Scheduled orders limit exceeded": True,
    "EOrder:Trading agreement required": True,
    "EOrder:Post only order": True,
    "EOrder:Cannot open position": True,
    "EGeneral:Invalid arguments": True,
    "EGeneral:Invalid arguments:volume": True,
    "EGeneral:Invalid arguments:volume minimum not met": True,
    "EGeneral:Invalid arguments:price": True,
    "EGeneral:Invalid arguments:ordertype": True,
    "EGeneral:Invalid arguments:cl_ord_id": True,
    "EGeneral:Temporary lockout": True,
    "EGeneral:Permission denied": True,
    "EGeneral:Internal error": False,
    "EGeneral:Internal error:123": False,
    "EGeneral:Unknown method": False,
    "EGeneral:Too many requests": True,
    "EService:Unavailable": False,
    "EService:Busy": False,
    "EService:Timeout": False,
    "EService:Deadline elapsed": True,
    "EService:Market in cancel_only mode": True,
    "EService:Market in post_only mode": True,
    "EService:Market in limit_only mode": True,
    "EService: Throttled: 1700000000": True,
    "EService:Throttled": True,
    "EAPI:Invalid key": True,
    "EAPI:Invalid signature": True,
    "EAPI:Invalid nonce": True,
    "EAPI:Rate limit exceeded": True,
    "EAPI:Feature disabled": False,
    "EAPI:Invalid token": False,
    "EAPI:Bad request": False,
    "EQuery:Unknown asset pair": True,
    "EQuery:Unknown asset": False,
    "EQuery:Invalid asset pair": False,
    "EAuth:Rate limit exceeded": False,
    "EAuth:Too many requests": False,
    "EAuth:Account temporary disabled": False,
    "EAuth:Account unconfirmed": False,
    "EAccount:Invalid permissions": True,
    "ETrade:Invalid request": False,
    "ETrade:User Locked": True,
    "ESession:Invalid session": False,
    "EDatabase:Internal error": False,
    "EBM:limit exceeded:CAL": True,
    "WDatabase:No change": False,
    "ESomething:Nobody has documented": False,
}
PHASES = ("leg_1", "leg_2", "leg_3", "unwind", "recovery")
LONGEST_LAG_MS = 5_000
STATUSES = (400, 403, 404, 408, 422, 429, 500, 502, 503, 504, 520, 522, 524)


@dataclass(frozen=True, slots=True)
class Case:
    """One fault at one place, over one transport.

    With `lag_ms` the venue's reads lag so far behind its engine, the account's stream tells nothing
    of what happens, and the margin for that is the one of a user who sets nothing.
    """

    transport: str
    phase: str
    fault: str
    params: dict[str, Any] = field(default_factory=dict)
    lag_ms: int = 0

    def __str__(self) -> str:
        told = ",".join(f"{name}={value}" for name, value in self.params.items())
        lag = f"-lag={self.lag_ms}" if self.lag_ms else ""
        return f"{self.transport}-{self.phase}-{self.fault}-{told}{lag}"


def shapes(transport: str) -> list[tuple[str, dict[str, Any]]]:
    """Every bent or lost reply of this transport."""
    both: list[tuple[str, dict[str, Any]]] = [
        *(("order_silent", {"when": when}) for when in ("before", "after")),
        *(("order_reset", {"when": when}) for when in ("before", "after")),
        ("order_truncated", {}),
        *(("order_odd", {"shape": shape}) for shape in ODD_SHAPES),
        ("order_late", {"delay_ms": 300, "reply": True}),
        ("order_late", {"delay_ms": 300, "reply": False}),
        ("order_late", {"delay_ms": 4_000, "reply": False}),
        ("order_error", {"error": "EService:Timeout", "accepted": True}),
        ("order_error", {"error": "EGeneral:Internal error", "accepted": True}),
    ]
    if transport == "rest":
        both += [("order_html", {"when": when}) for when in ("before", "after")]
        both += [
            ("order_status", {"status": status, "when": when})
            for status in STATUSES
            for when in ("before", "after")
        ]
    return both


def words() -> list[tuple[str, dict[str, Any]]]:
    """Every error text, of orders that were not accepted."""
    return [("order_error", {"error": word, "accepted": False}) for word in WORDS]


def lagging(transports: tuple[str, ...] = ("ws", "rest")) -> list[Case]:
    """Accepted and filled, its reply lost, and for five seconds no question finds it."""
    return [
        Case(transport, phase, "order_reset", {"when": "after"}, LONGEST_LAG_MS)
        for transport in transports
        for phase in PHASES
    ]


def all_cases(transports: tuple[str, ...] = ("ws", "rest")) -> list[Case]:
    """Everything, everywhere."""
    return [
        Case(transport, phase, fault, params)
        for transport in transports
        for phase in PHASES
        for fault, params in (*shapes(transport), *words())
    ] + lagging(transports)
