"""The sandbox on loopback sockets: the market's clockwork, and the faces that show it.

async with SandboxServer(profile="calm", seed=7) as sandbox:
    sandbox.rest_url, sandbox.ws_url          # where the venue is
    sandbox.faults.set("mute_symbol", symbol="BTC/USD")
    sandbox.faults.clear()
    sandbox.market, sandbox.stats             # the truth, and what was done
"""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import WSMsgType, web

from arbit.sandbox.control import ControlFace
from arbit.sandbox.exchange import Exchange
from arbit.sandbox.faults import Fault, Faults
from arbit.sandbox.journal import FILE_NAME, EventLog
from arbit.sandbox.kraken.delivery import Delivery
from arbit.sandbox.kraken.private import PrivateFace
from arbit.sandbox.kraken.private_stream import PrivateStream
from arbit.sandbox.kraken.rest import RestFace
from arbit.sandbox.kraken.stream import StreamFace
from arbit.sandbox.kraken.words import compact
from arbit.sandbox.market import Market
from arbit.sandbox.order_faults import AtOnce, FaultyGate, FaultyHooks, OrderFaults
from arbit.sandbox.session import Session
from arbit.sandbox.stats import Stats
from arbit.sandbox.wallclock import NS, WallClock

HOST = "127.0.0.1"  # loopback only, always
MS = 1_000_000
CATCH_UP_NS = 2 * NS  # a host asleep for longer does not play what it missed
REQUEST_BYTES = 1 << 20
WEB_PAGE = "<!DOCTYPE html><html><body><h1>Just a moment...</h1></body></html>"


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """Limits of the faces. Times in seconds unless named otherwise."""

    tick_ms: float = 5.0
    pace: int = 1  # how many seconds of market are played in one
    connects_per_window: int = 150  # per address; the venue's figure
    connect_window_s: float = 600.0
    idle_close_s: float = 60.0  # sockets without a subscription; 0 means never
    outbox_bytes: int = 8 << 20
    control: bool = True
    frozen: bool = False
    state: Path | None = None  # folder of the event log, which is the accounts' memory
    taker_fee_bps: Decimal | None = None  # one fee for every pair, instead of the ladders
    tier: str = "starter"
    balances: Mapping[str, Decimal] | None = None


