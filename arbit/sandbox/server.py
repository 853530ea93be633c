"""The sandbox on loopback sockets: the market's clockwork, and the face that shows it.

async with SandboxServer(profile="calm", seed=7) as sandbox:
    sandbox.rest_url, sandbox.ws_url          # where the venue is
    sandbox.faults.set("mute_symbol", symbol="BTC/USD")
    sandbox.faults.clear()
    sandbox.market, sandbox.stats             # the truth, and what was done

``face`` says whose wire it speaks: ``kraken`` or ``alpaca``. One core stands behind both.
"""

import asyncio
import random
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from arbit.sandbox.alpaca.face import AlpacaFace
from arbit.sandbox.alpaca.listing import load as alpaca_profile
from arbit.sandbox.control import ControlFace
from arbit.sandbox.faults import Faults
from arbit.sandbox.kraken.face import KrakenFace
from arbit.sandbox.kraken.private import PrivateFace
from arbit.sandbox.kraken.rest import RestFace
from arbit.sandbox.kraken.stream import StreamFace
from arbit.sandbox.market import Market
from arbit.sandbox.options import SandboxOptions
from arbit.sandbox.order_faults import AtOnce
from arbit.sandbox.profiles import Profile
from arbit.sandbox.scene import Face, Scene
from arbit.sandbox.sockets import REQUEST_BYTES, Sockets
from arbit.sandbox.stats import Stats
from arbit.sandbox.wallclock import NS, WallClock

__all__ = ["FACES", "SandboxOptions", "SandboxServer"]

HOST = "127.0.0.1"  # loopback only, always
CATCH_UP_NS = 2 * NS  # a host asleep for longer does not play what it missed
FACES: Final = ("kraken", "alpaca")


class SandboxServer:
    """The exchange as a server inside the running event loop; an async context manager.

    ``port`` 0 takes a free one. Raises ``ValueError`` for an unknown profile or face when made and
    ``OSError`` on entry when the port is taken.
    """

    def __init__(  # the first four are what every user names
        self,
        profile: str | Profile = "calm",
        seed: int = 1,
        port: int = 0,
        options: SandboxOptions | None = None,
        face: str = "kraken",
    ) -> None:
        if face not in FACES:
            raise ValueError(f"unknown face {face!r}: expected one of {', '.join(FACES)}")
        self.options = options or SandboxOptions()
        if face == "alpaca" and isinstance(profile, str):
            profile = alpaca_profile(profile)
        self.market = Market(profile, seed)
        self.faults = Faults(face)
        self.stats = Stats()
        self.port = port
        self.face_name = face
        self._clock = WallClock()
        self._stopping = asyncio.Event()
        self.sockets = Sockets(self.faults, self.stats, self._clock, self.options)
        scene = Scene(
            market=self.market,
            faults=self.faults,
            stats=self.stats,
            clock=self._clock,
            sockets=self.sockets,
            options=self.options,
            rng=random.Random(seed),
            stopping=self._stopping,
        )
        self._kraken = KrakenFace(scene) if face == "kraken" else None
        self._alpaca = AlpacaFace(scene) if face == "alpaca" else None
        self.exchange = self.face.exchange
        self.control = ControlFace(self.market, self.faults, self._facts, self._release)
        self._played_ns = 0
        self._runner: web.AppRunner | None = None
        self._timer: asyncio.Handle | None = None
        self.faults.known_symbol = self.market.pairs.__contains__
        self.faults.on_change = self._apply_faults
        if self.options.frozen:
            self.market.freeze()

    @property
    def face(self) -> Face:
        """The face that is served."""
        return self.alpaca if self._kraken is None else self._kraken

    @property
    def alpaca(self) -> AlpacaFace:
        """Alpaca's face; raises ``LookupError`` where another one is served."""
        if self._alpaca is None:
            raise LookupError("this sandbox does not show Alpaca's face")
        return self._alpaca

    @property
    def kraken(self) -> KrakenFace:
        """Kraken's face; raises ``LookupError`` where another one is served."""
        if self._kraken is None:
            raise LookupError("this sandbox does not show Kraken's face")
        return self._kraken

    @property
    def private(self) -> PrivateFace:
        """Kraken's private REST."""
        return self.kraken.private

    @property
    def stream(self) -> StreamFace:
        """Kraken's WebSocket v2."""
        return self.kraken.stream

    @property
    def at_once(self) -> AtOnce:
        """The faults that happen the moment they are set."""
        return self.kraken.at_once

    @property
    def _rest(self) -> RestFace:
        return self.kraken.rest

    @property
    def rest_url(self) -> str:
        """Base of REST paths: ``<rest_url>/0/public/Time``."""
        return f"http://{HOST}:{self.port}"

    @property
    def ws_url(self) -> str:
        """The public socket's whole address."""
        return f"ws://{HOST}:{self.port}{self.face.ws_path}"

    @property
    def addresses(self) -> dict[str, str]:
        """Every address by its name in the ready line."""
        own = self.face.addresses(f"{HOST}:{self.port}")
        return {"rest": self.rest_url, "ws": self.ws_url, **own}

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=REQUEST_BYTES)
        self.face.add_routes(app)
        if self.options.control:
            self.control.add_routes(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, HOST, self.port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]
        self._played_ns = self._clock.elapsed_ns()
        self._timer = asyncio.get_running_loop().call_soon(self._tick)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self.exchange.log.close()
        if self._timer is not None:
            self._timer.cancel()
        self.sockets.abort_all()
        if self._runner is not None:
            await self._runner.cleanup()

    def _tick(self) -> None:
        """Play the market up to now and send what changed.

        Rearmed first: a bug in one turn is reported by the loop and does not stop the exchange.
        """
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self.options.tick_ms / 1000.0, self._tick)
        now_ns = self._clock.elapsed_ns()
        if now_ns - self._played_ns > CATCH_UP_NS:
            self.market.skip((now_ns - self._played_ns) * self.options.pace)
        self._played_ns = now_ns
        self.exchange.tick(self._clock.wall_ns())
        changes = self.market.advance(now_ns * self.options.pace)
        self.stats.level_changes += len(changes)
        self.face.publish(changes)
        self.face.tick()

    def _apply_faults(self) -> None:
        """Bring lasting states in line with the active faults, at once when they change."""
        self.sockets.apply()
        self.face.apply()

    def _release(self) -> int:
        return self.exchange.release(self._clock.wall_ns())

    def _facts(self) -> dict[str, object]:
        return {"connections": self.face.facts(), "stats": self.stats.as_json()}
