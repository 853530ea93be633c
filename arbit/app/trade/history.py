"""History for a run: a recorder on the hub, and snapshots of what is owned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from arbit.app.store import HISTORY
from arbit.app.trade.trader import Trader
from arbit.app.watch.watchlist import Watchlist
from arbit.config import Settings
from arbit.domain.account import Balance
from arbit.domain.events import ConversionEnded, CycleEnded, Event, IncidentSeen, OrderEnded
from arbit.domain.order import OrderState
from arbit.execution.fee_watch import FEES_KIND
from arbit.persistence.locks import lock_of
from arbit.persistence.recorder import Recorder
from arbit.persistence.sinks import open_sink
from arbit.ports import Clock
from arbit.telemetry.hub import Hub

LOOK_S = 0.1


@asynccontextmanager
async def recording(
    settings: Settings, venue: str, account: str, hub: Hub, clock: Clock
) -> AsyncIterator[Recorder]:
    """Keep the history of one venue's account while open: its events alone.

    UserError when it cannot be kept at all.
    """
    url = settings.history_url.get_secret_value() if settings.history_url else None
    sink = await open_sink(url, settings.data_dir / HISTORY, lock_of(settings.data_dir, account))

    def failed(why: str) -> None:
        hub.publish(IncidentSeen(venue, "history", why))

    recorder = Recorder(sink, account, clock, failed)

    def hear(event: Event) -> None:
        if event.venue == venue:
            recorder(event)

    hub.listen(hear)
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(recorder.run(), name="recorder")
        try:
            yield recorder
        finally:
            await hub.heard(clock)
            await recorder.finish()  # while `run` is there: what it is writing comes to its end
            writing.cancel()
            if recorder.lost:
                said = f"{recorder.lost} rows of history were not kept"
                hub.publish(IncidentSeen(venue, "history", said))
            await hub.heard(clock)


def watch(recorder: Recorder, watchlist: Watchlist) -> None:
    """The triangles that are watched, and what each must exceed."""
    for listed in watchlist.listed:
        if listed.hurdle_bps is not None:
            triangle = listed.triangle
            recorder.triangle(triangle.path, triangle.symbols, listed.hurdle_bps)


class Snapshots:
    """Inventory snapshots: on their cadence, and after whatever has changed what is owned.

    After each cycle, conversion and partial fill and, at the next look at the account, after money
    that came or went by itself. And hurdles once more when fees are others. On the cadence, too,
    how often our own gate has refused meanwhile: each refusal alone would be a row with every book.
    """

    def __init__(self, recorder: Recorder, trader: Trader, clock: Clock) -> None:
        self._recorder = recorder
        self._trader = trader
        self._clock = clock
        self._wallets: dict[str, Decimal] = {}  # as they were last written down
        self._refused: dict[str, int] = {}  # by code, as many as are written down
        trader.auditor.on_balances = self._compared

    def __call__(self, event: Event) -> None:
        """A `Listener`: what has just changed the inventory."""
        if isinstance(event, CycleEnded):
            self.take("cycle")
        elif isinstance(event, ConversionEnded):
            self.take(event.kind)
        elif isinstance(event, OrderEnded) and event.state == OrderState.PARTIAL.value:
            self.take("partial")
        elif isinstance(event, IncidentSeen) and event.kind == FEES_KIND:
            watch(self._recorder, self._trader.setup.desk.setup.watch)

    async def run(self) -> None:
        """One when recovery is over, one each time it is due, and one at the end."""
        while not self._trader.started:
            await self._clock.sleep(LOOK_S)
        why = "start"
        try:
            while True:
                self.take(why)
                self.note_refusals()
                await self._clock.sleep(self._trader.setup.settings.inventory.snapshot_every_s)
                why = "cadence"
        finally:
            self.take("end")
            self.note_refusals()

    def take(self, why: str) -> None:
        """What is owned now, by asset."""
        rows = list(self._rows())
        self._wallets = {row["asset"]: row["wallet"] for row in rows}
        self._recorder.inventory(why, rows)

    def note_refusals(self) -> None:
        """How often each code has refused since it was last written down."""
        for code, count in self._trader.engine.refusals.items():
            times = count - self._refused.get(code, 0)
            if times:
                self._recorder.refusals(code, times)
                self._refused[code] = count

    def _compared(self, balances: Mapping[str, Balance]) -> None:
        """The venue was asked, between cycles: money may have come or gone since the last one."""
        self._recorder.wallet(balances)
        ledger = self._trader.ledger
        if self._wallets and self._wallets != {one: ledger.wallet(one) for one in ledger.assets}:
            self.take("flow")

    def _rows(self) -> Iterator[dict[str, Any]]:
        ledger = self._trader.ledger
        for asset in ledger.assets:
            yield {
                "asset": asset,
                "wallet": ledger.wallet(asset),
                "held": ledger.held(asset),
                "exposure": ledger.exposure(asset),
            }
