"""A network in memory: servers that listen, clients that dial, and what can go wrong between.

`WireLoop` is the simulation's loop with `create_server` and `create_connection` of this network.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from tests.simulation.loop import OWNER, Process, SimLoop
from tests.wiresim.ends import EOF, End, StubSocket, Way, Weather

CLIENT_PORTS = 40_000


class Wire:
    """One connection: the client's end and the server's, and the two ways between them."""

    def __init__(
        self, loop: SimLoop, weather: Weather, number: int, where: tuple[str, int]
    ) -> None:
        here = ("127.0.0.1", CLIENT_PORTS + number % 20_000)
        self.number = number
        self.loop = loop
        self.owner: Process | None = OWNER.get()
        self.up, self.down = Way(loop, weather), Way(loop, weather)
        self.client = End(loop, self.up, copy_context(), (here, where), client=True)
        self.server = End(loop, self.down, loop.nobody, (where, here), client=False)
        self.client.peer, self.server.peer = self.server, self.client
        self.up.to, self.down.to = self.server, self.client
        self.speaks = "http"  # or what was upgraded to
        self.hurt = False  # something was done to it

    @property
    def alive(self) -> bool:
        """Whether the client believes in it."""
        return not self.client.closing

    @property
    def whole(self) -> bool:
        """Whether bytes go both ways."""
        ends = self.client.closing or self.server.closing
        return not (ends or self.up.lost or self.down.lost)

    # --- what a network does to it ---------------------------------------------------------------

    def reset(self) -> None:
        """Both ends are reset; what was under way is lost."""
        self.hurt = True
        for way in (self.up, self.down):
            way.drop()
            way.lost = True
        for end in (self.client, self.server):
            self.loop.call_soon(end.fail, context=end.context)

    def mute(self, *, up: bool = True, down: bool = True) -> None:
        """From now on nothing passes, ends and resets included, and nobody is told."""
        self.hurt = True
        for way, chosen in ((self.up, up), (self.down, down)):
            if chosen:
                way.drop()
                way.lost = True

    def hold(self, until_ns: int, *, up: bool = False) -> None:
        """What is said from now on arrives no earlier than that."""
        self.hurt = True
        way = self.up if up else self.down
        way.held_ns = max(way.held_ns, until_ns)

    def cut_after(self, size: int) -> None:
        """The server's side ends after so many bytes more."""
        self.hurt = True
        self.down.left = size

    def half_close(self) -> None:
        """The server says that it is through, and goes on listening."""
        self.hurt = True
        if not self.down.lost:
            self.down.put(EOF)
            self.down.lost = True


class Listening(asyncio.AbstractServer):
    """What `create_server` returns."""

    def __init__(self, net: Net, where: tuple[str, int]) -> None:
        self._net = net
        self._where = where
        self.sockets = [StubSocket(where, where)]

    def close(self) -> None:
        self._net.listeners.pop(self._where, None)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._net.loop

    def is_serving(self) -> bool:
        return self._where in self._net.listeners

    async def start_serving(self) -> None:
        """It does already."""

    async def serve_forever(self) -> None:
        await asyncio.Event().wait()

    async def wait_closed(self) -> None:
        """At once."""


class Net:
    """Every listener and every wire. `fate` says what becomes of a dial: "", or how it fails."""

    def __init__(self, loop: SimLoop, weather: Weather) -> None:
        self.loop = loop
        self.weather = weather
        self.listeners: dict[tuple[str, int], Callable[[], Any]] = {}
        self.wires: list[Wire] = []
        self.fate: Callable[[], str] = lambda: ""
        self.joined: Callable[[Wire], None] = lambda _wire: None
        self._numbers = 0
        self._ports = 8_000

    def listen(self, factory: Callable[[], Any], host: str, port: int) -> Listening:
        """A server begins to listen."""
        where = (host, port or self._next_port())
        if where in self.listeners:
            raise OSError(errno.EADDRINUSE, "address in use")
        self.listeners[where] = factory
        return Listening(self, where)

    async def dial(self, factory: Callable[[], Any], where: tuple[str, int]) -> tuple[End, Any]:
        """A client connects."""
        fate = self.fate()
        await asyncio.sleep(self.weather.delay_ns() * 2 / 1e9)
        if fate == "lost":
            await asyncio.Event().wait()  # whoever waits has a timeout
        accepts = self.listeners.get(where)
        if accepts is None or fate == "refused":
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {where}")
        self._numbers += 1
        wire = Wire(self.loop, self.weather, self._numbers, where)
        self.wires = [one for one in self.wires if not (one.client.gone and one.server.gone)]
        self.wires.append(wire)
        self.loop.call_soon(self._accept, wire, accepts, context=self.loop.nobody)
        protocol = factory()
        wire.client.set_protocol(protocol)
        self.joined(wire)
        protocol.connection_made(wire.client)
        if fate == "reset":
            wire.reset()
        elif fate == "mute":
            wire.mute()
        return wire.client, protocol

    def _accept(self, wire: Wire, factory: Callable[[], Any]) -> None:
        protocol = factory()
        wire.server.set_protocol(protocol)
        protocol.connection_made(wire.server)

    def _next_port(self) -> int:
        self._ports += 1
        return self._ports


class WireLoop(SimLoop):
    """`SimLoop` with sockets."""

    def __init__(self, start_ns: int) -> None:
        super().__init__(start_ns)
        self.net: Net | None = None

    async def create_server(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any
    ) -> Any:
        """Listen in memory."""
        return self._net().listen(protocol_factory, str(host), int(port or 0))

    async def create_connection(
        self,
        protocol_factory: Any,
        host: Any = None,
        port: Any = None,
        *,
        sock: Any = None,
        **_: Any,
    ) -> Any:
        """Dial in memory: by host and port, or by a stub that says where to."""
        where = sock.there if sock is not None else (str(host), int(port))
        return await self._net().dial(protocol_factory, where)

    def _net(self) -> Net:
        if self.net is None:
            raise OSError("there is no network")
        return self.net
