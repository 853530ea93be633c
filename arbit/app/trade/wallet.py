"""What is owned on a chain, looked at beside trading and never in its way."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from arbit.app.trade.history import recording
from arbit.config import Settings, WalletSettings
from arbit.domain.errors import UserError, first_of
from arbit.domain.events import Event, WalletChanged
from arbit.domain.wallet import WalletLook, WalletUnread
from arbit.persistence.recorder import Recorder
from arbit.ports import Clock, WalletReader
from arbit.telemetry.hub import Hub

WALLET = "wallet"  # where venues' events name a venue
STANDS_NS = 600_000_000_000  # a chain makes a block within seconds; a node may lag a little
READ, UNREAD, BROKEN = "read", "unread", "broken"


@asynccontextmanager
async def wallet_watched(settings: Settings, hub: Hub, clock: Clock) -> AsyncIterator[None]:
    """Look at the chain while open, if a node is set; else nothing is tried at all.

    UserError for what is set wrong, or when the extra that it needs is missing.
    """
    if settings.wallet.rpc_url is None:
        yield
        return
    reader = reader_of(settings.wallet)
    try:
        async with recording(settings, WALLET, WALLET, hub, clock) as recorder:
            watch = WalletWatch(settings.wallet, reader, recorder, clock, hub.publish)
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(_supervised(watch, hub), name=WALLET)
                try:
                    yield
                finally:
                    watching.cancel()
    except BaseExceptionGroup as several:
        raise first_of(several) from None


def reader_of(wallet: WalletSettings) -> WalletReader:
    """What reads the chain. UserError in one line for what it lacks or cannot use."""
    if importlib.util.find_spec("web3") is None:
        raise UserError("ARBIT_WALLET__RPC_URL: reading a chain needs `pip install arbit[wallet]`")
    from arbit.wallet.reader import EvmWallet

    return EvmWallet(wallet)


class WalletWatch:
    """Looks at the chain on its cadence, writes down what it finds, and tells what changed."""

    def __init__(
        self,
        wallet: WalletSettings,
        reader: WalletReader,
        recorder: Recorder,
        clock: Clock,
        publish: Callable[[Event], None],
    ) -> None:
        self._every_ns = wallet.every_s * 1_000_000_000
        self._reader = reader
        self._recorder = recorder
        self._clock = clock
        self._publish = publish
        self._told = ("", "")
        self._block = 0  # the newest seen, and when it was first seen
        self._since_ns = 0

    async def run(self) -> None:
        """A look now, and one each time the cadence is due; one that is missed is left out."""
        began_ns = self._clock.monotonic_ns()
        while True:
            await self.look()
            past_ns = self._clock.monotonic_ns() - began_ns
            await self._clock.sleep((self._every_ns - past_ns % self._every_ns) / 1e9)

    async def look(self) -> None:
        """One look. What was told of the last is not told again."""
        try:
            look = await self._reader.read()
        except WalletUnread as error:
            self._tell(UNREAD, str(error))
            return
        self._recorder.on_chain(look)
        problems = [*self._stands(look), *look.problems]
        self._tell(UNREAD if problems else READ, "; ".join(problems))

    def _stands(self, look: WalletLook) -> list[str]:
        """A node that is stuck answers well, and says what was long ago."""
        now_ns = self._clock.monotonic_ns()
        if look.block > self._block:
            self._block, self._since_ns = look.block, now_ns
        old = now_ns - self._since_ns > STANDS_NS
        return [f"the node stands still at block {self._block}"] if old else []

    def _tell(self, state: str, why: str) -> None:
        if self._told != (state, why):
            self._told = (state, why)
            self._publish(WalletChanged(WALLET, state, why))


async def _supervised(watch: WalletWatch, hub: Hub) -> None:
    """Whatever breaks here ends the looking alone, and is told: trading has no part in it."""
    try:
        await watch.run()
    except Exception as error:  # noqa: BLE001  the supervisor of this task: told as an event
        hub.publish(WalletChanged(WALLET, BROKEN, type(error).__name__))
