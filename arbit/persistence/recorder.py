"""The recorder: history. It never waits for a trade, nor does a trade wait for it.

A listener puts rows into a bounded queue; one task writes them, at most 200 in a transaction. When
the sink fails the rows stay queued and are tried again, later and later; what no longer fits is
counted as lost. A short outage is bridged by the queue and told; `on_failing` hears, at each
attempt, of one that lasts: trading without a memory is reduced.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from arbit.domain import events
from arbit.domain.account import Balance
from arbit.domain.events import Event
from arbit.domain.money import ZERO
from arbit.domain.wallet import WalletLook
from arbit.persistence.sinks import HistoryFailed, Sink
from arbit.ports import Clock

BATCH = 200
MAX_QUEUED = 20_000
EVERY_S = 0.5
LONGEST_S = 30.0
LASTING_NS = 30_000_000_000
Row = tuple[str, Mapping[str, Any]]
_VENUES = {"kind": None, "contract": None, "block": None}  # what only a chain has


class Recorder:
    """One account's history. `on_failure` is told once each time the sink begins to fail."""

    def __init__(
        self,
        sink: Sink,
        account: str,
        clock: Clock,
        on_failure: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._sink = sink
        self._account = account
        self._clock = clock
        self._on_failure = on_failure
        self._queue: deque[Row] = deque()
        self._writing = asyncio.Lock()
        self._over = False
        self._why = ""
        self._since_ns = 0
        self.on_failing: Callable[[str], None] = lambda _: None
        self.written = 0
        self.lost = 0
        self.failures = 0

    @property
    def queued(self) -> int:
        """Rows that wait to be written."""
        return len(self._queue)

    @property
    def lag_s(self) -> float:
        """Age of the oldest row that waits to be written, in seconds; 0 where none waits."""
        if not self._queue:
            return 0.0
        queued_ns: int = self._queue[0][1]["at_ns"]
        return max(0.0, (self._clock.wall_ns() - queued_ns) / 1e9)

    def __call__(self, event: Event) -> None:
        """`ports.Listener`: note what belongs into history."""
        row = self._row(event)
        if row is not None:
            self._put(*row)

    def triangle(self, path: str, symbols: Iterable[str], hurdle_bps: float) -> None:
        """A triangle is watched from now on."""
        told = {"path": path, "symbols": ",".join(symbols), "hurdle_bps": hurdle_bps}
        self._put("triangles", told)

    def inventory(self, why: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """What we know to own: `asset`, `wallet`, `held`, `exposure` of each, and why now."""
        for row in rows:
            self._put("inventory_snapshots", {"why": why, **row})

    def refusals(self, code: str, times: int) -> None:
        """Our own gate has refused so often by this code since the row of before."""
        self._put(*_status("refusals", code, str(times)))

    def wallet(self, balances: Mapping[str, Balance]) -> None:
        """What the venue says of each asset."""
        for asset, balance in balances.items():
            told = {"asset": asset, "total": balance.total, "held": balance.held, **_VENUES}
            self._put("wallet_snapshots", told)

    def on_chain(self, look: WalletLook) -> None:
        """What addresses own on a chain: each is an account of its own, and a look one moment."""
        at_ns = self._clock.wall_ns()
        for one in look.balances:
            told = {
                "account": one.account,
                "at_ns": at_ns,
                "asset": one.asset,
                "total": one.amount,
                "held": ZERO,
                "kind": one.kind.value,
                "contract": one.contract,
                "block": one.block,
            }
            self._put("wallet_snapshots", told)

    async def run(self) -> None:
        """Write what is queued, until `finish`. Cancel it after that alone: see there."""
        pause_s = EVERY_S
        while not self._over:
            await self._clock.sleep(pause_s)
            well = await self._write_some()
            pause_s = EVERY_S if well else min(LONGEST_S, pause_s * 2)

    async def finish(self) -> None:
        """Write what is left, once; what fails now, or comes later, is lost.

        A batch that `run` is writing is waited for: cut off in between, nobody would know whether
        it was kept, and it would be written again.
        """
        self._over = True
        await self._write_some()
        self.lost += len(self._queue)
        self._queue.clear()
        await self._sink.close()

    async def _write_some(self) -> bool:
        """Everything queued, batch by batch, one writer at a time. False when the sink failed."""
        async with self._writing:
            while self._queue:
                batch = [self._queue[n] for n in range(min(BATCH, len(self._queue)))]
                try:
                    await self._sink.write(batch)
                except HistoryFailed as failure:
                    self._failed(str(failure))
                    return False
                for _ in batch:
                    self._queue.popleft()
                self.written += len(batch)
                self._why = ""
            return True

    def _failed(self, why: str) -> None:
        self.failures += 1
        now_ns = self._clock.monotonic_ns()
        if not self._why:
            self._since_ns = now_ns
            self._on_failure(why)
        self._why = why
        if now_ns - self._since_ns >= LASTING_NS:
            self.on_failing(why)

    def _put(self, table: str, told: Mapping[str, Any]) -> None:
        room = len(self._queue) < MAX_QUEUED and not self._over
        if not room or not all(map(_keepable, told.values())):
            self.lost += 1
            return
        clean = {name: _clean(value) for name, value in told.items()}
        row = {"account": self._account, "at_ns": self._clock.wall_ns(), **clean}
        self._queue.append((table, row))

    def _row(self, event: Event) -> Row | None:
        match event:
            case events.EpisodeEnded():
                told = {
                    "path": event.path,
                    "stage": event.stage,
                    "best_bps": event.best_bps,
                    "gross_ms": event.gross_ms,
                    "net_ms": event.net_ms,
                }
                return "opportunities", told
            case events.VenueStatusChanged():
                return _status(event.symbol, event.status)
            case events.FeedConnected():
                return _status(f"feed-{event.shard}", "connected")
            case events.FeedDisconnected():
                return _status(f"feed-{event.shard}", "disconnected", event.why)
            case events.StreamStale():
                return _status("stream", "stale", ",".join(event.symbols)[:500])
            case events.StreamBack():
                return _status("stream", "back", ",".join(event.symbols)[:500])
            case events.BreakerChanged() | events.HealthChanged():
                return _state(event)
        return None


def _keepable(value: object) -> bool:
    """Whether a database can keep it: one row that none takes would hold up all behind it."""
    if isinstance(value, Decimal):
        return value.is_finite()
    return not isinstance(value, float) or math.isfinite(value)


def _clean(value: object) -> object:
    """A venue's text without what SQLite (lone surrogates) or PostgreSQL (NUL) refuses."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return value


def _status(subject: str, status: str, detail: str = "") -> Row:
    return "venue_status", {"subject": subject, "status": status, "detail": detail}


def _state(event: events.BreakerChanged | events.HealthChanged) -> Row:
    if isinstance(event, events.HealthChanged):
        return _status("health", event.state, event.detail)
    return _status("breaker", event.state, f"{event.reason}: {event.detail}")