class SandboxServer:
    """The exchange as a server inside the running event loop; an async context manager.

    ``port`` 0 takes a free one. Raises ``ValueError`` for an unknown profile when made and
    ``OSError`` on entry when the port is taken.
    """

    def __init__(
        self,
        profile: str = "calm",
        seed: int = 1,
        port: int = 0,
        options: SandboxOptions | None = None,
    ) -> None:
        self.options = options or SandboxOptions()
        self.market = Market(profile, seed)
        self.faults = Faults()
        self.stats = Stats()
        self.port = port
        self._clock = WallClock()
        state = self.options.state
        self.exchange = Exchange(
            self.market,
            EventLog(None if state is None else state / FILE_NAME),
            taker_fee_bps=self.options.taker_fee_bps,
            tier=self.options.tier,
            balances=self.options.balances,
            start_ns=self._clock.wall_ns(),
        )
        self.private = PrivateFace(self.exchange, self._clock)
        delivery = Delivery(self.faults, self.stats, random.Random(seed))
        self.stream = StreamFace(self.market, delivery, self._clock, self.options.idle_close_s)
        order_faults = OrderFaults(self.faults)
        self.private.gate = FaultyGate(self.private, order_faults, self._clock)
        self.at_once = AtOnce(self.exchange, self.private, self.faults, self._clock)
        self.exchange.hooks = FaultyHooks(self.faults, _steps(self.market))
        self.stream.private = PrivateStream(self.exchange, order_faults, self._clock, self._say)
        self._rest = RestFace(self.market, self._clock)
        self.control = ControlFace(self.market, self.faults, self._facts)
        self._connects: deque[int] = deque()
        self._next_number = 1
        self._played_ns = 0
        self._runner: web.AppRunner | None = None
        self._timer: asyncio.Handle | None = None
        self._stopping = asyncio.Event()
        self.faults.known_symbol = self.market.pairs.__contains__
        self.faults.on_change = self._apply_faults
        if self.options.frozen:
            self.market.freeze()

    @property
    def rest_url(self) -> str:
        """Base of REST paths: ``<rest_url>/0/public/Time``."""
        return f"http://{HOST}:{self.port}"

    @property
    def ws_url(self) -> str:
        """The public WebSocket v2 endpoint."""
        return f"ws://{HOST}:{self.port}/v2"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=REQUEST_BYTES)
        app.router.add_get("/v2", self._socket)
        app.router.add_route("*", "/0/public/{name}", self._public)
        app.router.add_post("/0/private/{name}", self._private)
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
        for client in list(self.stream.clients.values()):
            client.session.abort()
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
        self.stream.publish(dict.fromkeys(change.symbol for change in changes))
        self.stream.tick()

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        refused = self._refused_connect()
        if refused:
            self.stats.refused_connects += 1
            return web.Response(status=refused)
        socket = web.WebSocketResponse(
            autoping=False, compress=False, max_msg_size=REQUEST_BYTES, timeout=1.0
        )
        if not socket.can_prepare(request).ok:
            return web.Response(status=400)
        await socket.prepare(request)
        transport = request.transport
        if not isinstance(transport, asyncio.Transport):  # lost during the handshake
            return socket
        number = self._next_number
        self._next_number += 1
        self.stats.connects += 1
        session = Session(number, socket, transport, self.options.outbox_bytes, self.stats)
        await self._converse(session, socket)
        return socket

    async def _converse(self, session: Session, socket: web.WebSocketResponse) -> None:
        self.stream.join(session)
        self._apply_to_session(session)
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(session.write())
                try:
                    await self._read(session, socket)
                finally:
                    writer.cancel()
        finally:
            session.closing = True
            self.stats.disconnects += 1
            self.stream.leave(session)

    async def _read(self, session: Session, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.stream.receive(session, message.data)
            elif message.type is WSMsgType.BINARY:
                self.stream.receive(session, "")  # not JSON text: malformed, in the venue's words
            elif message.type is WSMsgType.PING:
                with contextlib.suppress(ConnectionError):
                    await session.pong(message.data)

    def _refused_connect(self) -> int:
        """HTTP status to refuse an upgrade with, or 0."""
        fault = self.faults.find("refuse_connects")
        if fault is not None:
            self.faults.use(fault)
            return int(fault.number("status"))
        now_ns = self._clock.elapsed_ns()
        window_ns = int(self.options.connect_window_s * NS)
        while self._connects and now_ns - self._connects[0] > window_ns:
            self._connects.popleft()
        if len(self._connects) >= self.options.connects_per_window:
            return 429
        self._connects.append(now_ns)
        return 0

    async def _public(self, request: web.Request) -> web.StreamResponse:
        self.stats.rest_calls += 1
        name = request.match_info["name"]
        slow = self._rest_fault("rest_slow", name)
        if slow is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), slow.number("delay_ms") / 1000.0)
        down = self._rest_fault("rest_down", name)
        if down is not None and not down.number("status"):
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=503)
        if down is not None:
            return web.Response(status=int(down.number("status")))
        if self._rest_fault("rest_html", name) is not None:
            return web.Response(text=WEB_PAGE, content_type="text/html")
        broken = self._rest_fault("rest_error", name)
        if broken is not None:
            return _json({"error": [broken.text("error")]})
        params = dict(request.query)
        if request.method == "POST":
            params |= {key: str(value) for key, value in (await request.post()).items()}
        return _json(self._rest.answer(name, params))

    async def _private(self, request: web.Request) -> web.StreamResponse:
        self.stats.rest_calls += 1
        return await self.private.serve(request)

    def _rest_fault(self, name: str, path: str) -> Fault | None:
        fault = self.faults.rest(name, path)
        if fault is not None:
            self.faults.use(fault)
        return fault

    def _say(self, session: Session, text: str) -> None:
        session.send(text, self._clock.elapsed_ns())

    def _apply_faults(self) -> None:
        """Bring lasting states in line with the active faults, at once when they change."""
        self.at_once.apply()
        for client in list(self.stream.clients.values()):
            self._apply_to_session(client.session)
        self._apply_closes()
        fault = self.faults.find("system_status")
        system = "online" if fault is None else fault.text("status")
        if system != self.market.system:
            self.market.set_system(system)
            self.stream.broadcast_status()
        flipped = []
        for pair in self.market.pairs.values():
            fault = self.faults.find("pair_status", pair.symbol)
            status = "online" if fault is None else fault.text("status")
            if status != pair.status:
                self.market.set_status(pair.symbol, status)
                flipped.append(pair)
        if flipped:
            self.stream.broadcast_pairs(flipped)

    def _apply_to_session(self, session: Session) -> None:
        number = session.number
        mute = self.faults.find("mute_socket", connection=number)
        slow = self.faults.find("slow", connection=number)
        session.muted = mute is not None
        session.pongs = mute is None or bool(mute.params["pongs"])
        session.delay_ns = 0 if slow is None else int(slow.number("delay_ms") * MS)
        half_open = self.faults.find("half_open", connection=number) is not None
        session.set_half_open(half_open=half_open)

    def _apply_closes(self) -> None:
        for fault in [one for one in self.faults.active if one.kind.name == "close"]:
            if fault.seen:  # done already; it stays for new connections only
                continue
            fault.seen = 1
            for client in list(self.stream.clients.values()):
                if fault.hits_connection(client.session.number):
                    client.session.close(int(fault.number("code")), fault.text("reason"))
            if not fault.params["on_connect"]:
                self.faults.use(fault)

    def _facts(self) -> dict[str, object]:
        sockets = [
            {
                "connection": client.session.number,
                "books": [list(key) for key in client.books],
                "tickers": list(client.tickers),
                "instrument": client.instruments,
            }
            for client in self.stream.clients.values()
        ]
        return {"connections": sockets, "stats": self.stats.as_json()}


def _steps(market: Market) -> dict[str, Decimal]:
    """The quantity step of each pair, in base units."""
    return {
        symbol: Decimal(pair.instrument.qty_step).scaleb(-pair.instrument.qty_precision)
        for symbol, pair in market.pairs.items()
    }


def _json(value: object) -> web.Response:
    return web.Response(text=compact(value), content_type="application/json")
