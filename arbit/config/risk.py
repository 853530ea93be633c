"""What may be risked, and when trading stops by itself."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from arbit.config.fields import AMOUNTS, AmountByAsset, Bps, setting, within
from arbit.domain.cycle import Policy

_REFERENCE = "reference units"


class RiskSettings(BaseModel):
    """Limits of trading. What one cycle may start with, its edge and its slippage are in `scan`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: Policy = setting(
        Policy.SEQUENTIAL,
        "how legs are sent: each from what the one before delivered, or all from inventory",
        why="sequential needs funds of the start asset alone and never bets on three books at "
        "once; parallel needs orders over WebSocket, for over REST a key's leave in turn",
    )
    max_exposure: Annotated[Decimal, within(1, 100_000_000)] = setting(
        Decimal(3000),
        "how far trading may move any one asset from what you put in",
        unit=_REFERENCE,
        why="three cycles of the default size; what is on its way counts at its worst",
    )
    asset_caps: AmountByAsset = setting(
        {},
        "the same for single assets, in their own units; the smaller of both counts",
        unit="units of each asset",
        why="empty: max_exposure alone decides",
        expect=AMOUNTS,
    )
    max_total_cycles: Annotated[int, within(1, 1000)] | None = setting(
        None,
        "cycles under way at once over all venues of one command; beside each venue's own limit",
        unit="cycles",
        why="unset: as many as one venue may have, so that naming another venue does not double "
        "what is under way; lanes that want the last place take turns",
    )
    max_total_notional: Annotated[Decimal, within(1, 100_000_000)] | None = setting(
        None,
        "what cycles under way over all venues of one command may have started with, together",
        unit=_REFERENCE,
        why="unset: so many cycles, each of the most that one may start with",
    )
    max_daily_loss: Annotated[Decimal, within(0, 10_000_000)] = setting(
        Decimal(25),
        "loss of one UTC day after which no new cycle starts; restarts do not forget it",
        unit=_REFERENCE,
        why="a quarter of a percent of the default paper account: a bad day, not a bad year",
    )
    cooldown_ms: Annotated[int, within(0, 3_600_000)] = setting(
        1000,
        "pause of a triangle after a cycle of it ended, and ten times that after one went wrong",
        unit="ms",
        why="the book that paid once is the one most likely to be gone",
    )
    collar_bps: Bps = setting(
        Decimal(200),
        "how far a limit price may be from the price that the other two books imply",
        unit="bps",
        why="real gaps are tens of bps; two percent is a broken book or a fat finger",
    )
    unwind_budget_bps: Bps = setting(
        Decimal(100),
        "most that bringing a broken cycle home may lose of what it started with",
        unit="bps",
        why="three times a retail fee leaves room to go home; beyond that a person decides",
    )
    allow_rest_books: bool = setting(
        False,
        "trade on books that were polled over REST",
        why="a polled book is a look at the past",
    )
    allow_unproved_books: bool = setting(
        False,
        "trade on a feed that cannot prove its books by checksum or sequence",
        why="the field's bots lose money on books that were wrong",
    )
    deadline_ms: Annotated[int, within(500, 60_000)] = setting(
        2000,
        "the venue must not accept an order later than this after it was sent",
        unit="ms",
        why="what makes a lost reply resolvable; Kraken takes 500 ms to 60 s (REST: from 2 s)",
    )
    resolve_margin_ms: Annotated[int, within(100, 60_000)] = setting(
        6000,
        "how long after its deadline an order that is not found may still turn up",
        unit="ms",
        why="a venue's own reads lag behind its engine by up to five seconds; one too short takes "
        "an order that filled for one that never was",
    )
    max_resolve_s: Annotated[int, within(5, 86_400)] = setting(
        120,
        "an order still UNKNOWN after this halts trading and waits for an operator",
        unit="s",
        why="minutes without an answer are no accident",
        expect="a whole number to 86400 s, more than deadline_ms and resolve_margin_ms together",
    )
    grace_s: Annotated[int, within(0, 600)] = setting(
        30,
        "how long open cycles may take to finish or unwind when asked to stop",
        unit="s",
        why="a lost leg and a lost order home: for each a deadline, the margin and the questions; "
        "a supervisor should wait longer than this",
    )
    order_rate_per_s: Annotated[float, within(0.01, 100)] = setting(
        5.0,
        "orders sent to one venue, on average; bursts up to ten seconds of it",
        unit="orders/s",
        why="a runaway loop is stopped by us before the venue has to",
    )
    breaker_failures: Annotated[int, within(1, 1000)] = setting(
        5,
        "rejects, timeouts and failures within the window that pause a venue",
        unit="failures",
        why="one is weather, five in a minute are a climate",
    )
    breaker_window_s: Annotated[int, within(1, 86_400)] = setting(
        60, "window in which failures are counted", unit="s", why="see breaker_failures"
    )
    breaker_pause_s: Annotated[int, within(1, 86_400)] = setting(
        120,
        "how long a venue rests before one probe may bring it back",
        unit="s",
        why="doubled with each trip in a row, up to an hour",
    )
    max_crashes: Annotated[int, within(1, 1000)] = setting(
        5,
        "starts without a clean end in ten minutes after which trading stays halted",
        unit="starts",
        why="a crash loop must not trade in between",
    )
    halt_on_foreign_orders: bool = setting(
        True,
        "halt when somebody else trades on this account",
        why="two hands on one account make every balance a guess",
    )
    kill_switch: bool = setting(
        False, "start with the kill switch on: nothing is sent", why="read once, at the start"
    )
    kill_switch_file: Path | None = setting(
        None,
        "a file that stops every order while it exists; beside it `arbit kill` keeps its own",
        why="unset: only the one in the data folder",
        expect="a path",
    )

    @field_validator("max_resolve_s")
    @classmethod
    def _outlasts_a_resolution(cls, seconds: int, info: ValidationInfo) -> int:
        told = (info.data.get("deadline_ms", 0), info.data.get("resolve_margin_ms", 0))
        if seconds * 1_000 <= sum(told):
            raise ValueError("max_resolve_s")
        return seconds
